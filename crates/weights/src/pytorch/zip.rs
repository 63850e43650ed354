//! The format since PyTorch 1.6: a zip archive of stored (uncompressed) entries. `<name>/data.pkl`
//! describes the tensors, and `<name>/data/<key>` is the data of a storage.
//!
//! The archive reader is own code, since it needs only the offsets of stored entries. It bounds the
//! size of the central directory and refuses duplicate names and local headers that contradict the
//! directory; the `zip` crate has no such bound.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use residual_pickle::{Limits, read};
use residual_spec::{Error, Result};

use super::storage::{ByteRange, Storages};
use super::{SavedFile, pickle_error, refused};
use crate::safetensors_file::broken;

/// Maximum size of the central directory in bytes. A network of 1,000 layers has about 7,000
/// entries of 100 bytes.
const MAX_DIRECTORY_LEN: u64 = 16 << 20;
/// Maximum size of the end of central directory record: 22 bytes and a comment.
const MAX_EOCD_LEN: u64 = 22 + 0xffff;
/// Signatures of the records of a zip archive.
const EOCD: &[u8] = b"PK\x05\x06";
const EOCD_64: &[u8] = b"PK\x06\x06";
const EOCD_64_LOCATOR: &[u8] = b"PK\x06\x07";
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL_HEADER: &[u8] = b"PK\x03\x04";

/// Opens a zip archive of `size` bytes.
pub(crate) fn open(path: &Path, file: BufReader<File>, size: u64) -> Result<SavedFile> {
    let mut archive = Archive { path, file, size };
    let entries = archive.entries()?;
    let has_entry = |suffix: &str| entries.keys().any(|name| name.ends_with(suffix));
    if has_entry("/constants.pkl") || entries.keys().any(|name| name.contains("/code/")) {
        let what = "is a TorchScript archive, which contains code";
        return Err(refused(path, what).hint(
            "Save only its weights, in Python: \
             torch.save(torch.jit.load('x.pt').state_dict(), 'weights.pth').",
        ));
    }
    let mut roots = entries.keys().filter_map(|name| name.strip_suffix("data.pkl"));
    let root = match (roots.next(), roots.next()) {
        (Some(root), None) => root.to_string(),
        (None, _) => {
            return Err(refused(path, "is a zip archive that torch.save did not write"));
        }
        _ => return Err(refused(path, "is a zip archive with several data.pkl entries")),
    };
    if let Some(order) = entries.get(&format!("{root}byteorder")) {
        let range = archive.data_range(&format!("{root}byteorder"), order)?;
        if archive.read(range.offset, range.len.min(16))? != b"little" {
            return Err(refused(path, "has big-endian tensors"));
        }
    }

    let name = format!("{root}data.pkl");
    let range = archive.data_range(&name, &entries[&name])?;
    archive.seek(range.offset)?;
    let limits = Limits::default();
    let pickle = read(&mut archive.file.by_ref().take(range.len), limits)
        .map_err(|cause| pickle_error(path, cause))?;

    let mut ranges = HashMap::new();
    let folder = format!("{root}data/");
    for (name, entry) in &entries {
        if let Some(key) = name.strip_prefix(&folder) {
            ranges.insert(key.to_string(), archive.data_range(name, entry)?);
        }
    }
    Ok(SavedFile { pickle, storages: Storages { file: archive.file, ranges } })
}

struct Archive<'p> {
    path: &'p Path,
    file: BufReader<File>,
    size: u64,
}

/// An entry of the central directory.
struct Entry {
    /// Offset of the local header.
    header: u64,
    length: u64,
    /// Neither compressed nor encrypted.
    is_stored: bool,
}

