//! The one-cycle policy with two phases (Smith 2017, `OneCycleLR`).

use residual_spec::{AnnealStrategy, OneCycleSchedule};

/// Increases the rate up to `peak_lr`, then decreases it. PyTorch ends each phase with an update,
/// so that the last update has the lowest rate; each phase is therefore `step_fraction` shorter
/// than its share of the budget.
pub(super) fn lr(
    config: &OneCycleSchedule,
    peak_lr: f64,
    fraction: f64,
    step_fraction: f64,
) -> f64 {
    let start_lr = peak_lr / config.div_factor;
    let rise = config.pct_start - step_fraction;
    let (from, to, share) = if fraction < rise {
        (start_lr, peak_lr, fraction / rise)
    } else {
        let share = (fraction - rise) / (1.0 - config.pct_start);
        (peak_lr, start_lr / config.final_div_factor, share)
    };
    let share = share.clamp(0.0, 1.0);
    match config.anneal_strategy {
        AnnealStrategy::Linear => from + (to - from) * share,
        AnnealStrategy::Cos => {
            to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * share).cos())
        }
    }
}
