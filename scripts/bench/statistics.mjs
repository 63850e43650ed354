// Statistics of interleaved rounds.

/**
 * Whether higher values (images per second) or lower ones (seconds, megabytes) are better.
 * @typedef {'higher' | 'lower'} Better
 */

/**
 * Values of the subject divided by those of the baseline. More than 1 is better for rates, less than
 * 1 for times.
 *
 * @typedef {object} Ratio
 * @property {number} median median of the ratios within rounds
 * @property {number} worst the ratio of the worst round
 * @property {number} bestToBest best round of the subject divided by the best round of the baseline
 * @property {number} spread range of the ratios divided by their median
 */

/** @param {readonly number[]} values at least one */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * Returns the best value.
 *
 * @param {readonly number[]} values
 * @param {Better} better
 */
export function best(values, better) {
  return better === 'higher' ? Math.max(...values) : Math.min(...values)
}

/**
 * Returns the range of values divided by their median.
 *
 * @param {readonly number[]} values
 */
export function spread(values) {
  return (Math.max(...values) - Math.min(...values)) / median(values)
}

/**
 * Compares two implementations by the ratio of their values in each round.
 *
 * @param {readonly number[]} subject one value per round
 * @param {readonly number[]} baseline values of the same rounds
 * @param {Better} better
 * @returns {Ratio}
 */
export function compare(subject, baseline, better) {
  if (subject.length !== baseline.length || subject.length === 0) {
    throw new RangeError(`cannot compare ${subject.length} rounds with ${baseline.length} rounds`)
  }
  const ratios = subject.map((value, round) => value / baseline[round])
  return {
    median: median(ratios),
    worst: better === 'higher' ? Math.min(...ratios) : Math.max(...ratios),
    bestToBest: best(subject, better) / best(baseline, better),
    spread: spread(ratios),
  }
}

/**
 * Fits the power law y = c * x^exponent by least squares of the logarithms. Returns the exponent,
 * which is 1 for linear growth.
 *
 * @param {readonly { x: number, y: number }[]} points at least two, all above zero
 */
export function fitExponent(points) {
  const logs = points.map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) }))
  const mean = (/** @type {'x' | 'y'} */ key) =>
    logs.reduce((sum, point) => sum + point[key], 0) / logs.length
  const [x, y] = [mean('x'), mean('y')]
  const covariance = logs.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0)
  return covariance / logs.reduce((sum, point) => sum + (point.x - x) ** 2, 0)
}
