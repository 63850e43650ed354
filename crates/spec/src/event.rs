//! What happens during a run, in the one form that hooks, the iterator, `--json` and
//! metrics.jsonl share.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{DatasetInfo, ResolvedConfig, TrainResult};

/// Loss and accuracy over a number of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of images classified right, 0 to 1.
    pub accuracy: f64,
    /// Images counted.
    pub count: u32,
}

/// Something that happened. Events of a run come in order; step events may be skipped when their
/// reader is slow, all others arrive.
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

/// The run is prepared and about to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StartEvent {
    /// The run folder, absolute.
    pub dir: String,
    pub config: Box<ResolvedConfig>,
    pub data: DatasetInfo,
    /// Images trained on in an epoch, after the validation split.
    pub train_images: u32,
    /// Those of each class, in the order of `data.classes`.
    pub train_class_counts: Vec<u32>,
    pub val_images: u32,
    pub test_images: u32,
    /// Trainable numbers of the network.
    pub parameters: u64,
    /// Multiply-adds of one image's forward pass.
    pub macs: u64,
    pub steps_per_epoch: u32,
    /// Where the budget is known in steps or epochs.
    pub total_steps: Option<u64>,
    /// Steps already done, in a resumed run.
    pub start_step: u64,
}

/// One update of the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StepEvent {
    /// From 1.
    pub epoch: u32,
    /// Updates since the beginning, this one included.
    pub step: u64,
    pub step_in_epoch: u32,
    pub steps_per_epoch: u32,
    /// Mean loss of this batch.
    pub loss: f64,
    /// Mean loss of the epoch so far.
    pub epoch_loss: f64,
    /// Accuracy of the epoch so far, on augmented images, before each update.
    pub epoch_accuracy: f64,
    /// The rate that this update used.
    pub lr: f64,
    /// In `precision: 'fp16'`: what losses are multiplied by from here on. It falls by half when an
    /// update is skipped because its gradients were not finite.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f64>,
    /// Over the last seconds.
    pub images_per_second: f64,
    /// Seconds to the end of the budget.
    pub eta_seconds: Option<f64>,
}

/// A whole pass over the training images, validated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EpochEvent {
    /// From 1.
    pub epoch: u32,
    /// Updates since the beginning.
    pub step: u64,
    /// The rate of the epoch's last update.
    pub lr: f64,
    /// Means over the epoch, in training mode on augmented images.
    pub train: Metrics,
    /// In evaluation mode on unaugmented images; null without a validation part.
    pub val: Option<Metrics>,
    /// The best so far, by `monitor`.
    pub best: bool,
    /// Training throughput over the epoch, evaluation not counted.
    pub images_per_second: f64,
    /// Of training, evaluation included, since the beginning.
    pub seconds: f64,
}

/// A checkpoint was written, synced and renamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointEvent {
    /// `last`, `best` or `epoch`.
    pub kind: CheckpointKind,
    /// Absolute.
    pub path: String,
    pub epoch: u32,
    pub step: u64,
}

/// Which checkpoint: the last one, the best one so far, or one that is kept of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointKind {
    Last,
    Best,
    Epoch,
}

/// Something that the run went on in spite of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WarningEvent {
    /// As if it had been thrown.
    pub code: crate::ErrorCode,
    pub message: String,
    /// The file that it is about.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The run ended; nothing follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EndEvent {
    pub result: TrainResult,
}

impl RunEvent {
    /// Whether it may be dropped in favour of a later one of its kind.
    pub fn may_coalesce(&self) -> bool {
        matches!(self, RunEvent::Step(_))
    }

    /// Updates done when it happened, where it has a place in the run.
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
    fn an_event_is_told_apart_by_its_type_and_reads_back() {
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
