import { dirname, join } from 'node:path'
import { readCudaInstallation } from './cuda-installation.js'
import { libtorchFolderVariable, libtorchLibrary } from './libtorch.js'
import {
  DRIVER_LIBRARY,
  findDriverLibrary,
  hasNvidiaGpu,
  MIN_DRIVER,
  nvidiaDriverVersion,
} from './nvidia-driver.js'
import { hostSystem, type System } from './system.js'

/** Command that installs libtorch with CUDA. */
export const SETUP_CUDA = '`residual setup --cuda`'

const INSTALL_DRIVER =
  `Install NVIDIA driver ${MIN_DRIVER} or later and restart the machine; start a container with ` +
  'access to the GPU (`docker run --gpus all`).'

/** Why CUDA cannot be used if all requirements are met, and what to check. */
export const NO_CUDA_DEVICE = {
  detail: 'the driver and the CUDA libraries are installed, but libtorch finds no CUDA device',
  hint:
    'Check the output of `nvidia-smi`, the CUDA_VISIBLE_DEVICES variable, the access to ' +
    '/dev/nvidia*, and the libraries: `residual setup --cuda --verify`.',
}

/** The first requirement of CUDA that this machine does not meet. */
export interface MissingRequirement {
  detail: string
  /** Suggested fix, as a sentence; undefined if there is no GPU. */
  hint?: string | undefined
  /** Whether other requirements are met (a GPU exists), so that a warning is appropriate. */
  isPartial: boolean
}

/**
 * Returns the first requirement of CUDA that is not met; undefined if all requirements that can be
 * checked without loading a library are met.
 */
export function missingCudaRequirement(
  system: System = hostSystem,
  libtorch: string | undefined = installedLibtorch(),
): MissingRequirement | undefined {
  const driver = nvidiaDriverVersion(system)
  if (driver === undefined && !hasNvidiaGpu(system)) {
    if (readCudaInstallation() === undefined) {
      return { detail: 'this machine has no NVIDIA GPU', isPartial: false }
    }
    return {
      detail:
        'the CUDA libraries are installed, but this machine has no NVIDIA driver, and no NVIDIA ' +
        'GPU is visible',
      hint: INSTALL_DRIVER,
      isPartial: false,
    }
  }
  const partial = (detail: string, hint: string): MissingRequirement => ({
    detail,
    hint,
    isPartial: true,
  })
  if (driver === undefined) {
    return partial('this machine has an NVIDIA GPU, but the driver is not loaded', INSTALL_DRIVER)
  }
  if (driver < MIN_DRIVER) {
    return partial(
      `NVIDIA driver ${driver} is too old for CUDA 13`,
      `Install NVIDIA driver ${MIN_DRIVER} or later.`,
    )
  }
  if (findDriverLibrary(system) === undefined) {
    return partial(
      `the NVIDIA driver is loaded, but ${DRIVER_LIBRARY} is not installed`,
      "Install the driver's libraries too (libcuda1, or libnvidia-compute); start a container " +
        'with `--gpus all`.',
    )
  }
  if (libtorch === undefined || !system.exists(join(dirname(libtorch), 'libtorch_cuda.so'))) {
    const [detail, hint] = describeMissingLibraries()
    return partial(detail, hint)
  }
  const cuda = cudaVersionOf(system, libtorch)
  if (cuda !== undefined && !cuda.startsWith('13.')) {
    return partial(
      `the PyTorch that ${libtorchFolderVariable()} names is built for CUDA ${cuda}, not 13`,
      `To use CUDA, unset ${libtorchFolderVariable()}, and run ${SETUP_CUDA}.`,
    )
  }
  return undefined
}

/** Describes why the libtorch in use has no CUDA libraries, and what to do. */
function describeMissingLibraries(): [detail: string, hint: string] {
  const variable = libtorchFolderVariable()
  if (variable !== undefined) {
    return [
      `the NVIDIA driver is installed, but ${variable} names a CPU build of libtorch`,
      `To use CUDA, unset ${variable}, and run ${SETUP_CUDA}.`,
    ]
  }
  const installation = readCudaInstallation()
  if (installation?.status === 'damaged') {
    return [
      `the installed CUDA libraries cannot be used: ${installation.problem}`,
      `To install them again, run ${SETUP_CUDA}.`,
    ]
  }
  return [
    'the NVIDIA driver is installed, but the CUDA libraries are not',
    `To use CUDA, run ${SETUP_CUDA}.`,
  ]
}

/** Returns the CUDA version of a PyTorch; undefined for a libtorch without `version.py`. */
export function cudaVersionOf(system: System, libtorch: string): string | undefined {
  const source = system.read(join(dirname(dirname(libtorch)), 'version.py')) ?? ''
  return /^cuda: .* = '([\d.]+)'$/m.exec(source)?.[1]
}

function installedLibtorch(): string | undefined {
  try {
    return libtorchLibrary()
  } catch {
    return undefined
  }
}
