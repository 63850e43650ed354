//! How far a run has come: everything, beside weights and momenta, that resuming needs. Random
//! state is not in it, for order and augmentation depend on (seed, epoch, image) alone.

use residual_spec::Metrics;
use serde::{Deserialize, Serialize};

use crate::trainer::Patience;
use residual_optim::ScheduleState;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Progress {
    /// Whole epochs trained.
    pub epoch: u32,
    /// Batches of the current epoch that are done.
    pub batch: u32,
    /// Updates made.
    pub step: u64,
    /// The rate of the last update.
    pub lr: f64,
    /// Sums over the current epoch.
    pub sums: Sums,
    pub best: Option<BestSoFar>,
    pub schedule: ScheduleState,
    pub early_stopping: Patience,
    /// Seconds of training, evaluation included, in all sessions.
    pub seconds: f64,
    /// Images trained on, and the seconds of training alone, in all sessions.
    pub images: u64,
    pub busy_seconds: f64,
}

/// Sums over the images of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sums {
    pub loss: f64,
    pub right: u64,
    pub count: u64,
}

impl Sums {
    /// Adds a batch of `count` images with this mean loss.
    pub fn add(&mut self, mean_loss: f64, right: u64, count: u64) {
        self.loss += mean_loss * count as f64;
        self.right += right;
        self.count += count;
    }

    pub fn join(&mut self, other: Sums) {
        self.loss += other.loss;
        self.right += other.right;
        self.count += other.count;
    }

    pub fn score(&self) -> Metrics {
        let share = |part: f64| if self.count == 0 { 0.0 } else { part / self.count as f64 };
        Metrics {
            loss: share(self.loss),
            accuracy: share(self.right as f64),
            count: self.count as u32,
        }
    }
}

/// The best epoch so far, by the monitored metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BestSoFar {
    pub epoch: u32,
    pub value: f64,
    pub accuracy: f64,
    pub loss: f64,
}
