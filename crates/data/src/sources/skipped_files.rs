//! What a data set has and cannot be used, as warnings: the first few by name, the rest counted.

use residual_spec::{Error, ErrorCode, WarningEvent};

/// So many are named.
const NAMED: usize = 10;

pub(crate) struct SkippedFiles {
    code: ErrorCode,
    /// What is said of those that are only counted, after their number.
    counted: &'static str,
    warnings: Vec<WarningEvent>,
    more: usize,
}

impl SkippedFiles {
    /// Files that are no images.
    pub fn files() -> SkippedFiles {
        SkippedFiles::new(ErrorCode::Image, "more files are no readable images")
    }

    /// Members of shards that belong to no sample.
    pub fn members() -> SkippedFiles {
        SkippedFiles::new(ErrorCode::DataFormat, "more members of shards were left out")
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
    fn ten_are_named_and_the_rest_is_counted() {
        let left_out = |count: usize| {
            let mut left_out = SkippedFiles::files();
            for number in 0..count {
                let why = Error::new(ErrorCode::Image, format!("{number} is broken"));
                left_out.add(why.file(format!("{number}.jpg")).hint("Mend it."));
            }
            left_out.warnings()
        };
        assert!(left_out(0).is_empty());
        assert_eq!(left_out(10).len(), 10);
        assert_eq!(left_out(10)[3].file.as_deref(), Some("3.jpg"));
        let many = left_out(25);
        assert_eq!(many.len(), 11);
        assert_eq!(many[10].message, "15 more files are no readable images");
    }
}
