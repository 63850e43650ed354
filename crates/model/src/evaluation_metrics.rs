//! Accumulates the metrics of an evaluation over batches.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;

use residual_spec::{
    Calibration, CalibrationBin, ClassMetrics, ConfusedPair, EvaluatedImage, Evaluation,
    WarningEvent,
};

use crate::Ensemble;

/// Number of bins of the expected calibration error (Guo et al. 2017, arXiv:1706.04599).
const NUM_BINS: usize = 15;
/// Maximum number of classes for which the confusion matrix is returned.
const MAX_MATRIX_CLASSES: usize = 1000;
/// Number of most confused class pairs in the result.
const MAX_PAIRS: usize = 10;
/// Maximum number of warnings about unreadable images in the result.
const MAX_WARNINGS: usize = 100;

/// Sums over all added batches. Memory depends on the numbers of classes, confused pairs, samples
/// and top losses, and on the number of images only with [`EvaluationMetrics::with_outcomes`].
pub struct EvaluationMetrics {
    classes: Vec<ClassCounts>,
    /// Number of wrong predictions by (label, predicted class).
    confused: BTreeMap<(u32, u32), u32>,
    loss_sum: f64,
    num_top5: u32,
    bins: [Bin; NUM_BINS],
    top_losses: TopLosses,
    /// Results of the images with the requested indices.
    samples: BTreeMap<u32, Option<ImageResult>>,
    /// Outcome of each image of the source, as in [`Evaluation::outcomes`]; empty if not requested.
    outcomes: Vec<u8>,
    num_unreadable: u32,
    warnings: Vec<WarningEvent>,
    ensemble: Option<Rc<RefCell<Ensemble>>>,
}

/// Counts of one class.
#[derive(Clone, Copy, Default)]
struct ClassCounts {
    /// Images of the class.
    count: u32,
    /// Images predicted as the class.
    predicted: u32,
    num_correct: u32,
}

/// Sums of one calibration bin.
#[derive(Clone, Copy, Default)]
struct Bin {
    count: u32,
    num_correct: u32,
    confidence_sum: f64,
}

/// Prediction and loss of one image.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ImageResult {
    index: u32,
    label: u32,
    predicted: u32,
    probability: f64,
    loss: f64,
}

impl EvaluationMetrics {
    /// Creates empty metrics for `classes` classes.
    pub fn new(classes: usize) -> EvaluationMetrics {
        EvaluationMetrics {
            classes: vec![ClassCounts::default(); classes],
            confused: BTreeMap::new(),
            loss_sum: 0.0,
            num_top5: 0,
            bins: [Bin::default(); NUM_BINS],
            top_losses: TopLosses::default(),
            samples: BTreeMap::new(),
            outcomes: Vec::new(),
            num_unreadable: 0,
            warnings: Vec::new(),
            ensemble: None,
        }
    }

    /// Sets an ensemble to which every batch is added as well.
    pub fn with_ensemble(mut self, ensemble: Option<Rc<RefCell<Ensemble>>>) -> EvaluationMetrics {
        self.ensemble = ensemble;
        self
    }

    /// Collects the `count` images with the highest losses.
    pub fn with_top_losses(mut self, count: usize) -> EvaluationMetrics {
        self.top_losses.capacity = count;
        self
    }

    /// Collects the results of the images with these indices.
    pub fn with_samples(mut self, indices: impl IntoIterator<Item = u32>) -> EvaluationMetrics {
        self.samples = indices.into_iter().map(|index| (index, None)).collect();
        self
    }

    /// Collects the outcome of every image of a source of `count` images.
    pub fn with_outcomes(mut self, count: usize) -> EvaluationMetrics {
        self.outcomes = vec![b'-'; count];
        self
    }

    /// Adds a batch of `n` images: log-probabilities (natural logarithm) `[n, classes]` in
    /// row-major order, labels, and the indices of the images in their source. If probabilities are
    /// averaged over views or networks, pass the logarithm of the mean.
    ///
    /// # Panics
    /// If the lengths do not match, or a label is not a class.
    pub fn add(&mut self, log_probabilities: &[f64], labels: &[i64], indices: &[u32]) {
        let classes = self.classes.len();
        assert_eq!(log_probabilities.len(), labels.len() * classes);
        assert_eq!(labels.len(), indices.len());
        if let Some(ensemble) = &self.ensemble {
            ensemble.borrow_mut().add(log_probabilities, labels, indices);
        }
        let rows = log_probabilities.chunks_exact(classes.max(1));
        for ((row, &label), &index) in rows.zip(labels).zip(indices) {
            self.add_image(row, label as usize, index);
        }
    }

