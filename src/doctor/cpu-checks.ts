import { availableParallelism } from 'node:os'
import type { System } from '../native/system.js'
import type { Check } from './diagnosis.js'

/** Properties of this machine that the addon with libtorch reports. */
export interface TorchEnvironment {
  /** Version of libtorch. */
  libtorch: string
  /** Instruction set of its CPU kernels: `AVX512`, `AVX2`, `DEFAULT`. */
  cpuCapability: string
  machine: { cores: number; bf16: boolean; cuda: boolean; cudaBf16?: boolean | undefined }
  /** Why CUDA failed to load although driver and libraries are installed. */
  cudaUnusable?: string | null
}

/** Checks the CPU, the precision that `precision: 'auto'` selects, and the number of threads. */
export function checkCpu(system: System, torch: TorchEnvironment | undefined): Check[] {
  const info = system.read('/proc/cpuinfo') ?? ''
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(info)?.[1]?.trim()
  // x86 and Arm, respectively. Arm kernels name no model.
  const flags = new Set((field('flags') ?? field('Features'))?.split(' '))
  const model = field('model name') ?? 'unknown model'
  return [
    checkCapability(model, flags, torch),
    checkPrecision(field('vendor_id'), flags, torch),
    checkThreads(system, torch),
  ]
}

function checkCapability(
  model: string,
  flags: Set<string>,
  torch: TorchEnvironment | undefined,
): Check {
  // `asimd` is Linux's name of NEON, for which every kernel of libtorch on Arm is compiled.
  if (flags.has('asimd')) return { name: 'CPU', status: 'pass', detail: `${model}, NEON` }
  const best = flags.has('avx512f')
    ? 'AVX512'
    : flags.has('avx2')
      ? 'AVX2'
      : 'neither AVX2 nor AVX512'
  const detail = `${model}, ${best}`
  if (!flags.has('avx2')) {
    const hint = 'Training will be slow: libtorch has no fast kernels for this processor.'
    return { name: 'CPU', status: 'warn', detail, hint }
  }
  const used = torch?.cpuCapability.toUpperCase()
  if (used === undefined || used.includes(best)) return { name: 'CPU', status: 'pass', detail }
  return {
    name: 'CPU',
    status: 'warn',
    detail: `${detail}; libtorch uses only ${used}`,
    hint: 'Unset ATEN_CPU_CAPABILITY, if it is set.',
  }
}

/** Reports whether `precision: 'auto'` selects bf16 or fp32, and why. */
function checkPrecision(
  vendor: string | undefined,
  flags: Set<string>,
  torch: TorchEnvironment | undefined,
): Check {
  if (torch?.machine.cuda) {
    const detail = torch.machine.cudaBf16
      ? 'bf16: this GPU has bfloat16 arithmetic'
      : 'fp32 (TF32 where the GPU has it): this GPU has no bfloat16 arithmetic'
    return { name: 'precision', status: 'pass', detail }
  }
  if (flags.has('asimd')) {
    const detail = 'fp32: the speed of bfloat16 on Arm has not been measured'
    return { name: 'precision', status: 'pass', detail }
  }
  const hasAmx = flags.has('amx_bf16')
  const hasAvx = flags.has('avx512_bf16')
  const isAmd = vendor === 'AuthenticAMD'
  const reason = hasAmx
    ? 'the AMX tiles of this CPU multiply bfloat16 faster'
    : !hasAvx
      ? 'this CPU has no bfloat16 instructions'
      : isAmd
        ? 'AVX512_BF16 on AMD multiplies bfloat16 faster'
        : "Intel's AVX512_BF16 without AMX is no faster than fp32"
  const useBf16 = torch?.machine.bf16 ?? (hasAmx || (hasAvx && isAmd))
  return { name: 'precision', status: 'pass', detail: `${useBf16 ? 'bf16' : 'fp32'}: ${reason}` }
}

function checkThreads(system: System, torch: TorchEnvironment | undefined): Check {
  const logical = availableParallelism()
  const cores = torch?.machine.cores ?? logical
  const detail = `${cores} for computation, ${cores} for image loading (${logical} logical processors)`
  const quota = cpuQuota(system)
  if (quota === undefined || quota >= cores) return { name: 'threads', status: 'pass', detail }
  const threads = Math.max(1, Math.floor(quota))
  return {
    name: 'threads',
    status: 'warn',
    detail: `${detail}, but this container is limited to ${quota}`,
    hint: `Train with \`threads=${threads} workers=${threads}\`.`,
  }
}

/** Returns the number of processors that the container's cgroup allows. */
function cpuQuota(system: System): number | undefined {
  const [max, period] = (system.read('/sys/fs/cgroup/cpu.max') ?? '').trim().split(' ').map(Number)
  if (max === undefined || period === undefined || !(max > 0) || !(period > 0)) return undefined
  return max / period
}
