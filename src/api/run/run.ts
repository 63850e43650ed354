import { randomUUID } from 'node:crypto'
import { throwIfAborted } from '../../download/download-error.js'
import type { DownloadOptions } from '../../download/fetch-file.js'
import { AbortError, ResidualError, type RunError } from '../../errors/errors.js'
import { fromSystemError } from '../../errors/system-error.js'
import type { NativeRun } from '../../native/addon.js'
import type { RunEvent, TrainResult } from '../../native/generated.js'
import { toResidualError } from '../../native/native-result.js'
import { StopRequestWatcher } from '../../run-folder/stop-request.js'
import { EventQueue } from './event-queue.js'
import { currentHookCall, type HookCall, HookCalls } from './hook-calls.js'
import {
  checkTrainOptions,
  type HookResult,
  hookForEvent,
  type TrainOptions,
} from './train-options.js'

/**
 * State of a run: `starting` before the first step (also while another run of this process trains),
 * `running`, `paused`, `stopping` after a request to stop or abort, and `ended`.
 */
export type RunState = 'starting' | 'running' | 'paused' | 'stopping' | 'ended'

/** Functions that a run calls one after another. */
export interface RunPhases {
  /** Downloads; undefined if nothing has to be downloaded. */
  prepare: ((options: DownloadOptions) => Promise<unknown>) | undefined
  /** Queues the run on the training thread, which calls `wake` when there are events to drain. */
  start: (wake: () => void) => NativeRun
  /** Writes the report of a run folder and returns its path; undefined if none is requested. */
  writeReport: ((dir: string) => Promise<string>) | undefined
}

/** An entry that `NativeRun.drain` returns. */
type Entry = { seq: number; event: RunEvent } | { seq: number; settled: Settled }

/** Outcome that the addon reports; `failed` if a hook threw an error and a checkpoint was saved. */
type Settled = { ok: TrainResult } | { error: RunError } | { failed: string; last?: string | null }

/** Value with which the promise of the run resolves or rejects. */
type Outcome = { result: TrainResult } | { error: unknown }

/** The longest delay that `setInterval` supports, in ms. */
const MAX_INTERVAL = 2 ** 31 - 1

/** Time that a stopped run waits for its pending hooks, in ms. */
const HOOK_TIMEOUT = 5000

/** Time after which a hook and a run that wait for each other are a deadlock, in ms. */
const DEADLOCK_DELAY = 1000

/**
 * A training run: a promise of its result and an async iterable of its events.
 *
 * The run trains on a separate thread and keeps the process alive until it ends (see `unref`). Its
 * rejection is never reported as unhandled, so that code that only iterates over the events need
 * not await the promise.
 *
 * @example
 * const run = train({ data: './photos', model: 'resnet18' })
 * for await (const event of run) {
 *   if (event.type === 'epoch') console.log(event.epoch, event.val?.accuracy)
 * }
 * const { best } = await run
 */
export class Run implements Promise<TrainResult>, AsyncIterable<RunEvent> {
  /** Unique identifier of this run. */
  readonly id: string = randomUUID()

  readonly [Symbol.toStringTag] = 'Run'

  readonly #promise: Promise<TrainResult>
  readonly #readers = new Set<EventQueue>()
  readonly #hooks = new HookCalls(this)
  /** The call of the hook that started this run; undefined if the run was started outside hooks. */
  #parent = currentHookCall()
  readonly #keepAlive = setInterval(() => {}, MAX_INTERVAL)
  readonly #onAbort = () => this.#abort()
  #options: TrainOptions = {}
  #resolve!: (result: TrainResult) => void
  #reject!: (error: unknown) => void
  #native: NativeRun | undefined
  #writeReport: RunPhases['writeReport']
  /** The end event, which is delivered after the report is written. */
  #endEvent: { seq: number; event: Extract<RunEvent, { type: 'end' }> } | undefined
  /** Aborts the downloads; set until the native run exists. */
  #preparing: AbortController | undefined
  #state: RunState = 'starting'
  #dir: string | undefined
  #checkpoint: string | undefined
  #result: TrainResult | undefined
  #outcome: Outcome | undefined
  /** The first error that a hook threw; boxed, because a hook may throw any value. */
  #hookError: { error: unknown } | undefined
  #isStepHookPending = false
  #stopRequests: StopRequestWatcher | undefined
  /** Sequence number of the latest epoch event, whose hook training waits for. */
  #epochSeq = 0

