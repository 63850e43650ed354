import { ResidualError } from './errors.js'
import type { NativeImage } from './native.js'
import { toPath } from './path.js'

/** Decoded pixels: 8 bits a channel, row by row, the channels of a pixel together (HWC). */
export interface Pixels {
  /** `height * width * channels` bytes. */
  data: Uint8Array
  width: number
  height: number
  /** 1 (grey), 3 (RGB) or 4 (RGBA, whose alpha is left out). */
  channels: 1 | 3 | 4
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
  const sizes = [width, height, channels]
  if (!sizes.every((size) => Number.isInteger(size) && size > 0) || ![1, 3, 4].includes(channels)) {
    throw new ResidualError({
      code: 'E_USAGE',
      message: `\`${key}\` must have a width, a height, and 1, 3 or 4 channels, not ${sizes.join(' x ')}`,
      at: { key },
    })
  }
  if (data.length !== width * height * channels) {
    throw new ResidualError({
      code: 'E_USAGE',
      message: `\`${key}.data\` must have ${sizes.join(' x ')} bytes, not ${data.length}`,
      at: { key: `${key}.data` },
    })
  }
  return { data: toBuffer(data), width, height, channels }
}

/** The same memory as a Buffer, which is what the bridge reads. */
function toBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
