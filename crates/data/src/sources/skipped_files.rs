//! Warnings about files that are skipped: the first few by name, then their number.

use residual_spec::{Error, ErrorCode, WarningEvent};

/// The number of files reported by name.
const NAMED: usize = 10;

pub(crate) struct SkippedFiles {
    code: ErrorCode,
    /// The text after the number of files that are not reported by name.
    counted: &'static str,
    warnings: Vec<WarningEvent>,
    more: usize,
}

impl SkippedFiles {
    /// Files that are no images.
    pub fn files() -> SkippedFiles {
        SkippedFiles::new(ErrorCode::Image, "more files are not readable images")
    }

    /// Members of shards that belong to no sample.
    pub fn members() -> SkippedFiles {
        SkippedFiles::new(ErrorCode::DataFormat, "more members of shards were skipped")
    }

    fn new(code: ErrorCode, counted: &'static str) -> SkippedFiles {
        SkippedFiles { code, counted, warnings: Vec::new(), more: 0 }
    }

    pub fn add(&mut self, why: Error) {
        if self.warnings.len() == NAMED {
            self.more += 1;
            return;
        }
        self.warnings.push(WarningEvent {
            code: self.code,
            message: why.message,
            file: why.at.file,
            hint: why.hint,
        });
    }

    pub fn warnings(mut self) -> Vec<WarningEvent> {
        if self.more > 0 {
            let message = format!("{} {}", self.more, self.counted);
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
                let why = Error::new(ErrorCode::Image, format!("{number} is broken"));
                skipped.add(why.file(format!("{number}.jpg")).hint("Mend it."));
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
