import { existsSync } from 'node:fs'
import { knownDatasets } from './dataset-registry.js'
import type { DownloadOptions } from './fetch-file.js'

/**
 * What has to be downloaded before a data set can be opened.
 *
 * @param data of a configuration that nobody has checked yet
 * @returns undefined if there is nothing to do: it is a path, or comes with this package
 */
export function prepareData(
  data: unknown,
): ((options: DownloadOptions) => Promise<unknown>) | undefined {
  const source =
    typeof data === 'object' && data !== null ? (data as { source?: unknown }).source : data
  if (typeof source !== 'string' || /[/\\.]/.test(source)) return undefined
  const set = knownDatasets().find(({ name }) => name === source)
  // A folder of the same name is refused by the core, which says what to write instead.
  if (set === undefined || set.downloads.length === 0 || existsSync(source)) return undefined
  return async (options) => {
    const { ensureDataset } = await import('./dataset.js')
    await ensureDataset(set, options)
  }
}
