/**
 * Native training of residual networks (He et al. 2015) for Node and TypeScript.
 *
 * @packageDocumentation
 */

/** The rejection of a run that its `AbortSignal` ended; `cause` is the signal's reason. */
export declare class AbortError extends ResidualError {
    /** The checkpoint that was written before the run ended; none if it had not begun to train. */
    readonly checkpoint: string | undefined;
    constructor(message: string, checkpoint: string | undefined, reason: unknown, hint?: string | undefined);
}

/**
 * Adam (Kingma & Ba 2014) in PyTorch's form (`torch.optim.Adam`), and with decoupled weight
 * decay (Loshchilov & Hutter 2017, `torch.optim.AdamW`).
 */
export declare type AdamConfig = {
    /**
     * Learning rate. Default: 1e-3; 1e-4 where training begins from weights.
     */
    lr?: number | undefined;
    /**
     * Decay of the two moments. Default: [0.9, 0.999].
     */
    betas?: Array<number> | undefined;
    /**
     * Default: 1e-8.
     */
    eps?: number | undefined;
    /**
     * Default: 0 for `adam`, 0.01 for `adamw`.
     */
    weightDecay?: number | undefined;
    /**
     * Apply the weight decay to norms and biases too. Default: true.
     */
    decayNorms?: boolean | undefined;
};

/**
 * The shape of a rise or fall.
 */
export declare type Anneal = 'cos' | 'linear';

/** What a network said of an image. */
export declare interface Answered {
    /** What the image is called: its file. */
    name: string;
    /** With a thumbnail, if its picture is to be shown. */
    prediction: Prediction;
}

/** Images of one part of a data set, in memory. */
export declare interface ArrayPart {
    /**
     * `labels.length * height * width * channels` bytes, 0 to 255: image after image, rows from the
     * top, the channels of a pixel together (HWC).
     */
    images: Uint8Array | Uint8ClampedArray;
    /** The class of each image, numbered from 0. */
    labels: Uint8Array | Uint16Array | Uint32Array | Int32Array | readonly number[];
    /** In pixels. */
    width: number;
    /** In pixels. */
    height: number;
    /** 1 (grey) or 3 (RGB). */
    channels: 1 | 3;
}

/** A data set in memory. All parts have images of one size; all of it is copied at once. */
export declare interface Arrays {
    train: ArrayPart;
    /** Default: split off the training images, as `data.validation` says. */
    val?: ArrayPart | undefined;
    test?: ArrayPart | undefined;
    /** The classes' names, in the order of the labels. Default: their numbers. */
    classes?: readonly string[] | undefined;
}

/**
 * Where images become the network's input.
 */
export declare type AugmentOn = 'workers' | 'device';

/**
 * Inversely to their frequency: images / (classes * the class's images).
 */
export declare type BalancedClassWeightsConfig = Record<symbol, never>;

/**
 * Measures what this machine makes of a network (`residual bench`): whole updates and forward
 * passes, on images that are in memory already. Each is measured several times, in turns, and all
 * the rounds are given: machines drift, and one number alone says little.
 *
 * @example
 * const measured = await bench('resnet18')
 * console.log(measured.train.median, 'images a second')
 *
 * @param config a network's name, or an object that says more
 * @throws {ResidualError} `E_CONFIG`, `E_UNKNOWN_KEY`, `E_DEVICE`, `E_LIBTORCH`; `E_MEMORY` where
 *   that runs out
 */
export declare function bench(config?: string | BenchConfig): Promise<BenchResult>;

/**
 * What `bench()` measures.
 */
export declare type BenchConfig = {
    /**
     * A name, or an object that says more. Default: by `imageSize`.
     */
    model?: string | ModelConfig | undefined;
    /**
     * Height and width. Default: 32 for the paper's CIFAR networks, else 224.
     */
    imageSize?: number | undefined;
    /**
     * Default: 3.
     */
    channels?: number | undefined;
    /**
     * Default: 10 for the paper's CIFAR networks, else 1000.
     */
    classes?: number | undefined;
    /**
     * Default: as in `TrainConfig`.
     */
    batchSize?: 'auto' | number | undefined;
    /**
     * Default: as in `TrainConfig`.
     */
    precision?: 'auto' | Precision | undefined;
    /**
     * Default: as in `TrainConfig`.
     */
    device?: 'auto' | Device | undefined;
    /**
     * Default: as in `TrainConfig`.
     */
    threads?: 'auto' | number | undefined;
    /**
     * So many times each is measured, in turns. Default: 5.
     */
    rounds?: number | undefined;
    /**
     * Seconds of a round, nearly: it ends with the step that it is in. Default: 1.
     */
    seconds?: number | undefined;
};

/**
 * What `bench()` gives.
 */
export declare type BenchResult = {
    /**
     * The network's name.
     */
    arch: string;
    imageSize: number;
    channels: number;
    classes: number;
    batchSize: number;
    precision: Precision;
    device: Device;
    threads: number;
    /**
     * Trainable numbers of the network.
     */
    parameters: number;
    /**
     * Multiply-adds of one image's forward pass.
     */
    macs: number;
    /**
     * Whole updates: forward, loss, backward, step.
     */
    train: Rates;
    /**
     * Forward passes in evaluation mode.
     */
    predict: Rates;
};

/**
 * The best epoch.
 */
export declare type Best = {
    epoch: number;
    /**
     * Validation accuracy; training accuracy where there is no validation part.
     */
    accuracy: number;
    loss: number;
    /**
     * Absolute.
     */
    checkpoint: string;
};

/**
 * The layer of a bottleneck that halves the resolution.
 */
export declare type BottleneckStride = '3x3' | '1x1';

/**
 * How long to train; the first limit reached ends the run.
 */
export declare type BudgetConfig = {
    /**
     * Passes over the training images. Default, where nothing else is given: 30, and more
     * where there are few images; fewer for many that begin from weights.
     */
    epochs?: number | undefined;
    /**
     * Updates of the weights.
     */
    steps?: number | undefined;
    /**
     * Seconds of training, evaluation included.
     */
    seconds?: number | undefined;
};

/**
 * Whether probabilities can be believed: of images recognised with 80 %, are 80 % right?
 */
export declare type Calibration = {
    /**
     * Expected calibration error (Guo et al. 2017, arXiv:1706.04599): the mean distance between
     * confidence and accuracy over the bins, weighted by their images. 0 to 1.
     */
    error: number;
    /**
     * 15 of equal width: the points of a reliability diagram.
     */
    bins: Array<CalibrationBin>;
};

/**
 * Images whose greatest probability lies in one range.
 */
export declare type CalibrationBin = {
    /**
     * The range, its lower end not included.
     */
    from: number;
    to: number;
    count: number;
    /**
     * Mean of the greatest probability; 0 without images.
     */
    confidence: number;
    /**
     * Share classified right; 0 without images.
     */
    accuracy: number;
};

/** One part of the machine. */
export declare interface Check {
    /** `platform`, `glibc`, `addon`, `libtorch`, `cuda`, `cpu`, `threads`, `memory`, `disk`, ... */
    name: string;
    state: CheckState;
    /** What was found, in a few words. */
    found: string;
    /** The next thing to do, as a sentence; undefined where there is nothing to be done. */
    next?: string | undefined;
}

/**
 * What is kept besides the last and the best checkpoint.
 */
export declare type CheckpointConfig = {
    /**
     * Keep one every so many epochs as `epoch-0010.safetensors`; 0 for none. Default: 0.
     */
    every?: number | undefined;
    /**
     * Write `last.safetensors` also every so many steps; 0 for every epoch only. Default: 0.
     */
    steps?: number | undefined;
};

/**
 * A checkpoint was written, synced and renamed.
 */
export declare type CheckpointEvent = {
    /**
     * `last`, `best` or `epoch`.
     */
    kind: CheckpointKind;
    /**
     * Absolute.
     */
    path: string;
    epoch: number;
    step: number;
};

/**
 * What a file of trained weights says of itself, beside its network.
 */
export declare type CheckpointFacts = {
    /**
     * Absolute.
     */
    file: string;
    bytes: number;
    /**
     * Class names, in the order of their indices.
     */
    classes: Array<string>;
    /**
     * What is subtracted from each channel, of values in 0..1, and what it is then divided by.
     */
    mean: Array<number>;
    std: Array<number>;
    precision: Precision;
    /**
     * What it was trained on, as it was named then; null for weights of others.
     */
    source: string | null;
    /**
     * Whole epochs that it was trained for; 0 where the file does not say.
     */
    epoch: number;
    /**
     * Updates; 0 where the file does not say.
     */
    step: number;
    /**
     * The best epoch of its run until then; null where there was none.
     */
    best: Reached | null;
    /**
     * What was assumed of weights that do not say it, a sentence each; none for a checkpoint.
     */
    assumed: Array<string>;
};

/**
 * Which checkpoint: the last one, the best one so far, or one that is kept of an epoch.
 */
export declare type CheckpointKind = 'last' | 'best' | 'epoch';

/**
 * How a part of the machine is: `pass`, `warn` (it works, but not as it might), `fail` (nothing can
 * be trained), or `off` (something that is not needed is not there).
 */
export declare type CheckState = 'pass' | 'warn' | 'fail' | 'off';

/**
 * One class in an evaluation.
 */
export declare type ClassScore = {
    label: string;
    /**
     * Share of the class's images that were recognised (recall), 0 to 1; 0 without images.
     */
    accuracy: number;
    /**
     * Share of the images taken for this class that are of it, 0 to 1; 0 if none were.
     */
    precision: number;
    /**
     * Harmonic mean of precision and recall.
     */
    f1: number;
    /**
     * Images of this class (support).
     */
    count: number;
    /**
     * Images taken for this class.
     */
    predicted: number;
};

/**
 * How much each class counts in the loss.
 */
export declare type ClassWeightsConfig = 'none' | 'balanced' | 'given' | ({
    type: 'none';
} & NoClassWeightsConfig) | ({
    type: 'balanced';
} & BalancedClassWeightsConfig) | ({
    type: 'given';
} & GivenClassWeightsConfig);

/**
 * Random colour.
 */
export declare type ColorConfig = 'none' | 'pca' | ({
    type: 'none';
} & NoColorConfig) | ({
    type: 'pca';
} & PcaColorConfig);

/**
 * One class taken for another.
 */
export declare type ConfusedPair = {
    /**
     * What it is.
     */
    label: string;
    /**
     * What it was taken for.
     */
    predicted: string;
    count: number;
    /**
     * Of the images of `label`, 0 to 1.
     */
    share: number;
};

/**
 * The optimizer's rate throughout.
 */
export declare type ConstantConfig = Record<symbol, never>;

/**
 * Half a cosine from the optimizer's rate down to `minLr`, stepped at every update.
 */
export declare type CosineConfig = {
    /**
     * Default: 0.
     */
    minLr?: number | undefined;
};

/**
 * How a training image gets its final size.
 */
export declare type CropConfig = 'none' | 'pad' | 'random-resized' | 'random-short-side' | ({
    type: 'none';
} & NoCropConfig) | ({
    type: 'pad';
} & PadCropConfig) | ({
    type: 'random-resized';
} & RandomResizedCropConfig) | ({
    type: 'random-short-side';
} & RandomShortSideCropConfig);

/**
 * What of an image the network sees, when it is evaluated.
 */
export declare type Crops = 'center' | 'flip' | 'ten' | 'multi-scale';

/**
 * A rectangle of another image in each (Yun et al. 2019).
 */
export declare type CutmixConfig = {
    /**
     * Of the Beta distribution that the rectangle's share is drawn from, once a batch.
     * Default: 1.
     */
    alpha?: number | undefined;
};

/**
 * One square anywhere, also partly outside (DeVries & Taylor 2017).
 */
export declare type CutoutConfig = {
    /**
     * Side in pixels. Default: half of `data.imageSize`.
     */
    size?: 'auto' | number | undefined;
};

