//! Training defaults that depend on the image size, on the number of images, and on whether
//! training starts from weights.

use super::MAX_SMALL_IMAGE;
use crate::integer_ranges::MIN_IMAGE_SIZE;
use crate::*;

/// Minimum default size in pixels of large images. The ImageNet stem and stages reduce 128x128
/// pixels to 4x4.
const MIN_LARGE_IMAGE: u32 = 128;
/// Size of training images in He et al. 2015 on ImageNet, in pixels.
const IMAGENET_SIZE: u32 = 224;
/// Number of training images from which random initialization is the default. In He et al. 2018
/// ("Rethinking ImageNet Pre-training", section 5), training from scratch matches fine-tuning from
/// 35,000 images on, with several times as many epochs.
pub const PRETRAINED_MAX_IMAGES: u32 = 50_000;
/// Number of training images below which training from scratch defaults to more epochs on smaller
/// images: 224x224 pixels take three times as long as 128x128. Their accuracy was not compared.
const FEW_IMAGES: u32 = 5_000;

/// The default batch size is halved until an epoch has this number of steps.
const MIN_STEPS_PER_EPOCH: u32 = 8;
/// Minimum default batch size.
const MIN_BATCH_SIZE: u32 = 8;

const DEFAULT_EPOCHS: u32 = 30;
const MAX_EPOCHS: u32 = 60;
const MIN_FINE_TUNE_EPOCHS: u32 = 5;
/// Number of images over all epochs of training from scratch, for small data sets.
const IMAGES_FROM_SCRATCH: u32 = 15_000;
/// Number of images over all epochs of fine-tuning.
const IMAGES_FINE_TUNING: u32 = 10_000;

/// Properties of the training task that determine defaults.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    /// Whether the input has at most [`MAX_SMALL_IMAGE`] pixels per side.
    pub small_images: bool,
    /// Whether training starts from weights.
    pub fine_tunes: bool,
    /// Number of training images, after the validation split and `data.limit`.
    pub train_images: u32,
}

impl Task {
    pub fn new(config: &TrainConfig, data: &Data, facts: &DatasetInfo) -> Task {
        let train_images = num_train_images(facts, data.validation);
        Task {
            small_images: data.image_size <= MAX_SMALL_IMAGE,
            fine_tunes: starts_from_weights(config),
            train_images: data.limit.unwrap_or(u32::MAX).min(train_images),
        }
    }

    /// Returns the default batch size and the reason.
    pub fn batch_size(self) -> (u32, String) {
        let (max, reason) = if self.small_images {
            (128, "batch size of He et al. 2015 on CIFAR-10")
        } else {
            (32, "large images: more per batch would need many GB of memory")
        };
        let mut size: u32 = max;
        while size > MIN_BATCH_SIZE && self.train_images.div_ceil(size) < MIN_STEPS_PER_EPOCH {
            size /= 2;
        }
        let images = self.train_images;
        let reason = if size == max {
            reason.into()
        } else if images.div_ceil(size) < MIN_STEPS_PER_EPOCH {
            format!("only {images} training images: smallest default batch size")
        } else {
            format!("only {images} training images: at least {MIN_STEPS_PER_EPOCH} steps per epoch")
        };
        (size, reason)
    }

    /// Returns the default number of epochs and the reason.
    pub fn epochs(self) -> (u32, String) {
        let epochs_for = |images: u32| images.div_ceil(self.train_images.max(1));
        if self.fine_tunes {
            let epochs = epochs_for(IMAGES_FINE_TUNING).clamp(MIN_FINE_TUNE_EPOCHS, DEFAULT_EPOCHS);
            return (
                epochs,
                format!("fine-tuning: about {IMAGES_FINE_TUNING} images over all epochs"),
            );
        }
        match epochs_for(IMAGES_FROM_SCRATCH).div_ceil(10) * 10 {
            0..=DEFAULT_EPOCHS => (DEFAULT_EPOCHS, "neither `epochs` nor `budget` is set".into()),
            epochs => {
                let reason = format!("only {} training images: more epochs", self.train_images);
                (epochs.min(MAX_EPOCHS), reason)
            }
        }
    }

