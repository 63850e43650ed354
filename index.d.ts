/**
 * Native training of residual networks (He et al. 2015) for Node and TypeScript.
 *
 * @packageDocumentation
 */

// -----------------------------------------------------------------------------
// Training
// -----------------------------------------------------------------------------

/**
 * Trains a residual network on an image folder or a named data set.
 *
 * Returns immediately with a `Run`, which is a promise of the result and an async iterable of
 * events. Prints nothing: use hooks, or iterate over the events, to show the progress. All errors,
 * including an invalid configuration, reject the run. The runs of a process train one after another.
 *
 * Named data sets and published weights are downloaded first if they are not on this machine. On a
 * folder of fewer than 50,000 photos, training starts from ImageNet weights by default;
 * `model.weights: 'none'` or RESIDUAL_OFFLINE prevents the download. Without a network connection,
 * training starts from random weights after a few seconds, with a warning.
 *
 * In processes that `torchrun` starts, every process calls `train()` with the same configuration and
 * trains on a part of each batch, on the CPU. Rank 0 alone writes the run folder and sends events; the
 * result is the same in all processes.
 *
 * @example
 * const config = { data: './photos', model: 'resnet18', epochs: 10 }
 * const { best, test } = await train(config, { onEpoch: console.log })
 *
 * @param config plain data; only `data` is required
 * @param options hooks, an abort signal, in-memory images, and whether to write a report
 */
export declare function train(config: TrainConfig, options?: TrainOptions): Run;

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
export declare class Run implements Promise<TrainResult>, AsyncIterable<RunEvent> {
    #private;
    /** Unique identifier of this run. */
    readonly id: string;
    readonly [Symbol.toStringTag] = "Run";
    private constructor();
    /** Absolute path of the run folder; undefined until it is created. */
    get dir(): string | undefined;
    /** Current state. */
    get state(): RunState;
    /** Absolute path of the latest checkpoint; undefined before the first checkpoint. */
    get checkpoint(): string | undefined;
    /** The result after the promise is fulfilled; undefined before that, and if the run fails. */
    get result(): TrainResult | undefined;
    /**
     * Saves a checkpoint and ends the run after its current step. The run then resolves with
     * `stopReason: 'stopped'`, or rejects with an `AbortError` if no step is finished. Training
     * continues without waiting for a pending hook; the end of the run waits at most 5 seconds for it.
     */
    stop(): void;
    /** Pauses the run after its current step, until `resume()`, `stop()` or an abort. */
    pause(): void;
    /** Resumes a paused run. */
    resume(): void;
    /** Keeps the process alive until the run ends, which is the default. */
    ref(): this;
    /** Allows the process to exit before the run ends; a checkpoint is then saved at exit. */
    unref(): this;
    /**
     * Resolves with the result; rejects with a `ResidualError`, or with the error of a hook. Rejects
     * with `E_USAGE` if a hook awaits a run that itself waits for the hook, because neither would end.
     */
    then<Value = TrainResult, Caught = never>(onResolved?: ((result: TrainResult) => Value | PromiseLike<Value>) | null, onRejected?: ((error: unknown) => Caught | PromiseLike<Caught>) | null): Promise<Value | Caught>;
    /** Calls a function with the error of the run, as `Promise.prototype.catch` does. */
    catch<Caught = never>(onRejected?: ((error: unknown) => Caught | PromiseLike<Caught>) | null): Promise<TrainResult | Caught>;
    /** Calls a function when the run has ended, as `Promise.prototype.finally` does. */
    finally(onFinally?: (() => void) | null): Promise<TrainResult>;
    /**
     * Iterates over the events that follow this call. Step events are coalesced if the loop is slower
     * than training. Leaving the loop does not stop the run. If the run fails, the loop throws its
     * error.
     */
    [Symbol.asyncIterator](): AsyncIterableIterator<RunEvent>;
}

/**
 * State of a run: `starting` before the first step (also while another run of this process trains),
 * `running`, `paused`, `stopping` after a request to stop or abort, and `ended`.
 */
export declare type RunState = 'starting' | 'running' | 'paused' | 'stopping' | 'ended';

/**
 * Resolves a configuration without training (`residual train --dry-run`): every value with its
 * reason, the run folder, and estimates of memory and time. Downloads data sets and weights if
 * necessary, and writes nothing else.
 *
 * Memory is estimated from the shapes of all tensors. Time is measured in a few training steps on
 * images of the data set, with a temporary network.
 *
 * @example
 * const { time, memory, config } = await plan({ data: './photos' })
 *
 * @param config as for `train()`
 * @throws {ResidualError} the same errors as `train()` before its first step; `AbortError`
 */
export declare function plan(config: TrainConfig, options?: PlanOptions): Promise<Plan>;

/** Options of `plan()`. */
export declare interface PlanOptions extends PlanConfig, DownloadOptions {
    /** In-memory images instead of `data`. */
    arrays?: ArrayDataset | undefined;
}

/**
 * Options of `plan()`.
 */
export declare type PlanConfig = {
    /**
     * Estimate the training time by measuring training steps of a temporary network (at least
     * two, for about three seconds). Default: true.
     */
    measure?: boolean | undefined;
};

/**
 * Result of `plan()`: configuration and cost of a run. `plan()` writes no files.
 */
export declare type Plan = {
    /**
     * Absolute path of the run folder that `train()` would use.
     */
    dir: string;
    config: ResolvedConfig;
    data: DatasetInfo;
    /**
     * Training images per epoch, after the validation split.
     */
    trainImages: number;
    /**
     * Validation images.
     */
    valImages: number;
    /**
     * Test images.
     */
    testImages: number;
    /**
     * Number of parameters, including frozen ones.
     */
    parameters: number;
    /**
     * Multiply-accumulate operations of the forward pass of one image.
     */
    macs: number;
    stepsPerEpoch: number;
    /**
     * Steps of the entire budget; null if it is limited by time only.
     */
    totalSteps: number | null;
    /**
     * Steps completed before, if the run would be resumed; else 0.
     */
    startStep: number;
    /**
     * Warnings that `train()` would issue at its start.
     */
    warnings: Array<WarningEvent>;
    /**
     * Estimated memory.
     */
    memory: MemoryEstimate;
    /**
     * Estimated time; null if `measure` is false or no training step succeeded.
     */
    time: TimeEstimate | null;
};

/**
 * Properties of a data set.
 */
export declare type DatasetInfo = {
    /**
     * Path or name, as configured in `data.source`.
     */
    source: string;
    /**
     * Layout on disk.
     */
    format: DataFormat;
    /**
     * Class names in index order.
     */
    classes: Array<string>;
    /**
     * Channels of the images (3 if mixed).
     */
    channels: number;
    /**
     * Height and width, if equal for all images.
     */
    imageSize: [number, number] | null;
    /**
     * Median length of the short side, in pixels; null if unknown.
     */
    medianShortSide: number | null;
    /**
     * Training images, before the validation split.
     */
    train: number;
    /**
     * Images of the validation split that is part of the data set; 0 if it has none.
     */
    val: number;
    /**
     * Images of the test split; 0 if the data set has none.
     */
    test: number;
    /**
     * Mean of each channel over the training images, for values from 0 to 1; null if its
     * computation would have to decode image files.
     */
    mean: Array<number> | null;
    /**
     * Standard deviation of each channel over the training images; null if `mean` is null.
     */
    std: Array<number> | null;
    /**
     * Whether a horizontal flip preserves the class; false for digits.
     */
    flipPreservesLabel: boolean;
    /**
     * Size of all decoded training and validation images in bytes; null if all images are in
     * memory already.
     */
    decodedBytes: number | null;
    /**
     * Hash of the labels and of the names or pixels of the training images.
     */
    fingerprint: string;
};

/**
 * Memory for training in bytes: estimates from the shapes of the network's tensors, and the
 * measured memory of this process.
 */
export declare type MemoryEstimate = {
    /**
     * Weights and, with `ema`, their moving average.
     */
    weights: number;
    /**
     * Gradients of the weights.
     */
    gradients: number;
    /**
     * Optimizer state.
     */
    optimizer: number;
    /**
     * Activations of a batch that are saved for the backward pass: the outputs of all layers
     * except ReLU.
     */
    activations: number;
    /**
     * Batches prefetched by the workers.
     */
    batches: number;
    /**
     * Decoded images in the cache (`cache`) or on the device (`augmentOn`).
     */
    images: number;
    /**
     * Sum of all estimates.
     */
    total: number;
    /**
     * Peak resident memory of this process after the measured steps, including Node.js and
     * libtorch; null if no step was measured or the operating system does not report it.
     */
    measured: number | null;
};

/**
 * Estimated training time, extrapolated from training steps of a temporary network on batches of
 * the run.
 */
export declare type TimeEstimate = {
    /**
     * Number of measured steps, without the first step, which is slower.
     */
    steps: number;
    /**
     * Median of the seconds per step.
     */
    stepSeconds: number;
    /**
     * Minimum of the seconds per step.
     */
    minStepSeconds: number;
    /**
     * Maximum of the seconds per step.
     */
    maxStepSeconds: number;
    /**
     * Training throughput at the median.
     */
    imagesPerSecond: number;
    /**
     * Seconds per epoch at the median, including validation.
     */
    epochSeconds: number;
    /**
     * Seconds for the remaining budget, including validation.
     */
    totalSeconds: number | null;
};

/**
 * Runs a learning rate range test (Smith 2015): trains a new network while increasing the learning
 * rate at every step until the loss diverges, and suggests a learning rate. The weights are
 * discarded and no run folder is created.
 *
 * @example
 * const { suggestion } = await findLr({ data: './photos' }, { steps: 200, out: 'plots' })
 *
 * @param config as for `train()`; `budget` and `schedule` are ignored
 * @param options range of learning rates, output folder and signal, which ends the test after its
 *   current step
 * @throws {ResidualError} the same errors as `train()`; `E_CONFIG` for an invalid range; `E_WRITE`;
 *   `AbortError`
 */
export declare function findLr(config: TrainConfig, options?: FindLrOptions): Promise<FindLrResult>;

/** Options of `findLr()`. */
export declare interface FindLrOptions extends FindLrConfig, DownloadOptions {
    /** Folder for `lr-finder.svg`, `lr-finder.json` and `lr-finder.csv`. Default: write no files. */
    out?: string | undefined;
    /** In-memory images instead of `data`. */
    arrays?: ArrayDataset | undefined;
}

/**
 * Options of `findLr()`. The learning rate increases exponentially from step to step.
 */
export declare type FindLrConfig = {
    /**
     * Learning rate of the first step. Default: 1e-7.
     */
    startLr?: number | undefined;
    /**
     * Learning rate of the last step. Default: 10.
     */
    endLr?: number | undefined;
    /**
     * Number of steps, 10 to 100,000. Default: 100.
     */
    steps?: number | undefined;
};

/** The result of `findLr()`. */
export declare interface FindLrResult extends LrFinderResult {
    /** Files written to `out`; null without `out`. */
    files: FindLrFiles | null;
}

/**
 * Result of `findLr()`.
 */
export declare type LrFinderResult = {
    /**
     * Steps by increasing learning rate.
     */
    points: Array<LrPoint>;
    /**
     * Whether the loss diverged before the last learning rate.
     */
    diverged: boolean;
    /**
     * Suggested learning rate; null if the loss did not decrease.
     */
    suggestion: number | null;
    /**
     * Explanation of the suggestion, or of its absence.
     */
    reason: string;
    /**
     * Suggestions of all rules; the first one is `suggestion`.
     */
    suggestions: Array<LrSuggestion>;
};

/**
 * One step of the learning-rate range test.
 */
export declare type LrPoint = {
    /**
     * Learning rate of this step.
     */
    lr: number;
    /**
     * Mean loss of the batch, before the weight update.
     */
    loss: number;
    /**
     * Exponential moving average of the loss.
     */
    smoothed: number;
};

/**
 * A suggested learning rate.
 */
export declare type LrSuggestion = {
    /**
     * Rule: `minimum/10` or `steepest`.
     */
    name: string;
    /**
     * Suggested learning rate.
     */
    lr: number;
    /**
     * Explanation of the suggestion, one sentence.
     */
    reason: string;
};

/** Absolute paths of the files that `findLr()` writes. */
export declare interface FindLrFiles {
    svg: string;
    json: string;
    csv: string;
}

/**
 * Lists the recipes of this package (`residual recipes`). Does not load libtorch.
 *
 * @example
 * for (const { name, published } of await recipes()) console.log(name, published)
 */
export declare function recipes(): Promise<Recipe[]>;

/** A published training configuration. */
export declare interface Recipe {
    /** Value of the configuration key `recipe`. */
    name: string;
    /** One-line summary of the network and the data set. */
    description: string;
    /** Authors and publication. */
    source: string;
    /** Published result, such as an accuracy. */
    published: string;
    /** Configuration keys of the recipe; all other keys have the defaults of `train()`. */
    config: TrainConfig;
}

/** Options of `train()` that are not part of the configuration. */
export declare interface TrainOptions {
    /**
     * Aborts the run after its current step: it saves a checkpoint and rejects with an `AbortError`.
     */
    signal?: AbortSignal | undefined;
    /** In-memory images instead of `data`; config.json records their shape and hash. */
    arrays?: ArrayDataset | undefined;
    /**
     * Write `report.html` to the run folder at the end of the run, which takes one or two seconds;
     * `TrainResult.report` is the path. A stopped run writes no report, because it can be resumed. If
     * the report cannot be written, the run emits a warning and still succeeds. Default: false.
     */
    report?: boolean | undefined;
    /**
     * Called while a named data set or published weights are downloaded, before the run starts. If
     * the callback throws an error, the run rejects with it.
     */
    onDownload?: ((progress: DownloadProgress) => void) | undefined;
    /** Called before the first step, when the data set is open and the run folder exists. */
    onStart?: Hook<StartEvent> | undefined;
    /**
     * Called after an optimizer step. Training does not wait for the hook: no further steps are
     * reported to the hook while a call is pending.
     */
    onStep?: Hook<StepEvent> | undefined;
    /**
     * Called after an epoch and its validation. Training waits until the hook has completed. The hook
     * cannot await another run: the runs of a process train one after another.
     */
    onEpoch?: Hook<EpochEvent> | undefined;
    /** Called after a checkpoint is written. */
    onCheckpoint?: Hook<CheckpointEvent> | undefined;
    /** Called for a problem that does not end the run, such as an unreadable image. */
    onWarning?: Hook<WarningEvent> | undefined;
    /** Called when the run has ended without an error and its report, if requested, is written. */
    onEnd?: Hook<EndEvent> | undefined;
}

/**
 * A callback for one type of event. Hooks are called in the order of the events. If a hook throws
 * or rejects, the run saves a checkpoint, ends, and rejects with that error.
 */
export declare type Hook<Event> = (event: Event) => HookResult | PromiseLike<HookResult>;

/** Return value of a hook. `'stop'` saves a checkpoint and ends the run, as `run.stop()` does. */
export declare type HookResult = 'stop' | undefined | void;

/**
 * Emitted before the first step, when the run is prepared.
 */
export declare type StartEvent = {
    /**
     * Absolute path of the run folder.
     */
    dir: string;
    config: ResolvedConfig;
    data: DatasetInfo;
    /**
     * Training images per epoch, after the validation split.
     */
    trainImages: number;
    /**
     * Training images of each class, in the order of `data.classes`.
     */
    trainClassCounts: Array<number>;
    /**
     * Validation images.
     */
    valImages: number;
    /**
     * Test images.
     */
    testImages: number;
    /**
     * Number of parameters, including frozen ones.
     */
    parameters: number;
    /**
     * Multiply-accumulate operations of the forward pass of one image.
     */
    macs: number;
    stepsPerEpoch: number;
    /**
     * Steps of the entire budget; null if it is limited by time only.
     */
    totalSteps: number | null;
    /**
     * Steps completed before this session; 0 unless the run was resumed.
     */
    startStep: number;
};

/**
 * Emitted after an optimizer step.
 */
export declare type StepEvent = {
    /**
     * Epoch, starting at 1.
     */
    epoch: number;
    /**
     * Steps since the start of the run, including this one.
     */
    step: number;
    stepInEpoch: number;
    stepsPerEpoch: number;
    /**
     * Mean loss over the batch.
     */
    loss: number;
    /**
     * Mean loss over the images of the epoch so far.
     */
    epochLoss: number;
    /**
     * Accuracy over the augmented images of the epoch so far, each measured before the weight
     * update of its step.
     */
    epochAccuracy: number;
    /**
     * Learning rate of this step.
     */
    lr: number;
    /**
     * Loss scale after this step, for `precision: 'fp16'` only. As with `torch.amp.GradScaler`, a
     * step with infinite or NaN gradients is skipped and halves the scale.
     */
    lossScale?: number | undefined;
    /**
     * Training throughput over the last few seconds.
     */
    imagesPerSecond: number;
    /**
     * Estimated seconds until the end of the budget; null if unknown.
     */
    etaSeconds: number | null;
};

/**
 * Emitted after each epoch and its validation.
 */
