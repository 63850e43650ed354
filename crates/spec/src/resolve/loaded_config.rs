//! Checks of the resolved configuration in a checkpoint, which may come from an untrusted source.

use super::data::check_num_classes;
use super::ranges::{check_channels, check_integer};
use super::transform::{check_decode_short_side, check_eval_resize, check_normalization};
use crate::{DatasetInfo, ResolvedConfig, Result};

/// Checks the values that inference depends on: class names and image preprocessing. Values that
/// only training uses are checked when training starts, so that stricter checks do not reject old
/// checkpoints.
///
/// # Errors
/// `E_CONFIG` and `E_DATA_UNUSABLE`, with the key.
pub fn check_loaded_config(config: &ResolvedConfig, facts: &DatasetInfo) -> Result<()> {
    check_num_classes(facts)?;
    check_channels(config.data.channels)?;
    check_integer("data.imageSize", config.data.image_size)?;
    let transform = &config.transform;
    check_normalization(config.data.channels as usize, &transform.mean, &transform.std)?;
    check_eval_resize(transform.eval_resize, config.data.image_size)?;
    check_decode_short_side(transform.decode_short_side, transform.eval_resize)?;
    check_integer("workers", config.workers)
}
