import type { Command } from 'commander'
import { type EvaluateConfig, type Evaluation, loadModel, renderPredictions } from '../../index.js'
import { applySetting, type Draft, isSetting, readValue } from '../arguments/config-arguments.js'
import { examples } from '../help.js'
import { refusal, remark } from '../messages.js'
import { paint } from '../output/colors.js'
import { count, loss, percent } from '../output/format.js'
import { checkPicturePath, writePicture } from '../output/image-file.js'
import { print, tell } from '../output/streams.js'
import { harmless, roomIn } from '../output/terminal.js'
import { table } from '../output/text-table.js'
import { downloading } from './data.js'

/** Pixels a side of the images in a picture. */
const THUMBNAIL = 96

interface Flags {
  part?: string
  batchSize?: string
  crops?: string
  scales?: string
  samples?: string
  topLosses?: string
  pictures: string
  json?: true
}

/** `residual eval` */
export function addEval(program: Command): void {
  const verb = program
    .command('eval')
    .description("measure a trained network's loss and accuracy, and what it confuses")
    .argument('<model>', 'a run folder, a checkpoint, or weights (.pth, .safetensors)')
    .argument('[data]', 'a folder or a named data set; by default the one it was trained on')
    .argument('[settings...]', 'of weights alone: imageSize=32 model.arch=resnet20')
    .option('--part <part>', 'train, val or test; by default test, where there is one')
    .option('--batch-size <count>', 'images at a time')
    .option('--crops <crops>', 'what of an image is seen: center, flip, ten or multi-scale')
    .option('--scales <pixels>', 'short sides of multi-scale: 224,256,384,480,640')
    .option('--samples <file>', 'draw sample predictions, as .png or .svg')
    .option('--top-losses <file>', 'draw the images with the highest losses, as .png or .svg')
    .option('--pictures <count>', 'images in each drawing', '24')
    .option('--json', 'print everything measured, as JSON')
    .action(async (path: string, word: string | undefined, words: string[], flags: Flags) => {
      const data = word !== undefined && isSetting(word) ? undefined : word
      const load: Draft = {}
      for (const setting of word === data ? words : [word as string, ...words]) {
        applySetting(load, setting)
      }
      const drawn = [flags.samples, flags.topLosses]
      for (const path of drawn) if (path !== undefined) checkPicturePath(path, 'picture')
      const pictures = readValue(flags.pictures)
      if (!Number.isInteger(pictures) || (pictures as number) < 1) {
        throw refusal.number('pictures', flags.pictures)
      }
      const config = {
        data,
        part: flags.part,
        batchSize: flags.batchSize && readValue(flags.batchSize),
        crops: flags.crops,
        scales: flags.scales?.split(',').map((scale) => readValue(scale.trim())),
        samples: flags.samples && pictures,
        topLosses: flags.topLosses && pictures,
        thumbnails: drawn.some((path) => path !== undefined) ? THUMBNAIL : undefined,
      }
      // What the user typed; the core checks it.
      await downloading(flags.json ?? false, async (options) => {
        await using model = await loadModel(path, load)
        for (const sentence of model.info.assumed) tell(remark.assumed(sentence))
        const evaluation = await model.evaluate(config as EvaluateConfig, options)
        tellOfBroken(evaluation)
        await draw(evaluation, flags)
        await print(flags.json ? JSON.stringify(withoutPixels(evaluation)) : inWords(evaluation))
      })
    })
  examples(
    verb,
    ['eval runs/latest', 'on its test images, or those held back from training'],
    ['eval runs/latest ./more-photos', 'on other images of the same classes'],
    ['eval runs/latest --top-losses worst.png', 'with a picture of the worst mistakes'],
    ['eval runs/latest --crops ten', 'ten looks at each image, averaged'],
  )
}

async function draw(evaluation: Evaluation, flags: Flags): Promise<void> {
  const { samples, topLosses } = flags
  const [right, total] = [percent(evaluation.accuracy), count(evaluation.count)]
  if (samples !== undefined) {
    const title = `Samples of ${total} images, ${right} recognised`
    await writePicture(samples, renderPredictions(evaluation.samples, { title }))
    process.stderr.write(`drew ${samples}\n`)
  }
  if (topLosses !== undefined) {
    const title = `Highest losses of ${total} images`
    await writePicture(topLosses, renderPredictions(evaluation.topLosses, { title }))
    process.stderr.write(`drew ${topLosses}\n`)
  }
}

/** Nobody reads them in a terminal, and they are in the drawing. */
function withoutPixels(evaluation: Evaluation): Evaluation {
  const strip = <T extends { thumbnail?: unknown }>({ thumbnail: _, ...rest }: T) => rest
  return {
    ...evaluation,
    samples: evaluation.samples.map(strip),
    topLosses: evaluation.topLosses.map(strip),
  }
}

function tellOfBroken({ broken, warnings }: Evaluation): void {
  const label = paint(process.stderr, 'yellow', 'warning')
  for (const { message, file } of warnings) {
    const place = file === undefined || message.includes(file) ? '' : ` (${file})`
    process.stderr.write(`${label}: ${harmless(`${message}${place}`)}; left out\n`)
  }
  if (broken > warnings.length) {
    process.stderr.write(`${label}: ${count(broken - warnings.length)} more images left out\n`)
  }
}

function inWords(evaluation: Evaluation): string {
  const classes = table(
    ['class', 'accuracy', 'precision', 'F1', 'images'],
    evaluation.classes.map((row) => [
      harmless(row.label),
      percent(row.accuracy),
      percent(row.precision),
      row.f1.toFixed(3),
      count(row.count),
    ]),
    { worth: [9, 8, 5, 4, 7], room: roomIn(process.stdout) },
  )
  const confused = evaluation.mostConfused.map(
    (pair) =>
      `  ${harmless(`${pair.label} taken for ${pair.predicted}`)}: ${count(pair.count)} (${percent(pair.share)})`,
  )
  const summary = [
    `accuracy ${percent(evaluation.accuracy)} of ${count(evaluation.count)} images`,
    `loss ${loss(evaluation.loss)}`,
    // Five guesses say something only among more classes.
    ...(evaluation.classes.length > 5 ? [`top-5 accuracy ${percent(evaluation.top5)}`] : []),
    `calibration error ${percent(evaluation.calibration.error)}`,
  ]
  return [
    classes,
    ...(confused.length > 0 ? ['', 'confused most often', ...confused] : []),
    '',
    summary.join(', '),
  ].join('\n')
}
