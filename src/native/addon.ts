import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { withCommandName } from '../errors/command-name.js'
import { ResidualError } from '../errors/errors.js'
import {
  assertAddressSpace,
  assertTrainingAddressSpace,
  CORE_ADDRESS_SPACE,
} from './address-space.js'
import { datasetCacheDir, weightsCacheDir } from './cache-dirs.js'
import type * as core from './core-addon.js'
import { assertCudaLoaded, type CudaState, cudaLoadError, loadCuda } from './cuda.js'
import { NO_CUDA_DEVICE } from './cuda-requirements.js'
import type { RequestedDevice } from './device.js'
import { loadLibtorch } from './libtorch.js'
import { checkLibrary, loadError } from './loading/check-library.js'
import { reinstallHint } from './loading/install-hints.js'
import { packageFile, requireFromPackage } from './loading/package-files.js'
import { addonsFolder } from './loading/platform-packages.js'
import { type NativeResult, unwrapResult } from './native-result.js'
import { ADDON_FILES, supportedPlatform } from './platform.js'
import type * as torch from './torch-addon.js'
import { VERSION } from './version.js'

export type {
  NativeArrayPart,
  NativeArrays,
  NativeCancel,
  NativePixels,
  NativeRun,
} from './torch-addon.js'

/** The addon without libtorch. JSON texts are configurations or, if returned, `NativeResult`s. */
export type CoreAddon = typeof core

/** The addon with libtorch. JSON texts are configurations or, if returned, `NativeResult`s. */
export type TorchAddon = typeof torch

/** Functions that both addons export. */
export type Addon = Pick<CoreAddon, keyof CoreAddon & keyof TorchAddon>

/** A path, an encoded image, or pixels. */
export type NativeImage = Parameters<TorchAddon['predict']>[1][number]

let loadedCore: CoreAddon | undefined
let loadedTorch: { addon: TorchAddon; cuda: CudaState } | undefined

/**
 * Returns the addon without libtorch. The first call loads the addon, in milliseconds.
 *
 * @throws {ResidualError} `E_PLATFORM`
 */
export function coreAddon(): CoreAddon {
  loadedCore ??= loadCore()
  return loadedCore
}

function loadCore(): CoreAddon {
  assertAddressSpace('the native addon', CORE_ADDRESS_SPACE, 'E_PLATFORM')
  const folder = addonsFolder()
  const addon = load<CoreAddon>(folder, ADDON_FILES.core)
  assertAddonVersion(join(folder, ADDON_FILES.core), addon.version())
  return addon
}

/**
 * Returns the addon with libtorch. The first call loads both (about 0.3 s) and thereby determines
 * whether this process can use CUDA.
 *
 * @param device the device that the caller needs
 * @throws {ResidualError} `E_PLATFORM`, `E_LIBTORCH`; `E_DEVICE` if `device` is `cuda` and CUDA is
 *   not available
 */
export function torchAddon(device: RequestedDevice = 'auto'): TorchAddon {
  loadedTorch ??= loadTorch(device)
  assertCudaLoaded(device, loadedTorch.cuda)
  return loadedTorch.addon
}

/**
 * Returns the addon with libtorch for training, as `torchAddon()`. Training needs more address space
 * than loading; once libtorch is loaded, the space in use does not tell how much more is needed.
 *
 * @throws {ResidualError} `E_MEMORY` if the limit of address space is too low, and the errors of
 *   `torchAddon()`
 */
export function trainingAddon(device: RequestedDevice = 'auto'): TorchAddon {
  assertTrainable()
  return torchAddon(device)
}

/**
 * Checks the limit of address space for training, unless libtorch is loaded.
 *
 * @throws {ResidualError} `E_MEMORY`
 */
export function assertTrainable(): void {
  if (loadedTorch === undefined) assertTrainingAddressSpace()
}

function loadTorch(device: RequestedDevice): { addon: TorchAddon; cuda: CudaState } {
  const folder = addonsFolder()
  const { cudaLibrary } = supportedPlatform()
  loadLibtorch(device)
  const shim = cudaLibrary && join(folder, cudaLibrary)
  let cuda: CudaState =
    shim === undefined ? { state: 'off', requested: true } : loadCuda(device, shim)
  const addon = load<TorchAddon>(folder, ADDON_FILES.torch)
  if (cuda.state === 'loaded' && shim !== undefined) {
    const result: NativeResult<null> = JSON.parse(addon.useCuda(shim))
    if ('error' in result) {
      cuda = { state: 'failed', error: cudaLoadError(result.error.message, shim) }
    }
  }
  const reason = cudaUnusableReason(cuda, addon)
  if (reason !== undefined) addon.setCudaUnusable(reason)
  // Waits for the training thread, because a process that exits during a libtorch call crashes. The
  // listener is the first, so that an error of another listener does not prevent its call. At the
  // end of a worker thread, the addon ends the work of that worker.
  if (isMainThread) process.prependListener('exit', () => addon.shutdown())
  return { addon, cuda }
}

/** Returns why CUDA cannot be used although this machine has an NVIDIA GPU; runs warn about it. */
function cudaUnusableReason(cuda: CudaState, addon: TorchAddon): string | undefined {
  if (cuda.state === 'failed') return cuda.error.message
  if (cuda.state === 'off') {
    const { missing } = cuda
    return missing?.isPartial
      ? withCommandName([missing.detail, missing.hint].filter(Boolean).join('. '))
      : undefined
  }
  const { machine } = unwrapResult<{ machine: { cuda: boolean } }>(addon.environment())
  return machine.cuda ? undefined : NO_CUDA_DEVICE.detail
}

function load<A extends Addon>(folder: string, name: string): A {
  const path = join(folder, name)
  const dataRoot = packageFile('data')
  checkLibrary(path, 'E_PLATFORM')
  let addon: A
  try {
    addon = requireFromPackage()(path)
  } catch (error) {
    throw loadError('the native addon', path, 'E_PLATFORM', error)
  }
  addon.setDataRoots(dataRoot, datasetCacheDir())
  const weights = weightsCacheDir()
  if (weights !== undefined) addon.setWeightsFolder(weights)
  return addon
}

/** Checks that an addon was built from the same version of the sources as this package. */
function assertAddonVersion(file: string, version: string): void {
  if (version === VERSION) return
  throw new ResidualError({
    code: 'E_PLATFORM',
    message: `the native addon has version ${version}, and residual has version ${VERSION}`,
    at: { file },
    hint: reinstallHint(),
  })
}
