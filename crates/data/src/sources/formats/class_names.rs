//! Class names: the files that list them beside the data, their normal form, and their comparison.

use std::collections::HashSet;
use std::path::Path;

use residual_spec::{Error, ErrorCode, OtherContent, Result, Split, nearest};
use unicode_normalization::UnicodeNormalization;

use crate::sources::files::{other_content_error, read_file};

/// Maximum size of a names file.
const MAX_BYTES: u64 = 16 << 20;

/// Reads one name per line and skips blank lines. Returns `None` if the file does not exist.
///
/// # Errors
/// `E_IO`; `E_DATA_FORMAT` for a file without names, with a duplicate name, or above 16 MiB, and for
/// a Git LFS pointer or web page in its place.
pub(crate) fn read_class_names(file: &Path) -> Result<Option<Vec<String>>> {
    let bytes = match read_file(file, MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::read(file, &cause)),
    };
    if let Some(content) =
        OtherContent::detect(&bytes).filter(|content| *content != OtherContent::Empty)
    {
        return Err(other_content_error(file, content));
    }
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

/// Returns a class name in Unicode's composed form (NFC). macOS writes file names in the decomposed
/// form, so that folders of one class may have names of different bytes.
pub(crate) fn normalize_class_name(name: &str) -> String {
    name.nfc().collect()
}

/// Returns the `E_DATA_UNUSABLE` error for a class that the training split does not have.
pub(crate) fn unknown_class(split: Split, name: &str, classes: &[String]) -> Error {
    let split = split.as_str();
    let message =
        format!("the {split} split has the class '{name}', which the train split does not have");
    let is_same = |class: &&String| fold_class_name(class) == fold_class_name(name);
    let hint = match classes.iter().find(is_same) {
        Some(class) => {
            format!("The train split has '{class}': use the same upper and lower case and spaces.")
        }
        None => match nearest(name, classes.iter().map(String::as_str)) {
            Some(class) => format!("Did you mean '{class}'? Use the same names in every split."),
            None => "Use the same class names in every split.".into(),
        },
    };
    Error::new(ErrorCode::DataUnusable, message).key("data").hint(hint)
}

/// Returns a class name in lower case without surrounding spaces, to compare it with other names.
pub(crate) fn fold_class_name(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_for_an_unknown_class_names_the_most_similar_class() {
        let classes = ["cat".to_string(), "dog".to_string()];
        let hint = |name: &str| unknown_class(Split::Val, name, &classes).hint.unwrap();
        assert!(hint("Cat").starts_with("The train split has 'cat'"));
        assert!(hint("cat ").starts_with("The train split has 'cat'"));
        assert!(hint("dogs").starts_with("Did you mean 'dog'?"));
        assert_eq!(hint("elephant"), "Use the same class names in every split.");
    }

    #[test]
    fn composed_and_decomposed_names_are_equal() {
        assert_eq!(normalize_class_name("cafe\u{301}"), "caf\u{e9}");
        assert_eq!(normalize_class_name("\u{e9}te\u{301}"), "\u{e9}t\u{e9}");
    }

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
    fn refuses_a_git_lfs_pointer() {
        let error = read("version https://git-lfs.github.com/spec/v1\noid sha256:0\n").unwrap_err();
        assert!(error.message.ends_with("is a Git LFS pointer, not the file itself"), "{error}");
        assert_eq!(error.code, ErrorCode::DataFormat);
    }

    #[test]
    fn a_missing_file_is_none_and_an_empty_file_refused() {
        assert_eq!(read_class_names(Path::new("no/such/classes.txt")).unwrap(), None);
        assert_eq!(read("\n").unwrap_err().code, ErrorCode::DataFormat);
    }
}
