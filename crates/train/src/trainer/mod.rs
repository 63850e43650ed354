//! The training loop.

mod checkpoint;
mod divergence;
mod early_stopping;
mod epoch;
mod finish;
mod follower;
mod prepare;
mod session_clock;
mod start;
mod validate;
mod warnings;

use std::collections::VecDeque;
use std::sync::Arc;

use residual_data::{Arrays, Dataset, Pipeline, PixelMean, Splits};
use residual_optim::{LrSchedule, Progress};
use residual_runlog::RunDir;
use residual_spec::{
    CheckpointKind, Device, Error, ErrorCode, Evaluation, ResolvedConfig, Result, RunEvent,
    StopReason, TrainResult,
};
use serde_json::Value;

use crate::Control;
use crate::device_images::DeviceImages;
use crate::position::Position;
use crate::replicas::{self, Leader};
use crate::step::TrainStep;
pub use checkpoint::parse_position;
pub use early_stopping::EarlyStopping;
pub use epoch::{BATCH_TIMEOUT, epoch_order};
pub use prepare::{Lengths, Prepared};
use session_clock::SessionClock;
pub use validate::no_readable_image;

/// Trains a network and returns the result. `arrays`, if present, replaces the configured data
/// source. `on_idle` is called between steps and while the trainer waits, so that the thread can do
/// other work.
///
/// # Errors
/// Errors of the configuration, the data and the folders are returned before anything is written, and
/// `E_DISTRIBUTED` if the environment names other processes that cannot be reached. During training: `E_DIVERGED`, `E_WRITE`, `E_MEMORY` and `E_TORCH`; the run folder keeps the
/// last checkpoint. `E_ABORTED` if the owner aborts the run, after a checkpoint was saved.
pub fn train(
    config: &Value,
    arrays: Option<Arrays>,
    control: &Control,
    on_idle: &mut dyn FnMut(),
) -> Result<TrainResult> {
    let group = replicas::connect()?;
    let prepared = Prepared::new(config, arrays, &|| control.is_stopping())?;
    let Some(group) = group else { return train_prepared(prepared, control, None, on_idle) };
    if prepared.config.device != Device::Cpu {
        return Err(Error::new(ErrorCode::Distributed, "several processes train on the CPU only")
            .key("device")
            .hint("Set `device: 'cpu'`, or start one process."));
    }
    if group.rank() > 0 {
        return follower::follow(prepared, &group, control, on_idle);
    }
    let leader = Leader::new(group, &prepared.settings()?)?;
    let result = train_prepared(prepared, control, Some(&leader), &mut || {
        leader.keep_alive();
        on_idle();
    });
    leader.end(&result);
    result
}

fn train_prepared(
    prepared: Prepared,
    control: &Control,
    leader: Option<&Leader>,
    on_idle: &mut dyn FnMut(),
) -> Result<TrainResult> {
    let mut trainer = Trainer::new(prepared, control, leader)?;
    let stop_reason = trainer.train(on_idle)?;
    trainer.finish(stop_reason, on_idle)
}

/// A run in progress.
struct Trainer<'c> {
    control: &'c Control,
    /// The other processes that train; `None` if this one trains alone.
    leader: Option<&'c Leader>,
    config: ResolvedConfig,
    data: RunData,
    dir: RunDir,
    step: TrainStep,
    schedule: LrSchedule,
    position: Position,
    lengths: Lengths,
    clock: SessionClock,
    /// Updates whose outcome is not known yet, oldest first. `position` does not count them.
    in_flight: VecDeque<StartedUpdate>,
    /// Number of unreadable training images in this session, reported or not.
    num_unreadable: u32,
    /// Evaluation of the best epoch of this session on the validation split.
    best_validation: Option<Evaluation>,
}

/// The data set of a run, and the preprocessing of its images.
struct RunData {
    dataset: Dataset,
    splits: Splits,
    train_pipeline: Arc<Pipeline>,
    eval_pipeline: Arc<Pipeline>,
    device_images: DeviceImages,
    pixel_mean: Option<Arc<PixelMean>>,
}

