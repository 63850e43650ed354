//! The configuration of a run: what a user may say, and what was decided.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::Value;
use ts_rs::TS;

use crate::macros::{config, said, union, words};
use crate::{read::nearest, At, Read, Result};

/// A value that may be left to the program: `'auto'`, or the value itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Auto<T> {
    Auto,
    Is(T),
}

impl<T> Auto<T> {
    pub fn given(&self) -> Option<&T> {
        match self {
            Auto::Auto => None,
            Auto::Is(value) => Some(value),
        }
    }
}

impl<T: Read> Read for Auto<T> {
    fn read(value: &Value, at: &At) -> Result<Self> {
        match value.as_str() {
            Some("auto") => Ok(Auto::Auto),
            _ => T::read(value, at).map(Auto::Is).map_err(|mut error| {
                // A place below this one has its own rules; only here is 'auto' a way out.
                if error.at.key == Some(at.to_string()) {
                    error.message = error.message.replacen("must be ", "must be 'auto' or ", 1);
                }
                error
            }),
        }
    }
}

/// Either a name, or an object whose first key that name would be.
#[derive(Debug, Clone, PartialEq)]
pub enum NameOr<T> {
    Name(String),
    Full(T),
}

impl<T: Read> Read for NameOr<T> {
    fn read(value: &Value, at: &At) -> Result<Self> {
        match value {
            Value::String(_) => String::read(value, at).map(NameOr::Name),
            Value::Object(_) => T::read(value, at).map(NameOr::Full),
            _ => Err(at.refuse("a string or an object", value)),
        }
    }
}

/// The three traits that a `word | T` type needs, whatever the word.
macro_rules! word_or {
    ($Name:ident, $ts:literal, $Word:pat => $word:expr, $Full:ident, $schema:expr) => {
        impl<T: Serialize> Serialize for $Name<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $Word => serializer.serialize_str($word),
                    $Name::$Full(value) => value.serialize(serializer),
                }
            }
        }

        impl<T: TS> TS for $Name<T> {
            type WithoutGenerics = Self;
            type OptionInnerType = Self;

            fn name(cfg: &ts_rs::Config) -> String {
                format!(concat!($ts, " | {}"), T::name(cfg))
            }

            fn inline(cfg: &ts_rs::Config) -> String {
                Self::name(cfg)
            }

            fn visit_generics(visitor: &mut impl ts_rs::TypeVisitor)
            where
                Self: 'static,
            {
                T::visit_generics(visitor);
                visitor.visit::<T>();
            }
        }

        impl<T: JsonSchema> JsonSchema for $Name<T> {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                format!("{}_{}", stringify!($Name), T::schema_name()).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let full = generator.subschema_for::<T>();
                schemars::json_schema!({ "anyOf": [$schema, full] })
            }
        }
    };
}

word_or!(Auto, "'auto'", Auto::Auto => "auto", Is, serde_json::json!({ "const": "auto" }));
word_or!(NameOr, "string", NameOr::Name(name) => name, Full, serde_json::json!({ "type": "string" }));

config! {
    /// Where the images come from.
    DataConfig => Data {
        /// A data set's name (`fashion-mnist-mini`) or a path (`./photos`).
        source: String => String,
        /// The layout on disk; found by looking when left out.
        format: Auto<DataFormat> => DataFormat,
        /// The share of the training images held back for validation, 0 to 0.5. Split by class,
        /// seeded, and only where the data set has no validation part of its own. Default: 0.1,
        /// or 0 where the data set has one.
        validation: Auto<f64> => f64,
        /// 3 (RGB) or 1 (grey). Default: what the images are.
        channels: Auto<u32> => u32,
        /// Height and width, in pixels, that the network sees. Default: the images' own where
        /// they are alike and at most 96, else 224.
        image_size: Auto<u32> => u32,
    }
}

