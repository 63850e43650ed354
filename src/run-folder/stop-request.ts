import { unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A file that asks the run in whose folder it lies to save and stop. */
const NAME = '.stop'

/** How long a request may lie there before it is seen, in milliseconds. */
const LOOK = 1000

/**
 * Asks the run that is writing to a folder, in whatever process, to save and stop. Unlike a signal
 * this can reach nobody else, and may be asked by everybody who may write to the folder.
 */
export async function requestStop(dir: string): Promise<void> {
  try {
    await writeFile(join(dir, NAME), '', { flag: 'wx' })
  } catch (error) {
    // It has been asked already.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/**
 * Takes a request away, if there is one.
 *
 * @returns whether there was one
 */
async function takeRequest(dir: string): Promise<boolean> {
  try {
    await unlink(join(dir, NAME))
    return true
  } catch {
    return false
  }
}

/** Looks for requests to stop a run, until it is disposed of; does not hold the process. */
export class StopRequestWatcher implements Disposable {
  readonly #timer: NodeJS.Timeout

  constructor(dir: string, stop: () => void) {
    // One from before was meant for whatever ran here then.
    const cleared = takeRequest(dir)
    this.#timer = setInterval(async () => {
      await cleared
      if (await takeRequest(dir)) stop()
    }, LOOK).unref()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
