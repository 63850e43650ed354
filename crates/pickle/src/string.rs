//! The string encodings of protocol 0, and Latin-1.

use crate::{Result, malformed};

/// Parses the `repr` of a Python 2 byte string, with its quotes.
pub(crate) fn from_repr(line: &[u8]) -> Result<Vec<u8>> {
    let inner = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return malformed("a string has no quotes"),
    };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(escaped @ (b'\\' | b'\'' | b'"')) => escaped,
            Some(b'x') => match hex(&mut rest, 2).map(u8::try_from) {
                Some(Ok(byte)) => byte,
                _ => return malformed("a string has an invalid \\x escape"),
            },
            _ => return malformed("a string has an unknown escape"),
        });
    }
    Ok(bytes)
}

/// Decodes Python's `raw-unicode-escape`: Latin-1 with `\uXXXX` and `\UXXXXXXXX` escapes.
pub(crate) fn from_raw_unicode(line: &[u8]) -> Result<String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        let digits = match (byte, rest.peek()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(byte));
                continue;
            }
        };
        rest.next();
        match hex(&mut rest, digits).and_then(char::from_u32) {
            Some(char) => text.push(char),
            None => return malformed("a str has an invalid \\u escape"),
        }
    }
    Ok(text)
}

/// Encodes a string as Latin-1; `None` if it contains other characters.
pub(crate) fn to_latin_1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|char| u8::try_from(u32::from(char)).ok()).collect()
}

fn hex(bytes: &mut impl Iterator<Item = u8>, digits: usize) -> Option<u32> {
    (0..digits).try_fold(0_u32, |value, _| {
        let digit = char::from(bytes.next()?).to_digit(16)?;
        Some(value << 4 | digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_repr_of_python_2_strings() {
        assert_eq!(from_repr(br"'a\x00\n\'\\\xff'").unwrap(), b"a\x00\n'\\\xff");
        assert_eq!(from_repr(br#""it's""#).unwrap(), b"it's");
        for invalid in [&b"'"[..], b"a", b"'a", br"'\'", br"'\xg0'", br"'\q'", br"'\x1'"] {
            assert!(from_repr(invalid).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn decodes_raw_unicode_escapes() {
        let decoded = from_raw_unicode(b"na\xefve \\u20ac \\U0001f41d \\d").unwrap();
        assert_eq!(decoded, "naïve € 🐝 \\d");
        for invalid in [&b"\\u12"[..], b"\\ud800", b"\\Uffffffff"] {
            assert!(from_raw_unicode(invalid).is_err());
        }
    }
}
