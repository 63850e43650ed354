import { mkdir, mkdtemp, readdir, rename, rm, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { inCache } from './cache.mjs'
import { SetupError } from './error.mjs'
import { writeLayout } from './layout.mjs'
import { loadFailure } from './loadable.mjs'
import { withLock } from './lock.mjs'
import { findDamage, writeManifest } from './manifest.mjs'
import { LIBTORCH_VERSION } from './pins.mjs'

/**
 * Where libtorch can be had from.
 *
 * @typedef {object} Source
 * @property {string} name
 * @property {number} bytesNeeded free on the disk while it is downloaded and unpacked
 * @property {(folder: string, places: { downloads: string, scratch: string }) =>
 *   Promise<{ torch: import('./layout.mjs').Torch, files: import('./manifest.mjs').InstalledFile[] }>
 * } unpackInto puts libtorch into `folder`; `downloads` outlives an interrupted set-up, `scratch`
 *   does not
 */

/**
 * @typedef {object} InstallOptions
 * @property {boolean} [hashes] whether an install that is there is checked byte by byte
 * @property {(lib: string) => Promise<string | undefined>} [tryLoading]
 * @property {(folder: string) => Promise<number>} [freeBytes]
 * @property {number} [staleLockAfter] ms
 */

/**
 * Installs libtorch as the folder `target` from the first source that can provide it, or repairs an
 * install there that is damaged.
 *
 * Everything is staged beside `target` and renamed when it is complete and has been loaded once, so
 * what is called `target` was always finished; one process at a time works on it.
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
        // Another set-up may have finished it while we waited.
        if (!(await complete())) await replace(target, sources, options)
      },
      {
        staleAfter: staleLockAfter,
        onWait: () => process.stderr.write('setup: waiting for another set-up to end\n'),
      },
    )
  })
}

/**
 * @param {string} target
 * @param {readonly Source[]} sources
 * @param {InstallOptions} options
 */
async function replace(target, sources, { tryLoading = loadFailure, freeBytes = freeBytesIn }) {
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
        `${parent} has ${gigabytes(free)} GB free; libtorch needs ${gigabytes(source.bytesNeeded)} GB while it is set up`,
        { hint: 'free some space, or set RESIDUAL_CACHE to a folder on a larger disk' },
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
      const failure = await tryLoading(torch.lib)
      if (failure !== undefined) {
        throw new SetupError(
          'E_LIBTORCH',
          `the libtorch from ${source.name} does not load: ${failure}`,
          {
            hint: 'LIBTORCH can name another build of it',
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
      `libtorch ${LIBTORCH_VERSION} could not be had:`,
      ...failures.map(({ name, error }) => `  ${name}: ${error.message}`),
    ].join('\n'),
    { hint: failures.map(({ error }) => error.hint).join('\n  or ') },
  )
}

/**
 * A staging that is there while we hold the lock was left by a set-up that was killed.
 * @param {string} target
 */
async function removeStagings(target) {
  const prefix = basename(stagingPrefix(target))
  for (const name of await readdir(dirname(target))) {
    if (name.startsWith(prefix)) {
      // A pip that outlived its set-up may still write there.
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
