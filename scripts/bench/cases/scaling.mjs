import { join } from 'node:path'
import { fitExponent } from '../statistics.mjs'
import { createImageFolder } from '../synthetic-data.mjs'
import { Worker } from '../worker.mjs'
import { node } from './programs.mjs'

/** @typedef {import('./case.mjs').Case} Case */
/** @typedef {import('./case.mjs').Context} Context */
/** @typedef {import('./case.mjs').Scaling} Scaling */
/** @typedef {Scaling['points'][number]} Point */

const CIFAR = { net: 'resnet20', stem: 'cifar', size: 32, batch: 128 }

/**
 * @typedef {object} StepTable
 * @property {string} name
 * @property {string} x
 * @property {string} fixed parameters that are the same for all points
 * @property {readonly { label: string, x: number, network: Record<string, unknown> }[]} points
 */

/** @type {readonly StepTable[]} */
const STEP_TABLES = [
  {
    ...{ name: 'scaling-depth', x: 'layers', fixed: 'Batch 128 of 32 x 32' },
    points: [20, 32, 56, 110].map((layers) => ({
      ...{ label: `ResNet-${layers}`, x: layers },
      network: { ...CIFAR, net: `resnet${layers}`, steps: layers > 50 ? 1 : 2 },
    })),
  },
  {
    ...{ name: 'scaling-batch', x: 'batch size', fixed: 'ResNet-20' },
    points: [8, 32, 128, 512].map((batch) => ({
      ...{ label: String(batch), x: batch },
      network: { ...CIFAR, batch, steps: Math.max(1, Math.round(256 / batch)) },
    })),
  },
  {
    ...{ name: 'scaling-image', x: 'pixels per image', fixed: 'ResNet-18, batch 8' },
    points: [64, 112, 224, 320].map((size) => ({
      ...{ label: `${size} x ${size}`, x: size * size },
      network: { net: 'resnet18', stem: 'imagenet', size, batch: 8, steps: size > 200 ? 1 : 3 },
    })),
  },
]

const REPETITIONS = 3

/** @type {readonly Case[]} */
const stepCases = STEP_TABLES.map(({ name, x, fixed, points }) => ({
  name,
  title: `Step time by ${x}`,
  about: `${fixed}; minimum of ${REPETITIONS} measurements, each point in its own process.`,
  measure: async (context) => {
    const measured = []
    for (const { label, x, network } of context.quick ? points.slice(0, 2) : points) {
      context.settings.log(label)
      measured.push({ label, x, ...(await measureStep(context, network)) })
    }
    return toScaling(x, 'step', measured)
  },
}))

/** @type {Case} */
const threads = {
  name: 'scaling-threads',
  title: 'Step time by threads',
  about: `ResNet-20, batch 128; minimum of ${REPETITIONS} measurements.`,
  measure: async (context) => {
    const measured = []
    for (let count = 1; count <= context.cores; count *= 2) {
      context.settings.log(`${count} threads`)
      const network = { ...CIFAR, threads: count, steps: 2 }
      measured.push({ label: String(count), x: count, ...(await measureStep(context, network)) })
    }
    return toScaling('threads', 'step', measured)
  },
}

const DATA = { net: 'resnet8', size: 32, batch: 64 }

/** @type {Case} */
const dataSet = {
  name: 'scaling-data',
  title: 'Epoch time by size of the data set',
  about:
    'resnet8 on a folder of PNGs of 32 x 32 without image cache; time of the second epoch, and peak ' +
    'memory after it.',
  measure: async (context) => {
    const measured = []
    for (const count of context.quick ? [200, 400] : [1000, 4000, 16_000]) {
      context.settings.log(`${count} images`)
      const folder = await createImageFolder(join(context.folder, `images-${count}`), count)
      const epochs = await measureEpochs(context, folder, 2)
      measured.push({ label: count.toLocaleString('en'), x: count, ...epochs[1] })
    }
    return { ...toScaling('images', 'epoch', measured), constantMemory: true }
  },
}

/** @type {Case} */
const epochs = {
  name: 'scaling-epochs',
  title: 'Memory by epochs',
  about: 'resnet8 on a folder of 500 PNGs of 32 x 32; time of the epoch, and peak memory after it.',
  measure: async (context) => {
    const folder = await createImageFolder(join(context.folder, 'images-epochs'), 500)
    const measured = await measureEpochs(context, folder, context.quick ? 3 : 24)
    const selected = measured.flatMap((epoch, index) => {
      const x = index + 1
      return Number.isInteger(Math.log2(x / 3)) ? [{ label: String(x), x, ...epoch }] : []
    })
    return { ...toScaling('epochs', 'epoch', selected), exponent: 0, constantMemory: true }
  },
}

/** @type {readonly Case[]} */
export const scalingCases = [...stepCases, threads, dataSet, epochs]

/**
 * @param {string} x
 * @param {string} y
 * @param {Point[]} points
 * @returns {Scaling}
 */
function toScaling(x, y, points) {
  const values = points.map((point) => ({ x: point.x, y: point.seconds }))
  return { kind: 'scaling', x, y, points, exponent: values.length > 1 ? fitExponent(values) : 1 }
}

/**
 * @param {Context} context
 * @param {Record<string, unknown>} network
 * @returns {Promise<{ seconds: number, megabytes: number }>}
 */
async function measureStep({ folder, quick }, network) {
  const out = join(folder, 'scaling')
  const measured = await measure({ ...network, out, repetitions: quick ? 1 : REPETITIONS })
  return { seconds: measured.seconds, megabytes: measured.megabytes }
}

/**
 * @param {Context} context
 * @param {string} source
 * @param {number} count
 * @returns {Promise<{ seconds: number, megabytes: number }[]>}
 */
async function measureEpochs({ folder }, source, count) {
  const out = join(folder, 'scaling')
  return (await measure({ ...DATA, folder: source, epochs: count, out })).epochs
}

/** @param {Record<string, unknown>} config */
async function measure(config) {
  const worker = new Worker(node('residual/scaling', config))
  try {
    return await worker.readLine()
  } finally {
    await worker.close()
  }
}
