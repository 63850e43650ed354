import { ResidualError } from '../errors/errors.js'
import { hostSystem } from './system.js'

/** Address space in bytes that the addon without libtorch occupies, with its threads. */
export const CORE_ADDRESS_SPACE = 64e6
/** Address space in bytes that libtorch and its threads occupy. */
export const LIBTORCH_ADDRESS_SPACE = 600e6
/** Address space in bytes that Node with this package occupies if there is no limit. */
const NODE_ADDRESS_SPACE = 1100e6
/**
 * Address space in bytes that the training of a small network occupies in addition: 640 MB on two
 * cores, and a margin, because an allocation of the core that fails aborts the process.
 */
const TRAINING_ADDRESS_SPACE = 800e6

/**
 * Checks that the limit of address space suffices for libtorch, before it is loaded, and training.
 *
 * @throws {ResidualError} `E_MEMORY`
 */
export function assertTrainingAddressSpace(): void {
  assertAddressSpace('training', LIBTORCH_ADDRESS_SPACE + TRAINING_ADDRESS_SPACE, 'E_MEMORY')
}

/**
 * Checks that the limit of address space (`ulimit -v`) leaves enough for a library. Without enough, the
 * system's dynamic loader does not say why it fails, and libtorch aborts the process.
 *
 * @param user the library or work, for the message
 * @param bytes address space that it occupies
 * @throws {ResidualError} with `code`
 */
export function assertAddressSpace(
  user: string,
  bytes: number,
  code: 'E_LIBTORCH' | 'E_MEMORY' | 'E_PLATFORM',
): void {
  const limits = hostSystem.read('/proc/self/limits') ?? ''
  const limit = Number(/^Max address space +(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
  const status = hostSystem.read('/proc/self/status') ?? ''
  const used = 1024 * Number(/^VmSize:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0)
  if (limit - used >= bytes) return
  const megabytes = (value: number) => `${Math.floor(Math.max(0, value) / 1e6)} MB`
  const total = Math.max(used, NODE_ADDRESS_SPACE) + LIBTORCH_ADDRESS_SPACE + TRAINING_ADDRESS_SPACE
  const needed = 1e8 * Math.ceil(total / 1e8)
  throw new ResidualError({
    code,
    message:
      `${user} needs ${megabytes(bytes)} of address space, and the limit of this process ` +
      `(${megabytes(limit)}) leaves ${megabytes(limit - used)}`,
    hint:
      `Raise the limit to at least ${megabytes(needed)}, for example with ` +
      `\`ulimit -v ${Math.ceil(needed / 1024)}\`, or remove it with \`ulimit -v unlimited\`.`,
  })
}
