//! Resolution: replaces every `auto` and every missing key by a value with a reason, and checks all
//! values. Values depend on the data set and on the capabilities of the machine, never on time
//! measurements, so that a configuration resolves to the same run on the same kind of machine.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::*;

mod augment_on;
mod data;
mod hardware;
mod loaded_config;
mod model;
mod ranges;
mod requests;
mod schedule;
mod task;
mod test_time_augment;
mod training;
mod transform;

pub use augment_on::device_bytes;
use augment_on::resolve_augment_on;
use data::{check_num_classes, resolve_data};
use hardware::resolve_hardware;
pub use loaded_config::check_loaded_config;
use model::resolve_model;
pub use model::{PRETRAINED_ARCH, RANDOM_INIT, resolve_inspect};
use ranges::{check_integer, invalid};
pub use requests::*;
use schedule::resolve_schedule;
use task::Task;
pub use task::{PRETRAINED_MAX_IMAGES, check_pretrained_default};
pub use test_time_augment::{TestTimeAugment, resolve_test_time_augment};
use training::{
    resolve_budget, resolve_early_stopping, resolve_ema, resolve_gradient, resolve_loss,
    resolve_optimizer, resolve_warmup,
};
use transform::resolve_transform;
pub use transform::{IMAGENET_MEAN, IMAGENET_STD};

/// Maximum side length in pixels of small images, which keep their size and get the CIFAR stem.
const MAX_SMALL_IMAGE: u32 = 96;

/// Maximum length in bytes of the data set's name in the name of the default run folder. File systems
/// limit file names to 255 bytes.
const MAX_RUN_NAME_BYTES: usize = 100;

/// Resolves a training configuration for a data set and a machine.
///
/// # Errors
/// `E_CONFIG` for a value that is out of range or contradicts another, `E_DEVICE` for a device that
/// the machine does not have, `E_DATA_UNUSABLE` for fewer than two classes, `E_MISMATCH` for images
/// that differ from `data.fingerprint` or `data.shape`.
pub fn resolve(
    config: &TrainConfig,
    facts: &DatasetInfo,
    machine: &MachineInfo,
) -> Result<ResolvedConfig> {
    let mut reasons = Reasons::default();

    check_num_classes(facts)?;
    let seed = config.seed.unwrap_or(0);
    let data = resolve_data(config, facts, seed, &mut reasons)?;
    let task = Task::new(config, &data, facts);
    let has_val = facts.val > 0 || data.validation > 0.0;
    let transform = config.transform.clone().unwrap_or_default();
    let transform = resolve_transform(&transform, &data, facts, &mut reasons)?;
    let model = resolve_model(&config.model(), task.small_images, &mut reasons);
    let budget = resolve_budget(config, task, &mut reasons)?;
    let batch_size = resolve_batch_size(config, task, &mut reasons)?;
    let monitor = resolve_monitor(config, has_val, &mut reasons)?;
    let hardware = resolve_hardware(config, &budget, facts, machine, &mut reasons)?;
    let augment_on = resolve_augment_on(
        config,
        &data,
        &transform,
        hardware.device,
        facts,
        machine,
        &mut reasons,
    )?;
    let gradient = resolve_gradient(&config.gradient.clone().unwrap_or_default())?;
    let images_per_step = batch_size.saturating_mul(gradient.accumulate);
    let optimizer =
        resolve_optimizer(config.optimizer.as_ref(), task, images_per_step, &mut reasons)?;
    let schedule = resolve_schedule(config.schedule.as_ref(), &budget, has_val, &mut reasons)?;
    let warmup = config.warmup.clone().unwrap_or_default();
    let warmup = resolve_warmup(&warmup, task, &budget, &schedule, &mut reasons)?;
    let early_stopping = config.early_stopping.as_ref();

    Ok(ResolvedConfig {
        epochs: budget.epochs,
        optimizer,
        schedule,
        warmup,
        loss: resolve_loss(&config.loss.clone().unwrap_or_default(), facts.classes.len())?,
        gradient,
        ema: resolve_ema(&config.ema.clone().unwrap_or_default())?,
        early_stopping: resolve_early_stopping(early_stopping, monitor, has_val, &mut reasons)?,
        batch_size,
        precision: hardware.precision,
        device: hardware.device,
        memory_format: hardware.memory_format,
        seed,
        threads: hardware.threads,
        workers: hardware.workers,
        cache: hardware.cache,
        augment_on,
        memory_fraction: config.memory_fraction,
        cuda_graphs: config.cuda_graphs.unwrap_or(false),
        monitor,
        checkpoint: resolve_checkpoint(config),
        log: resolve_log(config)?,
        out: resolve_out(config, facts, &model, &mut reasons),
        recipe: config.recipe.clone(),
        data,
        transform,
        model,
        budget,
        reasons: reasons.0,
    })
}

