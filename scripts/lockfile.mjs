import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

// Completes package-lock.json after `npm install` from a registry that mirrors only some platforms:
// npm leaves the others' optional packages out, and then refuses `npm ci` because they are missing.
// Such entries have no integrity; `npm install` from a full registry adds it.

/**
 * @typedef {{ version?: string, dev?: boolean, optional?: boolean, os?: string[], cpu?: string[],
 *   libc?: string[], optionalDependencies?: Record<string, string> }} LockedPackage
 */
/** @typedef {Record<string, LockedPackage>} LockedPackages */

/**
 * The optional packages that locked packages name but the lock file lacks, with entries for them.
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
 * Whether a package at `path` finds `name` in a node_modules of its own or above.
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

/**
 * What a platform package's name says of where it runs, as npm's fields say it.
 * @param {string} name such as '@biomejs/cli-linux-x64-musl'
 * @returns {Pick<LockedPackage, 'os' | 'cpu' | 'libc'>}
 */
function platformOf(name) {
  const [, os, cpu, libc] =
    /-(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-([a-z0-9]+)(?:-(gnu|musl))?/.exec(
      name,
    ) ?? []
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
