//! `(1 - fraction) ^ power` times the base learning rate (`PolynomialLR` over the whole budget).

use residual_spec::PolynomialSchedule;

/// Returns the learning rate once `fraction` (0 to 1) of the budget after the warmup is used.
pub(super) fn lr(config: &PolynomialSchedule, base_lr: f64, fraction: f64) -> f64 {
    base_lr * (1.0 - fraction).powf(config.power)
}
