//! The training thread's life within a Node process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use napi_derive::napi;
use residual_runtime::{TorchThread, machine_info};
use residual_spec::{Error, ErrorCode, Result};
use serde_json::json;
use std::sync::Arc;

use crate::envelope::envelope;

enum Life {
    /// Not needed yet.
    Idle,
    Running(Arc<TorchThread>),
    /// The process is ending.
    Over,
}

static LIFE: Mutex<Life> = Mutex::new(Life::Idle);

fn life() -> MutexGuard<'static, Life> {
    LIFE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one thread that calls libtorch, started when it is first needed.
pub fn torch_thread() -> Result<Arc<TorchThread>> {
    let mut life = life();
    match &*life {
        Life::Running(thread) => Ok(Arc::clone(thread)),
        Life::Over => Err(Error::new(ErrorCode::Closed, "the process is ending")),
        Life::Idle => {
            residual_torch::configure_malloc();
            residual_torch::use_huge_pages();
            let thread = Arc::new(TorchThread::start()?);
            *life = Life::Running(Arc::clone(&thread));
            Ok(thread)
        }
    }
}

/// Stops every run, saving it, and joins the thread: libtorch must not be in the middle of
/// anything when the process ends.
#[napi]
pub fn shutdown() {
    let before = std::mem::replace(&mut *life(), Life::Over);
    if let Life::Running(thread) = before {
        thread.close();
    }
}

/// What libtorch is and what it found.
#[napi]
pub fn environment() -> String {
    envelope(Ok(json!({
        "libtorch": residual_torch::version(),
        "cpuCapability": residual_torch::cpu_capability(),
        "machine": machine_info(),
        "cudaUnusable": residual_torch::cuda::unavailable_reason(),
    })))
}

/// Loads residual-cuda.so, after libtorch_cuda and before anything else is asked of libtorch.
#[napi]
pub fn use_cuda(path: String) -> String {
    envelope(residual_torch::cuda::load(path.as_ref()))
}

/// Says why CUDA cannot be used, though driver and libraries are there.
#[napi]
pub fn set_cuda_unusable(why: String) {
    residual_torch::cuda::set_unavailable_reason(why);
}
