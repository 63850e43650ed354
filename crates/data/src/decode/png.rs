//! Decodes PNG images with the `image` crate.

use std::borrow::Cow;
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
    if !can_contain_pixels(bytes) {
        let missing = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        return Err(image::ImageError::IoError(missing));
    }
    let bytes = append_missing_end(bytes);
    let decoder = PngDecoder::with_limits(Cursor::new(&bytes), limits.clone())?;
    limits.reserve(decoder.total_bytes())?;
    (out.width, out.height) = decoder.dimensions();
    let color = decoder.color_type();
    out.pixels.resize(decoder.total_bytes() as usize, 0);
    decoder.read_image(&mut out.pixels)?;
    out.channels = if color.has_color() { 3 } else { 1 };
    drop_alpha_and_low_bytes(&mut out.pixels, color);
    Ok(())
}

/// Returns whether the file is long enough to contain its pixels, compressed as much as deflate
/// can. This check bounds the memory that a small file can claim.
fn can_contain_pixels(bytes: &[u8]) -> bool {
    /// The maximum compression ratio of deflate.
    const MAX_COMPRESSION: u64 = 1032;
    // The IHDR chunk is the first.
    let Some(&[w3, w2, w1, w0, h3, h2, h1, h0, bit_depth, color_type]) =
        bytes.get(16..26).and_then(<[u8]>::first_chunk)
    else {
        return false;
    };
    let [width, height] =
        [[w3, w2, w1, w0], [h3, h2, h1, h0]].map(|side| u64::from(u32::from_be_bytes(side)));
    let channels = match color_type {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let row_bytes = (width * channels * u64::from(bit_depth)).div_ceil(8);
    row_bytes.saturating_mul(height) / MAX_COMPRESSION <= bytes.len() as u64
}

/// Appends the last chunk (IEND, without content) if it is missing or truncated, because Pillow
/// does not require it. Does not change other truncated chunks.
fn append_missing_end(bytes: &[u8]) -> Cow<'_, [u8]> {
    const END_CHUNK: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";
    let (mut end, mut has_pixels) = (8, false);
    while let Some(header) = bytes.get(end..end + 8) {
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let chunk_end = end + 12 + length as usize;
        has_pixels |= header[4..] == *b"IDAT";
        if chunk_end > bytes.len() {
            break;
        }
        if header[4..] == *b"IEND" {
            return bytes.into();
        }
        end = chunk_end;
    }
    let rest = &bytes[end.min(bytes.len())..];
    if has_pixels && END_CHUNK.starts_with(rest) {
        [&bytes[..end], END_CHUNK].concat().into()
    } else {
        bytes.into()
    }
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
