//! Gradients between the backward pass and the update: summed over batches, clipped, checked.

use residual_spec::{Gradient, Result};
use residual_torch::{foreach_add, foreach_clamp, foreach_mul, foreach_norm, torch_error};
use tch::{Kind, Tensor};

/// Gradients of one or more batches, on the way to their mean.
#[derive(Default)]
pub struct Accumulated {
    /// `weight` times the mean, once there is more than one batch.
    gradients: Vec<Tensor>,
    weight: f64,
    batches: u32,
}

impl Accumulated {
    pub fn batches(&self) -> u32 {
        self.batches
    }

    /// What the batches count for.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Adds a batch's gradients; they count by its `weight`, so that the mean over unequal batches
    /// is that over all of their images.
    pub fn add(&mut self, gradients: Vec<Tensor>, weight: f64) -> Result<()> {
        match self.batches {
            0 => self.gradients = gradients,
            1 => {
                foreach_mul(&self.gradients, self.weight)?;
                foreach_add(&self.gradients, &gradients, weight)?;
            }
            _ => foreach_add(&self.gradients, &gradients, weight)?,
        }
        self.weight += weight;
        self.batches += 1;
        Ok(())
    }

    /// The mean; begins anew.
    pub fn take(&mut self) -> Result<Vec<Tensor>> {
        let Accumulated { gradients, weight, batches } = std::mem::take(self);
        if batches > 1 {
            foreach_mul(&gradients, 1.0 / weight)?;
        }
        Ok(gradients)
    }
}

/// Clips gradients in place: first each number (`clip_grad_value_`), then their common norm
/// (`clip_grad_norm_`). Gives the norm that they had before; if that is not finite, they are left
/// as they are, for no update may be made of them.
pub fn clip(gradients: &[Tensor], config: &Gradient) -> Result<f64> {
    let before = common_norm(gradients)?;
    if !before.is_finite() {
        return Ok(before);
    }
    let mut norm = before;
    if let Some(bound) = config.clip_value {
        foreach_clamp(gradients, bound)?;
        if config.clip_norm.is_some() {
            norm = common_norm(gradients)?;
        }
    }
    if let Some(bound) = config.clip_norm {
        // PyTorch's 1e-6 keeps a norm of zero from dividing.
        let factor = bound / (norm + 1e-6);
        if factor < 1.0 {
            foreach_mul(gradients, factor)?;
        }
    }
    Ok(before)
}

/// The Euclidean norm of all numbers of all tensors; not finite if one of them is not.
pub fn common_norm(tensors: &[Tensor]) -> Result<f64> {
    foreach_norm(tensors)?
        .f_to_kind(Kind::Double)
        .and_then(|norms| norms.f_norm())
        .and_then(|norm| norm.f_double_value(&[]))
        .map_err(torch_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(numbers: &[f64]) -> Vec<Tensor> {
        vec![Tensor::from_slice(numbers)]
    }

    fn numbers(tensors: &[Tensor]) -> Vec<f64> {
        Vec::try_from(&tensors[0]).unwrap()
    }

    #[test]
    fn batches_count_by_their_images() {
        let mut sum = Accumulated::default();
        sum.add(one(&[1.0, 2.0]), 3.0).unwrap();
        sum.add(one(&[5.0, 6.0]), 1.0).unwrap();
        assert_eq!(sum.batches(), 2);
        assert_eq!(numbers(&sum.take().unwrap()), [2.0, 3.0]);
        assert_eq!(sum.batches(), 0);
    }

    #[test]
    fn numbers_are_cut_before_the_norm_is() {
        let config = Gradient { clip_norm: Some(2.5), clip_value: Some(4.0), accumulate: 1 };
        let gradients = one(&[3.0, 40.0]);
        let norm = clip(&gradients, &config).unwrap();
        assert!((norm - 1609f64.sqrt()).abs() < 1e-12);
        numbers(&gradients).iter().zip([1.5, 2.0]).for_each(|(a, b)| assert!((a - b).abs() < 1e-6));
    }

    #[test]
    fn what_is_not_finite_is_told_and_left_alone() {
        let config = Gradient { clip_norm: Some(1.0), clip_value: Some(1.0), accumulate: 1 };
        let gradients = one(&[3.0, f64::INFINITY]);
        assert!(!clip(&gradients, &config).unwrap().is_finite());
        assert_eq!(numbers(&gradients)[0], 3.0);
    }
}
