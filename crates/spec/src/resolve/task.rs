//! What the defaults of training follow from: how large the images are, how many, and whether the
//! network has learnt before.

use super::SMALL_IMAGE;
use crate::*;

/// The stem of ImageNet's networks leaves nothing of smaller images: 4 x 4 of 128.
const LEAST_PHOTOGRAPH: u32 = 128;
/// The size that the paper trains on.
const PHOTOGRAPH: u32 = 224;
/// Below so many photographs, training begins from published weights. He et al. 2018 ("Rethinking
/// ImageNet Pre-training", section 5) need 35,000 images to do without, and then several times as
/// many passes.
pub const PRETRAINED_MAX_IMAGES: u32 = 50_000;
/// Below so many, learning from nothing takes more passes, on smaller pictures: 224 x 224 pixels
/// cost three times as much. A choice; the two were not compared here.
const FEW_TO_BEGIN_WITH: u32 = 5_000;

const STEPS: u32 = 8;
const LEAST_BATCH: u32 = 8;

const EPOCHS: u32 = 30;
const MOST_EPOCHS: u32 = 60;
const LEAST_EPOCHS: u32 = 5;
/// Images shown, each time counted, that a small folder is worth.
const SHOWN: u32 = 15_000;
/// As many, to weights that have learnt before.
const SHOWN_AGAIN: u32 = 10_000;

/// The same of one configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    /// No larger than CIFAR's and their like.
    pub small: bool,
    /// It begins from weights.
    pub fine_tuned: bool,
    /// To train on, after the validation split.
    pub images: u32,
}

impl Task {
    pub fn of(config: &TrainConfig, data: &Data, facts: &DatasetInfo) -> Task {
        Task {
            small: data.image_size <= SMALL_IMAGE,
            fine_tuned: begins_from_weights(config),
            images: data.limit.unwrap_or(u32::MAX).min(left(facts, data.validation)),
        }
    }

    /// Images in a step.
    pub fn batch_size(self) -> (u32, String) {
        let (most, reason) = if self.small {
            (128, "the batch size of the paper's CIFAR experiments")
        } else {
            (32, "large images: keeps memory within a few GB")
        };
        let mut size: u32 = most;
        while size > LEAST_BATCH && self.images.div_ceil(size) < STEPS {
            size /= 2;
        }
        if size == most {
            (size, reason.into())
        } else {
            (size, format!("few images: {STEPS} steps an epoch, or nearly"))
        }
    }

    /// Passes over the images.
    pub fn epochs(self) -> (u32, String) {
        let worth = |shown: u32| shown.div_ceil(self.images.max(1));
        if self.fine_tuned {
            let epochs = worth(SHOWN_AGAIN).clamp(LEAST_EPOCHS, EPOCHS);
            return (epochs, format!("about {SHOWN_AGAIN} images shown to weights that know some"));
        }
        match worth(SHOWN).div_ceil(10) * 10 {
            0..=EPOCHS => (EPOCHS, "no limit was given".into()),
            more => (more.min(MOST_EPOCHS), "few images: more passes over them".into()),
        }
    }

    /// The rate of SGD for updates of so many images.
    pub fn lr(self, images: u32) -> (f64, String) {
        let share = |whole: u32| (f64::from(images) / f64::from(whole)).min(1.0);
        let (lr, whole, from) = match (self.fine_tuned, self.small) {
            (true, _) => (0.01, 32, "weights that know something move little"),
            (false, true) => (0.1, 64, "the paper's"),
            (false, false) => (0.1, 256, "the paper's for 256 images"),
        };
        let less = if share(whole) < 1.0 { ", in proportion to the batch" } else { "" };
        (lr * share(whole), format!("{from}{less}"))
    }

    /// The rate of Adam.
    pub fn adam_lr(self) -> (f64, String) {
        if self.fine_tuned {
            (1e-4, "weights that know something move little".into())
        } else {
            (1e-3, "Kingma & Ba's".into())
        }
    }

    pub fn weight_decay(self) -> f64 {
        if self.fine_tuned { 1e-4 } else { 5e-4 }
    }
}

