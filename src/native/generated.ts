// Generated from the core's types by `node scripts/generate.mjs`. Do not edit.

/**
 * Adam (Kingma & Ba 2014) in PyTorch's form (`torch.optim.Adam`), and with decoupled weight
 * decay (Loshchilov & Hutter 2017, `torch.optim.AdamW`).
 */
export type AdamConfig = {
  /**
   * Learning rate. Default: 1e-3; 1e-4 where training begins from weights.
   */
  lr?: number | undefined
  /**
   * Decay of the two moments. Default: [0.9, 0.999].
   */
  betas?: Array<number> | undefined
  /**
   * Default: 1e-8.
   */
  eps?: number | undefined
  /**
   * Default: 0 for `adam`, 0.01 for `adamw`.
   */
  weightDecay?: number | undefined
  /**
   * Apply the weight decay to norms and biases too. Default: true.
   */
  decayNorms?: boolean | undefined
}

/**
 * The shape of a rise or fall.
 */
export type AnnealStrategy = 'cos' | 'linear'

/**
 * Where images become the network's input.
 */
export type AugmentOn = 'workers' | 'device'

/**
 * What `bench()` measures.
 */
export type BenchConfig = {
  /**
   * A name, or an object that says more. Default: by `imageSize`.
   */
  model?: string | ModelConfig | undefined
  /**
   * Height and width. Default: 32 for the paper's CIFAR networks, else 224.
   */
  imageSize?: number | undefined
  /**
   * Default: 3.
   */
  channels?: number | undefined
  /**
   * Default: 10 for the paper's CIFAR networks, else 1000.
   */
  classes?: number | undefined
  /**
   * Default: as in `TrainConfig`.
   */
  batchSize?: 'auto' | number | undefined
  /**
   * Default: as in `TrainConfig`.
   */
  precision?: 'auto' | Precision | undefined
  /**
   * Default: as in `TrainConfig`.
   */
  device?: 'auto' | Device | undefined
  /**
   * Default: as in `TrainConfig`.
   */
  threads?: 'auto' | number | undefined
  /**
   * So many times each is measured, in turns. Default: 5.
   */
  rounds?: number | undefined
  /**
   * Seconds of a round, nearly: it ends with the step that it is in. Default: 1.
   */
  seconds?: number | undefined
}

/**
 * What `bench()` gives.
 */
export type BenchResult = {
  /**
   * The network's name.
   */
  arch: string
  imageSize: number
  channels: number
  classes: number
  batchSize: number
  precision: Precision
  device: Device
  threads: number
  /**
   * Trainable numbers of the network.
   */
  parameters: number
  /**
   * Multiply-adds of one image's forward pass.
   */
  macs: number
  /**
   * Whole updates: forward, loss, backward, step.
   */
  train: Throughput
  /**
   * Forward passes in evaluation mode.
   */
  predict: Throughput
}

/**
 * The best epoch.
 */
export type BestCheckpoint = {
  epoch: number
  /**
   * Validation accuracy; training accuracy where there is no validation part.
   */
  accuracy: number
  loss: number
  /**
   * Absolute.
   */
  checkpoint: string
}

/**
 * What an epoch reached on the validation part; on the training part where there is none.
 */
export type BestEpoch = { epoch: number; accuracy: number; loss: number }

/**
 * The layer of a bottleneck that halves the resolution.
 */
export type BottleneckStride = '3x3' | '1x1'

/**
 * How long to train; the first limit reached ends the run.
 */
export type BudgetConfig = {
  /**
   * Passes over the training images. Default, where nothing else is given: 30, and more
   * where there are few images; fewer for many that begin from weights.
   */
  epochs?: number | undefined
  /**
   * Updates of the weights.
   */
  steps?: number | undefined
  /**
   * Seconds of training, evaluation included.
   */
  seconds?: number | undefined
}

/**
 * Whether probabilities can be believed: of images recognised with 80 %, are 80 % right?
 */
export type Calibration = {
  /**
   * Expected calibration error (Guo et al. 2017, arXiv:1706.04599): the mean distance between
   * confidence and accuracy over the bins, weighted by their images. 0 to 1.
   */
  error: number
  /**
   * 15 of equal width: the points of a reliability diagram.
   */
  bins: Array<CalibrationBin>
}

/**
 * Images whose greatest probability lies in one range.
 */
export type CalibrationBin = {
  /**
   * The range, its lower end not included.
   */
  from: number
  to: number
  count: number
  /**
   * Mean of the greatest probability; 0 without images.
   */
  confidence: number
  /**
   * Share classified right; 0 without images.
   */
  accuracy: number
}

/**
 * What is kept besides the last and the best checkpoint.
 */
export type CheckpointConfig = {
  /**
   * Keep one every so many epochs as `epoch-0010.safetensors`; 0 for none. Default: 0.
   */
  everyEpochs?: number | undefined
  /**
   * Write `last.safetensors` also every so many steps; 0 for every epoch only. Default: 0.
   */
  everySteps?: number | undefined
}

/**
 * A checkpoint was written, synced and renamed.
 */
export type CheckpointEvent = {
  /**
   * `last`, `best` or `epoch`.
   */
  kind: CheckpointKind
  /**
   * Absolute.
   */
  path: string
  epoch: number
  step: number
}

/**
 * What a file of trained weights says of itself, beside its network.
 */
export type CheckpointInfo = {
  /**
   * Absolute.
   */
  file: string
  bytes: number
  /**
   * Class names, in the order of their indices.
   */
  classes: Array<string>
  /**
   * What is subtracted from each channel, of values in 0..1, and what it is then divided by.
   */
  mean: Array<number>
  std: Array<number>
  precision: Precision
  /**
   * What it was trained on, as it was named then; null for weights of others.
   */
  source: string | null
  /**
   * Whole epochs that it was trained for; 0 where the file does not say.
   */
  epoch: number
  /**
   * Updates; 0 where the file does not say.
   */
  step: number
  /**
   * The best epoch of its run until then; null where there was none.
   */
  best: BestEpoch | null
  /**
   * What was assumed of weights that do not say it, a sentence each; none for a checkpoint.
   */
  assumed: Array<string>
}

/**
 * Which checkpoint: the last one, the best one so far, or one that is kept of an epoch.
 */
export type CheckpointKind = 'last' | 'best' | 'epoch'

/**
 * CIFAR-100's label sets.
 */
export type CifarLabels = 'fine' | 'coarse'

/**
 * One class in an evaluation.
 */
export type ClassMetrics = {
  label: string
  /**
   * Share of the class's images that were recognised (recall), 0 to 1; 0 without images.
   */
  accuracy: number
  /**
   * Share of the images taken for this class that are of it, 0 to 1; 0 if none were.
   */
  precision: number
  /**
   * Harmonic mean of precision and recall.
   */
  f1: number
  /**
   * Images of this class (support).
   */
  count: number
  /**
   * Images taken for this class.
   */
  predicted: number
}

/**
 * How much each class counts in the loss.
 */
export type ClassWeightsConfig =
  | 'none'
  | 'balanced'
  | 'given'
  | { type: 'none' }
  | { type: 'balanced' }
  | ({ type: 'given' } & GivenClassWeightsConfig)

/**
 * Random colour.
 */
export type ColorConfig = 'none' | 'pca' | { type: 'none' } | ({ type: 'pca' } & PcaColorConfig)

/**
 * One class taken for another.
 */
export type ConfusedPair = {
  /**
   * What it is.
   */
  label: string
  /**
   * What it was taken for.
   */
  predicted: string
  count: number
  /**
   * Of the images of `label`, 0 to 1.
   */
  share: number
}

/**
 * Half a cosine from the optimizer's rate down to `minLr`, stepped at every update.
 */
export type CosineScheduleConfig = {
  /**
   * Default: 0.
   */
  minLr?: number | undefined
}

/**
 * How a training image gets its final size.
 */
export type CropConfig =
  | 'none'
  | 'pad'
  | 'random-resized'
  | 'random-short-side'
  | { type: 'none' }
  | ({ type: 'pad' } & PadCropConfig)
  | ({ type: 'random-resized' } & RandomResizedCropConfig)
  | ({ type: 'random-short-side' } & RandomShortSideCropConfig)

/**
 * A rectangle of another image in each (Yun et al. 2019).
 */
export type CutmixConfig = {
  /**
   * Of the Beta distribution that the rectangle's share is drawn from, once a batch.
   * Default: 1.
   */
  alpha?: number | undefined
}

/**
 * One square anywhere, also partly outside (DeVries & Taylor 2017).
 */
export type CutoutConfig = {
  /**
   * Side in pixels. Default: half of `data.imageSize`.
   */
  size?: 'auto' | number | undefined
}

/**
 * Where the images come from.
 */
