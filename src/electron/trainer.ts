import { AbortError, ResidualError } from '../errors/errors.js'
import type {
  ExportConfig,
  LoadConfig,
  PredictConfig,
  Prediction,
  RunEvent,
  TrainConfig,
  TrainResult,
} from '../native/generated.js'
import { readRunFolder } from '../run-folder/run-folder.js'
import type { ElectronWindow } from './electron-modules.js'
import { fromErrorData, toErrorData } from './error-data.js'
import {
  forkLauncher,
  type HostExit,
  hostPath,
  utilityProcessLauncher,
} from './host/host-process.js'
import { HostSupervisor, type SupervisorListener } from './host/host-supervisor.js'
import type { HostCall } from './host/protocol.js'
import { PendingCalls } from './pending-calls.js'
import { QuitHandler } from './quit-handler.js'
import {
  RunHistory,
  type TrainerMessage,
  type TrainerSnapshot,
  type TrainerStatus,
} from './snapshot.js'
import {
  alreadyTraining,
  describeExit,
  hostEnded,
  notPlainData,
  tooManyRestarts,
} from './trainer-errors.js'
import type { TrainerImage } from './trainer-image.js'
import {
  MAX_DELAY,
  type ResolvedTrainerOptions,
  resolveTrainerOptions,
  type TrainerOptions,
} from './trainer-options.js'
import { TrainerRun } from './trainer-run.js'
import { WindowBridge } from './window/window-bridge.js'
import type { WindowHandlers } from './window/window-handlers.js'

/** Options of `Trainer.train()`. */
export interface TrainerRunOptions {
  /** Write `report.html` to the run folder at the end of the run. Default: false. */
  report?: boolean | undefined
}

/** The longest delay before a restart, in ms. */
const MAX_RESTART_DELAY = 30_000

/** Time that a host without a run gets to exit, in ms. */
const EXIT_TIMEOUT = 2000

/**
 * Trains and predicts in a process of its own, which it watches and restarts, and keeps the state
 * of the run for all windows of an application. Create it with `createTrainer()`. A trainer trains
 * one run at a time.
 *
 * If the training process ends unexpectedly, the trainer resumes the run from its last checkpoint.
 * The result is then the same, to the bit, as that of an uninterrupted run (on a CPU).
 */
export class Trainer implements AsyncDisposable {
  readonly #options: ResolvedTrainerOptions
  readonly #supervisor: HostSupervisor
  readonly #subscribers = new Set<(message: TrainerMessage) => void>()
  readonly #calls = new PendingCalls()
  readonly #windows: WindowBridge | undefined
  readonly #quit: QuitHandler | undefined
  #run: TrainerRun | undefined
  #history = new RunHistory()
  /** Status while there is no active run. */
  #restingStatus: TrainerStatus = 'idle'
  #isUnresponsive = false
  #restartTimer: NodeJS.Timeout | undefined
  #restarts = 0
  #lastExit: string | null = null
  #result: TrainerSnapshot['result'] = null
  #error: TrainerSnapshot['error'] = null
  #closed: Promise<void> | undefined
  #onHostExit: (() => void) | undefined

  /** @internal */
  static create(options: TrainerOptions): Trainer {
    return new Trainer(resolveTrainerOptions(options))
  }

  private constructor(options: ResolvedTrainerOptions) {
    this.#options = options
    // A missing file is reported here, not as a process that failed to start.
    hostPath()
    const { electron, heartbeatInterval: interval, silenceTimeout, killTimeout } = options
    const launch =
      electron === undefined
        ? forkLauncher
        : utilityProcessLauncher(electron.utilityProcess, options.allowLoadingUnsignedLibraries)
    const listener: SupervisorListener = {
      onMessage: (message) => this.#receive(message),
      onResponsive: (isResponsive) => {
        this.#isUnresponsive = !isResponsive
        this.#publishStatus()
      },
      onExit: (exit) => this.#hostExited(exit),
    }
    const timeouts = { interval, silence: silenceTimeout, kill: killTimeout }
    this.#supervisor = new HostSupervisor(launch, timeouts, listener)
    if (electron?.ipcMain !== undefined) this.#windows = new WindowBridge(this, electron.ipcMain)
    if (electron?.app !== undefined) {
      this.#quit = new QuitHandler(electron.app, electron.powerMonitor, this)
    }
  }

