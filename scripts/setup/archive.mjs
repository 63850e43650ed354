import { createHash } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { openPromise } from 'yauzl'

/** @typedef {import('./manifest.mjs').InstalledFile} InstalledFile */

const EXECUTABLE = 0o111
const LIBRARY = /\.so(\.\d+)*$/

/**
 * Unpacks the wanted files of a zip archive (a wheel is one), each checked against the archive's
 * own checksum and on the disk when this returns.
 *
 * @param {string} archive
 * @param {string} folder where paths start
 * @param {(name: string) => string | undefined} placeFor the path, inside `folder`, of an entry;
 *   undefined leaves it out
 * @param {(bytes: number) => void} [onBytes] told of every piece written
 * @returns {Promise<InstalledFile[]>}
 */
export async function unpack(archive, folder, placeFor, onBytes) {
  const zip = await openPromise(archive)
  /** @type {InstalledFile[]} */
  const files = []
  /** @type {Set<string>} */
  const made = new Set()
  try {
    for await (const entry of zip.eachEntry()) {
      const path = entry.fileName.endsWith('/') ? undefined : placeFor(entry.fileName)
      if (path === undefined) continue
      const target = join(folder, path)
      if (!made.has(dirname(target))) {
        await mkdir(dirname(target), { recursive: true })
        made.add(dirname(target))
      }
      const mode = (entry.externalFileAttributes >>> 16) & EXECUTABLE ? 0o755 : 0o644
      const sha256 = await write(await zip.openReadStreamPromise(entry), target, mode, {
        name: `${entry.fileName} in ${archive}`,
        crc: entry.crc32,
        onBytes,
      })
      files.push({ path, bytes: entry.uncompressedSize, sha256 })
    }
  } finally {
    zip.close()
  }
  return files
}

/**
 * @param {AsyncIterable<Buffer>} content
 * @param {string} target
 * @param {number} mode
 * @param {{ name: string, crc: number, onBytes?: (bytes: number) => void }} expected
 */
async function write(content, target, mode, { name, crc, onBytes }) {
  const sha256 = createHash('sha256')
  let sum = 0
  const file = await open(target, 'wx', mode)
  try {
    for await (const piece of content) {
      sha256.update(piece)
      sum = crc32(piece, sum)
      await file.write(piece)
      onBytes?.(piece.length)
    }
    // A power cut could leave a file of the right length without its bytes. Headers would only fail
    // to compile, and syncing thousands of them takes long.
    if (LIBRARY.test(target)) await file.sync()
  } finally {
    await file.close()
  }
  if (sum !== crc) throw new Error(`${name} is damaged: its checksum does not match`)
  return sha256.digest('hex')
}
