//! Resizing, augmentation and normalization.

use serde_json::json;

use super::ranges::{check_range, invalid};
use super::{MAX_SMALL_IMAGE, Reasons};
use crate::*;

/// Mean of each channel of ImageNet's training images, for values from 0 to 1. torchvision's
/// weights expect input that is normalized with these statistics.
pub const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of each channel of ImageNet's training images.
pub const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];

pub(super) fn resolve_transform(
    config: &TransformConfig,
    data: &Data,
    facts: &DatasetInfo,
    reasons: &mut Reasons,
) -> Result<Transform> {
    let small_images = data.image_size <= MAX_SMALL_IMAGE;
    let crop = resolve_crop(config, data, small_images, reasons)?;

    let flip = reasons.resolve_auto("transform.flip", &config.flip, || {
        if facts.flip_preserves_label {
            (true, "a mirror image has the same class".into())
        } else {
            (false, "a mirror image may have another class".into())
        }
    });

    let channels = data.channels as usize;
    let default_statistic = |measured: &Option<Vec<f64>>, imagenet: [f64; 3]| match measured {
        Some(values) if values.len() == channels => {
            (values.clone(), "statistics of the training images".to_string())
        }
        Some(values) if channels == 3 => {
            (vec![values[0]; 3], "statistics of the training images".into())
        }
        _ if channels == 3 => (imagenet.to_vec(), "statistics of ImageNet".into()),
        _ => (
            vec![imagenet.iter().sum::<f64>() / 3.0],
            "statistics of ImageNet, averaged over channels".into(),
        ),
    };
    let mean = reasons.resolve_auto("transform.mean", &config.mean, || {
        default_statistic(&facts.mean, IMAGENET_MEAN)
    });
    let std = reasons
        .resolve_auto("transform.std", &config.std, || default_statistic(&facts.std, IMAGENET_STD));
    check_normalization(channels, &mean, &std)?;

    let eval_resize = reasons.resolve_auto("transform.evalResize", &config.eval_resize, || {
        if small_images {
            (data.image_size, "small images are evaluated uncropped".into())
        } else {
            (
                data.image_size * 8 / 7,
                "8/7 of the image size: 256 for 224, as He et al. 2015".into(),
            )
        }
    });
    check_eval_resize(eval_resize, data.image_size)?;

    let decode_short_side =
        reasons.resolve_auto("transform.decodeShortSide", &config.decode_short_side, || {
            (
                2 * eval_resize,
                "twice `transform.evalResize`: a higher resolution has no visible effect".into(),
            )
        });
    check_decode_short_side(decode_short_side, eval_resize)?;

    let pixel_mean = config.pixel_mean.unwrap_or(false);
    if pixel_mean && facts.image_size != Some([data.image_size; 2]) {
        let expected = "false unless all images are of size `data.imageSize`";
        return Err(invalid("transform.pixelMean", expected, json!(true)));
    }

    Ok(Transform {
        crop,
        flip,
        mean,
        std,
        eval_resize,
        decode_short_side,
        pixel_mean,
        policy: resolve_policy(config.policy.as_ref())?,
        color: resolve_color(config.color.as_ref(), data)?,
        erase: resolve_erase(config.erase.as_ref(), data, reasons)?,
        mix: resolve_mix(config.mix.as_ref())?,
    })
}

fn resolve_crop(
    config: &TransformConfig,
    data: &Data,
    small_images: bool,
    reasons: &mut Reasons,
) -> Result<Crop> {
    let crop = reasons.resolve_auto("transform.crop", &config.crop, || {
        if small_images {
            (
                CropConfig::Pad(PadCropConfig::default()),
                "small images: random crops after padding, as He et al. 2015 on CIFAR-10".into(),
            )
        } else {
            (
                CropConfig::RandomResized(RandomResizedCropConfig::default()),
                "large images: random crops of random size, as torchvision's `RandomResizedCrop`"
                    .into(),
            )
        }
    });
    Ok(match crop {
        CropConfig::None => Crop::None,
        CropConfig::Pad(pad) => {
            let padding = pad.padding.unwrap_or(4);
            let is_valid = padding <= data.image_size;
            check_range(
                "transform.crop.padding",
                padding.into(),
                is_valid,
                "at most `data.imageSize`",
            )?;
            Crop::Pad(PadCrop { padding })
        }
        CropConfig::RandomResized(crop) => Crop::RandomResized(RandomResizedCrop {
            scale: resolve_pair("transform.crop.scale", crop.scale, [0.08, 1.0], 1.0)?,
            ratio: resolve_pair("transform.crop.ratio", crop.ratio, [3.0 / 4.0, 4.0 / 3.0], 100.0)?,
        }),
        CropConfig::RandomShortSide(crop) => {
            let (min, max) = (crop.min.unwrap_or(256), crop.max.unwrap_or(480));
            let is_valid = (data.image_size..=4096).contains(&min);
            check_range(
                "transform.crop.min",
                min.into(),
                is_valid,
                "from `data.imageSize` to 4096",
            )?;
            let is_valid = (min..=4096).contains(&max);
            check_range(
                "transform.crop.max",
                max.into(),
                is_valid,
                "from `transform.crop.min` to 4096",
            )?;
            Crop::RandomShortSide(RandomShortSideCrop { min, max })
        }
    })
}

