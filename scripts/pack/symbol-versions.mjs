import { join } from 'node:path'
import { isNewer } from '../build/release-target.mjs'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { PLATFORM } from '../setup/platform.mjs'

/**
 * Newest symbol version of each library on the oldest supported Linux: RHEL 8, with GCC 8's
 * libraries. The version of glibc is in the platform table.
 *
 * @type {Readonly<Record<string, string>>}
 */
const NEWEST = {
  GLIBC: (PLATFORM.minGlibc ?? []).join('.'),
  GLIBCXX: '3.4.25',
  CXXABI: '1.3.11',
  GCC: '7.0.0',
}

/**
 * Returns the symbol versions that a library needs and that the oldest supported Linux lacks, such
 * as `GLIBC_2.34`.
 *
 * @param {string} library
 */
export async function newerSymbolVersions(library) {
  const { status, stdout, stderr } = await run('readelf', ['--version-info', '--wide', library])
  if (status !== 0) throw new BuildError(`readelf ${library} failed:\n${stderr.trim()}`)
  const needed = [...stdout.matchAll(/Name: ([A-Z]+)_([\d.]+)/g)]
  const newer = needed.flatMap(([, name = '', version = '']) => {
    const newest = NEWEST[name]
    return newest !== undefined && isNewer(version, newest) ? [`${name}_${version}`] : []
  })
  return [...new Set(newer)].sort()
}

/**
 * Warns of addons that do not load on the oldest supported Linux: those that `npm run build` links
 * with the libraries of this machine.
 *
 * @param {string} folder
 * @param {readonly string[]} names
 */
export async function warnOfNewerSymbols(folder, names) {
  if (PLATFORM.minGlibc === undefined) return
  for (const name of names) {
    const newer = await newerSymbolVersions(join(folder, name))
    if (newer.length === 0) continue
    process.stderr.write(
      `pack: ${name} needs ${newer.join(', ')}: use it for testing only, do not publish it\n`,
    )
  }
}
