import { ResidualError } from '../errors/errors.js'
import type { FigureFiles } from '../experiment/error-curves.js'
import { toPath } from '../native/arguments/path.js'
import type { StopReason } from '../native/generated.js'

/** What a report is made from, and where it goes. */
export interface ReportOptions {
  /**
   * The page's file; its figures go beside it, into `<name>-plots/`. Default: `report.html` and
   * `plots/` in the run's folder; for several runs `comparison.html` in the current one.
   */
  out?: string | URL | undefined
  /** Where the images are now, if not where they were when the run was trained. */
  data?: string | undefined
  /**
   * Measure the network on its images where the run has not kept what it measured last, or
   * `data` names other images: about as long as a validation in training. Without, such a run has no
   * confusion matrix and no predictions. Default: true. Of several runs none is measured.
   */
  evaluate?: boolean | undefined
  /** Called before the network is measured. */
  onMeasure?: (() => void) | undefined
}

/** A report that was written. */
export interface ReportResult {
  /** The page, absolute. */
  file: string
  /** Every figure's two files, by its name. */
  figures: Record<string, FigureFiles>
  /** Sections that could not be made, and why. */
  missing: { section: string; why: string }[]
  /** What it is about, in the order in which they were given. */
  runs: ReportedRun[]
}

/** A run as its folder tells it. */
export interface ReportedRun {
  /** The folder's name or, where two have one, its path. */
  name: string
  /** Absolute. */
  dir: string
  arch: string
  /** Undefined where it has not ended. */
  stopReason?: StopReason | undefined
  /** Whole epochs trained. */
  epochs: number
  /** Of the best epoch, on validation images where there are any; undefined before the first. */
  accuracy?: number | undefined
  /** On the test part, where it was measured. */
  testAccuracy?: number | undefined
  /** Of training. */
  seconds?: number | undefined
}

/**
 * Writes a report on a run as one page that needs nothing else, and its figures as SVG and PNG; of
 * several runs, a comparison. Runs that are not done, or whose images are gone, get one without the
 * sections that cannot be made.
 *
 * @example
 * const { file } = await report('runs/photos-resnet18')
 *
 * @param runs one run folder, or several
 * @throws {ResidualError} `E_CHECKPOINT` for what is no run folder, `E_USAGE`, `E_WRITE`
 */
export async function report(
  runs: string | URL | readonly (string | URL)[],
  options: ReportOptions = {},
): Promise<ReportResult> {
  check(options)
  const given: readonly (string | URL)[] = Array.isArray(runs) ? runs : [runs]
  if (given.length === 0) throw refuse('runs', 'name at least one run folder')
  const paths = given.map((run, index) => toPath(run, given.length > 1 ? `runs[${index}]` : 'runs'))
  // Loaded here: a run that is not reported on needs none of it.
  const { write } = await import('./write-report.js')
  return await write(paths, options)
}

const KEYS = ['out', 'data', 'evaluate', 'onMeasure']

function check(options: ReportOptions): void {
  const unknown = Object.keys(options).find((key) => !KEYS.includes(key))
  if (unknown !== undefined) {
    throw new ResidualError({
      code: 'E_UNKNOWN_KEY',
      message: `there is no option \`${unknown}\``,
      at: { key: unknown },
      hint: `Known: ${KEYS.join(', ')}.`,
    })
  }
}

function refuse(key: string, message: string): ResidualError {
  return new ResidualError({ code: 'E_USAGE', message, at: { key } })
}
