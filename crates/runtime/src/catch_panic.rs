//! Conversions of panics and cancellations.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use residual_spec::{Error, ErrorCode, Result};

/// Runs `work` and converts a panic to `E_INTERNAL`. A panic is a bug of residual and must not end
/// the user's process.
pub fn catch_panic<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(internal(panic.as_ref())))
}

/// Converts `E_ABORTED` to `None`.
pub(crate) fn none_if_cancelled<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code == ErrorCode::Aborted => Ok(None),
        Err(error) => Err(error),
    }
}

fn internal(panic: &(dyn Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Error::new(ErrorCode::Internal, format!("internal error (a bug in residual): {message}"))
        .hint("Please report this error with the configuration of the run.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_a_panic_to_an_error_with_its_message() {
        let error = catch_panic::<()>(|| panic!("index {} of {}", 3, 2)).unwrap_err();
        assert_eq!(error.code, ErrorCode::Internal);
        assert!(error.message.ends_with("index 3 of 2"));
    }
}
