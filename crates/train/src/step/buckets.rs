//! Tensors that are exchanged together, in few operations.

use residual_spec::Result;
use residual_torch::distributed::ProcessGroup;
use residual_torch::torch_error;
use tch::Tensor;

/// Maximum size of the tensors of an exchange, as PyTorch's `bucket_cap_mb`.
const BUCKET_BYTES: usize = 25 << 20;

/// Returns the sums of tensors over all processes. The next bucket is copied while one is exchanged.
pub fn sum_in_buckets(group: &ProcessGroup, tensors: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut buckets = Vec::new();
    for bucket in to_buckets(tensors) {
        let flat = flatten(bucket)?;
        let work = group.start_all_reduce(&flat)?;
        buckets.push((bucket, flat, work));
    }
    let mut sums = Vec::with_capacity(tensors.len());
    for (bucket, flat, work) in buckets {
        work.wait()?;
        sums.extend(unflatten(&flat, bucket)?);
    }
    Ok(sums)
}

/// Replaces tensors by those of rank 0.
pub fn broadcast_in_buckets(group: &ProcessGroup, tensors: &[Tensor]) -> Result<()> {
    for bucket in to_buckets(tensors) {
        let flat = flatten(bucket)?;
        group.broadcast(&flat, 0)?;
        if group.rank() == 0 {
            continue;
        }
        for (part, tensor) in unflatten(&flat, bucket)?.iter().zip(bucket) {
            tensor.detach().f_copy_(part).map_err(torch_error)?;
        }
    }
    Ok(())
}

/// Returns the values of tensors one after another.
fn flatten(tensors: &[Tensor]) -> Result<Tensor> {
    let flat: Vec<Tensor> = tensors.iter().map(|tensor| tensor.detach().reshape([-1])).collect();
    Tensor::f_cat(&flat, 0).map_err(torch_error)
}

/// Returns views of the values of [`flatten`] in the shapes of the tensors.
fn unflatten(flat: &Tensor, tensors: &[Tensor]) -> Result<Vec<Tensor>> {
    let lens: Vec<i64> = tensors.iter().map(|tensor| tensor.numel() as i64).collect();
    let parts = flat.f_split_with_sizes(&lens, 0).map_err(torch_error)?;
    let views = parts.iter().zip(tensors);
    let views = views.map(|(part, tensor)| part.f_view(tensor.size().as_slice()));
    views.collect::<std::result::Result<_, _>>().map_err(torch_error)
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
