//! Checksums of a safetensors file, stored in its metadata: one of the header, which contains the
//! metadata, and one of each tensor. XXH3 with 128 bits, in hexadecimal digits.

use std::collections::BTreeMap;
use std::fmt::Write;

use xxhash_rust::xxh3::xxh3_128;

/// Metadata key of the checksum of the header, computed with zeros in place of its digits.
const HEADER_KEY: &str = "residual.checksum.header";
/// Metadata key of the checksums of the tensors, a JSON object with an entry for each tensor.
const TENSORS_KEY: &str = "residual.checksum.tensors";
/// Value of [`HEADER_KEY`] in a file that another program modified on purpose.
const UNCHECKED: &str = "none";
/// Prefix of the metadata keys of residual. A file with such a key must have checksums; otherwise a
/// damaged key would disable the check.
const PREFIX: &str = "residual.";
/// Metadata key of the version of the checkpoint format.
pub(crate) const VERSION_KEY: &str = "residual.version";
/// The version of files without checksums.
const UNCHECKED_VERSION: &str = "1";
/// Digits in place of a checksum that is not yet computed.
const PLACEHOLDER: &str = "00000000000000000000000000000000";

/// Checksums of the tensors of a file, by the name of the tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Checksums(BTreeMap<String, String>);

impl Checksums {
    /// Returns placeholders with the length of the checksums.
    pub fn placeholders<'n>(names: impl Iterator<Item = &'n String>) -> Checksums {
        Checksums(names.map(|name| (name.clone(), PLACEHOLDER.into())).collect())
    }

    /// Sets the checksum of a tensor.
    pub fn set(&mut self, name: &str, bytes: &[u8]) {
        self.0.insert(name.into(), to_hex(xxh3_128(bytes)));
    }

    /// Returns the metadata entries of the checksums, with a placeholder for that of the header.
    pub fn metadata(&self) -> [(&'static str, String); 2] {
        [(HEADER_KEY, PLACEHOLDER.into()), (TENSORS_KEY, serde_json::json!(self.0).to_string())]
    }

    /// Reads the checksums of a file and verifies that of the header. Returns `None` for files
    /// without checksums: those of other programs, and of version 1.
    ///
    /// # Errors
    /// The problem as a phrase that follows the path.
    pub fn from_header(
        header: &[u8],
        metadata: &BTreeMap<String, String>,
    ) -> Result<Option<Checksums>, String> {
        let is_residual = metadata.keys().any(|key| key.starts_with(PREFIX));
        let version = metadata.get(VERSION_KEY).map(String::as_str);
        match (metadata.get(HEADER_KEY), metadata.get(TENSORS_KEY)) {
            (None, None) if !is_residual || version == Some(UNCHECKED_VERSION) => Ok(None),
            (Some(checksum), _) if checksum == UNCHECKED => Ok(None),
            (Some(checksum), Some(tensors))
                if header_checksum(header).as_ref() == Some(checksum) =>
            {
                serde_json::from_str(tensors)
                    .map(|tensors| Some(Checksums(tensors)))
                    .map_err(|cause| format!("has invalid metadata `{TENSORS_KEY}`: {cause}"))
            }
            (None, None) => Err(format!("has no metadata key `{HEADER_KEY}`")),
            (Some(_), _) | (None, Some(_)) => {
                Err("is damaged: its header does not match its checksum".into())
            }
        }
    }

    /// Returns whether exactly the tensors `names` have a checksum.
    pub fn has_names<'n>(&self, names: impl Iterator<Item = &'n String>) -> bool {
        let mut names: Vec<&String> = names.collect();
        names.sort();
        self.0.keys().eq(names)
    }

    /// Returns whether a tensor has the checksum `actual`.
    pub fn matches(&self, name: &str, actual: u128) -> bool {
        self.0.get(name).is_some_and(|expected| *expected == to_hex(actual))
    }
}

/// Replaces the placeholder in a header by the checksum of the header.
pub(crate) fn seal(header: &mut [u8]) {
    if let (Some(at), Some(checksum)) = (find_header_checksum(header), header_checksum(header)) {
        header[at..at + PLACEHOLDER.len()].copy_from_slice(checksum.as_bytes());
    }
}

/// Returns the checksum of a header, in which zeros replace the digits of the checksum.
fn header_checksum(header: &[u8]) -> Option<String> {
    let at = find_header_checksum(header)?;
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(&header[..at]);
    hash.update(PLACEHOLDER.as_bytes());
    hash.update(&header[at + PLACEHOLDER.len()..]);
    Some(to_hex(hash.digest128()))
}

/// Returns the offset of the digits of the header's checksum. The quotes of the pattern cannot occur
/// in a string of the header, where they are escaped.
fn find_header_checksum(header: &[u8]) -> Option<usize> {
    let pattern = format!("\"{HEADER_KEY}\":\"");
    let start = header.windows(pattern.len()).position(|part| part == pattern.as_bytes())?;
    let at = start + pattern.len();
    (header.len() >= at + PLACEHOLDER.len()).then_some(at)
}

/// Formats a checksum as 32 hexadecimal digits.
fn to_hex(checksum: u128) -> String {
    let mut digits = String::with_capacity(PLACEHOLDER.len());
    // Writing to a string does not fail.
    let _ = write!(digits, "{checksum:032x}");
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_has_the_digits_that_xxhsum_prints() {
        // xxhsum -H2 of "abc".
        assert_eq!(to_hex(xxh3_128(b"abc")), "06b05ab6733a618578af5f94892f3950");
        assert_eq!(to_hex(7).len(), PLACEHOLDER.len());
    }

    #[test]
    fn a_file_of_residual_must_have_checksums() {
        let read = |metadata: &[(&str, &str)]| {
            let entries = metadata.iter().map(|(key, value)| (key.to_string(), value.to_string()));
            Checksums::from_header(b"{}", &entries.collect())
        };
        for unchecked in [
            &[][..],
            &[("format", "pt")],
            &[(VERSION_KEY, "1"), ("residual.config", "{}")],
            &[(VERSION_KEY, "2"), (HEADER_KEY, UNCHECKED)],
        ] {
            assert_eq!(read(unchecked), Ok(None), "{unchecked:?}");
        }
        for damaged in [
            &[(VERSION_KEY, "2")][..],
            &[("residual.config", "{}")],
            &[(VERSION_KEY, "1"), (TENSORS_KEY, "{}")],
            &[(VERSION_KEY, "1"), (HEADER_KEY, PLACEHOLDER)],
            &[(VERSION_KEY, "2"), (HEADER_KEY, PLACEHOLDER), (TENSORS_KEY, "{}")],
        ] {
            assert!(read(damaged).is_err(), "{damaged:?}");
        }
    }
}