export type DataConfig = {
  /**
   * A data set's name (`fashion-mnist-mini`) or a path (`./photos`).
   */
  source?: string | undefined
  /**
   * The layout on disk; found by looking when left out.
   */
  format?: 'auto' | DataFormat | undefined
  /**
   * The share of the training images held back for validation, 0 to 0.5, or, from 1 on,
   * their number (up to half). Split by class, seeded, and only where the data set has no
   * validation part of its own. Default: 0.1, or 0 where the data set has one.
   */
  validation?: 'auto' | number | undefined
  /**
   * 3 (RGB) or 1 (grey). Default: what the images are.
   */
  channels?: 'auto' | number | undefined
  /**
   * Height and width, in pixels, that the network sees. Default: 224, or about the images'
   * own where those are smaller; 128 for fewer than 5,000 photographs without weights to
   * begin from.
   */
  imageSize?: 'auto' | number | undefined
  /**
   * Which of CIFAR-100's two label sets. Default: `fine`.
   */
  labels?: CifarLabels | undefined
  /**
   * Draw training images so that every class is equally frequent, rare ones repeatedly; an
   * epoch has as many images as without. Default: false, each image once an epoch.
   */
  balanced?: boolean | undefined
  /**
   * Train on only so many images, of every class in proportion, chosen by seed; what is
   * validated and tested on stays. For trying things out.
   */
  limit?: number | undefined
  /**
   * Decides which images are held back for validation and which `limit` keeps. Default:
   * `seed`. Give it to compare seeds on the same images.
   */
  splitSeed?: number | undefined
  /**
   * The hash that the training images must have; others are refused. Written down for images
   * in memory, which have no place to be found in.
   */
  fingerprint?: string | undefined
  /**
   * Images to train on, their height, width and channels, likewise.
   */
  shape?: Array<number> | undefined
}

/**
 * Layout of a data set on disk.
 */
export type DataFormat =
  | 'image-folder'
  | 'idx'
  | 'cifar-binary'
  | 'cifar-python'
  | 'manifest'
  | 'webdataset'
  | 'arrays'

/**
 * What reading a data set's files told about it.
 */
export type DatasetInfo = {
  /**
   * As the user named it.
   */
  source: string
  format: DataFormat
  /**
   * Class names, in the order of their indices.
   */
  classes: Array<string>
  /**
   * Channels that the images have (3 when mixed).
   */
  channels: number
  /**
   * Height and width, where all images share them.
   */
  imageSize: [number, number] | null
  /**
   * The shorter side of the image in the middle, all ordered by it; null where nobody looked.
   */
  medianShortSide: number | null
  /**
   * Images by part, before any split.
   */
  train: number
  val: number
  test: number
  /**
   * Mean of each channel over the training images, of values in 0..1; null where finding out
   * would mean decoding them all.
   */
  mean: Array<number> | null
  /**
   * Standard deviation of each channel, likewise.
   */
  std: Array<number> | null
  /**
   * Whether a mirrored image is still a picture of its class (digits are not).
   */
  flipPreservesLabel: boolean
  /**
   * Bytes that the training and validation images take when they are decoded; null where they are
   * in memory anyway.
   */
  decodedBytes: number | null
  /**
   * A hash of the training part's labels and names or bytes; tells two data sets apart.
   */
  fingerprint: string
}

/**
 * Where tensors live.
 */
export type Device = 'cpu' | 'cuda'

/**
 * End a run that does not improve any more.
 */
export type EarlyStoppingConfig = {
  /**
   * Epochs without improvement that are let pass. Default: 10.
   */
  patience?: number | undefined
  /**
   * How much better counts as better, in the metric's own unit. Default: 0.
   */
  minDelta?: number | undefined
  /**
   * What is watched. Default: `monitor`.
   */
  metric?: 'auto' | Metric | undefined
}

/**
 * An exponential moving average of the weights, which is what is evaluated and kept.
 */
export type EmaConfig = {
  /**
   * What an update keeps of the average; 0 for none. Default: 0.
   */
  decay?: number | undefined
}

/**
 * The run ended; nothing follows.
 */
export type EndEvent = { result: TrainResult }

/**
 * What `experiment.ensemble()` gives.
 */
export type EnsembleEvaluation = {
  /**
   * Of the mean of the members' probabilities.
   */
  ensemble: Evaluation
  /**
   * Each alone, in the order in which they were given.
   */
  members: Array<Evaluation>
}

/**
 * A whole pass over the training images, validated.
 */
export type EpochEvent = {
  /**
   * From 1.
   */
  epoch: number
  /**
   * Updates since the beginning.
   */
  step: number
  /**
   * The rate of the epoch's last update.
   */
  lr: number
  /**
   * Means over the epoch, in training mode on augmented images.
   */
  train: Metrics
  /**
   * In evaluation mode on unaugmented images; null without a validation part.
   */
  val: Metrics | null
  /**
   * The best so far, by `monitor`.
   */
  best: boolean
  /**
   * Training throughput over the epoch, evaluation not counted.
   */
  imagesPerSecond: number
  /**
   * Of training, evaluation included, since the beginning.
   */
  seconds: number
}

/**
 * Random holes, filled with the mean colour.
 */
export type EraseConfig =
  | 'none'
  | 'cutout'
  | 'random-erasing'
  | { type: 'none' }
  | ({ type: 'cutout' } & CutoutConfig)
  | ({ type: 'random-erasing' } & RandomErasingConfig)

/**
 * What went wrong, for programs. The set is closed: adding a code is an API change.
 */
export type ErrorCode =
  | 'E_CONFIG'
  | 'E_UNKNOWN_KEY'
  | 'E_USAGE'
  | 'E_DATA_NOT_FOUND'
  | 'E_DATA_UNUSABLE'
  | 'E_DATA_FORMAT'
  | 'E_IMAGE'
  | 'E_DOWNLOAD'
  | 'E_OUT_EXISTS'
  | 'E_OUT_IN_USE'
  | 'E_PORT'
  | 'E_WRITE'
  | 'E_IO'
  | 'E_CHECKPOINT'
  | 'E_MISMATCH'
  | 'E_DIVERGED'
  | 'E_ABORTED'
  | 'E_CLOSED'
  | 'E_LIBTORCH'
  | 'E_PLATFORM'
  | 'E_DEVICE'
  | 'E_MEMORY'
  | 'E_TORCH'
  | 'E_INTERNAL'

/**
 * Where it went wrong. Every part is optional; `key` is a configuration path
 * (`optimizer.lr`, `schedule.milestones[1]`).
 */
export type ErrorLocation = {
  key?: string | undefined
  file?: string | undefined
  line?: number | undefined
}

/**
 * What to evaluate a model on.
 */
export type EvaluateConfig = {
  /**
   * A data set, as in `TrainConfig`. Default: the one that the model was trained on.
   */
  data?: string | DataConfig | undefined
  /**
   * Default: test, or val, or train: the first that there is.
   */
  split?: Split | undefined
  /**
   * Images at a time. Default: that of the training.
   */
  batchSize?: number | undefined
  /**
   * What of an image the network sees. Default: `center`.
   */
  crops?: TestCrops | undefined
  /**
   * The short sides of `multi-scale`, in pixels. Default: [224, 256, 384, 480, 640].
   */
  scales?: Array<number> | undefined
  /**
   * So many of the images with the highest losses are named. Default: 0.
   */
  topLosses?: number | undefined
  /**
   * So many of the images, spread evenly, are named with what they were taken for.
   * Default: 0.
   */
  samples?: number | undefined
  /**
   * Give the pixels of those images too, as squares of so many pixels a side, 8 to 256.
   * Default: no pixels.
   */
  thumbnails?: number | undefined
}

/**
 * One image in an evaluation.
 */
export type EvaluatedImage = {
  /**
   * Its index in its part of the data set.
   */
  index: number
  /**
   * Its file, or part and index (`test/12`) where it is in no file of its own.
   */
  name: string
  /**
   * What it is.
   */
  label: string
  /**
   * What it was taken for.
   */
  predicted: string
  /**
   * Of `predicted`, 0 to 1.
   */
  probability: number
  /**
   * Cross-entropy, in nats.
   */
  loss: number
  /**
   * Its pixels, where `thumbnails` asked for them.
   */
  thumbnail?: Thumbnail | undefined
}

/**
 * What `evaluate()` gives.
 */
export type Evaluation = {
  /**
   * Mean cross-entropy, in nats.
   */
  loss: number
  /**
   * Share of images classified right, 0 to 1.
   */
  accuracy: number
  /**
   * Share of images whose class is among the five most probable.
   */
  top5: number
  /**
   * Images measured.
   */
  count: number
  classes: Array<ClassMetrics>
  /**
   * `confusion[i][j]`: images of class i that were taken for class j. Empty for more than 1,000
   * classes, where it would have millions of numbers.
   */
  confusion: Array<Array<number>>
  /**
   * The pairs of classes confused most often, at most 10.
   */
  mostConfused: Array<ConfusedPair>
  calibration: Calibration
  /**
   * The images with the highest losses, as many as `topLosses` asked for.
   */
  topLosses: Array<EvaluatedImage>
  /**
   * Images spread evenly over the part, as many as `samples` asked for.
   */
  samples: Array<EvaluatedImage>
  /**
   * Images that could not be read, and are not in `count`.
   */
  broken: number
  /**
   * One for each of them; the first 100.
   */
  warnings: Array<WarningEvent>
  imagesPerSecond: number
}

/**
 * What goes into an exported file beside the network; both are for ONNX only.
 */
export type ExportConfig = {
  /**
   * End in probabilities instead of logits. Default: false.
   */
  softmax?: boolean | undefined
  /**
   * Take pixels from 0 to 1 instead of normalised ones. Default: false.
   */
  normalization?: boolean | undefined
}

/**
 * The rates that `findLr()` tries.
 */
export type FindLrConfig = {
  /**
   * Learning rate of the first update. Default: 1e-7.
   */
  startLr?: number | undefined
  /**
   * Learning rate of the last update. Default: 10.
   */
  endLr?: number | undefined
  /**
   * Number of updates, 10 to 100,000. Default: 100.
   */
  steps?: number | undefined
}

/**
 * As given.
 */
