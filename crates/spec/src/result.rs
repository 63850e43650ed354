//! How a run ended, and what evaluating and predicting give.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{Metrics, Split, WarningEvent};

/// Why a run that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// All epochs were trained.
    Completed,
    /// `stop()`, a hook's `'stop'`, or a signal to the command line.
    Stopped,
    /// It did not improve for longer than `earlyStopping` lets pass.
    EarlyStopping,
    /// The budget's steps or seconds were used up before its epochs.
    Budget,
}

/// result.json, and what `await train(...)` gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TrainResult {
    pub stop_reason: StopReason,
    /// The run folder, absolute.
    pub dir: String,
    /// Whole epochs trained.
    pub epochs: u32,
    /// Updates made.
    pub steps: u64,
    /// The best epoch by `monitor`; null if no epoch was finished.
    pub best: Option<BestCheckpoint>,
    /// The last checkpoint, absolute.
    pub last: String,
    /// The best checkpoint on the test part, where the data set has one and the run was not
    /// stopped before its end.
    pub test: Option<Metrics>,
    /// Training throughput, evaluation not counted.
    pub images_per_second: f64,
    /// Of training, evaluation included, over all sessions of the run.
    pub seconds: f64,
    /// The report, absolute: where `train()` was asked for one and it could be written. It is made
    /// of result.json, which therefore has none.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// The best epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct BestCheckpoint {
    pub epoch: u32,
    /// Validation accuracy; training accuracy where there is no validation part.
    pub accuracy: f64,
    pub loss: f64,
    /// Absolute.
    pub checkpoint: String,
}

/// One class in an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ClassMetrics {
    pub label: String,
    /// Share of the class's images that were recognised (recall), 0 to 1; 0 without images.
    pub accuracy: f64,
    /// Share of the images taken for this class that are of it, 0 to 1; 0 if none were.
    pub precision: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Images of this class (support).
    pub count: u32,
    /// Images taken for this class.
    pub predicted: u32,
}

/// One class taken for another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConfusedPair {
    /// What it is.
    pub label: String,
    /// What it was taken for.
    pub predicted: String,
    pub count: u32,
    /// Of the images of `label`, 0 to 1.
    pub share: f64,
}

/// Images whose greatest probability lies in one range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CalibrationBin {
    /// The range, its lower end not included.
    pub from: f64,
    pub to: f64,
    pub count: u32,
    /// Mean of the greatest probability; 0 without images.
    pub confidence: f64,
    /// Share classified right; 0 without images.
    pub accuracy: f64,
}

/// Whether probabilities can be believed: of images recognised with 80 %, are 80 % right?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Calibration {
    /// Expected calibration error (Guo et al. 2017, arXiv:1706.04599): the mean distance between
    /// confidence and accuracy over the bins, weighted by their images. 0 to 1.
    pub error: f64,
    /// 15 of equal width: the points of a reliability diagram.
    pub bins: Vec<CalibrationBin>,
}

/// One image in an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EvaluatedImage {
    /// Its index in its part of the data set.
    pub index: u32,
    /// Its file, or part and index (`test/12`) where it is in no file of its own.
    pub name: String,
    /// What it is.
    pub label: String,
    /// What it was taken for.
    pub predicted: String,
    /// Of `predicted`, 0 to 1.
    pub probability: f64,
    /// Cross-entropy, in nats.
    pub loss: f64,
    /// Its pixels, where `thumbnails` asked for them.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Thumbnail>,
}

/// A small image, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Thumbnail {
    pub width: u32,
    pub height: u32,
    /// 1 (grey) or 3 (RGB).
    pub channels: u32,
    /// `height * width * channels` bytes, row by row, channels innermost, in base64.
    pub base64: String,
}

/// What `evaluate()` gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of images classified right, 0 to 1.
    pub accuracy: f64,
    /// Share of images whose class is among the five most probable.
    pub top5: f64,
    /// Images measured.
    pub count: u32,
    pub classes: Vec<ClassMetrics>,
    /// `confusion[i][j]`: images of class i that were taken for class j. Empty for more than 1,000
    /// classes, where it would have millions of numbers.
    pub confusion: Vec<Vec<u32>>,
    /// The pairs of classes confused most often, at most 10.
    pub most_confused: Vec<ConfusedPair>,
    pub calibration: Calibration,
    /// The images with the highest losses, as many as `topLosses` asked for.
    pub top_losses: Vec<EvaluatedImage>,
    /// Images spread evenly over the part, as many as `samples` asked for.
    pub samples: Vec<EvaluatedImage>,
    /// Images that could not be read, and are not in `count`.
    pub broken: u32,
    /// One for each of them; the first 100.
    pub warnings: Vec<WarningEvent>,
    pub images_per_second: f64,
}

