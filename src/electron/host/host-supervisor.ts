import type { HostExit, HostLauncher, HostProcess } from './host-process.js'
import type { HostMessage, HostRequest } from './protocol.js'

/** Times in milliseconds. */
export interface HostTimeouts {
  /** Time between two heartbeats of a host. */
  interval: number
  /** Silence after which a host is reported as unresponsive. */
  silence: number
  /** Silence after which a host is killed. */
  kill: number
}

/** Functions that a supervisor calls. */
export interface SupervisorListener {
  onMessage(message: Exclude<HostMessage, { type: 'ready' | 'heartbeat' }>): void
  /** Called when a host has been silent for too long, and when it answers again. */
  onResponsive(isResponsive: boolean): void
  /** Called when a host has ended, whether requested or not. */
  onExit(exit: HostExit): void
}

/** Starts a host process when it is needed, and watches its heartbeats. */
export class HostSupervisor {
  readonly #launch: HostLauncher
  readonly #timeouts: HostTimeouts
  readonly #listener: SupervisorListener
  #host: HostProcess | undefined
  #isReady = false
  /** Requests that wait until the host is ready. */
  #queue: HostRequest[] = []
  #timer: NodeJS.Timeout | undefined
  /** Intervals without a message. Intervals are counted, because a clock runs on during sleep. */
  #silentIntervals = 0
  #isResponsive = true

  constructor(launch: HostLauncher, timeouts: HostTimeouts, listener: SupervisorListener) {
    this.#launch = launch
    this.#timeouts = timeouts
    this.#listener = listener
  }

  /** Process id of the host; undefined without a host. */
  get pid(): number | undefined {
    return this.#host?.pid
  }

  get isRunning(): boolean {
    return this.#host !== undefined
  }

  /** Sends a request to the host, which is started if necessary. */
  send(request: HostRequest): void {
    this.#host ??= this.#start()
    if (this.#isReady) this.#host.send(request)
    else this.#queue.push(request)
  }

  kill(): void {
    this.#host?.kill()
  }

  #start(): HostProcess {
    this.#isReady = false
    this.#isResponsive = true
    this.#silentIntervals = 0
    const { interval } = this.#timeouts
    this.#timer = setInterval(() => this.#checkSilence(), interval).unref()
    try {
      return this.#launch([String(interval)], {
        onMessage: (message) => this.#receive(message as HostMessage),
        onExit: (exit) => this.#onExit(exit),
      })
    } catch (error) {
      // `utilityProcess.fork()` throws before the application is ready.
      const stderr = (error as Error).message
      setImmediate(() => this.#onExit({ code: null, signal: null, stderr }))
      return { pid: undefined, send: () => {}, kill: () => {} }
    }
  }

  #receive(message: HostMessage): void {
    this.#silentIntervals = 0
    if (!this.#isResponsive) {
      this.#isResponsive = true
      this.#listener.onResponsive(true)
    }
    if (message.type === 'heartbeat') return
    if (message.type !== 'ready') {
      this.#listener.onMessage(message)
      return
    }
    this.#isReady = true
    for (const request of this.#queue.splice(0)) this.#host?.send(request)
  }

  #checkSilence(): void {
    const { interval, silence, kill } = this.#timeouts
    const silent = ++this.#silentIntervals * interval
    if (silent >= kill) this.kill()
    else if (silent >= silence && this.#isResponsive) {
      this.#isResponsive = false
      this.#listener.onResponsive(false)
    }
  }

  #onExit(exit: HostExit): void {
    clearInterval(this.#timer)
    this.#host = undefined
    this.#queue = []
    this.#listener.onExit(exit)
  }
}
