//! Multiplies the rate by `gamma` at each milestone (`MultiStepLR`).

use residual_spec::MultiStepSchedule;

use super::Progress;

pub(super) fn lr(config: &MultiStepSchedule, base_lr: f64, progress: Progress) -> f64 {
    let count = progress.count(config.unit);
    let passed = config.milestones.iter().filter(|milestone| **milestone <= count).count();
    base_lr * config.gamma.powi(passed as i32)
}
