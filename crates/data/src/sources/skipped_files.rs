//! Warnings about skipped files: the first few by name, then the number of the others.

use residual_spec::{Error, ErrorCode, WarningEvent};

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
        SkippedFiles::new(ErrorCode::Image, "more files are not readable images")
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
            message: error.message,
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
        assert_eq!(many[10].message, "15 more files are not readable images");
    }
}
