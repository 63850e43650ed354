//! Conversion between libtorch tensors and the host tensors of weight files.

use residual_spec::{Error, ErrorCode, Result};
use residual_torch::torch_error;
use residual_weights::{DType, TensorInfo};
use tch::{Kind, Tensor};

/// Converts a host tensor to a libtorch CPU tensor of the same dtype.
///
/// # Errors
/// `E_MISMATCH` for integer and boolean tensors.
pub fn to_tch(tensor: &residual_weights::Tensor) -> Result<Tensor> {
    let kind = match tensor.dtype {
        DType::F32 => Kind::Float,
        DType::F64 => Kind::Double,
        DType::F16 => Kind::Half,
        DType::Bf16 => Kind::BFloat16,
        dtype @ (DType::I64 | DType::I32 | DType::I16 | DType::I8 | DType::U8 | DType::Bool) => {
            let message = format!("weights of dtype {dtype:?} are not supported");
            return Err(Error::new(ErrorCode::Mismatch, message));
        }
    };
    let shape: Vec<i64> = tensor.shape.iter().map(|&n| n as i64).collect();
    Tensor::f_from_data_size(&tensor.bytes, &shape, kind).map_err(torch_error)
}

/// Returns the dtype and shape of the tensor that [`from_tch`] returns.
pub fn tensor_info(tensor: &Tensor) -> TensorInfo {
    let dtype = match tensor.kind() {
        Kind::Double => DType::F64,
        _ => DType::F32,
    };
    TensorInfo { dtype, shape: tensor.size().iter().map(|&n| n as usize).collect() }
}

/// Converts a libtorch tensor of any device and memory format to a host tensor in row-major order.
/// float64 is preserved; all other kinds become float32.
pub fn from_tch(tensor: &Tensor) -> Result<residual_weights::Tensor> {
    let TensorInfo { dtype, shape } = tensor_info(tensor);
    let kind = if dtype == DType::F64 { Kind::Double } else { Kind::Float };
    let contiguous = tensor
        .detach()
        .f_to_device(tch::Device::Cpu)
        .and_then(|tensor| tensor.f_to_kind(kind))
        .and_then(|tensor| tensor.f_contiguous())
        .map_err(torch_error)?;
    let elements = contiguous.numel();
    let mut bytes = vec![0; elements * dtype.size()];
    contiguous.f_copy_data_u8(&mut bytes, elements).map_err(torch_error)?;
    Ok(residual_weights::Tensor { dtype, shape, bytes })
}
