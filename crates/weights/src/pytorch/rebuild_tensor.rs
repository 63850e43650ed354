//! Reads the data of a pickled tensor in row-major order, as `torch._utils._rebuild_tensor_v2`
//! does.

use std::path::Path;

use residual_pickle::Value;
use residual_spec::{Error, Result};

use super::storage::{StorageRef, Storages};
use super::unsupported;
use crate::tensor::Tensor;

/// Maximum ratio of tensor data to file size. Tensors can share a storage, so that a file describes
/// more tensor data than it contains; a hostile file could do so without limit.
const MAX_EXPANSION: u64 = 4;
/// Minimum of the memory budget in bytes, for small files.
const MIN_BUDGET: u64 = 1 << 20;
/// Maximum number of dimensions. PyTorch allows 64; the tensors of networks have at most 4.
const MAX_DIMS: usize = 8;

/// Reads the tensors of a file within a memory budget.
pub(crate) struct TensorRebuilder<'f> {
    path: &'f Path,
    storages: Storages,
    /// Remaining bytes of tensor data that may be read.
    budget: u64,
}

/// Arguments of `_rebuild_tensor_v2`; offset and strides are in elements.
struct StridedLayout<'p> {
    storage: StorageRef<'p>,
    offset: u64,
    shape: Vec<u64>,
    stride: Vec<u64>,
}

impl<'f> TensorRebuilder<'f> {
    /// `size` is the file size in bytes.
    pub fn new(path: &'f Path, storages: Storages, size: u64) -> Self {
        let budget = size.saturating_mul(MAX_EXPANSION).max(MIN_BUDGET);
        TensorRebuilder { path, storages, budget }
    }

    /// Reads the tensor that a pickled value describes; `None` if the value is not a tensor.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if the tensor exceeds its storage or its data is missing.
    pub fn tensor(&mut self, name: &str, value: Value) -> Result<Option<Tensor>> {
        let Some(arguments) = rebuild_arguments(value) else { return Ok(None) };
        let layout = StridedLayout::from_arguments(&arguments)
            .map_err(|problem| self.tensor_error(name, &problem))?;
        self.gather(name, &layout).map(Some)
    }

    fn tensor_error(&self, name: &str, problem: &str) -> Error {
        unsupported(self.path, format!("{problem} (`{}`)", printable(name)))
    }

    /// Reads the elements of a strided tensor in row-major order.
    fn gather(&mut self, name: &str, layout: &StridedLayout) -> Result<Tensor> {
        let invalid = |problem: String| self.tensor_error(name, &problem);
        let storage = &layout.storage;
        let size = storage.dtype.size();
        let Some(&range) = self.storages.ranges.get(storage.key) else {
            return Err(invalid(format!("has no storage '{}'", printable(storage.key))));
        };
        if storage.num_bytes() != Some(range.len) {
            let problem = format!(
                "declares {} elements for storage '{}', which has {} bytes",
                storage.count,
                printable(storage.key),
                range.len,
            );
            return Err(invalid(problem));
        }
        let dtype = storage.dtype;
        let shape: Vec<usize> = layout.shape.iter().map(|&n| n as usize).collect();
        let Some((count, last)) = layout.extent() else {
            return Err(invalid("has a tensor of invalid size".into()));
        };
        if count == 0 {
            return Ok(Tensor { dtype, shape, bytes: Vec::new() });
        }
        let end = layout.offset.checked_add(last).filter(|&end| end < storage.view.1);
        if end.is_none() {
            return Err(invalid("has a tensor that exceeds its storage".into()));
        }
        // Bytes from the first to the last element, and bytes of all elements.
        let spanned = (last + 1).saturating_mul(size as u64);
        let gathered = count.saturating_mul(size as u64);
        let budget = self.budget.checked_sub(spanned.max(gathered));
        self.budget = budget
            .ok_or_else(|| invalid("describes much more tensor data than it contains".into()))?;

        let offset = range.offset + (storage.view.0 + layout.offset) * size as u64;
        let span = self.storages.read(offset, spanned as usize);
        let span = span.map_err(|cause| Error::read(self.path, &cause))?;
        let bytes = if layout.is_contiguous() {
            span
        } else {
            layout.to_row_major(&span, size, gathered as usize)
        };
        Ok(Tensor { dtype, shape, bytes })
    }
}

/// Returns the arguments of `_rebuild_tensor` or `_rebuild_tensor_v2` of a tensor or parameter.
fn rebuild_arguments(value: Value) -> Option<Vec<Value>> {
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

/// Returns whether a pickled value is a tensor or a parameter.
pub(crate) fn is_tensor(value: Value) -> bool {
    rebuild_arguments(value).is_some()
}

impl<'p> StridedLayout<'p> {
    fn from_arguments(arguments: &[Value<'p>]) -> Result<StridedLayout<'p>, String> {
        let [storage, offset, shape, stride, ..] = arguments[..] else {
            return Err("has a tensor without a shape".into());
        };
        let storage = storage.as_persistent_id().ok_or("has a tensor without a storage")?;
        let storage = StorageRef::read(storage)?;
        let offset = offset.as_int().and_then(|offset| u64::try_from(offset).ok());
        let offset = offset.ok_or("has a tensor with an invalid offset")?;
        let sizes = |value: Value| {
            let sizes = value.as_items()?;
            if sizes.len() > MAX_DIMS {
                return None;
            }
            sizes.map(|size| u64::try_from(size.as_int()?).ok()).collect::<Option<Vec<_>>>()
        };
        match (sizes(shape), sizes(stride)) {
            (Some(shape), Some(stride)) if shape.len() == stride.len() => {
                Ok(StridedLayout { storage, offset, shape, stride })
            }
            _ => Err("has a tensor with an invalid shape or strides".into()),
        }
    }

    /// Returns the number of elements and the distance of the last element from the first one;
    /// `None` on overflow.
    fn extent(&self) -> Option<(u64, u64)> {
        let count = self.shape.iter().try_fold(1_u64, |product, &n| product.checked_mul(n))?;
        let mut last = 0_u64;
        for (&n, &stride) in self.shape.iter().zip(&self.stride) {
            last = last.checked_add(n.saturating_sub(1).checked_mul(stride)?)?;
        }
        Some((count, last))
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.stride).rev().all(|(&n, &stride)| {
            let is_expected = n == 1 || stride == expected;
            expected *= n;
            is_expected
        })
    }

    /// Returns the elements in row-major order. `span` starts at the first element.
    fn to_row_major(&self, span: &[u8], size: usize, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        let mut index = vec![0_u64; self.shape.len()];
        let mut position = 0_u64;
        loop {
            let start = position as usize * size;
            bytes.extend_from_slice(&span[start..start + size]);
            // Increment the index like an odometer, the last dimension first.
            let mut dimension = self.shape.len();
            loop {
                let Some(next) = dimension.checked_sub(1) else { return bytes };
                dimension = next;
                index[dimension] += 1;
                position += self.stride[dimension];
                if index[dimension] < self.shape[dimension] {
                    break;
                }
                position -= index[dimension] * self.stride[dimension];
                index[dimension] = 0;
            }
        }
    }
}

/// Shortens a name from a file and removes control characters, for messages.
pub(crate) fn printable(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(80).collect()
}
