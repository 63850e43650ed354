//! The measures of an evaluation, summed over batches.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;

use residual_spec::{
    Calibration, CalibrationBin, ClassMetrics, ConfusedPair, EvaluatedImage, Evaluation,
    WarningEvent,
};

use crate::Ensemble;

/// Bins of the calibration error (Guo et al. 2017, arXiv:1706.04599).
const BINS: usize = 15;
/// Classes up to which the confusion matrix is given whole.
const MATRIX: usize = 1000;
/// Confused pairs that are named.
const PAIRS: usize = 10;
/// Broken images that are named.
const NAMED: usize = 100;

/// Sums over the batches seen so far. Its memory grows with the classes and with what is to be
/// named, not with the images.
pub struct EvaluationMetrics {
    /// By class.
    tallies: Vec<Tally>,
    /// Images by class and by what they were taken for, where that is another.
    confused: BTreeMap<(u32, u32), u32>,
    loss: f64,
    top5: u32,
    bins: [Bin; BINS],
    worst: Worst,
    /// Indices to be named, with what was found.
    samples: BTreeMap<u32, Option<Found>>,
    broken: u32,
    warnings: Vec<WarningEvent>,
    average: Option<Rc<RefCell<Ensemble>>>,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    count: u32,
    predicted: u32,
    right: u32,
}

#[derive(Clone, Copy, Default)]
struct Bin {
    count: u32,
    right: u32,
    confidence: f64,
}

/// What became of one image.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Found {
    index: u32,
    label: u32,
    predicted: u32,
    probability: f64,
    loss: f64,
}

impl EvaluationMetrics {
    pub fn new(classes: usize) -> EvaluationMetrics {
        EvaluationMetrics {
            tallies: vec![Tally::default(); classes],
            confused: BTreeMap::new(),
            loss: 0.0,
            top5: 0,
            bins: [Bin::default(); BINS],
            worst: Worst::default(),
            samples: BTreeMap::new(),
            broken: 0,
            warnings: Vec::new(),
            average: None,
        }
    }

    /// Hands what is added on to an average, too.
    pub fn with_ensemble(mut self, average: Option<Rc<RefCell<Ensemble>>>) -> EvaluationMetrics {
        self.average = average;
        self
    }

    /// Keeps the `count` images with the highest losses.
    pub fn with_top_losses(mut self, count: usize) -> EvaluationMetrics {
        self.worst.capacity = count;
        self
    }

    /// Keeps what is found on the images with these indices.
    pub fn with_samples(mut self, indices: impl IntoIterator<Item = u32>) -> EvaluationMetrics {
        self.samples = indices.into_iter().map(|index| (index, None)).collect();
        self
    }

    /// Adds a batch: the natural logarithms of its probabilities, `[n, classes]` row by row, the
    /// `n` labels, and each image's index in its source. Of averaged probabilities (several crops,
    /// several networks) take the logarithm of the mean.
    ///
    /// # Panics
    /// If the three are not of as many images, or a label is no class.
    pub fn add(&mut self, log_probabilities: &[f64], labels: &[i64], indices: &[u32]) {
        let classes = self.tallies.len();
        assert_eq!(log_probabilities.len(), labels.len() * classes);
        assert_eq!(labels.len(), indices.len());
        if let Some(average) = &self.average {
            average.borrow_mut().add(log_probabilities, labels, indices);
        }
        let rows = log_probabilities.chunks_exact(classes.max(1));
        for ((row, &label), &index) in rows.zip(labels).zip(indices) {
            self.add_image(row, label as usize, index);
        }
    }

    fn add_image(&mut self, row: &[f64], label: usize, index: u32) {
        // Of equal ones the first counts as the more probable, as in argmax.
        let before = |a: usize, b: usize| row[a].total_cmp(&row[b]).reverse().then(a.cmp(&b));
        let best = (0..row.len()).min_by(|&a, &b| before(a, b)).unwrap_or(0);
        let rank = (0..row.len()).filter(|&class| before(class, label) == Ordering::Less).count();
        let right = best == label;
        let found = Found {
            index,
            label: label as u32,
            predicted: best as u32,
            probability: row[best].exp(),
            loss: -row[label],
        };

        self.loss += found.loss;
        self.top5 += u32::from(rank < 5);
        self.tallies[label].count += 1;
        self.tallies[label].right += u32::from(right);
        self.tallies[best].predicted += 1;
        if !right {
            *self.confused.entry((found.label, found.predicted)).or_default() += 1;
        }
        // Bin m holds what is above m/15 and at most (m+1)/15.
        let at = (found.probability * BINS as f64).ceil() as usize;
        let bin = &mut self.bins[at.clamp(1, BINS) - 1];
        bin.count += 1;
        bin.right += u32::from(right);
        bin.confidence += found.probability;
        self.worst.offer(found);
        if let Some(sample) = self.samples.get_mut(&index) {
            *sample = Some(found);
        }
    }

