//! The orientation in the metadata of JPEG and PNG files, by Pillow's rules (`exif_transpose`).

use image::metadata::Orientation;

/// Maximum bytes of EXIF metadata, which a JPEG may split into several segments, and of a text
/// chunk.
pub(super) const MAX_METADATA_BYTES: usize = 1 << 20;

/// EXIF tag of the orientation.
const ORIENTATION_TAG: u16 = 0x0112;

/// The metadata of a file that may contain an orientation.
#[derive(Debug, Default)]
pub(super) struct OrientationMetadata {
    exif: Vec<u8>,
    /// EXIF metadata in a text chunk of a PNG, which apply only without an `eXIf` chunk.
    raw_exif: Vec<u8>,
    /// The orientation of the last XMP packet.
    xmp: Option<u64>,
}

impl OrientationMetadata {
    /// Appends EXIF metadata: a TIFF header and its directories, or the continuation of earlier
    /// metadata. Ignores metadata beyond [`MAX_METADATA_BYTES`].
    pub fn add_exif(&mut self, tiff: &[u8]) {
        if self.exif.len() + tiff.len() <= MAX_METADATA_BYTES {
            self.exif.extend_from_slice(tiff);
        }
    }

    /// Replaces the EXIF metadata.
    pub fn set_exif(&mut self, tiff: &[u8]) {
        self.exif.clear();
        self.add_exif(tiff);
    }

    /// Replaces the EXIF metadata of the text chunk.
    pub fn set_raw_exif(&mut self, tiff: &[u8]) {
        self.raw_exif = tiff.to_vec();
    }

    /// Replaces the XMP packet.
    pub fn set_xmp(&mut self, xmp: &[u8]) {
        self.xmp = parse_xmp_orientation(xmp);
    }

    /// Returns the orientation. The EXIF tag takes precedence over XMP even if its value is
    /// invalid.
    pub fn orientation(&self) -> Orientation {
        let exif = if self.exif.is_empty() { &self.raw_exif } else { &self.exif };
        let value = parse_exif_orientation(exif).or(self.xmp);
        let value = value.and_then(|value| u8::try_from(value).ok());
        value.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
    }
}

/// Returns the value of the orientation tag in the first directory of TIFF data; 0 if the value is
/// not an integer. Returns `None` without the tag.
fn parse_exif_orientation(mut tiff: &[u8]) -> Option<u64> {
    while let Some(rest) = tiff.strip_prefix(b"Exif\0\0") {
        tiff = rest;
    }
    let is_little_endian = match tiff.get(..4)? {
        b"II\x2a\0" => true,
        b"MM\0\x2a" => false,
        _ => return None,
    };
    let read = |offset: usize, length: usize| {
        let bytes = tiff.get(offset..offset.checked_add(length)?)?;
        let append = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        Some(if is_little_endian {
            bytes.iter().rev().fold(0, append)
        } else {
            bytes.iter().fold(0, append)
        })
    };
    let directory = read(4, 4)? as usize;
    let mut orientation = None;
    for i in 0..read(directory, 2)? as usize {
        let entry = directory + 2 + 12 * i;
        // A truncated directory ends here; earlier entries are valid.
        let (Some(tag), Some(kind)) = (read(entry, 2), read(entry + 2, 2)) else { break };
        let (Some(count), Some(offset)) = (read(entry + 4, 4), read(entry + 8, 4)) else { break };
        if tag != u64::from(ORIENTATION_TAG) || count == 0 {
            continue;
        }
        let size = match kind {
            1 | 2 | 6 | 7 => 1,    // BYTE, ASCII, SBYTE, UNDEFINED
            3 | 8 => 2,            // SHORT, SSHORT
            4 | 9 | 11 | 13 => 4,  // LONG, SLONG, FLOAT, IFD
            5 | 10 | 12 | 16 => 8, // RATIONAL, SRATIONAL, DOUBLE, LONG8
            _ => continue,
        };
        // A value of more than four bytes is at an offset instead of in the entry.
        let start = if count * size > 4 { offset as usize } else { entry + 8 };
        let available = tiff.len().saturating_sub(start) as u64;
        if available < count * size {
            continue;
        }
        let is_integer = matches!(kind, 3 | 4 | 6 | 8 | 9 | 13 | 16);
        orientation = if is_integer { read(start, size as usize) } else { Some(0) };
    }
    orientation
}

