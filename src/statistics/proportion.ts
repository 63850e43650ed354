/** Critical value of the standard normal distribution for a 95 % confidence interval. */
const Z = 1.96

/**
 * Returns the 95 % confidence interval of a proportion (Wilson 1927).
 *
 * @param proportion 0 to 1
 * @param count size of the sample; of an empty sample, the interval is 0 to 1
 */
export function wilsonInterval(proportion: number, count: number): [low: number, high: number] {
  if (!(count > 0)) return [0, 1]
  const center = proportion + (Z * Z) / (2 * count)
  const variance = (proportion * (1 - proportion)) / count + (Z * Z) / (4 * count * count)
  const margin = Z * Math.sqrt(variance)
  const scale = 1 + (Z * Z) / count
  return [Math.max(0, (center - margin) / scale), Math.min(1, (center + margin) / scale)]
}
