//! Section `data`: validation split, image size and channels.

use serde_json::json;

use super::Reasons;
use super::ranges::{check_channels, check_integer, check_range, invalid};
use super::task::{default_image_size, starts_from_weights};
use crate::*;

pub(super) fn resolve_data(
    config: &TrainConfig,
    facts: &DatasetInfo,
    seed: u64,
    reasons: &mut Reasons,
) -> Result<Data> {
    let fine_tunes = starts_from_weights(config);
    let config = config.data();
    let validation = resolve_validation(&config, facts, reasons)?;

    let channels = reasons.resolve_auto("data.channels", &config.channels, || {
        (facts.channels, "channels of the images".into())
    });
    check_channels(channels)?;

    let image_size = reasons.resolve_auto("data.imageSize", &config.image_size, || {
        default_image_size(facts, fine_tunes)
    });
    check_integer("data.imageSize", image_size)?;

    if let Some(limit) = config.limit {
        let is_valid = limit >= facts.classes.len() as u32;
        check_range("data.limit", limit.into(), is_valid, "at least one image per class")?;
    }

    let shape =
        facts.image_size.map(|[height, width]| vec![facts.train, height, width, facts.channels]);
    if config.fingerprint.as_ref().is_some_and(|expected| *expected != facts.fingerprint) {
        let found = &facts.fingerprint;
        return Err(mismatch(facts, "fingerprint", &format!("their fingerprint is {found}")));
    }
    if config.shape.is_some() && config.shape != shape {
        let difference = match &shape {
            Some(shape) => format!("their shape is {shape:?}"),
            None => "their sizes differ from each other".into(),
        };
        return Err(mismatch(facts, "shape", &difference));
    }
    let (fingerprint, shape) = match facts.format {
        DataFormat::Arrays => (Some(facts.fingerprint.clone()), shape),
        DataFormat::ImageFolder
        | DataFormat::Idx
        | DataFormat::CifarBinary
        | DataFormat::CifarPython
        | DataFormat::Manifest
        | DataFormat::Webdataset => (config.fingerprint, config.shape),
    };

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
        fingerprint,
        shape,
    })
}

/// Resolves the fraction or number of training images held out for validation.
fn resolve_validation(
    config: &DataConfig,
    facts: &DatasetInfo,
    reasons: &mut Reasons,
) -> Result<f64> {
    let validation =
        reasons.resolve_auto("data.validation", &config.validation, || match facts.val {
            0 => (0.1, "no validation split: 10 % of the training images are held out".into()),
            _ => (0.0, "the data set has a validation split".into()),
        });
    let max = facts.train / 2;
    let is_fraction = (0.0..=0.5).contains(&validation);
    let is_count = validation.fract() == 0.0 && (1.0..=f64::from(max)).contains(&validation);
    let expected = format!("a fraction from 0 to 0.5, or a number of images from 1 to {max}");
    check_range("data.validation", validation, is_fraction || is_count, &expected)?;
    if validation > 0.0 && facts.val > 0 {
        let expected = "0, because the data set has a validation split";
        return Err(invalid("data.validation", expected, json!(validation)));
    }
    Ok(validation)
}

/// Returns the `E_MISMATCH` error for images that differ from `data.<key>`.
fn mismatch(facts: &DatasetInfo, key: &str, difference: &str) -> Error {
    let source = &facts.source;
    let message = format!("the images of {source} do not match `data.{key}`: {difference}");
    Error::new(ErrorCode::Mismatch, message)
        .key(format!("data.{key}"))
        .hint(format!("Restore the original images, or omit `data.{key}`."))
}

/// # Errors
/// `E_DATA_UNUSABLE` for fewer than two classes.
pub(super) fn check_num_classes(facts: &DatasetInfo) -> Result<()> {
    match facts.classes.len() {
        0 | 1 => {
            let (source, count) = (&facts.source, facts.classes.len());
            let classes = if count == 1 { "class" } else { "classes" };
            let message = format!("{source} has {count} {classes}; a classifier needs at least 2");
            Err(Error::new(ErrorCode::DataUnusable, message)
                .key("data")
                .hint("Put each class in its own folder: photos/cats/*.jpg, photos/dogs/*.jpg."))
        }
        _ => Ok(()),
    }
}