    /// Counts an image that could not be read.
    pub fn add_broken(&mut self, warning: WarningEvent) {
        self.broken += 1;
        if self.warnings.len() < NAMED {
            self.warnings.push(warning);
        }
    }

    /// The measures. `labels` are the classes' names, `name` an image's by its index.
    pub fn finish(
        self,
        labels: &[String],
        seconds: f64,
        name: impl Fn(u32) -> String,
    ) -> Evaluation {
        let label = |class: u32| labels[class as usize].clone();
        let example = |found: &Found| EvaluatedImage {
            index: found.index,
            name: name(found.index),
            label: label(found.label),
            predicted: label(found.predicted),
            probability: found.probability,
            loss: found.loss,
            thumbnail: None,
        };
        let count = self.tallies.iter().map(|tally| tally.count).sum();
        let right = self.tallies.iter().map(|tally| tally.right).sum();
        Evaluation {
            loss: if count == 0 { 0.0 } else { self.loss / f64::from(count) },
            accuracy: share(right, count),
            top5: share(self.top5, count),
            count,
            classes: self.tallies.iter().zip(labels).map(|(tally, l)| tally.score(l)).collect(),
            confusion: self.matrix(),
            most_confused: self.most_confused(label),
            calibration: self.calibration(count),
            samples: self.samples.values().flatten().map(example).collect(),
            top_losses: self.worst.sorted().iter().map(example).collect(),
            broken: self.broken,
            warnings: self.warnings,
            images_per_second: f64::from(count) / seconds.max(1e-9),
        }
    }

    fn matrix(&self) -> Vec<Vec<u32>> {
        let classes = self.tallies.len();
        if classes > MATRIX {
            return Vec::new();
        }
        let mut matrix = vec![vec![0; classes]; classes];
        for (class, tally) in self.tallies.iter().enumerate() {
            matrix[class][class] = tally.right;
        }
        for (&(label, predicted), &count) in &self.confused {
            matrix[label as usize][predicted as usize] = count;
        }
        matrix
    }

    fn most_confused(&self, label: impl Fn(u32) -> String) -> Vec<ConfusedPair> {
        let mut pairs: Vec<_> = self.confused.iter().collect();
        pairs.sort_by_key(|&(&pair, &count)| (std::cmp::Reverse(count), pair));
        pairs.truncate(PAIRS);
        let pair = |(&(of, predicted), &count): (&(u32, u32), &u32)| ConfusedPair {
            label: label(of),
            predicted: label(predicted),
            count,
            share: share(count, self.tallies[of as usize].count),
        };
        pairs.into_iter().map(pair).collect()
    }

    fn calibration(&self, count: u32) -> Calibration {
        let bins: Vec<CalibrationBin> = self
            .bins
            .iter()
            .enumerate()
            .map(|(at, bin)| CalibrationBin {
                from: at as f64 / BINS as f64,
                to: (at + 1) as f64 / BINS as f64,
                count: bin.count,
                confidence: bin.confidence / f64::from(bin.count.max(1)),
                accuracy: share(bin.right, bin.count),
            })
            .collect();
        let gaps = bins.iter().map(|bin| {
            f64::from(bin.count) * (bin.accuracy - bin.confidence).abs() / f64::from(count.max(1))
        });
        Calibration { error: gaps.sum(), bins }
    }
}

impl Tally {
    fn score(&self, label: &str) -> ClassMetrics {
        ClassMetrics {
            label: label.into(),
            accuracy: share(self.right, self.count),
            precision: share(self.right, self.predicted),
            f1: share(2 * self.right, self.count + self.predicted),
            count: self.count,
            predicted: self.predicted,
        }
    }
}

fn share(part: u32, whole: u32) -> f64 {
    match whole {
        0 => 0.0,
        whole => f64::from(part) / f64::from(whole),
    }
}

/// The images with the highest losses so far.
#[derive(Default)]
struct Worst {
    capacity: usize,
    /// The least bad on top, to be replaced.
    heap: BinaryHeap<LeastBad>,
}

