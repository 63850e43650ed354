//! Resolution of the options of all functions except `train()` and `inspect()`.

use serde_json::json;

use super::ranges::{check_integer, check_range, invalid};
use super::test_time_augment::{TestTimeAugment, resolve_test_time_augment};
use super::{check_batch_size, resolve, resolve_inspect};
use crate::*;

/// Resolved options of `findLr()`, see [`FindLrConfig`].
#[derive(Debug, Clone, PartialEq)]
pub struct FindLrOptions {
    /// Learning rate of the first step.
    pub start_lr: f64,
    /// Learning rate of the last step.
    pub end_lr: f64,
    pub steps: u32,
}

/// # Errors
/// `E_CONFIG` for a value out of range.
pub fn resolve_find_lr(config: &FindLrConfig) -> Result<FindLrOptions> {
    let FindLrConfig { start_lr, end_lr, steps } = config;
    let (start_lr, end_lr) = (start_lr.unwrap_or(1e-7), end_lr.unwrap_or(10.0));
    let steps = steps.unwrap_or(100);
    check_range("startLr", start_lr, start_lr > 0.0, "more than 0")?;
    check_range("endLr", end_lr, end_lr > start_lr, "more than `startLr`")?;
    check_integer("steps", steps)?;
    Ok(FindLrOptions { start_lr, end_lr, steps })
}

/// Resolved options of `bench()`, see [`BenchConfig`].
#[derive(Debug, Clone, PartialEq)]
pub struct BenchOptions {
    /// Network and input shape.
    pub target: InspectTarget,
    /// Configuration of a run with this network on synthetic images.
    pub config: ResolvedConfig,
    /// Number of measurements of training, and of inference.
    pub rounds: u32,
    /// Length of each measurement in seconds.
    pub seconds: f64,
}

/// Resolves the options of `bench()`, which uses synthetic images.
///
/// # Errors
/// `E_CONFIG` for a value out of range; `E_DEVICE` for a device that the machine does not have.
pub fn resolve_bench(config: &BenchConfig, machine: &MachineInfo) -> Result<BenchOptions> {
    let BenchConfig {
        model,
        image_size,
        channels,
        classes,
        batch_size,
        precision,
        device,
        threads,
        rounds,
        seconds,
    } = config;
    let rounds = rounds.unwrap_or(5);
    check_integer("rounds", rounds)?;
    let seconds = seconds.unwrap_or(1.0);
    check_range("seconds", seconds, (0.0..=600.0).contains(&seconds), "from 0 to 600")?;
    if let Some(&batch_size) = batch_size.as_ref().and_then(Auto::value) {
        check_batch_size(batch_size)?;
    }
    let target = resolve_inspect(&InspectConfig {
        model: model.clone().or_else(|| Some(NameOr::Name("resnet20".into()))),
        channels: *channels,
        image_size: *image_size,
        classes: *classes,
    })?;

    let source = "synthetic images";
    let classes = (0..target.classes.max(2)).map(|class| class.to_string()).collect();
    let facts = DatasetInfo {
        source: source.into(),
        ..DatasetInfo::unknown(classes, target.channels, Some([target.image_size; 2]))
    };
    let data = json!({ "source": source, "validation": 0, "imageSize": target.image_size });
    let config = TrainConfig {
        batch_size: batch_size.clone(),
        precision: precision.clone(),
        device: device.clone(),
        threads: threads.clone(),
        ..TrainConfig::from_json(&json!({ "model": target.model, "data": data }))?
    };
    let config = resolve(&config, &facts, machine)?;
    Ok(BenchOptions { target, config, rounds, seconds })
}

/// Resolved options of `plan()`, see [`PlanConfig`].
#[derive(Debug, Clone, PartialEq)]
pub struct PlanOptions {
    /// Whether to measure training steps.
    pub measure: bool,
}

pub fn resolve_plan(config: &PlanConfig) -> PlanOptions {
    let PlanConfig { measure } = config;
    PlanOptions { measure: measure.unwrap_or(true) }
}

