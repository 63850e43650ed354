//! The bridge to Node: converts arguments, calls the core, converts results.
//!
//! Configurations, results and errors are passed as JSON text. An error is a result
//! (`{"error": {code, message, at, hint}}`), because rejections of native promises would lose the
//! error code. `src/native` throws the error.

#[cfg(feature = "torch")]
mod arrays;
#[cfg(not(feature = "torch"))]
mod background_thread;
mod cancel;
#[cfg(not(feature = "torch"))]
mod check_config;
#[cfg(not(feature = "torch"))]
mod checkpoint_file;
#[cfg(not(feature = "torch"))]
mod datasets;
#[cfg(feature = "torch")]
mod environment;
#[cfg(not(feature = "torch"))]
mod inspect;
#[cfg(feature = "torch")]
mod model;
mod native_result;
#[cfg(not(feature = "torch"))]
mod published_weights;
#[cfg(feature = "torch")]
mod run;
#[cfg(feature = "torch")]
mod torch_thread;

use napi_derive::napi;

/// Sets the folders of the bundled data set and, if there is one, of downloaded data sets.
#[napi]
pub fn set_data_roots(embedded: String, store: Option<String>) {
    residual_data::set_bundled_dir(embedded);
    if let Some(store) = store {
        residual_data::set_download_dir(store);
    }
}

/// Sets the folder of published weights.
#[napi]
pub fn set_weights_folder(folder: String) {
    residual_weights::set_weights_folder(folder);
}

/// Records why published weights could not be downloaded.
#[napi]
pub fn set_weights_not_fetched(file: String, why: String) {
    residual_weights::record_download_failure(file, why);
}
