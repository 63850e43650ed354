//! The direction in which a metric improves.

use residual_spec::Metric;

/// Returns whether lower values of `metric` are better.
pub fn lower_is_better(metric: Metric) -> bool {
    match metric {
        Metric::TrainLoss | Metric::ValLoss => true,
        Metric::TrainAccuracy | Metric::ValAccuracy => false,
    }
}
