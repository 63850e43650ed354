import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDir } from './cache-dirs.js'
import type { RequestedDevice } from './device.js'
import { hasUsableDriver } from './nvidia-driver.js'
import { hostSystem, type System } from './system.js'

/** The build of libtorch that `residual setup --cuda` installs. */
export const CUDA_BUILD = { libtorch: '2.11.0', cuda: '13.0' } as const

/** Name of the file that marks a complete installation. */
export const MANIFEST = 'manifest.json'

/** Version of the format of the manifest. */
const FORMAT = 1

/** A file of an installation. */
export interface InstalledFile {
  /** Path below the root folder. */
  path: string
  bytes: number
  /** SHA-256 in hexadecimal; null if Python's package does not state it. */
  sha256: string | null
}

/** List of the files of a complete installation, written last. */
export interface CudaManifest {
  format: typeof FORMAT
  libtorch: string
  cuda: string
  /** `python` for the libraries of a PyTorch, which remain in its folder. */
  source: 'download' | 'bundle' | 'python'
  /** Folder of a PyTorch's packages; null if the files are beside the manifest. */
  root: string | null
  files: InstalledFile[]
}

/** An installation: complete, or damaged with a description of the first problem. */
export type CudaInstallationState =
  | { status: 'complete'; folder: string; root: string; manifest: CudaManifest }
  | { status: 'damaged'; folder: string; problem: string }

/** Returns the folder of the CUDA libraries in the cache; undefined without a cache folder. */
export function cudaFolder(): string | undefined {
  const { libtorch, cuda } = CUDA_BUILD
  const name = `${libtorch}-cu${cuda.replace('.', '')}-${process.platform}-${process.arch}`
  const cache = cacheDir()
  return cache && join(cache, 'libtorch', name)
}

/**
 * Returns the installed CUDA libraries, after comparing the size of each file with the manifest.
 * Mapping a truncated library would kill the process.
 *
 * @returns undefined if nothing is installed
 */
export function readCudaInstallation(folder = cudaFolder()): CudaInstallationState | undefined {
  if (folder === undefined) return undefined
  const damaged = (problem: string) => ({ status: 'damaged', folder, problem }) as const
  const manifest = readManifest(folder)
  if (manifest === undefined) {
    return hostSystem.exists(folder)
      ? damaged(`${join(folder, MANIFEST)} is missing or damaged`)
      : undefined
  }
  const { libtorch, cuda, files } = manifest
  if (libtorch !== CUDA_BUILD.libtorch) {
    return damaged(`libtorch ${libtorch} for CUDA ${cuda} is installed, not ${CUDA_BUILD.libtorch}`)
  }
  const root = manifest.root ?? folder
  for (const { path, bytes } of files) {
    const file = join(root, path)
    const size = fileSize(file)
    if (size === undefined) return damaged(`${file} is missing`)
    if (size !== bytes) return damaged(`${file} has ${size} bytes instead of ${bytes}`)
  }
  return { status: 'complete', folder, root, manifest }
}

/** Reads the manifest of an installation; returns undefined if it is missing or damaged. */
export function readManifest(folder: string): CudaManifest | undefined {
  try {
    const manifest: CudaManifest = JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8'))
    const isValid =
      manifest.format === FORMAT &&
      (manifest.root === null || typeof manifest.root === 'string') &&
      Array.isArray(manifest.files) &&
      manifest.files.length > 0 &&
      manifest.files.every(({ path, bytes }) => typeof path === 'string' && bytes >= 0)
    return isValid ? manifest : undefined
  } catch {
    return undefined
  }
}

function fileSize(path: string): number | undefined {
  try {
    const stats = statSync(path)
    return stats.isFile() ? stats.size : undefined
  } catch {
    return undefined
  }
}

/**
 * Returns the CPU library of the installed CUDA libtorch if this process should use it: the device
 * is not `cpu`, the machine has a driver, and the installation is complete.
 */
export function installedCudaLibrary(
  device: RequestedDevice,
  library: string,
  system: System = hostSystem,
): string | undefined {
  if (device === 'cpu' || !hasUsableDriver(system)) return undefined
  const installation = readCudaInstallation()
  if (installation?.status !== 'complete') return undefined
  return join(installation.root, 'torch', 'lib', library)
}
