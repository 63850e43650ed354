//! Whether a run still improves.

use residual_spec::EarlyStopping;
use serde::{Deserialize, Serialize};

use residual_optim::lower_is_better;

/// What is remembered from epoch to epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Patience {
    best: Option<f64>,
    /// Epochs since then.
    bad_epochs: u32,
}

impl Patience {
    /// An epoch ended with this value of the metric.
    pub fn observe(&mut self, config: &EarlyStopping, value: f64) {
        let better = self.best.is_none_or(|best| match lower_is_better(config.metric) {
            true => value < best - config.min_delta,
            false => value > best + config.min_delta,
        });
        if better {
            self.best = Some(value);
            self.bad_epochs = 0;
        } else {
            self.bad_epochs += 1;
        }
    }

    /// Whether more epochs than are let pass have not improved.
    pub fn is_over(&self, config: &EarlyStopping) -> bool {
        self.bad_epochs > config.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::Metric;

    #[test]
    fn it_is_over_once_patience_is_exceeded_and_a_better_epoch_counts_anew() {
        let config = EarlyStopping { patience: 1, min_delta: 0.1, metric: Metric::ValAccuracy };
        let mut patience = Patience::default();
        let over: Vec<bool> = [0.5, 0.55, 0.7, 0.75, 0.6]
            .into_iter()
            .map(|value| {
                patience.observe(&config, value);
                patience.is_over(&config)
            })
            .collect();
        assert_eq!(over, [false, false, false, false, true]);
    }
}