export declare type EpochEvent = {
    /**
     * Epoch, starting at 1.
     */
    epoch: number;
    /**
     * Steps since the start of the run.
     */
    step: number;
    /**
     * Learning rate of the last step of the epoch.
     */
    lr: number;
    /**
     * Training metrics: in training mode, on augmented images, while the weights change.
     */
    train: Metrics;
    /**
     * Validation metrics: in evaluation mode, without augmentation, after the last step. Null
     * without a validation split.
     */
    val: Metrics | null;
    /**
     * Whether this is the best epoch so far, by `monitor`.
     */
    best: boolean;
    /**
     * Training throughput over the epoch, excluding validation.
     */
    imagesPerSecond: number;
    /**
     * Seconds of training since the start of the run, including validation.
     */
    seconds: number;
};

/**
 * Mean loss and accuracy over a set of images.
 */
export declare type Metrics = {
    /**
     * Mean cross-entropy, in nats.
     */
    loss: number;
    /**
     * Fraction of images classified correctly, 0 to 1.
     */
    accuracy: number;
    /**
     * Number of images.
     */
    count: number;
};

/**
 * Emitted after a checkpoint is written.
 */
export declare type CheckpointEvent = {
    /**
     * Kind of checkpoint.
     */
    kind: CheckpointKind;
    /**
     * Absolute path of the checkpoint.
     */
    path: string;
    epoch: number;
    step: number;
};

/**
 * Kind of checkpoint: the last one, the best one so far, or an additional one of an epoch
 * (`checkpoint.everyEpochs`).
 */
export declare type CheckpointKind = 'last' | 'best' | 'epoch';

/**
 * Emitted when the run has ended. The last event.
 */
export declare type EndEvent = {
    result: TrainResult;
};

/**
 * Result of `train()`, and content of result.json.
 */
export declare type TrainResult = {
    stopReason: StopReason;
    /**
     * Absolute path of the run folder.
     */
    dir: string;
    /**
     * Completed epochs.
     */
    epochs: number;
    /**
     * Completed steps.
     */
    steps: number;
    /**
     * Best epoch by `monitor`; null if no epoch was completed.
     */
    best: BestCheckpoint | null;
    /**
     * Absolute path of the last checkpoint.
     */
    last: string;
    /**
     * Test metrics of the best checkpoint; null without a test split or if the run was stopped.
     */
    test: Metrics | null;
    /**
     * Training throughput, excluding validation.
     */
    imagesPerSecond: number;
    /**
     * Seconds of training over all sessions of the run, including validation.
     */
    seconds: number;
    /**
     * Absolute path of the report, if `train()` wrote one. Missing in result.json, which is
     * written before the report.
     */
    report?: string | undefined;
};

/**
 * Reason why a run ended without an error.
 */
export declare type StopReason = 'completed' | 'stopped' | 'early-stopping' | 'budget';

/**
 * Best epoch of a run, with its checkpoint.
 */
export declare type BestCheckpoint = {
    /**
     * Epoch, starting at 1.
     */
    epoch: number;
    /**
     * Validation accuracy; training accuracy without a validation split.
     */
    accuracy: number;
    /**
     * Validation loss; training loss without a validation split.
     */
    loss: number;
    /**
     * Absolute path of the checkpoint.
     */
    checkpoint: string;
};

/**
 * Event of a run. Events arrive in order. Consecutive step events are coalesced if the reader is
 * slow; all other events are delivered.
 */
export declare type RunEvent = ({
    type: 'start';
} & StartEvent) | ({
    type: 'step';
} & StepEvent) | ({
    type: 'epoch';
} & EpochEvent) | ({
    type: 'checkpoint';
} & CheckpointEvent) | ({
    type: 'warning';
} & WarningEvent) | ({
    type: 'end';
} & EndEvent);

/**
 * Content of evaluation.json: evaluation of the best checkpoint at the end of the run. Reports
 * read this file instead of evaluating again.
 */
export declare type RunEvaluation = {
    /**
     * Evaluated split: test, or val without a test split or if the run was stopped.
     */
    split: Split;
    /**
     * Epoch of the checkpoint.
     */
    epoch: number;
    /**
     * Evaluation, with thumbnails in `samples` and `topLosses`.
     */
    evaluation: Evaluation;
    /**
     * Outcome of the checkpoint on each validation image, for paired comparisons of runs. One
     * character per image of the source from which the split was selected, in its order: `1` if
     * the image was classified correctly, `0` if not, `-` if it was not evaluated.
     */
    valOutcomes?: string | undefined;
    /**
     * Outcome on each test image, as `valOutcomes`.
     */
    testOutcomes?: string | undefined;
};

// -----------------------------------------------------------------------------
// Configuration
// -----------------------------------------------------------------------------

/**
 * Configuration of a training run. Only `data` is required.
 */
export declare type TrainConfig = {
    /**
     * Data set: a path, a name, or an object with further settings.
     */
    data?: DatasetName | DataConfig | undefined;
    /**
     * Resizing, augmentation and normalization.
     */
    transform?: TransformConfig | undefined;
    /**
     * Network: a name, or an object with further settings.
     */
    model?: ModelName | ModelConfig | undefined;
    /**
     * Passes over the training images. Short for `budget.epochs`.
     */
    epochs?: number | undefined;
    /**
     * Length of training in epochs, steps or seconds.
     */
    budget?: BudgetConfig | undefined;
    /**
     * Images per batch, 2 or more. Default: 128, or 32 for images of more than 96 pixels;
     * fewer for data sets of less than 8 such batches, or if a batch exceeds the memory.
     */
    batchSize?: 'auto' | number | undefined;
    /**
     * Optimizer. Default: `sgd`.
     */
    optimizer?: OptimizerConfig | undefined;
    /**
     * Learning-rate schedule. Default: `cosine`.
     */
    schedule?: ScheduleConfig | undefined;
    /**
     * Learning-rate warm-up. Default: none; up to 1 epoch if training starts from weights.
     */
    warmup?: WarmupConfig | undefined;
    /**
     * Loss function: cross-entropy.
     */
    loss?: LossConfig | undefined;
    /**
     * Gradient clipping and accumulation.
     */
    gradient?: GradientConfig | undefined;
    /**
     * Exponential moving average of the weights.
     */
    ema?: EmaConfig | undefined;
    /**
     * Early stopping. Default: off.
     */
    earlyStopping?: EarlyStoppingConfig | undefined;
    /**
     * Data type of the computation. Default: `bf16` on CPUs with AMX, AMD CPUs with
     * AVX512_BF16 and GPUs of compute capability 8.0 or higher, else `fp32`.
     */
    precision?: 'auto' | Precision | undefined;
    /**
     * Device. Default: `cuda` if available, else `cpu`.
     */
    device?: 'auto' | Device | undefined;
    /**
     * Memory layout of image tensors. Default: `channels_last`, which is faster for
     * convolutions; `contiguous` for `fp64`.
     */
    memoryFormat?: 'auto' | MemoryFormat | undefined;
    /**
     * Random seed of initial weights, data order and augmentation. On the CPU, runs with equal
     * seed and number of threads give bit-identical results. Default: 0.
     */
    seed?: number | undefined;
    /**
     * Threads for tensor operations, 1 to 1024. Default: number of physical cores.
     */
    threads?: 'auto' | number | undefined;
    /**
     * Threads for loading images, 1 to 1024. Default: number of physical cores.
     */
    workers?: 'auto' | number | undefined;
    /**
     * Maximum size of the cache of decoded image files in MiB; 0 disables it. The cache saves
     * decoding in later epochs and does not change results. Default: the size of all training
     * and validation images, at most a quarter of the free memory; 0 for a single epoch and
     * for images in memory.
     */
    cache?: 'auto' | number | undefined;
    /**
     * Executor of cropping, flipping and normalization: the data-loading threads or the
     * device. The results are equal. Default: `device` for CUDA if all images are in memory at
     * `data.imageSize`, need no other transform and take at most a quarter of the free GPU
     * memory; else `workers`.
     */
    augmentOn?: 'auto' | AugmentOn | undefined;
    /**
     * Maximum fraction of GPU memory that this process may allocate, above 0 to 1, as
     * `torch.cuda.set_per_process_memory_fraction`. The limit applies until another run
     * changes it, and not to the CPU. Default: 1.
     */
    memoryFraction?: number | undefined;
    /**
     * Capture the training step as a CUDA graph and replay it. With `lars`, `ema`, dropout or
     * `gradient.accumulate`, a warning is issued and no graph is used. No effect on the CPU.
     * Default: false.
     */
    cudaGraphs?: boolean | undefined;
    /**
     * Metric that selects the best checkpoint. Test data is never used. Default:
     * `val.accuracy`, or `train.loss` without a validation split.
     */
    monitor?: 'auto' | Metric | undefined;
    /**
     * Additional checkpoints.
     */
    checkpoint?: CheckpointConfig | undefined;
    /**
     * Logging.
     */
    log?: LogConfig | undefined;
    /**
     * Run folder. Default: `runs/<data>-<model>`, with a number appended if it exists.
     */
    out?: 'auto' | string | undefined;
    /**
     * Base configuration: the name of a recipe (`notebook`) or a file (`./mine.yaml`). Keys
     * that are set here override it.
     */
    recipe?: RecipeName | undefined;
    /**
     * Overwrite a finished run in `out`. Default: false.
     */
    overwrite?: boolean | undefined;
    /**
     * Run folder or checkpoint to resume. The run continues in its own folder. A run that was
     * killed before its first checkpoint starts over.
     */
    resume?: string | undefined;
};

/** Name of a data set, or a path. */
export declare type DatasetName = 'cifar10' | 'cifar100' | 'mnist' | 'fashion-mnist' | 'fashion-mnist-mini' | (string & {});

/**
 * Data set: location, format, splits and selection of images.
 */
export declare type DataConfig = {
    /**
     * Path of a folder or file (`./photos`), or the name of a data set (`cifar10`).
     */
    source?: DatasetName | undefined;
    /**
     * Layout on disk. Default: detected.
     */
    format?: 'auto' | DataFormat | undefined;
    /**
     * Training images held out for validation, stratified by class and seeded: a fraction from
     * 0 to 0.5, or a number of images (at most half of them). Must be 0 if the data set has a
     * validation split. Default: 0.1, or 0 if the data set has a validation split.
     */
    validation?: 'auto' | number | undefined;
    /**
     * Channels of the network's input: 3 (RGB) or 1 (grayscale). Default: channels of the
     * images.
     */
    channels?: 'auto' | number | undefined;
    /**
     * Height and width of the network's input, in pixels, 8 to 1024. Default: the size of
     * images of up to 96 pixels; otherwise 224, or less if most images are smaller; 128 for
     * fewer than 5,000 larger images without pretrained weights.
     */
    imageSize?: 'auto' | number | undefined;
    /**
     * Label set of CIFAR-100. Default: `fine`.
     */
    labels?: CifarLabels | undefined;
    /**
     * Draw equally many images of each class per epoch: images of rare classes are repeated,
     * some images of frequent classes are left out. Like PyTorch's `WeightedRandomSampler`,
     * this does not change the number of images per epoch. Default: false.
     */
    balanced?: boolean | undefined;
    /**
     * Maximum number of training images, chosen by seed and in proportion to the classes.
     * Validation and test images are not affected. Default: all.
     */
    limit?: number | undefined;
    /**
     * Seed of the validation split and of `limit`. Set it to compare values of `seed` on the
     * same images. Default: `seed`.
     */
    splitSeed?: number | undefined;
    /**
     * Expected hash of the training images. If it differs, training fails with `E_MISMATCH`.
     * Recorded by runs on in-memory images.
     */
    fingerprint?: string | undefined;
    /**
     * Expected shape of the training images: number, height, width, channels. If it differs,
     * training fails with `E_MISMATCH`. Recorded by runs on in-memory images.
     */
    shape?: Array<number> | undefined;
};

/**
 * Layout of a data set on disk.
 */
export declare type DataFormat = 'image-folder' | 'idx' | 'cifar-binary' | 'cifar-python' | 'manifest' | 'webdataset' | 'arrays';

/**
 * Label set of CIFAR-100.
 */
export declare type CifarLabels = 'fine' | 'coarse';

/**
 * Resizing, augmentation and normalization. Augmentation applies to training images only.
 */
export declare type TransformConfig = {
    /**
     * Crop of training images. Default: `pad` for images of up to 96 pixels, else
     * `random-resized`.
     */
    crop?: 'auto' | CropConfig | undefined;
    /**
     * Flip training images horizontally with probability 0.5. Default: true, except for
     * digits.
     */
    flip?: 'auto' | boolean | undefined;
    /**
     * Mean of each channel, for values from 0 to 1. Default: the mean of the training images
     * if they are in memory, else ImageNet's.
     */
    mean?: 'auto' | ChannelValues | undefined;
    /**
     * Standard deviation of each channel, for values from 0 to 1. Default: as for `mean`.
     */
    std?: 'auto' | ChannelValues | undefined;
    /**
     * Length in pixels to which the short side of evaluation images is resized before the
     * center crop, `data.imageSize` to 2048. Default: `data.imageSize` up to 96 pixels, else
     * 8/7 of it (256 for 224).
     */
    evalResize?: 'auto' | number | undefined;
    /**
     * Decode large JPEGs at 1/2, 1/4 or 1/8 scale as long as the short side keeps at least
     * this many pixels, like Pillow's `draft`. 0 disables it. Default: twice `evalResize`; 0
     * for external weights, which were trained without it.
     */
    decodeShortSide?: 'auto' | number | undefined;
    /**
     * Subtract the mean image of the training images, pixel by pixel, instead of `mean` (He et
     * al. 2015, sections 3.4 and 4.2). Requires images of equal size. Default: false.
     */
    pixelMean?: boolean | undefined;
    /**
     * Automatic augmentation policy. Default: `none`.
     */
    policy?: PolicyConfig | undefined;
    /**
     * Color augmentation. Default: `none`.
     */
    color?: ColorConfig | undefined;
    /**
     * Erasing of image regions. Default: `none`.
     */
    erase?: EraseConfig | undefined;
    /**
     * Mixing of two images. Default: `none`.
     */
    mix?: MixConfig | undefined;
};

/**
 * Crop of training images to `data.imageSize`.
 */
export declare type CropConfig = 'none' | 'pad' | 'random-resized' | 'random-short-side' | {
    type?: 'none' | undefined;
} | ({
    type: 'pad';
} & PadCropConfig) | ({
    type: 'random-resized';
} & RandomResizedCropConfig) | ({
    type: 'random-short-side';
} & RandomShortSideCropConfig);

/**
 * Zero padding on each side, then a random crop (He et al. 2015, section 4.2; torchvision's
 * `RandomCrop`).
 */
export declare type PadCropConfig = {
    /**
     * Padding on each side, in pixels. Default: 4.
     */
    padding?: number | undefined;
};

/**
 * A crop of random size and aspect ratio, resized (torchvision's `RandomResizedCrop`).
 */
export declare type RandomResizedCropConfig = {
    /**
     * Minimum and maximum fraction of the image area. Default: [0.08, 1].
     */
    scale?: [number, number] | undefined;
    /**
     * Minimum and maximum aspect ratio. Default: [3/4, 4/3].
     */
    ratio?: [number, number] | undefined;
};

/**
 * The short side resized to a random length, then a random crop: scale augmentation of He et
 * al. 2015, section 3.4 (after Simonyan and Zisserman 2014).
 */
export declare type RandomShortSideCropConfig = {
    /**
     * Minimum length in pixels. Default: 256.
     */
    min?: number | undefined;
    /**
     * Maximum length in pixels. Default: 480.
     */
    max?: number | undefined;
};

/** One value per channel: grayscale or RGB. */
export declare type ChannelValues = [number] | [number, number, number];

/**
 * Automatic augmentation policy.
 */
export declare type PolicyConfig = 'none' | 'randaugment' | 'trivialaugment' | {
    type?: 'none' | undefined;
} | ({
    type: 'randaugment';
} & RandAugmentConfig) | {
    type: 'trivialaugment';
};

/**
 * Several random operations of equal strength (Cubuk et al. 2019; torchvision's
 * `RandAugment`).
 */
export declare type RandAugmentConfig = {
    /**
     * Number of operations per image, 1 to 16. Default: 2.
     */
    numOps?: number | undefined;
    /**
     * Strength, 0 to 30. Default: 9.
     */
    magnitude?: number | undefined;
};

/**
 * Color augmentation.
 */
export declare type ColorConfig = 'none' | 'pca' | {
    type?: 'none' | undefined;
} | ({
    type: 'pca';
} & PcaColorConfig);

/**
 * Random shifts along the principal components of ImageNet's colors (Krizhevsky et al. 2012,
 * section 4.1; used by He et al. 2015, section 3.4). RGB images only.
 */
export declare type PcaColorConfig = {
    /**
     * Standard deviation of the shifts. Default: 0.1.
     */
    std?: number | undefined;
};

/**
 * Erasing of image regions, filled with the mean color.
 */
export declare type EraseConfig = 'none' | 'cutout' | 'random-erasing' | {
    type?: 'none' | undefined;
} | ({
    type: 'cutout';
} & CutoutConfig) | ({
    type: 'random-erasing';
} & RandomErasingConfig);

/**
 * One square at a random position, possibly partly outside of the image (DeVries and Taylor
 * 2017).
 */
export declare type CutoutConfig = {
    /**
     * Side length in pixels. Default: half of `data.imageSize`.
     */
    size?: 'auto' | number | undefined;
};

/**
 * One rectangle inside the image (Zhong et al. 2017; torchvision's `RandomErasing`).
 */
