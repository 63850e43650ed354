//! Reads the weights of a PyTorch or safetensors file under torchvision's keys.

mod entry;
mod head;
mod network_root;
mod selection;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use residual_spec::{Error, Result};

use crate::checkpoint::{EMA_PREFIX, OPTIMIZER_PREFIX, VERSION_KEY};
use crate::key_map::KeyMap;
use crate::safetensors_file::{self, SafetensorsFile, broken};
use crate::{DType, Tensor, pytorch};

use entry::is_batch_counter;
pub(crate) use entry::{TensorEntry, list_names};
pub(crate) use selection::Selection;

/// Parameters and buffers of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct StateDict {
    /// Naming scheme of the keys in the file.
    pub key_map: KeyMap,
    /// Tensors by torchvision's keys.
    pub tensors: BTreeMap<String, Tensor>,
    /// Warnings about the file, one sentence each: which of several networks is used, which tensors
    /// are ignored.
    pub warnings: Vec<String>,
    /// Reason why the classification head of the file cannot be used; `None` if the head can be used
    /// or the file has none.
    pub unusable_head: Option<String>,
}

/// Prefixes of checkpoint tensors that do not belong to the network: optimizer state, mean image.
const NON_NETWORK_PREFIXES: [&str; 2] = [OPTIMIZER_PREFIX, "transform."];

impl StateDict {
    /// Reads a file that `torch.save` wrote (.pth, .pt, .th) or a safetensors file. The format is
    /// detected from the contents. No code in the file is executed. Only the tensors of one network
    /// are read; the others are named in the warnings.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if the file is missing, truncated, malformed, or contains no tensors; `E_IO`.
    pub fn read(path: &Path) -> Result<StateDict> {
        let state = if is_pytorch_file(path)? {
            pytorch::read(path)?
        } else {
            let file = safetensors_file::open(path)?;
            if file.metadata.contains_key(VERSION_KEY) {
                StateDict::from_checkpoint(&file)?
            } else {
                let entries = list_entries(&file);
                StateDict::from_selection(Selection::new(&entries), |at| {
                    let tensor = file.read_tensor(&entries[at].name)?;
                    Ok(tensor.expect("the name is from the header"))
                })?
            }
        };
        if state.tensors.is_empty() { Err(broken(path, "contains no weights")) } else { Ok(state) }
    }

    /// Reads the tensors of a selection. `read` returns the tensor with an index in the file.
    pub(crate) fn from_selection(
        selection: Selection,
        mut read: impl FnMut(usize) -> Result<Tensor>,
    ) -> Result<StateDict> {
        let Selection { renamer, tensors, zero_bias, warnings, unusable_head } = selection;
        let mut read_entry = |(key, at): (String, usize)| {
            let mut tensor = read(at)?;
            renamer.reshape(&key, &mut tensor);
            Ok((key, tensor))
        };
        let mut tensors =
            tensors.into_iter().map(&mut read_entry).collect::<Result<BTreeMap<_, _>>>()?;
        if let Some(num_classes) = zero_bias {
            let bytes = vec![0; DType::F32.size() * num_classes];
            let bias = Tensor { dtype: DType::F32, shape: vec![num_classes], bytes };
            tensors.insert("fc.bias".into(), bias);
        }
        Ok(StateDict { key_map: renamer.key_map, tensors, warnings, unusable_head })
    }

    /// Reads the weights of a residual checkpoint, and verifies its other tensors.
    fn from_checkpoint(file: &SafetensorsFile) -> Result<StateDict> {
        let is_weight = |name: &str| {
            let is_network = !NON_NETWORK_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            // As in `Checkpoint::read`, moving averages replace the weights.
            let is_replaced = file.has_tensor(&format!("{EMA_PREFIX}{name}"));
            is_network && !is_replaced && !is_batch_counter(name)
        };
        let mut tensors = BTreeMap::new();
        for (name, _) in file.shapes().filter(|(name, _)| is_weight(name)) {
            let key = name.strip_prefix(EMA_PREFIX).unwrap_or(&name).to_string();
            let tensor = file.read_tensor(&name)?.expect("the name is from the header");
            tensors.insert(key, tensor);
        }
        file.verify_tensors(|name| !is_weight(name))?;
        let (key_map, warnings) = (KeyMap::Torchvision, Vec::new());
        Ok(StateDict { key_map, tensors, warnings, unusable_head: None })
    }
}

/// Returns the tensors of a safetensors file in the order of their data.
fn list_entries(file: &SafetensorsFile) -> Vec<TensorEntry> {
    file.shapes().map(|(name, shape)| TensorEntry { name, dict_len: 0, shape }).collect()
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
