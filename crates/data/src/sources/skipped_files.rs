//! Warnings about skipped files: the first few by name, then the number of the others. Counts of
//! unreadable files by cause.

use std::collections::BTreeMap;
use std::path::Path;

use residual_spec::{Error, ErrorCode, OtherContent, WarningEvent};

use crate::decode::header::HeaderError;

/// The number of files reported by name.
const MAX_NAMED: usize = 10;

/// Collects warnings about skipped files.
pub(crate) struct SkippedFiles {
    code: ErrorCode,
    /// The text after the number of files that are not reported by name.
    summary: &'static str,
    warnings: Vec<WarningEvent>,
    /// The number of files that are not reported by name.
    unnamed: usize,
}

impl SkippedFiles {
    /// Collects warnings about files that are not readable images.
    pub fn files() -> SkippedFiles {
        SkippedFiles::new(ErrorCode::Image, "more files are not readable images; skipped")
    }

    /// Collects warnings about members of shards that do not belong to a sample.
    pub fn members() -> SkippedFiles {
        SkippedFiles::new(ErrorCode::DataFormat, "more members of shards were skipped")
    }

    fn new(code: ErrorCode, summary: &'static str) -> SkippedFiles {
        SkippedFiles { code, summary, warnings: Vec::new(), unnamed: 0 }
    }

    /// Adds the error for which a file is skipped.
    pub fn add(&mut self, error: Error) {
        if self.warnings.len() == MAX_NAMED {
            self.unnamed += 1;
            return;
        }
        self.warnings.push(WarningEvent {
            code: self.code,
            message: error.message + "; skipped",
            file: error.at.file,
            hint: error.hint,
        });
    }

    pub fn warnings(mut self) -> Vec<WarningEvent> {
        if self.unnamed > 0 {
            let message = format!("{} {}", self.unnamed, self.summary);
            self.warnings.push(WarningEvent { code: self.code, message, file: None, hint: None });
        }
        self.warnings
    }
}

/// The maximum number of causes that a message names.
const MAX_CAUSES: usize = 3;

/// Counts files that are not readable images, by cause.
#[derive(Default)]
pub(crate) struct UnreadableFiles {
    causes: BTreeMap<String, usize>,
    has_unsupported: bool,
    /// The content of the first text file in place of an image.
    other_content: Option<OtherContent>,
}

impl UnreadableFiles {
    /// Counts a file by the cause of `error`. `name` is its path.
    pub fn add(&mut self, name: &Path, error: &HeaderError) {
        let cause = match error {
            HeaderError::Unsupported(format) => {
                self.has_unsupported = true;
                format!("{format} images")
            }
            HeaderError::UnsupportedJpeg(coding) => {
                self.has_unsupported = true;
                format!("JPEGs with {coding}")
            }
            HeaderError::OtherContent(content) => {
                self.other_content.get_or_insert(*content);
                content.plural().into()
            }
            HeaderError::Unknown => match name.extension().and_then(|extension| extension.to_str())
            {
                Some(extension) => format!(".{extension} files that are not images"),
                None => "files that are not images".into(),
            },
            HeaderError::Damaged(_) => "damaged images".into(),
            HeaderError::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                "symbolic links to missing files".into()
            }
            HeaderError::Io(_) => "files that cannot be read".into(),
        };
        *self.causes.entry(cause).or_default() += 1;
    }

    /// Adds the counts of `other`.
    pub fn extend(&mut self, other: &UnreadableFiles) {
        self.has_unsupported |= other.has_unsupported;
        self.other_content = self.other_content.or(other.other_content);
        for (cause, count) in &other.causes {
            *self.causes.entry(cause.clone()).or_default() += count;
        }
    }

    /// Describes the files by their most common causes, as in `WebP images (8), damaged images
    /// (2)`. Returns `None` without files.
    pub fn describe(&self) -> Option<String> {
        let mut causes: Vec<(&String, usize)> =
            self.causes.iter().map(|(cause, &count)| (cause, count)).collect();
        causes.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let named =
            causes.iter().take(MAX_CAUSES).map(|(cause, count)| format!("{cause} ({count})"));
        let rest: usize = causes.iter().skip(MAX_CAUSES).map(|(_, count)| count).sum();
        let rest = (rest > 0).then(|| format!("other files ({rest})"));
        let parts: Vec<String> = named.chain(rest).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Returns the hint of an error about the files.
    pub fn hint(&self) -> &'static str {
        if let Some(content) = self.other_content {
            content.hint()
        } else if self.has_unsupported {
            "Convert the images to JPEG or PNG, for example with ImageMagick: `magick mogrify \
             -format png *`."
        } else {
            "Replace the files by JPEG or PNG images."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_files_are_named_and_the_rest_counted() {
        let skipped = |count: usize| {
            let mut skipped = SkippedFiles::files();
            for number in 0..count {
                let error = Error::new(ErrorCode::Image, format!("{number} is damaged"));
                skipped.add(error.file(format!("{number}.jpg")).hint("Replace the file."));
            }
            skipped.warnings()
        };
        assert!(skipped(0).is_empty());
        assert_eq!(skipped(10).len(), 10);
        assert_eq!(skipped(10)[3].file.as_deref(), Some("3.jpg"));
        let many = skipped(25);
        assert_eq!(many.len(), 11);
        assert_eq!(many[10].message, "15 more files are not readable images; skipped");
    }

    #[test]
    fn unreadable_files_are_described_by_their_most_common_causes() {
        let mut files = UnreadableFiles::default();
        assert_eq!(files.describe(), None);
        for _ in 0..8 {
            files.add(Path::new("a.jpg"), &HeaderError::Unsupported("WebP"));
        }
        files.add(Path::new("a.npy"), &HeaderError::Unknown);
        files.add(Path::new("b.npy"), &HeaderError::Unknown);
        let text = "WebP images (8), .npy files that are not images (2)";
        assert_eq!(files.describe().unwrap(), text);
        files.add(Path::new("b"), &HeaderError::Unknown);
        files.add(Path::new("b.png"), &HeaderError::Damaged("truncated".into()));
        assert!(files.describe().unwrap().ends_with(", other files (1)"));
        assert!(files.hint().starts_with("Convert"));
        let pointer = HeaderError::OtherContent(OtherContent::LfsPointer);
        files.add(Path::new("c.jpg"), &pointer);
        files.add(Path::new("d.jpg"), &pointer);
        assert!(files.describe().unwrap().contains("Git LFS pointers (2)"));
        assert_eq!(files.hint(), "Run `git lfs pull` in the repository.");
    }
}
