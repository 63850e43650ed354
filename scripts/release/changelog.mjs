import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BuildError } from '../setup/error.mjs'
import { git, tagOf } from './git.mjs'

const HEADER = `# Changelog

Changes of the published packages, by the area that a commit names. Written by
\`npm run release -- --version VERSION\`; edit a section before its release is tagged.
`

/** Files that are compiled into a published package, and the manifests. */
const SOURCES = ['src', 'crates', 'bindings', 'package.json', 'Cargo.toml', 'Cargo.lock']

/** Areas whose commits do not change what users install. */
const INTERNAL = /^(bench|ci|docs|pack|prove|release|sbom|scripts?|setup|tests?|trials|.* tests)$/

/** @typedef {{ area: string, change: string }} Change */

/**
 * Converts commit subjects (`area: imperative`) to the changes of a section.
 *
 * @param {readonly string[]} subjects newest first
 * @returns {Change[]} sorted by area; without merges and without changes of tests, tools and pages
 */
export function toChanges(subjects) {
  return subjects
    .filter((subject) => !/^(Merge|Revert) /.test(subject))
    .map((subject) => {
      const [, area = 'other', change = subject] = /^([a-z][a-z0-9, -]*): (.+)$/.exec(subject) ?? []
      return { area, change }
    })
    .filter(({ area }) => !INTERNAL.test(area))
    .sort((a, b) => (a.area < b.area ? -1 : a.area > b.area ? 1 : 0))
}

/**
 * Returns the section of a version.
 *
 * @param {string} version
 * @param {string} date as in `2026-12-01`
 * @param {readonly Change[] | undefined} changes undefined for the first release
 */
export function toSection(version, date, changes) {
  const lines =
    changes === undefined
      ? ['First release.']
      : changes.length === 0
        ? ['No change of the published packages.']
        : changes.map(({ area, change }) => `- **${area}**: ${change}`)
  return `## ${version} (${date})\n\n${lines.join('\n')}\n`
}

/**
 * Writes the section of a version into CHANGELOG.md, above older sections; replaces a section of
 * the same version.
 *
 * @param {string} root
 * @param {string} version
 * @param {string} date
 */
export async function writeChangelog(root, version, date) {
  const path = join(root, 'CHANGELOG.md')
  const text = await readFile(path, 'utf8').catch(() => HEADER)
  const rest = splitSections(text).filter((section) => !isSectionOf(section, version))
  const [header = HEADER, ...older] = rest
  const section = toSection(version, date, await readChanges(root, version))
  await writeFile(path, [header, section, ...older].map((part) => `${part.trim()}\n`).join('\n'))
}

/**
 * Returns whether CHANGELOG.md has a section of the version.
 *
 * @param {string} root
 * @param {string} version
 */
export async function hasSection(root, version) {
  return (await findSection(root, version)) !== undefined
}

/**
 * Returns the notes of a release: its section of CHANGELOG.md without the heading, which GitHub
 * shows as the title.
 *
 * @param {string} root
 * @param {string} version
 * @throws {BuildError} if there is no such section
 */
export async function releaseNotes(root, version) {
  const section = await findSection(root, version)
  if (section === undefined) throw new BuildError(`CHANGELOG.md has no section ${version}`)
  return `${section.replace(/^.*\n/, '').trim()}\n`
}

/**
 * @param {string} root
 * @param {string} version
 */
async function findSection(root, version) {
  const text = await readFile(join(root, 'CHANGELOG.md'), 'utf8').catch(() => '')
  return splitSections(text).find((section) => isSectionOf(section, version))
}

/** @param {string} text */
function splitSections(text) {
  return text.split(/^(?=## )/m)
}

/**
 * @param {string} section
 * @param {string} version
 */
function isSectionOf(section, version) {
  return section.startsWith(`## ${version} `)
}

/**
 * Returns the changes since the newest tag of another version that HEAD contains.
 *
 * @param {string} root
 * @param {string} version
 * @returns {Promise<Change[] | undefined>} undefined if there is no such tag
 */
async function readChanges(root, version) {
  // By default git sorts v1.0.0-rc.0 as newer than v1.0.0.
  const suffix = ['-c', 'versionsort.suffix=-']
  const list = ['tag', '--merged', 'HEAD', '--sort=-v:refname', '--list', 'v*']
  const tags = await git(root, [...suffix, ...list])
  const previous = tags.split('\n').find((tag) => tag !== '' && tag !== tagOf(version))
  if (previous === undefined) return undefined
  const range = `${previous}..HEAD`
  /** @type {{ files: string[] }} */
  const { files } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const paths = [...SOURCES, ...files.filter((path) => path !== 'dist')]
  const log = await git(root, ['log', '--no-merges', '--format=%s', range, '--', ...paths])
  return toChanges(log.split('\n').filter((subject) => subject !== ''))
}
