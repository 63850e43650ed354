import { statSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import { noCacheDirError } from '../native/cache-dirs.js'
import { cudaFolder, readCudaInstallation } from '../native/cuda-installation.js'
import { libtorchFolderVariable } from '../native/libtorch.js'
import { currentPlatform, supportedPlatform } from '../native/platform.js'
import { hostSystem } from '../native/system.js'
import { downloadBytes, type PinnedWheel } from './pinned-wheel.js'
import { findPythons } from './sources/python-environment.js'
import { findPythonTorch, type PythonTorch } from './sources/python-torch.js'
import { resolveWheelSources, type WheelSources } from './sources/wheel-sources.js'
import { downloadsFolder, receivedBytes } from './staging.js'
import { CUDA_WHEELS } from './wheel-pins.js'

/** A package whose license applies to the installed libraries. */
export interface CudaLicense {
  project: string
  version: string
  /** SPDX expression, or the name that the package states. */
  license: string
}

/** The actions of `setupCuda()`, returned by `planCudaSetup()`. */
export interface CudaSetupPlan {
  /** Folder of the installation. */
  folder: string
  /**
   * `installed`: nothing has to be done; `python`: the libraries of an installed PyTorch are used;
   * `bundle`: wheels of a folder are unpacked; `download`: wheels are downloaded and unpacked.
   */
  source: 'installed' | 'python' | 'bundle' | 'download'
  /** Folder of the packages of the PyTorch that is used, or null. */
  python: string | null
  /** Why each PyTorch that was found cannot be used. */
  rejected: string[]
  /** URLs of the package indexes, and folders with wheels, in the order to try. */
  from: string[]
  /** Size of all wheels in bytes. */
  downloadBytes: number
  /** Bytes of wheels that have been downloaded already. */
  downloadedBytes: number
  /** Size of the installation in bytes. */
  installedBytes: number
  /** Environment variable that takes precedence over the installation, or null. */
  overriddenBy: string | null
  licenses: CudaLicense[]
}

/** Where the CUDA libraries are installed from. */
export interface CudaSourceOptions {
  /** URL of a package index that is used instead of those of pip. */
  indexUrl?: string | undefined
  /** Folder with the wheels, which `downloadCuda()` creates. */
  bundle?: string | undefined
  /** Whether the libraries of an installed PyTorch may be used. Default: true. */
  python?: boolean | undefined
}

/** A plan of `setupCuda()`, or of `downloadCuda()` if `downloadOnly` is set. */
export interface CudaPlanOptions extends CudaSourceOptions {
  /** Folder for the wheels, if they are only downloaded. */
  downloadOnly?: string | undefined
  /** Platform that will use the downloaded wheels. Default: this platform. */
  platform?: string | undefined
}

/** A plan with the data for its execution. */
export interface PreparedSetup {
  plan: CudaSetupPlan
  wheels: readonly PinnedWheel[]
  sources: WheelSources
  torch: PythonTorch | undefined
}

/**
 * Returns the wheels for a platform.
 *
 * @throws {ResidualError} `E_PLATFORM` if there are none
 */
export function cudaWheels(platform: string = currentPlatform()): readonly PinnedWheel[] {
  const wheels = CUDA_WHEELS[platform]
  if (wheels !== undefined) return wheels
  const isMac = platform.startsWith('darwin')
  throw new ResidualError({
    code: 'E_PLATFORM',
    message: `there are no CUDA libraries for ${platform}`,
    hint: isMac
      ? 'macOS has no CUDA; residual uses the CPU there.'
      : `CUDA is supported on ${Object.keys(CUDA_WHEELS).join(' and ')}. On Windows, use WSL.`,
  })
}

/**
 * Returns the folder of the installation.
 *
 * @throws {ResidualError} `E_WRITE` without a cache folder
 */
export function requireCudaFolder(): string {
  const folder = cudaFolder()
  if (folder === undefined) throw noCacheDirError('the CUDA libraries')
  return folder
}

/** Finds out what setup has to do on this machine. */
export async function prepareSetup(options: CudaPlanOptions): Promise<PreparedSetup> {
  const { downloadOnly, platform, indexUrl } = options
  const isDownload = downloadOnly !== undefined
  if (!isDownload) supportedPlatform()
  const wheels = cudaWheels(isDownload ? platform : undefined)
  const folder = isDownload ? resolve(downloadOnly) : requireCudaFolder()
  const downloads = isDownload ? folder : downloadsFolder(folder)
  const bundle =
    isDownload || options.bundle === undefined ? undefined : bundleFolder(options.bundle)
  const isInstalled = !isDownload && readCudaInstallation(folder)?.status === 'complete'
  const pythons = isInstalled || bundle !== undefined ? [] : await findPythons(hostSystem)
  const usePython = !isDownload && bundle === undefined && options.python !== false
  const { torch, rejected } = usePython
    ? findPythonTorch(hostSystem, pythons)
    : { torch: undefined, rejected: [] }
  const sources: WheelSources =
    bundle === undefined
      ? resolveWheelSources({ indexUrl, pythons })
      : { folders: [bundle], pages: [], indexes: [], connection: {} }
  const installedBytes = isDownload ? 0 : sum(wheels, (wheel) => wheel.installedBytes)
  const plan: CudaSetupPlan = {
    folder,
    source: isInstalled ? 'installed' : torch ? 'python' : bundle ? 'bundle' : 'download',
    python: torch?.root ?? null,
    rejected,
    from: [...sources.folders, ...sources.pages, ...sources.indexes],
    downloadBytes: sum(wheels, downloadBytes),
    downloadedBytes: await receivedBytes(downloads, wheels),
    installedBytes,
    overriddenBy: libtorchFolderVariable() ?? null,
    licenses: wheels.map(({ project, version, license }) => ({ project, version, license })),
  }
  return { plan, wheels, sources, torch }
}

function sum<T>(values: readonly T[], size: (value: T) => number): number {
  return values.reduce((total, value) => total + size(value), 0)
}

function bundleFolder(path: string): string {
  const folder = isAbsolute(path) ? path : resolve(path)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return folder
  throw new ResidualError({
    code: 'E_USAGE',
    message: `there is no folder ${folder} with wheels`,
    at: { key: 'bundle', file: folder },
    hint: 'Create one on a machine with a network: `residual setup --cuda --download-only FOLDER`.',
  })
}
