//! Decodes PNG images with the `image` crate.

use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::{ColorType, ImageDecoder};

use super::Image;

/// Memory limit of the decoder in bytes: 179 million RGB pixels.
const MAX_ALLOCATION: u64 = 512 << 20;

/// Decodes a PNG into 8-bit gray or RGB, as Pillow does: alpha is dropped, and 16-bit values keep
/// their upper byte.
pub(super) fn decode(bytes: &[u8], out: &mut Image) -> image::ImageResult<()> {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOCATION);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits.clone())?;
    limits.reserve(decoder.total_bytes())?;
    (out.width, out.height) = decoder.dimensions();
    let color = decoder.color_type();
    out.pixels.resize(decoder.total_bytes() as usize, 0);
    decoder.read_image(&mut out.pixels)?;
    out.channels = if color.has_color() { 3 } else { 1 };
    drop_alpha_and_low_bytes(&mut out.pixels, color);
    Ok(())
}

/// Drops alpha and the low byte of 16-bit values, which are in native byte order.
fn drop_alpha_and_low_bytes(pixels: &mut Vec<u8>, color: ColorType) {
    let channels = usize::from(color.channel_count());
    let sample_bytes = usize::from(color.bytes_per_pixel()) / channels;
    let out_channels = channels - usize::from(color.has_alpha());
    if (sample_bytes, out_channels) == (1, channels) {
        return;
    }
    let high_byte = if cfg!(target_endian = "little") { sample_bytes - 1 } else { 0 };
    let count = pixels.len() / (channels * sample_bytes);
    for i in 0..count {
        for c in 0..out_channels {
            pixels[i * out_channels + c] = pixels[(i * channels + c) * sample_bytes + high_byte];
        }
    }
    pixels.truncate(count * out_channels);
}
