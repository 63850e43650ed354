// Compares training steps of residual and PyTorch on a GPU.

import { join } from 'node:path'
import { node, pytorch } from '../cases/programs.mjs'
import { compareThroughput } from '../comparison.mjs'
import { selectFastest } from '../pytorch-configs.mjs'
import { Worker, WorkerError } from '../worker.mjs'
import { NOT_MEASURED } from './options.mjs'

/** @typedef {import('../pytorch-configs.mjs').PytorchConfig} PytorchConfig */

/**
 * The result for a network, or the reason why it was not measured.
 *
 * @typedef {object} StepResult
 * @property {{ net: string, batch: number }} network
 * @property {import('../comparison.mjs').Comparison} [result]
 * @property {string} [reason]
 */

export const NETWORKS = [
  { net: 'resnet20', stem: 'cifar', size: 32, batch: 128, tiny: { batch: 16 } },
  { net: 'resnet18', stem: 'cifar', size: 32, batch: 512, tiny: { batch: 8 } },
  { net: 'resnet50', stem: 'imagenet', size: 224, batch: 256, tiny: { batch: 2, size: 64 } },
]
/** Steps per epoch of residual, limited because the images of an epoch are in memory. */
const STEPS = { resnet20: 400, resnet18: 60, resnet50: 6 }
const TINY_STEPS = 30

/** @type {PytorchConfig} */
const EAGER = {
  name: 'fp32, NCHW, eager, cudnn.benchmark',
  options: { layout: 'nchw', precision: 'fp32' },
}
/** @type {readonly PytorchConfig[]} */
const CONFIGS = [
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
/** Measured only with a GPU. @type {PytorchConfig} */
const CUDA_GRAPH = {
  name: 'bf16 autocast, NHWC, fused SGD, CUDA graph',
  options: { layout: 'nhwc', precision: 'bf16', fused: true, tf32: true, graph: true },
}

/**
 * @param {typeof NETWORKS[number]} network
 * @param {import('./options.mjs').GpuOptions} options
 * @returns {Promise<StepResult>}
 */
export async function compareStep({ tiny: tinySizes, ...full }, options) {
  const { python, device, tiny, folder, settings } = options
  const network = { ...full, ...(tiny ? tinySizes : {}) }
  const out = join(folder, network.net)
  const steps = tiny ? TINY_STEPS : STEPS[/** @type {keyof typeof STEPS} */ (network.net)]
  const residual = node('residual/train-step', { ...network, steps, out, device })
  const withGraph = { ...network, steps, out: `${out}-graph`, device, cudaGraphs: true }
  try {
    const worker = await Worker.start(residual)
    await worker.kill()
  } catch (error) {
    if (!(error instanceof WorkerError)) throw error
    settings.log(error.message)
    return { network, reason: `residual cannot train on ${device}` }
  }

  const program = (/** @type {Record<string, unknown>} */ config) =>
    pytorch(python, 'train_step', { ...network, device, ...config })
  const configs = device === 'cuda' ? [...CONFIGS, CUDA_GRAPH] : CONFIGS
  const choice = await selectFastest(configs, program, settings)
  const result = await compareThroughput(
    [
      {
        ...{ key: 'pytorch-eager', label: `PyTorch, ${EAGER.name}` },
        program: program(EAGER.options),
      },
      {
        ...{ key: 'pytorch-best', label: `PyTorch, ${choice.chosen}` },
        program: program(choice.options),
      },
      { key: 'residual', label: 'residual', program: residual },
      {
        ...{ key: 'residual-graph', label: 'residual, `cudaGraphs`' },
        program: node('residual/train-step', withGraph),
      },
    ],
    [
      { subject: 'residual-graph', baseline: 'pytorch-eager' },
      { subject: 'residual-graph', baseline: 'pytorch-best' },
      { subject: 'residual-graph', baseline: 'residual' },
    ],
    settings,
  )
  return { network, result: { ...result, choice } }
}

/**
 * Returns a table with a row for each implementation.
 *
 * @param {readonly StepResult[]} results
 */
export function stepTable(results) {
  const header = ['training step', 'images/s', '`cudaGraphs` / row', 'worst', 'best to best']
  const rows = NETWORKS.flatMap(({ net }) => {
    const found = results.find(({ network }) => network.net === net)
    if (found?.result === undefined) {
      const reason = found?.reason === undefined ? '' : ` (${found.reason})`
      return [[net, `${NOT_MEASURED}${reason}`, '', '', '']]
    }
    const { implementations, pairs } = found.result
    return implementations.map(({ key, label, median }) => {
      const pair = pairs.find(({ baseline }) => baseline === key)
      return [
        `${net}, batch ${found.network.batch}: ${label}`,
        median.toFixed(0),
        pair?.median.toFixed(2) ?? '',
        pair?.worst.toFixed(2) ?? '',
        pair?.bestToBest.toFixed(2) ?? '',
      ]
    })
  })
  return { header, rows }
}
