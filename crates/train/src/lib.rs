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

pub use control::{Control, Entry, Outcome, Stop};
pub use machine::{cores, machine_info};
pub use on_device::OnDevice;
pub use position::{Progress, Sums};
pub use step::{Learner, NotFinite, Step};
pub use synthetic::{synthetic_batch, train_once};
pub use thumbnail::{small, small_of};
pub use trainer::{BATCH_PATIENCE, Lengths, Prepared, order, progress_of, run};
