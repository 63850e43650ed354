//! The format since PyTorch 1.6: a zip archive, in which nothing is compressed. `<name>/data.pkl`
//! describes the tensors, and `<name>/data/<key>` are the numbers of a storage.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use residual_pickle::{Limits, read};
use residual_spec::{Error, Result};

use super::storage::Storages;
use super::{SavedFile, refused, unpickled};
use crate::safetensors_file::broken;

/// The archive's list of entries. (A network of a thousand layers has 7,000, of a hundred bytes.)
const LONGEST_DIRECTORY: u64 = 16 << 20;
/// The longest end: 22 bytes and a comment.
const LONGEST_END: u64 = 22 + 0xffff;
const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

pub(crate) fn open(path: &Path, file: BufReader<File>, size: u64) -> Result<SavedFile> {
    let mut archive = Archive { path, file, size };
    let entries = archive.entries()?;
    let named = |name: &str| entries.keys().any(|found| found.ends_with(name));
    if named("/constants.pkl") || entries.keys().any(|name| name.contains("/code/")) {
        let what = "is a TorchScript archive: it holds a program beside its weights";
        return Err(refused(path, what).hint(
            "Save its weights alone, in Python: \
             torch.save(torch.jit.load('x.pt').state_dict(), 'weights.pth').",
        ));
    }
    let mut roots = entries.keys().filter_map(|name| name.strip_suffix("data.pkl"));
    let root = match (roots.next(), roots.next()) {
        (Some(root), None) => root.to_string(),
        (None, _) => {
            return Err(refused(path, "is a zip archive, but none that torch.save wrote"));
        }
        _ => return Err(refused(path, "is an archive of several things that torch.save wrote")),
    };
    if let Some(order) = entries.get(&format!("{root}byteorder")) {
        let (place, length) = archive.place(&format!("{root}byteorder"), order)?;
        if archive.bytes(place, length.min(16))? != b"little" {
            return Err(refused(path, "has its numbers' most significant byte first"));
        }
    }

    let name = format!("{root}data.pkl");
    let (place, length) = archive.place(&name, &entries[&name])?;
    archive.seek(place)?;
    let limits = Limits::default();
    let pickle = read(&mut archive.file.by_ref().take(length), limits)
        .map_err(|cause| unpickled(path, cause))?;

    let mut places = HashMap::new();
    let folder = format!("{root}data/");
    for (name, entry) in &entries {
        if let Some(key) = name.strip_prefix(&folder) {
            places.insert(key.to_string(), archive.place(name, entry)?);
        }
    }
    Ok(SavedFile { pickle, storages: Storages { file: archive.file, places } })
}

struct Archive<'p> {
    path: &'p Path,
    file: BufReader<File>,
    size: u64,
}

/// What the directory says of an entry.
struct Entry {
    /// Where its own header is.
    header: u64,
    length: u64,
    /// Neither compressed nor encrypted.
    plain: bool,
}