/// Resolved options of `predict()`, see [`PredictConfig`].
#[derive(Debug, Clone, PartialEq)]
pub struct PredictOptions {
    /// Number of classes to return.
    pub top: u32,
    pub views: TestTimeAugment,
    /// Maximum side length of thumbnails in pixels; `None` for no thumbnails.
    pub thumbnails: Option<u32>,
}

/// Resolves the options of `predict()` for a model with this training configuration.
///
/// # Errors
/// `E_CONFIG` for a value that is out of range or contradicts another.
pub fn resolve_predict(config: &PredictConfig, trained: &ResolvedConfig) -> Result<PredictOptions> {
    let PredictConfig { top, crops, scales, thumbnails } = config;
    let top = top.unwrap_or(5);
    check_integer("top", top)
        .map_err(|error| error.hint("Omit `top` to return the five most probable classes."))?;
    check_thumbnails(*thumbnails)?;
    let views = resolve_test_time_augment(*crops, scales.as_ref(), trained)?;
    Ok(PredictOptions { top, views, thumbnails: *thumbnails })
}

/// Splits that `evaluate()` tries in this order by default.
const EVALUATED_SPLITS: [Split; 3] = [Split::Test, Split::Val, Split::Train];
/// Maximum number of images in a result with thumbnails, which are held in memory.
const MAX_THUMBNAILS: u32 = 1000;

/// Options of `evaluate()`: [`EvaluateConfig`], resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluateOptions {
    /// Data set; `None` selects the training data of the model.
    pub data: Option<DataConfig>,
    /// Splits in order of preference. The first one that exists is evaluated.
    pub splits: Vec<Split>,
    /// Images per batch.
    pub batch_size: u32,
    pub views: TestTimeAugment,
    /// Number of images with the highest losses in the result.
    pub top_losses: u32,
    /// Number of evenly spaced images in the result.
    pub samples: u32,
    /// Side of the thumbnails of these images in pixels; `None` returns no thumbnails.
    pub thumbnails: Option<u32>,
}

/// Resolves the options of `evaluate()` for a model with this training configuration.
///
/// # Errors
/// `E_CONFIG` for a value that is out of range or contradicts another.
pub fn resolve_evaluate(
    config: &EvaluateConfig,
    trained: &ResolvedConfig,
) -> Result<EvaluateOptions> {
    let EvaluateConfig { data, split, batch_size, crops, scales, top_losses, samples, thumbnails } =
        config;
    let (top_losses, samples) = (top_losses.unwrap_or(0), samples.unwrap_or(0));
    check_thumbnails(*thumbnails)?;
    if thumbnails.is_some() {
        for (key, count) in [("samples", samples), ("topLosses", top_losses)] {
            if count > MAX_THUMBNAILS {
                let message = format!("`{key}` with `thumbnails` must be at most {MAX_THUMBNAILS}");
                return Err(Error::new(ErrorCode::Config, message).key(key).hint(
                    "Request fewer, or remove `thumbnails`: file names are returned for any number.",
                ));
            }
        }
    }
    let views = resolve_test_time_augment(*crops, scales.as_ref(), trained)?;
    let batch_size = match *batch_size {
        Some(0) => return Err(invalid("batchSize", "a whole number, 1 or more", json!(0))),
        Some(batch_size) => batch_size,
        None => eval_batch_size(trained.batch_size, &views).max(1),
    };
    Ok(EvaluateOptions {
        data: data.as_ref().map(NameOr::<DataConfig>::to_config),
        splits: split.map_or(EVALUATED_SPLITS.to_vec(), |split| vec![split]),
        batch_size,
        views,
        top_losses,
        samples,
        thumbnails: *thumbnails,
    })
}

