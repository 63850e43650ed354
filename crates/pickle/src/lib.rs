//! Python's pickles, protocols 0 to 5, read without doing anything that they say.
//!
//! A pickle is a program: Python runs whatever function it names. Here a function that is named is
//! only written down, and only if it is on a short list (`globals`) of those whose meaning is
//! known: tensors, arrays, dictionaries. Every other one is refused by its name.
//!
//! What is read lies in one table of nodes that name each other by number. So a value may be
//! nested, shared or part of itself without any recursion, in reading as in freeing; and [`Limits`]
//! bound what a file of lies can cost.

mod escape;
mod globals;
mod input;
mod limits;
mod machine;
mod numpy;
mod value;

pub use limits::Limits;
pub use machine::read;
pub use numpy::Array;
pub use value::{Pickle, Value};

/// Why a pickle was not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is one, but wants something done that only Python may do.
    #[error("asks Python to call {0}: refused")]
    Call(String),
    /// It is none, or contradicts itself.
    #[error("is not a whole pickle: {0}")]
    Broken(String),
    /// It is more than the limits allow.
    #[error("is more than is read of a pickle: {0}")]
    TooMuch(String),
    #[error("could not be read: {0}")]
    Io(#[from] std::io::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

pub(crate) fn broken<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::Broken(what.into()))
}
