import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { ResidualError } from '../errors/errors.js'

/**
 * Returns the folder of the user's downloads: `RESIDUAL_CACHE`, otherwise the cache folder of the
 * operating system (`~/.cache/residual` on Linux). Undefined if the user has no home folder, as in
 * a container that runs under an unknown user id.
 */
export function cacheDir(): string | undefined {
  const { RESIDUAL_CACHE, XDG_CACHE_HOME } = process.env
  if (RESIDUAL_CACHE) return resolve(RESIDUAL_CACHE)
  const isMac = process.platform === 'darwin'
  if (XDG_CACHE_HOME && !isMac) return join(XDG_CACHE_HOME, 'residual')
  const home = homeDir()
  return home && join(home, ...(isMac ? ['Library', 'Caches'] : ['.cache']), 'residual')
}

/** Returns the home folder; undefined without HOME and without an entry in /etc/passwd. */
export function homeDir(): string | undefined {
  try {
    return homedir() || undefined
  } catch {
    return undefined
  }
}

/**
 * Returns the folder of downloaded data sets, with one subfolder per data set. The core searches
 * the folder `RESIDUAL_DATA` first.
 */
export function datasetCacheDir(): string | undefined {
  return subfolder('datasets')
}

/** Returns the folder of downloaded weights. */
export function weightsCacheDir(): string | undefined {
  return subfolder('weights')
}

/** Creates the error of a download for which there is no cache folder. */
export function noCacheDirError(content: string): ResidualError {
  return new ResidualError({
    code: 'E_WRITE',
    message: `${content} cannot be downloaded: this user has no home folder for the cache`,
    hint: 'Set RESIDUAL_CACHE to a writable folder.',
  })
}

function subfolder(name: string): string | undefined {
  const cache = cacheDir()
  return cache && join(cache, name)
}
