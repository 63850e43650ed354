//! What is no failure of the work itself: a panic, which is a defect of ours, but never the end of
//! the user's process; and work that was broken off.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use residual_spec::{Error, ErrorCode, Result};

/// Does `work`; a panic in it becomes `E_INTERNAL`.
pub fn catch_panic<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(defect(panic.as_ref())))
}

/// `None` for what ended because it was told to.
pub(crate) fn unless_broken_off<T>(done: Result<T>) -> Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.code == ErrorCode::Aborted => Ok(None),
        Err(error) => Err(error),
    }
}

fn defect(panic: &(dyn Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Error::new(ErrorCode::Internal, format!("residual failed by a defect of its own: {said}"))
        .hint("Please report it, with the configuration that led to it.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_says_what_it_said() {
        let error = catch_panic::<()>(|| panic!("index {} of {}", 3, 2)).unwrap_err();
        assert_eq!(error.code, ErrorCode::Internal);
        assert!(error.message.ends_with("index 3 of 2"));
    }
}
