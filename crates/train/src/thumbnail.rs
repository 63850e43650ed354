//! Thumbnails of images, for reports and predictions.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use residual_data::{Image, Subset};
use residual_spec::{Result, Thumbnail};

/// Scales an image so that its longest side has at most `size` pixels.
pub fn encode_thumbnail(image: &Image, size: u32) -> Thumbnail {
    let Image { width, height, channels, pixels } = residual_data::thumbnail(image, size);
    Thumbnail { width, height, channels, base64: BASE64_STANDARD.encode(pixels) }
}

/// Reads the image at `index` and returns its thumbnail.
///
/// # Errors
/// Errors of reading the image.
pub fn read_thumbnail(subset: &Subset, index: u32, channels: u32, size: u32) -> Result<Thumbnail> {
    let mut image = Image::default();
    subset.source.read_into(index as usize, channels, &mut image)?;
    Ok(encode_thumbnail(&image, size))
}