fn resolve_batch_size(config: &TrainConfig, task: Task, reasons: &mut Reasons) -> Result<u32> {
    let batch_size = reasons.resolve_auto("batchSize", &config.batch_size, || task.batch_size());
    check_batch_size(batch_size)?;
    Ok(batch_size)
}

/// # Errors
/// `E_CONFIG` for fewer than two images.
fn check_batch_size(batch_size: u32) -> Result<()> {
    check_integer("batchSize", batch_size).map_err(|error| {
        error.hint("Use 2 images or more: batch normalization cannot be trained on a single image.")
    })
}

fn resolve_monitor(config: &TrainConfig, has_val: bool, reasons: &mut Reasons) -> Result<Metric> {
    let monitor = reasons.resolve_auto("monitor", &config.monitor, || {
        if has_val {
            (Metric::ValAccuracy, "there is a validation split".to_string())
        } else {
            (Metric::TrainLoss, "there is no validation split".to_string())
        }
    });
    check_metric("monitor", monitor, has_val)?;
    Ok(monitor)
}

/// # Errors
/// `E_CONFIG` for a validation metric without a validation split.
fn check_metric(key: &str, metric: Metric, has_val: bool) -> Result<()> {
    match metric {
        Metric::ValLoss | Metric::ValAccuracy if !has_val => {
            let expected = "a training metric without a validation split";
            Err(invalid(key, expected, json!(metric))
                .hint("Set `data.validation` to 0.1, or use 'train.loss'."))
        }
        Metric::TrainLoss | Metric::TrainAccuracy | Metric::ValLoss | Metric::ValAccuracy => Ok(()),
    }
}

fn resolve_checkpoint(config: &TrainConfig) -> Checkpoint {
    let checkpoint = config.checkpoint.clone().unwrap_or_default();
    Checkpoint {
        every_epochs: checkpoint.every_epochs.unwrap_or(0),
        every_steps: checkpoint.every_steps.unwrap_or(0),
    }
}

fn resolve_log(config: &TrainConfig) -> Result<Log> {
    let log = config.log.clone().unwrap_or_default();
    let log = Log { every_steps: log.every_steps.unwrap_or(10) };
    check_integer("log.everySteps", log.every_steps)?;
    Ok(log)
}

fn resolve_out(
    config: &TrainConfig,
    facts: &DatasetInfo,
    model: &Model,
    reasons: &mut Reasons,
) -> String {
    reasons.resolve_auto("out", &config.out, || {
        let out = format!("runs/{}-{}", to_run_name(facts), model.arch);
        (out, "name of the data set and of the network".into())
    })
}

/// Converts the name of a data set to the start of a folder name: replaces control characters, and
/// shortens the name so that the name of the network and a number can follow.
fn to_run_name(facts: &DatasetInfo) -> String {
    let path = Path::new(&facts.source);
    let name = match facts.format {
        DataFormat::Manifest => path.file_stem(),
        DataFormat::Webdataset if path.extension().is_some_and(|extension| extension == "tar") => {
            path.file_stem()
        }
        DataFormat::Webdataset
        | DataFormat::ImageFolder
        | DataFormat::Idx
        | DataFormat::CifarBinary
        | DataFormat::CifarPython
        | DataFormat::Arrays => path.file_name(),
    };
    let name = name.and_then(|name| name.to_str()).unwrap_or("data");
    let name = name.replace(char::is_control, "_");
    let mut end = name.len().min(MAX_RUN_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].trim_end().into()
}

/// Reasons of the values that were resolved from `auto`, by key.
#[derive(Default)]
struct Reasons(BTreeMap<String, String>);

impl Reasons {
    /// Returns the configured value. For `auto` or a missing key, returns the value of `default`
    /// and records its reason.
    fn resolve_auto<T: Clone>(
        &mut self,
        key: &str,
        configured: &Option<Auto<T>>,
        default: impl FnOnce() -> (T, String),
    ) -> T {
        match configured.as_ref().and_then(Auto::value) {
            Some(value) => value.clone(),
            None => {
                let (value, reason) = default();
                self.record(key, reason);
                value
            }
        }
    }

