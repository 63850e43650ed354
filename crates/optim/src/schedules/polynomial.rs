//! `(1 - fraction) ^ power` times the base rate (`PolynomialLR` over the whole budget).

use residual_spec::PolynomialSchedule;

/// `fraction` is the used share of the budget after the warmup.
pub(super) fn lr(config: &PolynomialSchedule, base_lr: f64, fraction: f64) -> f64 {
    base_lr * (1.0 - fraction).powf(config.power)
}
