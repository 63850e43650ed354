import { join } from 'node:path'
import { glibcVersion } from '../../src/native/prebuilt-platforms.js'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { IS_CROSS, PLATFORM, PLATFORM_NAME } from '../setup/platform.mjs'
import { ROOT } from '../setup.mjs'
import { findZig } from './zig.mjs'

/**
 * Where and with which tools addons are built.
 *
 * @typedef {object} BuildTarget
 * @property {string} targetDir folder of cargo's results
 * @property {NodeJS.ProcessEnv} env additional environment variables for cargo
 * @property {readonly string[]} cargoArgs additional arguments for `cargo build`
 * @property {string} cxx C++ compiler
 */

/** Build for this machine, with its own compiler and glibc. */
export const NATIVE = {
  targetDir: join(ROOT, 'target'),
  env: {},
  cargoArgs: [],
  cxx: process.env.CXX ?? 'c++',
}

/**
 * Returns how addons for a release are built: they must load with the oldest supported glibc, not
 * only with the glibc of this machine, and may be for another architecture.
 *
 * @param {import('../setup.mjs').Ready} ready
 * @returns {Promise<BuildTarget>}
 */
export async function releaseTarget(ready) {
  if (PLATFORM.minGlibc === undefined) {
    if (IS_CROSS) {
      throw new BuildError(`the addons of ${PLATFORM_NAME} can only be built on ${PLATFORM.title}`)
    }
    return NATIVE
  }
  const required = PLATFORM.minGlibc.join('.')
  const version = glibcVersion()
  if (!IS_CROSS && version !== undefined && !isNewer(version, required)) return NATIVE
  const triple = PLATFORM.rustTarget.replace('-unknown-', '-')
  const prefix = IS_CROSS ? `${triple}-` : ''
  if (IS_CROSS) {
    await checkCrossCompiler(`${prefix}g++`)
    await addRustTarget()
  }
  const target = PLATFORM.rustTarget.replaceAll('-', '_')
  return {
    targetDir: join(ROOT, 'target', IS_CROSS ? PLATFORM_NAME : 'portable'),
    env: {
      [`CARGO_TARGET_${target.toUpperCase()}_LINKER`]: join(
        ROOT,
        'scripts',
        'build',
        'portable-gcc',
      ),
      RESIDUAL_ZIG: await findZig(),
      RESIDUAL_ZIG_TARGET: `${triple}.${required}`,
      RESIDUAL_GCC: `${prefix}gcc`,
      ...(IS_CROSS
        ? {
            [`CC_${target}`]: `${prefix}gcc`,
            [`CXX_${target}`]: `${prefix}g++`,
          }
        : {}),
    },
    // .cargo/config.toml names the libtorch of this machine.
    cargoArgs: IS_CROSS
      ? [
          ...['--config', `env.LIBTORCH.value=${JSON.stringify(ready.libtorch)}`],
          ...['--config', 'env.LIBTORCH.force=true'],
        ]
      : [],
    cxx: IS_CROSS ? `${prefix}g++` : NATIVE.cxx,
  }
}

/** @param {string} compiler */
async function checkCrossCompiler(compiler) {
  if ((await run(compiler, ['--version'])).status === 0) return
  throw new BuildError(
    `${compiler} is not installed: on Debian and Ubuntu, run ` +
      `\`sudo apt-get install ${compiler.replace(/^(.*)-g\+\+$/, 'g++-$1')}\``,
  )
}

/** Installs Rust's standard library of the platform. Does nothing if it is installed. */
async function addRustTarget() {
  const { status, stderr } = await run('rustup', ['target', 'add', PLATFORM.rustTarget])
  if (status === 0) return
  throw new BuildError(
    `Rust's standard library for ${PLATFORM.rustTarget} could not be installed:\n${stderr.trim()}`,
  )
}

/**
 * Returns whether a version such as `2.34` is newer than another one.
 *
 * @param {string} version
 * @param {string} other
 */
export function isNewer(version, other) {
  return version.localeCompare(other, 'en', { numeric: true }) > 0
}
