import { AsyncLocalStorage } from 'node:async_hooks'
import type { ResidualError } from '../../errors/errors.js'
import type { RunEvent } from '../../native/generated.js'
import type { HookResult } from './train-options.js'

/** A call of a hook. */
export interface HookCall {
  /** The run that calls the hook. */
  readonly run: object
  readonly type: RunEvent['type']
  /** Whether the hook has not completed. */
  isPending: boolean
  /** Whether training waits for the hook. The runs of a process train one after another. */
  blocksTraining: boolean
  /** Error of a hook that waits for a run that itself waits for the hook. */
  deadlock?: ResidualError
}

/** The call of the hook that the current code belongs to, also after an `await`. */
const context = new AsyncLocalStorage<HookCall>()

/** Returns the call of the hook that the current code belongs to; undefined outside pending hooks. */
export function currentHookCall(): HookCall | undefined {
  const call = context.getStore()
  return call?.isPending ? call : undefined
}

/** The calls of the hooks of one run. */
export class HookCalls {
  readonly #run: object
  /** Calls that have not completed, with the promise of each asynchronous hook. */
  readonly #pending = new Map<HookCall, Promise<void> | undefined>()
  /** Resolves when `completed` must no longer wait. */
  readonly #waitEnded: Promise<void>
  #endWait!: () => void
  #isWaiting = false
  #waitLimit: number | undefined

  constructor(run: object) {
    this.#run = run
    this.#waitEnded = new Promise((resolve) => {
      this.#endWait = resolve
    })
  }

  /**
   * Calls a hook, then `onResult` or `onError`: synchronously, unless the hook returns a promise or
   * another object with a `then` method.
   */
  call(
    type: RunEvent['type'],
    hook: () => HookResult | PromiseLike<HookResult>,
    onResult: (result: HookResult) => void,
    onError: (error: unknown) => void,
  ): void {
    const call = { run: this.#run, type, isPending: true, blocksTraining: type === 'epoch' }
    const complete = () => {
      call.isPending = false
      this.#pending.delete(call)
    }
    this.#pending.set(call, undefined)
    let result: HookResult | PromiseLike<HookResult>
    try {
      result = context.run(call, hook)
      if (isThenable(result)) {
        const { then } = result
        // A run that the hook returns is awaited as part of the hook.
        const settled = context.run(
          call,
          () => new Promise<HookResult>((resolve, reject) => then.call(result, resolve, reject)),
        )
        const completed = settled.then(onResult, onError).then(complete)
        this.#pending.set(call, completed)
        return
      }
    } catch (error) {
      complete()
      onError(error)
      return
    }
    complete()
    onResult(result)
  }

  get hasPending(): boolean {
    return this.#pending.size > 0
  }

  /** Records that training no longer waits for hooks. */
  unblockTraining(): void {
    for (const call of this.#pending.keys()) call.blocksTraining = false
  }

  /** Limits the time that `completed` waits, in ms. The shortest limit applies. */
  limitWait(milliseconds: number): void {
    this.#waitLimit = Math.min(milliseconds, this.#waitLimit ?? milliseconds)
    if (this.#isWaiting) this.#endWaitAfter(milliseconds)
  }

  /** Resolves when all hooks have completed, or after the limit. */
  async completed(): Promise<void> {
    if (!this.hasPending) return
    this.#isWaiting = true
    if (this.#waitLimit !== undefined) this.#endWaitAfter(this.#waitLimit)
    await Promise.race([Promise.all(this.#pending.values()), this.#waitEnded])
  }

  #endWaitAfter(milliseconds: number): void {
    // The timer must not keep a process alive whose run has ended.
    setTimeout(this.#endWait, milliseconds).unref()
  }
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | undefined)?.then === 'function'
}
