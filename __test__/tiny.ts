import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import type { ExecutionContext } from 'ava'
import type { ArraySplit, TrainConfig } from 'residual'

const SIDE = 8
const CLASSES = 3

/** Creates a temporary folder, which is removed after the test. */
export function tempFolder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'residual-test-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/**
 * Returns the configuration of a run that takes at most a second: six steps per epoch on 8 x 8 images
 * whose class is the index of their bright third. Deterministic: seeded, with one thread.
 */
export function tinyConfig(t: ExecutionContext, config: TrainConfig = {}): TrainConfig {
  const path = tempFolder(t)
  return {
    data: { source: idxData(path), validation: 0.25 },
    model: 'resnet8',
    epochs: 2,
    batchSize: 12,
    optimizer: { type: 'sgd', lr: 0.05 },
    precision: 'fp32',
    threads: 1,
    workers: 1,
    seed: 1,
    out: join(path, 'run'),
    ...config,
  }
}

/** Creates 8 x 8 images in memory, whose class is the index of their bright third of rows. */
export function arraySplit(count: number): ArraySplit & { labels: Uint8Array } {
  const labels = Uint8Array.from({ length: count }, (_, index) => index % CLASSES)
  const images = new Uint8Array(count * SIDE * SIDE)
  for (const [image, label] of labels.entries()) {
    for (let row = 0; row < 8; row++) {
      const bright = Math.floor((row * 3) / 8) === label
      images.fill(
        bright ? 250 - (image % 7) : image % 5,
        image * 64 + row * 8,
        image * 64 + row * 8 + 8,
      )
    }
  }
  return { images, labels, width: 8, height: 8, channels: 1 }
}

/** Writes 96 training and 24 test images in the IDX format of MNIST. */
export function idxData(parent: string): string {
  const path = join(parent, 'data')
  mkdirSync(path)
  for (const [prefix, count] of [
    ['train', 96],
    ['t10k', 24],
  ] as const) {
    const labels = Array.from({ length: count }, (_, index) => index % CLASSES)
    writeFileSync(
      join(path, `${prefix}-images-idx3-ubyte`),
      Buffer.concat([header(0x803, count, SIDE, SIDE), ...labels.map(pixels)]),
    )
    writeFileSync(
      join(path, `${prefix}-labels-idx1-ubyte`),
      Buffer.concat([header(0x801, count), Buffer.from(labels)]),
    )
  }
  return path
}

/** Writes 8 PNG images per class, in one folder per class. */
export function imageFolder(parent: string, classes: readonly string[]): string {
  const path = join(parent, 'photos')
  for (const [label, name] of classes.entries()) {
    mkdirSync(join(path, name), { recursive: true })
    for (let index = 0; index < 8; index++) {
      writeFileSync(join(path, name, `${index}.png`), png(pixels(label, index)))
    }
  }
  return path
}

/** Writes 6 gray PNG images per class in two classes, large enough (130 x 130) for the photo defaults. */
export function photographs(parent: string): string {
  const [path, side] = [join(parent, 'photos'), 130]
  for (const [label, name] of ['dark', 'light'].entries()) {
    mkdirSync(join(path, name), { recursive: true })
    for (let index = 0; index < 6; index++) {
      const gray = Buffer.alloc(side * side, 40 + 150 * label + index)
      writeFileSync(join(path, name, `${index}.png`), png(gray, side))
    }
  }
  return path
}

/** Returns gray pixels of a class, which vary slightly with `index`. */
export function pixels(label: number, index = 0): Buffer {
  const bright = (column: number) => Math.floor((column * CLASSES) / SIDE) === label
  return Buffer.from(
    Array.from({ length: SIDE * SIDE }, (_, position) =>
      bright(position % SIDE) ? 200 + (index % 50) : (position * 7 + index * 13) % 60,
    ),
  )
}

/** Encodes gray pixels as a PNG file. */
export function png(gray: Buffer, side = SIDE): Buffer {
  const shape = header(side, side)
  const rows = Array.from({ length: side }, (_, row) =>
    Buffer.concat([Buffer.of(0), gray.subarray(row * side, (row + 1) * side)]),
  )
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', Buffer.concat([shape, Buffer.of(8, 0, 0, 0, 0)])),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  return Buffer.concat([header(data.length), body, header(crc32(body))])
}

/** Encodes big-endian 32-bit integers. */
function header(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(4 * numbers.length)
  for (const [index, number] of numbers.entries()) bytes.writeUInt32BE(number, 4 * index)
  return bytes
}
