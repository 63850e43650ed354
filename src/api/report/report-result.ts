import type { FigureFiles } from '../../charts/figure-files.js'
import type { StopReason } from '../../native/generated.js'

/** Options of `report()`. */
export interface ReportOptions {
  /**
   * Output file; its figures are written to `<name>-plots/` beside it. Default: `report.html` and
   * `plots/` in the run folder; for several runs, `comparison.html` in the current folder.
   */
  out?: string | URL | undefined
  /** Location of the images, if they were moved since training. */
  data?: string | undefined
  /**
   * Evaluate the network if the run folder contains no matching evaluation, or if `data` is given.
   * This takes about as long as a validation during training. If false, a report without an
   * evaluation contains no confusion matrix and no predictions. Ignored for comparisons.
   * Default: true.
   */
  evaluate?: boolean | undefined
  /** Called before the evaluation starts. */
  onEvaluate?: (() => void) | undefined
}

/** Result of `report()`. */
export interface ReportResult {
  /** Absolute path of the HTML page. */
  file: string
  /** Files of every figure, by the name of the figure. */
  figures: Record<string, FigureFiles>
  /** Sections that could not be rendered, with the reason. */
  skipped: { section: string; reason: string }[]
  /** The runs, in the given order. */
  runs: ReportedRun[]
}

/** Summary of a run in a report. */
export interface ReportedRun {
  /** Name of the run folder, or its path if several runs have the same name. */
  name: string
  /** Absolute path of the run folder. */
  dir: string
  arch: string
  /** Undefined if the run has not ended. */
  stopReason?: StopReason | undefined
  /** Completed epochs. */
  epochs: number
  /**
   * Accuracy of the best epoch, on the validation split if there is one, 0 to 1; undefined before
   * the first epoch.
   */
  accuracy?: number | undefined
  /** Accuracy on the test split, 0 to 1, if the run measured it. */
  testAccuracy?: number | undefined
  /** Training time in seconds. */
  seconds?: number | undefined
}
