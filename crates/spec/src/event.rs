//! Events of a run, as hooks, the async iterator, `--json`, metrics.jsonl and the dashboard get
//! them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{DatasetInfo, ResolvedConfig, TrainResult};

/// Mean loss and accuracy over a set of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Fraction of images classified correctly, 0 to 1.
    pub accuracy: f64,
    /// Number of images.
    pub count: u32,
}

/// Event of a run. Events arrive in order. Consecutive step events are coalesced if the reader is
/// slow; all other events are delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum RunEvent {
    Start(StartEvent),
    Step(StepEvent),
    Epoch(EpochEvent),
    Checkpoint(CheckpointEvent),
    Warning(WarningEvent),
    End(EndEvent),
}

/// Emitted before the first step, when the run is prepared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StartEvent {
    /// Absolute path of the run folder.
    pub dir: String,
    pub config: Box<ResolvedConfig>,
    pub data: DatasetInfo,
    /// Training images per epoch, after the validation split.
    pub train_images: u32,
    /// Training images of each class, in the order of `data.classes`.
    pub train_class_counts: Vec<u32>,
    /// Validation images.
    pub val_images: u32,
    /// Test images.
    pub test_images: u32,
    /// Number of parameters, including frozen ones.
    pub parameters: u64,
    /// Multiply-accumulate operations of the forward pass of one image.
    pub macs: u64,
    pub steps_per_epoch: u32,
    /// Steps of the entire budget; null if it is limited by time only.
    pub total_steps: Option<u64>,
    /// Steps completed before this session; 0 unless the run was resumed.
    pub start_step: u64,
}

/// Emitted after an optimizer step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StepEvent {
    /// Epoch, starting at 1.
    pub epoch: u32,
    /// Steps since the start of the run, including this one.
    pub step: u64,
    pub step_in_epoch: u32,
    pub steps_per_epoch: u32,
    /// Mean loss over the batch.
    pub loss: f64,
    /// Mean loss over the images of the epoch so far.
    pub epoch_loss: f64,
    /// Accuracy over the augmented images of the epoch so far, each measured before the weight
    /// update of its step.
    pub epoch_accuracy: f64,
    /// Learning rate of this step.
    pub lr: f64,
    /// Loss scale after this step, for `precision: 'fp16'` only. As with `torch.amp.GradScaler`, a
    /// step with infinite or NaN gradients is skipped and halves the scale.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f64>,
    /// Training throughput over the last few seconds.
    pub images_per_second: f64,
    /// Estimated seconds until the end of the budget; null if unknown.
    pub eta_seconds: Option<f64>,
}

/// Emitted after each epoch and its validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EpochEvent {
    /// Epoch, starting at 1.
    pub epoch: u32,
    /// Steps since the start of the run.
    pub step: u64,
    /// Learning rate of the last step of the epoch.
    pub lr: f64,
    /// Training metrics: in training mode, on augmented images, while the weights change.
    pub train: Metrics,
    /// Validation metrics: in evaluation mode, without augmentation, after the last step. Null
    /// without a validation split.
    pub val: Option<Metrics>,
    /// Whether this is the best epoch so far, by `monitor`.
    pub best: bool,
    /// Training throughput over the epoch, excluding validation.
    pub images_per_second: f64,
    /// Seconds of training since the start of the run, including validation.
    pub seconds: f64,
}

/// Emitted after a checkpoint is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointEvent {
    /// Kind of checkpoint.
    pub kind: CheckpointKind,
    /// Absolute path of the checkpoint.
    pub path: String,
    pub epoch: u32,
    pub step: u64,
}

/// Kind of checkpoint: the last one, the best one so far, or an additional one of an epoch
/// (`checkpoint.everyEpochs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointKind {
    Last,
    Best,
    Epoch,
}

/// Problem that does not end the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WarningEvent {
    /// Code of the equivalent error.
    pub code: crate::ErrorCode,
    pub message: String,
    /// File that the warning refers to.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Emitted when the run has ended. The last event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EndEvent {
    pub result: TrainResult,
}

impl RunEvent {
    /// Returns whether a later event of the same type may replace this one.
    pub fn may_coalesce(&self) -> bool {
        matches!(self, RunEvent::Step(_))
    }

    /// Returns the step of the event, or `None` for events without one.
    pub fn step(&self) -> Option<u64> {
        match self {
            RunEvent::Step(e) => Some(e.step),
            RunEvent::Epoch(e) => Some(e.step),
            RunEvent::Checkpoint(e) => Some(e.step),
            RunEvent::Start(_) | RunEvent::Warning(_) | RunEvent::End(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_unchanged_by_a_json_round_trip() {
        let event = RunEvent::Checkpoint(CheckpointEvent {
            kind: CheckpointKind::Best,
            path: "runs/x/checkpoints/best.safetensors".into(),
            epoch: 3,
            step: 99,
        });
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["type"], "checkpoint");
        assert_eq!(json["kind"], "best");
        assert_eq!(serde_json::from_value::<RunEvent>(json).unwrap(), event);
    }
}
