//! Every `auto` becomes a value, with a reason; every value is checked. By capability, never by
//! timing, so that the same configuration on the same kind of machine always means the same run.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::*;

mod augment_on;
mod schedule;
mod task;
mod test_time_augment;
mod training;
mod transform;
mod usable;

pub use augment_on::device_bytes;
use augment_on::resolve_augment_on;
use schedule::resolve_schedule;
pub use task::{PRETRAINED_MAX_IMAGES, check_pretrained_default};
use task::{Task, begins_from_weights};
pub use test_time_augment::{TestTimeAugment, resolve_test_time_augment};
use training::{
    resolve_budget, resolve_early_stopping, resolve_ema, resolve_gradient, resolve_loss,
    resolve_optimizer, resolve_warmup,
};
use transform::resolve_transform;
pub use transform::{IMAGENET_MEAN, IMAGENET_STD};
pub use usable::check_loaded_config;

/// The largest image side for which the CIFAR stem and native size are used.
const SMALL_IMAGE: u32 = 96;
/// What `model.weights` says where training begins from nothing.
pub const RANDOM_INIT: &str = "none";
/// More than any machine has use for. OpenMP ends the process when it cannot start as many as it was
/// told.
const MOST_THREADS: u32 = 1024;
/// MB for decoded images where nobody knows what memory is free.
const UNKNOWN_MEMORY_CACHE: u64 = 1024;

