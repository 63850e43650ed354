import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { throwIfAborted } from './download-error.js'

interface LockOptions {
  signal?: AbortSignal | undefined
  /** A lock that nobody touched for so long, in ms, is a dead process's. */
  staleAfter?: number
}

/**
 * Runs `work` while nobody else holds `path`, in this process or another.
 *
 * The holder touches the lock file all the time; whoever waits takes it over only after having
 * itself seen it untouched for `staleAfter`. That needs neither a common clock nor process ids, so
 * it also holds between containers and on network file systems. (As at set-up, in scripts/setup/lock.)
 *
 * @param path a file whose folder exists
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  { signal, staleAfter = 10_000 }: LockOptions = {},
): Promise<T> {
  const token = `${process.pid} ${randomUUID()}`
  const pollEvery = staleAfter / 20
  let [seen, still] = ['', 0]
  while (!(await create(path, token))) {
    throwIfAborted(signal)
    const now = await pulse(path)
    still = now === seen && now !== '' ? still + 1 : 0
    seen = now
    if (still >= 20) {
      await removeDead(path, now)
      still = 0
    } else {
      await sleep(pollEvery)
    }
  }
  const heartbeat = setInterval(() => {
    const now = new Date()
    // Taken over while we slept: the work is staged and renamed, so nothing can break.
    utimes(path, now, now).catch(() => {})
  }, pollEvery)
  heartbeat.unref()
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
    if ((await holder(path)) === token) await rm(path, { force: true })
  }
}

async function create(path: string, token: string): Promise<boolean> {
  try {
    await using file = await open(path, 'wx')
    await file.writeFile(token)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Who holds the lock and when it was last touched; empty when nobody does. */
async function pulse(path: string): Promise<string> {
  try {
    return `${(await stat(path)).mtimeMs} ${await holder(path)}`
  } catch {
    return ''
  }
}

async function holder(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '')
}

/** Moves a dead lock away first: of several that wait only one can, and it can put back a living one. */
async function removeDead(path: string, dead: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
  } catch {
    return
  }
  if ((await pulse(aside)) === dead) await rm(aside, { force: true })
  else await rename(aside, path)
}
