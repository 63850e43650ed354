import { readPreviewTiles } from '../api/data/preview-tiles.js'
import { loadModel } from '../api/model/model.js'
import { ResidualError } from '../errors/errors.js'
import type { GridTile } from '../image-grid/grid.js'
import type { DataConfig, DataPart, Evaluation, ResolvedTransform } from '../native/generated.js'
import type { RunFolder } from '../run-folder/run-folder.js'
import { sentences } from './html/sentences.js'

/** What a section is made of, or a sentence that says why it is not there. */
export type Found<T> = { found: T } | { missing: string }

/** What the best network of a run does with images that it was not trained on, if there are any. */
export interface Measured {
  part: DataPart
  evaluation: Evaluation
}

/** Images in each of a report's pictures, and pixels a side of each. */
const PICTURES = 24
export const THUMBNAIL = 96

/** What the run measured itself, last; undefined where that is not what there is to show. */
export function keptMeasure(run: RunFolder): Found<Measured> | undefined {
  const { evaluation: kept, result } = run
  const isOfBest = kept !== undefined && kept.epoch === result?.best?.epoch
  return isOfBest && kept.part === partOf(run) ? { found: kept } : undefined
}

/**
 * Measures the network of a run. A test part is left alone until a run has ended, and a validation
 * part is what there is then.
 */
export async function measure(
  run: RunFolder,
  data: string | DataConfig | undefined,
  onMeasure: () => void,
): Promise<Found<Measured>> {
  const part = partOf(run)
  try {
    onMeasure()
    await using model = await loadModel(run.dir)
    const evaluation = await model.evaluate({
      data,
      part,
      samples: PICTURES,
      topLosses: PICTURES,
      thumbnails: THUMBNAIL,
    })
    return { found: { part, evaluation } }
  } catch (error) {
    return { missing: `The network could not be measured: ${inWords(error)}` }
  }
}

/** Some of the training images, as training saw them. */
export async function augmentedImages(
  { config }: RunFolder,
  data: string | DataConfig | undefined,
): Promise<Found<GridTile[]>> {
  try {
    const { tiles } = await readPreviewTiles({
      data: data ?? (config.data as DataConfig),
      transform: config.transform as ResolvedTransform,
      augmented: true,
      count: PICTURES,
      seed: config.seed,
    })
    return { found: tiles }
  } catch (error) {
    return { missing: `The training images could not be read: ${inWords(error)}` }
  }
}

function partOf({ start, result }: RunFolder): DataPart {
  const hasEnded = result !== undefined && result.stopReason !== 'stopped'
  const parts: readonly [DataPart, number][] = [
    ['test', hasEnded ? (start?.testImages ?? 0) : 0],
    ['val', start?.valImages ?? 0],
    ['test', start?.testImages ?? 0],
  ]
  return parts.find(([, images]) => images > 0)?.[0] ?? 'train'
}

/** A failure that costs a section and not the report. */
function inWords(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return sentences(message, error instanceof ResidualError ? error.hint : undefined)
}
