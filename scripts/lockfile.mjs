import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

// Completes package-lock.json after `npm install` from a registry that mirrors only some platforms.
// npm omits the optional packages of the other platforms, and then `npm ci` fails because they are
// missing. The added entries have no integrity; `npm install` from a full registry adds it.

/**
 * @typedef {{ version?: string, dev?: boolean, optional?: boolean, os?: string[], cpu?: string[],
 *   libc?: string[], optionalDependencies?: Record<string, string> }} LockedPackage
 */
/** @typedef {Record<string, LockedPackage>} LockedPackages */

/**
 * Returns entries for the optional packages that locked packages require and the lock file lacks.
 *
 * @param {LockedPackages} packages
 * @returns {LockedPackages}
 */
export function missingOptionalPackages(packages) {
  /** @type {LockedPackages} */
  const missing = {}
  for (const [path, { dev, optionalDependencies = {} }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (isLocked(packages, path, name)) continue
      missing[`node_modules/${name}`] = {
        version,
        ...platformOf(name),
        ...(dev === true ? { dev } : {}),
        optional: true,
      }
    }
  }
  return missing
}

/**
 * Returns whether a package at `path` resolves `name` in its own node_modules or in one above.
 *
 * @param {LockedPackages} packages
 * @param {string} path
 * @param {string} name
 */
function isLocked(packages, path, name) {
  for (let folder = path; ; folder = folder.slice(0, folder.lastIndexOf('node_modules/'))) {
    const prefix = folder === '' || folder.endsWith('/') ? folder : `${folder}/`
    if (`${prefix}node_modules/${name}` in packages) return true
    if (folder === '') return false
  }
}

const PLATFORM =
  /-(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-([a-z0-9]+)(?:-(gnu|musl))?/

/**
 * Derives npm's platform fields from the name of a platform package.
 *
 * @param {string} name such as '@biomejs/cli-linux-x64-musl'
 * @returns {Pick<LockedPackage, 'os' | 'cpu' | 'libc'>}
 */
function platformOf(name) {
  const [, os, cpu, libc] = PLATFORM.exec(name) ?? []
  if (os === undefined || cpu === undefined) return { cpu: ['wasm32'] }
  if (libc === undefined) return { os: [os], cpu: [cpu] }
  return { os: [os], cpu: [cpu], libc: [libc === 'gnu' ? 'glibc' : 'musl'] }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = join(import.meta.dirname, '..', 'package-lock.json')
  const lockfile = JSON.parse(await readFile(path, 'utf8'))
  const missing = missingOptionalPackages(lockfile.packages)
  const entries = Object.entries({ ...lockfile.packages, ...missing })
  entries.sort(([a], [b]) => a.localeCompare(b, 'en'))
  lockfile.packages = Object.fromEntries(entries)
  await writeFile(path, `${JSON.stringify(lockfile, undefined, 2)}\n`)
  process.stdout.write(`${Object.keys(missing).length} packages added to ${path}\n`)
}
