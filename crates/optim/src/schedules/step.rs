//! Multiplies the learning rate by `gamma` every `stepSize` epochs or steps (`StepLR`).

use residual_spec::StepSchedule;

use super::Progress;

pub(super) fn lr(config: &StepSchedule, base_lr: f64, progress: Progress) -> f64 {
    base_lr * config.gamma.powf((progress.count(config.unit) / config.step_size) as f64)
}
