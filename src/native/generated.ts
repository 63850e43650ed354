// Generated from the core's types by `node scripts/generate.mjs`. Do not edit.

// Names

/** Name of a network. More depths exist than are listed. */
export type ModelName =
  | 'resnet18'
  | 'resnet34'
  | 'resnet50'
  | 'resnet101'
  | 'resnet152'
  | 'resnet20'
  | 'resnet32'
  | 'resnet44'
  | 'resnet56'
  | 'resnet110'
  | 'resnet1202'
  | 'plain18'
  | 'plain34'
  | 'plain20'
  | 'plain32'
  | 'plain44'
  | 'plain56'
  | 'plain110'
  | 'preresnet18'
  | 'preresnet34'
  | 'preresnet50'
  | 'preresnet101'
  | 'preresnet152'
  | 'preresnet200'
  | 'preresnet20'
  | 'preresnet56'
  | 'preresnet110'
  | 'preresnet164'
  | 'preresnet1001'
  | 'resnext50_32x4d'
  | 'resnext101_32x8d'
  | 'resnext101_64x4d'
  | 'wide_resnet50_2'
  | 'wide_resnet101_2'
  | 'wrn16_8'
  | 'wrn28_10'
  | 'wrn40_4'
  | 'vgg11'
  | 'vgg13'
  | 'vgg16'
  | 'vgg19'
  | 'vgg11_bn'
  | 'vgg13_bn'
  | 'vgg16_bn'
  | 'vgg19_bn'
  | (string & {})

/** Name of a data set, or a path. */
export type DatasetName =
  | 'cifar10'
  | 'cifar100'
  | 'mnist'
  | 'fashion-mnist'
  | 'fashion-mnist-mini'
  | (string & {})

/** Name of a recipe, or a path. */
export type RecipeName =
  | 'fast'
  | 'he2015-cifar'
  | 'he2015-cifar110'
  | 'he2015-imagenet'
  | 'notebook'
  | (string & {})

/** Published weights, random initialization, or a path. */
export type WeightsName = 'imagenet' | 'none' | (string & {})

/** One value per channel: grayscale or RGB. */
export type ChannelValues = [number] | [number, number, number]

// Training configuration

/**
 * Configuration of a training run. Only `data` is required.
 */
export type TrainConfig = {
  /**
   * Data set: a path, a name, or an object with further settings.
   */
  data?: DatasetName | DataConfig | undefined
  /**
   * Resizing, augmentation and normalization.
   */
  transform?: TransformConfig | undefined
  /**
   * Network: a name, or an object with further settings.
   */
  model?: ModelName | ModelConfig | undefined
  /**
   * Passes over the training images. Short for `budget.epochs`.
   */
  epochs?: number | undefined
  /**
   * Length of training in epochs, steps or seconds.
   */
  budget?: BudgetConfig | undefined
  /**
   * Images per batch, 2 or more. Default: 128, or 32 for images of more than 96 pixels;
   * smaller if an epoch would have fewer than 8 steps or memory would not suffice.
   */
  batchSize?: 'auto' | number | undefined
  /**
   * Optimizer. Default: `sgd`.
   */
  optimizer?: OptimizerConfig | undefined
  /**
   * Learning-rate schedule. Default: `cosine`.
   */
  schedule?: ScheduleConfig | undefined
  /**
   * Learning-rate warm-up. Default: none; 1 epoch if training starts from weights.
   */
  warmup?: WarmupConfig | undefined
  /**
   * Loss function: cross-entropy.
   */
  loss?: LossConfig | undefined
  /**
   * Gradient clipping and accumulation.
   */
  gradient?: GradientConfig | undefined
  /**
   * Exponential moving average of the weights.
   */
  ema?: EmaConfig | undefined
  /**
   * Early stopping. Default: off.
   */
  earlyStopping?: EarlyStoppingConfig | undefined
  /**
   * Data type of the computation. Default: `bf16` on CPUs with AMX, AMD CPUs with
   * AVX512_BF16 and GPUs of compute capability 8.0 or higher, else `fp32`.
   */
  precision?: 'auto' | Precision | undefined
  /**
   * Device. Default: `cuda` if available, else `cpu`.
   */
  device?: 'auto' | Device | undefined
  /**
   * Memory layout of image tensors. Default: `channels_last`, which is faster for
   * convolutions; `contiguous` for `fp64`.
   */
  memoryFormat?: 'auto' | MemoryFormat | undefined
  /**
   * Random seed of weights, data order and augmentation. On the CPU, equal seeds and thread
   * counts give bit-identical results. Default: 0.
   */
  seed?: number | undefined
  /**
   * Threads for tensor operations, 1 to 1024. Default: number of physical cores.
   */
  threads?: 'auto' | number | undefined
  /**
   * Threads for loading images, 1 to 1024. Default: number of physical cores.
   */
  workers?: 'auto' | number | undefined
  /**
   * Memory for decoded image files that are reused in later epochs, in MiB; 0 disables the
   * cache. Results do not depend on it. Default: the size of all training and validation
   * images, at most a quarter of the free memory; 0 if every image is read once.
   */
  cache?: 'auto' | number | undefined
  /**
   * Where training and validation images are cropped, flipped and normalized. Results do not
   * depend on it. Default: `device` for CUDA if all images are in memory at
   * `data.imageSize`, need no other transform and take at most a quarter of the free GPU
   * memory; else `workers`.
   */
  augmentOn?: 'auto' | AugmentOn | undefined
  /**
   * Maximum fraction of GPU memory that this process may allocate, above 0 to 1, as
   * `torch.cuda.set_per_process_memory_fraction`. It applies until another run changes it
   * and has no effect on the CPU. Default: 1.
   */
  memoryFraction?: number | undefined
  /**
   * Capture each training step as a CUDA graph. A warning is issued if that is not possible
   * (`lars`, `ema`, dropout, `gradient.accumulate`). No effect on the CPU. Default: false.
   */
  cudaGraphs?: boolean | undefined
  /**
   * Metric that selects the best checkpoint, never measured on test data. Default:
   * `val.accuracy`, or `train.loss` without a validation split.
   */
  monitor?: 'auto' | Metric | undefined
  /**
   * Additional checkpoints.
   */
  checkpoint?: CheckpointConfig | undefined
  /**
   * Logging.
   */
  log?: LogConfig | undefined
  /**
   * Run folder. Default: `runs/<data>-<model>`, with a number appended if it exists.
   */
  out?: 'auto' | string | undefined
  /**
   * Overwrite a finished run in `out`. Default: false.
   */
  overwrite?: boolean | undefined
  /**
   * Run folder or checkpoint to resume. The run continues in its own folder.
   */
  resume?: string | undefined
  /**
   * Base configuration: the name of a recipe (`notebook`) or a file (`./mine.yaml`). Keys
   * that are set here override it.
   */
  recipe?: RecipeName | undefined
}

/**
 * The data set: where it is, how it is split, and which images are used.
 */
