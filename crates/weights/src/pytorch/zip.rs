//! The format since PyTorch 1.6: a zip archive of stored (uncompressed) entries. `<name>/data.pkl`
//! describes the tensors, and `<name>/data/<key>` is the data of a storage. Other programs may
//! compress the entries.
//!
//! This module parses archives itself, because only the offsets of entries are needed. It limits the
//! size of the central directory, which the `zip` crate does not, and rejects duplicate names and
//! local headers that contradict the directory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use residual_pickle::{Limits, printable, read};
use residual_spec::{Error, Result};

use super::storage::{ByteRange, StorageData, Storages, inflate};
use super::{SavedFile, malformed, pickle_error, unsupported};

/// Maximum size of the central directory in bytes. A network of 1,000 layers has about 7,000
/// entries of 100 bytes.
const MAX_DIRECTORY_LEN: u64 = 16 << 20;
/// Maximum size of the end of central directory record: 22 bytes and a comment.
const MAX_EOCD_LEN: u64 = 22 + 0xffff;
/// Maximum ratio of the decompressed to the compressed length of an entry. Weights are hardly
/// compressible, unless many of them are zero; a hostile file could expand a thousandfold.
const MAX_INFLATION: u64 = 64;
/// Decompressed length in bytes up to which any ratio is accepted.
const MAX_FREE_INFLATION: u64 = 16 << 20;
/// Compression methods of entries.
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
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
        let problem = "is a TorchScript archive, which contains code";
        return Err(unsupported(path, problem).hint(
            "Save only its weights, in Python: \
             torch.save(torch.jit.load('x.pt').state_dict(), 'weights.pth').",
        ));
    }
    let mut roots = entries.keys().filter_map(|name| name.strip_suffix("data.pkl"));
    let root = match (roots.next(), roots.next()) {
        (Some(root), None) => root.to_string(),
        (None, _) if entries.keys().any(|name| name.ends_with(".npy")) => {
            return Err(unsupported(path, "is an archive of NumPy arrays (.npz), not of PyTorch"));
        }
        (None, _) => {
            return Err(unsupported(path, "is a zip archive that torch.save did not write"));
        }
        _ => return Err(unsupported(path, "is a zip archive with several data.pkl entries")),
    };
    let order = format!("{root}byteorder");
    if let Some(entry) = entries.get(&order)
        && archive.content(&order, entry, 16)? != b"little"
    {
        return Err(unsupported(path, "has big-endian tensors"));
    }

    let name = format!("{root}data.pkl");
    let limits = Limits::default();
    let pickle = match archive.data(&name, &entries[&name])? {
        StorageData::Stored(range) => {
            archive.seek(range.offset)?;
            read(&mut archive.file.by_ref().take(range.len), limits)
        }
        StorageData::Deflated { .. } => {
            let max = limits.bytes as u64;
            read(&mut &archive.content(&name, &entries[&name], max)?[..], limits)
        }
    };
    let pickle = pickle.map_err(|cause| pickle_error(path, cause))?;

    let mut storages = HashMap::new();
    let folder = format!("{root}data/");
    for (name, entry) in &entries {
        if let Some(key) = name.strip_prefix(&folder) {
            storages.insert(key.to_string(), archive.data(name, entry)?);
        }
    }
    Ok(SavedFile { pickle, storages: Storages::new(archive.file, storages) })
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
    /// Length in the file in bytes.
    compressed: u64,
    /// Length after decompression in bytes.
    uncompressed: u64,
    /// CRC-32 of the uncompressed data.
    crc: u32,
    /// Compression method.
    method: u16,
    is_encrypted: bool,
}

