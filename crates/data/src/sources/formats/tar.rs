//! Indexes the members of a tar archive (POSIX ustar and pax, GNU long names) without unpacking it.
//! Every size is checked against the length of the file before it is used.

use std::io::{BufReader, Read, Seek, SeekFrom};

const BLOCK: u64 = 512;
/// Maximum size of a long name or a pax header in bytes.
const MAX_EXTENSION_BYTES: u64 = 1 << 16;

/// A regular file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The name, with invalid UTF-8 replaced.
    pub name: String,
    /// Offset from the start of the archive.
    pub offset: u64,
    pub bytes: u64,
}

/// An entry of an archive, or its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    File(Member),
    Folder,
    /// Description and name of another type of entry.
    Other(&'static str, String),
    /// The end of the archive.
    End {
        has_end_marker: bool,
    },
}

/// Reads the headers of an archive in order.
pub(crate) struct Tar<R> {
    file: BufReader<R>,
    length: u64,
    position: u64,
}

/// An error of reading an archive. The text of `Malformed` follows the name of the archive.
pub(crate) enum TarError {
    Io(std::io::Error),
    Malformed(String),
}

impl From<std::io::Error> for TarError {
    fn from(cause: std::io::Error) -> Self {
        match cause.kind() {
            std::io::ErrorKind::UnexpectedEof => TarError::Malformed("is truncated".into()),
            _ => TarError::Io(cause),
        }
    }
}

fn malformed<T>(problem: impl Into<String>) -> Result<T, TarError> {
    Err(TarError::Malformed(problem.into()))
}

impl<R: Read + Seek> Tar<R> {
    pub fn new(mut file: R) -> std::io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        Ok(Tar { file: BufReader::with_capacity(4096, file), length, position: 0 })
    }

    /// Reads the next header and skips the content.
    pub fn next(&mut self) -> Result<Entry, TarError> {
        let (mut long_name, mut long_size) = (None, None);
        loop {
            if self.position >= self.length {
                return Ok(Entry::End { has_end_marker: false });
            }
            let offset = self.position + BLOCK;
            let mut header = [0; BLOCK as usize];
            self.file.read_exact(&mut header)?;
            if header == [0; BLOCK as usize] {
                return Ok(Entry::End { has_end_marker: true });
            }
            verify_checksum(&header, self.position)?;
            let type_flag = header[156];
            // The `size` of a pax header applies to the next file, not to another extension header.
            let is_extension = matches!(type_flag, b'x' | b'g' | b'L' | b'K');
            let size = match long_size.filter(|_| !is_extension) {
                Some(size) => size,
                None => parse_number(&header[124..136]).ok_or_else(|| {
                    TarError::Malformed(format!("has no size at byte {}", self.position))
                })?,
            };
            let end = offset.checked_add(size).filter(|&end| end <= self.length);
            let Some(end) = end else {
                let name = long_name.unwrap_or_else(|| short_name(&header));
                return malformed(format!("is truncated: '{name}' has {size} bytes"));
            };
            if is_extension {
                if size > MAX_EXTENSION_BYTES {
                    return malformed(format!(
                        "has a name of {size} bytes at byte {}",
                        self.position
                    ));
                }
                let mut text = vec![0; size as usize];
                self.file.read_exact(&mut text)?;
                match type_flag {
                    b'L' => long_name = Some(parse_text(&text)),
                    b'x' => parse_pax(&text, &mut long_name, &mut long_size)?,
                    // Global (g), or the target of a link (K).
                    _ => {}
                }
            }
            let next = end.next_multiple_of(BLOCK).min(self.length);
            let current = if is_extension { end } else { offset };
            self.file.seek_relative((next - current) as i64)?;
            self.position = next;
            if is_extension {
                continue;
            }
            let name = long_name.take().unwrap_or_else(|| short_name(&header));
            let description = match type_flag {
                b'0' | 0 | b'7' if name.ends_with('/') => return Ok(Entry::Folder),
                b'0' | 0 | b'7' => {
                    return Ok(Entry::File(Member { name, offset, bytes: size }));
                }
                b'5' => return Ok(Entry::Folder),
                b'1' => "a link",
                b'2' => "a symbolic link",
                b'3' | b'4' => "a device",
                b'6' => "a pipe",
                b'S' => "a sparse file",
                _ => "of an unsupported type",
            };
            return Ok(Entry::Other(description, name));
        }
    }

    /// Reads a member of at most `max` bytes. Does not change the entry that `next` returns.
    pub fn read(&mut self, member: &Member, max: u64) -> Result<Vec<u8>, TarError> {
        if member.bytes > max {
            let Member { name, bytes, .. } = member;
            return malformed(format!(
                "has {bytes} bytes in '{name}', more than the limit of {max}"
            ));
        }
        let position = self.position as i64;
        self.file.seek_relative(member.offset as i64 - position)?;
        let mut bytes = vec![0; member.bytes as usize];
        self.file.read_exact(&mut bytes)?;
        self.file.seek_relative(position - (member.offset + member.bytes) as i64)?;
        Ok(bytes)
    }
}

