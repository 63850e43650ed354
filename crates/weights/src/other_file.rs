//! Recognizes files that are often found in place of weights.

use std::path::Path;

use residual_spec::{Error, ErrorCode, OTHER_CONTENT_BYTES, OtherContent};

/// Number of bytes at the start of a file that [`other_file_error`] needs.
pub(crate) const START_LEN: u64 = OTHER_CONTENT_BYTES as u64;

/// Returns the error for a file that starts with `start`, if the file is known not to contain
/// weights.
pub(crate) fn other_file_error(path: &Path, start: &[u8]) -> Option<Error> {
    let content = OtherContent::detect(start)?;
    let (problem, hint) = (content.problem(), content.hint());
    let message = format!("{} {problem}", path.display());
    Some(Error::new(ErrorCode::Checkpoint, message).file(path).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_pointers_pages_and_empty_files() {
        let message = |start: &[u8]| other_file_error(Path::new("x.pth"), start).map(|e| e.message);
        let expected = |problem: &str| Some(format!("x.pth {problem}"));
        assert_eq!(message(b""), expected("is empty"));
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid";
        assert_eq!(message(pointer), expected("is a Git LFS pointer, not the file itself"));
        for page in [&b"<!DOCTYPE html><html>"[..], b"\n<html lang=en>", b"<?xml version=\"1.0\""] {
            assert_eq!(message(page), expected("is a web page, not the file itself"));
        }
        assert_eq!(message(b"PK\x03\x04"), None);
    }
}
