//! Training: the step, the epoch loop, validation, checkpoints and resume.

mod batch_size;
mod control;
mod free_memory;
mod initial_weights;
mod loss;
mod machine;
pub mod memory;
mod on_device;
pub mod pixel_mean;
mod position;
mod resume;
mod step;
mod synthetic;
mod thumbnail;
mod trainer;

pub use control::{Control, Entry, Outcome, StopSignal};
pub use machine::{cores, machine_info};
pub use on_device::OnDevice;
pub use position::{Position, RunningMetrics};
pub use step::{MAX_IN_FLIGHT, NotFinite, StepOutcome, TrainStep};
pub use synthetic::{SAFE_LR, synthetic_batch, train_once};
pub use thumbnail::{encode_thumbnail, read_thumbnail};
pub use trainer::{
    BATCH_TIMEOUT, Lengths, Prepared, epoch_order, no_readable_image, parse_position, train,
};
