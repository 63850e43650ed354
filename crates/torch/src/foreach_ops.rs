//! Element-wise operations on lists of tensors, in few kernel launches (`torch._foreach_*`).

use residual_spec::Result;
use tch::Tensor;
use torch_sys::C_tensor;

use crate::{check, new_tensor, tensor_ptrs};

unsafe extern "C" {
    fn residual_foreach_norm(
        tensors: *const *const C_tensor,
        count: usize,
        output: *mut *mut C_tensor,
    ) -> bool;
    fn residual_foreach_mul(tensors: *const *const C_tensor, count: usize, factor: f64) -> bool;
    fn residual_foreach_mul_tensor(
        tensors: *const *const C_tensor,
        count: usize,
        factor: *const C_tensor,
    ) -> bool;
    fn residual_foreach_unscale(
        tensors: *const *const C_tensor,
        count: usize,
        found_inf: *mut C_tensor,
        inverse_scale: *const C_tensor,
    ) -> bool;
    fn residual_foreach_clamp(tensors: *const *const C_tensor, count: usize, bound: f64) -> bool;
    fn residual_foreach_add(
        tensors: *const *const C_tensor,
        others: *const *const C_tensor,
        count: usize,
        factor: f64,
    ) -> bool;
    fn residual_foreach_copy(
        tensors: *const *const C_tensor,
        others: *const *const C_tensor,
        count: usize,
    ) -> bool;
    fn residual_foreach_lerp(
        tensors: *const *const C_tensor,
        others: *const *const C_tensor,
        count: usize,
        weight: f64,
    ) -> bool;
}

/// Returns a vector with the L2 norm of each tensor.
pub fn foreach_norm(tensors: &[Tensor]) -> Result<Tensor> {
    let list = tensor_ptrs(tensors);
    // SAFETY: the tensors are alive.
    new_tensor(|output| unsafe { residual_foreach_norm(list.as_ptr(), list.len(), output) })
}

/// Computes `x *= factor`.
pub fn foreach_mul(tensors: &[Tensor], factor: f64) -> Result<()> {
    let list = tensor_ptrs(tensors);
    // SAFETY: the tensors are alive.
    check(unsafe { residual_foreach_mul(list.as_ptr(), list.len(), factor) })
}

/// Computes `x *= factor`, where `factor` is a scalar tensor on the device of the tensors.
pub fn foreach_mul_tensor(tensors: &[Tensor], factor: &Tensor) -> Result<()> {
    let list = tensor_ptrs(tensors);
    // SAFETY: the tensors and the factor are alive.
    check(unsafe { residual_foreach_mul_tensor(list.as_ptr(), list.len(), factor.as_ptr()) })
}

/// Computes `x *= inverse_scale` and sets `found_inf` to 1 if a value is not finite, as
/// `torch.amp.GradScaler.unscale_`. `found_inf` and `inverse_scale` are scalar fp32 tensors on the
/// device of the tensors.
pub fn foreach_unscale(
    tensors: &[Tensor],
    found_inf: &Tensor,
    inverse_scale: &Tensor,
) -> Result<()> {
    let list = tensor_ptrs(tensors);
    let (found_inf, inverse_scale) = (found_inf.as_ptr().cast_mut(), inverse_scale.as_ptr());
    // SAFETY: the tensors and both scalars are alive.
    check(unsafe { residual_foreach_unscale(list.as_ptr(), list.len(), found_inf, inverse_scale) })
}

/// Computes `x = min(max(x, -bound), bound)`.
pub fn foreach_clamp(tensors: &[Tensor], bound: f64) -> Result<()> {
    let list = tensor_ptrs(tensors);
    // SAFETY: the tensors are alive.
    check(unsafe { residual_foreach_clamp(list.as_ptr(), list.len(), bound) })
}

