import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { cacheFolder, inCache } from './cache.mjs'
import { SetupError } from './error.mjs'
import { namedTorch, pythonTorch } from './found.mjs'
import { writeLayout } from './layout.mjs'
import { findDamage } from './manifest.mjs'
import { INSTALL_NAME, LIBTORCH_VERSION } from './pins.mjs'

/**
 * A libtorch that is ready to build against and to load.
 *
 * @typedef {object} Libtorch
 * @property {string} root what the tch crate is pointed at by LIBTORCH: `include` and `lib`
 * @property {string} lib the folder that holds the real libtorch_cpu.so
 */

/**
 * @typedef {object} Options
 * @property {NodeJS.ProcessEnv} [env]
 * @property {boolean} [hashes] whether what the cache holds is checked byte by byte, not by size
 */

/**
 * A libtorch that is on this machine already: the one LIBTORCH names, Python's, or the cache's.
 *
 * @param {Options} [options]
 * @returns {Promise<Libtorch | undefined>} undefined when one has to be fetched
 */
export async function findLibtorch({ env = process.env, hashes = false } = {}) {
  if (env.LIBTORCH) return view(await namedTorch(resolve(env.LIBTORCH)), env)
  const python = await pythonTorch()
  if (python !== undefined) return view(python, env)
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
  const here = `${process.platform}-${process.arch}`
  if (here !== 'linux-x64') {
    throw new SetupError('E_LIBTORCH', `set-up has no libtorch to offer for ${here}`, {
      hint: `unpack libtorch ${LIBTORCH_VERSION} for it yourself and set LIBTORCH to its folder`,
    })
  }
  // Only here, as they need what npm ci installs.
  const { install } = await import('./install.mjs')
  const { wheels } = await import('./wheels.mjs')
  const { site } = await import('./site.mjs')
  const target = cacheTarget(env)
  await install(target, [wheels, site], { hashes })
  return cached(target)
}

/** @param {NodeJS.ProcessEnv} env */
function cacheTarget(env) {
  return join(cacheFolder(env), 'libtorch', INSTALL_NAME)
}

/**
 * @param {string} root
 * @returns {Libtorch}
 */
function cached(root) {
  return { root, lib: join(root, 'torch', 'lib') }
}

/**
 * A libtorch that is not ours, seen through a folder in the cache that has the layout we build on.
 *
 * @param {import('./layout.mjs').Torch} torch
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Libtorch>}
 */
async function view(torch, env) {
  const name = createHash('sha256').update(`${torch.lib}\n${torch.include}`).digest('hex')
  const root = join(cacheFolder(env), 'libtorch', 'views', name.slice(0, 16))
  if (await isView(root)) return { root, lib: torch.lib }
  await inCache(dirname(root), async () => {
    await mkdir(dirname(root), { recursive: true })
    const staging = await mkdtemp(`${root}.staging-`)
    await writeLayout(staging, torch, LIBTORCH_VERSION)
    try {
      await rename(staging, root)
    } catch (error) {
      // A set-up beside us made the same one first.
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
