//! Inverse DCT of the 8x8 blocks of JPEGs, bit-exact with libjpeg's default "accurate integer"
//! method (`jidctint.c`), which Pillow and torchvision use.
//!
//! The method is equivalent to an integer matrix that is applied to the columns and then to the
//! rows. The matrix has 13 fractional bits, the intermediate values 2. A pixel and its mirror image
//! differ only in the sign of the odd coefficients, so even and odd coefficients are summed
//! separately.
//!
//! Four adjacent blocks are transformed together. Their rows are interleaved, in an order that
//! places coefficients whose products are added next to each other.

#[cfg(target_arch = "aarch64")]
mod neon;
mod scaled;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::SimdLevel;

/// Coefficients of four adjacent blocks, at the indices of [`coefficient_index`].
pub type FourBlocks = [i16; 256];

/// Fractional bits of the matrix.
const PRECISION: u32 = 13;
/// Fractional bits between the passes.
const INTERMEDIATE: u32 = 2;
const FIRST_SHIFT: u32 = PRECISION - INTERMEDIATE;
/// The product of the matrices is 8 times the transform.
const SECOND_SHIFT: u32 = PRECISION + INTERMEDIATE + 3;
const FIRST_BIAS: i32 = 1 << (FIRST_SHIFT - 1);
/// One half for rounding, and 128 because pixels are unsigned.
const SECOND_BIAS: i32 = (1 << (SECOND_SHIFT - 1)) + (128 << SECOND_SHIFT);

/// Factors of each pair of coefficients (0 and 2, 4 and 6, 1 and 3, 5 and 7) for each of the first
/// four pixels. For the last four pixels in reverse order, the odd pairs are subtracted.
static MATRIX: [[[i16; 2]; 4]; 4] = {
    // Constants of libjpeg, rounded to 13 bits. The entries are the products of its butterfly
    // steps.
    const A: i16 = 2446; // 0.298631336
    const B: i16 = 3196; // 0.390180644
    const C: i16 = 4433; // 0.541196100
    const D: i16 = 6270; // 0.765366865
    const E: i16 = 7373; // 0.899976223
    const F: i16 = 9633; // 1.175875602
    const G: i16 = 12299; // 1.501321110
    const H: i16 = 15137; // 1.847759065
    const I: i16 = 16069; // 1.961570560
    const J: i16 = 16819; // 2.053119869
    const K: i16 = 20995; // 2.562915447
    const L: i16 = 25172; // 3.072711026
    const ONE: i16 = 1 << PRECISION;
    [
        [[ONE, C + D], [ONE, C], [ONE, -C], [ONE, -C - D]],
        [[ONE, C], [-ONE, C - H], [-ONE, H - C], [ONE, -C]],
        [[G - E + F - B, F], [F, L - K - I + F], [F - B, F - K], [F - E, F - I]],
        [[F - B, F - E], [F - K, F - I], [J - K + F - B, F], [F, A - E + F - I]],
    ]
};

const MATRIX_ONE: i32 = MATRIX[0][0][0] as i32;

/// Order of the columns in an interleaved row.
const COLUMNS: [usize; 8] = [0, 2, 4, 6, 1, 3, 5, 7];

/// Returns the index of a coefficient of the first block. Add 8, 16 or 24 for the other blocks.
pub const fn coefficient_index(row: usize, column: usize) -> usize {
    let mut position = 0;
    while COLUMNS[position] != column {
        position += 1;
    }
    32 * row + position
}

/// Region of each of four blocks outside of which all coefficients are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NonzeroRegion {
    /// Only the DC coefficient: the block has a single color.
    DcOnly,
    /// The first four rows and columns.
    Low4x4,
    /// The complete block.
    All,
}

/// Dequantization and inverse DCT of one color component.
pub struct Idct {
    level: SimdLevel,
    /// Quantization table, repeated for four blocks and interleaved like the coefficients.
    quantizers: FourBlocks,
}

impl Idct {
    /// Creates the transform with a quantization table in natural (not zigzag) order. Dequantized
    /// coefficients are truncated to their lower 16 bits.
    ///
    /// # Panics
    /// If the CPU lacks the level.
    pub fn new(level: SimdLevel, quantizers: &[u16; 64]) -> Idct {
        level.assert_available();
        let mut interleaved = [0; 256];
        for (i, &quantizer) in quantizers.iter().enumerate() {
            for block in 0..4 {
                interleaved[coefficient_index(i / 8, i % 8) + 8 * block] = quantizer as i16;
            }
        }
        Idct { level, quantizers: interleaved }
    }

