//! Owners of work on the libtorch thread, and the cancellation of jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The JavaScript environment (main thread or worker thread) that runs, jobs and models belong to.
/// Its jobs are cancelled and its models are closed when the environment ends.
#[derive(Clone, Default)]
pub struct Owner {
    has_ended: Arc<AtomicBool>,
}

impl Owner {
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Marks the environment as ended.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }
}

/// Cancellation state of a job, whose result is not needed after its caller cancelled it or its owner
/// ended.
#[derive(Clone, Default)]
pub struct Cancellation {
    pub owner: Owner,
    /// Set by the caller.
    pub flag: Arc<AtomicBool>,
}

impl Cancellation {
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed) || self.owner.has_ended()
    }
}
