import { join } from 'node:path'
import type { System } from './system.js'

/** The oldest driver that supports CUDA 13, which libtorch 2.11 is built with. */
export const MIN_DRIVER = 580

/** PCI vendor id of NVIDIA, and class prefix of display controllers. */
const [NVIDIA_VENDOR, DISPLAY_CLASS] = ['0x10de', /^0x03/]

/** The driver's user-space library, through which every program reaches the GPU. */
export const DRIVER_LIBRARY = 'libcuda.so.1'

/** Folders of the driver library on common distributions, in containers and in WSL. */
const DRIVER_FOLDERS = [
  ...['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib'],
  ...['/usr/lib/wsl/lib', '/usr/local/cuda/compat', '/usr/local/nvidia/lib64'],
  '/run/opengl-driver/lib',
]

/** Returns the driver's major version, as the kernel module or WSL reports it. */
export function nvidiaDriverVersion(system: System): number | undefined {
  const text = system.read('/proc/driver/nvidia/version')
  const version = /Kernel Module(?: for \S+)?\s+(\d+)\./.exec(text ?? '')?.[1]
  if (version !== undefined) return Number(version)
  // WSL does not expose the version of the Windows driver; it is assumed to be recent enough.
  const isWsl = system.exists('/dev/dxg') && system.exists(`/usr/lib/wsl/lib/${DRIVER_LIBRARY}`)
  return isWsl ? MIN_DRIVER : undefined
}

/** Returns whether the machine has a display controller of NVIDIA, with or without a driver. */
export function hasNvidiaGpu(system: System): boolean {
  const devices = '/sys/bus/pci/devices'
  return system.list(devices).some((device) => {
    const attribute = (name: string) => system.read(join(devices, device, name))?.trim() ?? ''
    return attribute('vendor') === NVIDIA_VENDOR && DISPLAY_CLASS.test(attribute('class'))
  })
}

/** Returns the path of the driver's user-space library. */
export function findDriverLibrary(system: System): string | undefined {
  const searchPath = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean)
  return [...searchPath, ...DRIVER_FOLDERS]
    .map((folder) => join(folder, DRIVER_LIBRARY))
    .find((path) => system.exists(path))
}

/** Returns whether a driver that supports CUDA 13 is installed with its library. */
export function hasUsableDriver(system: System): boolean {
  const driver = nvidiaDriverVersion(system)
  return driver !== undefined && driver >= MIN_DRIVER && findDriverLibrary(system) !== undefined
}
