import { readPreviewTiles } from '../api/data/preview-tiles.js'
import { loadModel } from '../api/model/model.js'
import { ResidualError } from '../errors/errors.js'
import type { GridTile } from '../image-grid/grid.js'
import type { DataConfig, Evaluation, ResolvedTransform, Split } from '../native/generated.js'
import type { RunFolder } from '../run-folder/run-folder.js'
import { joinSentences } from './html/sentences.js'
import { THUMBNAIL_SIZE } from './sections/example-images.js'

/** A value that a section needs, or a sentence that says why it is missing. */
export type Outcome<T> = { found: T } | { missing: string }

/** Metrics of a run's best checkpoint on one split. */
export interface SplitEvaluation {
  split: Split
  evaluation: Evaluation
}

/** Images in each grid of a report. */
const GRID_SIZE = 24

/** Returns the evaluation stored in the run folder if it is the one that the report needs. */
export function storedEvaluation(run: RunFolder): Outcome<SplitEvaluation> | undefined {
  const { evaluation, result } = run
  if (evaluation === undefined || evaluation.epoch !== result?.best?.epoch) return undefined
  return evaluation.split === chooseSplit(run) ? { found: evaluation } : undefined
}

/** Evaluates the best checkpoint of a run. */
export async function evaluateRun(
  run: RunFolder,
  data: string | DataConfig | undefined,
  onEvaluate: () => void,
): Promise<Outcome<SplitEvaluation>> {
  const split = chooseSplit(run)
  try {
    onEvaluate()
    await using model = await loadModel(run.dir)
    const evaluation = await model.evaluate({
      data,
      split,
      samples: GRID_SIZE,
      topLosses: GRID_SIZE,
      thumbnails: THUMBNAIL_SIZE,
    })
    return { found: { split, evaluation } }
  } catch (error) {
    return { missing: `The network could not be evaluated: ${describeError(error)}` }
  }
}

/** Reads some training images with the augmentation of the run. */
export async function previewAugmented(
  { config }: RunFolder,
  data: string | DataConfig | undefined,
): Promise<Outcome<GridTile[]>> {
  try {
    const { tiles } = await readPreviewTiles({
      data: data ?? (config.data as DataConfig),
      transform: config.transform as ResolvedTransform,
      augmented: true,
      count: GRID_SIZE,
      seed: config.seed,
    })
    return { found: tiles }
  } catch (error) {
    return { missing: `The training images could not be read: ${describeError(error)}` }
  }
}

/**
 * Chooses the split to evaluate. The test split is used only after the end of a run, so that an
 * unfinished run is not tuned on test images; until then, the validation split is preferred.
 */
function chooseSplit({ start, result }: RunFolder): Split {
  const hasEnded = result !== undefined && result.stopReason !== 'stopped'
  const candidates: readonly [Split, number][] = [
    ['test', hasEnded ? (start?.testImages ?? 0) : 0],
    ['val', start?.valImages ?? 0],
    ['test', start?.testImages ?? 0],
  ]
  return candidates.find(([, images]) => images > 0)?.[0] ?? 'train'
}

/** Describes an error that costs one section and not the whole report. */
function describeError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return joinSentences(message, error instanceof ResidualError ? error.hint : undefined)
}
