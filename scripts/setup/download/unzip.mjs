import { createHash } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'

/** @typedef {import('../libtorch/manifest.mjs').InstalledFile} InstalledFile */

const EXECUTABLE = 0o111
const LIBRARY = /\.(so(\.\d+)*|dylib)$/

/**
 * Unpacks selected files of a zip archive, such as a wheel, and verifies the checksum of each.
 *
 * @param {string} archive
 * @param {string} folder target folder
 * @param {(name: string) => string | undefined} pathFor returns the path of an entry inside `folder`;
 *   undefined skips it
 * @param {(bytes: number) => void} [onBytes] called with the size of each chunk written
 * @returns {Promise<InstalledFile[]>}
 */
export async function unpack(archive, folder, pathFor, onBytes) {
  // Set-up loads this module before it installs the npm packages.
  const { openPromise } = await import('yauzl')
  const zip = await openPromise(archive)
  /** @type {InstalledFile[]} */
  const files = []
  /** @type {Set<string>} */
  const folders = new Set()
  try {
    for await (const entry of zip.eachEntry()) {
      const path = entry.fileName.endsWith('/') ? undefined : pathFor(entry.fileName)
      if (path === undefined) continue
      const target = join(folder, path)
      if (!folders.has(dirname(target))) {
        await mkdir(dirname(target), { recursive: true })
        folders.add(dirname(target))
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
    for await (const chunk of content) {
      sha256.update(chunk)
      sum = crc32(chunk, sum)
      await file.write(chunk)
      onBytes?.(chunk.length)
    }
    // After a power failure a file may have the right size without its content. Only libraries are
    // synced: syncing thousands of headers takes long, and a damaged header only fails to compile.
    if (LIBRARY.test(target)) await file.sync()
  } finally {
    await file.close()
  }
  if (sum !== crc) throw new Error(`${name} is damaged: its checksum does not match`)
  return sha256.digest('hex')
}
