//! Random color: AlexNet's PCA color augmentation ("lighting").

use residual_spec::Color;

use crate::SampleRng;

/// Square roots of the eigenvalues of ImageNet's RGB covariance (values in 0..1), as published with
/// fb.resnet.torch.
const VALUES: [f64; 3] = [0.2175, 0.0188, 0.0045];
/// Eigenvectors: for each of R, G and B its component in each of them.
const VECTORS: [[f64; 3]; 3] =
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]];

/// Adds a random color to a normalized image (channels innermost). The result equals `Lighting`
/// followed by `Normalize`, without clipping.
pub(crate) fn apply(color: &Color, std: &[f64], rng: &mut SampleRng, out: &mut [f32]) {
    if let Color::Pca(pca) = color {
        let alphas = [(); 3].map(|()| pca.std * rng.normal());
        shift(pca_shift(alphas), std, out);
    }
}

/// The offsets of R, G and B, for values in 0..1.
fn pca_shift(alphas: [f64; 3]) -> [f64; 3] {
    VECTORS.map(|parts| (0..3).map(|j| parts[j] * alphas[j] * VALUES[j]).sum())
}

fn shift(by: [f64; 3], std: &[f64], out: &mut [f32]) {
    let by: [f32; 3] = std::array::from_fn(|c| (by[c] / std[c]) as f32);
    for pixel in out.as_chunks_mut::<3>().0 {
        for c in 0..3 {
            pixel[c] += by[c];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixture_json;

    #[test]
    fn given_alphas_match_lighting_before_normalization() {
        for case in fixture_json("colors").as_array().unwrap() {
            let numbers = |key: &str| -> Vec<f64> {
                case[key].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
            };
            let alphas = <[f64; 3]>::try_from(numbers("alphas")).unwrap();
            let mut pixels: Vec<f32> = numbers("normalized").iter().map(|&n| n as f32).collect();
            shift(pca_shift(alphas), &numbers("std"), &mut pixels);
            for (found, expected) in pixels.iter().zip(numbers("lit")) {
                assert!((f64::from(*found) - expected).abs() < 2e-6, "{found} {expected}");
            }
        }
    }

    #[test]
    fn every_image_gets_its_own_uniform_shift() {
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
