//! The CUDA graph engine: captures a whole step once and replays it with one launch per step.

use residual_data::Batch;
use residual_spec::{Error, ErrorCode, Result};
use residual_torch::cuda::{AsyncHostCopy, on_side_stream};
use residual_torch::{clear_out_of_memory, empty_cache};
use tch::Device;

use super::context::StepContext;
use super::deferred::DeferredEngine;
use super::graph_runner::{CudaGraphRunner, StepMode};
use super::{Pending, StepEngine, StepOutcome};

/// Replays captured steps, and delegates all other steps to [`DeferredEngine`].
pub(super) struct CudaGraphEngine {
    deferred: DeferredEngine,
    runner: CudaGraphRunner,
    /// Execution mode of the pending batch.
    mode: StepMode,
    /// Number of images in the batch that waits for a replay.
    replay_count: u64,
    device: Device,
}

impl CudaGraphEngine {
    pub fn new(device: Device) -> Result<CudaGraphEngine> {
        Ok(CudaGraphEngine {
            deferred: DeferredEngine::with_device_scalars(device)?,
            runner: CudaGraphRunner::default(),
            mode: StepMode::Eager,
            replay_count: 0,
            device,
        })
    }

    fn choose_mode(&mut self, context: &StepContext, batch: &Batch) -> StepMode {
        let is_unsplit = context.micro_batches.max_size().is_none_or(|max| batch.len() <= max);
        let is_only_batch = self.deferred.num_batches() == 0 && context.gradient.accumulate == 1;
        // The first update initializes optimizer state, so its operations differ. A batch of weight
        // 0 makes no update.
        let is_first = context.state.optimizer.steps() == 0;
        if is_unsplit && is_only_batch && !is_first && context.loss.batch_weight(batch) != 0.0 {
            self.runner.choose_mode(batch)
        } else {
            StepMode::Eager
        }
    }

    /// Captures the step if necessary, and copies the batch to the input of the graph. Returns
    /// false if the step has to run without the graph.
    fn prepare_replay(&mut self, context: &StepContext, batch: &Batch) -> Result<bool> {
        let CudaGraphEngine { deferred, runner, mode, .. } = self;
        let prepared = context.input(batch).and_then(|input| match mode {
            StepMode::Replay => runner.set_input(&input).map(|()| true),
            StepMode::Capture | StepMode::WarmUp | StepMode::Eager => {
                Ok(runner.capture(batch, &input, |input| deferred.capturable_step(context, input)))
            }
        });
        let prepared = match prepared {
            Err(error) if error.code == ErrorCode::Memory => {
                runner.disable(error);
                Ok(false)
            }
            prepared => prepared,
        };
        if let Ok(false) = prepared {
            self.mode = StepMode::Eager;
            empty_cache();
            clear_out_of_memory();
        }
        prepared
    }

    fn replay(&mut self, context: &mut StepContext, lr: f64) -> Result<Pending> {
        let count = std::mem::take(&mut self.replay_count);
        self.deferred.scalars(lr, context.state.optimizer.steps() + 1)?;
        let stats = AsyncHostCopy::new(self.runner.replay()?)?;
        context.state.optimizer.count_step();
        Ok(Pending::Fetching { stats, count })
    }

    fn is_replay_pending(&self) -> bool {
        match self.mode {
            StepMode::Capture | StepMode::Replay => true,
            StepMode::Eager | StepMode::WarmUp => false,
        }
    }
}

impl StepEngine for CudaGraphEngine {
    fn forward_backward(
        &mut self,
        context: &mut StepContext,
        batch: &Batch,
    ) -> Result<StepOutcome<()>> {
        self.mode = self.choose_mode(context, batch);
        if self.is_replay_pending() && self.prepare_replay(context, batch)? {
            self.replay_count += batch.len() as u64;
            return Ok(StepOutcome::Done(()));
        }
        let CudaGraphEngine { deferred, runner, mode, device, .. } = self;
        // A captured graph occupies as much memory as a whole step.
        let mut free_memory = |error: &Error| runner.is_captured() && runner.disable(error.clone());
        on_graph_stream(*mode, *device, || deferred.accumulate(context, batch, &mut free_memory))
    }

    fn has_gradients(&self) -> bool {
        self.deferred.has_gradients() || self.is_replay_pending()
    }

    fn is_full(&self, accumulate: u32) -> bool {
        self.deferred.is_full(accumulate) || self.is_replay_pending()
    }

    fn optimizer_step(&mut self, context: &mut StepContext, lr: f64) -> Result<Pending> {
        let mode = std::mem::replace(&mut self.mode, StepMode::Eager);
        match mode {
            StepMode::Capture | StepMode::Replay => self.replay(context, lr),
            StepMode::Eager => self.deferred.optimizer_step(context, lr),
            StepMode::WarmUp => {
                let step = || self.deferred.optimizer_step(context, lr);
                let pending = on_graph_stream(mode, self.device, step)?;
                self.runner.count_warm_up();
                Ok(pending)
            }
        }
    }

    fn max_in_flight(&self) -> usize {
        self.deferred.max_in_flight()
    }

    fn reset(&mut self) -> Result<()> {
        self.mode = StepMode::Eager;
        self.replay_count = 0;
        self.deferred.reset()
    }

    fn graph_runner(&mut self) -> Option<&mut CudaGraphRunner> {
        Some(&mut self.runner)
    }
}

/// Runs warm-up steps on the stream of the graph, so that libraries allocate their workspaces there
/// before the capture. Runs all other steps on the current stream.
fn on_graph_stream<T>(
    mode: StepMode,
    device: Device,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    match mode {
        StepMode::WarmUp => on_side_stream(device, work),
        StepMode::Eager | StepMode::Capture | StepMode::Replay => work(),
    }
}
