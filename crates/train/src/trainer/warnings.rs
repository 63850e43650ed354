//! Warnings of a run.

use residual_spec::{
    Auto, Device, Error, ErrorCode, ResolvedConfig, Result, RunEvent, TrainConfig, WarningEvent,
};

use super::Trainer;

/// Number of unreadable images that are reported individually; further images are only counted.
const MAX_REPORTED_IMAGES: u32 = 10;

impl Trainer<'_> {
    /// Reports that batches are split into micro-batches from now on.
    pub(super) fn warn_micro_batches(&mut self, max: usize) -> Result<()> {
        let batch_size = self.config.batch_size;
        self.emit(RunEvent::Warning(WarningEvent {
            code: ErrorCode::Memory,
            message: format!(
                "a batch of {batch_size} images does not fit into memory: each update is now \
                 computed in micro-batches of at most {max} images, and batch normalization uses \
                 the statistics of each micro-batch"
            ),
            file: None,
            hint: Some(
                "Use a smaller `batchSize`: training is as fast, and no batch is split.".into(),
            ),
        }))?;
        Ok(())
    }

    /// Reports once if requested CUDA graphs are not, or no longer, used.
    pub(super) fn warn_graphs_disabled(&mut self) -> Result<()> {
        let Some(reason) = self.step.take_graph_failure() else { return Ok(()) };
        self.emit(RunEvent::Warning(WarningEvent {
            code: reason.code,
            message: format!(
                "training continues without CUDA graphs, with the same result: {}",
                reason.message
            ),
            file: None,
            hint: Some(
                "Remove `cudaGraphs`, which only affects speed, to silence this warning.".into(),
            ),
        }))?;
        Ok(())
    }

    /// Reports an image that cannot be read and is skipped.
    pub(super) fn warn_image(&mut self, file: String, error: Error) -> Result<()> {
        self.num_unreadable += 1;
        if self.num_unreadable > MAX_REPORTED_IMAGES {
            return Ok(());
        }
        let is_last = self.num_unreadable == MAX_REPORTED_IMAGES;
        let last = if is_last { " (further images are not reported)" } else { "" };
        self.emit(RunEvent::Warning(WarningEvent {
            code: error.code,
            message: format!("{}; skipped{last}", error.message),
            file: Some(file),
            hint: error.hint,
        }))?;
        Ok(())
    }
}

/// Returns a warning if the device is chosen automatically and CUDA is installed but unusable, so
/// that the run uses the CPU.
pub(super) fn cuda_fallback_warning(
    input: &TrainConfig,
    config: &ResolvedConfig,
) -> Option<WarningEvent> {
    let is_auto = input.device.as_ref().and_then(Auto::value).is_none();
    let reason = residual_torch::cuda::unavailable_reason()
        .filter(|_| is_auto && config.device == Device::Cpu)?;
    Some(WarningEvent {
        code: ErrorCode::Device,
        message: format!("CUDA cannot be used, so this run uses the CPU: {reason}"),
        file: None,
        hint: Some(
            "Run `residual doctor` for details, or set `device: cpu` to silence this warning."
                .into(),
        ),
    })
}
