import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { SetupError } from './error.mjs'

/**
 * The folder that downloads are kept in for this user, whichever clone they were made from.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export function cacheFolder(env) {
  if (env.RESIDUAL_CACHE) return resolve(env.RESIDUAL_CACHE)
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'residual')
}

/**
 * Runs work on a folder in the cache; a disk that refuses is told with how to take another.
 *
 * @template T
 * @param {string} folder
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function inCache(folder, work) {
  try {
    return await work()
  } catch (error) {
    const { code = '', syscall } = /** @type {NodeJS.ErrnoException} */ (error)
    const hint = 'set RESIDUAL_CACHE to a folder on a disk with room that you may write to'
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new SetupError('E_DISK', `no space left in ${folder}`, { hint, cause: error })
    }
    // On a read-only disk Node's recursive mkdir says ENOENT.
    if (['EACCES', 'EPERM', 'EROFS', 'ENOTDIR'].includes(code) || syscall === 'mkdir') {
      throw new SetupError('E_CACHE', `${folder} cannot be written to`, { hint, cause: error })
    }
    throw error
  }
}
