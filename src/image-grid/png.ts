import zlib from 'node:zlib'
import type { Pixels } from '../native/arguments/image.js'

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
/** PNG color types. */
const GRAYSCALE = 0
const RGB = 2

/** Encodes pixels as a PNG file. */
export function encodePng({ data, width, height, channels }: Pixels): Buffer {
  const stride = width * channels
  // Each row starts with its filter type; 0 means no filter.
  const rows = Buffer.alloc(height * (1 + stride))
  for (let row = 0; row < height; row++) {
    rows.set(data.subarray(row * stride, (row + 1) * stride), row * (1 + stride) + 1)
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, channels === 1 ? GRAYSCALE : RGB], 8)
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', zlib.deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  checksum.writeUInt32BE(zlib.crc32(body))
  return Buffer.concat([length, body, checksum])
}

/**
 * Reads width and height from the header of a PNG or JPEG file.
 *
 * @returns undefined if the file is neither
 */
export function readImageSize(file: Uint8Array): [width: number, height: number] | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  if (bytes.subarray(0, 8).equals(SIGNATURE) && bytes.length >= 24) {
    return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)]
  }
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return undefined
  let offset = 2
  for (; offset + 9 <= bytes.length; offset += 2 + bytes.readUInt16BE(offset + 2)) {
    const marker = bytes.readUInt16BE(offset)
    // Frame headers are SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC).
    if ((marker & 0xfff0) === 0xffc0 && ![0xffc4, 0xffc8, 0xffcc].includes(marker)) {
      return [bytes.readUInt16BE(offset + 7), bytes.readUInt16BE(offset + 5)]
    }
  }
  return undefined
}

/** Returns the media type of a PNG or JPEG file. */
export function detectMediaType(file: Uint8Array): 'image/png' | 'image/jpeg' {
  return file[0] === 0xff ? 'image/jpeg' : 'image/png'
}
