import { readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { hostSystem, type System } from '../system.js'

/**
 * Returns the name of the program that translates this process for another processor, such as
 * `qemu-x86_64`; undefined if the processor executes the process itself. Rosetta on macOS is not
 * considered, because no package supports it (`supportedPlatform`).
 */
export function emulator(
  system: System = hostSystem,
  readLink: (path: string) => string = readlinkSync,
): string | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    // QEMU imitates /proc/self, but not /proc/thread-self.
    const program = basename(readLink('/proc/thread-self/exe'))
    if (/^(qemu|rosetta|box64|fex)/i.test(program)) return program
  } catch {
    // Without /proc, the processor is the only sign.
  }
  // Rosetta in a virtual machine of macOS, as in Docker Desktop.
  return /VirtualApple/.test(system.read('/proc/cpuinfo') ?? '') ? 'Rosetta' : undefined
}