words! {
    /// Layout of a data set on disk.
    DataFormat {
        /// `root/<class>/*.jpg`, or `root/{train,val,test}/<class>/*.jpg`.
        "image-folder" ImageFolder,
        /// MNIST's `train-images-idx3-ubyte[.gz]` and its three siblings.
        "idx" Idx,
        /// CIFAR-10's `data_batch_*.bin` and `test_batch.bin`.
        "cifar-binary" CifarBinary,
    }
}

config! {
    /// What happens to an image between the file and the network. Training images are augmented,
    /// evaluation images never are.
    TransformConfig => Transform {
        /// How a training image gets its final size.
        crop: Auto<CropConfig> => Crop,
        /// Mirror half of the training images.
        flip: Auto<bool> => bool,
        /// Mean of each channel, of values in 0..1. Default: that of the training images where
        /// they are in memory, else ImageNet's.
        mean: Auto<Vec<f64>> => Vec<f64>,
        /// Standard deviation of each channel, of values in 0..1. Default: as for `mean`.
        std: Auto<Vec<f64>> => Vec<f64>,
        /// At evaluation the short side is resized to this many pixels before the centre crop.
        /// Default: `imageSize` for small images, 8/7 of it for photographs (256 for 224).
        eval_resize: Auto<u32> => u32,
    }
}

union! {
    /// How a training image gets its final size.
    CropConfig => Crop {
        "none" None(NoCropConfig => NoCrop),
        "pad" Pad(PadCropConfig => PadCrop),
        "random-resized" RandomResized(RandomResizedCropConfig => RandomResizedCrop),
    }
}

config! {
    /// Resized like an evaluation image.
    NoCropConfig => NoCrop {}
}

config! {
    /// Zero padding on each side, then a random crop (He et al. 2015, section 4.2).
    PadCropConfig => PadCrop {
        /// Pixels added on each side. Default: 4.
        padding: u32 => u32,
    }
}

config! {
    /// A random part of the image, resized (torchvision's `RandomResizedCrop`).
    RandomResizedCropConfig => RandomResizedCrop {
        /// Smallest and largest share of the area. Default: [0.08, 1].
        scale: Vec<f64> => [f64; 2],
        /// Narrowest and widest aspect ratio. Default: [3/4, 4/3].
        ratio: Vec<f64> => [f64; 2],
    }
}

config! {
    /// The network.
    ModelConfig => Model {
        /// `resnet18`, `resnet34`, `resnet50`, `resnet101`, `resnet152`, or one of the paper's
        /// CIFAR networks `resnet{6n+2}`: `resnet20`, `resnet32`, `resnet44`, `resnet56`, ...
        arch: Auto<String> => String,
        /// `cifar`: 3x3 stride 1, no pooling. `imagenet`: 7x7 stride 2 and 3x3 max pooling.
        stem: Auto<Stem> => Stem,
        /// The paper's shortcut options. Default: A for its CIFAR networks, else B.
        shortcut: Auto<Shortcut> => Shortcut,
        /// Start the last batch-norm of every block at zero (Goyal et al. 2017).
        zero_init_residual: bool => bool,
    }
}

words! {
    /// The layers before the first block.
    Stem {
        "cifar" Cifar,
        "imagenet" Imagenet,
    }
}

words! {
    /// He et al. 2015, section 3.3: what a shortcut does where the shape changes.
    Shortcut {
        /// Subsample and pad with zero channels; no parameters.
        "A" A,
        /// 1x1 convolution and batch-norm where the shape changes, identity elsewhere.
        "B" B,
        /// 1x1 convolution and batch-norm everywhere.
        "C" C,
    }
}

config! {
    /// How long to train; the first limit reached ends the run.
    BudgetConfig => Budget {
        /// Passes over the training images. Default: 30, where nothing else is given.
        epochs: u32 => Option<u32>,
        /// Updates of the weights.
        steps: u64 => Option<u64>,
        /// Seconds of training, evaluation included.
        seconds: f64 => Option<f64>,
    }
}

union! {
    /// The update rule.
    OptimizerConfig => Optimizer {
        "sgd" Sgd(SgdConfig => Sgd),
    }
}