/// Turns what was asked for into what will be done.
///
/// # Errors
/// `E_CONFIG` for a value out of range or at odds with another, `E_DEVICE` for a device that this
/// machine has not, `E_DATA_UNUSABLE` for data that no classifier can be trained on.
pub fn resolve(
    config: &TrainConfig,
    facts: &DatasetInfo,
    machine: &MachineInfo,
) -> Result<ResolvedConfig> {
    let mut why = Reasons::default();

    two_classes(facts)?;
    let seed = config.seed.unwrap_or(0);
    let data = resolve_data(config, facts, seed, &mut why)?;
    let task = Task::of(config, &data, facts);
    let has_val = facts.val > 0 || data.validation > 0.0;
    let transform =
        resolve_transform(&config.transform.clone().unwrap_or_default(), &data, facts, &mut why)?;
    let model = resolve_model(&config.model(), task.small, &mut why);
    let budget = resolve_budget(config, task, &mut why)?;

    let batch_size = why.pick("batchSize", &config.batch_size, || task.batch_size());
    if batch_size < 2 {
        let wanted = "2 or more, for one image cannot be normalised by its batch";
        return Err(refuse("batchSize", wanted, json!(batch_size)));
    }

    let metric_default = || {
        if has_val {
            (Metric::ValAccuracy, "there is a validation part".to_string())
        } else {
            (Metric::TrainLoss, "there is no validation part".to_string())
        }
    };
    let monitor = why.pick("monitor", &config.monitor, metric_default);
    needs_validation("monitor", monitor, has_val)?;

    let device = why.pick("device", &config.device, || {
        if machine.cuda {
            (Device::Cuda, "libtorch sees a CUDA device".into())
        } else {
            (Device::Cpu, "libtorch sees no CUDA device".into())
        }
    });
    if device == Device::Cuda && !machine.cuda {
        return Err(Error::new(ErrorCode::Device, "no CUDA device can be used here")
            .key("device")
            .hint("Leave `device` out to train on the CPU."));
    }
    let precision = why.pick("precision", &config.precision, || default_precision(device, machine));
    let memory_format = why.pick("memoryFormat", &config.memory_format, || match precision {
        Precision::Fp64 => {
            (MemoryFormat::Contiguous, "fp64 convolutions have no faster layout".into())
        }
        _ => {
            (MemoryFormat::ChannelsLast, "convolutions run fastest with channels innermost".into())
        }
    });
    let threads =
        why.pick("threads", &config.threads, || (machine.cores, "one a physical core".to_string()));
    within("threads", threads.into(), (1..=MOST_THREADS).contains(&threads), "from 1 to 1024")?;
    let workers =
        why.pick("workers", &config.workers, || (machine.cores, "one a physical core".to_string()));
    some_workers(workers)?;
    let cache = why.pick("cache", &config.cache, || default_cache(&budget, facts, machine));

    let augment_on =
        resolve_augment_on(config, &data, &transform, device, facts, machine, &mut why)?;

    if let Some(share) = config.memory_fraction {
        let holds = share > 0.0 && share <= 1.0;
        within("memoryFraction", share, holds, "more than 0 and up to 1")?;
    }

    let gradient = resolve_gradient(&config.gradient.clone().unwrap_or_default())?;
    let at_once = batch_size.saturating_mul(gradient.accumulate);
    let optimizer = resolve_optimizer(config.optimizer.as_ref(), task, at_once, &mut why)?;
    let schedule = resolve_schedule(config.schedule.as_ref(), &budget, has_val, &mut why)?;
    let warmup = config.warmup.clone().unwrap_or_default();
    let warmup = resolve_warmup(&warmup, task, &budget, &schedule, &mut why)?;
    let loss = resolve_loss(&config.loss.clone().unwrap_or_default(), facts.classes.len())?;
    let ema = resolve_ema(&config.ema.clone().unwrap_or_default())?;
    let early_stopping =
        resolve_early_stopping(config.early_stopping.as_ref(), monitor, has_val, &mut why)?;

    let checkpoint = config.checkpoint.clone().unwrap_or_default();
    let log = config.log.clone().unwrap_or_default();
    let log = Log { every_steps: log.every_steps.unwrap_or(10) };
    least("log.everySteps", log.every_steps, 1)?;

    let out = why.pick("out", &config.out, || {
        let name = Path::new(&facts.source).file_stem().and_then(|name| name.to_str());
        (
            format!("runs/{}-{}", name.unwrap_or("data"), model.arch),
            "named after data and model".into(),
        )
    });

    Ok(ResolvedConfig {
        data,
        transform,
        model,
        epochs: budget.epochs,
        budget,
        batch_size,
        optimizer,
        schedule,
        warmup,
        loss,
        gradient,
        ema,
        early_stopping,
        precision,
        device,
        memory_format,
        seed,
        threads,
        workers,
        cache,
        augment_on,
        memory_fraction: config.memory_fraction,
        cuda_graphs: config.cuda_graphs.unwrap_or(false),
        monitor,
        checkpoint: Checkpoint {
            every_epochs: checkpoint.every_epochs.unwrap_or(0),
            every_steps: checkpoint.every_steps.unwrap_or(0),
        },
        log,
        out,
        overwrite: config.overwrite.unwrap_or(false),
        resume: config.resume.clone(),
        recipe: config.recipe.clone(),
        reasons: why.0,
    })
}

/// By what the device multiplies fast.
fn default_precision(device: Device, machine: &MachineInfo) -> (Precision, String) {
    let (precision, reason) = match (device, machine) {
        (Device::Cuda, MachineInfo { cuda_bf16: true, .. }) => {
            (Precision::Bf16, "this card multiplies bfloat16 (compute capability 8.0 or more)")
        }
        (Device::Cuda, _) => (
            Precision::Fp32,
            "this card does not multiply bfloat16 (compute capability less than 8.0)",
        ),
        (Device::Cpu, MachineInfo { bf16: true, .. }) => (
            Precision::Bf16,
            "this CPU multiplies bfloat16 faster than fp32 (AMX, or AVX512_BF16 on AMD)",
        ),
        (Device::Cpu, _) => (Precision::Fp32, "bfloat16 would be no faster on this CPU"),
    };
    (precision, reason.into())
}

