import type { RunEvent } from '../../native/generated.js'

interface Waiting {
  resolve(result: IteratorResult<RunEvent, undefined>): void
  reject(error: unknown): void
}

const DONE: IteratorResult<RunEvent, undefined> = { done: true, value: undefined }

/**
 * One reader's events. While the reader is busy a step event replaces the step event before it, so
 * that a slow reader sees a newer step and not a longer queue; every other event waits for it.
 */
export class EventQueue implements AsyncIterableIterator<RunEvent, undefined> {
  readonly #onDetach: (queue: EventQueue) => void
  #events: RunEvent[] = []
  #waiting: Waiting[] = []
  #ended = false
  /** What is thrown at the end; in a box, for anything can be. */
  #failure: { error: unknown } | undefined

  constructor(onDetach: (queue: EventQueue) => void) {
    this.#onDetach = onDetach
  }

  push(event: RunEvent): void {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      waiting.resolve({ done: false, value: event })
      return
    }
    if (event.type === 'step' && this.#events.at(-1)?.type === 'step') this.#events.pop()
    this.#events.push(event)
  }

  /** Nothing follows the events so far, except the failure, which is thrown once. */
  end(failure?: { error: unknown }): void {
    this.#ended = true
    this.#failure = failure
    for (const { resolve, reject } of this.#waiting.splice(0)) this.next().then(resolve, reject)
  }

  next(): Promise<IteratorResult<RunEvent, undefined>> {
    const event = this.#events.shift()
    if (event !== undefined) return Promise.resolve({ done: false, value: event })
    if (!this.#ended) {
      return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
    }
    const failure = this.#failure
    this.#failure = undefined
    return failure === undefined ? Promise.resolve(DONE) : Promise.reject(failure.error)
  }

  /** What `break` calls: this reader leaves, the run goes on. */
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
