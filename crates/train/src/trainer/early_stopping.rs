//! Early stopping.

use residual_optim::lower_is_better;
use serde::{Deserialize, Serialize};

/// State of early stopping, stored in checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EarlyStopping {
    best: Option<f64>,
    /// Epochs since the best epoch.
    bad_epochs: u32,
}

impl EarlyStopping {
    /// Records the metric of an epoch.
    pub fn observe(&mut self, config: &residual_spec::EarlyStopping, value: f64) {
        let is_better = self.best.is_none_or(|best| {
            if lower_is_better(config.metric) {
                value < best - config.min_delta
            } else {
                value > best + config.min_delta
            }
        });
        if is_better {
            self.best = Some(value);
            self.bad_epochs = 0;
        } else {
            self.bad_epochs += 1;
        }
    }

    /// Returns whether the metric has not improved for more than `patience` epochs.
    pub fn should_stop(&self, config: &residual_spec::EarlyStopping) -> bool {
        self.bad_epochs > config.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::Metric;

    #[test]
    fn stops_after_patience_is_exceeded_and_resets_on_improvement() {
        let config = residual_spec::EarlyStopping {
            patience: 1,
            min_delta: 0.1,
            metric: Metric::ValAccuracy,
        };
        let mut early_stopping = EarlyStopping::default();
        let stopped: Vec<bool> = [0.5, 0.55, 0.7, 0.75, 0.6]
            .into_iter()
            .map(|value| {
                early_stopping.observe(&config, value);
                early_stopping.should_stop(&config)
            })
            .collect();
        assert_eq!(stopped, [false, false, false, false, true]);
    }
}
