//! One optimizer step: forward, loss, backward and update.
//!
//! [`TrainStep`] owns the training state and delegates the execution to a [`StepEngine`]:
//!
//! - [`eager`]: reads the loss and the gradient norm on the host immediately (CPU);
//! - [`deferred`]: reads these values up to [`MAX_IN_FLIGHT`] steps later, so that the host never
//!   waits for the device (CUDA);
//! - [`cuda_graph`]: as `deferred`, but captures the whole step as a CUDA graph and replays it.
//!
//! The results of all engines are bitwise identical.

mod all_reduce;
mod batch_norm;
mod buckets;
mod context;
mod cuda_graph;
mod deferred;
mod eager;
mod grad_accumulator;
mod graph_runner;
mod input;
mod micro_batches;
mod not_finite;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::rc::Rc;

use residual_arch::Network;
use residual_data::Batch;
use residual_model::{DeviceDataset, Model};
use residual_optim::update_rule;
use residual_spec::{Device, Error, ErrorCode, ResolvedConfig, Result};
use residual_torch::cuda::AsyncHostCopy;
use residual_torch::distributed::ProcessGroup;
use residual_torch::{clear_out_of_memory, empty_cache, torch_error};
use tch::Tensor;

use crate::position::RunningMetrics;
pub use buckets::broadcast_in_buckets;
use context::StepContext;
pub use context::TrainState;
use cuda_graph::CudaGraphEngine;
use deferred::{DeferredEngine, DeferredStats};
use eager::EagerEngine;
use graph_runner::{CudaGraphRunner, unsupported};
pub use not_finite::{NotFinite, NotFiniteValue};

/// The maximum number of steps whose outcome the deferred engines have not read yet.
pub const MAX_IN_FLIGHT: usize = 2;

/// The outcome of a forward and backward pass, or of an update.
pub enum StepOutcome<T> {
    /// Training continues. With loss scaling, the update may have been skipped because a gradient
    /// overflowed.
    Done(T),
    /// A value was NaN, infinite or too small, and the weights did not change.
    Diverged(Divergence),
}

/// The value that ends training: a value that is not finite, or a loss scale that is too small.
pub struct Divergence {
    /// `the loss`, `the gradient norm`, `the loss scale` or `the learning rate`.
    pub quantity: &'static str,
    pub value: f64,
}

/// The loss scale as [`Divergence::quantity`].
const LOSS_SCALE: &str = "the loss scale";

/// Execution strategy of steps.
trait StepEngine {
    /// Computes the gradients of one batch and adds them to the pending step.
    fn forward_backward(
        &mut self,
        context: &mut StepContext,
        batch: &Batch,
    ) -> Result<StepOutcome<()>>;

    /// Adds a batch of which this process has no image to the pending step. Only for engines that
    /// exchange gradients with other processes.
    fn skip_batch(&mut self) {}

    /// Returns whether a batch was added since the last update.
    fn has_gradients(&self) -> bool;

    /// Returns whether `accumulate` batches were added since the last update.
    fn is_full(&self, accumulate: u32) -> bool;

    /// Starts the update with the gradients of the pending step.
    fn optimizer_step(&mut self, context: &mut StepContext, lr: f64) -> Result<Pending>;

    /// Returns the maximum number of updates whose outcome is not read yet.
    fn max_in_flight(&self) -> usize;

    /// Discards the pending step and allows updates again after a divergence.
    fn reset(&mut self) -> Result<()>;

    /// Returns the CUDA graph runner, if the engine has one.
    fn graph_runner(&mut self) -> Option<&mut CudaGraphRunner> {
        None
    }
}

/// The outcome of an update that was started.
enum Pending {
    Ready(StepOutcome<CompletedStep>),
    /// The statistics of the step (see [`DeferredStats`]) are being copied to the host.
    Fetching {
        stats: AsyncHostCopy,
        /// Number of images in the step.
        count: u64,
    },
}

/// Results of a step that did not diverge.
struct CompletedStep {
    metrics: RunningMetrics,
    loss_scale: Option<f64>,
}

/// An update whose outcome is not read yet.
struct InFlight {
    pending: Pending,
    /// Slot of the snapshot of the batch norm statistics before the step.
    batch_norm_slot: usize,
}

/// Trains a network batch by batch. Tensors are only written in place, because a CUDA graph may
/// refer to them.
pub struct TrainStep {
    context: StepContext,
    engine: Box<dyn StepEngine>,
    /// Updates whose outcome is not read yet, oldest first.
    in_flight: VecDeque<InFlight>,
    /// Loss scale after the last update whose outcome is known.
    loss_scale: Option<f64>,
    /// Reason why the configuration rules out CUDA graphs, until `take_graph_failure` returns it.
    graph_failure: Option<Error>,
}

