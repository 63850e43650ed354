import {
  MIN_DRIVER,
  missingCudaRequirement,
  nvidiaDriverVersion,
  PIP_INSTALL_TORCH,
} from '../native/cuda-requirements.js'
import type { System } from '../native/system.js'
import type { Check } from './diagnosis.js'

/**
 * Checks whether CUDA can be used, or which requirement is missing.
 *
 * @param available whether libtorch reports a CUDA device
 * @param loadError why CUDA failed to load, if it did
 */
export async function checkCuda(
  system: System,
  available: boolean,
  loadError?: string | null,
): Promise<Check[]> {
  const missing = missingCudaRequirement(system)
  const driver = nvidiaDriverVersion(system)
  const checks: Check[] = []
  if (driver !== undefined) {
    const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader']
    const gpus = (await system.run('nvidia-smi', query))?.trim().replaceAll('\n', '; ')
    checks.push({
      name: 'CUDA driver',
      status: driver < MIN_DRIVER ? 'warn' : 'pass',
      detail: gpus || `NVIDIA driver ${driver}`,
      hint: driver < MIN_DRIVER ? missing?.hint : undefined,
    })
  }
  if (available) {
    checks.push({ name: 'CUDA', status: 'pass', detail: 'libtorch reports a CUDA device' })
  } else if (missing === undefined) {
    checks.push({
      name: 'CUDA',
      status: 'warn',
      detail: loadError ?? 'driver and libraries are installed, but libtorch finds no CUDA device',
      hint: loadError
        ? `Reinstall PyTorch for CUDA 13: ${PIP_INSTALL_TORCH}.`
        : 'Check the output of `nvidia-smi`, and the CUDA_VISIBLE_DEVICES variable.',
    })
  } else {
    const { detail, hint, isPartial } = missing
    checks.push({
      name: 'CUDA',
      status: isPartial ? 'warn' : 'off',
      detail: `off: ${detail}`,
      hint,
    })
  }
  return checks
}