/// An update in flight.
struct StartedUpdate {
    /// Number of batches that the update uses.
    batches: u32,
    lr: f64,
}

/// Whether training continues.
enum Flow {
    Continue,
    Stop(StopReason),
}

impl Trainer<'_> {
    /// Trains until the budget is exhausted or the run is stopped, and saves the last state.
    fn train(&mut self, on_idle: &mut dyn FnMut()) -> Result<StopReason> {
        loop {
            if let Flow::Stop(reason) = self.check_budget() {
                if self.position.step == 0 || reason == StopReason::Stopped {
                    self.save(&[CheckpointKind::Last])?;
                }
                return Ok(reason);
            }
            match self.train_epoch(on_idle)? {
                Flow::Continue => {}
                Flow::Stop(StopReason::Stopped) => {
                    self.save(&[CheckpointKind::Last])?;
                    return Ok(StopReason::Stopped);
                }
                Flow::Stop(
                    reason @ (StopReason::Completed
                    | StopReason::EarlyStopping
                    | StopReason::Budget),
                ) => return self.end_within_epoch(reason, on_idle),
            }
            if let Flow::Stop(reason) = self.end_epoch(true, on_idle)? {
                self.save(&[CheckpointKind::Last])?;
                return Ok(reason);
            }
        }
    }

    /// Ends a run whose budget ends within an epoch. The state is saved before the evaluation, so
    /// that a resume with a larger budget continues the epoch.
    fn end_within_epoch(
        &mut self,
        reason: StopReason,
        on_idle: &mut dyn FnMut(),
    ) -> Result<StopReason> {
        self.save(&[CheckpointKind::Last])?;
        if self.position.metrics.count == 0 {
            return Ok(reason);
        }
        match self.end_epoch(false, on_idle)? {
            Flow::Stop(StopReason::Stopped) => Ok(StopReason::Stopped),
            Flow::Stop(StopReason::Completed | StopReason::EarlyStopping | StopReason::Budget)
            | Flow::Continue => Ok(reason),
        }
    }

    /// Returns [`Flow::Stop`] with the reason if the budget is exhausted or a stop was requested.
    fn check_budget(&self) -> Flow {
        let budget = &self.config.budget;
        if self.control.is_stopping() {
            Flow::Stop(StopReason::Stopped)
        } else if budget.epochs.is_some_and(|epochs| self.position.epoch >= epochs) {
            Flow::Stop(StopReason::Completed)
        } else if self.should_stop_early() {
            Flow::Stop(StopReason::EarlyStopping)
        } else if budget.steps.is_some_and(|steps| self.steps_started() >= steps)
            || budget.seconds.is_some_and(|seconds| self.clock.seconds() >= seconds)
        {
            Flow::Stop(StopReason::Budget)
        } else {
            Flow::Continue
        }
    }

    fn should_stop_early(&self) -> bool {
        let config = self.config.early_stopping.as_ref();
        config.is_some_and(|config| self.position.early_stopping.should_stop(config))
    }

    /// Returns the number of updates, including those in flight.
    fn steps_started(&self) -> u64 {
        self.position.step + self.in_flight.len() as u64
    }

    /// Returns the number of batches of the current epoch that updates have used, including those
    /// in flight.
    fn batches_started(&self) -> u32 {
        self.position.batch + self.in_flight.iter().map(|update| update.batches).sum::<u32>()
    }

    /// Returns the progress before the next update, for the learning-rate schedule.
    fn progress(&self) -> Progress {
        let fraction = |used: f64, total: Option<f64>| total.map_or(0.0, |total| used / total);
        let step = self.steps_started();
        let steps = fraction(step as f64, self.lengths.total_steps.map(|total| total as f64));
        let seconds = fraction(self.clock.seconds(), self.config.budget.seconds);
        Progress { epoch: self.position.epoch.into(), step, fraction: steps.max(seconds) }
    }

    /// Logs an event and sends it to the owner. Returns its sequence number.
    fn emit(&mut self, event: RunEvent) -> Result<u64> {
        self.dir.log(&event)?;
        Ok(self.control.emit(event))
    }
}
