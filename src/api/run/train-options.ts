import type { DownloadProgress } from '../../download/fetch-file.js'
import { ResidualError } from '../../errors/errors.js'
import type { ArrayDataset } from '../../native/arguments/arrays.js'
import type {
  CheckpointEvent,
  EndEvent,
  EpochEvent,
  RunEvent,
  StartEvent,
  StepEvent,
  WarningEvent,
} from '../../native/generated.js'
import { didYouMean } from './suggestions.js'

/** Return value of a hook. `'stop'` saves a checkpoint and ends the run, as `run.stop()` does. */
// biome-ignore lint/suspicious/noConfusingVoidType: most hooks have no return statement
export type HookResult = 'stop' | undefined | void

/**
 * A callback for one type of event. Hooks are called in the order of the events. If a hook throws
 * or rejects, the run saves a checkpoint, ends, and rejects with that error.
 */
export type Hook<Event> = (event: Event) => HookResult | PromiseLike<HookResult>

/** Options of `train()` that are not part of the configuration. */
export interface TrainOptions {
  /**
   * Aborts the run after its current step: it saves a checkpoint and rejects with an `AbortError`.
   */
  signal?: AbortSignal | undefined
  /** In-memory images instead of `data`; config.json records their shape and hash. */
  arrays?: ArrayDataset | undefined
  /**
   * Write `report.html` to the run folder at the end of the run, which takes one or two seconds;
   * `TrainResult.report` is the path. A stopped run writes no report, because it can be resumed. If
   * the report cannot be written, the run emits a warning and still succeeds. Default: false.
   */
  report?: boolean | undefined
  /**
   * Called while a named data set or published weights are downloaded, before the run starts. If
   * the callback throws an error, the run rejects with it.
   */
  onDownload?: ((progress: DownloadProgress) => void) | undefined
  /** Called before the first step, when the data set is open and the run folder exists. */
  onStart?: Hook<StartEvent> | undefined
  /**
   * Called after an optimizer step. Training does not wait for the hook: no further steps are
   * reported to the hook while a call is pending.
   */
  onStep?: Hook<StepEvent> | undefined
  /**
   * Called after an epoch and its validation. Training waits until the hook has completed. The hook
   * cannot await another run: the runs of a process train one after another.
   */
  onEpoch?: Hook<EpochEvent> | undefined
  /** Called after a checkpoint is written. */
  onCheckpoint?: Hook<CheckpointEvent> | undefined
  /** Called for a problem that does not end the run, such as an unreadable image. */
  onWarning?: Hook<WarningEvent> | undefined
  /** Called when the run has ended without an error and its report, if requested, is written. */
  onEnd?: Hook<EndEvent> | undefined
}

const HOOKS = {
  start: 'onStart',
  step: 'onStep',
  epoch: 'onEpoch',
  checkpoint: 'onCheckpoint',
  warning: 'onWarning',
  end: 'onEnd',
} as const satisfies { [type in RunEvent['type']]: keyof TrainOptions }

const KEYS: readonly string[] = [
  ...['signal', 'arrays', 'report', 'onDownload'],
  ...Object.values(HOOKS),
]

/**
 * Validates the options of `train()`.
 *
 * @throws {ResidualError} `E_UNKNOWN_KEY`, `E_USAGE` with the name of the option
 */
export function checkTrainOptions(options: TrainOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw typeError('options', 'an object', options)
  }
  for (const [key, value] of Object.entries(options)) {
    if (!KEYS.includes(key)) {
      throw new ResidualError({
        code: 'E_UNKNOWN_KEY',
        message: `unknown option \`${key}\``,
        at: { key },
        hint:
          didYouMean(key, KEYS) ??
          `Known options: ${KEYS.join(', ')}. Configuration keys go into the first argument.`,
      })
    }
    if (value === undefined) continue
    if (key === 'arrays') continue
    if (key === 'report') {
      if (typeof value !== 'boolean') throw typeError(key, 'true or false', value)
      continue
    }
    if (key !== 'signal' && typeof value !== 'function') throw typeError(key, 'a function', value)
    if (key === 'signal' && typeof value?.addEventListener !== 'function') {
      throw typeError(key, 'an AbortSignal', value)
    }
  }
}

/** Returns the hook for an event, if it is set. */
export function hookForEvent(options: TrainOptions, event: RunEvent): Hook<RunEvent> | undefined {
  return options[HOOKS[event.type]] as Hook<RunEvent> | undefined
}

function typeError(key: string, expected: string, value: unknown): ResidualError {
  const actual = value === null ? 'null' : typeof value
  return new ResidualError({
    code: 'E_USAGE',
    message: `\`${key}\` must be ${expected}, not ${actual}`,
    at: { key },
  })
}
