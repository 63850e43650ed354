import { join } from 'node:path'
import { type Preview, readPreviewTiles } from '../api/data/preview-tiles.js'
import { loadModel } from '../api/model/model.js'
import { ResidualError } from '../errors/errors.js'
import { downscale } from '../image-grid/downscale.js'
import { encodePng } from '../image-grid/png.js'
import type { Pixels } from '../native/arguments/image.js'
import type { DataConfig, Split } from '../native/generated.js'
import { openRunFile, readRunObject } from './run-file.js'
import type { RunLocation } from './run-index.js'

/** Number of images on the page. */
const NUM_IMAGES = 12

/** Longer side of an image in pixels. */
const IMAGE_SIZE = 128

/** Seed of the selection of images, fixed so that predictions of checkpoints can be compared. */
const SEED = 1

/** Maximum number of runs whose predictions are cached. */
const CACHE_SIZE = 8

/** Predictions of the newest checkpoint of a run. */
export interface Samples {
  checkpoint: string
  /** Time at which the checkpoint was written, in milliseconds since 1970. */
  written: number
  /** Completed epochs. */
  epoch: number
  split: Split
  images: {
    /** A PNG file as a data URL. */
    image: string
    label: string
    predicted: string
    /** Probability of the predicted class, 0 to 1. */
    probability: number
    isCorrect: boolean
  }[]
}

/** Sentence with the reason why predictions are missing. */
export interface NoSamples {
  missing: string
}

/**
 * Predicts sample images, one request at a time and once per checkpoint, to take little computing
 * time from a run that is training.
 */
export class SamplePredictor {
  readonly #cache = new Map<string, { key: string; samples: Promise<Samples | NoSamples> }>()
  #queue: Promise<unknown> = Promise.resolve()

  async get(run: RunLocation): Promise<Samples | NoSamples> {
    const newest = await newestCheckpoint(run.dir)
    if (newest === undefined) return { missing: 'There is no checkpoint yet.' }
    const key = `${newest.name} ${newest.written}`
    const cached = this.#cache.get(run.id)
    if (cached?.key === key) return await cached.samples
    const samples = this.#queue.then(() => predictSamples(run, newest).catch(describeError))
    this.#queue = samples
    this.#cache.delete(run.id)
    this.#cache.set(run.id, { key, samples })
    for (const id of [...this.#cache.keys()].slice(0, -CACHE_SIZE)) this.#cache.delete(id)
    return await samples
  }
}

interface Checkpoint {
  name: string
  written: number
}

async function newestCheckpoint(dir: string): Promise<Checkpoint | undefined> {
  const found: Checkpoint[] = []
  for (const name of ['last.safetensors', 'best.safetensors']) {
    const file = await openRunFile(join(dir, 'checkpoints'), name)
    if (file === undefined) continue
    found.push({ name, written: Math.round((await file.stat()).mtimeMs) })
    await file.close()
  }
  return found.sort((a, b) => b.written - a.written)[0]
}

async function predictSamples(
  { dir }: RunLocation,
  { name, written }: Checkpoint,
): Promise<Samples> {
  const config = (await readRunObject(dir, 'config.json')) ?? {}
  const preview = await readHeldOutTiles(config.data as DataConfig)
  await using model = await loadModel(join(dir, 'checkpoints', name))
  const pixels = preview.tiles.map(({ image }) => image)
  const predictions = await model.predict(pixels, { top: 1 })
  return {
    checkpoint: name,
    written,
    epoch: model.info.epoch,
    split: preview.split,
    images: predictions.map(({ label: predicted, probability }, index) => {
      const label = preview.tiles[index]?.caption ?? ''
      const png = encodePng(downscale(pixels[index] as Pixels, IMAGE_SIZE))
      const image = `data:image/png;base64,${png.toString('base64')}`
      return { image, label, predicted, probability, isCorrect: predicted === label }
    }),
  }
}

/** Reads validation images, or else test images, or else training images. */
async function readHeldOutTiles(data: DataConfig): Promise<Preview> {
  for (const split of ['val', 'test'] as const) {
    try {
      return await readPreviewTiles({ data, split, count: NUM_IMAGES, seed: SEED })
    } catch (error) {
      if (!(error instanceof ResidualError && error.code === 'E_USAGE')) throw error
    }
  }
  return await readPreviewTiles({ data, split: 'train', count: NUM_IMAGES, seed: SEED })
}

/** Describes an error as the reason for missing predictions. */
function describeError(error: unknown): NoSamples {
  const message = error instanceof Error ? error.message : String(error)
  const hint = error instanceof ResidualError && error.hint ? ` ${error.hint}` : ''
  return { missing: `Sample predictions are not available: ${message}.${hint}` }
}
