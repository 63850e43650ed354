//! Weights of whoever made them, under torchvision's names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use residual_spec::{Error, Result};

use crate::checkpoint::EMA_PREFIX;
use crate::key_map::{KeyMap, to_torchvision};
use crate::safetensors_file::{self, broken};
use crate::{Tensor, pytorch};

/// A network's weights and buffers.
#[derive(Debug, Clone, PartialEq)]
pub struct StateDict {
    /// Whose names the file had.
    pub key_map: KeyMap,
    /// Under torchvision's names.
    pub tensors: BTreeMap<String, Tensor>,
}

/// What a checkpoint has beside the network's tensors: the optimizer's state, the mean image.
const OTHERS: [&str; 2] = ["optimizer.", "transform."];

impl StateDict {
    /// Reads a file of PyTorch's (.pth, .pt, .th: what counts is what is in it) or a .safetensors.
    /// Nothing in it is run, and nothing believed.
    ///
    /// # Errors
    /// `E_CHECKPOINT` for a file that is not there, cut short, or asks for anything but tensors;
    /// `E_IO`.
    pub fn read(path: &Path) -> Result<StateDict> {
        let tensors = match is_pytorch_file(path)? {
            true => pytorch::read(path)?,
            false => {
                let (averages, mut tensors): (BTreeMap<_, _>, BTreeMap<_, _>) =
                    safetensors_file::read_safetensors(path)?
                        .into_iter()
                        .filter(|(name, _)| !OTHERS.iter().any(|other| name.starts_with(other)))
                        .partition(|(name, _)| name.starts_with(EMA_PREFIX));
                // A moving average is what such a run is about.
                let name = |name: String| name[EMA_PREFIX.len()..].to_string();
                tensors.extend(averages.into_iter().map(|(full, tensor)| (name(full), tensor)));
                tensors
            }
        };
        let (key_map, tensors) = to_torchvision(tensors);
        match tensors.is_empty() {
            true => Err(broken(path, "holds no weights")),
            false => Ok(StateDict { key_map, tensors }),
        }
    }
}

/// Whether a file is one that `torch.save` wrote, as far as its first bytes tell.
pub(crate) fn is_pytorch_file(path: &Path) -> Result<bool> {
    let found = path.metadata();
    // What is not there, or no file, is the reader's to say.
    if !found.is_ok_and(|found| found.is_file()) {
        return Ok(false);
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(|cause| Error::read(path, &cause))?;
    file.take(9).read_to_end(&mut start).map_err(|cause| Error::read(path, &cause))?;
    // A safetensors file begins with a length, which may begin with any byte.
    if start.get(8) == Some(&b'{') {
        return Ok(false);
    }
    // The oldest pickles begin with any operation.
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    Ok(pytorch::is_pytorch_file(&start) || matches!(ending, "pth" | "pt" | "th" | "pkl" | "ckpt"))
}