export type GivenClassWeightsConfig = {
  /**
   * One a class, in the order of the classes.
   */
  weights?: Array<number> | undefined
}

/**
 * What happens to gradients before an update.
 */
export type GradientConfig = {
  /**
   * Scale all gradients so that their common norm is at most this
   * (`clip_grad_norm_`).
   */
  clipNorm?: number | undefined
  /**
   * Cut every number to at most this size (`clip_grad_value_`).
   */
  clipValue?: number | undefined
  /**
   * Batches whose gradients are averaged for one update. Default: 1.
   */
  accumulate?: number | undefined
}

/**
 * A network to look at, and what it is to look at in turn.
 */
export type InspectConfig = {
  /**
   * A name, or an object that says more.
   */
  model?: string | ModelConfig | undefined
  /**
   * Default: 3.
   */
  channels?: number | undefined
  /**
   * Height and width. Default: 32 for the paper's CIFAR networks, else 224.
   */
  imageSize?: number | undefined
  /**
   * Default: 10 for the paper's CIFAR networks, else 1000.
   */
  classes?: number | undefined
}

/**
 * What `inspect()` gives.
 */
export type Inspection = {
  name: string
  /**
   * Channels, height, width.
   */
  input: [number, number, number]
  classes: number
  /**
   * Trainable numbers.
   */
  parameters: number
  /**
   * Multiply-adds of one image's forward pass: convolutions and linear layers, as the paper
   * counts.
   */
  macs: number
  layers: Array<LayerRow>
  /**
   * The layers within one another, as PyTorch's `print(net)` has them.
   */
  tree: string
  /**
   * `tree` beside each layer's output, parameters and multiply-adds, and the sums: what
   * `residual inspect --tree` prints.
   */
  text: string
  /**
   * One line a layer: what `residual inspect --table` prints.
   */
  table: string
  /**
   * What the file says that was looked at, where it was one.
   */
  checkpoint?: CheckpointInfo | undefined
}

/**
 * A class and how probable it is.
 */
export type LabelProbability = {
  label: string
  index: number
  /**
   * 0 to 1.
   */
  probability: number
}

/**
 * Layer-wise adaptive rates, for large batches (You et al. 2017).
 */
export type LarsConfig = {
  /**
   * Learning rate. Default: 0.1.
   */
  lr?: number | undefined
  /**
   * Default: 0.9.
   */
  momentum?: number | undefined
  /**
   * Default: 5e-4.
   */
  weightDecay?: number | undefined
  /**
   * The paper's eta. Default: 0.001.
   */
  trustCoefficient?: number | undefined
  /**
   * Default: 1e-8.
   */
  eps?: number | undefined
  /**
   * Apply weight decay and the layer-wise rate to norms and biases too. Default: false.
   */
  decayNorms?: boolean | undefined
}

/**
 * How strongly a layer answers (the paper's figure 7).
 */
export type LayerResponse = {
  /**
   * A 3x3 convolution: `layer1.0.conv1`.
   */
  name: string
  /**
   * The standard deviation, over all images, channels and places, of what leaves its batch
   * normalisation (the convolution itself, where none follows), before ReLU and addition.
   */
  std: number
}

/**
 * One layer.
 */
export type LayerRow = {
  /**
   * As in `state_dict`: `layer1.0.conv1`.
   */
  name: string
  /**
   * PyTorch's class and what tells it from its like: `Conv2d 3x3, stride 2`.
   */
  kind: string
  /**
   * Channels, height, width of the output; features, for a linear layer.
   */
  output: Array<number>
  parameters: number
  macs: number
}

/**
 * In a line from the optimizer's rate to `endFactor` of it, stepped at every update
 * (`LinearLR` over the whole budget).
 */
export type LinearScheduleConfig = {
  /**
   * Default: 0.
   */
  endFactor?: number | undefined
}

/**
 * What a file with nothing but weights does not say of itself. Every part has a default, which
 * the model's `info.assumed` tells.
 */
export type LoadConfig = {
  /**
   * The network. Default: found by the names and shapes of the tensors.
   */
  model?: string | ModelConfig | undefined
  /**
   * Names of the classes, in the order of their indices. Default: CIFAR-10's for ten classes
   * behind a CIFAR stem, else `class 0`, `class 1`, ...
   */
  classes?: Array<string> | undefined
  /**
   * Height and width that the network sees. Default: 32 with a CIFAR stem, else 224.
   */
  imageSize?: number | undefined
  /**
   * How images are prepared: `mean`, `std`, `evalResize`. Default: ImageNet's constants.
   */
  transform?: TransformConfig | undefined
  /**
   * Default: fp32.
   */
  precision?: Precision | undefined
  /**
   * Default: CUDA where it can be used, else the CPU.
   */
  device?: Device | undefined
}

/**
 * What is written down.
 */
export type LogConfig = {
  /**
   * A line in metrics.jsonl every so many steps. Default: 10.
   */
  everySteps?: number | undefined
}

/**
 * What is minimised: cross-entropy.
 */
export type LossConfig = {
  /**
   * The share of the target that is spread over all classes (Szegedy et al. 2015).
   * Default: 0.
   */
  labelSmoothing?: number | undefined
  /**
   * How much each class counts. Default: `none`, all the same.
   */
  classWeights?: ClassWeightsConfig | undefined
}

/**
 * What `findLr()` gives.
 */
export type LrFinderResult = {
  /**
   * By rising rate.
   */
  points: Array<LrPoint>
  /**
   * The loss burst before the highest rate.
   */
  diverged: boolean
  /**
   * The rate to begin with; null if the loss did not fall.
   */
  suggestion: number | null
  reason: string
  /**
   * All rates that may be meant, that suggested first.
   */
  suggestions: Array<LrSuggestion>
}

/**
 * One update of the range test.
 */
export type LrPoint = {
  /**
   * The rate of this update.
   */
  lr: number
  /**
   * Mean loss of its images, before it.
   */
  loss: number
  /**
   * The same, averaged over the updates so far.
   */
  smoothed: number
}

/**
 * A rate to train with, and why.
 */
export type LrSuggestion = {
  /**
   * `minimum/10` or `steepest`.
   */
  name: string
  lr: number
  reason: string
}

/**
 * Memory for training, computed from the shapes of the network's tensors, in bytes; and what this
 * process really took.
 */
export type MemoryEstimate = {
  /**
   * Weights and running statistics, and their moving average if there is one.
   */
  weights: number
  gradients: number
  /**
   * The update rule's state.
   */
  optimizer: number
  /**
   * What the forward pass keeps of a batch for the backward pass: what leaves each convolution,
   * and each normalisation.
   */
  activations: number
  /**
   * Batches that the workers make ahead.
   */
  batches: number
  /**
   * Decoded images that are kept (`cache`), at full size, or that lie on the device (`augmentOn`).
   */
  images: number
  total: number
  /**
   * The most that this process ever had in memory, JavaScript and libtorch included, after the
   * steps that were measured; null where none were, or the system does not tell.
   */
  measured: number | null
}

/**
 * The order of an image's numbers in memory.
 */
export type MemoryFormat = 'channels_last' | 'contiguous'

/**
 * A number that every epoch ends with.
 */
export type Metric = 'train.loss' | 'train.accuracy' | 'val.loss' | 'val.accuracy'

/**
 * Loss and accuracy over a number of images.
 */
export type Metrics = {
  /**
   * Mean cross-entropy, in nats.
   */
  loss: number
  /**
   * Share of images classified right, 0 to 1.
   */
  accuracy: number
  /**
   * Images counted.
   */
  count: number
}

/**
 * Training on mixtures of two images.
 */
export type MixConfig =
  | 'none'
  | 'mixup'
  | 'cutmix'
  | { type: 'none' }
  | ({ type: 'mixup' } & MixupConfig)
  | ({ type: 'cutmix' } & CutmixConfig)

/**
 * Weighted sums of two images and of their losses (Zhang et al. 2017).
 */
export type MixupConfig = {
  /**
   * Of the Beta distribution that the weight is drawn from, once a batch. Default: 0.2.
   */
  alpha?: number | undefined
}

/**
 * The network.
 */
export type ModelConfig = {
  /**
   * For photographs `resnet18`, `resnet34`, `resnet50`, `resnet101`, `resnet152`; for small
   * images the paper's CIFAR networks `resnet{6n+2}`: `resnet20`, `resnet56`, ... Likewise
   * `plain...` without shortcuts and `preresnet...` with pre-activation. `resnext50_32x4d`,
   * `wide_resnet50_2`, `wrn28_10`, `vgg16`, `vgg16_bn` and their like.
   */
  arch?: 'auto' | string | undefined
  /**
   * `cifar`: 3x3 stride 1, no pooling. `imagenet`: 7x7 stride 2 and 3x3 max pooling.
   */
  stem?: 'auto' | Stem | undefined
  /**
   * The paper's shortcut options. Default: A for its CIFAR networks, else B; none for plain
   * networks.
   */
  shortcut?: 'auto' | Shortcut | undefined
  /**
   * Start the last batch-norm of every block at zero (Goyal et al. 2017).
   */
  zeroInitResidual?: boolean | undefined
  /**
   * The layer of a bottleneck that halves the resolution. Default: `3x3`.
   */
  bottleneckStride?: BottleneckStride | undefined
  /**
   * Weights to begin with: a file (.safetensors, .pth, .pt, .th), a run folder, `imagenet`
   * for the ones that torchvision published, or `none`. A head for other classes begins
   * anew. Default: `imagenet` for a folder of fewer than 50,000 training photographs, where
   * the file is here or can be fetched; else `none`.
   */
  weights?: 'auto' | string | undefined
  /**
   * The SHA-256 of that file: written down by a run, and checked where it is given.
   */
  weightsSha256?: string | undefined
  /**
   * Layers that are not trained, by the beginning of their names (`conv1`, `layer1`);
   * `backbone` is all but the head. Their normalisation uses its running statistics.
   */
  freeze?: Array<string> | undefined
}

