import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { isDeepStrictEqual } from 'node:util'
import { list } from 'tar'

/** @typedef {import('./packages.mjs').Package} Package */

/**
 * Maximum size of a tarball. npm documents no limit; uploads above 120 MiB are reported to fail.
 */
export const MAX_MEBIBYTES = 118

const MEBIBYTE = 2 ** 20

/** Libraries that NVIDIA licenses, which only a libtorch for tests contains. */
const NVIDIA = /(^|\/)(lib(nvpl_|cublas|cudnn)|nvidia-)/

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
export async function tarballProblems({ manifest, tarball, files }, maxMebibytes = MAX_MEBIBYTES) {
  const name = basename(tarball)
  const info = await stat(tarball).catch(() => undefined)
  if (info === undefined) return [`${name} is missing`]
  const contents = await readTarball(tarball).catch((/** @type {Error} */ error) => error)
  if (contents instanceof Error) return [`${name} cannot be read: ${contents.message}`]
  const { paths, packageJson } = contents
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
  ]
}

/**
 * Reads the names of the files, and the package.json.
 *
 * @param {string} tarball
 */
async function readTarball(tarball) {
  /** @type {string[]} */
  const paths = []
  /** @type {Buffer[]} */
  const chunks = []
  await list({
    file: tarball,
    strict: true,
    onReadEntry: (entry) => {
      const path = entry.path.replace(/^package\//, '')
      paths.push(path)
      if (path === 'package.json') entry.on('data', (chunk) => chunks.push(chunk))
    },
  })
  return { paths, packageJson: JSON.parse(Buffer.concat(chunks).toString('utf8')) }
}
