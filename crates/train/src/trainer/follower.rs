//! The processes other than rank 0: they follow its commands.

use std::rc::Rc;
use std::sync::Arc;

use residual_data::{Loader, LoaderOptions, Pipeline, Subset};
use residual_spec::{Error, ErrorCode, ResolvedConfig, Result, TrainResult};
use residual_torch::distributed::ProcessGroup;

use super::start::FollowedRun;
use super::{Prepared, epoch_order};
use crate::replicas::{
    Command, OUTCOME, batch_share, broadcast_running_statistics, broadcast_state, wait_for_all,
};
use crate::step::{StepOutcome, TrainStep};
use crate::{Control, StopSignal};

/// Trains as rank 0 commands, until the end of the training. Returns the result of rank 0.
///
/// # Errors
/// `E_DISTRIBUTED` if the settings or the data differ from those of rank 0, if rank 0 failed, or if a
/// process was lost. `E_ABORTED` if the owner aborts the run or the process exits. A request to stop is
/// ignored, because rank 0 decides.
pub(super) fn follow(
    prepared: Prepared,
    group: &Rc<ProcessGroup>,
    control: &Control,
    on_idle: &mut dyn FnMut(),
) -> Result<TrainResult> {
    prepared.settings()?.check(group)?;
    let mut follower = Follower::new(prepared, Rc::clone(group))?;
    loop {
        let command = Command::receive(group)?;
        on_idle();
        match control.stop_signal() {
            Some(StopSignal::Aborted | StopSignal::HookFailed | StopSignal::Shutdown) => {
                return Err(Error::new(ErrorCode::Aborted, "the run was aborted"));
            }
            Some(StopSignal::Requested) | None => {}
        }
        match command {
            Command::Epoch { epoch, skip_batches } => follower.start_epoch(epoch, skip_batches),
            Command::Batch => follower.train_batch()?,
            Command::Update { lr } => follower.update(lr)?,
            Command::Wait => {}
            Command::End => return outcome(group),
        }
    }
}

/// A copy of the training state, and the batches of this process.
struct Follower {
    config: ResolvedConfig,
    train: Subset,
    pipeline: Arc<Pipeline>,
    step: TrainStep,
    group: Rc<ProcessGroup>,
    loader: Option<Loader>,
}

impl Follower {
    fn new(prepared: Prepared, group: Rc<ProcessGroup>) -> Result<Follower> {
        let FollowedRun { config, train, pipeline, mut step } = FollowedRun::new(prepared)?;
        step.set_process_group(Rc::clone(&group));
        broadcast_state(&group, step.state())?;
        Ok(Follower { config, train, pipeline, step, group, loader: None })
    }

    fn start_epoch(&mut self, epoch: u32, skip_batches: u32) {
        let options = LoaderOptions {
            skip_batches: skip_batches as usize,
            share: batch_share(&self.group),
            ..LoaderOptions::train(&self.config, epoch_order(&self.config, epoch))
        };
        self.loader = Some(Loader::new(&self.train, Arc::clone(&self.pipeline), options));
    }

    fn train_batch(&mut self) -> Result<()> {
        let Some(loader) = &mut self.loader else { return Err(out_of_step()) };
        let Some(loaded) = loader.next()? else { return Err(out_of_step()) };
        broadcast_running_statistics(&self.group, &self.step)?;
        if loaded.batch.len() > 1 {
            self.step.forward_backward(&loaded.batch)?;
        } else {
            self.step.skip_batch()?;
        }
        loader.recycle(loaded.batch);
        Ok(())
    }

    /// Updates the weights. After a divergence, rank 0 restores the state and ends the training.
    fn update(&mut self, lr: f64) -> Result<()> {
        match self.step.optimizer_step(lr)? {
            StepOutcome::Done(_) | StepOutcome::Diverged(_) => Ok(()),
        }
    }
}

/// Reads the outcome of rank 0, which waits for this.
fn read_outcome(group: &ProcessGroup) -> Result<Vec<u8>> {
    let outcome = group.get(OUTCOME)?;
    wait_for_all(group)?;
    Ok(outcome)
}

/// Returns the result of rank 0.
fn outcome(group: &ProcessGroup) -> Result<TrainResult> {
    let outcome: Result<TrainResult> =
        serde_json::from_slice(&read_outcome(group)?).map_err(|cause| {
            Error::new(ErrorCode::Distributed, format!("rank 0's outcome: {cause}"))
        })?;
    outcome.map_err(|error| {
        let message = format!("rank 0 failed: {} ({})", error.message, error.code.as_str());
        Error::new(ErrorCode::Distributed, message).hint("See the output of rank 0.")
    })
}

fn out_of_step() -> Error {
    Error::new(ErrorCode::Distributed, "rank 0 trains on a batch that this process does not have")
        .hint("Start all processes with the same version of residual and the same data.")
}
