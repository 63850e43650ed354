//! Checkpoints: writes and restores the state of a run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use residual_model::{from_tch, tensor_info, to_tch};
use residual_optim::GradScaler;
use residual_spec::{
    CheckpointEvent, CheckpointKind, DatasetInfo, Error, ErrorCode, ResolvedConfig, Result,
    RunEvent,
};
use residual_torch::torch_error;
use residual_weights::{
    Checkpoint, CheckpointContents, EMA_PREFIX, OPTIMIZER_PREFIX, PIXEL_MEAN, check_finite_tensor,
};
use tch::Tensor;

use super::Trainer;
use crate::pixel_mean;
use crate::position::Position;
use crate::step::TrainState;

impl Trainer<'_> {
    /// Writes the current state as one or more checkpoints.
    ///
    /// # Errors
    /// `E_DIVERGED` if the weights are not finite.
    pub(super) fn save(&mut self, kinds: &[CheckpointKind]) -> Result<()> {
        if let Some(name) = self.step.not_finite_tensor()? {
            let step = self.position.step;
            return Err(self.diverged_error(format!("`{name}` is not finite after step {step}")));
        }
        self.position.time = self.clock.total();
        let mean = self.data.pixel_mean.as_ref();
        let mean = mean.map(|mean| pixel_mean::to_tensor(mean, &self.config));
        let (epoch, step) = (self.position.epoch, self.position.step);
        for &kind in kinds {
            let path = self.dir.checkpoint_path(kind, epoch);
            let state = SavedState::new(self.step.state(), &self.position, mean.as_ref())?;
            state.write(&path, &self.config, self.data.dataset.facts())?;
            let path = path.display().to_string();
            self.emit(RunEvent::Checkpoint(CheckpointEvent { kind, path, epoch, step }))?;
        }
        Ok(())
    }
}

/// Everything that a checkpoint stores: weights, optimizer state, moving average, mean image and
/// position.
struct SavedState<'a> {
    tensors: BTreeMap<String, &'a Tensor>,
    pixel_mean: Option<&'a residual_weights::Tensor>,
    position: serde_json::Value,
}

impl<'a> SavedState<'a> {
    fn new(
        state: &'a TrainState,
        position: &Position,
        pixel_mean: Option<&'a residual_weights::Tensor>,
    ) -> Result<SavedState<'a>> {
        let weights = state.model.tensors().map(|(name, tensor)| (name.to_string(), tensor));
        let ema = state.ema.iter().flat_map(|ema| ema.model().tensors());
        let ema = ema.map(|(name, tensor)| (format!("{EMA_PREFIX}{name}"), tensor));
        let scaler = state.scaler.iter().flat_map(GradScaler::state);
        let optimizer = state.optimizer.state().chain(scaler);
        let optimizer =
            optimizer.map(|(name, tensor)| (format!("{OPTIMIZER_PREFIX}{name}"), tensor));
        let tensors = weights.chain(optimizer).chain(ema).collect();
        let position = serde_json::to_value(position)
            .map_err(|cause| Error::new(ErrorCode::Internal, cause.to_string()))?;
        Ok(SavedState { tensors, pixel_mean, position })
    }

    fn write(&self, path: &Path, config: &ResolvedConfig, data: &DatasetInfo) -> Result<()> {
        let infos = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor_info(tensor)));
        let mean = self.pixel_mean.map(|mean| (PIXEL_MEAN.to_string(), mean.info()));
        let bytes = |name: &str| match (self.tensors.get(name), self.pixel_mean) {
            (None, Some(mean)) => Ok(Cow::Borrowed(&mean.bytes[..])),
            (Some(_), _) | (None, None) => Ok(Cow::Owned(from_tch(self.tensors[name])?.bytes)),
        };
        let progress = &self.position;
        let tensors = infos.chain(mean).collect();
        CheckpointContents { tensors, bytes: &bytes, config, data, progress }.write(path)
    }
}

/// Parses the training position from the `progress` of the checkpoint at `path`.
pub fn parse_position(progress: &serde_json::Value, path: &Path) -> Result<Position> {
    serde_json::from_value(progress.clone()).map_err(|cause| {
        let message = format!("{} has no valid training position: {cause}", path.display());
        Error::new(ErrorCode::Checkpoint, message).file(path)
    })
}

/// Restores the optimizer, the gradient scaler and the moving average after `steps` updates.
///
/// # Errors
/// `E_CHECKPOINT` for a tensor that is missing or not finite.
pub(super) fn restore(
    state: &mut TrainState,
    steps: u64,
    checkpoint: &Checkpoint,
    path: &Path,
) -> Result<()> {
    let load_tensor = |name: String| {
        let tensor = checkpoint.tensors.get(&name).ok_or_else(|| {
            let message = format!("{} has no tensor `{name}`", path.display());
            Error::new(ErrorCode::Checkpoint, message).file(path)
        })?;
        // Otherwise, the first update would make weights NaN.
        check_finite_tensor(&name, tensor).map_err(|error| error.file(path))?;
        to_tch(tensor)
    };
    state.optimizer.load_state(steps, |name| load_tensor(format!("{OPTIMIZER_PREFIX}{name}")))?;
    let mut updates = steps;
    if let Some(scaler) = &mut state.scaler {
        scaler.load_state(|name| load_tensor(format!("{OPTIMIZER_PREFIX}{name}")))?;
        let skipped = scaler.skipped_steps().f_double_value(&[]).map_err(torch_error)?;
        updates = updates.saturating_sub(skipped as u64);
    }
    match &mut state.ema {
        Some(ema) => ema.load_state(updates, |name| load_tensor(format!("{EMA_PREFIX}{name}"))),
        None => Ok(()),
    }
}
