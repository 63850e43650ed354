//! Gradient accumulation over several batches.

use residual_spec::Result;
use residual_torch::{foreach_add, foreach_mul};
use tch::Tensor;

/// The weighted sum of the gradients of one or more batches.
#[derive(Default)]
pub(super) struct GradAccumulator {
    /// Mean gradients of the batch if there is only one; otherwise the sum of the mean gradients of
    /// the batches, each multiplied by its weight.
    gradients: Vec<Tensor>,
    weight: f64,
    num_batches: u32,
}

impl GradAccumulator {
    pub fn num_batches(&self) -> u32 {
        self.num_batches
    }

    /// Adds the mean gradients of a batch. With the number of images as `weight`, the result is the
    /// mean over all images, even if batches differ in size.
    pub fn add(&mut self, gradients: Vec<Tensor>, weight: f64) -> Result<()> {
        match self.num_batches {
            0 => self.gradients = gradients,
            1 => {
                foreach_mul(&self.gradients, self.weight)?;
                foreach_add(&self.gradients, &gradients, weight)?;
            }
            2.. => foreach_add(&self.gradients, &gradients, weight)?,
        }
        self.weight += weight;
        self.num_batches += 1;
        Ok(())
    }

    /// Adds the mean gradients of all micro-batches of one batch as one batch.
    pub fn add_batch(&mut self, mut micro_batches: GradAccumulator) -> Result<()> {
        if micro_batches.num_batches == 0 {
            return Ok(());
        }
        let weight = micro_batches.weight;
        self.add(micro_batches.take()?, weight)
    }

    /// Returns the sum of the gradients, each multiplied by its weight, with the sum of the weights, and
    /// resets the accumulator. Without batches, the list is empty.
    pub fn take_sum(&mut self) -> Result<(Vec<Tensor>, f64)> {
        let GradAccumulator { gradients, weight, num_batches } = std::mem::take(self);
        if num_batches == 1 {
            foreach_mul(&gradients, weight)?;
        }
        Ok((gradients, weight))
    }

    /// Returns the mean gradients and resets the accumulator.
    pub fn take(&mut self) -> Result<Vec<Tensor>> {
        let GradAccumulator { gradients, weight, num_batches } = std::mem::take(self);
        if num_batches > 1 {
            foreach_mul(&gradients, 1.0 / weight)?;
        }
        Ok(gradients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_batches_by_their_number_of_images() {
        let gradients = |values: &[f64]| vec![Tensor::from_slice(values)];
        let mut sum = GradAccumulator::default();
        sum.add(gradients(&[1.0, 2.0]), 3.0).unwrap();
        sum.add(gradients(&[5.0, 6.0]), 1.0).unwrap();
        assert_eq!(sum.num_batches(), 2);
        assert_eq!(Vec::<f64>::try_from(&sum.take().unwrap()[0]).unwrap(), [2.0, 3.0]);
        assert_eq!(sum.num_batches(), 0);

        for count in 1..3 {
            for _ in 0..count {
                sum.add(gradients(&[1.0, 2.0]), 3.0).unwrap();
            }
            let (weighted, weight) = sum.take_sum().unwrap();
            let factor = f64::from(count) * 3.0;
            assert_eq!(Vec::<f64>::try_from(&weighted[0]).unwrap(), [factor, 2.0 * factor]);
            assert_eq!(weight, factor);
        }
    }
}