/// Returns the default batch size of an evaluation: the batch size of training divided by the number
/// of views of each image, because several batches are in memory at once.
fn eval_batch_size(trained: u32, views: &TestTimeAugment) -> u32 {
    match views {
        TestTimeAugment::Center => trained,
        TestTimeAugment::Flip => trained / 2,
        TestTimeAugment::Ten => trained / 10,
        TestTimeAugment::MultiScale(_) => 1,
    }
}

/// Options of `export()`: [`ExportConfig`], resolved. The default value adds nothing to the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// Output probabilities instead of logits.
    pub softmax: bool,
    /// Input pixels from 0 to 1 instead of normalized pixels.
    pub normalization: bool,
}

pub fn resolve_export(config: &ExportConfig) -> ExportOptions {
    let ExportConfig { softmax, normalization } = config;
    ExportOptions {
        softmax: softmax.unwrap_or(false),
        normalization: normalization.unwrap_or(false),
    }
}

/// Options for loading weights without metadata: [`LoadConfig`], resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadOptions {
    /// Height and width of the network's input in pixels.
    pub image_size: u32,
    pub transform: TransformConfig,
    pub precision: Precision,
}

/// Resolves the options for loading weights of a network with this stem.
pub fn resolve_load(config: &LoadConfig, stem: Stem) -> LoadOptions {
    let mut transform = config.transform.clone().unwrap_or_default();
    // External weights were trained on images decoded at full size.
    transform.decode_short_side.get_or_insert(Auto::Value(0));
    LoadOptions {
        image_size: config.image_size.unwrap_or(if stem == Stem::Cifar { 32 } else { 224 }),
        transform,
        precision: config.precision.unwrap_or(Precision::Fp32),
    }
}

/// # Errors
/// `E_CONFIG` for a size out of range.
fn check_thumbnails(size: Option<u32>) -> Result<()> {
    match size {
        Some(size) if !(8..=256).contains(&size) => {
            Err(invalid("thumbnails", "from 8 to 256 pixels", json!(size))
                .hint("Omit `thumbnails` to return none, or set it to 64."))
        }
        Some(_) | None => Ok(()),
    }
}

/// Maximum number of previewed images.
const MAX_PREVIEW: u32 = 1000;

/// Resolved options of `previewDataset()`, see [`PreviewConfig`].
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewOptions {
    /// Configuration of a run with the same data, transforms and seed.
    pub config: ResolvedConfig,
    pub split: Split,
    pub count: u32,
    pub order: PreviewOrder,
    pub seed: u64,
    /// Whether to apply the random augmentation of training.
    pub augmented: bool,
}