    /// Returns the default learning rate of SGD and the reason.
    pub fn sgd_lr(self, images_per_step: u32) -> (f64, String) {
        let (lr, reference, reason) = match (self.fine_tunes, self.small_images) {
            (true, _) => (0.01, 32, "fine-tuning"),
            (false, true) => (0.1, 64, "He et al. 2015 on CIFAR-10"),
            (false, false) => (0.1, 256, "He et al. 2015 on ImageNet"),
        };
        let scale = (f64::from(images_per_step) / f64::from(reference)).min(1.0);
        let scaled = if scale < 1.0 {
            format!(": {lr} for {reference} images per step, scaled linearly to {images_per_step}")
        } else {
            String::new()
        };
        (lr * scale, format!("{reason}{scaled}"))
    }

    /// Returns the default learning rate of Adam and AdamW, and the reason.
    pub fn adam_lr(self) -> (f64, String) {
        if self.fine_tunes {
            (1e-4, "fine-tuning".into())
        } else {
            (1e-3, "default of Kingma and Ba 2014".into())
        }
    }

    /// Returns the default weight decay of SGD.
    pub fn sgd_weight_decay(self) -> f64 {
        if self.fine_tunes { 1e-4 } else { 5e-4 }
    }
}

/// Returns whether the configuration specifies initial weights.
pub(super) fn starts_from_weights(config: &TrainConfig) -> bool {
    let model = config.model();
    model.weights.as_ref().and_then(Auto::value).is_some_and(|weights| weights != RANDOM_INIT)
}

/// Returns the number of training images after the validation split, or `u32::MAX` if the images
/// have not been counted.
fn num_train_images(facts: &DatasetInfo, validation: f64) -> u32 {
    if facts.train == 0 {
        return u32::MAX;
    }
    let held_out = if validation < 1.0 { validation * f64::from(facts.train) } else { validation };
    facts.train - held_out.round() as u32
}

/// Returns the default height and width in pixels, and the reason.
pub(super) fn default_image_size(facts: &DatasetInfo, fine_tunes: bool) -> (u32, String) {
    if let Some([height, width]) = facts.image_size
        && height.max(width) <= MAX_SMALL_IMAGE
    {
        return match height.max(width) {
            size @ ..MIN_IMAGE_SIZE => {
                (MIN_IMAGE_SIZE, format!("minimum size: images of {size} pixels are scaled up"))
            }
            size => (size, "size of the images".into()),
        };
    }
    match facts.median_short_side {
        Some(side) if side <= MAX_SMALL_IMAGE => {
            let size = side.max(MIN_IMAGE_SIZE).next_multiple_of(8);
            (size, reason_for_size(side, size, "rounded up to a multiple of 8"))
        }
        Some(side) if side < IMAGENET_SIZE => {
            let size = (side / 32 * 32).max(MIN_LARGE_IMAGE);
            let rounding = match side {
                ..MIN_LARGE_IMAGE => "scaled up to the smallest size for photos",
                _ => "rounded down to a multiple of 32",
            };
            (size, reason_for_size(side, size, rounding))
        }
        _ if !fine_tunes && (1..FEW_IMAGES).contains(&facts.train) => {
            let reason = format!(
                "only {} images: trains faster than {IMAGENET_SIZE} pixels, for more epochs",
                facts.train
            );
            (MIN_LARGE_IMAGE, reason)
        }
        _ => (IMAGENET_SIZE, "image size of He et al. 2015 on ImageNet".into()),
    }
}

/// Explains a default size that is derived from the median short side of the images.
fn reason_for_size(side: u32, size: u32, rounding: &str) -> String {
    let reason = format!("the short side of the images is {side} pixels (median)");
    if side == size { reason } else { format!("{reason}, {rounding}") }
}

