//! Python pickles of protocols 0 to 5, parsed without executing them.
//!
//! A pickle is a program for a stack machine that can import and call any Python function. This
//! crate imports and executes nothing: a global is only its name. Calls that create built-in
//! containers or bytes are evaluated (`globals`), all other calls are recorded as objects with
//! their arguments, so that callers can ignore them.
//!
//! Values are nodes of one table and refer to each other by index (`node`), so nested, shared and
//! recursive values need no recursion. [`Limits`] bound the cost of a malicious pickle.

mod globals;
mod input;
mod limits;
mod node;
mod number;
mod numpy;
mod opcode;
mod printable;
mod reduce;
mod stack;
mod string;
mod unpickler;
mod value;

pub use limits::Limits;
pub use numpy::Array;
pub use printable::printable;
pub use unpickler::read;
pub use value::{Pickle, Value};

/// Error of a pickle. The message has no subject, so that callers can prepend the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input is not a pickle, or is damaged.
    #[error("is not a valid pickle: {0}")]
    Malformed(String),
    /// The pickle exceeds [`Limits`].
    #[error("exceeds the limits for pickles: {0}")]
    LimitExceeded(String),
    #[error("could not be read: {0}")]
    Io(#[from] std::io::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

pub(crate) fn malformed<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::Malformed(message.into()))
}
