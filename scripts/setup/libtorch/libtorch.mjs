import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { PREBUILT_PLATFORMS } from '../../../src/native/prebuilt-platforms.js'
import { cacheDir, inCache } from '../download/cache.mjs'
import { SetupError } from '../error.mjs'
import { IS_CROSS, PLATFORM_NAME } from '../platform.mjs'
import { namedTorch, pythonTorch } from './existing-torch.mjs'
import { writeLayout } from './layout.mjs'
import { findDamage } from './manifest.mjs'
import { INSTALL_NAME, LIBTORCH_PINS, LIBTORCH_VERSION } from './pins.mjs'

/**
 * A libtorch that is ready for building and loading.
 *
 * @typedef {object} Libtorch
 * @property {string} root folder with `include` and `lib` that LIBTORCH of the tch crate names
 * @property {string} lib folder of the libraries themselves
 */

/**
 * @typedef {object} Options
 * @property {NodeJS.ProcessEnv} [env]
 * @property {boolean} [hashes] whether the cache is verified by checksums instead of sizes
 */

/**
 * Returns a libtorch on this machine: the folder that LIBTORCH names, the libtorch of Python's
 * PyTorch, or the cached libtorch.
 *
 * @param {Options} [options]
 * @returns {Promise<Libtorch | undefined>} undefined if it has to be downloaded
 */
export async function findLibtorch({ env = process.env, hashes = false } = {}) {
  // Both belong to this machine.
  if (!IS_CROSS) {
    if (env.LIBTORCH) return createView(await namedTorch(resolve(env.LIBTORCH)), env)
    const python = await pythonTorch()
    if (python !== undefined) return createView(python, env)
  }
  const target = cacheTarget(env)
  return (await findDamage(target, { hashes })) === undefined ? cached(target) : undefined
}

/**
 * Downloads libtorch into the cache.
 *
 * @param {Options} [options]
 * @returns {Promise<Libtorch>}
 */
export async function fetchLibtorch({ env = process.env, hashes = false } = {}) {
  if (LIBTORCH_PINS === undefined) {
    throw new SetupError('E_LIBTORCH', `set-up has no libtorch for ${PLATFORM_NAME}`, {
      hint: `choose one of ${Object.keys(PREBUILT_PLATFORMS).join(', ')}, or set LIBTORCH to the folder of a libtorch ${LIBTORCH_VERSION}`,
    })
  }
  // Imported here, because these modules need packages that npm ci installs.
  const { install } = await import('./install.mjs')
  const { wheels } = await import('./wheels.mjs')
  const { pytorchZip } = await import('./pytorch-zip.mjs')
  const target = cacheTarget(env)
  const sources = LIBTORCH_PINS.zipUrl === undefined ? [wheels] : [wheels, pytorchZip]
  await install(target, sources, { hashes })
  return cached(target)
}

/** @param {NodeJS.ProcessEnv} env */
function cacheTarget(env) {
  return join(cacheDir(env), 'libtorch', INSTALL_NAME)
}

/**
 * @param {string} root
 * @returns {Libtorch}
 */
function cached(root) {
  return { root, lib: join(root, 'torch', 'lib') }
}

/**
 * Creates a folder in the cache with the layout for building, which links to a libtorch elsewhere.
 *
 * @param {import('./layout.mjs').Torch} torch
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Libtorch>}
 */
async function createView(torch, env) {
  const name = createHash('sha256').update(`${torch.lib}\n${torch.include}`).digest('hex')
  const root = join(cacheDir(env), 'libtorch', 'views', name.slice(0, 16))
  if (await isView(root)) return { root, lib: torch.lib }
  await inCache(dirname(root), async () => {
    await mkdir(dirname(root), { recursive: true })
    const staging = await mkdtemp(`${root}.staging-`)
    await writeLayout(staging, torch, LIBTORCH_VERSION)
    try {
      await rename(staging, root)
    } catch (error) {
      // A concurrent set-up created the same folder.
      await rm(staging, { recursive: true, force: true })
      if (!(await isView(root))) throw error
    }
  })
  return { root, lib: torch.lib }
}

/** @param {string} root */
async function isView(root) {
  const version = await readFile(join(root, 'build-version'), 'utf8').catch(() => '')
  return version.trim() === LIBTORCH_VERSION
}
