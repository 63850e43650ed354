import { types } from 'node:util'
import { ResidualError } from '../../errors/errors.js'
import type { NativeImage, NativePixels } from '../addon.js'
import { toPath } from './path.js'
import { decodeDataUrl, isUrl, urlScheme } from './url.js'

/** Decoded pixels, 8 bits per channel, in row-major HWC order. */
export interface Pixels {
  /** `height * width * channels` bytes. */
  data: Uint8Array
  /** Width in pixels. */
  width: number
  /** Height in pixels. */
  height: number
  /** 1 (gray) or 3 (RGB). */
  channels: 1 | 3
}

/** Decoded pixels as other libraries return them, such as an `ImageData`. */
export interface RawPixels {
  /** `height * width * channels` bytes in row-major HWC order. */
  data: Uint8Array | Uint8ClampedArray
  /** Width in pixels. */
  width: number
  /** Height in pixels. */
  height: number
  /**
   * 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA). Alpha is ignored. Default: derived from the
   * length of `data`.
   */
  channels?: 1 | 2 | 3 | 4 | undefined
}

/** Decoded pixels as sharp returns them: `sharp(file).raw().toBuffer({ resolveWithObject: true })`. */
export interface RawPixelsWithInfo {
  data: Uint8Array | Uint8ClampedArray
  info: Omit<RawPixels, 'data'>
}

/**
 * An image: a path or a `file:` URL; a JPEG or PNG file as bytes, a `Blob` or a `data:` URL; or
 * decoded pixels.
 */
export type ImageInput =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | SharedArrayBuffer
  | DataView
  | Blob
  | RawPixels
  | RawPixelsWithInfo

/** The first characters of JPEG, PNG, GIF, WebP and BMP files in base64. */
const BASE64_IMAGE = /^(\/9j\/|iVBORw0KGgo|R0lGOD|UklGR|Qk[0-9])[A-Za-z0-9+/]{60}/

/**
 * Converts images for the addon. Bytes are not copied, unless the images include a `Blob`, which
 * is read first.
 *
 * @param images images with the names of their arguments, for error messages
 * @returns a promise only if there is a `Blob`
 * @throws {ResidualError} `E_USAGE` for anything that is not an `ImageInput`; `E_IO` for a `Blob`
 *   that cannot be read
 */
export function toNativeImages(
  images: readonly (readonly [image: ImageInput, key: string])[],
): NativeImage[] | Promise<NativeImage[]> {
  const converted = images.map(([image, key]) => toNativeImage(image, key))
  if (!converted.some(isPromise)) return converted as NativeImage[]
  // The caller may modify its bytes while the blobs are read.
  return Promise.all(converted.map((image) => (isPromise(image) ? image : copyBytes(image))))
}

function toNativeImage(image: unknown, key: string): NativeImage | Promise<NativeImage> {
  if (typeof image === 'string' || isUrl(image)) return fromPathOrUrl(image, key)
  if (types.isAnyArrayBuffer(image)) return Buffer.from(image)
  if (types.isUint8Array(image) || types.isDataView(image)) return toBuffer(image)
  if (isBlob(image)) return readBlob(image, key)
  if (typeof image === 'object' && image !== null && 'data' in image) {
    return fromPixels(image as RawPixels | RawPixelsWithInfo, key)
  }
  throw unsupportedImageError(image, key)
}

function fromPathOrUrl(image: string | URL, key: string): NativeImage {
  switch (urlScheme(image)) {
    case undefined:
      break
    case 'file':
      return toPath(image, key)
    case 'data':
      return decodeDataUrl(image, key)
    case 'http':
    case 'https':
      throw usageError(
        `\`${key}\` is a URL, and images are not downloaded`,
        'Download the image and pass its bytes: ' +
          '`await (await fetch(url, { signal })).arrayBuffer()`.',
        key,
      )
    default:
      throw usageError(
        `\`${key}\` is a ${urlScheme(image)}: URL, which cannot be read`,
        'Pass a path, a file: or data: URL, or the bytes of the image file.',
        key,
      )
  }
  if (typeof image === 'string' && BASE64_IMAGE.test(image)) {
    const hint = "Decode the text: `Buffer.from(text, 'base64')`."
    throw usageError(`\`${key}\` is an image in base64, not a path`, hint, key)
  }
  return toPath(image, key)
}

