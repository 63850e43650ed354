import { randomUUID } from 'node:crypto'
import { throwIfAborted } from '../../download/download-error.js'
import type { DownloadOptions } from '../../download/fetch-file.js'
import { AbortError, ResidualError, type RunError } from '../../errors/errors.js'
import type { NativeRun } from '../../native/addon.js'
import type { RunEvent, TrainResult } from '../../native/generated.js'
import { toResidualError } from '../../native/native-result.js'
import { StopRequestWatcher } from '../../run-folder/stop-request.js'
import { EventQueue } from './event-queue.js'
import {
  checkOptions,
  type Hook,
  type HookResult,
  hookForEvent,
  type TrainOptions,
} from './train-options.js'

/**
 * `starting` until training begins (a run behind another waits here), `running` or `paused`,
 * `stopping` once it was told to end, `ended` when it has.
 */
export type RunState = 'starting' | 'running' | 'paused' | 'stopping' | 'ended'

/** Hands the run to the training thread, which calls `wake` when there is something to drain. */
type Start = (wake: () => void) => NativeRun

/** How a run begins. */
export interface Plan {
  /** What takes time and needs no training thread: downloads. */
  prepare: ((options: DownloadOptions) => Promise<unknown>) | undefined
  start: Start
  /** Writes the report on the run in a folder, and tells its file; undefined if none is wanted. */
  report: ((dir: string) => Promise<string>) | undefined
}

/** What `drain` gives. */
type Entry = { seq: number; event: RunEvent } | { seq: number; settled: Settled }

/** How a run ended, as it comes over the bridge; `failed` if a hook threw and the run was saved. */
type Settled = { ok: TrainResult } | { error: RunError } | { failed: string; last?: string | null }

/** How a run ended, as its promise tells. */
type Ending = { result: TrainResult } | { error: unknown }

/** The longest interval that Node has. */
const FOREVER = 2 ** 31 - 1

/**
 * A training run: a promise of its result and an iterable of its events, both at once.
 *
 * It has a thread of its own and holds the process until it ends (see `unref`). Its rejection never
 * counts as unhandled, so that whoever reads only the events need not await it as well.
 */
export class Run implements PromiseLike<TrainResult>, AsyncIterable<RunEvent> {
  /** Tells this run from every other. */
  readonly id: string = randomUUID()

  readonly #promise: Promise<TrainResult>
  readonly #readers = new Set<EventQueue>()
  /** Hooks that have not answered yet. */
  readonly #busy = new Set<PromiseLike<unknown>>()
  readonly #hold = setInterval(() => {}, FOREVER)
  readonly #onAbort = () => this.#abort()
  #options: TrainOptions = {}
  #resolve!: (result: TrainResult) => void
  #reject!: (error: unknown) => void
  #native: NativeRun | undefined
  #report: Plan['report']
  /** The end, which is told when the report is there. */
  #heldEnd: { seq: number; event: Extract<RunEvent, { type: 'end' }> } | undefined
  /** Ends what is prepared, before there is a native run. */
  #preparing: AbortController | undefined
  #state: RunState = 'starting'
  #dir: string | undefined
  #checkpoint: string | undefined
  #result: TrainResult | undefined
  #ending: Ending | undefined
  /** What a hook threw first; in a box, for anything can be thrown. */
  #thrown: { error: unknown } | undefined
  #stepHookIsBusy = false
  #stopRequests: StopRequestWatcher | undefined
  /** The epoch event that training waits for us to be done with. */
  #epochSeq = 0

  /** @internal */
  static start(plan: () => Plan, options: TrainOptions): Run {
    return new Run(plan, options)
  }

