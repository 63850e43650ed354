import type { TrainConfig, TrainResult } from '../native/generated.js'
import type { TrainerStatus } from './snapshot.js'

/** A run of a trainer, over all training processes that it needs. */
export class TrainerRun {
  readonly promise: Promise<TrainResult>
  readonly report: boolean
  /** Configuration for the next training process. */
  config: TrainConfig
  isPaused = false
  isStopping = false
  restartsSinceCheckpoint = 0
  resolve!: (result: TrainResult) => void
  reject!: (error: unknown) => void
  #hasStarted = false
  #dir: string | undefined

  constructor(config: TrainConfig, report: boolean) {
    this.config = config
    this.report = report
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    this.promise.catch(() => {})
  }

  get status(): TrainerStatus {
    if (this.isStopping) return 'stopping'
    if (!this.#hasStarted) return 'starting'
    return this.isPaused ? 'paused' : 'running'
  }

  /** Records that the run folder exists. */
  onStart(dir: string): void {
    this.#hasStarted = true
    this.#dir = dir
  }

  /** Prepares the restart of a run whose training process has ended. */
  onHostLost(): void {
    this.restartsSinceCheckpoint++
    this.#hasStarted = false
    // config.json in the folder contains all settings.
    if (this.#dir !== undefined) this.config = { resume: this.#dir }
  }
}
