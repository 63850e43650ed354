//! Results of training, evaluation, prediction and `findLr()`.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::macros::string_enum;
use crate::{Metrics, Split, WarningEvent};

/// Reason why a run ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// `budget.epochs` was reached.
    Completed,
    /// Stopped by `stop()`, by a hook that returned `'stop'`, or by a signal to the command line.
    Stopped,
    /// No improvement for `earlyStopping.patience` epochs.
    EarlyStopping,
    /// `budget.steps` or `budget.seconds` was reached.
    Budget,
}

/// Result of `train()`, and content of result.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TrainResult {
    pub stop_reason: StopReason,
    /// Absolute path of the run folder.
    pub dir: String,
    /// Completed epochs.
    pub epochs: u32,
    /// Completed steps.
    pub steps: u64,
    /// Best epoch by `monitor`; null if no epoch was completed.
    pub best: Option<BestCheckpoint>,
    /// Absolute path of the last checkpoint.
    pub last: String,
    /// Test metrics of the best checkpoint; null without a test split or if the run was stopped.
    pub test: Option<Metrics>,
    /// Training throughput, excluding validation.
    pub images_per_second: f64,
    /// Seconds of training over all sessions of the run, including validation.
    pub seconds: f64,
    /// Absolute path of the report, if `train()` wrote one. Missing in result.json, which is
    /// written before the report.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// Best epoch of a run, with its checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct BestCheckpoint {
    /// Epoch, starting at 1.
    pub epoch: u32,
    /// Validation accuracy; training accuracy without a validation split.
    pub accuracy: f64,
    /// Validation loss; training loss without a validation split.
    pub loss: f64,
    /// Absolute path of the checkpoint.
    pub checkpoint: String,
}

/// Metrics of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ClassMetrics {
    /// Class name.
    pub label: String,
    /// Recall: fraction of the class's images classified correctly, 0 to 1; 0 without images.
    pub accuracy: f64,
    /// Precision: fraction of the images predicted as this class that belong to it, 0 to 1; 0
    /// without predictions.
    pub precision: f64,
    /// F1 score: harmonic mean of precision and recall.
    pub f1: f64,
    /// Images of this class (support).
    pub count: u32,
    /// Images predicted as this class.
    pub predicted: u32,
}

/// Off-diagonal element of the confusion matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConfusedPair {
    /// True class.
    pub label: String,
    /// Predicted class.
    pub predicted: String,
    /// Number of images.
    pub count: u32,
    /// Fraction of the images of `label`, 0 to 1.
    pub share: f64,
}

/// Bin of a reliability diagram: the images whose confidence is within a range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CalibrationBin {
    /// Lower bound of the confidence, exclusive.
    pub from: f64,
    /// Upper bound of the confidence, inclusive.
    pub to: f64,
    /// Number of images.
    pub count: u32,
    /// Mean confidence (probability of the predicted class); 0 without images.
    pub confidence: f64,
    /// Fraction of images classified correctly; 0 without images.
    pub accuracy: f64,
}

/// Calibration: agreement of predicted probabilities and accuracy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Calibration {
    /// Expected calibration error (Guo et al. 2017, arXiv:1706.04599), 0 to 1: absolute difference
    /// of confidence and accuracy, averaged over the bins with their numbers of images as weights.
    pub error: f64,
    /// 15 bins of equal width, for a reliability diagram.
    pub bins: Vec<CalibrationBin>,
}

/// Prediction for one image of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EvaluatedImage {
    /// Index of the image in its split.
    pub index: u32,
    /// Path of the image file, name and path in an archive (`0001.jpg in train-0.tar`), or split
    /// and index (`test/12`) for formats without a file per image.
    pub name: String,
    /// True class.
    pub label: String,
    /// Predicted class.
    pub predicted: String,
    /// Probability of `predicted`, 0 to 1.
    pub probability: f64,
    /// Cross-entropy, in nats.
    pub loss: f64,
    /// Thumbnail, if `thumbnails` is set.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Thumbnail>,
}

/// Image reduced in size, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Thumbnail {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// 1 (grayscale) or 3 (RGB).
    pub channels: u32,
    /// Pixels in base64: `height * width * channels` bytes in HWC order.
    pub base64: String,
}

