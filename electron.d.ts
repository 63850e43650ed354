/**
 * Training in an Electron application: a trainer for the main process, and a bridge for windows.
 *
 * @packageDocumentation
 */

import type {
  CheckpointEvent,
  DownloadProgress,
  EpochEvent,
  ExportConfig,
  LoadConfig,
  PredictConfig,
  Prediction,
  RawPixels,
  RunError,
  RunEvent,
  StartEvent,
  StepEvent,
  TrainConfig,
  TrainResult,
  WarningEvent,
} from 'residual'

// -----------------------------------------------------------------------------
// Electron
// -----------------------------------------------------------------------------

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
export declare function createTrainer(options?: TrainerOptions): Trainer;

/** Options of `createTrainer()`. Times are in milliseconds. */
export declare interface TrainerOptions {
    /**
     * Modules of Electron: `import * as electron from 'electron'`. The training process is then a
     * utility process. Default: a process of `child_process.fork()`, for Node.
     */
    electron?: ElectronModules | undefined;
    /**
     * Restarts of the training process without a new checkpoint in between, after which the run fails
     * with `E_PROCESS`. Default: 3.
     */
    maxRestarts?: number | undefined;
    /** Delay before the first restart; it doubles with each restart. Default: 500, at most 30,000. */
    restartDelay?: number | undefined;
    /** Time between two heartbeats of the training process. Default: 1000. */
    heartbeatInterval?: number | undefined;
    /** Silence after which the status is `unresponsive`. Default: 10,000. */
    silenceTimeout?: number | undefined;
    /** Silence after which the training process is killed and restarted. Default: 60,000. */
    killTimeout?: number | undefined;
    /**
     * Time that `close()` and a quit wait for the checkpoint of the run; `Infinity` waits until it is
     * saved. Default: 10,000.
     */
    closeTimeout?: number | undefined;
    /**
     * On macOS, allow the training process to load libraries that are not signed by the team of the
     * application, as `utilityProcess.fork()` does. Default: false.
     */
    allowLoadingUnsignedLibraries?: boolean | undefined;
}

/**
 * Trains and predicts in a process of its own, which it watches and restarts, and keeps the state
 * of the run for all windows of an application. Create it with `createTrainer()`. A trainer trains
 * one run at a time.
 *
 * If the training process ends unexpectedly, the trainer resumes the run from its last checkpoint.
 * The result is then the same, to the bit, as that of an uninterrupted run (on a CPU).
 */
