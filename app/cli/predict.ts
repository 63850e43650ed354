import type { Command } from 'commander'
import { loadModel } from '../../bindings/ts/index.js'
import { applySetting, type Draft, isSetting, readValue } from './configuration.js'
import { report } from './failure.js'
import { print, remark } from './output.js'
import { table } from './table.js'
import { percent } from './units.js'

interface Flags {
  top: string
  json?: true
}

/** `residual predict` */
export function addPredict(program: Command): void {
  program
    .command('predict')
    .description('say what is on images')
    .argument('<model>', 'a run folder, a checkpoint, or weights (.pth, .safetensors)')
    .argument('<images...>', 'JPEG or PNG files; of weights alone also settings: imageSize=32')
    .option('--top <count>', 'classes to name, best first', '1')
    .option('--json', 'print one prediction a line, as JSON')
    .action(async (path: string, words: string[], flags: Flags) => {
      const images = words.filter((word) => !isSetting(word))
      const load: Draft = {}
      for (const setting of words.filter(isSetting)) applySetting(load, setting)
      await using model = await loadModel(path, load)
      for (const sentence of model.info.assumed) remark(`assumed: ${sentence}`)
      const top = readValue(flags.top) as number
      const rows: string[][] = []
      for (const image of images) {
        // One after the other: one that cannot be read costs none of the others.
        try {
          const prediction = await model.predict(image, { top })
          if (flags.json) await print(JSON.stringify({ image, ...prediction }))
          for (const { label, probability } of prediction.top) {
            rows.push([image, label, percent(probability)])
          }
        } catch (error) {
          process.exitCode = report(error)
        }
      }
      if (!flags.json && rows.length > 0) {
        await print(table(['image', 'class', 'probability'], rows))
      }
    })
}
