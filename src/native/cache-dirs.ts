import { join, resolve } from 'node:path'
import envPaths from 'env-paths'

/**
 * The folder that downloads are kept in for this user: `RESIDUAL_CACHE` or, without that, where
 * the system keeps caches (`~/.cache/residual` on Linux).
 */
export function cacheDir(): string {
  const { RESIDUAL_CACHE } = process.env
  return RESIDUAL_CACHE ? resolve(RESIDUAL_CACHE) : envPaths('residual', { suffix: '' }).cache
}

/** Where downloaded data sets are, each in a folder of its name; the core puts `RESIDUAL_DATA` first. */
export function datasetCacheDir(): string {
  return join(cacheDir(), 'datasets')
}

/** Where downloaded weights are. */
export function weightsCacheDir(): string {
  return join(cacheDir(), 'weights')
}
