//! Layer-wise adaptive rate scaling (You et al. 2017): every layer's step is made proportional to
//! its own weights' size, so that a large batch's large rate tears no layer apart.
//!
//! For each layer, with the gradient `g` of its weights `w`:
//!
//! ```text
//! trust = trust_coefficient |w| / (|g| + weight_decay |w| + eps)     1 where |w| or |g| is 0
//! v = momentum v + trust (g + weight_decay w)
//! w = w - lr v
//! ```
//!
//! The rate stands outside the momentum, as in PyTorch's SGD (the paper has it inside; the two
//! differ only while the rate changes). Norms and biases are left out, unless `decayNorms` says
//! otherwise: they move as in SGD without weight decay.

use residual_spec::{Lars, Result};
use residual_torch::{foreach_norm, torch_error};
use tch::Tensor;

/// `trust (g + weight_decay w)` of every layer.
pub(crate) fn scaled_layer_by_layer(
    rule: &Lars,
    parameters: &[Tensor],
    gradients: &[Tensor],
) -> Result<Vec<Tensor>> {
    let _no_grad = tch::no_grad_guard();
    let numbers = |norms: &Tensor| {
        norms.f_to_kind(tch::Kind::Double).and_then(Vec::<f64>::try_from).map_err(torch_error)
    };
    let (weight_norms, gradient_norms) = (foreach_norm(parameters)?, foreach_norm(gradients)?);
    let (weight_norms, gradient_norms) = (numbers(&weight_norms)?, numbers(&gradient_norms)?);
    let layers = parameters.iter().zip(gradients).zip(weight_norms.iter().zip(&gradient_norms));
    layers
        .map(|((parameter, gradient), (weight, slope))| {
            let trust = match *weight > 0.0 && *slope > 0.0 {
                true => {
                    rule.trust_coefficient * weight
                        / (slope + rule.weight_decay * weight + rule.eps)
                }
                false => 1.0,
            };
            let decayed = parameter.detach().f_mul_scalar(rule.weight_decay * trust);
            gradient
                .f_mul_scalar(trust)
                .and_then(|scaled| scaled.f_add(&decayed?))
                .map_err(torch_error)
        })
        .collect()
}
