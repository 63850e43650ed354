//! Named data sets, previews of data sets, and the lock of a run folder.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi::bindgen_prelude::{AsyncTask, Buffer, ClassInstance};
use napi::{Env, Task};
use napi_derive::napi;
use residual_data::{ImageListing, KnownDataset, PreviewImage};
use residual_spec::{
    DataConfig, Error, ErrorCode, FromJson, NameOr, PreviewConfig, Result, WarningEvent,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cancel::NativeCancel;
use crate::native_result::{parse_json, to_native_result};

/// Returns the named data sets with their folders.
#[napi]
pub fn datasets() -> String {
    let datasets = residual_data::known_datasets().iter().map(|dataset| DatasetWithFolders {
        dataset,
        folder: dataset.folder(),
        store: dataset.download_folder(),
    });
    to_native_result(Ok(datasets.collect::<Vec<_>>()))
}

/// Returns whether a process is writing a run to a folder.
#[napi]
pub fn is_run_active(folder: String) -> bool {
    residual_runlog::RunDir::is_in_use(folder.as_ref())
}

/// Returns the images below a folder that training would read, and warnings about skipped files.
#[napi]
pub fn list_images(folder: String) -> String {
    let listing = residual_data::list_images(folder.as_ref(), &|| false);
    to_native_result(listing.map(|ImageListing { images, warnings }| {
        let relative = |image: PathBuf| {
            image.strip_prefix(&folder).unwrap_or(&image).to_string_lossy().into_owned()
        };
        ListedImages { images: images.into_iter().map(relative).collect(), warnings }
    }))
}

#[derive(Serialize)]
struct ListedImages {
    /// Paths relative to the folder.
    images: Vec<String>,
    warnings: Vec<WarningEvent>,
}

#[derive(Serialize)]
struct DatasetWithFolders {
    #[serde(flatten)]
    dataset: &'static KnownDataset,
    /// Folder of the data set; null if it is not on this machine.
    folder: Option<PathBuf>,
    /// Folder that the data set is downloaded to.
    store: Option<PathBuf>,
}

/// Reads the images of a `PreviewConfig` on a thread of Node's pool.
#[napi(ts_return_type = "Promise<NativePreview>")]
pub fn preview(
    request: String,
    cancel: Option<ClassInstance<NativeCancel>>,
) -> AsyncTask<PreviewTask> {
    let cancelled = cancel.map(|cancel| cancel.flag()).unwrap_or_default();
    AsyncTask::new(PreviewTask { request, cancelled })
}

/// A preview of a data set.
#[napi(object)]
pub struct NativePreview {
    /// The description of the images, as JSON text.
    pub result: String,
    /// The concatenated pixels of all images.
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
        // A panic must not unwind into C.
        let result = catch_unwind(AssertUnwindSafe(|| {
            read_preview(&self.request, &mut pixels, &|| self.cancelled.load(Ordering::Relaxed))
        }));
        let result = result.unwrap_or_else(|_| {
            Err(Error::new(ErrorCode::Internal, "previewing the data set failed unexpectedly"))
        });
        Ok((to_native_result(result), pixels))
    }

    fn resolve(&mut self, _: Env, (result, pixels): Self::Output) -> napi::Result<NativePreview> {
        Ok(NativePreview { result, pixels: pixels.into() })
    }
}

fn read_preview(
    request: &str,
    pixels: &mut Vec<u8>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Value> {
    let config = PreviewConfig::parse(&parse_json(request)?)?;
    let data = config.data.as_ref().map(NameOr::<DataConfig>::to_config).unwrap_or_default();
    let dataset = residual_data::open(&data, is_cancelled)?;
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
    Ok(json!({
        "facts": dataset.facts(),
        "split": preview.split.as_str(),
        "images": images,
        "warnings": dataset.warnings(),
    }))
}
