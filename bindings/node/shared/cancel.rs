//! Cancellation of work on other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi_derive::napi;

/// Cancels the calls that it was passed to; they fail with `E_ABORTED`.
#[napi]
#[derive(Default)]
pub struct NativeCancel(Arc<AtomicBool>);

#[napi]
impl NativeCancel {
    #[napi(constructor)]
    pub fn new() -> NativeCancel {
        NativeCancel::default()
    }

    /// Cancels the calls after their current image or batch.
    #[napi]
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns the flag that the work polls.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}
