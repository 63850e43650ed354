//! Parses the header of an image file: format, size and orientation.

use std::io::{BufRead, ErrorKind, Read, Seek};

use image::metadata::Orientation;
use residual_spec::{OTHER_CONTENT_BYTES, OtherContent};

use super::orientation::{MAX_METADATA_BYTES, OrientationMetadata};
use super::png_text::add_text_chunk;

/// Pillow's limit (twice `Image.MAX_IMAGE_PIXELS`): a few kilobytes can claim to be many gigabytes.
const MAX_PIXELS: u64 = 178_956_970;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = &[0xff, 0xd8, 0xff];
/// Length in bytes of the longest signature of an image format.
pub(crate) const SIGNATURE_BYTES: usize = 12;

/// A supported image format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImageKind {
    Jpeg,
    Png,
}

/// Format, size and orientation of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub kind: ImageKind,
    /// Width after applying `orientation`.
    pub width: u32,
    /// Height after applying `orientation`.
    pub height: u32,
    /// 1 (gray) or 3 (color).
    pub channels: u32,
    pub orientation: Orientation,
}

/// The reason for which a header cannot be parsed.
#[derive(Debug)]
pub(crate) enum HeaderError {
    /// The name of an unsupported image format.
    Unsupported(&'static str),
    /// A JPEG with a coding that is not supported. The text completes the sentence "the image is a
    /// JPEG with ...".
    UnsupportedJpeg(String),
    /// A text file in place of an image.
    OtherContent(OtherContent),
    /// Not a known image format.
    Unknown,
    /// A damaged or too large JPEG or PNG. The text completes the sentence "the image is ...".
    Damaged(String),
    /// The file could not be read.
    Io(std::io::Error),
}

impl HeaderError {
    /// Returns whether the file has no sign of an image in its content.
    pub fn is_no_image(&self) -> bool {
        matches!(self, HeaderError::Unknown | HeaderError::OtherContent(_))
    }
}

impl From<std::io::Error> for HeaderError {
    fn from(cause: std::io::Error) -> Self {
        match cause.kind() {
            ErrorKind::UnexpectedEof => HeaderError::Damaged("truncated".into()),
            _ => HeaderError::Io(cause),
        }
    }
}

impl Header {
    /// Parses a file up to its size and orientation.
    pub fn read(file: &mut (impl BufRead + Seek)) -> Result<Header, HeaderError> {
        let mut start = [0; SIGNATURE_BYTES];
        let length = read_up_to(file, &mut start)?;
        let start = &start[..length];
        let header = if start.starts_with(JPEG) {
            file.seek_relative(2 - length as i64)?;
            parse_jpeg(file)?
        } else if start.starts_with(PNG) {
            file.seek_relative(8 - length as i64)?;
            parse_png(file)?
        } else if let Some(format) = unsupported_format(start) {
            return Err(HeaderError::Unsupported(format));
        } else {
            return Err(text_error(start, file)?);
        };
        let Header { width, height, .. } = header;
        if width == 0 || height == 0 {
            return Err(HeaderError::Damaged(format!(
                "empty: its size is {width}x{height} pixels"
            )));
        }
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            let message = format!(
                "too large: its size is {width}x{height}, above the limit of {MAX_PIXELS} pixels"
            );
            return Err(HeaderError::Damaged(message));
        }
        Ok(header)
    }
}

/// Returns the error for a file of no image format, which starts with `start`. Detects SVG, and
/// texts in place of an image.
fn text_error(start: &[u8], file: &mut impl Read) -> std::io::Result<HeaderError> {
    let mut text = [0; OTHER_CONTENT_BYTES];
    text[..start.len()].copy_from_slice(start);
    let length = start.len() + read_up_to(file, &mut text[start.len()..])?;
    let text = &text[..length];
    Ok(if memchr::memmem::find(text, b"<svg").is_some() {
        HeaderError::Unsupported("SVG")
    } else {
        OtherContent::detect(text).map_or(HeaderError::Unknown, HeaderError::OtherContent)
    })
}

