//! Warmup: a smaller learning rate at the start of a run, with any schedule.

/// A linear increase of the learning rate (`LinearLR`), or a constant rate until an accuracy is
/// reached (He et al. 2015, section 4.2).
pub(super) struct Warmup {
    pub steps: f64,
    /// Factor of the learning rate at the start.
    pub start_factor: f64,
    /// Fraction of the budget that the warmup takes; 0 if the budget in steps is unknown.
    pub budget_fraction: f64,
    /// Training accuracy that ends a warmup at a constant rate, which replaces the linear increase.
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
            start_factor: config.start_factor,
            budget_fraction: total_steps.map_or(0.0, |total| (steps / total as f64).min(1.0)),
            until_accuracy: config.until_accuracy,
        }
    }

    /// Returns the factor of the scheduled learning rate after `step` updates. `has_ended` is
    /// whether `until_accuracy` was reached.
    pub fn factor(&self, step: u64, has_ended: bool) -> f64 {
        if self.until_accuracy.is_some() {
            return if has_ended { 1.0 } else { self.start_factor };
        }
        let step = step as f64;
        if step < self.steps {
            self.start_factor + (1.0 - self.start_factor) * step / self.steps
        } else {
            1.0
        }
    }

    /// Converts a used fraction of the budget to a used fraction (0 to 1) of the budget after the
    /// warmup, as `SequentialLR` counts it.
    pub fn fraction_after_warmup(&self, fraction: f64) -> f64 {
        let remaining = (1.0 - self.budget_fraction).max(f64::EPSILON);
        ((fraction - self.budget_fraction) / remaining).clamp(0.0, 1.0)
    }
}
