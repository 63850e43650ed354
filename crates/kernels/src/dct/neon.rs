//! The inverse DCT for NEON. Both passes transform the columns of one block: eight registers, of
//! which each contains a row. Between the passes, and after them, the block is transposed.

use std::arch::aarch64::*;

use super::{COLUMNS, FIRST_BIAS, FIRST_SHIFT, FourBlocks, Idct, MATRIX, PRECISION, SECOND_BIAS};

/// Transforms four blocks. With `LOW`, coefficients outside of the first four rows and columns are
/// not read and must be 0.
///
/// # Safety
/// `out` must have 8 rows of 32 pixels, `stride` apart.
#[target_feature(enable = "neon")]
pub(super) unsafe fn apply<const LOW: bool>(
    idct: &Idct,
    coded: &FourBlocks,
    out: &mut [u8],
    stride: usize,
) {
    let factors = load_factors();
    let (first_bias, second_bias) = (vdupq_n_s32(FIRST_BIAS), vdupq_n_s32(SECOND_BIAS));
    for column in [0, 8, 16, 24] {
        let mut rows = [vdupq_n_s16(0); 8];
        for (row, values) in rows.iter_mut().enumerate().take(if LOW { 4 } else { 8 }) {
            let index = 32 * row + column;
            // SAFETY: both arrays have 8 rows of 32 coefficients.
            *values = unsafe {
                let quantizers = vld1q_s16(idct.quantizers.as_ptr().add(index));
                vmulq_s16(vld1q_s16(coded.as_ptr().add(index)), quantizers)
            };
        }
        let [low, high] = halves(rows);
        let low = transform::<LOW>(low, &factors, first_bias);
        let high = transform::<LOW>(high, &factors, first_bias);
        let mut rows = [vdupq_n_s16(0); 8];
        for y in 0..8 {
            let low = vqshrn_n_s32::<{ FIRST_SHIFT as i32 }>(low[y]);
            rows[y] = vqshrn_high_n_s32::<{ FIRST_SHIFT as i32 }>(low, high[y]);
        }
        let transposed = transpose_i16(rows);
        let mut columns = [vdupq_n_s16(0); 8];
        for (position, values) in transposed.into_iter().enumerate() {
            columns[COLUMNS[position]] = values;
        }
        let [low, high] = halves(columns);
        let low = transform::<LOW>(low, &factors, second_bias);
        let high = transform::<LOW>(high, &factors, second_bias);
        let mut pixels = [vdup_n_u8(0); 8];
        for x in 0..8 {
            // A shift by 16 keeps the sum within 16 bits; the rest of the shift saturates.
            let sums = vshrn_high_n_s32::<16>(vshrn_n_s32::<16>(low[x]), high[x]);
            pixels[x] = vqshrun_n_s16::<{ SECOND_SHIFT_REST }>(sums);
        }
        for (y, row) in transpose_u8(pixels).into_iter().enumerate() {
            // SAFETY: the caller guarantees the rows.
            unsafe { vst1_u8(out.as_mut_ptr().add(y * stride + column), row) };
        }
    }
}

/// Bits of [`SECOND_SHIFT`](super::SECOND_SHIFT) after a shift by 16.
const SECOND_SHIFT_REST: i32 = super::SECOND_SHIFT as i32 - 16;

#[inline]
#[target_feature(enable = "neon")]
fn load_factors() -> [int16x8_t; 4] {
    let mut factors = [vdupq_n_s16(0); 4];
    for (pair, values) in factors.iter_mut().enumerate() {
        // SAFETY: a pair has 8 factors.
        *values = unsafe { vld1q_s16(MATRIX[pair].as_flattened().as_ptr()) };
    }
    factors
}

/// Returns the lower and the upper four values of each row.
#[inline]
#[target_feature(enable = "neon")]
fn halves(rows: [int16x8_t; 8]) -> [[int16x4_t; 8]; 2] {
    let mut halves = [[vdup_n_s16(0); 8]; 2];
    for (row, values) in rows.into_iter().enumerate() {
        halves[0][row] = vget_low_s16(values);
        halves[1][row] = vget_high_s16(values);
    }
    halves
}

