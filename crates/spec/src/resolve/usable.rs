//! Whether what a file says of itself can be used. A checkpoint holds what was resolved once and
//! is taken as it is, but the file may have come from anywhere.

use super::transform::{constants_for, sensible_reduction, sensible_resize};
use super::{grey_or_rgb, sensible_size, some_workers, two_classes};
use crate::{DatasetInfo, ResolvedConfig, Result};

/// Checks what preparing images and naming classes relies on. What only training relies on is
/// checked when it is trained again, so that no rule that came later refuses an old network.
///
/// # Errors
/// `E_CONFIG` and `E_DATA_UNUSABLE`, with the key.
pub fn check_loaded_config(config: &ResolvedConfig, facts: &DatasetInfo) -> Result<()> {
    two_classes(facts)?;
    grey_or_rgb(config.data.channels)?;
    sensible_size(config.data.image_size)?;
    constants_for(config.data.channels as usize, &config.transform.mean, &config.transform.std)?;
    let transform = &config.transform;
    sensible_resize(transform.eval_resize, config.data.image_size)?;
    sensible_reduction(transform.decode_short_side, transform.eval_resize)?;
    some_workers(config.workers)
}
