import { join, resolve } from 'node:path'
import envPaths from 'env-paths'

/**
 * Returns the folder of the user's downloads: `RESIDUAL_CACHE`, otherwise the cache folder of the
 * operating system (`~/.cache/residual` on Linux).
 */
export function cacheDir(): string {
  const { RESIDUAL_CACHE } = process.env
  return RESIDUAL_CACHE ? resolve(RESIDUAL_CACHE) : envPaths('residual', { suffix: '' }).cache
}

/**
 * Returns the folder of downloaded data sets, with one subfolder per data set. The core searches
 * the folder `RESIDUAL_DATA` first.
 */
export function datasetCacheDir(): string {
  return join(cacheDir(), 'datasets')
}

/** Returns the folder of downloaded weights. */
export function weightsCacheDir(): string {
  return join(cacheDir(), 'weights')
}
