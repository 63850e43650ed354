//! Checks of configurations before anything is downloaded for them.

use std::path::Path;
use std::sync::atomic::Ordering;

use napi::Env;
use napi::bindgen_prelude::{ClassInstance, Object};
use napi_derive::napi;
use residual_data::{find_known_dataset, has_more_files_than};
use residual_runlog::RunDir;
use residual_spec::{
    Auto, DataConfig, DatasetInfo, Error, ErrorCode, EvaluateConfig, FindLrConfig, FromJson,
    MachineInfo, NameOr, PRETRAINED_MAX_IMAGES, PlanConfig, PreviewConfig, RANDOM_INIT, Result,
    TrainConfig, resolve, resolve_find_lr, resolve_preview, suggest_setting,
};
use residual_weights::{CheckpointChoice, IMAGENET, PublishedWeights, find_checkpoints};
use serde_json::Value;

use crate::background_thread::run_in_background;
use crate::cancel::NativeCancel;
use crate::native_result::{parse_json, to_native_result};

/// Checks a `TrainConfig` before its data set or weights are downloaded: all values, the network,
/// and whether its files exist. Reads the headers of the images if the data set is on this machine,
/// and otherwise uses the published facts of the data set. Returns null.
#[napi(ts_return_type = "Promise<string>")]
pub fn check_train_config<'env>(
    env: &'env Env,
    config: String,
    has_arrays: bool,
    cancel: Option<ClassInstance<NativeCancel>>,
) -> napi::Result<Object<'env>> {
    let cancelled = cancel.map(|cancel| cancel.flag()).unwrap_or_default();
    run_in_background(env, "checking the configuration", move || {
        check(&config, has_arrays, &|| cancelled.load(Ordering::Relaxed))
    })
}

fn check(config: &str, has_arrays: bool, is_cancelled: &dyn Fn() -> bool) -> Result<()> {
    let mut config = TrainConfig::from_json(&parse_json(config)?)?;
    if let Some(resume) = &config.resume {
        // Most values are in the checkpoint, which the run reads.
        return find_checkpoints(Path::new(resume), CheckpointChoice::Last).map(|_| ());
    }
    let mut model = config.model();
    if let Some(Auto::Value(weights)) = &model.weights
        && weights != RANDOM_INIT
        && weights != IMAGENET
    {
        find_checkpoints(Path::new(weights), CheckpointChoice::Best)
            .map_err(|error| error.key("model.weights"))?;
    }
    if let Some(Auto::Value(out)) = &config.out {
        RunDir::check_path(Path::new(out), config.overwrite.unwrap_or(false))?;
    }
    let Some(facts) = find_facts(&config, has_arrays, is_cancelled)? else { return Ok(()) };
    let has_weights = model.weights.as_ref().is_some_and(|weights| weights.value().is_some());
    if !has_weights && PublishedWeights::default_for(&config, &facts).is_ok() {
        // The default image size depends on the weights.
        model.weights = Some(Auto::Value(IMAGENET.into()));
        config.model = Some(NameOr::Config(model));
    }
    // The device is checked when libtorch is loaded.
    let machine = MachineInfo { cuda: true, ..MachineInfo::with_cores(1) };
    let resolved = resolve(&config, &facts, &machine)?;
    let (channels, image_size) = (resolved.data.channels, resolved.data.image_size);
    let classes = facts.classes.len() as u32;
    let network = residual_arch::build(&resolved.model, channels, image_size, classes)?;
    residual_arch::frozen(&network, &resolved.model.freeze).map(|_| ())
}

/// Returns the facts of the data set; `None` for arrays, and for large folders, because reading the
/// headers of their images takes long.
fn find_facts(
    config: &TrainConfig,
    has_arrays: bool,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Option<DatasetInfo>> {
    if has_arrays {
        return Ok(None);
    }
    let data = config.data();
    let source = data.source.as_deref().unwrap_or_default();
    if let Some(known) = find_known_dataset(source)
        && known.folder().is_none()
        && !Path::new(source).exists()
    {
        return Ok(Some(known.published_facts(&data)));
    }
    if has_more_files_than(Path::new(source), 2 * PRETRAINED_MAX_IMAGES as usize, is_cancelled) {
        return Ok(None);
    }
    residual_data::open(&data, is_cancelled).map(|dataset| Some(dataset.facts().clone()))
}

/// Checks the options of the public function `name`, as JSON, before its data set is downloaded.
/// Returns null.
#[napi]
pub fn check_options(name: String, options: String) -> String {
    to_native_result(parse_json(&options).and_then(|options| match name.as_str() {
        "evaluate" => EvaluateConfig::parse(&options).map(|_| ()),
        "findLr" => resolve_find_lr(&FindLrConfig::parse(&options)?).map(|_| ()),
        "plan" => PlanConfig::parse(&options).map(|_| ()),
        "train" => TrainConfig::from_json(&options).map(|_| ()),
        "preview" => check_preview(&PreviewConfig::parse(&options)?),
        name => Err(Error::new(ErrorCode::Internal, format!("`{name}` has no options to check"))),
    }))
}

fn check_preview(config: &PreviewConfig) -> Result<()> {
    let data = config.data.as_ref().map(NameOr::<DataConfig>::to_config).unwrap_or_default();
    let known = find_known_dataset(data.source.as_deref().unwrap_or_default());
    match known.filter(|known| known.folder().is_none()) {
        Some(known) => resolve_preview(config, &known.published_facts(&data)).map(|_| ()),
        None => Ok(()),
    }
}

/// Returns the setting of a `TrainConfig` that a word with a value stands for, in JavaScript's
/// syntax; null if no key is similar.
#[napi]
pub fn nearest_setting(word: String, value: Option<String>) -> Option<String> {
    let value: Option<Value> =
        value.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
    suggest_setting(&word, value.as_ref())
}

/// Returns the name that is most similar to a misspelled word; null if no name is similar.
#[napi]
pub fn nearest_name(word: String, names: Vec<String>) -> Option<String> {
    residual_spec::nearest(&word, names.iter().map(String::as_str)).map(String::from)
}
