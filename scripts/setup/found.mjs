import { existsSync } from 'node:fs'
import { readFile, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from './command.mjs'
import { SetupError } from './error.mjs'
import { loadFailure } from './loadable.mjs'
import { LIBTORCH_VERSION } from './pins.mjs'

/** @typedef {import('./layout.mjs').Torch} Torch */

const HINT = `unset LIBTORCH to let set-up provide libtorch, or point it to an unpacked libtorch ${LIBTORCH_VERSION}`

/**
 * The libtorch that the LIBTORCH variable names. One that is named but will not do is an error:
 * quietly taking another would hide a mistake.
 *
 * @param {string} folder
 * @returns {Promise<Torch>}
 */
export async function namedTorch(folder) {
  const torch = await torchIn(folder)
  if (torch === undefined) {
    throw new SetupError(
      'E_LIBTORCH',
      `LIBTORCH=${folder} is no libtorch: it must hold include/ and lib/libtorch_cpu.so`,
      { hint: HINT },
    )
  }
  const version = await torchVersion(folder)
  if (version !== LIBTORCH_VERSION) {
    throw new SetupError(
      'E_LIBTORCH',
      `LIBTORCH=${folder} is libtorch ${version ?? 'of an unknown version'}; ${LIBTORCH_VERSION} is needed`,
      { hint: HINT },
    )
  }
  const failure = await loadFailure(torch.lib)
  if (failure !== undefined) {
    throw new SetupError('E_LIBTORCH', `LIBTORCH=${folder} cannot be loaded: ${failure}`, {
      hint: HINT,
    })
  }
  return torch
}

// Asks for torch's version and place without importing it, which would take seconds.
const FIND = `
import importlib.metadata, importlib.util
print(importlib.metadata.version('torch'))
print(importlib.util.find_spec('torch').submodule_search_locations[0])
`

/**
 * The libtorch inside the PyTorch of the Python on the PATH, where that is the same version and
 * complete.
 *
 * @param {typeof run} [runCommand]
 * @returns {Promise<Torch | undefined>}
 */
export async function pythonTorch(runCommand = run) {
  const { status, stdout } = await runCommand('python3', ['-c', FIND])
  const [version, folder] = stdout.trim().split('\n')
  if (status !== 0 || version === undefined || folder === undefined) return undefined
  if (withoutBuild(version) !== LIBTORCH_VERSION) return undefined
  const torch = await torchIn(folder)
  if (torch === undefined) return undefined
  const failure = await loadFailure(torch.lib)
  if (failure === undefined) return torch
  process.stderr.write(`setup: passing over Python's torch in ${folder}: ${failure}\n`)
  return undefined
}

/**
 * @param {string} folder
 * @returns {Promise<Torch | undefined>} with real paths, as libraries look for each other by them
 */
async function torchIn(folder) {
  const library = join(folder, 'lib', 'libtorch_cpu.so')
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
  if (build !== undefined) return withoutBuild(build.trim())
  const header = join(folder, 'include', 'torch', 'headeronly', 'version.h')
  const text = await readFile(header, 'utf8').catch(() => '')
  const parts = ['MAJOR', 'MINOR', 'PATCH'].map(
    (part) => new RegExp(`#define TORCH_VERSION_${part} (\\d+)`).exec(text)?.[1],
  )
  return parts.includes(undefined) ? undefined : parts.join('.')
}

/**
 * '2.11.0+cpu' without what says how it was built.
 * @param {string} version
 */
function withoutBuild(version) {
  return version.split('+')[0]
}
