//! Adam (Kingma & Ba 2014, `torch.optim.Adam`) and AdamW (Loshchilov & Hutter 2017,
//! `torch.optim.AdamW`), both with bias-corrected moments.

use residual_spec::{Adam, Result};
use residual_torch::FusedAdam;
use tch::Tensor;

use crate::{ParamGroup, Update, UpdateRule};

pub(crate) struct AdamRule {
    config: Adam,
    /// Whether weight decay acts on the weights directly (AdamW) instead of on the gradients.
    has_decoupled_decay: bool,
}

impl AdamRule {
    pub fn adam(config: &Adam) -> AdamRule {
        AdamRule { config: config.clone(), has_decoupled_decay: false }
    }

    pub fn adamw(config: &Adam) -> AdamRule {
        AdamRule { config: config.clone(), has_decoupled_decay: true }
    }
}

impl UpdateRule for AdamRule {
    fn state_names(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn decays_norms(&self) -> bool {
        self.config.decay_norms
    }

    fn reads_on_host(&self) -> bool {
        false
    }

    fn step(&self, group: &ParamGroup, gradients: &[Tensor], update: &Update) -> Result<()> {
        let fused = FusedAdam {
            scalars: update.scalars,
            betas: self.config.betas,
            eps: self.config.eps,
            weight_decay: group.weight_decay(self.config.weight_decay),
            decoupled: self.has_decoupled_decay,
            found_inf: update.skip.map(|skip| skip.found_inf),
            num_skipped: update.skip.and_then(|skip| skip.skipped_steps),
        };
        fused.step(&group.parameters, gradients, &group.state[0], &group.state[1])
    }
}
