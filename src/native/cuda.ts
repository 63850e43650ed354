import { dirname, join } from 'node:path'
import { type MissingStep, missingStep } from '../doctor/cuda.js'
import { ResidualError } from '../errors/errors.js'
import { checkLibrary } from './elf.js'
import { libtorchLibrary, loadLibrary } from './libtorch.js'

/** What is asked for; `auto` is CUDA where it can be used. */
export type Device = 'cpu' | 'cuda' | 'auto'

/** How CUDA is in this process, decided when libtorch is loaded, for later it would be lost. */
export type Cuda =
  | { state: 'loaded' }
  /** A step to it is missing, or it was not asked for. */
  | { state: 'off'; asked: boolean }
  /** All that can be seen is there, but it could not be loaded. */
  | { state: 'failed'; error: ResidualError }

type Missing = () => MissingStep | undefined

/** The device that a configuration or a request asks for; nobody has checked it yet. */
export function deviceIn(said: unknown): Device {
  const device = (said as { device?: unknown } | null | undefined)?.device
  return device === 'cpu' || device === 'cuda' ? device : 'auto'
}

/**
 * Loads libtorch_cuda, with the libraries that it needs itself, where a driver waits for it: 0.3 to
 * 0.5 s and 240 MB, which nobody else shall pay. Between libtorch_cpu and the first call of libtorch.
 *
 * @param shim of ours, which then has to be loaded by the addon
 * @param missing looks for a step to CUDA that is missing
 */
export function loadCuda(device: Device, shim: string, missing: Missing = missingStep): Cuda {
  if (device === 'cpu' || missing() !== undefined) {
    return { state: 'off', asked: device !== 'cpu' }
  }
  const library = join(dirname(libtorchLibrary()), 'libtorch_cuda.so')
  try {
    checkLibrary(shim)
    loadLibrary(library)
    return { state: 'loaded' }
  } catch (error) {
    return { state: 'failed', error: unusable((error as Error).message, library, error) }
  }
}

/** That CUDA is there, but does not work. */
export function unusable(reason: string, file: string, cause?: unknown): ResidualError {
  return new ResidualError(
    {
      code: 'E_DEVICE',
      message: `CUDA could not be loaded: ${reason}`,
      at: { file },
      hint:
        'Install PyTorch 2.11.0 for CUDA 13 anew, with all that it needs, or leave `device` out to ' +
        'use the CPU. `residual doctor` looks at everything.',
    },
    { cause },
  )
}

/**
 * Refuses a device that this process can no longer have.
 *
 * @throws {ResidualError} `E_DEVICE` where CUDA is asked for and did not load, or was not loaded
 */
export function refuseLost(device: Device, cuda: Cuda, missing: Missing = missingStep): void {
  if (device !== 'cuda') return
  if (cuda.state === 'failed') throw cuda.error
  // A step that is missing is told by the core's refusal.
  if (cuda.state !== 'off' || cuda.asked || missing() !== undefined) return
  throw new ResidualError({
    code: 'E_DEVICE',
    message: "this process has begun with `device: 'cpu'`, and cannot take CUDA up any more",
    at: { key: 'device' },
    hint: "Use another process for CUDA, or begin with what is to run there ('auto' will do).",
  })
}