fn verify_checksum(header: &[u8; BLOCK as usize], position: u64) -> Result<(), TarError> {
    let field = 148..156;
    let byte = |(i, &byte): (usize, &u8)| if field.contains(&i) { b' ' } else { byte };
    let sum: u64 = header.iter().enumerate().map(byte).map(u64::from).sum();
    match parse_number(&header[field.clone()]) {
        Some(stored) if stored == sum => Ok(()),
        _ if position == 0 && is_compressed(header) => {
            malformed("is a compressed archive; only plain .tar archives are supported")
        }
        _ if position == 0 => malformed("is not a tar archive"),
        _ => malformed(format!("is damaged at byte {position}")),
    }
}

/// Returns whether a file starts with the signature of gzip, bzip2, xz, Zstandard or ZIP.
fn is_compressed(start: &[u8]) -> bool {
    let signatures: [&[u8]; 5] =
        [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"];
    signatures.iter().any(|signature| start.starts_with(signature))
}

/// Parses an octal number padded with spaces or NULs, or a big-endian number (GNU extension).
fn parse_number(field: &[u8]) -> Option<u64> {
    if let [first, rest @ ..] = field
        && first & 0x80 != 0
    {
        let (high, low) = rest.split_at(rest.len().checked_sub(8)?);
        let small = *first == 0x80 && high.iter().all(|&byte| byte == 0);
        return small.then(|| u64::from_be_bytes(low.try_into().expect("eight bytes")));
    }
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(digits.len());
    let digits = std::str::from_utf8(&digits[..end]).ok()?;
    match digits {
        "" => Some(0),
        _ if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            u64::from_str_radix(digits, 8).ok()
        }
        _ => None,
    }
}

/// Decodes a field up to the first NUL byte.
fn parse_text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Returns the name in the header, with the prefix of the ustar format.
fn short_name(header: &[u8; BLOCK as usize]) -> String {
    let name = parse_text(&header[..100]);
    if &header[257..263] == b"ustar\0" && header[345] != 0 {
        format!("{}/{name}", parse_text(&header[345..500]))
    } else {
        name
    }
}

