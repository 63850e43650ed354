import { type DegradationConfig, type DegradationResult, degradation } from './degradation.js'
import type { ExperimentOptions } from './members.js'
import { type RepeatConfig, type RepeatResult, repeat } from './repeat.js'

/**
 * Several runs, and what they say together. Each is an ordinary run below `out`. Called again,
 * finished runs are reused and an interrupted one is gone on with.
 */
export interface Experiments {
  /**
   * The paper's degradation experiment (figures 1, 4 and 6, tables 2 and 6): trains a plain and a
   * residual network of each depth and compares their errors. All are trained alike, by the
   * paper's recipe (section 4.2) with its two cuts of the rate at half and three quarters of the
   * budget.
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
}

export const experiment: Experiments = { degradation, repeat }
