import type { DownloadProgress } from '../download/fetch-file.js'
import type {
  CheckpointEvent,
  EpochEvent,
  RunEvent,
  StartEvent,
  StepEvent,
  TrainResult,
  WarningEvent,
} from '../native/generated.js'
import type { RunFolder } from '../run-folder/run-folder.js'
import type { ErrorData } from './error-data.js'

/**
 * Status of a trainer: `idle` without a run; `starting` until the first step; `running`; `paused`;
 * `stopping` after a request to stop; `unresponsive` if the training process is silent;
 * `restarting` after it ended unexpectedly; `stopped` for a run that can be resumed; `ended`;
 * `failed`.
 */
export type TrainerStatus =
  | 'idle'
  | 'starting'
  | 'running'
  | 'paused'
  | 'stopping'
  | 'unresponsive'
  | 'restarting'
  | 'stopped'
  | 'ended'
  | 'failed'

/** The training process of a trainer. */
export interface TrainerProcess {
  /** Process id; null if no process is running. */
  pid: number | null
  /** Restarts of the process during the run. */
  restarts: number
  /** How the process last ended unexpectedly, such as `signal SIGKILL`; null if it never did. */
  lastExit: string | null
}

/** State of a trainer and its run as plain data. */
export interface TrainerSnapshot {
  status: TrainerStatus
  process: TrainerProcess
  /** Absolute path of the run folder; null until it is known. */
  dir: string | null
  start: StartEvent | null
  /** Steps of the run in order, thinned out to at most 1000. */
  steps: StepEvent[]
  epochs: EpochEvent[]
  /** The last 100 warnings. */
  warnings: WarningEvent[]
  /**
   * The newest checkpoint from which the run can be resumed; null until one is saved, also after
   * `openRun()`.
   */
  checkpoint: CheckpointEvent | null
  /** Result of a run that has ended. */
  result: TrainResult | null
  /** Error of a run that has failed. */
  error: ErrorData | null
}

/**
 * A message to the subscribers of a trainer: the event of a run, or
 *
 * - `snapshot` with the entire state, which replaces everything before: the first message, the
 *   message when a run starts or an earlier run is opened, and after each start event, because a
 *   resumed run starts at its last checkpoint;
 * - `status` when the status or the training process changes;
 * - `download` while a data set or published weights are downloaded;
 * - `failed` with the error of a run.
 */
export type TrainerMessage =
  | RunEvent
  | { type: 'snapshot'; snapshot: TrainerSnapshot }
  | { type: 'status'; status: TrainerStatus; process: TrainerProcess }
  | { type: 'download'; progress: DownloadProgress }
  | { type: 'failed'; error: ErrorData }

const MAX_STEPS = 1000
const MAX_WARNINGS = 100

/** The history of one run, from its events. */
export class RunHistory {
  dir: string | null = null
  start: StartEvent | null = null
  epochs: EpochEvent[] = []
  warnings: WarningEvent[] = []
  checkpoint: CheckpointEvent | null = null
  #steps: StepEvent[] = []
  /** One of this many steps is kept. */
  #stride = 1
  #numSkipped = 0

  /** Returns the history in a run folder. */
  static fromFolder(folder: RunFolder): RunHistory {
    const history = new RunHistory()
    history.dir = folder.dir
    history.start = folder.start ?? null
    history.epochs = folder.epochs
    history.warnings = folder.warnings.slice(-MAX_WARNINGS)
    for (const step of folder.steps) history.#addStep(step)
    return history
  }

  get steps(): StepEvent[] {
    return this.#steps
  }

  add(event: RunEvent): void {
    switch (event.type) {
      case 'start':
        this.#restart(event)
        return
      case 'step':
        this.#addStep(event)
        return
      case 'epoch':
        this.epochs.push(event)
        return
      case 'checkpoint':
        if (event.kind === 'last') this.checkpoint = event
        return
      case 'warning':
        this.warnings = [...this.warnings, event].slice(-MAX_WARNINGS)
        return
      case 'end':
        return
    }
  }

  /** Removes steps and epochs that a resumed run trains again, and the history of another run. */
  #restart(event: StartEvent & { type: 'start' }): void {
    const isSameRun = event.dir === this.dir
    const isKept = ({ step }: { step: number }) => isSameRun && step <= event.startStep
    this.#steps = this.#steps.filter(isKept)
    this.epochs = this.epochs.filter(isKept)
    if (!isSameRun) {
      this.warnings = []
      this.checkpoint = null
      this.#stride = 1
    }
    this.dir = event.dir
    this.start = event
  }

  #addStep(step: StepEvent): void {
    if (++this.#numSkipped < this.#stride) return
    this.#numSkipped = 0
    this.#steps.push(step)
    if (this.#steps.length <= MAX_STEPS) return
    this.#steps = this.#steps.filter((_, index) => index % 2 === 0)
    this.#stride *= 2
  }
}
