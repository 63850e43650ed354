//! JPEG and PNG into 8-bit pixels.

use std::io::Cursor;

use image::codecs::{jpeg::JpegDecoder, png::PngDecoder};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageBuffer, ImageDecoder};
use residual_spec::{Error, ErrorCode, Result};

use crate::header::{Header, ImageKind, Unreadable};
use crate::Image;

/// No decoder may allocate more: 179 million RGB pixels.
const MOST_BYTES: u64 = 512 << 20;

/// Decodes a JPEG or PNG file, told apart by content, into RGB (3 channels) or grey (1). Turned
/// as its EXIF orientation says; transparency is dropped and 16 bits are cut to the upper 8, as
/// Pillow's `convert` does. The buffer of `into` is reused.
///
/// # Errors
/// `E_IMAGE` for anything else, for files that are cut short or damaged, and for images of more
/// than 179 million pixels.
pub fn decode(bytes: &[u8], channels: u32, into: &mut Image) -> Result<()> {
    let header = Header::read(&mut Cursor::new(bytes)).map_err(|why| unreadable(&why))?;
    match header.kind {
        ImageKind::Jpeg => read(JpegDecoder::new(Cursor::new(bytes)), into),
        ImageKind::Png => read(PngDecoder::new(Cursor::new(bytes)), into),
    }
    .map_err(|cause| refuse(format!("is damaged: {cause}")))?;
    turn(into, header.orientation);
    into.set_channels(channels);
    Ok(())
}

/// An image that is left out, to be said after its name.
pub(crate) fn unreadable(why: &Unreadable) -> Error {
    match why {
        Unreadable::Foreign(kind) => refuse(format!("is a {kind} image; JPEG and PNG are read"))
            .hint("Convert it to JPEG or PNG."),
        Unreadable::Unknown => refuse("is neither a JPEG nor a PNG image".into()),
        Unreadable::Damaged(what) => refuse(format!("is {what}")),
        Unreadable::Io(cause) => refuse(format!("could not be read: {cause}")),
    }
}

fn refuse(what: String) -> Error {
    Error::new(ErrorCode::Image, format!("the image {what}"))
}

fn read(
    decoder: image::ImageResult<impl ImageDecoder>,
    into: &mut Image,
) -> image::ImageResult<()> {
    let mut decoder = decoder?;
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(MOST_BYTES);
    limits.reserve(decoder.total_bytes())?;
    decoder.set_limits(limits)?;
    (into.width, into.height) = decoder.dimensions();
    let colour = decoder.color_type();
    into.pixels.resize(decoder.total_bytes() as usize, 0);
    decoder.read_image(&mut into.pixels)?;
    into.channels = if colour.has_color() { 3 } else { 1 };
    keep_colours(&mut into.pixels, colour);
    Ok(())
}

/// Drops alpha and the lower halves of 16-bit values (which are in the machine's byte order).
fn keep_colours(pixels: &mut Vec<u8>, colour: ColorType) {
    let channels = usize::from(colour.channel_count());
    let width = usize::from(colour.bytes_per_pixel()) / channels;
    let kept = channels - usize::from(colour.has_alpha());
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

fn turn(image: &mut Image, orientation: Orientation) {
    if orientation == Orientation::NoTransforms {
        return;
    }
    let pixels = std::mem::take(&mut image.pixels);
    let whole = "the decoder filled width times height pixels";
    let mut turned: DynamicImage = match image.channels {
        1 => ImageBuffer::<image::Luma<u8>, _>::from_raw(image.width, image.height, pixels)
            .expect(whole)
            .into(),
        _ => ImageBuffer::<image::Rgb<u8>, _>::from_raw(image.width, image.height, pixels)
            .expect(whole)
            .into(),
    };
    turned.apply_orientation(orientation);
    (image.width, image.height) = (turned.width(), turned.height());
    image.pixels = turned.into_bytes();
}
