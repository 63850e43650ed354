import { dirname, join } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import { type MissingRequirement, missingCudaRequirement, SETUP_CUDA } from './cuda-requirements.js'
import type { RequestedDevice } from './device.js'
import { libtorchLibrary, loadLibrary } from './libtorch.js'
import { checkLibrary } from './loading/check-library.js'

/** State of CUDA in this process. CUDA can be loaded only together with libtorch. */
export type CudaState =
  | { state: 'loaded' }
  /** A requirement is missing, or the device was `cpu`, in which case `requested` is false. */
  | { state: 'off'; requested: boolean; missing?: MissingRequirement }
  /** All requirements are met, but loading failed. */
  | { state: 'failed'; error: ResidualError }

type FindMissing = () => MissingRequirement | undefined

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
  if (device === 'cpu') return { state: 'off', requested: false }
  const missing = findMissing()
  if (missing !== undefined) return { state: 'off', requested: true, missing }
  const library = join(dirname(libtorchLibrary(device)), 'libtorch_cuda.so')
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
        `Check the libraries with \`residual setup --cuda --verify\`, install them again with ` +
        `${SETUP_CUDA}, or omit \`device\` to use the CPU.`,
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
