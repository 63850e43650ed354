import type { FigureFiles } from '../charts/figure-files.js'
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
  skipped: { section: string; reason: string }[]
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
