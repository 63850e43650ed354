//! Decodes JPEG and PNG files into 8-bit pixels.

pub(crate) mod header;
mod image;
pub(crate) mod jpeg;
mod jpeg_fallback;
mod png;
mod request;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageBuffer};
use residual_spec::{Error, ErrorCode, Result};

use self::header::{Header, HeaderError, ImageKind};
pub use self::image::{Image, ImageView};
pub use self::request::{DecodeRequest, ImageSize, Region};

/// JPEG or PNG bytes with their parsed header.
pub struct EncodedImage<'a> {
    bytes: &'a [u8],
    header: Header,
    /// Offset of the first byte after the parsed header.
    header_end: usize,
}

impl<'a> EncodedImage<'a> {
    /// Parses the header of a JPEG or PNG file. The format is detected from the content, not from
    /// the file name.
    ///
    /// # Errors
    /// `E_IMAGE` for another format, for a damaged header, and for more than 179 million pixels.
    pub fn parse(bytes: &'a [u8]) -> Result<EncodedImage<'a>> {
        let mut cursor = Cursor::new(bytes);
        let header = Header::read(&mut cursor).map_err(|error| header_error(&error))?;
        Ok(EncodedImage { bytes, header, header_end: cursor.position() as usize })
    }

    /// The upright size, from the header.
    pub fn size(&self) -> ImageSize {
        let Header { width, height, kind, .. } = self.header;
        let max_scale = match kind {
            ImageKind::Jpeg => 8,
            ImageKind::Png => 1,
        };
        ImageSize { width, height, max_scale }
    }

    /// Decodes the requested region into gray (1 channel) or RGB (3) and applies the EXIF
    /// orientation. Alpha is dropped and 16-bit values keep their upper byte, as in Pillow's
    /// `convert`. Pixels outside the region have unspecified values. The fallback decoder ignores
    /// the request: it decodes the whole image at full size. The buffer of `image` is reused.
    ///
    /// # Errors
    /// `E_IMAGE` for a truncated or damaged file. A file fails for every request or
    /// for none.
    pub fn decode(&self, request: DecodeRequest, channels: u32, image: &mut Image) -> Result<()> {
        let EncodedImage { bytes, ref header, header_end } = *self;
        // A file that makes a decoder panic must not end the run.
        let decoded = catch_unwind(AssertUnwindSafe(|| match header.kind {
            ImageKind::Jpeg => {
                let [width, height] = header.encoded_size();
                let mut request = request;
                if header.orientation != Orientation::NoTransforms {
                    // The region refers to the upright image: decode the whole image, then rotate.
                    let encoded = ImageSize { width, height, max_scale: 8 };
                    request = DecodeRequest::whole_at_scale(request.scale, encoded);
                }
                if jpeg::decode(bytes, [width, height], request, image) {
                    Ok(())
                } else {
                    jpeg_fallback::decode(bytes, &bytes[header_end..], header, image)
                }
            }
            ImageKind::Png => png::decode(bytes, image).map_err(|cause| cause.to_string()),
        }));
        match decoded {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => return Err(image_error(format!("is damaged: {reason}"))),
            Err(_) => return Err(image_error("is damaged: its decoder failed".into())),
        }
        apply_orientation(image, header.orientation);
        image.set_channels(channels);
        Ok(())
    }
}

/// Decodes a whole JPEG or PNG at full size; see [`EncodedImage::decode`].
///
/// # Errors
/// As [`EncodedImage::parse`] and [`EncodedImage::decode`].
pub fn decode(bytes: &[u8], channels: u32, image: &mut Image) -> Result<()> {
    let encoded = EncodedImage::parse(bytes)?;
    encoded.decode(DecodeRequest::whole(encoded.size()), channels, image)
}

/// The error of an image whose header cannot be read. Callers that know the
/// file replace "the image" in the message by its name.
pub(crate) fn header_error(error: &HeaderError) -> Error {
    match error {
        HeaderError::Foreign(kind) => {
            image_error(format!("is a {kind} image; JPEG and PNG are supported"))
                .hint("Convert it to JPEG or PNG.")
        }
        HeaderError::Unknown => image_error("is neither a JPEG nor a PNG image".into()),
        HeaderError::Damaged(problem) => image_error(format!("is {problem}")),
        HeaderError::Io(cause) => image_error(format!("could not be read: {cause}")),
    }
}

fn image_error(problem: String) -> Error {
    Error::new(ErrorCode::Image, format!("the image {problem}"))
        .hint("Replace the file, or remove it.")
}

fn apply_orientation(image: &mut Image, orientation: Orientation) {
    if orientation == Orientation::NoTransforms {
        return;
    }
    let pixels = std::mem::take(&mut image.pixels);
    let reason = "the decoder fills width times height pixels";
    let mut upright: DynamicImage = match image.channels {
        1 => ImageBuffer::<::image::Luma<u8>, _>::from_raw(image.width, image.height, pixels)
            .expect(reason)
            .into(),
        _ => ImageBuffer::<::image::Rgb<u8>, _>::from_raw(image.width, image.height, pixels)
            .expect(reason)
            .into(),
    };
    upright.apply_orientation(orientation);
    (image.width, image.height) = (upright.width(), upright.height());
    image.pixels = upright.into_bytes();
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

    /// The pixels of a file differ by at most `tolerance` from Pillow's.
    fn assert_matches_pillow(name: &str, tolerance: u8) {
        let image = decoded(&file(name), 3);
        let stem = name.split_once('.').unwrap().0;
        let expected = decoded(&file(&format!("{stem}.rgb.png")), 3);
        assert_eq!((image.width, image.height), (expected.width, expected.height), "{name}");
        let pairs = image.pixels.iter().zip(&expected.pixels);
        let found = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(found <= tolerance, "{name} differs from Pillow's by {found}");
    }

    #[test]
    fn pngs_match_pillow() {
        for kind in [
            "alpha",
            "gray-alpha",
            "palette",
            "palette-transparent",
            "one-bit",
            "gray16",
            "orientation-png",
        ] {
            assert_matches_pillow(&format!("{kind}.png"), 0);
        }
    }

    #[test]
    fn jpegs_match_pillow() {
        for (kind, tolerance) in [
            ("full-color", 0),
            ("gray", 0),
            ("baseline", 0),
            ("wide", 0),
            ("tall", 0),
            ("restarts", 0),
            ("progressive", 4),
            ("cmyk", 4),
        ] {
            assert_matches_pillow(&format!("{kind}.jpg"), tolerance);
        }
    }

    #[test]
    fn scaled_jpegs_match_pillow_draft() {
        for name in ["full-color", "gray", "baseline", "wide", "tall", "restarts", "orientation-6"]
        {
            for scale in [2, 4, 8] {
                let mut image = Image::default();
                let bytes = file(&format!("{name}.jpg"));
                let encoded = EncodedImage::parse(&bytes).unwrap();
                let request = DecodeRequest::whole_at_scale(scale, encoded.size());
                encoded.decode(request, 3, &mut image).unwrap();
                let expected = decoded(&file(&format!("{name}.by-{scale}.png")), 3);
                assert_eq!([image.width, image.height], [expected.width, expected.height]);
                assert!(image.pixels == expected.pixels, "{name} {scale}");
            }
        }
        // The fallback decoder decodes at full size.
        let mut image = Image::default();
        let bytes = file("progressive.jpg");
        let encoded = EncodedImage::parse(&bytes).unwrap();
        let half_size = DecodeRequest::whole_at_scale(2, encoded.size());
        encoded.decode(half_size, 3, &mut image).unwrap();
        assert!(image == decoded(&file("progressive.jpg"), 3));
    }

    #[test]
    fn applies_the_exif_orientation() {
        for orientation in 1..=8 {
            assert_matches_pillow(&format!("orientation-{orientation}.jpg"), 0);
        }
    }

    #[test]
    fn converts_colors_to_gray() {
        let mut expected = decoded(&file("picture.png"), 3);
        expected.set_channels(1);
        assert_eq!(decoded(&file("picture.png"), 1), expected);
    }

    #[test]
    fn refuses_a_file_truncated_anywhere() {
        for name in ["baseline.jpg", "progressive.jpg", "orientation-6.jpg", "picture.png"] {
            let whole = file(name);
            for length in 0..whole.len() - 1 {
                // The last chunk of a PNG is empty.
                if name.ends_with("png") && length >= whole.len() - 12 {
                    continue;
                }
                let result = decode(&whole[..length], 3, &mut Image::default());
                assert!(result.is_err(), "{name} cut to {length} bytes of {}", whole.len());
            }
        }
    }

    #[test]
    fn ignores_bytes_behind_the_image() {
        let mut bytes = file("baseline.jpg");
        let expected = decoded(&bytes, 3);
        bytes.extend_from_slice(b"appended by a camera");
        assert_eq!(decoded(&bytes, 3), expected);
    }

    #[test]
    fn refuses_a_second_frame_before_allocating() {
        // Behind RST0, which has no length, is a frame of 8x8. A decoder that reads a length there
        // skips that frame and finds the original one, which is made enormous.
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
    fn names_unsupported_formats() {
        assert!(refused(b"GIF89a\x01\x00\x01\x00").contains("is a GIF image"));
        assert!(refused(b"RIFF\x24\0\0\0WEBPVP8 ").contains("is a WebP image"));
        assert!(refused(b"<!DOCTYPE html>").contains("neither a JPEG nor a PNG"));
        assert!(refused(b"").contains("neither a JPEG nor a PNG"));
    }

    #[test]
    fn refuses_enormous_sizes_before_allocating() {
        let mut png = file("picture.png");
        png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        assert!(refused(&png).contains("65536x65536"));
        let mut jpeg = file("baseline.jpg");
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].fill(0xff);
        assert!(refused(&jpeg).contains("65535x65535"));
    }
}