/// Whether the configuration names weights to begin from.
pub(super) fn begins_from_weights(config: &TrainConfig) -> bool {
    let model = config.model();
    model.weights.as_ref().and_then(Auto::value).is_some_and(|weights| weights != RANDOM_INIT)
}

/// The images that are left to train on. A data set that nobody has counted has enough.
fn left(facts: &DatasetInfo, validation: f64) -> u32 {
    if facts.train == 0 {
        return u32::MAX;
    }
    let held_back = if validation < 1.0 { validation * f64::from(facts.train) } else { validation };
    facts.train - held_back.round() as u32
}

/// Height and width, where nobody said them.
pub(super) fn image_size(facts: &DatasetInfo, fine_tuned: bool) -> (u32, String) {
    if let Some([height, width]) = facts.image_size
        && height.max(width) <= SMALL_IMAGE
    {
        return (height.max(width), "the images' own size".into());
    }
    match facts.median_short_side {
        Some(side) if side <= SMALL_IMAGE => {
            (side.max(8).next_multiple_of(8), "about the images' own size".into())
        }
        Some(side) if side < PHOTOGRAPH => {
            let size = (side / 32 * 32).max(LEAST_PHOTOGRAPH);
            (size, format!("no larger than most images, {side} pixels"))
        }
        _ if !fine_tuned && (1..FEW_TO_BEGIN_WITH).contains(&facts.train) => {
            (LEAST_PHOTOGRAPH, "few photographs to learn from: small ones, more often".into())
        }
        _ => (PHOTOGRAPH, "photographs, at the size the paper trains on".into()),
    }
}

