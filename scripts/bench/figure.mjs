// Renders the figure of docs/performance.md: speedup over each baseline.

import { renderChart } from '../../dist/charts/render.js'
import { INK, PALETTE } from '../../dist/charts/theme.js'

/** @typedef {import('./record.mjs').BenchRecord} BenchRecord */

/**
 * A bar of the figure: a comparison with one baseline.
 *
 * @typedef {object} Bar
 * @property {string} name title of the case
 * @property {string} baseline
 * @property {number} place index among the bars of the case
 * @property {number} ratio median speedup
 * @property {number} low speedup in the worst round
 * @property {number} high speedup in the best round
 */

/** Legend entries by the key of the implementation. */
const BASELINES = new Map([
  ['pytorch-eager', 'PyTorch eager'],
  ['torchvision-pillow', 'PyTorch eager'],
  ['pytorch-best', 'best PyTorch'],
  ['torchvision-v2', 'torchvision.transforms.v2'],
  ['onnxruntime', 'onnxruntime-node'],
])

/**
 * Returns a bar for every comparison.
 *
 * @param {BenchRecord} record
 * @returns {Bar[]}
 */
export function toBars({ cases }) {
  return cases.flatMap(({ title, result }) => {
    if (result?.kind !== 'comparison') return []
    const { better, implementations, pairs } = result
    const valuesOf = (/** @type {string} */ key) =>
      implementations.find((implementation) => implementation.key === key)?.values ?? []
    // Only residual with default settings, without variants such as fp32.
    const defaultPairs = pairs.filter(({ subject }) => subject === 'residual')
    return defaultPairs.map(({ subject, baseline, median }, place) => {
      const baselineValues = valuesOf(baseline)
      const speedups = valuesOf(subject).map((value, round) =>
        speedup(value / baselineValues[round], better),
      )
      return {
        name: title,
        baseline: BASELINES.get(baseline) ?? baseline,
        place,
        ratio: speedup(median, better),
        low: Math.min(...speedups),
        high: Math.max(...speedups),
      }
    })
  })
}

/**
 * Converts a ratio of measured values to a speedup.
 *
 * @param {number} ratio
 * @param {import('./statistics.mjs').Better} better
 */
function speedup(ratio, better) {
  return better === 'higher' ? ratio : 1 / ratio
}

/**
 * Renders the figure.
 *
 * @param {BenchRecord} record
 * @returns {Promise<string>} SVG
 */
export function renderFigure(record) {
  const rows = toBars(record)
  const baselines = [...new Set(BASELINES.values())].filter((name) =>
    rows.some(({ baseline }) => baseline === name),
  )
  const y = {
    field: 'name',
    type: 'nominal',
    sort: [...new Set(rows.map(({ name }) => name))],
    title: null,
    axis: { labelLimit: 500, ticks: false },
  }
  const yOffset = { field: 'place', type: 'nominal', sort: [0, 1, 2] }
  const scale = { domain: [0, Math.max(1, ...rows.map(({ high }) => high))], nice: true }
  const x = { type: 'quantitative', title: 'speedup', scale }
  const color = {
    field: 'baseline',
    type: 'nominal',
    title: null,
    scale: { domain: baselines, range: PALETTE.slice(0, baselines.length) },
    legend: { orient: 'bottom', columns: 2, symbolType: 'square', symbolSize: 120 },
  }
  return renderChart({
    title: 'Speed relative to other implementations: median, worst and best round',
    data: { values: rows },
    width: 480,
    height: { step: 12 },
    layer: [
      { mark: { type: 'bar' }, encoding: { y, yOffset, x: { field: 'ratio', ...x }, color } },
      {
        mark: { type: 'rule', strokeWidth: 1.25, color: INK },
        encoding: { y, yOffset, x: { field: 'low', ...x }, x2: { field: 'high' } },
      },
      {
        data: { values: [{ one: 1 }] },
        mark: { type: 'rule', strokeDash: [4, 3], color: INK },
        encoding: { x: { field: 'one', ...x } },
      },
    ],
  })
}
