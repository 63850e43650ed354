//! Range checks with errors that name the key.

use serde_json::{Value, json};

use crate::{Error, KeyPath, Result};

/// Maximum number of threads or workers. OpenMP aborts the process if it cannot start the
/// configured number of threads.
const MAX_THREADS: u32 = 1024;

/// Minimum height and width of the network's input in pixels.
pub(super) const MIN_IMAGE_SIZE: u32 = 8;

/// Returns the `E_CONFIG` error "`key` must be `expected`, not `found`".
pub(super) fn invalid(key: &str, expected: &str, found: Value) -> Error {
    KeyPath::Key(&KeyPath::Root, key).invalid(expected, &found)
}

/// # Errors
/// `E_CONFIG` unless `is_valid`.
pub(super) fn check_range(key: &str, value: f64, is_valid: bool, expected: &str) -> Result<()> {
    if is_valid { Ok(()) } else { Err(invalid(key, expected, json!(value))) }
}

/// # Errors
/// `E_CONFIG` if `value` is less than `min`.
pub(super) fn check_min<N: Into<u64>>(key: &str, value: N, min: u64) -> Result<()> {
    let value = value.into();
    if value >= min { Ok(()) } else { Err(invalid(key, &format!("{min} or more"), json!(value))) }
}

/// # Errors
/// `E_CONFIG` unless images have 1 or 3 channels.
pub(super) fn check_channels(channels: u32) -> Result<()> {
    check_range("data.channels", channels.into(), matches!(channels, 1 | 3), "1 or 3")
}

/// # Errors
/// `E_CONFIG` for an image size out of range.
pub(super) fn check_image_size(image_size: u32) -> Result<()> {
    let is_valid = (MIN_IMAGE_SIZE..=1024).contains(&image_size);
    check_range("data.imageSize", image_size.into(), is_valid, "from 8 to 1024")
}

/// # Errors
/// `E_CONFIG` for a number of `threads` or `workers` out of range.
pub(super) fn check_threads(key: &str, threads: u32) -> Result<()> {
    let is_valid = (1..=MAX_THREADS).contains(&threads);
    check_range(key, threads.into(), is_valid, "from 1 to 1024")
}
