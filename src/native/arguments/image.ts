import { ResidualError } from '../../errors/errors.js'
import type { NativeImage } from '../addon.js'
import { toPath } from './path.js'

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

/** An image: a path, a `file:` URL, the bytes of a JPEG or PNG file, or decoded pixels. */
export type ImageInput = string | URL | Uint8Array | Pixels

/**
 * Converts an image for the addon.
 *
 * @param key name of the argument, for the error message
 * @throws {ResidualError} `E_USAGE` for anything that is not an `ImageInput`
 */
export function toNativeImage(image: ImageInput, key: string): NativeImage {
  if (typeof image === 'string' || image instanceof URL) return toPath(image, key)
  if (image instanceof Uint8Array) return toBuffer(image)
  if (!(image?.data instanceof Uint8Array)) {
    throw new ResidualError({
      code: 'E_USAGE',
      message: `\`${key}\` must be a path, the bytes of an image file, or pixels`,
      at: { key },
      hint: 'Pixels are `{ data: Uint8Array, width, height, channels }`.',
    })
  }
  const { data, width, height, channels } = image
  for (const [name, size] of Object.entries({ width, height, channels })) {
    if (Number.isInteger(size) && size > 0 && size < 2 ** 32) continue
    throw new ResidualError({
      code: 'E_USAGE',
      message: `\`${key}.${name}\` must be a positive integer, not ${size}`,
      at: { key: `${key}.${name}` },
    })
  }
  return { data: toBuffer(data), width, height, channels }
}

/** Returns a view of the same memory as a Buffer, the only byte array that the addon accepts. */
function toBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
