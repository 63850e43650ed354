import { ResidualError } from '../../errors/errors.js'
import type { GridTile } from '../../image-grid/grid.js'
import type { DataConfig, ResolvedTransform, Split } from '../../native/generated.js'
import { joinSentences } from '../../report/html/sentences.js'
import type { SectionData, SplitEvaluation } from '../../report/report-input.js'
import { THUMBNAIL_SIZE } from '../../report/sections/example-images.js'
import type { RunFolder } from '../../run-folder/run-folder.js'
import { readPreviewTiles } from '../data/preview-tiles.js'
import { loadModel } from '../model/model.js'

/** Images in each grid of a report. */
const GRID_SIZE = 24

/**
 * Returns the stored evaluation if it is of the best epoch and of the split that the report shows.
 */
export function storedEvaluation(run: RunFolder): SectionData<SplitEvaluation> | undefined {
  const { evaluation, result } = run
  if (evaluation === undefined || evaluation.epoch !== result?.best?.epoch) return undefined
  return evaluation.split === chooseSplit(run) ? { value: evaluation } : undefined
}

/** Evaluates the best checkpoint of a run. */
export async function evaluateRun(
  run: RunFolder,
  data: string | DataConfig | undefined,
  onEvaluate: () => void,
): Promise<SectionData<SplitEvaluation>> {
  const split = chooseSplit(run)
  try {
    onEvaluate()
    await using model = await loadModel(run.dir)
    run.issues.push(...model.info.warnings.map((warning) => `${warning}.`))
    const evaluation = await model.evaluate({
      data,
      split,
      samples: GRID_SIZE,
      topLosses: GRID_SIZE,
      thumbnails: THUMBNAIL_SIZE,
    })
    return { value: { split, evaluation } }
  } catch (error) {
    return { missing: `The network could not be evaluated: ${describeError(error, data)}` }
  }
}

/** Reads training images with the augmentation of the run. */
export async function previewAugmented(
  { config }: RunFolder,
  data: string | DataConfig | undefined,
): Promise<SectionData<GridTile[]>> {
  try {
    const { tiles } = await readPreviewTiles({
      data: data ?? (config.data as DataConfig),
      transform: config.transform as ResolvedTransform,
      augmented: true,
      count: GRID_SIZE,
      seed: config.seed,
    })
    return { value: tiles }
  } catch (error) {
    return { missing: `The training images could not be read: ${describeError(error, data)}` }
  }
}

/**
 * Chooses the split to evaluate: the test split after the end of a run, and the validation split
 * before, so that a run is not tuned on test images while it can still be resumed.
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

/**
 * Describes an error as the reason for a missing section.
 *
 * @param data location of the data set; undefined for that of the run, which may have been moved
 */
function describeError(error: unknown, data: string | DataConfig | undefined): string {
  if (!(error instanceof ResidualError))
    return error instanceof Error ? error.message : String(error)
  const isMoved = data === undefined && error.code === 'E_DATA_NOT_FOUND'
  return joinSentences(error.message, isMoved ? MOVED_DATA : error.hint)
}

/** Hint for a run whose data set is not found. */
const MOVED_DATA =
  'If the images were moved, pass their new location as `data`, or `--data` on the command line.'
