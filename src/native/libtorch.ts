import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import { checkLibrary } from './elf.js'
import { packageFolder } from './platform.js'

/** The one that the addon was built against; its C++ interface changes with every minor version. */
const VERSION = '2.11.0'

const LIBRARY = 'libtorch_cpu.so'

/** Keeps the library in the process when the handle is closed; glibc's, which Node does not name. */
const RTLD_NODELETE = 0x1000

/** Variables that name a libtorch folder; the first one set counts. */
const VARIABLES = ['RESIDUAL_LIBTORCH', 'LIBTORCH']

/**
 * How often a thread of libtorch's looks whether the others are done before it sleeps, and the
 * variables that say so. OpenMP's own default is to look for milliseconds: then, whenever another
 * program wants one of the cores, the threads wait for each other most of the time, and a training
 * takes ten times as long.
 */
const SPINS = '5000'
const SPIN_VARIABLES = ['GOMP_SPINCOUNT', 'OMP_WAIT_POLICY']

/**
 * Loads libtorch into the process, so that the addon that needs it finds it there. (The system's
 * loader would look in folders that only an environment variable set before the start can name.)
 *
 * @throws {ResidualError} `E_LIBTORCH` if there is none, or none that can be loaded
 */
export function loadLibtorch(): void {
  const library = libtorchLibrary()
  for (const { path } of listLibraries(library)) checkLibrary(path)
  // OpenMP reads it once, while it is loaded. (A worker thread's environment is its own copy: what
  // is set there OpenMP does not see.)
  const spins = SPIN_VARIABLES.every((variable) => process.env[variable] === undefined)
  if (spins) process.env.GOMP_SPINCOUNT = SPINS
  try {
    loadLibrary(library)
  } catch (error) {
    throw new ResidualError(
      {
        code: 'E_LIBTORCH',
        message: `libtorch could not be loaded: ${(error as Error).message}`,
        at: { file: library },
        hint: `It has to be a complete libtorch ${VERSION} for this machine.`,
      },
      { cause: error },
    )
  } finally {
    if (spins) delete process.env.GOMP_SPINCOUNT
  }
}

/** Loads a library that is no addon, for good. Those that it needs come along. */
export function loadLibrary(path: string): void {
  try {
    process.dlopen({ exports: {} }, path, constants.dlopen.RTLD_NOW | RTLD_NODELETE)
  } catch (error) {
    // It is no addon, which Node finds out when it is loaded already.
    if (!/did not self-register/.test(String(error))) throw error
  }
}

/** The shared libraries in libtorch's folder, with their sizes in bytes. */
export function listLibraries(library: string): { path: string; bytes: number }[] {
  const folder = dirname(library)
  const names = readdirSync(folder).filter((name) => /\.so(\.\d+)*$/.test(name))
  return names.map((name) => {
    const path = join(folder, name)
    return { path, bytes: statSync(path).size }
  })
}

/**
 * The real path of libtorch_cpu.so, for its siblings are found beside it.
 *
 * @throws {ResidualError} `E_LIBTORCH` if there is none, or one of another version
 */
export function libtorchLibrary(): string {
  for (const variable of VARIABLES) {
    const folder = process.env[variable]
    if (folder) return realpathSync(named(variable, folder))
  }
  const folder = packageFolder('libtorch-linux-x64')
  const library = folder && join(folder, 'lib', LIBRARY)
  if (library === undefined || !existsSync(library)) {
    throw new ResidualError({
      code: 'E_LIBTORCH',
      message: 'the package @residual/libtorch-linux-x64 is not installed',
      hint:
        'Install again with `npm install --include=optional`, or set RESIDUAL_LIBTORCH to the ' +
        `folder of a libtorch ${VERSION}. In a clone of the repository, run \`npm run setup\`.`,
    })
  }
  return realpathSync(library)
}

/**
 * The library inside a folder that the user named, which must be of the right version: a libtorch,
 * the folder `torch` of an installed PyTorch, or the folder `lib` of either.
 */
function named(variable: string, given: string): string {
  const folders = [join(given, 'lib'), resolve(given)]
  const lib = folders.find((folder) => existsSync(join(folder, LIBRARY)))
  if (lib === undefined) {
    throw new ResidualError({
      code: 'E_LIBTORCH',
      message: `${variable} is set to ${given}, which has no lib/${LIBRARY}`,
      at: { file: join(given, 'lib', LIBRARY) },
      hint: `Unset ${variable} to use the installed libtorch.`,
    })
  }
  const found = versionIn(dirname(lib))
  if (found !== undefined && found.version.split('+')[0] !== VERSION) {
    throw new ResidualError({
      code: 'E_LIBTORCH',
      message: `${variable} is set to a libtorch ${found.version}; this is built for ${VERSION}`,
      at: { file: found.file },
      hint: `Unset ${variable} to use the installed libtorch.`,
    })
  }
  return join(lib, LIBRARY)
}

/** What a libtorch (`build-version`) or a PyTorch (`version.py`) says of itself. */
function versionIn(folder: string): { version: string; file: string } | undefined {
  const file = ['build-version', 'version.py']
    .map((name) => join(folder, name))
    .find((path) => existsSync(path))
  if (file === undefined) return undefined
  const text = readFileSync(file, 'utf8').trim()
  return { version: /^__version__ = '(.*)'$/m.exec(text)?.[1] ?? text, file }
}
