//! The format before PyTorch 1.6: pickles of a magic number, the protocol version, the system, the
//! saved object and the storage keys, followed by the length and data of each storage in the order of
//! the keys.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use residual_pickle::{Limits, Pickle, read};
use residual_spec::{Error, Result};

use super::storage::{ByteRange, StorageData, StorageRef, Storages};
use super::{SavedFile, malformed, pickle_error, unsupported};

const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const PROTOCOL: i128 = 1001;

/// Opens a file in the legacy format.
pub(crate) fn open(path: &Path, mut file: BufReader<File>) -> Result<SavedFile> {
    let size = file.get_ref().metadata().map_err(|cause| Error::read(path, &cause))?.len();
    let mut read_next = |limits| read(&mut file, limits).map_err(|cause| pickle_error(path, cause));
    let small_limits = Limits { depth: 8, values: 64, bytes: 4096 };

    // A pickle that `torch.save` did not write may contain arrays, up to the size of the file.
    let bytes = Limits::default().bytes.max(size as usize);
    let first = read_next(Limits { bytes, ..Limits::default() })?;
    if first.root().as_int() != Some(MAGIC) {
        let storages = Storages::new(file, HashMap::new());
        return Ok(SavedFile { pickle: first, storages });
    }
    if read_next(small_limits)?.root().as_int() != Some(PROTOCOL) {
        return Err(unsupported(path, "has an unsupported version of PyTorch's legacy format"));
    }
    let system = read_next(small_limits)?;
    if system.root().get("little_endian").and_then(|flag| flag.as_bool()) == Some(false) {
        return Err(unsupported(path, "has big-endian tensors"));
    }
    let pickle = read_next(Limits::default())?;
    let keys = read_next(Limits::default())?;
    let ranges = storage_ranges(path, &pickle, &keys, &mut file, size)?;
    Ok(SavedFile { pickle, storages: Storages::new(file, ranges) })
}

/// Returns the data of each storage by key.
fn storage_ranges(
    path: &Path,
    pickle: &Pickle,
    keys: &Pickle,
    file: &mut BufReader<File>,
    size: u64,
) -> Result<HashMap<String, StorageData>> {
    // Storage lengths are in elements. The element sizes follow from the references to the storages.
    let mut element_sizes = HashMap::new();
    for id in pickle.persistent_ids() {
        // Pickles of whole models also refer to the source code of their classes.
        if id.as_items().and_then(|mut parts| parts.next()?.as_str()) != Some("storage") {
            continue;
        }
        let reference = StorageRef::read(id).map_err(|problem| unsupported(path, problem))?;
        let Some(size) = reference.element_size() else {
            let problem = reference.dtype().err().unwrap_or_default();
            return Err(unsupported(path, problem));
        };
        if *element_sizes.entry(reference.key).or_insert(size) != size {
            return Err(unsupported(path, "has a storage with two dtypes"));
        }
    }
    let keys = keys.root().as_items();
    let keys = keys.ok_or_else(|| malformed(path, "has no list of storage keys"))?;
    let unreadable = |cause| Error::read(path, &cause);
    let mut ranges = HashMap::new();
    let mut position = file.stream_position().map_err(unreadable)?;
    for key in keys {
        let key = key.as_str().unwrap_or_default();
        let Some(&element_size) = element_sizes.get(key) else {
            return Err(malformed(path, "has a storage without a tensor"));
        };
        let mut count = [0; 8];
        file.read_exact(&mut count).map_err(|_| malformed(path, "is truncated"))?;
        let count = u64::from_le_bytes(count);
        let offset = position + 8;
        let end = count.checked_mul(element_size).and_then(|bytes| offset.checked_add(bytes));
        let Some(end) = end.filter(|&end| end <= size) else {
            let problem = format!("is truncated: a storage of {count} elements is missing");
            return Err(malformed(path, problem));
        };
        let range = StorageData::Stored(ByteRange { offset, len: end - offset });
        if ranges.insert(key.to_string(), range).is_some() {
            return Err(malformed(path, "has a duplicate storage key"));
        }
        position = end;
        file.seek(SeekFrom::Start(position)).map_err(unreadable)?;
    }
    Ok(ranges)
}
