import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Runs `work` while no other process holds `path`.
 *
 * The holder touches the lock file all the time. A waiter takes the lock over only after it has
 * itself seen the file untouched for `staleAfter` ms: that needs no clock shared with the holder and
 * no process id, so it also holds between containers and over network file systems, and a machine
 * that slept does not lose its locks. (It is our own because it guards `npm ci`, before which no
 * library is there.)
 *
 * @template T
 * @param {string} path a file whose folder exists
 * @param {() => Promise<T>} work
 * @param {{ staleAfter?: number, onWait?: () => void }} [options] times in ms
 * @returns {Promise<T>}
 */
export async function withLock(path, work, { staleAfter = 10_000, onWait } = {}) {
  const token = `${process.pid} ${randomUUID()}`
  const pollEvery = staleAfter / 20
  await acquire(path, token, pollEvery, onWait)
  const heartbeat = setInterval(() => {
    const now = new Date()
    // Taken over while we were suspended: the work is staged and renamed, so nothing can break.
    utimes(path, now, now).catch(() => {})
  }, pollEvery)
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
    if ((await holder(path)) === token) await rm(path, { force: true })
  }
}

/**
 * @param {string} path
 * @param {string} token
 * @param {number} pollEvery
 * @param {(() => void) | undefined} onWait
 */
async function acquire(path, token, pollEvery, onWait) {
  let seen = ''
  let unchanged = 0
  for (let poll = 0; !(await create(path, token)); poll += 1) {
    if (poll === 1) onWait?.()
    const now = await pulse(path)
    unchanged = now === seen ? unchanged + 1 : 0
    seen = now
    if (unchanged >= 20 && now !== '') {
      await removeDead(path, now)
      unchanged = 0
    } else {
      await sleep(pollEvery)
    }
  }
}

/**
 * @param {string} path
 * @param {string} token
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
 * Who holds the lock and when it was last touched; empty when nobody does.
 * @param {string} path
 */
async function pulse(path) {
  try {
    return `${(await stat(path)).mtimeMs} ${await holder(path)}`
  } catch {
    return ''
  }
}

/** @param {string} path */
async function holder(path) {
  return readFile(path, 'utf8').catch(() => '')
}

/**
 * Moves the lock away before removing it: of several waiters only one can move a given file, and
 * one that moved a newer lock by mistake sees so and puts it back.
 *
 * @param {string} path
 * @param {string} dead the pulse that was seen standing still
 */
async function removeDead(path, dead) {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
  } catch {
    return
  }
  if ((await pulse(aside)) === dead) {
    await rm(aside, { force: true })
  } else {
    await rename(aside, path)
  }
}
