//! The run: preparing, the training loop, checkpoints, resume, and the one thread that calls
//! libtorch.

mod checkpoint;
mod control;
mod guard;
mod loaded;
mod machine;
mod progress;
mod resume;
mod run;
mod schedule;
mod sgd;
mod thread;
mod throughput;

pub use control::{Control, Entry, Outcome, Stop};
pub use guard::guarded;
pub use loaded::LoadedModel;
pub use machine::machine_facts;
pub use run::run;
pub use schedule::{LrSchedule, PlateauState, Position};
pub use sgd::Sgd;
pub use thread::{TorchThread, Worker};
