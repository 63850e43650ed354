import { realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pointCloneTo } from './setup/clone.mjs'
import { stopChildrenWithUs } from './setup/command.mjs'
import { installDependencies } from './setup/dependencies.mjs'
import { BuildError, SetupError } from './setup/error.mjs'
import { fetchLibtorch, findLibtorch } from './setup/libtorch.mjs'
import { checkPrerequisites } from './setup/prerequisites.mjs'

/** The repository. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')

/**
 * What a script has once everything it needs is there.
 *
 * @typedef {object} Ready
 * @property {string} libtorch the folder with `include` and `lib` that LIBTORCH is set to
 * @property {string} lib the folder with the real libtorch_cpu.so
 * @property {NodeJS.ProcessEnv} cargoEnv the environment for cargo and what runs cargo
 */

/**
 * Makes this clone ready to build: checks the machine, installs the npm packages, finds or fetches
 * libtorch. Takes a moment when everything is there already.
 *
 * @param {{ hashes?: boolean }} [options] `hashes`: check every byte of the cached libtorch
 * @returns {Promise<Ready>}
 * @throws {SetupError} naming what is missing and how to get it
 */
export async function setup(options) {
  const found = await findLibtorch(options)
  await checkPrerequisites({ pip: found === undefined })
  await installDependencies(ROOT)
  const libtorch = found ?? (await fetchLibtorch(options))
  await pointCloneTo(ROOT, libtorch)
  return { libtorch: libtorch.root, lib: libtorch.lib, cargoEnv: buildEnv(libtorch) }
}

/**
 * What .cargo/config.toml says, for a clone whose owner keeps one of their own.
 *
 * @param {import('./setup/libtorch.mjs').Libtorch} libtorch
 * @returns {NodeJS.ProcessEnv}
 */
function buildEnv({ root, lib }) {
  return { ...process.env, LIBTORCH: root, LD_LIBRARY_PATH: lib }
}

/**
 * Runs a script's main function: a set-up that failed is told in two lines and ends with
 * status 3, a build that failed with status 1.
 *
 * @param {string} url the script's `import.meta.url`; nothing happens when it was only imported
 * @param {() => Promise<void>} main
 */
export async function runScript(url, main) {
  if (process.argv[1] === undefined || realpathSync(process.argv[1]) !== fileURLToPath(url)) return
  stopChildrenWithUs()
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
  process.stdout.write(`ready: libtorch is ${libtorch}\n`)
})
