//! Half a cosine from the base learning rate to `minLr` (`CosineAnnealingLR`).

use residual_spec::CosineSchedule;

/// Returns the learning rate once `fraction` (0 to 1) of the budget after the warmup is used.
pub(super) fn lr(config: &CosineSchedule, base_lr: f64, fraction: f64) -> f64 {
    let half_wave = (1.0 + (std::f64::consts::PI * fraction).cos()) / 2.0;
    config.min_lr + (base_lr - config.min_lr) * half_wave
}
