//! Tensors as files have them: a type, a shape, bytes.

use safetensors::Dtype;

/// Bytes of a tensor's name. Names are copied and compared, and nothing that a network has needs
/// more.
pub(crate) const MAX_NAME_LEN: usize = 1024;

/// The type of a tensor's numbers. Bytes are little-endian.
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
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::F16 | DType::Bf16 | DType::I16 => 2,
            DType::I8 | DType::U8 | DType::Bool => 1,
        }
    }

    /// None for a type that residual computes nothing with.
    pub(crate) fn from_file(dtype: Dtype) -> Option<DType> {
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

    pub(crate) fn in_file(self) -> Dtype {
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

/// A tensor in memory of its own: `bytes` holds the numbers row by row, the last dimension
/// innermost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Tensor {
    /// All but its numbers.
    pub fn info(&self) -> TensorInfo {
        TensorInfo { dtype: self.dtype, shape: self.shape.clone() }
    }

    /// The numbers in float32, rounded where there is more to them; None for whole ones.
    pub fn floats(&self) -> Option<Vec<f32>> {
        let bytes = &self.bytes;
        let pair = |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]);
        Some(match self.dtype {
            DType::F32 => {
                let number = |number: &[u8]| [number[0], number[1], number[2], number[3]];
                bytes.chunks_exact(4).map(|four| f32::from_le_bytes(number(four))).collect()
            }
            DType::F64 => bytes
                .chunks_exact(8)
                .map(|eight| f64::from_le_bytes(eight.try_into().expect("eight bytes")) as f32)
                .collect(),
            DType::F16 => bytes.chunks_exact(2).map(|two| half(pair(two))).collect(),
            DType::Bf16 => bytes
                .chunks_exact(2)
                .map(|two| f32::from_bits(u32::from(pair(two)) << 16))
                .collect(),
            _ => return None,
        })
    }
}

/// IEEE 754's binary16 as float32, which holds every one of them exactly.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match (exponent, bits & 1023) {
        (31, 0) => f32::INFINITY,
        (31, _) => f32::NAN,
        (0, _) => fraction * 2f32.powi(-24),
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

/// A tensor without its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    pub dtype: DType,
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// Bytes of all its numbers.
    pub fn bytes(&self) -> usize {
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
    fn a_type_has_the_files_name_and_size() {
        for dtype in ALL {
            assert_eq!(DType::from_file(dtype.in_file()), Some(dtype));
            assert_eq!(dtype.in_file().bitsize(), dtype.size() * 8);
        }
        assert_eq!(DType::from_file(Dtype::F8_E4M3), None);
    }

    #[test]
    fn every_floating_type_becomes_float32() {
        let floats = |dtype, bytes: &[u8]| {
            Tensor { dtype, shape: vec![bytes.len() / dtype.size()], bytes: bytes.to_vec() }
                .floats()
        };
        assert_eq!(floats(DType::F32, &1.5f32.to_le_bytes()).unwrap(), [1.5]);
        assert_eq!(floats(DType::F64, &0.1f64.to_le_bytes()).unwrap(), [0.1]);
        assert_eq!(floats(DType::Bf16, &0xC020u16.to_le_bytes()).unwrap(), [-2.5]);
        for (bits, value) in [
            (0x3C00, 1.0),
            (0xC100, -2.5),
            (0x7BFF, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x7C00, f32::INFINITY),
            (0x8000, -0.0),
        ] {
            assert_eq!(floats(DType::F16, &u16::to_le_bytes(bits)).unwrap(), [value]);
        }
        assert!(half(0x7E00).is_nan());
        assert_eq!(floats(DType::I64, &[0; 8]), None);
    }
}
