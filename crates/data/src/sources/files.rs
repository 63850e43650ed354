//! Reading of regular files. Pipes and devices are refused: opening a pipe blocks until a process
//! writes to it, and a device may be endless.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use residual_spec::{Error, ErrorCode};

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
/// `problem`.
pub(crate) fn damaged(file: &Path, problem: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::DataFormat, format!("{} {problem}", file.display()))
        .key("data")
        .file(file)
        .hint("Copy or download the file again, or recreate it.")
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

    #[cfg(target_os = "linux")]
    #[test]
    fn refuses_devices() {
        let error = read_file(Path::new("/dev/zero"), 100).unwrap_err();
        assert!(error.to_string().contains("not a regular file"));
    }
}
