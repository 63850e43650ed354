import type { Command } from 'commander'
import {
  type ImageInput,
  type LoadConfig,
  loadModel,
  type Model,
  type PredictConfig,
  type Prediction,
} from '../../index.js'
import {
  applyFlags,
  applyOverride,
  type ConfigFlags,
  type Draft,
  parseValue,
} from '../arguments/config-arguments.js'
import {
  type ImageArgument,
  isImageArgument,
  readImageArguments,
} from '../arguments/image-arguments.js'
import { addExamples } from '../help.js'
import { InterruptHandler } from '../interrupt.js'
import { notice } from '../messages.js'
import { PredictionGallery } from '../output/prediction-gallery.js'
import { PredictionTable } from '../output/prediction-table.js'
import { printError } from '../output/print-error.js'
import { log, print } from '../output/streams.js'

const BATCH_SIZE = 16

interface Flags extends Pick<ConfigFlags, 'imageSize' | 'device'> {
  top?: string
  crops?: string
  scales?: string
  html?: string
  json?: true
}

/** Adds `residual predict`. */
export function addPredict(program: Command): void {
  const command = program
    .command('predict')
    .description('classify images')
    // Commander allows one variadic argument, so `<images...>` also receives the overrides.
    .usage('[options] <model> <images...> [overrides...]')
    .argument('<model>', 'run folder, checkpoint or weights (.pth, .safetensors)')
    .argument(
      '<images...>',
      'JPEG or PNG files, folders, or - for stdin; overrides set what a weights file lacks: imageSize=32',
    )
    .option('--top <count>', 'number of classes per image, most probable first (default: 1)')
    .option('--image-size <pixels>', 'height and width of the input of a weights file')
    .option('--device <device>', 'cpu or cuda')
    .option('--crops <crops>', 'test-time augmentation: center (default), flip, ten or multi-scale')
    .option('--scales <pixels>', 'short sides for multi-scale (default: 224,256,384,480,640)')
    .option('--html <file>', 'also write an HTML page with thumbnails')
    .option('--json', 'print predictions as JSON, one per line')
    .action(async (path: string, words: string[], flags: Flags) => {
      const loadConfig: Draft = {}
      const { imageSize, device } = flags
      applyFlags(loadConfig, { imageSize, device }, { imageSize: 'imageSize' })
      for (const word of words) if (!isImageArgument(word)) applyOverride(loadConfig, word)
      const images = await readImageArguments(words.filter(isImageArgument))
      const config = {
        top: flags.top === undefined ? 1 : parseValue(flags.top),
        crops: flags.crops,
        scales: flags.scales?.split(',').map((scale) => parseValue(scale.trim())),
      }
      // The core validates the configuration.
      await using model = await loadModel(path, loadConfig as LoadConfig)
      for (const sentence of model.info.assumed) log(notice.assumed(sentence))
      for (const sentence of model.info.warnings) log(notice.weightsWarning(sentence))
      await printPredictions(model, images, config as PredictConfig, flags)
    })
  addExamples(
    command,
    ['predict runs/latest cat.jpg dog.jpg', 'most probable class of each image'],
    [
      'predict runs/latest ./photos --top 3 --crops ten',
      'top three classes, averaged over ten crops',
    ],
    ['predict runs/latest ./photos --html photos.html', 'write an HTML page with thumbnails'],
    ['predict runs/latest - < cat.jpg', 'read an image from stdin'],
    ['predict resnet18.pth cat.jpg --image-size 224', 'classify with PyTorch weights'],
  )
}

async function printPredictions(
  model: Model,
  images: readonly ImageArgument[],
  config: PredictConfig,
  { html, json }: Flags,
): Promise<void> {
  const table = json ? undefined : new PredictionTable(images, model.info.classes)
  const gallery = html === undefined ? undefined : new PredictionGallery(html, model.info)
  let isStopped = false
  using interrupt = new InterruptHandler(() => {
    isStopped = true
  })
  for (let start = 0; start < images.length && !isStopped; start += BATCH_SIZE) {
    const batch = images.slice(start, start + BATCH_SIZE)
    const batchConfig = gallery?.withThumbnails(config) ?? config
    for await (const [image, prediction] of predictBatch(model, batch, batchConfig)) {
      const { thumbnail: _, ...rest } = prediction
      if (json) await print(JSON.stringify({ image: image.name, ...rest }))
      else for (const row of table?.rows(image.name, rest) ?? []) await print(row)
      gallery?.add({ name: image.name, prediction })
    }
  }
  if (gallery !== undefined) log(notice.fileWritten(await gallery.write()))
  if (interrupt.exitStatus !== undefined) process.exitCode = interrupt.exitStatus
}

/**
 * Yields predictions in the order of the images. If a batch fails, its images are predicted one by
 * one, so that an unreadable image does not affect the others.
 */
async function* predictBatch(
  model: Model,
  images: readonly ImageArgument[],
  config: PredictConfig,
): AsyncGenerator<[ImageArgument, Prediction]> {
  if (images.length > 1) {
    const predictions = await model.predict(images.map(toInput), config).catch(() => undefined)
    if (predictions !== undefined) {
      for (const [index, image] of images.entries()) yield [image, predictions[index] as Prediction]
      return
    }
  }
  for (const image of images) {
    try {
      yield [image, await model.predict(toInput(image), config)]
    } catch (error) {
      process.exitCode = printError(error)
    }
  }
}

function toInput({ name, bytes }: ImageArgument): ImageInput {
  return bytes ?? name
}
