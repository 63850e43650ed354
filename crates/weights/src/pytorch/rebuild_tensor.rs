//! From what a pickle says of a tensor to its numbers, row by row.

use std::path::Path;

use residual_pickle::Value;
use residual_spec::{Error, Result};

use super::refused;
use super::storage::{StorageRef, Storages};
use crate::tensor::Tensor;

/// Tensors may share numbers, and a file may so hold more tensors than bytes; but not without end.
const SHARED: u64 = 4;
/// That much is read of any file.
const LEAST: u64 = 1 << 20;
/// PyTorch's own limit is 64; networks have 4.
const DIMENSIONS: usize = 8;

pub(crate) struct TensorRebuilder<'f> {
    path: &'f Path,
    storages: Storages,
    /// Bytes that may still be read.
    left: u64,
}

/// A tensor as `_rebuild_tensor_v2` is told of it.
struct Layout<'p> {
    storage: StorageRef<'p>,
    offset: u64,
    shape: Vec<u64>,
    stride: Vec<u64>,
}

impl<'f> TensorRebuilder<'f> {
    pub fn new(path: &'f Path, storages: Storages, size: u64) -> Self {
        TensorRebuilder { path, storages, left: size.saturating_mul(SHARED).max(LEAST) }
    }

    /// The tensor that a value stands for; None if it stands for no tensor.
    ///
    /// # Errors
    /// `E_CHECKPOINT` for one that reaches beyond its storage, or whose numbers are not there.
    pub fn tensor(&mut self, name: &str, value: Value) -> Result<Option<Tensor>> {
        let Some(value) = tensor_call(value) else { return Ok(None) };
        let layout = Layout::read(&value)
            .map_err(|what| refused(self.path, format!("{what} (`{}`)", shown(name))))?;
        self.gather(name, &layout).map(Some)
    }

    fn gather(&mut self, name: &str, layout: &Layout) -> Result<Tensor> {
        let lies = |what: String| refused(self.path, format!("{what} (`{}`)", shown(name)));
        let storage = &layout.storage;
        let size = storage.dtype.size();
        let Some(&(place, bytes)) = self.storages.places.get(storage.key) else {
            return Err(lies(format!("has no storage '{}'", shown(storage.key))));
        };
        if storage.bytes() != Some(bytes) {
            let what = format!(
                "says that its storage '{}' has {} numbers, but there are {bytes} bytes",
                shown(storage.key),
                storage.numbers,
            );
            return Err(lies(what));
        }
        let dtype = storage.dtype;
        let shape: Vec<usize> = layout.shape.iter().map(|&n| n as usize).collect();
        let Some((numbers, last)) = layout.extent() else {
            return Err(lies("has a tensor of impossible size".into()));
        };
        if numbers == 0 {
            return Ok(Tensor { dtype, shape, bytes: Vec::new() });
        }
        let end = layout.offset.checked_add(last).filter(|&end| end < storage.part.1);
        if end.is_none() {
            return Err(lies("has a tensor that reaches beyond its storage".into()));
        }
        // What is read to gather from, and what is gathered.
        let spanned = (last + 1).saturating_mul(size as u64);
        let gathered = numbers.saturating_mul(size as u64);
        let left = self.left.checked_sub(spanned.max(gathered));
        self.left =
            left.ok_or_else(|| lies("holds many times more tensors than it has bytes for".into()))?;

        let begin = (storage.part.0 + layout.offset) * size as u64;
        let span = self.storages.read(place, begin, spanned as usize);
        let span = span.map_err(|cause| Error::read(self.path, &cause))?;
        let bytes = match layout.is_contiguous() {
            true => span,
            false => layout.rows(&span, size, gathered as usize),
        };
        Ok(Tensor { dtype, shape, bytes })
    }
}

/// The arguments of a tensor's making; a parameter is one around a tensor.
fn tensor_call(value: Value) -> Option<Vec<Value>> {
    match value.as_object()? {
        ("torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2", arguments) => {
            Some(arguments)
        }
        (
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state",
            arguments,
        ) => match arguments.first()?.as_object()? {
            ("torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2", arguments) => {
                Some(arguments)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether a value stands for a tensor.
pub(crate) fn is_tensor(value: Value) -> bool {
    tensor_call(value).is_some()
}

impl<'p> Layout<'p> {
    fn read(arguments: &[Value<'p>]) -> Result<Layout<'p>, String> {
        let [storage, offset, shape, stride, ..] = arguments[..] else {
            return Err("has a tensor without a shape".into());
        };
        let storage = storage.as_persistent().ok_or("has a tensor without a storage")?;
        let storage = StorageRef::read(storage)?;
        let offset = offset.as_int().and_then(|offset| u64::try_from(offset).ok());
        let offset = offset.ok_or("has a tensor that begins nowhere")?;
        let sizes = |value: Value| {
            let sizes = value.as_items()?;
            if sizes.len() > DIMENSIONS {
                return None;
            }
            sizes.map(|size| u64::try_from(size.as_int()?).ok()).collect::<Option<Vec<_>>>()
        };
        match (sizes(shape), sizes(stride)) {
            (Some(shape), Some(stride)) if shape.len() == stride.len() => {
                Ok(Layout { storage, offset, shape, stride })
            }
            _ => Err("has a tensor of impossible shape".into()),
        }
    }

    /// How many numbers the tensor has, and how far its last lies behind its first; None beyond
    /// 64 bits.
    fn extent(&self) -> Option<(u64, u64)> {
        let numbers = self.shape.iter().try_fold(1_u64, |all, &n| all.checked_mul(n))?;
        let mut last = 0_u64;
        for (&n, &stride) in self.shape.iter().zip(&self.stride) {
            last = last.checked_add(n.saturating_sub(1).checked_mul(stride)?)?;
        }
        Some((numbers, last))
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.stride).rev().all(|(&n, &stride)| {
            let fits = n == 1 || stride == expected;
            expected *= n;
            fits
        })
    }

    /// The numbers of `span`, which begins at the tensor's first, in the order of their indices.
    fn rows(&self, span: &[u8], size: usize, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        let mut index = vec![0_u64; self.shape.len()];
        let mut at = 0_u64;
        loop {
            let begin = at as usize * size;
            bytes.extend_from_slice(&span[begin..begin + size]);
            // The last dimension counts fastest, and carries.
            let mut dimension = self.shape.len();
            loop {
                let Some(next) = dimension.checked_sub(1) else { return bytes };
                dimension = next;
                index[dimension] += 1;
                at += self.stride[dimension];
                if index[dimension] < self.shape[dimension] {
                    break;
                }
                at -= index[dimension] * self.stride[dimension];
                index[dimension] = 0;
            }
        }
    }
}

/// A name out of a file, short and without what could act on a terminal.
pub(crate) fn shown(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(80).collect()
}
