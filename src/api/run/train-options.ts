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

/** What a hook may answer: `'stop'` ends the run, saved, as `run.stop()` does. */
// biome-ignore lint/suspicious/noConfusingVoidType: most hooks have no return statement
export type HookResult = 'stop' | undefined | void

/**
 * Called as things happen, in order. Whatever a hook throws, or rejects with, saves the run, ends
 * it, and is what the run rejects with.
 */
export type Hook<Event> = (event: Event) => HookResult | PromiseLike<HookResult>

/** What goes with a configuration and is not plain data. */
export interface TrainOptions {
  /** Ends the run within a step, saved; it then rejects with an `AbortError`. */
  signal?: AbortSignal | undefined
  /** Images in memory to train on, where `data` names none; config.json keeps shape and hash. */
  arrays?: ArrayDataset | undefined
  /**
   * Write `report.html` into the run folder when the run has ended, which takes a second or two;
   * `TrainResult.report` is its path. A run that is stopped gets none, for it is to be gone on with.
   * Where it cannot be written there is a warning, and the run has ended well. Default: false.
   */
  report?: boolean | undefined
  /**
   * Called as bytes of a named data set, or of published weights, arrive: before the run begins.
   * What it throws, the run rejects with.
   */
  onDownload?: ((progress: DownloadProgress) => void) | undefined
  /** The data is read, the run folder is made, training is about to begin. */
  onStart?: Hook<StartEvent> | undefined
  /**
   * After an update of the weights. Training does not wait for it: what happens while an earlier
   * call is still busy is skipped.
   */
  onStep?: Hook<StepEvent> | undefined
  /** After an epoch and its validation. Training waits for it, and for the promise it returns. */
  onEpoch?: Hook<EpochEvent> | undefined
  /** A checkpoint was written. */
  onCheckpoint?: Hook<CheckpointEvent> | undefined
  /** The run goes on in spite of something, of a broken image for instance. */
  onWarning?: Hook<WarningEvent> | undefined
  /** The run ended without an error, and its report is written, if one was wanted. */
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

/** @throws {ResidualError} `E_UNKNOWN_KEY`, `E_USAGE` with the option's name */
export function checkOptions(options: TrainOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw refuse('options', 'an object', options)
  }
  for (const [key, value] of Object.entries(options)) {
    if (!KEYS.includes(key)) {
      throw new ResidualError({
        code: 'E_UNKNOWN_KEY',
        message: `unknown option \`${key}\``,
        at: { key },
        hint: `Known here: ${KEYS.join(', ')}. What to train goes into the first argument.`,
      })
    }
    if (value === undefined) continue
    if (key === 'arrays') continue
    if (key === 'report') {
      if (typeof value !== 'boolean') throw refuse(key, 'true or false', value)
      continue
    }
    if (key !== 'signal' && typeof value !== 'function') throw refuse(key, 'a function', value)
    if (key === 'signal' && typeof value?.addEventListener !== 'function') {
      throw refuse(key, 'an AbortSignal', value)
    }
  }
}

/** The hook for an event, if there is one. */
export function hookForEvent(options: TrainOptions, event: RunEvent): Hook<RunEvent> | undefined {
  return options[HOOKS[event.type]] as Hook<RunEvent> | undefined
}

function refuse(key: string, wanted: string, found: unknown): ResidualError {
  const what = found === null ? 'null' : typeof found
  return new ResidualError({
    code: 'E_USAGE',
    message: `\`${key}\` must be ${wanted}, not ${what}`,
    at: { key },
  })
}