/// Reads until `buffer` is full or the file ends. Returns the number of bytes read.
fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(filled)
}

/// Returns whether the first bytes of a file are the signature of an image format, supported or
/// not.
pub(crate) fn has_image_signature(start: &[u8]) -> bool {
    start.starts_with(JPEG) || start.starts_with(PNG) || unsupported_format(start).is_some()
}

/// Returns the name of an unsupported format that is common in image folders.
fn unsupported_format(start: &[u8]) -> Option<&'static str> {
    let has_magic = |offset: usize, magic: &[u8]| {
        start.get(offset..).is_some_and(|bytes| bytes.starts_with(magic))
    };
    Some(if has_magic(0, b"GIF8") {
        "GIF"
    } else if has_magic(0, b"RIFF") && has_magic(8, b"WEBP") {
        "WebP"
    } else if has_magic(0, b"BM") && has_magic(6, &[0; 4]) {
        // Text may start with "BM" too. The four bytes at offset 6 are reserved and 0.
        "BMP"
    } else if has_magic(0, b"II*\0") || has_magic(0, b"MM\0*") {
        "TIFF"
    } else if has_magic(4, b"ftypavif") {
        "AVIF"
    } else if ["ftyphei", "ftyphev", "ftypmif1", "ftypmsf1"]
        .iter()
        .any(|brand| has_magic(4, brand.as_bytes()))
    {
        "HEIC"
    } else if has_magic(4, b"JXL \r\n\x87\n") || has_magic(0, b"\xff\x0a") {
        "JPEG XL"
    } else if has_magic(4, b"jP  \r\n\x87\n") || has_magic(0, b"\xff\x4f\xff\x51") {
        "JPEG 2000"
    } else if has_magic(0, b"8BPS") {
        "Photoshop"
    } else {
        return None;
    })
}

/// Parses the segments of a JPEG up to the first scan (ITU-T T.81, annex B). `file` is at the end
/// of the SOI marker.
fn parse_jpeg(file: &mut (impl BufRead + Seek)) -> Result<Header, HeaderError> {
    let mut header = None;
    let mut metadata = OrientationMetadata::default();
    loop {
        match parse_jpeg_segment(file, &mut header, &mut metadata) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) if header.is_none() => return Err(error),
            Err(HeaderError::Io(cause)) => return Err(HeaderError::Io(cause)),
            // The size is known. Decoding reports the truncation or damage.
            Err(_) => break,
        }
    }
    let header =
        header.ok_or_else(|| HeaderError::Damaged("damaged: it has no frame header".into()))?;
    Ok(Header { orientation: metadata.orientation(), ..header }.swap_sides_if_rotated())
}

/// Parses the next segment of a JPEG into `header` and `metadata`. Returns false at the first scan
/// and at the end of the image.
fn parse_jpeg_segment(
    file: &mut (impl BufRead + Seek),
    header: &mut Option<Header>,
    metadata: &mut OrientationMetadata,
) -> Result<bool, HeaderError> {
    let marker = next_marker(file)?;
    match marker {
        // TEM and RST0-7 have no parameters.
        0x01 | 0xd0..=0xd7 => return Ok(true),
        // EOI and SOS.
        0xd9 | 0xda => return Ok(false),
        _ => {}
    }
    let length = u16::from_be_bytes(read_array(file)?);
    let Some(length) = length.checked_sub(2) else {
        return Err(HeaderError::Damaged("damaged: a segment has an invalid length".into()));
    };
    match marker {
        // SOF0-15: this range without DHT, JPG and DAC.
        0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) && header.is_none() => {
            let [precision, h1, h0, w1, w0, components] = read_array(file)?;
            if let Some(coding) = unsupported_coding(marker, precision, components) {
                return Err(HeaderError::UnsupportedJpeg(coding));
            }
            *header = Some(Header {
                kind: ImageKind::Jpeg,
                width: u16::from_be_bytes([w1, w0]).into(),
                height: u16::from_be_bytes([h1, h0]).into(),
                channels: if components == 1 { 1 } else { 3 },
                orientation: Orientation::NoTransforms,
            });
            file.seek_relative(i64::from(length) - 6)?;
        }
        0xe1 => {
            let mut segment = vec![0; length.into()];
            file.read_exact(&mut segment)?;
            if let Some(exif) = segment.strip_prefix(b"Exif\0\0") {
                metadata.add_exif(exif);
            } else if let Some(xmp) = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                metadata.set_xmp(xmp);
            }
        }
        _ => file.seek_relative(length.into())?,
    }
    Ok(true)
}

