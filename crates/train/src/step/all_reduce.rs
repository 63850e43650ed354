//! Gradients and metrics of a step, summed over all processes.

use residual_spec::Result;
use residual_torch::distributed::ProcessGroup;
use residual_torch::{foreach_mul, torch_error};
use tch::Tensor;

use crate::position::RunningMetrics;

/// Size of the tensors that are exchanged, as PyTorch's `bucket_cap_mb`.
const BUCKET_BYTES: usize = 25 << 20;

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

/// Sums tensors over all processes, several at a time. The next bucket is copied while one is
/// exchanged.
fn sum_in_buckets(group: &ProcessGroup, tensors: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut buckets = Vec::new();
    for bucket in to_buckets(tensors) {
        let flat: Vec<Tensor> = bucket.iter().map(|tensor| tensor.reshape([-1])).collect();
        let flat = Tensor::f_cat(&flat, 0).map_err(torch_error)?;
        buckets.push((bucket, flat.shallow_clone(), group.start_all_reduce(&flat)?));
    }
    let mut sums = Vec::with_capacity(tensors.len());
    for (bucket, flat, work) in buckets {
        work.wait()?;
        let lens: Vec<i64> = bucket.iter().map(|tensor| tensor.numel() as i64).collect();
        let parts = flat.f_split_with_sizes(&lens, 0).map_err(torch_error)?;
        for (part, tensor) in parts.iter().zip(bucket) {
            sums.push(part.f_view(tensor.size().as_slice()).map_err(torch_error)?);
        }
    }
    Ok(sums)
}

/// Divides tensors into runs of one type and at most [`BUCKET_BYTES`].
fn to_buckets(tensors: &[Tensor]) -> Vec<&[Tensor]> {
    let size = |tensor: &Tensor| tensor.numel() * tensor.kind().elt_size_in_bytes();
    let mut buckets = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (i, tensor) in tensors.iter().enumerate() {
        let is_other_kind = i > start && tensor.kind() != tensors[start].kind();
        if i > start && (is_other_kind || bytes + size(tensor) > BUCKET_BYTES) {
            buckets.push(&tensors[start..i]);
            (start, bytes) = (i, 0);
        }
        bytes += size(tensor);
    }
    if start < tensors.len() {
        buckets.push(&tensors[start..]);
    }
    buckets
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn buckets_hold_all_tensors_in_order() {
        let zeros = |len: i64, kind| Tensor::zeros([len], (kind, Device::Cpu));
        let large = (BUCKET_BYTES / 4) as i64;
        let tensors = [
            zeros(large, Kind::Float),
            zeros(8, Kind::Float),
            zeros(8, Kind::Double),
            zeros(8, Kind::Double),
            zeros(2 * large, Kind::Double),
        ];
        let lens: Vec<usize> = to_buckets(&tensors).iter().map(|bucket| bucket.len()).collect();
        assert_eq!(lens, [1, 1, 2, 1]);
        assert!(to_buckets(&[]).is_empty());
    }
}
