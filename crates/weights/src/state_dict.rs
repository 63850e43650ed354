//! Reads the weights of a PyTorch or safetensors file under torchvision's keys.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use residual_spec::{Error, Result};

use crate::checkpoint::EMA_PREFIX;
use crate::key_map::{KeyMap, to_torchvision};
use crate::safetensors_file::{self, broken};
use crate::{Tensor, pytorch};

/// Parameters and buffers of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct StateDict {
    /// Naming scheme of the keys in the file.
    pub key_map: KeyMap,
    /// Tensors by torchvision's keys.
    pub tensors: BTreeMap<String, Tensor>,
}

/// Prefixes of checkpoint tensors that do not belong to the network: optimizer state, mean image.
const NON_NETWORK_PREFIXES: [&str; 2] = ["optimizer.", "transform."];

impl StateDict {
    /// Reads a file that `torch.save` wrote (.pth, .pt, .th) or a safetensors file. The format is
    /// detected from the contents. No code in the file is executed.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if the file is missing, truncated, malformed, or contains objects other than
    /// tensors; `E_IO`.
    pub fn read(path: &Path) -> Result<StateDict> {
        let tensors = if is_pytorch_file(path)? {
            pytorch::read(path)?
        } else {
            let (ema_tensors, mut tensors): (BTreeMap<_, _>, BTreeMap<_, _>) =
                safetensors_file::read_safetensors(path)?
                    .into_iter()
                    .filter(|(name, _)| {
                        !NON_NETWORK_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
                    })
                    .partition(|(name, _)| name.starts_with(EMA_PREFIX));
            // As in `Checkpoint::read`, moving averages replace the weights.
            let strip_prefix = |name: String| name[EMA_PREFIX.len()..].to_string();
            tensors
                .extend(ema_tensors.into_iter().map(|(name, tensor)| (strip_prefix(name), tensor)));
            tensors
        };
        let (key_map, tensors) = to_torchvision(tensors);
        if tensors.is_empty() {
            Err(broken(path, "contains no weights"))
        } else {
            Ok(StateDict { key_map, tensors })
        }
    }
}

/// Returns whether `torch.save` wrote a file, according to its first bytes or else its extension.
pub(crate) fn is_pytorch_file(path: &Path) -> Result<bool> {
    // The safetensors reader reports a missing file.
    if !path.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(false);
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(|cause| Error::read(path, &cause))?;
    file.take(9).read_to_end(&mut start).map_err(|cause| Error::read(path, &cause))?;
    // A safetensors file starts with the length of its header, which can be any bytes, and `{`.
    if start.get(8) == Some(&b'{') {
        return Ok(false);
    }
    // Pickles of protocols 0 and 1 have no magic number.
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Ok(pytorch::is_pytorch_file(&start)
        || matches!(extension, "pth" | "pt" | "th" | "pkl" | "ckpt"))
}