    fn record(&mut self, key: &str, reason: impl Into<String>) {
        self.0.insert(key.into(), reason.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn facts() -> DatasetInfo {
        DatasetInfo {
            source: "./photos".into(),
            train: 240,
            ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, None)
        }
    }

    fn small_images() -> DatasetInfo {
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
    fn small_images_default_to_a_cifar_network() {
        let config = resolved(json!({}), &DatasetInfo { train: 60_000, ..small_images() }).unwrap();
        assert_eq!((config.model.arch.as_str(), config.model.stem), ("resnet20", Stem::Cifar));
        assert_eq!(config.transform.crop, Crop::Pad(PadCrop { padding: 4 }));
        assert_eq!((config.data.image_size, config.batch_size), (28, 128));
        assert_eq!(config.transform.mean, [0.28]);
    }

    #[test]
    fn large_images_default_to_an_imagenet_network() {
        let config = resolved(json!({}), &DatasetInfo { train: 60_000, ..facts() }).unwrap();
        assert_eq!((config.model.arch.as_str(), config.model.stem), ("resnet18", Stem::Imagenet));
        assert_eq!((config.data.image_size, config.transform.eval_resize), (224, 256));
        assert_eq!(config.transform.mean, [0.485, 0.456, 0.406]);
    }

    #[test]
    fn large_images_are_decoded_at_twice_the_evaluation_size() {
        let decode_short_side = |transform: Value| {
            let facts = DatasetInfo { train: 60_000, ..facts() };
            let config = resolved(json!({ "transform": transform }), &facts)?;
            Ok::<_, Error>(config.transform.decode_short_side)
        };
        assert_eq!(decode_short_side(json!({})).unwrap(), 512);
        assert_eq!(decode_short_side(json!({ "evalResize": 224 })).unwrap(), 448);
        for side in [0, 256, 4000] {
            assert_eq!(decode_short_side(json!({ "decodeShortSide": side })).unwrap(), side);
        }
        for side in [1, 255, 65_536] {
            let error = decode_short_side(json!({ "decodeShortSide": side })).unwrap_err();
            assert_eq!(error.at.key.as_deref(), Some("transform.decodeShortSide"));
            assert!(error.message.contains("evalResize"), "{error}");
        }
    }

    #[test]
    fn the_cache_holds_all_images_or_a_quarter_of_the_free_memory() {
        let cache = |config: Value, bytes, free_memory| {
            let facts = DatasetInfo { decoded_bytes: bytes, ..facts() };
            let machine = MachineInfo { free_memory, ..MACHINE };
            let config = TrainConfig::from_json(&config).unwrap();
            let config = resolve(&config, &facts, &machine).unwrap();
            (config.cache, config.reasons.get("cache").cloned().unwrap_or_default())
        };
        let (empty, gib) = (json!({}), 1u64 << 30);
        assert_eq!(cache(empty.clone(), None, Some(gib)).0, 0);
        // 240 images with an overhead of 128 bytes each.
        assert_eq!(cache(empty.clone(), Some(100 << 20), Some(gib)).0, 101);
        let (size, reason) = cache(empty.clone(), Some(gib), Some(2 * gib));
        assert_eq!(size, 512);
        assert!(reason.contains("a quarter") && reason.contains("1025 MiB"), "{reason}");
        assert_eq!(cache(empty, Some(9 * gib), None).0, 1024);
        assert_eq!(cache(json!({ "epochs": 1 }), Some(1 << 20), Some(gib)).0, 0);
        assert_eq!(
            cache(json!({ "epochs": 1, "cache": 7 }), Some(1 << 20), None),
            (7, String::new())
        );
    }

    #[test]
    fn the_default_run_folder_has_the_name_of_the_data_set() {
        let out = |source: &str, format| {
            let facts = DatasetInfo { source: source.into(), format, ..small_images() };
            let out = resolved(json!({ "model": "resnet8" }), &facts).unwrap().out;
            out.strip_prefix("runs/")
                .and_then(|out| out.strip_suffix("-resnet8"))
                .unwrap()
                .to_string()
        };
        assert_eq!(out("/data/photos.v2", DataFormat::ImageFolder), "photos.v2");
        assert_eq!(out("/data/labels.csv", DataFormat::Manifest), "labels");
        assert_eq!(out("/data/s-0.tar", DataFormat::Webdataset), "s-0");
        assert_eq!(out("/data/a\nb", DataFormat::ImageFolder), "a_b");
        assert_eq!(out("/data/", DataFormat::ImageFolder), "data");
        assert_eq!(out(&"d".repeat(250), DataFormat::ImageFolder), "d".repeat(100));
        assert_eq!(out(&"é".repeat(125), DataFormat::ImageFolder), "é".repeat(50));
        assert_eq!(out(&format!("x{}", "é".repeat(120)), DataFormat::ImageFolder).len(), 99);
    }

    #[test]
    fn very_small_images_are_scaled_up_to_the_minimum() {
        for side in [1, 4, 7] {
            let facts = DatasetInfo { image_size: Some([side; 2]), ..small_images() };
            let config = resolved(json!({}), &facts).unwrap();
            assert_eq!((config.data.image_size, config.transform.eval_resize), (8, 8));
            assert!(config.reasons["data.imageSize"].contains("scaled up"));
        }
    }

    #[test]
    fn the_split_seed_defaults_to_the_seed() {
        let split_seed = |config| resolved(config, &small_images()).unwrap().data.split_seed;
        assert_eq!(split_seed(json!({ "seed": 7 })), 7);
        assert_eq!(split_seed(json!({ "seed": 7, "data": { "splitSeed": 0 } })), 0);
    }

    #[test]
    fn records_a_reason_for_each_auto_value_only() {
        let config = resolved(json!({ "batchSize": 7 }), &small_images()).unwrap();
        assert!(!config.reasons.contains_key("batchSize"));
        for key in ["precision", "model.arch", "transform.flip", "monitor", "data.validation"] {
            assert!(config.reasons.contains_key(key), "{key}");
        }
    }

    #[test]
    fn resolved_schedules_resolve_to_themselves() {
        for schedule in ScheduleConfig::TAGS {
            let config = json!({ "schedule": schedule, "epochs": 8 });
            let once = resolved(config, &small_images()).unwrap();
            let mut twice =
                resolved(serde_json::to_value(&once).unwrap(), &small_images()).unwrap();
            assert!(twice.reasons.is_empty());
            twice.reasons = once.reasons.clone();
            assert_eq!(once, twice);
        }
    }

    #[test]
    fn resolved_configurations_resolve_to_themselves() {
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
            json!({ "model": { "weights": "x.pth", "freeze": ["conv1"] } }),
            json!({ "model": { "bottleneckStride": "1x1" } }),
        ] {
            let once = resolved(config, &small_images()).unwrap();
            let mut twice =
                resolved(serde_json::to_value(&once).unwrap(), &small_images()).unwrap();
            twice.reasons = once.reasons.clone();
            assert_eq!(once, twice);
        }
    }

    #[test]
    fn rejects_values_out_of_range_by_key() {
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
            let error = resolved(config.clone(), &small_images()).expect_err(&config.to_string());
            assert_eq!(error.code, ErrorCode::Config);
            assert_eq!(error.at.key.as_deref(), Some(key), "{config}");
            assert!(error.hint.is_some(), "{config}");
        }
    }

