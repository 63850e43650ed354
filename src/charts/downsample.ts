import type { Point } from './line-chart.js'

/**
 * So many points that a curve looks the same, and no more: the first, the last, and of each stretch
 * between them the lowest and the highest, so that no spike is lost. Points without a value stay
 * out.
 *
 * @param points by rising x
 * @param most at least 4
 */
export function thin(points: readonly Point[], most = 400): Point[] {
  const known = points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))
  const [first, last] = [known[0], known.at(-1)]
  if (known.length <= most || first === undefined || last === undefined) return known
  const stretches = Math.floor((most - 2) / 2)
  const inner = known.length - 2
  const kept = [first]
  for (let stretch = 0; stretch < stretches; stretch++) {
    const from = 1 + Math.floor((stretch * inner) / stretches)
    const to = 1 + Math.floor(((stretch + 1) * inner) / stretches)
    kept.push(...extremes(known.slice(from, to)))
  }
  return [...kept, last]
}

/** The lowest and the highest, in the order in which they come. */
function extremes(points: readonly Point[]): Point[] {
  let [low, high] = [0, 0]
  points.forEach(({ y }, index) => {
    if (y < (points[low] as Point).y) low = index
    if (y > (points[high] as Point).y) high = index
  })
  const indices = low === high ? [low] : [Math.min(low, high), Math.max(low, high)]
  return indices.map((index) => points[index]).filter((point) => point !== undefined)
}
