import { join } from 'node:path'
import { makeImageFolder } from '../data.mjs'
import { Peer } from '../peer.mjs'
import { exponent } from '../ratio.mjs'
import { node } from './programs.mjs'

/** @typedef {import('./case.mjs').Case} Case */
/** @typedef {import('./case.mjs').Context} Context */
/** @typedef {import('./case.mjs').Growth} Growth */
/** @typedef {Growth['points'][number]} Point */

const CIFAR = { net: 'resnet20', stem: 'cifar', size: 32, batch: 128 }

/**
 * @typedef {object} Table
 * @property {string} name
 * @property {string} x
 * @property {string} of what the network is
 * @property {readonly { label: string, x: number, network: Record<string, unknown> }[]} points
 */

/** @type {readonly Table[]} */
const STEPS = [
  {
    ...{ name: 'growth-depth', x: 'layers', of: 'batch 128 of 32 x 32' },
    points: [20, 32, 56, 110].map((layers) => ({
      ...{ label: `ResNet-${layers}`, x: layers },
      network: { ...CIFAR, net: `resnet${layers}`, steps: layers > 50 ? 1 : 2 },
    })),
  },
  {
    ...{ name: 'growth-batch', x: 'images in a batch', of: 'ResNet-20' },
    points: [8, 32, 128, 512].map((batch) => ({
      ...{ label: String(batch), x: batch },
      network: { ...CIFAR, batch, steps: Math.max(1, Math.round(256 / batch)) },
    })),
  },
  {
    ...{ name: 'growth-image', x: 'pixels of an image', of: 'ResNet-18, batch 8' },
    points: [64, 112, 224, 320].map((size) => ({
      ...{ label: `${size} x ${size}`, x: size * size },
      network: { net: 'resnet18', stem: 'imagenet', size, batch: 8, steps: size > 200 ? 1 : 3 },
    })),
  },
]

const TIMES = 3

/** @type {readonly Case[]} */
const steps = STEPS.map(({ name, x, of, points }) => ({
  name,
  title: `A step against ${x}`,
  about: `${of}; the best of ${TIMES} measurements, each point in a process of its own.`,
  measure: async (context) => {
    const measured = []
    for (const { label, x, network } of context.quick ? points.slice(0, 2) : points) {
      context.game.log(label)
      measured.push({ label, x, ...(await step(context, network)) })
    }
    return growth(x, 'a step', measured)
  },
}))

/** @type {Case} */
const threads = {
  name: 'growth-threads',
  title: 'A step against threads',
  about: `ResNet-20, batch 128; the best of ${TIMES} measurements.`,
  measure: async (context) => {
    const measured = []
    for (let count = 1; count <= context.cores; count *= 2) {
      context.game.log(`${count} threads`)
      const network = { ...CIFAR, threads: count, steps: 2 }
      measured.push({ label: String(count), x: count, ...(await step(context, network)) })
    }
    return growth('threads', 'a step', measured)
  },
}

const DATA = { net: 'resnet8', size: 32, batch: 64 }

/** @type {Case} */
const dataSet = {
  name: 'growth-data',
  title: 'An epoch against the size of the data set',
  about:
    'resnet8 on a folder of PNGs of 32 x 32, none of which is kept decoded; the second epoch, and ' +
    'peak memory after it.',
  measure: async (context) => {
    const measured = []
    for (const count of context.quick ? [200, 400] : [1000, 4000, 16_000]) {
      context.game.log(`${count} images`)
      const folder = await makeImageFolder(join(context.folder, `images-${count}`), count)
      const epochs = await train(context, folder, 2)
      measured.push({ label: count.toLocaleString('en'), x: count, ...epochs[1] })
    }
    return { ...growth('images', 'an epoch', measured), flat: true }
  },
}

/** @type {Case} */
const epochs = {
  name: 'growth-epochs',
  title: 'Memory against epochs',
  about: 'resnet8 on a folder of 500 PNGs of 32 x 32; the time is that of the epoch itself.',
  measure: async (context) => {
    const folder = await makeImageFolder(join(context.folder, 'images-epochs'), 500)
    const each = await train(context, folder, context.quick ? 3 : 24)
    const shown = each.flatMap((epoch, index) => {
      const x = index + 1
      return Number.isInteger(Math.log2(x / 3)) ? [{ label: String(x), x, ...epoch }] : []
    })
    return { ...growth('epochs', 'an epoch', shown), exponent: 0, flat: true }
  },
}

/** @type {readonly Case[]} */
export const growthCases = [...steps, threads, dataSet, epochs]

/**
 * @param {string} x
 * @param {string} y
 * @param {Point[]} points
 * @returns {Growth}
 */
function growth(x, y, points) {
  const logs = points.map((point) => ({ x: point.x, y: point.seconds }))
  return { kind: 'growth', x, y, points, exponent: logs.length > 1 ? exponent(logs) : 1 }
}

/**
 * @param {Context} context
 * @param {Record<string, unknown>} network
 * @returns {Promise<{ seconds: number, megabytes: number }>}
 */
async function step({ folder, quick }, network) {
  const out = join(folder, 'growth')
  const said = await ask({ ...network, out, times: quick ? 1 : TIMES })
  return { seconds: said.seconds, megabytes: said.megabytes }
}

/**
 * @param {Context} context
 * @param {string} source
 * @param {number} count
 * @returns {Promise<{ seconds: number, megabytes: number }[]>}
 */
async function train({ folder }, source, count) {
  const out = join(folder, 'growth')
  const said = await ask({ ...DATA, folder: source, epochs: count, out })
  return said.epochs
}

/** @param {Record<string, unknown>} config */
async function ask(config) {
  const peer = new Peer(node('ours/growth', config))
  try {
    return await peer.read()
  } finally {
    await peer.close()
  }
}
