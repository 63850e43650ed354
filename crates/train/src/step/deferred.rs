//! The deferred engine: the host reads the outcome of a step up to [`MAX_IN_FLIGHT`] steps later.
//!
//! Reading a value from a CUDA device waits for all previously queued work. This engine therefore
//! copies the statistics of each step to the host asynchronously, and the device itself skips
//! updates with values that are not finite.

use residual_data::Batch;
use residual_model::num_correct;
use residual_optim::{
    GradScaler, MIN_SCALE, SkipTensors, clip_gradients_on_device, global_norm_on_device,
};
use residual_spec::{Error, ErrorCode, Gradient, Result};
use residual_torch::cuda::AsyncHostCopy;
use residual_torch::{OptimizerScalars, torch_error};
use tch::{Device, Kind, TchError, Tensor};

use super::context::StepContext;
use super::grad_accumulator::GradAccumulator;
use super::input::StepInput;
use super::{
    CompletedStep, Divergence, LOSS_SCALE, MAX_IN_FLIGHT, Pending, StepEngine, StepOutcome,
};
use crate::position::RunningMetrics;

pub(super) struct DeferredEngine {
    update: DeferredUpdate,
    gradients: GradAccumulator,
    /// Sum of losses and number of correct predictions of the pending step.
    step_stats: Option<Tensor>,
    /// Number of images in the pending step.
    count: u64,
    /// Present if CUDA graphs were requested. All updates then read their scalars from the device,
    /// so that the results of captured and uncaptured steps are bitwise identical.
    device_scalars: Option<DeviceScalars>,
}

impl DeferredEngine {
    pub fn new(device: Device) -> Result<DeferredEngine> {
        Ok(DeferredEngine {
            update: DeferredUpdate::new(device)?,
            gradients: GradAccumulator::default(),
            step_stats: None,
            count: 0,
            device_scalars: None,
        })
    }

    pub fn with_device_scalars(device: Device) -> Result<DeferredEngine> {
        let device_scalars = Some(DeviceScalars::new(device)?);
        Ok(DeferredEngine { device_scalars, ..DeferredEngine::new(device)? })
    }

    /// Computes the gradients of a batch, see [`StepContext::run_micro_batches`].
    pub fn accumulate(
        &mut self,
        context: &mut StepContext,
        batch: &Batch,
        free_memory: &mut dyn FnMut(&Error) -> bool,
    ) -> Result<StepOutcome<()>> {
        let batch_index = self.gradients.num_batches();
        let result: BatchResult = context.run_micro_batches(
            batch,
            batch_index == 0,
            |context, result: &mut BatchResult, micro_batch, index| {
                result.add(context, micro_batch, batch_index, index)
            },
            free_memory,
        )?;
        self.gradients.add_batch(result.gradients)?;
        self.count += result.count;
        self.step_stats = add_stats(self.step_stats.take(), result.stats)?;
        Ok(StepOutcome::Done(()))
    }

    /// Makes a whole step without synchronization with the host, so that a CUDA graph can capture
    /// it. Returns the statistics of the step (see [`DeferredStats`]).
    pub fn capturable_step(&self, context: &StepContext, input: &StepInput) -> Result<Tensor> {
        let Some(scalars) = &self.device_scalars else {
            return Err(Error::new(
                ErrorCode::Internal,
                "a captured step needs its scalars on the device",
            ));
        };
        let (logits, loss) = context.forward(input)?;
        let gradients = context.backward(&loss)?;
        let stats = step_stats(&logits, &loss, input)?;
        self.update(context, &gradients, &stats, scalars.as_scalars())
    }

    fn update(
        &self,
        context: &StepContext,
        gradients: &[Tensor],
        stats: &Tensor,
        scalars: OptimizerScalars,
    ) -> Result<Tensor> {
        let state = &context.state;
        let scaler = state.scaler.as_ref();
        self.update.clip_and_apply(gradients, &context.gradient, stats, scaler, |skip| {
            state.optimizer.apply(gradients, scalars, Some(skip))
        })
    }

    /// Returns the scalars of an update: its learning rate and its number `step`, counted from 1.
    pub fn scalars(&self, lr: f64, step: u64) -> Result<OptimizerScalars<'_>> {
        match &self.device_scalars {
            None => Ok(OptimizerScalars::Host { lr, step }),
            Some(scalars) => {
                scalars.set(lr, step)?;
                Ok(scalars.as_scalars())
            }
        }
    }

    pub fn num_batches(&self) -> u32 {
        self.gradients.num_batches()
    }
}

impl StepEngine for DeferredEngine {
    fn forward_backward(
        &mut self,
        context: &mut StepContext,
        batch: &Batch,
    ) -> Result<StepOutcome<()>> {
        self.accumulate(context, batch, &mut |_| false)
    }

