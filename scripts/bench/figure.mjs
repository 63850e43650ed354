// The figure of docs/performance.md: how many times as fast as each peer.

import { renderChart } from '../../dist/charts/render.js'
import { INK, PALETTE } from '../../dist/charts/theme.js'

/** @typedef {import('./record.mjs').Record} Record */

/**
 * A bar of the figure.
 *
 * @typedef {object} Bar
 * @property {string} name of the case
 * @property {string} peer
 * @property {number} place among the case's bars
 * @property {number} ratio times as fast, the median
 * @property {number} low of the worst round
 * @property {number} high of the best round
 */

/** What the legend calls each peer, by its key. */
const PEERS = new Map([
  ['notebook', "PyTorch, the notebook's way"],
  ['pillow', "PyTorch, the notebook's way"],
  ['best', 'the best PyTorch'],
  ['v2', 'torchvision.transforms.v2'],
  ['onnxruntime', 'onnxruntime-node'],
])

/**
 * Every comparison as a bar.
 *
 * @param {Record} record
 * @returns {Bar[]}
 */
export function bars({ cases }) {
  return cases.flatMap(({ title, result }) => {
    if (result?.kind !== 'comparison') return []
    const { better, contestants, pairs } = result
    const figures = (/** @type {string} */ key) =>
      contestants.find((contestant) => contestant.key === key)?.figures ?? []
    // Of several of ours, the one at its default.
    const shown = pairs.filter(({ ours }) => ours === 'ours')
    return shown.map(({ ours, against, median }, place) => {
      const theirs = figures(against)
      const speeds = figures(ours).map((figure, round) => times(figure / theirs[round], better))
      return {
        name: title,
        peer: PEERS.get(against) ?? against,
        place,
        ratio: times(median, better),
        low: Math.min(...speeds),
        high: Math.max(...speeds),
      }
    })
  })
}

/**
 * @param {number} ratio
 * @param {import('./ratio.mjs').Better} better
 */
function times(ratio, better) {
  return better === 'higher' ? ratio : 1 / ratio
}

/**
 * @param {Record} record
 * @returns {Promise<string>} SVG
 */
export function figure(record) {
  const rows = bars(record)
  const peers = [...new Set(PEERS.values())].filter((peer) => rows.some((row) => row.peer === peer))
  const y = {
    field: 'name',
    type: 'nominal',
    sort: [...new Set(rows.map(({ name }) => name))],
    title: null,
    axis: { labelLimit: 500, ticks: false },
  }
  const yOffset = { field: 'place', type: 'nominal', sort: [0, 1, 2] }
  const scale = { domain: [0, Math.max(1, ...rows.map(({ high }) => high))], nice: true }
  const x = { type: 'quantitative', title: 'times as fast as the peer', scale }
  const color = {
    field: 'peer',
    type: 'nominal',
    title: null,
    scale: { domain: peers, range: PALETTE.slice(0, peers.length) },
    legend: { orient: 'bottom', columns: 2, symbolType: 'square', symbolSize: 120 },
  }
  return renderChart({
    title: 'Speed beside the peers: median, and from the worst round to the best',
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
