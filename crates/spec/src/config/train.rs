//! The configuration of a training run.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Auto, Budget, BudgetConfig, Data, DataConfig, EarlyStopping, EarlyStoppingConfig, Ema,
    EmaConfig, Gradient, GradientConfig, Loss, LossConfig, Metric, Model, ModelConfig, NameOr,
    Optimizer, OptimizerConfig, Schedule, ScheduleConfig, Transform, TransformConfig, Warmup,
    WarmupConfig,
};
use crate::from_json::add_integer_range;
use crate::macros::{config, string_enum};
use crate::{FromJson, Result};

string_enum! {
    /// Data type of the forward and backward pass. Weights and optimizer state are fp32 (fp64 for
    /// `fp64`).
    Precision {
        "fp32" Fp32,
        /// Mixed precision: the operations that PyTorch's autocast runs in bfloat16, the others in
        /// fp32.
        "bf16" Bf16,
        /// Mixed precision with float16 and dynamic loss scaling, for GPUs without bfloat16. Slow
        /// on CPUs.
        "fp16" Fp16,
        /// Double precision, for numerical comparisons. Slow.
        "fp64" Fp64,
    }
}

string_enum! {
    /// Device that trains or evaluates.
    Device {
        "cpu" Cpu,
        "cuda" Cuda,
    }
}

string_enum! {
    /// Executor of cropping, flipping and normalization.
    AugmentOn {
        /// Data-loading threads, which send 32-bit floats to the device.
        "workers" Workers,
        /// The device, which holds all images with 8 bits per value.
        "device" Device,
    }
}

string_enum! {
    /// Memory layout of image tensors.
    MemoryFormat {
        /// NHWC (`torch.channels_last`).
        "channels_last" ChannelsLast,
        /// NCHW, PyTorch's default.
        "contiguous" Contiguous,
    }
}

config! {
    /// Checkpoints in addition to the last and the best one.
    CheckpointConfig => Checkpoint {
        /// Interval in epochs at which an additional checkpoint (`epoch-0010.safetensors`) is
        /// written; 0 writes none. Default: 0.
        every_epochs: u32 => u32,
        /// Interval in steps at which `last.safetensors` is written within an epoch; 0 writes it at
        /// the end of each epoch only. Default: 0.
        every_steps: u64 => u64,
    }
}

config! {
    /// Logging.
    LogConfig => Log {
        /// Steps between two lines in metrics.jsonl, 1 or more. Default: 10.
        every_steps: u64 => u64,
    }
}

