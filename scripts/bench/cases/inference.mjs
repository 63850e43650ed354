import { join } from 'node:path'
import { INFERENCE, NOTEBOOK, tryAll } from '../candidates.mjs'
import { contest } from '../contest.mjs'
import { Peer } from '../peer.mjs'
import { node, pytorch } from './programs.mjs'

/** @typedef {import('./case.mjs').Case} Case */
/** @typedef {import('./case.mjs').Context} Context */
/** @typedef {import('../contest.mjs').Pair} Pair */

const ABOUT =
  'Ours starts from pixels and ends with ranked probabilities: `model.predict()`, as it comes. The ' +
  'peers start from a normalised tensor and end with logits. onnxruntime runs, in the same Node, the ' +
  'file that our export writes.'

/**
 * @typedef {object} Network
 * @property {string} net
 * @property {'cifar' | 'imagenet'} stem
 * @property {number} size
 * @property {number} batch
 */

/**
 * @typedef {object} Aims
 * @property {number} [notebook]
 * @property {number} [best]
 * @property {number} [onnxruntime]
 */

const CIFAR = /** @type {const} */ ({ stem: 'cifar', size: 32 })
const IMAGENET = /** @type {const} */ ({ stem: 'imagenet', size: 224 })

/** @type {readonly (Network & { name: string, title: string, aims: Aims })[]} */
const NETWORKS = [
  {
    ...{ name: 'infer-resnet20-b128', net: 'resnet20', ...CIFAR, batch: 128 },
    ...{ title: 'ResNet-20', aims: { notebook: 3, best: 1 } },
  },
  {
    ...{ name: 'infer-resnet20-b1', net: 'resnet20', ...CIFAR, batch: 1 },
    ...{ title: 'ResNet-20', aims: {} },
  },
  {
    ...{ name: 'infer-resnet18-b128', net: 'resnet18', ...CIFAR, batch: 128 },
    ...{ title: 'CIFAR ResNet-18', aims: { notebook: 2.5, best: 1 } },
  },
  {
    ...{ name: 'infer-resnet18-b1', net: 'resnet18', ...CIFAR, batch: 1 },
    ...{ title: 'CIFAR ResNet-18', aims: {} },
  },
  {
    ...{ name: 'infer-onnx', net: 'resnet18', ...IMAGENET, batch: 1 },
    ...{ title: 'ResNet-18 at 224', aims: { onnxruntime: 1 } },
  },
  {
    ...{ name: 'infer-resnet50-b1', net: 'resnet50', ...IMAGENET, batch: 1 },
    ...{ title: 'ResNet-50 at 224', aims: {} },
  },
  {
    ...{ name: 'infer-resnet50-b128', net: 'resnet50', ...IMAGENET, batch: 128 },
    ...{ title: 'ResNet-50 at 224', aims: {} },
  },
]

/** @type {readonly Case[]} */
export const inference = NETWORKS.map(({ name, title, aims, ...network }) => ({
  name,
  title: `Inference, ${title}, batch ${network.batch}`,
  about: ABOUT,
  measure: (/** @type {Context} */ context) => measure(context, network, aims),
}))

/**
 * @param {Context} context
 * @param {Network} network
 * @param {Aims} aims
 */
async function measure({ game, python, choices, folder, cores }, network, aims) {
  const { net, size, batch } = network
  const theirs = (/** @type {Record<string, unknown>} */ options) =>
    pytorch(python, 'predict', { ...network, ...options })
  const name = `infer-${net}-${size}-b${batch}`
  const choice = await choices.get(name, () => tryAll(INFERENCE, theirs, game))

  const maker = new Peer(
    node('ours/new-model', { ...network, out: join(folder, `${net}-${size}`) }),
  )
  const made = await maker.read()
  await maker.close()

  const ours = { model: made.model, size, batch }
  const entries = [
    {
      ...{ key: 'notebook', label: `PyTorch, ${NOTEBOOK.name}` },
      program: theirs(NOTEBOOK.options),
    },
    { key: 'best', label: `PyTorch, ${choice.chosen}`, program: theirs(choice.options) },
    { key: 'ours', label: 'residual', program: node('ours/predict', ours) },
    {
      ...{ key: 'ours-fp32', label: 'residual, fp32' },
      program: node('ours/predict', { ...ours, precision: 'fp32' }),
    },
    {
      ...{ key: 'onnxruntime', label: 'onnxruntime-node, fp32' },
      program: node('onnxruntime/predict', { onnx: made.onnx, size, batch, threads: cores }),
    },
  ]
  /** @type {Pair[]} */
  const pairs = [
    { ours: 'ours', against: 'notebook', aim: aims.notebook },
    { ours: 'ours', against: 'best', aim: aims.best },
    { ours: 'ours', against: 'onnxruntime', aim: aims.onnxruntime },
    { ours: 'ours-fp32', against: 'onnxruntime', aim: aims.onnxruntime },
  ]
  return { ...(await contest(entries, pairs, game)), choice }
}
