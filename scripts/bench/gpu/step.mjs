// Whole training steps on a GPU, beside PyTorch on the same one.

import { join } from 'node:path'
import { tryAll } from '../candidates.mjs'
import { node, pytorch } from '../cases/programs.mjs'
import { contest } from '../contest.mjs'
import { Peer, PeerError } from '../peer.mjs'
import { UNMEASURED } from './how.mjs'

/** @typedef {import('../candidates.mjs').Way} Way */

/**
 * What a network gave; without a result, why there is none.
 *
 * @typedef {object} Measured
 * @property {{ net: string, batch: number }} network
 * @property {import('../contest.mjs').Comparison} [result]
 * @property {string} [why]
 */

export const NETS = [
  { net: 'resnet20', stem: 'cifar', size: 32, batch: 128, tiny: { batch: 16 } },
  { net: 'resnet18', stem: 'cifar', size: 32, batch: 512, tiny: { batch: 8 } },
  { net: 'resnet50', stem: 'imagenet', size: 224, batch: 256, tiny: { batch: 2, size: 64 } },
]
/** In an epoch of ours: its images are in memory. */
const STEPS = { resnet20: 400, resnet18: 60, resnet50: 6 }
const TINY_STEPS = 30

/** @type {Way} */
const NOTEBOOK = {
  name: 'fp32, NCHW, eager, cudnn.benchmark',
  options: { layout: 'nchw', precision: 'fp32' },
}
/** @type {readonly Way[]} */
const WAYS = [
  {
    name: 'fp32 with TF32, NHWC, fused SGD',
    options: { layout: 'nhwc', precision: 'fp32', fused: true, tf32: true },
  },
  {
    name: 'bf16 autocast, NCHW, fused SGD',
    options: { layout: 'nchw', precision: 'bf16', fused: true, tf32: true },
  },
  {
    name: 'bf16 autocast, NHWC, fused SGD',
    options: { layout: 'nhwc', precision: 'bf16', fused: true, tf32: true },
  },
]
/** Where there is a GPU. @type {Way} */
const GRAPH = {
  name: 'bf16 autocast, NHWC, fused SGD, CUDA graph',
  options: { layout: 'nhwc', precision: 'bf16', fused: true, tf32: true, graph: true },
}
/**
 * @param {typeof NETS[number]} one
 * @param {import('./how.mjs').How} how
 * @returns {Promise<Measured>}
 */
export async function step({ tiny: small, ...full }, { python, device, tiny, folder, game }) {
  const network = { ...full, ...(tiny ? small : {}) }
  const out = join(folder, network.net)
  const steps = tiny ? TINY_STEPS : STEPS[/** @type {keyof typeof STEPS} */ (network.net)]
  const ours = node('ours/train-step', { ...network, steps, out, device })
  const captured = { ...network, steps, out: `${out}-graph`, device, cudaGraphs: true }
  try {
    const peer = await Peer.start(ours)
    await peer.kill()
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    game.log(error.message)
    return { network, why: `ours does not train on ${device}` }
  }

  const theirs = (/** @type {Record<string, unknown>} */ options) =>
    pytorch(python, 'train_step', { ...network, device, ...options })
  const ways = device === 'cuda' ? [...WAYS, GRAPH] : WAYS
  const choice = await tryAll(ways, theirs, game)
  const result = await contest(
    [
      {
        ...{ key: 'notebook', label: `PyTorch, ${NOTEBOOK.name}` },
        program: theirs(NOTEBOOK.options),
      },
      { key: 'best', label: `PyTorch, ${choice.chosen}`, program: theirs(choice.options) },
      { key: 'ours', label: 'residual', program: ours },
      {
        ...{ key: 'graph', label: 'residual, `cudaGraphs`' },
        program: node('ours/train-step', captured),
      },
    ],
    [
      { ours: 'graph', against: 'notebook' },
      { ours: 'graph', against: 'best' },
      { ours: 'graph', against: 'ours' },
    ],
    game,
  )
  return { network, result: { ...result, choice } }
}

/**
 * A row for each contender.
 *
 * @param {readonly Measured[]} measured
 */
export function stepTable(measured) {
  const heading = ['training step', 'images/s', '`cudaGraphs` over it', 'worst', 'best to best']
  const rows = NETS.flatMap(({ net }) => {
    const found = measured.find(({ network }) => network.net === net)
    if (found?.result === undefined) {
      const why = found?.why === undefined ? '' : ` (${found.why})`
      return [[net, `${UNMEASURED}${why}`, '', '', '']]
    }
    const { contestants, pairs } = found.result
    return contestants.map(({ key, label, median }) => {
      const pair = pairs.find(({ against }) => against === key)
      return [
        `${net}, batch ${found.network.batch}: ${label}`,
        median.toFixed(0),
        pair?.median.toFixed(2) ?? '',
        pair?.worst.toFixed(2) ?? '',
        pair?.bestToBest.toFixed(2) ?? '',
      ]
    })
  })
  return { heading, rows }
}