/// Describes why the coding of a JPEG is not supported: the coding process (the `marker` of the
/// frame header), the bits per sample, or the number of components. Returns `None` for a supported
/// coding.
fn unsupported_coding(marker: u8, precision: u8, components: u8) -> Option<String> {
    Some(match (marker, precision, components) {
        (0xc0..=0xc2, 8, 1 | 3 | 4) => return None,
        (0xc9 | 0xca, _, _) => "arithmetic coding".into(),
        (0xc3 | 0xcb, _, _) => "lossless coding".into(),
        (0xc0..=0xc2, 8, _) => format!("{components} color components"),
        (0xc0..=0xc2, _, _) => format!("{precision} bits per sample"),
        _ => "hierarchical coding".into(),
    })
}

fn next_marker(file: &mut impl BufRead) -> Result<u8, HeaderError> {
    // Skip extraneous bytes between segments, as decoders do. Any number of fill bytes may precede
    // a marker.
    file.skip_until(0xff)?;
    loop {
        match read_array(file)? {
            [0xff] => {}
            [0] => {
                file.skip_until(0xff)?;
            }
            [marker] => return Ok(marker),
        }
    }
}

/// Parses the chunks of a PNG (W3C PNG, third edition, section 11) up to its end, because metadata
/// may follow the pixels, which are skipped. `file` is at the end of the signature.
fn parse_png(file: &mut (impl BufRead + Seek)) -> Result<Header, HeaderError> {
    let (mut header, mut has_pixels) = (None, false);
    let mut metadata = OrientationMetadata::default();
    loop {
        match parse_png_chunk(file, &mut header, &mut metadata) {
            Ok(ChunkKind::End) => break,
            Ok(ChunkKind::Pixels) => has_pixels = true,
            Ok(ChunkKind::Other) => {}
            Err(HeaderError::Io(cause)) => return Err(HeaderError::Io(cause)),
            // Like Pillow, accept a PNG without its last chunk. Decoding reports missing pixels.
            Err(_) if has_pixels => break,
            Err(error) => return Err(error),
        }
    }
    let header =
        header.ok_or_else(|| HeaderError::Damaged("damaged: it has no IHDR chunk".into()))?;
    Ok(Header { orientation: metadata.orientation(), ..header }.swap_sides_if_rotated())
}

/// The kind of a PNG chunk.
enum ChunkKind {
    /// Compressed pixels (IDAT).
    Pixels,
    /// The last chunk (IEND).
    End,
    /// The header, metadata, or a chunk that is not used.
    Other,
}

/// Parses the next chunk of a PNG into `header` and `metadata`.
fn parse_png_chunk(
    file: &mut (impl BufRead + Seek),
    header: &mut Option<Header>,
    metadata: &mut OrientationMetadata,
) -> Result<ChunkKind, HeaderError> {
    let length = u32::from_be_bytes(read_array(file)?);
    let chunk_type: [u8; 4] = read_array(file)?;
    let is_short = length as usize <= MAX_METADATA_BYTES;
    match (&chunk_type, &header) {
        (b"IHDR", None) if length == 13 => {
            let width = u32::from_be_bytes(read_array(file)?);
            let height = u32::from_be_bytes(read_array(file)?);
            let [_bit_depth, color_type, _, _, _] = read_array(file)?;
            let channels = if matches!(color_type, 0 | 4) { 1 } else { 3 };
            let orientation = Orientation::NoTransforms;
            let kind = ImageKind::Png;
            *header = Some(Header { kind, width, height, channels, orientation });
            file.seek_relative(4)?;
        }
        (_, None) => return Err(HeaderError::Damaged("damaged: it has no IHDR chunk".into())),
        (b"IEND", Some(_)) => return Ok(ChunkKind::End),
        (b"eXIf" | b"tEXt" | b"zTXt" | b"iTXt", Some(_)) if is_short => {
            let mut content = vec![0; length as usize];
            file.read_exact(&mut content)?;
            if chunk_type == *b"eXIf" {
                metadata.set_exif(&content);
            } else {
                // An invalid text chunk is ignored: it has no orientation.
                let _ = add_text_chunk(chunk_type, &content, metadata);
            }
            file.seek_relative(4)?;
        }
        (_, Some(_)) => file.seek_relative(i64::from(length) + 4)?,
    }
    Ok(if chunk_type == *b"IDAT" { ChunkKind::Pixels } else { ChunkKind::Other })
}

