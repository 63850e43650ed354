//! Export, inspection and verification of checkpoints, without libtorch.

use std::path::Path;

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;
use residual_spec::{ExportConfig, FromJson, LoadConfig, resolve_export};
use residual_weights::{
    Checkpoint, CheckpointChoice, IntactCheckpoint, export_checkpoint, open_intact,
};
use serde_json::json;

use crate::background_thread::run_in_background;
use crate::native_result::{parse_json, to_native_result};

/// Exports the network of a run folder or checkpoint to .safetensors or .onnx on a background
/// thread; returns an array of `WarningEvent`.
#[napi(ts_return_type = "Promise<string>")]
pub fn export_model(
    env: &Env,
    model: String,
    path: String,
    request: String,
) -> napi::Result<Object<'_>> {
    run_in_background(env, "the export", move || {
        let config = ExportConfig::parse(&parse_json(&request)?)?;
        export_checkpoint(Path::new(&model), Path::new(&path), resolve_export(&config))
            .map(Vec::from_iter)
    })
}

/// Inspects a run folder, a checkpoint or a weights file with a `LoadConfig`; returns an
/// `Inspection`.
#[napi(ts_return_type = "Promise<string>")]
pub fn inspect_checkpoint(env: &Env, model: String, request: String) -> napi::Result<Object<'_>> {
    run_in_background(env, "inspecting the model", move || {
        let config = LoadConfig::parse(&parse_json(&request)?)?;
        residual_weights::inspect_checkpoint(Path::new(&model), &config)
    })
}

/// Verifies the files of a run folder, or a file of weights; returns a `RunVerification`.
#[napi(ts_return_type = "Promise<string>")]
pub fn verify_run(env: &Env, path: String) -> napi::Result<Object<'_>> {
    run_in_background(env, "the verification", move || {
        residual_weights::verify_run(Path::new(&path))
    })
}

/// Reads the configuration of a run from its newest checkpoint with an intact header; returns
/// `{config, file}`.
#[napi]
pub fn read_checkpoint_config(run: String) -> String {
    let opened = open_intact(Path::new(&run), CheckpointChoice::Last, Checkpoint::read_header);
    to_native_result(opened.map(|IntactCheckpoint { opened, path, .. }| {
        json!({ "config": opened.config, "file": path.display().to_string() })
    }))
}