/// Computes `x += factor * y`.
pub fn foreach_add(tensors: &[Tensor], others: &[Tensor], factor: f64) -> Result<()> {
    let (x, y) = equal_length_ptrs(tensors, others);
    // SAFETY: the tensors are alive, and both lists have the same length.
    check(unsafe { residual_foreach_add(x.as_ptr(), y.as_ptr(), x.len(), factor) })
}

/// Copies `others` to `tensors`.
pub fn foreach_copy(tensors: &[Tensor], others: &[Tensor]) -> Result<()> {
    if tensors.is_empty() {
        return Ok(()); // ATen rejects empty lists, and a network without batch norm has no buffers
    }
    let (x, y) = equal_length_ptrs(tensors, others);
    // SAFETY: the tensors are alive, and both lists have the same length.
    check(unsafe { residual_foreach_copy(x.as_ptr(), y.as_ptr(), x.len()) })
}

/// Computes `x += weight * (y - x)`.
pub fn foreach_lerp(tensors: &[Tensor], others: &[Tensor], weight: f64) -> Result<()> {
    let (x, y) = equal_length_ptrs(tensors, others);
    // SAFETY: the tensors are alive, and both lists have the same length.
    check(unsafe { residual_foreach_lerp(x.as_ptr(), y.as_ptr(), x.len(), weight) })
}

type TensorPtrs = Vec<*const C_tensor>;

fn equal_length_ptrs(tensors: &[Tensor], others: &[Tensor]) -> (TensorPtrs, TensorPtrs) {
    assert_eq!(tensors.len(), others.len());
    (tensor_ptrs(tensors), tensor_ptrs(others))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(a: &[f64], b: &[f64]) -> [Tensor; 2] {
        [Tensor::from_slice(a), Tensor::from_slice(b)]
    }

    fn values(tensors: &[Tensor]) -> Vec<Vec<f64>> {
        tensors.iter().map(|tensor| Vec::try_from(tensor).unwrap()).collect()
    }

    #[test]
    fn operations_compute_their_formulas() {
        let x = pair(&[3.0, 4.0], &[-1.0]);
        assert_eq!(Vec::<f64>::try_from(foreach_norm(&x).unwrap()).unwrap(), [5.0, 1.0]);
        foreach_mul(&x, 2.0).unwrap();
        assert_eq!(values(&x), [vec![6.0, 8.0], vec![-2.0]]);
        foreach_clamp(&x, 7.0).unwrap();
        assert_eq!(values(&x), [vec![6.0, 7.0], vec![-2.0]]);
        let y = pair(&[0.0, 1.0], &[2.0]);
        foreach_add(&x, &y, 0.5).unwrap();
        assert_eq!(values(&x), [vec![6.0, 7.5], vec![-1.0]]);
        foreach_lerp(&x, &y, 0.5).unwrap();
        assert_eq!(values(&x), [vec![3.0, 4.25], vec![0.5]]);
        foreach_copy(&x, &y).unwrap();
        assert_eq!(values(&x), values(&y));
    }

    #[test]
    fn unscale_detects_non_finite_values() {
        let unscale = |last: f32| {
            let x = [Tensor::from_slice(&[3f32, 4.0]), Tensor::from_slice(&[last])];
            let (found_inf, inverse_scale) = (Tensor::from(0f32), Tensor::from(0.5f32));
            foreach_unscale(&x, &found_inf, &inverse_scale).unwrap();
            assert_eq!(Vec::<f32>::try_from(&x[0]).unwrap(), [1.5, 2.0]);
            found_inf.double_value(&[])
        };
        assert_eq!([1.0, f32::INFINITY, f32::NAN].map(unscale), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn norm_propagates_non_finite_values() {
        let x = pair(&[1.0, f64::NAN], &[f64::INFINITY]);
        let norms: Vec<f64> = Vec::try_from(foreach_norm(&x).unwrap()).unwrap();
        assert!(norms.iter().all(|norm| !norm.is_finite()));
    }
}
