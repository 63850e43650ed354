/** Mean and standard deviation of a value over several seeds. */
export interface MeanStd {
  mean: number
  /** Sample standard deviation (divided by n - 1); 0 for a single value. */
  std: number
  /** The best value: the lowest error or the highest accuracy. */
  best: number
  /** All values, in the order of the seeds. */
  values: number[]
}

/**
 * Computes mean and standard deviation of at least one value.
 *
 * @param better returns the best of several values: `Math.min` for errors
 */
export function meanStd(
  values: readonly number[],
  better: (...values: number[]) => number = Math.min,
): MeanStd {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const std = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0
  return { mean, std, best: better(...values), values: [...values] }
}
