//! Normalization of 8-bit pixels: `(value / 255 - mean) / std` of each channel, bit-exact with the
//! two f32 divisions of torchvision's `ToTensor` and `Normalize`.
//!
//! A division takes as long as about ten multiplications. The SIMD path therefore multiplies by the
//! reciprocal and corrects the quotient by the remainder. The constructor verifies for all 256
//! values that the result has the same bits; if it does not, a lookup table is used.

use crate::SimdLevel;

/// Values per iteration: a multiple of 3 channels and of 16 lanes.
const STEP: usize = 48;

/// Normalizes bytes by the mean and the standard deviation of each channel.
#[derive(Clone)]
pub struct ByteNormalizer {
    /// Normalized value of every byte, for each channel.
    tables: Vec<[f32; 256]>,
    /// Present if multiplication by the reciprocals gives exactly the values of the tables.
    constants: Option<Constants>,
}

/// Constants of the channels, repeated to the length of one iteration.
#[derive(Clone)]
struct Constants {
    mean: [f32; STEP],
    std: [f32; STEP],
    reciprocal: [f32; STEP],
}

impl ByteNormalizer {
    /// # Panics
    /// If there are not 1 or 3 channels, or `mean` and `std` differ in length.
    pub fn new(mean: &[f64], std: &[f64]) -> ByteNormalizer {
        assert!(matches!(mean.len(), 1 | 3) && mean.len() == std.len());
        let table = |(&mean, &std): (&f64, &f64)| {
            std::array::from_fn(|value| (value as f32 / 255.0 - mean as f32) / std as f32)
        };
        let tables: Vec<[f32; 256]> = mean.iter().zip(std).map(table).collect();
        let repeat = |values: &[f64]| std::array::from_fn(|i| values[i % values.len()] as f32);
        let constants = Constants {
            mean: repeat(mean),
            std: repeat(std),
            reciprocal: repeat(std).map(|std: f32| 1.0 / std),
        };
        let is_exact = (0..=255).all(|value: u8| {
            let mut actual = [0.0; STEP];
            constants.normalize(&[value; STEP], &mut actual);
            let expected = (0..STEP).map(|i| tables[i % tables.len()][usize::from(value)]);
            actual.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits())
        });
        ByteNormalizer { tables, constants: is_exact.then_some(constants) }
    }

    pub fn channels(&self) -> usize {
        self.tables.len()
    }

    /// Returns the normalized value of one byte of a channel.
    pub fn normalize_byte(&self, channel: usize, value: u8) -> f32 {
        self.tables[channel][usize::from(value)]
    }

    /// Normalizes complete pixels, whose channels are interleaved.
    ///
    /// # Panics
    /// If `values` and `out` differ in length.
    pub fn normalize_bytes(&self, level: SimdLevel, values: &[u8], out: &mut [f32]) {
        assert_eq!(values.len(), out.len());
        let mut normalized = 0;
        if let Some(constants) = &self.constants {
            level.assert_available();
            normalized = match level {
                SimdLevel::Scalar => 0,
                #[cfg(target_arch = "aarch64")]
                SimdLevel::Neon => constants.normalize_steps(values, out),
                // SAFETY: the CPU has the level's instructions.
                #[cfg(target_arch = "x86_64")]
                SimdLevel::Avx2 => unsafe { x86::avx2(constants, values, out) },
                // SAFETY: the CPU has the level's instructions.
                #[cfg(target_arch = "x86_64")]
                SimdLevel::Avx512 => unsafe { x86::avx512(constants, values, out) },
            };
        }
        let rest = values[normalized..].chunks(self.channels());
        for (values, out) in rest.zip(out[normalized..].chunks_mut(self.channels())) {
            for ((&value, out), table) in values.iter().zip(out).zip(&self.tables) {
                *out = table[usize::from(value)];
            }
        }
    }
}

impl Constants {
    #[inline(always)]
    fn normalize(&self, values: &[u8; STEP], out: &mut [f32; STEP]) {
        // A closure would not be compiled for the caller's instruction set.
        for i in 0..STEP {
            let value = divide(values[i].into(), 255.0, 1.0 / 255.0);
            out[i] = divide(value - self.mean[i], self.std[i], self.reciprocal[i]);
        }
    }

    /// Normalizes as many values as fill complete iterations. Returns their number. The compiler
    /// vectorizes the loop for the instruction set of the caller.
    #[inline(always)]
    fn normalize_steps(&self, values: &[u8], out: &mut [f32]) -> usize {
        let (values, out) = (values.as_chunks().0, out.as_chunks_mut().0);
        for (values, out) in values.iter().zip(out) {
            self.normalize(values, out);
        }
        values.len() * STEP
    }
}

/// Divides by multiplication by the reciprocal, with one correction by the remainder.
#[inline(always)]
fn divide(number: f32, divisor: f32, reciprocal: f32) -> f32 {
    let quotient = number * reciprocal;
    let remainder = quotient.mul_add(-divisor, number);
    remainder.mul_add(reciprocal, quotient)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Constants;

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(constants: &Constants, values: &[u8], out: &mut [f32]) -> usize {
        constants.normalize_steps(values, out)
    }

    #[target_feature(enable = "avx512f,avx512bw,fma")]
    pub(super) fn avx512(constants: &Constants, values: &[u8], out: &mut [f32]) -> usize {
        constants.normalize_steps(values, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_gives_the_bits_of_two_divisions() {
        let cases: [(&[f64], &[f64]); 5] = [
            (&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]),
            (&[0.4914, 0.4822, 0.4465], &[0.2023, 0.1994, 0.2010]),
            (&[0.0], &[1.0 / 255.0]),
            (&[0.1307], &[0.3081]),
            (&[0.5, 0.5, 0.5], &[1e-30, 1e30, 0.5]),
        ];
        let (mut num_exact, values) = (0, (0..600).map(|i| (i * 7) as u8).collect::<Vec<_>>());
        for (mean, std) in cases {
            let normalizer = ByteNormalizer::new(mean, std);
            num_exact += u32::from(normalizer.constants.is_some());
            for level in SimdLevel::available() {
                for length in [0, 3, 45, 48, 51, 600] {
                    let mut out = vec![0.0; length];
                    normalizer.normalize_bytes(level, &values[..length], &mut out);
                    for (i, &actual) in out.iter().enumerate() {
                        let c = i % mean.len();
                        let value = f32::from(values[i]) / 255.0;
                        let expected = (value - mean[c] as f32) / std[c] as f32;
                        assert_eq!(actual.to_bits(), expected.to_bits(), "{level:?} {i}");
                        let byte = normalizer.normalize_byte(c, values[i]);
                        assert_eq!(byte.to_bits(), expected.to_bits());
                    }
                }
            }
        }
        assert!(num_exact >= 3, "{num_exact}");
    }
}
