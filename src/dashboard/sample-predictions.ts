import { join } from 'node:path'
import { type Preview, readPreviewTiles } from '../api/data/preview-tiles.js'
import { loadModel } from '../api/model/model.js'
import { ResidualError } from '../errors/errors.js'
import { shrink } from '../image-grid/downscale.js'
import { encodePng } from '../image-grid/png.js'
import type { Pixels } from '../native/arguments/image.js'
import type { DataConfig, DataPart } from '../native/generated.js'
import { openRunFile, readRunObject } from './run-file.js'
import type { Found } from './run-index.js'

/** Images on the page. */
const COUNT = 12

/** Pixels a side. */
const SIDE = 128

/** Which of them: the same ones each time, so that one sees the network change its mind. */
const SEED = 1

/** What the newest checkpoint of a run says of some images. */
export interface Samples {
  checkpoint: string
  /** When it was written, in milliseconds since 1970. */
  written: number
  /** Whole epochs that it was trained for. */
  epoch: number
  part: DataPart
  images: {
    /** A PNG file as a data: URL. */
    picture: string
    label: string
    predicted: string
    /** Of what was predicted, 0 to 1. */
    probability: number
    right: boolean
  }[]
}

/** Why there are none. */
export interface NoSamples {
  missing: string
}

/**
 * Sample predictions. One at a time, for whoever asks, and once for each checkpoint: a training that
 * is going on shall not feel it.
 */
export class Sampler {
  readonly #kept = new Map<string, { key: string; answer: Promise<Samples | NoSamples> }>()
  #queue: Promise<unknown> = Promise.resolve()

  async get(run: Found): Promise<Samples | NoSamples> {
    const newest = await newestCheckpoint(run.dir)
    if (newest === undefined) return { missing: 'There is no checkpoint yet.' }
    const key = `${newest.name} ${newest.written}`
    const kept = this.#kept.get(run.id)
    if (kept?.key === key) return await kept.answer
    const answer = this.#queue.then(() => predict(run, newest).catch(inWords))
    this.#queue = answer
    this.#kept.delete(run.id)
    this.#kept.set(run.id, { key, answer })
    // Pictures are large; those of runs that nobody looks at any more are let go.
    for (const id of [...this.#kept.keys()].slice(0, -8)) this.#kept.delete(id)
    return await answer
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

async function predict({ dir }: Found, { name, written }: Checkpoint): Promise<Samples> {
  const config = (await readRunObject(dir, 'config.json')) ?? {}
  const preview = await heldOut(config.data as DataConfig)
  await using model = await loadModel(join(dir, 'checkpoints', name))
  const images = preview.tiles.map(({ image }) => image)
  const predictions = await model.predict(images, { top: 1 })
  return {
    checkpoint: name,
    written,
    epoch: model.info.epoch,
    part: preview.part,
    images: predictions.map(({ label: predicted, probability }, index) => {
      const label = preview.tiles[index]?.caption ?? ''
      const png = encodePng(shrink(images[index] as Pixels, SIDE))
      const picture = `data:image/png;base64,${png.toString('base64')}`
      return { picture, label, predicted, probability, right: predicted === label }
    }),
  }
}

/** Images that the network was not trained on, where there are any. */
async function heldOut(data: DataConfig): Promise<Preview> {
  for (const part of ['val', 'test'] as const) {
    try {
      return await readPreviewTiles({ data, part, count: COUNT, seed: SEED })
    } catch (error) {
      if (!(error instanceof ResidualError && error.code === 'E_USAGE')) throw error
    }
  }
  return await readPreviewTiles({ data, part: 'train', count: COUNT, seed: SEED })
}

/** A failure costs the samples and nothing else. */
function inWords(error: unknown): NoSamples {
  const message = error instanceof Error ? error.message : String(error)
  const hint = error instanceof ResidualError && error.hint ? ` ${error.hint}` : ''
  return { missing: `There are no sample predictions: ${message}.${hint}` }
}
