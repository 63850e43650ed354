import { join, resolve } from 'node:path'
import envPaths from 'env-paths'

/**
 * The folder that downloads are kept in for this user: `RESIDUAL_CACHE` or, without that, where
 * the system keeps caches (`~/.cache/residual` on Linux).
 */
export function cacheFolder(): string {
  const { RESIDUAL_CACHE } = process.env
  return RESIDUAL_CACHE ? resolve(RESIDUAL_CACHE) : envPaths('residual', { suffix: '' }).cache
}

/** Where downloaded data sets are, each in a folder of its name; the core puts `RESIDUAL_DATA` first. */
export function dataStore(): string {
  return join(cacheFolder(), 'datasets')
}

/** Where downloaded weights are. */
export function weightsStore(): string {
  return join(cacheFolder(), 'weights')
}
