//! Reads files that `torch.save` wrote: zip archives (since PyTorch 1.6) and sequences of pickles
//! (before PyTorch 1.6).
//!
//! In both formats a pickle describes the tensors, whose data is stored separately in the file. The
//! pickle is parsed and never executed. Offsets and sizes are checked against the file size.

mod legacy;
mod rebuild_tensor;
mod state_dict;
mod storage;
mod zip;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use residual_pickle::Pickle;
use residual_spec::{Error, ErrorCode, Result};

use crate::tensor::{MAX_NAME_LEN, Tensor};
use rebuild_tensor::TensorRebuilder;
use storage::Storages;

/// Hint for files that PyTorch itself can load.
const SAVE_STATE_DICT: &str =
    "Save only the weights, in Python: torch.save(model.state_dict(), 'weights.pth').";

/// Returns whether `start`, the first bytes of a file, are those of a zip archive or a pickle.
pub(crate) fn is_pytorch_file(start: &[u8]) -> bool {
    start.starts_with(b"PK") || start.starts_with(&[0x80])
}

/// Reads the `state_dict` of a file. The state_dict may be nested in a checkpoint dictionary, such
/// as `{'net': ..., 'epoch': ...}`.
///
/// # Errors
/// `E_CHECKPOINT` if the file is malformed, refers to a Python class or function that is not
/// allowed, or contains no state_dict; `E_IO`.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let unreadable = |cause| Error::read(path, &cause);
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut file = BufReader::new(file);
    let mut start = Vec::new();
    let header = file.by_ref().take(2).read_to_end(&mut start).and_then(|_| file.rewind());
    header.map_err(unreadable)?;
    let SavedFile { pickle, storages } = match &start[..] {
        b"PK" => zip::open(path, file, size)?,
        _ => legacy::open(path, file)?,
    };
    let entries =
        state_dict::find_state_dict(&pickle).map_err(|problem| unsupported(path, problem))?;
    let mut rebuilder = TensorRebuilder::new(path, storages, size);
    let mut tensors = BTreeMap::new();
    for (name, value) in entries {
        if name.len() > MAX_NAME_LEN {
            return Err(unsupported(path, format!("has a tensor name of {} bytes", name.len())));
        }
        // A state_dict may also contain values that are not tensors; these are skipped.
        if let Some(tensor) = rebuilder.tensor(name, value)? {
            tensors.insert(name.to_string(), tensor);
        }
    }
    Ok(tensors)
}

/// Contents of a file: the pickle that describes its tensors, and the storages with their data.
struct SavedFile {
    pickle: Pickle,
    storages: Storages,
}

/// Returns the `E_CHECKPOINT` error for a file that PyTorch may be able to load. The message is the
/// path followed by `problem`.
fn unsupported(path: &Path, problem: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Checkpoint, format!("{} {problem}", path.display()))
        .file(path)
        .hint(SAVE_STATE_DICT)
}

/// Returns the `E_CHECKPOINT` error for a malformed file. The message is the path followed by
/// `problem`.
fn malformed(path: &Path, problem: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Checkpoint, format!("{} {problem}", path.display()))
        .file(path)
        .hint("Download or copy the file again.")
}

/// Converts an error of the pickle parser.
fn pickle_error(path: &Path, cause: residual_pickle::Error) -> Error {
    match cause {
        residual_pickle::Error::Io(cause) => Error::read(path, &cause),
        cause @ residual_pickle::Error::Malformed(_) => malformed(path, cause),
        cause => unsupported(path, cause),
    }
}
