//! Gradient clipping.

use residual_spec::{Gradient, Result};
use residual_torch::{foreach_clamp, foreach_mul, foreach_mul_tensor, foreach_norm, torch_error};
use tch::{Kind, Tensor};

/// Added to the norm to avoid a division by zero, as in `clip_grad_norm_`.
const NORM_EPS: f64 = 1e-6;

/// Clips gradients in place, first by value (`clip_grad_value_`), then by global norm
/// (`clip_grad_norm_`), and returns the global norm before clipping. If this norm is not finite,
/// the gradients stay unchanged, because the caller makes no update with them.
pub fn clip_gradients(gradients: &[Tensor], config: &Gradient) -> Result<f64> {
    let total_norm = global_norm(gradients)?;
    if !total_norm.is_finite() {
        return Ok(total_norm);
    }
    let mut norm = total_norm;
    if let Some(bound) = config.clip_value {
        foreach_clamp(gradients, bound)?;
        if config.clip_norm.is_some() {
            norm = global_norm(gradients)?;
        }
    }
    if let Some(bound) = config.clip_norm {
        let clip_coef = bound / (norm + NORM_EPS);
        if clip_coef < 1.0 {
            foreach_mul(gradients, clip_coef)?;
        }
    }
    Ok(total_norm)
}

/// As [`clip_gradients`], without synchronization with the host. `norm` is the global norm of the
/// gradients. The device has to skip the update if this norm is not finite.
pub fn clip_gradients_on_device(
    gradients: &[Tensor],
    norm: &Tensor,
    config: &Gradient,
) -> Result<()> {
    let mut norm = norm.shallow_clone();
    if let Some(bound) = config.clip_value {
        foreach_clamp(gradients, bound)?;
        norm = global_norm_on_device(gradients)?;
    }
    if let Some(bound) = config.clip_norm {
        let clip_coef = norm
            .f_add_scalar(NORM_EPS)
            .and_then(|norm| norm.f_full_like(bound)?.f_div(&norm)?.f_clamp_max(1.0))
            .map_err(torch_error)?;
        foreach_mul_tensor(gradients, &clip_coef)?;
    }
    Ok(())
}

/// Returns the Euclidean norm over all elements of all tensors. The norm is not finite if an
/// element is not finite.
pub fn global_norm(tensors: &[Tensor]) -> Result<f64> {
    global_norm_on_device(tensors)?.f_double_value(&[]).map_err(torch_error)
}

/// Returns the norm of [`global_norm`] as a scalar fp64 tensor on the device of the tensors.
pub fn global_norm_on_device(tensors: &[Tensor]) -> Result<Tensor> {
    foreach_norm(tensors)?
        .f_to_kind(Kind::Double)
        .and_then(|norms| norms.f_norm())
        .map_err(torch_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tensors: &[Tensor]) -> Vec<f64> {
        Vec::try_from(&tensors[0]).unwrap()
    }

    #[test]
    fn clips_by_value_before_norm() {
        let config = Gradient { clip_norm: Some(2.5), clip_value: Some(4.0), accumulate: 1 };
        let gradients = [Tensor::from_slice(&[3.0, 40.0])];
        let norm = clip_gradients(&gradients, &config).unwrap();
        assert!((norm - 1609f64.sqrt()).abs() < 1e-12);
        values(&gradients).iter().zip([1.5, 2.0]).for_each(|(a, b)| assert!((a - b).abs() < 1e-6));
    }

    #[test]
    fn leaves_gradients_unchanged_if_the_norm_is_not_finite() {
        let config = Gradient { clip_norm: Some(1.0), clip_value: Some(1.0), accumulate: 1 };
        let gradients = [Tensor::from_slice(&[3.0, f64::INFINITY])];
        assert!(!clip_gradients(&gradients, &config).unwrap().is_finite());
        assert_eq!(values(&gradients)[0], 3.0);
    }
}
