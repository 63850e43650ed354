//! Reduces the learning rate once a metric stops improving (`ReduceLROnPlateau`).

use residual_spec::{PlateauSchedule, ThresholdMode};
use serde::{Deserialize, Serialize};

use crate::lower_is_better;

/// Reductions of the learning rate by at most this value are not made (`eps` in PyTorch).
const MIN_CHANGE: f64 = 1e-8;

/// State of `ReduceLROnPlateau` after the last epoch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlateauState {
    /// The current learning rate; `None` before the first reduction.
    lr: Option<f64>,
    best: Option<f64>,
    bad_epochs: u32,
    cooldown: u32,
}

impl PlateauState {
    pub(super) fn lr(&self) -> Option<f64> {
        self.lr
    }

    /// Records the metric of an epoch, as `ReduceLROnPlateau.step` does.
    pub(super) fn observe(&mut self, config: &PlateauSchedule, base_lr: f64, value: f64) {
        if self.best.is_none_or(|best| is_better(config, value, best)) {
            self.best = Some(value);
            self.bad_epochs = 0;
        } else {
            self.bad_epochs += 1;
        }
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.bad_epochs = 0;
        }
        if self.bad_epochs > config.patience {
            let old = self.lr.unwrap_or(base_lr);
            let new = (old * config.factor).max(config.min_lr);
            if old - new > MIN_CHANGE {
                self.lr = Some(new);
            }
            self.cooldown = config.cooldown;
            self.bad_epochs = 0;
        }
    }
}

fn is_better(config: &PlateauSchedule, value: f64, best: f64) -> bool {
    let threshold = config.threshold;
    match (lower_is_better(config.metric), config.threshold_mode) {
        (true, ThresholdMode::Rel) => value < best * (1.0 - threshold),
        (true, ThresholdMode::Abs) => value < best - threshold,
        (false, ThresholdMode::Rel) => value > best * (1.0 + threshold),
        (false, ThresholdMode::Abs) => value > best + threshold,
    }
}
