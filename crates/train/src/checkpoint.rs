//! A run's state as a checkpoint file, and back.

use std::collections::BTreeMap;
use std::path::Path;

use residual_arch::Network;
use residual_model::{bytes_of, from_weights, Compute, Model};
use residual_spec::{DataFacts, Error, ErrorCode, ResolvedConfig, Result};
use residual_weights::{Checkpoint, Contents, TensorView, AVERAGE, PIXEL_MEAN};

use crate::learner::Learner;
use crate::loss_scale::LossScale;
use crate::progress::Progress;

/// Before the name of an optimizer's state: `optimizer.momentum.conv1.weight`.
const OPTIMIZER: &str = "optimizer.";

/// Weights and the optimizer's state as bytes, taken once for all the files that are written of them.
pub(crate) struct Snapshot {
    tensors: Vec<(String, residual_weights::Tensor)>,
    progress: serde_json::Value,
}

impl Snapshot {
    /// `pixel_mean` is the mean image, where one is subtracted.
    pub fn take(
        learner: &Learner,
        progress: &Progress,
        pixel_mean: Option<residual_weights::Tensor>,
    ) -> Result<Snapshot> {
        let weights = learner.model.tensors().map(|(name, tensor)| (name.to_string(), tensor));
        let average = learner.ema.iter().flat_map(|ema| ema.model().tensors());
        let average = average.map(|(name, tensor)| (format!("{AVERAGE}{name}"), tensor));
        let scale = learner.scale.iter().flat_map(LossScale::state);
        let state = learner.optimizer.state().chain(scale);
        let state = state.map(|(name, tensor)| (format!("{OPTIMIZER}{name}"), tensor));
        let tensors = weights
            .chain(state)
            .chain(average)
            .map(|(name, tensor)| Ok((name, bytes_of(tensor)?)))
            .chain(pixel_mean.map(|mean| Ok((PIXEL_MEAN.to_string(), mean))))
            .collect::<Result<_>>()?;
        let progress = serde_json::to_value(progress)
            .map_err(|cause| Error::new(ErrorCode::Internal, cause.to_string()))?;
        Ok(Snapshot { tensors, progress })
    }

    pub fn write(&self, path: &Path, config: &ResolvedConfig, data: &DataFacts) -> Result<()> {
        let tensors: BTreeMap<String, TensorView> =
            self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.view())).collect();
        Contents { tensors, config, data, progress: &self.progress }.write(path)
    }
}

/// The network with a checkpoint's weights.
///
/// # Errors
/// `E_MISMATCH` if the checkpoint is of another network.
pub(crate) fn load_model(
    network: Network,
    compute: Compute,
    checkpoint: &Checkpoint,
    path: &Path,
) -> Result<Model> {
    Model::from_tensors(network, compute, &checkpoint.tensors).map_err(|error| error.file(path))
}

/// How far a checkpoint's run had come.
pub(crate) fn progress_of(progress: &serde_json::Value, path: &Path) -> Result<Progress> {
    serde_json::from_value(progress.clone()).map_err(|cause| {
        let message = format!("{} says nothing usable of its progress: {cause}", path.display());
        Error::new(ErrorCode::Checkpoint, message).file(path)
    })
}

/// The optimizer and the moving average as they were.
pub(crate) fn restore(
    learner: &mut Learner,
    updates: u64,
    checkpoint: &Checkpoint,
    path: &Path,
) -> Result<()> {
    let saved = |name: String| {
        let tensor = checkpoint.tensors.get(&name).ok_or_else(|| {
            let message = format!("{} has no `{name}`", path.display());
            Error::new(ErrorCode::Checkpoint, message).file(path)
        })?;
        from_weights(tensor)
    };
    learner.optimizer.restore(updates, |name| saved(format!("{OPTIMIZER}{name}")))?;
    if let Some(scale) = &mut learner.scale {
        scale.restore(|name| saved(format!("{OPTIMIZER}{name}")))?;
    }
    match &mut learner.ema {
        Some(ema) => ema.restore(updates, |name| saved(format!("{AVERAGE}{name}"))),
        None => Ok(()),
    }
}
