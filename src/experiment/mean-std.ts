/** A value measured several times. */
export interface MeanStd {
  mean: number
  /** The sample's standard deviation (over n - 1); 0 of a single value. */
  std: number
  /** The lowest or the highest, whichever is better. */
  best: number
  /** In the order of the seeds. */
  values: number[]
}

/**
 * Of at least one value.
 *
 * @param better picks the better of two: `Math.min` for an error
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
