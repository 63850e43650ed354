import { unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** File in a run folder that requests the run to save and stop. */
const FILE = '.stop'

/** Interval in ms at which a run checks for the file. */
const POLL_INTERVAL = 1000

/**
 * Requests the run that is writing to a folder, in any process, to save a checkpoint and stop. In
 * contrast to a signal, the request cannot reach another process by mistake, and works for every
 * user with write access to the folder.
 */
export async function requestStop(dir: string): Promise<void> {
  try {
    await writeFile(join(dir, FILE), '', { flag: 'wx' })
  } catch (error) {
    // An earlier request is still pending.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/**
 * Removes a stop request.
 *
 * @returns whether there was one
 */
async function takeRequest(dir: string): Promise<boolean> {
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
    // A request from before the start was meant for an earlier run in this folder.
    const cleared = takeRequest(dir)
    this.#timer = setInterval(async () => {
      await cleared
      if (await takeRequest(dir)) stop()
    }, POLL_INTERVAL).unref()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
