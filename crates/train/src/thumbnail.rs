//! Images for people to look at, as plain data.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use residual_data::{Image, Subset, thumbnail};
use residual_spec::{Result, Thumbnail};

/// An image with no side longer than `side`.
pub fn small(image: &Image, side: u32) -> Thumbnail {
    let Image { width, height, channels, pixels } = thumbnail(image, side);
    Thumbnail { width, height, channels, base64: BASE64_STANDARD.encode(pixels) }
}

/// The same of the image with an index.
///
/// # Errors
/// If it cannot be read any more.
pub fn small_of(subset: &Subset, index: u32, channels: u32, side: u32) -> Result<Thumbnail> {
    let mut image = Image::default();
    subset.source.read_into(index as usize, channels, &mut image)?;
    Ok(small(&image, side))
}
