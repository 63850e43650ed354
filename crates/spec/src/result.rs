//! How a run ended, and what evaluating and predicting give.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Score;

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
    pub best: Option<Best>,
    /// The last checkpoint, absolute.
    pub last: String,
    /// The best checkpoint on the test part, where the data set has one and the run was not
    /// stopped before its end.
    pub test: Option<Score>,
    /// Training throughput, evaluation not counted.
    pub images_per_second: f64,
    /// Of training, evaluation included, over all sessions of the run.
    pub seconds: f64,
}

/// The best epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Best {
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
pub struct ClassScore {
    pub label: String,
    /// Share of the class's images that were recognised (recall), 0 to 1.
    pub accuracy: f64,
    pub count: u32,
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
    pub count: u32,
    pub classes: Vec<ClassScore>,
    /// `confusion[i][j]`: images of class i that were taken for class j.
    pub confusion: Vec<Vec<u32>>,
    pub images_per_second: f64,
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
}

impl From<Evaluation> for Score {
    fn from(e: Evaluation) -> Score {
        Score { loss: e.loss, accuracy: e.accuracy, count: e.count }
    }
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
    /// Whole epochs that it was trained for.
    pub epoch: u32,
}