/**
 * What a model is.
 */
export type ModelInfo = {
  arch: string
  /**
   * Class names, in the order of their indices.
   */
  classes: Array<string>
  channels: number
  /**
   * Height and width that the network sees.
   */
  imageSize: number
  /**
   * Trainable numbers.
   */
  parameters: number
  /**
   * The file that it was read from, absolute.
   */
  checkpoint: string
  /**
   * Whole epochs that it was trained for; 0 where the file does not say.
   */
  epoch: number
  /**
   * What was assumed of weights that do not say it, a sentence each; none for a checkpoint.
   */
  assumed: Array<string>
}

/**
 * Multiply the rate by `gamma` at each milestone (`MultiStepLR`).
 */
export type MultiStepScheduleConfig = {
  /**
   * Epochs or steps, as `unit` says, after which the rate is cut. Default: half and three
   * quarters of the budget.
   */
  milestones?: 'auto' | Array<number> | undefined
  /**
   * Default: 0.1.
   */
  gamma?: number | undefined
  /**
   * Default: `epoch`.
   */
  unit?: ScheduleUnit | undefined
}

/**
 * Up to the optimizer's rate and down to almost nothing (Smith 2017, `OneCycleLR`).
 */
export type OneCycleScheduleConfig = {
  /**
   * Share of the budget that the rise takes. Default: 0.3.
   */
  pctStart?: number | undefined
  /**
   * It begins at the optimizer's rate divided by this. Default: 25.
   */
  divFactor?: number | undefined
  /**
   * It ends at the beginning's rate divided by this. Default: 10000.
   */
  finalDivFactor?: number | undefined
  /**
   * Default: `cos`.
   */
  annealStrategy?: AnnealStrategy | undefined
}

/**
 * The update rule.
 */
export type OptimizerConfig =
  | 'sgd'
  | 'adam'
  | 'adamw'
  | 'lars'
  | ({ type: 'sgd' } & SgdConfig)
  | ({ type: 'adam' } & AdamConfig)
  | ({ type: 'adamw' } & AdamConfig)
  | ({ type: 'lars' } & LarsConfig)

/**
 * Zero padding on each side, then a random crop (He et al. 2015, section 4.2).
 */
export type PadCropConfig = {
  /**
   * Pixels added on each side. Default: 4.
   */
  padding?: number | undefined
}

/**
 * Shifts along the principal components of ImageNet's colours (Krizhevsky et al. 2012,
 * section 4.1; used by the paper, section 3.4).
 */
export type PcaColorConfig = {
  /**
   * Standard deviation of the shifts. Default: 0.1.
   */
  std?: number | undefined
}

/**
 * What `plan()` gives: a run as it would be. Nothing was written.
 */
export type Plan = {
  /**
   * The run folder that it would have, absolute.
   */
  dir: string
  config: ResolvedConfig
  data: DatasetInfo
  /**
   * Images trained on in an epoch, after the validation split.
   */
  trainImages: number
  valImages: number
  testImages: number
  /**
   * Trainable numbers of the network.
   */
  parameters: number
  /**
   * Multiply-adds of one image's forward pass.
   */
  macs: number
  stepsPerEpoch: number
  /**
   * Where the budget is known in steps or epochs.
   */
  totalSteps: number | null
  /**
   * Steps already done, in a run that would be resumed.
   */
  startStep: number
  /**
   * What would be warned of at the beginning.
   */
  warnings: Array<WarningEvent>
  memory: MemoryEstimate
  /**
   * Null where nothing was measured: it was not wanted, or no step could be made.
   */
  time: TimeEstimate | null
}

/**
 * What `plan()` finds out.
 */
export type PlanConfig = {
  /**
   * Make some updates on a network that is thrown away, for the time that they take: three
   * seconds, and two updates at least. Default: true.
   */
  measure?: boolean | undefined
}

/**
 * Multiply the rate by `factor` once the metric stopped improving (`ReduceLROnPlateau`).
 */
export type PlateauScheduleConfig = {
  /**
   * Default: 0.1.
   */
  factor?: number | undefined
  /**
   * How much better counts as better. Default: 1e-4.
   */
  threshold?: number | undefined
  /**
   * `rel`: a share of the best; `abs`: in the metric's own unit. Default: `rel`.
   */
  thresholdMode?: ThresholdMode | undefined
  /**
   * Epochs without improvement that are let pass. Default: 10.
   */
  patience?: number | undefined
  /**
   * Epochs after a cut in which none is counted. Default: 0.
   */
  cooldown?: number | undefined
  /**
   * Default: 0.
   */
  minLr?: number | undefined
  /**
   * What is watched. Default: the validation loss, where there is a validation part.
   */
  metric?: 'auto' | Metric | undefined
}

/**
 * Random operations on the whole picture.
 */
export type PolicyConfig =
  | 'none'
  | 'randaugment'
  | 'trivialaugment'
  | { type: 'none' }
  | ({ type: 'randaugment' } & RandAugmentConfig)
  | { type: 'trivialaugment' }

/**
 * `(1 - progress) ^ power` of the optimizer's rate, stepped at every update
 * (`PolynomialLR` over the whole budget).
 */
export type PolynomialScheduleConfig = {
  /**
   * Default: 1.
   */
  power?: number | undefined
}

/**
 * The arithmetic of forward and backward; weights and updates are kept in fp32 (fp64 in
 * `fp64`).
 */
export type Precision = 'fp32' | 'bf16' | 'fp16' | 'fp64'

/**
 * How a model is asked what is on an image.
 */
export type PredictConfig = {
  /**
   * How many classes to name, best first. Default: 5.
   */
  top?: number | undefined
  /**
   * Test-time augmentation: what of an image the network sees, where that is more than its
   * centre. The probabilities are averaged. Default: `center`.
   */
  crops?: TestCrops | undefined
  /**
   * The short sides of `multi-scale`, in pixels. Default: [224, 256, 384, 480, 640].
   */
  scales?: Array<number> | undefined
  /**
   * Give the image back too, no side longer than so many pixels, 8 to 256. Default: no
   * image.
   */
  thumbnails?: number | undefined
}

/**
 * What the network takes an image for.
 */
export type Prediction = {
  label: string
  index: number
  /**
   * 0 to 1.
   */
  probability: number
  /**
   * The most probable classes, best first.
   */
  top: Array<LabelProbability>
  /**
   * The image, where `thumbnails` asked for it.
   */
  thumbnail?: Thumbnail | undefined
}

/**
 * Which images of a data set to show.
 */
export type PreviewConfig = {
  /**
   * A data set, as in `TrainConfig`: its parts are those of a run, `limit` and
   * `validation` and all.
   */
  data?: string | DataConfig | undefined
  /**
   * Default: train.
   */
  split?: Split | undefined
  /**
   * How many, up to 1000. Default: 40, or 8 of each class and 200 at most.
   */
  count?: number | undefined
  /**
   * Default: `random`.
   */
  order?: PreviewOrder | undefined
  /**
   * Chooses the images, what is random in their augmentation, and, without
   * `data.splitSeed`, which are held back for validation. Default: 0.
   */
  seed?: number | undefined
  /**
   * As training sees them, transformed at random. Default: false.
   */
  augmented?: boolean | undefined
  /**
   * As in `TrainConfig`; for augmented images.
   */
  transform?: TransformConfig | undefined
}

/**
 * Which images are shown, and in which order.
 */
export type PreviewOrder = 'random' | 'by-class'

/**
 * Several operations of one strength (Cubuk et al. 2019; torchvision's `RandAugment`).
 */
export type RandAugmentConfig = {
  /**
   * Operations on each image, one after another. Default: 2.
   */
  numOps?: number | undefined
  /**
   * Strength, 0 to 30. Default: 9.
   */
  magnitude?: number | undefined
}

/**
 * One rectangle within the image (Zhong et al. 2017; torchvision's `RandomErasing`).
 */
export type RandomErasingConfig = {
  /**
   * Share of the images that get one. Default: 0.25.
   */
  probability?: number | undefined
  /**
   * Smallest and largest share of the area. Default: [0.02, 1/3].
   */
  scale?: Array<number> | undefined
  /**
   * Narrowest and widest aspect ratio. Default: [0.3, 3.3].
   */
  ratio?: Array<number> | undefined
}

/**
 * A random part of the image, resized (torchvision's `RandomResizedCrop`).
 */
export type RandomResizedCropConfig = {
  /**
   * Smallest and largest share of the area. Default: [0.08, 1].
   */
  scale?: Array<number> | undefined
  /**
   * Narrowest and widest aspect ratio. Default: [3/4, 4/3].
   */
  ratio?: Array<number> | undefined
}

/**
 * The short side resized to a random length, then a random crop (the paper's scale
 * augmentation, section 3.4, after Simonyan & Zisserman 2014).
 */
export type RandomShortSideCropConfig = {
  /**
   * Pixels. Default: 256.
   */
  min?: number | undefined
  /**
   * Pixels. Default: 480.
   */
  max?: number | undefined
}