    fn add_image(&mut self, row: &[f64], label: usize, index: u32) {
        // Of equal probabilities, the first class ranks first, as in argmax.
        let by_rank = |a: usize, b: usize| row[a].total_cmp(&row[b]).reverse().then(a.cmp(&b));
        let best = (0..row.len()).min_by(|&a, &b| by_rank(a, b)).unwrap_or(0);
        let rank = (0..row.len()).filter(|&class| by_rank(class, label) == Ordering::Less).count();
        let is_correct = best == label;
        let result = ImageResult {
            index,
            label: label as u32,
            predicted: best as u32,
            probability: row[best].exp(),
            loss: -row[label],
        };

        self.loss_sum += result.loss;
        self.num_top5 += u32::from(rank < 5);
        self.classes[label].count += 1;
        self.classes[label].num_correct += u32::from(is_correct);
        self.classes[best].predicted += 1;
        if !is_correct {
            *self.confused.entry((result.label, result.predicted)).or_default() += 1;
        }
        // Bin m, from 0, contains probabilities in (m/15, (m+1)/15].
        let bin_number = (result.probability * NUM_BINS as f64).ceil() as usize;
        let bin = &mut self.bins[bin_number.clamp(1, NUM_BINS) - 1];
        bin.count += 1;
        bin.num_correct += u32::from(is_correct);
        bin.confidence_sum += result.probability;
        self.top_losses.push(result);
        if let Some(sample) = self.samples.get_mut(&index) {
            *sample = Some(result);
        }
        if let Some(outcome) = self.outcomes.get_mut(index as usize) {
            *outcome = if is_correct { b'1' } else { b'0' };
        }
    }

    /// Counts an image that could not be read or decoded.
    pub fn add_unreadable(&mut self, warning: WarningEvent) {
        self.num_unreadable += 1;
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(warning);
        }
    }

    /// Returns the metrics. `labels` are the class names; `name` returns the name of an image by
    /// its index; `seconds` is the duration of the evaluation.
    pub fn finish(
        self,
        labels: &[String],
        seconds: f64,
        name: impl Fn(u32) -> String,
    ) -> Evaluation {
        let label = |class: u32| labels[class as usize].clone();
        let evaluated_image = |result: &ImageResult| EvaluatedImage {
            index: result.index,
            name: name(result.index),
            label: label(result.label),
            predicted: label(result.predicted),
            probability: result.probability,
            loss: result.loss,
            thumbnail: None,
        };
        let count = self.classes.iter().map(|class| class.count).sum();
        let num_correct = self.classes.iter().map(|class| class.num_correct).sum();
        Evaluation {
            data: None,
            loss: if count == 0 { 0.0 } else { self.loss_sum / f64::from(count) },
            accuracy: ratio(num_correct, count),
            top5: ratio(self.num_top5, count),
            count,
            classes: self
                .classes
                .iter()
                .zip(labels)
                .map(|(class, l)| class.to_metrics(l))
                .collect(),
            confusion: self.confusion_matrix(),
            most_confused: self.most_confused(label),
            calibration: self.calibration(count),
            samples: self.samples.values().flatten().map(evaluated_image).collect(),
            top_losses: self.top_losses.sorted().iter().map(evaluated_image).collect(),
            broken: self.num_unreadable,
            warnings: self.warnings,
            images_per_second: f64::from(count) / seconds.max(1e-9),
            outcomes: (!self.outcomes.is_empty())
                .then(|| self.outcomes.into_iter().map(char::from).collect()),
        }
    }

    /// Returns the confusion matrix: rows are labels, columns predictions. Empty for more than
    /// [`MAX_MATRIX_CLASSES`] classes.
    fn confusion_matrix(&self) -> Vec<Vec<u32>> {
        let classes = self.classes.len();
        if classes > MAX_MATRIX_CLASSES {
            return Vec::new();
        }
        let mut matrix = vec![vec![0; classes]; classes];
        for (class, counts) in self.classes.iter().enumerate() {
            matrix[class][class] = counts.num_correct;
        }
        for (&(label, predicted), &count) in &self.confused {
            matrix[label as usize][predicted as usize] = count;
        }
        matrix
    }

    fn most_confused(&self, label: impl Fn(u32) -> String) -> Vec<ConfusedPair> {
        let mut pairs: Vec<_> = self.confused.iter().collect();
        pairs.sort_by_key(|&(&pair, &count)| (std::cmp::Reverse(count), pair));
        pairs.truncate(MAX_PAIRS);
        let pair = |(&(class, predicted), &count): (&(u32, u32), &u32)| ConfusedPair {
            label: label(class),
            predicted: label(predicted),
            count,
            share: ratio(count, self.classes[class as usize].count),
        };
        pairs.into_iter().map(pair).collect()
    }

    fn calibration(&self, count: u32) -> Calibration {
        let bins: Vec<CalibrationBin> = self
            .bins
            .iter()
            .enumerate()
            .map(|(m, bin)| CalibrationBin {
                from: m as f64 / NUM_BINS as f64,
                to: (m + 1) as f64 / NUM_BINS as f64,
                count: bin.count,
                confidence: bin.confidence_sum / f64::from(bin.count.max(1)),
                accuracy: ratio(bin.num_correct, bin.count),
            })
            .collect();
        let gaps = bins.iter().map(|bin| {
            f64::from(bin.count) * (bin.accuracy - bin.confidence).abs() / f64::from(count.max(1))
        });
        Calibration { error: gaps.sum(), bins }
    }
}

