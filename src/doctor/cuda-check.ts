import { dirname, join } from 'node:path'
import { withCommandName } from '../errors/command-name.js'
import { CUDA_BUILD, readCudaInstallation } from '../native/cuda-installation.js'
import {
  cudaVersionOf,
  missingCudaRequirement,
  NO_CUDA_DEVICE,
  SETUP_CUDA,
} from '../native/cuda-requirements.js'
import { libtorchFolderVariable, libtorchLibrary } from '../native/libtorch.js'
import { MIN_DRIVER, nvidiaDriverVersion } from '../native/nvidia-driver.js'
import type { System } from '../native/system.js'
import type { Check } from './diagnosis.js'

/** The lowest compute capability that CUDA 13 supports: Turing. */
const MIN_CAPABILITY = 7.5

/** A GPU, as nvidia-smi describes it. */
interface Gpu {
  name: string
  memory: string
  driver: string
  /** Compute capability; NaN if nvidia-smi is too old to report it. */
  capability: number
}

/**
 * Checks driver, runtime libraries and compute capability, and names the first requirement of CUDA
 * that is missing.
 *
 * @param available whether libtorch reports a CUDA device
 * @param loadError why CUDA failed to load, if it did
 */
export async function checkCuda(
  system: System,
  available: boolean,
  loadError?: string | null,
): Promise<Check[]> {
  const driver = nvidiaDriverVersion(system)
  const gpus = driver === undefined ? [] : await queryGpus(system)
  const checks = [checkDriver(driver, gpus), checkRuntime(system)].filter(
    (check) => check !== undefined,
  )
  return [...checks, checkUse(system, gpus, available, loadError)].map(({ hint, ...check }) => ({
    ...check,
    hint: hint && withCommandName(hint),
  }))
}

async function queryGpus(system: System): Promise<Gpu[]> {
  const query = (fields: string) =>
    system.run('nvidia-smi', [`--query-gpu=${fields}`, '--format=csv,noheader'])
  const fields = 'name,memory.total,driver_version'
  const output = (await query(`${fields},compute_cap`)) ?? (await query(fields)) ?? ''
  return output
    .split('\n')
    .map((line) => line.split(',').map((field) => field.trim()))
    .filter(([name]) => name !== '')
    .map(([name = '', memory = '', version = '', capability]) => {
      return { name, memory, driver: version, capability: Number(capability ?? Number.NaN) }
    })
}

function checkDriver(driver: number | undefined, gpus: readonly Gpu[]): Check | undefined {
  if (driver === undefined) return undefined
  const detail = gpus.map(({ name, memory, driver: version, capability }) => {
    const suffix = Number.isNaN(capability) ? '' : `, compute capability ${capability.toFixed(1)}`
    return `${name}, ${memory}, driver ${version}${suffix}`
  })
  return {
    name: 'CUDA driver',
    status: driver < MIN_DRIVER ? 'warn' : 'pass',
    detail: detail.join('; ') || `NVIDIA driver ${driver}`,
  }
}

/** Describes the CUDA libraries: of the folder in use, or of those that setup installed. */
function checkRuntime(system: System): Check | undefined {
  const name = 'CUDA runtime'
  const variable = libtorchFolderVariable()
  if (variable !== undefined) {
    const cuda = cudaVersionInUse(system)
    if (cuda === undefined) return undefined
    return { name, status: 'pass', detail: `CUDA ${cuda} in the folder that ${variable} names` }
  }
  const installation = readCudaInstallation()
  if (installation === undefined) return undefined
  if (installation.status === 'damaged') {
    const { problem: detail } = installation
    return { name, status: 'warn', detail, hint: `Install the libraries again: ${SETUP_CUDA}.` }
  }
  const { root, manifest } = installation
  const detail = `CUDA ${manifest.cuda}, libtorch ${manifest.libtorch} in ${root}`
  return { name, status: 'pass', detail }
}

function cudaVersionInUse(system: System): string | undefined {
  try {
    const library = libtorchLibrary()
    if (!system.exists(join(dirname(library), 'libtorch_cuda.so'))) return undefined
    return cudaVersionOf(system, library) ?? `of libtorch ${CUDA_BUILD.libtorch}`
  } catch {
    return undefined // the check of libtorch reports the error
  }
}

function checkUse(
  system: System,
  gpus: readonly Gpu[],
  available: boolean,
  loadError: string | null | undefined,
): Check {
  const name = 'CUDA'
  // CUDA lists the fastest GPU first, so that an old one beside it is not used.
  const [first] = gpus
  if (first !== undefined && gpus.every(({ capability }) => capability < MIN_CAPABILITY)) {
    const { name: gpu, capability } = first
    return {
      name,
      status: 'warn',
      detail:
        `off: CUDA ${CUDA_BUILD.cuda} does not support ${gpu} ` +
        `(compute capability ${capability.toFixed(1)})`,
      hint:
        `Use a GPU with compute capability ${MIN_CAPABILITY} or later (Turing, 2018), ` +
        'or the CPU.',
    }
  }
  if (available) return { name, status: 'pass', detail: 'libtorch reports a CUDA device' }
  const missing = missingCudaRequirement(system)
  if (missing !== undefined) {
    const { detail, hint, isPartial } = missing
    return { name, status: isPartial ? 'warn' : 'off', detail: `off: ${detail}`, hint }
  }
  return {
    name,
    status: 'warn',
    detail: loadError ?? NO_CUDA_DEVICE.detail,
    hint: NO_CUDA_DEVICE.hint,
  }
}
