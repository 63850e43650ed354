import { ResidualError } from '../../errors/errors.js'
import type { NativeArrayPart, NativeArrays } from '../addon.js'

/** Images of one part of a data set, in memory. */
export interface ArraySplit {
  /**
   * `labels.length * height * width * channels` bytes, 0 to 255: image after image, rows from the
   * top, the channels of a pixel together (HWC).
   */
  images: Uint8Array | Uint8ClampedArray
  /** The class of each image, numbered from 0. */
  labels: Uint8Array | Uint16Array | Uint32Array | Int32Array | readonly number[]
  /** In pixels. */
  width: number
  /** In pixels. */
  height: number
  /** 1 (grey) or 3 (RGB). */
  channels: 1 | 3
}

/** A data set in memory. All parts have images of one size; all of it is copied at once. */
export interface ArrayDataset {
  train: ArraySplit
  /** Default: split off the training images, as `data.validation` says. */
  val?: ArraySplit | undefined
  test?: ArraySplit | undefined
  /** The classes' names, in the order of the labels. Default: their numbers. */
  classes?: readonly string[] | undefined
}

const KEYS = ['train', 'val', 'test', 'classes']
const PART_KEYS = ['images', 'labels', 'width', 'height', 'channels']

/**
 * ArrayDataset as the addon takes them.
 *
 * @throws {ResidualError} `E_USAGE`, `E_UNKNOWN_KEY` with the place (`arrays.train.labels[3]`)
 */
export function toNativeArrays(arrays: ArrayDataset): NativeArrays {
  checkKeys(arrays, 'arrays', KEYS)
  const { train, val, test, classes } = arrays
  if (classes !== undefined) checkClasses(classes)
  return {
    train: toNativePart(train, 'arrays.train'),
    ...(val === undefined ? {} : { val: toNativePart(val, 'arrays.val') }),
    ...(test === undefined ? {} : { test: toNativePart(test, 'arrays.test') }),
    ...(classes === undefined ? {} : { classes: [...classes] }),
  }
}

function toNativePart(part: ArraySplit, key: string): NativeArrayPart {
  checkKeys(part, key, PART_KEYS)
  const { images, width, height, channels } = part
  if (!(images instanceof Uint8Array) && !(images instanceof Uint8ClampedArray)) {
    const hint = 'Give 8 bits a value: `Uint8Array.from(values, (value) => 255 * value)`, say.'
    throw refuse(`${key}.images`, 'a Uint8Array or a Uint8ClampedArray', what(images), hint)
  }
  for (const [name, size] of Object.entries({ width, height, channels })) {
    if (Number.isInteger(size) && size > 0 && size < 2 ** 32) continue
    throw refuse(`${key}.${name}`, 'a whole number, 1 or more', what(size))
  }
  const labels = toLabels(part.labels, `${key}.labels`)
  return { images: toBuffer(images), labels: toBuffer(labels), width, height, channels }
}

function toLabels(labels: ArraySplit['labels'], key: string): Uint32Array {
  if (!isNumbers(labels)) {
    throw refuse(key, 'a Uint8Array, Uint16Array, Uint32Array, Int32Array or array', what(labels))
  }
  const numbers = new Uint32Array(labels.length)
  for (let index = 0; index < labels.length; index++) {
    const label = labels[index] as number
    if (!Number.isInteger(label) || label < 0 || label >= 2 ** 32) {
      throw refuse(`${key}[${index}]`, 'a whole number, 0 or more', what(label))
    }
    numbers[index] = label
  }
  return numbers
}

function isNumbers(labels: unknown): labels is ArraySplit['labels'] {
  const types = [Uint8Array, Uint16Array, Uint32Array, Int32Array, Array]
  return types.some((type) => labels instanceof type)
}

function checkClasses(classes: readonly string[]): void {
  if (!Array.isArray(classes)) throw refuse('arrays.classes', 'an array', what(classes))
  // Not forEach, which skips holes.
  for (const [index, name] of Array.from<unknown>(classes).entries()) {
    if (typeof name !== 'string') throw refuse(`arrays.classes[${index}]`, 'a string', what(name))
  }
}

function checkKeys(value: unknown, key: string, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null) throw refuse(key, 'an object', what(value))
  const unknown = Object.keys(value).find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new ResidualError({
    code: 'E_UNKNOWN_KEY',
    message: `unknown key \`${key}.${unknown}\``,
    at: { key: `${key}.${unknown}` },
    hint: `Known here: ${known.join(', ')}.`,
  })
}

function refuse(key: string, wanted: string, found: string, hint?: string): ResidualError {
  return new ResidualError({
    code: 'E_USAGE',
    message: `\`${key}\` must be ${wanted}, not ${found}`,
    at: { key },
    ...(hint === undefined ? {} : { hint }),
  })
}

function what(value: unknown): string {
  if (typeof value === 'object' && value !== null) return `a ${value.constructor?.name ?? 'record'}`
  return typeof value === 'string' ? 'a string' : String(value)
}

/** The same memory as a Buffer, which is what the bridge reads. */
function toBuffer({ buffer, byteOffset, byteLength }: NodeJS.ArrayBufferView): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
}
