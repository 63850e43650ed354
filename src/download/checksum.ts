import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { throwIfAborted } from './download-error.js'

/** What a file's bytes are. */
export interface Content {
  bytes: number
  /** In hexadecimal. */
  sha256: string
}

interface ContentOptions {
  signal?: AbortSignal | undefined
  /** Unpack it first. */
  gunzip?: boolean
  /** A file that holds more is not read to its end. */
  most?: number
}

/** Length and SHA-256 of a file, or of what is packed in it. */
export async function contentOf(
  path: string,
  { signal, gunzip = false, most = Number.POSITIVE_INFINITY }: ContentOptions = {},
): Promise<Content> {
  const hash = createHash('sha256')
  let bytes = 0
  const file = createReadStream(path, { highWaterMark: 1 << 20 })
  const content = gunzip ? file.pipe(createGunzip({ chunkSize: 1 << 20 })) : file
  file.on('error', (error) => content.destroy(error))
  try {
    for await (const piece of content) {
      throwIfAborted(signal)
      bytes += piece.length
      if (bytes > most) break
      hash.update(piece)
    }
  } finally {
    file.destroy()
  }
  return { bytes, sha256: hash.digest('hex') }
}
