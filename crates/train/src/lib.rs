//! The run: preparing, the training loop, checkpoints, resume, and the one thread that calls
//! libtorch.

mod batch_size;
mod begin;
mod bench;
mod checkpoint;
mod control;
mod early_stopping;
mod ema;
mod ensemble;
mod find_lr;
mod free_memory;
mod gradient;
mod guard;
mod late;
mod learner;
mod loaded;
mod loss;
mod machine;
mod memory;
mod optimizer;
mod parts;
mod pixel_mean;
mod plan;
mod progress;
mod resume;
mod run;
mod schedule;
mod short;
mod small;
mod thread;
mod threads;
mod throughput;

pub use bench::bench;
pub use control::{Control, Entry, Outcome, Stop};
pub use ensemble::evaluate_ensemble;
pub use find_lr::find_lr;
pub use guard::guarded;
pub use learner::{Learner, NotFinite, Step};
pub use loaded::LoadedModel;
pub use machine::machine_facts;
pub use optimizer::Optimizer;
pub use plan::plan;
pub use run::run;
pub use schedule::{LrSchedule, Position, ScheduleState};
pub use short::Request;
pub use thread::{TorchThread, Worker};
