//! One training epoch: batches, updates and step events.

use std::sync::Arc;
use std::time::Duration;

use residual_data::{Batch, Loader, LoaderOptions, NextBatch, SampleOrder};
use residual_spec::{CheckpointKind, ResolvedConfig, Result, RunEvent, StepEvent, StopReason};

use super::{Flow, StartedUpdate, Trainer};
use crate::replicas::Leader;
use crate::step::{Divergence, StepOutcome};

/// Longest wait for a batch before the trainer checks for a stop.
pub const BATCH_TIMEOUT: Duration = Duration::from_millis(200);

impl Trainer<'_> {
    /// Trains on the remaining batches of the current epoch.
    pub(super) fn train_epoch(&mut self, on_idle: &mut dyn FnMut()) -> Result<Flow> {
        let mut loader = self.train_loader();
        if let Some(leader) = self.leader {
            leader.start_epoch(self.position.epoch, self.position.batch)?;
        }
        self.clock.restart_training();
        // Batches since the last update. The run pauses and stops only between updates, because a
        // checkpoint does not contain accumulated gradients.
        let mut batches = 0;
        loop {
            on_idle();
            if !self.step.has_gradients() {
                self.control.wait_while_paused(on_idle);
                if let Flow::Stop(reason) = self.check_budget() {
                    // If the budget ends with the epoch, the epoch still completes normally.
                    if reason == StopReason::Stopped || !self.is_epoch_complete(0) {
                        self.finish_updates(0)?;
                        return Ok(Flow::Stop(reason));
                    }
                }
            }
            let loaded = match loader.next_within(BATCH_TIMEOUT)? {
                NextBatch::Ready(loaded) => loaded,
                NextBatch::Pending => continue,
                NextBatch::End => {
                    self.finish_updates(0)?;
                    return Ok(Flow::Continue);
                }
            };
            for (file, error) in loaded.failed {
                self.warn_image(file, error)?;
            }
            batches += 1;
            if let Some(leader) = self.leader {
                leader.start_batch(&self.step)?;
            }
            // Batch normalization cannot be trained on a single image.
            if loaded.batch.len() > 1 {
                self.forward_backward(&loaded.batch)?;
            } else {
                self.step.skip_batch()?;
            }
            loader.recycle(loaded.batch);

            let is_complete = self.is_epoch_complete(batches);
            if self.step.is_full() || is_complete {
                self.update(std::mem::take(&mut batches), is_complete)?;
            }
        }
    }

    pub(super) fn train_loader(&self) -> Loader {
        let options = LoaderOptions {
            skip_batches: self.position.batch as usize,
            crops_only: self.step.has_images(),
            share: self.leader.map(Leader::batch_share).unwrap_or_default(),
            ..LoaderOptions::train(&self.config, epoch_order(&self.config, self.position.epoch))
        };
        Loader::new(&self.data.splits.train, Arc::clone(&self.data.train_pipeline), options)
    }

    /// Returns whether the epoch is complete after `batches` more batches.
    fn is_epoch_complete(&self, batches: u32) -> bool {
        u64::from(self.batches_started() + batches) >= self.lengths.batches_per_epoch
    }

    fn forward_backward(&mut self, batch: &Batch) -> Result<()> {
        let before = self.step.max_micro_batch();
        let outcome = self.step.forward_backward(batch)?;
        match self.step.max_micro_batch() {
            Some(max) if before != Some(max) => self.warn_micro_batches(max)?,
            Some(_) | None => {}
        }
        self.warn_graphs_disabled()?;
        match outcome {
            StepOutcome::Done(()) => Ok(()),
            StepOutcome::Diverged(divergence) => Err(self.roll_back(&divergence)),
        }
    }

    /// Updates the weights with the last `batches` batches, and saves a checkpoint if one is due.
    fn update(&mut self, batches: u32, is_epoch_complete: bool) -> Result<()> {
        if self.step.has_gradients() {
            self.start_update(batches)?;
        } else {
            self.finish_updates(0)?;
            self.position.batch += batches; // no image of these batches was usable
        }
        let every = self.config.checkpoint.every_steps;
        if every > 0 && !is_epoch_complete && self.steps_started().is_multiple_of(every) {
            self.finish_updates(0)?;
            self.save(&[CheckpointKind::Last])?;
            self.clock.restart_training();
        }
        Ok(())
    }

    fn start_update(&mut self, batches: u32) -> Result<()> {
        let lr = self.schedule.lr(self.progress());
        if !lr.is_finite() {
            self.finish_updates(0)?;
            let divergence = Divergence { quantity: "the learning rate", value: lr };
            return Err(self.roll_back(&divergence));
        }
        if let Some(leader) = self.leader {
            leader.start_update(lr)?;
        }
        self.step.start_optimizer_step(lr)?;
        self.in_flight.push_back(StartedUpdate { batches, lr });
        self.finish_updates(self.step.max_in_flight())
    }

    /// Waits for the outcomes of the oldest updates until at most `max_in_flight` updates are
    /// pending.
    fn finish_updates(&mut self, max_in_flight: usize) -> Result<()> {
        while self.in_flight.len() > max_in_flight {
            let Some(update) = self.in_flight.pop_front() else { break };
            self.finish_update(update)?;
        }
        Ok(())
    }

    fn finish_update(&mut self, StartedUpdate { batches, lr }: StartedUpdate) -> Result<()> {
        let metrics = match self.step.finish_optimizer_step()? {
            StepOutcome::Done(metrics) => metrics,
            StepOutcome::Diverged(divergence) => return Err(self.roll_back(&divergence)),
        };
        self.position.batch += batches;
        self.position.step += 1;
        self.position.metrics.merge(metrics);
        self.clock.add_step(metrics.count);
        self.position.lr = lr;
        self.emit_step(metrics.to_metrics().loss, lr)
    }

    fn emit_step(&mut self, loss: f64, lr: f64) -> Result<()> {
        let epoch = self.position.metrics.to_metrics();
        let images_per_second = self.clock.current_throughput();
        let event = RunEvent::Step(StepEvent {
            epoch: self.position.epoch + 1,
            step: self.position.step,
            step_in_epoch: self.position.batch.div_ceil(self.config.gradient.accumulate),
            steps_per_epoch: self.lengths.steps_per_epoch as u32,
            loss,
            epoch_loss: epoch.loss,
            epoch_accuracy: epoch.accuracy,
            lr,
            loss_scale: self.step.loss_scale(),
            images_per_second,
            eta_seconds: self.eta(images_per_second),
        });
        if self.position.step.is_multiple_of(self.config.log.every_steps) {
            self.dir.log(&event)?;
        }
        self.control.emit(event);
        Ok(())
    }

    /// Returns the estimated remaining training time in seconds, if the budget limits it.
    fn eta(&self, images_per_second: f64) -> Option<f64> {
        let steps = self.lengths.total_steps.map(|total| {
            let batches = total.saturating_sub(self.position.step)
                * u64::from(self.config.gradient.accumulate);
            let images = batches * u64::from(self.config.batch_size);
            images as f64 / images_per_second.max(1e-9)
        });
        let budget = self.config.budget.seconds;
        let seconds = budget.map(|total| (total - self.clock.seconds()).max(0.0));
        match (steps, seconds) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// Returns the order of the training images in an epoch.
pub fn epoch_order(config: &ResolvedConfig, epoch: u32) -> SampleOrder {
    if config.data.balanced {
        SampleOrder::Balanced { seed: config.seed, epoch }
    } else {
        SampleOrder::Shuffled { seed: config.seed, epoch }
    }
}
