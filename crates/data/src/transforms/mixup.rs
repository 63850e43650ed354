//! Mixup and CutMix of the images of a batch.
//!
//! Image `i` of `n` is mixed with image `n - 1 - i`. The order of a batch is random already, so the
//! reversed order is as random as a permutation, and pairs can be mixed in place.

use residual_spec::Mix;

use crate::{Region, SampleRng};

/// Labels and weight of the partners in a mixed batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MixedLabels {
    /// The label of each image's partner.
    pub labels: Vec<i64>,
    /// Weight of the image's own label, 0 to 1. The loss is
    /// `lambda * loss(labels) + (1 - lambda) * loss(partner labels)`.
    pub lambda: f64,
}

/// Mixes a batch of normalized `[size, size, channels]` images in place; returns `None` without
/// mixing.
pub(crate) fn apply(
    mix: &Mix,
    size: usize,
    channels: usize,
    images: &mut [f32],
    labels: &[i64],
    rng: &mut SampleRng,
) -> Option<MixedLabels> {
    let length = size * size * channels;
    let lambda = match mix {
        Mix::None => return None,
        Mix::Mixup(mix) => {
            let lambda = rng.beta(mix.alpha);
            blend(images, length, lambda as f32);
            lambda
        }
        Mix::Cutmix(mix) => {
            let lambda = rng.beta(mix.alpha);
            let (x, y) = (rng.below(size as u32), rng.below(size as u32));
            let (region, lambda) = cutmix_box(lambda, x, y, size as u32);
            swap_region(images, size, channels, region);
            lambda
        }
    };
    Some(MixedLabels { labels: labels.iter().rev().copied().collect(), lambda })
}

/// Pairs each image with its partner. Leaves out the middle image of an odd number, which is its
/// own partner.
fn pairs(images: &mut [f32], length: usize) -> impl Iterator<Item = (&mut [f32], &mut [f32])> {
    let count = images.len() / length;
    let (first, rest) = images.split_at_mut(count / 2 * length);
    let rest = &mut rest[count % 2 * length..];
    first.chunks_exact_mut(length).zip(rest.chunks_exact_mut(length).rev())
}

/// Mixes each image with its partner: `lambda * image + (1 - lambda) * partner`.
fn blend(images: &mut [f32], length: usize, lambda: f32) {
    for (a, b) in pairs(images, length) {
        for (a, b) in a.iter_mut().zip(b) {
            (*a, *b) = (lambda * *a + (1.0 - lambda) * *b, lambda * *b + (1.0 - lambda) * *a);
        }
    }
}

/// Returns torchvision's `CutMix` box and the adjusted `lambda`. The box is centered at (x, y) and
/// has `sqrt(1 - lambda)` of the image's side; it is clipped to the image, and `lambda` is adjusted
/// to the clipped area.
fn cutmix_box(lambda: f64, x: u32, y: u32, size: u32) -> (Region, f64) {
    let half = (0.5 * (1.0 - lambda).sqrt() * f64::from(size)) as i64;
    let interval = |center: u32| {
        let clip = |position: i64| position.clamp(0, size.into()) as u32;
        (clip(i64::from(center) - half), clip(i64::from(center) + half))
    };
    let ((left, right), (top, bottom)) = (interval(x), interval(y));
    let region = Region { left, top, width: right - left, height: bottom - top };
    let area = f64::from(region.width * region.height) / f64::from(size * size);
    (region, 1.0 - area)
}

/// Swaps a region between each image and its partner.
fn swap_region(images: &mut [f32], size: usize, channels: usize, region: Region) {
    let (offset, length) = (region.left as usize * channels, region.width as usize * channels);
    let rows = region.top as usize..(region.top + region.height) as usize;
    for (a, b) in pairs(images, size * size * channels) {
        for row in rows.clone() {
            let start = row * size * channels + offset;
            a[start..start + length].swap_with_slice(&mut b[start..start + length]);
        }
    }
}

#[cfg(test)]
mod tests {
    use residual_spec::{Cutmix, Mixup};
    use serde_json::Value;

    use super::*;
    use crate::testing::fixture_json;

    fn floats(value: &Value) -> Vec<f32> {
        value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect()
    }

    fn integer(case: &Value, key: &str) -> u32 {
        case[key].as_u64().unwrap() as u32
    }

    #[test]
    fn mixup_with_a_fixed_lambda_matches_pytorch() {
        for case in fixture_json("mixtures")["mixup"].as_array().unwrap() {
            let size = integer(case, "size") as usize;
            let mut images = floats(&case["images"]);
            blend(&mut images, size * size * 3, case["lambda"].as_f64().unwrap() as f32);
            for (found, expected) in images.iter().zip(floats(&case["mixed"])) {
                assert!(
                    (found - expected).abs() <= 1e-5 * expected.abs().max(1.0),
                    "{found} {expected}"
                );
            }
        }
    }

    #[test]
    fn cutmix_with_fixed_random_values_matches_torchvision() {
        for case in fixture_json("mixtures")["cutmix"].as_array().unwrap() {
            let size = integer(case, "size");
            let drawn_lambda = case["drawn"].as_f64().unwrap();
            let (region, lambda) =
                cutmix_box(drawn_lambda, integer(case, "x"), integer(case, "y"), size);
            let found =
                [region.left, region.top, region.left + region.width, region.top + region.height];
            assert_eq!(Value::from(found.to_vec()), case["box"]);
            assert!((lambda - case["lambda"].as_f64().unwrap()).abs() < 1e-12);
            let mut images = floats(&case["images"]);
            swap_region(&mut images, size as usize, 3, region);
            assert_eq!(images, floats(&case["mixed"]));
        }
    }

    #[test]
    fn images_labels_and_lambda_are_consistent() {
        // Each image is filled with its label.
        let labels: Vec<i64> = (0..7).collect();
        for mix in [Mix::Mixup(Mixup { alpha: 1.0 }), Mix::Cutmix(Cutmix { alpha: 1.0 })] {
            let mut lambdas = Vec::new();
            for index in 0..50 {
                let mut images: Vec<f32> =
                    labels.iter().flat_map(|&label| vec![label as f32; 64]).collect();
                let mut rng = SampleRng::new(0, 0, index);
                let mixed = apply(&mix, 8, 1, &mut images, &labels, &mut rng).unwrap();
                assert_eq!(mixed.labels, [6, 5, 4, 3, 2, 1, 0]);
                lambdas.push(mixed.lambda);
                for (i, image) in images.chunks(64).enumerate() {
                    let mean = f64::from(image.iter().sum::<f32>()) / 64.0;
                    let expected = mixed.lambda * labels[i] as f64
                        + (1.0 - mixed.lambda) * mixed.labels[i] as f64;
                    assert!((mean - expected).abs() < 1e-5, "{mean} {expected}");
                }
            }
            lambdas.sort_by(f64::total_cmp);
            assert!(lambdas[49] - lambdas[0] > 0.5, "{lambdas:?}");
        }
    }
}
