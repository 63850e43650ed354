//! Commands of rank 0 to the other processes.

use residual_spec::{Error, ErrorCode, Result};
use residual_torch::distributed::ProcessGroup;
use residual_torch::torch_error;
use tch::Tensor;

/// An operation of rank 0 in which all processes take part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// Load the batches of an epoch, without the first `skip_batches`.
    Epoch { epoch: u32, skip_batches: u32 },
    /// Compute the gradients of the next batch.
    Batch,
    /// Exchange the gradients and update the weights.
    Update { lr: f64 },
    /// Nothing: rank 0 is busy with something else.
    Wait,
    /// The training has ended; the store has its outcome.
    End,
}

impl Command {
    /// Sends this command, as rank 0, or receives one.
    fn exchange(group: &ProcessGroup, values: [i64; 3]) -> Result<[i64; 3]> {
        let tensor = Tensor::from_slice(&values);
        group.broadcast(&tensor, 0)?;
        let values = Vec::<i64>::try_from(&tensor).map_err(torch_error)?;
        Ok([values[0], values[1], values[2]])
    }

    pub fn send(self, group: &ProcessGroup) -> Result<()> {
        let values = match self {
            Command::Epoch { epoch, skip_batches } => [0, epoch.into(), skip_batches.into()],
            Command::Batch => [1, 0, 0],
            Command::Update { lr } => [2, lr.to_bits().cast_signed(), 0],
            Command::Wait => [3, 0, 0],
            Command::End => [4, 0, 0],
        };
        Command::exchange(group, values).map(|_| ())
    }

    pub fn receive(group: &ProcessGroup) -> Result<Command> {
        match Command::exchange(group, [0; 3])? {
            [0, epoch, skip_batches] => {
                Ok(Command::Epoch { epoch: epoch as u32, skip_batches: skip_batches as u32 })
            }
            [1, ..] => Ok(Command::Batch),
            [2, lr, _] => Ok(Command::Update { lr: f64::from_bits(lr.cast_unsigned()) }),
            [3, ..] => Ok(Command::Wait),
            [4, ..] => Ok(Command::End),
            values => Err(Error::new(
                ErrorCode::Distributed,
                format!("rank 0 sent the unknown command {values:?}"),
            )
            .hint("Install the same version of residual on all machines.")),
        }
    }
}
