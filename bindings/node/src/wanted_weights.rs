//! Whether a run would begin from published weights that nobody asked for, so that somebody may fetch
//! them before it does.

use std::path::Path;
use std::sync::atomic::Ordering;

use napi::Env;
use napi::bindgen_prelude::{ClassInstance, Object};
use napi_derive::napi;
use residual_data::has_more_files_than;
use residual_spec::{PRETRAINED_MAX_IMAGES, Result, TrainConfig};
use residual_weights::PublishedWeights;
use serde_json::Value;

use crate::background::in_background;
use crate::cancel::NativeCancel;
use crate::envelope::parse;
use crate::light::published_file;

/// The file that a `TrainConfig` wants, as `publishedWeights` gives it, or null; in an envelope. It
/// takes as long as looking at all images of a folder.
#[napi(ts_return_type = "Promise<string>")]
pub fn wanted_weights<'env>(
    env: &'env Env,
    config: String,
    cancel: Option<ClassInstance<NativeCancel>>,
) -> napi::Result<Object<'env>> {
    let cancelled = cancel.map(|cancel| cancel.flag()).unwrap_or_default();
    in_background(env, "looking at the data set", move || {
        wanted(&config, &|| cancelled.load(Ordering::Relaxed))
    })
}

fn wanted(config: &str, cancelled: &dyn Fn() -> bool) -> Result<Option<Value>> {
    let asked = TrainConfig::from_json(&parse(config)?)?;
    let data = asked.data();
    // Of a large folder, not every header is to be read twice. (Validation and test may be as much.)
    let many = 2 * PRETRAINED_MAX_IMAGES as usize;
    let source = data.source.as_deref().unwrap_or_default();
    if has_more_files_than(Path::new(source), many, cancelled) {
        return Ok(None);
    }
    let dataset = residual_data::open(&data, cancelled)?;
    let chosen = PublishedWeights::default_for(&asked, dataset.facts()).ok();
    Ok(chosen.filter(PublishedWeights::can_auto_download).map(published_file))
}
