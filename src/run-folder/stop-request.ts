import { unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** File in a run folder that requests the run to save and stop. */
const FILE = '.stop'

/** Interval at which a run checks for the file, in milliseconds. */
const POLL_INTERVAL = 1000

/**
 * Requests the run that writes to a folder, in any process, to save a checkpoint and stop. Unlike a
 * signal, the request cannot reach an unrelated process, and it works for every user with write
 * access to the folder.
 */
export async function requestStop(dir: string): Promise<void> {
  try {
    await writeFile(join(dir, FILE), '', { flag: 'wx' })
  } catch (error) {
    // An earlier request is still pending.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** Removes the stop request of a run folder. Returns whether the folder contained a request. */
async function consumeRequest(dir: string): Promise<boolean> {
  try {
    await unlink(join(dir, FILE))
    return true
  } catch {
    return false
  }
}

/** Polls for stop requests until it is disposed. Does not keep the process alive. */
export class StopRequestWatcher implements Disposable {
  readonly #timer: NodeJS.Timeout

  constructor(dir: string, stop: () => void) {
    // A request from before the start belongs to an earlier run in this folder.
    const cleared = consumeRequest(dir)
    this.#timer = setInterval(async () => {
      await cleared
      if (await consumeRequest(dir)) stop()
    }, POLL_INTERVAL).unref()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
