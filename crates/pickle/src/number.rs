//! The integers and floats of pickles.

use std::str::FromStr;

use crate::{Result, malformed};

/// Parses a decimal number.
pub(crate) fn from_line<T: FromStr>(line: &[u8]) -> Result<T> {
    let number = std::str::from_utf8(line).ok().and_then(|digits| digits.parse().ok());
    number.map_or_else(|| malformed("a number is invalid or out of range"), Ok)
}

/// Converts a little-endian integer in two's complement of at most 16 bytes.
pub(crate) fn from_twos_complement(bytes: &[u8]) -> Result<i128> {
    let Some(last) = bytes.last() else { return Ok(0) };
    let sign_extension = if last & 0x80 == 0 { 0 } else { 0xff };
    let mut padded = [sign_extension; 16];
    match padded.get_mut(..bytes.len()) {
        Some(low) => low.copy_from_slice(bytes),
        None => return malformed(format!("an int has {} bytes; the limit is 16", bytes.len())),
    }
    Ok(i128::from_le_bytes(padded))
}
