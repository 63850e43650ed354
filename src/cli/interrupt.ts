/** Signals that end a command, with the exit status that a shell reports for each. */
const EXIT_STATUS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

type Signal = keyof typeof EXIT_STATUS

const SIGNALS = Object.keys(EXIT_STATUS) as Signal[]

/**
 * Calls a function at the first SIGINT, SIGTERM or SIGHUP (closed terminal), so that the command can
 * stop cleanly. A second signal ends the process immediately. Disposal restores the default handling.
 */
export class InterruptHandler implements Disposable {
  readonly #stop: (signal: Signal) => void
  #signal: Signal | undefined

  constructor(stop: (signal: Signal) => void) {
    this.#stop = stop
    for (const signal of SIGNALS) process.on(signal, this.#onSignal)
  }

  /** The exit status after a signal, otherwise undefined. */
  get exitStatus(): number | undefined {
    return this.#signal && EXIT_STATUS[this.#signal]
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal)
  }

  readonly #onSignal = (signal: NodeJS.Signals) => {
    if (this.#signal === undefined) {
      this.#signal = signal as Signal
      this.#stop(this.#signal)
    } else {
      // Without a listener, the signal has its default effect and ends the process.
      this[Symbol.dispose]()
      process.kill(process.pid, signal)
    }
  }
}
