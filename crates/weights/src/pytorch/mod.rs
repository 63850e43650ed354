//! What `torch.save` wrote: a zip archive (since PyTorch 1.6) or a row of pickles (before). Either
//! way one pickle describes the tensors, and their numbers lie beside it. Nothing in the pickle is
//! run, and no number is read that the file does not have.

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

/// What PyTorch's own loader would be asked to do, in its place.
const SAVE_AGAIN: &str =
    "Save the weights alone, in Python: torch.save(model.state_dict(), 'weights.pth').";

/// Whether the first bytes of a file are those of one of PyTorch's formats, of the present one or
/// of those before.
pub(crate) fn is_pytorch_file(start: &[u8]) -> bool {
    start.starts_with(b"PK") || start.starts_with(&[0x80])
}

/// Reads the tensors of a file that `torch.save` wrote: those of its `state_dict`, also where that
/// lies in a dictionary with other things (`{net, epoch}`).
///
/// # Errors
/// `E_CHECKPOINT`, key_map what the file asks for or lacks; `E_IO`.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let failed = |cause| Error::read(path, &cause);
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut file = BufReader::new(file);
    let mut start = Vec::new();
    let read = file.by_ref().take(2).read_to_end(&mut start).and_then(|_| file.rewind());
    read.map_err(failed)?;
    let SavedFile { pickle, storages } = match &start[..] {
        b"PK" => zip::open(path, file, size)?,
        _ => legacy::open(path, file)?,
    };
    let entries = state_dict::find_state_dict(&pickle).map_err(|what| refused(path, what))?;
    let mut rebuilder = TensorRebuilder::new(path, storages, size);
    let mut tensors = BTreeMap::new();
    for (name, value) in entries {
        if name.len() > MAX_NAME_LEN {
            return Err(refused(path, format!("has a tensor whose name has {} bytes", name.len())));
        }
        if let Some(tensor) = rebuilder.tensor(name, value)? {
            tensors.insert(name.to_string(), tensor);
        }
    }
    Ok(tensors)
}

/// A file that was opened: its pickle, and where the numbers are.
struct SavedFile {
    pickle: Pickle,
    storages: Storages,
}

fn refused(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Checkpoint, format!("{} {what}", path.display()))
        .file(path)
        .hint(SAVE_AGAIN)
}

/// A pickle's failure as this file's.
fn unpickled(path: &Path, cause: residual_pickle::Error) -> Error {
    match cause {
        residual_pickle::Error::Io(cause) => Error::read(path, &cause),
        cause @ residual_pickle::Error::Broken(_) => crate::safetensors_file::broken(path, cause),
        cause => refused(path, cause),
    }
}
