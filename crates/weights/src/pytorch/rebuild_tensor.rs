//! Reads the data of a pickled tensor in row-major order, as `torch._utils._rebuild_tensor_v2`
//! does.

use std::io::ErrorKind;
use std::path::Path;

use residual_pickle::{Array, Value, printable};
use residual_spec::{Error, Result};

use super::storage::{StorageRef, Storages};
use super::{malformed, unsupported};
use crate::tensor::{DType, Tensor};

/// Maximum ratio of tensor data to file size. Tensors can share a storage or an array, so that a file
/// describes more tensor data than it contains; a hostile file could do so without limit.
const MAX_EXPANSION: u64 = 4;
/// Minimum of the memory budget in bytes, for small files.
const MIN_BUDGET: u64 = 1 << 20;
/// Maximum number of dimensions. PyTorch allows 64; the tensors of networks have at most 4.
const MAX_DIMS: usize = 8;
/// Maximum number of arguments of `_rebuild_tensor_v2`.
const MAX_ARGUMENTS: usize = 16;

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
    /// `size` is the file size in bytes, to which the decompressed length of storages is added.
    pub fn new(path: &'f Path, storages: Storages, size: u64) -> Self {
        let size = size.saturating_add(storages.inflated_len());
        let budget = size.saturating_mul(MAX_EXPANSION).max(MIN_BUDGET);
        TensorRebuilder { path, storages, budget }
    }

    /// Reads the tensor that a pickled value describes.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if the tensor is of an unsupported type, exceeds its storage, or its data is
    /// missing.
    pub fn tensor(&mut self, name: &str, value: Value) -> Result<Tensor> {
        let path = self.path;
        let error = |problem: &str| tensor_error(path, name, problem);
        if let Some(array) = value.as_array() {
            self.charge(name, array.bytes.len() as u64)?;
            return to_tensor(&array).ok_or_else(|| {
                error(&format!("has an array of the unsupported type {}", array.dtype))
            });
        }
        let Some(arguments) = rebuild_arguments(value) else {
            return Err(error(&format!(
                "has a tensor of an unsupported kind: {}",
                value.describe()
            )));
        };
        let layout =
            StridedLayout::from_arguments(&arguments).map_err(|problem| error(&problem))?;
        self.gather(name, &layout)
    }

    /// Reads the elements of a strided tensor in row-major order.
    fn gather(&mut self, name: &str, layout: &StridedLayout) -> Result<Tensor> {
        let path = self.path;
        let invalid = |problem: String| tensor_error(path, name, &problem);
        let storage = &layout.storage;
        let dtype = storage.dtype().map_err(invalid)?;
        let size = dtype.size();
        let Some(data) = self.storages.get(storage.key) else {
            return Err(invalid(format!("has no storage '{}'", printable(storage.key))));
        };
        if storage.count.checked_mul(size as u64) != Some(data.len()) {
            let problem = format!(
                "declares {} elements for storage '{}', which has {} bytes",
                storage.count,
                printable(storage.key),
                data.len(),
            );
            return Err(invalid(problem));
        }
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
        let inflated = self.storages.bytes_to_inflate(storage.key);
        self.charge(name, spanned.max(gathered).max(inflated))?;

        let offset = (storage.view.0 + layout.offset) * size as u64;
        let span = self.storages.read(storage.key, offset, spanned as usize);
        let span = span.map_err(|cause| match cause.kind() {
            // Damaged data of a compressed storage.
            ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                malformed(self.path, format!("is damaged: {cause}"))
            }
            _ => Error::read(self.path, &cause),
        })?;
        let bytes = if layout.is_contiguous() {
            span
        } else {
            to_row_major(&layout.shape, &layout.stride, &span, size)
        };
        Ok(Tensor { dtype, shape, bytes })
    }

    /// Subtracts the bytes of a tensor or array from the budget.
    fn charge(&mut self, name: &str, num_bytes: u64) -> Result<()> {
        let remaining = self.budget.checked_sub(num_bytes);
        self.budget = remaining.ok_or_else(|| {
            tensor_error(self.path, name, "describes much more tensor data than it contains")
        })?;
        Ok(())
    }
}

