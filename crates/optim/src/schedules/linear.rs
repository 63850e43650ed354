//! A line from the base rate to `endFactor` times that rate (`LinearLR` over the whole budget).

use residual_spec::LinearSchedule;

/// `fraction` is the used share of the budget after the warmup.
pub(super) fn lr(config: &LinearSchedule, base_lr: f64, fraction: f64) -> f64 {
    base_lr * (1.0 + (config.end_factor - 1.0) * fraction)
}