  /** State of the trainer and its run, as plain data. */
  get snapshot(): TrainerSnapshot {
    const { dir, start, steps, epochs, warnings, checkpoint } = this.#history
    return {
      status: this.status,
      process: this.#process(),
      ...{ dir, start, steps: [...steps], epochs: [...epochs], warnings, checkpoint },
      result: this.#result,
      error: this.#error,
    }
  }

  /** Current status. */
  get status(): TrainerStatus {
    if (this.#run === undefined) return this.#restingStatus
    if (this.#restartTimer !== undefined) return 'restarting'
    return this.#isUnresponsive ? 'unresponsive' : this.#run.status
  }

  /** Whether a run is active, in any status from `starting` to `restarting`. */
  get isTraining(): boolean {
    return this.#run !== undefined
  }

  /**
   * Calls a function with a snapshot, and then with all messages.
   *
   * @returns a function that ends the subscription
   */
  subscribe(listener: (message: TrainerMessage) => void): () => void {
    this.#subscribers.add(listener)
    listener({ type: 'snapshot', snapshot: this.snapshot })
    return () => void this.#subscribers.delete(listener)
  }

  /**
   * Trains in the training process, as `train()` does, and resumes the run if the process ends
   * unexpectedly. The rejection is never reported as unhandled, because subscribers receive it.
   *
   * @param config plain data; paths should be absolute
   * @throws {ResidualError} the errors of `train()`; `E_USAGE` if a run is active; `E_PROCESS`
   *   after too many restarts; `E_CLOSED`
   */
  train(config: TrainConfig, options: TrainerRunOptions = {}): Promise<TrainResult> {
    const run = new TrainerRun(config, options.report ?? false)
    try {
      this.#assertOpen()
      if (this.#run !== undefined) throw alreadyTraining()
      // Values that cannot cross processes are reported here, not by a failing send.
      structuredClone(config)
    } catch (error) {
      run.reject(error instanceof ResidualError ? error : notPlainData(error))
      return run.promise
    }
    this.#run = run
    this.#restarts = 0
    this.#lastExit = null
    this.#result = null
    this.#error = null
    // A resumed run keeps its history until its start event.
    if (config?.resume === undefined) this.#history = new RunHistory()
    this.#startRun(run)
    this.#publish({ type: 'snapshot', snapshot: this.snapshot })
    this.#publishStatus()
    return run.promise
  }

  /** Pauses the run after its current step. */
  pause(): void {
    this.#setPaused(true)
  }

  /** Resumes a paused run. */
  resume(): void {
    this.#setPaused(false)
  }

  /**
   * Saves a checkpoint and ends the run after its current step, as `Run.stop()` does. A run whose
   * training process is being restarted ends at once: its promise rejects with an `AbortError` that
   * has the last checkpoint.
   */
  stop(): void {
    const run = this.#run
    if (run === undefined) return
    run.isStopping = true
    if (this.#restartTimer !== undefined) this.#endInterrupted()
    else {
      this.#supervisor.send({ type: 'stop' })
      this.#publishStatus()
    }
  }

  /**
   * Shows an earlier run: its history becomes part of the snapshot. Training continues with
   * `train({ resume: dir })`.
   *
   * @throws {ResidualError} `E_CHECKPOINT` if `dir` is not a run folder; `E_USAGE` if a run is
   *   active
   */
  async openRun(dir: string): Promise<void> {
    const folder = await readRunFolder(dir)
    if (this.#run !== undefined) throw alreadyTraining()
    this.#history = RunHistory.fromFolder(folder)
    this.#result = folder.result ?? null
    this.#error = null
    const isComplete = folder.result !== undefined && folder.result.stopReason !== 'stopped'
    this.#restingStatus = isComplete ? 'ended' : 'stopped'
    this.#publish({ type: 'snapshot', snapshot: this.snapshot })
  }

  /**
   * Classifies an image, or each image of an array, in the training process. The model stays loaded
   * for the next prediction.
   *
   * @param model a run folder, a checkpoint, or a weights file
   * @param config number of classes to return, and test-time augmentation
   * @param load properties that weights files of other frameworks do not contain
   * @throws {ResidualError} the errors of `predict()`; `E_PROCESS` if the process ends; `E_CLOSED`
   */
  predict(
    model: string,
    image: TrainerImage,
    config?: PredictConfig,
    load?: LoadConfig,
  ): Promise<Prediction>
  predict(
    model: string,
    images: readonly TrainerImage[],
    config?: PredictConfig,
    load?: LoadConfig,
  ): Promise<Prediction[]>
  async predict(
    model: string,
    images: TrainerImage | readonly TrainerImage[],
    config?: PredictConfig,
    load?: LoadConfig,
  ): Promise<Prediction | Prediction[]> {
    const args: Extract<HostCall, { function: 'predict' }>['args'] = [model, images, config, load]
    return (await this.#call({ function: 'predict', args })) as Prediction | Prediction[]
  }

  /**
   * Exports a trained network to a `.safetensors` or `.onnx` file, as `exportModel()` does.
   *
   * @throws {ResidualError} the errors of `exportModel()`; `E_PROCESS`, `E_CLOSED`
   */
  async exportModel(model: string, path: string, config?: ExportConfig): Promise<void> {
    await this.#call({ function: 'exportModel', args: [model, path, config] })
  }

  /**
   * Lets the page of a window watch and control the run through the preload bridge. The page can
   * subscribe, pause, resume, stop and predict. It can start a run or export a model only through
   * the handlers, which decide on paths and settings. Requests of other windows, of frames within
   * the page and of pages from the network are refused; such pages get no messages.
   *
   * @throws {ResidualError} `E_USAGE` if `electron.ipcMain` was not passed to `createTrainer()`
   */
  addWindow(window: ElectronWindow, handlers: WindowHandlers = {}): void {
    if (this.#windows === undefined) {
      throw new ResidualError({
        code: 'E_USAGE',
        message: 'windows need `ipcMain` of Electron',
        at: { key: 'electron.ipcMain' },
        hint: "Pass all modules: `createTrainer({ electron })` with `import * as electron from 'electron'`.",
      })
    }
    this.#windows.add(window, handlers)
  }

  /**
   * Saves a checkpoint of the active run, ends it and the training process. Waits at most
   * `closeTimeout` for the checkpoint.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const run = this.#run
    if (run !== undefined) {
      this.stop()
      await Promise.race([run.promise.catch(() => {}), delay(this.#options.closeTimeout)])
    }
    if (this.#supervisor.isRunning) {
      const exited = new Promise<void>((resolve) => {
        this.#onHostExit = resolve
      })
      this.#supervisor.send({ type: 'exit' })
      await Promise.race([exited, delay(this.#run === undefined ? EXIT_TIMEOUT : 0)])
      this.#supervisor.kill()
      await exited
    }
    this.#windows?.close()
    this.#quit?.[Symbol.dispose]()
  }

  #process(): TrainerSnapshot['process'] {
    return {
      pid: this.#supervisor.pid ?? null,
      restarts: this.#restarts,
      lastExit: this.#lastExit,
    }
  }

  #startRun(run: TrainerRun): void {
    const { config, report, isPaused: paused } = run
    this.#supervisor.send({ type: 'train', config, report, paused })
  }

  #setPaused(isPaused: boolean): void {
    const run = this.#run
    if (run === undefined || run.isStopping || run.isPaused === isPaused) return
    run.isPaused = isPaused
    if (this.#restartTimer === undefined) {
      this.#supervisor.send({ type: isPaused ? 'pause' : 'resume' })
    }
    this.#publishStatus()
  }

  #receive(message: Parameters<SupervisorListener['onMessage']>[0]): void {
    switch (message.type) {
      case 'event':
        this.#addEvent(message.event)
        return
      case 'download':
        this.#publish(message)
        return
      case 'result': {
        const { result } = message
        this.#result = result
        this.#endRun(result.stopReason === 'stopped' ? 'stopped' : 'ended', (run) => {
          run.resolve(result)
        })
        return
      }
      case 'failed':
        this.#failRun(fromErrorData(message.error))
        return
      default:
        this.#calls.settle(message)
    }
  }

  #addEvent(event: RunEvent): void {
    const run = this.#run
    if (run === undefined) return
    this.#history.add(event)
    this.#publish(event)
    if (event.type === 'start') {
      run.onStart(event.dir)
      this.#publishStatus()
      this.#publish({ type: 'snapshot', snapshot: this.snapshot })
    }
    if (event.type === 'checkpoint') run.restartsSinceCheckpoint = 0
  }

  async #call(call: HostCall): Promise<unknown> {
    this.#assertOpen()
    return await this.#calls.add((id) => {
      try {
        this.#supervisor.send({ type: 'call', id, call: structuredClone(call) })
      } catch (error) {
        throw notPlainData(error)
      }
    })
  }

  #hostExited(exit: HostExit): void {
    this.#isUnresponsive = false
    this.#onHostExit?.()
    this.#calls.rejectAll(hostEnded(exit))
    const run = this.#run
    if (run === undefined) {
      this.#publishStatus()
      return
    }
    this.#lastExit = describeExit(exit)
    if (run.isStopping) this.#endInterrupted()
    else if (run.restartsSinceCheckpoint >= this.#options.maxRestarts) {
      this.#failRun(tooManyRestarts(run.restartsSinceCheckpoint + 1, exit))
    } else this.#restart(run)
  }

  #restart(run: TrainerRun): void {
    const { restartDelay } = this.#options
    const wait = Math.min(restartDelay * 2 ** run.restartsSinceCheckpoint, MAX_RESTART_DELAY)
    run.onHostLost()
    this.#restarts++
    this.#restartTimer = setTimeout(() => {
      this.#restartTimer = undefined
      this.#startRun(run)
      this.#publishStatus()
    }, wait)
    this.#publishStatus()
  }

  /** Ends a run that is stopped while no process can save a checkpoint. */
  #endInterrupted(): void {
    clearTimeout(this.#restartTimer)
    this.#restartTimer = undefined
    const checkpoint = this.#history.checkpoint?.path
    this.#failRun(new AbortError('stopped without a training process', checkpoint, undefined))
  }

  #failRun(error: ResidualError): void {
    const data = toErrorData(error)
    this.#error = data
    this.#endRun(error.code === 'E_ABORTED' ? 'stopped' : 'failed', (run) => run.reject(error))
    this.#publish({ type: 'failed', error: data })
  }

  #endRun(status: TrainerStatus, settle: (run: TrainerRun) => void): void {
    const run = this.#run
    if (run === undefined) return
    this.#run = undefined
    this.#restingStatus = status
    settle(run)
    this.#publishStatus()
  }

  #publishStatus(): void {
    this.#publish({ type: 'status', status: this.status, process: this.#process() })
  }

  #publish(message: TrainerMessage): void {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(message)
      } catch (error) {
        // An error of one subscriber is uncaught, but stops neither the trainer nor the others.
        setImmediate(() => {
          throw error
        })
      }
    }
  }

  #assertOpen(): void {
    if (this.#closed === undefined) return
    throw new ResidualError({
      code: 'E_CLOSED',
      message: 'the trainer is closed',
      hint: 'Create another one with `createTrainer()`.',
    })
  }
}

/**
 * Creates a trainer for the main process of an Electron application, or for a Node program. Starts
 * no process: the training process starts with the first run or prediction.
 *
 * With Electron's modules, the trainer saves the run before the application quits.
 *
 * @example
 * import * as electron from 'electron'
 * import { createTrainer } from 'residual/electron'
 *
 * const trainer = createTrainer({ electron })
 * const { best } = await trainer.train({ data: '/home/me/photos', out: '/home/me/runs/photos' })
 *
 * @throws {ResidualError} `E_USAGE`, `E_UNKNOWN_KEY`, `E_PLATFORM`
 */
export function createTrainer(options: TrainerOptions = {}): Trainer {
  return Trainer.create(options)
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.min(milliseconds, MAX_DELAY)).unref()
  })
}