impl TrainStep {
    /// Creates the training step of a resolved configuration. `class_counts` is the number of
    /// training images of each class.
    pub fn new(config: &ResolvedConfig, model: Model, class_counts: &[u64]) -> Result<TrainStep> {
        let (engine, graph_failure): (Box<dyn StepEngine>, _) = match config.device {
            Device::Cpu => (Box::new(EagerEngine::default()), None),
            Device::Cuda => cuda_engine(config, model.network(), model.compute().device())?,
        };
        TrainStep::with_engine(config, model, class_counts, engine, graph_failure)
    }

    fn with_engine(
        config: &ResolvedConfig,
        model: Model,
        class_counts: &[u64],
        engine: Box<dyn StepEngine>,
        graph_failure: Option<Error>,
    ) -> Result<TrainStep> {
        Ok(TrainStep {
            context: StepContext::new(config, model, class_counts, engine.max_in_flight())?,
            engine,
            in_flight: VecDeque::new(),
            loss_scale: None,
            graph_failure,
        })
    }

    /// Sets the images in device memory that batches of crop windows refer to.
    pub fn set_images(&mut self, images: Option<Rc<DeviceDataset>>) {
        self.context.images = images;
    }

    /// Sets the processes with which gradients and metrics are exchanged before each update.
    pub fn set_process_group(&mut self, group: Rc<ProcessGroup>) {
        self.context.group = Some(group);
    }

    /// Adds a batch of which this process has no usable image to the pending step, if other processes
    /// may have images of the batch.
    pub fn skip_batch(&mut self) -> Result<()> {
        if self.context.group.is_none() {
            return Ok(());
        }
        if !self.engine.has_gradients() {
            self.context.batch_norm.save()?;
        }
        self.engine.skip_batch();
        Ok(())
    }

    pub fn has_images(&self) -> bool {
        self.context.images.is_some()
    }

    pub fn state(&self) -> &TrainState {
        &self.context.state
    }

    pub fn state_mut(&mut self) -> &mut TrainState {
        &mut self.context.state
    }

    pub fn model(&self) -> &Model {
        &self.context.state.model
    }

    /// Returns the network to evaluate: the moving average if configured, otherwise the trained
    /// network.
    pub fn eval_model(&self) -> &Model {
        self.context.state.eval_model()
    }

    /// Computes the gradients of a batch and adds them to the pending step.
    pub fn forward_backward(&mut self, batch: &Batch) -> Result<StepOutcome<()>> {
        if !self.engine.has_gradients() {
            self.context.batch_norm.save()?;
        }
        clear_out_of_memory();
        self.engine.forward_backward(&mut self.context, batch)
    }

    /// Returns whether a batch was added since the last update.
    pub fn has_gradients(&self) -> bool {
        self.engine.has_gradients()
    }

    /// Returns whether all batches of the pending step were added.
    pub fn is_full(&self) -> bool {
        self.engine.is_full(self.context.gradient.accumulate)
    }

    /// Updates the weights with the gradients of the pending step, waits for the outcome, and
    /// returns the metrics of the step.
    pub fn optimizer_step(&mut self, lr: f64) -> Result<StepOutcome<RunningMetrics>> {
        self.start_optimizer_step(lr)?;
        self.finish_optimizer_step()
    }

    /// Starts an update. [`TrainStep::finish_optimizer_step`] returns the outcome, and must be
    /// called at most [`TrainStep::max_in_flight`] updates later.
    pub fn start_optimizer_step(&mut self, lr: f64) -> Result<()> {
        let pending = self.engine.optimizer_step(&mut self.context, lr)?;
        let batch_norm_slot = self.context.batch_norm.slot();
        self.in_flight.push_back(InFlight { pending, batch_norm_slot });
        self.context.batch_norm.advance();
        Ok(())
    }

