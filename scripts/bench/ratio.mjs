// What rounds say of two contenders.

/**
 * Whether more of a figure (images a second) or less of it (seconds, megabytes) is better.
 * @typedef {'higher' | 'lower'} Better
 */

/**
 * Our figure over theirs, by rounds. Of a rate, more than 1 is ahead; of a time, less than 1.
 *
 * @typedef {object} Ratio
 * @property {number} median of the rounds' ratios
 * @property {number} worst the round that was worst for us
 * @property {number} bestToBest our best round over their best round
 * @property {number} spread of the rounds' ratios: the widest distance over the median
 */

/** @param {readonly number[]} values at least one */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * The best of some figures.
 *
 * @param {readonly number[]} values
 * @param {Better} better
 */
export function best(values, better) {
  return better === 'higher' ? Math.max(...values) : Math.min(...values)
}

/**
 * How far figures lie apart, over their median.
 *
 * @param {readonly number[]} values
 */
export function spread(values) {
  return (Math.max(...values) - Math.min(...values)) / median(values)
}

/**
 * @param {readonly number[]} ours a figure a round
 * @param {readonly number[]} theirs of the same rounds
 * @param {Better} better
 * @returns {Ratio}
 */
export function compare(ours, theirs, better) {
  if (ours.length !== theirs.length || ours.length === 0) {
    throw new RangeError(`${ours.length} rounds of ours beside ${theirs.length} of theirs`)
  }
  const ratios = ours.map((figure, round) => figure / theirs[round])
  return {
    median: median(ratios),
    worst: better === 'higher' ? Math.min(...ratios) : Math.max(...ratios),
    bestToBest: best(ours, better) / best(theirs, better),
    spread: spread(ratios),
  }
}

/**
 * How fast something grows with something else: the exponent of the power law that fits best, by
 * least squares of the logarithms. 1 is linear.
 *
 * @param {readonly { x: number, y: number }[]} points at least two, all above zero
 */
export function exponent(points) {
  const logs = points.map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) }))
  const mean = (/** @type {'x' | 'y'} */ key) =>
    logs.reduce((sum, point) => sum + point[key], 0) / logs.length
  const [x, y] = [mean('x'), mean('y')]
  const covariance = logs.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0)
  return covariance / logs.reduce((sum, point) => sum + (point.x - x) ** 2, 0)
}
