//! Learning-rate schedules: the learning rate of each update as a function of the run's progress.
//!
//! All schedules except `plateau` are pure functions of [`Progress`], so checkpoints contain no
//! state of these schedules.

mod cosine;
mod linear;
mod multistep;
mod one_cycle;
mod plateau;
mod polynomial;
mod step;
mod warmup;

use residual_spec::{Metric, ResolvedConfig, Schedule, ScheduleUnit};
use serde::{Deserialize, Serialize};

use plateau::PlateauState;
use warmup::Warmup;

/// Progress of a run before an update.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Completed epochs.
    pub epoch: u64,
    /// Completed updates.
    pub step: u64,
    /// Used fraction of the budget, from 0 to 1.
    pub fraction: f64,
}

impl Progress {
    fn count(&self, unit: ScheduleUnit) -> u64 {
        match unit {
            ScheduleUnit::Epoch => self.epoch,
            ScheduleUnit::Step => self.step,
        }
    }
}

/// The learning-rate schedule of a run, with its warmup.
pub struct LrSchedule {
    base_lr: f64,
    schedule: Schedule,
    warmup: Warmup,
    /// Fraction of the budget that one update takes; 0 if the budget in steps is unknown.
    step_fraction: f64,
    state: ScheduleState,
}

/// State of the schedules that depend on past epochs, stored in checkpoints.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleState {
    pub plateau: PlateauState,
    /// Whether a warmup with `untilAccuracy` has reached its accuracy.
    pub warmed_up: bool,
}

impl LrSchedule {
    /// Creates the schedule of a resolved configuration. `total_steps` is the budget in steps, if
    /// known.
    pub fn new(
        config: &ResolvedConfig,
        steps_per_epoch: u64,
        total_steps: Option<u64>,
        state: ScheduleState,
    ) -> LrSchedule {
        LrSchedule {
            base_lr: config.optimizer.lr(),
            schedule: config.schedule.clone(),
            warmup: Warmup::new(&config.warmup, steps_per_epoch, total_steps),
            step_fraction: total_steps.map_or(0.0, |total| 1.0 / total as f64),
            state,
        }
    }

    /// Returns the learning rate of the next update.
    pub fn lr(&self, progress: Progress) -> f64 {
        self.scheduled_lr(progress) * self.warmup.factor(progress.step, self.state.warmed_up)
    }

    /// Returns the learning rate without warmup.
    fn scheduled_lr(&self, progress: Progress) -> f64 {
        let base_lr = self.base_lr;
        let fraction = self.warmup.fraction_after_warmup(progress.fraction);
        match &self.schedule {
            Schedule::Constant => base_lr,
            Schedule::Cosine(config) => cosine::lr(config, base_lr, fraction),
            Schedule::MultiStep(config) => multistep::lr(config, base_lr, progress),
            Schedule::Plateau(_) => self.state.plateau.lr().unwrap_or(base_lr),
            Schedule::Step(config) => step::lr(config, base_lr, progress),
            Schedule::Linear(config) => linear::lr(config, base_lr, fraction),
            Schedule::Polynomial(config) => polynomial::lr(config, base_lr, fraction),
            Schedule::OneCycle(config) => {
                one_cycle::lr(config, base_lr, progress.fraction, self.step_fraction)
            }
        }
    }

    /// Returns the metric that [`LrSchedule::observe`] expects after each epoch, if any.
    pub fn metric(&self) -> Option<Metric> {
        match &self.schedule {
            Schedule::Plateau(plateau) => Some(plateau.metric),
            Schedule::Constant
            | Schedule::Cosine(_)
            | Schedule::MultiStep(_)
            | Schedule::Step(_)
            | Schedule::Linear(_)
            | Schedule::Polynomial(_)
            | Schedule::OneCycle(_) => None,
        }
    }

    /// Records the value of [`LrSchedule::metric`] at the end of an epoch.
    pub fn observe(&mut self, value: f64) {
        match &self.schedule {
            Schedule::Plateau(plateau) => {
                self.state.plateau.observe(plateau, self.base_lr, value);
            }
            Schedule::Constant
            | Schedule::Cosine(_)
            | Schedule::MultiStep(_)
            | Schedule::Step(_)
            | Schedule::Linear(_)
            | Schedule::Polynomial(_)
            | Schedule::OneCycle(_) => {}
        }
    }

    /// Records the training accuracy at the end of an epoch.
    pub fn observe_train_accuracy(&mut self, accuracy: f64) {
        if self.warmup.until_accuracy.is_some_and(|threshold| accuracy >= threshold) {
            self.state.warmed_up = true;
        }
    }

    pub fn state(&self) -> &ScheduleState {
        &self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::{CosineSchedule, MultiStepSchedule, PlateauSchedule, ThresholdMode};

    fn schedule(schedule: Schedule) -> LrSchedule {
        LrSchedule {
            base_lr: 0.1,
            schedule,
            warmup: Warmup {
                steps: 0.0,
                start_factor: 0.1,
                budget_fraction: 0.0,
                until_accuracy: None,
            },
            step_fraction: 0.0,
            state: ScheduleState::default(),
        }
    }

    fn assert_close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }

    #[test]
    fn cosine_decreases_from_base_lr_to_min_lr() {
        let cosine = schedule(Schedule::Cosine(CosineSchedule { min_lr: 0.02 }));
        for (fraction, lr) in [(0.0, 0.1), (0.5, 0.06), (1.0, 0.02)] {
            assert_close(cosine.lr(Progress { fraction, ..Progress::default() }), lr);
        }
    }

    #[test]
    fn multistep_decays_at_each_milestone() {
        let multi =
            MultiStepSchedule { milestones: vec![2, 4], gamma: 0.1, unit: ScheduleUnit::Epoch };
        let multi = schedule(Schedule::MultiStep(multi));
        for (epoch, lr) in [(0, 0.1), (1, 0.1), (2, 0.01), (3, 0.01), (4, 0.001)] {
            assert_close(multi.lr(Progress { epoch, ..Progress::default() }), lr);
        }
    }

    #[test]
    fn warmup_increases_linearly_to_the_schedule() {
        let mut constant = schedule(Schedule::Constant);
        constant.warmup.steps = 20.0;
        for (step, lr) in [(0, 0.01), (10, 0.055), (20, 0.1), (99, 0.1)] {
            assert_close(constant.lr(Progress { step, ..Progress::default() }), lr);
        }
    }

    #[test]
    fn warmup_until_accuracy_does_not_restart_when_the_accuracy_drops() {
        let mut constant = schedule(Schedule::Constant);
        constant.warmup.until_accuracy = Some(0.2);
        let mut rates = Vec::new();
        for accuracy in [0.1, 0.2, 0.15] {
            rates.push(constant.lr(Progress::default()));
            constant.observe_train_accuracy(accuracy);
        }
        rates.push(constant.lr(Progress::default()));
        rates.iter().zip([0.01, 0.01, 0.1, 0.1]).for_each(|(a, b)| assert_close(*a, b));
    }

    /// Fails if `patience` is compared with `>=`, or if a reduction does not reset the counter.
    #[test]
    fn plateau_resets_its_counter_after_each_reduction_and_stops_at_min_lr() {
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
            rates.push(plateau.lr(Progress::default()));
        }
        let expected = [0.1, 0.1, 0.01, 0.01, 0.01, 0.005, 0.005];
        rates.iter().zip(expected).for_each(|(a, b)| assert_close(*a, b));
    }
}
