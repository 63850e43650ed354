//! Export and inspection of checkpoints, without libtorch.

use std::path::Path;

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;
use residual_spec::{ExportConfig, FromJson, KeyPath, LoadConfig, resolve_export};
use residual_weights::export_checkpoint;

use crate::background_thread::run_in_background;
use crate::native_result::parse_json;

/// Exports the network of a run folder or checkpoint to .safetensors or .onnx on a background
/// thread.
#[napi(ts_return_type = "Promise<string>")]
pub fn export_model(
    env: &Env,
    model: String,
    path: String,
    request: String,
) -> napi::Result<Object<'_>> {
    run_in_background(env, "the export", move || {
        let config = ExportConfig::from_json_at(&parse_json(&request)?, &KeyPath::Root)?;
        export_checkpoint(Path::new(&model), Path::new(&path), resolve_export(&config))
    })
}

/// Inspects a run folder, a checkpoint or a weights file with a `LoadConfig`; returns an
/// `Inspection`.
#[napi(ts_return_type = "Promise<string>")]
pub fn inspect_checkpoint(env: &Env, model: String, request: String) -> napi::Result<Object<'_>> {
    run_in_background(env, "inspecting the model", move || {
        let config = LoadConfig::from_json_at(&parse_json(&request)?, &KeyPath::Root)?;
        residual_weights::inspect_checkpoint(Path::new(&model), &config)
    })
}