async function readBlob(blob: Blob, key: string): Promise<NativeImage> {
  try {
    return Buffer.from(await blob.arrayBuffer())
  } catch (cause) {
    const message = `\`${key}\` is a Blob that cannot be read: ${(cause as Error).message}`
    throw new ResidualError({ code: 'E_IO', message, at: { key } }, { cause })
  }
}

function fromPixels(image: RawPixels | RawPixelsWithInfo, key: string): NativePixels {
  const { data } = image
  const [shape, path] = 'info' in image ? [image.info, `${key}.info`] : [image, key]
  if (!types.isUint8Array(data) && !types.isUint8ClampedArray(data)) {
    const hint = 'Convert to 8 bits, for example `Uint8Array.from(values, (value) => 255 * value)`.'
    const message = `\`${key}.data\` must be a Uint8Array or a Uint8ClampedArray, not ${describeKind(data)}`
    throw usageError(message, hint, `${key}.data`)
  }
  const { width, height } = shape ?? {}
  for (const [name, size] of Object.entries({ width, height })) checkSize(size, `${path}.${name}`)
  const channels = shape.channels ?? data.length / (width * height)
  if (shape.channels === undefined && ![1, 2, 3, 4].includes(channels)) {
    throw usageError(
      `\`${key}.data\` has ${data.length} bytes, which are not 1 to 4 channels of ` +
        `${width} x ${height} pixels`,
      'Pass `channels`, and height * width * channels bytes.',
      `${key}.data`,
    )
  }
  checkSize(channels, `${path}.channels`)
  return { data: toBuffer(data), width, height, channels }
}

function checkSize(size: unknown, key: string): void {
  if (Number.isInteger(size) && (size as number) > 0 && (size as number) < 2 ** 32) return
  const message = `\`${key}\` must be a positive integer, not ${describeKind(size)}`
  throw usageError(message, 'Pixels are `{ data: Uint8Array, width, height, channels }`.', key)
}

/** Creates the error for a value that is not an image. The hint says how to convert the value. */
function unsupportedImageError(image: unknown, key: string): ResidualError {
  const has = (name: string) =>
    typeof image === 'object' &&
    image !== null &&
    typeof (image as Record<string, unknown>)[name] === 'function'
  const hints: [boolean, string][] = [
    [has('then'), 'Pass its value: `await image`.'],
    [has('arrayBuffer'), 'Pass its content: `await response.arrayBuffer()`.'],
    [
      has('toBuffer'),
      "Pass an encoded image: `await image.png().toBuffer()`, `canvas.toBuffer('image/png')`.",
    ],
    [has('readFile'), 'Pass the content of the file: `await file.readFile()`.'],
    [
      has('pipe') || has('getReader'),
      "Read it into memory: `buffer()` of 'node:stream/consumers' takes a stream.",
    ],
    [ArrayBuffer.isView(image), 'Pixels are `{ data: Uint8Array, width, height, channels }`.'],
  ]
  return usageError(
    `\`${key}\` must be a path, the bytes of an image file, or pixels, not ${describeKind(image)}`,
    hints.find(([applies]) => applies)?.[1] ??
      'Pass a path, a Buffer, or pixels: `{ data: Uint8Array, width, height, channels }`.',
    key,
  )
}

function usageError(message: string, hint: string, key: string): ResidualError {
  return new ResidualError({ code: 'E_USAGE', message, at: { key }, hint })
}

/** Describes a value for an error message: `a Float32Array`, `a string`, `null`, `NaN`. */
function describeKind(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    const name = value.constructor?.name || 'object'
    return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`
  }
  return typeof value === 'string' || typeof value === 'function'
    ? `a ${typeof value}`
    : String(value)
}

function isBlob(value: unknown): value is Blob {
  return /^\[object (Blob|File)\]$/.test(Object.prototype.toString.call(value))
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return types.isPromise(value)
}

function copyBytes(image: NativeImage): NativeImage {
  if (typeof image === 'string') return image
  if (types.isUint8Array(image)) return Buffer.from(image)
  return { ...image, data: Buffer.from(image.data) }
}

/** Returns a view of the same memory as a Buffer, the only byte array that the addon accepts. */
function toBuffer({ buffer, byteOffset, byteLength }: NodeJS.ArrayBufferView): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
}