/// Data set and split of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EvaluatedData {
    /// Name or path of the data set.
    pub source: String,
    pub split: Split,
}

/// Result of `evaluate()`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Evaluated data; absent in the evaluation of a run, which has a `split` of its own.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<EvaluatedData>,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Fraction of images classified correctly, 0 to 1.
    pub accuracy: f64,
    /// Top-5 accuracy: fraction of images whose class is among the five most probable, 0 to 1.
    pub top5: f64,
    /// Number of evaluated images.
    pub count: u32,
    /// Metrics of each class, in index order.
    pub classes: Vec<ClassMetrics>,
    /// Confusion matrix: `confusion[i][j]` is the number of images of class i predicted as class j.
    /// Empty for more than 1,000 classes.
    pub confusion: Vec<Vec<u32>>,
    /// The ten most frequently confused pairs of classes.
    pub most_confused: Vec<ConfusedPair>,
    pub calibration: Calibration,
    /// Images with the highest losses, highest first. The option `topLosses` sets their number.
    pub top_losses: Vec<EvaluatedImage>,
    /// Evenly spaced images of the split. The option `samples` sets their number.
    pub samples: Vec<EvaluatedImage>,
    /// Number of images that could not be read, not included in `count`.
    pub broken: u32,
    /// A warning for each unreadable image, at most 100.
    pub warnings: Vec<WarningEvent>,
    /// Throughput, including loading of the images.
    pub images_per_second: f64,
    /// Outcome of each image, as in [`RunEvaluation::val_outcomes`]. Not serialized, because
    /// [`RunEvaluation`] contains it.
    #[ts(skip)]
    #[serde(skip)]
    pub outcomes: Option<String>,
}

/// Content of evaluation.json: evaluation of the best checkpoint at the end of the run. Reports
/// read this file instead of evaluating again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RunEvaluation {
    /// Evaluated split: test, or val without a test split or if the run was stopped.
    pub split: Split,
    /// Epoch of the checkpoint.
    pub epoch: u32,
    /// Evaluation, with thumbnails in `samples` and `topLosses`.
    pub evaluation: Evaluation,
    /// Outcome of the checkpoint on each validation image, for paired comparisons of runs. One
    /// character per image of the source from which the split was selected, in its order: `1` if
    /// the image was classified correctly, `0` if not, `-` if it was not evaluated.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_outcomes: Option<String>,
    /// Outcome on each test image, as `valOutcomes`.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_outcomes: Option<String>,
}

/// Standard deviation of the response of a layer (He et al. 2015, figure 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LayerResponse {
    /// Name of a 3x3 convolution, such as `layer1.0.conv1`.
    pub name: String,
    /// Standard deviation over images, channels and positions. The response is the output of the
    /// batch normalization after the convolution (of the convolution if none follows), before ReLU
    /// and addition.
    pub std: f64,
}

/// Result of `experiment.ensemble()`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EnsembleEvaluation {
    /// Evaluation of the mean probabilities of all members.
    pub ensemble: Evaluation,
    /// Evaluation of each member, in the order of the request.
    pub members: Vec<Evaluation>,
}

/// Probability of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LabelProbability {
    /// Class name.
    pub label: String,
    /// Index of the class.
    pub index: u32,
    /// Probability, 0 to 1.
    pub probability: f64,
}

/// Prediction for an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Prediction {
    /// Name of the most probable class.
    pub label: String,
    /// Index of the most probable class.
    pub index: u32,
    /// Probability of the most probable class, 0 to 1.
    pub probability: f64,
    /// Most probable classes, by decreasing probability. The option `top` sets their number.
    pub top: Vec<LabelProbability>,
    /// Thumbnail of the image, if `thumbnails` is set.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Thumbnail>,
}

impl From<&Evaluation> for Metrics {
    fn from(e: &Evaluation) -> Metrics {
        Metrics { loss: e.loss, accuracy: e.accuracy, count: e.count }
    }
}

/// One step of the learning-rate range test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LrPoint {
    /// Learning rate of this step.
    pub lr: f64,
    /// Mean loss of the batch, before the weight update.
    pub loss: f64,
    /// Exponential moving average of the loss.
    pub smoothed: f64,
}

