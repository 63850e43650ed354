//! Multiplies the learning rate by `gamma` at each milestone (`MultiStepLR`).

use residual_spec::MultiStepSchedule;

use super::Progress;

pub(super) fn lr(config: &MultiStepSchedule, base_lr: f64, progress: Progress) -> f64 {
    let count = progress.count(config.unit);
    let num_passed = config.milestones.iter().filter(|milestone| **milestone <= count).count();
    base_lr * config.gamma.powi(num_passed as i32)
}
