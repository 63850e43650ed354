//! Files with class names beside the data.

use std::collections::HashSet;
use std::path::Path;

use residual_spec::{Error, ErrorCode, Result};

use crate::sources::files::read_file;

/// Maximum size of a names file.
const MAX_BYTES: u64 = 16 << 20;

/// Reads one name per line and skips blank lines. Returns `None` if the file does not exist.
///
/// # Errors
/// `E_IO`; `E_DATA_FORMAT` for a file without names, with a duplicate name, or above 16 MiB.
pub(crate) fn read_class_names(file: &Path) -> Result<Option<Vec<String>>> {
    let bytes = match read_file(file, MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::read(file, &cause)),
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut names: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let name = line.trim();
        if name.is_empty() {
            continue;
        }
        if !seen.insert(name) {
            let message = format!("{} lists the class '{name}' twice", file.display());
            return Err(Error::new(ErrorCode::DataFormat, message)
                .file(file)
                .line(number as u32 + 1)
                .hint("Write each class name once, one name per line, in the order of labels."));
        }
        names.push(name.into());
    }
    if names.is_empty() {
        let message = format!("{} has no class names", file.display());
        return Err(Error::new(ErrorCode::DataFormat, message)
            .file(file)
            .hint("Write one name per line, in the order of labels, or remove the file."));
    }
    Ok(Some(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Vec<String>>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("classes.txt");
        std::fs::write(&file, text).unwrap();
        read_class_names(&file)
    }

    #[test]
    fn reads_one_name_per_line() {
        let names = read("\u{feff}T-shirt/top\r\nAnkle boot\r\n\n").unwrap().unwrap();
        assert_eq!(names, ["T-shirt/top", "Ankle boot"]);
    }

    #[test]
    fn refuses_a_duplicate_name_with_its_line() {
        let error = read("ant\nbee\nant\n").unwrap_err();
        assert_eq!((error.code, error.at.line), (ErrorCode::DataFormat, Some(3)));
    }

    #[test]
    fn a_missing_file_is_none_and_an_empty_file_refused() {
        assert_eq!(read_class_names(Path::new("no/such/classes.txt")).unwrap(), None);
        assert_eq!(read("\n").unwrap_err().code, ErrorCode::DataFormat);
    }
}
