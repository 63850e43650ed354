import type { Point, Series, Stroke } from '../charts/line-chart.js'
import type { EpochEvent } from '../native/generated.js'
import type { ExperimentRun } from './experiment-runs.js'
import { meanStd } from './mean-std.js'

/** Curves of a network: name in the legend, stroke, and the error of an epoch or null. */
const CURVES: readonly [
  kind: string,
  stroke: Stroke,
  error: (epoch: EpochEvent, epochSize: number) => number | null,
][] = [
  [
    'training error',
    'dashed',
    ({ train }, epochSize) => (train.count < epochSize ? null : 1 - train.accuracy),
  ],
  ['validation error', 'bold', ({ val }) => (val === null ? null : 1 - val.accuracy)],
]

/**
 * Returns the error in percent by step, averaged over seeds. As in the paper, the training error
 * (the epoch's mean on augmented images) is dashed and the validation error bold.
 */
export function errorCurves(name: string, runs: readonly ExperimentRun[], panel = ''): Series[] {
  return CURVES.map(([kind, stroke, error]) => {
    const errorsByStep = new Map<number, number[]>()
    const epochs = runs.flatMap((run) => run.epochs)
    // An epoch that the budget cut short has too few images for a comparable mean.
    const epochSize = Math.max(...epochs.map(({ train }) => train.count))
    for (const epoch of epochs) {
      const value = error(epoch, epochSize)
      if (value === null) continue
      errorsByStep.set(epoch.step, [...(errorsByStep.get(epoch.step) ?? []), 100 * value])
    }
    const points = [...errorsByStep]
      .sort(([a], [b]) => a - b)
      .map(([x, values]): Point => {
        const { mean, std } = meanStd(values)
        return { x, y: mean, std }
      })
    return { name, kind, stroke, panel, points }
  }).filter(({ points }) => points.length > 0)
}

/**
 * Returns the domain of an error axis in percent, which includes every point with its standard
 * deviation. The domain starts at zero unless all errors are above 40 percent.
 */
export function errorDomain(series: readonly Series[]): [number, number] {
  const points = series.flatMap(({ points }) => points)
  const lowest = points.reduce((least, { y, std = 0 }) => Math.min(least, y - std), 100)
  const highest = points.reduce((most, { y, std = 0 }) => Math.max(most, y + std), 0)
  const floor = lowest > 40 ? 10 * Math.floor((lowest - 10) / 10) : 0
  return [floor, Math.min(100, Math.max(floor + 10, 10 * Math.ceil(highest / 10)))]
}