export declare type RandomErasingConfig = {
    /**
     * Probability of erasing. Default: 0.25.
     */
    probability?: number | undefined;
    /**
     * Minimum and maximum fraction of the image area. Default: [0.02, 1/3].
     */
    scale?: [number, number] | undefined;
    /**
     * Minimum and maximum aspect ratio. Default: [0.3, 3.3].
     */
    ratio?: [number, number] | undefined;
};

/**
 * Mixing of two images.
 */
export declare type MixConfig = 'none' | 'mixup' | 'cutmix' | {
    type?: 'none' | undefined;
} | ({
    type: 'mixup';
} & MixupConfig) | ({
    type: 'cutmix';
} & CutmixConfig);

/**
 * Weighted mean of two images and of their losses (Zhang et al. 2017).
 */
export declare type MixupConfig = {
    /**
     * Parameter of the Beta distribution of the weight, drawn once per batch. Default: 0.2.
     */
    alpha?: number | undefined;
};

/**
 * A rectangle pasted from another image (Yun et al. 2019).
 */
export declare type CutmixConfig = {
    /**
     * Parameter of the Beta distribution of the rectangle's area, drawn once per batch.
     * Default: 1.
     */
    alpha?: number | undefined;
};

/** Name of a network. Further depths are valid, such as `resnet26`. */
export declare type ModelName = 'resnet18' | 'resnet34' | 'resnet50' | 'resnet101' | 'resnet152' | 'resnet20' | 'resnet32' | 'resnet44' | 'resnet56' | 'resnet110' | 'resnet1202' | 'plain18' | 'plain34' | 'plain20' | 'plain32' | 'plain44' | 'plain56' | 'plain110' | 'preresnet18' | 'preresnet34' | 'preresnet50' | 'preresnet101' | 'preresnet152' | 'preresnet200' | 'preresnet20' | 'preresnet56' | 'preresnet110' | 'preresnet164' | 'preresnet1001' | 'resnext50_32x4d' | 'resnext101_32x8d' | 'resnext101_64x4d' | 'wide_resnet50_2' | 'wide_resnet101_2' | 'wrn16_8' | 'wrn28_10' | 'wrn40_4' | 'vgg11' | 'vgg13' | 'vgg16' | 'vgg19' | 'vgg11_bn' | 'vgg13_bn' | 'vgg16_bn' | 'vgg19_bn' | (string & {});

/**
 * The network and its initial weights.
 */
export declare type ModelConfig = {
    /**
     * Architecture. ImageNet networks: `resnet18` to `resnet152`, `resnext50_32x4d`,
     * `wide_resnet50_2`, `vgg16`, `vgg16_bn`. CIFAR networks of He et al. 2015: `resnet20`,
     * `resnet56`, `resnet110` (any depth 6n+2), and `wrn28_10`. Prefix `plain` removes the
     * shortcuts; prefix `preresnet` is the pre-activation variant. Default: `resnet20` for
     * images of up to 96 pixels, else `resnet18`.
     */
    arch?: 'auto' | ModelName | undefined;
    /**
     * First layers. `cifar`: 3x3 convolution, stride 1. `imagenet`: 7x7 convolution, stride 2,
     * and 3x3 max pooling. Default: `cifar` for CIFAR networks and for images of up to 96
     * pixels, else `imagenet`.
     */
    stem?: 'auto' | Stem | undefined;
    /**
     * Shortcut option of He et al. 2015 where a block changes the shape. Default: `A` for
     * CIFAR networks of basic blocks, `none` for plain networks and VGG, else `B`.
     */
    shortcut?: 'auto' | Shortcut | undefined;
    /**
     * Initialize the last batch normalization of every block (with pre-activation, the last
     * convolution) with weight 0, as torchvision's `zero_init_residual` (Goyal et al. 2017).
     * Default: false.
     */
    zeroInitResidual?: boolean | undefined;
    /**
     * Convolution with stride 2 in a bottleneck block: `3x3` as in torchvision, or the first
     * `1x1` as in He et al. 2015. Default: `3x3`.
     */
    bottleneckStride?: BottleneckStride | undefined;
    /**
     * Initial weights: a file (.safetensors, .pth, .pt, .th), a run folder, `imagenet` for
     * torchvision's published weights, or `none` for random initialization. If the number of
     * classes differs, the head is initialized randomly. Default: `imagenet` for an image
     * folder or manifest with fewer than 50,000 training images of more than 96 pixels, if the
     * weights are cached or can be downloaded; else `none`.
     */
    weights?: 'auto' | WeightsName | undefined;
    /**
     * Expected SHA-256 of the weights file, in hexadecimal. Runs record it.
     */
    weightsSha256?: string | undefined;
    /**
     * Layers that are not trained, by name or prefix (`conv1`, `layer1`); `backbone` is every
     * layer except the head. Frozen batch normalization uses its running statistics. Default:
     * [].
     */
    freeze?: Array<string> | undefined;
};

/**
 * Layers before the first block.
 */
export declare type Stem = 'cifar' | 'imagenet';

/**
 * Shortcut where a block changes the shape (He et al. 2015, section 3.3).
 */
export declare type Shortcut = 'A' | 'B' | 'C' | 'none';

/**
 * Convolution with stride 2 in a bottleneck block.
 */
export declare type BottleneckStride = '3x3' | '1x1';

/** Published weights (`imagenet`), random initialization (`none`), or a path. */
export declare type WeightsName = 'imagenet' | 'none' | (string & {});

/**
 * Length of training. The first limit that is reached ends the run.
 */
export declare type BudgetConfig = {
    /**
     * Passes over the training images. Default, if no limit is set: 30; up to 60 for few
     * images; 5 to 30 if training starts from weights.
     */
    epochs?: number | undefined;
    /**
     * Optimizer steps.
     */
    steps?: number | undefined;
    /**
     * Seconds of training, including validation.
     */
    seconds?: number | undefined;
};

/**
 * Optimizer.
 */
export declare type OptimizerConfig = 'sgd' | 'adam' | 'adamw' | 'lars' | ({
    type?: 'sgd' | undefined;
} & SgdConfig) | ({
    type: 'adam';
} & AdamConfig) | ({
    type: 'adamw';
} & AdamConfig) | ({
    type: 'lars';
} & LarsConfig);

/**
 * Stochastic gradient descent with momentum (`torch.optim.SGD`).
 */
export declare type SgdConfig = {
    /**
     * Learning rate. Default: 0.1 for 64 or more images per step (256 for images of more than
     * 96 pixels), or 0.01 for 32 or more if training starts from weights; scaled down linearly
     * for fewer.
     */
    lr?: number | undefined;
    /**
     * Momentum, from 0 to less than 1. Default: 0.9.
     */
    momentum?: number | undefined;
    /**
     * Weight decay (L2 penalty). Default: 5e-4; 1e-4 if training starts from weights.
     */
    weightDecay?: number | undefined;
    /**
     * Use Nesterov momentum. Default: false.
     */
    nesterov?: boolean | undefined;
    /**
     * Apply weight decay to normalization layers and biases too, as PyTorch does.
     * Default: true.
     */
    decayNorms?: boolean | undefined;
};

/**
 * Adam (Kingma and Ba 2014, `torch.optim.Adam`), or with decoupled weight decay AdamW
 * (Loshchilov and Hutter 2017, `torch.optim.AdamW`).
 */
export declare type AdamConfig = {
    /**
     * Learning rate. Default: 1e-3; 1e-4 if training starts from weights.
     */
    lr?: number | undefined;
    /**
     * Decay rates of the first and second moment estimates. Default: [0.9, 0.999].
     */
    betas?: [number, number] | undefined;
    /**
     * Term added to the denominator. Default: 1e-8.
     */
    eps?: number | undefined;
    /**
     * Weight decay. Default: 0 for `adam`, 0.01 for `adamw`.
     */
    weightDecay?: number | undefined;
    /**
     * Apply weight decay to normalization layers and biases too. Default: true.
     */
    decayNorms?: boolean | undefined;
};

/**
 * Layer-wise adaptive rate scaling, for large batches (You et al. 2017).
 */
export declare type LarsConfig = {
    /**
     * Learning rate. Default: 0.1.
     */
    lr?: number | undefined;
    /**
     * Momentum, from 0 to less than 1. Default: 0.9.
     */
    momentum?: number | undefined;
    /**
     * Weight decay. Default: 5e-4.
     */
    weightDecay?: number | undefined;
    /**
     * Trust coefficient (eta in the paper). Default: 0.001.
     */
    trustCoefficient?: number | undefined;
    /**
     * Term added to the denominator. Default: 1e-8.
     */
    eps?: number | undefined;
    /**
     * Apply weight decay and layer-wise scaling to normalization layers and biases too.
     * Default: false.
     */
    decayNorms?: boolean | undefined;
};

/**
 * Learning-rate schedule.
 */
export declare type ScheduleConfig = 'cosine' | 'constant' | 'multistep' | 'plateau' | 'step' | 'linear' | 'polynomial' | 'one-cycle' | ({
    type?: 'cosine' | undefined;
} & CosineScheduleConfig) | {
    type: 'constant';
} | ({
    type: 'multistep';
} & MultiStepScheduleConfig) | ({
    type: 'plateau';
} & PlateauScheduleConfig) | ({
    type: 'step';
} & StepScheduleConfig) | ({
    type: 'linear';
} & LinearScheduleConfig) | ({
    type: 'polynomial';
} & PolynomialScheduleConfig) | ({
    type: 'one-cycle';
} & OneCycleScheduleConfig);

/**
 * Cosine annealing from the optimizer's learning rate to `minLr`, updated at every step
 * (`CosineAnnealingLR`).
 */
export declare type CosineScheduleConfig = {
    /**
     * Final learning rate. Default: 0.
     */
    minLr?: number | undefined;
};

/**
 * Multiplies the learning rate by `gamma` at each milestone (`MultiStepLR`).
 */
export declare type MultiStepScheduleConfig = {
    /**
     * Ascending epochs or steps (see `unit`) after which the learning rate is multiplied.
     * Default: one half and three quarters of the budget.
     */
    milestones?: 'auto' | Array<number> | undefined;
    /**
     * Factor. Default: 0.1.
     */
    gamma?: number | undefined;
    /**
     * Unit of `milestones`. Default: `epoch`.
     */
    unit?: ScheduleUnit | undefined;
};

/**
 * Unit in which a schedule counts.
 */
export declare type ScheduleUnit = 'epoch' | 'step';

/**
 * Multiplies the learning rate by `factor` when a metric stops improving
 * (`ReduceLROnPlateau`).
 */
export declare type PlateauScheduleConfig = {
    /**
     * Factor, between 0 and 1. Default: 0.1.
     */
    factor?: number | undefined;
    /**
     * Minimum improvement of the metric. Default: 1e-4.
     */
    threshold?: number | undefined;
    /**
     * Whether `threshold` is relative to the best value or absolute. Default: `rel`.
     */
    thresholdMode?: ThresholdMode | undefined;
    /**
     * Epochs without improvement before the learning rate is reduced. Default: 10.
     */
    patience?: number | undefined;
    /**
     * Epochs after a reduction that do not count towards `patience`. Default: 0.
     */
    cooldown?: number | undefined;
    /**
     * Lower bound of the learning rate. Default: 0.
     */
    minLr?: number | undefined;
    /**
     * Metric. Default: `val.loss`, or `train.loss` without a validation split.
     */
    metric?: 'auto' | Metric | undefined;
};

/**
 * Interpretation of the threshold of a plateau schedule.
 */
export declare type ThresholdMode = 'rel' | 'abs';

/**
 * Metric that is available after every epoch.
 */
export declare type Metric = 'train.loss' | 'train.accuracy' | 'val.loss' | 'val.accuracy';

/**
 * Multiplies the learning rate by `gamma` every `stepSize` epochs or steps (`StepLR`).
 */
export declare type StepScheduleConfig = {
    /**
     * Epochs or steps (see `unit`) between reductions. Default: a third of the budget.
     */
    stepSize?: 'auto' | number | undefined;
    /**
     * Factor. Default: 0.1.
     */
    gamma?: number | undefined;
    /**
     * Unit of `stepSize`. Default: `epoch`.
     */
    unit?: ScheduleUnit | undefined;
};

/**
 * Linear decay from the optimizer's learning rate to `endFactor` times it over the whole
 * budget, updated at every step (`LinearLR`).
 */
export declare type LinearScheduleConfig = {
    /**
     * Final multiple of the learning rate, 0 to 1. Default: 0.
     */
    endFactor?: number | undefined;
};

/**
 * Multiplies the optimizer's learning rate by `(1 - progress) ^ power` over the whole budget,
 * updated at every step (`PolynomialLR`).
 */
export declare type PolynomialScheduleConfig = {
    /**
     * Exponent. Default: 1.
     */
    power?: number | undefined;
};

/**
 * One-cycle policy (Smith 2017, `OneCycleLR`). The optimizer's learning rate is the maximum.
 */
export declare type OneCycleScheduleConfig = {
    /**
     * Fraction of the budget during which the learning rate increases. Default: 0.3.
     */
    pctStart?: number | undefined;
    /**
     * Maximum divided by initial learning rate. Default: 25.
     */
    divFactor?: number | undefined;
    /**
     * Initial divided by final learning rate. Default: 10000.
     */
    finalDivFactor?: number | undefined;
    /**
     * Shape of increase and decrease. Default: `cos`.
     */
    annealStrategy?: AnnealStrategy | undefined;
};

/**
 * Shape of the increase and decrease of the learning rate.
 */
export declare type AnnealStrategy = 'cos' | 'linear';

/**
 * Linear warm-up of the learning rate, applied on top of any schedule.
 */
export declare type WarmupConfig = {
    /**
     * Length in epochs, fractions allowed; 0 disables it. Default: 0; 1 if training starts
     * from weights (a tenth of the budget if that is less).
     */
    epochs?: number | undefined;
    /**
     * Initial multiple of the learning rate, 0 to 1. Default: 0.1.
     */
    startFactor?: number | undefined;
    /**
     * Training accuracy that ends the warm-up: the learning rate is multiplied by
     * `startFactor` until an epoch reaches this accuracy, instead of increasing linearly. He
     * et al. 2015 use 0.2 for ResNet-110 (section 4.2).
     */
    untilAccuracy?: number | undefined;
};

/**
 * Cross-entropy loss.
 */
export declare type LossConfig = {
    /**
     * Label smoothing (Szegedy et al. 2015), from 0 to less than 1. Default: 0.
     */
    labelSmoothing?: number | undefined;
    /**
     * Weight of each class. Default: `none`.
     */
    classWeights?: ClassWeightsConfig | undefined;
};

/**
 * Weight of each class in the loss.
 */
export declare type ClassWeightsConfig = 'none' | 'balanced' | 'given' | {
    type?: 'none' | undefined;
} | {
    type: 'balanced';
} | ({
    type: 'given';
} & GivenClassWeightsConfig);

/**
 * Explicit class weights of the loss.
 */
export declare type GivenClassWeightsConfig = {
    /**
     * One weight per class, in class order.
     */
    weights?: Array<number> | undefined;
};

/**
 * Gradient clipping and accumulation.
 */
export declare type GradientConfig = {
    /**
     * Maximum L2 norm of all gradients together (`clip_grad_norm_`). Default: no clipping.
     */
    clipNorm?: number | undefined;
    /**
     * Maximum absolute value of each gradient element (`clip_grad_value_`). Default: no
     * clipping.
     */
    clipValue?: number | undefined;
    /**
     * Number of batches whose gradients are averaged in one optimizer step. Default: 1.
     */
    accumulate?: number | undefined;
};

/**
 * Exponential moving average of the weights. Evaluation, prediction and export use the
 * average; checkpoints contain both.
 */
export declare type EmaConfig = {
    /**
     * Decay per step, from 0 to less than 1; 0 disables it. Default: 0.
     */
    decay?: number | undefined;
};

/**
 * Early stopping.
 */
export declare type EarlyStoppingConfig = {
    /**
     * Epochs without improvement after which the run ends. Default: 10.
     */
    patience?: number | undefined;
    /**
     * Minimum absolute improvement of the metric. Default: 0.
     */
    minDelta?: number | undefined;
    /**
     * Metric. Default: `monitor`.
     */
    metric?: 'auto' | Metric | undefined;
};

/**
 * Data type of the forward and backward pass. Weights and optimizer state are fp32 (fp64 for
 * `fp64`).
 */
export declare type Precision = 'fp32' | 'bf16' | 'fp16' | 'fp64';

/**
 * Device that trains or evaluates.
 */
export declare type Device = 'cpu' | 'cuda';

/**
 * Memory layout of image tensors.
 */
export declare type MemoryFormat = 'channels_last' | 'contiguous';

/**
 * Executor of cropping, flipping and normalization.
 */
export declare type AugmentOn = 'workers' | 'device';

/**
 * Checkpoints in addition to the last and the best one.
 */
export declare type CheckpointConfig = {
    /**
     * Interval in epochs at which an additional checkpoint (`epoch-0010.safetensors`) is
     * written; 0 writes none. Default: 0.
     */
    everyEpochs?: number | undefined;
    /**
     * Interval in steps at which `last.safetensors` is written within an epoch; 0 writes it at
     * the end of each epoch only. Default: 0.
     */
    everySteps?: number | undefined;
};

/**
 * Logging.
 */
export declare type LogConfig = {
    /**
     * Steps between two lines in metrics.jsonl, 1 or more. Default: 10.
     */
    everySteps?: number | undefined;
};

