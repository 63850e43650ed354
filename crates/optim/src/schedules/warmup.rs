//! Warmup: a smaller learning rate at the start of a run, with any schedule.

/// A linear increase of the rate (`LinearLR`), or a constant rate until an accuracy is reached (He
/// et al. 2015, section 4.2).
pub(super) struct Warmup {
    pub steps: f64,
    /// Factor of the rate at the start.
    pub from: f64,
    /// Share of the budget that the warmup takes; 0 if the budget is not known in steps.
    pub share: f64,
    /// Training accuracy that ends a warmup at a constant rate. It replaces the linear increase.
    pub until_accuracy: Option<f64>,
}

impl Warmup {
    pub fn new(
        config: &residual_spec::Warmup,
        steps_per_epoch: u64,
        total_steps: Option<u64>,
    ) -> Warmup {
        let steps = config.epochs * steps_per_epoch as f64;
        Warmup {
            steps,
            from: config.start_factor,
            share: total_steps.map_or(0.0, |total| (steps / total as f64).min(1.0)),
            until_accuracy: config.until_accuracy,
        }
    }

    /// Returns the factor of the scheduled rate after `step` updates. `has_ended` tells whether
    /// `until_accuracy` was reached.
    pub fn factor(&self, step: u64, has_ended: bool) -> f64 {
        if self.until_accuracy.is_some() {
            return if has_ended { 1.0 } else { self.from };
        }
        let step = step as f64;
        if step < self.steps { self.from + (1.0 - self.from) * step / self.steps } else { 1.0 }
    }

    /// Returns the used share of the budget that remains after the warmup (`SequentialLR`).
    pub fn fraction_after(&self, fraction: f64) -> f64 {
        let rest = (1.0 - self.share).max(f64::EPSILON);
        ((fraction - self.share) / rest).clamp(0.0, 1.0)
    }
}
