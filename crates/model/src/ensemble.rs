//! Averages the probabilities that several networks, or several looks, give to the same images.

use std::collections::BTreeMap;

use crate::EvaluationMetrics;

/// Sums over networks, by image. Its memory grows with images times classes, and not with the
/// number of networks.
pub struct Ensemble {
    /// The column of each class of the network that is being added.
    columns: Vec<u32>,
    networks: u32,
    images: BTreeMap<u32, Row>,
}

struct Row {
    label: u32,
    networks: u32,
    cells: Vec<Cell>,
}

/// A sum of probabilities as `sum * exp(greatest)`: nothing underflows, and the mean of equal ones
/// is that one, to the bit.
#[derive(Clone, Copy)]
struct Cell {
    greatest: f64,
    sum: f64,
}

impl Cell {
    const NOTHING: Cell = Cell { greatest: f64::NEG_INFINITY, sum: 0.0 };

    fn add(&mut self, log_probability: f64) {
        if log_probability == f64::NEG_INFINITY {
            return;
        }
        if log_probability > self.greatest {
            self.sum *= (self.greatest - log_probability).exp();
            self.greatest = log_probability;
        }
        self.sum += (log_probability - self.greatest).exp();
    }

    fn log_mean(self, count: u32) -> f64 {
        self.greatest + (self.sum / f64::from(count)).ln()
    }
}

impl Default for Ensemble {
    fn default() -> Ensemble {
        Ensemble::new()
    }
}

impl Ensemble {
    pub fn new() -> Ensemble {
        Ensemble { columns: Vec::new(), networks: 0, images: BTreeMap::new() }
    }

    /// What is added from now on is another network's; its class `i` is column `columns[i]`.
    pub fn next_model(&mut self, columns: Vec<u32>) {
        self.columns = columns;
        self.networks += 1;
    }

    /// Adds a batch, as [`EvaluationMetrics::add`] takes it.
    ///
    /// # Panics
    /// Before the first [`next_model`](Ensemble::next_model).
    pub fn add(&mut self, log_probabilities: &[f64], labels: &[i64], indices: &[u32]) {
        let classes = self.columns.len();
        let rows = log_probabilities.chunks_exact(classes);
        for ((row, &label), &index) in rows.zip(labels).zip(indices) {
            let image = self.images.entry(index).or_insert_with(|| Row {
                label: self.columns[label as usize],
                networks: 0,
                cells: vec![Cell::NOTHING; classes],
            });
            image.networks += 1;
            for (&column, &log_probability) in self.columns.iter().zip(row) {
                image.cells[column as usize].add(log_probability);
            }
        }
    }

    /// Whether all networks saw the same images.
    pub fn is_complete(&self) -> bool {
        self.images.values().all(|row| row.networks == self.networks)
    }

    /// Hands the means to an evaluator.
    pub fn add_means_to(&self, sums: &mut EvaluationMetrics) {
        for (&index, row) in &self.images {
            let means: Vec<f64> =
                row.cells.iter().map(|cell| cell.log_mean(row.networks)).collect();
            sums.add(&means, &[row.label.into()], &[index]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(probabilities: &[f64]) -> Vec<f64> {
        probabilities.iter().map(|p| p.ln()).collect()
    }

    fn means(average: &Ensemble) -> Vec<f64> {
        average
            .images
            .values()
            .flat_map(|row| row.cells.iter().map(|cell| cell.log_mean(row.networks)))
            .collect()
    }

    #[test]
    fn the_mean_is_of_probabilities_and_not_of_their_logarithms() {
        let mut average = Ensemble::new();
        for row in [[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]] {
            average.next_model(vec![0, 1, 2]);
            average.add(&logs(&row), &[2], &[7]);
        }
        for (found, wanted) in means(&average).iter().zip([0.55, 0.2, 0.25]) {
            assert!((found.exp() - wanted).abs() < 1e-15);
        }
        assert!(average.is_complete());
    }

    #[test]
    fn the_mean_of_equal_rows_is_that_row_to_the_bit() {
        let row = [-0.1234567891234, -801.5, -2.000000000001, f64::NEG_INFINITY];
        let mut average = Ensemble::new();
        for _ in 0..3 {
            average.next_model(vec![0, 1, 2, 3]);
            average.add(&row, &[0], &[0]);
        }
        assert_eq!(means(&average), row);
    }

    #[test]
    fn classes_in_another_order_are_brought_into_the_first_ones() {
        let mut average = Ensemble::new();
        average.next_model(vec![0, 1]);
        average.add(&logs(&[0.8, 0.2]), &[1], &[0]);
        average.next_model(vec![1, 0]);
        average.add(&logs(&[0.4, 0.6]), &[0], &[0]);
        for (found, wanted) in means(&average).iter().zip([0.7, 0.3]) {
            assert!((found.exp() - wanted).abs() < 1e-15);
        }
        assert_eq!(average.images[&0].label, 1);
    }

    #[test]
    fn an_image_that_one_network_did_not_see_is_noticed() {
        let mut average = Ensemble::new();
        for index in [0, 1] {
            average.next_model(vec![0, 1]);
            average.add(&logs(&[0.5, 0.5]), &[0], &[index]);
        }
        assert!(!average.is_complete());
    }
}