/// Turns what was asked to be inspected into what will be.
///
/// # Errors
/// `E_CONFIG` for a value out of range.
pub fn resolve_inspect(config: &InspectConfig) -> Result<InspectTarget> {
    let model = config.model.as_ref().map(NameOr::<ModelConfig>::to_config).unwrap_or_default();
    let arch = model.arch.as_ref().and_then(Auto::value);
    let cifar = arch.and_then(|arch| ArchName::parse(arch)).is_some_and(ArchName::is_cifar);
    let image_size = config.image_size.unwrap_or(if cifar { 32 } else { 224 });
    let channels = config.channels.unwrap_or(3);
    let classes = config.classes.unwrap_or(if cifar { 10 } else { 1000 });
    let size_range = (8..=1024).contains(&image_size);
    within("imageSize", image_size.into(), size_range, "from 8 to 1024")?;
    within("channels", channels.into(), (1..=1024).contains(&channels), "from 1 to 1024")?;
    within("classes", classes.into(), (1..=1_000_000).contains(&classes), "from 1 to 1000000")?;
    let model = resolve_model(&model, image_size <= SMALL_IMAGE, &mut Reasons::default());
    Ok(InspectTarget { model, channels, image_size, classes })
}

/// Why each `auto` became what it did, by key.
#[derive(Default)]
struct Reasons(BTreeMap<String, String>);

impl Reasons {
    fn pick<T: Clone>(
        &mut self,
        key: &str,
        said: &Option<Auto<T>>,
        decide: impl FnOnce() -> (T, String),
    ) -> T {
        match said.as_ref().and_then(Auto::value) {
            Some(value) => value.clone(),
            None => {
                let (value, reason) = decide();
                self.0.insert(key.into(), reason);
                value
            }
        }
    }
}

fn refuse(key: &str, wanted: &str, found: Value) -> Error {
    KeyPath::Key(&KeyPath::Root, key).invalid(wanted, &found)
}

fn within(key: &str, value: f64, holds: bool, wanted: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(refuse(key, wanted, json!(value))) }
}

fn least<N: Into<u64>>(key: &str, value: N, bound: u64) -> Result<()> {
    let value = value.into();
    if value >= bound {
        Ok(())
    } else {
        Err(refuse(key, &format!("{bound} or more"), json!(value)))
    }
}

fn two_classes(facts: &DatasetInfo) -> Result<()> {
    match facts.classes.len() {
        0 | 1 => Err(Error::new(
            ErrorCode::DataUnusable,
            format!("{} has {} class; a classifier needs two", facts.source, facts.classes.len()),
        )
        .key("data")
        .hint("Give each class a folder of its own: photos/cats/*.jpg, photos/dogs/*.jpg.")),
        _ => Ok(()),
    }
}

fn grey_or_rgb(channels: u32) -> Result<()> {
    within("data.channels", channels.into(), matches!(channels, 1 | 3), "1 or 3")
}

fn sensible_size(image_size: u32) -> Result<()> {
    let range = (8..=1024).contains(&image_size);
    within("data.imageSize", image_size.into(), range, "from 8 to 1024")
}

fn some_workers(workers: u32) -> Result<()> {
    within("workers", workers.into(), (1..=MOST_THREADS).contains(&workers), "from 1 to 1024")
}

/// MB for decoded images, and why.
fn default_cache(budget: &Budget, facts: &DatasetInfo, machine: &MachineInfo) -> (u32, String) {
    const MB: u64 = 1 << 20;
    let Some(wanted) = facts.decoded_bytes else {
        return (0, "the images are in memory anyway".into());
    };
    if budget.epochs == Some(1) {
        return (0, "one epoch reads every image once".into());
    }
    let (most, of) = match machine.free_memory {
        Some(free) => (free / 4 / MB, "a quarter of the free memory".to_string()),
        None => (UNKNOWN_MEMORY_CACHE, "the system does not tell what memory is free".to_string()),
    };
    // Beside its pixels an image takes some bytes.
    let images = u64::from(facts.train) + u64::from(facts.val);
    let wanted = (wanted + 128 * images).div_ceil(MB);
    if wanted <= most {
        (wanted as u32, "room for all training and validation images, decoded".into())
    } else {
        let reason =
            format!("{of}; all images would take {wanted} MB, the others are decoded anew");
        (most.min(u32::MAX.into()) as u32, reason)
    }
}

