import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ResidualError } from '../../errors/errors.js'
import { hostSystem, type System } from '../system.js'

/** Libraries that every libtorch has, under the names of all platforms. */
const LIBTORCH = /^(lib)?(torch_cpu|c10)\.(so|dylib|dll)$/

/** Number of bytes of two libraries that are compared: the header with the build id. */
const COMPARED_BYTES = 2 ** 16

/**
 * Returns the libtorch to load. A second copy of libtorch in one process crashes it, because both
 * register the same operators. If another copy of the same file is already loaded, such as that of
 * a second installation of residual, it is used instead.
 *
 * @param library path of the CPU library of libtorch
 * @throws {ResidualError} `E_LIBTORCH` if this process has loaded another libtorch
 */
export function sharedLibtorch(
  library: string,
  loaded: readonly string[] = loadedLibraries(),
): string {
  const folder = dirname(library)
  const other = loaded.find(
    (path) => LIBTORCH.test(basename(path)) && dirname(realPath(path)) !== folder,
  )
  if (other === undefined) return library
  const shared = join(dirname(other), basename(library))
  if (loaded.includes(shared) && isSameLibrary(shared, library)) return shared
  throw new ResidualError({
    code: 'E_LIBTORCH',
    message: `this process has already loaded another libtorch, ${other}`,
    at: { file: other },
    hint:
      'Use residual in a separate process (`child_process.fork`), or remove the other package that ' +
      'contains libtorch. `npm ls residual` lists several installed versions of residual.',
  })
}

/** Lists the paths of the libraries that this process has loaded. */
export function loadedLibraries(system: System = hostSystem): string[] {
  const maps = system.read('/proc/self/maps')
  if (maps !== undefined) {
    const paths = maps.matchAll(/^\S+ \S+ \S+ \S+ \S+ +(\/.*)$/gm)
    return [...new Set([...paths].map(([, path = '']) => path.replace(/ \(deleted\)$/, '')))]
  }
  // Otherwise the report resolves the host names of all open sockets.
  Object.assign(process.report, { excludeNetwork: true })
  return (process.report.getReport() as { sharedObjects?: string[] }).sharedObjects ?? []
}

function isSameLibrary(one: string, two: string): boolean {
  try {
    return statSync(one).size === statSync(two).size && startOf(one).equals(startOf(two))
  } catch {
    return false
  }
}

function startOf(path: string): Buffer {
  const bytes = Buffer.alloc(COMPARED_BYTES)
  const file = openSync(path, 'r')
  try {
    readSync(file, bytes, 0, COMPARED_BYTES, 0)
    return bytes
  } finally {
    closeSync(file)
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