  /** @internal */
  static start(createPhases: () => RunPhases, options: TrainOptions): Run {
    return new Run(createPhases, options)
  }

  private constructor(createPhases: () => RunPhases, options: TrainOptions) {
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#promise.catch(() => {})
    try {
      checkTrainOptions(options)
      this.#options = options
      const { signal } = options
      if (signal?.aborted) {
        throw new AbortError('aborted before the start', undefined, signal.reason)
      }
      const { prepare, start, writeReport } = createPhases()
      this.#writeReport = writeReport
      const startNative = () => {
        this.#native = start(() => this.#drain())
      }
      if (prepare === undefined) startNative()
      else
        this.#prepare(prepare)
          .then(startNative)
          .catch((error: unknown) => this.#end({ error }))
      signal?.addEventListener('abort', this.#onAbort)
    } catch (error) {
      this.#end({ error })
    }
  }

  /** Absolute path of the run folder; undefined until it is created. */
  get dir(): string | undefined {
    return this.#dir
  }

  /** Current state. */
  get state(): RunState {
    return this.#state
  }

  /** Absolute path of the latest checkpoint; undefined before the first checkpoint. */
  get checkpoint(): string | undefined {
    return this.#checkpoint
  }

  /** The result after the promise is fulfilled; undefined before that, and if the run fails. */
  get result(): TrainResult | undefined {
    return this.#result
  }

  /**
   * Saves a checkpoint and ends the run after its current step. The run then resolves with
   * `stopReason: 'stopped'`, or rejects with an `AbortError` if no step is finished. Training
   * continues without waiting for a pending hook; the end of the run waits at most 5 seconds for it.
   */
  stop(): void {
    this.#preparing?.abort()
    this.#hooks.limitWait(HOOK_TIMEOUT)
    this.#interrupt((native) => {
      native.stop()
      this.#unblock(native)
    })
  }