impl Archive<'_> {
    fn malformed(&self, problem: &str) -> Error {
        malformed(self.path, problem)
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        self.file.seek(SeekFrom::Start(offset)).map_err(|cause| Error::read(self.path, &cause))?;
        Ok(())
    }

    /// Reads `length` bytes at `offset`, which must be within the file.
    fn read(&mut self, offset: u64, length: u64) -> Result<Vec<u8>> {
        if offset.checked_add(length).is_none_or(|end| end > self.size) {
            return Err(self.malformed("is truncated"));
        }
        self.seek(offset)?;
        let mut bytes = Vec::new();
        let read = self.file.by_ref().take(length).read_to_end(&mut bytes);
        if read.map_err(|cause| Error::read(self.path, &cause))? as u64 == length {
            Ok(bytes)
        } else {
            Err(self.malformed("is truncated"))
        }
    }

    /// Reads the offset and length of the central directory from the end of central directory record.
    fn directory(&mut self) -> Result<(u64, u64)> {
        let length = self.size.min(MAX_EOCD_LEN);
        let tail_offset = self.size - length;
        let tail = self.read(tail_offset, length)?;
        let positions = (0..tail.len().saturating_sub(21)).rev();
        let mut records = positions.filter(|&at| {
            tail[at..].starts_with(EOCD)
                && at + 22 + usize::from(u16_at(&tail, at + 20)) == tail.len()
        });
        let Some(eocd) = records.next() else {
            return Err(self.malformed("is truncated: the end of the zip archive is missing"));
        };
        let mut length = u64::from(u32_at(&tail, eocd + 12));
        let mut offset = u64::from(u32_at(&tail, eocd + 16));
        if length == u64::from(u32::MAX)
            || offset == u64::from(u32::MAX)
            || u16_at(&tail, eocd + 10) == u16::MAX
        {
            let locator_offset = (tail_offset + eocd as u64).checked_sub(20);
            let locator = self.read(locator_offset.unwrap_or(self.size), 20)?;
            if !locator.starts_with(EOCD_64_LOCATOR) {
                return Err(self.malformed("is a zip archive with a malformed zip64 end record"));
            }
            let eocd_64 = self.read(u64_at(&locator, 8), 56)?;
            if !eocd_64.starts_with(EOCD_64) {
                return Err(self.malformed("is a zip archive with a malformed zip64 end record"));
            }
            (length, offset) = (u64_at(&eocd_64, 40), u64_at(&eocd_64, 48));
        }
        if length > MAX_DIRECTORY_LEN {
            Err(self.malformed("is a zip archive whose central directory is too large"))
        } else {
            Ok((offset, length))
        }
    }

    /// Reads the central directory. Returns its entries by name.
    fn entries(&mut self) -> Result<HashMap<String, Entry>> {
        let (offset, length) = self.directory()?;
        let directory = self.read(offset, length)?;
        let mut entries = HashMap::new();
        let mut rest = &directory[..];
        while !rest.is_empty() {
            if rest.len() < 46 || !rest.starts_with(DIRECTORY_ENTRY) {
                return Err(self.malformed("is a zip archive with a malformed central directory"));
            }
            let [name_len, extra_len, comment_len] =
                [28, 30, 32].map(|at| usize::from(u16_at(rest, at)));
            let end = 46 + name_len + extra_len + comment_len;
            if rest.len() < end {
                return Err(self.malformed("is a zip archive with a truncated central directory"));
            }
            let (flags, method) = (u16_at(rest, 8), u16_at(rest, 10));
            let sizes = [20, 24, 42].map(|at| u64::from(u32_at(rest, at)));
            let extra_field = &rest[46 + name_len..46 + name_len + extra_len];
            let name = String::from_utf8_lossy(&rest[46..46 + name_len]).into_owned();
            let Some([uncompressed, compressed, header]) = resolve_zip64(sizes, extra_field) else {
                return Err(self.malformed("is a zip archive with a truncated central directory"));
            };
            let is_encrypted = flags & 1 != 0;
            let crc = u32_at(rest, 16);
            if !is_encrypted && method == STORED && uncompressed != compressed {
                return Err(
                    self.malformed("is a zip archive with a stored entry of contradictory size")
                );
            }
            let entry = Entry { header, compressed, uncompressed, crc, method, is_encrypted };
            if entries.insert(name, entry).is_some() {
                return Err(self.malformed("is a zip archive with two entries of the same name"));
            }
            rest = &rest[end..];
        }
        Ok(entries)
    }

    /// Returns the content of an entry of at most `max` bytes after decompression.
    fn content(&mut self, name: &str, entry: &Entry, max: u64) -> Result<Vec<u8>> {
        let data = self.data(name, entry)?;
        if data.len() > max {
            let (name, len) = (printable(name), data.len());
            return Err(self.malformed(&format!("has an entry '{name}' of {len} bytes")));
        }
        match data {
            StorageData::Stored(range) => self.read(range.offset, range.len),
            StorageData::Deflated { range, len, crc } => inflate(&mut self.file, range, len, crc)
                .map_err(|cause| self.malformed(&format!("could not be read: {cause}"))),
        }
    }

    /// Returns the data of an entry, which is stored or compressed by deflate.
    fn data(&mut self, name: &str, entry: &Entry) -> Result<StorageData> {
        let range = self.data_range(name, entry)?;
        let Entry { uncompressed: len, crc, method, .. } = *entry;
        if method == STORED {
            return Ok(StorageData::Stored(range));
        }
        if len > MAX_FREE_INFLATION.max(range.len.saturating_mul(MAX_INFLATION)) {
            let ratio = len / range.len.max(1);
            let problem = format!("is a zip archive with an entry that expands {ratio} times");
            return Err(self.malformed(&problem));
        }
        Ok(StorageData::Deflated { range, len, crc })
    }

    /// Returns the range of an entry's data, after checking that its local header has the same name
    /// and that the data is within the file.
    fn data_range(&mut self, name: &str, entry: &Entry) -> Result<ByteRange> {
        if entry.is_encrypted || !matches!(entry.method, STORED | DEFLATED) {
            return Err(unsupported(
                self.path,
                "is a zip archive with encrypted entries, or compressed by another method than \
                 deflate",
            ));
        }
        let header = self.read(entry.header, 30)?;
        let [name_len, extra_len] = [26, 28].map(|at| u64::from(u16_at(&header, at)));
        if !header.starts_with(LOCAL_HEADER)
            || u16_at(&header, 8) != entry.method
            || name_len != name.len() as u64
        {
            return Err(
                self.malformed("is a zip archive whose headers contradict its central directory")
            );
        }
        if self.read(entry.header + 30, name_len)? != name.as_bytes() {
            return Err(
                self.malformed("is a zip archive whose headers contradict its central directory")
            );
        }
        let offset = entry.header + 30 + name_len + extra_len;
        match offset.checked_add(entry.compressed) {
            Some(end) if end <= self.size => Ok(ByteRange { offset, len: entry.compressed }),
            _ => {
                Err(self.malformed("is truncated, or a zip archive with an entry of invalid size"))
            }
        }
    }
}

/// Replaces 32-bit values that are `u32::MAX` by the 64-bit values of the zip64 extra field.
///
/// Takes the compressed size, the uncompressed size and the header offset, in the order of the
/// directory. Returns the uncompressed size, the compressed size and the header offset, in the order
/// of the extra field; `None` if the field is truncated.
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
