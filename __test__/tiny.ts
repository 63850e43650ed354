import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import type { ExecutionContext } from 'ava'
import type { TrainConfig } from 'residual'
import { pixels, writeIdxData } from '../scripts/prove/tiny-data.mjs'

export { arraySplit, pixels } from '../scripts/prove/tiny-data.mjs'

const SIDE = 8

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

/** Writes 96 training and 24 test images in the IDX format of MNIST. */
export function idxData(parent: string): string {
  return writeIdxData(join(parent, 'data'))
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

/** Encodes gray pixels as a PNG file. */
export function png(gray: Buffer, side = SIDE): Buffer {
  return encodePng(gray, side, 1)
}

/** Encodes RGB pixels as a PNG file. */
export function colorPng(rgb: Buffer, side: number): Buffer {
  return encodePng(rgb, side, 3)
}

function encodePng(pixels: Buffer, side: number, channels: 1 | 3): Buffer {
  const width = side * channels
  const rows = Array.from({ length: side }, (_, row) =>
    Buffer.concat([Buffer.of(0), pixels.subarray(row * width, (row + 1) * width)]),
  )
  const format = Buffer.of(8, channels === 3 ? 2 : 0, 0, 0, 0)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', Buffer.concat([header(side, side), format])),
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