  /** Pauses the run after its current step, until `resume()`, `stop()` or an abort. */
  pause(): void {
    if (this.#state !== 'running') return
    this.#state = 'paused'
    this.#native?.pause()
  }

  /** Resumes a paused run. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    this.#native?.resume()
  }

  /** Keeps the process alive until the run ends, which is the default. */
  ref(): this {
    this.#keepAlive.ref()
    return this
  }

  /** Allows the process to exit before the run ends; a checkpoint is then saved at exit. */
  unref(): this {
    this.#keepAlive.unref()
    return this
  }

  /**
   * Resolves with the result; rejects with a `ResidualError`, or with the error of a hook. Rejects
   * with `E_USAGE` if a hook awaits a run that itself waits for the hook, because neither would end.
   */
  // biome-ignore lint/suspicious/noThenProperty: a run is a promise, as execa's processes are
  then<Value = TrainResult, Caught = never>(
    onResolved?: ((result: TrainResult) => Value | PromiseLike<Value>) | null,
    onRejected?: ((error: unknown) => Caught | PromiseLike<Caught>) | null,
  ): Promise<Value | Caught> {
    const deadlock = new Promise<never>((_, reject) => this.#onDeadlock(reject))
    return Promise.race([this.#promise, deadlock]).then(onResolved, onRejected)
  }

  /** Calls a function with the error of the run, as `Promise.prototype.catch` does. */
  catch<Caught = never>(
    onRejected?: ((error: unknown) => Caught | PromiseLike<Caught>) | null,
  ): Promise<TrainResult | Caught> {
    return this.then(undefined, onRejected)
  }

  /** Calls a function when the run has ended, as `Promise.prototype.finally` does. */
  finally(onFinally?: (() => void) | null): Promise<TrainResult> {
    return this.then().finally(onFinally)
  }

  /**
   * Iterates over the events that follow this call. Step events are coalesced if the loop is slower
   * than training. Leaving the loop does not stop the run. If the run fails, the loop throws its
   * error.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<RunEvent> {
    const reader = new EventQueue((queue) => this.#readers.delete(queue))
    if (this.#outcome === undefined) this.#readers.add(reader)
    else reader.end('error' in this.#outcome ? this.#outcome : undefined)
    this.#onDeadlock((error) => {
      this.#readers.delete(reader)
      reader.end({ error })
    })
    return reader
  }

  /**
   * Calls a function with an error if the current code belongs to a hook that waits for this run
   * while this run waits for the hook.
   */
  #onDeadlock(reject: (error: ResidualError) => void): void {
    const call = currentHookCall()
    const isBlocked = () =>
      this.#outcome === undefined &&
      call?.isPending === true &&
      (call.run === this || call.blocksTraining)
    if (call === undefined || !isBlocked()) return
    // A hook that starts a run without awaiting it has completed by then.
    setTimeout(() => {
      if (isBlocked()) call.deadlock ??= deadlockError(call, call.run === this)
      const { deadlock: error } = call
      if (error === undefined) return
      reject(error)
      if (call !== this.#parent) return
      this.#native?.abort()
      this.#preparing?.abort()
      this.#end({ error })
    }, DEADLOCK_DELAY)
  }

  async #prepare(prepare: NonNullable<RunPhases['prepare']>): Promise<void> {
    const { onDownload } = this.#options
    this.#preparing = new AbortController()
    const { signal } = this.#preparing
    await prepare({ signal, onDownload: onDownload && ((progress) => onDownload(progress)) })
    throwIfAborted(signal)
  }

  #abort(): void {
    this.#preparing?.abort(this.#options.signal?.reason)
    this.#hooks.limitWait(0)
    this.#interrupt((native) => {
      native.abort()
      this.#unblock(native)
    })
  }

  /** Ends the wait of training for a pending hook. */
  #unblock(native: NativeRun): void {
    native.acknowledge(this.#epochSeq, 'continue')
    this.#hooks.unblockTraining()
  }

