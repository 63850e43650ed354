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
use residual_kernels::ablation::{self, Part};
use residual_spec::{Error, ErrorCode, Result};

use self::header::{Header, HeaderError, ImageKind};
pub use self::image::{Image, ImageView};
pub use self::request::{DecodeRequest, ImageSize, Region};

/// A JPEG or PNG file in memory, with its header parsed.
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

    /// Returns the size after applying the EXIF orientation.
    pub fn size(&self) -> ImageSize {
        let Header { width, height, kind, .. } = self.header;
        let max_scale = match kind {
            ImageKind::Jpeg => 8,
            ImageKind::Png => 1,
        };
        ImageSize { width, height, max_scale }
    }

    /// Decodes the requested region into gray (1 channel) or RGB (3) and applies the EXIF
    /// orientation. Drops alpha and the low byte of 16-bit values, as Pillow's `convert` does.
    /// Pixels outside the region have unspecified values. The fallback decoder ignores the request
    /// and decodes the whole image at full size. The buffer of `image` is reused.
    ///
    /// # Errors
    /// `E_IMAGE` for a truncated or damaged file, whatever the request.
    pub fn decode(&self, request: DecodeRequest, channels: u32, image: &mut Image) -> Result<()> {
        let EncodedImage { bytes, ref header, header_end } = *self;
        // A panic of a decoder is an error of this file and must not end the run.
        let decoded = catch_unwind(AssertUnwindSafe(|| match header.kind {
            ImageKind::Jpeg => {
                let [width, height] = header.encoded_size();
                let mut request = request;
                let is_upright = header.orientation == Orientation::NoTransforms;
                if !is_upright || !ablation::is_enabled(Part::CropDecoding) {
                    // The region refers to the rotated image: decode the whole image, then rotate.
                    let encoded_size = ImageSize { width, height, max_scale: 8 };
                    request = DecodeRequest::whole_at_scale(request.scale, encoded_size);
                }
                if ablation::is_enabled(Part::JpegDecoder)
                    && jpeg::decode(bytes, [width, height], request, image)
                {
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
            Err(_) => return Err(image_error("is damaged: the decoder failed".into())),
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

/// Returns the error for an image whose header cannot be parsed. Callers that know the file replace
/// "the image" in the message by its name.
pub(crate) fn header_error(error: &HeaderError) -> Error {
    match error {
        HeaderError::Unsupported(format) => {
            image_error(format!("is a {format} image; JPEG and PNG are supported"))
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
    let size_invariant = "the buffer holds width * height pixels";
    let mut upright: DynamicImage = match image.channels {
        1 => ImageBuffer::<::image::Luma<u8>, _>::from_raw(image.width, image.height, pixels)
            .expect(size_invariant)
            .into(),
        _ => ImageBuffer::<::image::Rgb<u8>, _>::from_raw(image.width, image.height, pixels)
            .expect(size_invariant)
            .into(),
    };
    upright.apply_orientation(orientation);
    (image.width, image.height) = (upright.width(), upright.height());
    image.pixels = upright.into_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        std::fs::read(format!("{folder}/{name}")).unwrap()
    }

    fn decode_image(bytes: &[u8], channels: u32) -> Image {
        let mut image = Image::default();
        decode(bytes, channels, &mut image).unwrap();
        image
    }

    fn decode_error(bytes: &[u8]) -> String {
        let error = decode(bytes, 3, &mut Image::default()).unwrap_err();
        assert_eq!(error.code, ErrorCode::Image);
        error.message
    }

    /// Asserts that the pixels of a file differ by at most `tolerance` from Pillow's.
    fn assert_matches_pillow(name: &str, tolerance: u8) {
        let image = decode_image(&read_fixture(name), 3);
        let stem = name.split_once('.').unwrap().0;
        let expected = decode_image(&read_fixture(&format!("{stem}.rgb.png")), 3);
        assert_eq!((image.width, image.height), (expected.width, expected.height), "{name}");
        let pairs = image.pixels.iter().zip(&expected.pixels);
        let difference = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(difference <= tolerance, "{name} differs from Pillow's by {difference}");
    }

    #[test]
    fn pngs_match_pillow() {
        for stem in [
            "alpha",
            "gray-alpha",
            "palette",
            "palette-transparent",
            "one-bit",
            "gray16",
            "orientation-png",
        ] {
            assert_matches_pillow(&format!("{stem}.png"), 0);
        }
    }

    #[test]
    fn jpegs_match_pillow() {
        for (stem, tolerance) in [
            ("yuv444", 0),
            ("gray", 0),
            ("baseline", 0),
            ("yuv422", 0),
            ("yuv440", 0),
            ("restarts", 0),
            ("progressive", 4),
            ("cmyk", 4),
        ] {
            assert_matches_pillow(&format!("{stem}.jpg"), tolerance);
        }
    }

    #[test]
    fn scaled_jpegs_match_pillow_draft() {
        for name in ["yuv444", "gray", "baseline", "yuv422", "yuv440", "restarts", "orientation-6"]
        {
            for scale in [2, 4, 8] {
                let mut image = Image::default();
                let bytes = read_fixture(&format!("{name}.jpg"));
                let encoded = EncodedImage::parse(&bytes).unwrap();
                let request = DecodeRequest::whole_at_scale(scale, encoded.size());
                encoded.decode(request, 3, &mut image).unwrap();
                let expected = decode_image(&read_fixture(&format!("{name}.by-{scale}.png")), 3);
                assert_eq!([image.width, image.height], [expected.width, expected.height]);
                assert!(image.pixels == expected.pixels, "{name} {scale}");
            }
        }
        // The fallback decoder decodes at full size.
        let mut image = Image::default();
        let bytes = read_fixture("progressive.jpg");
        let encoded = EncodedImage::parse(&bytes).unwrap();
        let half_size = DecodeRequest::whole_at_scale(2, encoded.size());
        encoded.decode(half_size, 3, &mut image).unwrap();
        assert!(image == decode_image(&read_fixture("progressive.jpg"), 3));
    }

    #[test]
    fn applies_the_exif_orientation() {
        for orientation in 1..=8 {
            assert_matches_pillow(&format!("orientation-{orientation}.jpg"), 0);
        }
    }

    #[test]
    fn converts_colors_to_gray() {
        let mut expected = decode_image(&read_fixture("picture.png"), 3);
        expected.set_channels(1);
        assert_eq!(decode_image(&read_fixture("picture.png"), 1), expected);
    }

    #[test]
    fn refuses_a_file_truncated_anywhere() {
        for name in ["baseline.jpg", "progressive.jpg", "orientation-6.jpg", "picture.png"] {
            let bytes = read_fixture(name);
            for length in 0..bytes.len() - 1 {
                // The last chunk of a PNG (IEND, 12 bytes) has no content.
                if name.ends_with("png") && length >= bytes.len() - 12 {
                    continue;
                }
                let result = decode(&bytes[..length], 3, &mut Image::default());
                assert!(result.is_err(), "{name}, the first {length} of {} bytes", bytes.len());
            }
        }
    }

    #[test]
    fn ignores_bytes_after_the_image() {
        let mut bytes = read_fixture("baseline.jpg");
        let expected = decode_image(&bytes, 3);
        bytes.extend_from_slice(b"appended by a camera");
        assert_eq!(decode_image(&bytes, 3), expected);
    }

    #[test]
    fn refuses_a_second_frame_before_allocating() {
        // RST0, RST7 and TEM have no length field. A decoder that reads a length after them skips
        // the inserted frame header of 8x8 and finds the original one, which claims 16448x16448.
        let mut large = read_fixture("baseline.jpg");
        let frame = large.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        large[frame + 5..frame + 9].fill(0x40);
        let small_frame = [0xff, 0xc0, 0, 17, 8, 0, 8, 0, 8, 3, 1, 17, 0, 2, 17, 0, 3, 17, 0];
        for marker in [0xd0, 0xd7, 0x01] {
            let length = (small_frame.len() as u16 + 2).to_be_bytes();
            let start = [&[0xff, 0xd8, 0xff, marker][..], &length, &small_frame].concat();
            decode_error(&[&start, &large[2..]].concat());
            let start = [&[0xff, 0xd8, 0xff, marker][..], &small_frame].concat();
            decode_error(&[&start, &large[2..]].concat());
        }
    }

    #[test]
    fn names_unsupported_formats() {
        assert!(decode_error(b"GIF89a\x01\x00\x01\x00").contains("is a GIF image"));
        assert!(decode_error(b"RIFF\x24\0\0\0WEBPVP8 ").contains("is a WebP image"));
        assert!(decode_error(b"<!DOCTYPE html>").contains("neither a JPEG nor a PNG"));
        assert!(decode_error(b"").contains("neither a JPEG nor a PNG"));
    }

    #[test]
    fn refuses_enormous_sizes_before_allocating() {
        let mut png = read_fixture("picture.png");
        png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        assert!(decode_error(&png).contains("65536x65536"));
        let mut jpeg = read_fixture("baseline.jpg");
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].fill(0xff);
        assert!(decode_error(&jpeg).contains("65535x65535"));
    }
}