impl ClassCounts {
    fn to_metrics(self, label: &str) -> ClassMetrics {
        ClassMetrics {
            label: label.into(),
            accuracy: ratio(self.num_correct, self.count),
            precision: ratio(self.num_correct, self.predicted),
            f1: ratio(2 * self.num_correct, self.count + self.predicted),
            count: self.count,
            predicted: self.predicted,
        }
    }
}

/// Returns `numerator / denominator`, and 0 for the denominator 0.
fn ratio(numerator: u32, denominator: u32) -> f64 {
    match denominator {
        0 => 0.0,
        denominator => f64::from(numerator) / f64::from(denominator),
    }
}

/// The images with the highest losses among all added images.
#[derive(Default)]
struct TopLosses {
    capacity: usize,
    /// The image with the lowest loss is at the top and is replaced first.
    heap: BinaryHeap<ByLowestLoss>,
}

/// Orders images so that the lowest loss is the maximum of a heap.
struct ByLowestLoss(ImageResult);

impl TopLosses {
    /// Adds an image if its loss is among the highest.
    fn push(&mut self, result: ImageResult) {
        if self.heap.len() < self.capacity {
            self.heap.push(ByLowestLoss(result));
        } else if let Some(mut top) = self.heap.peek_mut()
            && ByLowestLoss(result) < *top
        {
            *top = ByLowestLoss(result);
        }
    }

    /// Returns the images, highest loss first.
    fn sorted(self) -> Vec<ImageResult> {
        self.heap.into_sorted_vec().into_iter().map(|ByLowestLoss(result)| result).collect()
    }
}

impl Ord for ByLowestLoss {
    /// Equal losses are ordered by index, so that the result does not depend on the order of
    /// batches.
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.loss.total_cmp(&self.0.loss).then(self.0.index.cmp(&other.0.index))
    }
}

impl PartialOrd for ByLowestLoss {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByLowestLoss {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByLowestLoss {}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::ErrorCode;

    fn names(classes: usize) -> Vec<String> {
        (0..classes).map(|class| format!("c{class}")).collect()
    }

    fn finish(metrics: EvaluationMetrics, classes: usize) -> Evaluation {
        metrics.finish(&names(classes), 1.0, |index| format!("test/{index}"))
    }

    fn log_probs<const N: usize>(probabilities: [f64; N]) -> [f64; N] {
        probabilities.map(f64::ln)
    }

    /// Evaluates three images of the classes 0, 0 and 1 in two batches.
    fn evaluate_three(
        mut metrics: EvaluationMetrics,
        batches: [std::ops::Range<usize>; 2],
    ) -> Evaluation {
        let rows = log_probs([0.7, 0.2, 0.1, 0.1, 0.3, 0.6, 0.25, 0.5, 0.25]);
        for images in batches {
            let values = &rows[3 * images.start..3 * images.end];
            metrics.add(values, &[0, 0, 1][images.clone()], &[4, 7, 9][images]);
        }
        finish(metrics, 3)
    }

