import { resolve } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import type { CudaSetupProgress } from './progress.js'
import type { CudaPlanOptions, CudaSetupPlan, CudaSourceOptions } from './setup-plan.js'
import type { CudaVerification } from './verify-installation.js'

/** Options of long operations on the CUDA libraries. */
export interface CudaProgressOptions {
  /** Aborts the operation; downloaded bytes are kept for resuming. */
  signal?: AbortSignal | undefined
  onProgress?: ((progress: CudaSetupProgress) => void) | undefined
}

/** Options of `setupCuda()`. */
export interface CudaSetupOptions extends CudaSourceOptions, CudaProgressOptions {
  /**
   * Whether you accept the licenses of PyTorch and NVIDIA, which `planCudaSetup()` lists. Not needed
   * for the libraries of a PyTorch that is installed already.
   */
  acceptLicenses?: boolean | undefined
}

/** Options of `downloadCuda()`. */
export interface CudaDownloadOptions extends CudaProgressOptions {
  indexUrl?: string | undefined
  /** Platform that will use the wheels, such as `linux-x64-gnu`. Default: this platform. */
  platform?: string | undefined
  acceptLicenses?: boolean | undefined
}

/**
 * Returns what `setupCuda()`, or with `downloadOnly` `downloadCuda()`, would do: sources, sizes and
 * licenses. Changes and downloads nothing.
 *
 * @throws {ResidualError} `E_PLATFORM` if the platform has no CUDA, `E_USAGE`, `E_WRITE` without a
 *   cache folder
 *
 * @example
 * const { source, downloadBytes, licenses } = await planCudaSetup()
 * console.log(source, downloadBytes)
 * console.table(licenses)
 */
export async function planCudaSetup(options: CudaPlanOptions = {}): Promise<CudaSetupPlan> {
  const { prepareSetup } = await import('./setup-plan.js')
  return (await prepareSetup(options)).plan
}

/**
 * Installs the CUDA libraries of libtorch in the cache of this user (`residual setup --cuda`), from
 * an installed PyTorch or from wheels with pinned checksums. Processes that load libtorch afterwards
 * use CUDA if the machine has a driver. An interrupted installation resumes.
 *
 * @returns the plan that was executed
 * @throws {ResidualError} `E_USAGE` if the licenses are not accepted, `E_PLATFORM`, `E_DOWNLOAD`,
 *   `E_WRITE`, `E_LIBTORCH` if the libraries do not load, `AbortError`
 *
 * @example
 * const { licenses } = await planCudaSetup()
 * console.table(licenses) // show them to the user, and ask
 * await setupCuda({
 *   acceptLicenses: true,
 *   onProgress: ({ phase, bytes, total }) => console.log(phase, bytes, total),
 * })
 */
export async function setupCuda(options: CudaSetupOptions = {}): Promise<CudaSetupPlan> {
  const { prepareSetup } = await import('./setup-plan.js')
  const { installWheels, linkPython } = await import('./install.js')
  const { plan, wheels, sources, torch } = await prepareSetup(options)
  const { folder, source } = plan
  if (source === 'installed') return plan
  if (torch !== undefined) {
    await linkPython(folder, torch.root, torch.files, options)
    return plan
  }
  assertAccepted(options.acceptLicenses)
  await installWheels(folder, wheels, sources, source === 'bundle' ? 'bundle' : 'download', options)
  return plan
}

/**
 * Downloads the wheels with the CUDA libraries to a folder, from which `setupCuda({ bundle })`
 * installs them on machines without a network.
 *
 * @returns the paths of the wheels
 * @throws {ResidualError} the errors of `setupCuda()`
 *
 * @example
 * await downloadCuda('./wheels', { acceptLicenses: true, platform: 'linux-x64-gnu' })
 */
export async function downloadCuda(
  folder: string,
  options: CudaDownloadOptions = {},
): Promise<string[]> {
  const { prepareSetup } = await import('./setup-plan.js')
  const { fetchBundle } = await import('./install.js')
  const { indexUrl, platform } = options
  const { wheels, sources } = await prepareSetup({ downloadOnly: folder, indexUrl, platform })
  assertAccepted(options.acceptLicenses)
  return await fetchBundle(resolve(folder), wheels, sources, options)
}

/**
 * Compares the SHA-256 checksum of each CUDA library with the manifest of the installation.
 *
 * @throws {ResidualError} `E_LIBTORCH` if nothing is installed, `AbortError`
 *
 * @example
 * const { ok, files } = await verifyCuda()
 * if (!ok) console.error(files.filter(({ problem }) => problem !== null))
 */
export async function verifyCuda({
  signal,
  onProgress,
}: CudaProgressOptions = {}): Promise<CudaVerification> {
  const { requireCudaFolder } = await import('./setup-plan.js')
  const { readCudaInstallation } = await import('../native/cuda-installation.js')
  const { verifyInstallation } = await import('./verify-installation.js')
  const folder = requireCudaFolder()
  if (readCudaInstallation(folder) === undefined) {
    throw new ResidualError({
      code: 'E_LIBTORCH',
      message: `no CUDA libraries are installed in ${folder}`,
      at: { file: folder },
      hint: 'Install them: `residual setup --cuda`.',
    })
  }
  return await verifyInstallation(folder, signal, onProgress)
}

/**
 * Removes the CUDA libraries and their downloads from the cache. A PyTorch of Python is not changed.
 *
 * @returns the folder; null if nothing was installed or downloaded
 *
 * @example
 * const folder = await removeCuda()
 * console.log(folder === null ? 'nothing to remove' : `removed ${folder}`)
 */
export async function removeCuda(): Promise<string | null> {
  const { requireCudaFolder } = await import('./setup-plan.js')
  const { changeInstallation, isPresent, removeInstallation } = await import('./staging.js')
  const folder = requireCudaFolder()
  if (!(await isPresent(folder))) return null
  await changeInstallation(folder, {}, () => removeInstallation(folder))
  return folder
}

function assertAccepted(acceptLicenses: boolean | undefined): void {
  if (acceptLicenses === true) return
  throw new ResidualError({
    code: 'E_USAGE',
    message: 'the licenses of PyTorch and of the libraries of NVIDIA must be accepted',
    at: { key: 'acceptLicenses' },
    hint:
      'Read them with `residual setup --cuda --dry-run`; then pass `acceptLicenses: true`, or ' +
      '`residual setup --cuda --yes`.',
  })
}
