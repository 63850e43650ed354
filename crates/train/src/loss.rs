//! Cross-entropy loss with label smoothing and class weights (`torch.nn.CrossEntropyLoss`).

use residual_data::{Batch, MixedLabels};
use residual_model::Model;
use residual_spec::{ClassWeights, Result};
use residual_torch::torch_error;
use tch::{Reduction, Tensor};

/// The training loss.
pub struct Loss {
    label_smoothing: f64,
    /// Weight of each class; `None` without class weights.
    class_weights: Option<Weights>,
}

struct Weights {
    values: Vec<f64>,
    tensor: Tensor,
}

/// The labels of a batch, on the network's device.
pub struct Targets {
    pub labels: Tensor,
    /// Present for batches with mixup or CutMix.
    pub mix: Option<MixTargets>,
}

/// The labels of the images that were mixed in.
pub struct MixTargets {
    pub labels: Tensor,
    /// Shares of the original and of the mixed-in labels: two values of the kind of the loss.
    pub shares: Tensor,
    /// The label with the larger share, for each image.
    pub dominant: Tensor,
}

impl Targets {
    pub fn from_batch(batch: &Batch, model: &Model) -> Result<Targets> {
        let mix_targets = |MixedLabels { labels, lambda }: &MixedLabels| {
            Ok(MixTargets {
                labels: model.labels(labels)?,
                shares: model.floats(&[*lambda, 1.0 - lambda])?,
                dominant: model.labels(batch.dominant_labels())?,
            })
        };
        let mix = batch.mixed.as_ref().map(mix_targets).transpose()?;
        Ok(Targets { labels: model.labels(&batch.labels)?, mix })
    }

    /// Returns the label with the larger share for each image. A prediction of this label counts as
    /// correct.
    pub fn dominant(&self) -> &Tensor {
        self.mix.as_ref().map_or(&self.labels, |mix| &mix.dominant)
    }
}

impl Loss {
    /// Creates the loss of a configuration. `class_counts` is the number of training images of each
    /// class, for balanced weights.
    pub fn new(config: &residual_spec::Loss, class_counts: &[u64], model: &Model) -> Result<Loss> {
        let values = match &config.class_weights {
            ClassWeights::None => None,
            ClassWeights::Given(given) => Some(given.weights.clone()),
            ClassWeights::Balanced => Some(balanced(class_counts)),
        };
        let class_weights = values
            .map(|values| {
                let tensor = model.floats(&values)?;
                Ok(Weights { values, tensor })
            })
            .transpose()?;
        Ok(Loss { label_smoothing: config.label_smoothing, class_weights })
    }

    /// Returns the weighted mean loss of logits `[n, classes]`. The loss of a mixed batch is the
    /// sum of the losses of both labels, weighted by their shares.
    pub fn mean(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor> {
        let original = self.cross_entropy(logits, &targets.labels)?;
        let Some(MixTargets { labels, shares, .. }) = &targets.mix else { return Ok(original) };
        let mixed_in = self.cross_entropy(logits, labels)?;
        let weighted = |mean: Tensor, index| mean.f_mul(&shares.f_get(index)?);
        weighted(original, 0)
            .and_then(|original| original.f_add(&weighted(mixed_in, 1)?))
            .map_err(torch_error)
    }

    /// Returns the divisor of the mean over a batch: the number of images, or the sum of the
    /// weights of their classes.
    pub fn batch_weight(&self, batch: &Batch) -> f64 {
        let original = self.sum_weights(&batch.labels);
        batch.mixed.as_ref().map_or(original, |MixedLabels { labels, lambda }| {
            lambda * original + (1.0 - lambda) * self.sum_weights(labels)
        })
    }

    fn cross_entropy(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let weights = self.class_weights.as_ref().map(|weights| &weights.tensor);
        logits
            .f_cross_entropy_loss(labels, weights, Reduction::Mean, -100, self.label_smoothing)
            .map_err(torch_error)
    }

    fn sum_weights(&self, labels: &[i64]) -> f64 {
        match &self.class_weights {
            None => labels.len() as f64,
            Some(weights) => labels.iter().map(|&label| weights.values[label as usize]).sum(),
        }
    }
}

/// Returns `images / (classes * images of the class)` for each class, as scikit-learn's `balanced`
/// does. A class without images has weight 0.
fn balanced(class_counts: &[u64]) -> Vec<f64> {
    let images: u64 = class_counts.iter().sum();
    let weight = |count: u64| images as f64 / (class_counts.len() as f64 * count as f64);
    class_counts.iter().map(|&count| if count == 0 { 0.0 } else { weight(count) }).collect()
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    /// Returns the loss and the weight of a mixed batch of three images, and the loss of libtorch
    /// for the same soft targets.
    fn mixed_and_expected(label_smoothing: f64, values: Option<Vec<f64>>) -> ([f64; 2], f64) {
        let logits = Tensor::from_slice2(&[[2.0f64, 1.0, 0.5], [0.0, 1.5, 2.0], [0.3, 3.0, 1.0]]);
        let batch = Batch {
            labels: vec![0, 2, 1],
            mixed: Some(MixedLabels { labels: vec![1, 2, 0], lambda: 0.3 }),
            ..Batch::default()
        };
        let class_weights = values.map(|values| {
            let tensor = Tensor::from_slice(&values);
            Weights { values, tensor }
        });
        let loss = Loss { label_smoothing, class_weights };
        let mix = MixTargets {
            labels: Tensor::from_slice(&[1i64, 2, 0]),
            shares: Tensor::from_slice(&[0.3, 1.0 - 0.3]),
            dominant: Tensor::from_slice(batch.dominant_labels()),
        };
        let labels = Tensor::from_slice(&batch.labels);
        let targets = Targets { labels, mix: Some(mix) };
        let mean = loss.mean(&logits, &targets).unwrap().double_value(&[]);
        let found = [mean, loss.batch_weight(&batch)];
        let one_hot = |labels: &[i64]| Tensor::from_slice(labels).one_hot(3).to_kind(Kind::Double);
        let targets = one_hot(&[0, 2, 1]) * 0.3 + one_hot(&[1, 2, 0]) * 0.7;
        let expected = logits.cross_entropy_loss::<Tensor>(
            &targets,
            None,
            Reduction::Mean,
            -100,
            label_smoothing,
        );
        (found, expected.double_value(&[]))
    }

    #[test]
    fn mixed_batch_has_the_loss_of_its_soft_targets() {
        for label_smoothing in [0.0, 0.1] {
            let (found, expected) = mixed_and_expected(label_smoothing, None);
            assert!((found[0] - expected).abs() < 1e-12);
            assert!((found[1] - 3.0).abs() < 1e-12);
        }
        // Equal weights change the divisor, not the mean.
        let (found, expected) = mixed_and_expected(0.1, Some(vec![2.0; 3]));
        assert!((found[0] - expected).abs() < 1e-12);
        assert!((found[1] - 6.0).abs() < 1e-12);
    }

    #[test]
    fn balanced_weights_are_inverse_to_class_frequency() {
        assert_eq!(balanced(&[30, 10, 0]), [40.0 / 90.0, 40.0 / 30.0, 0.0]);
    }
}