/// Checks whether training starts from published weights by default: for an image folder or a
/// manifest with few large images, and the published network.
///
/// # Errors
/// The reason why training starts from scratch.
pub fn check_pretrained_default(config: &TrainConfig, facts: &DatasetInfo) -> Result<(), String> {
    let (data, model) = (config.data(), config.model());
    let size = data.image_size.as_ref().and_then(Auto::value).copied();
    let size = size.unwrap_or_else(|| default_image_size(facts, true).0);
    if size <= MAX_SMALL_IMAGE {
        return Err("small images: the published weights are for large images".into());
    }
    if !matches!(facts.format, DataFormat::ImageFolder | DataFormat::Manifest) {
        return Err("published weights are the default for image folders and manifests only".into());
    }
    if facts.train >= PRETRAINED_MAX_IMAGES {
        return Err("enough images to train from scratch".into());
    }
    let stem = model.stem.as_ref().and_then(Auto::value);
    let shortcut = model.shortcut.as_ref().and_then(Auto::value);
    let channels = data.channels.as_ref().and_then(Auto::value);
    let other_network = stem.is_some_and(|stem| *stem != Stem::Imagenet)
        || shortcut.is_some_and(|shortcut| *shortcut != Shortcut::B)
        || channels.is_some_and(|channels| *channels != 3)
        || model.bottleneck_stride == Some(BottleneckStride::First);
    if other_network { Err("the published weights are for another network".into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn folder(train: u32, short_side: u32) -> DatasetInfo {
        DatasetInfo {
            source: "./photos".into(),
            median_short_side: Some(short_side),
            train,
            val: 100,
            ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, None)
        }
    }

    fn resolved(config: Value, facts: &DatasetInfo) -> ResolvedConfig {
        let machine = MachineInfo::with_cores(2);
        resolve(&TrainConfig::from_json(&config).unwrap(), facts, &machine).unwrap()
    }

    fn lr(config: &ResolvedConfig) -> f64 {
        config.optimizer.lr()
    }

    fn pretrained(config: Value, facts: &DatasetInfo) -> Result<(), String> {
        check_pretrained_default(&TrainConfig::from_json(&config).unwrap(), facts)
    }

    #[test]
    fn the_default_image_size_does_not_exceed_the_median_size() {
        let size = |train, side| resolved(json!({}), &folder(train, side)).data.image_size;
        assert_eq!(size(60_000, 375), 224);
        assert_eq!([size(60_000, 223), size(60_000, 160), size(60_000, 100)], [192, 160, 128]);
        assert_eq!([size(60_000, 96), size(60_000, 50), size(60_000, 3)], [96, 56, 8]);
        let same_size = DatasetInfo { image_size: Some([28, 20]), ..folder(60_000, 20) };
        assert_eq!(resolved(json!({}), &same_size).data.image_size, 28);
        let uncounted = DatasetInfo { median_short_side: None, ..folder(0, 0) };
        assert_eq!(resolved(json!({}), &uncounted).data.image_size, 224);
    }

    #[test]
    fn few_images_from_scratch_default_to_a_smaller_size_and_more_epochs() {
        let (few, many) = (folder(244, 375), folder(20_000, 375));
        let config = resolved(json!({}), &few);
        assert_eq!((config.data.image_size, config.batch_size), (128, 32));
        assert_eq!(config.epochs, Some(MAX_EPOCHS));
        assert_eq!(lr(&config), 0.1 * 32.0 / 256.0);
        assert_eq!(config.warmup.epochs, 0.0);
        let config = resolved(json!({}), &many);
        assert_eq!((config.data.image_size, config.epochs), (224, Some(DEFAULT_EPOCHS)));
    }

    #[test]
    fn fine_tuning_defaults_to_a_lower_rate_with_warm_up() {
        let model = json!({ "model": { "weights": "x.pth" } });
        let config = resolved(model.clone(), &folder(244, 375));
        assert_eq!((config.data.image_size, config.epochs), (224, Some(30)));
        assert_eq!((lr(&config), config.warmup.epochs), (0.01, 1.0));
        let Optimizer::Sgd(sgd) = &config.optimizer else { panic!() };
        assert_eq!(sgd.weight_decay, 1e-4);
        assert_eq!(resolved(model.clone(), &folder(20_000, 375)).epochs, Some(5));
        assert_eq!(resolved(model.clone(), &folder(20_000, 375)).warmup.epochs, 0.5);

        let resolved_with = |key: &str, value: Value| {
            let mut config = model.clone();
            config[key] = value;
            resolved(config, &folder(244, 375))
        };
        assert_eq!(resolved_with("schedule", json!("one-cycle")).warmup.epochs, 0.0);
        assert_eq!(resolved_with("warmup", json!({ "epochs": 0 })).warmup.epochs, 0.0);
        assert_eq!(resolved_with("warmup", json!({ "untilAccuracy": 0.2 })).warmup.epochs, 0.0);
        assert_eq!(lr(&resolved_with("optimizer", json!("adam"))), 1e-4);
        assert_eq!(lr(&resolved_with("batchSize", json!(16))), 0.005);
        let from_scratch = json!({ "model": { "weights": "none" } });
        assert_eq!(resolved(from_scratch, &folder(244, 375)).warmup.epochs, 0.0);
    }

    #[test]
    fn the_batch_size_leaves_several_steps_per_epoch() {
        let batch_size = |train| {
            let same_size = DatasetInfo { image_size: Some([32, 32]), ..folder(train, 32) };
            resolved(json!({}), &same_size).batch_size
        };
        assert_eq!([50_000, 1_000, 300, 100, 20].map(batch_size), [128, 128, 32, 8, 8]);
        // Images of the validation split and beyond `limit` are not counted.
        let limited = json!({ "data": { "source": "x", "limit": 100 } });
        assert_eq!(resolved(limited, &folder(60_000, 375)).batch_size, 8);
        let held_out = DatasetInfo { val: 0, ..folder(240, 375) };
        assert_eq!(resolved(json!({}), &held_out).batch_size, 16);
    }

    #[test]
    fn the_learning_rate_scales_with_small_batches() {
        let rate = |batch: u32, accumulate: u32, side: u32| {
            let gradient = json!({ "accumulate": accumulate });
            let config = json!({ "batchSize": batch, "gradient": gradient });
            lr(&resolved(config, &folder(60_000, side)))
        };
        assert_eq!([rate(128, 1, 32), rate(64, 1, 32), rate(32, 1, 32)], [0.1, 0.1, 0.05]);
        assert_eq!([rate(512, 1, 375), rate(128, 1, 375), rate(32, 4, 375)], [0.1, 0.05, 0.05]);
    }

    #[test]
    fn published_weights_are_the_default_for_folders_of_few_large_images() {
        let photos = folder(244, 375);
        assert_eq!(pretrained(json!({}), &photos), Ok(()));
        assert_eq!(pretrained(json!({ "model": "resnet50" }), &photos), Ok(()));
        assert_eq!(pretrained(json!({}), &folder(PRETRAINED_MAX_IMAGES - 1, 120)), Ok(()));
        let manifest = DatasetInfo { format: DataFormat::Manifest, ..photos.clone() };
        assert_eq!(pretrained(json!({}), &manifest), Ok(()));
        for (config, facts) in [
            (json!({}), folder(PRETRAINED_MAX_IMAGES, 375)),
            (json!({}), folder(244, 64)),
            (json!({}), DatasetInfo { format: DataFormat::Arrays, ..photos.clone() }),
            (json!({ "data": { "source": "x", "imageSize": 64 } }), photos.clone()),
            (json!({ "data": { "source": "x", "channels": 1 } }), photos.clone()),
            (json!({ "model": { "stem": "cifar" } }), photos.clone()),
            (json!({ "model": { "shortcut": "C" } }), photos.clone()),
            (json!({ "model": { "bottleneckStride": "1x1" } }), photos),
        ] {
            let reason = pretrained(config.clone(), &facts).expect_err(&config.to_string());
            assert!(!reason.is_empty());
        }
    }
}