/// evaluation.json: what the best network of a run made of images that it was not trained on, as it
/// was measured last, when the run ended or was stopped. A report need measure nothing then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RunEvaluation {
    /// The test part; the validation part where there is no test part, or the run was stopped.
    pub split: Split,
    /// The epoch that the network is of.
    pub epoch: u32,
    /// With the pixels of some samples and of the worst mistakes.
    pub evaluation: Evaluation,
}

/// How strongly a layer answers (the paper's figure 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LayerResponse {
    /// A 3x3 convolution: `layer1.0.conv1`.
    pub name: String,
    /// The standard deviation, over all images, channels and places, of what leaves its batch
    /// normalisation (the convolution itself, where none follows), before ReLU and addition.
    pub std: f64,
}

/// What `experiment.ensemble()` gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EnsembleEvaluation {
    /// Of the mean of the members' probabilities.
    pub ensemble: Evaluation,
    /// Each alone, in the order in which they were given.
    pub members: Vec<Evaluation>,
}

/// A class and how probable it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LabelProbability {
    pub label: String,
    pub index: u32,
    /// 0 to 1.
    pub probability: f64,
}

/// What the network takes an image for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Prediction {
    pub label: String,
    pub index: u32,
    /// 0 to 1.
    pub probability: f64,
    /// The most probable classes, best first.
    pub top: Vec<LabelProbability>,
    /// The image, where `thumbnails` asked for it.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Thumbnail>,
}

impl From<&Evaluation> for Metrics {
    fn from(e: &Evaluation) -> Metrics {
        Metrics { loss: e.loss, accuracy: e.accuracy, count: e.count }
    }
}

/// One update of the range test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LrPoint {
    /// The rate of this update.
    pub lr: f64,
    /// Mean loss of its images, before it.
    pub loss: f64,
    /// The same, averaged over the updates so far.
    pub smoothed: f64,
}

/// A rate to train with, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LrSuggestion {
    /// `minimum/10` or `steepest`.
    pub name: String,
    pub lr: f64,
    pub reason: String,
}

/// What `findLr()` gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LrFinderResult {
    /// By rising rate.
    pub points: Vec<LrPoint>,
    /// The loss burst before the highest rate.
    pub diverged: bool,
    /// The rate to begin with; null if the loss did not fall.
    pub suggestion: Option<f64>,
    pub reason: String,
    /// All rates that may be meant, that suggested first.
    pub suggestions: Vec<LrSuggestion>,
}

/// What a file of trained weights says of itself, beside its network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointInfo {
    /// Absolute.
    pub file: String,
    pub bytes: u64,
    /// Class names, in the order of their indices.
    pub classes: Vec<String>,
    /// What is subtracted from each channel, of values in 0..1, and what it is then divided by.
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
    pub precision: crate::Precision,
    /// What it was trained on, as it was named then; null for weights of others.
    pub source: Option<String>,
    /// Whole epochs that it was trained for; 0 where the file does not say.
    pub epoch: u32,
    /// Updates; 0 where the file does not say.
    pub step: u64,
    /// The best epoch of its run until then; null where there was none.
    pub best: Option<BestEpoch>,
    /// What was assumed of weights that do not say it, a sentence each; none for a checkpoint.
    pub assumed: Vec<String>,
}

/// What an epoch reached on the validation part; on the training part where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct BestEpoch {
    pub epoch: u32,
    pub accuracy: f64,
    pub loss: f64,
}

/// What a model is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    pub arch: String,
    /// Class names, in the order of their indices.
    pub classes: Vec<String>,
    pub channels: u32,
    /// Height and width that the network sees.
    pub image_size: u32,
    /// Trainable numbers.
    pub parameters: u64,
    /// The file that it was read from, absolute.
    pub checkpoint: String,
    /// Whole epochs that it was trained for; 0 where the file does not say.
    pub epoch: u32,
    /// What was assumed of weights that do not say it, a sentence each; none for a checkpoint.
    pub assumed: Vec<String>,
}
