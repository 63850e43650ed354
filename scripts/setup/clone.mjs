import { mkdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** @typedef {import('./libtorch.mjs').Libtorch} Libtorch */

const MARK = '# Written by `npm run setup` for this machine; not under version control.'

/**
 * Tells the clone where libtorch is: cargo, so that plain `cargo test` and `cargo clippy` work, and
 * the native loader, which in a clone looks where an installed package would have it.
 *
 * @param {string} root the repository
 * @param {Libtorch} libtorch
 */
export async function pointCloneTo(root, libtorch) {
  await Promise.all([
    writeCargoConfig(join(root, '.cargo', 'config.toml'), libtorch),
    linkLibraries(join(root, 'bindings', 'npm', 'libtorch-linux-x64', 'lib'), libtorch.lib),
  ])
}

/**
 * @param {string} path
 * @param {Libtorch} libtorch
 */
async function writeCargoConfig(path, { root, lib }) {
  // Test programs find libtorch by LD_LIBRARY_PATH, which cargo itself sets after its [env]; a
  // runner comes last. An rpath would do too, but would also end up in the addon that is published.
  // GOMP_SPINCOUNT is what the native loader sets (src/native/libtorch.ts): with OpenMP's own, the
  // tests take ten times as long when anything else runs.
  const text = `${MARK}
[env]
LIBTORCH = { value = ${toml(root)}, force = true }
GOMP_SPINCOUNT = "5000"

[target.'cfg(target_os = "linux")']
runner = ["env", ${toml(`LD_LIBRARY_PATH=${lib}`)}]
`
  const present = await readFile(path, 'utf8').catch(() => undefined)
  if (present === text) return
  if (present !== undefined && !present.startsWith(MARK)) {
    process.stderr.write(
      `setup: ${path} is your own and stays as it is; for plain cargo commands it needs:\n${text}`,
    )
    return
  }
  await mkdir(dirname(path), { recursive: true })
  const staged = `${path}.${process.pid}`
  await writeFile(staged, text)
  await rename(staged, path)
}

/**
 * @param {string} path
 * @param {string} lib
 */
async function linkLibraries(path, lib) {
  if ((await readlink(path).catch(() => undefined)) === lib) return
  await mkdir(dirname(path), { recursive: true })
  const staged = `${path}.${process.pid}`
  await symlink(lib, staged)
  // Not by writing over it: `npm run pack` leaves a real folder here.
  await rm(path, { recursive: true, force: true })
  await rename(staged, path)
}

/**
 * A TOML string; JSON's escapes are among TOML's.
 * @param {string} text
 */
function toml(text) {
  return JSON.stringify(text)
}
