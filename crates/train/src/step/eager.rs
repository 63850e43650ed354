//! The eager engine: reads the loss and the gradient norm of every step on the host immediately.

use residual_data::Batch;
use residual_model::num_correct;
use residual_optim::{MIN_SCALE, SkipTensors, clip_gradients};
use residual_spec::Result;
use residual_torch::torch_error;
use tch::Tensor;

use super::all_reduce::{StepSums, all_reduce};
use super::context::StepContext;
use super::grad_accumulator::GradAccumulator;
use super::{CompletedStep, Divergence, LOSS_SCALE, Pending, StepEngine, StepOutcome};
use crate::position::RunningMetrics;

#[derive(Default)]
pub(super) struct EagerEngine {
    gradients: GradAccumulator,
    /// Metrics of the pending step.
    metrics: RunningMetrics,
    /// Batches of the pending step without images of this process.
    num_empty: u32,
    /// Divergence of the pending step in this process, which the others do not know yet.
    divergence: Option<Divergence>,
}

/// Result of the micro-batches of one batch.
#[derive(Default)]
struct BatchResult {
    gradients: GradAccumulator,
    metrics: RunningMetrics,
    divergence: Option<Divergence>,
}

impl BatchResult {
    fn add(
        &mut self,
        context: &StepContext,
        batch: &Batch,
        batch_index: u32,
        micro_batch: u64,
    ) -> Result<()> {
        if self.divergence.is_some() {
            return Ok(());
        }
        context.seed_dropout(batch_index, micro_batch);
        let input = context.input(batch)?;
        let (logits, loss) = context.forward(&input)?;
        let weight = context.loss.batch_weight(batch);
        if weight == 0.0 {
            return Ok(()); // all images are of classes with weight 0
        }
        let value = loss.f_double_value(&[]).map_err(torch_error)?;
        if !value.is_finite() {
            self.divergence = Some(Divergence { quantity: "the loss", value });
            return Ok(());
        }
        self.gradients.add(context.backward(&loss)?, weight)?;
        let correct = num_correct(&logits.detach(), input.targets.dominant())?;
        let correct = correct.f_int64_value(&[]).map_err(torch_error)? as u64;
        self.metrics.add(value, correct, batch.len() as u64);
        Ok(())
    }
}

impl StepEngine for EagerEngine {
    fn forward_backward(
        &mut self,
        context: &mut StepContext,
        batch: &Batch,
    ) -> Result<StepOutcome<()>> {
        let batch_index = self.gradients.num_batches();
        let result: BatchResult = context.run_micro_batches(
            batch,
            batch_index == 0,
            |context, result: &mut BatchResult, micro_batch, index| {
                result.add(context, micro_batch, batch_index, index)
            },
            &mut |_| false,
        )?;
        if let Some(divergence) = result.divergence {
            if context.group.is_none() {
                return Ok(StepOutcome::Diverged(divergence));
            }
            self.divergence.get_or_insert(divergence);
            self.num_empty += 1;
            return Ok(StepOutcome::Done(()));
        }
        if context.group.is_some() && result.gradients.num_batches() == 0 {
            self.num_empty += 1; // other processes may have images of classes with a weight
        }
        self.gradients.add_batch(result.gradients)?;
        self.metrics.merge(result.metrics);
        Ok(StepOutcome::Done(()))
    }

    fn skip_batch(&mut self) {
        self.num_empty += 1;
    }

    fn has_gradients(&self) -> bool {
        self.gradients.num_batches() + self.num_empty > 0
    }

    fn is_full(&self, accumulate: u32) -> bool {
        self.gradients.num_batches() + self.num_empty >= accumulate
    }

    fn optimizer_step(&mut self, context: &mut StepContext, lr: f64) -> Result<Pending> {
        let EagerEngine { mut gradients, metrics, divergence, .. } = std::mem::take(self);
        let Some(group) = context.group.clone() else {
            return update(context, &gradients.take()?, metrics, lr).map(Pending::Ready);
        };
        let (gradients, weight) = gradients.take_sum()?;
        let part = StepSums { gradients, weight, metrics, is_diverged: divergence.is_some() };
        let step = all_reduce(&group, context.state.optimizer.parameters(), part)?;
        Ok(Pending::Ready(if step.is_diverged {
            let other = Divergence { quantity: "the loss of another process", value: f64::NAN };
            StepOutcome::Diverged(divergence.unwrap_or(other))
        } else if step.weight == 0.0 {
            StepOutcome::Done(CompletedStep { metrics: step.metrics, loss_scale: None })
        } else {
            update(context, &step.gradients, step.metrics, lr)?
        }))
    }

    fn max_in_flight(&self) -> usize {
        0
    }

    fn reset(&mut self) -> Result<()> {
        *self = EagerEngine::default();
        Ok(())
    }
}

/// Unscales and clips the gradients and makes one update, unless a gradient is not finite.
fn update(
    context: &mut StepContext,
    gradients: &[Tensor],
    metrics: RunningMetrics,
    lr: f64,
) -> Result<StepOutcome<CompletedStep>> {
    let state = &mut context.state;
    if let Some(scaler) = &state.scaler {
        let _ = scaler.unscale(gradients)?; // after an overflow, the norm is not finite either
    }
    let norm = clip_gradients(gradients, &context.gradient)?;
    let is_skipped = !norm.is_finite();
    let mut loss_scale = None;
    match &state.scaler {
        None if is_skipped => {
            let quantity = "the gradient norm";
            return Ok(StepOutcome::Diverged(Divergence { quantity, value: norm }));
        }
        None => state.optimizer.step(gradients, lr, None)?,
        Some(scaler) => {
            let snapshot = Vec::<f64>::try_from(scaler.snapshot()?).map_err(torch_error)?;
            let skipped_steps = scaler.skipped_steps().copy();
            let found_inf = scaler.scale().f_full_like(f64::from(u8::from(is_skipped)));
            let found_inf = found_inf.map_err(torch_error)?;
            scaler.update(&found_inf)?;
            let scale = scaler.scale().f_double_value(&[]).map_err(torch_error)?;
            if scale < MIN_SCALE {
                scaler.restore_snapshot(&snapshot)?;
                return Ok(StepOutcome::Diverged(Divergence {
                    quantity: LOSS_SCALE,
                    value: scale,
                }));
            }
            loss_scale = Some(scale);
            if is_skipped {
                state.optimizer.count_step();
                return Ok(StepOutcome::Done(CompletedStep { metrics, loss_scale }));
            }
            let skip = SkipTensors { found_inf: &found_inf, skipped_steps: Some(&skipped_steps) };
            state.optimizer.step(gradients, lr, Some(skip))?;
        }
    }
    if let Some(ema) = &mut state.ema {
        ema.update()?;
    }
    Ok(StepOutcome::Done(CompletedStep { metrics, loss_scale }))
}
