//! The torch thread of this process: the only thread that calls libtorch.

#[cfg(unix)]
use std::sync::Once;
use std::sync::{Mutex, MutexGuard, PoisonError};

use napi_derive::napi;
use residual_runtime::{Owner, TorchThread, machine_info};
use residual_spec::{Error, ErrorCode, Result};
use serde_json::json;
use std::sync::Arc;

use crate::native_result::to_native_result;

enum ThreadState {
    /// Not started.
    Idle,
    Running(Arc<TorchThread>),
    /// The process is exiting.
    Closed,
}

static STATE: Mutex<ThreadState> = Mutex::new(ThreadState::Idle);

fn lock_state() -> MutexGuard<'static, ThreadState> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the torch thread, starting it at the first call.
pub fn torch_thread() -> Result<Arc<TorchThread>> {
    let mut state = lock_state();
    match &*state {
        ThreadState::Running(thread) => Ok(Arc::clone(thread)),
        ThreadState::Closed => Err(Error::new(ErrorCode::Closed, "the process is exiting")),
        ThreadState::Idle => {
            residual_torch::configure_malloc();
            residual_torch::use_huge_pages();
            let thread = Arc::new(TorchThread::start()?);
            *state = ThreadState::Running(Arc::clone(&thread));
            register_shutdown_at_exit();
            Ok(thread)
        }
    }
}

/// Ends the work of `owner`, an environment that ends while others remain.
pub fn end_owner(owner: &Owner) {
    let thread = match &*lock_state() {
        ThreadState::Running(thread) => Some(Arc::clone(thread)),
        ThreadState::Idle | ThreadState::Closed => None,
    };
    if let Some(thread) = thread {
        thread.end_owner(owner);
    }
}

/// Stops every run, which saves a checkpoint, and joins the torch thread. The next call of
/// [`torch_thread`] starts a new one.
pub fn stop_thread() {
    let mut state = lock_state();
    if let ThreadState::Running(thread) = &*state {
        thread.close();
        *state = ThreadState::Idle;
    }
}

/// Stops every run, which saves a checkpoint, and joins the torch thread, which cannot be started
/// again. A process that exits during a libtorch call would crash.
#[napi]
pub fn shutdown() {
    let previous = std::mem::replace(&mut *lock_state(), ThreadState::Closed);
    if let ThreadState::Running(thread) = previous {
        thread.close();
    }
}

/// Registers [`shutdown`] as an exit handler of the process, for an exit without an `exit` event,
/// such as after an error in a listener of this event.
#[cfg(unix)]
fn register_shutdown_at_exit() {
    static REGISTERED: Once = Once::new();
    extern "C" fn run() {
        shutdown();
    }
    REGISTERED.call_once(|| {
        // SAFETY: `run` does not unwind, and its code stays loaded: napi pins the addon when its
        // first promise or run is created. `run` is called before the destructors of libtorch,
        // which was loaded earlier.
        let status = unsafe { libc::atexit(run) };
        debug_assert_eq!(status, 0);
    });
}

#[cfg(not(unix))]
fn register_shutdown_at_exit() {}

/// Returns the version of libtorch and the capabilities of the machine.
#[napi]
pub fn environment() -> String {
    to_native_result(Ok(json!({
        "libtorch": residual_torch::version(),
        "cpuCapability": residual_torch::cpu_capability(),
        "machine": machine_info(),
        "cudaUnusable": residual_torch::cuda::unavailable_reason(),
    })))
}

/// Loads residual-cuda.so. Must be called after libtorch_cuda is loaded and before any other
/// libtorch call.
#[napi]
pub fn use_cuda(path: String) -> String {
    to_native_result(residual_torch::cuda::load(path.as_ref()))
}

/// Records why CUDA cannot be used although its driver and libraries are installed.
#[napi]
pub fn set_cuda_unusable(why: String) {
    residual_torch::cuda::set_unavailable_reason(why);
}
