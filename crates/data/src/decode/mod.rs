//! Decodes JPEG and PNG files into 8-bit pixels.

pub(crate) mod header;
mod image;
pub(crate) mod jpeg;
mod orientation;
mod png;
mod png_text;
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

    /// Returns the size after applying the orientation.
    pub fn size(&self) -> ImageSize {
        let Header { width, height, kind, .. } = self.header;
        let max_scale = match kind {
            ImageKind::Jpeg if ablation::is_enabled(Part::JpegDecoder) => 8,
            ImageKind::Jpeg | ImageKind::Png => 1,
        };
        ImageSize { width, height, max_scale }
    }

    /// Decodes the requested region into gray (1 channel) or RGB (3) and applies the orientation in
    /// the metadata. Drops alpha and the low byte of 16-bit values, as Pillow's `convert` does.
    /// Pixels outside the region have unspecified values. The buffer of `image` is reused.
    ///
    /// # Errors
    /// `E_IMAGE` for a truncated file and for a damaged structure, whatever the request. As in
    /// Pillow, damage in the coded data of a JPEG is not an error.
    pub fn decode(&self, request: DecodeRequest, channels: u32, image: &mut Image) -> Result<()> {
        let EncodedImage { bytes, ref header, .. } = *self;
        // A panic of a decoder is an error of this file and must not end the run.
        let decoded = catch_unwind(AssertUnwindSafe(|| match header.kind {
            ImageKind::Jpeg => self.decode_jpeg(request, image),
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

    /// Decodes a JPEG without applying its orientation, or returns what is wrong with it.
    fn decode_jpeg(&self, request: DecodeRequest, image: &mut Image) -> Result<(), String> {
        let EncodedImage { bytes, ref header, header_end } = *self;
        #[cfg(feature = "ablation")]
        if !ablation::is_enabled(Part::JpegDecoder) {
            return decode_with_zune_jpeg(bytes, image).map_err(|cause| cause.to_string());
        }
        let [width, height] = header.encoded_size();
        let mut request = request;
        let is_upright = header.orientation == Orientation::NoTransforms;
        if !is_upright || !ablation::is_enabled(Part::CropDecoding) {
            // The region refers to the rotated image: decode the whole image, then rotate.
            let encoded_size = ImageSize { width, height, max_scale: 8 };
            request = DecodeRequest::whole_at_scale(request.scale, encoded_size);
        }
        if jpeg::decode(bytes, [width, height], request, image) {
            Ok(())
        } else if has_end_of_image(&bytes[header_end..]) {
            Err("its segments are invalid or incomplete".into())
        } else {
            Err("it is truncated".into())
        }
    }
}

/// Decodes a whole JPEG with the decoder of the `image` crate, to measure what [`jpeg`] is worth.
#[cfg(feature = "ablation")]
fn decode_with_zune_jpeg(bytes: &[u8], out: &mut Image) -> ::image::ImageResult<()> {
    use ::image::ImageDecoder;

    let decoder = ::image::codecs::jpeg::JpegDecoder::new(Cursor::new(bytes))?;
    (out.width, out.height) = decoder.dimensions();
    out.channels = u32::from(decoder.color_type().channel_count());
    out.pixels.resize(decoder.total_bytes() as usize, 0);
    decoder.read_image(&mut out.pixels)
}

/// Decodes a whole JPEG or PNG at full size; see [`EncodedImage::decode`].
///
/// # Errors
/// As [`EncodedImage::parse`] and [`EncodedImage::decode`].
pub fn decode(bytes: &[u8], channels: u32, image: &mut Image) -> Result<()> {
    let encoded = EncodedImage::parse(bytes)?;
    encoded.decode(DecodeRequest::whole(encoded.size()), channels, image)
}

/// Returns whether the rest of a JPEG contains an EOI marker. In coded data, 0xff is escaped.
fn has_end_of_image(coded_data: &[u8]) -> bool {
    coded_data.windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}

/// Returns the error for an image whose header cannot be parsed. Callers that know the file replace
/// "the image" in the message by its name.
pub(crate) fn header_error(error: &HeaderError) -> Error {
    match error {
        HeaderError::Unsupported(format) => {
            let article = if matches!(*format, "AVIF" | "SVG") { "an" } else { "a" };
            image_error(format!("is {article} {format} image; JPEG and PNG are supported"))
                .hint("Convert it to JPEG or PNG.")
        }
        HeaderError::UnsupportedJpeg(coding) => {
            image_error(format!("is a JPEG with {coding}, which is not supported"))
                .hint("Convert it to a baseline or progressive JPEG, or to PNG.")
        }
        HeaderError::OtherContent(content) => {
            image_error(content.problem().into()).hint(content.hint())
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

    /// Asserts that the pixels of a file are those of Pillow.
    fn assert_matches_pillow(name: &str) {
        let image = decode_image(&read_fixture(name), 3);
        let stem = name.split_once('.').unwrap().0;
        let expected = decode_image(&read_fixture(&format!("{stem}.rgb.png")), 3);
        assert_eq!((image.width, image.height), (expected.width, expected.height), "{name}");
        assert!(image.pixels == expected.pixels, "{name}");
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
            assert_matches_pillow(&format!("{stem}.png"));
        }
    }

    #[test]
    fn jpegs_match_pillow() {
        for stem in [
            "yuv444",
            "gray",
            "baseline",
            "yuv422",
            "yuv440",
            "restarts",
            "progressive",
            "progressive-restarts",
            "scans",
            "scans-restarts",
            "cmyk",
            "ycck",
            "rgb",
            "damaged-end",
            "damaged-code",
            "damaged-restarts",
            "damaged-scans",
            "damaged-progressive",
        ] {
            assert_matches_pillow(&format!("{stem}.jpg"));
        }
    }

    #[test]
    fn scaled_jpegs_match_pillow_draft() {
        for name in [
            "yuv444",
            "gray",
            "baseline",
            "yuv422",
            "yuv440",
            "restarts",
            "orientation-6",
            "progressive",
            "scans",
            "cmyk",
        ] {
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
    }

    #[test]
    fn applies_the_exif_orientation() {
        for orientation in 1..=8 {
            assert_matches_pillow(&format!("orientation-{orientation}.jpg"));
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
        for name in [
            "baseline.jpg",
            "progressive.jpg",
            "scans.jpg",
            "cmyk.jpg",
            "orientation-6.jpg",
            "picture.png",
        ] {
            let bytes = read_fixture(name);
            for length in 0..bytes.len() - 1 {
                // Like Pillow, accept a PNG without its last chunk (IEND, 12 bytes).
                let is_complete = name.ends_with("png") && length >= bytes.len() - 12;
                let result = decode(&bytes[..length], 3, &mut Image::default());
                let description = format!("{name}, the first {length} of {} bytes", bytes.len());
                assert_eq!(result.is_ok(), is_complete, "{description}");
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

    /// Inserts an APP1 segment into a JPEG.
    fn insert_app1(jpeg: &[u8], position: usize, content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u16 + 2).to_be_bytes();
        [&jpeg[..position], &[0xff, 0xe1], &length, content, &jpeg[position..]].concat()
    }

    /// Returns a PNG chunk with its checksum.
    fn png_chunk(chunk_type: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut crc = flate2::Crc::new();
        crc.update(chunk_type);
        crc.update(content);
        let length = (content.len() as u32).to_be_bytes();
        [&length, &chunk_type[..], content, &crc.sum().to_be_bytes()].concat()
    }

    /// Returns the width and height of a decoded image, which equal those in its header.
    fn decode_size(bytes: &[u8]) -> (u32, u32) {
        let ImageSize { width, height, .. } = EncodedImage::parse(bytes).unwrap().size();
        let image = decode_image(bytes, 3);
        assert_eq!((image.width, image.height), (width, height));
        (width, height)
    }

    /// TIFF data with the orientation 6, a rotation by 90 degrees.
    const ROTATED_90: &[u8] = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    /// TIFF data with the orientation 3, a rotation by 180 degrees.
    const ROTATED_180: &[u8] =
        b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0";
    /// XMP with the orientation 6.
    const ROTATED_90_XMP: &[u8] = b"<tiff:Orientation>6</tiff:Orientation>";

    #[test]
    fn reads_the_orientation_of_jpegs_like_pillow() {
        let jpeg = read_fixture("baseline.jpg");
        let exif = |tiff: &[u8]| [b"Exif\0\0", tiff].concat();
        let xmp = [b"http://ns.adobe.com/xap/1.0/\0", ROTATED_90_XMP].concat();
        assert_eq!(decode_size(&jpeg), (37, 29));
        assert_eq!(decode_size(&insert_app1(&jpeg, 2, &xmp)), (29, 37));
        // The first of two EXIF segments, and EXIF rather than XMP.
        let rotated_180 = insert_app1(&jpeg, 2, &exif(ROTATED_180));
        assert_eq!(decode_size(&insert_app1(&rotated_180, 2, &exif(ROTATED_90))), (29, 37));
        assert_eq!(decode_size(&insert_app1(&rotated_180, 2, &xmp)), (37, 29));
        // Between the frame header and the scan.
        let scan = jpeg.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        assert_eq!(decode_size(&insert_app1(&jpeg, scan, &exif(ROTATED_90))), (29, 37));
    }

    #[test]
    fn reads_the_orientation_of_pngs_like_pillow() {
        let png = read_fixture("picture.png");
        let compress = |text: &[u8]| {
            let mut encoder =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut encoder, text).unwrap();
            encoder.finish().unwrap()
        };
        let hexadecimal: String = ROTATED_90.iter().map(|byte| format!("{byte:02x}")).collect();
        let profile = format!("\nexif\n    {}\n{hexadecimal}\n", ROTATED_90.len());
        let international = b"XML:com.adobe.xmp\0\0\0\0\0";
        let compressed = b"XML:com.adobe.xmp\0\x01\0en\0\0";
        let raw_profile = b"Raw profile type exif\0";
        let chunks = [
            png_chunk(b"eXIf", ROTATED_90),
            png_chunk(b"iTXt", &[international, ROTATED_90_XMP].concat()),
            png_chunk(b"iTXt", &[&compressed[..], &compress(ROTATED_90_XMP)].concat()),
            png_chunk(b"tEXt", &[&raw_profile[..], profile.as_bytes()].concat()),
            png_chunk(b"zTXt", &[raw_profile, &[0][..], &compress(profile.as_bytes())].concat()),
        ];
        let (after_header, end) = (33, png.len() - 12);
        for chunk in &chunks {
            for position in [after_header, end] {
                let edited = [&png[..position], chunk, &png[position..]].concat();
                assert_eq!(decode_size(&edited), (29, 37));
                // Also without the last chunk.
                assert_eq!(decode_size(&edited[..edited.len() - 12]), (29, 37));
            }
        }
        let rotated_180 = png_chunk(b"eXIf", ROTATED_180);
        let edited = [&png[..end], &rotated_180, &chunks[3], &chunks[1], &png[end..]].concat();
        assert_eq!(decode_size(&edited), (37, 29));
    }

    #[test]
    fn names_unsupported_codings_of_jpegs() {
        let jpeg = read_fixture("baseline.jpg");
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        let edit = |offset: usize, value: u8| {
            let mut jpeg = jpeg.clone();
            jpeg[frame + offset] = value;
            decode_error(&jpeg)
        };
        assert!(edit(1, 0xc3).contains("is a JPEG with lossless coding"));
        assert!(edit(1, 0xc5).contains("is a JPEG with hierarchical coding"));
        assert!(edit(1, 0xc9).contains("is a JPEG with arithmetic coding"));
        assert!(edit(1, 0xca).contains("is a JPEG with arithmetic coding"));
        assert!(edit(4, 12).contains("is a JPEG with 12 bits per sample"));
        assert!(edit(9, 2).contains("is a JPEG with 2 color components"));
    }

    #[test]
    fn names_unsupported_formats() {
        assert!(decode_error(b"BM\x3a\0\0\0\0\0\0\0\x36\0").contains("is a BMP image"));
        assert!(decode_error(b"BMW in a street").contains("is neither a JPEG nor a PNG image"));
        assert!(decode_error(b"GIF89a\x01\x00\x01\x00").contains("is a GIF image"));
        assert!(decode_error(b"RIFF\x24\0\0\0WEBPVP8 ").contains("is a WebP image"));
        assert!(decode_error(b"<?xml version='1.0'?><svg>").contains("is an SVG image"));
        assert!(decode_error(b"no picture").contains("neither a JPEG nor a PNG"));
    }

    #[test]
    fn names_texts_in_place_of_an_image() {
        assert!(decode_error(b"<!DOCTYPE html>").contains("is a web page"));
        assert!(decode_error(b"404: Not Found").contains("is an error message of a server"));
        assert!(decode_error(b"version https://git-lfs.github.com/spec/v1").contains("Git LFS"));
        assert!(decode_error(b"").contains("is empty"));
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