    /// Waits for the oldest update in flight and returns its outcome.
    ///
    /// # Panics
    /// If no update is in flight.
    pub fn finish_optimizer_step(&mut self) -> Result<StepOutcome<RunningMetrics>> {
        let InFlight { pending, batch_norm_slot } =
            self.in_flight.pop_front().expect("an update in flight");
        let outcome = match pending {
            Pending::Ready(outcome) => outcome,
            Pending::Fetching { stats, count } => {
                let stats = stats.wait()?;
                let stats = DeferredStats::parse(&stats, count);
                match stats.divergence() {
                    None => StepOutcome::Done(stats.completed()),
                    Some(divergence) => {
                        if let Some(scaler) = &self.context.state.scaler {
                            scaler.restore_snapshot(stats.scaler_snapshot)?;
                        }
                        self.context.batch_norm.set_slot(batch_norm_slot);
                        // The device skipped this update and all that were started after it.
                        let skipped = 1 + self.in_flight.len() as u64;
                        self.context.state.optimizer.discard_steps(skipped);
                        StepOutcome::Diverged(divergence)
                    }
                }
            }
        };
        Ok(match outcome {
            StepOutcome::Done(CompletedStep { metrics, loss_scale }) => {
                self.loss_scale = loss_scale;
                StepOutcome::Done(metrics)
            }
            StepOutcome::Diverged(divergence) => StepOutcome::Diverged(divergence),
        })
    }

    /// Returns the loss scale of the next update, as last read by the host; `None` without loss
    /// scaling.
    pub fn loss_scale(&self) -> Option<f64> {
        self.loss_scale
    }

    /// Returns the maximum number of updates that may be in flight after an update was started.
    pub fn max_in_flight(&self) -> usize {
        self.engine.max_in_flight()
    }

    /// Returns the maximum number of images in a micro-batch; `None` while whole batches fit into
    /// memory.
    pub fn max_micro_batch(&self) -> Option<usize> {
        self.context.micro_batches.max_size()
    }

    /// Returns the reason why requested CUDA graphs are not, or no longer, used. Each reason is
    /// returned once.
    pub fn take_graph_failure(&mut self) -> Option<Error> {
        let failure = self.graph_failure.take();
        failure.or_else(|| self.engine.graph_runner()?.take_failure())
    }

    /// Frees the memory of a captured CUDA graph for other work that ran out of memory. Returns
    /// false if no graph is captured.
    pub fn release_graph(&mut self, reason: &Error) -> bool {
        let runner = self.engine.graph_runner().filter(|runner| runner.is_captured());
        let is_released = runner.is_some_and(|runner| runner.disable(reason.clone()));
        if is_released {
            empty_cache();
        }
        is_released
    }

    /// Restores the state after the last successful update and discards all later work. Returns
    /// false if the restored state is not finite either.
    pub fn roll_back(&mut self) -> Result<bool> {
        self.engine.reset()?;
        self.in_flight.clear();
        self.context.batch_norm.restore()?;
        self.is_finite()
    }

    /// Repeats the forward and backward pass of a batch of a step that diverged, and returns the first
    /// value that is not finite. `batch_index` is the position of the batch in its step. Call
    /// [`TrainStep::roll_back`] before the first and after the last batch.
    pub fn find_not_finite(
        &mut self,
        batch: &Batch,
        batch_index: u32,
    ) -> Result<Option<NotFinite>> {
        clear_out_of_memory();
        not_finite::find(&mut self.context, batch, batch_index)
    }

    /// Returns whether all weights and running statistics are finite.
    pub fn is_finite(&self) -> Result<bool> {
        Ok(self.not_finite_tensor()?.is_none())
    }

    /// Returns the name of the first tensor of the network that is not finite.
    pub fn not_finite_tensor(&self) -> Result<Option<&str>> {
        let is_finite = |tensor: &Tensor| tensor.f_isfinite()?.f_all()?.f_int64_value(&[]);
        for (name, tensor) in self.model().tensors() {
            if is_finite(tensor).map_err(torch_error)? == 0 {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

/// Returns the engine for a network on `device`, and the reason if requested CUDA graphs cannot be
/// used.
fn cuda_engine(
    config: &ResolvedConfig,
    network: &Network,
    device: tch::Device,
) -> Result<(Box<dyn StepEngine>, Option<Error>)> {
    // A moving average must not include skipped updates, so the host has to read each outcome.
    let can_defer = config.ema.decay == 0.0 && !update_rule(&config.optimizer).reads_on_host();
    let unsupported = if config.cuda_graphs { unsupported(config, network) } else { None };
    let engine: Box<dyn StepEngine> = match (can_defer, config.cuda_graphs) {
        (false, _) => Box::new(EagerEngine::default()),
        (true, false) => Box::new(DeferredEngine::new(device)?),
        (true, true) if unsupported.is_some() => {
            Box::new(DeferredEngine::with_device_scalars(device)?)
        }
        (true, true) => Box::new(CudaGraphEngine::new(device)?),
    };
    Ok((engine, unsupported.map(|reason| Error::new(ErrorCode::Config, reason))))
}
