import type { Point } from './line-chart.js'

/**
 * Downsamples a curve for drawing: keeps the first and the last point and, from each of several
 * equal parts between them, the lowest and the highest point, so that spikes stay visible. Points
 * without a finite value are removed.
 *
 * @param points sorted by x
 * @param maxPoints at least 4
 */
export function downsample(points: readonly Point[], maxPoints = 400): Point[] {
  const finite = points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))
  const [first, last] = [finite[0], finite.at(-1)]
  if (finite.length <= maxPoints || first === undefined || last === undefined) return finite
  const buckets = Math.floor((maxPoints - 2) / 2)
  const inner = finite.length - 2
  const selected = [first]
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = 1 + Math.floor((bucket * inner) / buckets)
    const end = 1 + Math.floor(((bucket + 1) * inner) / buckets)
    selected.push(...minMax(finite.slice(start, end)))
  }
  return [...selected, last]
}

/** Returns the lowest and the highest point, in their order. */
function minMax(points: readonly Point[]): Point[] {
  let [low, high] = [0, 0]
  points.forEach(({ y }, index) => {
    if (y < (points[low] as Point).y) low = index
    if (y > (points[high] as Point).y) high = index
  })
  const indices = low === high ? [low] : [Math.min(low, high), Math.max(low, high)]
  return indices.map((index) => points[index]).filter((point) => point !== undefined)
}
