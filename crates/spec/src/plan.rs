//! Results of `plan()` and `bench()`.

use serde::Serialize;
use ts_rs::TS;

use crate::{DatasetInfo, Device, Precision, ResolvedConfig, WarningEvent};

/// Result of `plan()`: configuration and cost of a run. `plan()` writes no files.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Absolute path of the run folder that `train()` would use.
    pub dir: String,
    pub config: ResolvedConfig,
    pub data: DatasetInfo,
    /// Training images per epoch, after the validation split.
    pub train_images: u32,
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
    /// Steps completed before, if the run would be resumed; else 0.
    pub start_step: u64,
    /// Warnings that `train()` would issue at its start.
    pub warnings: Vec<WarningEvent>,
    /// Estimated memory.
    pub memory: MemoryEstimate,
    /// Estimated time; null if `measure` is false or no training step succeeded.
    pub time: Option<TimeEstimate>,
}

/// Memory for training in bytes: estimates from the shapes of the network's tensors, and the
/// measured memory of this process.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MemoryEstimate {
    /// Weights and, with `ema`, their moving average.
    pub weights: u64,
    /// Gradients of the weights.
    pub gradients: u64,
    /// Optimizer state.
    pub optimizer: u64,
    /// Activations of a batch that are saved for the backward pass: the outputs of all layers
    /// except ReLU.
    pub activations: u64,
    /// Batches prefetched by the workers.
    pub batches: u64,
    /// Decoded images in the cache (`cache`) or on the device (`augmentOn`).
    pub images: u64,
    /// Sum of all estimates.
    pub total: u64,
    /// Peak resident memory of this process after the measured steps, including Node.js and
    /// libtorch; null if no step was measured or the operating system does not report it.
    pub measured: Option<u64>,
}

/// Estimated training time, extrapolated from training steps of a temporary network on batches of
/// the run.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TimeEstimate {
    /// Number of measured steps, without the first step, which is slower.
    pub steps: u32,
    /// Median of the seconds per step.
    pub step_seconds: f64,
    /// Minimum of the seconds per step.
    pub min_step_seconds: f64,
    /// Maximum of the seconds per step.
    pub max_step_seconds: f64,
    /// Training throughput at the median.
    pub images_per_second: f64,
    /// Seconds per epoch at the median, including validation.
    pub epoch_seconds: f64,
    /// Seconds for the remaining budget, including validation.
    pub total_seconds: Option<f64>,
}

/// Result of `bench()`.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct BenchResult {
    /// Name of the network.
    pub arch: String,
    /// Height and width of the network's input, in pixels.
    pub image_size: u32,
    /// Channels of the network's input.
    pub channels: u32,
    /// Number of classes.
    pub classes: u32,
    /// Images per batch.
    pub batch_size: u32,
    pub precision: Precision,
    pub device: Device,
    /// Threads for tensor operations.
    pub threads: u32,
    /// Number of parameters.
    pub parameters: u64,
    /// Multiply-accumulate operations of the forward pass of one image.
    pub macs: u64,
    /// Training throughput: forward pass, loss, backward pass and optimizer step.
    pub train: Throughput,
    /// Inference throughput: forward passes in evaluation mode.
    pub predict: Throughput,
}

/// Throughput in images per second, measured several times.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Throughput {
    /// Throughput of each round, in the order of measurement.
    pub rounds: Vec<f64>,
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Throughput {
    /// Summarizes the measurements.
    ///
    /// # Panics
    /// If `rounds` is empty.
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

/// Returns the median of sorted numbers.
///
/// # Panics
/// If `sorted` is empty.
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
    fn summarizes_rounds_in_their_order() {
        let rates = Throughput::from_rounds(vec![3.0, 1.0, 2.0, 10.0]);
        assert_eq!(rates.rounds, [3.0, 1.0, 2.0, 10.0]);
        assert_eq!((rates.min, rates.median, rates.max), (1.0, 2.5, 10.0));
        assert_eq!(Throughput::from_rounds(vec![7.0]).median, 7.0);
    }
}
