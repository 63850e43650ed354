//! JPEG's halved planes of color to full size, to the bit as libjpeg does it by default ("fancy"):
//! along each halved side a value is 3/4 the nearer and 1/4 the farther one. What lies right between
//! two bytes is rounded up and down by turns.

use crate::SimdLevel;

/// Makes rows of full size out of those of a halved plane, and keeps the room that it takes.
#[derive(Default)]
pub struct Upsampler {
    /// Sums of two rows, and the first and the last one once more.
    sums: Vec<u16>,
}

impl Upsampler {
    /// A row that is half as wide.
    ///
    /// # Panics
    /// If `out` is not twice as long as `row`, or that is empty.
    pub fn h2v1(&mut self, level: SimdLevel, row: &[u8], out: &mut [u8]) {
        at(level, || {
            self.sum(row.iter().map(|&value| value.into()));
            wide::<2>(&self.sums, [1, 2], out);
        });
    }

    /// A row of a plane that is half as wide and half as high: `near` is the row that it lies in,
    /// `far` the other one beside it.
    ///
    /// # Panics
    /// As [`h2v1`](Self::h2v1), and if the rows are not of one length.
    pub fn h2v2(&mut self, level: SimdLevel, near: &[u8], far: &[u8], out: &mut [u8]) {
        assert_eq!(near.len(), far.len());
        at(level, || {
            self.sum(
                near.iter().zip(far).map(|(&near, &far)| 3 * u16::from(near) + u16::from(far)),
            );
            wide::<4>(&self.sums, [8, 7], out);
        });
    }

    #[inline(always)]
    fn sum(&mut self, values: impl ExactSizeIterator<Item = u16>) {
        let length = values.len();
        self.sums.resize(length + 2, 0);
        for (sum, value) in self.sums[1..].iter_mut().zip(values) {
            *sum = value;
        }
        self.sums[0] = self.sums[1];
        self.sums[length + 1] = self.sums[length];
    }
}

/// A row of a plane that is half as high; `far` is the one above if it is `upper` of the two that
/// `near` becomes.
///
/// # Panics
/// If the rows are not of one length.
pub fn upsample_h1v2(level: SimdLevel, near: &[u8], far: &[u8], upper: bool, out: &mut [u8]) {
    assert!(near.len() == far.len() && near.len() == out.len());
    let half = if upper { 1 } else { 2 };
    at(level, || {
        for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
            *out = ((3 * u16::from(near) + u16::from(far) + half) >> 2) as u8;
        }
    });
}

/// Two pixels of each sum but the first and the last.
#[inline(always)]
fn wide<const SHIFT: u32>(sums: &[u16], halves: [u16; 2], out: &mut [u8]) {
    let (out, rest) = out.as_chunks_mut::<2>();
    assert!(out.len() + 2 == sums.len() && rest.is_empty());
    let (before, here, after) = (sums, &sums[1..], &sums[2..]);
    for (((out, before), here), after) in out.iter_mut().zip(before).zip(here).zip(after) {
        *out = [
            ((3 * here + before + halves[0]) >> SHIFT) as u8,
            ((3 * here + after + halves[1]) >> SHIFT) as u8,
        ];
    }
}

/// Runs what is compiled for the level.
#[inline(always)]
fn at(level: SimdLevel, run: impl FnOnce()) {
    #[cfg(target_arch = "x86_64")]
    if level >= SimdLevel::Avx2 {
        #[target_feature(enable = "avx2")]
        unsafe fn avx2(run: impl FnOnce()) {
            run();
        }
        assert!(level <= SimdLevel::best() || cfg!(test));
        // SAFETY: the processor has AVX2.
        return unsafe { avx2(run) };
    }
    let _ = level;
    run();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_made_wider() {
        for level in SimdLevel::all() {
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
    fn a_row_between_two_is_made() {
        for level in SimdLevel::all() {
            let mut out = [0; 3];
            upsample_h1v2(level, &[0, 255, 2], &[4, 255, 0], true, &mut out);
            assert_eq!(out, [1, 255, 1]);
            upsample_h1v2(level, &[0, 255, 2], &[4, 255, 0], false, &mut out);
            assert_eq!(out, [1, 255, 2]);
            let mut out = [0; 6];
            Upsampler::default().h2v2(level, &[0, 255, 2], &[4, 255, 0], &mut out);
            // Sums 4, 1020, 6: (4 * 4 + 8) / 16, (3 * 4 + 1020 + 7) / 16, (3 * 1020 + 4 + 8) / 16 ...
            assert_eq!(out, [1, 64, 192, 192, 65, 1]);
        }
    }

    #[test]
    fn every_level_gives_the_plain_bytes() {
        let row = |seed: usize, length: usize| -> Vec<u8> {
            (0..length).map(|i| ((i + seed) * (i + 7) * 37 / 5) as u8).collect()
        };
        for length in [1, 2, 3, 15, 16, 17, 64, 101] {
            let (near, far) = (row(3, length), row(11, length));
            let all = |level| {
                let (mut a, mut b) = (vec![0; 2 * length], vec![0; 2 * length]);
                let mut c = vec![0; length];
                let mut upsampler = Upsampler::default();
                upsampler.h2v1(level, &near, &mut a);
                upsampler.h2v2(level, &near, &far, &mut b);
                upsample_h1v2(level, &near, &far, true, &mut c);
                [a, b, c]
            };
            for level in SimdLevel::all() {
                assert_eq!(all(level), all(SimdLevel::Scalar), "{level:?} {length}");
            }
        }
    }
}
