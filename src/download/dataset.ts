import { randomUUID } from 'node:crypto'
import { access, mkdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import { noCacheDirError } from '../native/cache-dirs.js'
import { incompletePackageError } from '../native/loading/package-contents.js'
import { hashFile } from './checksum.js'
import type { KnownDataset } from './dataset-registry.js'
import { rethrowIfAborted, throwIfAborted, toWriteError } from './download-error.js'
import { type DownloadOptions, fetchFile } from './fetch-file.js'
import { withLock } from './file-lock.js'
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from './http.js'
import { fileUrls } from './mirror.js'
import { limitsFor, unpack } from './unpack.js'

/** Marker file in the folder of a data set whose files have been verified. */
const MARKER = '.residual.json'

/** A file of a data set, compared with its expected checksum. */
export interface VerifiedFile {
  file: string
  /** Whether the checksum matches. */
  ok: boolean
  /** Expected SHA-256 of the decompressed file, in hexadecimal. */
  expected: string
  /** SHA-256 of the file; null if it is missing or cannot be decompressed. */
  actual: string | null
}

/** The result of `verifyDataset()`. */
export interface DatasetVerification {
  name: string
  folder: string
  /** Whether all checksums match. */
  ok: boolean
  files: VerifiedFile[]
}

/** A data set that can be downloaded. */
type StoredDataset = KnownDataset & { store: string }

/** Folders outside the cache that this process has verified. No marker file is written there. */
const verifiedFolders = new Set<string>()

/**
 * Returns the folder of a named data set. Downloads, verifies and unpacks the data set if there is
 * no verified copy.
 *
 * @throws {ResidualError} `E_DOWNLOAD`, `E_DATA_FORMAT` if a copy differs from the published files,
 *   `E_WRITE`, `E_PLATFORM` if the files of a data set of this package are missing, `AbortError`
 */
export async function ensureDataset(
  dataset: KnownDataset,
  options: DownloadOptions = {},
  policy: RetryPolicy = DEFAULT_RETRY_POLICY,
): Promise<string> {
  if (dataset.downloads.length === 0) {
    if (dataset.folder !== null) return dataset.folder
    throw incompletePackageError('data', dataset.name)
  }
  const isInCache = dataset.folder === dataset.store
  if (dataset.folder !== null) {
    const isVerified = isInCache
      ? await hasMarker(dataset.folder, dataset)
      : verifiedFolders.has(dataset.folder)
    if (isVerified) {
      if (isInCache) await removeStaging(dataset.folder)
      return dataset.folder
    }
    const verification = await verifyFiles(dataset, dataset.folder, options.signal)
    if (verification.ok) {
      if (isInCache) await writeMarker(dataset, dataset.folder).catch(() => {})
      else verifiedFolders.add(dataset.folder)
      return dataset.folder
    }
    // A different copy outside the cache, such as a system package, does not prevent the download.
    if (isInCache) throw verificationError(verification)
  }
  const { store } = dataset
  if (store === null) throw noCacheDirError(`'${dataset.name}'`)
  await download({ ...dataset, store }, options, policy)
  return store
}

function stagingFolder(store: string): string {
  return `${store}.download`
}

/**
 * Removes the staging folder of a complete data set, which a process that was killed at the end of a
 * download may have left. Ignores errors: the data set can be used without this cleanup.
 */
async function removeStaging(store: string): Promise<void> {
  await rm(stagingFolder(store), { recursive: true, force: true }).catch(() => {})
}

/** Returns whether a folder has a marker with the current checksums. */
async function hasMarker(folder: string, { files }: KnownDataset): Promise<boolean> {
  const text = await readFile(join(folder, MARKER), 'utf8').catch(() => '')
  return text === markerText(files)
}

async function writeMarker({ files }: KnownDataset, folder: string): Promise<void> {
  await writeFile(join(folder, MARKER), markerText(files))
}

function markerText(files: KnownDataset['files']): string {
  return `${JSON.stringify({ verified: files }, undefined, 2)}\n`
}

/** Compares each file of a data set with its expected checksum. */
export async function verifyFiles(
  { name, files }: KnownDataset,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<DatasetVerification> {
  const results: VerifiedFile[] = []
  for (const { file, bytes, sha256 } of files) {
    throwIfAborted(signal)
    const actual = await decompressedHash(join(folder, file), bytes, signal)
    results.push({ file, ok: actual === sha256, expected: sha256, actual })
  }
  return { name, folder, ok: results.every(({ ok }) => ok), files: results }
}

/** Returns the SHA-256 of a file, or of the decompressed `<path>.gz`; null if there is neither. */
async function decompressedHash(
  path: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  for (const gunzip of [false, true]) {
    const file = gunzip ? `${path}.gz` : path
    try {
      await access(file)
      return (await hashFile(file, { signal, gunzip, maxBytes })).sha256
    } catch {
      throwIfAborted(signal)
    }
  }
  return null
}

function verificationError({ name, folder, files }: DatasetVerification): ResidualError {
  const failed = files.find(({ ok }) => !ok)
  const problem =
    failed?.actual == null
      ? `${failed?.file} is missing or damaged`
      : `${failed.file} has SHA-256 ${failed.actual} instead of ${failed.expected}`
  return new ResidualError({
    code: 'E_DATA_FORMAT',
    message: `${folder} differs from the published '${name}': ${problem}`,
    at: { file: join(folder, failed?.file ?? '') },
    hint: `Remove ${folder} and run \`residual data download ${name}\`.`,
  })
}

/** Downloads a data set to a staging folder, verifies and unpacks it, and renames the result. */
async function download(
  dataset: StoredDataset,
  options: DownloadOptions,
  policy: RetryPolicy,
): Promise<void> {
  const { store, downloads, files } = dataset
  const staging = stagingFolder(store)
  try {
    await mkdir(staging, { recursive: true })
    await withLock(`${store}.lock`, () => stage(), {
      checkAborted: () => throwIfAborted(options.signal),
    })
  } catch (error) {
    rethrowIfAborted(error, options.signal)
    throw error instanceof ResidualError ? error : (toWriteError(error, store) ?? error)
  }

  async function stage(): Promise<void> {
    // Another process may have downloaded the data set while this process waited for the lock.
    if (await hasMarker(store, dataset)) return await removeStaging(store)
    await assertUnoccupied(dataset)
    await mkdir(staging, { recursive: true })
    const unpacked = join(staging, `unpacked-${randomUUID()}`)
    await mkdir(unpacked)
    try {
      for (const { file, from, bytes, sha256, unpack: folder } of downloads) {
        const target = join(staging, file)
        const urls = fileUrls(dataset.name, file, from)
        await fetchFile({ name: dataset.name, file, target, urls, bytes, sha256 }, options, policy)
        if (folder === null) continue
        const limits = limitsFor(files.reduce((sum, { bytes }) => sum + bytes, 0))
        await unpack(target, folder, unpacked, limits, options.signal)
      }
      // Files that are not archives are moved last, so that an interrupted download can be resumed.
      for (const { file, unpack: folder } of downloads) {
        if (folder === null) await rename(join(staging, file), join(unpacked, file))
      }
      const verification = await verifyFiles(dataset, unpacked, options.signal)
      if (!verification.ok) throw verificationError({ ...verification, folder: staging })
      await writeMarker(dataset, unpacked)
      await rename(unpacked, store)
      await removeStaging(store)
    } finally {
      await rm(unpacked, { recursive: true, force: true })
    }
  }
}

/** Throws if the target folder exists and is not empty, because it may contain other files. */
async function assertUnoccupied({ store, name }: StoredDataset): Promise<void> {
  try {
    await rmdir(store)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw new ResidualError(
      {
        code: 'E_WRITE',
        message: `${store}${sep} exists and differs from the published '${name}'`,
        at: { file: store },
        hint: 'Move this folder, or set RESIDUAL_DATA to another folder for data sets.',
      },
      { cause: error },
    )
  }
}
