//! How protocol 0 writes strings.

use crate::{Result, broken};

/// Python 2's `repr` of a byte string, quotes included.
pub(crate) fn quoted(line: &[u8]) -> Result<Vec<u8>> {
    let inner = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return broken("a string without quotes"),
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
            Some(same @ (b'\\' | b'\'' | b'"')) => same,
            Some(b'x') => match hex(&mut rest, 2).map(u8::try_from) {
                Some(Ok(byte)) => byte,
                _ => return broken("a string with a broken \\x"),
            },
            _ => return broken("a string with an unknown escape"),
        });
    }
    Ok(bytes)
}

/// Python's `raw-unicode-escape`: Latin-1, with `\uXXXX` and `\UXXXXXXXX`.
pub(crate) fn raw_unicode(line: &[u8]) -> Result<String> {
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
            Some(letter) => text.push(letter),
            None => return broken("a text with a broken \\u"),
        }
    }
    Ok(text)
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
    fn a_quoted_string_is_read_as_python_wrote_it() {
        assert_eq!(quoted(br"'a\x00\n\'\\\xff'").unwrap(), b"a\x00\n'\\\xff");
        assert_eq!(quoted(br#""it's""#).unwrap(), b"it's");
        for wrong in [&b"'"[..], b"a", b"'a", br"'\'", br"'\xg0'", br"'\q'", br"'\x1'"] {
            assert!(quoted(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_raw_text_is_latin_1_with_escapes() {
        assert_eq!(raw_unicode(b"na\xefve \\u20ac \\U0001f41d \\d").unwrap(), "naïve € 🐝 \\d");
        for wrong in [&b"\\u12"[..], b"\\ud800", b"\\Uffffffff"] {
            assert!(raw_unicode(wrong).is_err());
        }
    }
}
