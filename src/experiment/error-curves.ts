import type { Point, Series, Stroke } from '../charts/line-chart.js'
import type { EpochEvent } from '../native/generated.js'
import { meanStd } from './mean-std.js'
import type { Member } from './member-runs.js'

/** What an epoch is measured by, as a figure calls and draws it. */
const KINDS: readonly [
  kind: string,
  stroke: Stroke,
  error: (epoch: EpochEvent, whole: number) => number | null,
][] = [
  [
    'training error',
    'dashed',
    ({ train }, whole) => (train.count < whole ? null : 1 - train.accuracy),
  ],
  ['validation error', 'bold', ({ val }) => (val === null ? null : 1 - val.accuracy)],
]

/**
 * Error against updates, in percent, as the mean over runs that differ in their seed: dashed on the
 * training images as they were augmented (each epoch's mean), bold on validation images.
 */
export function errorCurves(name: string, members: readonly Member[], panel = ''): Series[] {
  return KINDS.map(([kind, stroke, error]) => {
    const bySteps = new Map<number, number[]>()
    const all = members.flatMap(({ epochs }) => epochs)
    // An epoch that the budget cut short has seen too few images for a mean.
    const whole = Math.max(...all.map(({ train }) => train.count))
    for (const epoch of all) {
      const value = error(epoch, whole)
      if (value === null) continue
      bySteps.set(epoch.step, [...(bySteps.get(epoch.step) ?? []), 100 * value])
    }
    const points = [...bySteps]
      .sort(([a], [b]) => a - b)
      .map(([x, values]): Point => {
        const { mean, std } = meanStd(values)
        return { x, y: mean, std }
      })
    return { name, kind, stroke, panel, points }
  }).filter(({ points }) => points.length > 0)
}

/**
 * An error's axis: from zero, or not far below the lowest where that is far from zero, to what the
 * curves come down from once they have begun to.
 */
export function errorDomain(series: readonly Series[]): [number, number] {
  const settled = series.flatMap(({ points }) => points.slice(Math.floor(points.length / 10)))
  const errors = settled.map(({ y }) => y)
  const lowest = errors.reduce((least, y) => Math.min(least, y), 100)
  const highest = errors.reduce((most, y) => Math.max(most, y), 0)
  const floor = lowest > 40 ? 10 * Math.floor((lowest - 10) / 10) : 0
  return [floor, Math.min(100, Math.max(floor + 10, 10 * Math.ceil(highest / 10)))]
}
