//! The learning rate as a function of where the run is; for plateau also of what it measured.

use residual_spec::{
    AnnealStrategy, Metric, OneCycleSchedule, PlateauSchedule, ResolvedConfig, Schedule,
    ScheduleUnit, ThresholdMode,
};
use serde::{Deserialize, Serialize};

/// Where a run is, before an update.
#[derive(Debug, Clone, Copy, Default)]
pub struct Position {
    /// Whole epochs trained.
    pub epoch: u64,
    /// Updates made.
    pub step: u64,
    /// Share of the budget used up, 0 to 1.
    pub fraction: f64,
}

/// The schedule of a run.
pub struct LrSchedule {
    base: f64,
    schedule: Schedule,
    /// Steps of the warm-up.
    warmup_steps: f64,
    /// The share of its rate that it begins with.
    warmup_from: f64,
    /// The share of the budget that it takes, as far as that is known in steps.
    warmup_share: f64,
    /// In place of that: the training accuracy that ends a warm-up at a constant rate.
    warmup_until: Option<f64>,
    /// One update's share of the budget, where that is known in steps.
    one_step: f64,
    state: ScheduleState,
}

/// What a schedule remembers of the epochs so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleState {
    pub plateau: PlateauState,
    /// A warm-up that waits for an accuracy has reached it.
    pub warmed_up: bool,
}

/// What `ReduceLROnPlateau` remembers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlateauState {
    /// The current rate; `None` before the first cut.
    lr: Option<f64>,
    best: Option<f64>,
    bad_epochs: u32,
    cooldown: u32,
}

impl LrSchedule {
    /// `total_steps` is the budget's length, where that is known in steps.
    pub fn new(
        config: &ResolvedConfig,
        steps_per_epoch: u64,
        total_steps: Option<u64>,
        state: ScheduleState,
    ) -> LrSchedule {
        let warmup_steps = config.warmup.epochs * steps_per_epoch as f64;
        LrSchedule {
            base: config.optimizer.lr(),
            schedule: config.schedule.clone(),
            warmup_steps,
            warmup_from: config.warmup.start_factor,
            warmup_share: total_steps.map_or(0.0, |total| (warmup_steps / total as f64).min(1.0)),
            warmup_until: config.warmup.until_accuracy,
            one_step: total_steps.map_or(0.0, |total| 1.0 / total as f64),
            state,
        }
    }

    /// The rate of the update that follows.
    pub fn lr(&self, at: Position) -> f64 {
        self.scheduled(at) * self.warmup_factor(at.step)
    }

    fn scheduled(&self, at: Position) -> f64 {
        match &self.schedule {
            Schedule::Constant => self.base,
            Schedule::Cosine(cosine) => {
                let fraction = self.after_warmup(at.fraction);
                let half_wave = (1.0 + (std::f64::consts::PI * fraction).cos()) / 2.0;
                cosine.min_lr + (self.base - cosine.min_lr) * half_wave
            }
            Schedule::MultiStep(multi) => {
                let done = match multi.unit {
                    ScheduleUnit::Epoch => at.epoch,
                    ScheduleUnit::Step => at.step,
                };
                let cuts = multi.milestones.iter().filter(|milestone| **milestone <= done).count();
                self.base * multi.gamma.powi(cuts as i32)
            }
            Schedule::Plateau(_) => self.state.plateau.lr.unwrap_or(self.base),
            Schedule::Step(step) => {
                let done = match step.unit {
                    ScheduleUnit::Epoch => at.epoch,
                    ScheduleUnit::Step => at.step,
                };
                self.base * step.gamma.powf((done / step.step_size) as f64)
            }
            Schedule::Linear(linear) => {
                let fraction = self.after_warmup(at.fraction);
                self.base * (1.0 + (linear.end_factor - 1.0) * fraction)
            }
            Schedule::Polynomial(polynomial) => {
                self.base * (1.0 - self.after_warmup(at.fraction)).powf(polynomial.power)
            }
            Schedule::OneCycle(cycle) => one_cycle(cycle, self.base, at.fraction, self.one_step),
        }
    }

    /// The share of what follows the warm-up (PyTorch's `SequentialLR`).
    fn after_warmup(&self, fraction: f64) -> f64 {
        let rest = (1.0 - self.warmup_share).max(f64::EPSILON);
        ((fraction - self.warmup_share) / rest).clamp(0.0, 1.0)
    }

    /// As PyTorch's `LinearLR`; or, with `untilAccuracy`, the paper's constant rate.
    fn warmup_factor(&self, step: u64) -> f64 {
        if self.warmup_until.is_some() {
            return if self.state.warmed_up { 1.0 } else { self.warmup_from };
        }
        let step = step as f64;
        match step < self.warmup_steps {
            true => self.warmup_from + (1.0 - self.warmup_from) * step / self.warmup_steps,
            false => 1.0,
        }
    }

    /// The metric that an epoch's end is to bring, if the schedule wants one.
    pub fn metric(&self) -> Option<Metric> {
        match &self.schedule {
            Schedule::Plateau(plateau) => Some(plateau.metric),
            _ => None,
        }
    }

    /// An epoch ended with this value of the metric.
    pub fn observe(&mut self, value: f64) {
        if let Schedule::Plateau(plateau) = &self.schedule {
            self.state.plateau.observe(plateau, self.base, value);
        }
    }

    /// An epoch ended with this accuracy on its training images.
    pub fn observe_training(&mut self, accuracy: f64) {
        if self.warmup_until.is_some_and(|wanted| accuracy >= wanted) {
            self.state.warmed_up = true;
        }
    }

