//! RandAugment and TrivialAugment with torchvision's operations and magnitudes.

use residual_spec::Policy;

use super::augment_ops::{AugmentImage, AugmentOp};
use crate::SampleRng;

/// Number of magnitude bins.
const BINS: u32 = 31;

/// Draws the operations of a policy and applies them to the image.
pub(crate) fn apply(policy: &Policy, image: &mut AugmentImage, rng: &mut SampleRng) {
    match policy {
        Policy::None => {}
        Policy::RandAugment(policy) => {
            let space = AugmentSpace::rand_augment(image.width, image.height);
            for _ in 0..policy.num_ops {
                image.apply(space.draw(policy.magnitude, rng));
            }
        }
        Policy::TrivialAugment => {
            let bin = rng.below(BINS);
            image.apply(AugmentSpace::trivial_augment().draw(bin, rng));
        }
    }
}

/// Largest magnitudes of the operations.
struct AugmentSpace {
    shear: f32,
    /// Pixels: horizontal, vertical.
    translate: [f64; 2],
    degrees: f32,
    /// Brightness, color, contrast and sharpness.
    enhance: f32,
    /// Number of bits that posterize removes.
    bits: f32,
}

impl AugmentSpace {
    /// Returns torchvision's `RandAugment._augmentation_space`.
    fn rand_augment(width: usize, height: usize) -> AugmentSpace {
        let translate = [width, height].map(|side| 150.0 / 331.0 * side as f64);
        AugmentSpace { shear: 0.3, translate, degrees: 30.0, enhance: 0.9, bits: 4.0 }
    }

    /// Returns torchvision's `TrivialAugmentWide._augmentation_space`.
    fn trivial_augment() -> AugmentSpace {
        AugmentSpace { shear: 0.99, translate: [32.0; 2], degrees: 135.0, enhance: 0.99, bits: 6.0 }
    }

    /// Draws one of the 14 operations with the magnitude of a bin; signed operations get a random
    /// sign.
    fn draw(&self, bin: u32, rng: &mut SampleRng) -> AugmentOp {
        let index = rng.below(14);
        let is_signed = (1..=9).contains(&index);
        let sign = if is_signed && rng.coin() { -1.0 } else { 1.0 };
        self.operation(index, bin, sign)
    }

    /// Returns operation `index` of torchvision's augmentation space with the magnitude of a bin.
    fn operation(&self, index: u32, bin: u32, sign: f64) -> AugmentOp {
        let magnitude = |max: f32| sign * f64::from(linspace(0.0, max, bin));
        match index {
            0 => AugmentOp::Identity,
            1 => AugmentOp::ShearX(magnitude(self.shear)),
            2 => AugmentOp::ShearY(magnitude(self.shear)),
            3 => AugmentOp::TranslateX(magnitude(self.translate[0] as f32)),
            4 => AugmentOp::TranslateY(magnitude(self.translate[1] as f32)),
            5 => AugmentOp::Rotate(magnitude(self.degrees)),
            6 => AugmentOp::Brightness(magnitude(self.enhance)),
            7 => AugmentOp::Color(magnitude(self.enhance)),
            8 => AugmentOp::Contrast(magnitude(self.enhance)),
            9 => AugmentOp::Sharpness(magnitude(self.enhance)),
            10 => {
                let removed_bits = (bin as f32 / ((BINS - 1) as f32 / self.bits)).round_ties_even();
                AugmentOp::Posterize(8 - removed_bits as u32)
            }
            11 => AugmentOp::Solarize(linspace(255.0, 0.0, bin).into()),
            12 => AugmentOp::AutoContrast,
            _ => AugmentOp::Equalize,
        }
    }
}

