//! The way in which JavaScript ends work on another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi_derive::napi;

/// Handed to work when it is asked for. Work that ends by it fails with `E_ABORTED`.
#[napi]
#[derive(Default)]
pub struct NativeCancel(Arc<AtomicBool>);

#[napi]
impl NativeCancel {
    #[napi(constructor)]
    pub fn new() -> NativeCancel {
        NativeCancel::default()
    }

    /// Ends the work as soon as it looks: after an image, a batch or some milliseconds.
    #[napi]
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// What the work looks at.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}
