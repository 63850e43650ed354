//! Inverse DCT to a reduced size, bit-exact with libjpeg's `jidctred.c`.

use super::{
    COLUMNS, FIRST_SHIFT, FourBlocks, Idct, NonzeroRegion, PRECISION, SECOND_SHIFT, saturate_u8,
};
#[cfg(target_arch = "x86_64")]
use crate::SimdLevel;

/// Factors from 8 coefficients to 4 values, twice as large: libjpeg's constants, rounded to 13
/// bits. The last two rows mirror the first two with the odd factors negated.
const TO_FOUR: [[i32; 8]; 4] = {
    const ONE: i32 = 1 << (PRECISION + 1);
    [
        [ONE, 20995, 15137, 7373, 0, -4926, -6270, -4176],
        [ONE, 8697, -15137, -17799, 0, 11893, 6270, -1730],
        [ONE, -8697, -15137, 17799, 0, -11893, 6270, 1730],
        [ONE, -20995, 15137, -7373, 0, 4926, -6270, 4176],
    ]
};

/// Factors from 8 coefficients to 2 values, four times as large.
const TO_TWO: [[i32; 8]; 2] = {
    const ONE: i32 = 1 << (PRECISION + 2);
    [[ONE, 29692, 0, -10426, 0, 6967, 0, -5906], [ONE, -29692, 0, 10426, 0, -6967, 0, 5906]]
};

impl Idct {
    /// Writes the pixels of four blocks reduced to `side` by `side` (4, 2 or 1): each pixel is the
    /// mean of a square of the block. Rows of `4 * side` pixels are `stride` apart.
    ///
    /// # Panics
    /// If `out` is too short, or the side is not 4, 2 or 1.
    #[inline]
    pub fn apply_scaled(
        &self,
        coded: &FourBlocks,
        region: NonzeroRegion,
        side: usize,
        out: &mut [u8],
        stride: usize,
    ) {
        if region == NonzeroRegion::DcOnly || side == 1 {
            return self.apply_dc_scaled(coded, side, out, stride);
        }
        let input = Input { coded, quantizers: &self.quantizers, region };
        #[cfg(target_arch = "x86_64")]
        if self.level >= SimdLevel::Avx2 {
            #[target_feature(enable = "avx2")]
            fn avx2<const SIDE: usize>(input: Input, out: &mut [u8], stride: usize) {
                transform::<SIDE>(input, out, stride);
            }
            // SAFETY: the CPU has the level's instructions.
            return unsafe {
                match side {
                    4 => avx2::<4>(input, out, stride),
                    2 => avx2::<2>(input, out, stride),
                    _ => panic!("unsupported side {side}"),
                }
            };
        }
        match side {
            4 => transform::<4>(input, out, stride),
            2 => transform::<2>(input, out, stride),
            _ => panic!("unsupported side {side}"),
        }
    }

    /// Fills each block with the color of its DC coefficient.
    fn apply_dc_scaled(&self, coded: &FourBlocks, side: usize, out: &mut [u8], stride: usize) {
        for block in 0..4 {
            let dc = i32::from(coded[8 * block].wrapping_mul(self.quantizers[0]));
            let pixel = saturate_u8(((dc + 4) >> 3) + 128);
            for row in 0..side {
                out[row * stride + side * block..][..side].fill(pixel);
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

/// Transforms columns, then rows, of all four blocks at once. Sums wrap; those of real encoders do
/// not overflow.
#[inline(always)]
fn transform<const SIDE: usize>(input: Input, out: &mut [u8], stride: usize) {
    let Input { coded, quantizers, region } = input;
    let (factor, bits): (fn(usize, usize) -> i32, u32) = match SIDE {
        4 => (|to, from| TO_FOUR[to][from], 1),
        _ => (|to, from| TO_TWO[to][from], 2),
    };
    let count = if region == NonzeroRegion::Low4x4 { 4 } else { 8 };
    let mut intermediate = [[0i32; 32]; SIDE];
    let rows = coded.as_chunks::<32>().0.iter().zip(quantizers.as_chunks::<32>().0);
    for (from, (coded, quantizers)) in rows.enumerate().take(count) {
        let mut values = [0; 32];
        for (value, (coded, quantizer)) in values.iter_mut().zip(coded.iter().zip(quantizers)) {
            *value = i32::from(coded.wrapping_mul(*quantizer));
        }
        for (to, sums) in intermediate.iter_mut().enumerate() {
            multiply_add(sums, factor(to, from), &values);
        }
    }
    // Transposed: for each column, the values of the four blocks of every row.
    let mut columns = [[0i32; 16]; 8];
    let shift = FIRST_SHIFT + bits;
    for (row, sums) in intermediate.iter().enumerate() {
        for (block, sums) in sums.as_chunks::<8>().0.iter().enumerate() {
            for (at, sum) in sums.iter().enumerate() {
                let value = sum.wrapping_add(1 << (shift - 1)) >> shift;
                columns[COLUMNS[at]][4 * row + block] = value;
            }
        }
    }
    let shift = SECOND_SHIFT + bits;
    for x in 0..SIDE {
        let mut sums = [1 << (shift - 1); 16];
        for (from, values) in columns.iter().enumerate().take(count) {
            multiply_add(&mut sums, factor(x, from), values);
        }
        for (i, sum) in sums.into_iter().enumerate().take(4 * SIDE) {
            let (row, block) = (i / 4, i % 4);
            out[row * stride + SIDE * block + x] = saturate_u8((sum >> shift) + 128);
        }
    }
}

#[inline(always)]
fn multiply_add<const N: usize>(sums: &mut [i32; N], factor: i32, values: &[i32; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.wrapping_add(factor.wrapping_mul(*value));
    }
}
