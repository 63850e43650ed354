// Data sets of no meaning, of the shape of real ones.

import { link, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodePng } from '../../dist/image-grid/png.js'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { path } from './cases/programs.mjs'
import { pictures } from './ours/pictures.mjs'

/** Trained on, and held back, in the folder of CIFAR's files. */
export const CIFAR_IMAGES = 2560
export const CIFAR_HELD = 512
const CIFAR_TEST = 128

const PHOTOGRAPHS = 192

/**
 * @param {string} parent
 * @returns {Promise<string>} a folder of CIFAR's binary files
 */
export async function makeCifar(parent) {
  const folder = join(parent, 'cifar-10-batches-bin')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'data_batch_1.bin'), records(CIFAR_IMAGES + CIFAR_HELD))
  await writeFile(join(folder, 'test_batch.bin'), records(CIFAR_TEST))
  const names = Array.from({ length: 10 }, (_, index) => `class ${index}\n`)
  await writeFile(join(folder, 'batches.meta.txt'), names.join(''))
  return folder
}

/**
 * A byte for the label and 3072 for the pixels, image after image.
 *
 * @param {number} count
 */
function records(count) {
  const { images, labels } = pictures(count, 32)
  const bytes = Buffer.alloc(count * 3073)
  for (let i = 0; i < count; i++) {
    bytes[i * 3073] = labels[i]
    bytes.set(images.subarray(i * 3072, (i + 1) * 3072), i * 3073 + 1)
  }
  return bytes
}

/**
 * @param {string} parent
 * @param {string} python
 * @returns {Promise<string>} a folder of JPEGs of 500 x 375, in a folder `train`
 */
export async function makePhotographs(parent, python) {
  const folder = join(parent, 'made-up photographs')
  const script = path('../pytorch/photographs.py')
  const { status, stderr } = await run(python, [script, folder, String(PHOTOGRAPHS)])
  if (status !== 0) throw new BuildError(`no photographs could be made:\n${stderr.trim()}`)
  return folder
}

/** Different pictures; what is more are links to them. */
const DIFFERENT = 200

/**
 * @param {string} folder
 * @param {number} count
 * @returns {Promise<string>} it, an image folder of PNGs of 32 x 32
 */
export async function makeImageFolder(folder, count) {
  const { images } = pictures(Math.min(count, DIFFERENT), 32)
  for (let i = 0; i < count; i++) {
    const file = (/** @type {number} */ index) =>
      join(folder, `class${index % 10}`, `${String(index).padStart(6, '0')}.png`)
    if (i < 10) await mkdir(join(folder, `class${i}`), { recursive: true })
    if (i >= DIFFERENT) {
      await link(file(i % DIFFERENT), file(i))
      continue
    }
    const data = images.subarray(i * 3072, (i + 1) * 3072)
    await writeFile(file(i), encodePng({ data, width: 32, height: 32, channels: 3 }))
  }
  return folder
}