    fn has_gradients(&self) -> bool {
        self.num_batches() > 0
    }

    fn is_full(&self, accumulate: u32) -> bool {
        self.num_batches() >= accumulate
    }

    fn optimizer_step(&mut self, context: &mut StepContext, lr: f64) -> Result<Pending> {
        let gradients = self.gradients.take()?;
        let count = std::mem::take(&mut self.count);
        let Some(stats) = self.step_stats.take() else {
            return Err(Error::new(ErrorCode::Internal, "an update needs at least one batch"));
        };
        let scalars = self.scalars(lr, context.state.optimizer.steps() + 1)?;
        let stats = self.update(context, &gradients, &stats, scalars)?;
        let stats = AsyncHostCopy::new(&stats)?;
        context.state.optimizer.count_step();
        Ok(Pending::Fetching { stats, count })
    }

    fn max_in_flight(&self) -> usize {
        MAX_IN_FLIGHT
    }

    fn reset(&mut self) -> Result<()> {
        self.gradients = GradAccumulator::default();
        self.step_stats = None;
        self.count = 0;
        self.update.reset()
    }
}

/// Result of the micro-batches of one batch.
#[derive(Default)]
struct BatchResult {
    gradients: GradAccumulator,
    stats: Option<Tensor>,
    count: u64,
}

impl BatchResult {
    fn add(
        &mut self,
        context: &StepContext,
        batch: &Batch,
        batch_index: u32,
        micro_batch: u64,
    ) -> Result<()> {
        context.seed_dropout(batch_index, micro_batch);
        let input = context.input(batch)?;
        let (logits, loss) = context.forward(&input)?;
        let weight = context.loss.batch_weight(batch);
        if weight == 0.0 {
            return Ok(()); // all images are of classes with weight 0
        }
        self.gradients.add(context.backward(&loss)?, weight)?;
        let stats = step_stats(&logits, &loss, &input)?;
        self.stats = add_stats(self.stats.take(), Some(stats))?;
        self.count += batch.len() as u64;
        Ok(())
    }
}

/// Returns the sum of the losses and the number of correct predictions as an fp64 vector `[2]` on
/// the device.
fn step_stats(logits: &Tensor, loss: &Tensor, input: &StepInput) -> Result<Tensor> {
    let correct = num_correct(&logits.detach(), input.targets.dominant())?;
    let count = logits.size()[0] as f64;
    loss.detach()
        .f_to_kind(Kind::Double)
        .and_then(|loss| loss.f_mul_scalar(count))
        .and_then(|sum| Tensor::f_stack(&[sum, correct.f_to_kind(Kind::Double)?], 0))
        .map_err(torch_error)
}

fn add_stats(a: Option<Tensor>, b: Option<Tensor>) -> Result<Option<Tensor>> {
    match (a, b) {
        (Some(a), Some(b)) => a.f_add(&b).map(Some).map_err(torch_error),
        (a, b) => Ok(a.or(b)),
    }
}

/// Learning rate and step number in device memory, where a CUDA graph reads them in each replay.
struct DeviceScalars {
    lr: Tensor,
    step: Tensor,
}

impl DeviceScalars {
    fn new(device: Device) -> Result<DeviceScalars> {
        let zero = || Tensor::f_zeros([], (Kind::Float, device)).map_err(torch_error);
        Ok(DeviceScalars { lr: zero()?, step: zero()? })
    }

    fn set(&self, lr: f64, step: u64) -> Result<()> {
        let set = |tensor: &Tensor, value: f64| tensor.shallow_clone().f_fill_(value).map(drop);
        set(&self.lr, lr).and_then(|()| set(&self.step, step as f64)).map_err(torch_error)
    }

    fn as_scalars(&self) -> OptimizerScalars<'_> {
        OptimizerScalars::Device { lr: &self.lr, step: &self.step }
    }
}

/// Computes updates and their statistics in device memory, without synchronization with the host.
struct DeferredUpdate {
    /// 1 after a divergence, otherwise 0. All updates after a divergence are skipped. Only written
    /// in place, because a CUDA graph may refer to the tensor.
    has_diverged: Tensor,
}

impl DeferredUpdate {
    fn new(device: Device) -> Result<DeferredUpdate> {
        let has_diverged = Tensor::f_zeros([], (Kind::Float, device)).map_err(torch_error)?;
        Ok(DeferredUpdate { has_diverged })
    }

