import type { DegradationConfig } from './degradation.js'
import type { DegradationResult } from './degradation-result.js'
import type { EnsembleConfig, EnsembleOptions, EnsembleResult } from './ensemble.js'
import type { ExperimentOptions } from './experiment-runs.js'
import type { RepeatConfig, RepeatResult } from './repeat.js'

/**
 * Experiments with several networks. `degradation()` and `repeat()` train, and write a run folder
 * for each run below `out`; a repeated call reuses finished runs and resumes an interrupted run.
 */
export interface Experiments {
  /**
   * Reproduces the degradation experiment of the paper (figures 1, 4, 6 and 7, tables 2 and 6):
   * trains a plain and a residual network of each depth and compares their errors and layer
   * responses. All networks use the paper's recipe (section 4.2), which divides the learning rate
   * by 10 at half and at three quarters of the budget.
   *
   * @throws {ResidualError} the errors of `train()`; `E_MISMATCH` if `out` contains runs with
   *   another configuration; `AbortError`
   */
  degradation(config: DegradationConfig, options?: ExperimentOptions): Promise<DegradationResult>
  /**
   * Trains one configuration with several seeds. The seed determines initial weights, order and
   * augmentation. The validation split is the same for all seeds; `data.splitSeed` selects another.
   *
   * @throws {ResidualError} as `degradation()`
   */
  repeat(config: RepeatConfig, options?: ExperimentOptions): Promise<RepeatResult>
  /**
   * Evaluates trained networks separately and as an ensemble, which averages their probabilities
   * (table 5 of the paper).
   *
   * @param models run folders or checkpoints
   * @param config data set and split. Default: the data set of the first model
   * @throws {ResidualError} as `evaluate()`; `E_MISMATCH` if the models differ in their classes or
   *   in their validation split
   */
  ensemble(
    models: readonly (string | URL)[],
    config?: EnsembleConfig,
    options?: EnsembleOptions,
  ): Promise<EnsembleResult>
}

/**
 * The experiments of `residual experiment`.
 *
 * @example
 * const { valAccuracy } = await experiment.repeat({ data: './photos', seeds: 2 })
 * console.log(valAccuracy?.mean, valAccuracy?.std)
 */
export const experiment: Experiments = {
  // Imported on first use: most programs run no experiments.
  degradation: async (...args) => (await import('./degradation.js')).degradation(...args),
  repeat: async (...args) => (await import('./repeat.js')).repeat(...args),
  ensemble: async (...args) => (await import('./ensemble.js')).ensemble(...args),
}
