import { dirname, join } from 'node:path'
import { libtorchLibrary } from './libtorch.js'
import { hostSystem, type System } from './system.js'

/** The oldest driver that supports CUDA 13, which libtorch 2.11 is built with. */
export const MIN_DRIVER = 580

/** PCI vendor id of NVIDIA, and class prefix of display controllers. */
const [NVIDIA_VENDOR, DISPLAY_CLASS] = ['0x10de', /^0x03/]

/** The driver's user-space library, through which every program reaches the GPU. */
const DRIVER_LIBRARY = 'libcuda.so.1'

/** Folders of the driver library on common distributions, in containers and in WSL. */
const DRIVER_FOLDERS = [
  ...['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib', '/usr/lib/wsl/lib'],
  ...['/usr/local/cuda/compat', '/usr/local/nvidia/lib64', '/run/opengl-driver/lib'],
]

/** Command that installs libtorch with CUDA, which is too large for npm, in PyTorch's wheel. */
export const PIP_INSTALL_TORCH = '`pip install torch==2.11.0`'
const INSTALL_PYTORCH = `install PyTorch for CUDA 13 (${PIP_INSTALL_TORCH})`
const PRINT_TORCH_FOLDER = 'python3 -c "import torch; print(torch.__path__[0])"'

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
    return { detail: 'this machine has no NVIDIA GPU', isPartial: false }
  }
  const partial = (detail: string, hint: string): MissingRequirement => ({
    detail,
    hint,
    isPartial: true,
  })
  if (driver === undefined) {
    return partial(
      'this machine has an NVIDIA GPU, but the driver is not loaded',
      `Install NVIDIA driver ${MIN_DRIVER} or later and restart the machine; start a container with ` +
        'access to the GPU (`docker run --gpus all`).',
    )
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
    return partial(
      'the NVIDIA driver is installed, but the libtorch in use is a CPU build',
      `To use CUDA, ${INSTALL_PYTORCH} and set RESIDUAL_LIBTORCH to the folder that ` +
        `\`${PRINT_TORCH_FOLDER}\` prints.`,
    )
  }
  const cuda = cudaVersionOf(system, libtorch)
  if (cuda !== undefined && !cuda.startsWith('13.')) {
    return partial(
      `the PyTorch that RESIDUAL_LIBTORCH names is built for CUDA ${cuda}, not 13`,
      `To use CUDA, ${INSTALL_PYTORCH}.`,
    )
  }
  return undefined
}

/** Returns the driver's major version, as the kernel module or WSL reports it. */
export function nvidiaDriverVersion(system: System): number | undefined {
  const text = system.read('/proc/driver/nvidia/version')
  const version = /Kernel Module(?: for \S+)?\s+(\d+)\./.exec(text ?? '')?.[1]
  if (version !== undefined) return Number(version)
  // WSL does not expose the version of the Windows driver; it is assumed to be recent enough.
  const isWsl = system.exists('/dev/dxg') && system.exists(`/usr/lib/wsl/lib/${DRIVER_LIBRARY}`)
  return isWsl ? MIN_DRIVER : undefined
}

function hasNvidiaGpu(system: System): boolean {
  const devices = '/sys/bus/pci/devices'
  return system.list(devices).some((device) => {
    const attribute = (name: string) => system.read(join(devices, device, name))?.trim() ?? ''
    return attribute('vendor') === NVIDIA_VENDOR && DISPLAY_CLASS.test(attribute('class'))
  })
}

function findDriverLibrary(system: System): string | undefined {
  const searchPath = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean)
  return [...searchPath, ...DRIVER_FOLDERS]
    .map((folder) => join(folder, DRIVER_LIBRARY))
    .find((path) => system.exists(path))
}

/** Returns the CUDA version of a PyTorch; undefined for a libtorch without `version.py`. */
function cudaVersionOf(system: System, libtorch: string): string | undefined {
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
