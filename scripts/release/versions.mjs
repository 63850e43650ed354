import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'

/** Start of the version of the workspace in Cargo.toml. */
const WORKSPACE_VERSION = /(^\[workspace\.package\]\nversion = ")([^"]+)/m

/** A package of this workspace in Cargo.lock: third-party packages have a `source`. */
const LOCKED_CRATE = /(^\[\[package\]\]\nname = "([^"]+)"\nversion = ")([^"]+)(?="\n(?!source))/gm

/**
 * A version of the repository, and the file that contains it.
 *
 * @typedef {{ file: string, version: string }} PlacedVersion
 */

/**
 * Reads every version of the repository. The versions of the platform packages are generated from
 * package.json.
 *
 * @param {string} root
 * @returns {Promise<PlacedVersion[]>} package.json first
 */
export async function readVersions(root) {
  const [manifest, lockfile, cargo, cargoLock] = await Promise.all([
    readFile(join(root, 'package.json'), 'utf8').then(JSON.parse),
    readFile(join(root, 'package-lock.json'), 'utf8').then(JSON.parse),
    readFile(join(root, 'Cargo.toml'), 'utf8'),
    readFile(join(root, 'Cargo.lock'), 'utf8'),
  ])
  const [, , workspace = 'no version'] = WORKSPACE_VERSION.exec(cargo) ?? []
  return [
    { file: 'package.json', version: manifest.version },
    { file: 'package-lock.json', version: lockfile.version },
    { file: 'package-lock.json, packages', version: lockfile.packages[''].version },
    { file: 'Cargo.toml', version: workspace },
    ...[...cargoLock.matchAll(LOCKED_CRATE)].map(([, , name = '', version = '']) => ({
      file: `Cargo.lock, ${name}`,
      version,
    })),
  ]
}

/**
 * Sets every version of the repository.
 *
 * @param {string} root
 * @param {string} change a version, or what to increase: `major`, `minor`, `patch`, `prerelease`
 * @returns {Promise<string>} the new version
 * @throws {BuildError} if npm rejects the version
 */
export async function setVersion(root, change) {
  const args = [
    ...['version', change, '--allow-same-version', '--preid=rc'],
    ...['--no-git-tag-version', '--ignore-scripts'],
  ]
  const { status, stderr } = await run('npm', args, { cwd: root })
  if (status !== 0) throw new BuildError(`npm version ${change} failed:\n${stderr.trim()}`)
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  await replaceIn(join(root, 'Cargo.toml'), WORKSPACE_VERSION, (_, start) => start + version)
  await replaceIn(join(root, 'Cargo.lock'), LOCKED_CRATE, (_, start) => start + version)
  return version
}

/**
 * @param {string} path
 * @param {RegExp} pattern
 * @param {(match: string, start: string) => string} replacement
 */
async function replaceIn(path, pattern, replacement) {
  await writeFile(path, (await readFile(path, 'utf8')).replace(pattern, replacement))
}
