/** The signals that ask a command to end, with what a shell calls their statuses. */
const STATUSES = { SIGINT: 130, SIGTERM: 143 } as const

type Signal = keyof typeof STATUSES

/**
 * Turns the first SIGINT or SIGTERM into a wish to stop. A second one ends the process at once.
 * Disposing of it gives the signals back.
 */
export class Interrupt implements Disposable {
  readonly #stop: (signal: Signal) => void
  #signal: Signal | undefined

  constructor(stop: (signal: Signal) => void) {
    this.#stop = stop
    for (const signal of signals()) process.on(signal, this.#onSignal)
  }

  /** The status to exit with, once there was a signal. */
  get exitStatus(): number | undefined {
    return this.#signal && STATUSES[this.#signal]
  }

  [Symbol.dispose](): void {
    for (const signal of signals()) process.off(signal, this.#onSignal)
  }

  readonly #onSignal = (signal: NodeJS.Signals) => {
    if (this.#signal === undefined) {
      this.#signal = signal as Signal
      this.#stop(this.#signal)
    } else {
      // With nobody listening the signal does what it does to every program.
      this[Symbol.dispose]()
      process.kill(process.pid, signal)
    }
  }
}

function signals(): Signal[] {
  return Object.keys(STATUSES) as Signal[]
}