/// # Errors
/// `E_CONFIG` unless each channel has a mean and a positive standard deviation.
pub(super) fn check_normalization(channels: usize, mean: &[f64], std: &[f64]) -> Result<()> {
    for (key, values) in [("transform.mean", mean), ("transform.std", std)] {
        if values.len() != channels {
            let reason = match channels {
                1 => "one number, because the images are gray (`data.channels` is 1)",
                _ => "three numbers, because the images are RGB (`data.channels` is 3)",
            };
            let hint = match (channels, values.len()) {
                (1, 3) => {
                    "Write the value of the gray channel, or train on three equal channels with \
                     `data: { channels: 3 }`."
                }
                (3, 1) => "Write one value per channel, in the order red, green, blue.",
                _ => "Write one value per channel, or remove the key to use the defaults.",
            };
            let message = format!("`{key}` must be an array of {reason}, not of {}", values.len());
            return Err(Error::new(ErrorCode::Config, message).key(key).hint(hint));
        }
    }
    match std.iter().find(|value| **value <= 0.0) {
        Some(std) => Err(invalid("transform.std", "more than 0 in every channel", json!(std))),
        None => Ok(()),
    }
}

/// # Errors
/// `E_CONFIG` if the value is out of range.
pub(super) fn check_eval_resize(eval_resize: u32, image_size: u32) -> Result<()> {
    let is_valid = (image_size..=2048).contains(&eval_resize);
    check_range(
        "transform.evalResize",
        eval_resize.into(),
        is_valid,
        "from `data.imageSize` to 2048",
    )
}

/// # Errors
/// `E_CONFIG` if the value is out of range.
pub(super) fn check_decode_short_side(decode_short_side: u32, eval_resize: u32) -> Result<()> {
    let is_valid = decode_short_side == 0 || (eval_resize..=65_535).contains(&decode_short_side);
    let expected = "0, or from `transform.evalResize` to 65535";
    check_range("transform.decodeShortSide", decode_short_side.into(), is_valid, expected)
}

fn resolve_policy(config: Option<&PolicyConfig>) -> Result<Policy> {
    Ok(match config {
        None | Some(PolicyConfig::None) => Policy::None,
        Some(PolicyConfig::TrivialAugment) => Policy::TrivialAugment,
        Some(PolicyConfig::RandAugment(config)) => {
            let num_ops = config.num_ops.unwrap_or(2);
            let is_valid = (1..=16).contains(&num_ops);
            check_range("transform.policy.numOps", num_ops.into(), is_valid, "from 1 to 16")?;
            let magnitude = config.magnitude.unwrap_or(9);
            let is_valid = magnitude <= 30;
            check_range("transform.policy.magnitude", magnitude.into(), is_valid, "from 0 to 30")?;
            Policy::RandAugment(RandAugment { num_ops, magnitude })
        }
    })
}

fn resolve_color(config: Option<&ColorConfig>, data: &Data) -> Result<Color> {
    Ok(match config {
        None | Some(ColorConfig::None) => Color::None,
        Some(ColorConfig::Pca(_)) if data.channels != 3 => {
            return Err(invalid("transform.color", "'none' for grayscale images", json!("pca")));
        }
        Some(ColorConfig::Pca(config)) => {
            let std = config.std.unwrap_or(0.1);
            check_range("transform.color.std", std, (0.0..=10.0).contains(&std), "from 0 to 10")?;
            Color::Pca(PcaColor { std })
        }
    })
}

fn resolve_erase(
    config: Option<&EraseConfig>,
    data: &Data,
    reasons: &mut Reasons,
) -> Result<Erase> {
    Ok(match config {
        None | Some(EraseConfig::None) => Erase::None,
        Some(EraseConfig::Cutout(config)) => {
            let size = reasons.resolve_auto("transform.erase.size", &config.size, || {
                (
                    data.image_size / 2,
                    "half of the image size, as DeVries and Taylor 2017 on CIFAR-10".into(),
                )
            });
            let is_valid = (1..=data.image_size).contains(&size);
            check_range(
                "transform.erase.size",
                size.into(),
                is_valid,
                "from 1 to `data.imageSize`",
            )?;
            Erase::Cutout(Cutout { size })
        }
        Some(EraseConfig::RandomErasing(config)) => {
            let probability = config.probability.unwrap_or(0.25);
            let is_valid = (0.0..=1.0).contains(&probability);
            check_range("transform.erase.probability", probability, is_valid, "from 0 to 1")?;
            Erase::RandomErasing(RandomErasing {
                probability,
                scale: resolve_pair("transform.erase.scale", config.scale, [0.02, 1.0 / 3.0], 1.0)?,
                ratio: resolve_pair("transform.erase.ratio", config.ratio, [0.3, 3.3], 100.0)?,
            })
        }
    })
}

fn resolve_mix(config: Option<&MixConfig>) -> Result<Mix> {
    let check_alpha = |alpha: f64| {
        check_range("transform.mix.alpha", alpha, alpha > 0.0, "more than 0").map(|()| alpha)
    };
    Ok(match config {
        None | Some(MixConfig::None) => Mix::None,
        Some(MixConfig::Mixup(config)) => {
            Mix::Mixup(Mixup { alpha: check_alpha(config.alpha.unwrap_or(0.2))? })
        }
        Some(MixConfig::Cutmix(config)) => {
            Mix::Cutmix(Cutmix { alpha: check_alpha(config.alpha.unwrap_or(1.0))? })
        }
    })
}

/// Resolves an ascending pair of positive numbers of at most `max`.
fn resolve_pair(
    key: &str,
    value: Option<[f64; 2]>,
    default: [f64; 2],
    max: f64,
) -> Result<[f64; 2]> {
    let [low, high] = value.unwrap_or(default);
    if 0.0 < low && low <= high && high <= max {
        Ok([low, high])
    } else {
        Err(invalid(
            key,
            &format!("two ascending numbers, above 0 and at most {max}"),
            json!([low, high]),
        ))
    }
}
