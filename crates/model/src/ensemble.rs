//! Ensembles: the mean of the probabilities of several models.

use std::collections::BTreeMap;

use crate::EvaluationMetrics;

/// Sums of the probabilities of several models for each image. Memory is proportional to images
/// times classes and does not depend on the number of models.
pub struct Ensemble {
    /// For each class of the current model, its class in the ensemble.
    class_map: Vec<u32>,
    num_models: u32,
    images: BTreeMap<u32, ImageSums>,
}

/// Sums of one image.
struct ImageSums {
    label: u32,
    num_models: u32,
    sums: Vec<LogSumExp>,
}

/// A running log-sum-exp that represents a sum of probabilities as `sum * exp(max)`, so that small
/// probabilities do not underflow. The mean of equal values is exactly this value.
#[derive(Clone, Copy)]
struct LogSumExp {
    max: f64,
    sum: f64,
}

impl LogSumExp {
    const ZERO: LogSumExp = LogSumExp { max: f64::NEG_INFINITY, sum: 0.0 };

    fn add(&mut self, log_probability: f64) {
        if log_probability == f64::NEG_INFINITY {
            return;
        }
        if log_probability > self.max {
            self.sum *= (self.max - log_probability).exp();
            self.max = log_probability;
        }
        self.sum += (log_probability - self.max).exp();
    }

    fn log_mean(self, count: u32) -> f64 {
        self.max + (self.sum / f64::from(count)).ln()
    }
}

impl Default for Ensemble {
    fn default() -> Ensemble {
        Ensemble::new()
    }
}

impl Ensemble {
    /// Creates an ensemble without models.
    pub fn new() -> Ensemble {
        Ensemble { class_map: Vec::new(), num_models: 0, images: BTreeMap::new() }
    }

    /// Starts the next model, whose class `i` is class `class_map[i]` of the ensemble.
    pub fn next_model(&mut self, class_map: Vec<u32>) {
        self.class_map = class_map;
        self.num_models += 1;
    }

    /// Adds a batch of the current model; see [`EvaluationMetrics::add`].
    ///
    /// # Panics
    /// If [`next_model`](Ensemble::next_model) was never called.
    pub fn add(&mut self, log_probabilities: &[f64], labels: &[i64], indices: &[u32]) {
        let classes = self.class_map.len();
        let rows = log_probabilities.chunks_exact(classes);
        for ((row, &label), &index) in rows.zip(labels).zip(indices) {
            let image = self.images.entry(index).or_insert_with(|| ImageSums {
                label: self.class_map[label as usize],
                num_models: 0,
                sums: vec![LogSumExp::ZERO; classes],
            });
            image.num_models += 1;
            for (&class, &log_probability) in self.class_map.iter().zip(row) {
                image.sums[class as usize].add(log_probability);
            }
        }
    }

    /// Returns whether all models were evaluated on the same images.
    pub fn is_complete(&self) -> bool {
        self.images.values().all(|image| image.num_models == self.num_models)
    }

    /// Adds the mean probabilities of all images to `metrics`.
    pub fn add_means_to(&self, metrics: &mut EvaluationMetrics) {
        for (&index, image) in &self.images {
            let means: Vec<f64> =
                image.sums.iter().map(|sum| sum.log_mean(image.num_models)).collect();
            metrics.add(&means, &[image.label.into()], &[index]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_probs(probabilities: &[f64]) -> Vec<f64> {
        probabilities.iter().map(|p| p.ln()).collect()
    }

    fn means(ensemble: &Ensemble) -> Vec<f64> {
        ensemble
            .images
            .values()
            .flat_map(|image| image.sums.iter().map(|sum| sum.log_mean(image.num_models)))
            .collect()
    }

    #[test]
    fn averages_probabilities_rather_than_logarithms() {
        let mut ensemble = Ensemble::new();
        for row in [[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]] {
            ensemble.next_model(vec![0, 1, 2]);
            ensemble.add(&log_probs(&row), &[2], &[7]);
        }
        for (actual, expected) in means(&ensemble).iter().zip([0.55, 0.2, 0.25]) {
            assert!((actual.exp() - expected).abs() < 1e-15);
        }
        assert!(ensemble.is_complete());
    }

    #[test]
    fn mean_of_equal_rows_is_exactly_this_row() {
        let row = [-0.1234567891234, -801.5, -2.000000000001, f64::NEG_INFINITY];
        let mut ensemble = Ensemble::new();
        for _ in 0..3 {
            ensemble.next_model(vec![0, 1, 2, 3]);
            ensemble.add(&row, &[0], &[0]);
        }
        assert_eq!(means(&ensemble), row);
    }

    #[test]
    fn maps_reordered_classes() {
        let mut ensemble = Ensemble::new();
        ensemble.next_model(vec![0, 1]);
        ensemble.add(&log_probs(&[0.8, 0.2]), &[1], &[0]);
        ensemble.next_model(vec![1, 0]);
        ensemble.add(&log_probs(&[0.4, 0.6]), &[0], &[0]);
        for (actual, expected) in means(&ensemble).iter().zip([0.7, 0.3]) {
            assert!((actual.exp() - expected).abs() < 1e-15);
        }
        assert_eq!(ensemble.images[&0].label, 1);
    }

    #[test]
    fn is_incomplete_if_a_model_skipped_an_image() {
        let mut ensemble = Ensemble::new();
        for index in [0, 1] {
            ensemble.next_model(vec![0, 1]);
            ensemble.add(&log_probs(&[0.5, 0.5]), &[0], &[index]);
        }
        assert!(!ensemble.is_complete());
    }
}
