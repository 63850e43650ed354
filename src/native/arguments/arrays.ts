import { ResidualError } from '../../errors/errors.js'
import type { NativeArrayPart, NativeArrays } from '../addon.js'

/** One split of an in-memory data set. */
export interface ArraySplit {
  /** Pixels as `uint8` in NHWC order: `labels.length * height * width * channels` bytes. */
  images: Uint8Array | Uint8ClampedArray
  /** Class index of each image, from 0. */
  labels: Uint8Array | Uint16Array | Uint32Array | Int32Array | readonly number[]
  /** Width of the images in pixels. */
  width: number
  /** Height of the images in pixels. */
  height: number
  /** 1 (gray) or 3 (RGB). */
  channels: 1 | 3
}

/** A data set in memory. All splits have images of the same size. The data is copied. */
export interface ArrayDataset {
  train: ArraySplit
  /** Default: held out from the training images, according to `data.validation`. */
  val?: ArraySplit | undefined
  test?: ArraySplit | undefined
  /** Class names, in the order of the labels. Default: the class indices. */
  classes?: readonly string[] | undefined
}

const KEYS = ['train', 'val', 'test', 'classes']
const SPLIT_KEYS = ['images', 'labels', 'width', 'height', 'channels']

/**
 * Validates an in-memory data set and converts it for the addon.
 *
 * @throws {ResidualError} `E_USAGE`, `E_UNKNOWN_KEY` with the path (`arrays.train.labels[3]`)
 */
export function toNativeArrays(arrays: ArrayDataset): NativeArrays {
  checkKeys(arrays, 'arrays', KEYS)
  const { train, val, test, classes } = arrays
  if (classes !== undefined) checkClasses(classes)
  return {
    train: toNativeSplit(train, 'arrays.train'),
    ...(val === undefined ? {} : { val: toNativeSplit(val, 'arrays.val') }),
    ...(test === undefined ? {} : { test: toNativeSplit(test, 'arrays.test') }),
    ...(classes === undefined ? {} : { classes: [...classes] }),
  }
}

function toNativeSplit(split: ArraySplit, key: string): NativeArrayPart {
  checkKeys(split, key, SPLIT_KEYS)
  const { images, width, height, channels } = split
  if (!(images instanceof Uint8Array) && !(images instanceof Uint8ClampedArray)) {
    const hint = 'Convert to 8 bits, for example `Uint8Array.from(values, (value) => 255 * value)`.'
    throw typeError(`${key}.images`, 'a Uint8Array or a Uint8ClampedArray', describe(images), hint)
  }
  for (const [name, size] of Object.entries({ width, height, channels })) {
    if (Number.isInteger(size) && size > 0 && size < 2 ** 32) continue
    throw typeError(`${key}.${name}`, 'a positive integer', describe(size))
  }
  const labels = toUint32(split.labels, `${key}.labels`)
  return { images: toBuffer(images), labels: toBuffer(labels), width, height, channels }
}

function toUint32(labels: ArraySplit['labels'], key: string): Uint32Array {
  if (!isLabelArray(labels)) {
    const expected = 'a Uint8Array, Uint16Array, Uint32Array, Int32Array or array'
    throw typeError(key, expected, describe(labels))
  }
  const converted = new Uint32Array(labels.length)
  for (let index = 0; index < labels.length; index++) {
    const label = labels[index] as number
    if (!Number.isInteger(label) || label < 0 || label >= 2 ** 32) {
      throw typeError(`${key}[${index}]`, 'a non-negative integer', describe(label))
    }
    converted[index] = label
  }
  return converted
}

function isLabelArray(labels: unknown): labels is ArraySplit['labels'] {
  const types = [Uint8Array, Uint16Array, Uint32Array, Int32Array, Array]
  return types.some((type) => labels instanceof type)
}

function checkClasses(classes: readonly string[]): void {
  if (!Array.isArray(classes)) throw typeError('arrays.classes', 'an array', describe(classes))
  // Array.from, because forEach skips holes.
  for (const [index, name] of Array.from<unknown>(classes).entries()) {
    if (typeof name === 'string') continue
    throw typeError(`arrays.classes[${index}]`, 'a string', describe(name))
  }
}

function checkKeys(value: unknown, key: string, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null) {
    throw typeError(key, 'an object', describe(value))
  }
  const unknown = Object.keys(value).find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new ResidualError({
    code: 'E_UNKNOWN_KEY',
    message: `unknown key \`${key}.${unknown}\``,
    at: { key: `${key}.${unknown}` },
    hint: `Known keys: ${known.join(', ')}.`,
  })
}

function typeError(key: string, expected: string, actual: string, hint?: string): ResidualError {
  return new ResidualError({
    code: 'E_USAGE',
    message: `\`${key}\` must be ${expected}, not ${actual}`,
    at: { key },
    ...(hint === undefined ? {} : { hint }),
  })
}

/** Describes a rejected value for an error message. */
function describe(value: unknown): string {
  if (typeof value === 'object' && value !== null) return `a ${value.constructor?.name ?? 'record'}`
  return typeof value === 'string' ? 'a string' : String(value)
}

/** Returns a view of the same memory as a Buffer, the only byte array that the addon accepts. */
function toBuffer({ buffer, byteOffset, byteLength }: NodeJS.ArrayBufferView): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
}
