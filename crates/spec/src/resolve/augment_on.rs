//! Executor of cropping, flipping and normalization: the data-loading threads, or the device.

use serde_json::json;

use super::Reasons;
use super::ranges::invalid;
use crate::*;

/// Images may take the free GPU memory divided by this number; training needs the rest.
const MEMORY_DIVISOR: u64 = 4;
const MIB: u64 = 1 << 20;

/// # Errors
/// `E_CONFIG` for `device` if only the data-loading threads support the images or transforms.
pub(super) fn resolve_augment_on(
    config: &TrainConfig,
    data: &Data,
    transform: &Transform,
    device: Device,
    facts: &DatasetInfo,
    machine: &MachineInfo,
    reasons: &mut Reasons,
) -> Result<AugmentOn> {
    let workers_only = reason_for_workers(data, transform, facts);
    let augment_on = reasons.resolve_auto("augmentOn", &config.augment_on, || {
        let workers = |reason: String| (AugmentOn::Workers, reason);
        match (device, &workers_only, machine.cuda_free_memory) {
            (Device::Cpu, ..) => workers("the device is the CPU".into()),
            (Device::Cuda, Some(reason), _) => workers(reason.clone()),
            (Device::Cuda, None, None) => workers("the free GPU memory is unknown".into()),
            (Device::Cuda, None, Some(free)) => {
                let fraction = config.memory_fraction.unwrap_or(1.0).clamp(0.0, 1.0);
                let max = (free as f64 * fraction) as u64 / MEMORY_DIVISOR;
                let required = device_bytes(data, transform, facts);
                let images = format!("the images take {} MiB", required.div_ceil(MIB));
                let limit = format!("a quarter of the free GPU memory ({} MiB)", max / MIB);
                if required <= max {
                    (AugmentOn::Device, format!("{images} and fit into {limit}"))
                } else {
                    workers(format!("{images}, more than {limit}"))
                }
            }
        }
    });
    match (augment_on, workers_only) {
        (AugmentOn::Device, Some(reason)) => {
            Err(invalid("augmentOn", &format!("'workers': {reason}"), json!(augment_on)))
        }
        (AugmentOn::Device, None) | (AugmentOn::Workers, _) => Ok(augment_on),
    }
}

/// Returns the size of all training and validation images on the device in bytes, including
/// padding.
pub fn device_bytes(data: &Data, transform: &Transform, facts: &DatasetInfo) -> u64 {
    let padding = match &transform.crop {
        Crop::Pad(pad) => pad.padding,
        Crop::None | Crop::RandomResized(_) | Crop::RandomShortSide(_) => 0,
    };
    let side = u64::from(data.image_size) + 2 * u64::from(padding);
    let images = u64::from(facts.train) + u64::from(facts.val);
    images * side * side * u64::from(data.channels)
}

