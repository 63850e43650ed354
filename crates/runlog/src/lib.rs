//! The run folder: exclusive access, atomic file writes, and logs that a resumed run continues.
//!
//! ```text
//! runs/<name>/
//!   config.json            resolved configuration
//!   environment.json       machine and versions
//!   metrics.jsonl          logged events, one per line
//!   metrics.csv            one row per epoch
//!   events.out.tfevents.*  the same metrics for TensorBoard
//!   checkpoints/           last.safetensors, best.safetensors, epoch-0010.safetensors
//!   evaluation.json        evaluation of the best or last network
//!   result.json            final result
//!   report.html            report (written by the TypeScript package)
//!   .lock                  locked by the process that writes to the folder
//! runs/latest              symbolic link to the run that started last
//! ```

mod environment;
mod folder_state;
mod latest;
mod line_file;
mod lock;
mod metrics;
mod regular_file;
mod run_dir;
mod tensorboard;
mod verify;

pub use environment::Environment;
pub use folder_state::is_checkpoint_name;
pub use run_dir::RunDir;
pub use verify::verify_files;
