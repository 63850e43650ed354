import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32, deflateSync, gunzipSync } from 'node:zlib'

/** Header bytes of IDX files: magic number, then the size of each dimension. */
const LABELS_HEADER = 8
const IMAGES_HEADER = 16

/**
 * Writes one test image of each class as a PNG file that is named after its class.
 *
 * @param {string} data folder of fashion-mnist-mini
 * @param {string} folder output folder
 * @returns {Promise<{ file: string, label: string }[]>}
 */
export async function writeSampleImages(data, folder) {
  const read = async (/** @type {string} */ name) => gunzipSync(await readFile(join(data, name)))
  const [images, labels, names] = await Promise.all([
    read('t10k-images-idx3-ubyte.gz'),
    read('t10k-labels-idx1-ubyte.gz'),
    readFile(join(data, 'classes.txt'), 'utf8'),
  ])
  const height = images.readUInt32BE(8)
  const width = images.readUInt32BE(12)
  await mkdir(folder, { recursive: true })
  const samples = names
    .trimEnd()
    .split('\n')
    .map(async (label, index) => {
      const first = labels.indexOf(index, LABELS_HEADER) - LABELS_HEADER
      const start = IMAGES_HEADER + first * width * height
      const file = join(folder, `${label.toLowerCase().replaceAll(/[^a-z]+/g, '-')}.png`)
      await writeFile(file, png(images.subarray(start, start + width * height), width, height))
      return { file, label }
    })
  return Promise.all(samples)
}

/**
 * Encodes a grayscale image as PNG (ISO/IEC 15948).
 *
 * @param {Buffer} pixels row by row, 0 (black) to 255
 * @param {number} width
 * @param {number} height
 */
function png(pixels, width, height) {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 0, 0, 0, 0], 8) // 8 bits, grayscale, default methods
  const rows = Array.from({ length: height }, (_, y) =>
    // Each row starts with its filter type; 0 is none.
    Buffer.concat([Buffer.of(0), pixels.subarray(y * width, (y + 1) * width)]),
  )
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/**
 * @param {string} type
 * @param {Buffer} content
 */
function chunk(type, content) {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), content])
  const around = Buffer.alloc(8)
  around.writeUInt32BE(content.length, 0)
  around.writeUInt32BE(crc32(typed), 4)
  return Buffer.concat([around.subarray(0, 4), typed, around.subarray(4)])
}