  #interrupt(request: (native: NativeRun) => void): void {
    if (this.#state === 'ended' || (this.#native ?? this.#preparing) === undefined) return
    this.#state = 'stopping'
    if (this.#native !== undefined) request(this.#native)
  }

  #drain(): void {
    for (const json of this.#native?.drain() ?? []) {
      const entry: Entry = JSON.parse(json)
      if ('settled' in entry) this.#settle(entry.settled)
      else if (this.#writeReport !== undefined && entry.event.type === 'end') {
        this.#endEvent = { seq: entry.seq, event: entry.event }
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
        this.#callHook(event, (result) => {
          this.#native?.acknowledge(seq, result === 'stop' ? 'stop' : 'continue')
        })
        return
      case 'step':
        if (this.#isStepHookPending) return
        this.#isStepHookPending = true
        this.#callHook(event, (result) => {
          this.#isStepHookPending = false
          if (result === 'stop') this.stop()
        })
        return
      case 'warning':
      case 'end':
        break
    }
    this.#callHook(event, (result) => {
      if (result === 'stop') this.stop()
    })
  }

  /** Calls the hook for an event, if there is one, then `onResult`. */
  #callHook(event: RunEvent, onResult: (result?: HookResult) => void): void {
    // No more hooks are called after one has failed, which ends the run.
    const hook = this.#hookError ? undefined : hookForEvent(this.#options, event)
    if (hook === undefined) onResult()
    else {
      const call = () => hook.call(this.#options, event)
      this.#hooks.call(event.type, call, onResult, (error) => this.#onHookError(error))
    }
  }

  #onHookError(error: unknown): void {
    this.#hookError ??= { error }
    this.#hooks.unblockTraining()
    this.#interrupt((native) => native.fail())
  }

  #settle(settled: Settled): void {
    if ('ok' in settled) void this.#complete(settled.ok)
    else if ('failed' in settled) {
      this.#checkpoint = settled.last ?? this.#checkpoint
      this.#end({ error: this.#hookError?.error })
    } else {
      this.#end({ error: this.#toError(settled.error) })
    }
  }

  async #complete(trained: TrainResult): Promise<void> {
    const report = await this.#tryWriteReport(trained)
    const result = report === undefined ? trained : { ...trained, report }
    if (this.#endEvent !== undefined) {
      const { seq, event } = this.#endEvent
      this.#deliver(seq, { ...event, result })
    }
    // A pending hook may still throw an error, which rejects the run.
    await this.#hooks.completed()
    const { signal } = this.#options
    if (signal?.aborted && this.#hooks.hasPending) {
      const message = 'aborted before the hooks completed'
      this.#end({ error: new AbortError(message, result.last, signal.reason) })
    } else {
      this.#end(this.#hookError ?? { result })
    }
  }

  /** Writes the report, if requested, and returns its path. Emits a warning if that fails. */
  async #tryWriteReport({ stopReason, dir }: TrainResult): Promise<string | undefined> {
    if (this.#writeReport === undefined || stopReason === 'stopped') return undefined
    try {
      return await this.#writeReport(dir)
    } catch (error) {
      this.#deliver(0, reportWarning(error))
      return undefined
    }
  }

  #toError(error: RunError): unknown {
    if (error.code === 'E_ABORTED') {
      this.#checkpoint = error.at?.file ?? this.#checkpoint
      return new AbortError(error.message, this.#checkpoint, this.#options.signal?.reason)
    }
    return toResidualError(error, this.#hookError && { cause: this.#hookError.error })
  }

  #end(outcome: Outcome): void {
    if (this.#outcome !== undefined) return
    clearInterval(this.#keepAlive)
    this.#stopRequests?.[Symbol.dispose]()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#options = {} // releases the in-memory images
    this.#parent = undefined
    this.#state = 'ended'
    this.#outcome = outcome
    if ('error' in outcome) {
      this.#reject(outcome.error)
    } else {
      this.#result = outcome.result
      this.#resolve(outcome.result)
    }
    for (const reader of this.#readers) reader.end('error' in outcome ? outcome : undefined)
    this.#readers.clear()
  }
}

function deadlockError({ type }: HookCall, isOwnRun: boolean): ResidualError {
  const hook = `on${type.charAt(0).toUpperCase()}${type.slice(1)}`
  return new ResidualError({
    code: 'E_USAGE',
    message: isOwnRun
      ? `\`${hook}\` waits for the end of its own run, which waits for \`${hook}\``
      : `\`${hook}\` waits for a run that starts only after the current run, which waits for ` +
        `\`${hook}\`: the runs of a process train one after another`,
    hint: isOwnRun
      ? "Return 'stop' or call `run.stop()`, and await the run outside its hooks."
      : 'Start the other run after this one has ended.',
  })
}

/** Returns a warning for a report that could not be written; the run itself has succeeded. */
function reportWarning(error: unknown): RunEvent {
  const { code, message, at, hint } =
    error instanceof ResidualError
      ? error
      : (fromSystemError(error) ??
        new ResidualError({ code: 'E_INTERNAL', message: String(error) }, { cause: error }))
  const file = at.file === undefined ? {} : { file: at.file }
  return { type: 'warning', code, message: `the report was not written: ${message}`, ...file, hint }
}