    /// Writes the pixels of four adjacent blocks to `out`: 8 rows of 32 pixels, `stride` bytes
    /// apart. `coded` are the quantized coefficients, which must be 0 outside of `region`.
    ///
    /// # Panics
    /// If `out` is too short.
    #[inline]
    pub fn apply(&self, coded: &FourBlocks, region: NonzeroRegion, out: &mut [u8], stride: usize) {
        assert!(stride >= 32 && out.len() >= 7 * stride + 32);
        if region == NonzeroRegion::DcOnly {
            return self.apply_dc(coded, out, stride);
        }
        let is_low = region == NonzeroRegion::Low4x4;
        // SAFETY: the CPU has the level's instructions, and the length of `out` is checked.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            match (self.level, is_low) {
                (SimdLevel::Scalar, _) => {}
                (SimdLevel::Avx2, true) => return x86::avx2::<true>(self, coded, out, stride),
                (SimdLevel::Avx2, false) => return x86::avx2::<false>(self, coded, out, stride),
                (SimdLevel::Avx512, true) => return x86::avx512::<true>(self, coded, out, stride),
                (SimdLevel::Avx512, false) => {
                    return x86::avx512::<false>(self, coded, out, stride);
                }
            }
        }
        // SAFETY: the CPU has NEON, and the length of `out` is checked.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            match (self.level, is_low) {
                (SimdLevel::Scalar, _) => {}
                (SimdLevel::Neon, true) => return neon::apply::<true>(self, coded, out, stride),
                (SimdLevel::Neon, false) => return neon::apply::<false>(self, coded, out, stride),
            }
        }
        let _ = is_low;
        for block in 0..4 {
            self.apply_scalar(coded, block, out, stride);
        }
    }

    /// Transforms blocks with only a DC coefficient.
    fn apply_dc(&self, coded: &FourBlocks, out: &mut [u8], stride: usize) {
        let pixel = |block: usize| {
            let dc = i32::from(coded[8 * block].wrapping_mul(self.quantizers[0]));
            let intermediate = saturate_i16((dc * MATRIX_ONE + FIRST_BIAS) >> FIRST_SHIFT);
            saturate_u8((i32::from(intermediate) * MATRIX_ONE + SECOND_BIAS) >> SECOND_SHIFT)
        };
        let mut row = [0; 32];
        for (block, pixels) in row.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *pixels = [pixel(block); 8];
        }
        for y in 0..8 {
            out[y * stride..][..32].copy_from_slice(&row);
        }
    }

    /// Transforms one of the four blocks. Scalar reference.
    fn apply_scalar(&self, coded: &FourBlocks, block: usize, out: &mut [u8], stride: usize) {
        let mut intermediate = [[0; 8]; 8];
        for (position, &column) in COLUMNS.iter().enumerate() {
            let coefficients = std::array::from_fn(|row| {
                let index = 32 * row + 8 * block + position;
                coded[index].wrapping_mul(self.quantizers[index])
            });
            for (y, sum) in transform(coefficients, FIRST_BIAS).into_iter().enumerate() {
                intermediate[y][column] = saturate_i16(sum >> FIRST_SHIFT);
            }
        }
        for (y, row) in intermediate.into_iter().enumerate() {
            let pixels = transform(row, SECOND_BIAS).map(|sum| saturate_u8(sum >> SECOND_SHIFT));
            out[y * stride + 8 * block..][..8].copy_from_slice(&pixels);
        }
    }
}

/// Returns the product of the matrix and 8 values, plus `bias`. Sums wrap, which only happens for
/// coefficients that no encoder produces.
fn transform(values: [i16; 8], bias: i32) -> [i32; 8] {
    let product = |pair: usize, pixel: usize| -> i32 {
        let [a, b] = [0, 1]
            .map(|i| i32::from(MATRIX[pair][pixel][i]) * i32::from(values[COLUMNS[2 * pair + i]]));
        a.wrapping_add(b)
    };
    let mut sums = [0; 8];
    for pixel in 0..4 {
        let even = bias.wrapping_add(product(0, pixel)).wrapping_add(product(1, pixel));
        let odd = product(2, pixel).wrapping_add(product(3, pixel));
        sums[pixel] = even.wrapping_add(odd);
        sums[7 - pixel] = even.wrapping_sub(odd);
    }
    sums
}

