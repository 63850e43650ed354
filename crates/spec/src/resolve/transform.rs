//! Resizing, augmentation, normalisation.

use serde_json::json;

use super::{Reasons, SMALL_IMAGE, refuse, within};
use crate::*;

/// Of ImageNet's training images, as torchvision's weights expect it.
pub const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
/// Likewise.
pub const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];

pub(super) fn resolve_transform(
    config: &TransformConfig,
    data: &Data,
    facts: &DatasetInfo,
    why: &mut Reasons,
) -> Result<Transform> {
    let small = data.image_size <= SMALL_IMAGE;
    let crop = why.pick("transform.crop", &config.crop, || {
        if small {
            (
                CropConfig::Pad(PadCropConfig::default()),
                "small images: the paper's padding of 4 (section 4.2)".into(),
            )
        } else {
            (
                CropConfig::RandomResized(RandomResizedCropConfig::default()),
                "photographs: torchvision's random-resized crop".into(),
            )
        }
    });
    let crop = match crop {
        CropConfig::None => Crop::None,
        CropConfig::Pad(pad) => {
            let padding = pad.padding.unwrap_or(4);
            let range = padding <= data.image_size;
            within("transform.crop.padding", padding.into(), range, "at most `data.imageSize`")?;
            Crop::Pad(PadCrop { padding })
        }
        CropConfig::RandomResized(crop) => Crop::RandomResized(RandomResizedCrop {
            scale: pair("transform.crop.scale", crop.scale, [0.08, 1.0], 1.0)?,
            ratio: pair("transform.crop.ratio", crop.ratio, [3.0 / 4.0, 4.0 / 3.0], 100.0)?,
        }),
        CropConfig::RandomShortSide(crop) => {
            let (min, max) = (crop.min.unwrap_or(256), crop.max.unwrap_or(480));
            let range = (data.image_size..=4096).contains(&min);
            within("transform.crop.min", min.into(), range, "from `data.imageSize` to 4096")?;
            let range = (min..=4096).contains(&max);
            within("transform.crop.max", max.into(), range, "from `transform.crop.min` to 4096")?;
            Crop::RandomShortSide(RandomShortSideCrop { min, max })
        }
    };

    let flip = why.pick("transform.flip", &config.flip, || {
        if facts.flip_preserves_label {
            (true, "a mirrored picture still shows its class".into())
        } else {
            (false, "a mirrored picture may not show its class".into())
        }
    });

    let channels = data.channels as usize;
    let constants = |found: &Option<Vec<f64>>, imagenet: [f64; 3]| match found {
        Some(values) if values.len() == channels => {
            (values.clone(), "of the training images".to_string())
        }
        Some(values) if channels == 3 => (vec![values[0]; 3], "of the training images".into()),
        _ if channels == 3 => (imagenet.to_vec(), "ImageNet's".into()),
        _ => (vec![imagenet.iter().sum::<f64>() / 3.0], "ImageNet's, averaged".into()),
    };
    let mean = why.pick("transform.mean", &config.mean, || constants(&facts.mean, IMAGENET_MEAN));
    let std = why.pick("transform.std", &config.std, || constants(&facts.std, IMAGENET_STD));
    constants_for(channels, &mean, &std)?;

    let eval_resize = why.pick("transform.evalResize", &config.eval_resize, || {
        if small {
            (data.image_size, "small images are used whole".into())
        } else {
            (data.image_size * 8 / 7, "the usual 256 for 224".into())
        }
    });
    sensible_resize(eval_resize, data.image_size)?;

    let decode_short_side =
        why.pick("transform.decodeShortSide", &config.decode_short_side, || {
            (
                2 * eval_resize,
                "twice `transform.evalResize`: what is reduced less does not show".into(),
            )
        });
    sensible_reduction(decode_short_side, eval_resize)?;

    let pixel_mean = config.pixel_mean.unwrap_or(false);
    if pixel_mean && facts.image_size != Some([data.image_size; 2]) {
        let wanted = "false where the images differ in size from one another or `data.imageSize`";
        return Err(refuse("transform.pixelMean", wanted, json!(true)));
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
        erase: resolve_erase(config.erase.as_ref(), data, why)?,
        mix: resolve_mix(config.mix.as_ref())?,
    })
}

/// One mean and one standard deviation a channel.
pub(super) fn constants_for(channels: usize, mean: &[f64], std: &[f64]) -> Result<()> {
    for (key, values) in [("transform.mean", mean), ("transform.std", std)] {
        if values.len() != channels {
            let wanted = format!("an array of {channels} numbers, one a channel");
            return Err(refuse(key, &wanted, json!(values)));
        }
    }
    match std.iter().find(|value| **value <= 0.0) {
        Some(zero) => Err(refuse("transform.std", "more than 0 in every channel", json!(zero))),
        None => Ok(()),
    }
}

