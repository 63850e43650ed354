//! The bytes of a pickle. A length is believed only as far as there are bytes for it.

use std::io::{BufRead, ErrorKind, Read};

use crate::{Error, Result, broken};

pub(crate) struct Input<'r, R> {
    from: &'r mut R,
    /// Bytes of strings that may still be read.
    left: usize,
}

impl<'r, R: BufRead> Input<'r, R> {
    pub fn new(from: &'r mut R, bytes: usize) -> Self {
        Input { from, left: bytes }
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes).map_err(cut)?;
        Ok(bytes)
    }

    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A string of a length that the pickle gives.
    pub fn bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        let Some(left) = usize::try_from(length).ok().and_then(|n| self.left.checked_sub(n)) else {
            return Err(Error::TooMuch(format!("a string of {length} bytes")));
        };
        self.left = left;
        let mut bytes = Vec::new();
        self.from.by_ref().take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length {
            Ok(bytes)
        } else {
            broken(format!("{} of a string's {length} bytes are there", bytes.len()))
        }
    }

    /// Up to the end of the line, without it.
    pub fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        self.from.by_ref().take(self.left as u64).read_until(b'\n', &mut line)?;
        self.left -= line.len();
        match line.pop() {
            Some(b'\n') => Ok(line),
            _ if self.left == 0 => Err(Error::TooMuch("a line without an end".into())),
            _ => broken("it ends within a line"),
        }
    }

    /// A line of text.
    pub fn text_line(&mut self) -> Result<String> {
        text(self.line()?)
    }
}

pub(crate) fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).or_else(|_| broken("a text that is not UTF-8"))
}

fn cut(cause: std::io::Error) -> Error {
    match cause.kind() {
        ErrorKind::UnexpectedEof => Error::Broken("it is cut short".into()),
        _ => Error::Io(cause),
    }
}
