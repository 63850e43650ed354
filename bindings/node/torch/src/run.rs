//! A training run as a JavaScript object.

use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use residual_data::Arrays;
use residual_runtime::{Control, Entry, Outcome, StopSignal, TorchThread};
use residual_spec::{Error, ErrorCode};
use serde_json::{Value, json};

use crate::arrays::NativeArrays;
use crate::environment::register_owner;
use crate::native_result::parse_json;
use crate::torch_thread::torch_thread;

/// A queued or started run.
#[napi]
pub struct NativeRun {
    control: Arc<Control>,
    /// `None` if the run could not be queued. `control` has then settled with the error.
    thread: Option<Arc<TorchThread>>,
}

/// Queues a run, on in-memory images if `arrays` is set. Calls `wake` whenever there are entries to
/// drain; calls are coalesced and do not keep the process alive. Errors arrive as the last entry.
#[napi]
pub fn start_run(
    env: Env,
    config: String,
    wake: Function<(), ()>,
    arrays: Option<NativeArrays>,
) -> napi::Result<NativeRun> {
    let wake = wake
        .build_threadsafe_function::<()>()
        .callee_handled::<false>()
        .weak::<true>()
        .max_queue_size::<2>()
        .build()?;
    // A call that does not fit into the queue is not needed: the pending call drains all entries.
    let control = Arc::new(Control::new(move || {
        wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }));
    let owner = register_owner(&env)?;
    let config_and_thread = parse_json(&config).and_then(|config| Ok((config, torch_thread()?)));
    let thread = match config_and_thread {
        Ok((config, thread)) => {
            thread.run(owner, config, arrays.map(Arrays::from), Arc::clone(&control));
            Some(thread)
        }
        Err(error) => {
            control.settle(Outcome::Failed(error));
            None
        }
    };
    Ok(NativeRun { control, thread })
}

#[napi]
impl NativeRun {
    /// Returns the entries since the last call, each as JSON text.
    #[napi]
    pub fn drain(&self) -> Vec<String> {
        let stop = self.control.stop_signal();
        self.control
            .drain()
            .iter()
            .map(|entry| entry_to_json(entry, stop.as_ref()).to_string())
            .collect()
    }

    /// Lets the trainer continue after an epoch; `decision` is `continue` or `stop`.
    #[napi]
    pub fn acknowledge(&self, seq: i64, decision: String) {
        if decision == "stop" {
            self.end(StopSignal::Requested);
        }
        self.control.acknowledge(seq.unsigned_abs());
    }

    /// Saves a checkpoint and ends the run because a hook threw an error.
    #[napi]
    pub fn fail(&self) {
        self.end(StopSignal::HookFailed);
        self.control.acknowledge(u64::MAX);
    }

    /// Ends the run after a checkpoint is saved; the run then resolves.
    #[napi]
    pub fn stop(&self) {
        self.end(StopSignal::Requested);
    }

    /// Ends the run after a checkpoint is saved; the run then fails with `E_ABORTED`.
    #[napi]
    pub fn abort(&self) {
        self.end(StopSignal::Aborted);
    }

    #[napi]
    pub fn pause(&self) {
        self.control.pause();
    }

    #[napi]
    pub fn resume(&self) {
        self.control.resume();
    }

    fn end(&self, signal: StopSignal) {
        if let Some(thread) = &self.thread {
            thread.stop(&self.control, signal);
        }
    }
}

fn entry_to_json(entry: &Entry, stop: Option<&StopSignal>) -> Value {
    match entry {
        Entry::Event { seq, event } => json!({ "seq": seq, "event": event }),
        Entry::Settled { seq, outcome } => {
            let settled = match outcome {
                Outcome::Done(result) => json!({ "ok": result }),
                Outcome::Failed(Error { code: ErrorCode::Aborted, message, at, .. })
                    if stop == Some(&StopSignal::HookFailed) =>
                {
                    json!({ "failed": message, "last": at.file })
                }
                Outcome::Failed(error) => json!({ "error": error }),
            };
            json!({ "seq": seq, "settled": settled })
        }
    }
}
