import { mkdir, mkdtemp, readdir, rename, rm, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { withLock } from '../../../src/download/file-lock.js'
import { inCache } from '../download/cache.mjs'
import { SetupError } from '../error.mjs'
import { writeLayout } from './layout.mjs'
import { findDamage, writeManifest } from './manifest.mjs'
import { LIBTORCH_VERSION } from './pins.mjs'
import { loadError } from './try-load.mjs'

/**
 * A source that libtorch can be downloaded from.
 *
 * @typedef {object} Source
 * @property {string} name
 * @property {number} bytesNeeded free disk space needed for downloading and unpacking
 * @property {(folder: string, places: { downloads: string, scratch: string }) =>
 *   Promise<{ torch: import('./layout.mjs').Torch, files: import('./manifest.mjs').InstalledFile[] }>
 * } unpackInto unpacks libtorch into `folder`; `downloads` survives an interrupted set-up,
 *   `scratch` does not
 */

/**
 * @typedef {object} InstallOptions
 * @property {boolean} [hashes] whether an existing installation is verified by checksums
 * @property {(lib: string) => Promise<string | undefined>} [tryLoading]
 * @property {(folder: string) => Promise<number>} [freeBytes]
 * @property {number} [staleLockAfter] ms
 */

/**
 * Installs libtorch in the folder `target` from the first source that succeeds. Replaces a damaged
 * installation.
 *
 * Files are staged next to `target` and renamed after libtorch has been loaded once, so that `target`
 * is always complete. A lock serializes concurrent set-ups.
 *
 * @param {string} target
 * @param {readonly Source[]} sources in order of preference
 * @param {InstallOptions} [options]
 */
export async function install(target, sources, options = {}) {
  const { hashes, staleLockAfter } = options
  const complete = async () => (await findDamage(target, { hashes })) === undefined
  if (await complete()) return
  const parent = dirname(target)
  await inCache(parent, async () => {
    await mkdir(parent, { recursive: true })
    await withLock(
      `${target}.lock`,
      async () => {
        // Another set-up may have completed the installation in the meantime.
        if (!(await complete())) await replace(target, sources, options)
      },
      {
        staleAfter: staleLockAfter,
        onWait: () => process.stderr.write('setup: waiting for another set-up to finish\n'),
      },
    )
  })
}

/**
 * @param {string} target
 * @param {readonly Source[]} sources
 * @param {InstallOptions} options
 */
async function replace(target, sources, { tryLoading = loadError, freeBytes = freeBytesIn }) {
  const parent = dirname(target)
  await removeStagings(target)
  const free = await freeBytes(parent)
  const downloads = `${target}.downloads`
  await mkdir(downloads, { recursive: true })

  const failures = []
  for (const source of sources) {
    if (free < source.bytesNeeded) {
      throw new SetupError(
        'E_DISK',
        `${parent} has ${gigabytes(free)} GB free; libtorch needs ${gigabytes(source.bytesNeeded)} GB`,
        { hint: 'free disk space, or set RESIDUAL_CACHE to a folder on a larger disk' },
      )
    }
    const staging = await mkdtemp(stagingPrefix(target))
    try {
      const folder = join(staging, 'install')
      const scratch = join(staging, 'scratch')
      await mkdir(folder)
      await mkdir(scratch)
      const { torch, files } = await source.unpackInto(folder, { downloads, scratch })
      await writeLayout(folder, torch, LIBTORCH_VERSION)
      const error = await tryLoading(torch.lib)
      if (error !== undefined) {
        throw new SetupError(
          'E_LIBTORCH',
          `the libtorch from ${source.name} does not load: ${error}`,
          {
            hint: 'set LIBTORCH to the folder of another build',
          },
        )
      }
      await writeManifest(folder, { version: LIBTORCH_VERSION, source: source.name, files })
      await moveAside(target, join(staging, 'damaged'))
      await rename(folder, target)
      await rm(downloads, { recursive: true, force: true })
      return
    } catch (error) {
      if (!(error instanceof SetupError) || error.code === 'E_DISK') throw error
      process.stderr.write(`setup: ${source.name}: ${error.message}\n`)
      failures.push({ name: source.name, error })
    } finally {
      await rm(staging, { recursive: true, force: true })
    }
  }
  throw new SetupError(
    'E_DOWNLOAD',
    [
      `libtorch ${LIBTORCH_VERSION} could not be downloaded:`,
      ...failures.map(({ name, error }) => `  ${name}: ${error.message}`),
    ].join('\n'),
    { hint: failures.map(({ error }) => error.hint).join('\n  or ') },
  )
}

/**
 * Removes staging folders of set-ups that were killed. The lock guarantees that none is in use.
 *
 * @param {string} target
 */
async function removeStagings(target) {
  const prefix = basename(stagingPrefix(target))
  for (const name of await readdir(dirname(target))) {
    if (name.startsWith(prefix)) {
      // A pip process of the killed set-up may still write there.
      await rm(join(dirname(target), name), { recursive: true, force: true, maxRetries: 5 })
    }
  }
}

/** @param {string} target */
function stagingPrefix(target) {
  return `${target}.staging-`
}

/**
 * @param {string} path
 * @param {string} to
 */
async function moveAside(path, to) {
  try {
    await rename(path, to)
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') throw error
  }
}

/** @param {string} folder */
async function freeBytesIn(folder) {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

/** @param {number} bytes */
function gigabytes(bytes) {
  return (bytes / 1e9).toFixed(1)
}