/**
 * Adam (Kingma & Ba 2014) in PyTorch's form (`torch.optim.Adam`), and with decoupled weight
 * decay (Loshchilov & Hutter 2017, `torch.optim.AdamW`).
 */
export type ResolvedAdam = {
  /**
   * Learning rate. Default: 1e-3; 1e-4 where training begins from weights.
   */
  lr: number
  /**
   * Decay of the two moments. Default: [0.9, 0.999].
   */
  betas: [number, number]
  /**
   * Default: 1e-8.
   */
  eps: number
  /**
   * Default: 0 for `adam`, 0.01 for `adamw`.
   */
  weightDecay: number
  /**
   * Apply the weight decay to norms and biases too. Default: true.
   */
  decayNorms: boolean
}

/**
 * How long to train; the first limit reached ends the run.
 */
export type ResolvedBudget = {
  /**
   * Passes over the training images. Default, where nothing else is given: 30, and more
   * where there are few images; fewer for many that begin from weights.
   */
  epochs: number | null
  /**
   * Updates of the weights.
   */
  steps: number | null
  /**
   * Seconds of training, evaluation included.
   */
  seconds: number | null
}

/**
 * What is kept besides the last and the best checkpoint.
 */
export type ResolvedCheckpoint = {
  /**
   * Keep one every so many epochs as `epoch-0010.safetensors`; 0 for none. Default: 0.
   */
  everyEpochs: number
  /**
   * Write `last.safetensors` also every so many steps; 0 for every epoch only. Default: 0.
   */
  everySteps: number
}

/**
 * How much each class counts in the loss.
 */
export type ResolvedClassWeights =
  | { type: 'none' }
  | { type: 'balanced' }
  | ({ type: 'given' } & ResolvedGivenClassWeights)

/**
 * Random colour.
 */
export type ResolvedColor = { type: 'none' } | ({ type: 'pca' } & ResolvedPcaColor)

/**
 * Everything about a run. Only `data` is required.
 */
export type ResolvedConfig = {
  /**
   * The images: a path or a name, or an object that says more.
   */
  data: ResolvedData
  /**
   * Resizing, augmentation, normalisation.
   */
  transform: ResolvedTransform
  /**
   * The network: a name, or an object that says more.
   */
  model: ResolvedModel
  /**
   * Passes over the training images; the same as `budget.epochs`.
   */
  epochs: number | null
  /**
   * How long to train.
   */
  budget: ResolvedBudget
  /**
   * Images in a step, 2 or more. Default: 128, or 32 for images of more than 96 pixels; fewer
   * where an epoch would have less than 8 steps, or where memory would not do.
   */
  batchSize: number
  /**
   * The update rule. Default: SGD.
   */
  optimizer: ResolvedOptimizer
  /**
   * The learning rate's way. Default: cosine.
   */
  schedule: ResolvedSchedule
  /**
   * A linear rise before it. Default: none, or an epoch where training begins from weights.
   */
  warmup: ResolvedWarmup
  /**
   * What is minimised.
   */
  loss: ResolvedLoss
  /**
   * Clipping and accumulation.
   */
  gradient: ResolvedGradient
  /**
   * A moving average of the weights.
   */
  ema: ResolvedEma
  /**
   * End when nothing improves. Default: never.
   */
  earlyStopping: ResolvedEarlyStopping | null
  /**
   * Default: bf16 where the device is faster with it (a CPU with AMX, or with AVX512_BF16 on AMD;
   * a card of compute capability 8.0 or more), else fp32.
   */
  precision: Precision
  /**
   * Default: CUDA where it can be used, else the CPU.
   */
  device: Device
  /**
   * Default: channels_last, which is the faster one for convolutions.
   */
  memoryFormat: MemoryFormat
  /**
   * Decides weights, order and augmentation: the same seed and threads give the same bits.
   * Default: 0.
   */
  seed: number
  /**
   * Threads for the arithmetic, up to 1024. Default: one a physical core.
   */
  threads: number
  /**
   * Threads for loading images, up to 1024. Default: one a physical core.
   */
  workers: number
  /**
   * Decoded images of files are kept in memory from one epoch to the next while they take no
   * more than so many MB (2^20 bytes); 0 keeps none. The numbers are the same. Default: what
   * the training and validation images take, up to a quarter of the memory that is free; 0
   * where nothing is read twice.
   */
  cache: number
  /**
   * Where training and validation images are cropped, mirrored and normalised. The numbers are
   * the same. Default: on a card, where all of them are in memory at `data.imageSize`, nothing
   * else is done to them, and they take no more than a quarter of its free memory; else by the
   * workers.
   */
  augmentOn: AugmentOn
  /**
   * The share of a card's memory that this process may take, more than 0 and up to 1; beyond it is as
   * if the card were full. It holds until another run says otherwise, and means nothing on the
   * CPU. Default: all of it.
   */
  memoryFraction: number | null
  /**
   * On CUDA, gives the device a whole training step at once (a CUDA graph), where batches are of one
   * shape. It means nothing on the CPU. Where it cannot be done (`lars`, `ema`, dropout,
   * `gradient.accumulate`), a warning says so. Default: false.
   */
  cudaGraphs: boolean
  /**
   * What makes a checkpoint the best. Default: `val.accuracy`, or `train.loss` where there
   * is no validation part. Never test data.
   */
  monitor: Metric
  /**
   * What is kept.
   */
  checkpoint: ResolvedCheckpoint
  /**
   * What is written down.
   */
  log: ResolvedLog
  /**
   * The run folder. Default: `runs/<data>-<model>`, numbered if taken.
   */
  out: string
  /**
   * Replace a finished run in `out`. Default: false.
   */
  overwrite: boolean
  /**
   * A run folder or checkpoint to go on from, in its own folder.
   */
  resume: string | null
  /**
   * A published way to train, by name (`notebook`) or as a file (`./mine.yaml`): what is not
   * said here is set as it says.
   */
  recipe: string | null
  /**
   * Why each `auto` became what it did, by key.
   */
  reasons: { [key in string]: string }
}

/**
 * Half a cosine from the optimizer's rate down to `minLr`, stepped at every update.
 */
export type ResolvedCosineSchedule = {
  /**
   * Default: 0.
   */
  minLr: number
}

/**
 * How a training image gets its final size.
 */
export type ResolvedCrop =
  | { type: 'none' }
  | ({ type: 'pad' } & ResolvedPadCrop)
  | ({ type: 'random-resized' } & ResolvedRandomResizedCrop)
  | ({ type: 'random-short-side' } & ResolvedRandomShortSideCrop)

/**
 * A rectangle of another image in each (Yun et al. 2019).
 */
export type ResolvedCutmix = {
  /**
   * Of the Beta distribution that the rectangle's share is drawn from, once a batch.
   * Default: 1.
   */
  alpha: number
}

/**
 * One square anywhere, also partly outside (DeVries & Taylor 2017).
 */
export type ResolvedCutout = {
  /**
   * Side in pixels. Default: half of `data.imageSize`.
   */
  size: number
}

/**
 * Where the images come from.
 */
export type ResolvedData = {
  /**
   * A data set's name (`fashion-mnist-mini`) or a path (`./photos`).
   */
  source: string
  /**
   * The layout on disk; found by looking when left out.
   */
  format: DataFormat
  /**
   * The share of the training images held back for validation, 0 to 0.5, or, from 1 on,
   * their number (up to half). Split by class, seeded, and only where the data set has no
   * validation part of its own. Default: 0.1, or 0 where the data set has one.
   */
  validation: number
  /**
   * 3 (RGB) or 1 (grey). Default: what the images are.
   */
  channels: number
  /**
   * Height and width, in pixels, that the network sees. Default: 224, or about the images'
   * own where those are smaller; 128 for fewer than 5,000 photographs without weights to
   * begin from.
   */
  imageSize: number
  /**
   * Which of CIFAR-100's two label sets. Default: `fine`.
   */
  labels: CifarLabels
  /**
   * Draw training images so that every class is equally frequent, rare ones repeatedly; an
   * epoch has as many images as without. Default: false, each image once an epoch.
   */
  balanced: boolean
  /**
   * Train on only so many images, of every class in proportion, chosen by seed; what is
   * validated and tested on stays. For trying things out.
   */
  limit: number | null
  /**
   * Decides which images are held back for validation and which `limit` keeps. Default:
   * `seed`. Give it to compare seeds on the same images.
   */
  splitSeed: number
  /**
   * The hash that the training images must have; others are refused. Written down for images
   * in memory, which have no place to be found in.
   */
  fingerprint: string | null
  /**
   * Images to train on, their height, width and channels, likewise.
   */
  shape: Array<number> | null
}

/**
 * End a run that does not improve any more.
 */
export type ResolvedEarlyStopping = {
  /**
   * Epochs without improvement that are let pass. Default: 10.
   */
  patience: number
  /**
   * How much better counts as better, in the metric's own unit. Default: 0.
   */
  minDelta: number
  /**
   * What is watched. Default: `monitor`.
   */
  metric: Metric
}

/**
 * An exponential moving average of the weights, which is what is evaluated and kept.
 */
export type ResolvedEma = {
  /**
   * What an update keeps of the average; 0 for none. Default: 0.
   */
  decay: number
}

/**
 * Random holes, filled with the mean colour.
 */
export type ResolvedErase =
  | { type: 'none' }
  | ({ type: 'cutout' } & ResolvedCutout)
  | ({ type: 'random-erasing' } & ResolvedRandomErasing)

/**
 * As given.
 */