fn needs_validation(key: &str, metric: Metric, has_val: bool) -> Result<()> {
    match metric {
        Metric::ValLoss | Metric::ValAccuracy if !has_val => {
            Err(refuse(key, "a training metric, for there is no validation part", json!(metric))
                .hint("Set `data.validation` to 0.1, or use 'train.loss'."))
        }
        _ => Ok(()),
    }
}

fn resolve_data(
    config: &TrainConfig,
    facts: &DatasetInfo,
    seed: u64,
    why: &mut Reasons,
) -> Result<Data> {
    let fine_tuned = begins_from_weights(config);
    let config = config.data();
    let validation = why.pick("data.validation", &config.validation, || match facts.val {
        0 => (0.1, "the data set has no validation part of its own".into()),
        _ => (0.0, "the data set has its own validation part".into()),
    });
    let is_share = (0.0..=0.5).contains(&validation);
    let most = facts.train / 2;
    let is_number = validation.fract() == 0.0 && (1.0..=f64::from(most)).contains(&validation);
    let wanted = format!("a share from 0 to 0.5, or a number of images from 1 to {most}");
    within("data.validation", validation, is_share || is_number, &wanted)?;
    if validation > 0.0 && facts.val > 0 {
        let wanted = "0, for the data set has its own validation part";
        return Err(refuse("data.validation", wanted, json!(validation)));
    }

    let channels = why.pick("data.channels", &config.channels, || {
        (facts.channels, "what the images have".into())
    });
    grey_or_rgb(channels)?;

    let image_size =
        why.pick("data.imageSize", &config.image_size, || task::image_size(facts, fine_tuned));
    sensible_size(image_size)?;

    if let Some(limit) = config.limit {
        let classes = facts.classes.len() as u32;
        within("data.limit", limit.into(), limit >= classes, "at least one image for each class")?;
    }

    let in_memory = facts.format == DataFormat::Arrays;
    let shape =
        facts.image_size.map(|[height, width]| vec![facts.train, height, width, facts.channels]);
    if config.fingerprint.as_ref().is_some_and(|wanted| *wanted != facts.fingerprint) {
        let found = &facts.fingerprint;
        return Err(other_images(facts, "fingerprint", format!("their fingerprint is {found}")));
    }
    if config.shape.is_some() && config.shape != shape {
        return Err(other_images(facts, "shape", format!("their shape is {shape:?}")));
    }

    Ok(Data {
        source: facts.source.clone(),
        format: facts.format,
        validation,
        channels,
        image_size,
        labels: config.labels.unwrap_or(CifarLabels::Fine),
        balanced: config.balanced.unwrap_or(false),
        limit: config.limit,
        split_seed: config.split_seed.unwrap_or(seed),
        fingerprint: if in_memory {
            Some(facts.fingerprint.clone())
        } else {
            config.fingerprint.clone()
        },
        shape: if in_memory { shape } else { config.shape.clone() },
    })
}

fn other_images(facts: &DatasetInfo, key: &str, found: String) -> Error {
    let message = format!("{} has other images than are asked for: {found}", facts.source);
    Error::new(ErrorCode::Mismatch, message)
        .key(format!("data.{key}"))
        .hint(format!("Bring back the images as they were, or leave `data.{key}` out."))
}

