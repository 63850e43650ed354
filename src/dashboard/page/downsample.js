/**
 * Points of a curve, as many as there are pixels for.
 *
 * @typedef {{ x: number[], y: number[] }} Points
 */

/**
 * The stretch of a curve between two places, and one point beyond on either side; of each of so many
 * parts of the stretch the lowest and the highest point, so that no spike is lost.
 *
 * @param {Float64Array} x rising
 * @param {Float64Array} y where NaN, there is no point
 * @param {readonly [from: number, to: number]} range
 * @param {number} parts
 * @returns {Points}
 */
export function thin(x, y, [from, to], parts) {
  const begin = Math.max(0, firstFrom(x, from) - 1)
  const end = Math.min(x.length, firstFrom(x, to) + 2)
  /** @type {Points} */
  const points = { x: [], y: [] }
  const put = (/** @type {number} */ index) => {
    points.x.push(/** @type {number} */ (x[index]))
    points.y.push(/** @type {number} */ (y[index]))
  }
  if (end - begin <= 2 * parts) {
    for (let index = begin; index < end; index++) if (!Number.isNaN(at(y, index))) put(index)
    return points
  }
  const width = (to - from) / parts
  let [part, low, high] = [Number.NaN, -1, -1]
  const flush = () => {
    if (low === -1) return
    put(Math.min(low, high))
    if (low !== high) put(Math.max(low, high))
  }
  for (let index = begin; index < end; index++) {
    const value = at(y, index)
    if (Number.isNaN(value)) continue
    const here = Math.floor((at(x, index) - from) / width)
    if (here !== part) {
      flush()
      ;[part, low, high] = [here, index, index]
    } else {
      if (value < at(y, low)) low = index
      if (value > at(y, high)) high = index
    }
  }
  flush()
  return points
}

/**
 * The mean that forgets, after so many points: what is behind the noise of single batches.
 *
 * @param {Float64Array} values
 * @param {number} memory in points
 */
export function smoothed(values, memory) {
  const means = new Float64Array(values.length)
  const fresh = 1 / Math.max(1, memory)
  let [sum, weight] = [0, 0]
  for (let index = 0; index < values.length; index++) {
    const value = at(values, index)
    if (!Number.isNaN(value)) {
      sum += fresh * (value - sum)
      weight += fresh * (1 - weight) // the first ones have less behind them
    }
    means[index] = weight > 0 ? sum / weight : Number.NaN
  }
  return means
}

/**
 * Where rising numbers reach a value.
 *
 * @param {ArrayLike<number>} x
 * @param {number} value
 */
export function firstFrom(x, value) {
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
