//! Where images are cropped, mirrored and normalised: by workers, or on the device that they lie on.

use serde_json::json;

use super::{Reasons, refuse};
use crate::*;

/// The share of a card's free memory that images may lie in: the rest is for the step.
const SHARE: u64 = 4;
const MB: u64 = 1 << 20;

pub(super) fn resolve_augment_on(
    config: &TrainConfig,
    data: &Data,
    transform: &Transform,
    device: Device,
    facts: &DatasetInfo,
    machine: &MachineInfo,
    why: &mut Reasons,
) -> Result<AugmentOn> {
    let obstacle = obstacle(data, transform, facts);
    let chosen = why.pick("augmentOn", &config.augment_on, || {
        let workers = |why: String| (AugmentOn::Workers, why);
        match (device, &obstacle, machine.cuda_free_memory) {
            (Device::Cpu, ..) => {
                workers("the device is the CPU, where the workers are, too".into())
            }
            (Device::Cuda, Some(obstacle), _) => workers(obstacle.clone()),
            (Device::Cuda, None, None) => {
                workers("the card does not tell what memory is free".into())
            }
            (Device::Cuda, None, Some(free)) => {
                let share = config.memory_fraction.unwrap_or(1.0).clamp(0.0, 1.0);
                let most = (free as f64 * share) as u64 / SHARE;
                let wanted = device_bytes(data, transform, facts);
                let takes = format!("the images take {} MB", wanted.div_ceil(MB));
                let room = format!("a quarter of the card's free memory ({} MB)", most / MB);
                if wanted <= most {
                    (AugmentOn::Device, format!("{takes}, no more than {room}"))
                } else {
                    workers(format!("{takes}, more than {room}"))
                }
            }
        }
    });
    match (chosen, obstacle) {
        (AugmentOn::Device, Some(obstacle)) => {
            Err(refuse("augmentOn", &format!("'workers', for {obstacle}"), json!(chosen)))
        }
        _ => Ok(chosen),
    }
}

/// Bytes that the images to train on and to validate take on the device, with what a crop adds around
/// them.
pub fn device_bytes(data: &Data, transform: &Transform, facts: &DatasetInfo) -> u64 {
    let padding = match &transform.crop {
        Crop::Pad(pad) => pad.padding,
        _ => 0,
    };
    let side = u64::from(data.image_size) + 2 * u64::from(padding);
    let images = u64::from(facts.train) + u64::from(facts.val);
    images * side * side * u64::from(data.channels)
}

/// What only workers do, if there is anything.
fn obstacle(data: &Data, transform: &Transform, facts: &DatasetInfo) -> Option<String> {
    let size = data.image_size;
    let workers_do = |key: &str| Some(format!("what `{key}` says is done by the workers"));
    match transform {
        _ if facts.decoded_bytes.is_some() => {
            Some("the images are files, which the workers decode".into())
        }
        _ if facts.image_size != Some([size; 2]) => {
            Some(format!("the images are not {size} x {size}, and are resized by the workers"))
        }
        Transform { crop: Crop::RandomResized(_) | Crop::RandomShortSide(_), .. } => {
            workers_do("transform.crop")
        }
        Transform { eval_resize, .. } if *eval_resize != size => workers_do("transform.evalResize"),
        Transform { policy: Policy::RandAugment(_) | Policy::TrivialAugment, .. } => {
            workers_do("transform.policy")
        }
        Transform { color: Color::Pca(_), .. } => workers_do("transform.color"),
        Transform { erase: Erase::Cutout(_) | Erase::RandomErasing(_), .. } => {
            workers_do("transform.erase")
        }
        Transform { mix: Mix::Mixup(_) | Mix::Cutmix(_), .. } => workers_do("transform.mix"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 240 grey images of 28 x 28 in memory: 297 kB with four pixels around each.
    fn small() -> DatasetInfo {
        let classes = vec!["ant".into(), "bee".into()];
        DatasetInfo { train: 240, ..DatasetInfo::unknown(classes, 1, Some([28; 2])) }
    }

    fn decided(
        said: serde_json::Value,
        facts: &DatasetInfo,
        card: Option<u64>,
    ) -> Result<(AugmentOn, String)> {
        let machine = MachineInfo {
            cuda: card.is_some(),
            cuda_free_memory: card,
            ..MachineInfo::with_cores(1)
        };
        let config = resolve(&TrainConfig::from_json(&said)?, facts, &machine)?;
        Ok((config.augment_on, config.reasons.get("augmentOn").cloned().unwrap_or_default()))
    }

    #[test]
    fn images_in_memory_that_are_only_cut_lie_on_a_card_that_has_room() {
        let on = |said, card| decided(said, &small(), Some(card)).unwrap();
        let bytes = 240 * 36 * 36;
        let (on_card, why) = on(json!({}), 4 * bytes);
        assert!(on_card == AugmentOn::Device && why.contains("take 1 MB"), "{why}");
        let (on_card, why) = on(json!({}), 4 * bytes - 1);
        assert!(on_card == AugmentOn::Workers && why.contains("more than a quarter"), "{why}");
        assert_eq!(on(json!({ "memoryFraction": 0.5 }), 4 * bytes).0, AugmentOn::Workers);
        assert_eq!(on(json!({ "transform": { "crop": "none" } }), 3 * bytes).0, AugmentOn::Device);
        let said = on(json!({ "augmentOn": "device" }), 1);
        assert_eq!(said, (AugmentOn::Device, String::new()));
    }

    #[test]
    fn on_the_cpu_it_is_done_only_where_somebody_said_so() {
        let (on, why) = decided(json!({}), &small(), None).unwrap();
        assert!(on == AugmentOn::Workers && why.contains("CPU"), "{why}");
        let (on, _) = decided(json!({ "augmentOn": "device" }), &small(), None).unwrap();
        assert_eq!(on, AugmentOn::Device);
    }

    #[test]
    fn what_only_workers_can_do_is_the_reason_of_auto_and_refused_where_the_device_was_said() {
        let files = DatasetInfo { decoded_bytes: Some(1), ..small() };
        let wide = DatasetInfo { image_size: Some([28, 30]), ..small() };
        let colour = DatasetInfo { channels: 3, ..small() };
        for (facts, transform, reason) in [
            (&files, json!({}), "files"),
            (&wide, json!({}), "not 28 x 28"),
            (&small(), json!({ "evalResize": 32 }), "transform.evalResize"),
            (&small(), json!({ "crop": "random-resized" }), "transform.crop"),
            (&small(), json!({ "crop": "random-short-side" }), "transform.crop"),
            (&small(), json!({ "policy": "randaugment" }), "transform.policy"),
            (&small(), json!({ "policy": "trivialaugment" }), "transform.policy"),
            (&colour, json!({ "color": "pca" }), "transform.color"),
            (&small(), json!({ "erase": "cutout" }), "transform.erase"),
            (&small(), json!({ "mix": "mixup" }), "transform.mix"),
        ] {
            let said = json!({ "data": { "imageSize": 28 }, "transform": transform });
            let (on, why) = decided(said.clone(), facts, Some(1 << 30)).unwrap();
            assert!(on == AugmentOn::Workers && why.contains(reason), "{transform}: {why}");
            let mut said = said;
            said["augmentOn"] = json!("device");
            let error = decided(said, facts, Some(1 << 30)).unwrap_err();
            assert_eq!(
                (error.code, error.at.key.as_deref()),
                (ErrorCode::Config, Some("augmentOn"))
            );
            assert!(error.message.contains(reason) && error.hint.is_some(), "{error}");
        }
    }
}