/// Whether training is to begin from published weights where nobody said from which: it is on a
/// folder, or a list, of few photographs, with a network as it is published.
///
/// # Errors
/// Why not.
pub fn check_pretrained_default(config: &TrainConfig, facts: &DatasetInfo) -> Result<(), String> {
    let (data, model) = (config.data(), config.model());
    let size = data.image_size.as_ref().and_then(Auto::value).copied();
    let small = size.unwrap_or_else(|| image_size(facts, true).0) <= SMALL_IMAGE;
    if small {
        return Err("small images: the published weights are for photographs".into());
    }
    if !matches!(facts.format, DataFormat::ImageFolder | DataFormat::Manifest) {
        return Err("published ones are taken for folders and lists of photographs".into());
    }
    if facts.train >= PRETRAINED_MAX_IMAGES {
        return Err("photographs enough to learn from nothing".into());
    }
    let another = |differs: bool| differs.then_some("the published weights are of another network");
    let stem = model.stem.as_ref().and_then(Auto::value);
    let shortcut = model.shortcut.as_ref().and_then(Auto::value);
    let channels = data.channels.as_ref().and_then(Auto::value);
    match another(stem.is_some_and(|stem| *stem != Stem::Imagenet))
        .or(another(shortcut.is_some_and(|shortcut| *shortcut != Shortcut::B)))
        .or(another(channels.is_some_and(|channels| *channels != 3)))
        .or(another(model.bottleneck_stride == Some(BottleneckStride::First)))
    {
        Some(reason) => Err(reason.into()),
        None => Ok(()),
    }
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

    fn wanted(config: Value, facts: &DatasetInfo) -> Result<(), String> {
        check_pretrained_default(&TrainConfig::from_json(&config).unwrap(), facts)
    }

    #[test]
    fn pictures_are_not_made_larger_than_most_of_them_are() {
        let size = |train, side| resolved(json!({}), &folder(train, side)).data.image_size;
        assert_eq!(size(60_000, 375), 224);
        assert_eq!([size(60_000, 223), size(60_000, 160), size(60_000, 100)], [192, 160, 128]);
        assert_eq!([size(60_000, 96), size(60_000, 50), size(60_000, 3)], [96, 56, 8]);
        let alike = DatasetInfo { image_size: Some([28, 20]), ..folder(60_000, 20) };
        assert_eq!(resolved(json!({}), &alike).data.image_size, 28);
        let uncounted = DatasetInfo { median_short_side: None, ..folder(0, 0) };
        assert_eq!(resolved(json!({}), &uncounted).data.image_size, 224);
    }

    #[test]
    fn few_photographs_are_learnt_from_nothing_at_a_smaller_size_and_more_often() {
        let (few, many) = (folder(244, 375), folder(20_000, 375));
        let config = resolved(json!({}), &few);
        assert_eq!((config.data.image_size, config.batch_size), (128, 32));
        assert_eq!(config.epochs, Some(MOST_EPOCHS));
        assert_eq!(lr(&config), 0.1 * 32.0 / 256.0);
        assert_eq!(config.warmup.epochs, 0.0);
        let config = resolved(json!({}), &many);
        assert_eq!((config.data.image_size, config.epochs), (224, Some(EPOCHS)));
    }

    #[test]
    fn weights_are_moved_a_little_after_their_new_head_has_settled() {
        let model = json!({ "model": { "weights": "x.pth" } });
        let config = resolved(model.clone(), &folder(244, 375));
        assert_eq!((config.data.image_size, config.epochs), (224, Some(30)));
        assert_eq!((lr(&config), config.warmup.epochs), (0.01, 1.0));
        let Optimizer::Sgd(sgd) = &config.optimizer else { panic!() };
        assert_eq!(sgd.weight_decay, 1e-4);
        assert_eq!(resolved(model.clone(), &folder(20_000, 375)).epochs, Some(5));
        assert_eq!(resolved(model.clone(), &folder(20_000, 375)).warmup.epochs, 0.5);

        let with = |key: &str, value: Value| {
            let mut config = model.clone();
            config[key] = value;
            resolved(config, &folder(244, 375))
        };
        assert_eq!(with("schedule", json!("one-cycle")).warmup.epochs, 0.0);
        assert_eq!(with("warmup", json!({ "epochs": 0 })).warmup.epochs, 0.0);
        assert_eq!(with("warmup", json!({ "untilAccuracy": 0.2 })).warmup.epochs, 0.0);
        assert_eq!(lr(&with("optimizer", json!("adam"))), 1e-4);
        assert_eq!(lr(&with("batchSize", json!(16))), 0.005);
        let nothing = json!({ "model": { "weights": "none" } });
        assert_eq!(resolved(nothing, &folder(244, 375)).warmup.epochs, 0.0);
    }

    #[test]
    fn an_epoch_has_some_steps_and_a_step_some_images() {
        let batch = |train| {
            let alike = DatasetInfo { image_size: Some([32, 32]), ..folder(train, 32) };
            resolved(json!({}), &alike).batch_size
        };
        assert_eq!([50_000, 1_000, 300, 100, 20].map(batch), [128, 128, 32, 8, 8]);
        // What is held back or left out is not trained on.
        let limited = json!({ "data": { "source": "x", "limit": 100 } });
        assert_eq!(resolved(limited, &folder(60_000, 375)).batch_size, 8);
        let held_back = DatasetInfo { val: 0, ..folder(240, 375) };
        assert_eq!(resolved(json!({}), &held_back).batch_size, 16);
    }

    #[test]
    fn a_rate_is_the_papers_and_less_for_small_batches() {
        let rate = |batch: u32, accumulate: u32, side: u32| {
            let gradient = json!({ "accumulate": accumulate });
            let config = json!({ "batchSize": batch, "gradient": gradient });
            lr(&resolved(config, &folder(60_000, side)))
        };
        assert_eq!([rate(128, 1, 32), rate(64, 1, 32), rate(32, 1, 32)], [0.1, 0.1, 0.05]);
        assert_eq!([rate(512, 1, 375), rate(128, 1, 375), rate(32, 4, 375)], [0.1, 0.05, 0.05]);
    }

    #[test]
    fn published_weights_are_wanted_for_a_folder_of_few_photographs_and_nothing_else() {
        let photos = folder(244, 375);
        assert_eq!(wanted(json!({}), &photos), Ok(()));
        assert_eq!(wanted(json!({ "model": "resnet50" }), &photos), Ok(()));
        assert_eq!(wanted(json!({}), &folder(PRETRAINED_MAX_IMAGES - 1, 120)), Ok(()));
        let manifest = DatasetInfo { format: DataFormat::Manifest, ..photos.clone() };
        assert_eq!(wanted(json!({}), &manifest), Ok(()));
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
            let why = wanted(config.clone(), &facts).expect_err(&config.to_string());
            assert!(!why.is_empty());
        }
    }
}