/// Returns element `i` of `torch.linspace(start, end, 31)`, which computes the second half backward
/// from `end` and rounds each element once: element 15 from 0 to 32 is just below 16.
fn linspace(start: f32, end: f32, i: u32) -> f32 {
    let step = (end - start) / (BINS - 1) as f32;
    if i < BINS / 2 {
        step.mul_add(i as f32, start)
    } else {
        (-step).mul_add((BINS - 1 - i) as f32, end)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{apply as apply_pipeline, fixture_json, gray_config};
    use crate::{Image, Pipeline};

    fn name_and_magnitude(operation: AugmentOp) -> (&'static str, f64) {
        match operation {
            AugmentOp::Identity => ("Identity", 0.0),
            AugmentOp::ShearX(magnitude) => ("ShearX", magnitude),
            AugmentOp::ShearY(magnitude) => ("ShearY", magnitude),
            AugmentOp::TranslateX(magnitude) => ("TranslateX", magnitude),
            AugmentOp::TranslateY(magnitude) => ("TranslateY", magnitude),
            AugmentOp::Rotate(magnitude) => ("Rotate", magnitude),
            AugmentOp::Brightness(magnitude) => ("Brightness", magnitude),
            AugmentOp::Color(magnitude) => ("Color", magnitude),
            AugmentOp::Contrast(magnitude) => ("Contrast", magnitude),
            AugmentOp::Sharpness(magnitude) => ("Sharpness", magnitude),
            AugmentOp::Posterize(bits) => ("Posterize", bits.into()),
            AugmentOp::Solarize(threshold) => ("Solarize", threshold),
            AugmentOp::AutoContrast => ("AutoContrast", 0.0),
            AugmentOp::Equalize => ("Equalize", 0.0),
        }
    }

    #[test]
    fn magnitudes_match_torchvision() {
        let fixture = fixture_json("policies");
        for (key, space) in [
            ("randaugment", AugmentSpace::rand_augment(37, 29)),
            ("trivialaugment", AugmentSpace::trivial_augment()),
        ] {
            let operations = fixture[key].as_array().unwrap();
            assert_eq!(operations.len(), 14);
            for (index, expected) in (0..).zip(operations) {
                let magnitudes = expected["magnitudes"].as_array().unwrap();
                for (bin, magnitude) in (0..).zip(magnitudes) {
                    let (name, found) = name_and_magnitude(space.operation(index, bin, 1.0));
                    assert_eq!(name, expected["operation"]);
                    let magnitude = magnitude.as_f64().unwrap();
                    assert_eq!(found, magnitude, "{key} {name} {bin}");
                }
                let (_, negative) = name_and_magnitude(space.operation(index, 7, -1.0));
                assert_eq!(expected["signed"], negative < 0.0, "{}", expected["operation"]);
            }
        }
    }

    #[test]
    fn operations_and_signs_are_drawn_uniformly() {
        let space = AugmentSpace::trivial_augment();
        let mut counts = std::collections::BTreeMap::new();
        for index in 0..14_000 {
            let operation = space.draw(9, &mut SampleRng::new(1, 0, index));
            let (name, magnitude) = name_and_magnitude(operation);
            *counts.entry(name).or_insert(0) += 1;
            *counts.entry(if magnitude < 0.0 { "negative" } else { "positive" }).or_insert(0) += 1;
        }
        let negative = counts.remove("negative").unwrap();
        counts.remove("positive");
        assert_eq!(counts.len(), 14);
        assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert!((4_200..4_800).contains(&negative), "{negative}");
    }

    #[test]
    fn policies_run_on_the_crop() {
        // On a constant image, only posterize, solarize and the black areas of geometric operations
        // have a visible effect.
        let image = Image::new(8, 8, 1, vec![201; 64]).unwrap();
        for policy in ["randaugment", "trivialaugment"] {
            let transform = json!({ "crop": "none", "flip": false, "policy": policy });
            let pipeline = Pipeline::train(&gray_config(8, transform), None);
            let variants: std::collections::BTreeSet<Vec<u8>> =
                (0..200).map(|index| apply_pipeline(&pipeline, &image, index)).collect();
            assert!(variants.len() > 30, "{}", variants.len());
        }
    }
}
