//! Detects invalid values in weights: NaN, infinity, negative variances.

use std::collections::BTreeMap;

use residual_pickle::printable;
use residual_spec::{Error, ErrorCode, Result};

use crate::{DType, Tensor};

/// Checks the values of all tensors of a network, see [`check_finite_tensor`].
///
/// # Errors
/// `E_CHECKPOINT` with the first tensor that has invalid values.
pub fn check_finite(tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    tensors.iter().try_for_each(|(name, tensor)| check_finite_tensor(name, tensor))
}

/// Checks that all values of a tensor are finite in float32, and that variances are not negative.
/// A later ReLU may hide such values, so that the outputs of the network do not reveal them.
///
/// # Errors
/// `E_CHECKPOINT` with the name of the tensor and the number of invalid values.
pub fn check_finite_tensor(name: &str, tensor: &Tensor) -> Result<()> {
    let (bytes, total) = (&tensor.bytes, tensor.bytes.len() / tensor.dtype.size());
    let not_finite = match tensor.dtype {
        DType::F32 => count_not_finite(bytes, |value: [u8; 4]| f32::from_le_bytes(value)),
        DType::F64 => count_not_finite(bytes, |value: [u8; 8]| f64::from_le_bytes(value) as f32),
        // NaN and infinity have all exponent bits set.
        DType::F16 => count(bytes, |value: [u8; 2]| u16::from_le_bytes(value) & 0x7c00 == 0x7c00),
        DType::Bf16 => count(bytes, |value: [u8; 2]| u16::from_le_bytes(value) & 0x7f80 == 0x7f80),
        DType::I64 | DType::I32 | DType::I16 | DType::I8 | DType::U8 | DType::Bool => 0,
    };
    if not_finite > 0 {
        return Err(invalid(name, not_finite, total, "NaN or infinite"));
    }
    if name.ends_with("running_var") {
        let values = tensor.to_f32().unwrap_or_default();
        let negative = values.iter().filter(|value| **value < 0.0).count();
        if negative > 0 {
            return Err(invalid(name, negative, total, "negative"));
        }
    }
    Ok(())
}

fn count_not_finite<const N: usize>(bytes: &[u8], to_f32: impl Fn([u8; N]) -> f32) -> usize {
    count(bytes, |value| !to_f32(value).is_finite())
}

/// Counts the elements of `N` bytes that satisfy a condition.
fn count<const N: usize>(bytes: &[u8], condition: impl Fn([u8; N]) -> bool) -> usize {
    let (elements, _) = bytes.as_chunks::<N>();
    elements.iter().map(|element| usize::from(condition(*element))).sum()
}

fn invalid(name: &str, count: usize, total: usize, kind: &str) -> Error {
    let values = if count == 1 { "value" } else { "values" };
    let message =
        format!("the weights have {count} {kind} {values} of {total} in `{}`", printable(name));
    Error::new(ErrorCode::Checkpoint, message).hint(
        "The training of these weights diverged, or the file is damaged. Use an earlier \
         checkpoint, or copy the file again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(dtype: DType, bytes: Vec<u8>) -> Tensor {
        Tensor { dtype, shape: vec![bytes.len() / dtype.size()], bytes }
    }

    fn message(name: &str, tensor: &Tensor) -> Option<String> {
        check_finite_tensor(name, tensor).err().map(|error| error.message)
    }

    #[test]
    fn counts_values_that_are_not_finite_in_every_type() {
        let f32s = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let f64s = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let u16s = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        for (dtype, bytes) in [
            (DType::F32, f32s(&[0.0, f32::NAN, -1e38, f32::NEG_INFINITY])),
            // 1e300 is infinite in float32.
            (DType::F64, f64s(&[1e300, 1.0, f64::NAN, 1e38])),
            (DType::F16, u16s(&[0x7c00, 0x7bff, 0xfe00, 0])),
            (DType::Bf16, u16s(&[0x7f80, 0x7f7f, 0xffc0, 0])),
        ] {
            let tensor = tensor(dtype, bytes);
            let message = message("bn1.weight", &tensor).unwrap();
            let expected = "the weights have 2 NaN or infinite values of 4 in `bn1.weight`";
            assert_eq!(message, expected, "{dtype:?}");
        }
        for dtype in [DType::I64, DType::U8, DType::Bool] {
            assert_eq!(message("x", &tensor(dtype, vec![0xff; 16])), None);
        }
        assert_eq!(
            message("x", &tensor(DType::F32, f32s(&[-1.0, f32::MAX, f32::MIN_POSITIVE]))),
            None
        );
    }

    #[test]
    fn rejects_negative_variances_only() {
        let negative =
            tensor(DType::F32, [1.0_f32, -0.5].iter().flat_map(|v| v.to_le_bytes()).collect());
        let expected = "the weights have 1 negative value of 2 in `bn1.running_var`";
        assert_eq!(message("bn1.running_var", &negative).unwrap(), expected);
        assert_eq!(message("bn1.running_mean", &negative), None);
    }
}
