import { join } from 'node:path'
import { glibcVersion } from '../../src/native/prebuilt-platforms.js'
import { PLATFORM } from '../setup/platform.mjs'
import { ROOT } from '../setup.mjs'
import { findZig } from './zig.mjs'

/**
 * Folder and environment of a build.
 *
 * @typedef {object} BuildTarget
 * @property {string} targetDir folder of cargo's results
 * @property {NodeJS.ProcessEnv} env additional environment variables for cargo
 */

/**
 * Returns how addons for a release are built: they must load with the oldest supported glibc, not
 * only with the glibc of this machine.
 *
 * @returns {Promise<BuildTarget | undefined>} undefined if a usual build is portable
 */
export async function portableTarget() {
  if (PLATFORM.minGlibc === undefined) return undefined
  const required = PLATFORM.minGlibc.join('.')
  const version = glibcVersion()
  if (version !== undefined && !isNewer(version, required)) return undefined
  return {
    targetDir: join(ROOT, 'target', 'portable'),
    env: {
      [`CARGO_TARGET_${PLATFORM.rustTarget.toUpperCase().replaceAll('-', '_')}_LINKER`]: join(
        ROOT,
        ...['scripts', 'build', 'portable-gcc'],
      ),
      RESIDUAL_ZIG: await findZig(),
      RESIDUAL_GLIBC: required,
    },
  }
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