export type ResolvedGivenClassWeights = {
  /**
   * One a class, in the order of the classes.
   */
  weights: Array<number>
}

/**
 * What happens to gradients before an update.
 */
export type ResolvedGradient = {
  /**
   * Scale all gradients so that their common norm is at most this
   * (`clip_grad_norm_`).
   */
  clipNorm: number | null
  /**
   * Cut every number to at most this size (`clip_grad_value_`).
   */
  clipValue: number | null
  /**
   * Batches whose gradients are averaged for one update. Default: 1.
   */
  accumulate: number
}

/**
 * Layer-wise adaptive rates, for large batches (You et al. 2017).
 */
export type ResolvedLars = {
  /**
   * Learning rate. Default: 0.1.
   */
  lr: number
  /**
   * Default: 0.9.
   */
  momentum: number
  /**
   * Default: 5e-4.
   */
  weightDecay: number
  /**
   * The paper's eta. Default: 0.001.
   */
  trustCoefficient: number
  /**
   * Default: 1e-8.
   */
  eps: number
  /**
   * Apply weight decay and the layer-wise rate to norms and biases too. Default: false.
   */
  decayNorms: boolean
}

/**
 * In a line from the optimizer's rate to `endFactor` of it, stepped at every update
 * (`LinearLR` over the whole budget).
 */
export type ResolvedLinearSchedule = {
  /**
   * Default: 0.
   */
  endFactor: number
}

/**
 * What is written down.
 */
export type ResolvedLog = {
  /**
   * A line in metrics.jsonl every so many steps. Default: 10.
   */
  everySteps: number
}

/**
 * What is minimised: cross-entropy.
 */
export type ResolvedLoss = {
  /**
   * The share of the target that is spread over all classes (Szegedy et al. 2015).
   * Default: 0.
   */
  labelSmoothing: number
  /**
   * How much each class counts. Default: `none`, all the same.
   */
  classWeights: ResolvedClassWeights
}

/**
 * Training on mixtures of two images.
 */
export type ResolvedMix =
  | { type: 'none' }
  | ({ type: 'mixup' } & ResolvedMixup)
  | ({ type: 'cutmix' } & ResolvedCutmix)

/**
 * Weighted sums of two images and of their losses (Zhang et al. 2017).
 */
export type ResolvedMixup = {
  /**
   * Of the Beta distribution that the weight is drawn from, once a batch. Default: 0.2.
   */
  alpha: number
}

/**
 * The network.
 */
export type ResolvedModel = {
  /**
   * For photographs `resnet18`, `resnet34`, `resnet50`, `resnet101`, `resnet152`; for small
   * images the paper's CIFAR networks `resnet{6n+2}`: `resnet20`, `resnet56`, ... Likewise
   * `plain...` without shortcuts and `preresnet...` with pre-activation. `resnext50_32x4d`,
   * `wide_resnet50_2`, `wrn28_10`, `vgg16`, `vgg16_bn` and their like.
   */
  arch: string
  /**
   * `cifar`: 3x3 stride 1, no pooling. `imagenet`: 7x7 stride 2 and 3x3 max pooling.
   */
  stem: Stem
  /**
   * The paper's shortcut options. Default: A for its CIFAR networks, else B; none for plain
   * networks.
   */
  shortcut: Shortcut
  /**
   * Start the last batch-norm of every block at zero (Goyal et al. 2017).
   */
  zeroInitResidual: boolean
  /**
   * The layer of a bottleneck that halves the resolution. Default: `3x3`.
   */
  bottleneckStride: BottleneckStride
  /**
   * Weights to begin with: a file (.safetensors, .pth, .pt, .th), a run folder, `imagenet`
   * for the ones that torchvision published, or `none`. A head for other classes begins
   * anew. Default: `imagenet` for a folder of fewer than 50,000 training photographs, where
   * the file is here or can be fetched; else `none`.
   */
  weights: string
  /**
   * The SHA-256 of that file: written down by a run, and checked where it is given.
   */
  weightsSha256: string | null
  /**
   * Layers that are not trained, by the beginning of their names (`conv1`, `layer1`);
   * `backbone` is all but the head. Their normalisation uses its running statistics.
   */
  freeze: Array<string>
}

/**
 * Multiply the rate by `gamma` at each milestone (`MultiStepLR`).
 */
export type ResolvedMultiStepSchedule = {
  /**
   * Epochs or steps, as `unit` says, after which the rate is cut. Default: half and three
   * quarters of the budget.
   */
  milestones: Array<number>
  /**
   * Default: 0.1.
   */
  gamma: number
  /**
   * Default: `epoch`.
   */
  unit: ScheduleUnit
}

/**
 * Up to the optimizer's rate and down to almost nothing (Smith 2017, `OneCycleLR`).
 */
export type ResolvedOneCycleSchedule = {
  /**
   * Share of the budget that the rise takes. Default: 0.3.
   */
  pctStart: number
  /**
   * It begins at the optimizer's rate divided by this. Default: 25.
   */
  divFactor: number
  /**
   * It ends at the beginning's rate divided by this. Default: 10000.
   */
  finalDivFactor: number
  /**
   * Default: `cos`.
   */
  annealStrategy: AnnealStrategy
}

/**
 * The update rule.
 */
export type ResolvedOptimizer =
  | ({ type: 'sgd' } & ResolvedSgd)
  | ({ type: 'adam' } & ResolvedAdam)
  | ({ type: 'adamw' } & ResolvedAdam)
  | ({ type: 'lars' } & ResolvedLars)

/**
 * Zero padding on each side, then a random crop (He et al. 2015, section 4.2).
 */
export type ResolvedPadCrop = {
  /**
   * Pixels added on each side. Default: 4.
   */
  padding: number
}

/**
 * Shifts along the principal components of ImageNet's colours (Krizhevsky et al. 2012,
 * section 4.1; used by the paper, section 3.4).
 */
export type ResolvedPcaColor = {
  /**
   * Standard deviation of the shifts. Default: 0.1.
   */
  std: number
}

/**
 * Multiply the rate by `factor` once the metric stopped improving (`ReduceLROnPlateau`).
 */
export type ResolvedPlateauSchedule = {
  /**
   * Default: 0.1.
   */
  factor: number
  /**
   * How much better counts as better. Default: 1e-4.
   */
  threshold: number
  /**
   * `rel`: a share of the best; `abs`: in the metric's own unit. Default: `rel`.
   */
  thresholdMode: ThresholdMode
  /**
   * Epochs without improvement that are let pass. Default: 10.
   */
  patience: number
  /**
   * Epochs after a cut in which none is counted. Default: 0.
   */
  cooldown: number
  /**
   * Default: 0.
   */
  minLr: number
  /**
   * What is watched. Default: the validation loss, where there is a validation part.
   */
  metric: Metric
}

/**
 * Random operations on the whole picture.
 */
export type ResolvedPolicy =
  | { type: 'none' }
  | ({ type: 'randaugment' } & ResolvedRandAugment)
  | { type: 'trivialaugment' }

/**
 * `(1 - progress) ^ power` of the optimizer's rate, stepped at every update
 * (`PolynomialLR` over the whole budget).
 */
export type ResolvedPolynomialSchedule = {
  /**
   * Default: 1.
   */
  power: number
}

/**
 * Several operations of one strength (Cubuk et al. 2019; torchvision's `RandAugment`).
 */
export type ResolvedRandAugment = {
  /**
   * Operations on each image, one after another. Default: 2.
   */
  numOps: number
  /**
   * Strength, 0 to 30. Default: 9.
   */
  magnitude: number
}

/**
 * One rectangle within the image (Zhong et al. 2017; torchvision's `RandomErasing`).
 */
export type ResolvedRandomErasing = {
  /**
   * Share of the images that get one. Default: 0.25.
   */
  probability: number
  /**
   * Smallest and largest share of the area. Default: [0.02, 1/3].
   */
  scale: [number, number]
  /**
   * Narrowest and widest aspect ratio. Default: [0.3, 3.3].
   */
  ratio: [number, number]
}

/**
 * A random part of the image, resized (torchvision's `RandomResizedCrop`).
 */
export type ResolvedRandomResizedCrop = {
  /**
   * Smallest and largest share of the area. Default: [0.08, 1].
   */
  scale: [number, number]
  /**
   * Narrowest and widest aspect ratio. Default: [3/4, 4/3].
   */
  ratio: [number, number]
}

/**
 * The short side resized to a random length, then a random crop (the paper's scale
 * augmentation, section 3.4, after Simonyan & Zisserman 2014).
 */
export type ResolvedRandomShortSideCrop = {
  /**
   * Pixels. Default: 256.
   */
  min: number
  /**
   * Pixels. Default: 480.
   */
  max: number
}

/**
 * How the learning rate changes.
 */
export type ResolvedSchedule =
  | ({ type: 'cosine' } & ResolvedCosineSchedule)
  | { type: 'constant' }
  | ({ type: 'multistep' } & ResolvedMultiStepSchedule)
  | ({ type: 'plateau' } & ResolvedPlateauSchedule)
  | ({ type: 'step' } & ResolvedStepSchedule)
  | ({ type: 'linear' } & ResolvedLinearSchedule)
  | ({ type: 'polynomial' } & ResolvedPolynomialSchedule)
  | ({ type: 'one-cycle' } & ResolvedOneCycleSchedule)

/**
 * Stochastic gradient descent with momentum, in PyTorch's form (`torch.optim.SGD`).
 */
