import type { FigureFiles } from '../charts/figure-files.js'
import type { LayerResponse } from '../native/generated.js'
import type { ExperimentRun } from './experiment-runs.js'
import type { MeanStd } from './mean-std.js'
import type { PublishedResult } from './paper-results.js'

/** Family of networks, without or with shortcuts. */
export type Family = 'plain' | 'residual'

/** Results of one network over its seeds. Errors are fractions, 0 to 1. */
export interface DegradationNetwork {
  /** Name of the network, such as `plain20`. */
  arch: string
  family: Family
  depth: number
  parameters: number
  /**
   * Mean error of the last complete epoch on augmented training images, as plotted in the paper.
   */
  trainError: MeanStd
  /** Validation error after the last epoch; null without a validation split. */
  valError: MeanStd | null
  /** Test error of the checkpoint selected by `monitor`; null without a test split. */
  testError: MeanStd | null
  /** Error in the paper; null if it is not published. */
  paper: PublishedResult | null
  /** Responses of the 3x3 layers in the first seed's checkpoint. */
  responses: LayerResponse[]
  /** Absolute paths of the run folders, in the order of the seeds. */
  runs: string[]
}

/** Comparison of the training errors of the deepest and the shallowest network of a family. */
export interface DepthComparison {
  family: Family
  /** The shallowest network. */
  shallow: string
  /** The deepest network. */
  deep: string
  /** Training error of the deep network minus that of the shallow one; mean over the seeds. */
  difference: number
  /** Whether the training error of the deep network is higher. */
  degraded: boolean
}

/** Result of `experiment.degradation()`, also in result.json. */
export interface DegradationResult {
  /** Absolute path of the experiment's folder. */
  dir: string
  networks: DegradationNetwork[]
  /** One comparison for each family; empty if there is a single depth. */
  comparisons: DepthComparison[]
  /** Whether the deeper plain network trains worse and the deeper residual network does not. */
  reproduced: boolean
  /** The comparisons in sentences, and whether they agree with the paper. */
  summary: string
  /** Training and validation error by step (figures 1, 4 and 6). */
  figure: FigureFiles
  /** Standard deviations of the layer responses (figure 7). */
  responses: FigureFiles
  /** Absolute paths of the files with the table. */
  table: { markdown: string; csv: string }
  /** Training time of all runs in seconds. */
  seconds: number
}

/** A network with its finished runs. */
export interface TrainedNetwork {
  family: Family
  depth: number
  runs: ExperimentRun[]
}
