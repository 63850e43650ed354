//! Published weights: their files, and whether a run would use them by default, so that TypeScript
//! can download them before the run starts.

use std::path::Path;
use std::sync::atomic::Ordering;

use napi::Env;
use napi::bindgen_prelude::{ClassInstance, Object};
use napi_derive::napi;
use residual_data::has_more_files_than;
use residual_spec::{PRETRAINED_MAX_IMAGES, Result, TrainConfig};
use residual_weights::PublishedWeights;
use serde_json::{Value, json};

use crate::background_thread::run_in_background;
use crate::cancel::NativeCancel;
use crate::native_result::{parse_json, to_native_result};

/// Returns torchvision's weights file for an architecture: `{file, from, sha256, bytes}`, where
/// `sha256` is the first digits of the hash and `bytes` is approximate.
#[napi]
pub fn published_weights(arch: Option<String>) -> String {
    to_native_result(PublishedWeights::for_arch(arch.as_deref()).map(describe_file))
}

/// Returns the weights file that a `TrainConfig` would use by default, as `publishedWeights` does,
/// or null. Reads the headers of all images of a folder.
#[napi(ts_return_type = "Promise<string>")]
pub fn default_weights<'env>(
    env: &'env Env,
    config: String,
    cancel: Option<ClassInstance<NativeCancel>>,
) -> napi::Result<Object<'env>> {
    let cancelled = cancel.map(|cancel| cancel.flag()).unwrap_or_default();
    run_in_background(env, "reading the data set", move || {
        find_default(&config, &|| cancelled.load(Ordering::Relaxed))
    })
}

fn find_default(config: &str, is_cancelled: &dyn Fn() -> bool) -> Result<Option<Value>> {
    let config = TrainConfig::from_json(&parse_json(config)?)?;
    let data = config.data();
    // The headers of a large folder are not read, because the run reads them again. The validation
    // and test splits may together have as many images as the training split.
    let max_files = 2 * PRETRAINED_MAX_IMAGES as usize;
    let source = data.source.as_deref().unwrap_or_default();
    if has_more_files_than(Path::new(source), max_files, is_cancelled) {
        return Ok(None);
    }
    let dataset = residual_data::open(&data, is_cancelled)?;
    let default = PublishedWeights::default_for(&config, dataset.facts()).ok();
    Ok(default.filter(PublishedWeights::can_auto_download).map(describe_file))
}

fn describe_file(weights: PublishedWeights) -> Value {
    json!({
        "file": weights.file,
        "from": weights.base_url(),
        "sha256": weights.hash_prefix(),
        "bytes": weights.bytes().round(),
    })
}
