//! Data-parallel training: several processes, each with a copy of the network, train on parts of each
//! batch.
//!
//! Rank 0 trains as a single process does: it alone decides, evaluates, writes the run folder and sends
//! events. Before each operation in which the others take part, it sends them a [`Command`]. All
//! processes exchange gradients and metrics (`step/all_reduce`) and make the same update, so their
//! weights stay equal. Each normalizes its part of a batch with the statistics of that part; the running
//! statistics are those of rank 0 (`DistributedDataParallel` with `broadcast_buffers=True`).

mod command;
mod leader;
mod settings;

use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use residual_data::BatchShare;
use residual_spec::Result;
use residual_torch::distributed::{ProcessGroup, Rendezvous};
use tch::Tensor;

use crate::step::{TrainState, TrainStep, broadcast_in_buckets};

pub use command::Command;
pub use leader::{Leader, OUTCOME};
pub use settings::Settings;

/// Longest wait for another process, as the default of `torch.distributed.init_process_group`.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Number of groups that this process has joined.
static NUM_GROUPS: AtomicU32 = AtomicU32::new(0);

/// Connects to the other processes that the environment names (`torchrun`). Returns `None` if this
/// process trains alone.
///
/// # Errors
/// `E_DISTRIBUTED` for invalid variables, or if a process cannot be reached.
pub fn connect() -> Result<Option<Rc<ProcessGroup>>> {
    let Some(rendezvous) = Rendezvous::from_env()? else { return Ok(None) };
    let number = NUM_GROUPS.fetch_add(1, Ordering::Relaxed);
    ProcessGroup::connect(rendezvous, number, TIMEOUT).map(|group| Some(Rc::new(group)))
}

/// Sends the initial training state of rank 0 to all processes, in place.
pub fn broadcast_state(group: &ProcessGroup, state: &TrainState) -> Result<()> {
    let average = state.ema.iter().flat_map(|ema| ema.model().tensors());
    let network = state.model.tensors().chain(average).map(|(_, tensor)| tensor.shallow_clone());
    let optimizer = state.optimizer.state().map(|(_, tensor)| tensor.shallow_clone());
    let scaler = state.scaler.iter().flat_map(|scaler| scaler.state());
    let scaler = scaler.map(|(_, tensor)| tensor.shallow_clone());
    let tensors: Vec<Tensor> = network.chain(optimizer).chain(scaler).collect();
    broadcast_in_buckets(group, &tensors)
}

/// Sends the running statistics of rank 0 to all processes, in place. Batch normalization computes
/// relative to them, so that the others would otherwise not repeat their numbers after a resume.
pub fn broadcast_running_statistics(group: &ProcessGroup, step: &TrainStep) -> Result<()> {
    let buffers: Vec<Tensor> =
        step.model().buffers().map(|(_, tensor)| tensor.shallow_clone()).collect();
    broadcast_in_buckets(group, &buffers)
}

/// Waits until all processes have called this function.
pub fn wait_for_all(group: &ProcessGroup) -> Result<()> {
    group.all_reduce(&Tensor::from_slice(&[0.0f32]))
}

/// Returns the part of each batch that this process trains on.
pub fn batch_share(group: &ProcessGroup) -> BatchShare {
    BatchShare { rank: group.rank(), world_size: group.size() }
}
