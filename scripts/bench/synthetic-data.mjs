// Synthetic data sets of random pixels: CIFAR files, JPEG and PNG folders.

import { link, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodePng } from '../../dist/image-grid/png.js'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { scriptPath } from './cases/programs.mjs'
import { randomImages } from './residual/random-images.mjs'

export const CIFAR_TRAIN_IMAGES = 2560
export const CIFAR_VALIDATION_IMAGES = 512
const CIFAR_TEST_IMAGES = 128

const JPEG_IMAGES = 192

/**
 * Creates a CIFAR-10 data set.
 *
 * @param {string} parent
 * @returns {Promise<string>} folder of the binary files
 */
export async function createCifar(parent) {
  const folder = join(parent, 'cifar-10-batches-bin')
  await mkdir(folder, { recursive: true })
  const trainRecords = encodeCifarRecords(CIFAR_TRAIN_IMAGES + CIFAR_VALIDATION_IMAGES)
  await writeFile(join(folder, 'data_batch_1.bin'), trainRecords)
  await writeFile(join(folder, 'test_batch.bin'), encodeCifarRecords(CIFAR_TEST_IMAGES))
  const names = Array.from({ length: 10 }, (_, index) => `class ${index}\n`)
  await writeFile(join(folder, 'batches.meta.txt'), names.join(''))
  return folder
}

/**
 * Returns CIFAR records of random images: one byte for the label and 3072 bytes for the pixels.
 *
 * @param {number} count
 */
function encodeCifarRecords(count) {
  const { images, labels } = randomImages(count, 32)
  const bytes = Buffer.alloc(count * 3073)
  for (let i = 0; i < count; i++) {
    bytes[i * 3073] = labels[i]
    bytes.set(images.subarray(i * 3072, (i + 1) * 3072), i * 3073 + 1)
  }
  return bytes
}

/**
 * Creates an image folder of JPEGs of 500 x 375, in `train/<class>`.
 *
 * @param {string} parent
 * @param {string} python
 * @returns {Promise<string>} the folder
 */
export async function createJpegFolder(parent, python) {
  const folder = join(parent, 'synthetic-jpegs')
  const script = scriptPath('../pytorch/synthetic_jpegs.py')
  const { status, stderr } = await run(python, [script, folder, String(JPEG_IMAGES)])
  if (status !== 0) throw new BuildError(`creating synthetic JPEGs failed:\n${stderr.trim()}`)
  return folder
}

/** Number of distinct images. All other files are hard links to these. */
const DISTINCT_IMAGES = 200

/**
 * Creates an image folder of PNGs of 32 x 32 in ten classes.
 *
 * @param {string} folder
 * @param {number} count
 * @returns {Promise<string>} the folder
 */
export async function createImageFolder(folder, count) {
  const { images } = randomImages(Math.min(count, DISTINCT_IMAGES), 32)
  for (let i = 0; i < count; i++) {
    const file = (/** @type {number} */ index) =>
      join(folder, `class${index % 10}`, `${String(index).padStart(6, '0')}.png`)
    if (i < 10) await mkdir(join(folder, `class${i}`), { recursive: true })
    if (i >= DISTINCT_IMAGES) {
      await link(file(i % DISTINCT_IMAGES), file(i))
      continue
    }
    const data = images.subarray(i * 3072, (i + 1) * 3072)
    await writeFile(file(i), encodePng({ data, width: 32, height: 32, channels: 3 }))
  }
  return folder
}
