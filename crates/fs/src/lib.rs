//! Atomic file writes, shared by the run folder (`runlog`) and the weight files (`weights`).

mod atomic;

pub use atomic::{
    AtomicWriter, is_temporary, remove_temporary_files, write_atomically, write_error,
};
