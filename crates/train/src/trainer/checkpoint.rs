//! A run's state as a checkpoint file, and back.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use residual_model::{from_tch, tensor_info, to_tch};
use residual_spec::{DatasetInfo, Error, ErrorCode, ResolvedConfig, Result};
use residual_torch::torch_error;
use residual_weights::{Checkpoint, CheckpointContents, EMA_PREFIX, PIXEL_MEAN};
use tch::Tensor;

use residual_optim::LossScale;

use crate::position::Progress;
use crate::step::Learner;

/// Before the name of an optimizer's state: `optimizer.momentum.conv1.weight`.
const OPTIMIZER: &str = "optimizer.";

/// All that a run goes on from: weights, the optimizer's state, the mean image, the progress.
pub(crate) struct State<'a> {
    tensors: BTreeMap<String, &'a Tensor>,
    pixel_mean: Option<&'a residual_weights::Tensor>,
    progress: serde_json::Value,
}

impl<'a> State<'a> {
    /// `pixel_mean` is the mean image, where one is subtracted.
    pub fn of(
        learner: &'a Learner,
        progress: &Progress,
        pixel_mean: Option<&'a residual_weights::Tensor>,
    ) -> Result<State<'a>> {
        let weights = learner.model.tensors().map(|(name, tensor)| (name.to_string(), tensor));
        let average = learner.ema.iter().flat_map(|ema| ema.model().tensors());
        let average = average.map(|(name, tensor)| (format!("{EMA_PREFIX}{name}"), tensor));
        let scale = learner.scale.iter().flat_map(LossScale::state);
        let state = learner.optimizer.state().chain(scale);
        let state = state.map(|(name, tensor)| (format!("{OPTIMIZER}{name}"), tensor));
        let tensors = weights.chain(state).chain(average).collect();
        let progress = serde_json::to_value(progress)
            .map_err(|cause| Error::new(ErrorCode::Internal, cause.to_string()))?;
        Ok(State { tensors, pixel_mean, progress })
    }

    pub fn write(&self, path: &Path, config: &ResolvedConfig, data: &DatasetInfo) -> Result<()> {
        let infos = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor_info(tensor)));
        let mean = self.pixel_mean.map(|mean| (PIXEL_MEAN.to_string(), mean.info()));
        let bytes = |name: &str| match (self.tensors.get(name), self.pixel_mean) {
            (None, Some(mean)) => Ok(Cow::Borrowed(&mean.bytes[..])),
            _ => Ok(Cow::Owned(from_tch(self.tensors[name])?.bytes)),
        };
        let progress = &self.progress;
        let tensors = infos.chain(mean).collect();
        CheckpointContents { tensors, bytes: &bytes, config, data, progress }.write(path)
    }
}

/// How far a checkpoint's run had come.
pub fn progress_of(progress: &serde_json::Value, path: &Path) -> Result<Progress> {
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
        to_tch(tensor)
    };
    learner.optimizer.restore(updates, |name| saved(format!("{OPTIMIZER}{name}")))?;
    let mut made = updates;
    if let Some(scale) = &mut learner.scale {
        scale.restore(|name| saved(format!("{OPTIMIZER}{name}")))?;
        let skipped = scale.skipped().f_double_value(&[]).map_err(torch_error)?;
        made = made.saturating_sub(skipped as u64);
    }
    match &mut learner.ema {
        Some(ema) => ema.restore(made, |name| saved(format!("{EMA_PREFIX}{name}"))),
        None => Ok(()),
    }
}
