import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
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
  /** The folder `out`, if no run was in it before the first training process started. */
  readonly #newDir: string | undefined

  constructor(config: TrainConfig, report: boolean) {
    this.config = config
    this.report = report
    const { out, resume, overwrite } = config ?? {}
    if (typeof out === 'string' && resume === undefined && !overwrite && !isRun(resolve(out))) {
      this.#newDir = resolve(out)
    }
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
    const [dir, newDir] = [this.#dir, this.#newDir]
    // config.json in the folder contains all settings.
    if (dir !== undefined) this.config = { resume: dir }
    else if (newDir !== undefined && isRun(newDir) && !hasCheckpoint(newDir)) {
      // The process ended before its start event. With all settings, the core refuses the folder if
      // a run of other settings has created it in the meantime.
      this.config = { ...this.config, out: newDir, resume: newDir }
    }
  }
}

function isRun(dir: string): boolean {
  return existsSync(join(dir, 'config.json'))
}

function hasCheckpoint(dir: string): boolean {
  try {
    return readdirSync(join(dir, 'checkpoints')).some((name) => name.endsWith('.safetensors'))
  } catch {
    return false
  }
}