struct LeastBad(Found);

impl Worst {
    fn offer(&mut self, found: Found) {
        if self.heap.len() < self.capacity {
            self.heap.push(LeastBad(found));
        } else if let Some(mut top) = self.heap.peek_mut() {
            if LeastBad(found) < *top {
                *top = LeastBad(found);
            }
        }
    }

    /// The worst first.
    fn sorted(self) -> Vec<Found> {
        self.heap.into_sorted_vec().into_iter().map(|LeastBad(found)| found).collect()
    }
}

impl Ord for LeastBad {
    /// The lower loss is the greater; of equal ones the later image, so that no order of batches
    /// decides.
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.loss.total_cmp(&self.0.loss).then(self.0.index.cmp(&other.0.index))
    }
}

impl PartialOrd for LeastBad {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for LeastBad {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for LeastBad {}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::ErrorCode;

    fn names(classes: usize) -> Vec<String> {
        (0..classes).map(|class| format!("c{class}")).collect()
    }

    fn finish(evaluator: EvaluationMetrics, classes: usize) -> Evaluation {
        evaluator.finish(&names(classes), 1.0, |index| format!("test/{index}"))
    }

    fn logs<const N: usize>(probabilities: [f64; N]) -> [f64; N] {
        probabilities.map(f64::ln)
    }

    /// Three images of the classes 0, 0, 1.
    fn three(mut evaluator: EvaluationMetrics, batches: [std::ops::Range<usize>; 2]) -> Evaluation {
        let rows = logs([0.7, 0.2, 0.1, 0.1, 0.3, 0.6, 0.25, 0.5, 0.25]);
        for images in batches {
            let values = &rows[3 * images.start..3 * images.end];
            evaluator.add(values, &[0, 0, 1][images.clone()], &[4, 7, 9][images]);
        }
        finish(evaluator, 3)
    }

    #[test]
    fn sums_over_batches_are_those_of_the_whole() {
        let new = || EvaluationMetrics::new(3).with_top_losses(2).with_samples([4, 9]);
        let whole = three(new(), [0..3, 3..3]);
        assert_eq!(whole, three(new(), [0..1, 1..3]));
        assert_eq!(whole.confusion, [[1, 0, 1], [0, 1, 0], [0, 0, 0]]);
        assert_eq!((whole.accuracy, whole.top5, whole.count), (2.0 / 3.0, 1.0, 3));
        let classes: Vec<_> =
            whole.classes.iter().map(|c| (c.accuracy, c.precision, c.f1, c.predicted)).collect();
        assert_eq!(classes[0], (0.5, 1.0, 2.0 / 3.0, 1));
        assert_eq!(classes[2], (0.0, 0.0, 0.0, 1));
        let pair = &whole.most_confused[0];
        assert_eq!((&*pair.label, &*pair.predicted, pair.count, pair.share), ("c0", "c2", 1, 0.5));
    }

    #[test]
    fn the_highest_losses_come_first_and_no_more_than_asked() {
        let evaluation = three(EvaluationMetrics::new(3).with_top_losses(2), [0..2, 2..3]);
        let [worst, second] = &evaluation.top_losses[..] else { panic!("two") };
        assert_eq!((worst.index, &*worst.name, &*worst.label), (7, "test/7", "c0"));
        assert!((worst.loss - 10f64.ln()).abs() < 1e-12 && (worst.probability - 0.6).abs() < 1e-12);
        assert_eq!((worst.predicted.as_str(), second.index), ("c2", 9));
        assert!(three(EvaluationMetrics::new(3), [0..2, 2..3]).top_losses.is_empty());

        let mut equal = EvaluationMetrics::new(1).with_top_losses(3);
        equal.add(&[0.0; 9], &[0; 9], &[8, 2, 5, 1, 7, 3, 6, 4, 0]);
        let indices: Vec<_> = finish(equal, 1).top_losses.iter().map(|e| e.index).collect();
        assert_eq!(indices, [0, 1, 2]);
    }

    #[test]
    fn samples_are_those_asked_for_in_their_order() {
        let evaluation = three(EvaluationMetrics::new(3).with_samples([9, 4, 100]), [0..2, 2..3]);
        let found: Vec<_> = evaluation.samples.iter().map(|e| (e.index, &*e.predicted)).collect();
        assert_eq!(found, [(4, "c0"), (9, "c1")]);
    }

