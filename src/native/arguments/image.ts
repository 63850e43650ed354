import { ResidualError } from '../../errors/errors.js'
import type { NativeImage } from '../addon.js'
import { toPath } from './path.js'

/** Decoded pixels: 8 bits a channel, row by row, the channels of a pixel together (HWC). */
export interface Pixels {
  /** `height * width * channels` bytes. */
  data: Uint8Array
  /** In pixels. */
  width: number
  /** In pixels. */
  height: number
  /** 1 (grey) or 3 (RGB). */
  channels: 1 | 3
}

/** An image: a path, a `file:` URL, the bytes of a JPEG or PNG file, or decoded pixels. */
export type ImageInput = string | URL | Uint8Array | Pixels

/**
 * An image as the addon takes it.
 *
 * @param key what the argument is called
 * @throws {ResidualError} `E_USAGE` for anything else
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
      message: `\`${key}.${name}\` must be a whole number, 1 or more, not ${size}`,
      at: { key: `${key}.${name}` },
    })
  }
  return { data: toBuffer(data), width, height, channels }
}

/** The same memory as a Buffer, which is what the bridge reads. */
function toBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
