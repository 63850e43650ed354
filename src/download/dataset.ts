import { randomUUID } from 'node:crypto'
import { access, mkdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import { contentOf } from './checksum.js'
import type { KnownDataset } from './dataset-registry.js'
import { diskFailure, throwIfAborted } from './download-error.js'
import { type DownloadOptions, fetchFile } from './fetch-file.js'
import { PATIENCE, type Patience } from './http.js'
import { withLock } from './lock.js'
import { addresses } from './mirror.js'
import { limitsFor, unpack } from './unpack.js'

/** Says, beside a data set's files, that they were compared with the published checksums. */
const MARKER = '.residual.json'

/** What was compared with what. */
export interface VerifiedFile {
  file: string
  /** Whether these are the published bytes. */
  ok: boolean
  /** Published SHA-256 of the unpacked file, in hexadecimal. */
  expected: string
  /** SHA-256 of the file; null if it is missing or cannot be unpacked. */
  actual: string | null
}

/** What comparing a data set with its published checksums gave. */
export interface DatasetVerification {
  name: string
  folder: string
  /** Whether every file holds the published bytes. */
  ok: boolean
  files: VerifiedFile[]
}

/** Copies outside our folders that this process has verified; there is no marker beside them. */
const verified = new Set<string>()

/**
 * The folder of a named data set: where a verified copy is or, if there is none, where it has now
 * been downloaded, verified and unpacked.
 *
 * @throws {ResidualError} `E_DOWNLOAD`, `E_DATA_FORMAT` for a copy with other bytes than published,
 *   `E_WRITE`, `AbortError`
 */
export async function ensureDataset(
  set: KnownDataset,
  options: DownloadOptions = {},
  patience: Patience = PATIENCE,
): Promise<string> {
  if (set.downloads.length === 0) {
    if (set.folder !== null) return set.folder
    throw new ResidualError({
      code: 'E_DATA_NOT_FOUND',
      message: `'${set.name}', which comes with this package, is not there`,
      hint: 'Install the package again.',
    })
  }
  const ours = set.folder === set.store
  if (set.folder !== null) {
    if (ours ? await isMarked(set) : verified.has(set.folder)) return set.folder
    const found = await verifyFiles(set, set.folder, options.signal)
    if (found.ok) {
      if (ours) await mark(set, set.folder).catch(() => {})
      else verified.add(set.folder)
      return set.folder
    }
    // A package of the system's that is something else does not stop us from getting our own.
    if (ours) throw notAsPublished(found)
  }
  await download(set, options, patience)
  return set.store
}

/** Whether the marker in its folder is there and means the same checksums. */
async function isMarked({ store, files }: KnownDataset): Promise<boolean> {
  const text = await readFile(join(store, MARKER), 'utf8').catch(() => '')
  return text === markerText(files)
}

async function mark({ files }: KnownDataset, folder: string): Promise<void> {
  await writeFile(join(folder, MARKER), markerText(files))
}

function markerText(files: KnownDataset['files']): string {
  return `${JSON.stringify({ verified: files }, undefined, 2)}\n`
}

/** Compares every file with its published checksum. */
export async function verifyFiles(
  { name, files }: KnownDataset,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<DatasetVerification> {
  const results: VerifiedFile[] = []
  for (const { file, bytes, sha256 } of files) {
    throwIfAborted(signal)
    const actual = await unpackedHash(join(folder, file), bytes, signal)
    results.push({ file, ok: actual === sha256, expected: sha256, actual })
  }
  return { name, folder, ok: results.every(({ ok }) => ok), files: results }
}

async function unpackedHash(
  path: string,
  most: number,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  for (const gunzip of [false, true]) {
    const file = gunzip ? `${path}.gz` : path
    try {
      await access(file)
      return (await contentOf(file, { signal, gunzip, most })).sha256
    } catch {
      throwIfAborted(signal)
    }
  }
  return null
}

export function notAsPublished({ name, folder, files }: DatasetVerification): ResidualError {
  const wrong = files.find(({ ok }) => !ok)
  const what =
    wrong?.actual == null
      ? `${wrong?.file} is not there or is damaged`
      : `${wrong.file} has SHA-256 ${wrong.actual}, not ${wrong.expected}`
  return new ResidualError({
    code: 'E_DATA_FORMAT',
    message: `${folder} is not the published '${name}': ${what}`,
    at: { file: join(folder, wrong?.file ?? '') },
    hint: `Remove ${folder}, and \`residual data download ${name}\`.`,
  })
}

/** Downloads beside the data set's place, verifies, unpacks, and puts all of it there in one move. */
async function download(
  set: KnownDataset,
  options: DownloadOptions,
  patience: Patience,
): Promise<void> {
  const { store, downloads, files } = set
  const staging = `${store}.download`
  try {
    await mkdir(staging, { recursive: true })
    await withLock(`${store}.lock`, () => stage(), { signal: options.signal })
  } catch (error) {
    throwIfAborted(options.signal)
    throw error instanceof ResidualError ? error : (diskFailure(error, store) ?? error)
  }

  async function stage(): Promise<void> {
    // Another process may have done it while we waited.
    if (await isMarked(set)) return
    await refuseOccupied(set)
    await mkdir(staging, { recursive: true })
    const fresh = join(staging, `unpacked-${randomUUID()}`)
    await mkdir(fresh)
    try {
      for (const { file, from, bytes, sha256, unpack: folder } of downloads) {
        const target = join(staging, file)
        const urls = addresses(set.name, file, from)
        await fetchFile({ name: set.name, file, target, urls, bytes, sha256 }, options, patience)
        if (folder === null) continue
        const limits = limitsFor(files.reduce((sum, { bytes }) => sum + bytes, 0))
        await unpack(target, folder, fresh, limits, options.signal)
      }
      // Only when all are there: what is kept as it is has been moved, and could not be resumed.
      for (const { file, unpack: folder } of downloads) {
        if (folder === null) await rename(join(staging, file), join(fresh, file))
      }
      const found = await verifyFiles(set, fresh, options.signal)
      if (!found.ok) throw notAsPublished({ ...found, folder: staging })
      await mark(set, fresh)
      await rename(fresh, store)
      await rm(staging, { recursive: true, force: true })
    } finally {
      await rm(fresh, { recursive: true, force: true })
    }
  }
}

/** A folder that somebody keeps something else in is left alone. */
async function refuseOccupied({ store, name }: KnownDataset): Promise<void> {
  try {
    await rmdir(store) // an empty one is in nobody's way
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw new ResidualError(
      {
        code: 'E_WRITE',
        message: `${store}${sep} is there, and is not the published '${name}'`,
        at: { file: store },
        hint: 'Move it away, or set RESIDUAL_DATA to another folder to keep data sets in.',
      },
      { cause: error },
    )
  }
}
