/**
 * Points of a curve, at most a few per pixel.
 *
 * @typedef {{ x: number[], y: number[] }} Points
 */

/**
 * Downsamples the visible range of a curve, with one point beyond each end: keeps the lowest and
 * the highest point of each of several equal parts, so that spikes stay visible.
 *
 * @param {Float64Array} x in ascending order
 * @param {Float64Array} y NaN where there is no point
 * @param {readonly [from: number, to: number]} range
 * @param {number} numBuckets
 * @returns {Points}
 */
export function downsample(x, y, [from, to], numBuckets) {
  const start = Math.max(0, lowerBound(x, from) - 1)
  const end = Math.min(x.length, lowerBound(x, to) + 2)
  /** @type {Points} */
  const points = { x: [], y: [] }
  const add = (/** @type {number} */ index) => {
    points.x.push(/** @type {number} */ (x[index]))
    points.y.push(/** @type {number} */ (y[index]))
  }
  if (end - start <= 2 * numBuckets) {
    for (let index = start; index < end; index++) if (!Number.isNaN(at(y, index))) add(index)
    return points
  }
  const width = (to - from) / numBuckets
  let [bucket, low, high] = [Number.NaN, -1, -1]
  const flush = () => {
    if (low === -1) return
    add(Math.min(low, high))
    if (low !== high) add(Math.max(low, high))
  }
  for (let index = start; index < end; index++) {
    const value = at(y, index)
    if (Number.isNaN(value)) continue
    const current = Math.floor((at(x, index) - from) / width)
    if (current !== bucket) {
      flush()
      ;[bucket, low, high] = [current, index, index]
    } else {
      if (value < at(y, low)) low = index
      if (value > at(y, high)) high = index
    }
  }
  flush()
  return points
}

/**
 * Returns the exponential moving average of a curve, with bias correction as in Adam.
 *
 * @param {Float64Array} values
 * @param {number} span number of points over which the weight of a value decays to 1/e
 */
export function smooth(values, span) {
  const means = new Float64Array(values.length)
  const alpha = 1 / Math.max(1, span)
  let [mean, weight] = [0, 0]
  for (let index = 0; index < values.length; index++) {
    const value = at(values, index)
    if (!Number.isNaN(value)) {
      mean += alpha * (value - mean)
      weight += alpha * (1 - weight)
    }
    means[index] = weight > 0 ? mean / weight : Number.NaN
  }
  return means
}

/**
 * Returns the index of the first number that is not less than a value.
 *
 * @param {ArrayLike<number>} x in ascending order
 * @param {number} value
 */
export function lowerBound(x, value) {
  let [low, high] = [0, x.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (at(x, middle) < value) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * @param {ArrayLike<number>} values
 * @param {number} index
 */
function at(values, index) {
  return /** @type {number} */ (values[index])
}
