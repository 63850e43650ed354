//! Stochastic gradient descent with momentum (`torch.optim.SGD`).
//!
//! ```text
//! g = g + weight_decay w
//! v = momentum v + g          v = g in the first update
//! w = w - lr v                w = w - lr (g + momentum v) with Nesterov
//! ```

use residual_spec::{Result, Sgd};
use residual_torch::FusedSgd;
use tch::Tensor;

use crate::{ParamGroup, Update, UpdateRule};

impl UpdateRule for Sgd {
    fn state_names(&self) -> &'static [&'static str] {
        &["momentum"]
    }

    fn decays_norms(&self) -> bool {
        self.decay_norms
    }

    fn reads_on_host(&self) -> bool {
        false
    }

    fn step(&self, group: &ParamGroup, gradients: &[Tensor], update: &Update) -> Result<()> {
        let fused = FusedSgd {
            scalars: update.scalars,
            momentum: self.momentum,
            weight_decay: group.weight_decay(self.weight_decay),
            nesterov: self.nesterov,
            first_step: update.is_first,
            found_inf: update.skip.map(|skip| skip.found_inf),
        };
        fused.step(&group.parameters, gradients, &group.state[0])
    }
}
