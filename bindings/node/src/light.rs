//! What needs no libtorch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi::bindgen_prelude::{AsyncTask, Buffer, ClassInstance};
use napi::{Env, Task};
use napi_derive::napi;
use residual_arch::Inspection;
use residual_data::{KnownDataset, PreviewImage};
use residual_spec::{
    DataConfig, Error, ErrorCode, FromJson, InspectConfig, KeyPath, NameOr, PreviewConfig, Result,
    resolve_inspect,
};
use residual_weights::PublishedWeights;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cancel::NativeCancel;
use crate::envelope::{envelope, parse};

#[napi]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// An `InspectConfig` to an `Inspection`.
#[napi]
pub fn inspect(request: String) -> String {
    envelope(inspection(&request))
}

fn inspection(request: &str) -> Result<Inspection> {
    let config = InspectConfig::from_json_at(&parse(request)?, &KeyPath::Root)?;
    let target = resolve_inspect(&config)?;
    let network =
        residual_arch::build(&target.model, target.channels, target.image_size, target.classes)?;
    Ok(residual_arch::inspect(&network))
}

/// The file that torchvision published for an architecture: `{file, from, sha256, bytes}`, of which
/// the third is the hash's first digits, and the last nearly right.
#[napi]
pub fn published_weights(arch: Option<String>) -> String {
    envelope(PublishedWeights::for_arch(arch.as_deref()).map(published_file))
}

pub fn published_file(published: PublishedWeights) -> Value {
    json!({
        "file": published.file,
        "from": published.base_url(),
        "sha256": published.hash(),
        "bytes": published.bytes().round(),
    })
}

/// The data sets that have a name, each with where it lies and where it is downloaded to.
#[napi]
pub fn datasets() -> String {
    let sets = residual_data::known_datasets().iter();
    let placed =
        |set: &'static KnownDataset| Placed { set, folder: set.folder(), store: set.store() };
    envelope(Ok(sets.map(placed).collect::<Vec<_>>()))
}

/// Whether a run is being written to a folder, by whatever process.
#[napi]
pub fn is_written_to(folder: String) -> bool {
    residual_runlog::RunDir::is_in_use(folder.as_ref())
}

#[derive(Serialize)]
struct Placed {
    #[serde(flatten)]
    set: &'static KnownDataset,
    /// Null if it is not on this machine.
    folder: Option<PathBuf>,
    store: Option<PathBuf>,
}

/// The images that a `PreviewConfig` asks for, on a thread of Node's pool.
#[napi(ts_return_type = "Promise<NativePreview>")]
pub fn preview(
    request: String,
    cancel: Option<ClassInstance<NativeCancel>>,
) -> AsyncTask<PreviewTask> {
    let cancelled = cancel.map(|cancel| cancel.flag()).unwrap_or_default();
    AsyncTask::new(PreviewTask { request, cancelled })
}

/// An envelope with what is known of each image, and all their pixels, one image after another.
#[napi(object)]
pub struct NativePreview {
    pub envelope: String,
    pub pixels: Buffer,
}

pub struct PreviewTask {
    request: String,
    cancelled: Arc<AtomicBool>,
}

impl Task for PreviewTask {
    type Output = (String, Vec<u8>);
    type JsValue = NativePreview;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        let mut pixels = Vec::new();
        // A panic must not cross into C, however unlikely.
        let result = catch_unwind(AssertUnwindSafe(|| {
            shown(&self.request, &mut pixels, &|| self.cancelled.load(Ordering::Relaxed))
        }));
        let result = result.unwrap_or_else(|_| {
            Err(Error::new(ErrorCode::Internal, "showing the data set failed unexpectedly"))
        });
        Ok((envelope(result), pixels))
    }

    fn resolve(&mut self, _: Env, (envelope, pixels): Self::Output) -> napi::Result<NativePreview> {
        Ok(NativePreview { envelope, pixels: pixels.into() })
    }
}

fn shown(request: &str, pixels: &mut Vec<u8>, cancelled: &dyn Fn() -> bool) -> Result<Value> {
    let config = PreviewConfig::from_json_at(&parse(request)?, &KeyPath::Root)?;
    let data = config.data.as_ref().map(NameOr::<DataConfig>::to_config).unwrap_or_default();
    let dataset = residual_data::open(&data, cancelled)?;
    let preview = residual_data::preview(&dataset, &config)?;
    let images: Vec<Value> = preview
        .images
        .into_iter()
        .map(|PreviewImage { index, name, label, image }| {
            pixels.extend_from_slice(&image.pixels);
            json!({
                "index": index,
                "name": name,
                "label": label,
                "width": image.width,
                "height": image.height,
                "channels": image.channels,
            })
        })
        .collect();
    Ok(json!({ "facts": dataset.facts(), "split": preview.part.as_str(), "images": images }))
}
