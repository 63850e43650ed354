// Generated from the core's types by `node scripts/generate.mjs`. Do not edit.

/**
 * The best epoch.
 */
export type Best = {
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
 * How long to train; the first limit reached ends the run.
 */
export type BudgetConfig = {
  /**
   * Passes over the training images. Default: 30, where nothing else is given.
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
 * What is kept besides the last and the best checkpoint.
 */
export type CheckpointConfig = {
  /**
   * Keep one every so many epochs as `epoch-0010.safetensors`; 0 for none. Default: 0.
   */
  every?: number | undefined
  /**
   * Write `last.safetensors` also every so many steps; 0 for every epoch only. Default: 0.
   */
  steps?: number | undefined
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

export type CheckpointKind = 'last' | 'best' | 'epoch'

/**
 * One class in an evaluation.
 */
export type ClassScore = {
  label: string
  /**
   * Share of the class's images that were recognised (recall), 0 to 1.
   */
  accuracy: number
  count: number
}

/**
 * The optimizer's rate throughout.
 */
export type ConstantConfig = Record<symbol, never>

/**
 * Half a cosine from the optimizer's rate down to `minLr`, stepped at every update.
 */
export type CosineConfig = {
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
  | ({ type: 'none' } & NoCropConfig)
  | ({ type: 'pad' } & PadCropConfig)
  | ({ type: 'random-resized' } & RandomResizedCropConfig)

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
   * The share of the training images held back for validation, 0 to 0.5. Split by class,
   * seeded, and only where the data set has no validation part of its own. Default: 0.1,
   * or 0 where the data set has one.
   */
  validation?: 'auto' | number | undefined
  /**
   * 3 (RGB) or 1 (grey). Default: what the images are.
   */
  channels?: 'auto' | number | undefined
  /**
   * Height and width, in pixels, that the network sees. Default: the images' own where
   * they are alike and at most 96, else 224.
   */
  imageSize?: 'auto' | number | undefined
}

/**
 * What reading a data set's files told about it.
 */
export type DataFacts = {
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
  mirroredIsNatural: boolean
  /**
   * A hash of the training part's labels and names or bytes; tells two data sets apart.
   */
  fingerprint: string
}

/**
 * Layout of a data set on disk.
 */
export type DataFormat = 'image-folder' | 'idx' | 'cifar-binary'

/**
 * A part of a data set.
 */
export type DataPart = 'train' | 'val' | 'test'

/**
 * Where tensors live.
 */
export type Device = 'cpu' | 'cuda'

/**
 * The run ended; nothing follows.
 */
export type EndEvent = { result: TrainResult }

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
  train: Score
  /**
   * In evaluation mode on unaugmented images; null without a validation part.
   */
  val: Score | null
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
  | 'E_OUT_EXISTS'
  | 'E_OUT_IN_USE'
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
  | 'E_TORCH'
  | 'E_INTERNAL'

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
  part?: DataPart | undefined
  /**
   * Images at a time. Default: that of the training.
   */
  batchSize?: number | undefined
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
  count: number
  classes: Array<ClassScore>
  /**
   * `confusion[i][j]`: images of class i that were taken for class j.
   */
  confusion: Array<Array<number>>
  imagesPerSecond: number
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
   * Multiply-adds of one image's forward pass: convolutions and the head, as the paper counts.
   */
  macs: number
  layers: Array<LayerRow>
  /**
   * The same as a table to print.
   */
  text: string
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
   * Channels, height, width of the output; classes, for the head.
   */
  output: Array<number>
  parameters: number
  macs: number
}

/**
 * What is written down.
 */
export type LogConfig = {
  /**
   * A line in metrics.jsonl every so many steps. Default: 10.
   */
  steps?: number | undefined
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
 * The network.
 */
export type ModelConfig = {
  /**
   * `resnet18`, `resnet34`, `resnet50`, `resnet101`, `resnet152`, or one of the paper's
   * CIFAR networks `resnet{6n+2}`: `resnet20`, `resnet32`, `resnet44`, `resnet56`, ...
   */
  arch?: 'auto' | string | undefined
  /**
   * `cifar`: 3x3 stride 1, no pooling. `imagenet`: 7x7 stride 2 and 3x3 max pooling.
   */
  stem?: 'auto' | Stem | undefined
  /**
   * The paper's shortcut options. Default: A for its CIFAR networks, else B.
   */
  shortcut?: 'auto' | Shortcut | undefined
  /**
   * Start the last batch-norm of every block at zero (Goyal et al. 2017).
   */
  zeroInitResidual?: boolean | undefined
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
   * Whole epochs that it was trained for.
   */
  epoch: number
}

/**
 * Multiply the rate by `gamma` at each milestone (`MultiStepLR`).
 */
export type MultiStepConfig = {
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
  unit?: Unit | undefined
}

/**
 * Resized like an evaluation image.
 */
export type NoCropConfig = Record<symbol, never>

/**
 * The update rule.
 */
export type OptimizerConfig = 'sgd' | ({ type: 'sgd' } & SgdConfig)

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
 * Where it went wrong. Every part is optional; `key` is a configuration path
 * (`optimizer.lr`, `schedule.milestones[1]`).
 */
export type Place = {
  key?: string | undefined
  file?: string | undefined
  line?: number | undefined
}

/**
 * Multiply the rate by `factor` once the metric stopped improving (`ReduceLROnPlateau`).
 */
export type PlateauConfig = {
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
 * The arithmetic of forward and backward; weights and updates are kept in fp32 (fp64 in
 * `fp64`).
 */
export type Precision = 'fp32' | 'bf16' | 'fp64'

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
 * How long to train; the first limit reached ends the run.
 */
export type ResolvedBudget = {
  /**
   * Passes over the training images. Default: 30, where nothing else is given.
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
  every: number
  /**
   * Write `last.safetensors` also every so many steps; 0 for every epoch only. Default: 0.
   */
  steps: number
}

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
   * Images in a step. Default: 128, or 32 for images of more than 96 pixels.
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
   * A linear rise before it.
   */
  warmup: ResolvedWarmup
  /**
   * Default: bf16 where the CPU computes with it, else fp32.
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
   * Threads for the arithmetic. Default: one a physical core.
   */
  threads: number
  /**
   * Threads for loading images. Default: one a physical core.
   */
  workers: number
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
   * Why each `auto` became what it did, by key.
   */
  reasons: { [key in string]: string }
}

/**
 * The optimizer's rate throughout.
 */
export type ResolvedConstant = Record<symbol, never>

/**
 * Half a cosine from the optimizer's rate down to `minLr`, stepped at every update.
 */
export type ResolvedCosine = {
  /**
   * Default: 0.
   */
  minLr: number
}

/**
 * How a training image gets its final size.
 */
export type ResolvedCrop =
  | ({ type: 'none' } & ResolvedNoCrop)
  | ({ type: 'pad' } & ResolvedPadCrop)
  | ({ type: 'random-resized' } & ResolvedRandomResizedCrop)

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
   * The share of the training images held back for validation, 0 to 0.5. Split by class,
   * seeded, and only where the data set has no validation part of its own. Default: 0.1,
   * or 0 where the data set has one.
   */
  validation: number
  /**
   * 3 (RGB) or 1 (grey). Default: what the images are.
   */
  channels: number
  /**
   * Height and width, in pixels, that the network sees. Default: the images' own where
   * they are alike and at most 96, else 224.
   */
  imageSize: number
}

/**
 * What is written down.
 */
export type ResolvedLog = {
  /**
   * A line in metrics.jsonl every so many steps. Default: 10.
   */
  steps: number
}

/**
 * The network.
 */
export type ResolvedModel = {
  /**
   * `resnet18`, `resnet34`, `resnet50`, `resnet101`, `resnet152`, or one of the paper's
   * CIFAR networks `resnet{6n+2}`: `resnet20`, `resnet32`, `resnet44`, `resnet56`, ...
   */
  arch: string
  /**
   * `cifar`: 3x3 stride 1, no pooling. `imagenet`: 7x7 stride 2 and 3x3 max pooling.
   */
  stem: Stem
  /**
   * The paper's shortcut options. Default: A for its CIFAR networks, else B.
   */
  shortcut: Shortcut
  /**
   * Start the last batch-norm of every block at zero (Goyal et al. 2017).
   */
  zeroInitResidual: boolean
}

/**
 * Multiply the rate by `gamma` at each milestone (`MultiStepLR`).
 */
export type ResolvedMultiStep = {
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
  unit: Unit
}

/**
 * Resized like an evaluation image.
 */
export type ResolvedNoCrop = Record<symbol, never>

/**
 * The update rule.
 */
export type ResolvedOptimizer = { type: 'sgd' } & ResolvedSgd

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
 * Multiply the rate by `factor` once the metric stopped improving (`ReduceLROnPlateau`).
 */
export type ResolvedPlateau = {
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
 * How the learning rate changes.
 */
export type ResolvedSchedule =
  | ({ type: 'cosine' } & ResolvedCosine)
  | ({ type: 'constant' } & ResolvedConstant)
  | ({ type: 'multistep' } & ResolvedMultiStep)
  | ({ type: 'plateau' } & ResolvedPlateau)

/**
 * Stochastic gradient descent with momentum, in PyTorch's form (`torch.optim.SGD`).
 */
export type ResolvedSgd = {
  /**
   * Learning rate. Default: 0.1.
   */
  lr: number
  /**
   * Default: 0.9.
   */
  momentum: number
  /**
   * Default: 5e-4. Applied to every parameter, as the paper and PyTorch do.
   */
  weightDecay: number
  /**
   * Nesterov's momentum. Default: false.
   */
  nesterov: boolean
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
}

/**
 * A linear rise of the rate at the start, whatever the schedule.
 */
export type ResolvedWarmup = {
  /**
   * Epochs that it takes (fractions allowed); 0 for none. Default: 0.
   */
  epochs: number
  /**
   * The share of the rate to begin with. Default: 0.1.
   */
  from: number
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
  | ({ type: 'cosine' } & CosineConfig)
  | ({ type: 'constant' } & ConstantConfig)
  | ({ type: 'multistep' } & MultiStepConfig)
  | ({ type: 'plateau' } & PlateauConfig)

/**
 * Loss and accuracy over a number of images.
 */
export type Score = {
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
 * Stochastic gradient descent with momentum, in PyTorch's form (`torch.optim.SGD`).
 */
export type SgdConfig = {
  /**
   * Learning rate. Default: 0.1.
   */
  lr?: number | undefined
  /**
   * Default: 0.9.
   */
  momentum?: number | undefined
  /**
   * Default: 5e-4. Applied to every parameter, as the paper and PyTorch do.
   */
  weightDecay?: number | undefined
  /**
   * Nesterov's momentum. Default: false.
   */
  nesterov?: boolean | undefined
}

/**
 * He et al. 2015, section 3.3: what a shortcut does where the shape changes.
 */
export type Shortcut = 'A' | 'B' | 'C'

/**
 * The run is prepared and about to train.
 */
export type StartEvent = {
  /**
   * The run folder, absolute.
   */
  dir: string
  config: ResolvedConfig
  data: DataFacts
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
   * Steps already done, in a resumed run.
   */
  resumedAt: number
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
   * Over the last seconds.
   */
  imagesPerSecond: number
  /**
   * Seconds to the end of the budget.
   */
  etaSeconds: number | null
}

/**
 * Why a run that did not fail ended.
 */
export type StopReason = 'completed' | 'stopped' | 'budget'

/**
 * How a plateau's threshold is meant.
 */
export type ThresholdMode = 'rel' | 'abs'

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
   * Images in a step. Default: 128, or 32 for images of more than 96 pixels.
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
   * A linear rise before it.
   */
  warmup?: WarmupConfig | undefined
  /**
   * Default: bf16 where the CPU computes with it, else fp32.
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
   * Threads for the arithmetic. Default: one a physical core.
   */
  threads?: 'auto' | number | undefined
  /**
   * Threads for loading images. Default: one a physical core.
   */
  workers?: 'auto' | number | undefined
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
  best: Best | null
  /**
   * The last checkpoint, absolute.
   */
  last: string
  /**
   * The best checkpoint on the test part, where the data set has one and the run was not
   * stopped before its end.
   */
  test: Score | null
  /**
   * Training throughput, evaluation not counted.
   */
  imagesPerSecond: number
  /**
   * Of training, evaluation included, over all sessions of the run.
   */
  seconds: number
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
}

/**
 * What a schedule counts in.
 */
export type Unit = 'epoch' | 'step'

/**
 * A linear rise of the rate at the start, whatever the schedule.
 */
export type WarmupConfig = {
  /**
   * Epochs that it takes (fractions allowed); 0 for none. Default: 0.
   */
  epochs?: number | undefined
  /**
   * The share of the rate to begin with. Default: 0.1.
   */
  from?: number | undefined
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
  E_OUT_EXISTS: 2,
  E_OUT_IN_USE: 1,
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
  E_TORCH: 1,
  E_INTERNAL: 1,
} as const satisfies Record<ErrorCode, number>
