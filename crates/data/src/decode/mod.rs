//! JPEG and PNG into 8-bit pixels.

pub(crate) mod header;
mod image;
pub(crate) mod jpeg;
mod request;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::image::codecs::png::PngDecoder;
use ::image::metadata::Orientation;
use ::image::{ColorType, DynamicImage, ImageBuffer, ImageDecoder};
use residual_spec::{Error, ErrorCode, Result};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

pub use self::image::Image;
use header::{Header, HeaderError, ImageKind};
pub use request::{Look, Region, Wanted};

/// No decoder may allocate more: 179 million RGB pixels.
const MAX_BYTES: u64 = 512 << 20;

/// Decodes a JPEG or PNG file, told apart by content, into RGB (3 channels) or grey (1). Turned
/// as its EXIF orientation says; transparency is dropped and 16 bits are cut to the upper 8, as
/// Pillow's `convert` does. The buffer of `into` is reused.
///
/// # Errors
/// `E_IMAGE` for anything else, for files that are cut short or damaged, and for images of more
/// than 179 million pixels.
pub fn decode(bytes: &[u8], channels: u32, into: &mut Image) -> Result<()> {
    decode_wanted(bytes, channels, &Look::whole, into)
}

/// As [`decode`], but at the scale that is wanted, and only those pixels have to be right that are. Whether a
/// file is damaged does not depend on what is wanted of it.
///
/// # Errors
/// As [`decode`].
pub fn decode_wanted(bytes: &[u8], channels: u32, wanted: Wanted, into: &mut Image) -> Result<()> {
    let mut start = Cursor::new(bytes);
    let header = Header::read(&mut start).map_err(|why| header_error(&why))?;
    let rest = &bytes[start.position() as usize..];
    // A decoder that trips over hostile bytes is that file's failure, not the run's.
    let decoded = catch_unwind(AssertUnwindSafe(|| match header.kind {
        ImageKind::Jpeg => {
            let [width, height] = header.stored();
            let mut look = wanted(width, height);
            if header.orientation != Orientation::NoTransforms {
                // What is turned afterwards is turned whole.
                look = Look::all_at(look.scale, width, height);
            }
            match jpeg::decode(bytes, [width, height], look, into) {
                true => Ok(()),
                false => any_jpeg(bytes, rest, &header, into),
            }
        }
        ImageKind::Png => png(bytes, into).map_err(|cause| cause.to_string()),
    }));
    match decoded {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => return Err(refuse(format!("is damaged: {reason}"))),
        Err(_) => return Err(refuse("is damaged: its decoder failed".into())),
    }
    turn(into, header.orientation);
    into.set_channels(channels);
    Ok(())
}

/// An image that is left out, to be said after its name.
pub(crate) fn header_error(why: &HeaderError) -> Error {
    match why {
        HeaderError::Foreign(kind) => refuse(format!("is a {kind} image; JPEG and PNG are read"))
            .hint("Convert it to JPEG or PNG."),
        HeaderError::Unknown => refuse("is neither a JPEG nor a PNG image".into()),
        HeaderError::Damaged(what) => refuse(format!("is {what}")),
        HeaderError::Io(cause) => refuse(format!("could not be read: {cause}")),
    }
}

fn refuse(what: String) -> Error {
    Error::new(ErrorCode::Image, format!("the image {what}"))
        .hint("Replace the file, or remove it.")
}

fn any_jpeg(bytes: &[u8], rest: &[u8], header: &Header, into: &mut Image) -> Result<(), String> {
    // Within the pixels' data 0xff is escaped: an end marker is the end.
    if !rest.windows(2).rev().any(|pair| pair == [0xff, 0xd9]) {
        return Err("it is cut short".into());
    }
    let colours = if header.channels == 1 { ColorSpace::Luma } else { ColorSpace::RGB };
    let options = DecoderOptions::default()
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(colours);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    // Its errors come in quotation marks.
    let said = |cause: DecodeErrors| cause.to_string().trim_matches('"').to_string();
    decoder.decode_headers().map_err(said)?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    // What is allowed was decided by the header, as the data set's images are counted by it: a file
    // in which the decoder finds another frame is none that anybody's camera wrote.
    if [width, height] != header.stored().map(|side| side as usize) {
        return Err("it has two sizes".into());
    }
    let size = decoder.output_buffer_size().ok_or("it has no size")?;
    if size != width * height * header.channels as usize {
        return Err("its colours are of no known kind".into());
    }
    into.pixels.resize(size, 0);
    decoder.decode_into(&mut into.pixels).map_err(said)?;
    (into.width, into.height) = (width as u32, height as u32);
    into.channels = header.channels;
    Ok(())
}

