//! Several processes that train together: rendezvous, and collectives on CPU tensors by c10d and gloo.

mod process_group;
mod rendezvous;

pub use process_group::{ProcessGroup, Work};
pub use rendezvous::Rendezvous;