/// Returns the products of the matrix and four columns, plus `bias`. Sums wrap as in the reference.
///
/// Coefficients 0 and 4, and those of 2 and 6 except for their sign, have the same factors for two
/// pixels each.
#[inline]
#[target_feature(enable = "neon")]
fn transform<const LOW: bool>(
    v: [int16x4_t; 8],
    factors: &[int16x8_t; 4],
    bias: int32x4_t,
) -> [int32x4_t; 8] {
    let (outer, inner) = if LOW {
        let outer = vaddq_s32(bias, vshll_n_s16::<{ PRECISION as i32 }>(v[0]));
        (outer, outer)
    } else {
        let sum = vshlq_n_s32::<{ PRECISION as i32 }>(vaddl_s16(v[0], v[4]));
        let difference = vshlq_n_s32::<{ PRECISION as i32 }>(vsubl_s16(v[0], v[4]));
        (vaddq_s32(bias, sum), vaddq_s32(bias, difference))
    };
    let mut outer_term = vmull_laneq_s16::<1>(v[2], factors[0]);
    let mut inner_term = vmull_laneq_s16::<3>(v[2], factors[0]);
    if !LOW {
        outer_term = vmlal_laneq_s16::<1>(outer_term, v[6], factors[1]);
        inner_term = vmlal_laneq_s16::<3>(inner_term, v[6], factors[1]);
    }
    let even = [
        vaddq_s32(outer, outer_term),
        vaddq_s32(inner, inner_term),
        vsubq_s32(inner, inner_term),
        vsubq_s32(outer, outer_term),
    ];
    let odd = [
        odd_sum::<0, 1, LOW>(v, factors),
        odd_sum::<2, 3, LOW>(v, factors),
        odd_sum::<4, 5, LOW>(v, factors),
        odd_sum::<6, 7, LOW>(v, factors),
    ];
    let mut sums = [bias; 8];
    for pixel in 0..4 {
        sums[pixel] = vaddq_s32(even[pixel], odd[pixel]);
        sums[7 - pixel] = vsubq_s32(even[pixel], odd[pixel]);
    }
    sums
}

/// Returns the sum of the odd coefficients for the pixel whose factors are in the lanes `A` and
/// `B`.
#[inline]
#[target_feature(enable = "neon")]
fn odd_sum<const A: i32, const B: i32, const LOW: bool>(
    v: [int16x4_t; 8],
    factors: &[int16x8_t; 4],
) -> int32x4_t {
    let sum = vmull_laneq_s16::<A>(v[1], factors[2]);
    let sum = vmlal_laneq_s16::<B>(sum, v[3], factors[2]);
    if LOW {
        return sum;
    }
    let sum = vmlal_laneq_s16::<A>(sum, v[5], factors[3]);
    vmlal_laneq_s16::<B>(sum, v[7], factors[3])
}

#[inline]
#[target_feature(enable = "neon")]
fn transpose_i16(rows: [int16x8_t; 8]) -> [int16x8_t; 8] {
    // Squares of 2x2 values, then of 4x4, then of 8x8.
    let mut pairs = [vdupq_n_s32(0); 8];
    for i in [0, 2, 4, 6] {
        pairs[i] = vreinterpretq_s32_s16(vtrn1q_s16(rows[i], rows[i + 1]));
        pairs[i + 1] = vreinterpretq_s32_s16(vtrn2q_s16(rows[i], rows[i + 1]));
    }
    let mut quads = [vdupq_n_s64(0); 8];
    for i in [0, 1, 4, 5] {
        quads[i] = vreinterpretq_s64_s32(vtrn1q_s32(pairs[i], pairs[i + 2]));
        quads[i + 2] = vreinterpretq_s64_s32(vtrn2q_s32(pairs[i], pairs[i + 2]));
    }
    let mut columns = rows;
    for i in 0..4 {
        columns[i] = vreinterpretq_s16_s64(vtrn1q_s64(quads[i], quads[i + 4]));
        columns[i + 4] = vreinterpretq_s16_s64(vtrn2q_s64(quads[i], quads[i + 4]));
    }
    columns
}

#[inline]
#[target_feature(enable = "neon")]
fn transpose_u8(rows: [uint8x8_t; 8]) -> [uint8x8_t; 8] {
    // Each register holds row `i` and row `i + 4`.
    let mut joined = [vdupq_n_u8(0); 4];
    for (i, joined) in joined.iter_mut().enumerate() {
        *joined = vcombine_u8(rows[i], rows[i + 4]);
    }
    let mut pairs = [vdupq_n_u16(0); 4];
    for i in [0, 2] {
        pairs[i] = vreinterpretq_u16_u8(vtrn1q_u8(joined[i], joined[i + 1]));
        pairs[i + 1] = vreinterpretq_u16_u8(vtrn2q_u8(joined[i], joined[i + 1]));
    }
    // Register `i` holds the halves of columns `i` and `i + 4`: lower, lower, upper, upper.
    let quads = [
        vreinterpretq_u32_u16(vtrn1q_u16(pairs[0], pairs[2])),
        vreinterpretq_u32_u16(vtrn1q_u16(pairs[1], pairs[3])),
        vreinterpretq_u32_u16(vtrn2q_u16(pairs[0], pairs[2])),
        vreinterpretq_u32_u16(vtrn2q_u16(pairs[1], pairs[3])),
    ];
    let mut columns = rows;
    for i in [0, 2] {
        let first = vreinterpretq_u8_u32(vuzp1q_u32(quads[i], quads[i + 1]));
        let last = vreinterpretq_u8_u32(vuzp2q_u32(quads[i], quads[i + 1]));
        (columns[i], columns[i + 1]) = (vget_low_u8(first), vget_high_u8(first));
        (columns[i + 4], columns[i + 5]) = (vget_low_u8(last), vget_high_u8(last));
    }
    columns
}