impl Archive<'_> {
    fn broken(&self, what: &str) -> Error {
        broken(self.path, what)
    }

    fn seek(&mut self, at: u64) -> Result<()> {
        self.file.seek(SeekFrom::Start(at)).map_err(|cause| Error::read(self.path, &cause))?;
        Ok(())
    }

    /// Reads `length` bytes at offset `at`, which must be within the file.
    fn read(&mut self, at: u64, length: u64) -> Result<Vec<u8>> {
        if at.checked_add(length).is_none_or(|end| end > self.size) {
            return Err(self.broken("is truncated"));
        }
        self.seek(at)?;
        let mut bytes = Vec::new();
        let read = self.file.by_ref().take(length).read_to_end(&mut bytes);
        if read.map_err(|cause| Error::read(self.path, &cause))? as u64 == length {
            Ok(bytes)
        } else {
            Err(self.broken("is truncated"))
        }
    }

    /// Returns the offset and length of the central directory, from the record at the end.
    fn directory(&mut self) -> Result<(u64, u64)> {
        let length = self.size.min(MAX_EOCD_LEN);
        let tail_at = self.size - length;
        let tail = self.read(tail_at, length)?;
        let ends = (0..tail.len().saturating_sub(21)).rev();
        let mut ends = ends.filter(|&at| {
            tail[at..].starts_with(EOCD)
                && at + 22 + usize::from(u16_at(&tail, at + 20)) == tail.len()
        });
        let Some(end) = ends.next() else {
            return Err(self.broken("is truncated: the end of the zip archive is missing"));
        };
        let (mut length, mut at) = (u32_at(&tail, end + 12).into(), u32_at(&tail, end + 16).into());
        if length == u64::from(u32::MAX)
            || at == u64::from(u32::MAX)
            || u16_at(&tail, end + 10) == u16::MAX
        {
            let locator_at = (tail_at + end as u64).checked_sub(20);
            let locator = self.read(locator_at.unwrap_or(self.size), 20)?;
            if !locator.starts_with(EOCD_64_LOCATOR) {
                return Err(self.broken("is a zip archive with a malformed zip64 end record"));
            }
            let end = self.read(u64_at(&locator, 8), 56)?;
            if !end.starts_with(EOCD_64) {
                return Err(self.broken("is a zip archive with a malformed zip64 end record"));
            }
            (length, at) = (u64_at(&end, 40), u64_at(&end, 48));
        }
        if length > MAX_DIRECTORY_LEN {
            Err(self.broken("is a zip archive with a too large central directory"))
        } else {
            Ok((at, length))
        }
    }

    /// Reads the central directory: every entry by name.
    fn entries(&mut self) -> Result<HashMap<String, Entry>> {
        let (at, length) = self.directory()?;
        let directory = self.read(at, length)?;
        let mut entries = HashMap::new();
        let mut rest = &directory[..];
        while !rest.is_empty() {
            if rest.len() < 46 || !rest.starts_with(DIRECTORY_ENTRY) {
                return Err(self.broken("is a zip archive with a malformed central directory"));
            }
            let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(u16_at(rest, at)));
            let end = 46 + name + extra + comment;
            if rest.len() < end {
                return Err(self.broken("is a zip archive with a truncated central directory"));
            }
            let (flags, method) = (u16_at(rest, 8), u16_at(rest, 10));
            let sizes = [20, 24, 42].map(|at| u64::from(u32_at(rest, at)));
            let extra_field = &rest[46 + name..46 + name + extra];
            let name = String::from_utf8_lossy(&rest[46..46 + name]).into_owned();
            let Some([uncompressed, compressed, header]) = resolve_zip64(sizes, extra_field) else {
                return Err(self.broken("is a zip archive with a truncated central directory"));
            };
            let is_stored = flags & 1 == 0 && method == 0;
            if is_stored && uncompressed != compressed {
                return Err(self.broken("is a zip archive with a stored entry of two sizes"));
            }
            if entries.insert(name, Entry { header, length: compressed, is_stored }).is_some() {
                return Err(self.broken("is a zip archive with two entries of the same name"));
            }
            rest = &rest[end..];
        }
        Ok(entries)
    }

    /// Returns where the data of an entry is, after checking that its local header has the same
    /// name and that the data is within the file.
    fn data_range(&mut self, name: &str, entry: &Entry) -> Result<ByteRange> {
        if !entry.is_stored {
            return Err(refused(
                self.path,
                "is a zip archive with compressed or encrypted entries",
            ));
        }
        let header = self.read(entry.header, 30)?;
        let [names, extra] = [26, 28].map(|at| u64::from(u16_at(&header, at)));
        if !header.starts_with(LOCAL_HEADER)
            || u16_at(&header, 8) != 0
            || names != name.len() as u64
        {
            return Err(
                self.broken("is a zip archive whose headers contradict its central directory")
            );
        }
        if self.read(entry.header + 30, names)? != name.as_bytes() {
            return Err(
                self.broken("is a zip archive whose headers contradict its central directory")
            );
        }
        let offset = entry.header + 30 + names + extra;
        match offset.checked_add(entry.length) {
            Some(end) if end <= self.size => Ok(ByteRange { offset, len: entry.length }),
            _ => Err(self.broken("is truncated, or a zip archive with an entry of invalid size")),
        }
    }
}

/// Replaces 32-bit values that are `u32::MAX` by the 64-bit values of the zip64 extra field.
///
/// Takes the compressed size, the uncompressed size and the header offset, as the directory orders
/// them. Returns the uncompressed size, the compressed size and the header offset, as the extra
/// field orders them; `None` if the field is truncated.
fn resolve_zip64(
    [compressed, uncompressed, header]: [u64; 3],
    mut extra: &[u8],
) -> Option<[u64; 3]> {
    const IN_EXTRA_FIELD: u64 = u32::MAX as u64;
    let mut field: &[u8] = &[];
    while extra.len() >= 4 {
        let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let content = extra.get(4..4 + length)?;
        if id == 1 {
            field = content;
        }
        extra = &extra[4 + length..];
    }
    let mut next = |value: u64| match value {
        IN_EXTRA_FIELD => {
            let value = u64::from_le_bytes(field.get(..8)?.try_into().ok()?);
            field = &field[8..];
            Some(value)
        }
        value => Some(value),
    };
    Some([next(uncompressed)?, next(compressed)?, next(header)?])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
