import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** @typedef {{ path: string, bytes: number, sha256: string }} InstalledFile */
/** @typedef {{ version: string, source: string, files: InstalledFile[] }} Manifest */

const NAME = 'manifest.json'

/**
 * Records what an install consists of. Written last, so a folder that has one was finished.
 *
 * @param {string} folder
 * @param {Manifest} manifest
 */
export async function writeManifest(folder, manifest) {
  await writeFile(join(folder, NAME), `${JSON.stringify(manifest, undefined, 1)}\n`)
}

/**
 * What is wrong with an install, in words; undefined when nothing is. Sizes are compared every
 * time, as a truncated library would kill the process that maps it; `hashes` reads every byte.
 *
 * @param {string} folder
 * @param {{ hashes?: boolean }} [options]
 * @returns {Promise<string | undefined>}
 */
export async function findDamage(folder, { hashes = false } = {}) {
  /** @type {Manifest} */
  let manifest
  try {
    manifest = JSON.parse(await readFile(join(folder, NAME), 'utf8'))
  } catch {
    return `${folder} has no readable ${NAME}`
  }
  for (const { path, bytes, sha256 } of manifest.files) {
    const file = join(folder, path)
    // 12,000 of them: without the promise each takes, the whole check is a tenth of a second.
    const size = statSync(file, { throwIfNoEntry: false })?.size
    if (size === undefined) return `${file} is missing`
    if (size !== bytes) return `${file} has ${size} bytes instead of ${bytes}`
    if (hashes && (await hashFile(file)) !== sha256) return `${file} has changed`
  }
  return undefined
}

/**
 * @param {string} path
 * @returns {Promise<string>} its SHA-256, in hexadecimal
 */
export async function hashFile(path) {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}
