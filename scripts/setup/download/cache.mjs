import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { SetupError } from '../error.mjs'

/**
 * Returns the folder of this user's downloads, which all clones share.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export function cacheDir(env) {
  if (env.RESIDUAL_CACHE) return resolve(env.RESIDUAL_CACHE)
  return join(env.XDG_CACHE_HOME || join(homeDir(), '.cache'), 'residual')
}

function homeDir() {
  try {
    return homedir()
  } catch (cause) {
    // There is neither HOME nor an entry in /etc/passwd.
    const hint = 'set RESIDUAL_CACHE to a writable folder'
    throw new SetupError('E_CACHE', 'this user has no home folder', { hint, cause })
  }
}

/**
 * Runs work on a folder in the cache and converts disk errors to a `SetupError` with a hint.
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
    const hint = 'set RESIDUAL_CACHE to a writable folder on a disk with free space'
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new SetupError('E_DISK', `no space is left on the disk of ${folder}`, {
        hint,
        cause: error,
      })
    }
    // On a read-only disk, Node's recursive mkdir fails with ENOENT.
    if (['EACCES', 'EPERM', 'EROFS', 'ENOTDIR'].includes(code) || syscall === 'mkdir') {
      throw new SetupError('E_CACHE', `${folder} is not writable`, { hint, cause: error })
    }
    throw error
  }
}
