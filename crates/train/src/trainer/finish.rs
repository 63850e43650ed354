//! The end of a run: test evaluation, evaluation.json, result.json.

use std::time::{Duration, Instant};

use residual_data::Subset;
use residual_model::Model;
use residual_spec::{
    BestCheckpoint, CheckpointKind, EndEvent, Error, ErrorCode, Evaluation, Metrics, Result,
    RunEvaluation, RunEvent, Split, StopReason, TrainResult, WarningEvent,
};
use residual_weights::Checkpoint;

use super::Trainer;
use super::session_clock::throughput;
use crate::StopSignal;
use crate::thumbnail::read_thumbnail;

/// Number of samples and number of images with the highest losses in the last evaluation, for the
/// report.
pub(super) const NUM_EXAMPLES: usize = 24;
/// Longest side of the thumbnails of these images, in pixels.
const THUMBNAIL_SIZE: u32 = 96;
/// Longest time that thumbnails may delay a run that is stopping.
const THUMBNAIL_TIMEOUT: Duration = Duration::from_millis(500);

/// Result of evaluating the best checkpoint.
enum Evaluated {
    Done(Box<Evaluation>),
    /// The run is stopping.
    Stopped,
    /// The checkpoint is missing or damaged, or no image of the split could be read.
    Unavailable,
}

