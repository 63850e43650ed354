//! Layer-wise adaptive rate scaling (You et al. 2017): the step of each layer is proportional to
//! the norm of its weights, which keeps training stable at the large learning rates of large
//! batches.
//!
//! For each layer, with the gradient `g` of its weights `w`:
//!
//! ```text
//! trust = trust_coefficient |w| / (|g| + weight_decay |w| + eps)     1 if |w| or |g| is 0
//! v = momentum v + trust (g + weight_decay w)
//! w = w - lr v
//! ```
//!
//! As in PyTorch's SGD, the learning rate multiplies the momentum buffer `v`; in the paper, the
//! buffer includes the learning rate. The results differ only after the learning rate has changed.
//! Parameters of normalization layers and biases are updated by SGD without weight decay, unless
//! `decayNorms` is set.

use residual_spec::{Lars, Result};
use residual_torch::{FusedSgd, foreach_norm, torch_error};
use tch::Tensor;

use crate::{ParamGroup, Update, UpdateRule};

impl UpdateRule for Lars {
    fn state_names(&self) -> &'static [&'static str] {
        &["momentum"]
    }

    fn decays_norms(&self) -> bool {
        self.decay_norms
    }

    /// The trust ratios are computed on the host from the norms of all layers.
    fn reads_on_host(&self) -> bool {
        true
    }

    fn step(&self, group: &ParamGroup, gradients: &[Tensor], update: &Update) -> Result<()> {
        let scaled;
        let gradients = if group.has_decay {
            scaled = scale_by_trust(self, &group.parameters, gradients)?;
            &scaled
        } else {
            gradients
        };
        let fused = FusedSgd {
            scalars: update.scalars,
            momentum: self.momentum,
            weight_decay: 0.0,
            nesterov: false,
            first_step: update.is_first,
            found_inf: update.skip.map(|skip| skip.found_inf),
        };
        fused.step(&group.parameters, gradients, &group.state[0])
    }
}

/// Returns `trust (g + weight_decay w)` of every layer.
fn scale_by_trust(
    config: &Lars,
    parameters: &[Tensor],
    gradients: &[Tensor],
) -> Result<Vec<Tensor>> {
    let _no_grad = tch::no_grad_guard();
    let to_host = |norms: &Tensor| {
        norms.f_to_kind(tch::Kind::Double).and_then(Vec::<f64>::try_from).map_err(torch_error)
    };
    let (weight_norms, gradient_norms) = (foreach_norm(parameters)?, foreach_norm(gradients)?);
    let (weight_norms, gradient_norms) = (to_host(&weight_norms)?, to_host(&gradient_norms)?);
    let layers = parameters.iter().zip(gradients).zip(weight_norms.iter().zip(&gradient_norms));
    layers
        .map(|((parameter, gradient), (weight_norm, gradient_norm))| {
            let trust = if *weight_norm > 0.0 && *gradient_norm > 0.0 {
                config.trust_coefficient * weight_norm
                    / (gradient_norm + config.weight_decay * weight_norm + config.eps)
            } else {
                1.0
            };
            let decay = parameter.detach().f_mul_scalar(config.weight_decay * trust);
            gradient
                .f_mul_scalar(trust)
                .and_then(|scaled| scaled.f_add(&decay?))
                .map_err(torch_error)
        })
        .collect()
}
