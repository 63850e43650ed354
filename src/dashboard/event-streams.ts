import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { LogTail } from './log-tail.js'
import { toMetricColumns } from './metric-columns.js'
import type { RunIndex, RunLocation } from './run-index.js'

/** Maximum number of open streams, which bounds the cost of polling files. */
export const MAX_STREAMS = 64

/**
 * Maximum number of runs in one stream. A browser opens at most six connections to a server, so a
 * page uses a single stream.
 */
export const MAX_RUNS_PER_STREAM = 12

/** Interval of polling the files, in milliseconds. */
const POLL_INTERVAL = 500

/**
 * Idle time after which a comment is sent, in milliseconds, since proxies close idle connections.
 */
const HEARTBEAT_INTERVAL = 15_000

/** Maximum time for sending the remaining events when the server closes, in milliseconds. */
const CLOSE_TIMEOUT = 5000

/** Streams of server-sent events of runs, read from metrics.jsonl. */
export class EventStreams {
  readonly #runs: RunIndex
  readonly #open = new Set<Promise<void>>()
  /** Aborted when streams must end without sending the remaining events. */
  readonly #closing = new AbortController()
  /** Aborted when streams must end after sending the remaining events. */
  readonly #draining = new AbortController()

  constructor(runs: RunIndex) {
    this.#runs = runs
  }

  /** Number of open streams. */
  get size(): number {
    return this.#open.size
  }

  /** Whether the server is closing; no stream may be opened then. */
  get isClosing(): boolean {
    return this.#draining.signal.aborted
  }

  /** Whether fewer than the maximum number of streams are open. */
  get hasRoom(): boolean {
    return this.#open.size < MAX_STREAMS
  }

  /**
   * Sends events until either side closes the response.
   *
   * @param from id of the last event that the page has received
   */
  open(response: ServerResponse, runs: readonly RunLocation[], from: string): void {
    const stream = this.#send(response, runs, from)
      // The page reconnects after an error.
      .catch(() => {
        response.destroy()
      })
      .finally(() => this.#open.delete(stream))
    this.#open.add(stream)
  }

  /** Sends the remaining events and a final one, and ends every stream. */
  async close(): Promise<void> {
    this.#draining.abort()
    const timeout = setTimeout(() => this.#closing.abort(), CLOSE_TIMEOUT)
    await Promise.all(this.#open)
    clearTimeout(timeout)
  }

  async #send(response: ServerResponse, runs: readonly RunLocation[], from: string): Promise<void> {
    const disconnected = new AbortController()
    const isClosed = () => disconnected.signal.aborted || this.#closing.signal.aborted
    response.on('close', () => disconnected.abort())
    response.on('error', () => disconnected.abort())
    const write = async (text: string) => {
      if (!response.write(text)) {
        const signal = AbortSignal.any([disconnected.signal, this.#closing.signal])
        await waitForDrain(response, signal)
      }
    }
    const tails = createTails(runs, from)
    const stamps = runs.map(() => '')
    let lastWrite = Date.now()
    await write('retry: 2000\n\n')
    let isCaughtUp = false
    while (!isClosed()) {
      const isLast = this.#draining.signal.aborted
      let hasMore = false
      for (const [run, tail] of tails.entries()) {
        const update = await tail.read()
        hasMore ||= update.hasMore
        if (update.lines.length === 0 && !update.reset) continue
        const metrics = toMetricColumns(update.lines)
        const data = JSON.stringify({ run, reset: update.reset, ...metrics })
        const id = tails.map((tail) => tail.position).join(',')
        await write(`id: ${id}\nevent: points\ndata: ${data}\n\n`)
        lastWrite = Date.now()
      }
      if (hasMore) continue
      // Summaries follow the log: a page that learns of the end of a run already has all points.
      for (const [index, run] of runs.entries()) {
        const change = await this.#runs.readChangedSummary(run, stamps[index] ?? '')
        if (change === undefined) continue
        stamps[index] = change.stamp
        if (change.summary === undefined) continue
        await write(`event: summary\ndata: ${JSON.stringify(change.summary)}\n\n`)
        lastWrite = Date.now()
      }
      if (!isCaughtUp) await write('event: caught-up\ndata: {}\n\n')
      isCaughtUp = true
      if (isLast) break
      if (Date.now() - lastWrite >= HEARTBEAT_INTERVAL) {
        await write(': heartbeat\n\n')
        lastWrite = Date.now()
      }
      const signal = AbortSignal.any([disconnected.signal, this.#draining.signal])
      await sleep(POLL_INTERVAL, undefined, { signal, ref: false }).catch(() => {})
    }
    if (!isClosed()) await write('event: closed\ndata: {}\n\n')
    response.end()
  }
}

/** Starts each run at its position in an event id, or at the beginning if the id does not match. */
function createTails(runs: readonly RunLocation[], from: string): LogTail[] {
  const positions = from.split(',')
  const isMatching = positions.length === runs.length
  return runs.map(
    ({ dir }, index) =>
      new LogTail(dir, 'metrics.jsonl', isMatching ? positions[index] : undefined),
  )
}

function waitForDrain(response: ServerResponse, signal: AbortSignal): Promise<void> {
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
