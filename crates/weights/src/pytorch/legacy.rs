//! The format before PyTorch 1.6: a magic number, the protocol's version, the writer's system, and
//! what was saved, a pickle each; a pickle of the storages' keys; then the storages in that order,
//! each behind its length.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use residual_pickle::{Limits, Pickle, read};
use residual_spec::{Error, Result};

use super::storage::{StorageRef, Storages};
use super::{SavedFile, refused, unpickled};
use crate::safetensors_file::broken;

const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const PROTOCOL: i128 = 1001;

pub(crate) fn open(path: &Path, mut file: BufReader<File>) -> Result<SavedFile> {
    let size = file.get_ref().metadata().map_err(|cause| Error::read(path, &cause))?.len();
    let mut next = |limits| read(&mut file, limits).map_err(|cause| unpickled(path, cause));
    let small = Limits { depth: 8, values: 64, bytes: 4096 };

    if next(Limits::default())?.root().as_int() != Some(MAGIC) {
        return Err(refused(path, "is a pickle, but none that torch.save wrote"));
    }
    if next(small)?.root().as_int() != Some(PROTOCOL) {
        return Err(refused(path, "is in a format of PyTorch that is not known"));
    }
    let system = next(small)?;
    if system.root().get("little_endian").and_then(|flag| flag.as_bool()) == Some(false) {
        return Err(refused(path, "has its numbers' most significant byte first"));
    }
    let pickle = next(Limits::default())?;
    let keys = next(Limits::default())?;
    let places = places(path, &pickle, &keys, &mut file, size)?;
    Ok(SavedFile { pickle, storages: Storages { file, places } })
}

fn places(
    path: &Path,
    pickle: &Pickle,
    keys: &Pickle,
    file: &mut BufReader<File>,
    size: u64,
) -> Result<HashMap<String, (u64, u64)>> {
    // A storage's length is given in numbers, so that its type must be known.
    let mut sizes = HashMap::new();
    for name in pickle.persistent() {
        let reference = StorageRef::read(name).map_err(|what| refused(path, what))?;
        let width = reference.dtype.size() as u64;
        if *sizes.entry(reference.key).or_insert(width) != width {
            return Err(refused(path, "has a storage of two types"));
        }
    }
    let keys = keys.root().as_items();
    let keys = keys.ok_or_else(|| broken(path, "lacks the list of its storages"))?;
    let failed = |cause| Error::read(path, &cause);
    let mut places = HashMap::new();
    let mut at = file.stream_position().map_err(failed)?;
    for key in keys {
        let key = key.as_text().unwrap_or_default();
        let Some(&width) = sizes.get(key) else {
            return Err(broken(path, "has a storage that no tensor is in"));
        };
        let mut numbers = [0; 8];
        file.read_exact(&mut numbers).map_err(|_| broken(path, "is cut short"))?;
        let numbers = u64::from_le_bytes(numbers);
        let end = numbers.checked_mul(width).and_then(|bytes| (at + 8).checked_add(bytes));
        let Some(end) = end.filter(|&end| end <= size) else {
            let what = format!("is cut short: a storage of {numbers} numbers is not there");
            return Err(broken(path, what));
        };
        if places.insert(key.to_string(), (at + 8, end - at - 8)).is_some() {
            return Err(broken(path, "has a storage twice"));
        }
        at = end;
        file.seek(SeekFrom::Start(at)).map_err(failed)?;
    }
    Ok(places)
}
