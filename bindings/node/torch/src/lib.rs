//! The addon with libtorch: trains, evaluates, predicts and exports. Arguments and results cross
//! the bridge as in the addon without libtorch.

mod arrays;
mod environment;
mod model;
mod run;
mod torch_thread;

// Sources instead of a crate, because each addon registers its own functions with Node.
#[path = "../../shared/cancel.rs"]
mod cancel;
#[path = "../../shared/data_folders.rs"]
mod data_folders;
#[path = "../../shared/native_result.rs"]
mod native_result;
