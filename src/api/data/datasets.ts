import type { DatasetVerification } from '../../download/dataset.js'
import { type KnownDataset, knownDatasets } from '../../download/dataset-registry.js'
import { throwIfAborted } from '../../download/download-error.js'
import type { DownloadOptions } from '../../download/fetch-file.js'
import { ResidualError } from '../../errors/errors.js'
import { didYouMean } from '../run/suggestions.js'

/** A data set that the configuration key `data` selects by name. */
export interface NamedDataset {
  name: string
  /** Title, as the authors write it. */
  title: string
  /** Content of the images, in a few words. */
  description: string
  /** Number of classes. */
  classes: number
  /** Number of training images. */
  train: number
  /** Number of test images. */
  test: number
  /** 1 (gray) or 3 (RGB). */
  channels: number
  /** Height and width in pixels. */
  imageSize: number
  license: string
  /** Web page of the authors. */
  homepage: string
  /** Folder on this machine; null if the data set has to be downloaded first. */
  folder: string | null
  /** Size of the download in bytes; 0 for a data set that is included in this package. */
  downloadBytes: number
}

/**
 * Lists the named data sets (`residual data list`). Does not load libtorch.
 *
 * @example
 * const missing = (await datasets()).filter(({ folder }) => folder === null)
 */
export async function datasets(): Promise<NamedDataset[]> {
  return knownDatasets().map(toNamedDataset)
}

/**
 * Downloads, verifies and unpacks a named data set (`residual data download`). A copy that is
 * already on this machine is verified once and reused. Does not load libtorch.
 *
 * @example
 * const { folder } = await downloadDataset('mnist', {
 *   onDownload: ({ bytes, total }) => console.log(`${bytes} of ${total} bytes`),
 * })
 *
 * @param name name of a data set, as listed by `datasets()`
 * @returns the data set with its folder
 * @throws {ResidualError} `E_DOWNLOAD` with the error of each URL; `E_DATA_FORMAT` if an archive or
 *   an existing copy differs from the published files; `E_WRITE`; `E_DATA_NOT_FOUND` for an unknown
 *   name; `AbortError`
 */
export async function downloadDataset(
  name: string,
  options: DownloadOptions = {},
): Promise<NamedDataset> {
  const dataset = findDataset(name)
  const { ensureDataset } = await import('../../download/dataset.js')
  const folder = await ensureDataset(dataset, options)
  return { ...toNamedDataset(dataset), folder }
}

/**
 * Verifies the SHA-256 checksums of the files of a named data set (`residual data verify`).
 * Does not load libtorch.
 *
 * @example
 * const { ok, files } = await verifyDataset('mnist')
 * if (!ok) console.error(files.filter((file) => !file.ok))
 *
 * @param name name of a data set, as listed by `datasets()`
 * @throws {ResidualError} `E_DATA_NOT_FOUND` if the data set is not on this machine; `AbortError`
 */
export async function verifyDataset(
  name: string,
  { signal }: Pick<DownloadOptions, 'signal'> = {},
): Promise<DatasetVerification> {
  throwIfAborted(signal)
  const dataset = findDataset(name)
  if (dataset.folder !== null) {
    const { verifyFiles } = await import('../../download/dataset.js')
    return await verifyFiles(dataset, dataset.folder, signal)
  }
  throw new ResidualError({
    code: 'E_DATA_NOT_FOUND',
    message: `'${name}' is not on this machine, or some of its files are missing`,
    at: dataset.store === null ? {} : { file: dataset.store },
    hint: `Download the data set: \`residual data download ${name}\`.`,
  })
}

function findDataset(name: string): KnownDataset {
  const known = knownDatasets()
  const dataset = known.find((candidate) => candidate.name === name)
  if (dataset !== undefined) return dataset
  throw new ResidualError({
    code: 'E_DATA_NOT_FOUND',
    message: `there is no data set named ${JSON.stringify(name)}`,
    at: { key: 'name' },
    hint:
      didYouMean(
        name,
        known.map(({ name }) => name),
      ) ?? `Known data sets: ${known.map(({ name }) => name).join(', ')}.`,
  })
}

function toNamedDataset({ downloads, files, store, ...info }: KnownDataset): NamedDataset {
  return { ...info, downloadBytes: downloads.reduce((sum, { bytes }) => sum + bytes, 0) }
}