export type ResolvedSgd = {
  /**
   * Learning rate. Default: 0.1, less for small batches; 0.01 where training begins from
   * weights.
   */
  lr: number
  /**
   * Default: 0.9.
   */
  momentum: number
  /**
   * Default: 5e-4; 1e-4 where training begins from weights.
   */
  weightDecay: number
  /**
   * Nesterov's momentum. Default: false.
   */
  nesterov: boolean
  /**
   * Apply the weight decay to norms and biases too, as the paper and PyTorch do.
   * Default: true.
   */
  decayNorms: boolean
}

/**
 * Multiply the rate by `gamma` every `size` epochs or steps (`StepLR`).
 */
export type ResolvedStepSchedule = {
  /**
   * Epochs or steps, as `unit` says. Default: a third of the budget.
   */
  stepSize: number
  /**
   * Default: 0.1.
   */
  gamma: number
  /**
   * Default: `epoch`.
   */
  unit: ScheduleUnit
}

/**
 * What happens to an image between the file and the network. Training images are augmented,
 * evaluation images never are.
 */
export type ResolvedTransform = {
  /**
   * How a training image gets its final size.
   */
  crop: ResolvedCrop
  /**
   * Mirror half of the training images.
   */
  flip: boolean
  /**
   * Mean of each channel, of values in 0..1. Default: that of the training images where
   * they are in memory, else ImageNet's.
   */
  mean: Array<number>
  /**
   * Standard deviation of each channel, of values in 0..1. Default: as for `mean`.
   */
  std: Array<number>
  /**
   * At evaluation the short side is resized to this many pixels before the centre crop.
   * Default: `imageSize` for small images, 8/7 of it for photographs (256 for 224).
   */
  evalResize: number
  /**
   * JPEGs are decoded at a half, a quarter or an eighth of their size where their short side keeps at
   * least so many pixels: each then is the mean of a square, and a large photograph takes a
   * fraction of the time and memory. (As Pillow's `draft`.) 0 for never, else no less than
   * `evalResize`. Default: twice `evalResize`, which no longer shows after resizing; 0 for
   * weights of others, which were trained without it.
   */
  decodeShortSide: number
  /**
   * Subtract the training images' mean image, pixel by pixel, in place of `mean` (He et al.
   * 2015, sections 3.4 and 4.2). Needs images of one size. Default: false.
   */
  pixelMean: boolean
  /**
   * Random operations on the whole picture. Default: none.
   */
  policy: ResolvedPolicy
  /**
   * Random colour. Default: none.
   */
  color: ResolvedColor
  /**
   * Random holes. Default: none.
   */
  erase: ResolvedErase
  /**
   * Training on mixtures of two images. Default: none.
   */
  mix: ResolvedMix
}

/**
 * A linear rise of the rate at the start, whatever the schedule.
 */
export type ResolvedWarmup = {
  /**
   * Epochs that it takes (fractions allowed); 0 for none. Default: 0; where training begins
   * from weights, 1 or a tenth of fewer than 10 epochs.
   */
  epochs: number
  /**
   * The share of the rate to begin with. Default: 0.1.
   */
  startFactor: number
  /**
   * In place of the rise: stay at `from` until an epoch's training accuracy reaches this,
   * as the paper's 110-layer network does (0.2; section 4.2).
   */
  untilAccuracy: number | null
}

/**
 * evaluation.json: what the best network of a run made of images that it was not trained on, as it
 * was measured last, when the run ended or was stopped. A report need measure nothing then.
 */
export type RunEvaluation = {
  /**
   * The test part; the validation part where there is no test part, or the run was stopped.
   */
  split: Split
  /**
   * The epoch that the network is of.
   */
  epoch: number
  /**
   * With the pixels of some samples and of the worst mistakes.
   */
  evaluation: Evaluation
}

/**
 * Something that happened. Events of a run come in order; step events may be skipped when their
 * reader is slow, all others arrive.
 */
export type RunEvent =
  | ({ type: 'start' } & StartEvent)
  | ({ type: 'step' } & StepEvent)
  | ({ type: 'epoch' } & EpochEvent)
  | ({ type: 'checkpoint' } & CheckpointEvent)
  | ({ type: 'warning' } & WarningEvent)
  | ({ type: 'end' } & EndEvent)

/**
 * How the learning rate changes.
 */
export type ScheduleConfig =
  | 'cosine'
  | 'constant'
  | 'multistep'
  | 'plateau'
  | 'step'
  | 'linear'
  | 'polynomial'
  | 'one-cycle'
  | ({ type: 'cosine' } & CosineScheduleConfig)
  | { type: 'constant' }
  | ({ type: 'multistep' } & MultiStepScheduleConfig)
  | ({ type: 'plateau' } & PlateauScheduleConfig)
  | ({ type: 'step' } & StepScheduleConfig)
  | ({ type: 'linear' } & LinearScheduleConfig)
  | ({ type: 'polynomial' } & PolynomialScheduleConfig)
  | ({ type: 'one-cycle' } & OneCycleScheduleConfig)

/**
 * What a schedule counts in.
 */
export type ScheduleUnit = 'epoch' | 'step'

/**
 * Stochastic gradient descent with momentum, in PyTorch's form (`torch.optim.SGD`).
 */
export type SgdConfig = {
  /**
   * Learning rate. Default: 0.1, less for small batches; 0.01 where training begins from
   * weights.
   */
  lr?: number | undefined
  /**
   * Default: 0.9.
   */
  momentum?: number | undefined
  /**
   * Default: 5e-4; 1e-4 where training begins from weights.
   */
  weightDecay?: number | undefined
  /**
   * Nesterov's momentum. Default: false.
   */
  nesterov?: boolean | undefined
  /**
   * Apply the weight decay to norms and biases too, as the paper and PyTorch do.
   * Default: true.
   */
  decayNorms?: boolean | undefined
}

/**
 * He et al. 2015, section 3.3: what a shortcut does where the shape changes.
 */
export type Shortcut = 'A' | 'B' | 'C' | 'none'

/**
 * A part of a data set.
 */
export type Split = 'train' | 'val' | 'test'

/**
 * The run is prepared and about to train.
 */
export type StartEvent = {
  /**
   * The run folder, absolute.
   */
  dir: string
  config: ResolvedConfig
  data: DatasetInfo
  /**
   * Images trained on in an epoch, after the validation split.
   */
  trainImages: number
  /**
   * Those of each class, in the order of `data.classes`.
   */
  trainClassCounts: Array<number>
  valImages: number
  testImages: number
  /**
   * Trainable numbers of the network.
   */
  parameters: number
  /**
   * Multiply-adds of one image's forward pass.
   */
  macs: number
  stepsPerEpoch: number
  /**
   * Where the budget is known in steps or epochs.
   */
  totalSteps: number | null
  /**
   * Steps already done, in a resumed run.
   */
  startStep: number
}

/**
 * The layers before the first block.
 */
export type Stem = 'cifar' | 'imagenet'

/**
 * One update of the weights.
 */
export type StepEvent = {
  /**
   * From 1.
   */
  epoch: number
  /**
   * Updates since the beginning, this one included.
   */
  step: number
  stepInEpoch: number
  stepsPerEpoch: number
  /**
   * Mean loss of this batch.
   */
  loss: number
  /**
   * Mean loss of the epoch so far.
   */
  epochLoss: number
  /**
   * Accuracy of the epoch so far, on augmented images, before each update.
   */
  epochAccuracy: number
  /**
   * The rate that this update used.
   */
  lr: number
  /**
   * In `precision: 'fp16'`: what losses are multiplied by from here on. It falls by half when an
   * update is skipped because its gradients were not finite.
   */
  lossScale?: number | undefined
  /**
   * Over the last seconds.
   */
  imagesPerSecond: number
  /**
   * Seconds to the end of the budget.
   */
  etaSeconds: number | null
}

/**
 * Multiply the rate by `gamma` every `size` epochs or steps (`StepLR`).
 */
export type StepScheduleConfig = {
  /**
   * Epochs or steps, as `unit` says. Default: a third of the budget.
   */
  stepSize?: 'auto' | number | undefined
  /**
   * Default: 0.1.
   */
  gamma?: number | undefined
  /**
   * Default: `epoch`.
   */
  unit?: ScheduleUnit | undefined
}

/**
 * Why a run that did not fail ended.
 */
export type StopReason = 'completed' | 'stopped' | 'early-stopping' | 'budget'

/**
 * What of an image the network sees, when it is evaluated.
 */
export type TestCrops = 'center' | 'flip' | 'ten' | 'multi-scale'

/**
 * How a plateau's threshold is meant.
 */
export type ThresholdMode = 'rel' | 'abs'

/**
 * Images a second, measured several times.
 */
export type Throughput = {
  /**
   * One for each round, in their order.
   */
  rounds: Array<number>
  median: number
  min: number
  max: number
}

/**
 * A small image, as plain data.
 */
export type Thumbnail = {
  width: number
  height: number
  /**
   * 1 (grey) or 3 (RGB).
   */
  channels: number
  /**
   * `height * width * channels` bytes, row by row, channels innermost, in base64.
   */
  base64: string
}

/**
 * How long training would take, from updates that were really made, on the run's own batches. The
 * network that they were made on was thrown away.
 */
export type TimeEstimate = {
  /**
   * Updates measured; the first one made is not among them, for it takes longer.
   */
  steps: number
  /**
   * Seconds for an update: the median, the fastest and the slowest.
   */
  stepSeconds: number
  minStepSeconds: number
  maxStepSeconds: number
  /**
   * Training throughput at the median.
   */
  imagesPerSecond: number
  /**
   * Of an epoch, its validation included, at the median.
   */
  epochSeconds: number
  /**
   * To the end of the budget; null where it has no end that is known.
   */
  totalSeconds: number | null
}

