//! Decodes PNG images with the `image` crate.

use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::{ColorType, ImageDecoder};

use super::Image;

/// The largest allocation of the decoder, in bytes: 179 million RGB pixels.
const MAX_ALLOCATION: u64 = 512 << 20;

/// Decodes a PNG into 8-bit gray or RGB, as Pillow does: alpha is dropped, and 16-bit values keep
/// their upper byte.
pub(super) fn decode(bytes: &[u8], into: &mut Image) -> image::ImageResult<()> {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOCATION);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits.clone())?;
    limits.reserve(decoder.total_bytes())?;
    (into.width, into.height) = decoder.dimensions();
    let color = decoder.color_type();
    into.pixels.resize(decoder.total_bytes() as usize, 0);
    decoder.read_image(&mut into.pixels)?;
    into.channels = if color.has_color() { 3 } else { 1 };
    drop_alpha_and_low_bytes(&mut into.pixels, color);
    Ok(())
}

/// Drops alpha and the low byte of 16-bit values, which are in native byte order.
fn drop_alpha_and_low_bytes(pixels: &mut Vec<u8>, color: ColorType) {
    let channels = usize::from(color.channel_count());
    let width = usize::from(color.bytes_per_pixel()) / channels;
    let kept = channels - usize::from(color.has_alpha());
    if (width, kept) == (1, channels) {
        return;
    }
    let upper = if cfg!(target_endian = "little") { width - 1 } else { 0 };
    let count = pixels.len() / (channels * width);
    for i in 0..count {
        for c in 0..kept {
            pixels[i * kept + c] = pixels[(i * channels + c) * width + upper];
        }
    }
    pixels.truncate(count * kept);
}
