import { join } from 'node:path'
import { isNewer } from '../build/release-target.mjs'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { PLATFORM } from '../setup/platform.mjs'

/** Newest symbol versions of the libraries of GCC 8, which the oldest supported Linux (RHEL 8) has. */
const GCC_8 = { GLIBCXX: '3.4.25', CXXABI: '1.3.11', GCC: '7.0.0' }

const SYMBOL_VERSION = /\b(GLIBC|GLIBCXX|CXXABI|GCC)_(\d+(?:\.\d+)*)/g

/**
 * Returns the symbol versions in a text that the oldest supported Linux lacks, such as `GLIBC_2.34`.
 *
 * @param {string} text output of readelf, or the bytes of a library as Latin-1
 * @param {readonly number[]} minGlibc oldest supported glibc, from the platform table
 */
export function findNewerSymbolVersions(text, minGlibc) {
  /** @type {Record<string, string>} */
  const newest = { ...GCC_8, GLIBC: minGlibc.join('.') }
  const newer = [...text.matchAll(SYMBOL_VERSION)].filter(([, name = '', version = '']) =>
    isNewer(version, newest[name] ?? ''),
  )
  return [...new Set(newer.map(([symbol]) => symbol))].sort()
}

/**
 * Returns the symbol versions that a library needs and that the oldest supported Linux lacks.
 *
 * @param {string} library
 */
export async function newerSymbolVersions(library) {
  const { status, stdout, stderr } = await run('readelf', ['--version-info', '--wide', library])
  if (status !== 0) throw new BuildError(`readelf ${library} failed:\n${stderr.trim()}`)
  const needed = stdout.split('\n').filter((line) => line.includes('Name: '))
  return findNewerSymbolVersions(needed.join('\n'), PLATFORM.minGlibc ?? [])
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
