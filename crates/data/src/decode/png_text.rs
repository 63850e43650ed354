//! Text chunks of PNG files that may contain an orientation: XMP, and EXIF in ImageMagick's format.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::orientation::{MAX_METADATA_BYTES, OrientationMetadata};

/// Adds the metadata in a `tEXt`, `zTXt` or `iTXt` chunk (W3C PNG, third edition, section 11.3.3).
/// Ignores chunks with another keyword. Returns `None` if the chunk is invalid.
pub(super) fn add_text_chunk(
    chunk_type: [u8; 4],
    content: &[u8],
    metadata: &mut OrientationMetadata,
) -> Option<()> {
    let (keyword, rest) = split_at_zero(content)?;
    let is_xmp = keyword == b"XML:com.adobe.xmp";
    // Do not decompress other text.
    if !is_xmp && keyword != b"Raw profile type exif" {
        return Some(());
    }
    let (is_compressed, text) = match (&chunk_type, rest) {
        (b"tEXt", text) => (false, text),
        (b"zTXt", [0, text @ ..]) => (true, text),
        (b"iTXt", [is_compressed, 0, rest @ ..]) => {
            let (_language, rest) = split_at_zero(rest)?;
            let (_translated_keyword, text) = split_at_zero(rest)?;
            (*is_compressed != 0, text)
        }
        _ => return None,
    };
    let mut decompressed = Vec::new();
    let text = if is_compressed {
        let limit = MAX_METADATA_BYTES as u64;
        ZlibDecoder::new(text).take(limit).read_to_end(&mut decompressed).ok()?;
        &decompressed
    } else {
        text
    };
    if is_xmp {
        metadata.set_xmp(text);
    } else {
        metadata.set_raw_exif(&parse_raw_profile(text)?);
    }
    Some(())
}

/// Returns the bytes before and after the first zero byte.
fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Parses ImageMagick's format: an empty line, the name, the length in bytes, and lines of
/// hexadecimal digits.
fn parse_raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let lines = text.split(|&byte| byte == b'\n').skip(3).flatten();
    let digits = lines.filter(|byte| !byte.is_ascii_whitespace());
    let digits: Option<Vec<u8>> =
        digits.map(|&byte| char::from(byte).to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits?;
    Some(digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect())
}
