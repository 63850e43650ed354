import { join } from 'node:path'
import { compareThroughput } from '../comparison.mjs'
import { EAGER, INFERENCE_CONFIGS, selectFastest } from '../pytorch-configs.mjs'
import { Worker } from '../worker.mjs'
import { node, pytorch } from './programs.mjs'

/** @typedef {import('./case.mjs').Case} Case */
/** @typedef {import('./case.mjs').Context} Context */
/** @typedef {import('../comparison.mjs').Pair} Pair */

const ABOUT =
  'residual runs `model.predict()` with default settings, from pixels to ranked probabilities. The ' +
  'other implementations start from a normalized tensor and end with logits. onnxruntime runs the ' +
  'model that residual exported, in the same version of Node.'

/**
 * @typedef {object} Network
 * @property {string} net
 * @property {'cifar' | 'imagenet'} stem
 * @property {number} size
 * @property {number} batch
 */

/**
 * @typedef {object} Targets
 * @property {number} [eager]
 * @property {number} [best]
 * @property {number} [onnxruntime]
 */

const CIFAR = /** @type {const} */ ({ stem: 'cifar', size: 32 })
const IMAGENET = /** @type {const} */ ({ stem: 'imagenet', size: 224 })

/** @type {readonly (Network & { name: string, title: string, targets: Targets })[]} */
const NETWORKS = [
  {
    ...{ name: 'infer-resnet20-b128', net: 'resnet20', ...CIFAR, batch: 128 },
    ...{ title: 'ResNet-20', targets: { eager: 3, best: 1 } },
  },
  {
    ...{ name: 'infer-resnet20-b1', net: 'resnet20', ...CIFAR, batch: 1 },
    ...{ title: 'ResNet-20', targets: {} },
  },
  {
    ...{ name: 'infer-resnet18-b128', net: 'resnet18', ...CIFAR, batch: 128 },
    ...{ title: 'CIFAR ResNet-18', targets: { eager: 2.5, best: 1 } },
  },
  {
    ...{ name: 'infer-resnet18-b1', net: 'resnet18', ...CIFAR, batch: 1 },
    ...{ title: 'CIFAR ResNet-18', targets: {} },
  },
  {
    ...{ name: 'infer-onnx', net: 'resnet18', ...IMAGENET, batch: 1 },
    ...{ title: 'ResNet-18 at 224', targets: { onnxruntime: 1 } },
  },
  {
    ...{ name: 'infer-resnet50-b1', net: 'resnet50', ...IMAGENET, batch: 1 },
    ...{ title: 'ResNet-50 at 224', targets: {} },
  },
  {
    ...{ name: 'infer-resnet50-b128', net: 'resnet50', ...IMAGENET, batch: 128 },
    ...{ title: 'ResNet-50 at 224', targets: {} },
  },
]

/** @type {readonly Case[]} */
export const inference = NETWORKS.map(({ name, title, targets, ...network }) => ({
  name,
  title: `Inference, ${title}, batch ${network.batch}`,
  about: ABOUT,
  measure: (/** @type {Context} */ context) => measure(context, network, targets),
}))

/**
 * @param {Context} context
 * @param {Network} network
 * @param {Targets} targets
 */
async function measure({ settings, python, choices, folder, cores }, network, targets) {
  const { net, size, batch } = network
  const program = (/** @type {Record<string, unknown>} */ options) =>
    pytorch(python, 'predict', { ...network, ...options })
  const name = `infer-${net}-${size}-b${batch}`
  const choice = await choices.get(name, () => selectFastest(INFERENCE_CONFIGS, program, settings))
  const { model, onnx } = await createModel(network, join(folder, `${net}-${size}`))

  const residual = { model, size, batch }
  const entries = [
    {
      ...{ key: 'pytorch-eager', label: `PyTorch, ${EAGER.name}` },
      program: program(EAGER.options),
    },
    {
      ...{ key: 'pytorch-best', label: `PyTorch, ${choice.chosen}` },
      program: program(choice.options),
    },
    { key: 'residual', label: 'residual', program: node('residual/predict', residual) },
    {
      ...{ key: 'residual-fp32', label: 'residual, fp32' },
      program: node('residual/predict', { ...residual, precision: 'fp32' }),
    },
    {
      ...{ key: 'onnxruntime', label: 'onnxruntime-node, fp32' },
      program: node('onnxruntime/predict', { onnx, size, batch, threads: cores }),
    },
  ]
  /** @type {Pair[]} */
  const pairs = [
    { subject: 'residual', baseline: 'pytorch-eager', target: targets.eager },
    { subject: 'residual', baseline: 'pytorch-best', target: targets.best },
    { subject: 'residual', baseline: 'onnxruntime', target: targets.onnxruntime },
    { subject: 'residual-fp32', baseline: 'onnxruntime', target: targets.onnxruntime },
  ]
  return { ...(await compareThroughput(entries, pairs, settings)), choice }
}

/**
 * @param {Network} network
 * @param {string} out
 * @returns {Promise<{ model: string, onnx: string }>} a run folder and an ONNX file
 */
async function createModel(network, out) {
  const worker = new Worker(node('residual/create-model', { ...network, out }))
  const { model, onnx } = await worker.readLine()
  await worker.close()
  return { model, onnx }
}
