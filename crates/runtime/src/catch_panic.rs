//! Conversions of panics and cancellations.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use residual_spec::{Error, ErrorCode, Result};

/// Runs `work` and turns a panic into `E_INTERNAL`. A panic is a bug of this program and must not
/// end the user's process.
pub fn catch_panic<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(internal(panic.as_ref())))
}

/// Turns `E_ABORTED` into `None`.
pub(crate) fn none_if_cancelled<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(done) => Ok(Some(done)),
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
        .hint("Please report it, with the configuration that led to it.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_a_panic_into_an_error_with_its_message() {
        let error = catch_panic::<()>(|| panic!("index {} of {}", 3, 2)).unwrap_err();
        assert_eq!(error.code, ErrorCode::Internal);
        assert!(error.message.ends_with("index 3 of 2"));
    }
}
