//! The libtorch thread with its job queue, inference sessions, and measurements.

mod batch_requests;
mod bench;
mod catch_panic;
mod ensemble;
mod find_lr;
mod job_queue;
mod owner;
mod plan;
mod session;
mod step_batches;
mod thread;
mod thread_count;
mod worker;

pub use bench::bench;
pub use catch_panic::catch_panic;
pub use ensemble::evaluate_ensemble;
pub use find_lr::find_lr;
pub use job_queue::PredictRequest;
pub use owner::{Cancellation, Owner};
pub use plan::plan;
pub use residual_train::{Control, Entry, Outcome, StopSignal, machine_info};
pub use session::Session;
pub use thread::TorchThread;
pub use worker::Worker;