config! {
    /// Configuration of a training run. Only `data` is required.
    TrainConfig => ResolvedConfig {
        /// Data set: a path, a name, or an object with further settings.
        data: NameOr<DataConfig> => Data,
        /// Resizing, augmentation and normalization.
        transform: TransformConfig => Transform,
        /// Network: a name, or an object with further settings.
        model: NameOr<ModelConfig> => Model,
        /// Passes over the training images. Short for `budget.epochs`.
        epochs: u32 => Option<u32>,
        /// Length of training in epochs, steps or seconds.
        budget: BudgetConfig => Budget,
        /// Images per batch, 2 or more. Default: 128, or 32 for images of more than 96 pixels;
        /// fewer for data sets of less than 8 such batches, or if a batch exceeds the memory.
        batch_size: Auto<u32> => u32,
        /// Optimizer. Default: `sgd`.
        optimizer: OptimizerConfig => Optimizer,
        /// Learning-rate schedule. Default: `cosine`.
        schedule: ScheduleConfig => Schedule,
        /// Learning-rate warm-up. Default: none; up to 1 epoch if training starts from weights.
        warmup: WarmupConfig => Warmup,
        /// Loss function: cross-entropy.
        loss: LossConfig => Loss,
        /// Gradient clipping and accumulation.
        gradient: GradientConfig => Gradient,
        /// Exponential moving average of the weights.
        ema: EmaConfig => Ema,
        /// Early stopping. Default: off.
        early_stopping: EarlyStoppingConfig => Option<EarlyStopping>,
        /// Data type of the computation. Default: `bf16` on CPUs with AMX, AMD CPUs with
        /// AVX512_BF16 and GPUs of compute capability 8.0 or higher, else `fp32`.
        precision: Auto<Precision> => Precision,
        /// Device. Default: `cuda` if available, else `cpu`.
        device: Auto<Device> => Device,
        /// Memory layout of image tensors. Default: `channels_last`, which is faster for
        /// convolutions; `contiguous` for `fp64`.
        memory_format: Auto<MemoryFormat> => MemoryFormat,
        /// Random seed of initial weights, data order and augmentation. On the CPU, runs with equal
        /// seed and number of threads give bit-identical results. Default: 0.
        seed: u64 => u64,
        /// Threads for tensor operations, 1 to 1024. Default: number of physical cores.
        threads: Auto<u32> => u32,
        /// Threads for loading images, 1 to 1024. Default: number of physical cores.
        workers: Auto<u32> => u32,
        /// Maximum size of the cache of decoded image files in MiB; 0 disables it. The cache saves
        /// decoding in later epochs and does not change results. Default: the size of all training
        /// and validation images, at most a quarter of the free memory; 0 for a single epoch and
        /// for images in memory.
        cache: Auto<u32> => u32,
        /// Executor of cropping, flipping and normalization: the data-loading threads or the
        /// device. The results are equal. Default: `device` for CUDA if all images are in memory at
        /// `data.imageSize`, need no other transform and take at most a quarter of the free GPU
        /// memory; else `workers`.
        augment_on: Auto<AugmentOn> => AugmentOn,
        /// Maximum fraction of GPU memory that this process may allocate, above 0 to 1, as
        /// `torch.cuda.set_per_process_memory_fraction`. The limit applies until another run
        /// changes it, and not to the CPU. Default: 1.
        memory_fraction: f64 => Option<f64>,
        /// Capture the training step as a CUDA graph and replay it. With `lars`, `ema`, dropout or
        /// `gradient.accumulate`, a warning is issued and no graph is used. No effect on the CPU.
        /// Default: false.
        cuda_graphs: bool => bool,
        /// Metric that selects the best checkpoint. Test data is never used. Default:
        /// `val.accuracy`, or `train.loss` without a validation split.
        monitor: Auto<Metric> => Metric,
        /// Additional checkpoints.
        checkpoint: CheckpointConfig => Checkpoint,
        /// Logging.
        log: LogConfig => Log,
        /// Run folder. Default: `runs/<data>-<model>`, with a number appended if it exists.
        out: Auto<String> => String,
        /// Base configuration: the name of a recipe (`notebook`) or a file (`./mine.yaml`). Keys
        /// that are set here override it.
        recipe: String => Option<String>,
    }
    and {
        /// Reason for each value that was resolved from `auto`, by key.
        reasons: BTreeMap<String, String>,
    }
    input {
        /// Overwrite a finished run in `out`. Default: false.
        overwrite: bool,
        /// Run folder or checkpoint to resume. The run continues in its own folder. A run that was
        /// killed before its first checkpoint starts over.
        resume: String,
    }
}

impl TrainConfig {
    /// Parses a configuration. `$schema` (for editors) and the `reasons` of a resolved
    /// configuration are ignored.
    ///
    /// # Errors
    /// `E_CONFIG` and `E_UNKNOWN_KEY`, with the path of the key.
    pub fn from_json(value: &Value) -> Result<Self> {
        let mut value = value.clone();
        if let Some(map) = value.as_object_mut() {
            map.shift_remove("reasons");
            map.shift_remove("$schema");
        }
        TrainConfig::parse(&value).map_err(add_integer_range)
    }

    /// Returns the data section, expanded from its short form.
    pub fn data(&self) -> DataConfig {
        self.data.as_ref().map(NameOr::<DataConfig>::to_config).unwrap_or_default()
    }

    /// Returns the model section, expanded from its short form.
    pub fn model(&self) -> ModelConfig {
        self.model.as_ref().map(NameOr::<ModelConfig>::to_config).unwrap_or_default()
    }
}
