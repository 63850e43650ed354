//! The same small operation on every tensor of a list, in a few kernels (`torch._foreach_*`).

use residual_spec::Result;
use tch::Tensor;
use torch_sys::C_tensor;

use crate::{checked, made, pointers};

unsafe extern "C" {
    fn residual_norms(
        tensors: *const *const C_tensor,
        count: usize,
        output: *mut *mut C_tensor,
    ) -> bool;
    fn residual_scale(tensors: *const *const C_tensor, count: usize, factor: f64) -> bool;
    fn residual_scale_by(
        tensors: *const *const C_tensor,
        count: usize,
        factor: *const C_tensor,
    ) -> bool;
    fn residual_unscale(
        tensors: *const *const C_tensor,
        count: usize,
        found: *mut C_tensor,
        inverse: *const C_tensor,
    ) -> bool;
    fn residual_clamp(tensors: *const *const C_tensor, count: usize, bound: f64) -> bool;
    fn residual_add_scaled(
        tensors: *const *const C_tensor,
        others: *const *const C_tensor,
        count: usize,
        factor: f64,
    ) -> bool;
    fn residual_copy(
        tensors: *const *const C_tensor,
        others: *const *const C_tensor,
        count: usize,
    ) -> bool;
    fn residual_lerp(
        tensors: *const *const C_tensor,
        others: *const *const C_tensor,
        count: usize,
        weight: f64,
    ) -> bool;
}

/// The Euclidean norm of each tensor, as one vector.
pub fn foreach_norm(tensors: &[Tensor]) -> Result<Tensor> {
    let list = pointers(tensors);
    // SAFETY: the list is alive.
    made(|output| unsafe { residual_norms(list.as_ptr(), list.len(), output) })
}

/// `x *= factor`.
pub fn foreach_mul(tensors: &[Tensor], factor: f64) -> Result<()> {
    let list = pointers(tensors);
    // SAFETY: the list is alive.
    checked(unsafe { residual_scale(list.as_ptr(), list.len(), factor) })
}

/// `x *= factor`, a tensor of one number on their device.
pub fn foreach_mul_tensor(tensors: &[Tensor], factor: &Tensor) -> Result<()> {
    let list = pointers(tensors);
    // SAFETY: the list and the factor are alive.
    checked(unsafe { residual_scale_by(list.as_ptr(), list.len(), factor.as_ptr()) })
}

/// `x *= inverse`; `found` becomes 1 where one of the numbers is not finite. Both are tensors of one
/// fp32 number on the device of the others.
pub fn foreach_unscale(tensors: &[Tensor], found: &Tensor, inverse: &Tensor) -> Result<()> {
    let list = pointers(tensors);
    let (found, inverse) = (found.as_ptr().cast_mut(), inverse.as_ptr());
    // SAFETY: the list and both numbers are alive.
    checked(unsafe { residual_unscale(list.as_ptr(), list.len(), found, inverse) })
}

/// `x = min(max(x, -bound), bound)`.
pub fn foreach_clamp(tensors: &[Tensor], bound: f64) -> Result<()> {
    let list = pointers(tensors);
    // SAFETY: the list is alive.
    checked(unsafe { residual_clamp(list.as_ptr(), list.len(), bound) })
}

/// `x += factor y`.
pub fn foreach_add(tensors: &[Tensor], others: &[Tensor], factor: f64) -> Result<()> {
    let (x, y) = parallel(tensors, others);
    // SAFETY: the lists are alive and of one length.
    checked(unsafe { residual_add_scaled(x.as_ptr(), y.as_ptr(), x.len(), factor) })
}

/// `x = y`.
pub fn foreach_copy(tensors: &[Tensor], others: &[Tensor]) -> Result<()> {
    if tensors.is_empty() {
        return Ok(()); // a network that normalizes nothing has no running statistics
    }
    let (x, y) = parallel(tensors, others);
    // SAFETY: the lists are alive and of one length.
    checked(unsafe { residual_copy(x.as_ptr(), y.as_ptr(), x.len()) })
}

/// `x += weight (y - x)`.
pub fn foreach_lerp(tensors: &[Tensor], others: &[Tensor], weight: f64) -> Result<()> {
    let (x, y) = parallel(tensors, others);
    // SAFETY: the lists are alive and of one length.
    checked(unsafe { residual_lerp(x.as_ptr(), y.as_ptr(), x.len(), weight) })
}

type Pointers = Vec<*const C_tensor>;

fn parallel(tensors: &[Tensor], others: &[Tensor]) -> (Pointers, Pointers) {
    assert_eq!(tensors.len(), others.len());
    (pointers(tensors), pointers(others))
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
    fn every_operation_does_what_its_formula_says() {
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
    fn what_is_not_finite_is_found_while_it_is_scaled_back() {
        let found_in = |b: f32| {
            let x = [Tensor::from_slice(&[3f32, 4.0]), Tensor::from_slice(&[b])];
            let (found, inverse) = (Tensor::from(0f32), Tensor::from(0.5f32));
            foreach_unscale(&x, &found, &inverse).unwrap();
            assert_eq!(Vec::<f32>::try_from(&x[0]).unwrap(), [1.5, 2.0]);
            found.double_value(&[])
        };
        assert_eq!([1.0, f32::INFINITY, f32::NAN].map(found_in), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn a_norm_tells_what_is_not_a_number() {
        let x = pair(&[1.0, f64::NAN], &[f64::INFINITY]);
        let norms: Vec<f64> = Vec::try_from(foreach_norm(&x).unwrap()).unwrap();
        assert!(norms.iter().all(|norm| !norm.is_finite()));
    }
}
