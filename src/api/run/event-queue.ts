import type { RunEvent } from '../../native/generated.js'

interface PendingRead {
  resolve(result: IteratorResult<RunEvent, undefined>): void
  reject(error: unknown): void
}

const DONE: IteratorResult<RunEvent, undefined> = { done: true, value: undefined }

/**
 * Event queue of one `for await` loop. While the loop body runs, consecutive step events are
 * coalesced, so that a slow reader gets the latest step instead of a growing queue. All other
 * events are delivered.
 */
export class EventQueue implements AsyncIterableIterator<RunEvent, undefined> {
  readonly #onDetach: (queue: EventQueue) => void
  #events: RunEvent[] = []
  #pendingReads: PendingRead[] = []
  #ended = false
  /** The error to throw at the end; boxed, because a hook may throw any value. */
  #failure: { error: unknown } | undefined

  /** @param onDetach called when the loop ends before the run */
  constructor(onDetach: (queue: EventQueue) => void) {
    this.#onDetach = onDetach
  }

  push(event: RunEvent): void {
    const read = this.#pendingReads.shift()
    if (read !== undefined) {
      read.resolve({ done: false, value: event })
      return
    }
    if (event.type === 'step' && this.#events.at(-1)?.type === 'step') this.#events.pop()
    this.#events.push(event)
  }

  /** Ends the queue. A failure is thrown once, after the events that are already queued. */
  end(failure?: { error: unknown }): void {
    this.#ended = true
    this.#failure = failure
    for (const { resolve, reject } of this.#pendingReads.splice(0)) {
      this.next().then(resolve, reject)
    }
  }

  next(): Promise<IteratorResult<RunEvent, undefined>> {
    const event = this.#events.shift()
    if (event !== undefined) return Promise.resolve({ done: false, value: event })
    if (!this.#ended) {
      return new Promise((resolve, reject) => this.#pendingReads.push({ resolve, reject }))
    }
    const failure = this.#failure
    this.#failure = undefined
    return failure === undefined ? Promise.resolve(DONE) : Promise.reject(failure.error)
  }

  /** Detaches this reader; `break` calls it. The run continues. */
  return(): Promise<IteratorResult<RunEvent, undefined>> {
    this.#onDetach(this)
    this.#events = []
    this.end()
    return Promise.resolve(DONE)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
