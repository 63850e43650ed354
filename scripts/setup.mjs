import { realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pointCloneTo } from './setup/clone.mjs'
import { forwardSignals } from './setup/command.mjs'
import { installDependencies } from './setup/dependencies.mjs'
import { BuildError, SetupError } from './setup/error.mjs'
import { fetchLibtorch, findLibtorch } from './setup/libtorch/libtorch.mjs'
import { IS_CROSS, PLATFORM } from './setup/platform.mjs'
import { checkPrerequisites } from './setup/prerequisites.mjs'

/** Root of the repository. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')

/**
 * Result of set-up.
 *
 * @typedef {object} Ready
 * @property {string} libtorch folder with `include` and `lib`, the value of LIBTORCH
 * @property {string} lib folder of the libraries of libtorch
 * @property {NodeJS.ProcessEnv} cargoEnv environment for cargo
 */

/**
 * Prepares this clone for building: checks the tools, installs the npm packages, and finds or
 * downloads libtorch (for `--platform NAME`, that of another platform). Fast if everything is
 * installed.
 *
 * @param {{ hashes?: boolean }} [options] `hashes`: verify the checksums of the cached libtorch
 * @returns {Promise<Ready>}
 * @throws {SetupError} with the missing part and how to install it
 */
export async function setup(options) {
  const found = await findLibtorch(options)
  await checkPrerequisites({ pip: found === undefined })
  await installDependencies(ROOT)
  const libtorch = found ?? (await fetchLibtorch(options))
  // The clone runs on this machine.
  if (!IS_CROSS) await pointCloneTo(ROOT, libtorch)
  return { libtorch: libtorch.root, lib: libtorch.lib, cargoEnv: buildEnv(libtorch) }
}

/**
 * Returns the environment variables of the generated .cargo/config.toml, for clones in which
 * another .cargo/config.toml exists. The folder of the libraries precedes the present search path,
 * which on Windows is PATH and contains cargo.
 *
 * @param {import('./setup/libtorch/libtorch.mjs').Libtorch} libtorch
 * @param {NodeJS.ProcessEnv} [env]
 * @param {string} [variable] name of the search path of the dynamic loader
 * @returns {NodeJS.ProcessEnv}
 */
export function buildEnv({ root, lib }, env = process.env, variable = PLATFORM.librarySearchPath) {
  const present = env[variable]
  const path = present ? `${lib}${delimiter}${present}` : lib
  return { ...env, LIBTORCH: root, [variable]: path }
}

/**
 * Runs the main function of a script. A failed set-up prints its message and hint and exits with
 * status 3; a failed build exits with status 1.
 *
 * @param {string} url `import.meta.url` of the script; does nothing if the script is only imported
 * @param {() => Promise<void>} main
 */
export async function runScript(url, main) {
  if (process.argv[1] === undefined || realpathSync(process.argv[1]) !== fileURLToPath(url)) return
  forwardSignals()
  try {
    await main()
  } catch (error) {
    if (error instanceof SetupError) {
      process.stderr.write(`${error.code}: ${error.message}\n  ${error.hint}\n`)
      process.exitCode = 3
    } else if (error instanceof BuildError) {
      process.stderr.write(`${error.message}\n`)
      process.exitCode = 1
    } else {
      throw error
    }
  }
}

await runScript(import.meta.url, async () => {
  const { libtorch } = await setup({ hashes: process.argv.includes('--verify') })
  process.stdout.write(`ready: libtorch in ${libtorch}\n`)
})
