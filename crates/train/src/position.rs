//! Training position: everything except tensors that is needed to resume a run.
//!
//! No state of random generators is stored, because the order of the images, augmentation and
//! dropout depend only on the seed and the position.

use residual_optim::ScheduleState;
use residual_spec::Metrics;
use serde::{Deserialize, Serialize};

use crate::trainer::EarlyStopping;

/// The position of a run, as a checkpoint stores it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Position {
    /// Completed epochs.
    pub epoch: u32,
    /// Completed batches of the current epoch.
    pub batch: u32,
    /// Completed updates.
    pub step: u64,
    /// Learning rate of the last update.
    pub lr: f64,
    /// Metrics of the current epoch.
    pub metrics: RunningMetrics,
    pub best: Option<BestTracker>,
    pub schedule: ScheduleState,
    pub early_stopping: EarlyStopping,
    /// Time used by the run, in all sessions.
    pub time: RunTime,
}

/// Time used by a run and images trained on, in all of its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RunTime {
    /// Seconds of training and evaluation.
    pub seconds: f64,
    /// Seconds of training alone.
    pub train_seconds: f64,
    /// Images trained on.
    pub images: u64,
}

/// Sums over the images of an epoch or of a step.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningMetrics {
    pub loss_sum: f64,
    pub num_correct: u64,
    /// Number of images.
    pub count: u64,
}

impl RunningMetrics {
    /// Adds a batch of `count` images.
    pub fn add(&mut self, mean_loss: f64, num_correct: u64, count: u64) {
        self.loss_sum += mean_loss * count as f64;
        self.num_correct += num_correct;
        self.count += count;
    }

    pub fn merge(&mut self, other: RunningMetrics) {
        self.loss_sum += other.loss_sum;
        self.num_correct += other.num_correct;
        self.count += other.count;
    }

    /// Returns the means; 0 without images.
    pub fn to_metrics(&self) -> Metrics {
        let mean = |sum: f64| if self.count == 0 { 0.0 } else { sum / self.count as f64 };
        Metrics {
            loss: mean(self.loss_sum),
            accuracy: mean(self.num_correct as f64),
            count: self.count as u32,
        }
    }
}

/// The best epoch of the run by the monitored metric, with its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BestTracker {
    pub epoch: u32,
    /// Value of the monitored metric.
    pub value: f64,
    pub accuracy: f64,
    pub loss: f64,
}
