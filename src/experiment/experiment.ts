import type { DegradationConfig, DegradationResult } from './degradation.js'
import type { EnsembleConfig, EnsembleOptions, EnsembleResult } from './ensemble.js'
import type { ExperimentOptions } from './member-runs.js'
import type { RepeatConfig, RepeatResult } from './repeat.js'

/**
 * Several runs, and what they say together. Those that train make ordinary runs below `out`; called
 * again, they reuse finished runs and go on with an interrupted one.
 */
export interface Experiments {
  /**
   * The paper's degradation experiment (figures 1, 4, 6 and 7, tables 2 and 6): trains a plain
   * and a residual network of each depth and compares their errors and their layers' responses.
   * All are trained alike, by the paper's recipe (section 4.2) with its two cuts of the rate at
   * half and three quarters of the budget.
   *
   * @throws {ResidualError} what `train()` rejects with; `E_MISMATCH` if `out` holds runs of
   *   another configuration; `AbortError`
   */
  degradation(config: DegradationConfig, options?: ExperimentOptions): Promise<DegradationResult>
  /**
   * Trains one configuration several times. The seed decides weights, order and augmentation; the
   * images that are held back for validation stay the same, unless `data.splitSeed` says otherwise.
   *
   * @throws {ResidualError} as `degradation()` does
   */
  repeat(config: RepeatConfig, options?: ExperimentOptions): Promise<RepeatResult>
  /**
   * Evaluates trained networks one by one and together, by the mean of their probabilities (the
   * paper's table 5), on images that are not augmented.
   *
   * @param models run folders or checkpoints
   * @param config what to evaluate on. Default: what the first model was trained on.
   * @throws {ResidualError} as `evaluate()` does; `E_MISMATCH` if the models' classes differ, or
   *   the images that they hold back for validation
   */
  ensemble(
    models: readonly (string | URL)[],
    config?: EnsembleConfig,
    options?: EnsembleOptions,
  ): Promise<EnsembleResult>
}

/**
 * The experiments (`residual experiment`).
 *
 * @example
 * const { valAccuracy } = await experiment.repeat({ data: './photos', seeds: 2 })
 * console.log(valAccuracy?.mean, valAccuracy?.std)
 */
export const experiment: Experiments = {
  // Each is loaded when it is first called: few programs make experiments.
  degradation: async (...asked) => (await import('./degradation.js')).degradation(...asked),
  repeat: async (...asked) => (await import('./repeat.js')).repeat(...asked),
  ensemble: async (...asked) => (await import('./ensemble.js')).ensemble(...asked),
}
