//! The bridge to Node. Converts, calls, converts; decides nothing.
//!
//! Configuration, results and failures cross as JSON text. A failure is data
//! (`{"error": {code, message, at, hint}}`), never a rejection, for those would lose their codes;
//! `src/native` throws it.

#[cfg(feature = "torch")]
mod arrays;
#[cfg(not(feature = "torch"))]
mod background;
mod cancel;
mod envelope;
#[cfg(not(feature = "torch"))]
mod export;
#[cfg(not(feature = "torch"))]
mod light;
#[cfg(feature = "torch")]
mod model;
#[cfg(feature = "torch")]
mod run;
#[cfg(feature = "torch")]
mod torch;
#[cfg(not(feature = "torch"))]
mod wanted_weights;

use napi_derive::napi;

/// Where the embedded data set is, and where downloaded ones are.
#[napi]
pub fn set_data_roots(embedded: String, store: String) {
    residual_data::set_bundled_dir(embedded);
    residual_data::set_download_dir(store);
}

/// Says in which folder published weights are kept.
#[napi]
pub fn set_published_folder(folder: String) {
    residual_weights::set_weights_folder(folder);
}

/// Says that published weights could not be fetched, and why.
#[napi]
pub fn set_weights_not_fetched(file: String, why: String) {
    residual_weights::record_download_failure(file, why);
}
