import { existsSync } from 'node:fs'
import { readFile, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from '../command.mjs'
import { SetupError } from '../error.mjs'
import { PLATFORM } from '../platform.mjs'
import { LIBTORCH_VERSION } from './pins.mjs'
import { loadError } from './try-load.mjs'

/** @typedef {import('./layout.mjs').Torch} Torch */

const HINT = `unset LIBTORCH to download libtorch, or set it to the folder of a libtorch ${LIBTORCH_VERSION}`

/**
 * Returns the libtorch in the folder that the variable LIBTORCH names. Throws if it cannot be used,
 * instead of silently using another libtorch.
 *
 * @param {string} folder
 * @returns {Promise<Torch>}
 */
export async function namedTorch(folder) {
  const torch = await torchIn(folder)
  if (torch === undefined) {
    throw new SetupError(
      'E_LIBTORCH',
      `LIBTORCH=${folder} is not a libtorch: it must contain include/ and lib/${PLATFORM.libtorch.library}`,
      { hint: HINT },
    )
  }
  const version = await torchVersion(folder)
  if (version !== LIBTORCH_VERSION) {
    throw new SetupError(
      'E_LIBTORCH',
      `LIBTORCH=${folder} is libtorch ${version ?? 'of an unknown version'}; ${LIBTORCH_VERSION} is required`,
      { hint: HINT },
    )
  }
  const error = await loadError(torch.lib)
  if (error !== undefined) {
    throw new SetupError('E_LIBTORCH', `LIBTORCH=${folder} cannot be loaded: ${error}`, {
      hint: HINT,
    })
  }
  return torch
}

// Prints version and folder of torch without importing it, which takes seconds.
const FIND = `
import importlib.metadata, importlib.util
print(importlib.metadata.version('torch'))
print(importlib.util.find_spec('torch').submodule_search_locations[0])
`

/**
 * Returns the libtorch of the PyTorch that is installed for `python3`, if it is complete and has the
 * required version.
 *
 * @param {typeof run} [runCommand]
 * @returns {Promise<Torch | undefined>}
 */
export async function pythonTorch(runCommand = run) {
  const { status, stdout } = await runCommand('python3', ['-c', FIND])
  const [version, folder] = stdout.trim().split('\n')
  if (status !== 0 || version === undefined || folder === undefined) return undefined
  if (withoutBuildTag(version) !== LIBTORCH_VERSION) return undefined
  const torch = await torchIn(folder)
  if (torch === undefined) return undefined
  const error = await loadError(torch.lib)
  if (error === undefined) return torch
  process.stderr.write(`setup: skipping the torch of Python in ${folder}: ${error}\n`)
  return undefined
}

/**
 * @param {string} folder
 * @returns {Promise<Torch | undefined>} real paths, by which the libraries find each other
 */
async function torchIn(folder) {
  const library = join(folder, 'lib', PLATFORM.libtorch.library)
  const include = join(folder, 'include')
  if (!existsSync(library) || !existsSync(include)) return undefined
  return { lib: dirname(await realpath(library)), include: await realpath(include) }
}

/**
 * @param {string} folder
 * @returns {Promise<string | undefined>} such as '2.11.0'
 */
async function torchVersion(folder) {
  const build = await readFile(join(folder, 'build-version'), 'utf8').catch(() => undefined)
  if (build !== undefined) return withoutBuildTag(build.trim())
  const header = join(folder, 'include', 'torch', 'headeronly', 'version.h')
  const text = await readFile(header, 'utf8').catch(() => '')
  const parts = ['MAJOR', 'MINOR', 'PATCH'].map(
    (part) => new RegExp(`#define TORCH_VERSION_${part} (\\d+)`).exec(text)?.[1],
  )
  return parts.includes(undefined) ? undefined : parts.join('.')
}

/**
 * Removes the build tag of a version such as '2.11.0+cpu'.
 * @param {string} version
 */
function withoutBuildTag(version) {
  return version.split('+')[0]
}