impl Header {
    /// Returns width and height as stored in the file, before applying the orientation.
    pub fn encoded_size(&self) -> [u32; 2] {
        let Header { width, height, .. } = self.swap_sides_if_rotated();
        [width, height]
    }

    /// Swaps width and height if the orientation rotates the image by 90 or 270 degrees.
    fn swap_sides_if_rotated(self) -> Header {
        use Orientation::*;
        match self.orientation {
            Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH => {
                Header { width: self.height, height: self.width, ..self }
            }
            _ => self,
        }
    }
}

fn read_array<const N: usize>(file: &mut impl Read) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read_header(name: &str) -> Header {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        let bytes = std::fs::read(format!("{folder}/{name}")).unwrap();
        Header::read(&mut Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn parses_format_size_and_channels() {
        let parsed = |name| {
            let header = read_header(name);
            (header.kind, header.width, header.height, header.channels)
        };
        assert_eq!(parsed("baseline.jpg"), (ImageKind::Jpeg, 37, 29, 3));
        assert_eq!(parsed("progressive.jpg"), (ImageKind::Jpeg, 37, 29, 3));
        assert_eq!(parsed("gray.jpg"), (ImageKind::Jpeg, 37, 29, 1));
        assert_eq!(parsed("cmyk.jpg"), (ImageKind::Jpeg, 37, 29, 3));
        assert_eq!(parsed("palette.png"), (ImageKind::Png, 37, 29, 3));
        assert_eq!(parsed("gray-alpha.png"), (ImageKind::Png, 37, 29, 1));
    }

    #[test]
    fn the_orientation_is_applied_to_the_size() {
        for name in [
            "orientation-5.jpg",
            "orientation-6.jpg",
            "orientation-7.jpg",
            "orientation-8.jpg",
            "orientation-png.png",
        ] {
            let header = read_header(name);
            assert_eq!((header.width, header.height), (29, 37), "{name}");
        }
        assert_eq!(read_header("orientation-3.jpg").width, 37);
    }

    #[test]
    fn skips_segments_of_any_length() {
        let mut jpeg = vec![0xff, 0xd8];
        for length in [2u16, 3, 9_000, 65_535] {
            jpeg.extend_from_slice(&[0xff, 0xff, 0xe4]);
            jpeg.extend_from_slice(&length.to_be_bytes());
            jpeg.resize(jpeg.len() + usize::from(length) - 2, 0xff);
        }
        jpeg.extend_from_slice(&[0xff, 0xc2, 0, 11, 8, 0, 7, 0, 9, 1, 1, 0x11, 0]);
        let mut file = std::io::BufReader::with_capacity(4096, Cursor::new(jpeg));
        let header = Header::read(&mut file).unwrap();
        assert_eq!((header.width, header.height, header.channels), (9, 7, 1));
    }

    #[test]
    fn refuses_an_image_without_pixels() {
        let jpeg = [0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 0, 0, 9, 1, 1, 0x11, 0];
        let error = Header::read(&mut Cursor::new(jpeg)).unwrap_err();
        assert!(
            matches!(&error, HeaderError::Damaged(problem) if problem.contains("9x0")),
            "{error:?}"
        );
    }
}
