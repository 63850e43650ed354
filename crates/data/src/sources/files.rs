//! Reading of regular files. Pipes and devices are refused: opening a pipe blocks until a process
//! writes to it, and a device may be endless.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use residual_spec::{Error, ErrorCode, OTHER_CONTENT_BYTES, OtherContent};

/// Opens a regular file.
///
/// # Errors
/// An I/O error, also if `path` is not a regular file.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"))
    }
}

/// Reads a whole file of at most `max` bytes.
///
/// # Errors
/// As [`open_file`], and for a larger file.
pub(crate) fn read_file(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_into(path, max, &mut bytes)?;
    Ok(bytes)
}

/// Reads a whole file of at most `max` bytes into `bytes`, replacing its content.
///
/// # Errors
/// As [`read_file`].
pub(crate) fn read_into(path: &Path, max: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let file = open_file(path)?;
    let length = file.metadata()?.len();
    if length > max {
        let message =
            format!("it has {} MiB, more than the limit of {} MiB", length >> 20, max >> 20);
        return Err(io::Error::other(message));
    }
    bytes.clear();
    bytes.reserve(length as usize);
    file.take(max).read_to_end(bytes)?;
    Ok(())
}

/// Returns the error for a malformed data set file. Its message is the file name followed by
/// `problem`, or by the text that the file contains in place of data.
pub(crate) fn damaged(file: &Path, problem: impl std::fmt::Display) -> Error {
    damaged_with_hint(file, problem, "Copy or download the file again, or recreate it.")
}

/// Returns the error of [`damaged`] with another hint for a file that contains data.
pub(crate) fn damaged_with_hint(
    file: &Path,
    problem: impl std::fmt::Display,
    hint: impl Into<String>,
) -> Error {
    if let Some(content) = detect_other_content(file) {
        return other_content_error(file, content);
    }
    Error::new(ErrorCode::DataFormat, format!("{} {problem}", file.display()))
        .key("data")
        .file(file)
        .hint(hint)
}

/// Returns the error for a file that contains a text in place of data.
pub(crate) fn other_content_error(file: &Path, content: OtherContent) -> Error {
    Error::new(ErrorCode::DataFormat, format!("{} {}", file.display(), content.problem()))
        .key("data")
        .file(file)
        .hint(content.hint())
}

/// Returns the text that a file contains in place of data, if it does.
pub(crate) fn detect_other_content(file: &Path) -> Option<OtherContent> {
    let mut start = Vec::new();
    let file = open_file(file).ok()?;
    file.take(OTHER_CONTENT_BYTES as u64).read_to_end(&mut start).ok()?;
    OtherContent::detect(&start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_file_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, [7; 100]).unwrap();
        assert_eq!(read_file(&path, 100).unwrap(), [7; 100]);
        assert!(read_file(&path, 99).is_err());
        assert_eq!(open_file(&folder.path().join("y")).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(open_file(folder.path()).unwrap_err().to_string().contains("not a regular file"));
    }

    #[test]
    fn names_texts_in_place_of_data() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train-0.tar");
        std::fs::write(&path, "version https://git-lfs.github.com/spec/v1\noid sha256:0").unwrap();
        let error = damaged(&path, "is not a tar archive");
        assert!(error.message.ends_with("is a Git LFS pointer, not the file itself"), "{error}");
        assert_eq!(error.hint.as_deref(), Some("Run `git lfs pull` in the repository."));
        std::fs::write(&path, [7; 600]).unwrap();
        let error = damaged_with_hint(&path, "is not a tar archive", "Unpack it.");
        assert!(error.message.ends_with("train-0.tar is not a tar archive"), "{error}");
        assert_eq!(error.hint.as_deref(), Some("Unpack it."));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn refuses_devices() {
        let error = read_file(Path::new("/dev/zero"), 100).unwrap_err();
        assert!(error.to_string().contains("not a regular file"));
    }
}
