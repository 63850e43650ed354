//! RandAugment and TrivialAugment with torchvision's operations and magnitudes.

use residual_spec::Policy;

use super::augment_ops::{AugmentImage, AugmentOp};
use crate::SampleRng;

/// Number of magnitude bins.
const BINS: u32 = 31;

/// Draws operations and applies them to the image.
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
            let strength = rng.below(BINS);
            image.apply(AugmentSpace::trivial_augment().draw(strength, rng));
        }
    }
}

/// The largest magnitude of each operation.
struct AugmentSpace {
    shear: f32,
    /// Pixels: horizontal, vertical.
    translate: [f64; 2],
    degrees: f32,
    /// Brightness, color, contrast and sharpness.
    enhance: f32,
    /// Bits that posterize removes.
    bits: f32,
}

impl AugmentSpace {
    /// torchvision's `RandAugment._augmentation_space`.
    fn rand_augment(width: usize, height: usize) -> AugmentSpace {
        let translate = [width, height].map(|side| 150.0 / 331.0 * side as f64);
        AugmentSpace { shear: 0.3, translate, degrees: 30.0, enhance: 0.9, bits: 4.0 }
    }

    /// torchvision's `TrivialAugmentWide._augmentation_space`.
    fn trivial_augment() -> AugmentSpace {
        AugmentSpace { shear: 0.99, translate: [32.0; 2], degrees: 135.0, enhance: 0.99, bits: 6.0 }
    }

    /// Draws one of the 14 operations; signed operations get a random sign.
    fn draw(&self, strength: u32, rng: &mut SampleRng) -> AugmentOp {
        let index = rng.below(14);
        let is_signed = (1..=9).contains(&index);
        let sign = if is_signed && rng.coin() { -1.0 } else { 1.0 };
        self.operation(index, strength, sign)
    }

    /// The operation at index `index` of torchvision's list.
    fn operation(&self, index: u32, strength: u32, sign: f64) -> AugmentOp {
        let up_to = |max: f32| sign * f64::from(linspace(0.0, max, strength));
        match index {
            0 => AugmentOp::Identity,
            1 => AugmentOp::ShearX(up_to(self.shear)),
            2 => AugmentOp::ShearY(up_to(self.shear)),
            3 => AugmentOp::TranslateX(up_to(self.translate[0] as f32)),
            4 => AugmentOp::TranslateY(up_to(self.translate[1] as f32)),
            5 => AugmentOp::Rotate(up_to(self.degrees)),
            6 => AugmentOp::Brightness(up_to(self.enhance)),
            7 => AugmentOp::Color(up_to(self.enhance)),
            8 => AugmentOp::Contrast(up_to(self.enhance)),
            9 => AugmentOp::Sharpness(up_to(self.enhance)),
            10 => {
                let removed_bits =
                    (strength as f32 / ((BINS - 1) as f32 / self.bits)).round_ties_even();
                AugmentOp::Posterize(8 - removed_bits as u32)
            }
            11 => AugmentOp::Solarize(linspace(255.0, 0.0, strength).into()),
            12 => AugmentOp::AutoContrast,
            _ => AugmentOp::Equalize,
        }
    }
}

/// Element `i` of `torch.linspace(from, to, 31)`, which computes the second half backward from
/// `to`, each element rounded once: 32 * 15 / 30 is just below 16.
fn linspace(from: f32, to: f32, i: u32) -> f32 {
    let step = (to - from) / (BINS - 1) as f32;
    if i < BINS / 2 {
        step.mul_add(i as f32, from)
    } else {
        (-step).mul_add((BINS - 1 - i) as f32, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixture_json;

    /// The name and magnitude of an operation.
    fn name_and_magnitude(operation: AugmentOp) -> (&'static str, f64) {
        match operation {
            AugmentOp::Identity => ("Identity", 0.0),
            AugmentOp::ShearX(by) => ("ShearX", by),
            AugmentOp::ShearY(by) => ("ShearY", by),
            AugmentOp::TranslateX(by) => ("TranslateX", by),
            AugmentOp::TranslateY(by) => ("TranslateY", by),
            AugmentOp::Rotate(by) => ("Rotate", by),
            AugmentOp::Brightness(by) => ("Brightness", by),
            AugmentOp::Color(by) => ("Color", by),
            AugmentOp::Contrast(by) => ("Contrast", by),
            AugmentOp::Sharpness(by) => ("Sharpness", by),
            AugmentOp::Posterize(bits) => ("Posterize", bits.into()),
            AugmentOp::Solarize(from) => ("Solarize", from),
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
                for (strength, magnitude) in (0..).zip(magnitudes) {
                    let (name, found) = name_and_magnitude(space.operation(index, strength, 1.0));
                    assert_eq!(name, expected["operation"]);
                    let magnitude = magnitude.as_f64().unwrap();
                    assert_eq!(found, magnitude, "{key} {name} {strength}");
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
            let (name, by) = name_and_magnitude(space.draw(9, &mut SampleRng::new(1, 0, index)));
            *counts.entry(name).or_insert(0) += 1;
            *counts.entry(if by < 0.0 { "negative" } else { "positive" }).or_insert(0) += 1;
        }
        let negative = counts.remove("negative").unwrap();
        counts.remove("positive");
        assert_eq!(counts.len(), 14);
        assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert!((4_200..4_800).contains(&negative), "{negative}");
    }
}