fn resolve_model(config: &ModelConfig, small: bool, why: &mut Reasons) -> Model {
    let arch = why.pick("model.arch", &config.arch, || {
        if small {
            ("resnet20".to_string(), "small images: the paper's smallest CIFAR network".into())
        } else {
            ("resnet18".to_string(), "photographs: the smallest ImageNet network".into())
        }
    });
    let name = ArchName::parse(&arch);
    let cifar = name.is_some_and(ArchName::is_cifar);
    let stem = why.pick("model.stem", &config.stem, || match (name, small) {
        (Some(ArchName::Vgg { .. }), _) => (Stem::Imagenet, "VGG has one form only".into()),
        (_, _) if cifar => (Stem::Cifar, "part of the paper's CIFAR networks".into()),
        (_, true) => (Stem::Cifar, "small images keep their resolution".into()),
        (_, false) => (Stem::Imagenet, "photographs are reduced fourfold first".into()),
    });
    let shortcut = why.pick("model.shortcut", &config.shortcut, || match name {
        Some(name) if !name.has_shortcuts() => {
            (Shortcut::None, "a plain network has no shortcuts".into())
        }
        Some(ArchName::Wrn { .. }) => (Shortcut::B, "what wide residual networks use".into()),
        Some(name) if cifar && !name.has_bottlenecks() => {
            (Shortcut::A, "the paper's CIFAR networks use option A".into())
        }
        _ => (Shortcut::B, "torchvision's, and the paper's for its ImageNet results".into()),
    });
    Model {
        arch,
        stem,
        shortcut,
        zero_init_residual: config.zero_init_residual.unwrap_or(false),
        bottleneck_stride: config.bottleneck_stride.unwrap_or(BottleneckStride::Middle),
        weights: why.pick("model.weights", &config.weights, || {
            (RANDOM_INIT.to_string(), "nobody named any".into())
        }),
        weights_sha256: config.weights_sha256.clone(),
        freeze: config.freeze.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> DatasetInfo {
        DatasetInfo {
            source: "./photos".into(),
            train: 240,
            ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, None)
        }
    }

    fn small() -> DatasetInfo {
        DatasetInfo {
            channels: 1,
            image_size: Some([28, 28]),
            mean: Some(vec![0.28]),
            std: Some(vec![0.35]),
            ..facts()
        }
    }

    const MACHINE: MachineInfo = MachineInfo {
        cores: 2,
        bf16: true,
        cuda: false,
        cuda_bf16: false,
        cuda_free_memory: None,
        free_memory: None,
    };

    fn resolved(config: Value, facts: &DatasetInfo) -> Result<ResolvedConfig> {
        resolve(&TrainConfig::from_json(&config)?, facts, &MACHINE)
    }

    #[test]
    fn small_images_get_the_papers_cifar_set_up() {
        let config = resolved(json!({}), &DatasetInfo { train: 60_000, ..small() }).unwrap();
        assert_eq!((config.model.arch.as_str(), config.model.stem), ("resnet20", Stem::Cifar));
        assert_eq!(config.transform.crop, Crop::Pad(PadCrop { padding: 4 }));
        assert_eq!((config.data.image_size, config.batch_size), (28, 128));
        assert_eq!(config.transform.mean, [0.28]);
    }

    #[test]
    fn photographs_get_the_imagenet_set_up() {
        let config = resolved(json!({}), &DatasetInfo { train: 60_000, ..facts() }).unwrap();
        assert_eq!((config.model.arch.as_str(), config.model.stem), ("resnet18", Stem::Imagenet));
        assert_eq!((config.data.image_size, config.transform.eval_resize), (224, 256));
        assert_eq!(config.transform.mean, [0.485, 0.456, 0.406]);
    }

    #[test]
    fn large_photographs_are_decoded_down_to_twice_what_is_looked_at() {
        let side = |transform: Value| {
            let facts = DatasetInfo { train: 60_000, ..facts() };
            let config = resolved(json!({ "transform": transform }), &facts)?;
            Ok::<_, Error>(config.transform.decode_short_side)
        };
        assert_eq!(side(json!({})).unwrap(), 512);
        assert_eq!(side(json!({ "evalResize": 224 })).unwrap(), 448);
        for said in [0, 256, 4000] {
            assert_eq!(side(json!({ "decodeShortSide": said })).unwrap(), said);
        }
        for said in [1, 255, 65_536] {
            let error = side(json!({ "decodeShortSide": said })).unwrap_err();
            assert_eq!(error.at.key.as_deref(), Some("transform.decodeShortSide"));
            assert!(error.message.contains("evalResize"), "{error}");
        }
    }

    #[test]
    fn decoded_images_are_kept_where_there_is_room_and_use_for_them() {
        let cache = |config: Value, bytes, free_memory| {
            let facts = DatasetInfo { decoded_bytes: bytes, ..facts() };
            let machine = MachineInfo { free_memory, ..MACHINE };
            let config = TrainConfig::from_json(&config).unwrap();
            let config = resolve(&config, &facts, &machine).unwrap();
            (config.cache, config.reasons.get("cache").cloned().unwrap_or_default())
        };
        let (some, gb) = (json!({}), 1u64 << 30);
        assert_eq!(cache(some.clone(), None, Some(gb)).0, 0);
        // 240 images take some bytes more.
        assert_eq!(cache(some.clone(), Some(100 << 20), Some(gb)).0, 101);
        let (part, why) = cache(some.clone(), Some(gb), Some(2 * gb));
        assert_eq!(part, 512);
        assert!(why.contains("a quarter") && why.contains("1025 MB"), "{why}");
        assert_eq!(cache(some, Some(9 * gb), None).0, 1024);
        assert_eq!(cache(json!({ "epochs": 1 }), Some(1 << 20), Some(gb)).0, 0);
        assert_eq!(
            cache(json!({ "epochs": 1, "cache": 7 }), Some(1 << 20), None),
            (7, String::new())
        );
    }

    #[test]
    fn the_split_has_the_runs_seed_unless_it_is_given_its_own() {
        let split = |config| resolved(config, &small()).unwrap().data.split_seed;
        assert_eq!(split(json!({ "seed": 7 })), 7);
        assert_eq!(split(json!({ "seed": 7, "data": { "splitSeed": 0 } })), 0);
    }

    #[test]
    fn every_auto_leaves_a_reason_and_every_given_value_none() {
        let config = resolved(json!({ "batchSize": 7 }), &small()).unwrap();
        assert!(!config.reasons.contains_key("batchSize"));
        for key in ["precision", "model.arch", "transform.flip", "monitor", "data.validation"] {
            assert!(config.reasons.contains_key(key), "{key}");
        }
    }

    #[test]
    fn a_resolved_configuration_resolves_to_itself() {
        for schedule in [
            "cosine",
            "constant",
            "multistep",
            "plateau",
            "step",
            "linear",
            "polynomial",
            "one-cycle",
        ] {
            let once = resolved(json!({ "schedule": schedule, "epochs": 8 }), &small()).unwrap();
            let mut twice = resolved(serde_json::to_value(&once).unwrap(), &small()).unwrap();
            assert!(twice.reasons.is_empty());
            twice.reasons = once.reasons.clone();
            assert_eq!(once, twice);
        }
    }

    #[test]
    fn every_choice_resolves_to_itself() {
        for config in [
            json!({ "optimizer": "adam" }),
            json!({ "optimizer": "adamw" }),
            json!({ "optimizer": "lars" }),
            json!({ "loss": { "labelSmoothing": 0.1, "classWeights": "balanced" } }),
            json!({ "gradient": { "clipNorm": 1, "accumulate": 4 }, "ema": { "decay": 0.99 } }),
            json!({ "earlyStopping": { "patience": 3 } }),
            json!({ "memoryFraction": 0.5, "augmentOn": "device" }),
            json!({ "cudaGraphs": true }),
            json!({ "warmup": { "untilAccuracy": 0.2 } }),
            json!({ "transform": { "policy": "randaugment", "erase": "cutout", "mix": "cutmix" } }),
            json!({ "transform": { "policy": "trivialaugment", "pixelMean": true } }),
            json!({ "transform": { "erase": "random-erasing", "mix": "mixup" } }),
            json!({ "transform": { "crop": "random-short-side" } }),
            json!({ "model": { "weights": "x.pth", "freeze": ["conv1"], "bottleneckStride": "1x1" } }),
        ] {
            let once = resolved(config, &small()).unwrap();
            let mut twice = resolved(serde_json::to_value(&once).unwrap(), &small()).unwrap();
            twice.reasons = once.reasons.clone();
            assert_eq!(once, twice);
        }
    }

    #[test]
    fn values_out_of_range_are_refused_by_key() {
        for (key, config) in [
            ("batchSize", json!({ "batchSize": 0 })),
            ("batchSize", json!({ "batchSize": 1 })),
            ("threads", json!({ "threads": 3_000_000_000_u32 })),
            ("memoryFraction", json!({ "memoryFraction": 0 })),
            ("memoryFraction", json!({ "memoryFraction": 1.1 })),
            ("workers", json!({ "workers": 3_000_000_000_u32 })),
            ("optimizer.lr", json!({ "optimizer": { "lr": -0.1 } })),
            ("optimizer.lr", json!({ "optimizer": { "lr": 0 } })),
            ("optimizer.momentum", json!({ "optimizer": { "momentum": 1 } })),
            ("epochs", json!({ "epochs": 0 })),
            ("epochs", json!({ "epochs": 3, "budget": { "epochs": 4 } })),
            ("transform.std", json!({ "transform": { "std": [0] } })),
            ("transform.mean", json!({ "transform": { "mean": [0.5, 0.5] } })),
            ("data.channels", json!({ "data": { "source": "x", "channels": 2 } })),
            ("data.validation", json!({ "data": { "source": "x", "validation": 0.6 } })),
            ("data.validation", json!({ "data": { "source": "x", "validation": 1.5 } })),
            ("data.validation", json!({ "data": { "source": "x", "validation": 121 } })),
            ("data.limit", json!({ "data": { "source": "x", "limit": 1 } })),
            ("optimizer.betas", json!({ "optimizer": { "type": "adam", "betas": [0.9] } })),
            ("loss.labelSmoothing", json!({ "loss": { "labelSmoothing": 1 } })),
            (
                "loss.classWeights.weights",
                json!({ "loss": { "classWeights": { "type": "given", "weights": [1, 1, 1] } } }),
            ),
            ("gradient.clipNorm", json!({ "gradient": { "clipNorm": 0 } })),
            ("gradient.accumulate", json!({ "gradient": { "accumulate": 0 } })),
            ("ema.decay", json!({ "ema": { "decay": 1 } })),
            ("warmup.epochs", json!({ "warmup": { "epochs": 1, "untilAccuracy": 0.2 } })),
            ("schedule.pctStart", json!({ "schedule": { "type": "one-cycle", "pctStart": 1 } })),
            ("transform.color", json!({ "transform": { "color": "pca" } })),
            (
                "transform.erase.size",
                json!({ "transform": { "erase": { "type": "cutout", "size": 99 } } }),
            ),
            (
                "transform.mix.alpha",
                json!({ "transform": { "mix": { "type": "mixup", "alpha": 0 } } }),
            ),
            ("schedule.factor", json!({ "schedule": { "type": "plateau", "factor": 1 } })),
            ("monitor", json!({ "monitor": "val.loss", "data": { "validation": 0 } })),
        ] {
            let error = resolved(config.clone(), &small()).expect_err(&config.to_string());
            assert_eq!(error.code, ErrorCode::Config);
            assert_eq!(error.at.key.as_deref(), Some(key), "{config}");
            assert!(error.hint.is_some(), "{config}");
        }
    }

    #[test]
    fn validation_may_be_a_number_of_images() {
        let config = json!({ "data": { "source": "x", "validation": 120 } });
        let config = resolved(config, &small()).unwrap();
        assert_eq!(config.data.validation, 120.0);
        assert_eq!(config.monitor, Metric::ValAccuracy);
    }

    #[test]
    fn images_in_memory_leave_their_shape_and_hash_and_must_have_them_again() {
        let arrays = DatasetInfo { format: DataFormat::Arrays, fingerprint: "0".into(), ..small() };
        let config = resolved(json!({}), &arrays).unwrap();
        assert_eq!(config.data.shape, Some(vec![240, 28, 28, 1]));
        assert_eq!(config.data.fingerprint.as_deref(), Some("0"));
        let again = serde_json::to_value(&config).unwrap();
        assert!(resolved(again.clone(), &arrays).is_ok());
        let others = DatasetInfo { fingerprint: "1".into(), ..arrays.clone() };
        let error = resolved(again.clone(), &others).unwrap_err();
        assert_eq!(error.code, ErrorCode::Mismatch);
        assert_eq!(error.at.key.as_deref(), Some("data.fingerprint"));
        let fewer = DatasetInfo { train: 239, ..arrays };
        assert_eq!(resolved(again, &fewer).unwrap_err().at.key.as_deref(), Some("data.shape"));
        assert_eq!(resolved(json!({}), &small()).unwrap().data.fingerprint, None);
    }

    #[test]
    fn a_missing_device_is_an_error_and_never_a_silent_fall_to_the_cpu() {
        let error = resolved(json!({ "device": "cuda" }), &small()).unwrap_err();
        assert_eq!(error.code, ErrorCode::Device);
    }

    #[test]
    fn the_precision_is_one_that_the_device_multiplies_fast() {
        let choice = |config: Value, machine: MachineInfo| {
            let config = TrainConfig::from_json(&config).unwrap();
            let config = resolve(&config, &small(), &machine).unwrap();
            (config.precision, config.reasons.get("precision").cloned().unwrap_or_default())
        };
        let (turing, ampere) = (
            MachineInfo { cuda: true, ..MACHINE },
            MachineInfo { cuda: true, cuda_bf16: true, bf16: false, ..MACHINE },
        );
        let (precision, why) = choice(json!({}), turing.clone());
        assert!(precision == Precision::Fp32 && why.contains("card"), "{why}");
        let (precision, why) = choice(json!({}), ampere.clone());
        assert!(precision == Precision::Bf16 && why.contains("8.0"), "{why}");
        // Beside a card, the CPU is looked at where it is to be used.
        let (precision, why) = choice(json!({ "device": "cpu" }), turing);
        assert!(precision == Precision::Bf16 && why.contains("CPU"), "{why}");
        assert_eq!(choice(json!({ "device": "cpu" }), ampere.clone()).0, Precision::Fp32);
        let given = choice(json!({ "precision": "fp32" }), ampere);
        assert_eq!(given, (Precision::Fp32, String::new()));
    }

    #[test]
    fn one_class_is_refused() {
        let one = DatasetInfo { classes: vec!["ant".into()], ..facts() };
        assert_eq!(resolved(json!({}), &one).unwrap_err().code, ErrorCode::DataUnusable);
    }

    #[test]
    fn a_networks_name_decides_its_stem_and_shortcuts() {
        let choice = |arch: &str, facts: &DatasetInfo| {
            let config = resolved(json!({ "model": arch }), facts).unwrap();
            (config.model.stem, config.model.shortcut)
        };
        assert_eq!(choice("resnet18", &facts()), (Stem::Imagenet, Shortcut::B));
        assert_eq!(choice("resnet18", &small()), (Stem::Cifar, Shortcut::B));
        assert_eq!(choice("preresnet20", &small()), (Stem::Cifar, Shortcut::A));
        assert_eq!(choice("preresnet164", &small()), (Stem::Cifar, Shortcut::B));
        assert_eq!(choice("plain20", &facts()), (Stem::Cifar, Shortcut::None));
        assert_eq!(choice("plain34", &facts()), (Stem::Imagenet, Shortcut::None));
        assert_eq!(choice("wrn28_10", &small()), (Stem::Cifar, Shortcut::B));
        assert_eq!(choice("vgg16", &small()), (Stem::Imagenet, Shortcut::None));
    }
}
