//! Exporting a run's network, which needs no libtorch.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;

use napi::bindgen_prelude::Object;
use napi::Env;
use napi_derive::napi;
use residual_spec::{At, Error, ErrorCode, ExportConfig, Read, Result};
use residual_weights::export_checkpoint;

use crate::envelope::{envelope, parse};

/// Writes the network of a run folder or checkpoint as .safetensors or .onnx, on a thread of its
/// own; the promise gives an envelope.
#[napi(ts_return_type = "Promise<string>")]
pub fn export_model(
    env: &Env,
    model: String,
    path: String,
    request: String,
) -> napi::Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred()?;
    std::thread::spawn(move || {
        // A panic must not cross into C, however unlikely.
        let exported = catch_unwind(AssertUnwindSafe(|| export(&model, &path, &request)));
        let exported = exported.unwrap_or_else(|_| {
            Err(Error::new(ErrorCode::Internal, "the export failed unexpectedly"))
        });
        let text = envelope(exported);
        deferred.resolve(Box::new(move |_: Env| Ok(text)) as Resolver);
    });
    Ok(promise)
}

type Resolver = Box<dyn FnOnce(Env) -> napi::Result<String> + Send>;

fn export(model: &str, path: &str, request: &str) -> Result<()> {
    let said = ExportConfig::read(&parse(request)?, &At::Root)?;
    export_checkpoint(Path::new(model), Path::new(path), (&said).into())
}
