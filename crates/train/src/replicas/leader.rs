//! Rank 0's side: commands to the other processes.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use residual_data::BatchShare;
use residual_spec::{Error, ErrorCode, Result, TrainResult};
use residual_torch::distributed::ProcessGroup;

use super::command::Command;
use super::{Settings, batch_share, broadcast_running_statistics, broadcast_state, wait_for_all};
use crate::step::TrainStep;

/// Interval of the commands to wait, while rank 0 evaluates or is paused.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Key of the outcome in the store.
pub const OUTCOME: &str = "outcome";

/// The other processes of a training, as rank 0 sees them.
pub struct Leader {
    group: Rc<ProcessGroup>,
    last_command: Cell<Instant>,
}

impl Leader {
    /// Publishes the settings of rank 0, which those of the other processes must equal.
    pub fn new(group: Rc<ProcessGroup>, settings: &Settings) -> Result<Leader> {
        settings.publish(&group)?;
        Ok(Leader { group, last_command: Cell::new(Instant::now()) })
    }

    /// Sends the initial training state to all processes, with which `step` then exchanges gradients.
    pub fn share_state(&self, step: &mut TrainStep) -> Result<()> {
        step.set_process_group(Rc::clone(&self.group));
        broadcast_state(&self.group, step.state())
    }

    /// Returns the part of each batch that rank 0 trains on.
    pub fn batch_share(&self) -> BatchShare {
        batch_share(&self.group)
    }

    pub fn start_epoch(&self, epoch: u32, skip_batches: u32) -> Result<()> {
        self.send(Command::Epoch { epoch, skip_batches })
    }

    pub fn start_batch(&self, step: &TrainStep) -> Result<()> {
        self.send(Command::Batch)?;
        broadcast_running_statistics(&self.group, step)
    }

    pub fn start_update(&self, lr: f64) -> Result<()> {
        self.send(Command::Update { lr })
    }

    /// Keeps the other processes waiting. Called between all other work; a lost process is reported by
    /// the next command.
    pub fn keep_alive(&self) {
        if self.last_command.get().elapsed() > KEEP_ALIVE {
            let _ = self.send(Command::Wait);
        }
    }

    /// Sends the outcome. The other processes may have ended before.
    pub fn end(&self, outcome: &Result<TrainResult>) {
        let outcome = match outcome {
            Ok(result) => serde_json::to_vec(&Ok::<_, Error>(result)),
            Err(error) => serde_json::to_vec(&Err::<TrainResult, _>(error)),
        };
        let Ok(outcome) = outcome else { return };
        let lost = |error: Error| debug_assert_eq!(error.code, ErrorCode::Distributed);
        let sent = self.group.set(OUTCOME, &outcome).and_then(|()| self.send(Command::End));
        // The store ends with this process: the others must have read the outcome.
        let sent = sent.and_then(|()| wait_for_all(&self.group));
        sent.unwrap_or_else(lost);
    }

    fn send(&self, command: Command) -> Result<()> {
        self.last_command.set(Instant::now());
        command.send(&self.group)
    }
}
