//! The end of an epoch: validation, best epoch, checkpoints.

use std::rc::Rc;
use std::sync::Arc;

use residual_data::{Loader, LoaderOptions, Subset};
use residual_model::{EvaluationMetrics, Model, evaluate};
use residual_optim::lower_is_better;
use residual_spec::{
    CheckpointKind, EpochEvent, Error, ErrorCode, Evaluation, Metric, Metrics, Result, RunEvent,
    StopReason,
};

use super::finish::NUM_EXAMPLES;
use super::{Flow, Trainer};
use crate::position::{BestTracker, RunningMetrics};

impl Trainer<'_> {
    /// Validates the epoch, emits its event, saves checkpoints, and waits for the owner.
    /// `is_complete` is false if the budget ended within the epoch: the epoch is then evaluated,
    /// but not counted.
    pub(super) fn end_epoch(
        &mut self,
        is_complete: bool,
        on_idle: &mut dyn FnMut(),
    ) -> Result<Flow> {
        if self.position.metrics.count == 0 {
            return Err(
                no_readable_image().hint("See the warnings in metrics.jsonl for the files.")
            );
        }
        let train = self.position.metrics.to_metrics();
        let validation = match self.data.splits.val.clone() {
            None => None,
            Some(val) => match self.validate(&val, on_idle)? {
                None => return Ok(Flow::Stop(StopReason::Stopped)),
                validation => validation,
            },
        };
        let val = validation.as_ref().map(Metrics::from);
        let epoch = self.position.epoch + 1;
        let is_best = self.track_best(epoch, &train, val.as_ref());
        if is_best {
            self.best_validation = validation;
        }
        let event = RunEvent::Epoch(EpochEvent {
            epoch,
            step: self.position.step,
            lr: self.position.lr,
            train,
            val,
            best: is_best,
            images_per_second: self.clock.session_throughput(),
            seconds: self.clock.seconds(),
        });
        if is_complete {
            self.count_epoch(epoch, &train, val.as_ref());
        }
        let seq = self.emit(event)?;
        self.save_epoch(epoch, is_complete, is_best)?;
        self.control.wait_acknowledged(seq, on_idle);
        if self.control.is_stopping() {
            Ok(Flow::Stop(StopReason::Stopped))
        } else {
            Ok(Flow::Continue)
        }
    }

    /// Records the epoch as the best one if its monitored metric is better than in all earlier
    /// epochs.
    fn track_best(&mut self, epoch: u32, train: &Metrics, val: Option<&Metrics>) -> bool {
        let value = metric(self.config.monitor, train, val);
        let best = self.position.best;
        let is_best = best.is_none_or(|best| {
            if lower_is_better(self.config.monitor) {
                value < best.value
            } else {
                value > best.value
            }
        });
        if is_best {
            let Metrics { accuracy, loss, .. } = *val.unwrap_or(train);
            self.position.best = Some(BestTracker { epoch, value, accuracy, loss });
        }
        is_best
    }

    /// Passes the metrics of a complete epoch to the schedule and to early stopping, and advances
    /// the position to the next epoch.
    fn count_epoch(&mut self, epoch: u32, train: &Metrics, val: Option<&Metrics>) {
        if let Some(schedule_metric) = self.schedule.metric() {
            self.schedule.observe(metric(schedule_metric, train, val));
        }
        self.schedule.observe_train_accuracy(train.accuracy);
        self.position.schedule = self.schedule.state().clone();
        if let Some(config) = &self.config.early_stopping {
            let value = metric(config.metric, train, val);
            self.position.early_stopping.observe(config, value);
        }
        self.position.epoch = epoch;
        self.position.batch = 0;
        self.position.metrics = RunningMetrics::default();
    }

    fn save_epoch(&mut self, epoch: u32, is_complete: bool, is_best: bool) -> Result<()> {
        let mut kinds = Vec::new();
        if is_best {
            kinds.push(CheckpointKind::Best);
        }
        let every = self.config.checkpoint.every_epochs;
        if is_complete && every > 0 && epoch.is_multiple_of(every) {
            kinds.push(CheckpointKind::Epoch);
        }
        // `last` is written after `best`, because its position refers to the best checkpoint.
        kinds.push(CheckpointKind::Last);
        self.save(&kinds)
    }

    /// Evaluates on the validation split. Returns `None` if the run is stopping.
    ///
    /// # Errors
    /// `E_DIVERGED` if the loss is not finite, so that the epoch cannot become the best one.
    fn validate(&mut self, val: &Subset, on_idle: &mut dyn FnMut()) -> Result<Option<Evaluation>> {
        self.evaluate_on(None, val, on_idle).map_err(|error| {
            if error.code == ErrorCode::Diverged {
                let epoch = self.position.epoch + 1;
                self.diverged_error(format!("validation of epoch {epoch}: {}", error.message))
            } else {
                error
            }
        })
    }

    /// Evaluates `model`, or the current network, on a subset. Returns `None` if the run is
    /// stopping.
    pub(super) fn evaluate_on(
        &mut self,
        model: Option<&Model>,
        subset: &Subset,
        on_idle: &mut dyn FnMut(),
    ) -> Result<Option<Evaluation>> {
        let control = self.control;
        let (evaluation, warnings) = loop {
            let loader = self.eval_loader(subset);
            let mut warnings = Vec::new();
            let model = model.unwrap_or_else(|| self.step.eval_model());
            let classes = &self.data.dataset.facts().classes;
            let evaluated = evaluate(
                model,
                classes,
                EvaluationMetrics::new(classes.len())
                    .with_top_losses(NUM_EXAMPLES)
                    .with_samples(subset.evenly_spaced(NUM_EXAMPLES))
                    .with_outcomes(subset.source.len()),
                loader,
                self.data.device_images.images(subset).map(Rc::as_ref),
                || {
                    on_idle();
                    control.wait_while_paused(on_idle);
                    Ok(!control.is_stopping())
                },
                |warning| warnings.push(warning),
            );
            match evaluated {
                // A captured graph occupies as much memory as a training step.
                Err(error)
                    if error.code == ErrorCode::Memory && self.step.release_graph(&error) =>
                {
                    self.warn_graphs_disabled()?;
                }
                evaluated => break (evaluated, warnings),
            }
        };
        // The warnings name the causes if no image could be read.
        for warning in warnings {
            self.emit(RunEvent::Warning(warning))?;
        }
        evaluation
    }

    fn eval_loader(&self, subset: &Subset) -> Loader {
        let crops_only = self.data.device_images.images(subset).is_some();
        let options = LoaderOptions { crops_only, ..LoaderOptions::eval(&self.config) };
        Loader::new(subset, Arc::clone(&self.data.eval_pipeline), options)
    }
}

/// Returns the value of a metric. Without a validation split, training metrics replace validation
/// metrics.
fn metric(metric: Metric, train: &Metrics, val: Option<&Metrics>) -> f64 {
    let val = val.unwrap_or(train);
    match metric {
        Metric::TrainLoss => train.loss,
        Metric::TrainAccuracy => train.accuracy,
        Metric::ValLoss => val.loss,
        Metric::ValAccuracy => val.accuracy,
    }
}

/// Returns the error for an epoch without a readable image.
pub fn no_readable_image() -> Error {
    Error::new(ErrorCode::DataUnusable, "no training image could be read").key("data")
}
