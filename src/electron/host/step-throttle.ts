import type { RunEvent } from '../../native/generated.js'

/** Minimum time between two step events, in ms: windows draw no more than twenty per second. */
const INTERVAL = 50

/**
 * Limits the number of step events. Of the steps within an interval, the last one is passed on, at
 * the end of the interval or before the next event of another type.
 */
export class StepThrottle {
  readonly #send: (event: RunEvent) => void
  #pending: RunEvent | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(send: (event: RunEvent) => void) {
    this.#send = send
  }

  push(event: RunEvent): void {
    if (event.type !== 'step') {
      this.flush()
      this.#send(event)
    } else if (this.#timer !== undefined) {
      this.#pending = event
    } else {
      this.#send(event)
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        const pending = this.#pending
        this.#pending = undefined
        if (pending !== undefined) this.push(pending)
      }, INTERVAL)
    }
  }

  /** Passes on the pending step. */
  flush(): void {
    const pending = this.#pending
    this.#pending = undefined
    if (pending !== undefined) this.#send(pending)
  }
}
