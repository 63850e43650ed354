import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { isDeepStrictEqual } from 'node:util'
import { list } from 'tar'
import { findNewerSymbolVersions } from '../pack/symbol-versions.mjs'

/** @typedef {import('./packages.mjs').Package} Package */

/**
 * Maximum size of a tarball. npm documents no limit; uploads above 120 MiB are reported to fail.
 */
export const MAX_MEBIBYTES = 118

const MEBIBYTE = 2 ** 20

/** Libraries that NVIDIA licenses, which only a libtorch for tests contains. */
const NVIDIA = /^(lib\/lib(nvpl_|cublas|cudnn)|licenses\/nvidia-)/

/** Path of an addon or of the CUDA library; the libraries of libtorch are in a folder. */
const ADDON = /^[^/]+\.(node|so)$/

/**
 * Returns the size of a tarball and its integrity in npm's notation.
 *
 * @param {string} tarball
 * @returns {Promise<{ bytes: number, integrity: string } | undefined>} undefined if it is missing
 */
export async function describeTarball(tarball) {
  const info = await stat(tarball).catch(() => undefined)
  if (info === undefined) return undefined
  const hash = createHash('sha512')
  await pipeline(createReadStream(tarball), hash)
  return { bytes: info.size, integrity: `sha512-${hash.digest('base64')}` }
}

/**
 * Returns the reasons against publishing a tarball.
 *
 * @param {Package} pkg
 * @param {number} [maxMebibytes]
 * @returns {Promise<string[]>} one sentence each
 */
export async function tarballProblems(pkg, maxMebibytes = MAX_MEBIBYTES) {
  const { manifest, tarball, files, minGlibc } = pkg
  const name = basename(tarball)
  const info = await stat(tarball).catch(() => undefined)
  if (info === undefined) return [`${name} is missing`]
  const contents = await readTarball(tarball).catch((/** @type {Error} */ error) => error)
  if (contents instanceof Error) return [`${name} cannot be read: ${contents.message}`]
  const { paths, packageJson, addons } = contents
  const mebibytes = info.size / MEBIBYTE
  const missing = files.filter((file) => !paths.includes(file))
  const nvidia = paths.filter((path) => NVIDIA.test(path))
  return [
    ...(mebibytes > maxMebibytes
      ? [`${name} has ${mebibytes.toFixed(1)} MiB, more than ${maxMebibytes} MiB`]
      : []),
    ...(isDeepStrictEqual(packageJson, JSON.parse(JSON.stringify(manifest)))
      ? []
      : [`${name} was packed with another package.json: pack it again`]),
    ...(missing.length > 0 ? [`${name} lacks ${missing.join(', ')}`] : []),
    ...(nvidia.length > 0
      ? [`${name} contains NVIDIA's libraries: pack PyTorch's CPU build of libtorch`]
      : []),
    ...(minGlibc === undefined ? [] : addonProblems(name, addons, minGlibc)),
  ]
}

/**
 * Returns a problem for each addon that does not load on the oldest supported Linux.
 *
 * @param {string} name name of the tarball
 * @param {ReadonlyMap<string, Buffer>} addons
 * @param {readonly [number, number]} minGlibc
 */
function addonProblems(name, addons, minGlibc) {
  return [...addons].flatMap(([path, content]) => {
    const newer = findNewerSymbolVersions(content.toString('latin1'), minGlibc)
    if (newer.length === 0) return []
    return [`${name}: ${path} needs ${newer.join(', ')}: pack it without --no-build`]
  })
}

/**
 * Reads the names of the files, the package.json and the addons.
 *
 * @param {string} tarball
 */
async function readTarball(tarball) {
  /** @type {string[]} */
  const paths = []
  /** @type {Map<string, Buffer[]>} */
  const chunks = new Map()
  await list({
    file: tarball,
    strict: true,
    onReadEntry: (entry) => {
      const path = entry.path.replace(/^package\//, '')
      paths.push(path)
      if (path !== 'package.json' && !ADDON.test(path)) return
      /** @type {Buffer[]} */
      const content = []
      chunks.set(path, content)
      entry.on('data', (chunk) => content.push(chunk))
    },
  })
  const { 'package.json': manifest, ...addons } = Object.fromEntries(
    [...chunks].map(([path, content]) => [path, Buffer.concat(content)]),
  )
  return {
    paths,
    packageJson: JSON.parse(manifest?.toString('utf8') ?? '{}'),
    addons: new Map(Object.entries(addons)),
  }
}