/// Returns the arguments of `_rebuild_tensor` or `_rebuild_tensor_v2` of a tensor, a parameter or an
/// object of a subclass of tensors.
fn rebuild_arguments(value: Value) -> Option<Vec<Value>> {
    let mut call = value.as_object()?;
    // A parameter of a subclass is nested twice.
    for _ in 0..2 {
        call = match call {
            (
                "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state",
                arguments,
            ) => arguments.first()?.as_object()?,
            // (function, class, arguments, state)
            (
                "torch._tensor._rebuild_from_type_v2" | "torch._tensor._rebuild_from_type",
                arguments,
            ) => {
                let function = arguments.first()?.as_global()?;
                let arguments = arguments.get(2)?.as_items()?;
                if arguments.len() > MAX_ARGUMENTS {
                    return None;
                }
                (function, arguments.collect())
            }
            call => call,
        };
    }
    match call {
        ("torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2", arguments) => {
            Some(arguments)
        }
        _ => None,
    }
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
}

/// Returns the elements of a tensor in row-major order. `span` starts at the first element; strides
/// are in elements of `size` bytes.
fn to_row_major(shape: &[u64], stride: &[u64], span: &[u8], size: usize) -> Vec<u8> {
    let count: u64 = shape.iter().product();
    let mut bytes = Vec::with_capacity(count as usize * size);
    let mut index = vec![0_u64; shape.len()];
    let mut position = 0_u64;
    loop {
        let start = position as usize * size;
        bytes.extend_from_slice(&span[start..start + size]);
        // Increment the index like an odometer, the last dimension first.
        let mut dimension = shape.len();
        loop {
            let Some(next) = dimension.checked_sub(1) else { return bytes };
            dimension = next;
            index[dimension] += 1;
            position += stride[dimension];
            if index[dimension] < shape[dimension] {
                break;
            }
            position -= index[dimension] * stride[dimension];
            index[dimension] = 0;
        }
    }
}

/// Converts a NumPy array; `None` if its type is not supported.
fn to_tensor(array: &Array) -> Option<Tensor> {
    let dtype = match array.dtype {
        "f8" => DType::F64,
        "f4" => DType::F32,
        "f2" => DType::F16,
        "i8" => DType::I64,
        "i4" => DType::I32,
        "i2" => DType::I16,
        "i1" => DType::I8,
        "u1" => DType::U8,
        "b1" => DType::Bool,
        _ => return None,
    };
    let size = dtype.size();
    let shape: Vec<u64> = array.shape.iter().map(|&n| n as u64).collect();
    let mut bytes = if array.fortran_order && !array.bytes.is_empty() {
        let stride: Vec<u64> = (0..shape.len()).map(|at| shape[..at].iter().product()).collect();
        to_row_major(&shape, &stride, array.bytes, size)
    } else {
        array.bytes.to_vec()
    };
    if array.big_endian {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    Some(Tensor { dtype, shape: array.shape.clone(), bytes })
}

/// Returns the shape of the tensor or array that a pickled value describes; `None` if the value is
/// neither. Tensors that cannot be read have no dimensions.
pub(crate) fn tensor_shape(value: Value) -> Option<Vec<usize>> {
    let (function, _) = value.as_object()?;
    if let Some(array) = value.as_array() {
        return Some(array.shape);
    }
    let is_tensor = ["torch._utils._rebuild_", "torch._tensor._rebuild_"]
        .iter()
        .any(|prefix| function.starts_with(prefix));
    let shape = || {
        let arguments = rebuild_arguments(value)?;
        let layout = StridedLayout::from_arguments(&arguments).ok()?;
        Some(layout.shape.iter().map(|&n| n as usize).collect())
    };
    is_tensor.then(|| shape().unwrap_or_default())
}

fn tensor_error(path: &Path, name: &str, problem: &str) -> Error {
    unsupported(path, format!("{problem} (`{}`)", printable(name)))
}
