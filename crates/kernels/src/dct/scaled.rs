//! Inverse DCT with reduced output size, bit-exact with libjpeg's `jidctred.c`.

use super::{
    COLUMNS, FIRST_SHIFT, FourBlocks, Idct, NonzeroRegion, PRECISION, SECOND_SHIFT, saturate_u8,
};
#[cfg(target_arch = "x86_64")]
use crate::SimdLevel;

/// Factors of 8 coefficients for 4 pixels, multiplied by 2: libjpeg's constants, rounded to 13
/// bits. The last two rows are the first two in reverse order with the odd factors negated.
const TO_FOUR: [[i32; 8]; 4] = {
    const ONE: i32 = 1 << (PRECISION + 1);
    [
        [ONE, 20995, 15137, 7373, 0, -4926, -6270, -4176],
        [ONE, 8697, -15137, -17799, 0, 11893, 6270, -1730],
        [ONE, -8697, -15137, 17799, 0, -11893, 6270, 1730],
        [ONE, -20995, 15137, -7373, 0, 4926, -6270, 4176],
    ]
};

/// Factors of 8 coefficients for 2 pixels, multiplied by 4.
const TO_TWO: [[i32; 8]; 2] = {
    const ONE: i32 = 1 << (PRECISION + 2);
    [[ONE, 29692, 0, -10426, 0, 6967, 0, -5906], [ONE, -29692, 0, 10426, 0, -6967, 0, 5906]]
};

impl Idct {
    /// Writes the pixels of four blocks, reduced to `size` by `size` (4, 2 or 1): each pixel is
    /// about the mean of a square of the block. The rows of `4 * size` pixels are `stride` bytes
    /// apart. `coded` are the quantized coefficients, which must be 0 outside of `region`.
    ///
    /// # Panics
    /// If `out` is too short, or the size is not 4, 2 or 1.
    #[inline]
    pub fn apply_scaled(
        &self,
        coded: &FourBlocks,
        region: NonzeroRegion,
        size: usize,
        out: &mut [u8],
        stride: usize,
    ) {
        if region == NonzeroRegion::DcOnly || size == 1 {
            return self.apply_dc_scaled(coded, size, out, stride);
        }
        let input = Input { coded, quantizers: &self.quantizers, region };
        #[cfg(target_arch = "x86_64")]
        if self.level >= SimdLevel::Avx2 {
            #[target_feature(enable = "avx2")]
            fn avx2<const SIZE: usize>(input: Input, out: &mut [u8], stride: usize) {
                transform::<SIZE>(input, out, stride);
            }
            // SAFETY: the CPU has the level's instructions.
            return unsafe {
                match size {
                    4 => avx2::<4>(input, out, stride),
                    2 => avx2::<2>(input, out, stride),
                    _ => panic!("unsupported size {size}"),
                }
            };
        }
        match size {
            4 => transform::<4>(input, out, stride),
            2 => transform::<2>(input, out, stride),
            _ => panic!("unsupported size {size}"),
        }
    }

    /// Fills each block with the color of its DC coefficient.
    fn apply_dc_scaled(&self, coded: &FourBlocks, size: usize, out: &mut [u8], stride: usize) {
        for block in 0..4 {
            let dc = i32::from(coded[8 * block].wrapping_mul(self.quantizers[0]));
            let pixel = saturate_u8(((dc + 4) >> 3) + 128);
            for row in 0..size {
                out[row * stride + size * block..][..size].fill(pixel);
            }
        }
    }
}

/// Quantized coefficients of four blocks.
struct Input<'a> {
    coded: &'a FourBlocks,
    quantizers: &'a FourBlocks,
    region: NonzeroRegion,
}

/// Transforms the columns, then the rows of all four blocks. The compiler vectorizes the loops for
/// the instruction set of the caller (NEON on every 64-bit Arm CPU). Sums wrap, which only happens
/// for coefficients that no encoder produces.
#[inline(always)]
fn transform<const SIZE: usize>(input: Input, out: &mut [u8], stride: usize) {
    let Input { coded, quantizers, region } = input;
    let (factor, bits): (fn(usize, usize) -> i32, u32) = match SIZE {
        4 => (|pixel, k| TO_FOUR[pixel][k], 1),
        _ => (|pixel, k| TO_TWO[pixel][k], 2),
    };
    let count = if region == NonzeroRegion::Low4x4 { 4 } else { 8 };
    let mut intermediate = [[0i32; 32]; SIZE];
    let rows = coded.as_chunks::<32>().0.iter().zip(quantizers.as_chunks::<32>().0);
    for (k, (coded, quantizers)) in rows.enumerate().take(count) {
        let mut values = [0; 32];
        for (value, (coded, quantizer)) in values.iter_mut().zip(coded.iter().zip(quantizers)) {
            *value = i32::from(coded.wrapping_mul(*quantizer));
        }
        for (y, sums) in intermediate.iter_mut().enumerate() {
            multiply_add(sums, factor(y, k), &values);
        }
    }
    // Transposed: for each column, the values of every row of the four blocks.
    let mut columns = [[0i32; 16]; 8];
    let shift = FIRST_SHIFT + bits;
    for (row, sums) in intermediate.iter().enumerate() {
        for (block, sums) in sums.as_chunks::<8>().0.iter().enumerate() {
            for (position, sum) in sums.iter().enumerate() {
                let value = sum.wrapping_add(1 << (shift - 1)) >> shift;
                columns[COLUMNS[position]][4 * row + block] = value;
            }
        }
    }
    let shift = SECOND_SHIFT + bits;
    for x in 0..SIZE {
        let mut sums = [1 << (shift - 1); 16];
        for (k, values) in columns.iter().enumerate().take(count) {
            multiply_add(&mut sums, factor(x, k), values);
        }
        for (i, sum) in sums.into_iter().enumerate().take(4 * SIZE) {
            let (row, block) = (i / 4, i % 4);
            out[row * stride + SIZE * block + x] = saturate_u8((sum >> shift) + 128);
        }
    }
}

#[inline(always)]
fn multiply_add<const N: usize>(sums: &mut [i32; N], factor: i32, values: &[i32; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.wrapping_add(factor.wrapping_mul(*value));
    }
}
