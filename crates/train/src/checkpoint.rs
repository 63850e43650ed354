//! A run's state as a checkpoint file, and back.

use std::collections::BTreeMap;
use std::path::Path;

use residual_arch::Network;
use residual_model::{bytes_of, from_weights, Compute, Model};
use residual_spec::{DataFacts, Error, ErrorCode, ResolvedConfig, Result};
use residual_weights::{Checkpoint, Contents, TensorView};

use crate::progress::Progress;
use crate::Sgd;

/// Before a momentum's name.
const MOMENTUM: &str = "optimizer.momentum.";

/// Weights and momenta as bytes, taken once for all the files that are written of them.
pub(crate) struct Snapshot {
    tensors: Vec<(String, residual_weights::Tensor)>,
    progress: serde_json::Value,
}

impl Snapshot {
    pub fn take(model: &Model, sgd: &Sgd, progress: &Progress) -> Result<Snapshot> {
        let weights = model.tensors().map(|(name, tensor)| (name.to_string(), tensor));
        let momenta = sgd.momenta().map(|(name, tensor)| (format!("{MOMENTUM}{name}"), tensor));
        let tensors = weights
            .chain(momenta)
            .map(|(name, tensor)| Ok((name, bytes_of(tensor)?)))
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

/// The optimizer as it was, if it had begun.
pub(crate) fn restore_momenta(
    sgd: &mut Sgd,
    updates: u64,
    checkpoint: &Checkpoint,
    path: &Path,
) -> Result<()> {
    sgd.restore(updates, |name| {
        let momentum = checkpoint.tensors.get(&format!("{MOMENTUM}{name}")).ok_or_else(|| {
            let message = format!("{} has no momentum of `{name}`", path.display());
            Error::new(ErrorCode::Checkpoint, message).file(path)
        })?;
        from_weights(momentum)
    })
}
