//! Upsampling of the subsampled chroma planes of JPEGs, bit-exact with libjpeg's default method
//! ("fancy upsampling"): along each subsampled axis, a value is 3/4 of the nearer sample plus 1/4
//! of the farther sample. Ties are rounded up and down alternately.

use crate::SimdLevel;

/// Upsamples rows of chroma planes. Reuses its buffer.
#[derive(Default)]
pub struct Upsampler {
    /// Vertical sums of a row. The first and the last sum are repeated at the ends.
    sums: Vec<u16>,
}

impl Upsampler {
    /// Upsamples a row of a plane that is subsampled horizontally (libjpeg's h2v1).
    ///
    /// # Panics
    /// If `row` is empty or `out` is not twice as long.
    pub fn h2v1(&mut self, level: SimdLevel, row: &[u8], out: &mut [u8]) {
        run_with_level(level, || {
            self.set_sums(row.iter().map(|&value| value.into()));
            upsample_horizontally::<2>(&self.sums, [1, 2], out);
        });
    }

    /// Upsamples a row of a plane that is subsampled along both axes (libjpeg's h2v2). `near` is
    /// the row that contains the output row, `far` the other neighbor.
    ///
    /// # Panics
    /// If the rows are empty or differ in length, or `out` is not twice as long.
    pub fn h2v2(&mut self, level: SimdLevel, near: &[u8], far: &[u8], out: &mut [u8]) {
        assert_eq!(near.len(), far.len());
        run_with_level(level, || {
            self.set_sums(
                near.iter().zip(far).map(|(&near, &far)| 3 * u16::from(near) + u16::from(far)),
            );
            upsample_horizontally::<4>(&self.sums, [8, 7], out);
        });
    }

    #[inline(always)]
    fn set_sums(&mut self, values: impl ExactSizeIterator<Item = u16>) {
        let length = values.len();
        self.sums.resize(length + 2, 0);
        for (sum, value) in self.sums[1..].iter_mut().zip(values) {
            *sum = value;
        }
        self.sums[0] = self.sums[1];
        self.sums[length + 1] = self.sums[length];
    }
}

/// Upsamples a row of a plane that is subsampled vertically (libjpeg's h1v2). Writes the upper of
/// the two output rows of `near` if `is_upper`, else the lower row. `far` is the row above or below
/// `near`, respectively.
///
/// # Panics
/// If the rows differ in length.
pub fn upsample_h1v2(level: SimdLevel, near: &[u8], far: &[u8], is_upper: bool, out: &mut [u8]) {
    assert!(near.len() == far.len() && near.len() == out.len());
    let bias = if is_upper { 1 } else { 2 };
    run_with_level(level, || {
        for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
            *out = ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
        }
    });
}

/// Writes two pixels for each sum except the first and the last. `biases` round the left and the
/// right pixel.
#[inline(always)]
fn upsample_horizontally<const SHIFT: u32>(sums: &[u16], biases: [u16; 2], out: &mut [u8]) {
    let (out, rest) = out.as_chunks_mut::<2>();
    assert!(out.len() + 2 == sums.len() && rest.is_empty());
    let (left, center, right) = (sums, &sums[1..], &sums[2..]);
    for (((out, left), center), right) in out.iter_mut().zip(left).zip(center).zip(right) {
        *out = [
            ((3 * center + left + biases[0]) >> SHIFT) as u8,
            ((3 * center + right + biases[1]) >> SHIFT) as u8,
        ];
    }
}

/// Runs `body`, which the compiler vectorizes: for AVX2 if the level includes it, and for NEON on
/// every 64-bit Arm CPU.
#[inline(always)]
fn run_with_level(level: SimdLevel, body: impl FnOnce()) {
    #[cfg(target_arch = "x86_64")]
    if level >= SimdLevel::Avx2 {
        #[target_feature(enable = "avx2")]
        fn avx2(body: impl FnOnce()) {
            body();
        }
        level.assert_available();
        // SAFETY: the CPU has AVX2.
        return unsafe { avx2(body) };
    }
    let _ = level;
    body();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2v1_weights_the_nearer_sample_by_three_quarters() {
        for level in SimdLevel::available() {
            let mut out = [0; 8];
            Upsampler::default().h2v1(level, &[0, 4, 100, 101], &mut out);
            // (3 * 4 + 0 + 1) / 4, (3 * 4 + 100 + 2) / 4, ...
            assert_eq!(out, [0, 1, 3, 28, 76, 100, 101, 101]);
            let mut out = [0; 2];
            Upsampler::default().h2v1(level, &[7], &mut out);
            assert_eq!(out, [7, 7]);
        }
    }

    #[test]
    fn vertical_upsampling_weights_the_nearer_row_by_three_quarters() {
        for level in SimdLevel::available() {
            let mut out = [0; 3];
            upsample_h1v2(level, &[0, 255, 2], &[4, 255, 0], true, &mut out);
            assert_eq!(out, [1, 255, 1]);
            upsample_h1v2(level, &[0, 255, 2], &[4, 255, 0], false, &mut out);
            assert_eq!(out, [1, 255, 2]);
            let mut out = [0; 6];
            Upsampler::default().h2v2(level, &[0, 255, 2], &[4, 255, 0], &mut out);
            // Sums 4, 1020, 6: (4 * 4 + 8) / 16, (3 * 4 + 1020 + 7) / 16, (3 * 1020 + 4 + 8) / 16
            // ...
            assert_eq!(out, [1, 64, 192, 192, 65, 1]);
        }
    }

    #[test]
    fn every_level_matches_the_scalar_reference() {
        let row = |seed: usize, length: usize| -> Vec<u8> {
            (0..length).map(|i| ((i + seed) * (i + 7) * 37 / 5) as u8).collect()
        };
        for length in [1, 2, 3, 15, 16, 17, 64, 101] {
            let (near, far) = (row(3, length), row(11, length));
            let upsample = |level| {
                let (mut a, mut b) = (vec![0; 2 * length], vec![0; 2 * length]);
                let mut c = vec![0; length];
                let mut upsampler = Upsampler::default();
                upsampler.h2v1(level, &near, &mut a);
                upsampler.h2v2(level, &near, &far, &mut b);
                upsample_h1v2(level, &near, &far, true, &mut c);
                [a, b, c]
            };
            for level in SimdLevel::available() {
                assert_eq!(upsample(level), upsample(SimdLevel::Scalar), "{level:?} {length}");
            }
        }
    }
}
