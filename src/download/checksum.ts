import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { throwIfAborted } from './download-error.js'

/** Size and checksum of a file. */
export interface FileDigest {
  bytes: number
  /** In hexadecimal. */
  sha256: string
}

interface HashOptions {
  signal?: AbortSignal | undefined
  /** Decompress the file before hashing. */
  gunzip?: boolean
  /** Stop reading after this many bytes; the digest of a larger file is then partial. */
  maxBytes?: number
}

const CHUNK = 1 << 20

/** Returns size and SHA-256 of a file, or of its decompressed content. */
export async function hashFile(
  path: string,
  { signal, gunzip = false, maxBytes = Number.POSITIVE_INFINITY }: HashOptions = {},
): Promise<FileDigest> {
  const hash = createHash('sha256')
  let bytes = 0
  const file = createReadStream(path, { highWaterMark: CHUNK })
  const content = gunzip ? file.pipe(createGunzip({ chunkSize: CHUNK })) : file
  file.on('error', (error) => content.destroy(error))
  try {
    for await (const chunk of content) {
      throwIfAborted(signal)
      bytes += chunk.length
      if (bytes > maxBytes) break
      hash.update(chunk)
    }
  } finally {
    file.destroy()
  }
  return { bytes, sha256: hash.digest('hex') }
}
