import type { ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { Tail } from './log-tail.js'
import { toPoints } from './metric-columns.js'
import type { Found } from './run-index.js'

/** Streams open at once: some tens of pages, and no more than we want to look at files for. */
export const MOST_STREAMS = 64

/** Runs in one stream. A browser has six connections to a server, so one stream serves them all. */
export const MOST_RUNS = 12

/** Between two looks at the files, in milliseconds. */
const LOOK = 500

/** Without a word for so long, whoever stands between might think that nobody is there. */
const HEARTBEAT = 15_000

/** How long the last of it may take to be delivered when the server closes. */
const FAREWELL = 5000

/** Server-sent events of runs, each fed from its metrics.jsonl. */
export class Streams {
  readonly #open = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  readonly #ending = new AbortController()

  /** How many are open. */
  get size(): number {
    return this.#open.size
  }

  /** Whether there is room for one more. */
  get hasRoom(): boolean {
    return this.#open.size < MOST_STREAMS && !this.#ending.signal.aborted
  }

  /**
   * Feeds a response until either side closes it.
   *
   * @param from the id of the event up to which the page has everything
   */
  open(response: ServerResponse, runs: readonly Found[], from: string): void {
    const fed = this.#feed(response, runs, from)
      // Whatever it is, the page connects again and is answered then.
      .catch(() => {
        response.destroy()
      })
      .finally(() => this.#open.delete(fed))
    this.#open.add(fed)
  }

  /** Sends what is still to be sent, says goodbye, and ends every stream. */
  async close(): Promise<void> {
    this.#ending.abort()
    const late = setTimeout(() => this.#closing.abort(), FAREWELL)
    await Promise.all(this.#open)
    clearTimeout(late)
  }

  async #feed(response: ServerResponse, runs: readonly Found[], from: string): Promise<void> {
    const gone = new AbortController()
    const isGone = () => gone.signal.aborted || this.#closing.signal.aborted
    response.on('close', () => gone.abort())
    response.on('error', () => gone.abort())
    const write = async (text: string) => {
      if (!response.write(text)) {
        await drained(response, AbortSignal.any([gone.signal, this.#closing.signal]))
      }
    }
    const tails = follow(runs, from)
    let heard = Date.now()
    await write('retry: 2000\n\n')
    for (let round = 0; !isGone(); ) {
      const isLast = this.#ending.signal.aborted
      let more = false
      for (const [run, tail] of tails.entries()) {
        const fresh = await tail.read()
        more ||= fresh.more
        if (fresh.lines.length === 0 && !fresh.reset) continue
        const data = JSON.stringify({ run, reset: fresh.reset, ...toPoints(fresh.lines) })
        const mark = tails.map((tail) => tail.mark).join(',')
        await write(`id: ${mark}\nevent: points\ndata: ${data}\n\n`)
        heard = Date.now()
      }
      if (more) continue
      if (round++ === 0) await write('event: caught-up\ndata: {}\n\n')
      if (isLast) break
      if (Date.now() - heard >= HEARTBEAT) {
        await write(': still here\n\n')
        heard = Date.now()
      }
      const signal = AbortSignal.any([gone.signal, this.#ending.signal])
      await pause(LOOK, undefined, { signal, ref: false }).catch(() => {})
    }
    if (!isGone()) await write('event: closed\ndata: {}\n\n')
    response.end()
  }
}

/** Goes on with each run where an event left it, if that was of as many runs. */
function follow(runs: readonly Found[], from: string): Tail[] {
  const marks = from.split(',')
  const known = marks.length === runs.length
  return runs.map(
    ({ dir }, index) => new Tail(dir, 'metrics.jsonl', known ? marks[index] : undefined),
  )
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    if (signal.aborted) return resolve()
    response.on('drain', done)
    signal.addEventListener('abort', done)
  })
}
