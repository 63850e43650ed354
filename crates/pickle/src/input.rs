//! The bytes of a pickle. Memory is allocated only for bytes that were read, because a malicious
//! pickle can declare any length.

use std::io::{BufRead, ErrorKind, Read};

use crate::{Error, Result, malformed};

pub(crate) struct Input<'r, R> {
    reader: &'r mut R,
    /// Remaining number of bytes of strings and lines that may be read.
    remaining: usize,
}

impl<'r, R: BufRead> Input<'r, R> {
    pub fn new(reader: &'r mut R, max_bytes: usize) -> Self {
        Input { reader, remaining: max_bytes }
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(read_error)?;
        Ok(bytes)
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Reads a string of `length` bytes.
    pub fn bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        let remaining = usize::try_from(length).ok().and_then(|n| self.remaining.checked_sub(n));
        let Some(remaining) = remaining else {
            return Err(Error::LimitExceeded(format!("a string has {length} bytes")));
        };
        self.remaining = remaining;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length {
            Ok(bytes)
        } else {
            malformed(format!("a string of {length} bytes ends after {}", bytes.len()))
        }
    }

    /// Reads a line and returns it without its newline.
    pub fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        self.reader.by_ref().take(self.remaining as u64).read_until(b'\n', &mut line)?;
        self.remaining -= line.len();
        match line.pop() {
            Some(b'\n') => Ok(line),
            _ if self.remaining == 0 => Err(Error::LimitExceeded("a line is too long".into())),
            _ => malformed("it ends within a line"),
        }
    }

    pub fn utf8_line(&mut self) -> Result<String> {
        utf8(self.line()?)
    }
}

/// Decodes a str. Replaces surrogates, which Python encodes although UTF-8 does not contain them (in
/// names of files, for example), by U+FFFD.
pub(crate) fn utf8(bytes: Vec<u8>) -> Result<String> {
    let mut bytes = match String::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error.into_bytes(),
    };
    for at in 0..bytes.len().saturating_sub(2) {
        if let [0xed, 0xa0..=0xbf, 0x80..=0xbf] = bytes[at..at + 3] {
            bytes[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
        }
    }
    String::from_utf8(bytes).or_else(|_| malformed("a str is not UTF-8"))
}

fn read_error(cause: std::io::Error) -> Error {
    match cause.kind() {
        ErrorKind::UnexpectedEof => Error::Malformed("it is truncated".into()),
        _ => Error::Io(cause),
    }
}