export declare class Trainer implements AsyncDisposable {
    #private;
    private constructor();
    /** State of the trainer and its run, as plain data. */
    get snapshot(): TrainerSnapshot;
    /** Current status. */
    get status(): TrainerStatus;
    /** Whether a run is active, in any status from `starting` to `restarting`. */
    get isTraining(): boolean;
    /**
     * Calls a function with a snapshot, and then with all messages.
     *
     * @returns a function that ends the subscription
     */
    subscribe(listener: (message: TrainerMessage) => void): () => void;
    /**
     * Trains in the training process, as `train()` does, and resumes the run if the process ends
     * unexpectedly. The rejection is never reported as unhandled, because subscribers receive it.
     *
     * @param config plain data; paths should be absolute
     * @throws {ResidualError} the errors of `train()`; `E_USAGE` if a run is active; `E_PROCESS`
     *   after too many restarts; `E_CLOSED`
     */
    train(config: TrainConfig, options?: TrainerRunOptions): Promise<TrainResult>;
    /** Pauses the run after its current step. */
    pause(): void;
    /** Resumes a paused run. */
    resume(): void;
    /**
     * Saves a checkpoint and ends the run after its current step, as `Run.stop()` does. A run whose
     * training process is being restarted ends at once: its promise rejects with an `AbortError` that
     * has the last checkpoint.
     */
    stop(): void;
    /**
     * Shows an earlier run: its history becomes part of the snapshot. Training continues with
     * `train({ resume: dir })`.
     *
     * @throws {ResidualError} `E_CHECKPOINT` if `dir` is not a run folder; `E_USAGE` if a run is
     *   active
     */
    openRun(dir: string): Promise<void>;
    /**
     * Classifies an image, or each image of an array, in the training process. The model stays loaded
     * for the next prediction.
     *
     * @param model a run folder, a checkpoint, or a weights file
     * @param config number of classes to return, and test-time augmentation
     * @param load properties that weights files of other frameworks do not contain
     * @throws {ResidualError} the errors of `predict()`; `E_PROCESS` if the process ends; `E_CLOSED`
     */
    predict(model: string, image: TrainerImage, config?: PredictConfig, load?: LoadConfig): Promise<Prediction>;
    predict(model: string, images: readonly TrainerImage[], config?: PredictConfig, load?: LoadConfig): Promise<Prediction[]>;
    /**
     * Exports a trained network to a `.safetensors` or `.onnx` file, as `exportModel()` does.
     *
     * @throws {ResidualError} the errors of `exportModel()`; `E_PROCESS`, `E_CLOSED`
     */
    exportModel(model: string, path: string, config?: ExportConfig): Promise<void>;
    /**
     * Lets the page of a window watch and control the run through the preload bridge. The page can
     * subscribe, pause, resume, stop and predict. It can start a run or export a model only through
     * the handlers, which decide on paths and settings. Requests of other windows, of frames within
     * the page and of pages from the network are refused; such pages get no messages.
     *
     * @throws {ResidualError} `E_USAGE` if `electron.ipcMain` was not passed to `createTrainer()`
     */
    addWindow(window: ElectronWindow, handlers?: WindowHandlers): void;
    /**
     * Saves a checkpoint of the active run, ends it and the training process. Waits at most
     * `closeTimeout` for the checkpoint.
     */
    close(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Status of a trainer: `idle` without a run; `starting` until the first step; `running`; `paused`;
 * `stopping` after a request to stop; `unresponsive` if the training process is silent;
 * `restarting` after it ended unexpectedly; `stopped` for a run that can be resumed; `ended`;
 * `failed`.
 */
export declare type TrainerStatus = 'idle' | 'starting' | 'running' | 'paused' | 'stopping' | 'unresponsive' | 'restarting' | 'stopped' | 'ended' | 'failed';

/** Options of `Trainer.train()`. */
export declare interface TrainerRunOptions {
    /** Write `report.html` to the run folder at the end of the run. Default: false. */
    report?: boolean | undefined;
}

/** An image that crosses processes: a path, the bytes of a JPEG or PNG file, or pixels. */
export declare type TrainerImage = string | Uint8Array | ArrayBuffer | RawPixels;

/** A `BrowserWindow` or `WebContentsView` of Electron. */
export declare interface ElectronWindow {
    readonly webContents: ElectronWebContents;
}

/** The page of a window. */
export declare interface ElectronWebContents {
    readonly id: number;
    readonly mainFrame: ElectronFrame;
    /** Returns whether the page is gone. */
    isDestroyed(): boolean;
    /** Sends a message to the page. */
    send(channel: string, ...args: unknown[]): void;
    /** Adds a listener for one event. */
    once(event: any, listener: (...args: any[]) => void): unknown;
}

/** A frame of a page. */
export declare interface ElectronFrame {
    readonly url: string;
}

/**
 * Functions of the main process for requests of a window. `request` is what the page passed: check
 * it, because a page may be taken over. A request without a handler is refused. A handler that
 * returns `undefined` declines the request, for example after a cancelled dialog.
 */
export declare interface WindowHandlers {
    /** Returns the configuration of the run to start. */
    train?(request: unknown): TrainConfig | undefined | Promise<TrainConfig | undefined>;
    /** Returns the file to export the model of the run to. */
    exportModel?(request: unknown): ExportRequest | undefined | Promise<ExportRequest | undefined>;
    /**
     * Returns whether a page may send requests, by its URL. Default: pages that are not from the
     * network: those of `file:`, of custom protocols, and of a server on this machine.
     */
    isTrusted?(url: string): boolean;
}

/** A file that `exportModel()` of a window writes. */
export declare interface ExportRequest {
    /** A file with the extension `.safetensors` or `.onnx`, for example from a save dialog. */
    path: string;
    config?: ExportConfig | undefined;
}

/** State of a trainer and its run as plain data. */
export declare interface TrainerSnapshot {
    status: TrainerStatus;
    process: TrainerProcess;
    /** Absolute path of the run folder; null until it is known. */
    dir: string | null;
    start: StartEvent | null;
    /** Steps of the run in order, thinned out to at most 1000. */
    steps: StepEvent[];
    epochs: EpochEvent[];
    /** The last 100 warnings. */
    warnings: WarningEvent[];
    /**
     * The newest checkpoint from which the run can be resumed; null until one is saved, also after
     * `openRun()`.
     */
    checkpoint: CheckpointEvent | null;
    /** Result of a run that has ended. */
    result: TrainResult | null;
    /** Error of a run that has failed. */
    error: ErrorData | null;
}

/** The training process of a trainer. */
export declare interface TrainerProcess {
    /** Process id; null if no process is running. */
    pid: number | null;
    /** Restarts of the process during the run. */
    restarts: number;
    /** How the process last ended unexpectedly, such as `signal SIGKILL`; null if it never did. */
    lastExit: string | null;
}

/** An error as plain data, which crosses processes and the bridge of a window unchanged. */
export declare interface ErrorData extends RunError {
    /** `ResidualError` or `AbortError`. */
    name: string;
    hint: string;
    /** Path of the checkpoint saved on abort. */
    checkpoint?: string;
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
export declare type TrainerMessage = RunEvent | {
    type: 'snapshot';
    snapshot: TrainerSnapshot;
} | {
    type: 'status';
    status: TrainerStatus;
    process: TrainerProcess;
} | {
    type: 'download';
    progress: DownloadProgress;
} | {
    type: 'failed';
    error: ErrorData;
};

/**
 * The object `window.residual`, which the preload script gives to the page of a window:
 *
 * `declare global { interface Window { residual: TrainerBridge } }`
 */
export declare interface TrainerBridge {
    /** Calls a function with a snapshot, then with all messages. Returns a function that ends this. */
    subscribe(listener: (message: TrainerMessage) => void): () => void;
    /** Asks the main process to start a run. `true` if it has, `false` if the handler declined. */
    train(request?: unknown): Promise<BridgeResult<boolean>>;
    /** Pauses the run after its current step. */
    pause(): Promise<BridgeResult<null>>;
    /** Resumes a paused run. */
    resume(): Promise<BridgeResult<null>>;
    /** Saves a checkpoint and ends the run after its current step. */
    stop(): Promise<BridgeResult<null>>;
    /** Classifies a JPEG or PNG file by the run that the trainer shows. */
    predict(image: Uint8Array | ArrayBuffer, config?: PredictConfig): Promise<BridgeResult<Prediction>>;
    /** Asks the main process to export the run's model. Returns the path, or null if declined. */
    exportModel(request?: unknown): Promise<BridgeResult<string | null>>;
}

/**
 * Result of a request of a page. Errors are data, because exceptions lose their `code`, `at` and
 * `hint` on the way to a page.
 */
export declare type BridgeResult<T> = {
    ok: true;
    value: T;
} | {
    ok: false;
    error: ErrorData;
};

/**
 * Absolute path of the preload script, for `webPreferences.preload` of a window. The script is one
 * CommonJS file without dependencies, as the sandbox of a window needs it. Empty if the files of
 * the package are missing, which `createTrainer()` reports.
 */
export declare const preloadPath: string;

/** Modules of Electron: the value of `import * as electron from 'electron'`, or a part of it. */
export declare interface ElectronModules {
    /** Starts the training process. */
    utilityProcess: ElectronUtilityProcess;
    /** Receives requests of windows; needed for `addWindow()`. */
    ipcMain?: ElectronIpcMain | undefined;
    /** Emits `before-quit`, on which the trainer saves the run before the application quits. */
    app?: ElectronApp | undefined;
    /** Tells a shutdown of the system, which must not be delayed, from a quit by the user. */
    powerMonitor?: ElectronPowerMonitor | undefined;
}

/** Electron's `utilityProcess`, which starts a child process with Node.js. */
export declare interface ElectronUtilityProcess {
    /** Starts a child process. */
    fork(modulePath: string, args?: string[], options?: UtilityForkOptions): UtilityChild;
}

/** Options of `utilityProcess.fork()`. */
export declare interface UtilityForkOptions {
    stdio?: ('pipe' | 'ignore' | 'inherit')[];
    serviceName?: string;
    allowLoadingUnsignedLibraries?: boolean;
}

/** A child process of `utilityProcess.fork()`. */
export declare interface UtilityChild {
    readonly pid: number | undefined;
    readonly stderr: NodeJS.ReadableStream | null;
    /** Sends a message. */
    postMessage(message: unknown): void;
    /** Ends the process. */
    kill(): boolean;
    /** Adds a listener. */
    on(event: any, listener: (...args: any[]) => void): unknown;
}

/** Electron's `ipcMain`, which answers requests of windows. */
export declare interface ElectronIpcMain {
    /** Registers the function that answers a channel. */
    handle(channel: string, listener: (event: any, ...args: any[]) => unknown): void;
    /** Removes the function of a channel. */
    removeHandler(channel: string): void;
}

/** Electron's `app`. */
export declare interface ElectronApp {
    /** Adds a listener. */
    on(event: any, listener: (...args: any[]) => void): unknown;
    /** Removes a listener. */
    removeListener(event: any, listener: (...args: any[]) => void): unknown;
    /** Quits the application, after `before-quit`. */
    quit(): void;
}

/** Electron's `powerMonitor`. */
export declare interface ElectronPowerMonitor {
    /** Adds a listener. */
    on(event: any, listener: (...args: any[]) => void): unknown;
    /** Removes a listener. */
    removeListener(event: any, listener: (...args: any[]) => void): unknown;
}