pub(super) fn sensible_resize(eval_resize: u32, image_size: u32) -> Result<()> {
    let range = (image_size..=2048).contains(&eval_resize);
    within("transform.evalResize", eval_resize.into(), range, "from `data.imageSize` to 2048")
}

pub(super) fn sensible_reduction(decode_short_side: u32, eval_resize: u32) -> Result<()> {
    let range = decode_short_side == 0 || (eval_resize..=65_535).contains(&decode_short_side);
    let wanted = "0, or from `transform.evalResize` to 65535";
    within("transform.decodeShortSide", decode_short_side.into(), range, wanted)
}

fn resolve_policy(config: Option<&PolicyConfig>) -> Result<Policy> {
    Ok(match config {
        None | Some(PolicyConfig::None) => Policy::None,
        Some(PolicyConfig::TrivialAugment) => Policy::TrivialAugment,
        Some(PolicyConfig::RandAugment(said)) => {
            let num_ops = said.num_ops.unwrap_or(2);
            let range = (1..=16).contains(&num_ops);
            within("transform.policy.numOps", num_ops.into(), range, "from 1 to 16")?;
            let magnitude = said.magnitude.unwrap_or(9);
            let range = magnitude <= 30;
            within("transform.policy.magnitude", magnitude.into(), range, "from 0 to 30")?;
            Policy::RandAugment(RandAugment { num_ops, magnitude })
        }
    })
}

fn resolve_color(config: Option<&ColorConfig>, data: &Data) -> Result<Color> {
    Ok(match config {
        None | Some(ColorConfig::None) => Color::None,
        Some(ColorConfig::Pca(_)) if data.channels != 3 => {
            return Err(refuse("transform.color", "'none' for grey images", json!("pca")));
        }
        Some(ColorConfig::Pca(said)) => {
            let std = said.std.unwrap_or(0.1);
            within("transform.color.std", std, (0.0..=10.0).contains(&std), "from 0 to 10")?;
            Color::Pca(PcaColor { std })
        }
    })
}

fn resolve_erase(config: Option<&EraseConfig>, data: &Data, why: &mut Reasons) -> Result<Erase> {
    Ok(match config {
        None | Some(EraseConfig::None) => Erase::None,
        Some(EraseConfig::Cutout(said)) => {
            let size = why.pick("transform.erase.size", &said.size, || {
                (data.image_size / 2, "half of the image, as DeVries & Taylor on CIFAR-10".into())
            });
            let range = (1..=data.image_size).contains(&size);
            within("transform.erase.size", size.into(), range, "from 1 to `data.imageSize`")?;
            Erase::Cutout(Cutout { size })
        }
        Some(EraseConfig::RandomErasing(said)) => {
            let probability = said.probability.unwrap_or(0.25);
            let range = (0.0..=1.0).contains(&probability);
            within("transform.erase.probability", probability, range, "from 0 to 1")?;
            Erase::RandomErasing(RandomErasing {
                probability,
                scale: pair("transform.erase.scale", said.scale, [0.02, 1.0 / 3.0], 1.0)?,
                ratio: pair("transform.erase.ratio", said.ratio, [0.3, 3.3], 100.0)?,
            })
        }
    })
}

fn resolve_mix(config: Option<&MixConfig>) -> Result<Mix> {
    let positive = |alpha: f64| {
        within("transform.mix.alpha", alpha, alpha > 0.0, "more than 0").map(|()| alpha)
    };
    Ok(match config {
        None | Some(MixConfig::None) => Mix::None,
        Some(MixConfig::Mixup(said)) => {
            Mix::Mixup(Mixup { alpha: positive(said.alpha.unwrap_or(0.2))? })
        }
        Some(MixConfig::Cutmix(said)) => {
            Mix::Cutmix(Cutmix { alpha: positive(said.alpha.unwrap_or(1.0))? })
        }
    })
}

/// Returns an ascending pair of positive numbers of at most `most`.
fn pair(key: &str, value: Option<[f64; 2]>, default: [f64; 2], most: f64) -> Result<[f64; 2]> {
    let [low, high] = value.unwrap_or(default);
    if 0.0 < low && low <= high && high <= most {
        Ok([low, high])
    } else {
        Err(refuse(
            key,
            &format!("two ascending numbers, above 0 and at most {most}"),
            json!([low, high]),
        ))
    }
}
