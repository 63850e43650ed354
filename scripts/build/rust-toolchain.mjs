import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withLock } from '../../src/download/file-lock.js'
import { cacheDir, inCache } from '../setup/download/cache.mjs'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'

/** Debian's packages of a Rust compiler that is newer than the one of the release. */
const COMPILER = ['rustc-web', 'rust-web-src']
const STANDARD_LIBRARY = 'libstd-rust-web-dev'

/**
 * Debian's name of the architecture of a target. Targets that are missing here have no package of the
 * standard library; cargo can compile it from its sources (`-Zbuild-std`).
 *
 * @type {Readonly<Record<string, string>>}
 */
const ARCHITECTURES = { 'aarch64-unknown-linux-gnu': 'arm64' }

/**
 * A Rust compiler. `hasStd` is whether it has the compiled standard library of the target; `hasSources`
 * whether it has the sources.
 *
 * @typedef {{ rustc: string, hasStd: boolean, hasSources: boolean }} RustToolchain
 */

/**
 * Returns a Rust compiler for a target: the usual one, if rustup has or can add the standard library of
 * the target; otherwise, on Debian and Ubuntu, Debian's, unpacked into the cache.
 *
 * @param {string} target
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<RustToolchain>}
 */
export async function findRust(target, env = process.env) {
  const usual = await describe('rustc', target)
  if (usual.hasStd) return usual
  if ((await run('rustup', ['target', 'add', target])).status === 0) return describe('rustc', target)
  if ((await run('apt-get', ['--version'])).status !== 0) {
    throw new BuildError(
      `Rust's standard library for ${target} is not installed, and \`rustup target add ${target}\` failed`,
    )
  }
  const folder = join(cacheDir(env), 'rust', `debian-${ARCHITECTURES[target] ?? 'src'}`)
  const rustc = join(folder, 'rustc')
  if (!existsSync(rustc)) {
    await inCache(folder, async () => {
      await mkdir(join(cacheDir(env), 'rust'), { recursive: true })
      await withLock(`${folder}.lock`, async () => {
        if (!existsSync(rustc)) await install(folder, ARCHITECTURES[target])
      })
    })
  }
  return describe(rustc, target)
}

/**
 * @param {string} rustc
 * @param {string} target
 * @returns {Promise<RustToolchain>}
 */
async function describe(rustc, target) {
  const { stdout } = await run(rustc, ['--print', 'sysroot'])
  const library = join(stdout.trim(), 'lib', 'rustlib')
  return {
    rustc,
    hasStd: existsSync(join(library, target, 'lib')),
    hasSources: existsSync(join(library, 'src', 'rust', 'library', 'std')),
  }
}

/**
 * Downloads Debian's packages and unpacks them side by side, because those of two architectures cannot
 * be installed together. Needs no root: apt keeps its lists in a folder of its own.
 *
 * @param {string} folder
 * @param {string | undefined} architecture Debian's name of the architecture of the target
 */
async function install(folder, architecture) {
  const staging = `${folder}.staging`
  await rm(staging, { recursive: true, force: true })
  const archives = join(staging, 'archives')
  await mkdir(join(archives, 'partial'), { recursive: true })
  await mkdir(join(staging, 'apt', 'lists', 'partial'), { recursive: true })
  const { stdout: host } = await run('dpkg', ['--print-architecture'])
  const options = {
    'Dir::State': join(staging, 'apt'),
    'Dir::State::status': '/var/lib/dpkg/status',
    'Dir::Cache': staging,
    'Dir::Cache::archives': archives,
    'Debug::NoLocking': '1',
    'APT::Architectures': [host.trim(), architecture].filter(Boolean).join(),
    ...(process.getuid?.() === 0 ? { 'APT::Sandbox::User': 'root' } : {}),
  }
  const apt = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  await command('apt-get', [...apt, '-qq', 'update'])
  await command('apt-get', [
    ...[...apt, '-qq', '--yes', '--download-only', '--no-install-recommends'],
    ...['install', ...COMPILER],
  ])
  if (architecture !== undefined) {
    await command('apt-get', [...apt, '-qq', 'download', `${STANDARD_LIBRARY}:${architecture}`], {
      cwd: archives,
    })
  }
  const root = join(staging, 'root')
  for (const name of await readdir(archives)) {
    if (name.endsWith('.deb')) await command('dpkg-deb', ['-x', join(archives, name), root])
  }
  await writeFile(join(root, 'rustc'), WRAPPER)
  await chmod(join(root, 'rustc'), 0o755)
  await rm(folder, { recursive: true, force: true })
  await rename(root, folder)
  await rm(staging, { recursive: true, force: true })
}

/** Debian's compiler searches its libraries in the system's folders only. */
const WRAPPER = `#!/bin/sh
root=$(dirname "$0")
for folder in "$root"/usr/lib/*-linux-gnu; do
  LD_LIBRARY_PATH=$folder\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH
exec "$root/usr/bin/rustc" "$@"
`

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string }} [options]
 */
async function command(program, args, options) {
  const { status, stderr } = await run(program, args, options)
  if (status !== 0) throw new BuildError(`${program} failed:\n${stderr.trim()}`)
}