/// A suggested learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LrSuggestion {
    /// Rule: `minimum/10` or `steepest`.
    pub name: String,
    /// Suggested learning rate.
    pub lr: f64,
    /// Explanation of the suggestion, one sentence.
    pub reason: String,
}

/// Result of `findLr()`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LrFinderResult {
    /// Steps by increasing learning rate.
    pub points: Vec<LrPoint>,
    /// Whether the loss diverged before the last learning rate.
    pub diverged: bool,
    /// Suggested learning rate; null if the loss did not decrease.
    pub suggestion: Option<f64>,
    /// Explanation of the suggestion, or of its absence.
    pub reason: String,
    /// Suggestions of all rules; the first one is `suggestion`.
    pub suggestions: Vec<LrSuggestion>,
}

/// Metadata of a checkpoint or weights file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointInfo {
    /// Absolute path of the file.
    pub file: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Class names in index order.
    pub classes: Vec<String>,
    /// Mean of each channel for normalization, for values from 0 to 1.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel for normalization, for values from 0 to 1.
    pub std: Vec<f64>,
    /// Data type of the computation in training.
    pub precision: crate::Precision,
    /// Data set that the model was trained on, as named in its configuration; null for external
    /// weights.
    pub source: Option<String>,
    /// Completed epochs; 0 if unknown.
    pub epoch: u32,
    /// Completed steps; 0 if unknown.
    pub step: u64,
    /// Best epoch of the run so far; null if unknown.
    pub best: Option<BestEpoch>,
    /// Assumptions about weights without metadata, one sentence each. Empty for checkpoints.
    pub assumed: Vec<String>,
    /// Warnings about the file, one sentence each: tensors that are ignored, which of several networks
    /// in the file is used, a missing or damaged checkpoint that another one of the run replaces.
    pub warnings: Vec<String>,
}

/// Best epoch by `monitor`, with its validation metrics (training metrics without a validation
/// split).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct BestEpoch {
    /// Epoch, starting at 1.
    pub epoch: u32,
    pub accuracy: f64,
    pub loss: f64,
}

/// Description of a loaded model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    /// Name of the network.
    pub arch: String,
    /// Class names in index order.
    pub classes: Vec<String>,
    /// Channels of the network's input.
    pub channels: u32,
    /// Height and width of the network's input, in pixels.
    pub image_size: u32,
    /// Number of parameters, including frozen ones.
    pub parameters: u64,
    /// Absolute path of the loaded file.
    pub checkpoint: String,
    /// Completed epochs; 0 if unknown.
    pub epoch: u32,
    /// Assumptions about weights without metadata, one sentence each. Empty for checkpoints.
    pub assumed: Vec<String>,
    /// Warnings about the file, one sentence each: tensors that are ignored, which of several networks
    /// in the file is used, a missing or damaged checkpoint that another one of the run replaces.
    pub warnings: Vec<String>,
}

string_enum! {
    /// Condition of a file.
    RunFileStatus {
        /// The file is intact: its checksums match or, without checksums, its content is valid.
        "ok" Ok,
        /// The file contains weights without checksums, or is of a newer version.
        "unverified" Unverified,
        "damaged" Damaged,
        "missing" Missing,
    }
}

impl RunFileStatus {
    /// Returns whether no damage was found, as far as the file can be verified.
    pub fn is_intact(self) -> bool {
        match self {
            RunFileStatus::Ok | RunFileStatus::Unverified => true,
            RunFileStatus::Damaged | RunFileStatus::Missing => false,
        }
    }
}

/// A file that `verify()` checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedRunFile {
    /// Path in the run folder, such as `checkpoints/last.safetensors`.
    pub file: String,
    pub status: RunFileStatus,
    /// Size in bytes; null if the file is missing.
    pub bytes: Option<u64>,
    /// Summary of the content (`3 lines`), or the problem (`is cut off within line 3`).
    pub detail: String,
}

/// Result of `verify()`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RunVerification {
    /// Absolute path of the run folder or the file.
    pub path: String,
    /// Whether no file is damaged or missing.
    pub ok: bool,
    pub files: Vec<VerifiedRunFile>,
}