fn saturate_i16(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

fn saturate_u8(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Iterates over random coefficients that, as in photographs, decrease with the frequency.
    fn random_blocks(nonzero_size: usize) -> impl Iterator<Item = FourBlocks> {
        let mut state = 1u64;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as i64
        };
        (0..100).map(move |n| {
            let mut four = [0; 256];
            for block in 0..4 {
                for (row, column) in
                    (0..nonzero_size).flat_map(|y| (0..nonzero_size).map(move |x| (y, x)))
                {
                    let range = match n % 7 {
                        0 => 200,
                        _ => 700 / (1 + row * column + row + column) as i64 + 1,
                    };
                    let value = (random() % (2 * range) - range) as i16;
                    four[coefficient_index(row, column) + 8 * block] = value;
                }
            }
            four
        })
    }

    fn quantizers() -> [u16; 64] {
        std::array::from_fn(|i| 1 + (i / 8 + i % 8) as u16 / 3)
    }

    #[test]
    fn scaled_pixels_are_means_of_square_regions() {
        for nonzero_size in [1, 4, 8] {
            for four in random_blocks(nonzero_size) {
                // Smaller coefficients, so that few pixels saturate.
                let four = four.map(|value| value / 8);
                let [idct, best] = [SimdLevel::Scalar, SimdLevel::best()]
                    .map(|level| Idct::new(level, &quantizers()));
                let region = match nonzero_size {
                    1 => NonzeroRegion::DcOnly,
                    4 => NonzeroRegion::Low4x4,
                    _ => NonzeroRegion::All,
                };
                let mut full = [0; 256];
                idct.apply(&four, NonzeroRegion::All, &mut full, 32);
                if full.iter().any(|&pixel| pixel == 0 || pixel == 255) {
                    continue;
                }
                for size in [4, 2, 1] {
                    let mut reduced = vec![0; 4 * size * size];
                    idct.apply_scaled(&four, NonzeroRegion::All, size, &mut reduced, 4 * size);
                    let mut best_reduced = reduced.clone();
                    best.apply_scaled(&four, region, size, &mut best_reduced, 4 * size);
                    assert_eq!(best_reduced, reduced);
                    let factor = 8 / size;
                    for (i, &pixel) in reduced.iter().enumerate() {
                        let (x, y) = (i % (4 * size) * factor, i / (4 * size) * factor);
                        let square = (0..factor * factor)
                            .map(|i| f64::from(full[(y + i / factor) * 32 + x + i % factor]));
                        let mean = square.sum::<f64>() / (factor * factor) as f64;
                        assert!((f64::from(pixel) - mean).abs() <= 1.5, "{size}: {pixel} {mean}");
                    }
                }
            }
        }
    }

    /// Returns the inverse DCT by its definition (ITU-T T.81, A.3.3), without rounding.
    fn exact_idct(coefficients: [i32; 64]) -> [f64; 64] {
        let norm = |k: usize| if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let cosine = |position: usize, k: usize| {
            ((2 * position + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos()
        };
        std::array::from_fn(|i| {
            let (y, x) = (i / 8, i % 8);
            let sum: f64 = (0..64)
                .map(|i| {
                    let (v, u) = (i / 8, i % 8);
                    norm(u) * norm(v) * f64::from(coefficients[i]) * cosine(x, u) * cosine(y, v)
                })
                .sum();
            sum / 4.0 + 128.0
        })
    }

    #[test]
    fn pixels_round_the_exact_transform() {
        let quantizers = quantizers();
        let idct = Idct::new(SimdLevel::Scalar, &quantizers);
        let (mut count, mut squared_errors) = (0.0, 0.0);
        for four in random_blocks(8) {
            let mut out = [0; 256];
            idct.apply(&four, NonzeroRegion::All, &mut out, 32);
            for block in 0..4 {
                let coefficient = |i| {
                    i32::from(four[coefficient_index(i / 8, i % 8) + 8 * block])
                        * i32::from(quantizers[i])
                };
                let expected = exact_idct(std::array::from_fn(coefficient));
                for (i, expected) in expected.into_iter().enumerate() {
                    let actual = f64::from(out[i / 8 * 32 + 8 * block + i % 8]);
                    let error = actual - expected.clamp(0.0, 255.0);
                    assert!(error.abs() < 1.0, "{actual} {expected}");
                    squared_errors += error * error;
                    count += 1.0;
                }
            }
        }
        // The mean squared error of rounding is 1/12.
        assert!(squared_errors / count < 0.1, "{}", squared_errors / count);
    }

    #[test]
    fn every_level_matches_the_scalar_reference_even_for_extreme_coefficients() {
        let extreme: [FourBlocks; 3] =
            [[i16::MAX; 256], [i16::MIN; 256], std::array::from_fn(|i| [-32768, 32767][i % 2])];
        let dc_only = random_blocks(1).chain([std::array::from_fn(|i| match i {
            0 | 8 | 16 | 24 => [i16::MIN, i16::MAX, 2047, -2048][i / 8],
            _ => 0,
        })]);
        for (region, blocks) in [
            (NonzeroRegion::All, random_blocks(8).chain(extreme).collect::<Vec<_>>()),
            (NonzeroRegion::Low4x4, random_blocks(4).collect()),
            (NonzeroRegion::DcOnly, dc_only.collect()),
        ] {
            for four in blocks {
                for quantizers in [quantizers(), [1; 64], [65535; 64]] {
                    let apply = |level, region| {
                        let mut out = [7; 8 * 35];
                        Idct::new(level, &quantizers).apply(&four, region, &mut out, 35);
                        out
                    };
                    let scalar = apply(SimdLevel::Scalar, NonzeroRegion::All);
                    for level in SimdLevel::available() {
                        assert_eq!(apply(level, region), scalar, "{level:?} {region:?}");
                    }
                }
            }
        }
    }
}
