//! Where images are augmented: in the data-loading threads, or on the device that holds them.

use serde_json::json;

use super::Reasons;
use super::ranges::invalid;
use crate::*;

/// Divisor of the free GPU memory that images may take; training needs the rest.
const MEMORY_DIVISOR: u64 = 4;
const MIB: u64 = 1 << 20;

/// # Errors
/// `E_CONFIG` for `device` if the images or transforms need the data-loading threads.
pub(super) fn resolve_augment_on(
    config: &TrainConfig,
    data: &Data,
    transform: &Transform,
    device: Device,
    facts: &DatasetInfo,
    machine: &MachineInfo,
    reasons: &mut Reasons,
) -> Result<AugmentOn> {
    let obstacle = obstacle(data, transform, facts);
    let augment_on = reasons.pick("augmentOn", &config.augment_on, || {
        let workers = |reason: String| (AugmentOn::Workers, reason);
        match (device, &obstacle, machine.cuda_free_memory) {
            (Device::Cpu, ..) => workers("the device is the CPU".into()),
            (Device::Cuda, Some(obstacle), _) => workers(obstacle.clone()),
            (Device::Cuda, None, None) => workers("the free GPU memory is unknown".into()),
            (Device::Cuda, None, Some(free)) => {
                let fraction = config.memory_fraction.unwrap_or(1.0).clamp(0.0, 1.0);
                let max = (free as f64 * fraction) as u64 / MEMORY_DIVISOR;
                let required = device_bytes(data, transform, facts);
                let takes = format!("the images take {} MiB", required.div_ceil(MIB));
                let limit = format!("a quarter of the free GPU memory ({} MiB)", max / MIB);
                if required <= max {
                    (AugmentOn::Device, format!("{takes}, at most {limit}"))
                } else {
                    workers(format!("{takes}, more than {limit}"))
                }
            }
        }
    });
    match (augment_on, obstacle) {
        (AugmentOn::Device, Some(obstacle)) => {
            Err(invalid("augmentOn", &format!("'workers': {obstacle}"), json!(augment_on)))
        }
        (AugmentOn::Device, None) | (AugmentOn::Workers, _) => Ok(augment_on),
    }
}

/// Returns the bytes that training and validation images take on the device, including padding.
pub fn device_bytes(data: &Data, transform: &Transform, facts: &DatasetInfo) -> u64 {
    let padding = match &transform.crop {
        Crop::Pad(pad) => pad.padding,
        Crop::None | Crop::RandomResized(_) | Crop::RandomShortSide(_) => 0,
    };
    let side = u64::from(data.image_size) + 2 * u64::from(padding);
    let images = u64::from(facts.train) + u64::from(facts.val);
    images * side * side * u64::from(data.channels)
}

/// Returns the reason why the device cannot augment the images, if there is one.
fn obstacle(data: &Data, transform: &Transform, facts: &DatasetInfo) -> Option<String> {
    let size = data.image_size;
    let workers_only = |key: &str| Some(format!("only workers support this `{key}`"));
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

    /// 240 grayscale images of 28x28 pixels in memory: 304 KiB with a padding of 4 pixels.
    fn small() -> DatasetInfo {
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
        let on = |config, free| resolved(config, &small(), Some(free)).unwrap();
        let bytes = 240 * 36 * 36;
        let (on_device, reason) = on(json!({}), 4 * bytes);
        assert!(on_device == AugmentOn::Device && reason.contains("take 1 MiB"), "{reason}");
        let (on_device, reason) = on(json!({}), 4 * bytes - 1);
        assert!(
            on_device == AugmentOn::Workers && reason.contains("more than a quarter"),
            "{reason}"
        );
        assert_eq!(on(json!({ "memoryFraction": 0.5 }), 4 * bytes).0, AugmentOn::Workers);
        assert_eq!(on(json!({ "transform": { "crop": "none" } }), 3 * bytes).0, AugmentOn::Device);
        let explicit = on(json!({ "augmentOn": "device" }), 1);
        assert_eq!(explicit, (AugmentOn::Device, String::new()));
    }

    #[test]
    fn the_cpu_is_only_used_as_device_on_request() {
        let (on, reason) = resolved(json!({}), &small(), None).unwrap();
        assert!(on == AugmentOn::Workers && reason.contains("CPU"), "{reason}");
        let (on, _) = resolved(json!({ "augmentOn": "device" }), &small(), None).unwrap();
        assert_eq!(on, AugmentOn::Device);
    }

    #[test]
    fn obstacles_are_reasons_for_auto_and_errors_for_device() {
        let files = DatasetInfo { decoded_bytes: Some(1), ..small() };
        let wide = DatasetInfo { image_size: Some([28, 30]), ..small() };
        let color = DatasetInfo { channels: 3, ..small() };
        for (facts, transform, reason) in [
            (&files, json!({}), "files"),
            (&wide, json!({}), "not 28 x 28"),
            (&small(), json!({ "evalResize": 32 }), "transform.evalResize"),
            (&small(), json!({ "crop": "random-resized" }), "transform.crop"),
            (&small(), json!({ "crop": "random-short-side" }), "transform.crop"),
            (&small(), json!({ "policy": "randaugment" }), "transform.policy"),
            (&small(), json!({ "policy": "trivialaugment" }), "transform.policy"),
            (&color, json!({ "color": "pca" }), "transform.color"),
            (&small(), json!({ "erase": "cutout" }), "transform.erase"),
            (&small(), json!({ "mix": "mixup" }), "transform.mix"),
        ] {
            let mut config = json!({ "data": { "imageSize": 28 }, "transform": transform });
            let (on, found) = resolved(config.clone(), facts, Some(1 << 30)).unwrap();
            assert!(on == AugmentOn::Workers && found.contains(reason), "{transform}: {found}");
            config["augmentOn"] = json!("device");
            let error = resolved(config, facts, Some(1 << 30)).unwrap_err();
            assert_eq!(
                (error.code, error.at.key.as_deref()),
                (ErrorCode::Config, Some("augmentOn"))
            );
            assert!(error.message.contains(reason) && error.hint.is_some(), "{error}");
        }
    }
}
