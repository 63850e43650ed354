import { availableParallelism } from 'node:os'
import type { Machine } from '../native/system.js'
import type { Check } from './diagnosis.js'

/** What libtorch, once it is loaded, says of this machine. */
export interface TorchFacts {
  /** Its version. */
  libtorch: string
  /** The instructions that its kernels use: `AVX512`, `AVX2`, `DEFAULT`. */
  cpuCapability: string
  machine: { cores: number; bf16: boolean; cuda: boolean; cudaBf16?: boolean | undefined }
  /** Why CUDA could not be loaded, where all that can be seen of it is there. */
  cudaUnusable?: string | null
}

/** The processor, the precision that is chosen and why, and how many threads. */
export function checkCpu(machine: Machine, facts: TorchFacts | undefined): Check[] {
  const info = machine.read('/proc/cpuinfo') ?? ''
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(info)?.[1]?.trim()
  const flags = new Set(field('flags')?.split(' '))
  const model = field('model name') ?? 'unknown'
  return [
    capability(model, flags, facts),
    precision(field('vendor_id'), flags, facts),
    threads(machine, facts),
  ]
}

function capability(model: string, flags: Set<string>, facts: TorchFacts | undefined): Check {
  const best = flags.has('avx512f')
    ? 'AVX512'
    : flags.has('avx2')
      ? 'AVX2'
      : 'neither AVX2 nor AVX512'
  const found = `${model}, ${best}`
  if (!flags.has('avx2')) {
    const next = 'Expect it to be slow: libtorch has no fast kernels for this processor.'
    return { name: 'CPU', state: 'warn', found, next }
  }
  const used = facts?.cpuCapability.toUpperCase()
  if (used === undefined || used.includes(best)) return { name: 'CPU', state: 'pass', found }
  return {
    name: 'CPU',
    state: 'warn',
    found: `${found}; libtorch uses ${used} only`,
    next: 'Unset ATEN_CPU_CAPABILITY, if that is set.',
  }
}

/** Which of bf16 and fp32 `precision: 'auto'` takes. */
function precision(
  vendor: string | undefined,
  flags: Set<string>,
  facts: TorchFacts | undefined,
): Check {
  if (facts?.machine.cuda) {
    const found = facts.machine.cudaBf16
      ? 'bf16: this card multiplies bfloat16'
      : 'fp32 (as TF32, where the card has that): it does not multiply bfloat16'
    return { name: 'precision', state: 'pass', found }
  }
  const has = [
    ...(flags.has('amx_bf16') ? ['AMX'] : []),
    ...(flags.has('avx512_bf16') ? ['AVX512_BF16'] : []),
  ]
  const why =
    has.length === 0
      ? 'this CPU has no instructions for bfloat16'
      : has.includes('AMX')
        ? 'its AMX tiles multiply bfloat16 faster'
        : vendor === 'AuthenticAMD'
          ? 'its AVX512_BF16 multiplies bfloat16 faster'
          : "Intel's AVX512_BF16 alone is no faster than its fp32"
  const chosen =
    facts?.machine.bf16 ?? (has.includes('AMX') || (has.length > 0 && vendor === 'AuthenticAMD'))
  return { name: 'precision', state: 'pass', found: `${chosen ? 'bf16' : 'fp32'}: ${why}` }
}

function threads(machine: Machine, facts: TorchFacts | undefined): Check {
  const logical = availableParallelism()
  const cores = facts?.machine.cores ?? logical
  const found = `${cores} for the arithmetic and ${cores} for images (${logical} logical processors)`
  const allowed = quota(machine)
  if (allowed === undefined || allowed >= cores) return { name: 'threads', state: 'pass', found }
  const fair = Math.max(1, Math.floor(allowed))
  return {
    name: 'threads',
    state: 'warn',
    found: `${found}, but this container may use ${allowed} only`,
    next: `Train with \`threads=${fair} workers=${fair}\`.`,
  }
}

/** Processors that a container's limit lets it use. */
function quota(machine: Machine): number | undefined {
  const [most, period] = (machine.read('/sys/fs/cgroup/cpu.max') ?? '')
    .trim()
    .split(' ')
    .map(Number)
  if (most === undefined || period === undefined || !(most > 0) || !(period > 0)) return undefined
  return most / period
}
