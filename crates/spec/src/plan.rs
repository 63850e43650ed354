//! What can be said of a run before it is one, and what a machine can do.

use serde::Serialize;
use ts_rs::TS;

use crate::{DatasetInfo, Device, Precision, ResolvedConfig, WarningEvent};

/// What `plan()` gives: a run as it would be. Nothing was written.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The run folder that it would have, absolute.
    pub dir: String,
    pub config: ResolvedConfig,
    pub data: DatasetInfo,
    /// Images trained on in an epoch, after the validation split.
    pub train_images: u32,
    pub val_images: u32,
    pub test_images: u32,
    /// Trainable numbers of the network.
    pub parameters: u64,
    /// Multiply-adds of one image's forward pass.
    pub macs: u64,
    pub steps_per_epoch: u32,
    /// Where the budget is known in steps or epochs.
    pub total_steps: Option<u64>,
    /// Steps already done, in a run that would be resumed.
    pub start_step: u64,
    /// What would be warned of at the beginning.
    pub warnings: Vec<WarningEvent>,
    pub memory: MemoryEstimate,
    /// Null where nothing was measured: it was not wanted, or no step could be made.
    pub time: Option<TimeEstimate>,
}

/// Memory for training, computed from the shapes of the network's tensors, in bytes; and what this
/// process really took.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MemoryEstimate {
    /// Weights and running statistics, and their moving average if there is one.
    pub weights: u64,
    pub gradients: u64,
    /// The update rule's state.
    pub optimizer: u64,
    /// What the forward pass keeps of a batch for the backward pass: what leaves each convolution,
    /// and each normalisation.
    pub activations: u64,
    /// Batches that the workers make ahead.
    pub batches: u64,
    /// Decoded images that are kept (`cache`), at full size, or that lie on the device (`augmentOn`).
    pub images: u64,
    pub total: u64,
    /// The most that this process ever had in memory, JavaScript and libtorch included, after the
    /// steps that were measured; null where none were, or the system does not tell.
    pub measured: Option<u64>,
}

/// How long training would take, from updates that were really made, on the run's own batches. The
/// network that they were made on was thrown away.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TimeEstimate {
    /// Updates measured; the first one made is not among them, for it takes longer.
    pub steps: u32,
    /// Seconds for an update: the median, the fastest and the slowest.
    pub step_seconds: f64,
    pub min_step_seconds: f64,
    pub max_step_seconds: f64,
    /// Training throughput at the median.
    pub images_per_second: f64,
    /// Of an epoch, its validation included, at the median.
    pub epoch_seconds: f64,
    /// To the end of the budget; null where it has no end that is known.
    pub total_seconds: Option<f64>,
}

/// What `bench()` gives.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct BenchResult {
    /// The network's name.
    pub arch: String,
    pub image_size: u32,
    pub channels: u32,
    pub classes: u32,
    pub batch_size: u32,
    pub precision: Precision,
    pub device: Device,
    pub threads: u32,
    /// Trainable numbers of the network.
    pub parameters: u64,
    /// Multiply-adds of one image's forward pass.
    pub macs: u64,
    /// Whole updates: forward, loss, backward, step.
    pub train: Throughput,
    /// Forward passes in evaluation mode.
    pub predict: Throughput,
}

/// Images a second, measured several times.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Throughput {
    /// One for each round, in their order.
    pub rounds: Vec<f64>,
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Throughput {
    /// # Panics
    /// If there are none.
    pub fn from_rounds(rounds: Vec<f64>) -> Throughput {
        let mut sorted = rounds.clone();
        sorted.sort_by(f64::total_cmp);
        Throughput {
            median: median(&sorted),
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            rounds,
        }
    }
}

/// Of numbers in order, the middle one, or the mean of the two in the middle.
///
/// # Panics
/// If there are none.
pub fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_keep_their_order_beside_their_spread() {
        let rates = Throughput::from_rounds(vec![3.0, 1.0, 2.0, 10.0]);
        assert_eq!(rates.rounds, [3.0, 1.0, 2.0, 10.0]);
        assert_eq!((rates.min, rates.median, rates.max), (1.0, 2.5, 10.0));
        assert_eq!(Throughput::from_rounds(vec![7.0]).median, 7.0);
    }
}
