import { existsSync } from 'node:fs'
import { knownDatasets } from './dataset-registry.js'
import type { DownloadOptions } from './fetch-file.js'

/**
 * Returns a function that downloads the data set of a configuration.
 *
 * @param data the `data` key, not validated yet
 * @returns undefined if nothing has to be downloaded: for a path, or a data set of this package
 */
export function prepareData(
  data: unknown,
): ((options: DownloadOptions) => Promise<unknown>) | undefined {
  const source =
    typeof data === 'object' && data !== null ? (data as { source?: unknown }).source : data
  if (typeof source !== 'string' || /[/\\.]/.test(source)) return undefined
  const dataset = knownDatasets().find(({ name }) => name === source)
  // The core rejects a folder with the name of a data set and suggests `./NAME`.
  if (dataset === undefined || dataset.downloads.length === 0 || existsSync(source)) {
    return undefined
  }
  return async (options) => {
    const { ensureDataset } = await import('./dataset.js')
    await ensureDataset(dataset, options)
  }
}
