//! What is minimised: cross-entropy, as `torch.nn.CrossEntropyLoss` has it.

use residual_data::{Batch, MixedLabels};
use residual_model::Model;
use residual_spec::{ClassWeights, Result};
use residual_torch::torch_error;
use tch::{Reduction, Tensor};

/// Cross-entropy with label smoothing and class weights.
pub struct Loss {
    label_smoothing: f64,
    /// One a class, where they are not all the same.
    weights: Option<Weights>,
}

struct Weights {
    numbers: Vec<f64>,
    tensor: Tensor,
}

/// What a batch's images show, where the model is.
pub struct Targets {
    pub labels: Tensor,
    /// Where the batch is mixed (mixup, CutMix).
    pub partners: Option<Partners>,
}

pub struct Partners {
    pub labels: Tensor,
    /// Of the labels, and of the partners': two numbers of the loss's type.
    pub shares: Tensor,
    /// Of each image, the label with the larger share.
    pub dominant: Tensor,
}

impl Targets {
    pub fn of(batch: &Batch, model: &Model) -> Result<Targets> {
        let partners = |MixedLabels { labels, lambda }: &MixedLabels| {
            Ok(Partners {
                labels: model.labels(labels)?,
                shares: model.floats(&[*lambda, 1.0 - lambda])?,
                dominant: model.labels(batch.dominant_labels())?,
            })
        };
        let partners = batch.mixed.as_ref().map(partners).transpose()?;
        Ok(Targets { labels: model.labels(&batch.labels)?, partners })
    }

    /// Of each image, the label that is to be found.
    pub fn dominant(&self) -> &Tensor {
        self.partners.as_ref().map_or(&self.labels, |partners| &partners.dominant)
    }
}

impl Loss {
    /// `counts` are the training images of each class; `balanced` weights come from them.
    pub fn new(config: &residual_spec::Loss, counts: &[u64], model: &Model) -> Result<Loss> {
        let numbers = match &config.class_weights {
            ClassWeights::None => None,
            ClassWeights::Given(given) => Some(given.weights.clone()),
            ClassWeights::Balanced => Some(balanced(counts)),
        };
        let weights = numbers
            .map(|numbers| {
                let tensor = model.floats(&numbers)?;
                Ok(Weights { numbers, tensor })
            })
            .transpose()?;
        Ok(Loss { label_smoothing: config.label_smoothing, weights })
    }

    /// The mean over a batch, each image counted as its class is, of logits `[n, classes]`. A mixed batch
    /// has the losses of both of its labels, by their shares.
    pub fn of(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor> {
        let mean = self.mean(logits, &targets.labels)?;
        let Some(Partners { labels, shares, .. }) = &targets.partners else { return Ok(mean) };
        let partners = self.mean(logits, labels)?;
        let share = |mean: Tensor, of| mean.f_mul(&shares.f_get(of)?);
        share(mean, 0).and_then(|mean| mean.f_add(&share(partners, 1)?)).map_err(torch_error)
    }

    /// What the mean over a batch is divided by: the number of images, or the sum of their classes'
    /// weights.
    pub fn weight(&self, batch: &Batch) -> f64 {
        let own = self.weight_of(&batch.labels);
        batch.mixed.as_ref().map_or(own, |MixedLabels { labels, lambda }| {
            lambda * own + (1.0 - lambda) * self.weight_of(labels)
        })
    }

    fn mean(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let weights = self.weights.as_ref().map(|weights| &weights.tensor);
        logits
            .f_cross_entropy_loss(labels, weights, Reduction::Mean, -100, self.label_smoothing)
            .map_err(torch_error)
    }

    fn weight_of(&self, labels: &[i64]) -> f64 {
        match &self.weights {
            None => labels.len() as f64,
            Some(weights) => labels.iter().map(|&label| weights.numbers[label as usize]).sum(),
        }
    }
}

/// `images / (classes * the class's images)`, as scikit-learn's `balanced`. A class without images
/// does not occur, and weighs nothing.
fn balanced(counts: &[u64]) -> Vec<f64> {
    let images: u64 = counts.iter().sum();
    let weight = |count: u64| images as f64 / (counts.len() as f64 * count as f64);
    counts.iter().map(|&count| if count == 0 { 0.0 } else { weight(count) }).collect()
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    /// The loss of a batch of three, and PyTorch's of the same soft targets.
    fn mixed_and_wanted(label_smoothing: f64, numbers: Option<Vec<f64>>) -> ([f64; 2], f64) {
        let logits = Tensor::from_slice2(&[[2.0f64, 1.0, 0.5], [0.0, 1.5, 2.0], [0.3, 3.0, 1.0]]);
        let batch = Batch {
            labels: vec![0, 2, 1],
            mixed: Some(MixedLabels { labels: vec![1, 2, 0], lambda: 0.3 }),
            ..Batch::default()
        };
        let weights = numbers.map(|numbers| {
            let tensor = Tensor::from_slice(&numbers);
            Weights { numbers, tensor }
        });
        let loss = Loss { label_smoothing, weights };
        let partners = Partners {
            labels: Tensor::from_slice(&[1i64, 2, 0]),
            shares: Tensor::from_slice(&[0.3, 1.0 - 0.3]),
            dominant: Tensor::from_slice(batch.dominant_labels()),
        };
        let labels = Tensor::from_slice(&batch.labels);
        let targets = Targets { labels, partners: Some(partners) };
        let mean = loss.of(&logits, &targets).unwrap().double_value(&[]);
        let found = [mean, loss.weight(&batch)];
        let one_hot = |labels: &[i64]| Tensor::from_slice(labels).one_hot(3).to_kind(Kind::Double);
        let targets = one_hot(&[0, 2, 1]) * 0.3 + one_hot(&[1, 2, 0]) * 0.7;
        let wanted = logits.cross_entropy_loss::<Tensor>(
            &targets,
            None,
            Reduction::Mean,
            -100,
            label_smoothing,
        );
        (found, wanted.double_value(&[]))
    }

    #[test]
    fn a_mixed_batch_has_the_loss_of_its_soft_targets() {
        for label_smoothing in [0.0, 0.1] {
            let (found, wanted) = mixed_and_wanted(label_smoothing, None);
            assert!((found[0] - wanted).abs() < 1e-12);
            assert!((found[1] - 3.0).abs() < 1e-12);
        }
        // Equal weights change the divisor, not the mean.
        let (found, wanted) = mixed_and_wanted(0.1, Some(vec![2.0; 3]));
        assert!((found[0] - wanted).abs() < 1e-12);
        assert!((found[1] - 6.0).abs() < 1e-12);
    }

    #[test]
    fn a_balanced_class_weighs_inversely_to_its_frequency() {
        assert_eq!(balanced(&[30, 10, 0]), [40.0 / 90.0, 40.0 / 30.0, 0.0]);
    }
}
