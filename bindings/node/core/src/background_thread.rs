//! Background threads for work without libtorch.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::Env;
use napi::bindgen_prelude::Object;
use residual_spec::{Error, ErrorCode, Result};
use serde::Serialize;

use crate::native_result::to_native_result;

type Resolver = Box<dyn FnOnce(Env) -> napi::Result<String> + Send>;

/// Runs `work` on a new thread and returns a promise of its result as JSON text. `name` describes
/// the work in the error message of a panic.
pub fn run_in_background<'env, T: Serialize + 'static>(
    env: &'env Env,
    name: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> napi::Result<Object<'env>> {
    let (deferred, promise) = env.create_deferred()?;
    std::thread::spawn(move || {
        // A panic must not unwind into C.
        let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            Err(Error::new(ErrorCode::Internal, format!("{name} failed unexpectedly")))
        });
        let text = to_native_result(result);
        deferred.resolve(Box::new(move |_: Env| Ok(text)) as Resolver);
    });
    Ok(promise)
}
