import { dirname, join } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import { type MissingRequirement, missingCudaRequirement } from './cuda-requirements.js'
import { libtorchLibrary, loadLibrary } from './libtorch.js'
import { checkLibrary } from './loading/check-library.js'

/** The `device` key of a configuration; `auto` is CUDA if it can be used, otherwise the CPU. */
export type RequestedDevice = 'cpu' | 'cuda' | 'auto'

/** State of CUDA in this process. CUDA can be loaded only together with libtorch. */
export type CudaState =
  | { state: 'loaded' }
  /** A requirement is missing, or the device was `cpu`, in which case `requested` is false. */
  | { state: 'off'; requested: boolean }
  /** All requirements are met, but loading failed. */
  | { state: 'failed'; error: ResidualError }

type FindMissing = () => MissingRequirement | undefined

/** Returns the `device` of a configuration or request that has not been validated yet. */
export function requestedDevice(config: unknown): RequestedDevice {
  const device = (config as { device?: unknown } | null | undefined)?.device
  return device === 'cpu' || device === 'cuda' ? device : 'auto'
}

/**
 * Loads libtorch_cuda and its dependencies if CUDA can be used. Takes 0.3 to 0.5 s and 240 MB, so
 * it is skipped on machines without a driver. Must run after libtorch_cpu is loaded and before the
 * first call into libtorch.
 *
 * @param shim path of residual-cuda.so, which the addon loads afterwards
 */
export function loadCuda(
  device: RequestedDevice,
  shim: string,
  findMissing: FindMissing = missingCudaRequirement,
): CudaState {
  if (device === 'cpu' || findMissing() !== undefined) {
    return { state: 'off', requested: device !== 'cpu' }
  }
  const library = join(dirname(libtorchLibrary()), 'libtorch_cuda.so')
  try {
    checkLibrary(shim, 'E_LIBTORCH')
    loadLibrary(library)
    return { state: 'loaded' }
  } catch (error) {
    return { state: 'failed', error: cudaLoadError((error as Error).message, library, error) }
  }
}

/** Creates the error for a CUDA installation that fails to load. */
export function cudaLoadError(reason: string, file: string, cause?: unknown): ResidualError {
  return new ResidualError(
    {
      code: 'E_DEVICE',
      message: `CUDA could not be loaded: ${reason}`,
      at: { file },
      hint:
        'Reinstall PyTorch 2.11.0 for CUDA 13 with all its dependencies, or omit `device` to use ' +
        'the CPU. `residual doctor` checks the installation.',
    },
    { cause },
  )
}

/**
 * Throws if CUDA is requested and this process cannot use it.
 *
 * @throws {ResidualError} `E_DEVICE` if CUDA failed to load, or was not loaded with libtorch
 */
export function assertCudaLoaded(
  device: RequestedDevice,
  cuda: CudaState,
  findMissing: FindMissing = missingCudaRequirement,
): void {
  if (device !== 'cuda') return
  if (cuda.state === 'failed') throw cuda.error
  // The core reports a missing requirement.
  if (cuda.state !== 'off' || cuda.requested || findMissing() !== undefined) return
  throw new ResidualError({
    code: 'E_DEVICE',
    message: "CUDA cannot be loaded any more: this process loaded libtorch with `device: 'cpu'`",
    at: { key: 'device' },
    hint: "Use a separate process for CUDA, or load with `device: 'auto'` first.",
  })
}
