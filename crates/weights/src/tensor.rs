//! Tensors in host memory: data type, shape and little-endian bytes, as in files.

use safetensors::Dtype;

/// Maximum length of a tensor name in bytes. Longer names are refused, since a hostile file could
/// make every copy and comparison of a name expensive.
pub(crate) const MAX_NAME_LEN: usize = 1024;

/// Data type of the elements of a tensor; their bytes are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DType {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl DType {
    /// Returns the size of one element in bytes.
    pub fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::F16 | DType::Bf16 | DType::I16 => 2,
            DType::I8 | DType::U8 | DType::Bool => 1,
        }
    }

    /// Converts from the type of the `safetensors` crate; `None` for types that residual does not
    /// support.
    pub(crate) fn from_safetensors(dtype: Dtype) -> Option<DType> {
        Some(match dtype {
            Dtype::F64 => DType::F64,
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::Bf16,
            Dtype::I64 => DType::I64,
            Dtype::I32 => DType::I32,
            Dtype::I16 => DType::I16,
            Dtype::I8 => DType::I8,
            Dtype::U8 => DType::U8,
            Dtype::BOOL => DType::Bool,
            _ => return None,
        })
    }

    pub(crate) fn to_safetensors(self) -> Dtype {
        match self {
            DType::F64 => Dtype::F64,
            DType::F32 => Dtype::F32,
            DType::F16 => Dtype::F16,
            DType::Bf16 => Dtype::BF16,
            DType::I64 => Dtype::I64,
            DType::I32 => Dtype::I32,
            DType::I16 => Dtype::I16,
            DType::I8 => Dtype::I8,
            DType::U8 => Dtype::U8,
            DType::Bool => Dtype::BOOL,
        }
    }
}

/// A tensor whose elements are stored in `bytes` in row-major (C) order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Tensor {
    /// Returns the data type and shape.
    pub fn info(&self) -> TensorInfo {
        TensorInfo { dtype: self.dtype, shape: self.shape.clone() }
    }

    /// Converts the elements to float32, rounding float64; `None` for integer and boolean tensors.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        let bytes = &self.bytes;
        let to_u16 = |chunk: &[u8]| u16::from_le_bytes([chunk[0], chunk[1]]);
        Some(match self.dtype {
            DType::F32 => bytes
                .chunks_exact(4)
                .map(|chunk| f32::from_le_bytes(chunk.try_into().expect("four bytes")))
                .collect(),
            DType::F64 => bytes
                .chunks_exact(8)
                .map(|chunk| f64::from_le_bytes(chunk.try_into().expect("eight bytes")) as f32)
                .collect(),
            DType::F16 => bytes.chunks_exact(2).map(|chunk| f16_to_f32(to_u16(chunk))).collect(),
            DType::Bf16 => bytes
                .chunks_exact(2)
                .map(|chunk| f32::from_bits(u32::from(to_u16(chunk)) << 16))
                .collect(),
            DType::I64 | DType::I32 | DType::I16 | DType::I8 | DType::U8 | DType::Bool => {
                return None;
            }
        })
    }
}

/// Converts the bits of an IEEE 754 binary16 number to float32, which represents it exactly.
fn f16_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match (exponent, bits & 1023) {
        (31, 0) => f32::INFINITY,
        (31, _) => f32::NAN,
        (0, _) => fraction * 2f32.powi(-24),
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

/// Data type and shape of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    pub dtype: DType,
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// Returns the size of all elements in bytes.
    pub fn num_bytes(&self) -> usize {
        self.dtype.size() * self.shape.iter().product::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [DType; 10] = [
        DType::F64,
        DType::F32,
        DType::F16,
        DType::Bf16,
        DType::I64,
        DType::I32,
        DType::I16,
        DType::I8,
        DType::U8,
        DType::Bool,
    ];

    #[test]
    fn dtypes_round_trip_and_have_the_size_of_safetensors() {
        for dtype in ALL {
            assert_eq!(DType::from_safetensors(dtype.to_safetensors()), Some(dtype));
            assert_eq!(dtype.to_safetensors().bitsize(), dtype.size() * 8);
        }
        assert_eq!(DType::from_safetensors(Dtype::F8_E4M3), None);
    }

    #[test]
    fn to_f32_converts_every_floating_point_type() {
        let to_f32 = |dtype, bytes: &[u8]| {
            Tensor { dtype, shape: vec![bytes.len() / dtype.size()], bytes: bytes.to_vec() }
                .to_f32()
        };
        assert_eq!(to_f32(DType::F32, &1.5f32.to_le_bytes()).unwrap(), [1.5]);
        assert_eq!(to_f32(DType::F64, &0.1f64.to_le_bytes()).unwrap(), [0.1]);
        assert_eq!(to_f32(DType::Bf16, &0xC020u16.to_le_bytes()).unwrap(), [-2.5]);
        for (bits, value) in [
            (0x3C00, 1.0),
            (0xC100, -2.5),
            (0x7BFF, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x7C00, f32::INFINITY),
            (0x8000, -0.0),
        ] {
            assert_eq!(to_f32(DType::F16, &u16::to_le_bytes(bits)).unwrap(), [value]);
        }
        assert!(f16_to_f32(0x7E00).is_nan());
        assert_eq!(to_f32(DType::I64, &[0; 8]), None);
    }
}
