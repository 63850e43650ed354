import type { Command } from 'commander'
import {
  type ImageInput,
  type LoadConfig,
  loadModel,
  type Model,
  type PredictConfig,
  type Prediction,
} from '../../index.js'
import { applySetting, type Draft, readValue } from '../arguments/config-arguments.js'
import { isImageWord, type Named, namedImages } from '../arguments/image-arguments.js'
import { examples } from '../help.js'
import { Interrupt } from '../interrupt.js'
import { remark } from '../messages.js'
import { Gallery } from '../output/prediction-gallery.js'
import { PredictionTable } from '../output/prediction-table.js'
import { report } from '../output/print-error.js'
import { print, tell } from '../output/streams.js'

/** Images asked about at once; one that cannot be read is then found one by one. */
const AT_ONCE = 16

interface Flags {
  top?: string
  tta?: string
  scales?: string
  html?: string
  json?: true
}

/** `residual predict` */
export function addPredict(program: Command): void {
  const verb = program
    .command('predict')
    .description('say what is on images')
    .argument('<model>', 'a run folder, a checkpoint, or weights (.pth, .safetensors)')
    .argument('<images...>', 'JPEG or PNG files, folders of them, or - for one from stdin')
    .option('--top <count>', 'classes to name, best first; by default 1')
    .option('--tta <views>', 'look more than once and average: flip, ten or multi-scale')
    .option('--scales <pixels>', 'short sides of multi-scale: 224,256,384,480,640')
    .option('--html <file>', 'also write a page with the pictures')
    .option('--json', 'print one prediction a line, as JSON')
    .action(async (path: string, words: string[], flags: Flags) => {
      const load: Draft = {}
      for (const word of words) if (!isImageWord(word)) applySetting(load, word)
      const images = await namedImages(words.filter(isImageWord))
      const config = {
        top: flags.top === undefined ? 1 : readValue(flags.top),
        crops: flags.tta,
        scales: flags.scales?.split(',').map((scale) => readValue(scale.trim())),
      }
      // What the user typed; the core checks it.
      await using model = await loadModel(path, load as LoadConfig)
      for (const sentence of model.info.assumed) tell(remark.assumed(sentence))
      await answer(model, images, config as PredictConfig, flags)
    })
  examples(
    verb,
    ['predict runs/latest cat.jpg dog.jpg', 'the most probable class of each'],
    ['predict runs/latest ./photos --top 3 --tta ten', 'a folder; three classes, ten crops each'],
    ['predict runs/latest ./photos --html photos.html', 'a page to look at'],
    ['predict runs/latest - < cat.jpg', 'from stdin'],
    ['predict resnet18.pth cat.jpg imageSize=224', "somebody else's weights"],
  )
}

async function answer(
  model: Model,
  images: readonly Named[],
  config: PredictConfig,
  { html, json }: Flags,
): Promise<void> {
  const table = json ? undefined : new PredictionTable(images, model.info.classes)
  const gallery = html === undefined ? undefined : new Gallery(html, model.info)
  let stopped = false
  using interrupt = new Interrupt(() => {
    stopped = true
  })
  for (let at = 0; at < images.length && !stopped; at += AT_ONCE) {
    const some = images.slice(at, at + AT_ONCE)
    for await (const [image, prediction] of predictions(
      model,
      some,
      gallery?.ask(config) ?? config,
    )) {
      const { thumbnail: _, ...said } = prediction
      if (json) await print(JSON.stringify({ image: image.name, ...said }))
      else for (const row of table?.rows(image.name, said) ?? []) await print(row)
      gallery?.add({ name: image.name, prediction })
    }
  }
  if (gallery !== undefined) tell(remark.wrote(await gallery.write()))
  if (interrupt.exitStatus !== undefined) process.exitCode = interrupt.exitStatus
}

/** Answers in the images' order; one that cannot be read is told of, and costs none of the others. */
async function* predictions(
  model: Model,
  images: readonly Named[],
  config: PredictConfig,
): AsyncGenerator<[Named, Prediction]> {
  if (images.length > 1) {
    const all = await model.predict(images.map(input), config).catch(() => undefined)
    if (all !== undefined) {
      for (const [index, image] of images.entries()) yield [image, all[index] as Prediction]
      return
    }
  }
  for (const image of images) {
    try {
      yield [image, await model.predict(input(image), config)]
    } catch (error) {
      process.exitCode = report(error)
    }
  }
}

function input({ name, bytes }: Named): ImageInput {
  return bytes ?? name
}