/**
 * Everything about a run. Only `data` is required.
 */
export type TrainConfig = {
  /**
   * The images: a path or a name, or an object that says more.
   */
  data?: string | DataConfig | undefined
  /**
   * Resizing, augmentation, normalisation.
   */
  transform?: TransformConfig | undefined
  /**
   * The network: a name, or an object that says more.
   */
  model?: string | ModelConfig | undefined
  /**
   * Passes over the training images; the same as `budget.epochs`.
   */
  epochs?: number | undefined
  /**
   * How long to train.
   */
  budget?: BudgetConfig | undefined
  /**
   * Images in a step, 2 or more. Default: 128, or 32 for images of more than 96 pixels; fewer
   * where an epoch would have less than 8 steps, or where memory would not do.
   */
  batchSize?: 'auto' | number | undefined
  /**
   * The update rule. Default: SGD.
   */
  optimizer?: OptimizerConfig | undefined
  /**
   * The learning rate's way. Default: cosine.
   */
  schedule?: ScheduleConfig | undefined
  /**
   * A linear rise before it. Default: none, or an epoch where training begins from weights.
   */
  warmup?: WarmupConfig | undefined
  /**
   * What is minimised.
   */
  loss?: LossConfig | undefined
  /**
   * Clipping and accumulation.
   */
  gradient?: GradientConfig | undefined
  /**
   * A moving average of the weights.
   */
  ema?: EmaConfig | undefined
  /**
   * End when nothing improves. Default: never.
   */
  earlyStopping?: EarlyStoppingConfig | undefined
  /**
   * Default: bf16 where the device is faster with it (a CPU with AMX, or with AVX512_BF16 on AMD;
   * a card of compute capability 8.0 or more), else fp32.
   */
  precision?: 'auto' | Precision | undefined
  /**
   * Default: CUDA where it can be used, else the CPU.
   */
  device?: 'auto' | Device | undefined
  /**
   * Default: channels_last, which is the faster one for convolutions.
   */
  memoryFormat?: 'auto' | MemoryFormat | undefined
  /**
   * Decides weights, order and augmentation: the same seed and threads give the same bits.
   * Default: 0.
   */
  seed?: number | undefined
  /**
   * Threads for the arithmetic, up to 1024. Default: one a physical core.
   */
  threads?: 'auto' | number | undefined
  /**
   * Threads for loading images, up to 1024. Default: one a physical core.
   */
  workers?: 'auto' | number | undefined
  /**
   * Decoded images of files are kept in memory from one epoch to the next while they take no
   * more than so many MB (2^20 bytes); 0 keeps none. The numbers are the same. Default: what
   * the training and validation images take, up to a quarter of the memory that is free; 0
   * where nothing is read twice.
   */
  cache?: 'auto' | number | undefined
  /**
   * Where training and validation images are cropped, mirrored and normalised. The numbers are
   * the same. Default: on a card, where all of them are in memory at `data.imageSize`, nothing
   * else is done to them, and they take no more than a quarter of its free memory; else by the
   * workers.
   */
  augmentOn?: 'auto' | AugmentOn | undefined
  /**
   * The share of a card's memory that this process may take, more than 0 and up to 1; beyond it is as
   * if the card were full. It holds until another run says otherwise, and means nothing on the
   * CPU. Default: all of it.
   */
  memoryFraction?: number | undefined
  /**
   * On CUDA, gives the device a whole training step at once (a CUDA graph), where batches are of one
   * shape. It means nothing on the CPU. Where it cannot be done (`lars`, `ema`, dropout,
   * `gradient.accumulate`), a warning says so. Default: false.
   */
  cudaGraphs?: boolean | undefined
  /**
   * What makes a checkpoint the best. Default: `val.accuracy`, or `train.loss` where there
   * is no validation part. Never test data.
   */
  monitor?: 'auto' | Metric | undefined
  /**
   * What is kept.
   */
  checkpoint?: CheckpointConfig | undefined
  /**
   * What is written down.
   */
  log?: LogConfig | undefined
  /**
   * The run folder. Default: `runs/<data>-<model>`, numbered if taken.
   */
  out?: 'auto' | string | undefined
  /**
   * Replace a finished run in `out`. Default: false.
   */
  overwrite?: boolean | undefined
  /**
   * A run folder or checkpoint to go on from, in its own folder.
   */
  resume?: string | undefined
  /**
   * A published way to train, by name (`notebook`) or as a file (`./mine.yaml`): what is not
   * said here is set as it says.
   */
  recipe?: string | undefined
}

/**
 * result.json, and what `await train(...)` gives.
 */
export type TrainResult = {
  stopReason: StopReason
  /**
   * The run folder, absolute.
   */
  dir: string
  /**
   * Whole epochs trained.
   */
  epochs: number
  /**
   * Updates made.
   */
  steps: number
  /**
   * The best epoch by `monitor`; null if no epoch was finished.
   */
  best: BestCheckpoint | null
  /**
   * The last checkpoint, absolute.
   */
  last: string
  /**
   * The best checkpoint on the test part, where the data set has one and the run was not
   * stopped before its end.
   */
  test: Metrics | null
  /**
   * Training throughput, evaluation not counted.
   */
  imagesPerSecond: number
  /**
   * Of training, evaluation included, over all sessions of the run.
   */
  seconds: number
  /**
   * The report, absolute: where `train()` was asked for one and it could be written. It is made
   * of result.json, which therefore has none.
   */
  report?: string | undefined
}

/**
 * What happens to an image between the file and the network. Training images are augmented,
 * evaluation images never are.
 */
export type TransformConfig = {
  /**
   * How a training image gets its final size.
   */
  crop?: 'auto' | CropConfig | undefined
  /**
   * Mirror half of the training images.
   */
  flip?: 'auto' | boolean | undefined
  /**
   * Mean of each channel, of values in 0..1. Default: that of the training images where
   * they are in memory, else ImageNet's.
   */
  mean?: 'auto' | Array<number> | undefined
  /**
   * Standard deviation of each channel, of values in 0..1. Default: as for `mean`.
   */
  std?: 'auto' | Array<number> | undefined
  /**
   * At evaluation the short side is resized to this many pixels before the centre crop.
   * Default: `imageSize` for small images, 8/7 of it for photographs (256 for 224).
   */
  evalResize?: 'auto' | number | undefined
  /**
   * JPEGs are decoded at a half, a quarter or an eighth of their size where their short side keeps at
   * least so many pixels: each then is the mean of a square, and a large photograph takes a
   * fraction of the time and memory. (As Pillow's `draft`.) 0 for never, else no less than
   * `evalResize`. Default: twice `evalResize`, which no longer shows after resizing; 0 for
   * weights of others, which were trained without it.
   */
  decodeShortSide?: 'auto' | number | undefined
  /**
   * Subtract the training images' mean image, pixel by pixel, in place of `mean` (He et al.
   * 2015, sections 3.4 and 4.2). Needs images of one size. Default: false.
   */
  pixelMean?: boolean | undefined
  /**
   * Random operations on the whole picture. Default: none.
   */
  policy?: PolicyConfig | undefined
  /**
   * Random colour. Default: none.
   */
  color?: ColorConfig | undefined
  /**
   * Random holes. Default: none.
   */
  erase?: EraseConfig | undefined
  /**
   * Training on mixtures of two images. Default: none.
   */
  mix?: MixConfig | undefined
}

/**
 * A linear rise of the rate at the start, whatever the schedule.
 */
export type WarmupConfig = {
  /**
   * Epochs that it takes (fractions allowed); 0 for none. Default: 0; where training begins
   * from weights, 1 or a tenth of fewer than 10 epochs.
   */
  epochs?: number | undefined
  /**
   * The share of the rate to begin with. Default: 0.1.
   */
  startFactor?: number | undefined
  /**
   * In place of the rise: stay at `from` until an epoch's training accuracy reaches this,
   * as the paper's 110-layer network does (0.2; section 4.2).
   */
  untilAccuracy?: number | undefined
}

/**
 * Something that the run went on in spite of.
 */
export type WarningEvent = {
  /**
   * As if it had been thrown.
   */
  code: ErrorCode
  message: string
  /**
   * The file that it is about.
   */
  file?: string | undefined
  hint?: string | undefined
}

/** What a command that an error ends should end with, as `residual` does. */
export const exitStatus = {
  E_CONFIG: 2,
  E_UNKNOWN_KEY: 2,
  E_USAGE: 2,
  E_DATA_NOT_FOUND: 4,
  E_DATA_UNUSABLE: 4,
  E_DATA_FORMAT: 4,
  E_IMAGE: 4,
  E_DOWNLOAD: 1,
  E_OUT_EXISTS: 2,
  E_OUT_IN_USE: 1,
  E_PORT: 1,
  E_WRITE: 1,
  E_IO: 1,
  E_CHECKPOINT: 4,
  E_MISMATCH: 2,
  E_DIVERGED: 1,
  E_ABORTED: 1,
  E_CLOSED: 1,
  E_LIBTORCH: 3,
  E_PLATFORM: 3,
  E_DEVICE: 3,
  E_MEMORY: 1,
  E_TORCH: 1,
  E_INTERNAL: 1,
} as const satisfies Record<ErrorCode, number>
