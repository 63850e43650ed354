//! Gradients and metrics of a step, summed over all processes.

use residual_spec::Result;
use residual_torch::distributed::ProcessGroup;
use residual_torch::{foreach_mul, torch_error};
use tch::Tensor;

use super::buckets::sum_in_buckets;
use crate::position::RunningMetrics;

/// A process's part of a step, or after [`all_reduce`], the whole step.
pub(super) struct StepSums {
    /// Sum of the gradients, each multiplied by its weight; empty without images.
    pub gradients: Vec<Tensor>,
    pub weight: f64,
    pub metrics: RunningMetrics,
    /// Whether a loss was not finite.
    pub is_diverged: bool,
}

/// Sums a step over all processes. Returns the same values on each. The gradients are the means over
/// all images; they are empty if no image has a weight.
pub(super) fn all_reduce(
    group: &ProcessGroup,
    parameters: &[Tensor],
    step: StepSums,
) -> Result<StepSums> {
    let StepSums { gradients, weight, metrics, is_diverged } = step;
    let RunningMetrics { loss_sum, num_correct, count } = metrics;
    let flag = f64::from(u8::from(is_diverged));
    let sums = Tensor::from_slice(&[loss_sum, num_correct as f64, count as f64, weight, flag]);
    group.all_reduce(&sums)?;
    let sums = Vec::<f64>::try_from(&sums).map_err(torch_error)?;
    let metrics =
        RunningMetrics { loss_sum: sums[0], num_correct: sums[1] as u64, count: sums[2] as u64 };
    let (weight, is_diverged) = (sums[3], sums[4] > 0.0);
    if weight == 0.0 || is_diverged {
        return Ok(StepSums { gradients: Vec::new(), weight, metrics, is_diverged });
    }
    let gradients = if gradients.is_empty() { zeros_like(parameters)? } else { gradients };
    let gradients = sum_in_buckets(group, &gradients)?;
    foreach_mul(&gradients, 1.0 / weight)?;
    Ok(StepSums { gradients, weight, metrics, is_diverged })
}

fn zeros_like(parameters: &[Tensor]) -> Result<Vec<Tensor>> {
    let zeros = |tensor: &Tensor| tensor.f_zeros_like().map(|zeros| zeros.set_requires_grad(false));
    parameters.iter().map(zeros).collect::<std::result::Result<_, _>>().map_err(torch_error)
}