/** Name of a recipe, or path of a file. */
export declare type RecipeName = 'fast' | 'he2015-cifar' | 'he2015-cifar110' | 'he2015-imagenet' | 'notebook' | (string & {});

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

/**
 * Loads a trained network. If the best checkpoint of a run is missing or damaged, another
 * checkpoint of the run is loaded, with a warning in `info.warnings`.
 *
 * @example
 * await using model = await loadModel('runs/latest')
 * console.log(model.info.classes, await model.predict('cat.jpg'))
 *
 * @param path a run folder (its best checkpoint), a checkpoint, or a weights file: a PyTorch
 *   state_dict (.pth, .pt, .th) or .safetensors
 * @param config properties that weights files of other frameworks do not contain, such as the
 *   classes; `info.assumed` lists the values that were assumed
 * @throws {ResidualError} `E_CHECKPOINT` if the file is missing, truncated or damaged (checksums of
 *   every tensor and of the metadata), or contains no tensors; `E_MISMATCH` if its weights match no
 *   known network, or not the network that `config` selects
 */
export declare function loadModel(path: string | URL, config?: LoadConfig): Promise<Model>;

/**
 * Options of `loadModel()`. A checkpoint of residual contains its network, classes, image size
 * and transform, which cannot be overridden. For weights without metadata, `info.assumed`
 * lists the defaults that were used.
 */
export declare type LoadConfig = {
    /**
     * Network. Default: inferred from the names and shapes of the tensors.
     */
    model?: ModelName | ModelConfig | undefined;
    /**
     * Class names in index order. Default: those of CIFAR-10 for ten classes and a CIFAR stem,
     * else `class 0`, `class 1`, ...
     */
    classes?: Array<string> | undefined;
    /**
     * Height and width of the network's input, in pixels. Default: 32 with a CIFAR stem, else
     * 224.
     */
    imageSize?: number | undefined;
    /**
     * Preprocessing: `mean`, `std`, `evalResize`. Default: ImageNet's values.
     */
    transform?: TransformConfig | undefined;
    /**
     * Data type of the computation. Default: as in training; `fp32` for weights without
     * metadata.
     */
    precision?: Precision | undefined;
    /**
     * Device. Default: as in training, or for weights without metadata `cuda`; `cpu` if CUDA
     * is not available.
     */
    device?: Device | undefined;
};

/**
 * A trained network in memory. Release it with `await using model = await loadModel(...)`, or with
 * `close()`.
 */
