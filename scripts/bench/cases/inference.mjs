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
  'peers start from a normalised tensor and end with logits.'

/**
 * @typedef {object} Small
 * @property {string} net
 * @property {string} title
 * @property {number} batch
 * @property {{ notebook?: number, best?: number }} aims
 */

/** @type {readonly Small[]} */
const SMALL = [
  { net: 'resnet20', title: 'ResNet-20', batch: 128, aims: { notebook: 3, best: 1 } },
  { net: 'resnet20', title: 'ResNet-20', batch: 1, aims: {} },
  { net: 'resnet18', title: 'CIFAR ResNet-18', batch: 128, aims: { notebook: 2.5, best: 1 } },
  { net: 'resnet18', title: 'CIFAR ResNet-18', batch: 1, aims: {} },
]

/** @type {readonly Case[]} */
export const inference = [
  ...SMALL.map(({ net, title, batch, aims }) => ({
    name: `infer-${net}-b${batch}`,
    title: `Inference, ${title}, batch ${batch}`,
    about: ABOUT,
    measure: (/** @type {Context} */ context) =>
      measure(context, { net, stem: 'cifar', size: 32, batch }, { aims, onnx: false }),
  })),
  {
    name: 'infer-onnx',
    title: 'Inference, ResNet-18 at 224, batch 1',
    about: `${ABOUT} onnxruntime runs, in the same Node, the file that our export writes.`,
    measure: (context) =>
      measure(
        context,
        { net: 'resnet18', stem: 'imagenet', size: 224, batch: 1 },
        { aims: {}, onnx: true },
      ),
  },
]

/**
 * @param {Context} context
 * @param {{ net: string, stem: string, size: number, batch: number }} network
 * @param {{ aims: Small['aims'], onnx: boolean }} how `onnx`: beside onnxruntime too
 */
async function measure({ game, python, choices, folder, cores }, network, { aims, onnx }) {
  const { net, size, batch } = network
  const theirs = (/** @type {Record<string, unknown>} */ options) =>
    pytorch(python, 'predict', { ...network, ...options })
  const name = `infer-${net}-${size}-b${batch}`
  const choice = await choices.get(name, () => tryAll(INFERENCE, theirs, game))

  const maker = new Peer(
    node('ours/new-model', { ...network, onnx, out: join(folder, `${net}-${size}`) }),
  )
  const made = await maker.read()
  await maker.close()

  const entries = [
    {
      ...{ key: 'notebook', label: `PyTorch, ${NOTEBOOK.name}` },
      program: theirs(NOTEBOOK.options),
    },
    { key: 'best', label: `PyTorch, ${choice.chosen}`, program: theirs(choice.options) },
    {
      ...{ key: 'ours', label: 'residual' },
      program: node('ours/predict', { model: made.model, size, batch }),
    },
  ]
  /** @type {Pair[]} */
  const pairs = [
    { ours: 'ours', against: 'notebook', aim: aims.notebook },
    { ours: 'ours', against: 'best', aim: aims.best },
  ]
  if (onnx) {
    entries.push(
      {
        ...{ key: 'ours-fp32', label: 'residual, fp32' },
        program: node('ours/predict', { model: made.model, size, batch, precision: 'fp32' }),
      },
      {
        ...{ key: 'onnxruntime', label: 'onnxruntime-node, fp32' },
        program: node('onnxruntime/predict', { onnx: made.onnx, size, batch, threads: cores }),
      },
    )
    pairs.push(
      { ours: 'ours', against: 'onnxruntime', aim: 1 },
      { ours: 'ours-fp32', against: 'onnxruntime', aim: 1 },
    )
  }
  return { ...(await contest(entries, pairs, game)), choice }
}
