//! Test-time augmentation: averages probabilities over all views of an image.

use std::collections::BTreeMap;
use std::ops::Range;

use residual_data::Batch;
use residual_spec::Result;

use crate::{DeviceDataset, Model, log_probs, model_input};

/// Maximum number of pixels in one forward pass.
const MAX_PIXELS: usize = 64 * 224 * 224;

/// Returns the log-probabilities of every image of a batch, `[n, classes]` in row-major order.
///
/// If the batch has several views of each image, their probabilities are averaged. `images` are the
/// images in device memory, for a batch that has only crop windows. Must be called under `no_grad`.
pub fn predict_log_probs(
    model: &Model,
    images: Option<&DeviceDataset>,
    batch: &Batch,
) -> Result<Vec<f64>> {
    let Some(views) = &batch.views else {
        let logits = model.forward(&model_input(model, images, batch)?, false)?;
        return log_probs(&logits);
    };
    let views_per_image = views.len() / batch.len().max(1);
    // For each size, the range of every view in the batch and the index of its image.
    let mut by_size: BTreeMap<[u32; 2], Vec<(Range<usize>, usize)>> = BTreeMap::new();
    let mut start = 0;
    for (view, &size) in views.iter().enumerate() {
        let length = num_pixels(size) * model.network().channels as usize;
        by_size.entry(size).or_default().push((start..start + length, view / views_per_image));
        start += length;
    }
    let classes = model.network().head.out_features as usize;
    let mut sums = vec![f64::NEG_INFINITY; batch.len() * classes];
    for (size, views) in by_size {
        for chunk in views.chunks((MAX_PIXELS / num_pixels(size)).max(1)) {
            let pixels: Vec<&[f32]> =
                chunk.iter().map(|(range, _)| &batch.images[range.clone()]).collect();
            let input = model.input_with_size(&pixels.concat().into(), chunk.len(), size)?;
            let logits = if size == [model.network().image_size; 2] {
                model.forward(&input, false)?
            } else {
                model.forward_dense(&input)?
            };
            for ((_, image), row) in chunk.iter().zip(log_probs(&logits)?.chunks(classes)) {
                for (sum, &value) in sums[image * classes..].iter_mut().zip(row) {
                    *sum = log_add_exp(*sum, value);
                }
            }
        }
    }
    let log_count = (views_per_image as f64).ln();
    Ok(sums.into_iter().map(|sum| sum - log_count).collect())
}

fn num_pixels([height, width]: [u32; 2]) -> usize {
    height as usize * width as usize
}

/// Returns `ln(exp(a) + exp(b))`.
fn log_add_exp(a: f64, b: f64) -> f64 {
    let (low, high) = (a.min(b), a.max(b));
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use residual_spec::{Device, InspectConfig, MemoryFormat, NameOr, Precision};
    use tch::{Kind, Tensor};

    use super::*;
    use crate::ComputeOptions;

    fn model() -> Model {
        let target = residual_spec::resolve_inspect(&InspectConfig {
            model: Some(NameOr::Name("resnet8".into())),
            ..InspectConfig::default()
        })
        .unwrap();
        let network = residual_arch::build(&target.model, 3, 32, 10).unwrap();
        let compute = ComputeOptions {
            precision: Precision::Fp32,
            memory_format: MemoryFormat::Contiguous,
            device: Device::Cpu,
        };
        Model::new(network, compute, 1).unwrap()
    }

    fn values(count: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919) % 1009) as f32 / 500.0 - 1.0).collect()
    }

    #[test]
    fn log_add_exp_adds_probabilities() {
        assert!((log_add_exp(0.25f64.ln(), 0.5f64.ln()) - 0.75f64.ln()).abs() < 1e-15);
        assert_eq!(log_add_exp(f64::NEG_INFINITY, -3.0), -3.0);
        assert_eq!(log_add_exp(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert!((log_add_exp(-2000.0, -2000.0) - (-2000.0 + 2f64.ln())).abs() < 1e-12);
    }

    #[test]
    fn averages_the_probabilities_of_all_views_of_an_image() {
        let _no_grad = tch::no_grad_guard();
        let model = model();
        // Two images with four views each, in three sizes that differ between the images.
        let sizes: [[[u32; 2]; 4]; 2] =
            [[[32, 32], [32, 32], [40, 36], [24, 33]], [[32, 32], [40, 36], [40, 36], [64, 32]]];
        let all_sizes = sizes.concat();
        let lengths = all_sizes.iter().map(|&size| num_pixels(size) * 3);
        let images = values(lengths.clone().sum());
        let batch = |images: &[f32], labels: &[i64], views: &[[u32; 2]]| Batch {
            images: images.to_vec().into(),
            labels: labels.to_vec(),
            views: Some(views.to_vec()),
            ..Batch::default()
        };
        let log_probs =
            predict_log_probs(&model, None, &batch(&images, &[0, 1], &all_sizes)).unwrap();

        let mut start = 0;
        for (image, views) in sizes.iter().enumerate() {
            let mut mean = vec![0.0; 10];
            for &size in views {
                let length = num_pixels(size) * 3;
                let input = model
                    .input_with_size(&images[start..start + length].to_vec().into(), 1, size)
                    .unwrap();
                let logits = model.forward_dense(&input).unwrap();
                let row = Vec::<f64>::try_from(logits.softmax(1, Kind::Double).view([-1])).unwrap();
                mean.iter_mut().zip(row).for_each(|(mean, p)| *mean += p / 4.0);
                start += length;
            }
            for (actual, expected) in log_probs[image * 10..].iter().zip(mean) {
                assert!((actual.exp() - expected).abs() < 1e-5, "{} {expected}", actual.exp());
            }
        }
        let sum: f64 = log_probs[..10].iter().map(|row| row.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn a_batch_of_single_views_equals_a_batch_without_views() {
        let _no_grad = tch::no_grad_guard();
        let model = model();
        let images = values(2 * 32 * 32 * 3);
        let without_views = Batch { images: images.into(), labels: vec![0, 1], ..Batch::default() };
        let with_views = Batch { views: Some(vec![[32, 32]; 2]), ..without_views.clone() };
        let [a, b] = [&without_views, &with_views]
            .map(|batch| predict_log_probs(&model, None, batch).unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12));
        assert_eq!(Tensor::from_slice(&a).size(), [20]);
    }
}
