// A data set and a configuration with which a run takes less than a second.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const SIDE = 8
const CLASSES = 3

/**
 * Writes images of 8 x 8 in the IDX format of MNIST. The class of an image is the index of its
 * bright third.
 *
 * @param {string} folder
 * @param {{ train?: number, test?: number }} [count] number of images
 * @returns {string} the folder
 */
export function writeIdxData(folder, { train = 96, test = 24 } = {}) {
  mkdirSync(folder, { recursive: true })
  for (const [prefix, count] of /** @type {const} */ ([
    ['train', train],
    ['t10k', test],
  ])) {
    const labels = Uint8Array.from({ length: count }, (_, index) => index % CLASSES)
    const images = [...labels].map((label, index) => pixels(label, index))
    writeFileSync(
      join(folder, `${prefix}-images-idx3-ubyte`),
      Buffer.concat([header(0x803, count, SIDE, SIDE), ...images]),
    )
    writeFileSync(
      join(folder, `${prefix}-labels-idx1-ubyte`),
      Buffer.concat([header(0x801, count), labels]),
    )
  }
  return folder
}

/**
 * Returns gray pixels of a class, which vary with `index`.
 *
 * @param {number} label
 * @param {number} [index]
 */
export function pixels(label, index = 0) {
  const isBright = (/** @type {number} */ column) => Math.floor((column * CLASSES) / SIDE) === label
  return Buffer.from(
    Array.from({ length: SIDE * SIDE }, (_, position) =>
      isBright(position % SIDE) ? 200 + (index % 50) : (position * 7 + index * 13) % 60,
    ),
  )
}

/**
 * Returns images and labels in memory, for the option `arrays` of `train()`.
 *
 * @param {number} count
 */
export function arraySplit(count) {
  const labels = Uint8Array.from({ length: count }, (_, index) => index % CLASSES)
  const images = new Uint8Array(Buffer.concat([...labels].map((label, i) => pixels(label, i))))
  return { images, labels, width: SIDE, height: SIDE, channels: /** @type {const} */ (1) }
}

/**
 * Returns the configuration of a run of six steps per epoch, with one thread and a seed.
 *
 * @param {string} data folder of `writeIdxData`
 * @param {string} out run folder
 * @param {import('residual').TrainConfig} [config]
 * @returns {import('residual').TrainConfig}
 */
export function tinyConfig(data, out, config = {}) {
  return {
    data: { source: data, validation: 0.25 },
    model: 'resnet8',
    epochs: 2,
    batchSize: 12,
    optimizer: { type: 'sgd', lr: 0.05 },
    precision: 'fp32',
    threads: 1,
    workers: 1,
    seed: 1,
    out,
    ...config,
  }
}

/**
 * Encodes big-endian 32-bit integers.
 *
 * @param {readonly number[]} numbers
 */
function header(...numbers) {
  const bytes = Buffer.alloc(4 * numbers.length)
  for (const [index, number] of numbers.entries()) bytes.writeUInt32BE(number, 4 * index)
  return bytes
}
