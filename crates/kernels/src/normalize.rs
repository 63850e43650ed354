//! From the bytes of pixels to what a network takes: `(value / 255 - mean) / std` of each channel, to
//! the bit as two divisions and a subtraction of f32 give it, as PyTorch's `ToTensor` and `Normalize`
//! compute them.
//!
//! A division costs as much as ten multiplications. Its quotient is a product with the reciprocal,
//! corrected by what is left over; for the 256 values that there are, it is found out beforehand
//! whether that is the same number.

use crate::SimdLevel;

/// Values of a step: whole pixels of 1 and of 3 channels, and whole registers.
const STEP: usize = 48;

/// The mean and the deviation of each channel, and what they make of each byte.
#[derive(Clone)]
pub struct ByteNormalizer {
    tables: Vec<[f32; 256]>,
    /// Where products give the same numbers as divisions.
    constants: Option<Constants>,
}

#[derive(Clone)]
struct Constants {
    mean: [f32; STEP],
    std: [f32; STEP],
    reciprocal: [f32; STEP],
}

impl ByteNormalizer {
    /// # Panics
    /// If there are not 1 or 3 channels, or not as many of both.
    pub fn new(mean: &[f64], std: &[f64]) -> ByteNormalizer {
        assert!(matches!(mean.len(), 1 | 3) && mean.len() == std.len());
        let table = |(&mean, &std): (&f64, &f64)| {
            std::array::from_fn(|value| (value as f32 / 255.0 - mean as f32) / std as f32)
        };
        let tables: Vec<[f32; 256]> = mean.iter().zip(std).map(table).collect();
        let cycle = |values: &[f64]| std::array::from_fn(|i| values[i % values.len()] as f32);
        let constants = Constants {
            mean: cycle(mean),
            std: cycle(std),
            reciprocal: cycle(std).map(|std: f32| 1.0 / std),
        };
        let same = (0..=255).all(|value: u8| {
            let mut found = [0.0; STEP];
            constants.of(&[value; STEP], &mut found);
            let wanted = (0..STEP).map(|i| tables[i % tables.len()][usize::from(value)]);
            found.iter().zip(wanted).all(|(found, wanted)| found.to_bits() == wanted.to_bits())
        });
        ByteNormalizer { tables, constants: same.then_some(constants) }
    }

    pub fn channels(&self) -> usize {
        self.tables.len()
    }

    /// What a channel's byte becomes.
    pub fn normalize_byte(&self, channel: usize, value: u8) -> f32 {
        self.tables[channel][usize::from(value)]
    }

    /// What whole pixels become, channels innermost.
    ///
    /// # Panics
    /// If `out` is not as long as `values`.
    pub fn normalize_bytes(&self, level: SimdLevel, values: &[u8], out: &mut [f32]) {
        assert_eq!(values.len(), out.len());
        let mut done = 0;
        #[cfg(target_arch = "x86_64")]
        if let Some(constants) = &self.constants {
            assert!(level <= SimdLevel::best() || level == SimdLevel::Scalar || cfg!(test));
            // SAFETY: the processor has the level's instructions.
            done = unsafe {
                match level {
                    SimdLevel::Avx512 => x86::avx512(constants, values, out),
                    SimdLevel::Avx2 => x86::avx2(constants, values, out),
                    SimdLevel::Scalar => 0,
                }
            };
        }
        let _ = level;
        let rest = values[done..].chunks(self.channels());
        for (values, out) in rest.zip(out[done..].chunks_mut(self.channels())) {
            for ((&value, out), table) in values.iter().zip(out).zip(&self.tables) {
                *out = table[usize::from(value)];
            }
        }
    }
}

impl Constants {
    #[inline(always)]
    fn of(&self, values: &[u8; STEP], out: &mut [f32; STEP]) {
        // No closures: they would not be compiled for the level.
        for i in 0..STEP {
            let part = divided(values[i].into(), 255.0, 1.0 / 255.0);
            out[i] = divided(part - self.mean[i], self.std[i], self.reciprocal[i]);
        }
    }

    /// All whole steps; how many values they are.
    #[inline(always)]
    fn steps(&self, values: &[u8], out: &mut [f32]) -> usize {
        let (values, out) = (values.as_chunks().0, out.as_chunks_mut().0);
        for (values, out) in values.iter().zip(out) {
            self.of(values, out);
        }
        values.len() * STEP
    }
}

/// The quotient, where it is what the tables say.
#[inline(always)]
fn divided(number: f32, by: f32, reciprocal: f32) -> f32 {
    let about = number * reciprocal;
    let left = about.mul_add(-by, number);
    left.mul_add(reciprocal, about)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Constants;

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(constants: &Constants, values: &[u8], out: &mut [f32]) -> usize {
        constants.steps(values, out)
    }

    #[target_feature(enable = "avx512f,avx512bw,fma")]
    pub(super) fn avx512(constants: &Constants, values: &[u8], out: &mut [f32]) -> usize {
        constants.steps(values, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_gives_what_divisions_give() {
        let known: [(&[f64], &[f64]); 5] = [
            (&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]),
            (&[0.4914, 0.4822, 0.4465], &[0.2023, 0.1994, 0.2010]),
            (&[0.0], &[1.0 / 255.0]),
            (&[0.1307], &[0.3081]),
            (&[0.5, 0.5, 0.5], &[1e-30, 1e30, 0.5]),
        ];
        let (mut fast, values) = (0, (0..600).map(|i| (i * 7) as u8).collect::<Vec<_>>());
        for (mean, std) in known {
            let normalizer = ByteNormalizer::new(mean, std);
            fast += u32::from(normalizer.constants.is_some());
            for level in SimdLevel::all() {
                for length in [0, 3, 45, 48, 51, 600] {
                    let mut out = vec![0.0; length];
                    normalizer.normalize_bytes(level, &values[..length], &mut out);
                    for (i, &found) in out.iter().enumerate() {
                        let c = i % mean.len();
                        let value = f32::from(values[i]) / 255.0;
                        let wanted = (value - mean[c] as f32) / std[c] as f32;
                        assert_eq!(found.to_bits(), wanted.to_bits(), "{level:?} {i}");
                        assert_eq!(
                            normalizer.normalize_byte(c, values[i]).to_bits(),
                            wanted.to_bits()
                        );
                    }
                }
            }
        }
        assert!(fast >= 3, "{fast}");
    }
}
