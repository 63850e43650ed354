//! The one-cycle policy with two phases (Smith 2017, `OneCycleLR`).

use residual_spec::{AnnealStrategy, OneCycleSchedule};

/// Increases the learning rate to `peak_lr` during the first `pctStart` of the budget, then
/// decreases it. As in PyTorch, both phases end one update (`step_fraction` of the budget) earlier,
/// so that the last update has the lowest learning rate.
pub(super) fn lr(
    config: &OneCycleSchedule,
    peak_lr: f64,
    fraction: f64,
    step_fraction: f64,
) -> f64 {
    let start_lr = peak_lr / config.div_factor;
    let peak_fraction = config.pct_start - step_fraction;
    let (from, to, phase_fraction) = if fraction < peak_fraction {
        (start_lr, peak_lr, fraction / peak_fraction)
    } else {
        let phase_fraction = (fraction - peak_fraction) / (1.0 - config.pct_start);
        (peak_lr, start_lr / config.final_div_factor, phase_fraction)
    };
    let phase_fraction = phase_fraction.clamp(0.0, 1.0);
    match config.anneal_strategy {
        AnnealStrategy::Linear => from + (to - from) * phase_fraction,
        AnnealStrategy::Cos => {
            to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * phase_fraction).cos())
        }
    }
}
