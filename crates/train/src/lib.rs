//! Training: the step, the epoch loop, validation, checkpoints and resume.

mod batch_size;
mod control;
mod device_images;
mod free_memory;
mod initial_weights;
mod loss;
mod machine;
pub mod memory;
pub mod pixel_mean;
mod position;
mod replicas;
mod resume;
mod step;
mod synthetic;
mod thumbnail;
mod trainer;

pub use control::{Control, Entry, Outcome, StopSignal};
pub use device_images::DeviceImages;
pub use machine::{cores, machine_info};
pub use position::{Position, RunningMetrics};
pub use step::{Divergence, MAX_IN_FLIGHT, StepOutcome, TrainStep};
pub use synthetic::{SAFE_LR, synthetic_batch, train_once};
pub use thumbnail::{encode_thumbnail, read_thumbnail};
pub use trainer::{
    BATCH_TIMEOUT, Lengths, Prepared, epoch_order, no_readable_image, parse_position, train,
};