/** A server of the live page, until it is closed; it holds the process so long. */
export declare class Dashboard implements AsyncDisposable {
    #private;
    /** The runs folder, absolute. */
    readonly folder: string;
    /** What it listens on, at 127.0.0.1. */
    readonly port: number;
    /**
     * What to open in a browser: whoever has it can see the runs, and stop them. Its token becomes a
     * cookie when it is opened, and goes out of the address.
     */
    readonly url: string;
    private constructor();
    /** Ends the server, after the pages that are open have been told all that there is. */
    close(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Serves a page that shows runs as they go: their curves, where they are, what they make of some
 * images; and that can stop them. It follows the folders of the runs, in whatever process they are.
 *
 * It is reached from this machine alone, and by whoever has its address.
 *
 * @example
 * await using page = await dashboard('runs')
 * console.log(page.url)
 * await train({ data: './photos', out: 'runs/photos' })
 *
 * @param folder with runs in it, or a run folder; need not be there yet
 * @throws {ResidualError} `E_PORT` if the port cannot be had; `E_USAGE` for what is no folder or
 *   port
 */
export declare function dashboard(folder?: string | URL, { port }?: DashboardOptions): Promise<Dashboard>;

/** How the live page is served. */
export declare interface DashboardOptions {
    /** Default: 8265, or the next free one. */
    port?: number | undefined;
}

/**
 * Where the images come from.
 */
export declare type DataConfig = {
    /**
     * A data set's name (`fashion-mnist-mini`) or a path (`./photos`).
     */
    source?: string | undefined;
    /**
     * The layout on disk; found by looking when left out.
     */
    format?: 'auto' | DataFormat | undefined;
    /**
     * The share of the training images held back for validation, 0 to 0.5, or, from 1 on,
     * their number (up to half). Split by class, seeded, and only where the data set has no
     * validation part of its own. Default: 0.1, or 0 where the data set has one.
     */
    validation?: 'auto' | number | undefined;
    /**
     * 3 (RGB) or 1 (grey). Default: what the images are.
     */
    channels?: 'auto' | number | undefined;
    /**
     * Height and width, in pixels, that the network sees. Default: 224, or about the images'
     * own where those are smaller; 128 for fewer than 5,000 photographs without weights to
     * begin from.
     */
    imageSize?: 'auto' | number | undefined;
    /**
     * Which of CIFAR-100's two label sets. Default: `fine`.
     */
    labels?: Labels | undefined;
    /**
     * Draw training images so that every class is equally frequent, rare ones repeatedly; an
     * epoch has as many images as without. Default: false, each image once an epoch.
     */
    balanced?: boolean | undefined;
    /**
     * Train on only so many images, of every class in proportion, chosen by seed; what is
     * validated and tested on stays. For trying things out.
     */
    limit?: number | undefined;
    /**
     * Decides which images are held back for validation and which `limit` keeps. Default:
     * `seed`. Give it to compare seeds on the same images.
     */
    splitSeed?: number | undefined;
    /**
     * The hash that the training images must have; others are refused. Written down for images
     * in memory, which have no place to be found in.
     */
    fingerprint?: string | undefined;
    /**
     * Images to train on, their height, width and channels, likewise.
     */
    shape?: Array<number> | undefined;
};

/**
 * What reading a data set's files told about it.
 */
export declare type DataFacts = {
    /**
     * As the user named it.
     */
    source: string;
    format: DataFormat;
    /**
     * Class names, in the order of their indices.
     */
    classes: Array<string>;
    /**
     * Channels that the images have (3 when mixed).
     */
    channels: number;
    /**
     * Height and width, where all images share them.
     */
    imageSize: [number, number] | null;
    /**
     * The shorter side of the image in the middle, all ordered by it; null where nobody looked.
     */
    shortSide: number | null;
    /**
     * Images by part, before any split.
     */
    train: number;
    val: number;
    test: number;
    /**
     * Mean of each channel over the training images, of values in 0..1; null where finding out
     * would mean decoding them all.
     */
    mean: Array<number> | null;
    /**
     * Standard deviation of each channel, likewise.
     */
    std: Array<number> | null;
    /**
     * Whether a mirrored image is still a picture of its class (digits are not).
     */
    mirroredIsNatural: boolean;
    /**
     * Bytes that the training and validation images take when they are decoded; null where they are
     * in memory anyway.
     */
    decodedBytes: number | null;
    /**
     * A hash of the training part's labels and names or bytes; tells two data sets apart.
     */
    fingerprint: string;
};

/**
 * Layout of a data set on disk.
 */
export declare type DataFormat = 'image-folder' | 'idx' | 'cifar-binary' | 'cifar-python' | 'manifest' | 'webdataset' | 'arrays';

/**
 * A part of a data set.
 */
export declare type DataPart = 'train' | 'val' | 'test';

/** A data set that `data` can name. */
export declare interface DatasetInfo {
    name: string;
    /** As its authors write it. */
    title: string;
    /** What is on the images, in a few words. */
    about: string;
    classes: number;
    /** Training images. */
    train: number;
    /** Test images. */
    test: number;
    /** 1 (grey) or 3 (RGB). */
    channels: number;
    /** Height and width, in pixels. */
    imageSize: number;
    license: string;
    /** The authors' page. */
    homepage: string;
    /** Where it lies on this machine; null if it has to be downloaded first. */
    folder: string | null;
    /** How much there is to download; 0 for what comes with this package. */
    downloadBytes: number;
}

/**
 * The data sets that have a name (`residual data list`). Needs no libtorch.
 *
 * @example
 * const missing = (await datasets()).filter(({ folder }) => folder === null)
 */
export declare function datasets(): Promise<DatasetInfo[]>;

/** What to compare: any key of `TrainConfig` for all networks, and which networks. */
export declare interface DegradationConfig extends Omit<TrainConfig, 'model' | 'resume'> {
    /**
     * The depths, each trained plain and residual: those of CIFAR networks, 6n + 2, or 18 and 34.
     * Default: [20, 56].
     */
    depths?: readonly number[] | undefined;
    /** Runs of every network, seeded `seed`, `seed + 1`, ... Default: 1. */
    seeds?: number | undefined;
    /** What the networks have in common, all but `arch`. */
    model?: ModelConfig | undefined;
}

/** One network of the comparison, over its seeds. Errors are shares, 0 to 1. */
export declare interface DegradationNet {
    /** `plain20`, `resnet56`. */
    arch: string;
    family: 'plain' | 'residual';
    depth: number;
    parameters: number;
    /** Of the last whole epoch, its mean on augmented training images, as the paper plots it. */
    trainError: Spread;
    /** After the last epoch; null without a validation part. */
    valError: Spread | null;
    /** Of the checkpoint that `monitor` chose; null without a test part. */
    testError: Spread | null;
    /** The paper's test error; null where it gives no number. */
    paper: Published | null;
    /** The 3x3 layers of the first seed's checkpoint, on the part that it was evaluated on. */
    responses: LayerResponse[];
    /** The run folders, absolute, in the order of the seeds. */
    runs: string[];
}

/** What `experiment.degradation()` gives; the same is in result.json. */
export declare interface DegradationResult {
    /** The experiment's folder, absolute. */
    dir: string;
    nets: DegradationNet[];
    verdicts: DegradationVerdict[];
    /** Whether deeper was worse for the plain networks and not for the residual ones. */
    reproduced: boolean;
    /** The same in words. */
    verdict: string;
    /** Training and validation error against updates (figures 1, 4 and 6). */
    figure: FigureFiles;
    /** Standard deviations of the layers' responses (figure 7). */
    responses: FigureFiles;
    /** The table as Markdown and CSV, absolute paths. */
    table: {
        markdown: string;
        csv: string;
    };
    seconds: number;
}

/** Whether depth harmed the training, in one of the two families. */
export declare interface DegradationVerdict {
    family: 'plain' | 'residual';
    /** The shallowest and the deepest network. */
    shallow: string;
    deep: string;
    /** Training error of the deep one less that of the shallow one, a share; mean over seeds. */
    difference: number;
    degraded: boolean;
}

/**
 * Where tensors live.
 */
export declare type Device = 'cpu' | 'cuda';

/** What `doctor()` gives. */
export declare interface Diagnosis {
    /** No check failed: it can be trained here. */
    ok: boolean;
    /** The version of this package. */
    version: string;
    checks: Check[];
}

/**
 * Looks whether this machine can train, part by part, each with what was found and the next thing to
 * do (`residual doctor`). It never fails, whatever is missing, and loads libtorch in a process of
 * its own only.
 *
 * @example
 * const { ok, checks } = await doctor()
 * if (!ok) console.error(checks.filter(({ state }) => state === 'fail'))
 */
export declare function doctor(): Promise<Diagnosis>;

/**
 * Downloads a named data set (`residual data download`), verifies and unpacks it. One that is there
 * already is verified, once, and used. Needs no libtorch.
 *
 * @example
 * const { folder } = await downloadDataset('mnist', {
 *   onDownload: ({ bytes, total }) => console.log(`${bytes} of ${total} bytes`),
 * })
 *
 * @param name one of `datasets()`
 * @returns what is known of it, with its folder
 * @throws {ResidualError} `E_DOWNLOAD` with what every address said and where to put the file by
 *   hand; `E_DATA_FORMAT` for an archive or a copy that is not the published one; `E_WRITE`;
 *   `E_DATA_NOT_FOUND` for a name that there is not; `AbortError`
 */
export declare function downloadDataset(name: string, options?: DownloadOptions): Promise<DatasetInfo>;

/** What goes with a download. */
export declare interface DownloadOptions {
    /** Ends it, and the work that it is for; what has arrived is kept. */
    signal?: AbortSignal | undefined;
    /** Called as bytes arrive. */
    onDownload?: ((progress: DownloadProgress) => void) | undefined;
}

/** How far a download is. */
export declare interface DownloadProgress {
    /** What it belongs to: a data set's name, or `weights`. */
    name: string;
    /** The file that is on its way. */
    file: string;
    /** Where it comes from. */
    url: string;
    /** Bytes that are there. */
    bytes: number;
    /** Bytes in all; undefined where the server does not say. */
    total: number | undefined;
}

/**
 * Draws images of an evaluation (`samples` or `topLosses`, with `thumbnails`): what each is, and
 * below it what it was taken for and how surely. Right ones are framed in green, wrong ones in red.
 *
 * @example
 * const { samples } = await evaluate('runs/latest', { samples: 12, thumbnails: 96 })
 * await writeFile('samples.png', drawExamples(samples, { title: 'What it says' }).png())
 *
 * @throws {ResidualError} `E_USAGE` if there are none, or they came without thumbnails
 */
export declare function drawExamples(examples: readonly Example[], options?: GridOptions): Picture;

/**
 * End a run that does not improve any more.
 */
export declare type EarlyStoppingConfig = {
    /**
     * Epochs without improvement that are let pass. Default: 10.
     */
    patience?: number | undefined;
    /**
     * How much better counts as better, in the metric's own unit. Default: 0.
     */
    minDelta?: number | undefined;
    /**
     * What is watched. Default: `monitor`.
     */
    metric?: 'auto' | Metric | undefined;
};

/**
 * An exponential moving average of the weights, which is what is evaluated and kept.
 */
export declare type EmaConfig = {
    /**
     * What an update keeps of the average; 0 for none. Default: 0.
     */
    decay?: number | undefined;
};

/**
 * The run ended; nothing follows.
 */
export declare type EndEvent = {
    result: TrainResult;
};

/** What to evaluate on. */
export declare type EnsembleConfig = Omit<EvaluateConfig, 'topLosses' | 'samples' | 'thumbnails'>;

/**
 * What `experiment.ensemble()` gives.
 */
export declare type EnsembleEvaluation = {
    /**
     * Of the mean of the members' probabilities.
     */
    ensemble: Evaluation;
    /**
     * Each alone, in the order in which they were given.
     */
    members: Array<Evaluation>;
};

/** One of an ensemble's models, alone. */
export declare interface EnsembleMember {
    /** Its checkpoint, absolute. */
    model: string;
    arch: string;
    evaluation: Evaluation;
}

/** What goes with it and is not about the images. */
export declare interface EnsembleOptions extends DownloadOptions {
    /** What files of weights alone do not say of themselves, as in `loadModel()`; for all of them. */
    load?: LoadConfig | undefined;
}

/** What `experiment.ensemble()` gives. */
export declare interface EnsembleResult {
    /** Of the mean of the members' probabilities. */
    ensemble: Evaluation;
    /** In the order in which they were given. */
    members: EnsembleMember[];
}

/**
 * A whole pass over the training images, validated.
 */
export declare type EpochEvent = {
    /**
     * From 1.
     */
    epoch: number;
    /**
     * Updates since the beginning.
     */
    step: number;
    /**
     * The rate of the epoch's last update.
     */
    lr: number;
    /**
     * Means over the epoch, in training mode on augmented images.
     */
    train: Score;
    /**
     * In evaluation mode on unaugmented images; null without a validation part.
     */
    val: Score | null;
    /**
     * The best so far, by `monitor`.
     */
    best: boolean;
    /**
     * Training throughput over the epoch, evaluation not counted.
     */
    imagesPerSecond: number;
    /**
     * Of training, evaluation included, since the beginning.
     */
    seconds: number;
};

/**
 * Random holes, filled with the mean colour.
 */
export declare type EraseConfig = 'none' | 'cutout' | 'random-erasing' | ({
    type: 'none';
} & NoEraseConfig) | ({
    type: 'cutout';
} & CutoutConfig) | ({
    type: 'random-erasing';
} & RandomErasingConfig);

/**
 * What went wrong, for programs. The set is closed: adding a code is an API change.
 */
export declare type ErrorCode = 'E_CONFIG' | 'E_UNKNOWN_KEY' | 'E_USAGE' | 'E_DATA_NOT_FOUND' | 'E_DATA_UNUSABLE' | 'E_DATA_FORMAT' | 'E_IMAGE' | 'E_DOWNLOAD' | 'E_OUT_EXISTS' | 'E_OUT_IN_USE' | 'E_PORT' | 'E_WRITE' | 'E_IO' | 'E_CHECKPOINT' | 'E_MISMATCH' | 'E_DIVERGED' | 'E_ABORTED' | 'E_CLOSED' | 'E_LIBTORCH' | 'E_PLATFORM' | 'E_DEVICE' | 'E_MEMORY' | 'E_TORCH' | 'E_INTERNAL';

/**
 * Measures a trained network's loss and accuracy, on images that are not augmented.
 *
 * @example
 * const { accuracy, mostConfused } = await evaluate('runs/latest', { part: 'val' })
 *
 * @param path a run folder, a checkpoint, or weights of whoever made them
 * @param load what such weights do not say of themselves
 * @throws {ResidualError} as `loadModel()` and `Model.evaluate()` do
 */
export declare function evaluate(path: string | URL, config?: EvaluateConfig, options?: EvaluateOptions, load?: LoadConfig): Promise<Evaluation>;

/**
 * What to evaluate a model on.
 */
export declare type EvaluateConfig = {
    /**
     * A data set, as in `TrainConfig`. Default: the one that the model was trained on.
     */
    data?: string | DataConfig | undefined;
    /**
     * Default: test, or val, or train: the first that there is.
     */
    part?: DataPart | undefined;
    /**
     * Images at a time. Default: that of the training.
     */
    batchSize?: number | undefined;
    /**
     * What of an image the network sees. Default: `center`.
     */
    crops?: Crops | undefined;
    /**
     * The short sides of `multi-scale`, in pixels. Default: [224, 256, 384, 480, 640].
     */
    scales?: Array<number> | undefined;
    /**
     * So many of the images with the highest losses are named. Default: 0.
     */
    topLosses?: number | undefined;
    /**
     * So many of the images, spread evenly, are named with what they were taken for.
     * Default: 0.
     */
    samples?: number | undefined;
    /**
     * Give the pixels of those images too, as squares of so many pixels a side, 8 to 256.
     * Default: no pixels.
     */
    thumbnails?: number | undefined;
};

/** What goes with an evaluation and is not plain data. */
export declare interface EvaluateOptions extends DownloadOptions {
    /** Images in memory, instead of a data set on disk. */
    arrays?: Arrays | undefined;
}

/**
 * What `evaluate()` gives.
 */
export declare type Evaluation = {
    /**
     * Mean cross-entropy, in nats.
     */
    loss: number;
    /**
     * Share of images classified right, 0 to 1.
     */
    accuracy: number;
    /**
     * Share of images whose class is among the five most probable.
     */
    top5: number;
    /**
     * Images measured.
     */
    count: number;
    classes: Array<ClassScore>;
    /**
     * `confusion[i][j]`: images of class i that were taken for class j. Empty for more than 1,000
     * classes, where it would have millions of numbers.
     */
    confusion: Array<Array<number>>;
    /**
     * The pairs of classes confused most often, at most 10.
     */
    mostConfused: Array<ConfusedPair>;
    calibration: Calibration;
    /**
     * The images with the highest losses, as many as `topLosses` asked for.
     */
    topLosses: Array<Example>;
    /**
     * Images spread evenly over the part, as many as `samples` asked for.
     */
    samples: Array<Example>;
    /**
     * Images that could not be read, and are not in `count`.
     */
    broken: number;
    /**
     * One for each of them; the first 100.
     */
    warnings: Array<WarningEvent>;
    imagesPerSecond: number;
};

/**
 * One image in an evaluation.
 */
export declare type Example = {
    /**
     * Its index in its part of the data set.
     */
    index: number;
    /**
     * Its file, or part and index (`test/12`) where it is in no file of its own.
     */
    name: string;
    /**
     * What it is.
     */
    label: string;
    /**
     * What it was taken for.
     */
    predicted: string;
    /**
     * Of `predicted`, 0 to 1.
     */
    probability: number;
    /**
     * Cross-entropy, in nats.
     */
    loss: number;
    /**
     * Its pixels, where `thumbnails` asked for them.
     */
    thumbnail?: Thumbnail | undefined;
};

/** What a command that an error ends should end with, as `residual` does. */
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
    readonly E_IO: 1;
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
    readonly E_INTERNAL: 1;
};

/**
 * The experiments (`residual experiment`).
 *
 * @example
 * const { valAccuracy } = await experiment.repeat({ data: './photos', seeds: 2 })
 * console.log(valAccuracy?.mean, valAccuracy?.deviation)
 */
export declare const experiment: Experiments;

/** What happens during an experiment: it turns to a run, or something happens in that run. */
export declare type ExperimentEvent = MemberEvent | (RunEvent & {
    member: string;
});

/** What goes with an experiment's configuration and is not plain data. */
export declare interface ExperimentOptions {
    /** Ends it within a step, saved; it then rejects with an `AbortError`, and the same call goes on. */
    signal?: AbortSignal | undefined;
    onEvent?: ((event: ExperimentEvent) => void) | undefined;
    /** Called as bytes of a named data set, or of published weights, arrive. */
    onDownload?: ((progress: DownloadProgress) => void) | undefined;
}

/**
 * Several runs, and what they say together. Those that train make ordinary runs below `out`; called
 * again, they reuse finished runs and go on with an interrupted one.
 */
export declare interface Experiments {
    /**
     * The paper's degradation experiment (figures 1, 4, 6 and 7, tables 2 and 6): trains a plain
     * and a residual network of each depth and compares their errors and their layers' responses.
     * All are trained alike, by the paper's recipe (section 4.2) with its two cuts of the rate at
     * half and three quarters of the budget.
     *
     * @throws {ResidualError} what `train()` rejects with; `E_MISMATCH` if `out` holds runs of
     *   another configuration; `AbortError`
     */
    degradation(config: DegradationConfig, options?: ExperimentOptions): Promise<DegradationResult>;
    /**
     * Trains one configuration several times. The seed decides weights, order and augmentation; the
     * images that are held back for validation stay the same, unless `data.splitSeed` says otherwise.
     *
     * @throws {ResidualError} as `degradation()` does
     */
    repeat(config: RepeatConfig, options?: ExperimentOptions): Promise<RepeatResult>;
    /**
     * Evaluates trained networks one by one and together, by the mean of their probabilities (the
     * paper's table 5), on images that are not augmented.
     *
     * @param models run folders or checkpoints
     * @param config what to evaluate on. Default: what the first model was trained on.
     * @throws {ResidualError} as `evaluate()` does; `E_MISMATCH` if the models' classes differ, or
     *   the images that they hold back for validation
     */
    ensemble(models: readonly (string | URL)[], config?: EnsembleConfig, options?: EnsembleOptions): Promise<EnsembleResult>;
}

/**
 * What goes into an exported file beside the network; both are for ONNX only.
 */
export declare type ExportConfig = {
    /**
     * End in probabilities instead of logits. Default: false.
     */
    softmax?: boolean | undefined;
    /**
     * Take pixels from 0 to 1 instead of normalised ones. Default: false.
     */
    normalization?: boolean | undefined;
};

/**
 * Writes a trained network for use elsewhere. What the file's name ends in decides: `.safetensors`
 * holds the weights alone, under torchvision's names; `.onnx` the whole network, opset 17, for any
 * number of images at a time. Needs no libtorch.
 *
 * The same as `residual export`; also exported under that name, for `import * as residual`.
 *
 * @example
 * await exportModel('runs/latest', 'photos.onnx', { softmax: true, normalization: true })
 *
 * @param model a run folder (its best checkpoint is taken), a checkpoint, or weights of others
 * @param path the file to write
 * @throws {ResidualError} `E_CHECKPOINT`, `E_MISMATCH`, `E_USAGE` for another ending, `E_WRITE`
 */
declare function exportModel(model: string | URL, path: string | URL, config?: ExportConfig): Promise<void>;
export { exportModel as export }
export { exportModel }

/** What an error is made of. */
export declare interface Failure {
    code: ErrorCode;
    /** What went wrong, as a sentence without its full stop. */
    message: string;
    /** Where: a configuration path, a file, a line of it. */
    at?: Place;
    /** The next thing to do. Default: what helps with this code in general. */
    hint?: string;
}

/** A figure's two files, absolute. */
export declare interface FigureFiles {
    svg: string;
    png: string;
}

/**
 * The learning rate's range test (Smith 2015): trains a fresh network with a rate that rises from
 * update to update until the loss bursts, and suggests one. Its weights are forgotten; no run
 * folder is made.
 *
 * @example
 * const { suggestion } = await findLr({ data: './photos' }, { steps: 200, out: 'plots' })
 *
 * @param config as for `train()`; budget and schedule do not matter here
 * @param options its signal ends the test after the update that it is in
 * @throws {ResidualError} as `train()` does, and `E_CONFIG` for rates out of range, `E_WRITE`;
 *   an `AbortError` once the signal is given
 */
export declare function findLr(config: TrainConfig, options?: FindLrOptions): Promise<FindLrResult>;

/**
 * The rates that `findLr()` tries.
 */
export declare type FindLrConfig = {
    /**
     * The lowest. Default: 1e-7.
     */
    from?: number | undefined;
    /**
     * The highest. Default: 10.
     */
    to?: number | undefined;
    /**
     * Updates from the one to the other. Default: 100.
     */
    steps?: number | undefined;
};

/** The curve's files, absolute. */
export declare interface FindLrFiles {
    svg: string;
    json: string;
    csv: string;
}

/** How the rates are tried, and where the curve goes. */
export declare interface FindLrOptions extends FindLrConfig, DownloadOptions {
    /** A folder for `lr-finder.svg`, `.json` and `.csv`; nothing else in it is touched. */
    out?: string | undefined;
    /** Images in memory, instead of `data`. */
    arrays?: Arrays | undefined;
}

/** What the range test found, and where it was written to. */
export declare interface FindLrResult extends LrFinding {
    /** Null without `out`. */
    files: FindLrFiles | null;
}

/**
 * As given.
 */
export declare type GivenClassWeightsConfig = {
    /**
     * One a class, in the order of the classes.
     */
    weights?: Array<number> | undefined;
};

/**
 * What happens to gradients before an update.
 */
export declare type GradientConfig = {
    /**
     * Scale all gradients so that their common norm is at most this
     * (`clip_grad_norm_`).
     */
    clipNorm?: number | undefined;
    /**
     * Cut every number to at most this size (`clip_grad_value_`).
     */
    clipValue?: number | undefined;
    /**
     * Batches whose gradients are averaged for one update. Default: 1.
     */
    accumulate?: number | undefined;
};

/** How a grid is laid out. */
export declare interface GridOptions {
    /** A heading. */
    title?: string | undefined;
    /** Pictures in a row. Default: half as many again as there are rows, at most 12. */
    columns?: number | undefined;
    /** The longer side of a picture, in pixels. Default: by the largest picture; small ones enlarged. */
    tileSize?: number | undefined;
}

/**
 * Called as things happen, in order. Whatever a hook throws, or rejects with, saves the run, ends
 * it, and is what the run rejects with.
 */
export declare type Hook<Event> = (event: Event) => HookAnswer | PromiseLike<HookAnswer>;

/** What a hook may answer: `'stop'` ends the run, saved, as `run.stop()` does. */
export declare type HookAnswer = 'stop' | undefined | void;

/** An image: a path, a `file:` URL, the bytes of a JPEG or PNG file, or decoded pixels. */
export declare type ImageInput = string | URL | Uint8Array | Pixels;

/**
 * Lists a network's layers with their shapes, parameters and multiply-adds. Of a trained one,
 * `checkpoint` tells what its file says: classes, what it was trained on, how far it came. Needs no
 * libtorch.
 *
 * @example
 * const { parameters, macs } = await inspect('resnet18')
 * const { checkpoint } = await inspect('runs/latest')
 *
 * @param network a name (`resnet18`), an object that says more, or a run folder, a checkpoint or
 *   weights of others (a path: it has a slash or a dot in it)
 * @param load what weights of others do not say of themselves
 * @throws {ResidualError} `E_CONFIG` for a network that there is not; `E_CHECKPOINT`, `E_MISMATCH`
 */
export declare function inspect(network: string | URL | InspectConfig, load?: LoadConfig): Promise<Inspection>;

/**
 * A network to look at, and what it is to look at in turn.
 */
export declare type InspectConfig = {
    /**
     * A name, or an object that says more.
     */
    model?: string | ModelConfig | undefined;
    /**
     * Default: 3.
     */
    channels?: number | undefined;
    /**
     * Height and width. Default: 32 for the paper's CIFAR networks, else 224.
     */
    imageSize?: number | undefined;
    /**
     * Default: 10 for the paper's CIFAR networks, else 1000.
     */
    classes?: number | undefined;
};

/**
 * What `inspect()` gives.
 */
export declare type Inspection = {
    name: string;
    /**
     * Channels, height, width.
     */
    input: [number, number, number];
    classes: number;
    /**
     * Trainable numbers.
     */
    parameters: number;
    /**
     * Multiply-adds of one image's forward pass: convolutions and linear layers, as the paper
     * counts.
     */
    macs: number;
    layers: Array<LayerRow>;
    /**
     * The layers within one another, as PyTorch's `print(net)` has them.
     */
    tree: string;
    /**
     * `tree` beside each layer's output, parameters and multiply-adds, and the sums: what
     * `residual inspect --tree` prints.
     */
    text: string;
    /**
     * One line a layer: what `residual inspect --table` prints.
     */
    table: string;
    /**
     * What the file says that was looked at, where it was one.
     */
    checkpoint?: CheckpointFacts | undefined;
};

/**
 * A class and how probable it is.
 */
export declare type LabelProbability = {
    label: string;
    index: number;
    /**
     * 0 to 1.
     */
    probability: number;
};

/**
 * CIFAR-100's label sets.
 */
export declare type Labels = 'fine' | 'coarse';

/**
 * Layer-wise adaptive rates, for large batches (You et al. 2017).
 */
export declare type LarsConfig = {
    /**
     * Learning rate. Default: 0.1.
     */
    lr?: number | undefined;
    /**
     * Default: 0.9.
     */
    momentum?: number | undefined;
    /**
     * Default: 5e-4.
     */
    weightDecay?: number | undefined;
    /**
     * The paper's eta. Default: 0.001.
     */
    trustCoefficient?: number | undefined;
    /**
     * Default: 1e-8.
     */
    eps?: number | undefined;
    /**
     * Apply weight decay and the layer-wise rate to norms and biases too. Default: false.
     */
    decayNorms?: boolean | undefined;
};

/**
 * How strongly a layer answers (the paper's figure 7).
 */
export declare type LayerResponse = {
    /**
     * A 3x3 convolution: `layer1.0.conv1`.
     */
    name: string;
    /**
     * The standard deviation, over all images, channels and places, of what leaves its batch
     * normalisation (the convolution itself, where none follows), before ReLU and addition.
     */
    std: number;
};

/**
 * One layer.
 */
export declare type LayerRow = {
    /**
     * As in `state_dict`: `layer1.0.conv1`.
     */
    name: string;
    /**
     * PyTorch's class and what tells it from its like: `Conv2d 3x3, stride 2`.
     */
    kind: string;
    /**
     * Channels, height, width of the output; features, for a linear layer.
     */
    output: Array<number>;
    parameters: number;
    macs: number;
};

/**
 * In a line from the optimizer's rate to `endFactor` of it, stepped at every update
 * (`LinearLR` over the whole budget).
 */
export declare type LinearConfig = {
    /**
     * Default: 0.
     */
    endFactor?: number | undefined;
};

/**
 * What a file with nothing but weights does not say of itself. Every part has a default, which
 * the model's `info.assumed` tells.
 */
export declare type LoadConfig = {
    /**
     * The network. Default: found by the names and shapes of the tensors.
     */
    model?: string | ModelConfig | undefined;
    /**
     * Names of the classes, in the order of their indices. Default: CIFAR-10's for ten classes
     * behind a CIFAR stem, else `class 0`, `class 1`, ...
     */
    classes?: Array<string> | undefined;
    /**
     * Height and width that the network sees. Default: 32 with a CIFAR stem, else 224.
     */
    imageSize?: number | undefined;
    /**
     * How images are prepared: `mean`, `std`, `evalResize`. Default: ImageNet's constants.
     */
    transform?: TransformConfig | undefined;
    /**
     * Default: fp32.
     */
    precision?: Precision | undefined;
    /**
     * Default: CUDA where it can be used, else the CPU.
     */
    device?: Device | undefined;
};

/**
 * Loads a trained network.
 *
 * @example
 * await using model = await loadModel('runs/latest')
 * console.log(model.info.classes, await model.predict('cat.jpg'))
 *
 * @param path a run folder (its best checkpoint is taken), a checkpoint, or weights of whoever
 *   made them: what `torch.save` wrote (.pth, .pt, .th), or a .safetensors file
 * @param config what such weights do not say of themselves; `info.assumed` tells what was assumed
 * @throws {ResidualError} `E_CHECKPOINT` if it is not there, cut short, or asks for anything but
 *   tensors; `E_MISMATCH` if it holds the weights of no network that is known or asked for
 */
export declare function loadModel(path: string | URL, config?: LoadConfig): Promise<Model>;

/**
 * What is written down.
 */
export declare type LogConfig = {
    /**
     * A line in metrics.jsonl every so many steps. Default: 10.
     */
    steps?: number | undefined;
};

/**
 * What is minimised: cross-entropy.
 */
export declare type LossConfig = {
    /**
     * The share of the target that is spread over all classes (Szegedy et al. 2015).
     * Default: 0.
     */
    labelSmoothing?: number | undefined;
    /**
     * How much each class counts. Default: `none`, all the same.
     */
    classWeights?: ClassWeightsConfig | undefined;
};

/**
 * What `findLr()` gives.
 */
export declare type LrFinding = {
    /**
     * By rising rate.
     */
    points: Array<LrPoint>;
    /**
     * The loss burst before the highest rate.
     */
    diverged: boolean;
    /**
     * The rate to begin with; null if the loss did not fall.
     */
    suggestion: number | null;
    reason: string;
    /**
     * All rates that may be meant, that suggested first.
     */
    others: Array<LrSuggestion>;
};

/**
 * One update of the range test.
 */
export declare type LrPoint = {
    /**
     * The rate of this update.
     */
    lr: number;
    /**
     * Mean loss of its images, before it.
     */
    loss: number;
    /**
     * The same, averaged over the updates so far.
     */
    smoothed: number;
};

/**
 * A rate to train with, and why.
 */
export declare type LrSuggestion = {
    /**
     * `minimum/10` or `steepest`.
     */
    name: string;
    lr: number;
    reason: string;
};

/**
 * Lays pictures out in rows with captions below (the notebook's `make_grid`).
 *
 * @example
 * const grey = { data: new Uint8Array(28 * 28).fill(128), width: 28, height: 28, channels: 1 } as const
 * await writeFile('grid.svg', makeGrid([{ image: grey, caption: 'grey' }]).svg)
 *
 * @throws {ResidualError} `E_USAGE` if there are no pictures, or one is neither pixels nor a file
 */
export declare function makeGrid(tiles: readonly Tile[], options?: GridOptions): Picture;

/** An experiment turns to one of its runs. */
export declare interface MemberEvent {
    type: 'member';
    member: string;
    /** From 1. */
    index: number;
    count: number;
    /** `reused`: it was trained before, by the same configuration. */
    state: 'new' | 'resumed' | 'reused';
}

/**
 * Memory for training, computed from the shapes of the network's tensors, in bytes; and what this
 * process really took.
 */
export declare type MemoryEstimate = {
    /**
     * Weights and running statistics, and their moving average if there is one.
     */
    weights: number;
    gradients: number;
    /**
     * The update rule's state.
     */
    optimizer: number;
    /**
     * What the forward pass keeps of a batch for the backward pass: what leaves each convolution,
     * and each normalisation.
     */
    activations: number;
    /**
     * Batches that the workers make ahead.
     */
    batches: number;
    /**
     * Decoded images that are kept (`cache`), at full size, or that lie on the device (`augmentOn`).
     */
    images: number;
    total: number;
    /**
     * The most that this process ever had in memory, JavaScript and libtorch included, after the
     * steps that were measured; null where none were, or the system does not tell.
     */
    measured: number | null;
};

/**
 * The order of an image's numbers in memory.
 */
export declare type MemoryFormat = 'channels_last' | 'contiguous';

/**
 * A number that every epoch ends with.
 */
export declare type Metric = 'train.loss' | 'train.accuracy' | 'val.loss' | 'val.accuracy';

/**
 * Training on mixtures of two images.
 */
export declare type MixConfig = 'none' | 'mixup' | 'cutmix' | ({
    type: 'none';
} & NoMixConfig) | ({
    type: 'mixup';
} & MixupConfig) | ({
    type: 'cutmix';
} & CutmixConfig);

/**
 * Weighted sums of two images and of their losses (Zhang et al. 2017).
 */
export declare type MixupConfig = {
    /**
     * Of the Beta distribution that the weight is drawn from, once a batch. Default: 0.2.
     */
    alpha?: number | undefined;
};

/**
 * A trained network, held in memory until it is closed: `await using model = await loadModel(...)`,
 * or `close()`.
 */
export declare class Model implements AsyncDisposable {
    #private;
    /** What its file says about it. */
    readonly info: Readonly<ModelInfo>;
    private constructor();
    /**
     * Says what is on an image; an array of images gives an array of answers, in their order. Calls
     * that wait for each other pass the network together: many at once take less time than one after
     * another, and none is held back until there are more.
     *
     * @example
     * await using model = await loadModel('runs/latest')
     * const [cat, dog] = await model.predict(['cat.jpg', 'dog.jpg'])
     *
     * @param image a path, bytes or pixels
     * @param config how many classes to name, and how often to look: `{ crops: 'flip' }`
     * @throws {ResidualError} `E_IMAGE` with the file, if one cannot be decoded; `E_IO`, `E_USAGE`,
     *   `E_CONFIG`, `E_CLOSED`
     */
    predict(image: ImageInput, config?: PredictConfig): Promise<Prediction>;
    predict(images: readonly ImageInput[], config?: PredictConfig): Promise<Prediction[]>;
    /**
     * Measures loss and accuracy on a data set, on images that are not augmented. A named one is
     * downloaded first if it is not on this machine. (Between the steps of a run, it gives way to the
     * run's end and begins again after it.)
     *
     * @example
     * await using model = await loadModel('runs/latest')
     * const { accuracy, confusion } = await model.evaluate({ part: 'val' })
     *
     * @param config which images; by default those that it was trained with
     * @param options images in memory instead of `config.data`; their classes are the model's, unless
     *   they are named. The signal ends the evaluation after the batch that it is in
     * @throws {ResidualError} as opening the data set does; `E_MISMATCH` for one with other classes;
     *   an `AbortError` once the signal is given
     */
    evaluate(config?: EvaluateConfig, options?: EvaluateOptions): Promise<Evaluation>;
    /**
     * Measures how strongly each 3x3 layer answers to images that are not augmented: the standard
     * deviations of the paper's figure 7, in the order in which an image passes the layers.
     *
     * @param config which images
     * @param options images in memory instead of `config.data`
     * @throws {ResidualError} as `evaluate()` does
     */
    layerResponses(config?: EvaluateConfig, options?: EvaluateOptions): Promise<LayerResponse[]>;
    /**
     * Writes the network for use elsewhere, as `exportModel()` does.
     *
     * @param path ends in `.safetensors` or `.onnx`
     * @param config for ONNX: what goes into the file beside the network
     * @throws {ResidualError} `E_USAGE` for another ending, `E_WRITE`, `E_CLOSED`
     */
    export(path: string | URL, config?: ExportConfig): Promise<void>;
    /** Gives the memory back, after what was asked before has been answered. */
    close(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The network.
 */
export declare type ModelConfig = {
    /**
     * For photographs `resnet18`, `resnet34`, `resnet50`, `resnet101`, `resnet152`; for small
     * images the paper's CIFAR networks `resnet{6n+2}`: `resnet20`, `resnet56`, ... Likewise
     * `plain...` without shortcuts and `preresnet...` with pre-activation. `resnext50_32x4d`,
     * `wide_resnet50_2`, `wrn28_10`, `vgg16`, `vgg16_bn` and their like.
     */
    arch?: 'auto' | string | undefined;
    /**
     * `cifar`: 3x3 stride 1, no pooling. `imagenet`: 7x7 stride 2 and 3x3 max pooling.
     */
    stem?: 'auto' | Stem | undefined;
    /**
     * The paper's shortcut options. Default: A for its CIFAR networks, else B; none for plain
     * networks.
     */
    shortcut?: 'auto' | Shortcut | undefined;
    /**
     * Start the last batch-norm of every block at zero (Goyal et al. 2017).
     */
    zeroInitResidual?: boolean | undefined;
    /**
     * The layer of a bottleneck that halves the resolution. Default: `3x3`.
     */
    bottleneckStride?: BottleneckStride | undefined;
    /**
     * Weights to begin with: a file (.safetensors, .pth, .pt, .th), a run folder, `imagenet`
     * for the ones that torchvision published, or `none`. A head for other classes begins
     * anew. Default: `imagenet` for a folder of fewer than 50,000 training photographs, where
     * the file is here or can be fetched; else `none`.
     */
    weights?: 'auto' | string | undefined;
    /**
     * The SHA-256 of that file: written down by a run, and checked where it is given.
     */
    weightsSha256?: string | undefined;
    /**
     * Layers that are not trained, by the beginning of their names (`conv1`, `layer1`);
     * `backbone` is all but the head. Their normalisation uses its running statistics.
     */
    freeze?: Array<string> | undefined;
};

/**
 * What a model is.
 */
export declare type ModelInfo = {
    arch: string;
    /**
     * Class names, in the order of their indices.
     */
    classes: Array<string>;
    channels: number;
    /**
     * Height and width that the network sees.
     */
    imageSize: number;
    /**
     * Trainable numbers.
     */
    parameters: number;
    /**
     * The file that it was read from, absolute.
     */
    checkpoint: string;
    /**
     * Whole epochs that it was trained for; 0 where the file does not say.
     */
    epoch: number;
    /**
     * What was assumed of weights that do not say it, a sentence each; none for a checkpoint.
     */
    assumed: Array<string>;
};

/**
 * Multiply the rate by `gamma` at each milestone (`MultiStepLR`).
 */
export declare type MultiStepConfig = {
    /**
     * Epochs or steps, as `unit` says, after which the rate is cut. Default: half and three
     * quarters of the budget.
     */
    milestones?: 'auto' | Array<number> | undefined;
    /**
     * Default: 0.1.
     */
    gamma?: number | undefined;
    /**
     * Default: `epoch`.
     */
    unit?: Unit | undefined;
};

/**
 * All classes count the same.
 */
export declare type NoClassWeightsConfig = Record<symbol, never>;

/**
 * Colours as they are.
 */
export declare type NoColorConfig = Record<symbol, never>;

/**
 * Resized like an evaluation image.
 */
export declare type NoCropConfig = Record<symbol, never>;

/**
 * No holes.
 */
export declare type NoEraseConfig = Record<symbol, never>;

/**
 * Each image by itself.
 */
export declare type NoMixConfig = Record<symbol, never>;

/**
 * No random operations.
 */
export declare type NoPolicyConfig = Record<symbol, never>;

/**
 * Up to the optimizer's rate and down to almost nothing (Smith 2017, `OneCycleLR`).
 */
export declare type OneCycleConfig = {
    /**
     * Share of the budget that the rise takes. Default: 0.3.
     */
    pctStart?: number | undefined;
    /**
     * It begins at the optimizer's rate divided by this. Default: 25.
     */
    divFactor?: number | undefined;
    /**
     * It ends at the beginning's rate divided by this. Default: 10000.
     */
    finalDivFactor?: number | undefined;
    /**
     * Default: `cos`.
     */
    anneal?: Anneal | undefined;
};

/**
 * The update rule.
 */
export declare type OptimizerConfig = 'sgd' | 'adam' | 'adamw' | 'lars' | ({
    type: 'sgd';
} & SgdConfig) | ({
    type: 'adam';
} & AdamConfig) | ({
    type: 'adamw';
} & AdamConfig) | ({
    type: 'lars';
} & LarsConfig);

/**
 * Zero padding on each side, then a random crop (He et al. 2015, section 4.2).
 */
export declare type PadCropConfig = {
    /**
     * Pixels added on each side. Default: 4.
     */
    padding?: number | undefined;
};

/** How a picture is painted. */
export declare interface PaintOptions {
    /** Pixels for each unit of the drawing. Default: 2, sharp on today's screens. */
    scale?: number | undefined;
}

/**
 * Shifts along the principal components of ImageNet's colours (Krizhevsky et al. 2012,
 * section 4.1; used by the paper, section 3.4).
 */
export declare type PcaColorConfig = {
    /**
     * Standard deviation of the shifts. Default: 0.1.
     */
    std?: number | undefined;
};

/** A drawing, as SVG and, painted when asked for, as PNG. */
export declare class Picture {
    /** The drawing, as SVG. */
    readonly svg: string;
    constructor(svg: string);
    /** The bytes of a PNG file, painted anew at every call. */
    png(options?: PaintOptions): Buffer;
}

/** Decoded pixels: 8 bits a channel, row by row, the channels of a pixel together (HWC). */
export declare interface Pixels {
    /** `height * width * channels` bytes. */
    data: Uint8Array;
    /** In pixels. */
    width: number;
    /** In pixels. */
    height: number;
    /** 1 (grey) or 3 (RGB). */
    channels: 1 | 3;
}

/**
 * Where it went wrong. Every part is optional; `key` is a configuration path
 * (`optimizer.lr`, `schedule.milestones[1]`).
 */
export declare type Place = {
    key?: string | undefined;
    file?: string | undefined;
    line?: number | undefined;
};

/**
 * What `plan()` gives: a run as it would be. Nothing was written.
 */
export declare type Plan = {
    /**
     * The run folder that it would have, absolute.
     */
    dir: string;
    config: ResolvedConfig;
    data: DataFacts;
    /**
     * Images trained on in an epoch, after the validation split.
     */
    trainImages: number;
    valImages: number;
    testImages: number;
    /**
     * Trainable numbers of the network.
     */
    parameters: number;
    /**
     * Multiply-adds of one image's forward pass.
     */
    macs: number;
    stepsPerEpoch: number;
    /**
     * Where the budget is known in steps or epochs.
     */
    totalSteps: number | null;
    /**
     * Steps already done, in a run that would be resumed.
     */
    resumedAt: number;
    /**
     * What would be warned of at the beginning.
     */
    warnings: Array<WarningEvent>;
    memory: MemoryEstimate;
    /**
     * Null where nothing was measured: it was not wanted, or no step could be made.
     */
    time: TimeEstimate | null;
};

/**
 * Says what `train()` would do, and does not do it (`residual train --dry-run`): every value with
 * its reason, the run folder, the memory and the time. Nothing is written but downloads.
 *
 * Memory is computed from the shapes of the network's tensors. Time is measured: a few updates are
 * made on the run's own images, with a network that is thrown away.
 *
 * @example
 * const { time, memory, config } = await plan({ data: './photos' })
 *
 * @param config as for `train()`
 * @throws {ResidualError} as `train()` does before it begins; an `AbortError` once the signal is
 *   given
 */
export declare function plan(config: TrainConfig, options?: PlanOptions): Promise<Plan>;

/**
 * What `plan()` finds out.
 */
export declare type PlanConfig = {
    /**
     * Make some updates on a network that is thrown away, for the time that they take: three
     * seconds, and two updates at least. Default: true.
     */
    measure?: boolean | undefined;
};

/** What to find out, and how named data sets are fetched. */
export declare interface PlanOptions extends PlanConfig, DownloadOptions {
    /** Images in memory, instead of `data`. */
    arrays?: Arrays | undefined;
}

/**
 * Multiply the rate by `factor` once the metric stopped improving (`ReduceLROnPlateau`).
 */
export declare type PlateauConfig = {
    /**
     * Default: 0.1.
     */
    factor?: number | undefined;
    /**
     * How much better counts as better. Default: 1e-4.
     */
    threshold?: number | undefined;
    /**
     * `rel`: a share of the best; `abs`: in the metric's own unit. Default: `rel`.
     */
    thresholdMode?: ThresholdMode | undefined;
    /**
     * Epochs without improvement that are let pass. Default: 10.
     */
    patience?: number | undefined;
    /**
     * Epochs after a cut in which none is counted. Default: 0.
     */
    cooldown?: number | undefined;
    /**
     * Default: 0.
     */
    minLr?: number | undefined;
    /**
     * What is watched. Default: the validation loss, where there is a validation part.
     */
    metric?: 'auto' | Metric | undefined;
};

/**
 * Random operations on the whole picture.
 */
export declare type PolicyConfig = 'none' | 'randaugment' | 'trivialaugment' | ({
    type: 'none';
} & NoPolicyConfig) | ({
    type: 'randaugment';
} & RandAugmentConfig) | ({
    type: 'trivialaugment';
} & TrivialAugmentConfig);

/**
 * `(1 - progress) ^ power` of the optimizer's rate, stepped at every update
 * (`PolynomialLR` over the whole budget).
 */
export declare type PolynomialConfig = {
    /**
     * Default: 1.
     */
    power?: number | undefined;
};

/**
 * The arithmetic of forward and backward; weights and updates are kept in fp32 (fp64 in
 * `fp64`).
 */
export declare type Precision = 'fp32' | 'bf16' | 'fp16' | 'fp64';

/**
 * Says what is on an image, or on each of an array. To ask more than once, keep the model:
 * `loadModel()`.
 *
 * @example
 * const { label, probability } = await predict('runs/latest', 'cat.jpg')
 *
 * @param model a run folder, a checkpoint, or weights of whoever made them
 * @param image what to look at; an array gives an array of answers, in their order
 * @param load what such weights do not say of themselves
 * @throws {ResidualError} as `loadModel()` and `Model.predict()` do
 */
export declare function predict(model: string | URL, image: ImageInput, config?: PredictConfig, load?: LoadConfig): Promise<Prediction>;

export declare function predict(model: string | URL, images: readonly ImageInput[], config?: PredictConfig, load?: LoadConfig): Promise<Prediction[]>;

/**
 * How a model is asked what is on an image.
 */
export declare type PredictConfig = {
    /**
     * How many classes to name, best first. Default: 5.
     */
    top?: number | undefined;
    /**
     * Test-time augmentation: what of an image the network sees, where that is more than its
     * centre. The probabilities are averaged. Default: `center`.
     */
    crops?: Crops | undefined;
    /**
     * The short sides of `multi-scale`, in pixels. Default: [224, 256, 384, 480, 640].
     */
    scales?: Array<number> | undefined;
    /**
     * Give the image back too, no side longer than so many pixels, 8 to 256. Default: no
     * image.
     */
    thumbnails?: number | undefined;
};

/**
 * What the network takes an image for.
 */
export declare type Prediction = {
    label: string;
    index: number;
    /**
     * 0 to 1.
     */
    probability: number;
    /**
     * The most probable classes, best first.
     */
    top: Array<LabelProbability>;
    /**
     * The image, where `thumbnails` asked for it.
     */
    thumbnail?: Thumbnail | undefined;
};

/**
 * A page with predictions and the pictures that they are of (`residual predict --html`): one file
 * that needs no network, as the report is. Pictures are there where predictions have thumbnails.
 *
 * @example
 * await using model = await loadModel('runs/latest')
 * const prediction = await model.predict('cat.jpg', { thumbnails: 160 })
 * await writeFile('cat.html', predictionPage([{ name: 'cat.jpg', prediction }], model.info))
 *
 * @param answers what is to be shown, in this order
 * @param model whose answers they are: `model.info`
 * @returns HTML
 */
export declare function predictionPage(answers: readonly Answered[], model: Readonly<ModelInfo>): string;

/** A published top-1 error. */
export declare interface Published {
    /** 0 to 1. */
    error: number;
    /** Where it stands in He et al. 2015. */
    source: string;
}

/**
 * Several operations of one strength (Cubuk et al. 2019; torchvision's `RandAugment`).
 */
export declare type RandAugmentConfig = {
    /**
     * Operations on each image, one after another. Default: 2.
     */
    operations?: number | undefined;
    /**
     * Strength, 0 to 30. Default: 9.
     */
    magnitude?: number | undefined;
};

/**
 * One rectangle within the image (Zhong et al. 2017; torchvision's `RandomErasing`).
 */
export declare type RandomErasingConfig = {
    /**
     * Share of the images that get one. Default: 0.25.
     */
    probability?: number | undefined;
    /**
     * Smallest and largest share of the area. Default: [0.02, 1/3].
     */
    scale?: Array<number> | undefined;
    /**
     * Narrowest and widest aspect ratio. Default: [0.3, 3.3].
     */
    ratio?: Array<number> | undefined;
};

/**
 * A random part of the image, resized (torchvision's `RandomResizedCrop`).
 */
export declare type RandomResizedCropConfig = {
    /**
     * Smallest and largest share of the area. Default: [0.08, 1].
     */
    scale?: Array<number> | undefined;
    /**
     * Narrowest and widest aspect ratio. Default: [3/4, 4/3].
     */
    ratio?: Array<number> | undefined;
};

/**
 * The short side resized to a random length, then a random crop (the paper's scale
 * augmentation, section 3.4, after Simonyan & Zisserman 2014).
 */
export declare type RandomShortSideCropConfig = {
    /**
     * Pixels. Default: 256.
     */
    min?: number | undefined;
    /**
     * Pixels. Default: 480.
     */
    max?: number | undefined;
};

/**
 * Images a second, measured several times.
 */
export declare type Rates = {
    /**
     * One for each round, in their order.
     */
    rounds: Array<number>;
    median: number;
    lowest: number;
    highest: number;
};

/**
 * What an epoch reached on the validation part; on the training part where there is none.
 */
export declare type Reached = {
    epoch: number;
    accuracy: number;
    loss: number;
};

/** A published way to train: a part of a configuration, and where it comes from. */
export declare interface Recipe {
    /** What `recipe` takes. */
    name: string;
    /** What it trains, in a line. */
    about: string;
    /** Who published it, and where. */
    source: string;
    /** The result that they published. */
    published: string;
    /** What it sets. The rest stays to `train()`'s defaults. */
    config: TrainConfig;
}

/**
 * The recipes that have a name (`residual recipes`). Needs no libtorch.
 *
 * @example
 * for (const { name, published } of await recipes()) console.log(name, published)
 */
export declare function recipes(): Promise<Recipe[]>;

/** What to train, and how often. */
export declare interface RepeatConfig extends Omit<TrainConfig, 'resume'> {
    /** How many runs, seeded `seed`, `seed + 1`, ... Default: 5, as often as the paper repeats. */
    seeds?: number | undefined;
}

/** What `experiment.repeat()` gives; the same is in result.json. Accuracies are shares, 0 to 1. */
export declare interface RepeatResult {
    /** The experiment's folder, absolute. */
    dir: string;
    seeds: number[];
    /** The run folders, absolute, in the order of the seeds. */
    runs: string[];
    /** Of the last epoch, its mean on augmented training images. */
    trainAccuracy: Spread;
    /** Of the best epoch; null without a validation part. */
    valAccuracy: Spread | null;
    /** Of the best epoch's checkpoint; null without a test part. */
    testAccuracy: Spread | null;
    /** The run that is best on the validation part, or in training where there is none. */
    best: {
        seed: number;
        checkpoint: string;
    };
    /** Training and validation error against updates; a band of one deviation around the mean. */
    figure: FigureFiles;
    /** The table as Markdown and CSV, absolute paths. */
    table: {
        markdown: string;
        csv: string;
    };
    seconds: number;
}

/**
 * Writes a report on a run as one page that needs nothing else, and its figures as SVG and PNG; of
 * several runs, a comparison. Runs that are not done, or whose images are gone, get one without the
 * sections that cannot be made.
 *
 * @example
 * const { file } = await report('runs/photos-resnet18')
 *
 * @param runs one run folder, or several
 * @throws {ResidualError} `E_CHECKPOINT` for what is no run folder, `E_USAGE`, `E_WRITE`
 */
export declare function report(runs: string | URL | readonly (string | URL)[], options?: ReportOptions): Promise<ReportResult>;

/** A run as its folder tells it. */
export declare interface ReportedRun {
    /** The folder's name or, where two have one, its path. */
    name: string;
    /** Absolute. */
    dir: string;
    arch: string;
    /** Undefined where it has not ended. */
    stopReason?: StopReason | undefined;
    /** Whole epochs trained. */
    epochs: number;
    /** Of the best epoch, on validation images where there are any; undefined before the first. */
    accuracy?: number | undefined;
    /** On the test part, where it was measured. */
    testAccuracy?: number | undefined;
    /** Of training. */
    seconds?: number | undefined;
}

/** What a report is made from, and where it goes. */
export declare interface ReportOptions {
    /**
     * The page's file; its figures go beside it, into `<name>-plots/`. Default: `report.html` and
     * `plots/` in the run's folder; for several runs `comparison.html` in the current one.
     */
    out?: string | URL | undefined;
    /** Where the images are now, if not where they were when the run was trained. */
    data?: string | undefined;
    /**
     * Measure the network on its images where the run has not kept what it measured last, or
     * `data` names other images: about as long as a validation in training. Without, such a run has no
     * confusion matrix and no predictions. Default: true. Of several runs none is measured.
     */
    evaluate?: boolean | undefined;
    /** Called before the network is measured. */
    onMeasure?: (() => void) | undefined;
}

/** A report that was written. */
export declare interface ReportResult {
    /** The page, absolute. */
    file: string;
    /** Every figure's two files, by its name. */
    figures: Record<string, FigureFiles>;
    /** Sections that could not be made, and why. */
    missing: {
        section: string;
        why: string;
    }[];
    /** What it is about, in the order in which they were given. */
    runs: ReportedRun[];
}

/**
 * Every failure of this package: a `code` to branch on, a place to look `at` and a `hint` that
 * names the next thing to do.
 */
export declare class ResidualError extends Error {
    /** What went wrong, for programs. */
    readonly code: ErrorCode;
    /** Where: a configuration path, a file, a line of it. */
    readonly at: Place;
    /** The next thing to do, as a sentence. */
    readonly hint: string;
    constructor({ code, message, at, hint }: Failure, options?: ErrorOptions);
}

/**
 * Adam (Kingma & Ba 2014) in PyTorch's form (`torch.optim.Adam`), and with decoupled weight
 * decay (Loshchilov & Hutter 2017, `torch.optim.AdamW`).
 */
export declare type ResolvedAdam = {
    /**
     * Learning rate. Default: 1e-3; 1e-4 where training begins from weights.
     */
    lr: number;
    /**
     * Decay of the two moments. Default: [0.9, 0.999].
     */
    betas: [number, number];
    /**
     * Default: 1e-8.
     */
    eps: number;
    /**
     * Default: 0 for `adam`, 0.01 for `adamw`.
     */
    weightDecay: number;
    /**
     * Apply the weight decay to norms and biases too. Default: true.
     */
    decayNorms: boolean;
};

/**
 * Inversely to their frequency: images / (classes * the class's images).
 */
export declare type ResolvedBalancedClassWeights = Record<symbol, never>;

/**
 * How long to train; the first limit reached ends the run.
 */
export declare type ResolvedBudget = {
    /**
     * Passes over the training images. Default, where nothing else is given: 30, and more
     * where there are few images; fewer for many that begin from weights.
     */
    epochs: number | null;
    /**
     * Updates of the weights.
     */
    steps: number | null;
    /**
     * Seconds of training, evaluation included.
     */
    seconds: number | null;
};

/**
 * What is kept besides the last and the best checkpoint.
 */
export declare type ResolvedCheckpoint = {
    /**
     * Keep one every so many epochs as `epoch-0010.safetensors`; 0 for none. Default: 0.
     */
    every: number;
    /**
     * Write `last.safetensors` also every so many steps; 0 for every epoch only. Default: 0.
     */
    steps: number;
};

/**
 * How much each class counts in the loss.
 */
export declare type ResolvedClassWeights = ({
    type: 'none';
} & ResolvedNoClassWeights) | ({
    type: 'balanced';
} & ResolvedBalancedClassWeights) | ({
    type: 'given';
} & ResolvedGivenClassWeights);

/**
 * Random colour.
 */
export declare type ResolvedColor = ({
    type: 'none';
} & ResolvedNoColor) | ({
    type: 'pca';
} & ResolvedPcaColor);

/**
 * Everything about a run. Only `data` is required.
 */
export declare type ResolvedConfig = {
    /**
     * The images: a path or a name, or an object that says more.
     */
    data: ResolvedData;
    /**
     * Resizing, augmentation, normalisation.
     */
    transform: ResolvedTransform;
    /**
     * The network: a name, or an object that says more.
     */
    model: ResolvedModel;
    /**
     * Passes over the training images; the same as `budget.epochs`.
     */
    epochs: number | null;
    /**
     * How long to train.
     */
    budget: ResolvedBudget;
    /**
     * Images in a step, 2 or more. Default: 128, or 32 for images of more than 96 pixels; fewer
     * where an epoch would have less than 8 steps, or where memory would not do.
     */
    batchSize: number;
    /**
     * The update rule. Default: SGD.
     */
    optimizer: ResolvedOptimizer;
    /**
     * The learning rate's way. Default: cosine.
     */
    schedule: ResolvedSchedule;
    /**
     * A linear rise before it. Default: none, or an epoch where training begins from weights.
     */
    warmup: ResolvedWarmup;
    /**
     * What is minimised.
     */
    loss: ResolvedLoss;
    /**
     * Clipping and accumulation.
     */
    gradient: ResolvedGradient;
    /**
     * A moving average of the weights.
     */
    ema: ResolvedEma;
    /**
     * End when nothing improves. Default: never.
     */
    earlyStopping: ResolvedEarlyStopping | null;
    /**
     * Default: bf16 where the device is faster with it (a CPU with AMX, or with AVX512_BF16 on AMD;
     * a card of compute capability 8.0 or more), else fp32.
     */
    precision: Precision;
    /**
     * Default: CUDA where it can be used, else the CPU.
     */
    device: Device;
    /**
     * Default: channels_last, which is the faster one for convolutions.
     */
    memoryFormat: MemoryFormat;
    /**
     * Decides weights, order and augmentation: the same seed and threads give the same bits.
     * Default: 0.
     */
    seed: number;
    /**
     * Threads for the arithmetic, up to 1024. Default: one a physical core.
     */
    threads: number;
    /**
     * Threads for loading images, up to 1024. Default: one a physical core.
     */
    workers: number;
    /**
     * Decoded images of files are kept in memory from one epoch to the next while they take no
     * more than so many MB (2^20 bytes); 0 keeps none. The numbers are the same. Default: what
     * the training and validation images take, up to a quarter of the memory that is free; 0
     * where nothing is read twice.
     */
    cache: number;
    /**
     * Where training and validation images are cropped, mirrored and normalised. The numbers are
     * the same. Default: on a card, where all of them are in memory at `data.imageSize`, nothing
     * else is done to them, and they take no more than a quarter of its free memory; else by the
     * workers.
     */
    augmentOn: AugmentOn;
    /**
     * The share of a card's memory that this process may take, more than 0 and up to 1; beyond it is as
     * if the card were full. It holds until another run says otherwise, and means nothing on the
     * CPU. Default: all of it.
     */
    memoryFraction: number | null;
    /**
     * On CUDA, gives the device a whole training step at once (a CUDA graph), where batches are of one
     * shape. It means nothing on the CPU. Where it cannot be done (`lars`, `ema`, dropout,
     * `gradient.accumulate`), a warning says so. Default: false.
     */
    cudaGraphs: boolean;
    /**
     * What makes a checkpoint the best. Default: `val.accuracy`, or `train.loss` where there
     * is no validation part. Never test data.
     */
    monitor: Metric;
    /**
     * What is kept.
     */
    checkpoint: ResolvedCheckpoint;
    /**
     * What is written down.
     */
    log: ResolvedLog;
    /**
     * The run folder. Default: `runs/<data>-<model>`, numbered if taken.
     */
    out: string;
    /**
     * Replace a finished run in `out`. Default: false.
     */
    overwrite: boolean;
    /**
     * A run folder or checkpoint to go on from, in its own folder.
     */
    resume: string | null;
    /**
     * A published way to train, by name (`notebook`) or as a file (`./mine.yaml`): what is not
     * said here is set as it says.
     */
    recipe: string | null;
    /**
     * Why each `auto` became what it did, by key.
     */
    reasons: {
        [key in string]: string;
    };
};

/**
 * The optimizer's rate throughout.
 */
export declare type ResolvedConstant = Record<symbol, never>;

/**
 * Half a cosine from the optimizer's rate down to `minLr`, stepped at every update.
 */
export declare type ResolvedCosine = {
    /**
     * Default: 0.
     */
    minLr: number;
};

/**
 * How a training image gets its final size.
 */
export declare type ResolvedCrop = ({
    type: 'none';
} & ResolvedNoCrop) | ({
    type: 'pad';
} & ResolvedPadCrop) | ({
    type: 'random-resized';
} & ResolvedRandomResizedCrop) | ({
    type: 'random-short-side';
} & ResolvedRandomShortSideCrop);

/**
 * A rectangle of another image in each (Yun et al. 2019).
 */
export declare type ResolvedCutmix = {
    /**
     * Of the Beta distribution that the rectangle's share is drawn from, once a batch.
     * Default: 1.
     */
    alpha: number;
};

/**
 * One square anywhere, also partly outside (DeVries & Taylor 2017).
 */
export declare type ResolvedCutout = {
    /**
     * Side in pixels. Default: half of `data.imageSize`.
     */
    size: number;
};

/**
 * Where the images come from.
 */
export declare type ResolvedData = {
    /**
     * A data set's name (`fashion-mnist-mini`) or a path (`./photos`).
     */
    source: string;
    /**
     * The layout on disk; found by looking when left out.
     */
    format: DataFormat;
    /**
     * The share of the training images held back for validation, 0 to 0.5, or, from 1 on,
     * their number (up to half). Split by class, seeded, and only where the data set has no
     * validation part of its own. Default: 0.1, or 0 where the data set has one.
     */
    validation: number;
    /**
     * 3 (RGB) or 1 (grey). Default: what the images are.
     */
    channels: number;
    /**
     * Height and width, in pixels, that the network sees. Default: 224, or about the images'
     * own where those are smaller; 128 for fewer than 5,000 photographs without weights to
     * begin from.
     */
    imageSize: number;
    /**
     * Which of CIFAR-100's two label sets. Default: `fine`.
     */
    labels: Labels;
    /**
     * Draw training images so that every class is equally frequent, rare ones repeatedly; an
     * epoch has as many images as without. Default: false, each image once an epoch.
     */
    balanced: boolean;
    /**
     * Train on only so many images, of every class in proportion, chosen by seed; what is
     * validated and tested on stays. For trying things out.
     */
    limit: number | null;
    /**
     * Decides which images are held back for validation and which `limit` keeps. Default:
     * `seed`. Give it to compare seeds on the same images.
     */
    splitSeed: number;
    /**
     * The hash that the training images must have; others are refused. Written down for images
     * in memory, which have no place to be found in.
     */
    fingerprint: string | null;
    /**
     * Images to train on, their height, width and channels, likewise.
     */
    shape: Array<number> | null;
};

/**
 * End a run that does not improve any more.
 */
export declare type ResolvedEarlyStopping = {
    /**
     * Epochs without improvement that are let pass. Default: 10.
     */
    patience: number;
    /**
     * How much better counts as better, in the metric's own unit. Default: 0.
     */
    minDelta: number;
    /**
     * What is watched. Default: `monitor`.
     */
    metric: Metric;
};

/**
 * An exponential moving average of the weights, which is what is evaluated and kept.
 */
export declare type ResolvedEma = {
    /**
     * What an update keeps of the average; 0 for none. Default: 0.
     */
    decay: number;
};

/**
 * Random holes, filled with the mean colour.
 */
export declare type ResolvedErase = ({
    type: 'none';
} & ResolvedNoErase) | ({
    type: 'cutout';
} & ResolvedCutout) | ({
    type: 'random-erasing';
} & ResolvedRandomErasing);

/**
 * As given.
 */
export declare type ResolvedGivenClassWeights = {
    /**
     * One a class, in the order of the classes.
     */
    weights: Array<number>;
};

/**
 * What happens to gradients before an update.
 */
export declare type ResolvedGradient = {
    /**
     * Scale all gradients so that their common norm is at most this
     * (`clip_grad_norm_`).
     */
    clipNorm: number | null;
    /**
     * Cut every number to at most this size (`clip_grad_value_`).
     */
    clipValue: number | null;
    /**
     * Batches whose gradients are averaged for one update. Default: 1.
     */
    accumulate: number;
};

/**
 * Layer-wise adaptive rates, for large batches (You et al. 2017).
 */
export declare type ResolvedLars = {
    /**
     * Learning rate. Default: 0.1.
     */
    lr: number;
    /**
     * Default: 0.9.
     */
    momentum: number;
    /**
     * Default: 5e-4.
     */
    weightDecay: number;
    /**
     * The paper's eta. Default: 0.001.
     */
    trustCoefficient: number;
    /**
     * Default: 1e-8.
     */
    eps: number;
    /**
     * Apply weight decay and the layer-wise rate to norms and biases too. Default: false.
     */
    decayNorms: boolean;
};

/**
 * In a line from the optimizer's rate to `endFactor` of it, stepped at every update
 * (`LinearLR` over the whole budget).
 */
export declare type ResolvedLinear = {
    /**
     * Default: 0.
     */
    endFactor: number;
};

/**
 * What is written down.
 */
export declare type ResolvedLog = {
    /**
     * A line in metrics.jsonl every so many steps. Default: 10.
     */
    steps: number;
};

/**
 * What is minimised: cross-entropy.
 */
export declare type ResolvedLoss = {
    /**
     * The share of the target that is spread over all classes (Szegedy et al. 2015).
     * Default: 0.
     */
    labelSmoothing: number;
    /**
     * How much each class counts. Default: `none`, all the same.
     */
    classWeights: ResolvedClassWeights;
};

/**
 * Training on mixtures of two images.
 */
export declare type ResolvedMix = ({
    type: 'none';
} & ResolvedNoMix) | ({
    type: 'mixup';
} & ResolvedMixup) | ({
    type: 'cutmix';
} & ResolvedCutmix);

/**
 * Weighted sums of two images and of their losses (Zhang et al. 2017).
 */
export declare type ResolvedMixup = {
    /**
     * Of the Beta distribution that the weight is drawn from, once a batch. Default: 0.2.
     */
    alpha: number;
};

/**
 * The network.
 */
export declare type ResolvedModel = {
    /**
     * For photographs `resnet18`, `resnet34`, `resnet50`, `resnet101`, `resnet152`; for small
     * images the paper's CIFAR networks `resnet{6n+2}`: `resnet20`, `resnet56`, ... Likewise
     * `plain...` without shortcuts and `preresnet...` with pre-activation. `resnext50_32x4d`,
     * `wide_resnet50_2`, `wrn28_10`, `vgg16`, `vgg16_bn` and their like.
     */
    arch: string;
    /**
     * `cifar`: 3x3 stride 1, no pooling. `imagenet`: 7x7 stride 2 and 3x3 max pooling.
     */
    stem: Stem;
    /**
     * The paper's shortcut options. Default: A for its CIFAR networks, else B; none for plain
     * networks.
     */
    shortcut: Shortcut;
    /**
     * Start the last batch-norm of every block at zero (Goyal et al. 2017).
     */
    zeroInitResidual: boolean;
    /**
     * The layer of a bottleneck that halves the resolution. Default: `3x3`.
     */
    bottleneckStride: BottleneckStride;
    /**
     * Weights to begin with: a file (.safetensors, .pth, .pt, .th), a run folder, `imagenet`
     * for the ones that torchvision published, or `none`. A head for other classes begins
     * anew. Default: `imagenet` for a folder of fewer than 50,000 training photographs, where
     * the file is here or can be fetched; else `none`.
     */
    weights: string;
    /**
     * The SHA-256 of that file: written down by a run, and checked where it is given.
     */
    weightsSha256: string | null;
    /**
     * Layers that are not trained, by the beginning of their names (`conv1`, `layer1`);
     * `backbone` is all but the head. Their normalisation uses its running statistics.
     */
    freeze: Array<string>;
};

/**
 * Multiply the rate by `gamma` at each milestone (`MultiStepLR`).
 */
export declare type ResolvedMultiStep = {
    /**
     * Epochs or steps, as `unit` says, after which the rate is cut. Default: half and three
     * quarters of the budget.
     */
    milestones: Array<number>;
    /**
     * Default: 0.1.
     */
    gamma: number;
    /**
     * Default: `epoch`.
     */
    unit: Unit;
};

/**
 * All classes count the same.
 */
export declare type ResolvedNoClassWeights = Record<symbol, never>;

/**
 * Colours as they are.
 */
export declare type ResolvedNoColor = Record<symbol, never>;

/**
 * Resized like an evaluation image.
 */
export declare type ResolvedNoCrop = Record<symbol, never>;

/**
 * No holes.
 */
export declare type ResolvedNoErase = Record<symbol, never>;

/**
 * Each image by itself.
 */
export declare type ResolvedNoMix = Record<symbol, never>;

/**
 * No random operations.
 */
export declare type ResolvedNoPolicy = Record<symbol, never>;

/**
 * Up to the optimizer's rate and down to almost nothing (Smith 2017, `OneCycleLR`).
 */
export declare type ResolvedOneCycle = {
    /**
     * Share of the budget that the rise takes. Default: 0.3.
     */
    pctStart: number;
    /**
     * It begins at the optimizer's rate divided by this. Default: 25.
     */
    divFactor: number;
    /**
     * It ends at the beginning's rate divided by this. Default: 10000.
     */
    finalDivFactor: number;
    /**
     * Default: `cos`.
     */
    anneal: Anneal;
};

/**
 * The update rule.
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
 * Zero padding on each side, then a random crop (He et al. 2015, section 4.2).
 */
export declare type ResolvedPadCrop = {
    /**
     * Pixels added on each side. Default: 4.
     */
    padding: number;
};

/**
 * Shifts along the principal components of ImageNet's colours (Krizhevsky et al. 2012,
 * section 4.1; used by the paper, section 3.4).
 */
export declare type ResolvedPcaColor = {
    /**
     * Standard deviation of the shifts. Default: 0.1.
     */
    std: number;
};

/**
 * Multiply the rate by `factor` once the metric stopped improving (`ReduceLROnPlateau`).
 */
export declare type ResolvedPlateau = {
    /**
     * Default: 0.1.
     */
    factor: number;
    /**
     * How much better counts as better. Default: 1e-4.
     */
    threshold: number;
    /**
     * `rel`: a share of the best; `abs`: in the metric's own unit. Default: `rel`.
     */
    thresholdMode: ThresholdMode;
    /**
     * Epochs without improvement that are let pass. Default: 10.
     */
    patience: number;
    /**
     * Epochs after a cut in which none is counted. Default: 0.
     */
    cooldown: number;
    /**
     * Default: 0.
     */
    minLr: number;
    /**
     * What is watched. Default: the validation loss, where there is a validation part.
     */
    metric: Metric;
};

/**
 * Random operations on the whole picture.
 */
export declare type ResolvedPolicy = ({
    type: 'none';
} & ResolvedNoPolicy) | ({
    type: 'randaugment';
} & ResolvedRandAugment) | ({
    type: 'trivialaugment';
} & ResolvedTrivialAugment);

/**
 * `(1 - progress) ^ power` of the optimizer's rate, stepped at every update
 * (`PolynomialLR` over the whole budget).
 */
export declare type ResolvedPolynomial = {
    /**
     * Default: 1.
     */
    power: number;
};

/**
 * Several operations of one strength (Cubuk et al. 2019; torchvision's `RandAugment`).
 */
export declare type ResolvedRandAugment = {
    /**
     * Operations on each image, one after another. Default: 2.
     */
    operations: number;
    /**
     * Strength, 0 to 30. Default: 9.
     */
    magnitude: number;
};

/**
 * One rectangle within the image (Zhong et al. 2017; torchvision's `RandomErasing`).
 */
export declare type ResolvedRandomErasing = {
    /**
     * Share of the images that get one. Default: 0.25.
     */
    probability: number;
    /**
     * Smallest and largest share of the area. Default: [0.02, 1/3].
     */
    scale: [number, number];
    /**
     * Narrowest and widest aspect ratio. Default: [0.3, 3.3].
     */
    ratio: [number, number];
};

/**
 * A random part of the image, resized (torchvision's `RandomResizedCrop`).
 */
export declare type ResolvedRandomResizedCrop = {
    /**
     * Smallest and largest share of the area. Default: [0.08, 1].
     */
    scale: [number, number];
    /**
     * Narrowest and widest aspect ratio. Default: [3/4, 4/3].
     */
    ratio: [number, number];
};

/**
 * The short side resized to a random length, then a random crop (the paper's scale
 * augmentation, section 3.4, after Simonyan & Zisserman 2014).
 */
export declare type ResolvedRandomShortSideCrop = {
    /**
     * Pixels. Default: 256.
     */
    min: number;
    /**
     * Pixels. Default: 480.
     */
    max: number;
};

/**
 * How the learning rate changes.
 */
export declare type ResolvedSchedule = ({
    type: 'cosine';
} & ResolvedCosine) | ({
    type: 'constant';
} & ResolvedConstant) | ({
    type: 'multistep';
} & ResolvedMultiStep) | ({
    type: 'plateau';
} & ResolvedPlateau) | ({
    type: 'step';
} & ResolvedStep) | ({
    type: 'linear';
} & ResolvedLinear) | ({
    type: 'polynomial';
} & ResolvedPolynomial) | ({
    type: 'one-cycle';
} & ResolvedOneCycle);

/**
 * Stochastic gradient descent with momentum, in PyTorch's form (`torch.optim.SGD`).
 */
export declare type ResolvedSgd = {
    /**
     * Learning rate. Default: 0.1, less for small batches; 0.01 where training begins from
     * weights.
     */
    lr: number;
    /**
     * Default: 0.9.
     */
    momentum: number;
    /**
     * Default: 5e-4; 1e-4 where training begins from weights.
     */
    weightDecay: number;
    /**
     * Nesterov's momentum. Default: false.
     */
    nesterov: boolean;
    /**
     * Apply the weight decay to norms and biases too, as the paper and PyTorch do.
     * Default: true.
     */
    decayNorms: boolean;
};

/**
 * Multiply the rate by `gamma` every `size` epochs or steps (`StepLR`).
 */
export declare type ResolvedStep = {
    /**
     * Epochs or steps, as `unit` says. Default: a third of the budget.
     */
    size: number;
    /**
     * Default: 0.1.
     */
    gamma: number;
    /**
     * Default: `epoch`.
     */
    unit: Unit;
};

/**
 * What happens to an image between the file and the network. Training images are augmented,
 * evaluation images never are.
 */
export declare type ResolvedTransform = {
    /**
     * How a training image gets its final size.
     */
    crop: ResolvedCrop;
    /**
     * Mirror half of the training images.
     */
    flip: boolean;
    /**
     * Mean of each channel, of values in 0..1. Default: that of the training images where
     * they are in memory, else ImageNet's.
     */
    mean: Array<number>;
    /**
     * Standard deviation of each channel, of values in 0..1. Default: as for `mean`.
     */
    std: Array<number>;
    /**
     * At evaluation the short side is resized to this many pixels before the centre crop.
     * Default: `imageSize` for small images, 8/7 of it for photographs (256 for 224).
     */
    evalResize: number;
    /**
     * JPEGs are decoded at a half, a quarter or an eighth of their size where their short side keeps at
     * least so many pixels: each then is the mean of a square, and a large photograph takes a
     * fraction of the time and memory. (As Pillow's `draft`.) 0 for never, else no less than
     * `evalResize`. Default: twice `evalResize`, which no longer shows after resizing; 0 for
     * weights of others, which were trained without it.
     */
    decodeShortSide: number;
    /**
     * Subtract the training images' mean image, pixel by pixel, in place of `mean` (He et al.
     * 2015, sections 3.4 and 4.2). Needs images of one size. Default: false.
     */
    pixelMean: boolean;
    /**
     * Random operations on the whole picture. Default: none.
     */
    policy: ResolvedPolicy;
    /**
     * Random colour. Default: none.
     */
    color: ResolvedColor;
    /**
     * Random holes. Default: none.
     */
    erase: ResolvedErase;
    /**
     * Training on mixtures of two images. Default: none.
     */
    mix: ResolvedMix;
};

/**
 * One operation of a random strength (Müller & Hutter 2021; torchvision's
 * `TrivialAugmentWide`).
 */
export declare type ResolvedTrivialAugment = Record<symbol, never>;

/**
 * A linear rise of the rate at the start, whatever the schedule.
 */
export declare type ResolvedWarmup = {
    /**
     * Epochs that it takes (fractions allowed); 0 for none. Default: 0; where training begins
     * from weights, 1 or a tenth of fewer than 10 epochs.
     */
    epochs: number;
    /**
     * The share of the rate to begin with. Default: 0.1.
     */
    from: number;
    /**
     * In place of the rise: stay at `from` until an epoch's training accuracy reaches this,
     * as the paper's 110-layer network does (0.2; section 4.2).
     */
    untilAccuracy: number | null;
};

/**
 * A training run: a promise of its result and an iterable of its events, both at once.
 *
 * It has a thread of its own and holds the process until it ends (see `unref`). Its rejection never
 * counts as unhandled, so that whoever reads only the events need not await it as well.
 */
export declare class Run implements PromiseLike<TrainResult>, AsyncIterable<RunEvent> {
    #private;
    /** Tells this run from every other. */
    readonly id: string;
    private constructor();
    /** The run folder, absolute; undefined until it is made. */
    get dir(): string | undefined;
    /** Where the run is on its way. */
    get state(): RunState;
    /** The checkpoint written last, absolute; undefined before the first. */
    get checkpoint(): string | undefined;
    /** What the promise gives; undefined until then, and for ever if the run failed. */
    get result(): TrainResult | undefined;
    /**
     * Ends the run after the step it is in, saved; it resolves with `stopReason: 'stopped'`. A run
     * that has not begun to train has nothing to resolve with, and rejects with an `AbortError`.
     */
    stop(): void;
    /** Holds a running run after the step it is in, until `resume()`, `stop()` or an abort. */
    pause(): void;
    /** Lets a paused run go on. */
    resume(): void;
    /** Makes the run hold the process until it ends, as it does from the start. */
    ref(): this;
    /** Lets the process end before the run does, which is then stopped and saved. */
    unref(): this;
    /** The result; rejects with a `ResidualError`, or with whatever a hook threw. */
    then<Value = TrainResult, Caught = never>(onResolved?: ((result: TrainResult) => Value | PromiseLike<Value>) | null, onRejected?: ((error: unknown) => Caught | PromiseLike<Caught>) | null): Promise<Value | Caught>;
    /**
     * The events from now on; a step event that is not read in time gives way to the next one.
     * Leaving the loop leaves the run alone. If the run fails, the loop throws what it rejects with.
     */
    [Symbol.asyncIterator](): AsyncIterableIterator<RunEvent>;
}

/**
 * evaluation.json: what the best network of a run made of images that it was not trained on, as it
 * was measured last, when the run ended or was stopped. A report need measure nothing then.
 */
export declare type RunEvaluation = {
    /**
     * The test part; the validation part where there is no test part, or the run was stopped.
     */
    part: DataPart;
    /**
     * The epoch that the network is of.
     */
    epoch: number;
    /**
     * With the pixels of some samples and of the worst mistakes.
     */
    evaluation: Evaluation;
};

/**
 * Something that happened. Events of a run come in order; step events may be skipped when their
 * reader is slow, all others arrive.
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
 * `starting` until training begins (a run behind another waits here), `running` or `paused`,
 * `stopping` once it was told to end, `ended` when it has.
 */
export declare type RunState = 'starting' | 'running' | 'paused' | 'stopping' | 'ended';

/**
 * How the learning rate changes.
 */
export declare type ScheduleConfig = 'cosine' | 'constant' | 'multistep' | 'plateau' | 'step' | 'linear' | 'polynomial' | 'one-cycle' | ({
    type: 'cosine';
} & CosineConfig) | ({
    type: 'constant';
} & ConstantConfig) | ({
    type: 'multistep';
} & MultiStepConfig) | ({
    type: 'plateau';
} & PlateauConfig) | ({
    type: 'step';
} & StepConfig) | ({
    type: 'linear';
} & LinearConfig) | ({
    type: 'polynomial';
} & PolynomialConfig) | ({
    type: 'one-cycle';
} & OneCycleConfig);

/**
 * Loss and accuracy over a number of images.
 */
export declare type Score = {
    /**
     * Mean cross-entropy, in nats.
     */
    loss: number;
    /**
     * Share of images classified right, 0 to 1.
     */
    accuracy: number;
    /**
     * Images counted.
     */
    count: number;
};

/**
 * Stochastic gradient descent with momentum, in PyTorch's form (`torch.optim.SGD`).
 */
export declare type SgdConfig = {
    /**
     * Learning rate. Default: 0.1, less for small batches; 0.01 where training begins from
     * weights.
     */
    lr?: number | undefined;
    /**
     * Default: 0.9.
     */
    momentum?: number | undefined;
    /**
     * Default: 5e-4; 1e-4 where training begins from weights.
     */
    weightDecay?: number | undefined;
    /**
     * Nesterov's momentum. Default: false.
     */
    nesterov?: boolean | undefined;
    /**
     * Apply the weight decay to norms and biases too, as the paper and PyTorch do.
     * Default: true.
     */
    decayNorms?: boolean | undefined;
};

/**
 * He et al. 2015, section 3.3: what a shortcut does where the shape changes.
 */
export declare type Shortcut = 'A' | 'B' | 'C' | 'none';

/**
 * Which images of a data set to show.
 */
export declare type ShowConfig = {
    /**
     * A data set, as in `TrainConfig`: its parts are those of a run, `limit` and
     * `validation` and all.
     */
    data?: string | DataConfig | undefined;
    /**
     * Default: train.
     */
    part?: DataPart | undefined;
    /**
     * How many, up to 1000. Default: 40, or 8 of each class and 200 at most.
     */
    count?: number | undefined;
    /**
     * Default: `random`.
     */
    order?: ShowOrder | undefined;
    /**
     * Chooses the images, what is random in their augmentation, and, without
     * `data.splitSeed`, which are held back for validation. Default: 0.
     */
    seed?: number | undefined;
    /**
     * As training sees them, transformed at random. Default: false.
     */
    augmented?: boolean | undefined;
    /**
     * As in `TrainConfig`; for augmented images.
     */
    transform?: TransformConfig | undefined;
};

/**
 * Shows images of a data set with their classes (`residual data show`; the notebook's `make_grid`),
 * as they are or, with `augmented`, as training sees them: by the same code, with the
 * normalisation taken back. A named data set is downloaded if need be. Needs no libtorch.
 *
 * @example
 * const grid = await showDataset('./photos', { augmented: true, count: 12 })
 * await writeFile('photos.png', grid.png())
 *
 * @param data a data set, as in `TrainConfig`
 * @throws {ResidualError} as opening the data set does; `E_USAGE` for a part that it has not
 */
export declare function showDataset(data: string | DataConfig, { title, columns, tileSize, signal, onDownload, ...config }?: ShowOptions): Promise<Picture>;

/** What to show of a data set, and how. */
export declare interface ShowOptions extends Omit<ShowConfig, 'data'>, GridOptions, DownloadOptions {
}

/**
 * Which images are shown, and in which order.
 */
export declare type ShowOrder = 'random' | 'by-class';

/** A value measured several times. */
export declare interface Spread {
    mean: number;
    /** The sample's standard deviation (over n - 1); 0 of a single value. */
    deviation: number;
    /** The lowest or the highest, whichever is better. */
    best: number;
    /** In the order of the seeds. */
    values: number[];
}

/**
 * The run is prepared and about to train.
 */
export declare type StartEvent = {
    /**
     * The run folder, absolute.
     */
    dir: string;
    config: ResolvedConfig;
    data: DataFacts;
    /**
     * Images trained on in an epoch, after the validation split.
     */
    trainImages: number;
    /**
     * Those of each class, in the order of `data.classes`.
     */
    trainClasses: Array<number>;
    valImages: number;
    testImages: number;
    /**
     * Trainable numbers of the network.
     */
    parameters: number;
    /**
     * Multiply-adds of one image's forward pass.
     */
    macs: number;
    stepsPerEpoch: number;
    /**
     * Where the budget is known in steps or epochs.
     */
    totalSteps: number | null;
    /**
     * Steps already done, in a resumed run.
     */
    resumedAt: number;
};

/**
 * The layers before the first block.
 */
export declare type Stem = 'cifar' | 'imagenet';

/**
 * Multiply the rate by `gamma` every `size` epochs or steps (`StepLR`).
 */
export declare type StepConfig = {
    /**
     * Epochs or steps, as `unit` says. Default: a third of the budget.
     */
    size?: 'auto' | number | undefined;
    /**
     * Default: 0.1.
     */
    gamma?: number | undefined;
    /**
     * Default: `epoch`.
     */
    unit?: Unit | undefined;
};

/**
 * One update of the weights.
 */
export declare type StepEvent = {
    /**
     * From 1.
     */
    epoch: number;
    /**
     * Updates since the beginning, this one included.
     */
    step: number;
    stepInEpoch: number;
    stepsPerEpoch: number;
    /**
     * Mean loss of this batch.
     */
    loss: number;
    /**
     * Mean loss of the epoch so far.
     */
    epochLoss: number;
    /**
     * Accuracy of the epoch so far, on augmented images, before each update.
     */
    epochAccuracy: number;
    /**
     * The rate that this update used.
     */
    lr: number;
    /**
     * In `precision: 'fp16'`: what losses are multiplied by from here on. It falls by half when an
     * update is skipped because its gradients were not finite.
     */
    lossScale?: number | undefined;
    /**
     * Over the last seconds.
     */
    imagesPerSecond: number;
    /**
     * Seconds to the end of the budget.
     */
    etaSeconds: number | null;
};

/**
 * Why a run that did not fail ended.
 */
export declare type StopReason = 'completed' | 'stopped' | 'early-stopping' | 'budget';

/**
 * How a plateau's threshold is meant.
 */
export declare type ThresholdMode = 'rel' | 'abs';

/**
 * A small image, as plain data.
 */
export declare type Thumbnail = {
    width: number;
    height: number;
    /**
     * 1 (grey) or 3 (RGB).
     */
    channels: number;
    /**
     * `height * width * channels` bytes, row by row, channels innermost, in base64.
     */
    base64: string;
};

/** One picture of a grid. */
export declare interface Tile {
    /** Pixels, or the bytes of a PNG or JPEG file. */
    image: Pixels | Uint8Array;
    /** What stands below it. It is cut short where there is no room; an SVG shows all as a tip. */
    caption: string;
    /** A second, smaller line. */
    note?: string | undefined;
    /** Framed in green if true, in red if false, not at all if left out. */
    good?: boolean | undefined;
}

/**
 * How long training would take, from updates that were really made, on the run's own batches. The
 * network that they were made on was thrown away.
 */
export declare type TimeEstimate = {
    /**
     * Updates measured; the first one made is not among them, for it takes longer.
     */
    steps: number;
    /**
     * Seconds for an update: the median, the fastest and the slowest.
     */
    stepSeconds: number;
    fastest: number;
    slowest: number;
    /**
     * Training throughput at the median.
     */
    imagesPerSecond: number;
    /**
     * Of an epoch, its validation included, at the median.
     */
    epochSeconds: number;
    /**
     * To the end of the budget; null where it has no end that is known.
     */
    totalSeconds: number | null;
};

/**
 * Trains a residual network on a folder of images or a named data set. Named data sets, and published
 * weights, are downloaded first if they are not on this machine. Weights come unasked for a folder of
 * few photographs (`model.weights: 'none'` or RESIDUAL_OFFLINE keeps them away); without a network,
 * such a run begins from nothing after a few seconds, with a warning.
 *
 * Returns at once; whatever goes wrong, from a misspelt key on, is what the run rejects with. Runs
 * started while another is training wait for it.
 *
 * @example
 * const { best, test } = await train({ data: './photos', model: 'resnet18', epochs: 10 })
 *
 * @param config plain data; all of it but `data` may be left out
 * @param options hooks, the abort signal, images in memory instead of `data`, and whether a report is wanted
 */
export declare function train(config: TrainConfig, options?: TrainOptions): Run;

/**
 * Everything about a run. Only `data` is required.
 */
export declare type TrainConfig = {
    /**
     * The images: a path or a name, or an object that says more.
     */
    data?: string | DataConfig | undefined;
    /**
     * Resizing, augmentation, normalisation.
     */
    transform?: TransformConfig | undefined;
    /**
     * The network: a name, or an object that says more.
     */
    model?: string | ModelConfig | undefined;
    /**
     * Passes over the training images; the same as `budget.epochs`.
     */
    epochs?: number | undefined;
    /**
     * How long to train.
     */
    budget?: BudgetConfig | undefined;
    /**
     * Images in a step, 2 or more. Default: 128, or 32 for images of more than 96 pixels; fewer
     * where an epoch would have less than 8 steps, or where memory would not do.
     */
    batchSize?: 'auto' | number | undefined;
    /**
     * The update rule. Default: SGD.
     */
    optimizer?: OptimizerConfig | undefined;
    /**
     * The learning rate's way. Default: cosine.
     */
    schedule?: ScheduleConfig | undefined;
    /**
     * A linear rise before it. Default: none, or an epoch where training begins from weights.
     */
    warmup?: WarmupConfig | undefined;
    /**
     * What is minimised.
     */
    loss?: LossConfig | undefined;
    /**
     * Clipping and accumulation.
     */
    gradient?: GradientConfig | undefined;
    /**
     * A moving average of the weights.
     */
    ema?: EmaConfig | undefined;
    /**
     * End when nothing improves. Default: never.
     */
    earlyStopping?: EarlyStoppingConfig | undefined;
    /**
     * Default: bf16 where the device is faster with it (a CPU with AMX, or with AVX512_BF16 on AMD;
     * a card of compute capability 8.0 or more), else fp32.
     */
    precision?: 'auto' | Precision | undefined;
    /**
     * Default: CUDA where it can be used, else the CPU.
     */
    device?: 'auto' | Device | undefined;
    /**
     * Default: channels_last, which is the faster one for convolutions.
     */
    memoryFormat?: 'auto' | MemoryFormat | undefined;
    /**
     * Decides weights, order and augmentation: the same seed and threads give the same bits.
     * Default: 0.
     */
    seed?: number | undefined;
    /**
     * Threads for the arithmetic, up to 1024. Default: one a physical core.
     */
    threads?: 'auto' | number | undefined;
    /**
     * Threads for loading images, up to 1024. Default: one a physical core.
     */
    workers?: 'auto' | number | undefined;
    /**
     * Decoded images of files are kept in memory from one epoch to the next while they take no
     * more than so many MB (2^20 bytes); 0 keeps none. The numbers are the same. Default: what
     * the training and validation images take, up to a quarter of the memory that is free; 0
     * where nothing is read twice.
     */
    cache?: 'auto' | number | undefined;
    /**
     * Where training and validation images are cropped, mirrored and normalised. The numbers are
     * the same. Default: on a card, where all of them are in memory at `data.imageSize`, nothing
     * else is done to them, and they take no more than a quarter of its free memory; else by the
     * workers.
     */
    augmentOn?: 'auto' | AugmentOn | undefined;
    /**
     * The share of a card's memory that this process may take, more than 0 and up to 1; beyond it is as
     * if the card were full. It holds until another run says otherwise, and means nothing on the
     * CPU. Default: all of it.
     */
    memoryFraction?: number | undefined;
    /**
     * On CUDA, gives the device a whole training step at once (a CUDA graph), where batches are of one
     * shape. It means nothing on the CPU. Where it cannot be done (`lars`, `ema`, dropout,
     * `gradient.accumulate`), a warning says so. Default: false.
     */
    cudaGraphs?: boolean | undefined;
    /**
     * What makes a checkpoint the best. Default: `val.accuracy`, or `train.loss` where there
     * is no validation part. Never test data.
     */
    monitor?: 'auto' | Metric | undefined;
    /**
     * What is kept.
     */
    checkpoint?: CheckpointConfig | undefined;
    /**
     * What is written down.
     */
    log?: LogConfig | undefined;
    /**
     * The run folder. Default: `runs/<data>-<model>`, numbered if taken.
     */
    out?: 'auto' | string | undefined;
    /**
     * Replace a finished run in `out`. Default: false.
     */
    overwrite?: boolean | undefined;
    /**
     * A run folder or checkpoint to go on from, in its own folder.
     */
    resume?: string | undefined;
    /**
     * A published way to train, by name (`notebook`) or as a file (`./mine.yaml`): what is not
     * said here is set as it says.
     */
    recipe?: string | undefined;
};

/** What goes with a configuration and is not plain data. */
export declare interface TrainOptions {
    /** Ends the run within a step, saved; it then rejects with an `AbortError`. */
    signal?: AbortSignal | undefined;
    /** Images in memory to train on, where `data` names none; config.json keeps shape and hash. */
    arrays?: Arrays | undefined;
    /**
     * Write `report.html` into the run folder when the run has ended, which takes a second or two;
     * `TrainResult.report` is its path. A run that is stopped gets none, for it is to be gone on with.
     * Where it cannot be written there is a warning, and the run has ended well. Default: false.
     */
    report?: boolean | undefined;
    /**
     * Called as bytes of a named data set, or of published weights, arrive: before the run begins.
     * What it throws, the run rejects with.
     */
    onDownload?: ((progress: DownloadProgress) => void) | undefined;
    /** The data is read, the run folder is made, training is about to begin. */
    onStart?: Hook<StartEvent> | undefined;
    /**
     * After an update of the weights. Training does not wait for it: what happens while an earlier
     * call is still busy is skipped.
     */
    onStep?: Hook<StepEvent> | undefined;
    /** After an epoch and its validation. Training waits for it, and for the promise it returns. */
    onEpoch?: Hook<EpochEvent> | undefined;
    /** A checkpoint was written. */
    onCheckpoint?: Hook<CheckpointEvent> | undefined;
    /** The run goes on in spite of something, of a broken image for instance. */
    onWarning?: Hook<WarningEvent> | undefined;
    /** The run ended without an error, and its report is written, if one was wanted. */
    onEnd?: Hook<EndEvent> | undefined;
}

/**
 * result.json, and what `await train(...)` gives.
 */
export declare type TrainResult = {
    stopReason: StopReason;
    /**
     * The run folder, absolute.
     */
    dir: string;
    /**
     * Whole epochs trained.
     */
    epochs: number;
    /**
     * Updates made.
     */
    steps: number;
    /**
     * The best epoch by `monitor`; null if no epoch was finished.
     */
    best: Best | null;
    /**
     * The last checkpoint, absolute.
     */
    last: string;
    /**
     * The best checkpoint on the test part, where the data set has one and the run was not
     * stopped before its end.
     */
    test: Score | null;
    /**
     * Training throughput, evaluation not counted.
     */
    imagesPerSecond: number;
    /**
     * Of training, evaluation included, over all sessions of the run.
     */
    seconds: number;
    /**
     * The report, absolute: where `train()` was asked for one and it could be written. It is made
     * of result.json, which therefore has none.
     */
    report?: string | undefined;
};

/**
 * What happens to an image between the file and the network. Training images are augmented,
 * evaluation images never are.
 */
export declare type TransformConfig = {
    /**
     * How a training image gets its final size.
     */
    crop?: 'auto' | CropConfig | undefined;
    /**
     * Mirror half of the training images.
     */
    flip?: 'auto' | boolean | undefined;
    /**
     * Mean of each channel, of values in 0..1. Default: that of the training images where
     * they are in memory, else ImageNet's.
     */
    mean?: 'auto' | Array<number> | undefined;
    /**
     * Standard deviation of each channel, of values in 0..1. Default: as for `mean`.
     */
    std?: 'auto' | Array<number> | undefined;
    /**
     * At evaluation the short side is resized to this many pixels before the centre crop.
     * Default: `imageSize` for small images, 8/7 of it for photographs (256 for 224).
     */
    evalResize?: 'auto' | number | undefined;
    /**
     * JPEGs are decoded at a half, a quarter or an eighth of their size where their short side keeps at
     * least so many pixels: each then is the mean of a square, and a large photograph takes a
     * fraction of the time and memory. (As Pillow's `draft`.) 0 for never, else no less than
     * `evalResize`. Default: twice `evalResize`, which no longer shows after resizing; 0 for
     * weights of others, which were trained without it.
     */
    decodeShortSide?: 'auto' | number | undefined;
    /**
     * Subtract the training images' mean image, pixel by pixel, in place of `mean` (He et al.
     * 2015, sections 3.4 and 4.2). Needs images of one size. Default: false.
     */
    pixelMean?: boolean | undefined;
    /**
     * Random operations on the whole picture. Default: none.
     */
    policy?: PolicyConfig | undefined;
    /**
     * Random colour. Default: none.
     */
    color?: ColorConfig | undefined;
    /**
     * Random holes. Default: none.
     */
    erase?: EraseConfig | undefined;
    /**
     * Training on mixtures of two images. Default: none.
     */
    mix?: MixConfig | undefined;
};

/**
 * One operation of a random strength (Müller & Hutter 2021; torchvision's
 * `TrivialAugmentWide`).
 */
export declare type TrivialAugmentConfig = Record<symbol, never>;

/**
 * What a schedule counts in.
 */
export declare type Unit = 'epoch' | 'step';

/** What comparing a data set with its published checksums gave. */
export declare interface Verification {
    name: string;
    folder: string;
    /** Whether every file holds the published bytes. */
    ok: boolean;
    files: VerifiedFile[];
}

/** What was compared with what. */
export declare interface VerifiedFile {
    file: string;
    /** Whether these are the published bytes. */
    ok: boolean;
    /** Published, of the unpacked bytes. */
    sha256: string;
    /** Found; null if the file is not there or cannot be unpacked. */
    found: string | null;
}

/**
 * Compares the files of a named data set with their published checksums (`residual data verify`).
 * Needs no libtorch.
 *
 * @example
 * const { ok, files } = await verifyDataset('mnist')
 * if (!ok) console.error(files.filter((file) => !file.ok))
 *
 * @param name one of `datasets()`
 * @throws {ResidualError} `E_DATA_NOT_FOUND` if it is not on this machine; `AbortError`
 */
export declare function verifyDataset(name: string, { signal }?: Pick<DownloadOptions, 'signal'>): Promise<Verification>;

/**
 * A linear rise of the rate at the start, whatever the schedule.
 */
export declare type WarmupConfig = {
    /**
     * Epochs that it takes (fractions allowed); 0 for none. Default: 0; where training begins
     * from weights, 1 or a tenth of fewer than 10 epochs.
     */
    epochs?: number | undefined;
    /**
     * The share of the rate to begin with. Default: 0.1.
     */
    from?: number | undefined;
    /**
     * In place of the rise: stay at `from` until an epoch's training accuracy reaches this,
     * as the paper's 110-layer network does (0.2; section 4.2).
     */
    untilAccuracy?: number | undefined;
};

/**
 * Something that the run went on in spite of.
 */
export declare type WarningEvent = {
    /**
     * As if it had been thrown.
     */
    code: ErrorCode;
    message: string;
    /**
     * The file that it is about.
     */
    file?: string | undefined;
    hint?: string | undefined;
};

/**
 * The key that a bare word stands for: `model: 'resnet18'` is `model: { arch: 'resnet18' }`,
 * `optimizer: 'adamw'` is `optimizer: { type: 'adamw' }`. For programs that change single values
 * of a configuration.
 *
 * @param key the key that holds the word: `model`
 *
 * @example
 * const model = { [wordKey('model')]: 'resnet18', shortcut: 'A' }
 * console.log(model) // { arch: 'resnet18', shortcut: 'A' }
 */
export declare function wordKey(key: string): string;

export { }
