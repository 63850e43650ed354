import { copyFile, mkdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { throwIfAborted, toWriteError } from '../download/download-error.js'
import type { DownloadRetry, RetryPolicy } from '../download/http.js'
import { AbortError, ResidualError } from '../errors/errors.js'
import {
  CUDA_BUILD,
  type CudaManifest,
  type InstalledFile,
  readCudaInstallation,
} from '../native/cuda-installation.js'
import { fetchWheel, findWheels } from './fetch-wheel.js'
import { downloadBytes, type PinnedWheel } from './pinned-wheel.js'
import type { OnCudaSetupProgress } from './progress.js'
import type { WheelSources } from './sources/wheel-sources.js'
import {
  type ChangeOptions,
  changeInstallation,
  downloadsFolder,
  freeBytesIn,
  receivedBytes,
  replaceInstallation,
} from './staging.js'
import { tryLoading as tryLoadingLibraries } from './try-load.js'
import { unpackWheel } from './unpack-wheel.js'

/** Free space that must remain, for example for the manifest. */
const DISK_RESERVE = 50e6

const LOAD_HINT = 'Nothing was installed. Run `residual doctor` to check this machine.'

const REMOVE_HINT = ', and `residual setup --cuda --remove` deletes them'

const PYTHON_HINT =
  'Nothing was installed. Run `residual setup --cuda --no-python` to download the libraries instead ' +
  'of using those of PyTorch.'

/** Options of an installation; those in the second part are for tests. */
export interface InstallOptions extends Omit<ChangeOptions, 'onWait'> {
  onProgress?: OnCudaSetupProgress | undefined

  policy?: RetryPolicy | undefined
  freeBytes?: ((folder: string) => Promise<number>) | undefined
  tryLoading?: ((root: string, signal?: AbortSignal) => Promise<string | undefined>) | undefined
}

/**
 * Installs wheels in `folder`, unless a complete installation is there. All files are staged,
 * loaded once, and then renamed, so that `folder` never contains a part of an installation. A lock
 * serializes processes.
 *
 * @throws {ResidualError} `E_DOWNLOAD`, `E_WRITE`, `E_LIBTORCH` if the libraries do not load,
 *   `AbortError`
 */
export async function installWheels(
  folder: string,
  wheels: readonly PinnedWheel[],
  sources: WheelSources,
  source: CudaManifest['source'],
  options: InstallOptions = {},
): Promise<void> {
  await changeInstallation(folder, reportWait(folder, options), async () => {
    // Another process may have completed the installation in the meantime.
    if (readCudaInstallation(folder)?.status === 'complete') return
    const downloads = downloadsFolder(folder)
    try {
      const paths = await fetchWheels(downloads, wheels, sources, {
        ...options,
        installedBytes: wheels.reduce((sum, wheel) => sum + wheel.installedBytes, 0),
      })
      await replaceInstallation(folder, async (staging) => {
        const files = await unpackAll(paths, wheels, staging, options)
        await assertLoadable(staging, LOAD_HINT, options)
        return createManifest(source, null, files)
      })
    } catch (error) {
      throw await describeAbort(error, downloads, wheels, REMOVE_HINT)
    }
    await rm(downloads, { recursive: true, force: true })
  })
}

/** Adds to the error of an abort how much of the download is kept. Returns other errors as they are. */
async function describeAbort(
  error: unknown,
  downloads: string,
  wheels: readonly PinnedWheel[],
  removal: string,
): Promise<unknown> {
  if (!(error instanceof AbortError)) return error
  const bytes = await receivedBytes(downloads, wheels)
  if (bytes === 0) return error
  const size = bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : gigabytes(bytes)
  const hint = `${size} of downloads are kept in ${downloads}: the same command resumes${removal}.`
  return new AbortError(error.message, undefined, error.cause, hint)
}

/** Downloads wheels to a folder, from which they can be installed later. */
export async function fetchBundle(
  folder: string,
  wheels: readonly PinnedWheel[],
  sources: WheelSources,
  options: InstallOptions = {},
): Promise<string[]> {
  try {
    const paths = await fetchWheels(folder, wheels, sources, { ...options, installedBytes: 0 })
    for (const path of paths) {
      // A wheel of a local folder of pip is not downloaded.
      if (dirname(path) !== folder) await copyFile(path, join(folder, basename(path)))
    }
    return paths.map((path) => join(folder, basename(path)))
  } catch (error) {
    if (error instanceof AbortError) throw await describeAbort(error, folder, wheels, '')
    const failure = error instanceof ResidualError ? error : toWriteError(error, folder)
    if (failure?.code !== 'E_WRITE') throw failure ?? error
    const { code, message, at } = failure
    const hint = 'Choose a writable folder on a disk with enough free space.'
    throw new ResidualError({ code, message, at, hint }, { cause: error })
  }
}

/** Installs a reference to the libraries of a PyTorch, which remain where they are. */
export async function linkPython(
  folder: string,
  root: string,
  files: readonly InstalledFile[],
  options: InstallOptions = {},
): Promise<void> {
  await changeInstallation(folder, reportWait(folder, options), async () => {
    await replaceInstallation(folder, async () => {
      await assertLoadable(root, PYTHON_HINT, options)
      return createManifest('python', root, files)
    })
  })
}

/** Returns options that report the wait for another process as progress. */
function reportWait(folder: string, options: InstallOptions): ChangeOptions {
  const onWait = () => options.onProgress?.({ phase: 'wait', file: folder, bytes: 0, total: 0 })
  return { ...options, onWait }
}

function createManifest(
  source: CudaManifest['source'],
  root: string | null,
  files: readonly InstalledFile[],
): CudaManifest {
  return { format: 1, ...CUDA_BUILD, source, root, files: [...files] }
}

interface FetchOptions extends InstallOptions {
  /** Bytes that are needed in addition to the downloads. */
  installedBytes: number
}

/**
 * Returns the paths of all wheels, downloading those that are not in a folder of `sources`.
 *
 * @throws {ResidualError} `E_WRITE` if the disk is too small, and the errors of `fetchWheel`
 */
async function fetchWheels(
  downloads: string,
  wheels: readonly PinnedWheel[],
  sources: WheelSources,
  { installedBytes, onProgress, freeBytes = freeBytesIn, policy, signal }: FetchOptions,
): Promise<string[]> {
  await mkdir(downloads, { recursive: true })
  const total = wheels.reduce((sum, wheel) => sum + downloadBytes(wheel), 0)
  const isLocal = sources.pages.length === 0 && sources.indexes.length === 0
  const received = isLocal ? total : await receivedBytes(downloads, wheels)
  const needed = total - received + installedBytes + DISK_RESERVE
  const free = await freeBytes(downloads)
  if (free < needed) throw diskError(downloads, free, needed)
  if (isLocal) return await findWheels(wheels, sources, downloads, signal)
  const paths: string[] = []
  let done = 0
  for (const wheel of wheels) {
    const file = wheel.builds[0]?.file ?? ''
    let received = 0
    const report = (bytes: number, retry?: DownloadRetry) => {
      received = bytes
      const state = { phase: 'download', file, bytes: done + bytes, total } as const
      onProgress?.(retry === undefined ? state : { ...state, retry })
    }
    const onRetry = (retry: DownloadRetry) => report(received, retry)
    const progress = { onBytes: report, onRetry }
    paths.push(await fetchWheel(wheel, sources, downloads, { signal, policy, ...progress }))
    done += downloadBytes(wheel)
    report(0)
  }
  return paths
}

function diskError(folder: string, free: number, needed: number): ResidualError {
  return new ResidualError({
    code: 'E_WRITE',
    message: `${folder} has ${gigabytes(free)} of free space; ${gigabytes(needed)} are needed`,
    at: { file: folder },
    hint: 'Free disk space, or set RESIDUAL_CACHE to a folder on a larger disk.',
  })
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`
}

async function unpackAll(
  paths: readonly string[],
  wheels: readonly PinnedWheel[],
  staging: string,
  { onProgress, signal }: InstallOptions,
): Promise<InstalledFile[]> {
  const total = wheels.reduce((sum, { installedBytes }) => sum + installedBytes, 0)
  const files: InstalledFile[] = []
  let bytes = 0
  for (const [index, path] of paths.entries()) {
    const { installedBytes = 0, builds } = wheels[index] ?? {}
    const unpacked = await unpackWheel(path, staging, {
      // Builds of one wheel differ slightly in size.
      maxBytes: 1.1 * installedBytes + (16 << 20),
      signal,
      onBytes(size) {
        bytes += size
        onProgress?.({ phase: 'unpack', file: builds?.[0]?.file ?? path, bytes, total })
      },
    })
    files.push(...unpacked)
  }
  return files
}

async function assertLoadable(
  root: string,
  hint: string,
  { onProgress, signal, tryLoading = tryLoadingLibraries }: InstallOptions,
): Promise<void> {
  onProgress?.({ phase: 'load', file: root, bytes: 0, total: 0 })
  const problem = await tryLoading(root, signal)
  throwIfAborted(signal)
  if (problem === undefined) return
  throw new ResidualError({
    code: 'E_LIBTORCH',
    message: `the CUDA libraries cannot be loaded: ${problem}`,
    at: { file: root },
    hint,
  })
}