    #[test]
    fn normalization_of_another_number_of_channels_names_the_channels() {
        let gray = json!({ "transform": { "mean": [0, 0, 0] } });
        let error = resolved(gray, &small_images()).unwrap_err();
        assert_eq!(
            error.message,
            "`transform.mean` must be an array of one number, because the images are gray \
             (`data.channels` is 1), not of 3"
        );
        assert!(error.hint.unwrap().contains("`data: { channels: 3 }`"));
        let color = json!({ "data": { "channels": 3 }, "transform": { "std": [1] } });
        let error = resolved(color, &small_images()).unwrap_err();
        assert!(error.message.contains("three numbers, because the images are RGB"), "{error}");
    }

    #[test]
    fn validation_accepts_a_number_of_images() {
        let config = json!({ "data": { "source": "x", "validation": 120 } });
        let config = resolved(config, &small_images()).unwrap();
        assert_eq!(config.data.validation, 120.0);
        assert_eq!(config.monitor, Metric::ValAccuracy);
    }

    #[test]
    fn in_memory_images_must_match_the_recorded_shape_and_hash() {
        let arrays =
            DatasetInfo { format: DataFormat::Arrays, fingerprint: "0".into(), ..small_images() };
        let config = resolved(json!({}), &arrays).unwrap();
        assert_eq!(config.data.shape, Some(vec![240, 28, 28, 1]));
        assert_eq!(config.data.fingerprint.as_deref(), Some("0"));
        let recorded = serde_json::to_value(&config).unwrap();
        assert!(resolved(recorded.clone(), &arrays).is_ok());
        let other_pixels = DatasetInfo { fingerprint: "1".into(), ..arrays.clone() };
        let error = resolved(recorded.clone(), &other_pixels).unwrap_err();
        assert_eq!(error.code, ErrorCode::Mismatch);
        assert_eq!(error.at.key.as_deref(), Some("data.fingerprint"));
        let fewer = DatasetInfo { train: 239, ..arrays.clone() };
        let error = resolved(recorded.clone(), &fewer).unwrap_err();
        assert_eq!(error.at.key.as_deref(), Some("data.shape"));
        assert!(error.message.ends_with("their shape is [239, 28, 28, 1]"), "{error}");
        let mixed_sizes = DatasetInfo { image_size: None, ..arrays };
        let error = resolved(recorded, &mixed_sizes).unwrap_err();
        assert!(error.message.ends_with("their sizes differ from each other"), "{error}");
        assert_eq!(resolved(json!({}), &small_images()).unwrap().data.fingerprint, None);
    }

