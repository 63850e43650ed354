//! Results of training, evaluation, prediction and `findLr()`.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{Metrics, Split, WarningEvent};

/// Reason why a run ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// All epochs were trained.
    Completed,
    /// Stopped by `stop()`, by a hook that returned `'stop'`, or by a signal to the command line.
    Stopped,
    /// No improvement for `earlyStopping.patience` epochs.
    EarlyStopping,
    /// The budget's steps or seconds were reached before its epochs.
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
    /// Training time of all sessions of the run, including validation.
    pub seconds: f64,
    /// Absolute path of the report, if `train()` wrote one. Not in result.json, from which the
    /// report is generated.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// The best epoch of a run and its checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct BestCheckpoint {
    pub epoch: u32,
    /// Validation accuracy; training accuracy without a validation split.
    pub accuracy: f64,
    pub loss: f64,
    /// Absolute path of the checkpoint.
    pub checkpoint: String,
}

/// Metrics of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ClassMetrics {
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

/// A cell of the confusion matrix off its diagonal.
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

/// A bin of a reliability diagram: the images whose confidence is in a range.
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
    /// Expected calibration error (Guo et al. 2017, arXiv:1706.04599): mean absolute difference of
    /// confidence and accuracy over the bins, weighted by their number of images, 0 to 1.
    pub error: f64,
    /// 15 bins of equal width, for a reliability diagram.
    pub bins: Vec<CalibrationBin>,
}

/// Prediction for one image of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EvaluatedImage {
    /// Index in its split of the data set.
    pub index: u32,
    /// Path of the file, or split and index (`test/12`) if the image has no file of its own.
    pub name: String,
    /// True class.
    pub label: String,
    /// Predicted class.
    pub predicted: String,
    /// Probability of `predicted`, 0 to 1.
    pub probability: f64,
    /// Cross-entropy, in nats.
    pub loss: f64,
    /// Pixels, if `thumbnails` is set.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Thumbnail>,
}

/// A small image as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Thumbnail {
    pub width: u32,
    pub height: u32,
    /// 1 (grayscale) or 3 (RGB).
    pub channels: u32,
    /// Pixels in base64: `height * width * channels` bytes in HWC order.
    pub base64: String,
}

/// Result of `evaluate()`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Fraction of images classified correctly, 0 to 1.
    pub accuracy: f64,
    /// Top-5 accuracy: fraction of images whose class is among the five most probable, 0 to 1.
    pub top5: f64,
    /// Number of evaluated images.
    pub count: u32,
    pub classes: Vec<ClassMetrics>,
    /// Confusion matrix: `confusion[i][j]` is the number of images of class i predicted as class j.
    /// Empty for more than 1,000 classes.
    pub confusion: Vec<Vec<u32>>,
    /// The ten most frequently confused pairs of classes.
    pub most_confused: Vec<ConfusedPair>,
    pub calibration: Calibration,
    /// Images with the highest losses; their number is `topLosses` of the request.
    pub top_losses: Vec<EvaluatedImage>,
    /// Evenly spaced images of the split; their number is `samples` of the request.
    pub samples: Vec<EvaluatedImage>,
    /// Number of images that could not be read. They are not included in `count`.
    pub broken: u32,
    /// A warning for each unreadable image, at most 100.
    pub warnings: Vec<WarningEvent>,
    pub images_per_second: f64,
}

/// Content of evaluation.json: evaluation of the best checkpoint when the run ended. Reports use it
/// instead of evaluating again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RunEvaluation {
    /// Evaluated split: test, or val without a test split or if the run was stopped.
    pub split: Split,
    /// Epoch of the checkpoint.
    pub epoch: u32,
    /// Evaluation with thumbnails of samples and of the highest losses.
    pub evaluation: Evaluation,
}

/// Response of a layer (He et al. 2015, figure 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LayerResponse {
    /// Name of a 3x3 convolution, such as `layer1.0.conv1`.
    pub name: String,
    /// Standard deviation over images, channels and positions of the output of the layer's batch
    /// normalization (or of the convolution, without one), before ReLU and addition.
    pub std: f64,
}

/// Result of `experiment.ensemble()`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EnsembleEvaluation {
    /// Evaluation of the mean of the members' probabilities.
    pub ensemble: Evaluation,
    /// Evaluation of each member, in the order of the request.
    pub members: Vec<Evaluation>,
}

/// Probability of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LabelProbability {
    pub label: String,
    pub index: u32,
    /// Probability, 0 to 1.
    pub probability: f64,
}

/// Prediction for an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Prediction {
    pub label: String,
    pub index: u32,
    /// Probability, 0 to 1.
    pub probability: f64,
    /// Most probable classes in descending order.
    pub top: Vec<LabelProbability>,
    /// The image, if `thumbnails` is set.
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
    /// Exponentially smoothed loss.
    pub smoothed: f64,
}

/// A suggested learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LrSuggestion {
    /// Rule: `minimum/10` or `steepest`.
    pub name: String,
    pub lr: f64,
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
    pub bytes: u64,
    /// Class names in index order.
    pub classes: Vec<String>,
    /// Mean and standard deviation of each channel used for normalization, for values from 0 to 1.
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
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
}

/// Best epoch by validation metrics (training metrics without a validation split).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct BestEpoch {
    pub epoch: u32,
    pub accuracy: f64,
    pub loss: f64,
}

/// Description of a loaded model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    pub arch: String,
    /// Class names in index order.
    pub classes: Vec<String>,
    pub channels: u32,
    /// Height and width of the network's input, in pixels.
    pub image_size: u32,
    /// Number of trainable parameters.
    pub parameters: u64,
    /// Absolute path of the file that was loaded.
    pub checkpoint: String,
    /// Completed epochs; 0 if unknown.
    pub epoch: u32,
    /// Assumptions about weights without metadata, one sentence each. Empty for checkpoints.
    pub assumed: Vec<String>,
}