config! {
    /// Stochastic gradient descent with momentum, in PyTorch's form (`torch.optim.SGD`).
    SgdConfig => Sgd {
        /// Learning rate. Default: 0.1.
        lr: f64 => f64,
        /// Default: 0.9.
        momentum: f64 => f64,
        /// Default: 5e-4. Applied to every parameter, as the paper and PyTorch do.
        weight_decay: f64 => f64,
        /// Nesterov's momentum. Default: false.
        nesterov: bool => bool,
    }
}

union! {
    /// How the learning rate changes.
    ScheduleConfig => Schedule {
        "cosine" Cosine(CosineConfig => Cosine),
        "constant" Constant(ConstantConfig => Constant),
        "multistep" MultiStep(MultiStepConfig => MultiStep),
        "plateau" Plateau(PlateauConfig => Plateau),
    }
}

config! {
    /// Half a cosine from the optimizer's rate down to `minLr`, stepped at every update.
    CosineConfig => Cosine {
        /// Default: 0.
        min_lr: f64 => f64,
    }
}

config! {
    /// The optimizer's rate throughout.
    ConstantConfig => Constant {}
}

config! {
    /// Multiply the rate by `gamma` at each milestone (`MultiStepLR`).
    MultiStepConfig => MultiStep {
        /// Epochs or steps, as `unit` says, after which the rate is cut. Default: half and three
        /// quarters of the budget.
        milestones: Auto<Vec<u64>> => Vec<u64>,
        /// Default: 0.1.
        gamma: f64 => f64,
        /// Default: `epoch`.
        unit: Unit => Unit,
    }
}

config! {
    /// Multiply the rate by `factor` once the metric stopped improving (`ReduceLROnPlateau`).
    PlateauConfig => Plateau {
        /// Default: 0.1.
        factor: f64 => f64,
        /// How much better counts as better. Default: 1e-4.
        threshold: f64 => f64,
        /// `rel`: a share of the best; `abs`: in the metric's own unit. Default: `rel`.
        threshold_mode: ThresholdMode => ThresholdMode,
        /// Epochs without improvement that are let pass. Default: 10.
        patience: u32 => u32,
        /// Epochs after a cut in which none is counted. Default: 0.
        cooldown: u32 => u32,
        /// Default: 0.
        min_lr: f64 => f64,
        /// What is watched. Default: the validation loss, where there is a validation part.
        metric: Auto<Metric> => Metric,
    }
}

words! {
    /// What a schedule counts in.
    Unit {
        "epoch" Epoch,
        "step" Step,
    }
}

words! {
    /// How a plateau's threshold is meant.
    ThresholdMode {
        "rel" Rel,
        "abs" Abs,
    }
}

words! {
    /// A number that every epoch ends with.
    Metric {
        "train.loss" TrainLoss,
        "train.accuracy" TrainAccuracy,
        "val.loss" ValLoss,
        "val.accuracy" ValAccuracy,
    }
}

config! {
    /// A linear rise of the rate at the start, whatever the schedule.
    WarmupConfig => Warmup {
        /// Epochs that it takes (fractions allowed); 0 for none. Default: 0.
        epochs: f64 => f64,
        /// The share of the rate to begin with. Default: 0.1.
        from: f64 => f64,
    }
}

words! {
    /// The arithmetic of forward and backward; weights and updates are kept in fp32 (fp64 in
    /// `fp64`).
    Precision {
        "fp32" Fp32,
        /// bfloat16 where PyTorch's autocast uses it, fp32 elsewhere.
        "bf16" Bf16,
        /// For comparisons; slow.
        "fp64" Fp64,
    }
}

words! {
    /// Where tensors live.
    Device {
        "cpu" Cpu,
        "cuda" Cuda,
    }
}

words! {
    /// The order of an image's numbers in memory.
    MemoryFormat {
        /// Channels innermost (NHWC).
        "channels_last" ChannelsLast,
        /// Channels outermost (NCHW), as PyTorch has it by default.
        "contiguous" Contiguous,
    }
}