/// Parses pax records `length key=value\n`. The length is that of the record, including its own
/// digits.
fn parse_pax(
    mut text: &[u8],
    name: &mut Option<String>,
    size: &mut Option<u64>,
) -> Result<(), TarError> {
    while !text.is_empty() {
        let record = || {
            let space = text.iter().take(8).position(|&byte| byte == b' ')?;
            let length: usize = std::str::from_utf8(&text[..space]).ok()?.parse().ok()?;
            let record = text.get(space + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|&byte| byte == b'=')?;
            Some((length, &record[..equals], &record[equals + 1..]))
        };
        let Some((length, key, value)) = record() else {
            return malformed("has a damaged pax header");
        };
        match key {
            b"path" => *name = Some(parse_text(value)),
            b"size" => {
                let value = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
                let Some(value) = value else { return malformed("has a damaged pax header") };
                *size = Some(value);
            }
            _ => {}
        }
        text = &text[length..];
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Cursor;

    use super::*;

    /// Returns an entry as `tar` writes it, with `size` in the header.
    pub fn entry_with_size(type_flag: u8, name: &str, bytes: &[u8], size: u64) -> Vec<u8> {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        header[156] = type_flag;
        header[257..263].copy_from_slice(b"ustar\0");
        write_checksum(&mut header);
        let mut entry = header.to_vec();
        entry.extend_from_slice(bytes);
        entry.resize(entry.len().next_multiple_of(512), 0);
        entry
    }

    fn write_checksum(header: &mut [u8]) {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    pub fn entry(type_flag: u8, name: &str, bytes: &[u8]) -> Vec<u8> {
        entry_with_size(type_flag, name, bytes, bytes.len() as u64)
    }

    /// Returns an archive of files.
    pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive: Vec<u8> =
            files.iter().flat_map(|(name, bytes)| entry(b'0', name, bytes)).collect();
        archive.resize(archive.len() + 1024, 0);
        archive
    }

    fn entries(bytes: &[u8]) -> Result<Vec<Entry>, String> {
        let mut tar = Tar::new(Cursor::new(bytes)).unwrap();
        let mut entries = Vec::new();
        loop {
            match tar.next() {
                Ok(end @ Entry::End { .. }) => {
                    entries.push(end);
                    return Ok(entries);
                }
                Ok(entry) => entries.push(entry),
                Err(TarError::Malformed(problem)) => return Err(problem),
                Err(TarError::Io(cause)) => panic!("{cause}"),
            }
        }
    }

    fn file(name: &str, offset: u64, bytes: u64) -> Entry {
        Entry::File(Member { name: name.into(), offset, bytes })
    }

    const END: Entry = Entry::End { has_end_marker: true };

    #[test]
    fn finds_files_and_their_offsets() {
        let bytes = archive(&[("a.jpg", &[7; 600]), ("b.cls", b"3"), ("empty", b"")]);
        let found = entries(&bytes).unwrap();
        assert_eq!(
            found,
            [file("a.jpg", 512, 600), file("b.cls", 2048, 1), file("empty", 3072, 0), END]
        );
        let mut tar = Tar::new(Cursor::new(&bytes)).unwrap();
        let Ok(Entry::File(first)) = tar.next() else { panic!() };
        assert!(tar.read(&first, 599).is_err());
        assert!(tar.read(&first, 600).is_ok_and(|bytes| bytes == [7; 600]));
        assert!(tar.next().is_ok_and(|entry| entry == file("b.cls", 2048, 1)));
    }

    #[test]
    fn reads_gnu_pax_and_ustar_long_names() {
        let long = "x".repeat(300);
        let gnu = [entry(b'L', "././@LongLink", long.as_bytes()), entry(b'0', "cut", b"1")];
        assert_eq!(entries(&gnu.concat()).unwrap()[0], file(&long, 1536, 1));
        let record = format!("{} path={long}\n9 size=1\n", 300 + 10);
        let pax = [entry(b'x', "pax", record.as_bytes()), entry_with_size(b'0', "cut", b"1", 0)];
        assert_eq!(entries(&pax.concat()).unwrap()[0], file(&long, 1536, 1));
        let mut split = entry(b'0', "name", b"1");
        split[345..351].copy_from_slice(b"folder");
        write_checksum(&mut split[..512]);
        assert_eq!(entries(&split).unwrap()[0], file("folder/name", 512, 1));
    }

    #[test]
    fn distinguishes_entry_types() {
        let all = [
            entry(b'5', "folder/", b""),
            entry(b'2', "s", b""),
            entry(b'1', "l", b""),
            entry(b'3', "tty", b""),
            entry(b'g', "all", b"11 comment=x"),
        ];
        let found = entries(&all.concat()).unwrap();
        assert_eq!(found[0], Entry::Folder);
        assert_eq!(found[1], Entry::Other("a symbolic link", "s".into()));
        assert_eq!(found[3], Entry::Other("a device", "tty".into()));
        assert_eq!(found[4], Entry::End { has_end_marker: false });
    }

    #[test]
    fn refuses_a_wrong_size_before_allocating() {
        let error = |bytes: Vec<u8>| entries(&bytes).unwrap_err();
        assert!(
            error(entry_with_size(b'0', "a", b"", 1 << 32)).contains("'a' has 4294967296 bytes")
        );
        assert!(error(entry_with_size(b'L', "a", b"", 1 << 32)).contains("truncated"));
        assert!(error(entry(b'L', "a", &[b'x'; 70_000])).contains("a name of 70000"));
        let mut huge = entry(b'0', "a", b"");
        huge[124..128].copy_from_slice(&[0x80, 0, 0, 0]);
        huge[128..136].fill(0xff);
        write_checksum(&mut huge[..512]);
        assert!(error(huge).contains("truncated"));
        let pax = [entry(b'x', "p", b"29 size=18446744073709551615\n"), entry(b'0', "a", b"")];
        assert!(error(pax.concat()).contains("truncated"));
        assert!(error(entry(b'x', "p", b"99 path=a\n")).contains("pax"));
    }

    #[test]
    fn refuses_files_that_are_not_archives() {
        assert_eq!(entries(&[1; 1024]).unwrap_err(), "is not a tar archive");
        assert_eq!(entries(b"short").unwrap_err(), "is truncated");
        let gzip = [&b"\x1f\x8b\x08"[..], &[0; 1024]].concat();
        assert!(entries(&gzip).unwrap_err().starts_with("is a compressed archive"));
        let mut damaged = archive(&[("a", b"1"), ("b", b"2")]);
        damaged[1030] ^= 1;
        assert_eq!(entries(&damaged).unwrap_err(), "is damaged at byte 1024");
        assert_eq!(entries(b"").unwrap(), [Entry::End { has_end_marker: false }]);
    }
}
