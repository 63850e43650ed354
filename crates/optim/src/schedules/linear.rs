//! Linear change from the base learning rate to `endFactor` times this rate (`LinearLR` over the
//! whole budget).

use residual_spec::LinearSchedule;

/// Returns the learning rate once `fraction` (0 to 1) of the budget after the warmup is used.
pub(super) fn lr(config: &LinearSchedule, base_lr: f64, fraction: f64) -> f64 {
    base_lr * (1.0 + (config.end_factor - 1.0) * fraction)
}
