//! The configuration of a run: what a user may say, and what was decided.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::Value;
use ts_rs::TS;

use crate::macros::{config, request, string_enum};
use crate::{FromJson, KeyPath, Result, from_json::nearest};

mod data;
mod model;
mod training;
mod transform;

pub use data::*;
pub use model::*;
pub use training::*;
pub use transform::*;

/// A value that may be left to the program: `'auto'`, or the value itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Auto<T> {
    Auto,
    Value(T),
}

impl<T> Auto<T> {
    pub fn value(&self) -> Option<&T> {
        match self {
            Auto::Auto => None,
            Auto::Value(value) => Some(value),
        }
    }
}

impl<T: FromJson> FromJson for Auto<T> {
    fn from_json_at(value: &Value, at: &KeyPath) -> Result<Self> {
        match value.as_str() {
            Some("auto") => Ok(Auto::Auto),
            _ => T::from_json_at(value, at).map(Auto::Value).map_err(|mut error| {
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
    Config(T),
}

impl<T: FromJson> FromJson for NameOr<T> {
    fn from_json_at(value: &Value, at: &KeyPath) -> Result<Self> {
        match value {
            Value::String(_) => String::from_json_at(value, at).map(NameOr::Name),
            Value::Object(_) => T::from_json_at(value, at).map(NameOr::Config),
            _ => Err(at.invalid("a string or an object", value)),
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

word_or!(Auto, "'auto'", Auto::Auto => "auto", Value, serde_json::json!({ "const": "auto" }));
word_or!(NameOr, "string", NameOr::Name(name) => name, Config, serde_json::json!({ "type": "string" }));

string_enum! {
    /// The arithmetic of forward and backward; weights and updates are kept in fp32 (fp64 in
    /// `fp64`).
    Precision {
        "fp32" Fp32,
        /// bfloat16 where PyTorch's autocast uses it, fp32 elsewhere.
        "bf16" Bf16,
        /// The same in half precision, with a scaled loss: for cards that do not multiply bfloat16. Slow
        /// on CPUs.
        "fp16" Fp16,
        /// For comparisons; slow.
        "fp64" Fp64,
    }
}

string_enum! {
    /// Where tensors live.
    Device {
        "cpu" Cpu,
        "cuda" Cuda,
    }
}

string_enum! {
    /// Where images become the network's input.
    AugmentOn {
        /// In the threads that load them; the device gets 32-bit numbers.
        "workers" Workers,
        /// All images lie on the device, 8 bits a value, and with each batch it is told where to cut.
        "device" Device,
    }
}

string_enum! {
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
        every_epochs: u32 => u32,
        /// Write `last.safetensors` also every so many steps; 0 for every epoch only. Default: 0.
        every_steps: u64 => u64,
    }
}

config! {
    /// What is written down.
    LogConfig => Log {
        /// A line in metrics.jsonl every so many steps. Default: 10.
        every_steps: u64 => u64,
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
        /// Images in a step, 2 or more. Default: 128, or 32 for images of more than 96 pixels; fewer
        /// where an epoch would have less than 8 steps, or where memory would not do.
        batch_size: Auto<u32> => u32,
        /// The update rule. Default: SGD.
        optimizer: OptimizerConfig => Optimizer,
        /// The learning rate's way. Default: cosine.
        schedule: ScheduleConfig => Schedule,
        /// A linear rise before it. Default: none, or an epoch where training begins from weights.
        warmup: WarmupConfig => Warmup,
        /// What is minimised.
        loss: LossConfig => Loss,
        /// Clipping and accumulation.
        gradient: GradientConfig => Gradient,
        /// A moving average of the weights.
        ema: EmaConfig => Ema,
        /// End when nothing improves. Default: never.
        early_stopping: EarlyStoppingConfig => Option<EarlyStopping>,
        /// Default: bf16 where the device is faster with it (a CPU with AMX, or with AVX512_BF16 on AMD;
        /// a card of compute capability 8.0 or more), else fp32.
        precision: Auto<Precision> => Precision,
        /// Default: CUDA where it can be used, else the CPU.
        device: Auto<Device> => Device,
        /// Default: channels_last, which is the faster one for convolutions.
        memory_format: Auto<MemoryFormat> => MemoryFormat,
        /// Decides weights, order and augmentation: the same seed and threads give the same bits.
        /// Default: 0.
        seed: u64 => u64,
        /// Threads for the arithmetic, up to 1024. Default: one a physical core.
        threads: Auto<u32> => u32,
        /// Threads for loading images, up to 1024. Default: one a physical core.
        workers: Auto<u32> => u32,
        /// Decoded images of files are kept in memory from one epoch to the next while they take no
        /// more than so many MB (2^20 bytes); 0 keeps none. The numbers are the same. Default: what
        /// the training and validation images take, up to a quarter of the memory that is free; 0
        /// where nothing is read twice.
        cache: Auto<u32> => u32,
        /// Where training and validation images are cropped, mirrored and normalised. The numbers are
        /// the same. Default: on a card, where all of them are in memory at `data.imageSize`, nothing
        /// else is done to them, and they take no more than a quarter of its free memory; else by the
        /// workers.
        augment_on: Auto<AugmentOn> => AugmentOn,
        /// The share of a card's memory that this process may take, more than 0 and up to 1; beyond it is as
        /// if the card were full. It holds until another run says otherwise, and means nothing on the
        /// CPU. Default: all of it.
        memory_fraction: f64 => Option<f64>,
        /// On CUDA, gives the device a whole training step at once (a CUDA graph), where batches are of one
        /// shape. It means nothing on the CPU. Where it cannot be done (`lars`, `ema`, dropout,
        /// `gradient.accumulate`), a warning says so. Default: false.
        cuda_graphs: bool => bool,
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
        /// A published way to train, by name (`notebook`) or as a file (`./mine.yaml`): what is not
        /// said here is set as it says.
        recipe: String => Option<String>,
    }
    and {
        /// Why each `auto` became what it did, by key.
        reasons: BTreeMap<String, String>,
    }
}

impl TrainConfig {
    /// Reads a configuration as it crosses the bridge. A resolved one is accepted too: its
    /// `reasons` are dropped, for they are made anew. So is `$schema`, which is for editors.
    ///
    /// # Errors
    /// `E_CONFIG` and `E_UNKNOWN_KEY`, with the key's path.
    pub fn from_json(value: &Value) -> Result<Self> {
        let mut value = value.clone();
        if let Some(map) = value.as_object_mut() {
            map.shift_remove("reasons");
            map.shift_remove("$schema");
        }
        TrainConfig::from_json_at(&value, &KeyPath::Root)
    }

    /// The data part, with its place filled in.
    pub fn data(&self) -> DataConfig {
        self.data.as_ref().map(NameOr::<DataConfig>::to_config).unwrap_or_default()
    }

    /// The model part, with its name filled in.
    pub fn model(&self) -> ModelConfig {
        self.model.as_ref().map(NameOr::<ModelConfig>::to_config).unwrap_or_default()
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

request! {
    /// What to evaluate a model on.
    EvaluateConfig {
        /// A data set, as in `TrainConfig`. Default: the one that the model was trained on.
        data: NameOr<DataConfig>,
        /// Default: test, or val, or train: the first that there is.
        split: Split,
        /// Images at a time. Default: that of the training.
        batch_size: u32,
        /// What of an image the network sees. Default: `center`.
        crops: TestCrops,
        /// The short sides of `multi-scale`, in pixels. Default: [224, 256, 384, 480, 640].
        scales: Vec<u32>,
        /// So many of the images with the highest losses are named. Default: 0.
        top_losses: u32,
        /// So many of the images, spread evenly, are named with what they were taken for.
        /// Default: 0.
        samples: u32,
        /// Give the pixels of those images too, as squares of so many pixels a side, 8 to 256.
        /// Default: no pixels.
        thumbnails: u32,
    }
}

request! {
    /// What goes into an exported file beside the network; both are for ONNX only.
    ExportConfig {
        /// End in probabilities instead of logits. Default: false.
        softmax: bool,
        /// Take pixels from 0 to 1 instead of normalised ones. Default: false.
        normalization: bool,
    }
}

request! {
    /// What a file with nothing but weights does not say of itself. Every part has a default, which
    /// the model's `info.assumed` tells.
    LoadConfig {
        /// The network. Default: found by the names and shapes of the tensors.
        model: NameOr<ModelConfig>,
        /// Names of the classes, in the order of their indices. Default: CIFAR-10's for ten classes
        /// behind a CIFAR stem, else `class 0`, `class 1`, ...
        classes: Vec<String>,
        /// Height and width that the network sees. Default: 32 with a CIFAR stem, else 224.
        image_size: u32,
        /// How images are prepared: `mean`, `std`, `evalResize`. Default: ImageNet's constants.
        transform: TransformConfig,
        /// Default: fp32.
        precision: Precision,
        /// Default: CUDA where it can be used, else the CPU.
        device: Device,
    }
}

request! {
    /// How a model is asked what is on an image.
    PredictConfig {
        /// How many classes to name, best first. Default: 5.
        top: u32,
        /// Test-time augmentation: what of an image the network sees, where that is more than its
        /// centre. The probabilities are averaged. Default: `center`.
        crops: TestCrops,
        /// The short sides of `multi-scale`, in pixels. Default: [224, 256, 384, 480, 640].
        scales: Vec<u32>,
        /// Give the image back too, no side longer than so many pixels, 8 to 256. Default: no
        /// image.
        thumbnails: u32,
    }
}

request! {
    /// What `plan()` finds out.
    PlanConfig {
        /// Make some updates on a network that is thrown away, for the time that they take: three
        /// seconds, and two updates at least. Default: true.
        measure: bool,
    }
}

request! {
    /// What `bench()` measures.
    BenchConfig {
        /// A name, or an object that says more. Default: by `imageSize`.
        model: NameOr<ModelConfig>,
        /// Height and width. Default: 32 for the paper's CIFAR networks, else 224.
        image_size: u32,
        /// Default: 3.
        channels: u32,
        /// Default: 10 for the paper's CIFAR networks, else 1000.
        classes: u32,
        /// Default: as in `TrainConfig`.
        batch_size: Auto<u32>,
        /// Default: as in `TrainConfig`.
        precision: Auto<Precision>,
        /// Default: as in `TrainConfig`.
        device: Auto<Device>,
        /// Default: as in `TrainConfig`.
        threads: Auto<u32>,
        /// So many times each is measured, in turns. Default: 5.
        rounds: u32,
        /// Seconds of a round, nearly: it ends with the step that it is in. Default: 1.
        seconds: f64,
    }
}

request! {
    /// The rates that `findLr()` tries.
    FindLrConfig {
        /// Learning rate of the first update. Default: 1e-7.
        start_lr: f64,
        /// Learning rate of the last update. Default: 10.
        end_lr: f64,
        /// Number of updates, 10 to 100,000. Default: 100.
        steps: u32,
    }
}

string_enum! {
    /// What of an image the network sees, when it is evaluated.
    TestCrops {
        /// The centre.
        "center" Center,
        /// The centre and its mirror image; the probabilities are averaged.
        "flip" Flip,
        /// Corners and centre, and their mirror images (Krizhevsky et al. 2012); the
        /// probabilities are averaged.
        "ten" Ten,
        /// All of it and its mirror image, at several sizes, the head applied everywhere
        /// (the paper's fully-convolutional form, section 3.4).
        "multi-scale" MultiScale,
    }
}

request! {
    /// Which images of a data set to show.
    PreviewConfig {
        /// A data set, as in `TrainConfig`: its parts are those of a run, `limit` and
        /// `validation` and all.
        data: NameOr<DataConfig>,
        /// Default: train.
        split: Split,
        /// How many, up to 1000. Default: 40, or 8 of each class and 200 at most.
        count: u32,
        /// Default: `random`.
        order: PreviewOrder,
        /// Chooses the images, what is random in their augmentation, and, without
        /// `data.splitSeed`, which are held back for validation. Default: 0.
        seed: u64,
        /// As training sees them, transformed at random. Default: false.
        augmented: bool,
        /// As in `TrainConfig`; for augmented images.
        transform: TransformConfig,
    }
}

string_enum! {
    /// Which images are shown, and in which order.
    PreviewOrder {
        /// Any.
        "random" Random,
        /// As many of each class, one class after the other.
        "by-class" ByClass,
    }
}

string_enum! {
    /// A part of a data set.
    Split {
        "train" Train,
        "val" Val,
        "test" Test,
    }
}

impl Split {
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];

    /// Parses the name of a folder or of a column's value, such as `valid` or `Training`.
    pub fn from_name(name: &str) -> Option<Split> {
        Some(match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Split::Train,
            "val" | "valid" | "validation" => Split::Val,
            "test" => Split::Test,
            _ => return None,
        })
    }
}

impl NameOr<DataConfig> {
    /// With its place filled in.
    pub fn to_config(&self) -> DataConfig {
        match self {
            NameOr::Config(data) => data.clone(),
            NameOr::Name(source) => {
                DataConfig { source: Some(source.clone()), ..DataConfig::default() }
            }
        }
    }
}

impl NameOr<ModelConfig> {
    /// With its name filled in.
    pub fn to_config(&self) -> ModelConfig {
        match self {
            NameOr::Config(model) => model.clone(),
            NameOr::Name(name) => {
                let arch = if name == "auto" { Auto::Auto } else { Auto::Value(name.clone()) };
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
        assert_eq!(
            config.schedule,
            Some(ScheduleConfig::Plateau(PlateauScheduleConfig::default()))
        );
        assert_eq!(refused(json!({ "schedule": "cosin" })).hint.unwrap(), "Did you mean 'cosine'?");
    }

    #[test]
    fn anything_but_an_object_is_refused() {
        for bad in [json!(null), json!(3), json!("x"), json!([])] {
            assert_eq!(refused(bad).code, ErrorCode::Config);
        }
    }
}