/// Resolves the options of `previewDataset()` for a data set.
///
/// # Errors
/// `E_USAGE` for a count out of range; errors of [`resolve`].
pub fn resolve_preview(config: &PreviewConfig, facts: &DatasetInfo) -> Result<PreviewOptions> {
    let PreviewConfig { data, split, count, order, seed, augmented, transform } = config;
    let order = order.unwrap_or(PreviewOrder::Random);
    let count = count.unwrap_or(match order {
        PreviewOrder::Random => 40,
        PreviewOrder::ByClass => (facts.classes.len() as u32).saturating_mul(8).min(200),
    });
    if !(1..=MAX_PREVIEW).contains(&count) {
        let message = format!("`count` must be from 1 to {MAX_PREVIEW}, not {count}");
        return Err(Error::new(ErrorCode::Usage, message).key("count"));
    }
    let run_config = TrainConfig {
        data: data.clone(),
        transform: transform.clone(),
        seed: *seed,
        ..TrainConfig::default()
    };
    // The transforms do not depend on the machine.
    let config = resolve(&run_config, facts, &MachineInfo::with_cores(1))?;
    Ok(PreviewOptions {
        split: split.unwrap_or(Split::Train),
        count,
        order,
        seed: config.seed,
        augmented: augmented.unwrap_or(false),
        config,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn find_lr_defaults_to_the_range_from_1e_7_to_10() {
        let options = resolve_find_lr(&FindLrConfig::default()).unwrap();
        assert_eq!(options, FindLrOptions { start_lr: 1e-7, end_lr: 10.0, steps: 100 });
        for (key, config) in [
            ("startLr", FindLrConfig { start_lr: Some(0.0), ..FindLrConfig::default() }),
            ("endLr", FindLrConfig { end_lr: Some(1e-8), ..FindLrConfig::default() }),
            ("steps", FindLrConfig { steps: Some(3), ..FindLrConfig::default() }),
        ] {
            assert_eq!(resolve_find_lr(&config).unwrap_err().at.key.as_deref(), Some(key));
        }
    }

    #[test]
    fn bench_defaults_to_resnet20() {
        let machine = MachineInfo::with_cores(3);
        let options = resolve_bench(&BenchConfig::default(), &machine).unwrap();
        assert_eq!((options.rounds, options.seconds), (5, 1.0));
        assert_eq!(
            (options.target.model.arch.as_str(), options.target.image_size),
            ("resnet20", 32)
        );
        assert_eq!((options.config.batch_size, options.config.threads), (128, 3));
    }

    /// Returns the configuration of a training run with batches of 32 images.
    fn trained() -> ResolvedConfig {
        let facts = DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, Some([32, 32]));
        let config = TrainConfig { batch_size: Some(Auto::Value(32)), ..TrainConfig::default() };
        resolve(&config, &facts, &MachineInfo::with_cores(1)).unwrap()
    }

    #[test]
    fn evaluation_defaults_to_the_test_split_and_the_batch_size_of_training() {
        let options = resolve_evaluate(&EvaluateConfig::default(), &trained()).unwrap();
        assert_eq!(options.splits, [Split::Test, Split::Val, Split::Train]);
        assert_eq!((options.data, options.batch_size), (None, 32));
        assert_eq!((options.samples, options.top_losses, options.thumbnails), (0, 0, None));
        for (crops, batch_size) in
            [(TestCrops::Flip, 16), (TestCrops::Ten, 3), (TestCrops::MultiScale, 1)]
        {
            let config = EvaluateConfig { crops: Some(crops), ..EvaluateConfig::default() };
            assert_eq!(resolve_evaluate(&config, &trained()).unwrap().batch_size, batch_size);
        }
    }

    #[test]
    fn refuses_an_evaluation_in_batches_of_no_images() {
        let config = EvaluateConfig { batch_size: Some(0), ..EvaluateConfig::default() };
        let error = resolve_evaluate(&config, &trained()).unwrap_err();
        assert_eq!(error.message, "`batchSize` must be a whole number, 1 or more, not 0");
    }

    #[test]
    fn thumbnails_limit_the_number_of_reported_images() {
        let config = EvaluateConfig { samples: Some(1001), ..EvaluateConfig::default() };
        assert!(resolve_evaluate(&config, &trained()).is_ok());
        let config = EvaluateConfig { thumbnails: Some(64), ..config };
        let error = resolve_evaluate(&config, &trained()).unwrap_err();
        assert_eq!(error.at.key.as_deref(), Some("samples"));
    }

    #[test]
    fn loaded_weights_default_to_the_image_size_of_their_stem() {
        for (stem, size) in [(Stem::Cifar, 32), (Stem::Imagenet, 224)] {
            let options = resolve_load(&LoadConfig::default(), stem);
            assert_eq!((options.image_size, options.precision), (size, Precision::Fp32));
            assert_eq!(options.transform.decode_short_side, Some(Auto::Value(0)));
        }
    }

    #[test]
    fn previews_default_to_40_images_or_8_per_class() {
        let facts = DatasetInfo {
            train: 100,
            ..DatasetInfo::unknown(vec!["ant".into(), "bee".into(), "cat".into()], 3, None)
        };
        let count = |order| {
            let config = PreviewConfig { order, ..PreviewConfig::default() };
            resolve_preview(&config, &facts).unwrap().count
        };
        assert_eq!([count(None), count(Some(PreviewOrder::ByClass))], [40, 24]);
    }
}