    pub fn state(&self) -> &ScheduleState {
        &self.state
    }
}

impl PlateauState {
    /// `torch.optim.lr_scheduler.ReduceLROnPlateau.step`.
    fn observe(&mut self, plateau: &PlateauSchedule, base: f64, value: f64) {
        if self.best.is_none_or(|best| better(plateau, value, best)) {
            self.best = Some(value);
            self.bad_epochs = 0;
        } else {
            self.bad_epochs += 1;
        }
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.bad_epochs = 0;
        }
        if self.bad_epochs > plateau.patience {
            let old = self.lr.unwrap_or(base);
            let new = (old * plateau.factor).max(plateau.min_lr);
            // PyTorch's `eps`: a cut too small to matter is not made.
            if old - new > 1e-8 {
                self.lr = Some(new);
            }
            self.cooldown = plateau.cooldown;
            self.bad_epochs = 0;
        }
    }
}

/// `OneCycleLR` with two phases, as a function of the budget's share. PyTorch's phases end with an
/// update, so that the last one has the lowest rate: each is `one_step` shorter than its share.
fn one_cycle(cycle: &OneCycleSchedule, peak: f64, fraction: f64, one_step: f64) -> f64 {
    let start = peak / cycle.div_factor;
    let rise = cycle.pct_start - one_step;
    let (from, to, share) = match fraction < rise {
        true => (start, peak, fraction / rise),
        false => {
            let share = (fraction - rise) / (1.0 - cycle.pct_start);
            (peak, start / cycle.final_div_factor, share)
        }
    };
    let share = share.clamp(0.0, 1.0);
    match cycle.anneal_strategy {
        AnnealStrategy::Linear => from + (to - from) * share,
        AnnealStrategy::Cos => {
            to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * share).cos())
        }
    }
}

pub fn lower_is_better(metric: Metric) -> bool {
    matches!(metric, Metric::TrainLoss | Metric::ValLoss)
}

fn better(plateau: &PlateauSchedule, value: f64, best: f64) -> bool {
    let t = plateau.threshold;
    match (lower_is_better(plateau.metric), plateau.threshold_mode) {
        (true, ThresholdMode::Rel) => value < best * (1.0 - t),
        (true, ThresholdMode::Abs) => value < best - t,
        (false, ThresholdMode::Rel) => value > best * (1.0 + t),
        (false, ThresholdMode::Abs) => value > best + t,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::{CosineSchedule, MultiStepSchedule};

    fn schedule(schedule: Schedule) -> LrSchedule {
        LrSchedule {
            base: 0.1,
            schedule,
            warmup_steps: 0.0,
            warmup_from: 0.1,
            warmup_share: 0.0,
            warmup_until: None,
            one_step: 0.0,
            state: ScheduleState::default(),
        }
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }

    #[test]
    fn cosine_falls_from_the_base_through_the_middle_to_its_end() {
        let cosine = schedule(Schedule::Cosine(CosineSchedule { min_lr: 0.02 }));
        for (fraction, lr) in [(0.0, 0.1), (0.5, 0.06), (1.0, 0.02)] {
            close(cosine.lr(Position { fraction, ..Position::default() }), lr);
        }
    }

    #[test]
    fn multistep_cuts_at_each_milestone() {
        let multi =
            MultiStepSchedule { milestones: vec![2, 4], gamma: 0.1, unit: ScheduleUnit::Epoch };
        let multi = schedule(Schedule::MultiStep(multi));
        for (epoch, lr) in [(0, 0.1), (1, 0.1), (2, 0.01), (3, 0.01), (4, 0.001)] {
            close(multi.lr(Position { epoch, ..Position::default() }), lr);
        }
    }

    #[test]
    fn warm_up_rises_in_a_line_to_the_schedule() {
        let mut constant = schedule(Schedule::Constant);
        constant.warmup_steps = 20.0;
        for (step, lr) in [(0, 0.01), (10, 0.055), (20, 0.1), (99, 0.1)] {
            close(constant.lr(Position { step, ..Position::default() }), lr);
        }
    }

    #[test]
    fn a_warm_up_that_waits_for_an_accuracy_ends_with_it_for_good() {
        let mut constant = schedule(Schedule::Constant);
        constant.warmup_until = Some(0.2);
        let mut rates = Vec::new();
        for accuracy in [0.1, 0.2, 0.15] {
            rates.push(constant.lr(Position::default()));
            constant.observe_training(accuracy);
        }
        rates.push(constant.lr(Position::default()));
        rates.iter().zip([0.01, 0.01, 0.1, 0.1]).for_each(|(a, b)| close(*a, b));
    }

    /// The case that decides whether a comparison is strict and when the counter starts anew.
    #[test]
    fn plateau_waits_out_its_patience_and_counts_anew() {
        let mut plateau = schedule(Schedule::Plateau(PlateauSchedule {
            factor: 0.1,
            threshold: 0.1,
            threshold_mode: ThresholdMode::Rel,
            patience: 1,
            cooldown: 1,
            min_lr: 0.005,
            metric: Metric::TrainLoss,
        }));
        let mut rates = Vec::new();
        for loss in [1.0, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95] {
            plateau.observe(loss);
            rates.push(plateau.lr(Position::default()));
        }
        let expected = [0.1, 0.1, 0.01, 0.01, 0.01, 0.005, 0.005];
        rates.iter().zip(expected).for_each(|(a, b)| close(*a, b));
    }
}
