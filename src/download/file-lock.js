// A lock between processes, used by the downloads of this package and by setup. A JavaScript module
// without dependencies, because setup holds the lock during `npm ci`, before packages and `tsc`
// exist.
import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** Number of polls of an unchanged lock file after which its holder is considered dead. */
const STALE_POLLS = 20

/**
 * @typedef {object} LockOptions
 * @property {number} [staleAfter] time in ms without a heartbeat after which a lock is taken over
 * @property {() => void} [onWait] called once, if the lock is still held at the second poll
 * @property {() => void} [checkAborted] called at each poll; an error that it throws ends the wait
 */

/**
 * Runs `work` while holding the lock file `path`, in this process and between processes.
 *
 * The holder updates the modification time of the lock file as a heartbeat. A waiting process takes
 * the lock over if the file has not changed for `staleAfter`, measured by its own clock. This needs
 * neither synchronized clocks nor process ids, and therefore works between containers, on network
 * file systems, and after the machine was suspended.
 *
 * @template T
 * @param {string} path a file in an existing folder
 * @param {() => Promise<T>} work
 * @param {LockOptions} [options]
 * @returns {Promise<T>}
 */
export async function withLock(path, work, options = {}) {
  const { staleAfter = 10_000 } = options
  const token = `${process.pid} ${randomUUID()}`
  const interval = staleAfter / STALE_POLLS
  await acquire(path, token, interval, options)
  const heartbeat = setInterval(() => {
    const now = new Date()
    // Fails if another process took the lock over while this process was suspended. This is
    // harmless, because all work under a lock is staged and renamed.
    utimes(path, now, now).catch(() => {})
  }, interval)
  heartbeat.unref()
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
    if ((await readHolder(path)) === token) await rm(path, { force: true })
  }
}

/**
 * @param {string} path
 * @param {string} token
 * @param {number} interval
 * @param {LockOptions} options
 */
async function acquire(path, token, interval, { onWait, checkAborted }) {
  let lastState = ''
  let unchanged = 0
  for (let poll = 0; !(await create(path, token)); poll += 1) {
    checkAborted?.()
    if (poll === 1) onWait?.()
    const state = await readState(path)
    unchanged = state === lastState && state !== '' ? unchanged + 1 : 0
    lastState = state
    if (unchanged >= STALE_POLLS) {
      await removeStale(path, state)
      unchanged = 0
    } else {
      await sleep(interval)
    }
  }
}

/**
 * Creates the lock file.
 *
 * @param {string} path
 * @param {string} token
 * @returns {Promise<boolean>} false if it exists
 */
async function create(path, token) {
  try {
    const file = await open(path, 'wx')
    try {
      await file.writeFile(token)
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false
    throw error
  }
}

/**
 * Returns the time of the last heartbeat and the holder's token; an empty string without a lock.
 *
 * @param {string} path
 */
async function readState(path) {
  try {
    return `${(await stat(path)).mtimeMs} ${await readHolder(path)}`
  } catch {
    return ''
  }
}

/** @param {string} path */
async function readHolder(path) {
  return await readFile(path, 'utf8').catch(() => '')
}

/**
 * Removes a stale lock. The file is renamed first, which only one of several waiting processes can
 * do; a process that renamed a newer lock by mistake restores it.
 *
 * @param {string} path
 * @param {string} staleState
 */
async function removeStale(path, staleState) {
  const renamed = `${path}.${randomUUID()}`
  try {
    await rename(path, renamed)
  } catch {
    return
  }
  if ((await readState(renamed)) === staleState) await rm(renamed, { force: true })
  else await rename(renamed, path)
}
