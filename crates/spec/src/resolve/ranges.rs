//! Range checks with errors that name the key.

use serde_json::{Value, json};

use crate::integer_ranges::{expected_integer, integer_range};
use crate::{Error, KeyPath, Result};

/// # Errors
/// `E_CONFIG` if an integer with fixed limits is out of range.
///
/// # Panics
/// If the key has no fixed limits.
pub(super) fn check_integer(key: &str, value: impl Into<u64>) -> Result<()> {
    let value = value.into();
    let (min, max) = integer_range(key).expect("the key has fixed limits");
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(invalid(key, &expected_integer(key).unwrap_or_default(), json!(value)))
}

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
/// `E_CONFIG` unless images have 1 or 3 channels.
pub(super) fn check_channels(channels: u32) -> Result<()> {
    check_range("data.channels", channels.into(), matches!(channels, 1 | 3), "1 or 3")
}
