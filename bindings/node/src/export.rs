//! What is done with a trained network's file and needs no libtorch.

use std::path::Path;

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;
use residual_spec::{At, ExportConfig, LoadConfig, Read};
use residual_weights::{export_checkpoint, inspect_checkpoint};

use crate::background::in_background;
use crate::envelope::parse;

/// Writes the network of a run folder or checkpoint as .safetensors or .onnx, on a thread of its
/// own; the promise gives an envelope.
#[napi(ts_return_type = "Promise<string>")]
pub fn export_model(
    env: &Env,
    model: String,
    path: String,
    request: String,
) -> napi::Result<Object<'_>> {
    in_background(env, "the export", move || {
        let said = ExportConfig::from_json_at(&parse(&request)?, &KeyPath::Root)?;
        export_checkpoint(Path::new(&model), Path::new(&path), (&said).into())
    })
}

/// A run folder, a checkpoint or a file of weights, and a `LoadConfig`, to an `Inspection`.
#[napi(ts_return_type = "Promise<string>")]
pub fn describe_model(env: &Env, model: String, request: String) -> napi::Result<Object<'_>> {
    in_background(env, "looking at the model", move || {
        let asked = LoadConfig::from_json_at(&parse(&request)?, &KeyPath::Root)?;
        inspect_checkpoint(Path::new(&model), &asked)
    })
}
