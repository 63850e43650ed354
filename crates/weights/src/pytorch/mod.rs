//! Reads files that `torch.save` wrote: zip archives (since PyTorch 1.6) and sequences of pickles
//! (before PyTorch 1.6).
//!
//! In both formats a pickle describes the tensors, whose data is stored separately in the file. The
//! pickle is parsed and never executed. Offsets and sizes are checked against the file size.

mod legacy;
mod rebuild_tensor;
mod saved_tensors;
mod storage;
mod zip;

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use residual_pickle::Pickle;
use residual_spec::{Error, ErrorCode, Result};

use crate::StateDict;
use crate::other_file::{START_LEN, other_file_error};
use crate::state_dict::Selection;
use rebuild_tensor::TensorRebuilder;
use saved_tensors::SavedTensors;
use storage::Storages;

/// Hint for files that PyTorch itself can load.
const SAVE_STATE_DICT: &str =
    "Save only the weights, in Python: torch.save(model.state_dict(), 'weights.pth').";

/// Returns whether `start`, the first bytes of a file, are those of a zip archive or a pickle.
pub(crate) fn is_pytorch_file(start: &[u8]) -> bool {
    start.starts_with(b"PK") || start.starts_with(&[0x80])
}

/// Reads the weights of a network in a file. The tensors may be nested in dictionaries, such as
/// `{'net': ..., 'epoch': ...}`, and in modules. All other objects are ignored.
///
/// # Errors
/// `E_CHECKPOINT` if the file is malformed or contains no tensors; `E_IO`.
pub(crate) fn read(path: &Path) -> Result<StateDict> {
    let unreadable = |cause| Error::read(path, &cause);
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut file = BufReader::new(file);
    let mut start = Vec::new();
    let header = file.by_ref().take(START_LEN).read_to_end(&mut start).and_then(|_| file.rewind());
    header.map_err(unreadable)?;
    if let Some(error) = other_file_error(path, &start) {
        return Err(error);
    }
    let SavedFile { pickle, storages } = match &start[..] {
        [b'P', b'K', ..] => zip::open(path, file, size)?,
        _ => legacy::open(path, file)?,
    };
    let SavedTensors { entries, values, .. } =
        SavedTensors::find(&pickle).map_err(|problem| unsupported(path, problem))?;
    let mut rebuilder = TensorRebuilder::new(path, storages, size);
    StateDict::from_selection(Selection::new(&entries), |at| {
        rebuilder.tensor(&entries[at].name, values[at])
    })
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
