//! Snapshots of the running statistics of batch normalization.

use residual_spec::Result;
use residual_torch::{foreach_copy, torch_error};
use tch::Tensor;

/// Running statistics, with a snapshot from before each update in flight. The snapshots are needed
/// because a forward pass changes the statistics before the host reads whether the loss is finite.
pub(super) struct BatchNormSnapshots {
    live: Vec<Tensor>,
    /// A ring with one slot for each update in flight and one for the pending step.
    snapshots: Vec<Vec<Tensor>>,
    /// Slot of the pending step.
    slot: usize,
}

impl BatchNormSnapshots {
    pub fn new(live: Vec<Tensor>, max_in_flight: usize) -> Result<BatchNormSnapshots> {
        let zeros = || live.iter().map(Tensor::f_zeros_like).collect::<std::result::Result<_, _>>();
        let snapshots = (0..=max_in_flight).map(|_| zeros()).collect::<std::result::Result<_, _>>();
        Ok(BatchNormSnapshots { snapshots: snapshots.map_err(torch_error)?, live, slot: 0 })
    }

    /// Copies the live statistics to the slot of the pending step.
    pub fn save(&self) -> Result<()> {
        foreach_copy(&self.snapshots[self.slot], &self.live)
    }

    /// Restores the live statistics from the slot of the pending step.
    pub fn restore(&self) -> Result<()> {
        foreach_copy(&self.live, &self.snapshots[self.slot])
    }

    pub fn slot(&self) -> usize {
        self.slot
    }

    pub fn set_slot(&mut self, slot: usize) {
        self.slot = slot;
    }

    /// Selects the slot of the next step.
    pub fn advance(&mut self) {
        self.slot = (self.slot + 1) % self.snapshots.len();
    }
}
