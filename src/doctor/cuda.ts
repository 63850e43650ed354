import { dirname, join } from 'node:path'
import { libtorchLibrary } from '../native/libtorch.js'
import { type Machine, thisMachine } from '../native/system.js'
import type { Check } from './diagnosis.js'

/** The first driver that runs programs of CUDA 13, which libtorch 2.11 is built with. */
const FIRST_DRIVER = 580

/** PCI's number for NVIDIA, and for what draws or computes. */
const [NVIDIA, DISPLAY] = ['0x10de', /^0x03/]

/** The driver's own library, by which every program reaches it. */
const DRIVER_LIBRARY = 'libcuda.so.1'

/** Where it is, beside what the system's linker knows: distributions, and WSL. */
const DRIVER_FOLDERS = [
  ...['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib', '/usr/lib/wsl/lib'],
  ...['/usr/local/cuda/compat', '/usr/local/nvidia/lib64', '/run/opengl-driver/lib'],
]

/** How to come by a libtorch for CUDA: it is too large for npm, and Python's is the same. */
const PYTORCH = 'Install PyTorch for CUDA 13 (`pip install torch==2.11.0`)'
const WHERE = 'python3 -c "import torch; print(torch.__path__[0])"'

/** Why CUDA is off: what is missing first, and what to do about it. */
export interface MissingStep {
  found: string
  next?: string | undefined
  /** There is a GPU, or somebody began to set one up: it is worth a warning. */
  begun: boolean
}

/**
 * The first step to CUDA that is missing on this machine; undefined if all that can be seen without
 * loading anything is there.
 */
export function missingStep(
  machine: Machine = thisMachine,
  libtorch: string | undefined = installedLibtorch(),
): MissingStep | undefined {
  const driver = driverVersion(machine)
  const gpu = driver !== undefined || hasGpu(machine)
  if (!gpu) return { found: 'there is no NVIDIA GPU in this machine', begun: false }
  if (driver === undefined) {
    return {
      found: 'there is an NVIDIA GPU, but its driver is not loaded',
      next:
        `Install NVIDIA's driver, ${FIRST_DRIVER} or later, and start the machine anew; in a ` +
        'container, start that with the GPU (`docker run --gpus all`).',
      begun: true,
    }
  }
  if (driver < FIRST_DRIVER) {
    return {
      found: `NVIDIA's driver is version ${driver}, too old for CUDA 13`,
      next: `Install the driver ${FIRST_DRIVER} or later.`,
      begun: true,
    }
  }
  if (driverLibrary(machine) === undefined) {
    return {
      found: `NVIDIA's driver is loaded, but ${DRIVER_LIBRARY} is not among the system's libraries`,
      next:
        "Install the driver's libraries too (libcuda1, or libnvidia-compute); in a container, " +
        'start that with `--gpus all`.',
      begun: true,
    }
  }
  if (libtorch === undefined || !machine.exists(join(dirname(libtorch), 'libtorch_cuda.so'))) {
    return {
      found: 'the driver is there, but the libtorch that is used is one for CPUs',
      next: `${PYTORCH}, and set RESIDUAL_LIBTORCH to the folder that \`${WHERE}\` prints.`,
      begun: true,
    }
  }
  // A libtorch that is no PyTorch's says nothing, and is tried.
  const about = machine.read(join(dirname(dirname(libtorch)), 'version.py')) ?? ''
  const cuda = /^cuda: .* = '([\d.]+)'$/m.exec(about)?.[1]
  if (cuda !== undefined && !cuda.startsWith('13.')) {
    return {
      found: `the PyTorch that RESIDUAL_LIBTORCH names is built for CUDA ${cuda}, not 13`,
      next: `${PYTORCH}.`,
      begun: true,
    }
  }
  return undefined
}

/** Whether CUDA can be used, or which step to it is missing. */
export async function checkCuda(
  machine: Machine,
  seen: boolean,
  unusable?: string | null,
): Promise<Check[]> {
  const missing = missingStep(machine)
  const driver = driverVersion(machine)
  const checks: Check[] = []
  if (driver !== undefined) {
    const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader']
    const gpus = (await machine.run('nvidia-smi', query))?.trim().replaceAll('\n', '; ')
    checks.push({
      name: 'CUDA driver',
      state: driver < FIRST_DRIVER ? 'warn' : 'pass',
      found: gpus || `NVIDIA's driver ${driver}`,
      next: driver < FIRST_DRIVER ? missing?.next : undefined,
    })
  }
  if (seen) {
    checks.push({ name: 'CUDA', state: 'pass', found: 'libtorch sees a CUDA device' })
  } else if (missing === undefined) {
    checks.push({
      name: 'CUDA',
      state: 'warn',
      found: unusable ?? 'driver and libraries are there, but libtorch sees no CUDA device',
      next: unusable
        ? `${PYTORCH} anew, with all that it needs.`
        : 'Look at what `nvidia-smi` says, and at CUDA_VISIBLE_DEVICES.',
    })
  } else {
    const { found, next, begun } = missing
    checks.push({ name: 'CUDA', state: begun ? 'warn' : 'off', found: `off: ${found}`, next })
  }
  return checks
}

/** The driver's major version, as the kernel tells, or WSL's library proves. */
function driverVersion(machine: Machine): number | undefined {
  const text = machine.read('/proc/driver/nvidia/version')
  const version = /Kernel Module(?: for \S+)?\s+(\d+)\./.exec(text ?? '')?.[1]
  if (version !== undefined) return Number(version)
  // Windows' driver, whose version is not told here.
  const wsl = machine.exists('/dev/dxg') && machine.exists(`/usr/lib/wsl/lib/${DRIVER_LIBRARY}`)
  return wsl ? FIRST_DRIVER : undefined
}

function hasGpu(machine: Machine): boolean {
  const devices = '/sys/bus/pci/devices'
  return machine.list(devices).some((device) => {
    const fact = (name: string) => machine.read(join(devices, device, name))?.trim() ?? ''
    return fact('vendor') === NVIDIA && DISPLAY.test(fact('class'))
  })
}

function driverLibrary(machine: Machine): string | undefined {
  const paths = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean)
  return [...paths, ...DRIVER_FOLDERS]
    .map((folder) => join(folder, DRIVER_LIBRARY))
    .find((path) => machine.exists(path))
}

function installedLibtorch(): string | undefined {
  try {
    return libtorchLibrary()
  } catch {
    return undefined
  }
}
