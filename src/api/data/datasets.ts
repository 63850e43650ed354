import type { Verification } from '../../download/dataset.js'
import { goOn } from '../../download/download-error.js'
import type { DownloadOptions } from '../../download/fetch-file.js'
import { ResidualError } from '../../errors/errors.js'
import { lightAddon } from '../../native/addon.js'
import { open } from '../../native/native-result.js'

/** A data set that `data` can name. */
export interface DatasetInfo {
  name: string
  /** As its authors write it. */
  title: string
  /** What is on the images, in a few words. */
  about: string
  classes: number
  /** Training images. */
  train: number
  /** Test images. */
  test: number
  /** 1 (grey) or 3 (RGB). */
  channels: number
  /** Height and width, in pixels. */
  imageSize: number
  license: string
  /** The authors' page. */
  homepage: string
  /** Where it lies on this machine; null if it has to be downloaded first. */
  folder: string | null
  /** How much there is to download; 0 for what comes with this package. */
  downloadBytes: number
}

/** A named data set as the core tells of it. */
export interface KnownDataset extends Omit<DatasetInfo, 'downloadBytes'> {
  downloads: PublishedFile[]
  /** What its folder holds, at least; each may have a `.gz` more to its name. */
  files: { file: string; bytes: number; sha256: string }[]
  /** The folder to download it to. */
  store: string
}

/** A file that a named data set is downloaded as. */
export interface PublishedFile {
  file: string
  bytes: number
  sha256: string
  /** Addresses of the folder that it is in, the first to be tried first. */
  from: string[]
  /** The folder inside a tar archive whose files are wanted; null for a file kept as it is. */
  unpack: string | null
}

/**
 * The data sets that have a name (`residual data list`). Needs no libtorch.
 *
 * @example
 * const missing = (await datasets()).filter(({ folder }) => folder === null)
 */
export async function datasets(): Promise<DatasetInfo[]> {
  return knownDatasets().map(info)
}

/**
 * Downloads a named data set (`residual data download`), verifies and unpacks it. One that is there
 * already is verified, once, and used. Needs no libtorch.
 *
 * @example
 * const { folder } = await downloadDataset('mnist', {
 *   onDownload: ({ bytes, total }) => console.log(`${bytes} of ${total} bytes`),
 * })
 *
 * @param name one of `datasets()`
 * @returns what is known of it, with its folder
 * @throws {ResidualError} `E_DOWNLOAD` with what every address said and where to put the file by
 *   hand; `E_DATA_FORMAT` for an archive or a copy that is not the published one; `E_WRITE`;
 *   `E_DATA_NOT_FOUND` for a name that there is not; `AbortError`
 */
export async function downloadDataset(
  name: string,
  options: DownloadOptions = {},
): Promise<DatasetInfo> {
  const set = named(name)
  const { ensureDataset } = await import('../../download/dataset.js')
  const folder = await ensureDataset(set, options)
  return { ...info(set), folder }
}

/**
 * Compares the files of a named data set with their published checksums (`residual data verify`).
 * Needs no libtorch.
 *
 * @example
 * const { ok, files } = await verifyDataset('mnist')
 * if (!ok) console.error(files.filter((file) => !file.ok))
 *
 * @param name one of `datasets()`
 * @throws {ResidualError} `E_DATA_NOT_FOUND` if it is not on this machine; `AbortError`
 */
export async function verifyDataset(
  name: string,
  { signal }: Pick<DownloadOptions, 'signal'> = {},
): Promise<Verification> {
  goOn(signal)
  const set = named(name)
  if (set.folder !== null) {
    const { verifyFiles } = await import('../../download/dataset.js')
    return await verifyFiles(set, set.folder, signal)
  }
  throw new ResidualError({
    code: 'E_DATA_NOT_FOUND',
    message: `'${name}' is not on this machine, or some of its files are missing`,
    at: { file: set.store },
    hint: `Download it: \`residual data download ${name}\`.`,
  })
}

/** The data sets as the core knows them. */
export function knownDatasets(): KnownDataset[] {
  return open(lightAddon().datasets())
}

function named(name: string): KnownDataset {
  const sets = knownDatasets()
  const set = sets.find((set) => set.name === name)
  if (set !== undefined) return set
  throw new ResidualError({
    code: 'E_DATA_NOT_FOUND',
    message: `there is no data set named ${JSON.stringify(name)}`,
    at: { key: 'name' },
    hint: `There are: ${sets.map(({ name }) => name).join(', ')}.`,
  })
}

function info({ downloads, files, store, ...rest }: KnownDataset): DatasetInfo {
  return { ...rest, downloadBytes: downloads.reduce((sum, { bytes }) => sum + bytes, 0) }
}