impl Trainer<'_> {
    /// Evaluates the best checkpoint on the test split unless the run is stopping, writes
    /// evaluation.json and result.json, and emits the end event. If an earlier session of the run has
    /// written the best checkpoint but not its outcomes on the validation split, evaluates this
    /// checkpoint on that split, too.
    pub(super) fn finish(
        mut self,
        mut reason: StopReason,
        on_idle: &mut dyn FnMut(),
    ) -> Result<TrainResult> {
        let mut validation = self.data.splits.val.clone().zip(self.best_validation.take());
        let mut val_outcomes =
            validation.as_mut().and_then(|(_, evaluation)| evaluation.outcomes.take());
        let mut last_evaluation =
            validation.map(|(images, evaluation)| (Split::Val, images, evaluation));
        let best_epoch = self.position.best.map(|best| best.epoch);
        // The best epoch may be of an earlier session. Outcomes that it has stored are kept.
        val_outcomes = val_outcomes.or_else(|| {
            let stored = self.dir.read_evaluation()?;
            if Some(stored.epoch) == best_epoch { stored.val_outcomes } else { None }
        });
        let splits = &self.data.splits;
        let to_evaluate = [
            (Split::Val, splits.val.clone().filter(|_| val_outcomes.is_none())),
            (Split::Test, splits.test.clone()),
        ];
        for (split, images) in to_evaluate {
            let Some(images) = images.filter(|_| best_epoch.is_some()) else { continue };
            if reason == StopReason::Stopped {
                break;
            }
            match self.evaluate_best(split, &images, on_idle)? {
                Evaluated::Stopped => reason = StopReason::Stopped,
                Evaluated::Unavailable => break,
                Evaluated::Done(mut evaluation) => {
                    if split == Split::Val {
                        val_outcomes = evaluation.outcomes.take();
                    }
                    last_evaluation = Some((split, images, *evaluation));
                }
            }
        }
        let test = last_evaluation
            .as_ref()
            .filter(|(split, ..)| *split == Split::Test)
            .map(|(_, _, evaluation)| Metrics::from(evaluation));
        if let Some((split, images, evaluation)) = last_evaluation {
            self.write_evaluation(split, &images, evaluation, val_outcomes, on_idle)?;
        }
        self.check_aborted()?;
        let result = self.result(reason, test);
        self.dir.write_result(&result)?;
        self.emit(RunEvent::End(EndEvent { result: result.clone() }))?;
        Ok(result)
    }

    /// Evaluates the best checkpoint on a split. Emits a warning if the checkpoint is missing or
    /// damaged, or if no image of the split could be read: the network is trained nevertheless.
    fn evaluate_best(
        &mut self,
        split: Split,
        images: &Subset,
        on_idle: &mut dyn FnMut(),
    ) -> Result<Evaluated> {
        let best = match self.read_best_model() {
            Err(Error { code: ErrorCode::Checkpoint, message, at, .. }) => {
                self.emit(RunEvent::Warning(WarningEvent {
                    code: ErrorCode::Checkpoint,
                    message: format!("the best network is not evaluated: {message}"),
                    file: at.file,
                    hint: Some("`residual eval` evaluates the last network of the run.".into()),
                }))?;
                return Ok(Evaluated::Unavailable);
            }
            best => best?,
        };
        match self.evaluate_on(Some(&best), images, on_idle) {
            Ok(Some(evaluation)) => Ok(Evaluated::Done(Box::new(evaluation))),
            Ok(None) => Ok(Evaluated::Stopped),
            Err(Error { code: ErrorCode::DataUnusable, .. }) => {
                let split = split.as_str();
                self.emit(RunEvent::Warning(WarningEvent {
                    code: ErrorCode::DataUnusable,
                    message: format!(
                        "the {split} split is not evaluated: none of its images could be read"
                    ),
                    file: None,
                    hint: Some("Replace its files, and run `residual eval`.".into()),
                }))?;
                Ok(Evaluated::Unavailable)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the network of the best checkpoint.
    fn read_best_model(&self) -> Result<Model> {
        let path = self.dir.checkpoint_path(CheckpointKind::Best, 0);
        let model = self.step.model();
        let (network, compute) = (model.network().clone(), model.compute());
        let checkpoint = Checkpoint::open(&path)?;
        Model::from_reader(network, compute, |name| checkpoint.tensor(name))
            .map_err(|error| error.file(&path))
    }

    /// Writes evaluation.json with thumbnails of the example images. An image that cannot be read
    /// has no thumbnail. Nothing is written if the run is stopping and the thumbnails take longer
    /// than [`THUMBNAIL_TIMEOUT`].
    fn write_evaluation(
        &self,
        split: Split,
        images: &Subset,
        mut evaluation: Evaluation,
        val_outcomes: Option<String>,
        on_idle: &mut dyn FnMut(),
    ) -> Result<()> {
        let Some(best) = self.position.best else { return Ok(()) };
        let channels = self.config.data.channels;
        let started = Instant::now();
        for example in evaluation.samples.iter_mut().chain(&mut evaluation.top_losses) {
            on_idle();
            let is_too_late = match self.control.stop_signal() {
                None => false,
                Some(StopSignal::Requested | StopSignal::Shutdown) => {
                    started.elapsed() > THUMBNAIL_TIMEOUT
                }
                // An aborted run writes no result, so it writes no evaluation either.
                Some(StopSignal::Aborted | StopSignal::HookFailed) => true,
            };
            if is_too_late {
                return Ok(());
            }
            example.thumbnail =
                read_thumbnail(images, example.index, channels, THUMBNAIL_SIZE).ok();
        }
        let test_outcomes = evaluation.outcomes.take();
        self.dir.write_evaluation(&RunEvaluation {
            split,
            epoch: best.epoch,
            evaluation,
            val_outcomes,
            test_outcomes,
        })
    }

    /// Checks that the run was not aborted.
    ///
    /// # Errors
    /// `E_ABORTED` if the owner aborted the run or a hook failed.
    fn check_aborted(&self) -> Result<()> {
        let message = match self.control.stop_signal() {
            Some(StopSignal::Aborted) => "the run was aborted",
            Some(StopSignal::HookFailed) => "a hook failed and ended the run",
            Some(StopSignal::Requested | StopSignal::Shutdown) | None => return Ok(()),
        };
        let last = self.dir.checkpoint_path(CheckpointKind::Last, 0);
        Err(Error::new(ErrorCode::Aborted, message).file(last.display().to_string()))
    }

    fn result(&self, stop_reason: StopReason, test: Option<Metrics>) -> TrainResult {
        let path = |kind| self.dir.checkpoint_path(kind, 0).display().to_string();
        let time = &self.position.time;
        TrainResult {
            stop_reason,
            dir: self.dir.path().display().to_string(),
            epochs: self.position.epoch,
            steps: self.position.step,
            best: self.position.best.map(|best| BestCheckpoint {
                epoch: best.epoch,
                accuracy: best.accuracy,
                loss: best.loss,
                checkpoint: path(CheckpointKind::Best),
            }),
            last: path(CheckpointKind::Last),
            test,
            images_per_second: throughput(time.images, time.train_seconds),
            seconds: self.clock.seconds(),
            report: None,
        }
    }
}
