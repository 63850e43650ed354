import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './command.mjs'
import { SetupError } from './error.mjs'
import { withLock } from './lock.mjs'

/** @typedef {{ version?: string, integrity?: string, optional?: boolean }} LockedPackage */
/** @typedef {{ packages: Record<string, LockedPackage> }} Lockfile */

/**
 * Runs `npm ci` unless node_modules already holds what package-lock.json asks for.
 *
 * @param {string} root the repository
 * @returns {Promise<boolean>} whether anything had to be installed
 */
export async function installDependencies(root) {
  if (await dependenciesInstalled(root)) return false
  // Not inside node_modules, which npm ci begins by removing.
  const folder = join(root, 'target')
  await mkdir(folder, { recursive: true })
  return withLock(join(folder, 'npm-ci.lock'), async () => {
    if (await dependenciesInstalled(root)) return false
    process.stderr.write('setup: npm ci\n')
    const { status } = await run('npm', ['ci', '--loglevel=error'], { cwd: root, output: 'show' })
    if (status === 0) return true
    throw new SetupError('E_DEPENDENCIES', `npm ci failed in ${root} (exit status ${status})`, {
      hint: 'npm says above what it could not fetch; check the network and its registry setting',
    })
  })
}

/**
 * npm writes node_modules/.package-lock.json last of all, as its own record of what it installed:
 * comparing that with package-lock.json notices a missing, an interrupted and an outdated install.
 *
 * @param {string} root
 */
export async function dependenciesInstalled(root) {
  const [wanted, installed] = await Promise.all([
    readLockfile(join(root, 'package-lock.json')),
    readLockfile(join(root, 'node_modules', '.package-lock.json')),
  ])
  if (wanted === undefined || installed === undefined) return false
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true
    const here = installed[path]
    // Optional packages of other platforms are in the lock file but never installed.
    if (here === undefined) return optional === true
    return here.version === version && here.integrity === integrity
  })
}

/** @param {string} path */
async function readLockfile(path) {
  try {
    return /** @type {Lockfile} */ (JSON.parse(await readFile(path, 'utf8'))).packages
  } catch {
    return undefined
  }
}
