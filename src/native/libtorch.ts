import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import { assertAddressSpace, LIBTORCH_ADDRESS_SPACE } from './address-space.js'
import { CUDA_BUILD, installedCudaLibrary } from './cuda-installation.js'
import type { RequestedDevice } from './device.js'
import { checkLibrary, loadError } from './loading/check-library.js'
import { sharedLibtorch } from './loading/loaded-libraries.js'
import { libtorchFolder } from './loading/platform-packages.js'
import { assertProcessor } from './loading/processor.js'
import { supportedPlatform } from './platform.js'

/** The version that the addon is built against; libtorch's C++ ABI changes in minor versions. */
const VERSION = CUDA_BUILD.libtorch

/** Environment variables with the folder of a libtorch, in order of precedence. */
const FOLDER_VARIABLES = ['RESIDUAL_LIBTORCH', 'LIBTORCH']

/**
 * Number of times that an OpenMP thread polls before it sleeps. By default, GNU OpenMP polls for
 * milliseconds, which makes an evaluation ten times as slow if another process uses one of the
 * cores.
 */
const SPIN_COUNT = '5000'
/** Environment variables with which the user can set the number of polls. */
const SPIN_VARIABLES = ['GOMP_SPINCOUNT', 'OMP_WAIT_POLICY']

/**
 * Loads libtorch into the process, so that the addon finds it. (The system's dynamic loader
 * searches only folders that an environment variable names before the process starts.)
 *
 * @throws {ResidualError} `E_LIBTORCH` if libtorch is not installed or cannot be loaded
 */
export function loadLibtorch(device: RequestedDevice = 'auto'): void {
  assertWorkingDirectory()
  const library = sharedLibtorch(libtorchLibrary(device))
  for (const path of listLibraries(library)) checkLibrary(path, 'E_LIBTORCH')
  assertProcessor()
  assertAddressSpace('libtorch', LIBTORCH_ADDRESS_SPACE, 'E_LIBTORCH')
  // OpenMP reads the variable once, when it is loaded. (In a worker thread, `process.env` is a copy
  // whose changes OpenMP does not see.)
  const setSpinCount = SPIN_VARIABLES.every((variable) => process.env[variable] === undefined)
  if (setSpinCount) process.env.GOMP_SPINCOUNT = SPIN_COUNT
  try {
    loadLibrary(library)
  } catch (error) {
    throw loadError('libtorch', library, 'E_LIBTORCH', error)
  } finally {
    if (setSpinCount) delete process.env.GOMP_SPINCOUNT
  }
}

/** Checks that the working directory exists, since oneMKL aborts the process without one. */
function assertWorkingDirectory(): void {
  try {
    process.cwd()
  } catch (cause) {
    const message = 'libtorch cannot be loaded: the working directory of this process was removed'
    const hint = 'Change to an existing folder, and start again.'
    throw new ResidualError({ code: 'E_LIBTORCH', message, hint }, { cause })
  }
}

/** Messages of Node, Bun and Deno about a library that is not an addon. */
const NOT_AN_ADDON = /did not self-register|napi_register_module_v1|register Node-API module/

/** Loads a shared library that is not an addon, with its dependencies, until the process exits. */
export function loadLibrary(path: string): void {
  if (process.platform === 'win32') {
    // Windows unloads a library that Node rejects. It finds the library in PATH when it loads the
    // addon.
    process.env.PATH = `${dirname(path)};${process.env.PATH ?? ''}`
    return
  }
  const flags = constants.dlopen.RTLD_NOW | supportedPlatform().rtldNoDelete
  try {
    process.dlopen({ exports: {} }, path, flags)
  } catch (error) {
    // A runtime rejects a library that is not an addon only after the dynamic loader has loaded it.
    if (!NOT_AN_ADDON.test(String(error))) throw error
  }
}

/** Lists the paths of the shared libraries in the folder of `library`. */
export function listLibraries(library: string): string[] {
  const folder = dirname(library)
  const names = readdirSync(folder).filter((name) => /\.(so(\.\d+)*|dylib|dll)$/.test(name))
  return names.map((name) => join(folder, name))
}

/** Returns the environment variable that names the folder of libtorch, if one is set. */
export function libtorchFolderVariable(): string | undefined {
  return FOLDER_VARIABLES.find((variable) => process.env[variable])
}

/**
 * Returns the real path of the CPU library of libtorch; its other libraries are next to it. It is
 * in the folder that an environment variable names, in the installed CUDA libraries if `device` and
 * this machine allow CUDA, or in the npm package.
 *
 * @throws {ResidualError} `E_LIBTORCH` if libtorch is not installed or has another version
 */
export function libtorchLibrary(device: RequestedDevice = 'auto'): string {
  const { library: file } = supportedPlatform().libtorch
  const variable = libtorchFolderVariable()
  if (variable !== undefined) {
    return realpathSync(libraryInFolder(variable, process.env[variable] as string, file))
  }
  const cudaLibrary = installedCudaLibrary(device, file)
  if (cudaLibrary !== undefined) return realpathSync(cudaLibrary)
  const library = join(libtorchFolder(), 'lib', file)
  // Reports a missing or unreadable library with its path.
  checkLibrary(library, 'E_LIBTORCH')
  return realpathSync(library)
}

/**
 * Returns the path of the library in the folder of an environment variable: a libtorch, the folder
 * `torch` of an installed PyTorch, or the `lib` folder of either.
 */
function libraryInFolder(variable: string, folder: string, file: string): string {
  const candidates = [join(folder, 'lib'), resolve(folder)]
  const lib = candidates.find((candidate) => existsSync(join(candidate, file)))
  if (lib === undefined) {
    throw new ResidualError({
      code: 'E_LIBTORCH',
      message: `${variable} is set to ${folder}, which has no lib/${file}`,
      at: { file: join(folder, 'lib', file) },
      hint: `Unset ${variable} to use the installed libtorch.`,
    })
  }
  const found = readVersion(dirname(lib))
  if (found !== undefined && found.version.split('+')[0] !== VERSION) {
    throw new ResidualError({
      code: 'E_LIBTORCH',
      message: `${variable} is set to a libtorch ${found.version}; version ${VERSION} is required`,
      at: { file: found.file },
      hint: `Unset ${variable} to use the installed libtorch.`,
    })
  }
  return join(lib, file)
}

/** Reads the version from the `build-version` of a libtorch or the `version.py` of a PyTorch. */
function readVersion(folder: string): { version: string; file: string } | undefined {
  const file = ['build-version', 'version.py']
    .map((name) => join(folder, name))
    .find((path) => existsSync(path))
  if (file === undefined) return undefined
  const text = readFileSync(file, 'utf8').trim()
  return { version: /^__version__ = '(.*)'$/m.exec(text)?.[1] ?? text, file }
}