  private constructor(plan: () => Plan, options: TrainOptions) {
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#promise.catch(() => {})
    try {
      checkOptions(options)
      this.#options = options
      const { signal } = options
      if (signal?.aborted) throw new AbortError('aborted before it began', undefined, signal.reason)
      const { prepare, start, report } = plan()
      this.#report = report
      const begin = () => {
        this.#native = start(() => this.#drain())
      }
      if (prepare === undefined) begin()
      else
        this.#prepare(prepare)
          .then(begin)
          .catch((error: unknown) => this.#end({ error }))
      signal?.addEventListener('abort', this.#onAbort)
    } catch (error) {
      this.#end({ error })
    }
  }

  /** The run folder, absolute; undefined until it is made. */
  get dir(): string | undefined {
    return this.#dir
  }

  /** Where the run is on its way. */
  get state(): RunState {
    return this.#state
  }

  /** The checkpoint written last, absolute; undefined before the first. */
  get checkpoint(): string | undefined {
    return this.#checkpoint
  }

  /** What the promise gives; undefined until then, and for ever if the run failed. */
  get result(): TrainResult | undefined {
    return this.#result
  }

  /**
   * Ends the run after the step it is in, saved; it resolves with `stopReason: 'stopped'`. A run
   * that has not begun to train has nothing to resolve with, and rejects with an `AbortError`.
   */
  stop(): void {
    this.#preparing?.abort()
    this.#interrupt((native) => native.stop())
  }

  /** Holds a running run after the step it is in, until `resume()`, `stop()` or an abort. */
  pause(): void {
    if (this.#state !== 'running') return
    this.#state = 'paused'
    this.#native?.pause()
  }

  /** Lets a paused run go on. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    this.#native?.resume()
  }

  /** Makes the run hold the process until it ends, as it does from the start. */
  ref(): this {
    this.#hold.ref()
    return this
  }

  /** Lets the process end before the run does, which is then stopped and saved. */
  unref(): this {
    this.#hold.unref()
    return this
  }

  /** The result; rejects with a `ResidualError`, or with whatever a hook threw. */
  // biome-ignore lint/suspicious/noThenProperty: a run is a promise, as execa's processes are
  then<Value = TrainResult, Caught = never>(
    onResolved?: ((result: TrainResult) => Value | PromiseLike<Value>) | null,
    onRejected?: ((error: unknown) => Caught | PromiseLike<Caught>) | null,
  ): Promise<Value | Caught> {
    return this.#promise.then(onResolved, onRejected)
  }

  /**
   * The events from now on; a step event that is not read in time gives way to the next one.
   * Leaving the loop leaves the run alone. If the run fails, the loop throws what it rejects with.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<RunEvent> {
    const reader = new EventQueue((queue) => this.#readers.delete(queue))
    if (this.#ending === undefined) this.#readers.add(reader)
    else reader.end('error' in this.#ending ? this.#ending : undefined)
    return reader
  }

  async #prepare(prepare: NonNullable<Plan['prepare']>): Promise<void> {
    const { onDownload } = this.#options
    this.#preparing = new AbortController()
    const { signal } = this.#preparing
    await prepare({ signal, onDownload: onDownload && ((progress) => onDownload(progress)) })
    throwIfAborted(signal)
  }

  #abort(): void {
    this.#preparing?.abort(this.#options.signal?.reason)
    this.#interrupt((native) => {
      native.abort()
      // Not even a hook that never ends holds an aborted run.
      native.acknowledge(this.#epochSeq, 'continue')
    })
  }

  #interrupt(how: (native: NativeRun) => void): void {
    if (this.#state === 'ended' || (this.#native ?? this.#preparing) === undefined) return
    this.#state = 'stopping'
    if (this.#native !== undefined) how(this.#native)
  }

  #drain(): void {
    for (const text of this.#native?.drain() ?? []) {
      const entry: Entry = JSON.parse(text)
      if ('settled' in entry) this.#settle(entry.settled)
      else if (this.#report !== undefined && entry.event.type === 'end') {
        this.#heldEnd = { seq: entry.seq, event: entry.event }
      } else this.#deliver(entry.seq, entry.event)
    }
  }

  #deliver(seq: number, event: RunEvent): void {
    for (const reader of this.#readers) reader.push(event)
    switch (event.type) {
      case 'start':
        this.#dir = event.dir
        this.#stopRequests = new StopRequestWatcher(event.dir, () => this.stop())
        if (this.#state === 'starting') this.#state = 'running'
        break
      case 'checkpoint':
        this.#checkpoint = event.path
        break
      case 'epoch':
        this.#epochSeq = seq
        this.#ask(event, (answer) => {
          this.#native?.acknowledge(seq, answer === 'stop' ? 'stop' : 'continue')
        })
        return
      case 'step':
        if (this.#stepHookIsBusy) return
        this.#stepHookIsBusy = true
        this.#ask(event, (answer) => {
          this.#stepHookIsBusy = false
          if (answer === 'stop') this.stop()
        })
        return
    }
    this.#ask(event, (answer) => {
      if (answer === 'stop') this.stop()
    })
  }

  /** Calls the event's hook, and `answered` when it has an answer: at once, unless it is async. */
  #ask(event: RunEvent, answered: (answer?: HookResult) => void): void {
    // Once is enough: a run that a hook has ended asks no other.
    const hook = this.#thrown ? undefined : hookForEvent(this.#options, event)
    let answer: ReturnType<Hook<RunEvent>>
    try {
      answer = hook?.call(this.#options, event)
    } catch (error) {
      this.#hookThrew(error)
      return
    }
    if (!isPromise(answer)) {
      answered(answer)
      return
    }
    const done = answer.then(answered, (error: unknown) => this.#hookThrew(error))
    this.#busy.add(done)
    done.then(() => this.#busy.delete(done))
  }

  #hookThrew(error: unknown): void {
    this.#thrown ??= { error }
    this.#interrupt((native) => native.fail())
  }

  #settle(settled: Settled): void {
    if ('ok' in settled) void this.#complete(settled.ok)
    else if ('failed' in settled) {
      this.#checkpoint = settled.last ?? this.#checkpoint
      this.#end({ error: this.#thrown?.error })
    } else {
      this.#end({ error: this.#failure(settled.error) })
    }
  }

  async #complete(result: TrainResult): Promise<void> {
    const report = await this.#written(result)
    const whole = report === undefined ? result : { ...result, report }
    if (this.#heldEnd !== undefined) {
      const { seq, event } = this.#heldEnd
      this.#deliver(seq, { ...event, result: whole })
    }
    // A hook that is still busy belongs to the run, and may yet throw.
    await Promise.all(this.#busy)
    this.#end(this.#thrown ?? { result: whole })
  }

  /** Writes the report that was wanted, and tells its file; never fails. */
  async #written({ stopReason, dir }: TrainResult): Promise<string | undefined> {
    if (this.#report === undefined || stopReason === 'stopped') return undefined
    try {
      return await this.#report(dir)
    } catch (error) {
      this.#deliver(0, noReport(error))
      return undefined
    }
  }

  #failure(failure: RunError): unknown {
    if (failure.code === 'E_ABORTED') {
      this.#checkpoint = failure.at?.file ?? this.#checkpoint
      return new AbortError(failure.message, this.#checkpoint, this.#options.signal?.reason)
    }
    return toResidualError(failure, this.#thrown && { cause: this.#thrown.error })
  }

  #end(ending: Ending): void {
    clearInterval(this.#hold)
    this.#stopRequests?.[Symbol.dispose]()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#state = 'ended'
    this.#ending = ending
    if ('error' in ending) {
      this.#reject(ending.error)
    } else {
      this.#result = ending.result
      this.#resolve(ending.result)
    }
    for (const reader of this.#readers) reader.end('error' in ending ? ending : undefined)
    this.#readers.clear()
  }
}

function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | undefined)?.then === 'function'
}

/** A run that has ended well has done so without its report, too. */
function noReport(error: unknown): RunEvent {
  const { code, message, at, hint } =
    error instanceof ResidualError
      ? error
      : new ResidualError({ code: 'E_INTERNAL', message: String(error) }, { cause: error })
  const file = at.file === undefined ? {} : { file: at.file }
  return { type: 'warning', code, message: `no report was written: ${message}`, ...file, hint }
}