/// Returns the digit after the first `tiff:Orientation="` or `tiff:Orientation>`.
fn parse_xmp_orientation(xmp: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut rest = xmp;
    while let Some(start) = memchr::memmem::find(rest, NAME) {
        rest = &rest[start + NAME.len()..];
        let value = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"));
        if let Some([digit @ b'0'..=b'9', ..]) = value {
            return Some(u64::from(digit - b'0'));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns TIFF data whose only directory has the given entries of tag, type, count and value.
    fn tiff(entries: &[(u16, u16, u32, [u8; 4])]) -> Vec<u8> {
        let mut tiff = b"II\x2a\0\x08\0\0\0".to_vec();
        tiff.extend((entries.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in entries {
            tiff.extend(tag.to_le_bytes());
            tiff.extend(kind.to_le_bytes());
            tiff.extend(count.to_le_bytes());
            tiff.extend(value);
        }
        tiff.extend([0; 4]);
        tiff
    }

    fn orientation(exif: &[&[u8]], xmp: &[&[u8]]) -> Orientation {
        let mut metadata = OrientationMetadata::default();
        exif.iter().for_each(|part| metadata.add_exif(part));
        xmp.iter().for_each(|packet| metadata.set_xmp(packet));
        metadata.orientation()
    }

    #[test]
    fn reads_the_exif_tag_of_any_integer_type() {
        for kind in [3, 4, 8, 9, 13] {
            let exif = tiff(&[(0x10f, 2, 1, [0; 4]), (0x112, kind, 1, [6, 0, 0, 0])]);
            assert_eq!(orientation(&[&exif], &[]), Orientation::Rotate90, "{kind}");
            let nested = [b"Exif\0\0", &exif[..]].concat();
            assert_eq!(orientation(&[&nested], &[]), Orientation::Rotate90);
        }
        let big_endian =
            b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0".as_slice();
        assert_eq!(orientation(&[big_endian], &[]), Orientation::Rotate270);
        // A second segment continues the first. A truncated directory keeps its complete entries.
        assert_eq!(orientation(&[big_endian, big_endian], &[]), Orientation::Rotate270);
        assert_eq!(orientation(&[&big_endian[..22]], &[]), Orientation::Rotate270);
        assert_eq!(orientation(&[&big_endian[..20]], &[]), Orientation::NoTransforms);
    }

    #[test]
    fn reads_xmp_without_an_exif_tag() {
        let attribute = br#"<rdf:Description tiff:Orientation="6"/>"#.as_slice();
        let element = b"<tiff:Orientation>8</tiff:Orientation>".as_slice();
        assert_eq!(orientation(&[], &[attribute]), Orientation::Rotate90);
        assert_eq!(orientation(&[], &[element]), Orientation::Rotate270);
        assert_eq!(orientation(&[], &[element, attribute]), Orientation::Rotate90);
        assert_eq!(orientation(&[&tiff(&[])], &[attribute]), Orientation::Rotate90);
        assert_eq!(
            orientation(&[], &[b"tiff:Orientation tiff:Orientation=\"\""]),
            Orientation::NoTransforms
        );
        for invalid in [0, 1, 9] {
            let exif = tiff(&[(0x112, 3, 1, [invalid, 0, 0, 0])]);
            assert_eq!(orientation(&[&exif], &[attribute]), Orientation::NoTransforms);
        }
        let bytes = tiff(&[(0x112, 1, 1, [6, 0, 0, 0])]);
        assert_eq!(orientation(&[&bytes], &[attribute]), Orientation::NoTransforms);
    }

    #[test]
    fn ignores_offsets_outside_of_the_metadata() {
        for value in [[0xff; 4], [0, 0, 0, 0x80]] {
            let exif = tiff(&[(0x112, 3, 0x7fff_ffff, value), (0x112, 3, 3, value)]);
            assert_eq!(orientation(&[&exif], &[]), Orientation::NoTransforms);
        }
        let mut exif = tiff(&[]);
        exif[4..8].fill(0xff);
        assert_eq!(orientation(&[&exif], &[]), Orientation::NoTransforms);
    }
}
