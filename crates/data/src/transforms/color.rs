//! PCA color augmentation of AlexNet ("lighting").

use residual_spec::Color;

use crate::SampleRng;

/// `eigval` of fb.resnet.torch's `Lighting` for ImageNet, for values in 0..1.
const EIGENVALUES: [f64; 3] = [0.2175, 0.0188, 0.0045];
/// `eigvec` of fb.resnet.torch: a row for each of R, G and B, a column for each eigenvector.
const EIGENVECTORS: [[f64; 3]; 3] =
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]];

/// Adds a random color to a normalized image, channels innermost. Equals `Lighting` followed by
/// `Normalize`, without clipping.
pub(crate) fn apply(color: &Color, std: &[f64], rng: &mut SampleRng, out: &mut [f32]) {
    if let Color::Pca(pca) = color {
        let alphas = [(); 3].map(|()| pca.std * rng.normal());
        add_color(pca_offsets(alphas), std, out);
    }
}

/// Returns the offsets of R, G and B for values in 0..1.
fn pca_offsets(alphas: [f64; 3]) -> [f64; 3] {
    EIGENVECTORS.map(|row| (0..3).map(|j| row[j] * alphas[j] * EIGENVALUES[j]).sum())
}

/// Adds offsets for values in 0..1 to the pixels of a normalized image.
fn add_color(offsets: [f64; 3], std: &[f64], out: &mut [f32]) {
    let offsets: [f32; 3] = std::array::from_fn(|c| (offsets[c] / std[c]) as f32);
    for pixel in out.as_chunks_mut::<3>().0 {
        for c in 0..3 {
            pixel[c] += offsets[c];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixture_json;

    #[test]
    fn fixed_alphas_match_lighting_before_normalization() {
        for case in fixture_json("colors").as_array().unwrap() {
            let numbers = |key: &str| -> Vec<f64> {
                case[key].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
            };
            let alphas = <[f64; 3]>::try_from(numbers("alphas")).unwrap();
            let mut pixels: Vec<f32> = numbers("normalized").iter().map(|&n| n as f32).collect();
            add_color(pca_offsets(alphas), &numbers("std"), &mut pixels);
            for (found, expected) in pixels.iter().zip(numbers("lit")) {
                assert!((f64::from(*found) - expected).abs() < 2e-6, "{found} {expected}");
            }
        }
    }

    #[test]
    fn every_image_gets_its_own_color() {
        let color = Color::Pca(residual_spec::PcaColor { std: 0.1 });
        let lit = |index| {
            let mut out = [0.0; 6];
            apply(&color, &[1.0, 0.5, 0.25], &mut SampleRng::new(0, 0, index), &mut out);
            assert_eq!(out[..3], out[3..]);
            out
        };
        assert_ne!(lit(1), lit(2));
    }
}
