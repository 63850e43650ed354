import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { linkedCrates, runCargo } from './linked-crates.mjs'

/** @typedef {import('./linked-crates.mjs').Crate} Crate */

/** File names of licenses, in a crate or in a C library that it bundles. */
const LICENSE_FILE = /^(un)?licen[cs]e|^copying|^copyright|^notice/i

/** Folders of a crate whose code is not linked into the addons. */
const NOT_LINKED = new Set(['tests', 'test', 'benches', 'examples', 'fuzz', 'target'])

const RULE = '='.repeat(80)

/**
 * Returns the licenses of the third-party code in the addons: a list of all crates, then each license
 * text once with the crates that it applies to.
 */
export async function crateNotices() {
  const { crates } = await linkedCrates()
  /** @type {Map<string, string[]>} */
  const ownersOf = new Map()
  const lines = []
  for (const crate of crates) {
    const owner = `${crate.name} ${crate.version}`
    const texts = await licenseTexts(dirname(crate.manifest_path))
    for (const text of texts) ownersOf.set(text, [...(ownersOf.get(text) ?? []), owner])
    lines.push(
      `${owner}: ${crate.license ?? 'see its text'}${texts.length > 0 ? '' : origin(crate)}`,
    )
  }
  const { stdout: compiler } = await runCargo('rustc', ['--version'])
  return [
    'The addons in this package are compiled from the sources of `residual` (MIT, see LICENSE) and',
    'of the Rust crates below. Where a license is "A OR B" or "A/B", this package is distributed',
    'under the first one.\n',
    `The Rust standard library of ${compiler.trim()}: MIT OR Apache-2.0`,
    '    by The Rust Project Contributors, https://github.com/rust-lang/rust',
    ...lines,
    ...[...ownersOf].map(([text, owners]) => `\n${RULE}\n${owners.join(', ')}\n${RULE}\n\n${text}`),
    '',
  ].join('\n')
}

/**
 * Returns the attribution of a crate without a license text.
 *
 * @param {Crate} crate
 */
function origin({ authors, repository }) {
  const by = authors.length > 0 ? `by ${authors.join(', ')}, ` : ''
  return `\n    ${by}${repository ?? 'https://crates.io'}`
}

/**
 * @param {string} folder folder of a crate
 * @returns {Promise<string[]>}
 */
async function licenseTexts(folder) {
  /** @type {string[]} */
  const texts = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      if (!NOT_LINKED.has(entry.name)) texts.push(...(await licenseTexts(path)))
    } else if (LICENSE_FILE.test(entry.name) && !/\.(rs|c|h|py|sh)$/.test(entry.name)) {
      texts.push((await readFile(path, 'utf8')).replaceAll('\r\n', '\n').trim())
    }
  }
  return [...new Set(texts)].filter((text) => text !== '')
}