export declare class Model implements AsyncDisposable {
    #private;
    /** Metadata from the model's file. */
    readonly info: Readonly<ModelInfo>;
    private constructor();
    /**
     * Classifies an image; for an array of images, the result is an array in the same order.
     * Concurrent calls are batched, which takes less time than one call after another. No call waits
     * for others to arrive.
     *
     * @example
     * await using model = await loadModel('runs/latest')
     * const [cat, dog] = await model.predict(['cat.jpg', 'dog.jpg'])
     *
     * @param image a path, the bytes of an image file, or pixels; see `ImageInput`
     * @param config number of classes to return, and test-time augmentation: `{ crops: 'flip' }`
     * @throws {ResidualError} `E_IMAGE` with the file, if an image cannot be decoded; `E_IO`,
     *   `E_USAGE`, `E_CONFIG`, `E_CLOSED`
     */
    predict(image: ImageInput, config?: PredictConfig): Promise<Prediction>;
    predict(images: readonly ImageInput[], config?: PredictConfig): Promise<Prediction[]>;
    /**
     * Evaluates the model on a data set, without augmentation. A named data set is downloaded if
     * necessary. In a process that also trains, the evaluation runs between two training steps; a
     * request to stop the run interrupts the evaluation, which starts again when the run has ended.
     *
     * @example
     * await using model = await loadModel('runs/latest')
     * const { accuracy, confusion } = await model.evaluate({ split: 'val' })
     *
     * @param config data set and split. Default: the data set that the model was trained on
     * @param options in-memory images instead of `config.data`, by default with the classes of the
     *   model; and a signal, which ends the evaluation after the current batch
     * @throws {ResidualError} the errors of opening the data set; `E_MISMATCH` if its classes differ
     *   from those of the model; `AbortError`
     */
    evaluate(config?: EvaluateConfig, options?: EvaluateOptions): Promise<Evaluation>;
    /**
     * Measures the standard deviation of the responses of each 3x3 convolution, in the order of the
     * forward pass, on images without augmentation (figure 7 of He et al. 2015).
     *
     * @param config data set and split. Default: the data set that the model was trained on
     * @param options in-memory images instead of `config.data`, and a signal
     * @throws {ResidualError} the errors of `evaluate()`
     */
    layerResponses(config?: EvaluateConfig, options?: EvaluateOptions): Promise<LayerResponse[]>;
    /**
     * Exports the network, as `exportModel()` does.
     *
     * @param path a file with the extension `.safetensors` or `.onnx`
     * @param config for ONNX, operations to add before and after the network
     * @throws {ResidualError} `E_USAGE` for another extension, `E_WRITE`, `E_CLOSED`
     */
    export(path: string | URL, config?: ExportConfig): Promise<void>;
    /** Releases the memory of the model, after pending calls have completed. */
    close(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Description of a loaded model.
 */
export declare type ModelInfo = {
    /**
     * Name of the network.
     */
    arch: string;
    /**
     * Class names in index order.
     */
    classes: Array<string>;
    /**
     * Channels of the network's input.
     */
    channels: number;
    /**
     * Height and width of the network's input, in pixels.
     */
    imageSize: number;
    /**
     * Number of parameters, including frozen ones.
     */
    parameters: number;
    /**
     * Absolute path of the loaded file.
     */
    checkpoint: string;
    /**
     * Completed epochs; 0 if unknown.
     */
    epoch: number;
    /**
     * Assumptions about weights without metadata, one sentence each. Empty for checkpoints.
     */
    assumed: Array<string>;
    /**
     * Warnings about the file, one sentence each: tensors that are ignored, which of several networks
     * in the file is used, a missing or damaged checkpoint that another one of the run replaces.
     */
    warnings: Array<string>;
};

/**
 * An image: a path or a `file:` URL; a JPEG or PNG file as bytes, a `Blob` or a `data:` URL; or
 * decoded pixels.
 */
export declare type ImageInput = string | URL | Uint8Array | ArrayBuffer | SharedArrayBuffer | DataView | Blob | RawPixels | RawPixelsWithInfo;

/** Decoded pixels as other libraries return them, such as an `ImageData`. */
export declare interface RawPixels {
    /** `height * width * channels` bytes in row-major HWC order. */
    data: Uint8Array | Uint8ClampedArray;
    /** Width in pixels. */
    width: number;
    /** Height in pixels. */
    height: number;
    /**
     * 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA). Alpha is ignored. Default: derived from the
     * length of `data`.
     */
    channels?: 1 | 2 | 3 | 4 | undefined;
}

/** Decoded pixels as sharp returns them: `sharp(file).raw().toBuffer({ resolveWithObject: true })`. */
export declare interface RawPixelsWithInfo {
    data: Uint8Array | Uint8ClampedArray;
    info: Omit<RawPixels, 'data'>;
}

/**
 * Options of `predict()`.
 */
export declare type PredictConfig = {
    /**
     * Number of classes to return, most probable first. Default: 5.
     */
    top?: number | undefined;
    /**
     * Test-time augmentation; probabilities are averaged. Default: `center`.
     */
    crops?: TestCrops | undefined;
    /**
     * Short sides of `multi-scale`, in pixels. Default: [224, 256, 384, 480, 640].
     */
    scales?: Array<number> | undefined;
    /**
     * Maximum side length in pixels, 8 to 256, of the thumbnail in each prediction. Default:
     * no thumbnails.
     */
    thumbnails?: number | undefined;
};

/**
 * Test-time augmentation: crops of an image whose probabilities are averaged.
 */
export declare type TestCrops = 'center' | 'flip' | 'ten' | 'multi-scale';

/**
 * Prediction for an image.
 */
export declare type Prediction = {
    /**
     * Name of the most probable class.
     */
    label: string;
    /**
     * Index of the most probable class.
     */
    index: number;
    /**
     * Probability of the most probable class, 0 to 1.
     */
    probability: number;
    /**
     * Most probable classes, by decreasing probability. The option `top` sets their number.
     */
    top: Array<LabelProbability>;
    /**
     * Thumbnail of the image, if `thumbnails` is set.
     */
    thumbnail?: Thumbnail | undefined;
};

/**
 * Probability of a class.
 */
export declare type LabelProbability = {
    /**
     * Class name.
     */
    label: string;
    /**
     * Index of the class.
     */
    index: number;
    /**
     * Probability, 0 to 1.
     */
    probability: number;
};

/**
 * Image reduced in size, as JSON.
 */
export declare type Thumbnail = {
    /**
     * Width in pixels.
     */
    width: number;
    /**
     * Height in pixels.
     */
    height: number;
    /**
     * 1 (grayscale) or 3 (RGB).
     */
    channels: number;
    /**
     * Pixels in base64: `height * width * channels` bytes in HWC order.
     */
    base64: string;
};

/**
 * Options of `evaluate()`.
 */
export declare type EvaluateConfig = {
    /**
     * Data set, as in `TrainConfig`. Default: the data set that the model was trained on.
     */
    data?: DatasetName | DataConfig | undefined;
    /**
     * Split. Default: the first of test, val and train that exists.
     */
    split?: Split | undefined;
    /**
     * Images per batch. Default: as in training.
     */
    batchSize?: number | undefined;
    /**
     * Test-time augmentation. Default: `center`.
     */
    crops?: TestCrops | undefined;
    /**
     * Short sides of `multi-scale`, in pixels. Default: [224, 256, 384, 480, 640].
     */
    scales?: Array<number> | undefined;
    /**
     * Number of images with the highest losses to report in `topLosses`. Default: 0.
     */
    topLosses?: number | undefined;
    /**
     * Number of evenly spaced images to report in `samples`. Default: 0.
     */
    samples?: number | undefined;
    /**
     * Maximum side length in pixels, 8 to 256, of the thumbnails in `topLosses` and `samples`.
     * Default: no thumbnails.
     */
    thumbnails?: number | undefined;
};

/**
 * Split of a data set.
 */
export declare type Split = 'train' | 'val' | 'test';

/** Options of an evaluation that are not part of the configuration. */
export declare interface EvaluateOptions extends DownloadOptions {
    /** In-memory images instead of a data set on disk. */
    arrays?: ArrayDataset | undefined;
}

/** Options of a download. */
export declare interface DownloadOptions {
    /** Aborts the download and the operation that needs it; received bytes are kept for resuming. */
    signal?: AbortSignal | undefined;
    /** Called when data arrives, and before a failed attempt is repeated. */
    onDownload?: ((progress: DownloadProgress) => void) | undefined;
}

/** Progress of a download. */
export declare interface DownloadProgress {
    /** Name of the data set that the file belongs to, or `weights`. */
    name: string;
    /** Name of the file. */
    file: string;
    /** URL of the file. */
    url: string;
    /** Bytes received so far. */
    bytes: number;
    /** Size of the file in bytes; undefined if the server does not send it. */
    total: number | undefined;
    /** The failed attempt that is repeated after a delay, if this event reports one. */
    retry?: DownloadRetry;
}

/** A failed attempt that is repeated. */
export declare interface DownloadRetry {
    /** URL without user and password. */
    url: string;
    /** Why the attempt failed. */
    reason: string;
    /** Time until the next attempt in ms. */
    delay: number;
}

/**
 * Result of `evaluate()`.
 */
export declare type Evaluation = {
    /**
     * Evaluated data; absent in the evaluation of a run, which has a `split` of its own.
     */
    data?: EvaluatedData | undefined;
    /**
     * Mean cross-entropy, in nats.
     */
    loss: number;
    /**
     * Fraction of images classified correctly, 0 to 1.
     */
    accuracy: number;
    /**
     * Top-5 accuracy: fraction of images whose class is among the five most probable, 0 to 1.
     */
    top5: number;
    /**
     * Number of evaluated images.
     */
    count: number;
    /**
     * Metrics of each class, in index order.
     */
    classes: Array<ClassMetrics>;
    /**
     * Confusion matrix: `confusion[i][j]` is the number of images of class i predicted as class j.
     * Empty for more than 1,000 classes.
     */
    confusion: Array<Array<number>>;
    /**
     * The ten most frequently confused pairs of classes.
     */
    mostConfused: Array<ConfusedPair>;
    calibration: Calibration;
    /**
     * Images with the highest losses, highest first. The option `topLosses` sets their number.
     */
    topLosses: Array<EvaluatedImage>;
    /**
     * Evenly spaced images of the split. The option `samples` sets their number.
     */
    samples: Array<EvaluatedImage>;
    /**
     * Number of images that could not be read, not included in `count`.
     */
    broken: number;
    /**
     * A warning for each unreadable image, at most 100.
     */
    warnings: Array<WarningEvent>;
    /**
     * Throughput, including loading of the images.
     */
    imagesPerSecond: number;
};

/**
 * Data set and split of an evaluation.
 */
export declare type EvaluatedData = {
    /**
     * Name or path of the data set.
     */
    source: string;
    split: Split;
};

/**
 * Metrics of one class.
 */
export declare type ClassMetrics = {
    /**
     * Class name.
     */
    label: string;
    /**
     * Recall: fraction of the class's images classified correctly, 0 to 1; 0 without images.
     */
    accuracy: number;
    /**
     * Precision: fraction of the images predicted as this class that belong to it, 0 to 1; 0
     * without predictions.
     */
    precision: number;
    /**
     * F1 score: harmonic mean of precision and recall.
     */
    f1: number;
    /**
     * Images of this class (support).
     */
    count: number;
    /**
     * Images predicted as this class.
     */
    predicted: number;
};

/**
 * Off-diagonal element of the confusion matrix.
 */
export declare type ConfusedPair = {
    /**
     * True class.
     */
    label: string;
    /**
     * Predicted class.
     */
    predicted: string;
    /**
     * Number of images.
     */
    count: number;
    /**
     * Fraction of the images of `label`, 0 to 1.
     */
    share: number;
};

/**
 * Calibration: agreement of predicted probabilities and accuracy.
 */
export declare type Calibration = {
    /**
     * Expected calibration error (Guo et al. 2017, arXiv:1706.04599), 0 to 1: absolute difference
     * of confidence and accuracy, averaged over the bins with their numbers of images as weights.
     */
    error: number;
    /**
     * 15 bins of equal width, for a reliability diagram.
     */
    bins: Array<CalibrationBin>;
};

/**
 * Bin of a reliability diagram: the images whose confidence is within a range.
 */
export declare type CalibrationBin = {
    /**
     * Lower bound of the confidence, exclusive.
     */
    from: number;
    /**
     * Upper bound of the confidence, inclusive.
     */
    to: number;
    /**
     * Number of images.
     */
    count: number;
    /**
     * Mean confidence (probability of the predicted class); 0 without images.
     */
    confidence: number;
    /**
     * Fraction of images classified correctly; 0 without images.
     */
    accuracy: number;
};

/**
 * Prediction for one image of an evaluation.
 */
export declare type EvaluatedImage = {
    /**
     * Index of the image in its split.
     */
    index: number;
    /**
     * Path of the image file, name and path in an archive (`0001.jpg in train-0.tar`), or split
     * and index (`test/12`) for formats without a file per image.
     */
    name: string;
    /**
     * True class.
     */
    label: string;
    /**
     * Predicted class.
     */
    predicted: string;
    /**
     * Probability of `predicted`, 0 to 1.
     */
    probability: number;
    /**
     * Cross-entropy, in nats.
     */
    loss: number;
    /**
     * Thumbnail, if `thumbnails` is set.
     */
    thumbnail?: Thumbnail | undefined;
};

/**
 * Problem that does not end the run.
 */
export declare type WarningEvent = {
    /**
     * Code of the equivalent error.
     */
    code: ErrorCode;
    message: string;
    /**
     * File that the warning refers to.
     */
    file?: string | undefined;
    hint?: string | undefined;
};

/**
 * Standard deviation of the response of a layer (He et al. 2015, figure 7).
 */
export declare type LayerResponse = {
    /**
     * Name of a 3x3 convolution, such as `layer1.0.conv1`.
     */
    name: string;
    /**
     * Standard deviation over images, channels and positions. The response is the output of the
     * batch normalization after the convolution (of the convolution if none follows), before ReLU
     * and addition.
     */
    std: number;
};

/**
 * Options of `export()` to ONNX.
 */
export declare type ExportConfig = {
    /**
     * Append a softmax: the output is probabilities instead of logits. Default: false.
     */
    softmax?: boolean | undefined;
    /**
     * Prepend the normalization: the input is pixels from 0 to 1 instead of normalized pixels.
     * Default: false.
     */
    normalization?: boolean | undefined;
};

/**
 * Classifies an image, or each image of an array (`residual predict`). Every call loads the model;
 * use `loadModel()` to classify repeatedly.
 *
 * @example
 * const { label, probability } = await predict('runs/latest', 'cat.jpg')
 *
 * @param model a run folder, a checkpoint, or a weights file
 * @param image a path, bytes or pixels; for an array, the result is an array in the same order
 * @param config number of classes to return, and test-time augmentation
 * @param load properties that weights files of other frameworks do not contain, as in `loadModel()`
 * @throws {ResidualError} the errors of `loadModel()` and `Model.predict()`
 */
export declare function predict(model: string | URL, image: ImageInput, config?: PredictConfig, load?: LoadConfig): Promise<Prediction>;

export declare function predict(model: string | URL, images: readonly ImageInput[], config?: PredictConfig, load?: LoadConfig): Promise<Prediction[]>;

/**
 * Evaluates a trained network: loss, accuracy, confusion matrix and calibration (`residual eval`).
 * The images are not augmented.
 *
 * @example
 * const { accuracy, mostConfused } = await evaluate('runs/latest', { split: 'val' })
 *
 * @param path a run folder, a checkpoint, or a weights file
 * @param config data set and split. Default: the data set that the network was trained on
 * @param options in-memory images, and a signal
 * @param load properties that weights files of other frameworks do not contain, as in `loadModel()`
 * @throws {ResidualError} the errors of `loadModel()` and `Model.evaluate()`
 */
export declare function evaluate(path: string | URL, config?: EvaluateConfig, options?: EvaluateOptions, load?: LoadConfig): Promise<Evaluation>;

/**
 * Exports a trained network (`residual export`). The extension selects the format: `.safetensors`
 * contains the weights with torchvision's names, `.onnx` the network (opset 17, dynamic batch
 * size). Does not load libtorch.
 *
 * Also exported as `export`, for `import * as residual`.
 *
 * @example
 * await exportModel('runs/latest', 'photos.onnx', { softmax: true, normalization: true })
 *
 * @param model a run folder (its best checkpoint), a checkpoint, or a weights file
 * @param path the file to write
 * @param config for ONNX, operations to add before and after the network
 * @throws {ResidualError} `E_CHECKPOINT`, `E_MISMATCH`, `E_USAGE` for another extension, `E_WRITE`
 */
declare function exportModel(model: string | URL, path: string | URL, config?: ExportConfig): Promise<void>;

/**
 * Lists the layers of a network with output shapes, parameters and multiply-adds. For a trained
 * network, `checkpoint` contains its classes, training data and training progress. Does not load
 * libtorch.
 *
 * @example
 * const { parameters, macs } = await inspect('resnet18')
 * const { checkpoint } = await inspect('runs/latest')
 *
 * @param network name of a network (`resnet18`), an object with further settings, or the path of a
 *   run folder, a checkpoint or a weights file (a string with a slash or a dot is a path)
 * @param load properties that weights files of other frameworks do not contain, as in `loadModel()`
 * @throws {ResidualError} `E_CONFIG` for an unknown network; `E_CHECKPOINT`, `E_MISMATCH`
 */
export declare function inspect(network: string | URL | InspectConfig, load?: LoadConfig): Promise<Inspection>;

/**
 * Options of `inspect()`: network and input shape.
 */
export declare type InspectConfig = {
    /**
     * Network: a name, or an object with further settings.
     */
    model?: ModelName | ModelConfig | undefined;
    /**
     * Input channels, 1 to 1024. Default: 3.
     */
    channels?: number | undefined;
    /**
     * Input height and width, in pixels, 8 to 1024. Default: 32 for CIFAR networks, else 224.
     */
    imageSize?: number | undefined;
    /**
     * Number of classes, 1 to 1,000,000. Default: 10 for CIFAR networks, else 1000.
     */
    classes?: number | undefined;
};

/**
 * Result of `inspect()`.
 */
export declare type Inspection = {
    /**
     * Name of the network.
     */
    name: string;
    /**
     * Shape of the input: channels, height, width.
     */
    input: [number, number, number];
    /**
     * Number of classes.
     */
    classes: number;
    /**
     * Number of parameters.
     */
    parameters: number;
    /**
     * Multiply-accumulate operations of the convolutions and linear layers in the forward pass of
     * one image (FLOPs in He et al. 2015).
     */
    macs: number;
    /**
     * Layers in forward order.
     */
    layers: Array<LayerRow>;
    /**
     * Module tree, formatted as by PyTorch's `print(net)`.
     */
    tree: string;
    /**
     * `tree` with output shape, parameters and multiply-adds of each layer, and the totals, as
     * printed by `residual inspect --tree`.
     */
    text: string;
    /**
     * Table of the layers, as printed by `residual inspect --table`.
     */
    table: string;
    /**
     * Metadata of the file, if a checkpoint was inspected.
     */
    checkpoint?: CheckpointInfo | undefined;
};

/**
 * Layer of a network.
 */
export declare type LayerRow = {
    /**
     * Name as in `state_dict`, such as `layer1.0.conv1`.
     */
    name: string;
    /**
     * PyTorch class and options, such as `Conv2d 3x3, stride 2`.
     */
    kind: string;
    /**
     * Shape of the output: channels, height and width, or features for a linear layer.
     */
    output: Array<number>;
    /**
     * Number of parameters.
     */
    parameters: number;
    /**
     * Multiply-accumulate operations for one image.
     */
    macs: number;
};

/**
 * Metadata of a checkpoint or weights file.
 */
export declare type CheckpointInfo = {
    /**
     * Absolute path of the file.
     */
    file: string;
    /**
     * Size of the file in bytes.
     */
    bytes: number;
    /**
     * Class names in index order.
     */
    classes: Array<string>;
    /**
     * Mean of each channel for normalization, for values from 0 to 1.
     */
    mean: Array<number>;
    /**
     * Standard deviation of each channel for normalization, for values from 0 to 1.
     */
    std: Array<number>;
    /**
     * Data type of the computation in training.
     */
    precision: Precision;
    /**
     * Data set that the model was trained on, as named in its configuration; null for external
     * weights.
     */
    source: string | null;
    /**
     * Completed epochs; 0 if unknown.
     */
    epoch: number;
    /**
     * Completed steps; 0 if unknown.
     */
    step: number;
    /**
     * Best epoch of the run so far; null if unknown.
     */
    best: BestEpoch | null;
    /**
     * Assumptions about weights without metadata, one sentence each. Empty for checkpoints.
     */
    assumed: Array<string>;
    /**
     * Warnings about the file, one sentence each: tensors that are ignored, which of several networks
     * in the file is used, a missing or damaged checkpoint that another one of the run replaces.
     */
    warnings: Array<string>;
};

/**
 * Best epoch by `monitor`, with its validation metrics (training metrics without a validation
 * split).
 */
export declare type BestEpoch = {
    /**
     * Epoch, starting at 1.
     */
    epoch: number;
    accuracy: number;
    loss: number;
};

/**
 * Verifies the files of a run (`residual verify`): the checksums of every tensor and of the metadata
 * of all checkpoints, and the structure of all other files. Changes nothing and does not load
 * libtorch.
 *
 * @example
 * const { ok, files } = await verify('runs/latest')
 * if (!ok) console.error(files.filter(({ status }) => status === 'damaged'))
 *
 * @param path a run folder, a checkpoint, or a weights file; files of other programs have no
 *   checksums and are `unverified`
 * @throws {ResidualError} `E_CHECKPOINT` if the path is neither a run folder nor a file; `E_IO`
 */
export declare function verify(path: string | URL): Promise<RunVerification>;

/**
 * Result of `verify()`.
 */
export declare type RunVerification = {
    /**
     * Absolute path of the run folder or the file.
     */
    path: string;
    /**
     * Whether no file is damaged or missing.
     */
    ok: boolean;
    files: Array<VerifiedRunFile>;
};

/**
 * A file that `verify()` checked.
 */
export declare type VerifiedRunFile = {
    /**
     * Path in the run folder, such as `checkpoints/last.safetensors`.
     */
    file: string;
    status: RunFileStatus;
    /**
     * Size in bytes; null if the file is missing.
     */
    bytes: number | null;
    /**
     * Summary of the content (`3 lines`), or the problem (`is cut off within line 3`).
     */
    detail: string;
};

/**
 * Condition of a file.
 */
export declare type RunFileStatus = 'ok' | 'unverified' | 'damaged' | 'missing';

// -----------------------------------------------------------------------------
// Data sets
// -----------------------------------------------------------------------------

/**
 * Lists the named data sets (`residual data list`). Does not load libtorch.
 *
 * @example
 * const missing = (await datasets()).filter(({ folder }) => folder === null)
 */
export declare function datasets(): Promise<NamedDataset[]>;

/** A data set that the configuration key `data` selects by name. */
export declare interface NamedDataset {
    name: string;
    /** Title, as the authors write it. */
    title: string;
    /** Content of the images, in a few words. */
    description: string;
    /** Number of classes. */
    classes: number;
    /** Number of training images. */
    train: number;
    /** Number of test images. */
    test: number;
    /** 1 (gray) or 3 (RGB). */
    channels: number;
    /** Height and width in pixels. */
    imageSize: number;
    license: string;
    /** Web page of the authors. */
    homepage: string;
    /** Folder on this machine; null if the data set has to be downloaded first. */
    folder: string | null;
    /** Size of the download in bytes; 0 for a data set that is included in this package. */
    downloadBytes: number;
}

/**
 * Downloads, verifies and unpacks a named data set (`residual data download`). A copy that is
 * already on this machine is verified once and reused. Does not load libtorch.
 *
 * @example
 * const { folder } = await downloadDataset('mnist', {
 *   onDownload: ({ bytes, total }) => console.log(`${bytes} of ${total} bytes`),
 * })
 *
 * @param name name of a data set, as listed by `datasets()`
 * @returns the data set with its folder
 * @throws {ResidualError} `E_DOWNLOAD` with the error of each URL; `E_DATA_FORMAT` if an archive or
 *   an existing copy differs from the published files; `E_WRITE`; `E_DATA_NOT_FOUND` for an unknown
 *   name; `AbortError`
 */
export declare function downloadDataset(name: string, options?: DownloadOptions): Promise<NamedDataset>;

/**
 * Verifies the SHA-256 checksums of the files of a named data set (`residual data verify`).
 * Does not load libtorch.
 *
 * @example
 * const { ok, files } = await verifyDataset('mnist')
 * if (!ok) console.error(files.filter((file) => !file.ok))
 *
 * @param name name of a data set, as listed by `datasets()`
 * @throws {ResidualError} `E_DATA_NOT_FOUND` if the data set is not on this machine; `AbortError`
 */
export declare function verifyDataset(name: string, { signal }?: Pick<DownloadOptions, 'signal'>): Promise<DatasetVerification>;

/** The result of `verifyDataset()`. */
export declare interface DatasetVerification {
    name: string;
    folder: string;
    /** Whether all checksums match. */
    ok: boolean;
    files: VerifiedFile[];
}

/** A file of a data set, compared with its expected checksum. */
export declare interface VerifiedFile {
    file: string;
    /** Whether the checksum matches. */
    ok: boolean;
    /** Expected SHA-256 of the decompressed file, in hexadecimal. */
    expected: string;
    /** SHA-256 of the file; null if it is missing or cannot be decompressed. */
    actual: string | null;
}

/**
 * Draws images of a data set with their classes as a grid (`residual data preview`; torchvision's
 * `make_grid`). With `augmented`, the images are augmented as in training, and the normalization is
 * reverted. A named data set is downloaded if necessary. Does not load libtorch. Warnings about the
 * data set are process warnings.
 *
 * @example
 * const grid = await previewDataset('./photos', { augmented: true, count: 12 })
 * await writeFile('photos.png', grid.png())
 *
 * @param data a data set, as in `TrainConfig`
 * @throws {ResidualError} the errors of opening the data set; `E_USAGE` for a missing split
 */
export declare function previewDataset(data: string | DataConfig, { title, columns, tileSize, signal, onDownload, ...config }?: PreviewOptions): Promise<ImageGrid>;

/** Options of `previewDataset()`: which images to draw, and the layout of the grid. */
export declare interface PreviewOptions extends Omit<PreviewConfig, 'data'>, GridOptions, DownloadOptions {
}

/**
 * Options of `previewDataset()`.
 */
export declare type PreviewConfig = {
    /**
     * Data set, as in `TrainConfig`, including `limit` and `validation`.
     */
    data?: DatasetName | DataConfig | undefined;
    /**
     * Split. Default: train.
     */
    split?: Split | undefined;
    /**
     * Number of images, 1 to 1000. Default: 40; with `by-class`, 8 per class, at most 200.
     */
    count?: number | undefined;
    /**
     * Selection and order. Default: `random`.
     */
    order?: PreviewOrder | undefined;
    /**
     * Random seed of the selection, of augmentation and, without `data.splitSeed`, of the
     * validation split. Default: 0.
     */
    seed?: number | undefined;
    /**
     * Apply the random augmentation of training. Default: false.
     */
    augmented?: boolean | undefined;
    /**
     * Resizing and augmentation, as in `TrainConfig`; used if `augmented` is true.
     */
    transform?: TransformConfig | undefined;
};

/**
 * Selection and order of previewed images.
 */
export declare type PreviewOrder = 'random' | 'by-class';

/** Layout of a grid. */
export declare interface GridOptions {
    /** Title above the grid. */
    title?: string | undefined;
    /** Images per row. Default: about 1.5 times the number of rows, at most 12. */
    columns?: number | undefined;
    /** Longer side of a tile in pixels. Default: longest side of all images, from 84 to 160. */
    tileSize?: number | undefined;
}

/** A data set in memory. All splits have images of the same size. The data is copied. */
export declare interface ArrayDataset {
    train: ArraySplit;
    /** Default: held out from the training images, according to `data.validation`. */
    val?: ArraySplit | undefined;
    test?: ArraySplit | undefined;
    /** Class names, in the order of the labels. Default: the class indices. */
    classes?: readonly string[] | undefined;
}

/** One split of an in-memory data set. */
export declare interface ArraySplit {
    /** Pixels as `uint8` in NHWC order: `labels.length * height * width * channels` bytes. */
    images: Uint8Array | Uint8ClampedArray;
    /** Class index of each image, from 0. */
    labels: Uint8Array | Uint16Array | Uint32Array | Int32Array | readonly number[];
    /** Width of the images in pixels. */
    width: number;
    /** Height of the images in pixels. */
    height: number;
    /** 1 (gray) or 3 (RGB). */
    channels: 1 | 3;
}

// -----------------------------------------------------------------------------
// Experiments
// -----------------------------------------------------------------------------

/**
 * The experiments of `residual experiment`.
 *
 * @example
 * const { valAccuracy } = await experiment.repeat({ data: './photos', seeds: 2 })
 * console.log(valAccuracy?.mean, valAccuracy?.std)
 */
export declare const experiment: Experiments;

/**
 * Experiments with several networks. `degradation()` and `repeat()` train, and write a run folder
 * for each run below `out`; a repeated call reuses finished runs and resumes an interrupted run.
 */
export declare interface Experiments {
    /**
     * Reproduces the degradation experiment of the paper (figures 1, 4, 6 and 7, tables 2 and 6):
     * trains a plain and a residual network of each depth and compares their errors and layer
     * responses. All networks use the paper's recipe (section 4.2), which divides the learning rate
     * by 10 at half and at three quarters of the budget.
     *
     * @throws {ResidualError} the errors of `train()`; `E_MISMATCH` if `out` contains runs with
     *   another configuration; `AbortError`
     */
    degradation(config: DegradationConfig, options?: ExperimentOptions): Promise<DegradationResult>;
    /**
     * Trains one configuration with several seeds. The seed determines initial weights, order and
     * augmentation. The validation split is the same for all seeds; `data.splitSeed` selects another.
     *
     * @throws {ResidualError} as `degradation()`
     */
    repeat(config: RepeatConfig, options?: ExperimentOptions): Promise<RepeatResult>;
    /**
     * Evaluates trained networks separately and as an ensemble, which averages their probabilities
     * (table 5 of the paper).
     *
     * @param models run folders or checkpoints
     * @param config data set and split. Default: the data set of the first model
     * @throws {ResidualError} as `evaluate()`; `E_MISMATCH` if the models differ in their classes or
     *   in their validation split
     */
    ensemble(models: readonly (string | URL)[], config?: EnsembleConfig, options?: EnsembleOptions): Promise<EnsembleResult>;
}

/** Configuration of `experiment.degradation()`: the keys of `TrainConfig` apply to all networks. */
export declare interface DegradationConfig extends Omit<TrainConfig, 'model' | 'resume'> {
    /**
     * Depths, each trained as a plain and as a residual network: 6n + 2 except 50 for CIFAR, or 18
     * and 34 for ImageNet. Default: [20, 56].
     */
    depths?: readonly number[] | undefined;
    /** Number of runs of each network; their seeds are `seed`, `seed + 1`, ... Default: 1. */
    seeds?: number | undefined;
    /** Settings of all networks; `arch` is set by `depths`. */
    model?: ModelConfig | undefined;
}

/** Options of an experiment that are not plain data. */
export declare interface ExperimentOptions {
    /**
     * Stops the experiment within one step, after saving. The promise rejects with an `AbortError`;
     * the same call resumes the experiment.
     */
    signal?: AbortSignal | undefined;
    onEvent?: ((event: ExperimentEvent) => void) | undefined;
    /** Called during downloads of data sets and pretrained weights. */
    onDownload?: ((progress: DownloadProgress) => void) | undefined;
}

/** An event of an experiment: the start of a run, or an event of the current run. */
export declare type ExperimentEvent = MemberEvent | (RunEvent & {
    member: string;
});

/** The start of a run of an experiment. */
export declare interface MemberEvent {
    type: 'member';
    member: string;
    /** Number of the run, from 1. */
    index: number;
    /** Number of runs in the experiment. */
    count: number;
    /** `reused`: a finished run with the same configuration exists. */
    state: 'new' | 'resumed' | 'reused';
}

/** Result of `experiment.degradation()`, also in result.json. */
export declare interface DegradationResult {
    /** Absolute path of the experiment's folder. */
    dir: string;
    networks: DegradationNetwork[];
    /** One comparison for each family; empty if there is a single depth. */
    comparisons: DepthComparison[];
    /** Whether the deeper plain network trains worse and the deeper residual network does not. */
    reproduced: boolean;
    /** The comparisons in sentences, and whether they agree with the paper. */
    summary: string;
    /** Training and validation error by step (figures 1, 4 and 6). */
    figure: FigureFiles;
    /** Standard deviations of the layer responses (figure 7). */
    responses: FigureFiles;
    /** Absolute paths of the files with the table. */
    table: {
        markdown: string;
        csv: string;
    };
    /** Training time of all runs in seconds. */
    seconds: number;
}

/** Results of one network over its seeds. Errors are fractions, 0 to 1. */
export declare interface DegradationNetwork {
    /** Name of the network, such as `plain20`. */
    arch: string;
    family: NetworkFamily;
    depth: number;
    parameters: number;
    /**
     * Mean error of the last complete epoch on augmented training images, as plotted in the paper.
     */
    trainError: MeanStd;
    /** Validation error after the last epoch; null without a validation split. */
    valError: MeanStd | null;
    /** Test error of the checkpoint selected by `monitor`; null without a test split. */
    testError: MeanStd | null;
    /** Error in the paper; null if it is not published. */
    paper: PublishedResult | null;
    /** Responses of the 3x3 layers in the first seed's checkpoint. */
    responses: LayerResponse[];
    /** Absolute paths of the run folders, in the order of the seeds. */
    runs: string[];
}

/** Family of networks, without or with shortcuts. */
export declare type NetworkFamily = 'plain' | 'residual';

/** Mean and standard deviation of a value over several seeds. */
export declare interface MeanStd {
    mean: number;
    /** Sample standard deviation (divided by n - 1); 0 for a single value. */
    std: number;
    /** The best value: the lowest error or the highest accuracy. */
    best: number;
    /** All values, in the order of the seeds. */
    values: number[];
}

/** A published top-1 error. */
export declare interface PublishedResult {
    /** Fraction, 0 to 1. */
    error: number;
    /** Table in He et al. 2015. */
    source: string;
}

/** Comparison of the training errors of the deepest and the shallowest network of a family. */
export declare interface DepthComparison {
    family: NetworkFamily;
    /** The shallowest network. */
    shallow: string;
    /** The deepest network. */
    deep: string;
    /** Training error of the deep network minus that of the shallow one; mean over the seeds. */
    difference: number;
    /** Whether the training error of the deep network is higher. */
    degraded: boolean;
}

/** Absolute paths of the files of one figure. */
export declare interface FigureFiles {
    svg: string;
    png: string;
}

/** Configuration of `experiment.repeat()`. */
export declare interface RepeatConfig extends Omit<TrainConfig, 'resume'> {
    /** Number of runs, with the seeds `seed`, `seed + 1`, ... Default: 5, as in the paper. */
    seeds?: number | undefined;
}

/** Result of `experiment.repeat()`, also in result.json. Accuracies are fractions, 0 to 1. */
export declare interface RepeatResult {
    /** Absolute path of the experiment's folder. */
    dir: string;
    seeds: number[];
    /** Absolute paths of the run folders, in the order of the seeds. */
    runs: string[];
    /** Training accuracy of the last epoch on augmented images, averaged over its batches. */
    trainAccuracy: MeanStd;
    /** Validation accuracy of the best epoch; null without a validation split. */
    valAccuracy: MeanStd | null;
    /** Test accuracy of the best checkpoint; null without a test split. */
    testAccuracy: MeanStd | null;
    /** The run with the best validation accuracy, or training accuracy without a validation split. */
    best: {
        seed: number;
        checkpoint: string;
    };
    /** Training and validation error by step, with a band of one standard deviation. */
    figure: FigureFiles;
    /** Absolute paths of the files with the table. */
    table: {
        markdown: string;
        csv: string;
    };
    /** Training time of all runs in seconds. */
    seconds: number;
}

/** Configuration of `experiment.ensemble()`. */
export declare type EnsembleConfig = Omit<EvaluateConfig, 'topLosses' | 'samples' | 'thumbnails'>;

/** Options of `experiment.ensemble()`. */
export declare interface EnsembleOptions extends DownloadOptions {
    /** Properties that weights files of other frameworks do not contain; applied to all models. */
    load?: LoadConfig | undefined;
}

/** Result of `experiment.ensemble()`. */
export declare interface EnsembleResult {
    /** Evaluation of the mean of the models' probabilities. */
    ensemble: Evaluation;
    /** Evaluation of each model, in the order of the models. */
    members: EnsembleMember[];
}

/** The evaluation of a single model of an ensemble. */
export declare interface EnsembleMember {
    /** Absolute path of the model's checkpoint. */
    checkpoint: string;
    arch: string;
    evaluation: Evaluation;
}

/**
 * Result of `experiment.ensemble()`.
 */
export declare type EnsembleEvaluation = {
    /**
     * Evaluation of the mean probabilities of all members.
     */
    ensemble: Evaluation;
    /**
     * Evaluation of each member, in the order of the request.
     */
    members: Array<Evaluation>;
};

// -----------------------------------------------------------------------------
// Reports, dashboard and images
// -----------------------------------------------------------------------------

/**
 * Writes the report of a run as a self-contained HTML page, with its figures as SVG and PNG; for
 * several runs, writes a comparison. Sections that cannot be rendered, because the run is not
 * finished or its images are gone, are skipped.
 *
 * @example
 * const { file } = await report('runs/photos-resnet18')
 *
 * @param runs one or more run folders
 * @throws {ResidualError} `E_CHECKPOINT` if a path is not a run folder, `E_USAGE`, `E_WRITE`
 */
export declare function report(runs: string | URL | readonly (string | URL)[], options?: ReportOptions): Promise<ReportResult>;

/** Options of `report()`. */
export declare interface ReportOptions {
    /**
     * Output file; its figures are written to `<name>-plots/` beside it. Default: `report.html` and
     * `plots/` in the run folder; for several runs, `comparison.html` in the current folder.
     */
    out?: string | URL | undefined;
    /** Location of the images, if they were moved since training. */
    data?: string | undefined;
    /**
     * Evaluate the network if the run folder contains no matching evaluation, or if `data` is given.
     * This takes about as long as a validation during training. If false, a report without an
     * evaluation contains no confusion matrix and no predictions. Ignored for comparisons.
     * Default: true.
     */
    evaluate?: boolean | undefined;
    /** Called before the evaluation starts. */
    onEvaluate?: (() => void) | undefined;
}

/** Result of `report()`. */
export declare interface ReportResult {
    /** Absolute path of the HTML page. */
    file: string;
    /** Files of every figure, by the name of the figure. */
    figures: Record<string, FigureFiles>;
    /** Sections that could not be rendered, with the reason. */
    skipped: {
        section: string;
        reason: string;
    }[];
    /** The runs, in the given order. */
    runs: ReportedRun[];
}

/** Summary of a run in a report. */
export declare interface ReportedRun {
    /** Name of the run folder, or its path if several runs have the same name. */
    name: string;
    /** Absolute path of the run folder. */
    dir: string;
    arch: string;
    /** Undefined if the run has not ended. */
    stopReason?: StopReason | undefined;
    /** Completed epochs. */
    epochs: number;
    /**
     * Accuracy of the best epoch, on the validation split if there is one, 0 to 1; undefined before
     * the first epoch.
     */
    accuracy?: number | undefined;
    /** Accuracy on the test split, 0 to 1, if the run measured it. */
    testAccuracy?: number | undefined;
    /** Training time in seconds. */
    seconds?: number | undefined;
}

/**
 * Serves a web page that shows runs while they train: training curves, progress, sample
 * predictions, and a button to stop a run. The page reads the run folders, so any process may train
 * the runs.
 *
 * The server is reachable only from this machine, and only with the token in its URL.
 *
 * @example
 * await using page = await dashboard('runs')
 * console.log(page.url)
 * await train({ data: './photos', out: 'runs/photos' })
 *
 * @param folder a folder of runs, or a run folder; it may not exist yet
 * @throws {ResidualError} `E_PORT` if the port is not available, `E_USAGE` if the path is a file or
 *   the port is invalid
 */
export declare function dashboard(folder?: string | URL, { port }?: DashboardOptions): Promise<Dashboard>;

/** Options of `dashboard()`. */
export declare interface DashboardOptions {
    /** Port to listen on. Default: 8265, or the next free port. */
    port?: number | undefined;
}

/** A running dashboard server. The server keeps the process alive until it is closed. */
export declare class Dashboard implements AsyncDisposable {
    #private;
    /** Absolute path of the folder of runs. */
    readonly folder: string;
    /** Port on 127.0.0.1. */
    readonly port: number;
    /**
     * URL for the browser. Its token grants permission to view and to stop runs. The server exchanges
     * the token for a cookie and redirects to a URL without it.
     */
    readonly url: string;
    private constructor();
    /** Sends the remaining events to open pages and closes the server. */
    close(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Renders predictions as a self-contained HTML page (`residual predict --html`). Images are shown
 * where predictions have thumbnails.
 *
 * @example
 * await using model = await loadModel('runs/latest')
 * const prediction = await model.predict('cat.jpg', { thumbnails: 160 })
 * await writeFile('cat.html', renderPredictionGallery([{ name: 'cat.jpg', prediction }],
 * model.info))
 *
 * @param predictions in the order in which they are shown
 * @param model the predicting model's `model.info`
 * @returns HTML
 */
export declare function renderPredictionGallery(predictions: readonly NamedPrediction[], model: Readonly<ModelInfo>): string;

/** A prediction with the name of its image. */
export declare interface NamedPrediction {
    /** Usually the path of the image file. */
    name: string;
    /** Needs a `thumbnail` for the page to show the image. */
    prediction: Prediction;
}

/**
 * Draws images of an evaluation (`samples` or `topLosses`, with `thumbnails`), each with its label,
 * predicted class and probability. Correct predictions have a green frame, wrong predictions a red
 * frame.
 *
 * @example
 * const { samples } = await evaluate('runs/latest', { samples: 12, thumbnails: 96 })
 * await writeFile('samples.png', renderPredictions(samples, { title: 'Predictions' }).png())
 *
 * @throws {ResidualError} `E_USAGE` if the list is empty or an example has no thumbnail
 */
export declare function renderPredictions(examples: readonly EvaluatedImage[], options?: GridOptions): ImageGrid;

/**
 * Arranges images in a grid with captions, as `torchvision.utils.make_grid`.
 *
 * @example
 * const data = new Uint8Array(28 * 28).fill(128)
 * const gray = { data, width: 28, height: 28, channels: 1 } as const
 * await writeFile('grid.svg', makeGrid([{ image: gray, caption: 'gray' }]).svg)
 *
 * @throws {ResidualError} `E_USAGE` if there are no images, or an image is neither pixels nor a
 * file
 */
export declare function makeGrid(tiles: readonly GridTile[], options?: GridOptions): ImageGrid;

/** An image of a grid with its caption. */
export declare interface GridTile {
    /** Pixels, or the contents of a PNG or JPEG file. */
    image: Pixels | Uint8Array;
    /**
     * Text below the image, truncated to the width of the tile. An SVG shows the full text as a
     * tooltip.
     */
    caption: string;
    /** Second line of the caption, in a smaller font. */
    note?: string | undefined;
    /** Draws a green frame if true, a red frame if false, and no frame if undefined. */
    correct?: boolean | undefined;
}

/** Decoded pixels, 8 bits per channel, in row-major HWC order. */
export declare interface Pixels {
    /** `height * width * channels` bytes. */
    data: Uint8Array;
    /** Width in pixels. */
    width: number;
    /** Height in pixels. */
    height: number;
    /** 1 (gray) or 3 (RGB). */
    channels: 1 | 3;
}

/** A grid of images as SVG, which can be rasterized to PNG. */
export declare class ImageGrid {
    readonly svg: string;
    constructor(svg: string);
    /** Rasterizes the grid to a PNG file. The result is not cached. */
    png(options?: PngOptions): Buffer;
}

/** Options of a PNG file. */
export declare interface PngOptions {
    /** Pixels per unit of the drawing. Default: 2. */
    scale?: number | undefined;
}

// -----------------------------------------------------------------------------
// Machine
// -----------------------------------------------------------------------------

/**
 * Checks whether this machine can train (`residual doctor`): platform, libtorch, CUDA, CPU, memory
 * and disk. Each check reports the detected state and, if there is a problem, a suggested fix.
 *
 * Does not throw if a part is missing. libtorch is loaded in a child process.
 *
 * @example
 * const { ok, checks } = await doctor()
 * if (!ok) console.error(checks.filter(({ status }) => status === 'fail'))
 */
export declare function doctor(): Promise<Diagnosis>;

/** The result of `doctor()`. */
export declare interface Diagnosis {
    /** Whether no check failed, so that this machine can train. */
    ok: boolean;
    /** Version of this package. */
    version: string;
    checks: Check[];
}

/** The result of checking one part of the machine. */
export declare interface Check {
    /** `platform`, `glibc`, `addon`, `libtorch`, `CUDA`, `CPU`, `threads`, `memory`, `disk`, ... */
    name: string;
    status: CheckStatus;
    /** The detected state, in a few words. */
    detail: string;
    /** Suggested fix, as a sentence; undefined if nothing needs to be done. */
    hint?: string | undefined;
}

/**
 * Status of one check: `pass`, `warn` (training works, but with limits), `fail` (training does not
 * work), or `off` (an optional part, such as CUDA, is not available).
 */
export declare type CheckStatus = 'pass' | 'warn' | 'fail' | 'off';

/**
 * Measures the throughput of a network on this machine (`residual bench`): training steps and
 * forward passes on random images in memory. The rounds of training and inference alternate,
 * because clock speeds drift; the result contains all rounds.
 *
 * @example
 * const throughput = await bench('resnet18')
 * console.log(throughput.train.median, 'images per second')
 *
 * @param config name of a network, or an object with further settings
 * @throws {ResidualError} `E_CONFIG`, `E_UNKNOWN_KEY`, `E_DEVICE`, `E_LIBTORCH`, `E_MEMORY`
 */
export declare function bench(config?: string | BenchConfig): Promise<BenchResult>;

/**
 * Options of `bench()`.
 */
export declare type BenchConfig = {
    /**
     * Network: a name, or an object with further settings. Default: `resnet20`.
     */
    model?: ModelName | ModelConfig | undefined;
    /**
     * Input height and width, in pixels. Default: 32 for CIFAR networks, else 224.
     */
    imageSize?: number | undefined;
    /**
     * Input channels. Default: 3.
     */
    channels?: number | undefined;
    /**
     * Number of classes. Default: 10 for CIFAR networks, else 1000.
     */
    classes?: number | undefined;
    /**
     * Images per batch. Default: as in `TrainConfig`.
     */
    batchSize?: 'auto' | number | undefined;
    /**
     * Data type of the computation. Default: as in `TrainConfig`.
     */
    precision?: 'auto' | Precision | undefined;
    /**
     * Device. Default: as in `TrainConfig`.
     */
    device?: 'auto' | Device | undefined;
    /**
     * Threads for tensor operations. Default: as in `TrainConfig`.
     */
    threads?: 'auto' | number | undefined;
    /**
     * Number of rounds, 1 to 1000; each measures training and then inference. Default: 5.
     */
    rounds?: number | undefined;
    /**
     * Approximate length of each measurement in seconds, 0 to 600. Default: 1.
     */
    seconds?: number | undefined;
};

/**
 * Result of `bench()`.
 */
export declare type BenchResult = {
    /**
     * Name of the network.
     */
    arch: string;
    /**
     * Height and width of the network's input, in pixels.
     */
    imageSize: number;
    /**
     * Channels of the network's input.
     */
    channels: number;
    /**
     * Number of classes.
     */
    classes: number;
    /**
     * Images per batch.
     */
    batchSize: number;
    precision: Precision;
    device: Device;
    /**
     * Threads for tensor operations.
     */
    threads: number;
    /**
     * Number of parameters.
     */
    parameters: number;
    /**
     * Multiply-accumulate operations of the forward pass of one image.
     */
    macs: number;
    /**
     * Training throughput: forward pass, loss, backward pass and optimizer step.
     */
    train: Throughput;
    /**
     * Inference throughput: forward passes in evaluation mode.
     */
    predict: Throughput;
};

/**
 * Throughput in images per second, measured several times.
 */
export declare type Throughput = {
    /**
     * Throughput of each round, in the order of measurement.
     */
    rounds: Array<number>;
    median: number;
    min: number;
    max: number;
};

/**
 * Returns what `setupCuda()`, or with `downloadOnly` `downloadCuda()`, would do: sources, sizes and
 * licenses. Changes and downloads nothing.
 *
 * @throws {ResidualError} `E_PLATFORM` if the platform has no CUDA, `E_USAGE`, `E_WRITE` without a
 *   cache folder
 *
 * @example
 * const { source, downloadBytes, licenses } = await planCudaSetup()
 * console.log(source, downloadBytes)
 * console.table(licenses)
 */
export declare function planCudaSetup(options?: CudaPlanOptions): Promise<CudaSetupPlan>;

/** A plan of `setupCuda()`, or of `downloadCuda()` if `downloadOnly` is set. */
export declare interface CudaPlanOptions extends CudaSourceOptions {
    /** Folder for the wheels, if they are only downloaded. */
    downloadOnly?: string | undefined;
    /** Platform that will use the downloaded wheels. Default: this platform. */
    platform?: string | undefined;
}

/** Where the CUDA libraries are installed from. */
export declare interface CudaSourceOptions {
    /** URL of a package index that is used instead of those of pip. */
    indexUrl?: string | undefined;
    /** Folder with the wheels, which `downloadCuda()` creates. */
    bundle?: string | undefined;
    /** Whether the libraries of an installed PyTorch may be used. Default: true. */
    python?: boolean | undefined;
}

/** The actions of `setupCuda()`, returned by `planCudaSetup()`. */
export declare interface CudaSetupPlan {
    /** Folder of the installation. */
    folder: string;
    /**
     * `installed`: nothing has to be done; `python`: the libraries of an installed PyTorch are used;
     * `bundle`: wheels of a folder are unpacked; `download`: wheels are downloaded and unpacked.
     */
    source: 'installed' | 'python' | 'bundle' | 'download';
    /** Folder of the packages of the PyTorch that is used, or null. */
    python: string | null;
    /** Why each PyTorch that was found cannot be used. */
    rejected: string[];
    /** URLs of the package indexes, and folders with wheels, in the order to try. */
    from: string[];
    /** Size of all wheels in bytes. */
    downloadBytes: number;
    /** Bytes of wheels that have been downloaded already. */
    downloadedBytes: number;
    /** Size of the installation in bytes. */
    installedBytes: number;
    /** Environment variable that takes precedence over the installation, or null. */
    overriddenBy: string | null;
    licenses: CudaLicense[];
}

/** A package whose license applies to the installed libraries. */
export declare interface CudaLicense {
    project: string;
    version: string;
    /** SPDX expression, or the name that the package states. */
    license: string;
}

/**
 * Installs the CUDA libraries of libtorch in the cache of this user (`residual setup --cuda`), from
 * an installed PyTorch or from wheels with pinned checksums. Processes that load libtorch afterwards
 * use CUDA if the machine has a driver. An interrupted installation resumes.
 *
 * @returns the plan that was executed
 * @throws {ResidualError} `E_USAGE` if the licenses are not accepted, `E_PLATFORM`, `E_DOWNLOAD`,
 *   `E_WRITE`, `E_LIBTORCH` if the libraries do not load, `AbortError`
 *
 * @example
 * const { licenses } = await planCudaSetup()
 * console.table(licenses) // show them to the user, and ask
 * await setupCuda({
 *   acceptLicenses: true,
 *   onProgress: ({ phase, bytes, total }) => console.log(phase, bytes, total),
 * })
 */
export declare function setupCuda(options?: CudaSetupOptions): Promise<CudaSetupPlan>;

/** Options of `setupCuda()`. */
export declare interface CudaSetupOptions extends CudaSourceOptions, CudaProgressOptions {
    /**
     * Whether you accept the licenses of PyTorch and NVIDIA, which `planCudaSetup()` lists. Not needed
     * for the libraries of a PyTorch that is installed already.
     */
    acceptLicenses?: boolean | undefined;
}

/** Options of long operations on the CUDA libraries. */
export declare interface CudaProgressOptions {
    /** Aborts the operation; downloaded bytes are kept for resuming. */
    signal?: AbortSignal | undefined;
    onProgress?: ((progress: CudaSetupProgress) => void) | undefined;
}

/** Progress of the installation of the CUDA libraries. */
export declare interface CudaSetupProgress {
    /** `wait`: for another process that installs them; `verify`: reading files to compare checksums. */
    phase: 'wait' | 'download' | 'unpack' | 'verify' | 'load';
    /** Name of the current file. */
    file: string;
    /** Bytes of all files that are done in this phase. */
    bytes: number;
    /** Bytes of all files of this phase. */
    total: number;
    /** The failed attempt that is repeated after a delay, if this event reports one. */
    retry?: DownloadRetry;
}

/**
 * Downloads the wheels with the CUDA libraries to a folder, from which `setupCuda({ bundle })`
 * installs them on machines without a network.
 *
 * @returns the paths of the wheels
 * @throws {ResidualError} the errors of `setupCuda()`
 *
 * @example
 * await downloadCuda('./wheels', { acceptLicenses: true, platform: 'linux-x64-gnu' })
 */
export declare function downloadCuda(folder: string, options?: CudaDownloadOptions): Promise<string[]>;

/** Options of `downloadCuda()`. */
export declare interface CudaDownloadOptions extends CudaProgressOptions {
    indexUrl?: string | undefined;
    /** Platform that will use the wheels, such as `linux-x64-gnu`. Default: this platform. */
    platform?: string | undefined;
    acceptLicenses?: boolean | undefined;
}

/**
 * Compares the SHA-256 checksum of each CUDA library with the manifest of the installation.
 *
 * @throws {ResidualError} `E_LIBTORCH` if nothing is installed, `AbortError`
 *
 * @example
 * const { ok, files } = await verifyCuda()
 * if (!ok) console.error(files.filter(({ problem }) => problem !== null))
 */
export declare function verifyCuda({ signal, onProgress, }?: CudaProgressOptions): Promise<CudaVerification>;

/** The result of `verifyCuda()`. */
export declare interface CudaVerification {
    folder: string;
    /** Whether the CUDA libraries are complete and unchanged. */
    ok: boolean;
    files: VerifiedCudaFile[];
}

/** A file of the CUDA libraries, compared with the manifest of the installation. */
export declare interface VerifiedCudaFile {
    file: string;
    ok: boolean;
    /** Description of the damage; null if there is none. */
    problem: string | null;
}

/**
 * Removes the CUDA libraries and their downloads from the cache. A PyTorch of Python is not changed.
 *
 * @returns the folder; null if nothing was installed or downloaded
 *
 * @example
 * const folder = await removeCuda()
 * console.log(folder === null ? 'nothing to remove' : `removed ${folder}`)
 */
export declare function removeCuda(): Promise<string | null>;

// -----------------------------------------------------------------------------
// Errors
// -----------------------------------------------------------------------------

/**
 * The error of all functions of this package. Programs distinguish errors by `code`; `at` is the
 * location of the problem and `hint` suggests a fix.
 *
 * @example
 * try {
 *   await train({ data: './photos' })
 * } catch (error) {
 *   if (error instanceof ResidualError) console.error(error.code, error.message, error.hint)
 * }
 */
export declare class ResidualError extends Error {
    /** Identifies the kind of error. */
    readonly code: ErrorCode;
    /** Location: a configuration key, or a file with a line. */
    readonly at: ErrorLocation;
    /** Suggested fix, as a sentence. */
    readonly hint: string;
    constructor({ code, message, at, hint }: RunError, options?: ErrorOptions);
}

/**
 * Location of an error: a configuration key (`optimizer.lr`, `schedule.milestones[1]`), a file, or
 * a line of a file. All fields are optional.
 */
export declare type ErrorLocation = {
    key?: string | undefined;
    file?: string | undefined;
    line?: number | undefined;
};

/** An error as plain data. */
export declare interface RunError {
    code: ErrorCode;
    /** Description of the problem, as a sentence without the final period. */
    message: string;
    /** Location: a configuration key, or a file with a line. */
    at?: ErrorLocation;
    /** Suggested fix. Default: the general hint of the code. */
    hint?: string;
}

/** The error of an operation that an `AbortSignal` ended. `cause` is the signal's reason. */
export declare class AbortError extends ResidualError {
    /** Path of the checkpoint saved on abort; undefined if training had not started. */
    readonly checkpoint: string | undefined;
    constructor(message: string, checkpoint: string | undefined, reason: unknown, hint?: string | undefined);
}

/**
 * Error code, for programs that handle errors.
 */
export declare type ErrorCode = 'E_CONFIG' | 'E_UNKNOWN_KEY' | 'E_USAGE' | 'E_DATA_NOT_FOUND' | 'E_DATA_UNUSABLE' | 'E_DATA_FORMAT' | 'E_IMAGE' | 'E_DOWNLOAD' | 'E_OUT_EXISTS' | 'E_OUT_IN_USE' | 'E_PORT' | 'E_WRITE' | 'E_IO' | 'E_CHECKPOINT' | 'E_MISMATCH' | 'E_DIVERGED' | 'E_ABORTED' | 'E_CLOSED' | 'E_LIBTORCH' | 'E_PLATFORM' | 'E_DEVICE' | 'E_MEMORY' | 'E_TORCH' | 'E_PROCESS' | 'E_DISTRIBUTED' | 'E_INTERNAL';

/** Exit status of the command line for each error code. */
export declare const exitStatus: {
    readonly E_CONFIG: 2;
    readonly E_UNKNOWN_KEY: 2;
    readonly E_USAGE: 2;
    readonly E_DATA_NOT_FOUND: 4;
    readonly E_DATA_UNUSABLE: 4;
    readonly E_DATA_FORMAT: 4;
    readonly E_IMAGE: 4;
    readonly E_DOWNLOAD: 1;
    readonly E_OUT_EXISTS: 2;
    readonly E_OUT_IN_USE: 1;
    readonly E_PORT: 1;
    readonly E_WRITE: 1;
    readonly E_IO: 4;
    readonly E_CHECKPOINT: 4;
    readonly E_MISMATCH: 2;
    readonly E_DIVERGED: 1;
    readonly E_ABORTED: 1;
    readonly E_CLOSED: 1;
    readonly E_LIBTORCH: 3;
    readonly E_PLATFORM: 3;
    readonly E_DEVICE: 3;
    readonly E_MEMORY: 1;
    readonly E_TORCH: 1;
    readonly E_PROCESS: 1;
    readonly E_DISTRIBUTED: 1;
    readonly E_INTERNAL: 1;
};

// -----------------------------------------------------------------------------
// Resolved configuration
// -----------------------------------------------------------------------------

/**
 * Configuration of a training run. Only `data` is required.
 */
export declare type ResolvedConfig = {
    /**
     * Data set: a path, a name, or an object with further settings.
     */
    data: ResolvedData;
    /**
     * Resizing, augmentation and normalization.
     */
    transform: ResolvedTransform;
    /**
     * Network: a name, or an object with further settings.
     */
    model: ResolvedModel;
    /**
     * Passes over the training images. Short for `budget.epochs`.
     */
    epochs: number | null;
    /**
     * Length of training in epochs, steps or seconds.
     */
    budget: ResolvedBudget;
    /**
     * Images per batch, 2 or more. Default: 128, or 32 for images of more than 96 pixels;
     * fewer for data sets of less than 8 such batches, or if a batch exceeds the memory.
     */
    batchSize: number;
    /**
     * Optimizer. Default: `sgd`.
     */
    optimizer: ResolvedOptimizer;
    /**
     * Learning-rate schedule. Default: `cosine`.
     */
    schedule: ResolvedSchedule;
    /**
     * Learning-rate warm-up. Default: none; up to 1 epoch if training starts from weights.
     */
    warmup: ResolvedWarmup;
    /**
     * Loss function: cross-entropy.
     */
    loss: ResolvedLoss;
    /**
     * Gradient clipping and accumulation.
     */
    gradient: ResolvedGradient;
    /**
     * Exponential moving average of the weights.
     */
    ema: ResolvedEma;
    /**
     * Early stopping. Default: off.
     */
    earlyStopping: ResolvedEarlyStopping | null;
    /**
     * Data type of the computation. Default: `bf16` on CPUs with AMX, AMD CPUs with
     * AVX512_BF16 and GPUs of compute capability 8.0 or higher, else `fp32`.
     */
    precision: Precision;
    /**
     * Device. Default: `cuda` if available, else `cpu`.
     */
    device: Device;
    /**
     * Memory layout of image tensors. Default: `channels_last`, which is faster for
     * convolutions; `contiguous` for `fp64`.
     */
    memoryFormat: MemoryFormat;
    /**
     * Random seed of initial weights, data order and augmentation. On the CPU, runs with equal
     * seed and number of threads give bit-identical results. Default: 0.
     */
    seed: number;
    /**
     * Threads for tensor operations, 1 to 1024. Default: number of physical cores.
     */
    threads: number;
    /**
     * Threads for loading images, 1 to 1024. Default: number of physical cores.
     */
    workers: number;
    /**
     * Maximum size of the cache of decoded image files in MiB; 0 disables it. The cache saves
     * decoding in later epochs and does not change results. Default: the size of all training
     * and validation images, at most a quarter of the free memory; 0 for a single epoch and
     * for images in memory.
     */
    cache: number;
    /**
     * Executor of cropping, flipping and normalization: the data-loading threads or the
     * device. The results are equal. Default: `device` for CUDA if all images are in memory at
     * `data.imageSize`, need no other transform and take at most a quarter of the free GPU
     * memory; else `workers`.
     */
    augmentOn: AugmentOn;
    /**
     * Maximum fraction of GPU memory that this process may allocate, above 0 to 1, as
     * `torch.cuda.set_per_process_memory_fraction`. The limit applies until another run
     * changes it, and not to the CPU. Default: 1.
     */
    memoryFraction: number | null;
    /**
     * Capture the training step as a CUDA graph and replay it. With `lars`, `ema`, dropout or
     * `gradient.accumulate`, a warning is issued and no graph is used. No effect on the CPU.
     * Default: false.
     */
    cudaGraphs: boolean;
    /**
     * Metric that selects the best checkpoint. Test data is never used. Default:
     * `val.accuracy`, or `train.loss` without a validation split.
     */
    monitor: Metric;
    /**
     * Additional checkpoints.
     */
    checkpoint: ResolvedCheckpoint;
    /**
     * Logging.
     */
    log: ResolvedLog;
    /**
     * Run folder. Default: `runs/<data>-<model>`, with a number appended if it exists.
     */
    out: string;
    /**
     * Base configuration: the name of a recipe (`notebook`) or a file (`./mine.yaml`). Keys
     * that are set here override it.
     */
    recipe: string | null;
    /**
     * Reason for each value that was resolved from `auto`, by key.
     */
    reasons: {
        [key in string]: string;
    };
};

/**
 * Data set: location, format, splits and selection of images.
 */
export declare type ResolvedData = {
    /**
     * Path of a folder or file (`./photos`), or the name of a data set (`cifar10`).
     */
    source: string;
    /**
     * Layout on disk. Default: detected.
     */
    format: DataFormat;
    /**
     * Training images held out for validation, stratified by class and seeded: a fraction from
     * 0 to 0.5, or a number of images (at most half of them). Must be 0 if the data set has a
     * validation split. Default: 0.1, or 0 if the data set has a validation split.
     */
    validation: number;
    /**
     * Channels of the network's input: 3 (RGB) or 1 (grayscale). Default: channels of the
     * images.
     */
    channels: number;
    /**
     * Height and width of the network's input, in pixels, 8 to 1024. Default: the size of
     * images of up to 96 pixels; otherwise 224, or less if most images are smaller; 128 for
     * fewer than 5,000 larger images without pretrained weights.
     */
    imageSize: number;
    /**
     * Label set of CIFAR-100. Default: `fine`.
     */
    labels: CifarLabels;
    /**
     * Draw equally many images of each class per epoch: images of rare classes are repeated,
     * some images of frequent classes are left out. Like PyTorch's `WeightedRandomSampler`,
     * this does not change the number of images per epoch. Default: false.
     */
    balanced: boolean;
    /**
     * Maximum number of training images, chosen by seed and in proportion to the classes.
     * Validation and test images are not affected. Default: all.
     */
    limit: number | null;
    /**
     * Seed of the validation split and of `limit`. Set it to compare values of `seed` on the
     * same images. Default: `seed`.
     */
    splitSeed: number;
    /**
     * Expected hash of the training images. If it differs, training fails with `E_MISMATCH`.
     * Recorded by runs on in-memory images.
     */
    fingerprint: string | null;
    /**
     * Expected shape of the training images: number, height, width, channels. If it differs,
     * training fails with `E_MISMATCH`. Recorded by runs on in-memory images.
     */
    shape: Array<number> | null;
};

/**
 * Resizing, augmentation and normalization. Augmentation applies to training images only.
 */
export declare type ResolvedTransform = {
    /**
     * Crop of training images. Default: `pad` for images of up to 96 pixels, else
     * `random-resized`.
     */
    crop: ResolvedCrop;
    /**
     * Flip training images horizontally with probability 0.5. Default: true, except for
     * digits.
     */
    flip: boolean;
    /**
     * Mean of each channel, for values from 0 to 1. Default: the mean of the training images
     * if they are in memory, else ImageNet's.
     */
    mean: ChannelValues;
    /**
     * Standard deviation of each channel, for values from 0 to 1. Default: as for `mean`.
     */
    std: ChannelValues;
    /**
     * Length in pixels to which the short side of evaluation images is resized before the
     * center crop, `data.imageSize` to 2048. Default: `data.imageSize` up to 96 pixels, else
     * 8/7 of it (256 for 224).
     */
    evalResize: number;
    /**
     * Decode large JPEGs at 1/2, 1/4 or 1/8 scale as long as the short side keeps at least
     * this many pixels, like Pillow's `draft`. 0 disables it. Default: twice `evalResize`; 0
     * for external weights, which were trained without it.
     */
    decodeShortSide: number;
    /**
     * Subtract the mean image of the training images, pixel by pixel, instead of `mean` (He et
     * al. 2015, sections 3.4 and 4.2). Requires images of equal size. Default: false.
     */
    pixelMean: boolean;
    /**
     * Automatic augmentation policy. Default: `none`.
     */
    policy: ResolvedPolicy;
    /**
     * Color augmentation. Default: `none`.
     */
    color: ResolvedColor;
    /**
     * Erasing of image regions. Default: `none`.
     */
    erase: ResolvedErase;
    /**
     * Mixing of two images. Default: `none`.
     */
    mix: ResolvedMix;
};

/**
 * Crop of training images to `data.imageSize`.
 */
export declare type ResolvedCrop = {
    type: 'none';
} | ({
    type: 'pad';
} & ResolvedPadCrop) | ({
    type: 'random-resized';
} & ResolvedRandomResizedCrop) | ({
    type: 'random-short-side';
} & ResolvedRandomShortSideCrop);

/**
 * Zero padding on each side, then a random crop (He et al. 2015, section 4.2; torchvision's
 * `RandomCrop`).
 */
export declare type ResolvedPadCrop = {
    /**
     * Padding on each side, in pixels. Default: 4.
     */
    padding: number;
};

/**
 * A crop of random size and aspect ratio, resized (torchvision's `RandomResizedCrop`).
 */
export declare type ResolvedRandomResizedCrop = {
    /**
     * Minimum and maximum fraction of the image area. Default: [0.08, 1].
     */
    scale: [number, number];
    /**
     * Minimum and maximum aspect ratio. Default: [3/4, 4/3].
     */
    ratio: [number, number];
};

/**
 * The short side resized to a random length, then a random crop: scale augmentation of He et
 * al. 2015, section 3.4 (after Simonyan and Zisserman 2014).
 */
export declare type ResolvedRandomShortSideCrop = {
    /**
     * Minimum length in pixels. Default: 256.
     */
    min: number;
    /**
     * Maximum length in pixels. Default: 480.
     */
    max: number;
};

/**
 * Automatic augmentation policy.
 */
export declare type ResolvedPolicy = {
    type: 'none';
} | ({
    type: 'randaugment';
} & ResolvedRandAugment) | {
    type: 'trivialaugment';
};

/**
 * Several random operations of equal strength (Cubuk et al. 2019; torchvision's
 * `RandAugment`).
 */
export declare type ResolvedRandAugment = {
    /**
     * Number of operations per image, 1 to 16. Default: 2.
     */
    numOps: number;
    /**
     * Strength, 0 to 30. Default: 9.
     */
    magnitude: number;
};

/**
 * Color augmentation.
 */
export declare type ResolvedColor = {
    type: 'none';
} | ({
    type: 'pca';
} & ResolvedPcaColor);

/**
 * Random shifts along the principal components of ImageNet's colors (Krizhevsky et al. 2012,
 * section 4.1; used by He et al. 2015, section 3.4). RGB images only.
 */
export declare type ResolvedPcaColor = {
    /**
     * Standard deviation of the shifts. Default: 0.1.
     */
    std: number;
};

/**
 * Erasing of image regions, filled with the mean color.
 */
export declare type ResolvedErase = {
    type: 'none';
} | ({
    type: 'cutout';
} & ResolvedCutout) | ({
    type: 'random-erasing';
} & ResolvedRandomErasing);

/**
 * One square at a random position, possibly partly outside of the image (DeVries and Taylor
 * 2017).
 */
export declare type ResolvedCutout = {
    /**
     * Side length in pixels. Default: half of `data.imageSize`.
     */
    size: number;
};

/**
 * One rectangle inside the image (Zhong et al. 2017; torchvision's `RandomErasing`).
 */
export declare type ResolvedRandomErasing = {
    /**
     * Probability of erasing. Default: 0.25.
     */
    probability: number;
    /**
     * Minimum and maximum fraction of the image area. Default: [0.02, 1/3].
     */
    scale: [number, number];
    /**
     * Minimum and maximum aspect ratio. Default: [0.3, 3.3].
     */
    ratio: [number, number];
};

/**
 * Mixing of two images.
 */
export declare type ResolvedMix = {
    type: 'none';
} | ({
    type: 'mixup';
} & ResolvedMixup) | ({
    type: 'cutmix';
} & ResolvedCutmix);

/**
 * Weighted mean of two images and of their losses (Zhang et al. 2017).
 */
export declare type ResolvedMixup = {
    /**
     * Parameter of the Beta distribution of the weight, drawn once per batch. Default: 0.2.
     */
    alpha: number;
};

/**
 * A rectangle pasted from another image (Yun et al. 2019).
 */
export declare type ResolvedCutmix = {
    /**
     * Parameter of the Beta distribution of the rectangle's area, drawn once per batch.
     * Default: 1.
     */
    alpha: number;
};

/**
 * The network and its initial weights.
 */
export declare type ResolvedModel = {
    /**
     * Architecture. ImageNet networks: `resnet18` to `resnet152`, `resnext50_32x4d`,
     * `wide_resnet50_2`, `vgg16`, `vgg16_bn`. CIFAR networks of He et al. 2015: `resnet20`,
     * `resnet56`, `resnet110` (any depth 6n+2), and `wrn28_10`. Prefix `plain` removes the
     * shortcuts; prefix `preresnet` is the pre-activation variant. Default: `resnet20` for
     * images of up to 96 pixels, else `resnet18`.
     */
    arch: string;
    /**
     * First layers. `cifar`: 3x3 convolution, stride 1. `imagenet`: 7x7 convolution, stride 2,
     * and 3x3 max pooling. Default: `cifar` for CIFAR networks and for images of up to 96
     * pixels, else `imagenet`.
     */
    stem: Stem;
    /**
     * Shortcut option of He et al. 2015 where a block changes the shape. Default: `A` for
     * CIFAR networks of basic blocks, `none` for plain networks and VGG, else `B`.
     */
    shortcut: Shortcut;
    /**
     * Initialize the last batch normalization of every block (with pre-activation, the last
     * convolution) with weight 0, as torchvision's `zero_init_residual` (Goyal et al. 2017).
     * Default: false.
     */
    zeroInitResidual: boolean;
    /**
     * Convolution with stride 2 in a bottleneck block: `3x3` as in torchvision, or the first
     * `1x1` as in He et al. 2015. Default: `3x3`.
     */
    bottleneckStride: BottleneckStride;
    /**
     * Initial weights: a file (.safetensors, .pth, .pt, .th), a run folder, `imagenet` for
     * torchvision's published weights, or `none` for random initialization. If the number of
     * classes differs, the head is initialized randomly. Default: `imagenet` for an image
     * folder or manifest with fewer than 50,000 training images of more than 96 pixels, if the
     * weights are cached or can be downloaded; else `none`.
     */
    weights: string;
    /**
     * Expected SHA-256 of the weights file, in hexadecimal. Runs record it.
     */
    weightsSha256: string | null;
    /**
     * Layers that are not trained, by name or prefix (`conv1`, `layer1`); `backbone` is every
     * layer except the head. Frozen batch normalization uses its running statistics. Default:
     * [].
     */
    freeze: Array<string>;
};

/**
 * Length of training. The first limit that is reached ends the run.
 */
export declare type ResolvedBudget = {
    /**
     * Passes over the training images. Default, if no limit is set: 30; up to 60 for few
     * images; 5 to 30 if training starts from weights.
     */
    epochs: number | null;
    /**
     * Optimizer steps.
     */
    steps: number | null;
    /**
     * Seconds of training, including validation.
     */
    seconds: number | null;
};

/**
 * Optimizer.
 */
export declare type ResolvedOptimizer = ({
    type: 'sgd';
} & ResolvedSgd) | ({
    type: 'adam';
} & ResolvedAdam) | ({
    type: 'adamw';
} & ResolvedAdam) | ({
    type: 'lars';
} & ResolvedLars);

/**
 * Stochastic gradient descent with momentum (`torch.optim.SGD`).
 */
export declare type ResolvedSgd = {
    /**
     * Learning rate. Default: 0.1 for 64 or more images per step (256 for images of more than
     * 96 pixels), or 0.01 for 32 or more if training starts from weights; scaled down linearly
     * for fewer.
     */
    lr: number;
    /**
     * Momentum, from 0 to less than 1. Default: 0.9.
     */
    momentum: number;
    /**
     * Weight decay (L2 penalty). Default: 5e-4; 1e-4 if training starts from weights.
     */
    weightDecay: number;
    /**
     * Use Nesterov momentum. Default: false.
     */
    nesterov: boolean;
    /**
     * Apply weight decay to normalization layers and biases too, as PyTorch does.
     * Default: true.
     */
    decayNorms: boolean;
};

/**
 * Adam (Kingma and Ba 2014, `torch.optim.Adam`), or with decoupled weight decay AdamW
 * (Loshchilov and Hutter 2017, `torch.optim.AdamW`).
 */
export declare type ResolvedAdam = {
    /**
     * Learning rate. Default: 1e-3; 1e-4 if training starts from weights.
     */
    lr: number;
    /**
     * Decay rates of the first and second moment estimates. Default: [0.9, 0.999].
     */
    betas: [number, number];
    /**
     * Term added to the denominator. Default: 1e-8.
     */
    eps: number;
    /**
     * Weight decay. Default: 0 for `adam`, 0.01 for `adamw`.
     */
    weightDecay: number;
    /**
     * Apply weight decay to normalization layers and biases too. Default: true.
     */
    decayNorms: boolean;
};

/**
 * Layer-wise adaptive rate scaling, for large batches (You et al. 2017).
 */
export declare type ResolvedLars = {
    /**
     * Learning rate. Default: 0.1.
     */
    lr: number;
    /**
     * Momentum, from 0 to less than 1. Default: 0.9.
     */
    momentum: number;
    /**
     * Weight decay. Default: 5e-4.
     */
    weightDecay: number;
    /**
     * Trust coefficient (eta in the paper). Default: 0.001.
     */
    trustCoefficient: number;
    /**
     * Term added to the denominator. Default: 1e-8.
     */
    eps: number;
    /**
     * Apply weight decay and layer-wise scaling to normalization layers and biases too.
     * Default: false.
     */
    decayNorms: boolean;
};

/**
 * Learning-rate schedule.
 */
export declare type ResolvedSchedule = ({
    type: 'cosine';
} & ResolvedCosineSchedule) | {
    type: 'constant';
} | ({
    type: 'multistep';
} & ResolvedMultiStepSchedule) | ({
    type: 'plateau';
} & ResolvedPlateauSchedule) | ({
    type: 'step';
} & ResolvedStepSchedule) | ({
    type: 'linear';
} & ResolvedLinearSchedule) | ({
    type: 'polynomial';
} & ResolvedPolynomialSchedule) | ({
    type: 'one-cycle';
} & ResolvedOneCycleSchedule);

/**
 * Cosine annealing from the optimizer's learning rate to `minLr`, updated at every step
 * (`CosineAnnealingLR`).
 */
export declare type ResolvedCosineSchedule = {
    /**
     * Final learning rate. Default: 0.
     */
    minLr: number;
};

/**
 * Multiplies the learning rate by `gamma` at each milestone (`MultiStepLR`).
 */
export declare type ResolvedMultiStepSchedule = {
    /**
     * Ascending epochs or steps (see `unit`) after which the learning rate is multiplied.
     * Default: one half and three quarters of the budget.
     */
    milestones: Array<number>;
    /**
     * Factor. Default: 0.1.
     */
    gamma: number;
    /**
     * Unit of `milestones`. Default: `epoch`.
     */
    unit: ScheduleUnit;
};

/**
 * Multiplies the learning rate by `factor` when a metric stops improving
 * (`ReduceLROnPlateau`).
 */
export declare type ResolvedPlateauSchedule = {
    /**
     * Factor, between 0 and 1. Default: 0.1.
     */
    factor: number;
    /**
     * Minimum improvement of the metric. Default: 1e-4.
     */
    threshold: number;
    /**
     * Whether `threshold` is relative to the best value or absolute. Default: `rel`.
     */
    thresholdMode: ThresholdMode;
    /**
     * Epochs without improvement before the learning rate is reduced. Default: 10.
     */
    patience: number;
    /**
     * Epochs after a reduction that do not count towards `patience`. Default: 0.
     */
    cooldown: number;
    /**
     * Lower bound of the learning rate. Default: 0.
     */
    minLr: number;
    /**
     * Metric. Default: `val.loss`, or `train.loss` without a validation split.
     */
    metric: Metric;
};

/**
 * Multiplies the learning rate by `gamma` every `stepSize` epochs or steps (`StepLR`).
 */
export declare type ResolvedStepSchedule = {
    /**
     * Epochs or steps (see `unit`) between reductions. Default: a third of the budget.
     */
    stepSize: number;
    /**
     * Factor. Default: 0.1.
     */
    gamma: number;
    /**
     * Unit of `stepSize`. Default: `epoch`.
     */
    unit: ScheduleUnit;
};

/**
 * Linear decay from the optimizer's learning rate to `endFactor` times it over the whole
 * budget, updated at every step (`LinearLR`).
 */
export declare type ResolvedLinearSchedule = {
    /**
     * Final multiple of the learning rate, 0 to 1. Default: 0.
     */
    endFactor: number;
};

/**
 * Multiplies the optimizer's learning rate by `(1 - progress) ^ power` over the whole budget,
 * updated at every step (`PolynomialLR`).
 */
export declare type ResolvedPolynomialSchedule = {
    /**
     * Exponent. Default: 1.
     */
    power: number;
};

/**
 * One-cycle policy (Smith 2017, `OneCycleLR`). The optimizer's learning rate is the maximum.
 */
export declare type ResolvedOneCycleSchedule = {
    /**
     * Fraction of the budget during which the learning rate increases. Default: 0.3.
     */
    pctStart: number;
    /**
     * Maximum divided by initial learning rate. Default: 25.
     */
    divFactor: number;
    /**
     * Initial divided by final learning rate. Default: 10000.
     */
    finalDivFactor: number;
    /**
     * Shape of increase and decrease. Default: `cos`.
     */
    annealStrategy: AnnealStrategy;
};

/**
 * Linear warm-up of the learning rate, applied on top of any schedule.
 */
export declare type ResolvedWarmup = {
    /**
     * Length in epochs, fractions allowed; 0 disables it. Default: 0; 1 if training starts
     * from weights (a tenth of the budget if that is less).
     */
    epochs: number;
    /**
     * Initial multiple of the learning rate, 0 to 1. Default: 0.1.
     */
    startFactor: number;
    /**
     * Training accuracy that ends the warm-up: the learning rate is multiplied by
     * `startFactor` until an epoch reaches this accuracy, instead of increasing linearly. He
     * et al. 2015 use 0.2 for ResNet-110 (section 4.2).
     */
    untilAccuracy: number | null;
};

/**
 * Cross-entropy loss.
 */
export declare type ResolvedLoss = {
    /**
     * Label smoothing (Szegedy et al. 2015), from 0 to less than 1. Default: 0.
     */
    labelSmoothing: number;
    /**
     * Weight of each class. Default: `none`.
     */
    classWeights: ResolvedClassWeights;
};

/**
 * Weight of each class in the loss.
 */
export declare type ResolvedClassWeights = {
    type: 'none';
} | {
    type: 'balanced';
} | ({
    type: 'given';
} & ResolvedGivenClassWeights);

/**
 * Explicit class weights of the loss.
 */
export declare type ResolvedGivenClassWeights = {
    /**
     * One weight per class, in class order.
     */
    weights: Array<number>;
};

/**
 * Gradient clipping and accumulation.
 */
export declare type ResolvedGradient = {
    /**
     * Maximum L2 norm of all gradients together (`clip_grad_norm_`). Default: no clipping.
     */
    clipNorm: number | null;
    /**
     * Maximum absolute value of each gradient element (`clip_grad_value_`). Default: no
     * clipping.
     */
    clipValue: number | null;
    /**
     * Number of batches whose gradients are averaged in one optimizer step. Default: 1.
     */
    accumulate: number;
};

/**
 * Exponential moving average of the weights. Evaluation, prediction and export use the
 * average; checkpoints contain both.
 */
export declare type ResolvedEma = {
    /**
     * Decay per step, from 0 to less than 1; 0 disables it. Default: 0.
     */
    decay: number;
};

/**
 * Early stopping.
 */
export declare type ResolvedEarlyStopping = {
    /**
     * Epochs without improvement after which the run ends. Default: 10.
     */
    patience: number;
    /**
     * Minimum absolute improvement of the metric. Default: 0.
     */
    minDelta: number;
    /**
     * Metric. Default: `monitor`.
     */
    metric: Metric;
};

/**
 * Checkpoints in addition to the last and the best one.
 */
export declare type ResolvedCheckpoint = {
    /**
     * Interval in epochs at which an additional checkpoint (`epoch-0010.safetensors`) is
     * written; 0 writes none. Default: 0.
     */
    everyEpochs: number;
    /**
     * Interval in steps at which `last.safetensors` is written within an epoch; 0 writes it at
     * the end of each epoch only. Default: 0.
     */
    everySteps: number;
};

/**
 * Logging.
 */
export declare type ResolvedLog = {
    /**
     * Steps between two lines in metrics.jsonl, 1 or more. Default: 10.
     */
    everySteps: number;
};

export { exportModel as export }
export { exportModel }
