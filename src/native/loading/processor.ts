import { ResidualError } from '../../errors/errors.js'
import { hostSystem, type System } from '../system.js'

/**
 * Checks that the processor has the instructions that libtorch requires: on Arm, atomic
 * instructions (LSE, Armv8.1). Without them, as on a Raspberry Pi 4, the first prediction would end
 * the process with SIGILL.
 *
 * @throws {ResidualError} `E_PLATFORM`
 */
export function assertProcessor(
  system: System = hostSystem,
  cpu: NodeJS.Architecture = process.arch,
): void {
  if (cpu !== 'arm64') return
  const features = /^Features\s*:(.*)$/m.exec(system.read('/proc/cpuinfo') ?? '')?.[1]
  if (features === undefined || features.split(/\s+/).includes('atomics')) return
  throw new ResidualError({
    code: 'E_PLATFORM',
    message: 'this processor has no atomic instructions (LSE), which libtorch needs',
    at: { file: '/proc/cpuinfo' },
    hint: 'Use a processor with Armv8.1 or later, such as Raspberry Pi 5, AWS Graviton2 or Apple M1.',
  })
}