config! {
    /// What is kept besides the last and the best checkpoint.
    CheckpointConfig => Checkpoint {
        /// Keep one every so many epochs as `epoch-0010.safetensors`; 0 for none. Default: 0.
        every: u32 => u32,
        /// Write `last.safetensors` also every so many steps; 0 for every epoch only. Default: 0.
        steps: u64 => u64,
    }
}

config! {
    /// What is written down.
    LogConfig => Log {
        /// A line in metrics.jsonl every so many steps. Default: 10.
        steps: u64 => u64,
    }
}

config! {
    /// Everything about a run. Only `data` is required.
    TrainConfig => ResolvedConfig {
        /// The images: a path or a name, or an object that says more.
        data: NameOr<DataConfig> => Data,
        /// Resizing, augmentation, normalisation.
        transform: TransformConfig => Transform,
        /// The network: a name, or an object that says more.
        model: NameOr<ModelConfig> => Model,
        /// Passes over the training images; the same as `budget.epochs`.
        epochs: u32 => Option<u32>,
        /// How long to train.
        budget: BudgetConfig => Budget,
        /// Images in a step. Default: 128, or 32 for images of more than 96 pixels.
        batch_size: Auto<u32> => u32,
        /// The update rule. Default: SGD.
        optimizer: OptimizerConfig => Optimizer,
        /// The learning rate's way. Default: cosine.
        schedule: ScheduleConfig => Schedule,
        /// A linear rise before it.
        warmup: WarmupConfig => Warmup,
        /// Default: bf16 where the CPU computes with it, else fp32.
        precision: Auto<Precision> => Precision,
        /// Default: CUDA where it can be used, else the CPU.
        device: Auto<Device> => Device,
        /// Default: channels_last, which is the faster one for convolutions.
        memory_format: Auto<MemoryFormat> => MemoryFormat,
        /// Decides weights, order and augmentation: the same seed and threads give the same bits.
        /// Default: 0.
        seed: u64 => u64,
        /// Threads for the arithmetic. Default: one a physical core.
        threads: Auto<u32> => u32,
        /// Threads for loading images. Default: one a physical core.
        workers: Auto<u32> => u32,
        /// What makes a checkpoint the best. Default: `val.accuracy`, or `train.loss` where there
        /// is no validation part. Never test data.
        monitor: Auto<Metric> => Metric,
        /// What is kept.
        checkpoint: CheckpointConfig => Checkpoint,
        /// What is written down.
        log: LogConfig => Log,
        /// The run folder. Default: `runs/<data>-<model>`, numbered if taken.
        out: Auto<String> => String,
        /// Replace a finished run in `out`. Default: false.
        overwrite: bool => bool,
        /// A run folder or checkpoint to go on from, in its own folder.
        resume: String => Option<String>,
    }
    and {
        /// Why each `auto` became what it did, by key.
        reasons: BTreeMap<String, String>,
    }
}

impl TrainConfig {
    /// Reads a configuration as it crosses the bridge. A resolved one is accepted too: its
    /// `reasons` are dropped, for they are made anew.
    ///
    /// # Errors
    /// `E_CONFIG` and `E_UNKNOWN_KEY`, with the key's path.
    pub fn from_json(value: &Value) -> Result<Self> {
        let mut value = value.clone();
        if let Some(map) = value.as_object_mut() {
            map.shift_remove("reasons");
        }
        TrainConfig::read(&value, &At::Root)
    }

    /// The data part, with its place filled in.
    pub fn data(&self) -> DataConfig {
        self.data.as_ref().map(NameOr::<DataConfig>::full).unwrap_or_default()
    }

    /// The model part, with its name filled in.
    pub fn model(&self) -> ModelConfig {
        self.model.as_ref().map(NameOr::<ModelConfig>::full).unwrap_or_default()
    }
}

