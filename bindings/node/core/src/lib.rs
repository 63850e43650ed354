//! The addon without libtorch, which loads in milliseconds: checks configurations, inspects
//! networks, data sets and checkpoints.
//!
//! Configurations, results and errors are passed as JSON text. An error is a result
//! (`{"error": {code, message, at, hint}}`), because rejections of native promises would lose the
//! error code. `src/native` throws the error.

mod background_thread;
mod check_config;
mod checkpoint_file;
mod datasets;
mod inspect;
mod published_weights;

// Sources instead of a crate, because each addon registers its own functions with Node.
#[path = "../../shared/cancel.rs"]
mod cancel;
#[path = "../../shared/data_folders.rs"]
mod data_folders;
#[path = "../../shared/native_result.rs"]
mod native_result;