impl Archive<'_> {
    fn broken(&self, what: &str) -> Error {
        broken(self.path, what)
    }

    fn seek(&mut self, at: u64) -> Result<()> {
        self.file.seek(SeekFrom::Start(at)).map_err(|cause| Error::read(self.path, &cause))?;
        Ok(())
    }

    /// Bytes that the file must have.
    fn bytes(&mut self, at: u64, length: u64) -> Result<Vec<u8>> {
        if at.checked_add(length).is_none_or(|end| end > self.size) {
            return Err(self.broken("is cut short"));
        }
        self.seek(at)?;
        let mut bytes = Vec::new();
        let read = self.file.by_ref().take(length).read_to_end(&mut bytes);
        match read.map_err(|cause| Error::read(self.path, &cause))? as u64 == length {
            true => Ok(bytes),
            false => Err(self.broken("is cut short")),
        }
    }

    /// Where the directory is, and how long: from the archive's end.
    fn directory(&mut self) -> Result<(u64, u64)> {
        let length = self.size.min(LONGEST_END);
        let tail_at = self.size - length;
        let tail = self.bytes(tail_at, length)?;
        let ends = (0..tail.len().saturating_sub(21)).rev();
        let mut ends = ends.filter(|&at| {
            tail[at..].starts_with(END)
                && at + 22 + usize::from(u16_at(&tail, at + 20)) == tail.len()
        });
        let Some(end) = ends.next() else {
            return Err(self.broken("is cut short: the end of the zip archive is not there"));
        };
        let (mut length, mut at) = (u32_at(&tail, end + 12).into(), u32_at(&tail, end + 16).into());
        if length == u64::from(u32::MAX)
            || at == u64::from(u32::MAX)
            || u16_at(&tail, end + 10) == u16::MAX
        {
            let locator_at = (tail_at + end as u64).checked_sub(20);
            let locator = self.bytes(locator_at.unwrap_or(self.size), 20)?;
            if !locator.starts_with(LOCATOR_64) {
                return Err(self.broken("is a zip archive without its second end"));
            }
            let end = self.bytes(u64_at(&locator, 8), 56)?;
            if !end.starts_with(END_64) {
                return Err(self.broken("is a zip archive without its second end"));
            }
            (length, at) = (u64_at(&end, 40), u64_at(&end, 48));
        }
        match length > LONGEST_DIRECTORY {
            true => Err(self.broken("is a zip archive with a directory of impossible size")),
            false => Ok((at, length)),
        }
    }

    /// Every entry by its name.
    fn entries(&mut self) -> Result<HashMap<String, Entry>> {
        let (at, length) = self.directory()?;
        let directory = self.bytes(at, length)?;
        let mut entries = HashMap::new();
        let mut rest = &directory[..];
        while !rest.is_empty() {
            if rest.len() < 46 || !rest.starts_with(ENTRY) {
                return Err(self.broken("is a zip archive whose directory is none"));
            }
            let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(u16_at(rest, at)));
            let end = 46 + name + extra + comment;
            if rest.len() < end {
                return Err(self.broken("is a zip archive whose directory is cut short"));
            }
            let (flags, method) = (u16_at(rest, 8), u16_at(rest, 10));
            let sizes = [20, 24, 42].map(|at| u64::from(u32_at(rest, at)));
            let more = &rest[46 + name..46 + name + extra];
            let name = String::from_utf8_lossy(&rest[46..46 + name]).into_owned();
            let Some([whole, stored, header]) = wide(sizes, more) else {
                return Err(self.broken("is a zip archive whose directory is cut short"));
            };
            let plain = flags & 1 == 0 && method == 0;
            if plain && whole != stored {
                return Err(self.broken("is a zip archive with an entry that has two sizes"));
            }
            if entries.insert(name, Entry { header, length: stored, plain }).is_some() {
                return Err(self.broken("is a zip archive with two entries of the same name"));
            }
            rest = &rest[end..];
        }
        Ok(entries)
    }

    /// Where an entry's bytes are, and how many: within the file, behind a header of its own that
    /// says the same name.
    fn place(&mut self, name: &str, entry: &Entry) -> Result<(u64, u64)> {
        if !entry.plain {
            return Err(refused(
                self.path,
                "is a zip archive with compressed or encrypted entries",
            ));
        }
        let header = self.bytes(entry.header, 30)?;
        let [names, extra] = [26, 28].map(|at| u64::from(u16_at(&header, at)));
        if !header.starts_with(LOCAL) || u16_at(&header, 8) != 0 || names != name.len() as u64 {
            return Err(self.broken("is a zip archive whose directory lies"));
        }
        if self.bytes(entry.header + 30, names)? != name.as_bytes() {
            return Err(self.broken("is a zip archive whose directory lies"));
        }
        let begin = entry.header + 30 + names + extra;
        match begin.checked_add(entry.length) {
            Some(end) if end <= self.size => Ok((begin, entry.length)),
            _ => Err(self.broken("is cut short, or a zip archive that lies about a size")),
        }
    }
}

/// An entry's sizes (compressed, whole) and place, of which those that need more than 32 bits are in
/// a field of their own. Given and returned in the directory's order: stored, whole, header; the
/// field has whole before stored.
fn wide([stored, whole, header]: [u64; 3], mut extra: &[u8]) -> Option<[u64; 3]> {
    const WIDE: u64 = u32::MAX as u64;
    let mut field: &[u8] = &[];
    while extra.len() >= 4 {
        let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let content = extra.get(4..4 + length)?;
        if id == 1 {
            field = content;
        }
        extra = &extra[4 + length..];
    }
    let mut next = |narrow: u64| match narrow {
        WIDE => {
            let value = u64::from_le_bytes(field.get(..8)?.try_into().ok()?);
            field = &field[8..];
            Some(value)
        }
        narrow => Some(narrow),
    };
    Some([next(whole)?, next(stored)?, next(header)?])
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
