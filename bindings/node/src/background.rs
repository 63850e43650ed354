//! Work that takes a while and needs no libtorch.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::Env;
use napi::bindgen_prelude::Object;
use residual_spec::{Error, ErrorCode, Result};
use serde::Serialize;

use crate::envelope::envelope;

type Resolver = Box<dyn FnOnce(Env) -> napi::Result<String> + Send>;

/// Does `work`, which is called `name` if it fails, on a thread of its own; the promise gives an
/// envelope.
pub fn in_background<'env, T: Serialize + 'static>(
    env: &'env Env,
    name: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> napi::Result<Object<'env>> {
    let (deferred, promise) = env.create_deferred()?;
    std::thread::spawn(move || {
        // A panic must not cross into C, however unlikely.
        let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            Err(Error::new(ErrorCode::Internal, format!("{name} failed unexpectedly")))
        });
        let text = envelope(result);
        deferred.resolve(Box::new(move |_: Env| Ok(text)) as Resolver);
    });
    Ok(promise)
}