config! {
    /// A network to look at, and what it is to look at in turn.
    InspectConfig => InspectTarget {
        /// A name, or an object that says more.
        model: NameOr<ModelConfig> => Model,
        /// Default: 3.
        channels: u32 => u32,
        /// Height and width. Default: 32 for the paper's CIFAR networks, else 224.
        image_size: u32 => u32,
        /// Default: 10 for the paper's CIFAR networks, else 1000.
        classes: u32 => u32,
    }
}

said! {
    /// What to evaluate a model on.
    EvaluateConfig {
        /// A data set, as in `TrainConfig`. Default: the one that the model was trained on.
        data: NameOr<DataConfig>,
        /// Default: test, or val, or train: the first that there is.
        part: DataPart,
        /// Images at a time. Default: that of the training.
        batch_size: u32,
    }
}

words! {
    /// A part of a data set.
    DataPart {
        "train" Train,
        "val" Val,
        "test" Test,
    }
}

impl NameOr<DataConfig> {
    /// With its place filled in.
    pub fn full(&self) -> DataConfig {
        match self {
            NameOr::Full(data) => data.clone(),
            NameOr::Name(source) => {
                DataConfig { source: Some(source.clone()), ..DataConfig::default() }
            }
        }
    }
}

impl NameOr<ModelConfig> {
    /// With its name filled in.
    pub fn full(&self) -> ModelConfig {
        match self {
            NameOr::Full(model) => model.clone(),
            NameOr::Name(name) => {
                let arch = if name == "auto" { Auto::Auto } else { Auto::Is(name.clone()) };
                ModelConfig { arch: Some(arch), ..ModelConfig::default() }
            }
        }
    }
}

/// A suggestion for a misspelt name, as a sentence.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|name| format!("Did you mean '{name}'?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;
    use serde_json::json;

    fn refused(config: Value) -> crate::Error {
        TrainConfig::from_json(&config).unwrap_err()
    }

    #[test]
    fn short_and_long_forms_mean_the_same() {
        let short = TrainConfig::from_json(&json!({ "data": "./x", "model": "resnet18" })).unwrap();
        let long = json!({ "data": { "source": "./x" }, "model": { "arch": "resnet18" } });
        let long = TrainConfig::from_json(&long).unwrap();
        assert_eq!(short.data(), long.data());
        assert_eq!(short.model(), long.model());
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_path_and_the_nearest_one() {
        let error = refused(json!({ "optimizer": { "momentun": 0.9 } }));
        assert_eq!(error.code, ErrorCode::UnknownKey);
        assert_eq!(error.at.key.as_deref(), Some("optimizer.momentun"));
        assert_eq!(error.hint.as_deref(), Some("Did you mean `optimizer.momentum`?"));
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_path() {
        let error = refused(json!({ "schedule": { "type": "multistep", "milestones": [3, "x"] } }));
        assert_eq!(error.at.key.as_deref(), Some("schedule.milestones[1]"));
        let error = refused(json!({ "batchSize": "big" }));
        assert!(error.message.starts_with("`batchSize` must be 'auto' or a whole"), "{error}");
    }

    #[test]
    fn a_key_of_another_variant_is_unknown() {
        let error = refused(json!({ "schedule": { "type": "constant", "gamma": 0.1 } }));
        assert_eq!(error.at.key.as_deref(), Some("schedule.gamma"));
    }

    #[test]
    fn a_union_may_be_named_by_its_word_alone() {
        let config = TrainConfig::from_json(&json!({ "schedule": "plateau" })).unwrap();
        assert_eq!(config.schedule, Some(ScheduleConfig::Plateau(PlateauConfig::default())));
        assert_eq!(refused(json!({ "schedule": "cosin" })).hint.unwrap(), "Did you mean 'cosine'?");
    }

    #[test]
    fn anything_but_an_object_is_refused() {
        for bad in [json!(null), json!(3), json!("x"), json!([])] {
            assert_eq!(refused(bad).code, ErrorCode::Config);
        }
    }
}