    #[test]
    fn of_equal_probabilities_the_first_class_wins_as_in_argmax() {
        let mut evaluator = EvaluationMetrics::new(2);
        evaluator.add(&logs([0.5, 0.5]), &[1], &[0]);
        assert_eq!(finish(evaluator, 2).confusion, [[0, 0], [1, 0]]);
    }

    #[test]
    fn a_network_that_is_certain_and_right_is_calibrated() {
        let mut evaluator = EvaluationMetrics::new(2);
        evaluator.add(&logs([1.0, 0.0, 0.0, 1.0]), &[0, 1], &[0, 1]);
        let calibration = finish(evaluator, 2).calibration;
        assert_eq!((calibration.error, calibration.bins[14].count), (0.0, 2));
    }

    #[test]
    fn nothing_evaluated_is_all_zeros_and_no_division_by_it() {
        let evaluation = finish(EvaluationMetrics::new(2), 2);
        assert_eq!((evaluation.count, evaluation.loss, evaluation.accuracy), (0, 0.0, 0.0));
        assert_eq!(evaluation.calibration.error, 0.0);
    }

    #[test]
    fn more_than_a_thousand_classes_have_pairs_and_no_matrix() {
        let mut evaluator = EvaluationMetrics::new(1001);
        let mut row = vec![-10.0; 1001];
        row[1000] = 0.0;
        evaluator.add(&row, &[999], &[0]);
        let evaluation = finish(evaluator, 1001);
        assert!(evaluation.confusion.is_empty());
        assert_eq!(evaluation.most_confused[0].predicted, "c1000");
    }

    #[test]
    fn broken_images_are_counted_and_the_first_hundred_named() {
        let mut evaluator = EvaluationMetrics::new(2);
        for index in 0..150 {
            evaluator.add_broken(WarningEvent {
                code: ErrorCode::Image,
                message: format!("{index}"),
                file: None,
                hint: None,
            });
        }
        let evaluation = finish(evaluator, 2);
        assert_eq!((evaluation.broken, evaluation.warnings.len()), (150, 100));
    }

    /// What `scripts/fixtures/metrics.py` computed from its formulas.
    #[test]
    fn every_measure_is_that_of_its_formula() {
        let fixture: serde_json::Value =
            serde_json::from_str(include_str!("../tests/fixtures/metrics.json")).unwrap();
        let numbers = |key: &str| -> Vec<f64> {
            fixture[key].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
        };
        let (logits, labels) = (numbers("logits"), numbers("labels"));
        let labels: Vec<i64> = labels.iter().map(|&label| label as i64).collect();
        let classes = logits.len() / labels.len();
        let rows: Vec<f64> = logits
            .chunks(classes)
            .flat_map(|row| {
                let sum: f64 = row.iter().map(|logit| logit.exp()).sum();
                row.iter().map(move |logit| logit - sum.ln())
            })
            .collect();
        let mut evaluator = EvaluationMetrics::new(classes).with_top_losses(5);
        let indices: Vec<u32> = (0..labels.len() as u32).collect();
        for from in (0..labels.len()).step_by(7) {
            let to = labels.len().min(from + 7);
            evaluator.add(
                &rows[from * classes..to * classes],
                &labels[from..to],
                &indices[from..to],
            );
        }
        let evaluation = serde_json::to_value(finish(evaluator, classes)).unwrap();
        for (key, wanted) in fixture["expected"].as_object().unwrap() {
            close(key, &evaluation[key], wanted);
        }
    }

    /// Every number of `wanted` is in `found`, to 1e-9.
    fn close(at: &str, found: &serde_json::Value, wanted: &serde_json::Value) {
        use serde_json::Value;
        match wanted {
            Value::Object(map) => {
                map.iter().for_each(|(key, v)| close(&format!("{at}.{key}"), &found[key], v));
            }
            Value::Array(items) => {
                assert_eq!(found.as_array().map(Vec::len), Some(items.len()), "{at}");
                for (index, item) in items.iter().enumerate() {
                    close(&format!("{at}[{index}]"), &found[index], item);
                }
            }
            Value::Number(wanted) => {
                let found = found.as_f64().unwrap_or_else(|| panic!("{at} is {found}"));
                assert!((found - wanted.as_f64().unwrap()).abs() < 1e-9, "{at}: {found}");
            }
            wanted => assert_eq!(found, wanted, "{at}"),
        }
    }
}
