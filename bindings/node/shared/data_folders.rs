//! Folders of data sets and weights, which both addons read.

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
