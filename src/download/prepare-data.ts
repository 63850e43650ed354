import { existsSync } from 'node:fs'
import { incompletePackageError } from '../native/loading/package-contents.js'
import { knownDatasets } from './dataset-registry.js'
import type { DownloadOptions } from './fetch-file.js'

/**
 * Returns a function that downloads the data set of a configuration.
 *
 * @param data the `data` key, not validated yet
 * @returns undefined if nothing has to be downloaded: for a path, or a data set of this package
 * @throws {ResidualError} `E_PLATFORM` if the files of a data set of this package are missing
 */
export function prepareData(
  data: unknown,
): ((options: DownloadOptions) => Promise<unknown>) | undefined {
  const source =
    typeof data === 'object' && data !== null ? (data as { source?: unknown }).source : data
  if (typeof source !== 'string' || /[/\\.]/.test(source)) return undefined
  const dataset = knownDatasets().find(({ name }) => name === source)
  // The core rejects a folder with the name of a data set and suggests `./NAME`.
  if (dataset === undefined || existsSync(source)) return undefined
  if (dataset.downloads.length === 0) {
    if (dataset.folder === null) throw incompletePackageError('data', dataset.name)
    return undefined
  }
  return async (options) => {
    const { ensureDataset } = await import('./dataset.js')
    await ensureDataset(dataset, options)
  }
}