    #[test]
    fn rejects_cuda_without_a_device_instead_of_falling_back_to_the_cpu() {
        let error = resolved(json!({ "device": "cuda" }), &small_images()).unwrap_err();
        assert_eq!(error.code, ErrorCode::Device);
    }

    #[test]
    fn precision_defaults_to_bf16_on_devices_with_fast_bf16() {
        let precision = |config: Value, machine: MachineInfo| {
            let config = TrainConfig::from_json(&config).unwrap();
            let config = resolve(&config, &small_images(), &machine).unwrap();
            (config.precision, config.reasons.get("precision").cloned().unwrap_or_default())
        };
        let (turing, ampere) = (
            MachineInfo { cuda: true, ..MACHINE },
            MachineInfo { cuda: true, cuda_bf16: true, bf16: false, ..MACHINE },
        );
        let (value, reason) = precision(json!({}), turing.clone());
        assert!(value == Precision::Fp32 && reason.contains("GPU"), "{reason}");
        let (value, reason) = precision(json!({}), ampere.clone());
        assert!(value == Precision::Bf16 && reason.contains("8.0"), "{reason}");
        // On a machine with a GPU, the default for the CPU depends on the CPU only.
        let (value, reason) = precision(json!({ "device": "cpu" }), turing);
        assert!(value == Precision::Bf16 && reason.contains("CPU"), "{reason}");
        assert_eq!(precision(json!({ "device": "cpu" }), ampere.clone()).0, Precision::Fp32);
        let configured = precision(json!({ "precision": "fp32" }), ampere);
        assert_eq!(configured, (Precision::Fp32, String::new()));
    }

    #[test]
    fn rejects_a_single_class() {
        let single_class = DatasetInfo { classes: vec!["ant".into()], ..facts() };
        assert_eq!(resolved(json!({}), &single_class).unwrap_err().code, ErrorCode::DataUnusable);
    }

    #[test]
    fn the_architecture_determines_stem_and_shortcut() {
        let layers = |arch: &str, facts: &DatasetInfo| {
            let config = resolved(json!({ "model": arch }), facts).unwrap();
            (config.model.stem, config.model.shortcut)
        };
        assert_eq!(layers("resnet18", &facts()), (Stem::Imagenet, Shortcut::B));
        assert_eq!(layers("resnet18", &small_images()), (Stem::Cifar, Shortcut::B));
        assert_eq!(layers("preresnet20", &small_images()), (Stem::Cifar, Shortcut::A));
        assert_eq!(layers("preresnet164", &small_images()), (Stem::Cifar, Shortcut::B));
        assert_eq!(layers("plain20", &facts()), (Stem::Cifar, Shortcut::None));
        assert_eq!(layers("plain34", &facts()), (Stem::Imagenet, Shortcut::None));
        assert_eq!(layers("wrn28_10", &small_images()), (Stem::Cifar, Shortcut::B));
        assert_eq!(layers("vgg16", &small_images()), (Stem::Imagenet, Shortcut::None));
    }
}
