//! Training steps on synthetic images, to measure speed and to test whether a batch fits into
//! memory.

use std::sync::Arc;

use residual_arch::Network;
use residual_data::Batch;
use residual_spec::{ResolvedConfig, Result};

use crate::step::TrainStep;

/// A learning rate that is too small to diverge. The duration of a step does not depend on the
/// learning rate.
pub const SAFE_LR: f64 = 1e-6;

/// Makes one training step and ignores its outcome: a step that diverges takes as long as any
/// other.
pub fn train_once(step: &mut TrainStep, batch: &Batch) -> Result<()> {
    step.forward_backward(batch)?;
    step.optimizer_step(SAFE_LR).map(|_| ())
}

/// Returns a batch of `config.batch_size` synthetic images and labels for `network`.
pub fn synthetic_batch(config: &ResolvedConfig, network: &Network) -> Batch {
    let count = config.batch_size as usize;
    let size = network.image_size as usize;
    let len = count * size * size * network.channels as usize;
    let pixel = |i: usize| ((i * 7919) % 255) as f32 / 127.0 - 1.0;
    let classes = i64::from(network.head.out_features);
    Batch {
        images: Arc::new((0..len).map(pixel).collect()),
        labels: (0..count as i64).map(|i| i % classes).collect(),
        ..Batch::default()
    }
}
