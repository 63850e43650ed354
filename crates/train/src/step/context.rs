//! The training state and the computations that all engines share.

use std::rc::Rc;

use residual_data::Batch;
use residual_model::{DeviceDataset, Model};
use residual_optim::{Ema, GradScaler, Optimizer};
use residual_spec::{Error, Gradient, Precision, ResolvedConfig, Result};
use residual_torch::distributed::ProcessGroup;
use residual_torch::empty_cache;
use tch::Tensor;

use super::batch_norm::BatchNormSnapshots;
use super::input::StepInput;
use super::micro_batches::MicroBatches;
use crate::loss::Loss;

/// Everything that a step updates and a checkpoint stores.
pub struct TrainState {
    pub model: Model,
    pub optimizer: Optimizer,
    /// Moving average of the weights, if configured.
    pub ema: Option<Ema>,
    /// Loss scaling, in fp16 only.
    pub scaler: Option<GradScaler>,
}

impl TrainState {
    pub(super) fn eval_model(&self) -> &Model {
        self.ema.as_ref().map_or(&self.model, Ema::model)
    }
}

/// The training state and everything else that a step needs.
pub(super) struct StepContext {
    pub state: TrainState,
    /// Images in device memory, for batches of crop windows.
    pub images: Option<Rc<DeviceDataset>>,
    pub loss: Loss,
    /// Gradient clipping and accumulation.
    pub gradient: Gradient,
    pub batch_norm: BatchNormSnapshots,
    pub micro_batches: MicroBatches,
    /// The processes that train together; `None` if this one trains alone.
    pub group: Option<Rc<ProcessGroup>>,
    seed: u64,
    #[cfg(test)]
    pub faults: super::tests::Faults,
}

impl StepContext {
    pub fn new(
        config: &ResolvedConfig,
        model: Model,
        class_counts: &[u64],
        max_in_flight: usize,
    ) -> Result<StepContext> {
        let statistics = model.buffers().map(|(_, tensor)| tensor.shallow_clone()).collect();
        let scaler = match config.precision {
            Precision::Fp16 => Some(GradScaler::new(model.compute().device())?),
            Precision::Fp32 | Precision::Bf16 | Precision::Fp64 => None,
        };
        let ema =
            if config.ema.decay > 0.0 { Some(Ema::new(config.ema.decay, &model)?) } else { None };
        Ok(StepContext {
            images: None,
            loss: Loss::new(&config.loss, class_counts, &model)?,
            gradient: config.gradient.clone(),
            batch_norm: BatchNormSnapshots::new(statistics, max_in_flight)?,
            micro_batches: MicroBatches::default(),
            group: None,
            seed: config.seed,
            #[cfg(test)]
            faults: Default::default(),
            state: TrainState {
                optimizer: Optimizer::new(&config.optimizer, model.parameters())?,
                ema,
                scaler,
                model,
            },
        })
    }

    /// Copies a batch to the device of the network.
    pub fn input(&self, batch: &Batch) -> Result<StepInput> {
        StepInput::from_batch(&self.state.model, self.images.as_deref(), batch)
    }

    /// Returns the logits `[n, classes]` and the mean loss.
    pub fn forward(&self, input: &StepInput) -> Result<(Tensor, Tensor)> {
        let logits = self.state.model.forward(&input.images, true)?;
        #[cfg(test)]
        self.faults.check(input.targets.labels.size()[0] as usize)?;
        let loss = self.loss.mean(&logits, &input.targets)?;
        Ok((logits, loss))
    }

    /// Returns the gradients of `loss`, multiplied by the loss scale if there is one.
    pub fn backward(&self, loss: &Tensor) -> Result<Vec<Tensor>> {
        let optimizer = &self.state.optimizer;
        match &self.state.scaler {
            None => optimizer.gradients(loss),
            Some(scaler) => optimizer.gradients(&scaler.scale_loss(loss)?),
        }
    }

    /// Seeds libtorch's generator if the network has dropout.
    ///
    /// The seed depends only on the seed of the run and on the position of the micro-batch, so that
    /// a resumed run drops the same values, independent of other uses of the generator.
    pub fn seed_dropout(&self, batch_index: u32, micro_batch: u64) {
        if !self.state.model.network().has_dropout() {
            return;
        }
        let (step, batch) = (self.state.optimizer.steps(), u64::from(batch_index));
        let rank = self.group.as_ref().map_or(0, |group| u64::from(group.rank()));
        let position = step.rotate_left(32)
            ^ batch.rotate_left(16)
            ^ micro_batch.rotate_left(8)
            ^ rank.rotate_left(48);
        tch::manual_seed((self.seed ^ position) as i64);
    }

    /// Calls `pass` with a batch, or with its micro-batches if the batch does not fit into memory,
    /// and returns the result that `pass` accumulates. After an out-of-memory error, the whole
    /// batch is repeated with an empty result; `free_memory` may free memory first, see
    /// [`MicroBatches::run`].
    ///
    /// `is_first` is true for the first batch of the pending step.
    pub fn run_micro_batches<T: Default>(
        &mut self,
        batch: &Batch,
        is_first: bool,
        mut pass: impl FnMut(&StepContext, &mut T, &Batch, u64) -> Result<()>,
        free_memory: &mut dyn FnMut(&Error) -> bool,
    ) -> Result<T> {
        let mut micro_batches = std::mem::take(&mut self.micro_batches);
        let context: &StepContext = self;
        let result = micro_batches.run(
            batch,
            |is_retry| {
                if is_retry {
                    empty_cache();
                    // Only the first batch of a step has a snapshot. For a later batch, the running
                    // statistics include the failed pass, which is harmless.
                    if is_first {
                        context.batch_norm.restore()?;
                    }
                }
                Ok(T::default())
            },
            |result, micro_batch, index| pass(context, result, micro_batch, index),
            free_memory,
        );
        self.micro_batches = micro_batches;
        result
    }
}
