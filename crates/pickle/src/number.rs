//! The integers and floats of pickles.

use std::str::FromStr;

use crate::node::Node;
use crate::{Result, malformed};

/// Parses a decimal number.
pub(crate) fn from_line<T: FromStr>(line: &[u8]) -> Result<T> {
    let number = std::str::from_utf8(line).ok().and_then(|digits| digits.parse().ok());
    number.map_or_else(|| malformed("a number is invalid or out of range"), Ok)
}

/// Parses a decimal integer.
pub(crate) fn int_from_line(line: &[u8]) -> Result<Node> {
    let digits = line.strip_prefix(b"-").unwrap_or(line);
    let is_int = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    from_line(line).map(Node::Int).or_else(|error| {
        // An i128 has at most 39 digits.
        if is_int && digits.len() >= 39 { Ok(Node::LargeInt) } else { Err(error) }
    })
}

/// Converts a little-endian integer in two's complement.
pub(crate) fn from_twos_complement(bytes: &[u8]) -> Node {
    let Some(last) = bytes.last() else { return Node::Int(0) };
    let sign_extension = if last & 0x80 == 0 { 0 } else { 0xff };
    let mut padded = [sign_extension; 16];
    match padded.get_mut(..bytes.len()) {
        Some(low) => low.copy_from_slice(bytes),
        None => return Node::LargeInt,
    }
    Node::Int(i128::from_le_bytes(padded))
}