export type DataConfig = {
  /**
   * Path of a folder or file (`./photos`), or the name of a data set (`cifar10`).
   */
  source?: DatasetName | undefined
  /**
   * Layout on disk. Default: detected.
   */
  format?: 'auto' | DataFormat | undefined
  /**
   * Training images held out for validation, stratified by class and seeded: a fraction from
   * 0 to 0.5, or a number of images (at most half of them). Must be 0 if the data set has a
   * validation split. Default: 0.1, or 0 if the data set has a validation split.
   */
  validation?: 'auto' | number | undefined
  /**
   * Channels of the network's input: 3 (RGB) or 1 (grayscale). Default: as the images.
   */
  channels?: 'auto' | number | undefined
  /**
   * Height and width of the network's input, in pixels, 8 to 1024. Default: the size of
   * images of up to 96 pixels; otherwise 224, or less if most images are smaller; 128 for
   * fewer than 5,000 larger images without pretrained weights.
   */
  imageSize?: 'auto' | number | undefined
  /**
   * Label set of CIFAR-100. Default: `fine`.
   */
  labels?: CifarLabels | undefined
  /**
   * Oversample rare classes so that all are equally frequent, like PyTorch's
   * `WeightedRandomSampler`. The number of images in an epoch stays the same. Default:
   * false.
   */
  balanced?: boolean | undefined
  /**
   * Maximum number of training images, chosen by seed and in proportion to the classes.
   * Validation and test images are not affected. Default: all.
   */
  limit?: number | undefined
  /**
   * Seed of the validation split and of `limit`. Set it to compare values of `seed` on the
   * same images. Default: `seed`.
   */
  splitSeed?: number | undefined
  /**
   * Expected hash of the training images; others are rejected with `E_MISMATCH`. Runs on
   * in-memory images record it.
   */
  fingerprint?: string | undefined
  /**
   * Expected shape of in-memory training images: number, height, width, channels. Runs on
   * in-memory images record it.
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
 * Label set of CIFAR-100.
 */
export type CifarLabels = 'fine' | 'coarse'

/**
 * Resizing, augmentation and normalization. Augmentation applies to training images only.
 */
export type TransformConfig = {
  /**
   * Crop of training images. Default: `pad` for images of up to 96 pixels, else
   * `random-resized`.
   */
  crop?: 'auto' | CropConfig | undefined
  /**
   * Flip training images horizontally with probability 0.5. Default: true, except for
   * digits.
   */
  flip?: 'auto' | boolean | undefined
  /**
   * Mean of each channel, for values from 0 to 1. Default: the mean of the training images
   * if they are in memory, else ImageNet's.
   */
  mean?: 'auto' | ChannelValues | undefined
  /**
   * Standard deviation of each channel, for values from 0 to 1. Default: as for `mean`.
   */
  std?: 'auto' | ChannelValues | undefined
  /**
   * Length in pixels to which the short side of evaluation images is resized before the
   * center crop, `data.imageSize` to 2048. Default: `data.imageSize` up to 96 pixels, else
   * 8/7 of it (256 for 224).
   */
  evalResize?: 'auto' | number | undefined
  /**
   * Decode large JPEGs at 1/2, 1/4 or 1/8 scale as long as the short side keeps at least
   * this many pixels, like Pillow's `draft`. 0 disables it. Default: twice `evalResize`; 0
   * for external weights, which were trained without it.
   */
  decodeShortSide?: 'auto' | number | undefined
  /**
   * Subtract the mean image of the training images, pixel by pixel, instead of `mean` (He et
   * al. 2015, sections 3.4 and 4.2). Requires images of equal size. Default: false.
   */
  pixelMean?: boolean | undefined
  /**
   * Automatic augmentation policy. Default: `none`.
   */
  policy?: PolicyConfig | undefined
  /**
   * Color augmentation. Default: `none`.
   */
  color?: ColorConfig | undefined
  /**
   * Erasing of image regions. Default: `none`.
   */
  erase?: EraseConfig | undefined
  /**
   * Mixing of two images. Default: `none`.
   */
  mix?: MixConfig | undefined
}

/**
 * Crop of training images to `data.imageSize`.
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
 * Zero padding on each side, then a random crop (He et al. 2015, section 4.2; torchvision's
 * `RandomCrop`).
 */
export type PadCropConfig = {
  /**
   * Padding on each side, in pixels. Default: 4.
   */
  padding?: number | undefined
}

/**
 * A crop of random size and aspect ratio, resized (torchvision's `RandomResizedCrop`).
 */
export type RandomResizedCropConfig = {
  /**
   * Minimum and maximum fraction of the image area. Default: [0.08, 1].
   */
  scale?: [number, number] | undefined
  /**
   * Minimum and maximum aspect ratio. Default: [3/4, 4/3].
   */
  ratio?: [number, number] | undefined
}

/**
 * The short side resized to a random length, then a random crop: scale augmentation of He et
 * al. 2015, section 3.4 (after Simonyan and Zisserman 2014).
 */
export type RandomShortSideCropConfig = {
  /**
   * Minimum length in pixels. Default: 256.
   */
  min?: number | undefined
  /**
   * Maximum length in pixels. Default: 480.
   */
  max?: number | undefined
}

/**
 * Automatic augmentation policy.
 */
export type PolicyConfig =
  | 'none'
  | 'randaugment'
  | 'trivialaugment'
  | { type: 'none' }
  | ({ type: 'randaugment' } & RandAugmentConfig)
  | { type: 'trivialaugment' }

/**
 * Several random operations of equal strength (Cubuk et al. 2019; torchvision's
 * `RandAugment`).
 */
export type RandAugmentConfig = {
  /**
   * Number of operations per image, 1 to 16. Default: 2.
   */
  numOps?: number | undefined
  /**
   * Strength, 0 to 30. Default: 9.
   */
  magnitude?: number | undefined
}

/**
 * Color augmentation.
 */
export type ColorConfig = 'none' | 'pca' | { type: 'none' } | ({ type: 'pca' } & PcaColorConfig)

/**
 * Random shifts along the principal components of ImageNet's colors (Krizhevsky et al. 2012,
 * section 4.1; used by He et al. 2015, section 3.4). RGB images only.
 */
export type PcaColorConfig = {
  /**
   * Standard deviation of the shifts. Default: 0.1.
   */
  std?: number | undefined
}

/**
 * Erasing of image regions, filled with the mean color.
 */
export type EraseConfig =
  | 'none'
  | 'cutout'
  | 'random-erasing'
  | { type: 'none' }
  | ({ type: 'cutout' } & CutoutConfig)
  | ({ type: 'random-erasing' } & RandomErasingConfig)

/**
 * One square at a random position, possibly partly outside of the image (DeVries and Taylor
 * 2017).
 */
export type CutoutConfig = {
  /**
   * Side length in pixels. Default: half of `data.imageSize`.
   */
  size?: 'auto' | number | undefined
}

/**
 * One rectangle inside the image (Zhong et al. 2017; torchvision's `RandomErasing`).
 */
export type RandomErasingConfig = {
  /**
   * Probability of erasing. Default: 0.25.
   */
  probability?: number | undefined
  /**
   * Minimum and maximum fraction of the image area. Default: [0.02, 1/3].
   */
  scale?: [number, number] | undefined
  /**
   * Minimum and maximum aspect ratio. Default: [0.3, 3.3].
   */
  ratio?: [number, number] | undefined
}

/**
 * Mixing of two images.
 */
export type MixConfig =
  | 'none'
  | 'mixup'
  | 'cutmix'
  | { type: 'none' }
  | ({ type: 'mixup' } & MixupConfig)
  | ({ type: 'cutmix' } & CutmixConfig)

/**
 * Weighted mean of two images and of their losses (Zhang et al. 2017).
 */
export type MixupConfig = {
  /**
   * Parameter of the Beta distribution of the weight, drawn once per batch. Default: 0.2.
   */
  alpha?: number | undefined
}

/**
 * A rectangle pasted from another image (Yun et al. 2019).
 */
export type CutmixConfig = {
  /**
   * Parameter of the Beta distribution of the rectangle's area, drawn once per batch.
   * Default: 1.
   */
  alpha?: number | undefined
}

/**
 * The network and its initial weights.
 */
export type ModelConfig = {
  /**
   * Architecture. ImageNet networks: `resnet18` to `resnet152`, `resnext50_32x4d`,
   * `wide_resnet50_2`, `vgg16`, `vgg16_bn`. CIFAR networks of He et al. 2015: `resnet20`,
   * `resnet56`, `resnet110` (any depth 6n+2), and `wrn28_10`. Prefix `plain` removes the
   * shortcuts, `preresnet` is the pre-activation variant. Default: `resnet20` for images of
   * up to 96 pixels, else `resnet18`.
   */
  arch?: 'auto' | ModelName | undefined
  /**
   * First layers. `cifar`: 3x3 convolution, stride 1. `imagenet`: 7x7 convolution, stride 2,
   * and 3x3 max pooling. Default: `cifar` for CIFAR networks and for images of up to 96
   * pixels, else `imagenet`.
   */
  stem?: 'auto' | Stem | undefined
  /**
   * Shortcut option of He et al. 2015 where a block changes the shape. Default: `A` for
   * CIFAR networks of basic blocks, `none` for plain networks and VGG, else `B`.
   */
  shortcut?: 'auto' | Shortcut | undefined
  /**
   * Initialize the last batch normalization of every block with weight 0 (Goyal et al.
   * 2017), as torchvision's `zero_init_residual`. Default: false.
   */
  zeroInitResidual?: boolean | undefined
  /**
   * Bottleneck layer with stride 2: `3x3` as torchvision, or `1x1` as the paper.
   * Default: `3x3`.
   */
  bottleneckStride?: BottleneckStride | undefined
  /**
   * Initial weights: a file (.safetensors, .pth, .pt, .th), a run folder, `imagenet` for
   * torchvision's published weights, or `none` for random initialization. If the number of
   * classes differs, the head is initialized randomly. Default: `imagenet` for image folders
   * and manifests of fewer than 50,000 training images of more than 96 pixels if the file is
   * cached or can be downloaded; else `none`.
   */
  weights?: 'auto' | WeightsName | undefined
  /**
   * Expected SHA-256 of the weights file, in hexadecimal. Runs record it.
   */
  weightsSha256?: string | undefined
  /**
   * Layers that are not trained, by name or prefix (`conv1`, `layer1`); `backbone` is every
   * layer except the head. Their batch normalization uses running statistics. Default: [].
   */
  freeze?: Array<string> | undefined
}

/**
 * Layers before the first block.
 */
export type Stem = 'cifar' | 'imagenet'

/**
 * Shortcut where a block changes the shape (He et al. 2015, section 3.3).
 */
export type Shortcut = 'A' | 'B' | 'C' | 'none'

/**
 * Bottleneck layer with stride 2.
 */
export type BottleneckStride = '3x3' | '1x1'

/**
 * Length of training. The first limit that is reached ends the run.
 */
export type BudgetConfig = {
  /**
   * Passes over the training images. Default, if no limit is set: 30; up to 60 for few
   * images; 5 to 30 if training starts from weights.
   */
  epochs?: number | undefined
  /**
   * Optimizer steps.
   */
  steps?: number | undefined
  /**
   * Seconds of training, including validation.
   */
  seconds?: number | undefined
}

/**
 * Optimizer.
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
 * Stochastic gradient descent with momentum (`torch.optim.SGD`).
 */
export type SgdConfig = {
  /**
   * Learning rate. Default: 0.1, scaled down linearly for batches of fewer than 64 images
   * (256 for images of more than 96 pixels); 0.01 if training starts from weights.
   */
  lr?: number | undefined
  /**
   * Momentum, from 0 to less than 1. Default: 0.9.
   */
  momentum?: number | undefined
  /**
   * Weight decay (L2 penalty). Default: 5e-4; 1e-4 if training starts from weights.
   */
  weightDecay?: number | undefined
  /**
   * Use Nesterov momentum. Default: false.
   */
  nesterov?: boolean | undefined
  /**
   * Apply weight decay to normalization layers and biases too, as PyTorch does.
   * Default: true.
   */
  decayNorms?: boolean | undefined
}

/**
 * Adam (Kingma and Ba 2014, `torch.optim.Adam`), or with decoupled weight decay AdamW
 * (Loshchilov and Hutter 2017, `torch.optim.AdamW`).
 */
export type AdamConfig = {
  /**
   * Learning rate. Default: 1e-3; 1e-4 if training starts from weights.
   */
  lr?: number | undefined
  /**
   * Decay rates of the first and second moment estimates. Default: [0.9, 0.999].
   */
  betas?: [number, number] | undefined
  /**
   * Term added to the denominator. Default: 1e-8.
   */
  eps?: number | undefined
  /**
   * Weight decay. Default: 0 for `adam`, 0.01 for `adamw`.
   */
  weightDecay?: number | undefined
  /**
   * Apply weight decay to normalization layers and biases too. Default: true.
   */
  decayNorms?: boolean | undefined
}

/**
 * Layer-wise adaptive rate scaling, for large batches (You et al. 2017).
 */
export type LarsConfig = {
  /**
   * Learning rate. Default: 0.1.
   */
  lr?: number | undefined
  /**
   * Momentum, from 0 to less than 1. Default: 0.9.
   */
  momentum?: number | undefined
  /**
   * Weight decay. Default: 5e-4.
   */
  weightDecay?: number | undefined
  /**
   * Trust coefficient (eta in the paper). Default: 0.001.
   */
  trustCoefficient?: number | undefined
  /**
   * Term added to the denominator. Default: 1e-8.
   */
  eps?: number | undefined
  /**
   * Apply weight decay and layer-wise scaling to normalization layers and biases too.
   * Default: false.
   */
  decayNorms?: boolean | undefined
}

/**
 * Learning-rate schedule.
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
 * Cosine annealing from the optimizer's learning rate to `minLr`, updated at every step
 * (`CosineAnnealingLR`).
 */
export type CosineScheduleConfig = {
  /**
   * Final learning rate. Default: 0.
   */
  minLr?: number | undefined
}

/**
 * Multiplies the learning rate by `gamma` at each milestone (`MultiStepLR`).
 */
export type MultiStepScheduleConfig = {
  /**
   * Ascending epochs or steps (see `unit`) after which the learning rate is multiplied.
   * Default: one half and three quarters of the budget.
   */
  milestones?: 'auto' | Array<number> | undefined
  /**
   * Factor. Default: 0.1.
   */
  gamma?: number | undefined
  /**
   * Unit of `milestones`. Default: `epoch`.
   */
  unit?: ScheduleUnit | undefined
}

/**
 * Unit in which a schedule counts.
 */
export type ScheduleUnit = 'epoch' | 'step'

/**
 * Multiplies the learning rate by `factor` when a metric stops improving
 * (`ReduceLROnPlateau`).
 */
export type PlateauScheduleConfig = {
  /**
   * Factor, between 0 and 1. Default: 0.1.
   */
  factor?: number | undefined
  /**
   * Minimum improvement of the metric. Default: 1e-4.
   */
  threshold?: number | undefined
  /**
   * Whether `threshold` is relative to the best value or absolute. Default: `rel`.
   */
  thresholdMode?: ThresholdMode | undefined
  /**
   * Epochs without improvement before the learning rate is reduced. Default: 10.
   */
  patience?: number | undefined
  /**
   * Epochs after a reduction during which `patience` is not counted. Default: 0.
   */
  cooldown?: number | undefined
  /**
   * Lower bound of the learning rate. Default: 0.
   */
  minLr?: number | undefined
  /**
   * Metric. Default: `val.loss`, or `train.loss` without a validation split.
   */
  metric?: 'auto' | Metric | undefined
}

/**
 * Interpretation of the threshold of a plateau schedule.
 */
export type ThresholdMode = 'rel' | 'abs'

/**
 * Metric that is available after every epoch.
 */
export type Metric = 'train.loss' | 'train.accuracy' | 'val.loss' | 'val.accuracy'

/**
 * Multiplies the learning rate by `gamma` every `stepSize` epochs or steps (`StepLR`).
 */
export type StepScheduleConfig = {
  /**
   * Epochs or steps (see `unit`) between reductions. Default: a third of the budget.
   */
  stepSize?: 'auto' | number | undefined
  /**
   * Factor. Default: 0.1.
   */
  gamma?: number | undefined
  /**
   * Unit of `stepSize`. Default: `epoch`.
   */
  unit?: ScheduleUnit | undefined
}

/**
 * Linear decay from the optimizer's learning rate to `endFactor` times it over the whole
 * budget, updated at every step (`LinearLR`).
 */
export type LinearScheduleConfig = {
  /**
   * Final multiple of the learning rate, 0 to 1. Default: 0.
   */
  endFactor?: number | undefined
}

/**
 * Multiplies the optimizer's learning rate by `(1 - progress) ^ power` over the whole budget,
 * updated at every step (`PolynomialLR`).
 */
export type PolynomialScheduleConfig = {
  /**
   * Exponent. Default: 1.
   */
  power?: number | undefined
}

/**
 * One-cycle policy (Smith 2017, `OneCycleLR`). The optimizer's learning rate is the maximum.
 */
export type OneCycleScheduleConfig = {
  /**
   * Fraction of the budget during which the learning rate increases. Default: 0.3.
   */
  pctStart?: number | undefined
  /**
   * Maximum divided by initial learning rate. Default: 25.
   */
  divFactor?: number | undefined
  /**
   * Initial divided by final learning rate. Default: 10000.
   */
  finalDivFactor?: number | undefined
  /**
   * Shape of increase and decrease. Default: `cos`.
   */
  annealStrategy?: AnnealStrategy | undefined
}

/**
 * Shape of the increase and decrease of the learning rate.
 */
export type AnnealStrategy = 'cos' | 'linear'

/**
 * Linear warm-up of the learning rate, applied on top of any schedule.
 */
export type WarmupConfig = {
  /**
   * Length in epochs, fractions allowed; 0 disables it. Default: 0; 1 if training starts
   * from weights (a tenth of the budget if that is less).
   */
  epochs?: number | undefined
  /**
   * Initial multiple of the learning rate, 0 to 1. Default: 0.1.
   */
  startFactor?: number | undefined
  /**
   * Instead of a linear increase, keep the learning rate at `startFactor` until the training
   * accuracy of an epoch reaches this value. He et al. 2015 use 0.2 for ResNet-110
   * (section 4.2).
   */
  untilAccuracy?: number | undefined
}

/**
 * Cross-entropy loss.
 */
export type LossConfig = {
  /**
   * Label smoothing (Szegedy et al. 2015), from 0 to less than 1. Default: 0.
   */
  labelSmoothing?: number | undefined
  /**
   * Weight of each class. Default: `none`.
   */
  classWeights?: ClassWeightsConfig | undefined
}

/**
 * Weight of each class in the loss.
 */
export type ClassWeightsConfig =
  | 'none'
  | 'balanced'
  | 'given'
  | { type: 'none' }
  | { type: 'balanced' }
  | ({ type: 'given' } & GivenClassWeightsConfig)

/**
 * Explicit class weights.
 */
export type GivenClassWeightsConfig = {
  /**
   * One weight per class, in class order.
   */
  weights?: Array<number> | undefined
}

/**
 * Gradient clipping and accumulation.
 */
export type GradientConfig = {
  /**
   * Maximum L2 norm of all gradients together (`clip_grad_norm_`). Default: no clipping.
   */
  clipNorm?: number | undefined
  /**
   * Maximum absolute value of each gradient element (`clip_grad_value_`). Default: no
   * clipping.
   */
  clipValue?: number | undefined
  /**
   * Batches whose gradients are averaged in one optimizer step. Default: 1.
   */
  accumulate?: number | undefined
}

/**
 * Exponential moving average of the weights. Evaluation and checkpoints use the average.
 */
export type EmaConfig = {
  /**
   * Decay per step, from 0 to less than 1; 0 disables it. Default: 0.
   */
  decay?: number | undefined
}

/**
 * Early stopping.
 */
export type EarlyStoppingConfig = {
  /**
   * Epochs without improvement after which the run ends. Default: 10.
   */
  patience?: number | undefined
  /**
   * Minimum absolute improvement of the metric. Default: 0.
   */
  minDelta?: number | undefined
  /**
   * Metric. Default: `monitor`.
   */
  metric?: 'auto' | Metric | undefined
}

/**
 * Data type of forward and backward pass. Weights and optimizer state are fp32 (fp64 for
 * `fp64`).
 */
export type Precision = 'fp32' | 'bf16' | 'fp16' | 'fp64'

/**
 * Device that trains or evaluates.
 */
export type Device = 'cpu' | 'cuda'

/**
 * Memory layout of image tensors.
 */
export type MemoryFormat = 'channels_last' | 'contiguous'

/**
 * Where images are cropped, flipped and normalized.
 */
export type AugmentOn = 'workers' | 'device'

/**
 * Checkpoints in addition to the last and the best one.
 */
export type CheckpointConfig = {
  /**
   * Keep a checkpoint `epoch-0010.safetensors` every this many epochs; 0 keeps none.
   * Default: 0.
   */
  everyEpochs?: number | undefined
  /**
   * Also write `last.safetensors` every this many steps; 0 writes it after each epoch only.
   * Default: 0.
   */
  everySteps?: number | undefined
}

/**
 * Logging.
 */
export type LogConfig = {
  /**
   * Steps between two lines in metrics.jsonl, 1 or more. Default: 10.
   */
  everySteps?: number | undefined
}

// Options of other functions

/**
 * Options of `evaluate()`.
 */
export type EvaluateConfig = {
  /**
   * Data set, as in `TrainConfig`. Default: the data set that the model was trained on.
   */
  data?: DatasetName | DataConfig | undefined
  /**
   * Split. Default: the first of test, val and train that exists.
   */
  split?: Split | undefined
  /**
   * Images per batch. Default: as in training.
   */
  batchSize?: number | undefined
  /**
   * Test-time augmentation. Default: `center`.
   */
  crops?: TestCrops | undefined
  /**
   * Short sides of `multi-scale`, in pixels. Default: [224, 256, 384, 480, 640].
   */
  scales?: Array<number> | undefined
  /**
   * Number of images with the highest losses to report in `topLosses`. Default: 0.
   */
  topLosses?: number | undefined
  /**
   * Number of evenly spaced images to report in `samples`. Default: 0.
   */
  samples?: number | undefined
  /**
   * Include the pixels of these images as squares of this side length, 8 to 256 pixels.
   * Default: no pixels.
   */
  thumbnails?: number | undefined
}

/**
 * Split of a data set.
 */
export type Split = 'train' | 'val' | 'test'

/**
 * Test-time augmentation: the crops of an image whose probabilities are averaged.
 */
export type TestCrops = 'center' | 'flip' | 'ten' | 'multi-scale'

/**
 * Options of `predict()`.
 */
export type PredictConfig = {
  /**
   * Number of classes to return, most probable first. Default: 5.
   */
  top?: number | undefined
  /**
   * Test-time augmentation; probabilities are averaged. Default: `center`.
   */
  crops?: TestCrops | undefined
  /**
   * Short sides of `multi-scale`, in pixels. Default: [224, 256, 384, 480, 640].
   */
  scales?: Array<number> | undefined
  /**
   * Include the image, reduced so that no side exceeds this many pixels, 8 to 256. Default:
   * no image.
   */
  thumbnails?: number | undefined
}

/**
 * Options for loading weights without metadata. `info.assumed` lists the defaults that were
 * used.
 */
export type LoadConfig = {
  /**
   * Network. Default: inferred from the names and shapes of the tensors.
   */
  model?: ModelName | ModelConfig | undefined
  /**
   * Class names in index order. Default: CIFAR-10's for ten classes and a CIFAR stem, else
   * `class 0`, `class 1`, ...
   */
  classes?: Array<string> | undefined
  /**
   * Height and width of the network's input, in pixels. Default: 32 with a CIFAR stem, else
   * 224.
   */
  imageSize?: number | undefined
  /**
   * Preprocessing: `mean`, `std`, `evalResize`. Default: ImageNet's values.
   */
  transform?: TransformConfig | undefined
  /**
   * Data type of the computation. Default: `fp32`.
   */
  precision?: Precision | undefined
  /**
   * Device. Default: `cuda` if available, else `cpu`.
   */
  device?: Device | undefined
}

/**
 * Options of `export()`, for ONNX only.
 */
export type ExportConfig = {
  /**
   * Output probabilities instead of logits. Default: false.
   */
  softmax?: boolean | undefined
  /**
   * Expect pixels from 0 to 1 instead of normalized ones. Default: false.
   */
  normalization?: boolean | undefined
}

/**
 * Network and input shape for `inspect()`.
 */
export type InspectConfig = {
  /**
   * Network: a name, or an object with further settings.
   */
  model?: ModelName | ModelConfig | undefined
  /**
   * Input channels, 1 to 1024. Default: 3.
   */
  channels?: number | undefined
  /**
   * Input height and width, in pixels, 8 to 1024. Default: 32 for CIFAR networks, else 224.
   */
  imageSize?: number | undefined
  /**
   * Number of classes, 1 to 1,000,000. Default: 10 for CIFAR networks, else 1000.
   */
  classes?: number | undefined
}

/**
 * Options of `previewDataset()`.
 */
export type PreviewConfig = {
  /**
   * Data set, as in `TrainConfig`, including `limit` and `validation`.
   */
  data?: DatasetName | DataConfig | undefined
  /**
   * Split. Default: train.
   */
  split?: Split | undefined
  /**
   * Number of images, up to 1000. Default: 40; with `by-class`, 8 per class and at most 200.
   */
  count?: number | undefined
  /**
   * Order. Default: `random`.
   */
  order?: PreviewOrder | undefined
  /**
   * Random seed of the selection, of augmentation and, without `data.splitSeed`, of the
   * validation split. Default: 0.
   */
  seed?: number | undefined
  /**
   * Apply the random augmentation of training. Default: false.
   */
  augmented?: boolean | undefined
  /**
   * Augmentation, as in `TrainConfig`.
   */
  transform?: TransformConfig | undefined
}

/**
 * Selection and order of previewed images.
 */
export type PreviewOrder = 'random' | 'by-class'

/**
 * Range of learning rates that `findLr()` tries.
 */
export type FindLrConfig = {
  /**
   * Learning rate of the first step. Default: 1e-7.
   */
  startLr?: number | undefined
  /**
   * Learning rate of the last step. Default: 10.
   */
  endLr?: number | undefined
  /**
   * Number of steps, 10 to 100,000. Default: 100.
   */
  steps?: number | undefined
}

/**
 * Options of `plan()`.
 */
export type PlanConfig = {
  /**
   * Measure training steps (at least two, about three seconds) on a temporary network to
   * estimate the training time. Default: true.
   */
  measure?: boolean | undefined
}

/**
 * Options of `bench()`.
 */
export type BenchConfig = {
  /**
   * Network: a name, or an object with further settings. Default: `resnet20`.
   */
  model?: ModelName | ModelConfig | undefined
  /**
   * Input height and width, in pixels. Default: 32 for CIFAR networks, else 224.
   */
  imageSize?: number | undefined
  /**
   * Input channels. Default: 3.
   */
  channels?: number | undefined
  /**
   * Number of classes. Default: 10 for CIFAR networks, else 1000.
   */
  classes?: number | undefined
  /**
   * Images per batch. Default: as in `TrainConfig`.
   */
  batchSize?: 'auto' | number | undefined
  /**
   * Data type of the computation. Default: as in `TrainConfig`.
   */
  precision?: 'auto' | Precision | undefined
  /**
   * Device. Default: as in `TrainConfig`.
   */
  device?: 'auto' | Device | undefined
  /**
   * Threads for tensor operations. Default: as in `TrainConfig`.
   */
  threads?: 'auto' | number | undefined
  /**
   * Measurements of training and of inference, alternating. Default: 5.
   */
  rounds?: number | undefined
  /**
   * Approximate length of a measurement, in seconds. Default: 1.
   */
  seconds?: number | undefined
}

// Errors

/**
 * Code of an error. Adding a code is an API change.
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
 * Location of an error: a configuration key (`optimizer.lr`, `schedule.milestones[1]`), a file, or
 * a line of a file. Every part is optional.
 */
export type ErrorLocation = {
  key?: string | undefined
  file?: string | undefined
  line?: number | undefined
}

// Data set, training results and evaluation

/**
 * Properties of a data set.
 */
export type DatasetInfo = {
  /**
   * Path or name as given by the user.
   */
  source: string
  format: DataFormat
  /**
   * Class names in index order.
   */
  classes: Array<string>
  /**
   * Channels of the images (3 if mixed).
   */
  channels: number
  /**
   * Height and width, if equal for all images.
   */
  imageSize: [number, number] | null
  /**
   * Median length of the short side, in pixels; null if unknown.
   */
  medianShortSide: number | null
  /**
   * Training images, before the validation split.
   */
  train: number
  /**
   * Images of the data set's own validation split.
   */
  val: number
  /**
   * Images of the test split.
   */
  test: number
  /**
   * Mean of each channel over the training images, for values from 0 to 1; null if all images
   * would have to be decoded to compute it.
   */
  mean: Array<number> | null
  /**
   * Standard deviation of each channel over the training images; null like `mean`.
   */
  std: Array<number> | null
  /**
   * Whether a horizontal flip preserves the class (not for digits).
   */
  flipPreservesLabel: boolean
  /**
   * Size of all decoded training and validation images in bytes; null if they are in memory
   * already.
   */
  decodedBytes: number | null
  /**
   * Hash of the labels and of the names or bytes of the training images.
   */
  fingerprint: string
}

/**
 * Result of `train()`, and content of result.json.
 */
export type TrainResult = {
  stopReason: StopReason
  /**
   * Absolute path of the run folder.
   */
  dir: string
  /**
   * Completed epochs.
   */
  epochs: number
  /**
   * Completed steps.
   */
  steps: number
  /**
   * Best epoch by `monitor`; null if no epoch was completed.
   */
  best: BestCheckpoint | null
  /**
   * Absolute path of the last checkpoint.
   */
  last: string
  /**
   * Test metrics of the best checkpoint; null without a test split or if the run was stopped.
   */
  test: Metrics | null
  /**
   * Training throughput, excluding validation.
   */
  imagesPerSecond: number
  /**
   * Training time of all sessions of the run, including validation.
   */
  seconds: number
  /**
   * Absolute path of the report, if `train()` wrote one. Not in result.json, from which the
   * report is generated.
   */
  report?: string | undefined
}

/**
 * Reason why a run ended without an error.
 */
export type StopReason = 'completed' | 'stopped' | 'early-stopping' | 'budget'

/**
 * The best epoch of a run and its checkpoint.
 */
export type BestCheckpoint = {
  epoch: number
  /**
   * Validation accuracy; training accuracy without a validation split.
   */
  accuracy: number
  loss: number
  /**
   * Absolute path of the checkpoint.
   */
  checkpoint: string
}

/**
 * Loss and accuracy over a set of images.
 */
export type Metrics = {
  /**
   * Mean cross-entropy, in nats.
   */
  loss: number
  /**
   * Fraction of images classified correctly, 0 to 1.
   */
  accuracy: number
  /**
   * Number of images.
   */
  count: number
}

/**
 * Result of `evaluate()`.
 */
export type Evaluation = {
  /**
   * Mean cross-entropy, in nats.
   */
  loss: number
  /**
   * Fraction of images classified correctly, 0 to 1.
   */
  accuracy: number
  /**
   * Top-5 accuracy: fraction of images whose class is among the five most probable, 0 to 1.
   */
  top5: number
  /**
   * Number of evaluated images.
   */
  count: number
  classes: Array<ClassMetrics>
  /**
   * Confusion matrix: `confusion[i][j]` is the number of images of class i predicted as class j.
   * Empty for more than 1,000 classes.
   */
  confusion: Array<Array<number>>
  /**
   * The ten most frequently confused pairs of classes.
   */
  mostConfused: Array<ConfusedPair>
  calibration: Calibration
  /**
   * Images with the highest losses; their number is `topLosses` of the request.
   */
  topLosses: Array<EvaluatedImage>
  /**
   * Evenly spaced images of the split; their number is `samples` of the request.
   */
  samples: Array<EvaluatedImage>
  /**
   * Number of images that could not be read. They are not included in `count`.
   */
  broken: number
  /**
   * A warning for each unreadable image, at most 100.
   */
  warnings: Array<WarningEvent>
  imagesPerSecond: number
}

/**
 * Metrics of one class.
 */
export type ClassMetrics = {
  label: string
  /**
   * Recall: fraction of the class's images classified correctly, 0 to 1; 0 without images.
   */
  accuracy: number
  /**
   * Precision: fraction of the images predicted as this class that belong to it, 0 to 1; 0
   * without predictions.
   */
  precision: number
  /**
   * F1 score: harmonic mean of precision and recall.
   */
  f1: number
  /**
   * Images of this class (support).
   */
  count: number
  /**
   * Images predicted as this class.
   */
  predicted: number
}

/**
 * A cell of the confusion matrix off its diagonal.
 */
export type ConfusedPair = {
  /**
   * True class.
   */
  label: string
  /**
   * Predicted class.
   */
  predicted: string
  /**
   * Number of images.
   */
  count: number
  /**
   * Fraction of the images of `label`, 0 to 1.
   */
  share: number
}

/**
 * Calibration: agreement of predicted probabilities and accuracy.
 */
export type Calibration = {
  /**
   * Expected calibration error (Guo et al. 2017, arXiv:1706.04599): mean absolute difference of
   * confidence and accuracy over the bins, weighted by their number of images, 0 to 1.
   */
  error: number
  /**
   * 15 bins of equal width, for a reliability diagram.
   */
  bins: Array<CalibrationBin>
}

/**
 * A bin of a reliability diagram: the images whose confidence is in a range.
 */
export type CalibrationBin = {
  /**
   * Lower bound of the confidence, exclusive.
   */
  from: number
  /**
   * Upper bound of the confidence, inclusive.
   */
  to: number
  /**
   * Number of images.
   */
  count: number
  /**
   * Mean confidence (probability of the predicted class); 0 without images.
   */
  confidence: number
  /**
   * Fraction of images classified correctly; 0 without images.
   */
  accuracy: number
}

/**
 * Prediction for one image of an evaluation.
 */
export type EvaluatedImage = {
  /**
   * Index in its split of the data set.
   */
  index: number
  /**
   * Path of the file, or split and index (`test/12`) if the image has no file of its own.
   */
  name: string
  /**
   * True class.
   */
  label: string
  /**
   * Predicted class.
   */
  predicted: string
  /**
   * Probability of `predicted`, 0 to 1.
   */
  probability: number
  /**
   * Cross-entropy, in nats.
   */
  loss: number
  /**
   * Pixels, if `thumbnails` is set.
   */
  thumbnail?: Thumbnail | undefined
}

/**
 * A small image as JSON.
 */
export type Thumbnail = {
  width: number
  height: number
  /**
   * 1 (grayscale) or 3 (RGB).
   */
  channels: number
  /**
   * Pixels in base64: `height * width * channels` bytes in HWC order.
   */
  base64: string
}

/**
 * A problem that does not end the run.
 */
export type WarningEvent = {
  /**
   * Code of the equivalent error.
   */
  code: ErrorCode
  message: string
  /**
   * File that the warning refers to.
   */
  file?: string | undefined
  hint?: string | undefined
}

/**
 * Content of evaluation.json: evaluation of the best checkpoint when the run ended. Reports use it
 * instead of evaluating again.
 */
export type RunEvaluation = {
  /**
   * Evaluated split: test, or val without a test split or if the run was stopped.
   */
  split: Split
  /**
   * Epoch of the checkpoint.
   */
  epoch: number
  /**
   * Evaluation with thumbnails of samples and of the highest losses.
   */
  evaluation: Evaluation
}

/**
 * Result of `experiment.ensemble()`.
 */
export type EnsembleEvaluation = {
  /**
   * Evaluation of the mean of the members' probabilities.
   */
  ensemble: Evaluation
  /**
   * Evaluation of each member, in the order of the request.
   */
  members: Array<Evaluation>
}

/**
 * Response of a layer (He et al. 2015, figure 7).
 */
export type LayerResponse = {
  /**
   * Name of a 3x3 convolution, such as `layer1.0.conv1`.
   */
  name: string
  /**
   * Standard deviation over images, channels and positions of the output of the layer's batch
   * normalization (or of the convolution, without one), before ReLU and addition.
   */
  std: number
}

/**
 * Prediction for an image.
 */
export type Prediction = {
  label: string
  index: number
  /**
   * Probability, 0 to 1.
   */
  probability: number
  /**
   * Most probable classes in descending order.
   */
  top: Array<LabelProbability>
  /**
   * The image, if `thumbnails` is set.
   */
  thumbnail?: Thumbnail | undefined
}

/**
 * Probability of a class.
 */
export type LabelProbability = {
  label: string
  index: number
  /**
   * Probability, 0 to 1.
   */
  probability: number
}

/**
 * Result of `findLr()`.
 */
export type LrFinderResult = {
  /**
   * Steps by increasing learning rate.
   */
  points: Array<LrPoint>
  /**
   * Whether the loss diverged before the last learning rate.
   */
  diverged: boolean
  /**
   * Suggested learning rate; null if the loss did not decrease.
   */
  suggestion: number | null
  reason: string
  /**
   * Suggestions of all rules; the first one is `suggestion`.
   */
  suggestions: Array<LrSuggestion>
}

/**
 * One step of the learning-rate range test.
 */
export type LrPoint = {
  /**
   * Learning rate of this step.
   */
  lr: number
  /**
   * Mean loss of the batch, before the weight update.
   */
  loss: number
  /**
   * Exponentially smoothed loss.
   */
  smoothed: number
}

/**
 * A suggested learning rate.
 */
export type LrSuggestion = {
  /**
   * Rule: `minimum/10` or `steepest`.
   */
  name: string
  lr: number
  reason: string
}

/**
 * Result of `bench()`.
 */
export type BenchResult = {
  /**
   * Name of the network.
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
   * Number of trainable parameters.
   */
  parameters: number
  /**
   * Multiply-accumulate operations of the forward pass of one image.
   */
  macs: number
  /**
   * Training throughput: forward pass, loss, backward pass and optimizer step.
   */
  train: Throughput
  /**
   * Inference throughput: forward passes in evaluation mode.
   */
  predict: Throughput
}

/**
 * Images per second, measured several times.
 */
export type Throughput = {
  /**
   * Measurement of each round, in order.
   */
  rounds: Array<number>
  median: number
  min: number
  max: number
}

// Models

/**
 * Description of a loaded model.
 */
export type ModelInfo = {
  arch: string
  /**
   * Class names in index order.
   */
  classes: Array<string>
  channels: number
  /**
   * Height and width of the network's input, in pixels.
   */
  imageSize: number
  /**
   * Number of trainable parameters.
   */
  parameters: number
  /**
   * Absolute path of the file that was loaded.
   */
  checkpoint: string
  /**
   * Completed epochs; 0 if unknown.
   */
  epoch: number
  /**
   * Assumptions about weights without metadata, one sentence each. Empty for checkpoints.
   */
  assumed: Array<string>
}

/**
 * Result of `inspect()`.
 */
export type Inspection = {
  name: string
  /**
   * Shape of the input: channels, height, width.
   */
  input: [number, number, number]
  classes: number
  /**
   * Number of trainable parameters.
   */
  parameters: number
  /**
   * Multiply-adds of the convolutions and linear layers in the forward pass of one image, as He
   * et al. 2015 count them.
   */
  macs: number
  layers: Array<LayerRow>
  /**
   * Module tree, as PyTorch's `print(net)` formats it.
   */
  tree: string
  /**
   * `tree` with output shape, parameters and multiply-adds of each layer, and the totals, as
   * printed by `residual inspect --tree`.
   */
  text: string
  /**
   * Table of the layers, as printed by `residual inspect --table`.
   */
  table: string
  /**
   * Metadata of the file, if a checkpoint was inspected.
   */
  checkpoint?: CheckpointInfo | undefined
}

/**
 * A layer of a network.
 */
export type LayerRow = {
  /**
   * Name as in `state_dict`, such as `layer1.0.conv1`.
   */
  name: string
  /**
   * PyTorch class and options, such as `Conv2d 3x3, stride 2`.
   */
  kind: string
  /**
   * Shape of the output: channels, height and width, or features for a linear layer.
   */
  output: Array<number>
  parameters: number
  macs: number
}

/**
 * Metadata of a checkpoint or weights file.
 */
export type CheckpointInfo = {
  /**
   * Absolute path of the file.
   */
  file: string
  bytes: number
  /**
   * Class names in index order.
   */
  classes: Array<string>
  /**
   * Mean and standard deviation of each channel used for normalization, for values from 0 to 1.
   */
  mean: Array<number>
  std: Array<number>
  precision: Precision
  /**
   * Data set that the model was trained on, as named in its configuration; null for external
   * weights.
   */
  source: string | null
  /**
   * Completed epochs; 0 if unknown.
   */
  epoch: number
  /**
   * Completed steps; 0 if unknown.
   */
  step: number
  /**
   * Best epoch of the run so far; null if unknown.
   */
  best: BestEpoch | null
  /**
   * Assumptions about weights without metadata, one sentence each. Empty for checkpoints.
   */
  assumed: Array<string>
}

/**
 * Best epoch by validation metrics (training metrics without a validation split).
 */
export type BestEpoch = { epoch: number; accuracy: number; loss: number }

// Resolved configuration

/**
 * Configuration of a training run. Only `data` is required.
 */
export type ResolvedConfig = {
  /**
   * Data set: a path, a name, or an object with further settings.
   */
  data: ResolvedData
  /**
   * Resizing, augmentation and normalization.
   */
  transform: ResolvedTransform
  /**
   * Network: a name, or an object with further settings.
   */
  model: ResolvedModel
  /**
   * Passes over the training images. Short for `budget.epochs`.
   */
  epochs: number | null
  /**
   * Length of training in epochs, steps or seconds.
   */
  budget: ResolvedBudget
  /**
   * Images per batch, 2 or more. Default: 128, or 32 for images of more than 96 pixels;
   * smaller if an epoch would have fewer than 8 steps or memory would not suffice.
   */
  batchSize: number
  /**
   * Optimizer. Default: `sgd`.
   */
  optimizer: ResolvedOptimizer
  /**
   * Learning-rate schedule. Default: `cosine`.
   */
  schedule: ResolvedSchedule
  /**
   * Learning-rate warm-up. Default: none; 1 epoch if training starts from weights.
   */
  warmup: ResolvedWarmup
  /**
   * Loss function: cross-entropy.
   */
  loss: ResolvedLoss
  /**
   * Gradient clipping and accumulation.
   */
  gradient: ResolvedGradient
  /**
   * Exponential moving average of the weights.
   */
  ema: ResolvedEma
  /**
   * Early stopping. Default: off.
   */
  earlyStopping: ResolvedEarlyStopping | null
  /**
   * Data type of the computation. Default: `bf16` on CPUs with AMX, AMD CPUs with
   * AVX512_BF16 and GPUs of compute capability 8.0 or higher, else `fp32`.
   */
  precision: Precision
  /**
   * Device. Default: `cuda` if available, else `cpu`.
   */
  device: Device
  /**
   * Memory layout of image tensors. Default: `channels_last`, which is faster for
   * convolutions; `contiguous` for `fp64`.
   */
  memoryFormat: MemoryFormat
  /**
   * Random seed of weights, data order and augmentation. On the CPU, equal seeds and thread
   * counts give bit-identical results. Default: 0.
   */
  seed: number
  /**
   * Threads for tensor operations, 1 to 1024. Default: number of physical cores.
   */
  threads: number
  /**
   * Threads for loading images, 1 to 1024. Default: number of physical cores.
   */
  workers: number
  /**
   * Memory for decoded image files that are reused in later epochs, in MiB; 0 disables the
   * cache. Results do not depend on it. Default: the size of all training and validation
   * images, at most a quarter of the free memory; 0 if every image is read once.
   */
  cache: number
  /**
   * Where training and validation images are cropped, flipped and normalized. Results do not
   * depend on it. Default: `device` for CUDA if all images are in memory at
   * `data.imageSize`, need no other transform and take at most a quarter of the free GPU
   * memory; else `workers`.
   */
  augmentOn: AugmentOn
  /**
   * Maximum fraction of GPU memory that this process may allocate, above 0 to 1, as
   * `torch.cuda.set_per_process_memory_fraction`. It applies until another run changes it
   * and has no effect on the CPU. Default: 1.
   */
  memoryFraction: number | null
  /**
   * Capture each training step as a CUDA graph. A warning is issued if that is not possible
   * (`lars`, `ema`, dropout, `gradient.accumulate`). No effect on the CPU. Default: false.
   */
  cudaGraphs: boolean
  /**
   * Metric that selects the best checkpoint, never measured on test data. Default:
   * `val.accuracy`, or `train.loss` without a validation split.
   */
  monitor: Metric
  /**
   * Additional checkpoints.
   */
  checkpoint: ResolvedCheckpoint
  /**
   * Logging.
   */
  log: ResolvedLog
  /**
   * Run folder. Default: `runs/<data>-<model>`, with a number appended if it exists.
   */
  out: string
  /**
   * Overwrite a finished run in `out`. Default: false.
   */
  overwrite: boolean
  /**
   * Run folder or checkpoint to resume. The run continues in its own folder.
   */
  resume: string | null
  /**
   * Base configuration: the name of a recipe (`notebook`) or a file (`./mine.yaml`). Keys
   * that are set here override it.
   */
  recipe: string | null
  /**
   * Reason for each value that was resolved from `auto`, by key.
   */
  reasons: { [key in string]: string }
}

/**
 * The data set: where it is, how it is split, and which images are used.
 */
export type ResolvedData = {
  /**
   * Path of a folder or file (`./photos`), or the name of a data set (`cifar10`).
   */
  source: string
  /**
   * Layout on disk. Default: detected.
   */
  format: DataFormat
  /**
   * Training images held out for validation, stratified by class and seeded: a fraction from
   * 0 to 0.5, or a number of images (at most half of them). Must be 0 if the data set has a
   * validation split. Default: 0.1, or 0 if the data set has a validation split.
   */
  validation: number
  /**
   * Channels of the network's input: 3 (RGB) or 1 (grayscale). Default: as the images.
   */
  channels: number
  /**
   * Height and width of the network's input, in pixels, 8 to 1024. Default: the size of
   * images of up to 96 pixels; otherwise 224, or less if most images are smaller; 128 for
   * fewer than 5,000 larger images without pretrained weights.
   */
  imageSize: number
  /**
   * Label set of CIFAR-100. Default: `fine`.
   */
  labels: CifarLabels
  /**
   * Oversample rare classes so that all are equally frequent, like PyTorch's
   * `WeightedRandomSampler`. The number of images in an epoch stays the same. Default:
   * false.
   */
  balanced: boolean
  /**
   * Maximum number of training images, chosen by seed and in proportion to the classes.
   * Validation and test images are not affected. Default: all.
   */
  limit: number | null
  /**
   * Seed of the validation split and of `limit`. Set it to compare values of `seed` on the
   * same images. Default: `seed`.
   */
  splitSeed: number
  /**
   * Expected hash of the training images; others are rejected with `E_MISMATCH`. Runs on
   * in-memory images record it.
   */
  fingerprint: string | null
  /**
   * Expected shape of in-memory training images: number, height, width, channels. Runs on
   * in-memory images record it.
   */
  shape: Array<number> | null
}

/**
 * Resizing, augmentation and normalization. Augmentation applies to training images only.
 */
export type ResolvedTransform = {
  /**
   * Crop of training images. Default: `pad` for images of up to 96 pixels, else
   * `random-resized`.
   */
  crop: ResolvedCrop
  /**
   * Flip training images horizontally with probability 0.5. Default: true, except for
   * digits.
   */
  flip: boolean
  /**
   * Mean of each channel, for values from 0 to 1. Default: the mean of the training images
   * if they are in memory, else ImageNet's.
   */
  mean: ChannelValues
  /**
   * Standard deviation of each channel, for values from 0 to 1. Default: as for `mean`.
   */
  std: ChannelValues
  /**
   * Length in pixels to which the short side of evaluation images is resized before the
   * center crop, `data.imageSize` to 2048. Default: `data.imageSize` up to 96 pixels, else
   * 8/7 of it (256 for 224).
   */
  evalResize: number
  /**
   * Decode large JPEGs at 1/2, 1/4 or 1/8 scale as long as the short side keeps at least
   * this many pixels, like Pillow's `draft`. 0 disables it. Default: twice `evalResize`; 0
   * for external weights, which were trained without it.
   */
  decodeShortSide: number
  /**
   * Subtract the mean image of the training images, pixel by pixel, instead of `mean` (He et
   * al. 2015, sections 3.4 and 4.2). Requires images of equal size. Default: false.
   */
  pixelMean: boolean
  /**
   * Automatic augmentation policy. Default: `none`.
   */
  policy: ResolvedPolicy
  /**
   * Color augmentation. Default: `none`.
   */
  color: ResolvedColor
  /**
   * Erasing of image regions. Default: `none`.
   */
  erase: ResolvedErase
  /**
   * Mixing of two images. Default: `none`.
   */
  mix: ResolvedMix
}

/**
 * Crop of training images to `data.imageSize`.
 */
export type ResolvedCrop =
  | { type: 'none' }
  | ({ type: 'pad' } & ResolvedPadCrop)
  | ({ type: 'random-resized' } & ResolvedRandomResizedCrop)
  | ({ type: 'random-short-side' } & ResolvedRandomShortSideCrop)

/**
 * Zero padding on each side, then a random crop (He et al. 2015, section 4.2; torchvision's
 * `RandomCrop`).
 */
export type ResolvedPadCrop = {
  /**
   * Padding on each side, in pixels. Default: 4.
   */
  padding: number
}

/**
 * A crop of random size and aspect ratio, resized (torchvision's `RandomResizedCrop`).
 */
export type ResolvedRandomResizedCrop = {
  /**
   * Minimum and maximum fraction of the image area. Default: [0.08, 1].
   */
  scale: [number, number]
  /**
   * Minimum and maximum aspect ratio. Default: [3/4, 4/3].
   */
  ratio: [number, number]
}

/**
 * The short side resized to a random length, then a random crop: scale augmentation of He et
 * al. 2015, section 3.4 (after Simonyan and Zisserman 2014).
 */
export type ResolvedRandomShortSideCrop = {
  /**
   * Minimum length in pixels. Default: 256.
   */
  min: number
  /**
   * Maximum length in pixels. Default: 480.
   */
  max: number
}

/**
 * Automatic augmentation policy.
 */
export type ResolvedPolicy =
  | { type: 'none' }
  | ({ type: 'randaugment' } & ResolvedRandAugment)
  | { type: 'trivialaugment' }

/**
 * Several random operations of equal strength (Cubuk et al. 2019; torchvision's
 * `RandAugment`).
 */
export type ResolvedRandAugment = {
  /**
   * Number of operations per image, 1 to 16. Default: 2.
   */
  numOps: number
  /**
   * Strength, 0 to 30. Default: 9.
   */
  magnitude: number
}

/**
 * Color augmentation.
 */
export type ResolvedColor = { type: 'none' } | ({ type: 'pca' } & ResolvedPcaColor)

/**
 * Random shifts along the principal components of ImageNet's colors (Krizhevsky et al. 2012,
 * section 4.1; used by He et al. 2015, section 3.4). RGB images only.
 */
export type ResolvedPcaColor = {
  /**
   * Standard deviation of the shifts. Default: 0.1.
   */
  std: number
}

/**
 * Erasing of image regions, filled with the mean color.
 */
export type ResolvedErase =
  | { type: 'none' }
  | ({ type: 'cutout' } & ResolvedCutout)
  | ({ type: 'random-erasing' } & ResolvedRandomErasing)

/**
 * One square at a random position, possibly partly outside of the image (DeVries and Taylor
 * 2017).
 */
export type ResolvedCutout = {
  /**
   * Side length in pixels. Default: half of `data.imageSize`.
   */
  size: number
}

/**
 * One rectangle inside the image (Zhong et al. 2017; torchvision's `RandomErasing`).
 */
export type ResolvedRandomErasing = {
  /**
   * Probability of erasing. Default: 0.25.
   */
  probability: number
  /**
   * Minimum and maximum fraction of the image area. Default: [0.02, 1/3].
   */
  scale: [number, number]
  /**
   * Minimum and maximum aspect ratio. Default: [0.3, 3.3].
   */
  ratio: [number, number]
}

/**
 * Mixing of two images.
 */
export type ResolvedMix =
  | { type: 'none' }
  | ({ type: 'mixup' } & ResolvedMixup)
  | ({ type: 'cutmix' } & ResolvedCutmix)

/**
 * Weighted mean of two images and of their losses (Zhang et al. 2017).
 */
export type ResolvedMixup = {
  /**
   * Parameter of the Beta distribution of the weight, drawn once per batch. Default: 0.2.
   */
  alpha: number
}

/**
 * A rectangle pasted from another image (Yun et al. 2019).
 */
export type ResolvedCutmix = {
  /**
   * Parameter of the Beta distribution of the rectangle's area, drawn once per batch.
   * Default: 1.
   */
  alpha: number
}

/**
 * The network and its initial weights.
 */
export type ResolvedModel = {
  /**
   * Architecture. ImageNet networks: `resnet18` to `resnet152`, `resnext50_32x4d`,
   * `wide_resnet50_2`, `vgg16`, `vgg16_bn`. CIFAR networks of He et al. 2015: `resnet20`,
   * `resnet56`, `resnet110` (any depth 6n+2), and `wrn28_10`. Prefix `plain` removes the
   * shortcuts, `preresnet` is the pre-activation variant. Default: `resnet20` for images of
   * up to 96 pixels, else `resnet18`.
   */
  arch: string
  /**
   * First layers. `cifar`: 3x3 convolution, stride 1. `imagenet`: 7x7 convolution, stride 2,
   * and 3x3 max pooling. Default: `cifar` for CIFAR networks and for images of up to 96
   * pixels, else `imagenet`.
   */
  stem: Stem
  /**
   * Shortcut option of He et al. 2015 where a block changes the shape. Default: `A` for
   * CIFAR networks of basic blocks, `none` for plain networks and VGG, else `B`.
   */
  shortcut: Shortcut
  /**
   * Initialize the last batch normalization of every block with weight 0 (Goyal et al.
   * 2017), as torchvision's `zero_init_residual`. Default: false.
   */
  zeroInitResidual: boolean
  /**
   * Bottleneck layer with stride 2: `3x3` as torchvision, or `1x1` as the paper.
   * Default: `3x3`.
   */
  bottleneckStride: BottleneckStride
  /**
   * Initial weights: a file (.safetensors, .pth, .pt, .th), a run folder, `imagenet` for
   * torchvision's published weights, or `none` for random initialization. If the number of
   * classes differs, the head is initialized randomly. Default: `imagenet` for image folders
   * and manifests of fewer than 50,000 training images of more than 96 pixels if the file is
   * cached or can be downloaded; else `none`.
   */
  weights: string
  /**
   * Expected SHA-256 of the weights file, in hexadecimal. Runs record it.
   */
  weightsSha256: string | null
  /**
   * Layers that are not trained, by name or prefix (`conv1`, `layer1`); `backbone` is every
   * layer except the head. Their batch normalization uses running statistics. Default: [].
   */
  freeze: Array<string>
}

/**
 * Length of training. The first limit that is reached ends the run.
 */
export type ResolvedBudget = {
  /**
   * Passes over the training images. Default, if no limit is set: 30; up to 60 for few
   * images; 5 to 30 if training starts from weights.
   */
  epochs: number | null
  /**
   * Optimizer steps.
   */
  steps: number | null
  /**
   * Seconds of training, including validation.
   */
  seconds: number | null
}

/**
 * Optimizer.
 */
export type ResolvedOptimizer =
  | ({ type: 'sgd' } & ResolvedSgd)
  | ({ type: 'adam' } & ResolvedAdam)
  | ({ type: 'adamw' } & ResolvedAdam)
  | ({ type: 'lars' } & ResolvedLars)

/**
 * Stochastic gradient descent with momentum (`torch.optim.SGD`).
 */
export type ResolvedSgd = {
  /**
   * Learning rate. Default: 0.1, scaled down linearly for batches of fewer than 64 images
   * (256 for images of more than 96 pixels); 0.01 if training starts from weights.
   */
  lr: number
  /**
   * Momentum, from 0 to less than 1. Default: 0.9.
   */
  momentum: number
  /**
   * Weight decay (L2 penalty). Default: 5e-4; 1e-4 if training starts from weights.
   */
  weightDecay: number
  /**
   * Use Nesterov momentum. Default: false.
   */
  nesterov: boolean
  /**
   * Apply weight decay to normalization layers and biases too, as PyTorch does.
   * Default: true.
   */
  decayNorms: boolean
}

/**
 * Adam (Kingma and Ba 2014, `torch.optim.Adam`), or with decoupled weight decay AdamW
 * (Loshchilov and Hutter 2017, `torch.optim.AdamW`).
 */
export type ResolvedAdam = {
  /**
   * Learning rate. Default: 1e-3; 1e-4 if training starts from weights.
   */
  lr: number
  /**
   * Decay rates of the first and second moment estimates. Default: [0.9, 0.999].
   */
  betas: [number, number]
  /**
   * Term added to the denominator. Default: 1e-8.
   */
  eps: number
  /**
   * Weight decay. Default: 0 for `adam`, 0.01 for `adamw`.
   */
  weightDecay: number
  /**
   * Apply weight decay to normalization layers and biases too. Default: true.
   */
  decayNorms: boolean
}

/**
 * Layer-wise adaptive rate scaling, for large batches (You et al. 2017).
 */
export type ResolvedLars = {
  /**
   * Learning rate. Default: 0.1.
   */
  lr: number
  /**
   * Momentum, from 0 to less than 1. Default: 0.9.
   */
  momentum: number
  /**
   * Weight decay. Default: 5e-4.
   */
  weightDecay: number
  /**
   * Trust coefficient (eta in the paper). Default: 0.001.
   */
  trustCoefficient: number
  /**
   * Term added to the denominator. Default: 1e-8.
   */
  eps: number
  /**
   * Apply weight decay and layer-wise scaling to normalization layers and biases too.
   * Default: false.
   */
  decayNorms: boolean
}

/**
 * Learning-rate schedule.
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
 * Cosine annealing from the optimizer's learning rate to `minLr`, updated at every step
 * (`CosineAnnealingLR`).
 */
export type ResolvedCosineSchedule = {
  /**
   * Final learning rate. Default: 0.
   */
  minLr: number
}

/**
 * Multiplies the learning rate by `gamma` at each milestone (`MultiStepLR`).
 */
export type ResolvedMultiStepSchedule = {
  /**
   * Ascending epochs or steps (see `unit`) after which the learning rate is multiplied.
   * Default: one half and three quarters of the budget.
   */
  milestones: Array<number>
  /**
   * Factor. Default: 0.1.
   */
  gamma: number
  /**
   * Unit of `milestones`. Default: `epoch`.
   */
  unit: ScheduleUnit
}

/**
 * Multiplies the learning rate by `factor` when a metric stops improving
 * (`ReduceLROnPlateau`).
 */
export type ResolvedPlateauSchedule = {
  /**
   * Factor, between 0 and 1. Default: 0.1.
   */
  factor: number
  /**
   * Minimum improvement of the metric. Default: 1e-4.
   */
  threshold: number
  /**
   * Whether `threshold` is relative to the best value or absolute. Default: `rel`.
   */
  thresholdMode: ThresholdMode
  /**
   * Epochs without improvement before the learning rate is reduced. Default: 10.
   */
  patience: number
  /**
   * Epochs after a reduction during which `patience` is not counted. Default: 0.
   */
  cooldown: number
  /**
   * Lower bound of the learning rate. Default: 0.
   */
  minLr: number
  /**
   * Metric. Default: `val.loss`, or `train.loss` without a validation split.
   */
  metric: Metric
}

/**
 * Multiplies the learning rate by `gamma` every `stepSize` epochs or steps (`StepLR`).
 */
export type ResolvedStepSchedule = {
  /**
   * Epochs or steps (see `unit`) between reductions. Default: a third of the budget.
   */
  stepSize: number
  /**
   * Factor. Default: 0.1.
   */
  gamma: number
  /**
   * Unit of `stepSize`. Default: `epoch`.
   */
  unit: ScheduleUnit
}

/**
 * Linear decay from the optimizer's learning rate to `endFactor` times it over the whole
 * budget, updated at every step (`LinearLR`).
 */
export type ResolvedLinearSchedule = {
  /**
   * Final multiple of the learning rate, 0 to 1. Default: 0.
   */
  endFactor: number
}

/**
 * Multiplies the optimizer's learning rate by `(1 - progress) ^ power` over the whole budget,
 * updated at every step (`PolynomialLR`).
 */
export type ResolvedPolynomialSchedule = {
  /**
   * Exponent. Default: 1.
   */
  power: number
}

/**
 * One-cycle policy (Smith 2017, `OneCycleLR`). The optimizer's learning rate is the maximum.
 */
export type ResolvedOneCycleSchedule = {
  /**
   * Fraction of the budget during which the learning rate increases. Default: 0.3.
   */
  pctStart: number
  /**
   * Maximum divided by initial learning rate. Default: 25.
   */
  divFactor: number
  /**
   * Initial divided by final learning rate. Default: 10000.
   */
  finalDivFactor: number
  /**
   * Shape of increase and decrease. Default: `cos`.
   */
  annealStrategy: AnnealStrategy
}

/**
 * Linear warm-up of the learning rate, applied on top of any schedule.
 */
export type ResolvedWarmup = {
  /**
   * Length in epochs, fractions allowed; 0 disables it. Default: 0; 1 if training starts
   * from weights (a tenth of the budget if that is less).
   */
  epochs: number
  /**
   * Initial multiple of the learning rate, 0 to 1. Default: 0.1.
   */
  startFactor: number
  /**
   * Instead of a linear increase, keep the learning rate at `startFactor` until the training
   * accuracy of an epoch reaches this value. He et al. 2015 use 0.2 for ResNet-110
   * (section 4.2).
   */
  untilAccuracy: number | null
}

/**
 * Cross-entropy loss.
 */
export type ResolvedLoss = {
  /**
   * Label smoothing (Szegedy et al. 2015), from 0 to less than 1. Default: 0.
   */
  labelSmoothing: number
  /**
   * Weight of each class. Default: `none`.
   */
  classWeights: ResolvedClassWeights
}

/**
 * Weight of each class in the loss.
 */
export type ResolvedClassWeights =
  | { type: 'none' }
  | { type: 'balanced' }
  | ({ type: 'given' } & ResolvedGivenClassWeights)

/**
 * Explicit class weights.
 */
export type ResolvedGivenClassWeights = {
  /**
   * One weight per class, in class order.
   */
  weights: Array<number>
}

/**
 * Gradient clipping and accumulation.
 */
export type ResolvedGradient = {
  /**
   * Maximum L2 norm of all gradients together (`clip_grad_norm_`). Default: no clipping.
   */
  clipNorm: number | null
  /**
   * Maximum absolute value of each gradient element (`clip_grad_value_`). Default: no
   * clipping.
   */
  clipValue: number | null
  /**
   * Batches whose gradients are averaged in one optimizer step. Default: 1.
   */
  accumulate: number
}

/**
 * Exponential moving average of the weights. Evaluation and checkpoints use the average.
 */
export type ResolvedEma = {
  /**
   * Decay per step, from 0 to less than 1; 0 disables it. Default: 0.
   */
  decay: number
}

/**
 * Early stopping.
 */
export type ResolvedEarlyStopping = {
  /**
   * Epochs without improvement after which the run ends. Default: 10.
   */
  patience: number
  /**
   * Minimum absolute improvement of the metric. Default: 0.
   */
  minDelta: number
  /**
   * Metric. Default: `monitor`.
   */
  metric: Metric
}

/**
 * Checkpoints in addition to the last and the best one.
 */
export type ResolvedCheckpoint = {
  /**
   * Keep a checkpoint `epoch-0010.safetensors` every this many epochs; 0 keeps none.
   * Default: 0.
   */
  everyEpochs: number
  /**
   * Also write `last.safetensors` every this many steps; 0 writes it after each epoch only.
   * Default: 0.
   */
  everySteps: number
}

/**
 * Logging.
 */
export type ResolvedLog = {
  /**
   * Steps between two lines in metrics.jsonl, 1 or more. Default: 10.
   */
  everySteps: number
}

// Events of a run

/**
 * Event of a run. Events arrive in order. Step events may be dropped if the reader is slow; all
 * other events are delivered.
 */
export type RunEvent =
  | ({ type: 'start' } & StartEvent)
  | ({ type: 'step' } & StepEvent)
  | ({ type: 'epoch' } & EpochEvent)
  | ({ type: 'checkpoint' } & CheckpointEvent)
  | ({ type: 'warning' } & WarningEvent)
  | ({ type: 'end' } & EndEvent)

/**
 * The run is prepared; training starts.
 */
export type StartEvent = {
  /**
   * Absolute path of the run folder.
   */
  dir: string
  config: ResolvedConfig
  data: DatasetInfo
  /**
   * Training images per epoch, after the validation split.
   */
  trainImages: number
  /**
   * Training images of each class, in the order of `data.classes`.
   */
  trainClassCounts: Array<number>
  valImages: number
  testImages: number
  /**
   * Number of trainable parameters.
   */
  parameters: number
  /**
   * Multiply-accumulate operations of the forward pass of one image.
   */
  macs: number
  stepsPerEpoch: number
  /**
   * Steps of the whole budget; null if it is limited by time only.
   */
  totalSteps: number | null
  /**
   * Steps completed before this session; 0 unless the run was resumed.
   */
  startStep: number
}

/**
 * One optimizer step.
 */
export type StepEvent = {
  /**
   * Epoch, starting at 1.
   */
  epoch: number
  /**
   * Steps since the start of the run, including this one.
   */
  step: number
  stepInEpoch: number
  stepsPerEpoch: number
  /**
   * Mean loss over the batch.
   */
  loss: number
  /**
   * Mean loss over the epoch so far.
   */
  epochLoss: number
  /**
   * Accuracy over the epoch so far, on augmented images, measured before each weight update.
   */
  epochAccuracy: number
  /**
   * Learning rate of this step.
   */
  lr: number
  /**
   * Loss scale of `precision: 'fp16'` after this step. It is halved whenever a step is skipped
   * because its gradients were not finite (`torch.amp.GradScaler`).
   */
  lossScale?: number | undefined
  /**
   * Training throughput over the last seconds.
   */
  imagesPerSecond: number
  /**
   * Estimated seconds until the end of the budget; null if unknown.
   */
  etaSeconds: number | null
}

/**
 * A completed epoch, including validation.
 */
export type EpochEvent = {
  /**
   * Epoch, starting at 1.
   */
  epoch: number
  /**
   * Steps since the start of the run.
   */
  step: number
  /**
   * Learning rate of the last step of the epoch.
   */
  lr: number
  /**
   * Training metrics over the epoch, in training mode on augmented images.
   */
  train: Metrics
  /**
   * Validation metrics, in evaluation mode without augmentation; null without a validation
   * split.
   */
  val: Metrics | null
  /**
   * Whether this is the best epoch so far, by `monitor`.
   */
  best: boolean
  /**
   * Training throughput over the epoch, excluding validation.
   */
  imagesPerSecond: number
  /**
   * Training time since the start of the run, including validation.
   */
  seconds: number
}

/**
 * A checkpoint was written.
 */
export type CheckpointEvent = {
  /**
   * Kind of checkpoint.
   */
  kind: CheckpointKind
  /**
   * Absolute path of the checkpoint.
   */
  path: string
  epoch: number
  step: number
}

/**
 * Kind of checkpoint: the last one, the best one so far, or the one of an epoch
 * (`checkpoint.everyEpochs`).
 */
export type CheckpointKind = 'last' | 'best' | 'epoch'

/**
 * The run has ended. This is the last event.
 */
export type EndEvent = { result: TrainResult }

/**
 * Result of `plan()`: configuration and cost of a run that has not started. No file is written.
 */
export type Plan = {
  /**
   * Absolute path of the future run folder.
   */
  dir: string
  config: ResolvedConfig
  data: DatasetInfo
  /**
   * Training images per epoch, after the validation split.
   */
  trainImages: number
  valImages: number
  testImages: number
  /**
   * Number of trainable parameters.
   */
  parameters: number
  /**
   * Multiply-accumulate operations of the forward pass of one image.
   */
  macs: number
  stepsPerEpoch: number
  /**
   * Steps of the whole budget; null if it is limited by time only.
   */
  totalSteps: number | null
  /**
   * Steps already completed, for a run that would be resumed.
   */
  startStep: number
  /**
   * Warnings that the run would start with.
   */
  warnings: Array<WarningEvent>
  memory: MemoryEstimate
  /**
   * Null if nothing was measured: `measure` is false, or no step could be executed.
   */
  time: TimeEstimate | null
}

/**
 * Estimated memory for training in bytes, computed from the shapes of the network's tensors, and
 * the measured memory of this process.
 */
export type MemoryEstimate = {
  /**
   * Weights, running statistics and their moving average.
   */
  weights: number
  gradients: number
  /**
   * Optimizer state.
   */
  optimizer: number
  /**
   * Activations of a batch kept for the backward pass: the outputs of all convolutions and
   * normalization layers.
   */
  activations: number
  /**
   * Batches prefetched by the workers.
   */
  batches: number
  /**
   * Decoded images in the cache (`cache`) or on the device (`augmentOn`).
   */
  images: number
  total: number
  /**
   * Peak resident memory of this process after the measured steps, including JavaScript and
   * libtorch; null if nothing was measured or the system does not report it.
   */
  measured: number | null
}

/**
 * Estimated training time, extrapolated from steps on the run's own batches with a temporary
 * network.
 */
export type TimeEstimate = {
  /**
   * Number of measured steps. The first step is excluded because it is slower.
   */
  steps: number
  /**
   * Median, minimum and maximum of the seconds per step.
   */
  stepSeconds: number
  minStepSeconds: number
  maxStepSeconds: number
  /**
   * Training throughput at the median.
   */
  imagesPerSecond: number
  /**
   * Seconds per epoch at the median, including validation.
   */
  epochSeconds: number
  /**
   * Seconds for the whole budget; null if it is unknown.
   */
  totalSeconds: number | null
}

/** Exit status of the command line for each error code. */
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