    #[test]
    fn metrics_do_not_depend_on_the_batches() {
        let new = || EvaluationMetrics::new(3).with_top_losses(2).with_samples([4, 9]);
        let whole = evaluate_three(new(), [0..3, 3..3]);
        assert_eq!(whole, evaluate_three(new(), [0..1, 1..3]));
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
    fn top_losses_are_sorted_and_limited() {
        let evaluation = evaluate_three(EvaluationMetrics::new(3).with_top_losses(2), [0..2, 2..3]);
        let [worst, second] = &evaluation.top_losses[..] else { panic!("expected two images") };
        assert_eq!((worst.index, &*worst.name, &*worst.label), (7, "test/7", "c0"));
        assert!((worst.loss - 10f64.ln()).abs() < 1e-12 && (worst.probability - 0.6).abs() < 1e-12);
        assert_eq!((worst.predicted.as_str(), second.index), ("c2", 9));
        assert!(evaluate_three(EvaluationMetrics::new(3), [0..2, 2..3]).top_losses.is_empty());

        let mut equal = EvaluationMetrics::new(1).with_top_losses(3);
        equal.add(&[0.0; 9], &[0; 9], &[8, 2, 5, 1, 7, 3, 6, 4, 0]);
        let indices: Vec<_> = finish(equal, 1).top_losses.iter().map(|e| e.index).collect();
        assert_eq!(indices, [0, 1, 2]);
    }

    #[test]
    fn samples_are_the_requested_images_by_index() {
        let evaluation =
            evaluate_three(EvaluationMetrics::new(3).with_samples([9, 4, 100]), [0..2, 2..3]);
        let actual: Vec<_> = evaluation.samples.iter().map(|e| (e.index, &*e.predicted)).collect();
        assert_eq!(actual, [(4, "c0"), (9, "c1")]);
    }

    #[test]
    fn outcomes_have_one_character_per_image_of_the_source() {
        let outcomes = |metrics| evaluate_three(metrics, [0..1, 1..3]).outcomes;
        let new = || EvaluationMetrics::new(3);
        assert_eq!(outcomes(new().with_outcomes(11)).as_deref(), Some("----1--0-1-"));
        assert_eq!(outcomes(new()), None);
    }

    #[test]
    fn predicts_the_first_of_equal_probabilities_as_argmax_does() {
        let mut metrics = EvaluationMetrics::new(2);
        metrics.add(&log_probs([0.5, 0.5]), &[1], &[0]);
        assert_eq!(finish(metrics, 2).confusion, [[0, 0], [1, 0]]);
    }

    #[test]
    fn correct_predictions_with_probability_1_have_no_calibration_error() {
        let mut metrics = EvaluationMetrics::new(2);
        metrics.add(&log_probs([1.0, 0.0, 0.0, 1.0]), &[0, 1], &[0, 1]);
        let calibration = finish(metrics, 2).calibration;
        assert_eq!((calibration.error, calibration.bins[14].count), (0.0, 2));
    }

    #[test]
    fn metrics_without_images_are_zero() {
        let evaluation = finish(EvaluationMetrics::new(2), 2);
        assert_eq!((evaluation.count, evaluation.loss, evaluation.accuracy), (0, 0.0, 0.0));
        assert_eq!(evaluation.calibration.error, 0.0);
    }

    #[test]
    fn omits_the_confusion_matrix_of_more_than_1000_classes() {
        let mut metrics = EvaluationMetrics::new(1001);
        let mut row = vec![-10.0; 1001];
        row[1000] = 0.0;
        metrics.add(&row, &[999], &[0]);
        let evaluation = finish(metrics, 1001);
        assert!(evaluation.confusion.is_empty());
        assert_eq!(evaluation.most_confused[0].predicted, "c1000");
    }

    #[test]
    fn counts_unreadable_images_and_keeps_the_first_100_warnings() {
        let mut metrics = EvaluationMetrics::new(2);
        for index in 0..150 {
            metrics.add_unreadable(WarningEvent {
                code: ErrorCode::Image,
                message: format!("{index}"),
                file: None,
                hint: None,
            });
        }
        let evaluation = finish(metrics, 2);
        assert_eq!((evaluation.broken, evaluation.warnings.len()), (150, 100));
    }

    /// The fixture is computed from the formulas by `scripts/fixtures/metrics.py`.
    #[test]
    fn every_metric_equals_its_formula() {
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
        let mut metrics = EvaluationMetrics::new(classes).with_top_losses(5);
        let indices: Vec<u32> = (0..labels.len() as u32).collect();
        for start in (0..labels.len()).step_by(7) {
            let end = labels.len().min(start + 7);
            metrics.add(
                &rows[start * classes..end * classes],
                &labels[start..end],
                &indices[start..end],
            );
        }
        let evaluation = serde_json::to_value(finish(metrics, classes)).unwrap();
        for (key, expected) in fixture["expected"].as_object().unwrap() {
            assert_close(key, &evaluation[key], expected);
        }
    }

    /// Asserts that `actual` contains every value of `expected`, numbers within 1e-9.
    fn assert_close(path: &str, actual: &serde_json::Value, expected: &serde_json::Value) {
        use serde_json::Value;
        match expected {
            Value::Object(map) => {
                map.iter()
                    .for_each(|(key, v)| assert_close(&format!("{path}.{key}"), &actual[key], v));
            }
            Value::Array(items) => {
                assert_eq!(actual.as_array().map(Vec::len), Some(items.len()), "{path}");
                for (index, item) in items.iter().enumerate() {
                    assert_close(&format!("{path}[{index}]"), &actual[index], item);
                }
            }
            Value::Number(expected) => {
                let actual = actual.as_f64().unwrap_or_else(|| panic!("{path} is {actual}"));
                assert!((actual - expected.as_f64().unwrap()).abs() < 1e-9, "{path}: {actual}");
            }
            Value::Null | Value::Bool(_) | Value::String(_) => {
                assert_eq!(actual, expected, "{path}");
            }
        }
    }
}