fn png(bytes: &[u8], into: &mut Image) -> ::image::ImageResult<()> {
    let mut limits = ::image::Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits.clone())?;
    limits.reserve(decoder.total_bytes())?;
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
        1 => ImageBuffer::<::image::Luma<u8>, _>::from_raw(image.width, image.height, pixels)
            .expect(whole)
            .into(),
        _ => ImageBuffer::<::image::Rgb<u8>, _>::from_raw(image.width, image.height, pixels)
            .expect(whole)
            .into(),
    };
    turned.apply_orientation(orientation);
    (image.width, image.height) = (turned.width(), turned.height());
    image.pixels = turned.into_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        std::fs::read(format!("{folder}/{name}")).unwrap()
    }

    fn decoded(bytes: &[u8], channels: u32) -> Image {
        let mut image = Image::default();
        decode(bytes, channels, &mut image).unwrap();
        image
    }

    fn refused(bytes: &[u8]) -> String {
        let error = decode(bytes, 3, &mut Image::default()).unwrap_err();
        assert_eq!(error.code, ErrorCode::Image);
        error.message
    }

    /// The file's pixels differ by at most `most` from Pillow's.
    fn assert_like_pillow(name: &str, most: u8) {
        let image = decoded(&file(name), 3);
        let stem = name.split_once('.').unwrap().0;
        let wanted = decoded(&file(&format!("{stem}.rgb.png")), 3);
        assert_eq!((image.width, image.height), (wanted.width, wanted.height), "{name}");
        let pairs = image.pixels.iter().zip(&wanted.pixels);
        let found = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(found <= most, "{name} differs from Pillow's by {found}");
    }

    #[test]
    fn pngs_of_every_kind_give_pillows_pixels() {
        for kind in [
            "alpha",
            "grey-alpha",
            "palette",
            "palette-transparent",
            "one-bit",
            "grey16",
            "turned-png",
        ] {
            assert_like_pillow(&format!("{kind}.png"), 0);
        }
    }

    #[test]
    fn ordinary_jpegs_give_pillows_pixels_and_others_but_for_rounding() {
        for (kind, most) in [
            ("full-colour", 0),
            ("grey", 0),
            ("baseline", 0),
            ("wide", 0),
            ("tall", 0),
            ("restarts", 0),
            ("progressive", 4),
            ("cmyk", 4),
        ] {
            assert_like_pillow(&format!("{kind}.jpg"), most);
        }
    }

    #[test]
    fn reduced_jpegs_are_what_pillows_draft_gives() {
        for name in ["full-colour", "grey", "baseline", "wide", "tall", "restarts", "turned-6"] {
            for scale in [2, 4, 8] {
                let mut image = Image::default();
                let wanted = |width, height| Look::all_at(scale, width, height);
                decode_wanted(&file(&format!("{name}.jpg")), 3, &wanted, &mut image).unwrap();
                let pillows = decoded(&file(&format!("{name}.by-{scale}.png")), 3);
                assert_eq!([image.width, image.height], [pillows.width, pillows.height]);
                assert!(image.pixels == pillows.pixels, "{name} {scale}");
            }
        }
        // What another decoder reads comes at its own size.
        let mut image = Image::default();
        let halved = |width, height| Look::all_at(2, width, height);
        decode_wanted(&file("progressive.jpg"), 3, &halved, &mut image).unwrap();
        assert!(image == decoded(&file("progressive.jpg"), 3));
    }

    #[test]
    fn an_image_is_turned_as_its_camera_was_held() {
        for orientation in 1..=8 {
            assert_like_pillow(&format!("turned-{orientation}.jpg"), 0);
        }
    }

    #[test]
    fn grey_is_made_of_colours() {
        let mut wanted = decoded(&file("picture.png"), 3);
        wanted.set_channels(1);
        assert_eq!(decoded(&file("picture.png"), 1), wanted);
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused() {
        for name in ["baseline.jpg", "progressive.jpg", "turned-6.jpg", "picture.png"] {
            let whole = file(name);
            for length in 0..whole.len() - 1 {
                // The last chunk of a PNG holds nothing.
                if name.ends_with("png") && length >= whole.len() - 12 {
                    continue;
                }
                let result = decode(&whole[..length], 3, &mut Image::default());
                assert!(result.is_err(), "{name} cut to {length} bytes of {}", whole.len());
            }
        }
    }

    #[test]
    fn what_follows_the_image_does_no_harm() {
        let mut bytes = file("baseline.jpg");
        let wanted = decoded(&bytes, 3);
        bytes.extend_from_slice(b"appended by a camera");
        assert_eq!(decoded(&bytes, 3), wanted);
    }

    #[test]
    fn a_file_in_which_the_decoder_finds_another_frame_is_refused_before_memory_is_taken() {
        // After RST0, which has no length, stands a frame of 8 x 8; whoever reads a length there
        // skips it and comes to the real file, whose frame is made enormous.
        let mut large = file("baseline.jpg");
        let frame = large.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        large[frame + 5..frame + 9].fill(0x40); // 16448 x 16448
        let hidden = [0xff, 0xc0, 0, 17, 8, 0, 8, 0, 8, 3, 1, 17, 0, 2, 17, 0, 3, 17, 0];
        for marker in [0xd0, 0xd7, 0x01] {
            let length = (hidden.len() as u16 + 2).to_be_bytes();
            let before = [&[0xff, 0xd8, 0xff, marker][..], &length, &hidden].concat();
            refused(&[&before, &large[2..]].concat());
            let before = [&[0xff, 0xd8, 0xff, marker][..], &hidden].concat();
            refused(&[&before, &large[2..]].concat());
        }
    }

    #[test]
    fn other_kinds_of_images_are_named() {
        assert!(refused(b"GIF89a\x01\x00\x01\x00").contains("is a GIF image"));
        assert!(refused(b"RIFF\x24\0\0\0WEBPVP8 ").contains("is a WebP image"));
        assert!(refused(b"<!DOCTYPE html>").contains("neither a JPEG nor a PNG"));
        assert!(refused(b"").contains("neither a JPEG nor a PNG"));
    }

    #[test]
    fn an_image_that_claims_to_be_enormous_is_refused_before_memory_is_taken() {
        let mut png = file("picture.png");
        png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        assert!(refused(&png).contains("65536x65536"));
        let mut jpeg = file("baseline.jpg");
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].fill(0xff);
        assert!(refused(&jpeg).contains("65535x65535"));
    }
}