/// Returns why only the data-loading threads can augment the images, or `None` if the device can.
fn reason_for_workers(data: &Data, transform: &Transform, facts: &DatasetInfo) -> Option<String> {
    let size = data.image_size;
    let workers_only = |key: &str| Some(format!("only workers support the configured `{key}`"));
    match transform {
        _ if facts.decoded_bytes.is_some() => Some("workers decode the image files".into()),
        _ if facts.image_size != Some([size; 2]) => {
            Some(format!("workers resize the images, which are not {size} x {size}"))
        }
        Transform { crop: Crop::RandomResized(_) | Crop::RandomShortSide(_), .. } => {
            workers_only("transform.crop")
        }
        Transform { eval_resize, .. } if *eval_resize != size => {
            workers_only("transform.evalResize")
        }
        Transform { policy: Policy::RandAugment(_) | Policy::TrivialAugment, .. } => {
            workers_only("transform.policy")
        }
        Transform { color: Color::Pca(_), .. } => workers_only("transform.color"),
        Transform { erase: Erase::Cutout(_) | Erase::RandomErasing(_), .. } => {
            workers_only("transform.erase")
        }
        Transform { mix: Mix::Mixup(_) | Mix::Cutmix(_), .. } => workers_only("transform.mix"),
        Transform {
            crop: Crop::None | Crop::Pad(_),
            policy: Policy::None,
            color: Color::None,
            erase: Erase::None,
            mix: Mix::None,
            ..
        } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a data set of 240 grayscale images of 28x28 pixels in memory: 304 KiB with a padding
    /// of 4 pixels.
    fn small_images() -> DatasetInfo {
        let classes = vec!["ant".into(), "bee".into()];
        DatasetInfo { train: 240, ..DatasetInfo::unknown(classes, 1, Some([28; 2])) }
    }

    fn resolved(
        config: serde_json::Value,
        facts: &DatasetInfo,
        free_memory: Option<u64>,
    ) -> Result<(AugmentOn, String)> {
        let machine = MachineInfo {
            cuda: free_memory.is_some(),
            cuda_free_memory: free_memory,
            ..MachineInfo::with_cores(1)
        };
        let config = resolve(&TrainConfig::from_json(&config)?, facts, &machine)?;
        Ok((config.augment_on, config.reasons.get("augmentOn").cloned().unwrap_or_default()))
    }

    #[test]
    fn in_memory_images_default_to_a_gpu_with_enough_memory() {
        let resolve = |config, free| resolved(config, &small_images(), Some(free)).unwrap();
        let bytes = 240 * 36 * 36;
        let (augment_on, reason) = resolve(json!({}), 4 * bytes);
        assert!(augment_on == AugmentOn::Device && reason.contains("take 1 MiB"), "{reason}");
        let (augment_on, reason) = resolve(json!({}), 4 * bytes - 1);
        assert!(
            augment_on == AugmentOn::Workers && reason.contains("more than a quarter"),
            "{reason}"
        );
        assert_eq!(resolve(json!({ "memoryFraction": 0.5 }), 4 * bytes).0, AugmentOn::Workers);
        let uncropped = json!({ "transform": { "crop": "none" } });
        assert_eq!(resolve(uncropped, 3 * bytes).0, AugmentOn::Device);
        let configured = resolve(json!({ "augmentOn": "device" }), 1);
        assert_eq!(configured, (AugmentOn::Device, String::new()));
    }

    #[test]
    fn the_cpu_augments_as_device_only_if_configured() {
        let (augment_on, reason) = resolved(json!({}), &small_images(), None).unwrap();
        assert!(augment_on == AugmentOn::Workers && reason.contains("CPU"), "{reason}");
        let config = json!({ "augmentOn": "device" });
        let (augment_on, _) = resolved(config, &small_images(), None).unwrap();
        assert_eq!(augment_on, AugmentOn::Device);
    }

    #[test]
    fn unsupported_transforms_select_workers_and_reject_device() {
        let small = small_images();
        let files = DatasetInfo { decoded_bytes: Some(1), ..small_images() };
        let wide = DatasetInfo { image_size: Some([28, 30]), ..small_images() };
        let color = DatasetInfo { channels: 3, ..small_images() };
        for (facts, transform, expected) in [
            (&files, json!({}), "files"),
            (&wide, json!({}), "not 28 x 28"),
            (&small, json!({ "evalResize": 32 }), "transform.evalResize"),
            (&small, json!({ "crop": "random-resized" }), "transform.crop"),
            (&small, json!({ "crop": "random-short-side" }), "transform.crop"),
            (&small, json!({ "policy": "randaugment" }), "transform.policy"),
            (&small, json!({ "policy": "trivialaugment" }), "transform.policy"),
            (&color, json!({ "color": "pca" }), "transform.color"),
            (&small, json!({ "erase": "cutout" }), "transform.erase"),
            (&small, json!({ "mix": "mixup" }), "transform.mix"),
        ] {
            let mut config = json!({ "data": { "imageSize": 28 }, "transform": transform });
            let (augment_on, reason) = resolved(config.clone(), facts, Some(1 << 30)).unwrap();
            assert_eq!(augment_on, AugmentOn::Workers);
            assert!(reason.contains(expected), "{transform}: {reason}");
            config["augmentOn"] = json!("device");
            let error = resolved(config, facts, Some(1 << 30)).unwrap_err();
            assert_eq!(
                (error.code, error.at.key.as_deref()),
                (ErrorCode::Config, Some("augmentOn"))
            );
            assert!(error.message.contains(expected) && error.hint.is_some(), "{error}");
        }
    }
}
