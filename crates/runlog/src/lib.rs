//! The run folder: one run at a time in it, and every file in it whole or absent.
//!
//! ```text
//! runs/<name>/
//!   config.json        every value resolved
//!   environment.json   what it ran on
//!   metrics.jsonl      every event logged, one a line
//!   metrics.csv        a row an epoch
//!   events.out.tfevents.*  the same for TensorBoard
//!   checkpoints/       last.safetensors, best.safetensors, epoch-0010.safetensors
//!   result.json        how it ended
//!   .lock              held by the process that writes here
//! runs/latest          a link to the run that began last
//! ```

mod environment;
mod latest;
mod lines;
mod lock;
mod metrics;
mod run_dir;
mod tensorboard;

pub use environment::Environment;
pub use run_dir::RunDir;
