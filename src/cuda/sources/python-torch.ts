import { realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CUDA_BUILD, type InstalledFile } from '../../native/cuda-installation.js'
import type { System } from '../../native/system.js'
import type { PythonEnvironment } from './python-environment.js'

/** A PyTorch of Python with the required version and CUDA libraries. */
export interface PythonTorch {
  /** Folder that contains `torch` and `nvidia`, as a real path. */
  root: string
  /** The libraries, which setup compares before they are used. */
  files: InstalledFile[]
}

/** The search for a PyTorch. */
export interface PythonTorchSearch {
  torch: PythonTorch | undefined
  /** Why each other PyTorch cannot be used. */
  rejected: string[]
}

const LIBRARY = /\.so(\.\d+)*$/

/**
 * Finds a PyTorch whose libtorch can be used, by reading its files; PyTorch is not imported, which
 * takes seconds.
 */
export function findPythonTorch(
  system: System,
  pythons: readonly PythonEnvironment[],
): PythonTorchSearch {
  const rejected: string[] = []
  for (const { packageDirs } of pythons) {
    // Python imports the first one, and ignores others.
    const dir = packageDirs.find((dir) => system.exists(join(dir, 'torch', 'version.py')))
    if (dir === undefined) continue
    const problem = findProblem(system, dir)
    if (problem === undefined) return { torch: readTorch(system, dir), rejected }
    const text = `${join(dir, 'torch')} ${problem}`
    if (!rejected.includes(text)) rejected.push(text)
  }
  return { torch: undefined, rejected }
}

function findProblem(system: System, dir: string): string | undefined {
  const source = system.read(join(dir, 'torch', 'version.py')) ?? ''
  const version = /^__version__ = '(.*)'$/m.exec(source)?.[1] ?? 'of an unknown version'
  const cuda = /^cuda\b.*= '([\d.]+)'$/m.exec(source)?.[1]
  const { libtorch, cuda: requiredCuda } = CUDA_BUILD
  const required = `${libtorch} for CUDA ${requiredCuda.split('.')[0]} is required`
  if (version.split('+')[0] !== libtorch) return `is ${version}; ${required}`
  if (cuda === undefined) return `is a build without CUDA; ${required}`
  if (cuda.split('.')[0] !== requiredCuda.split('.')[0]) return `is for CUDA ${cuda}; ${required}`
  const hasLibrary = system.exists(join(dir, 'torch', 'lib', 'libtorch_cuda.so'))
  return hasLibrary ? undefined : 'has no libtorch_cuda.so'
}

function readTorch(system: System, dir: string): PythonTorch {
  const root = realpathSync(dir)
  const hashes = readHashes(system, root)
  const nvidia = system.list(join(root, 'nvidia')).map((name) => join('nvidia', name, 'lib'))
  const files = [join('torch', 'lib'), ...nvidia].flatMap((lib) =>
    system
      .list(join(root, lib))
      .filter((name) => LIBRARY.test(name))
      .flatMap((name) => {
        const path = join(lib, name)
        const bytes = statSync(join(root, path), { throwIfNoEntry: false })?.size
        // A broken link is ignored: the libraries are loaded before they are used.
        return bytes === undefined ? [] : [{ path, bytes, sha256: hashes.get(path) ?? null }]
      }),
  )
  return { root, files }
}

/** Reads the checksums that pip recorded for installed files. */
function readHashes(system: System, root: string): Map<string, string> {
  const hashes = new Map<string, string>()
  for (const name of system
    .list(root)
    .filter((name) => /^(torch|nvidia_.*)-.*\.dist-info$/.test(name))) {
    const record = system.read(join(root, name, 'RECORD')) ?? ''
    for (const [, path = '', hash = ''] of record.matchAll(/^([^,"\n]+),sha256=([\w-]+)=*,/gm)) {
      if (LIBRARY.test(path)) hashes.set(path, Buffer.from(hash, 'base64url').toString('hex'))
    }
  }
  return hashes
}
