import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withLock } from '../../src/download/file-lock.js'
import { run } from './command.mjs'
import { SetupError } from './error.mjs'

/** @typedef {{ version?: string, integrity?: string, optional?: boolean }} LockedPackage */
/** @typedef {{ packages: Record<string, LockedPackage> }} Lockfile */

/**
 * Runs `npm ci`, unless node_modules matches package-lock.json.
 *
 * @param {string} root the repository
 * @returns {Promise<boolean>} whether packages were installed
 */
export async function installDependencies(root) {
  if (await dependenciesInstalled(root)) return false
  // Outside node_modules, which npm ci removes.
  const folder = join(root, 'target')
  await mkdir(folder, { recursive: true })
  return withLock(join(folder, 'npm-ci.lock'), async () => {
    if (await dependenciesInstalled(root)) return false
    process.stderr.write('setup: npm ci\n')
    const { status } = await run('npm', ['ci', '--loglevel=error'], { cwd: root, output: 'show' })
    if (status === 0) return true
    throw new SetupError('E_DEPENDENCIES', `npm ci failed in ${root} (exit status ${status})`, {
      hint: 'see the output of npm above; check the network and the registry setting',
    })
  })
}

/**
 * Returns whether node_modules matches package-lock.json. Compares it with npm's own record
 * node_modules/.package-lock.json, which npm writes last, so that interrupted and outdated installs
 * are detected.
 *
 * @param {string} root
 */
export async function dependenciesInstalled(root) {
  const [locked, installed] = await Promise.all([
    readLockfile(join(root, 'package-lock.json')),
    readLockfile(join(root, 'node_modules', '.package-lock.json')),
  ])
  if (locked === undefined || installed === undefined) return false
  return Object.entries(locked).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true
    const here = installed[path]
    // Optional packages of other platforms are locked but not installed.
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