    /// Clips the gradients, makes an update by calling `apply`, and returns the statistics of the
    /// step (see [`DeferredStats`]).
    ///
    /// If `stats` or the gradient norm is not finite, this update and all later ones are skipped.
    /// With loss scaling, gradients that are not finite skip this update only, unless the scale
    /// falls below [`MIN_SCALE`].
    fn clip_and_apply(
        &self,
        gradients: &[Tensor],
        config: &Gradient,
        stats: &Tensor,
        scaler: Option<&GradScaler>,
        apply: impl FnOnce(SkipTensors) -> Result<()>,
    ) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let found_inf = scaler.map(|scaler| scaler.unscale(gradients)).transpose()?;
        let norm = global_norm_on_device(gradients)?;
        clip_gradients_on_device(gradients, &norm, config)?;
        let norm = norm.f_view([1]).map_err(torch_error)?;
        let stats_and_norm = Tensor::f_cat(&[stats, &norm], 0).map_err(torch_error)?;
        let (Some(scaler), Some(found_inf)) = (scaler, found_inf) else {
            self.diverge_if(is_not_finite(&stats_and_norm))?;
            apply(SkipTensors { found_inf: &self.has_diverged, skipped_steps: None })?;
            return Ok(stats_and_norm);
        };
        let found_inf = is_not_finite(&norm)
            .and_then(|norm_is_inf| found_inf.f_maximum(&norm_is_inf))
            .map_err(torch_error)?;
        let (snapshot, skipped_steps) = (scaler.snapshot()?, scaler.skipped_steps().copy());
        scaler.update(&found_inf)?;
        self.diverge_if(is_not_finite(stats))?;
        let is_too_low = scaler.scale().f_lt(MIN_SCALE);
        self.diverge_if(is_too_low.and_then(|is_low| is_low.f_to_kind(Kind::Float)))?;
        let skip = self.has_diverged.f_maximum(&found_inf).map_err(torch_error)?;
        apply(SkipTensors { found_inf: &skip, skipped_steps: Some(&skipped_steps) })?;
        let scale = scaler.scale().f_to_kind(Kind::Double).and_then(|scale| scale.f_view([1]));
        Tensor::f_cat(&[stats_and_norm, scale.map_err(torch_error)?, snapshot], 0)
            .map_err(torch_error)
    }

    /// Skips this update and all later ones if `condition` is 1.
    fn diverge_if(&self, condition: Result<Tensor, TchError>) -> Result<()> {
        let diverged = condition.and_then(|condition| self.has_diverged.f_maximum(&condition));
        diverged
            .and_then(|diverged| self.has_diverged.shallow_clone().f_copy_(&diverged))
            .map(drop)
            .map_err(torch_error)
    }

    /// Allows updates again after a divergence.
    fn reset(&self) -> Result<()> {
        self.has_diverged.shallow_clone().f_zero_().map(drop).map_err(torch_error)
    }
}

/// Returns 1 if a value is not finite, otherwise 0.
fn is_not_finite(values: &Tensor) -> Result<Tensor, TchError> {
    values.f_isfinite()?.f_all()?.f_logical_not()?.f_to_kind(Kind::Float)
}

/// The statistics of a step on the host: sum of losses, number of correct predictions, gradient
/// norm and, with loss scaling, the new scale and a snapshot of the scaler before the step.
pub(super) struct DeferredStats<'a> {
    loss_sum: f64,
    num_correct: f64,
    norm: f64,
    loss_scale: Option<f64>,
    pub scaler_snapshot: &'a [f64],
    count: u64,
}

impl<'a> DeferredStats<'a> {
    pub fn parse(stats: &'a [f64], count: u64) -> DeferredStats<'a> {
        let [loss_sum, num_correct, norm, ref scaler @ ..] = stats[..] else {
            unreachable!("a step has at least three statistics")
        };
        let (loss_scale, scaler_snapshot) = match scaler {
            [scale, snapshot @ ..] => (Some(*scale), snapshot),
            [] => (None, scaler),
        };
        DeferredStats { loss_sum, num_correct, norm, loss_scale, scaler_snapshot, count }
    }

    pub fn divergence(&self) -> Option<Divergence> {
        let mean = self.loss_sum / self.count as f64;
        if !mean.is_finite() {
            return Some(Divergence { quantity: "the loss", value: mean });
        }
        let (has_diverged, quantity, value) = match self.loss_scale {
            None => (!self.norm.is_finite(), "the gradient norm", self.norm),
            Some(scale) => (scale < MIN_SCALE, LOSS_SCALE, scale),
        };
        has_diverged.then_some(Divergence { quantity, value })
    }

    pub fn completed(&self) -> CompletedStep {
        let metrics = RunningMetrics {
            loss_sum: self.loss_sum,
            num_correct: self.num_correct as u64,
            count: self.count,
        };
        CompletedStep { metrics, loss_scale: self.loss_scale }
    }
}
