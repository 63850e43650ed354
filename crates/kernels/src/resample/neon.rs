//! The passes for NEON, with the 32-bit multiply-accumulate instruction. A table lookup widens the
//! three values of a pixel to 32 bits. (The reference's horizontal pass of gray images is used as
//! it is.)

use std::arch::aarch64::*;

use super::*;

/// Pixels per group: the lanes of a register of weights.
const GROUP: usize = 4;

/// Bytes that are loaded for a group of RGB pixels, of which 12 are used.
const LOAD_BYTES: usize = 16;

/// Rows that the horizontal pass processes at a time.
const ROWS: usize = 2;

/// The taps of one axis in groups of pixels.
struct RgbTaps {
    groups: Vec<[i32; GROUP]>,
    /// Byte offset of the first input and number of groups, for each output.
    outputs: Vec<(usize, usize)>,
}

impl RgbTaps {
    fn new(taps: &Taps) -> RgbTaps {
        let mut groups = Vec::with_capacity(taps.weights.len() / GROUP + taps.inputs.len());
        let mut outputs = Vec::with_capacity(taps.inputs.len());
        for (inputs, weights) in taps.iter() {
            outputs.push((inputs.start * 3, weights.len().div_ceil(GROUP)));
            groups.extend(weights.chunks(GROUP).map(|weights| -> [i32; GROUP] {
                std::array::from_fn(|i| weights.get(i).copied().unwrap_or(0))
            }));
        }
        RgbTaps { groups, outputs }
    }
}

/// The horizontal pass on four RGB pixels of [`ROWS`] rows at a time.
#[target_feature(enable = "neon")]
pub(super) fn horizontal_rgb(source: &SourceRows, taps: &Taps, intermediate: &mut [u8]) {
    let rgb_taps = RgbTaps::new(taps);
    let length = rgb_taps.outputs.len() * 3;
    // Every pixel of these rows is followed by enough bytes for a load.
    let end = source.pixels.len().saturating_sub(LOAD_BYTES) / source.length;
    let loadable = source.rows.start..end.clamp(source.rows.start, source.rows.end);
    for first in loadable.clone().step_by(ROWS) {
        let mut starts = [0; ROWS];
        let mut targets = [0; ROWS];
        for i in 0..ROWS {
            // At the end, the last row is computed more than once.
            let row = (first + i).min(loadable.end - 1);
            starts[i] = row * source.length;
            targets[i] = (row - source.rows.start) * length;
        }
        // SAFETY: `LOAD_BYTES` are readable from every pixel of these rows.
        unsafe { rgb_rows(source.pixels, starts, &rgb_taps, intermediate, targets) };
    }
    for row in loadable.end..source.rows.end {
        let input = &source.pixels[row * source.length..][..source.length];
        let index = row - source.rows.start;
        horizontal_row::<3>(input, taps, &mut intermediate[index * length..][..length]);
    }
}

/// For each pixel of a group, the index of the byte that becomes the lowest byte of a 32-bit lane.
/// Indices of 255 write zero.
static WIDEN_PIXEL: [[u8; 16]; GROUP] = {
    let mut indices = [[255; 16]; GROUP];
    let mut i = 0;
    while i < 3 * GROUP {
        indices[i / 3][i % 3 * 4] = i as u8;
        i += 1;
    }
    indices
};

/// Resizes rows of `pixels`, from the offsets `starts`, to rows of `intermediate`, at the offsets
/// `targets`.
///
/// # Safety
/// [`LOAD_BYTES`] of `pixels` must be readable from the start of every pixel of the rows.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn rgb_rows(
    pixels: &[u8],
    starts: [usize; ROWS],
    taps: &RgbTaps,
    intermediate: &mut [u8],
    targets: [usize; ROWS],
) {
    // SAFETY: each array has 16 bytes.
    let widen = unsafe {
        [
            vld1q_u8(WIDEN_PIXEL[0].as_ptr()),
            vld1q_u8(WIDEN_PIXEL[1].as_ptr()),
            vld1q_u8(WIDEN_PIXEL[2].as_ptr()),
            vld1q_u8(WIDEN_PIXEL[3].as_ptr()),
        ]
    };
    let mut group = taps.groups.as_ptr();
    for (out, &(offset, count)) in taps.outputs.iter().enumerate() {
        let mut sums = [vdupq_n_s32(HALF); ROWS];
        for i in 0..count {
            // SAFETY: the caller guarantees readable pixels, and the counts of the outputs add up
            // to the number of groups.
            unsafe {
                let weights = vld1q_s32(group.cast());
                for row in 0..ROWS {
                    let four = vld1q_u8(pixels.as_ptr().add(starts[row] + offset + 12 * i));
                    let sum = sums[row];
                    let sum = vmlaq_laneq_s32::<0>(sum, widened(four, widen[0]), weights);
                    let sum = vmlaq_laneq_s32::<1>(sum, widened(four, widen[1]), weights);
                    let sum = vmlaq_laneq_s32::<2>(sum, widened(four, widen[2]), weights);
                    sums[row] = vmlaq_laneq_s32::<3>(sum, widened(four, widen[3]), weights);
                }
                group = group.add(1);
            }
        }
        for row in 0..ROWS {
            let words = saturate_to_u16(sums[row]);
            let bytes = vqmovn_u16(vcombine_u16(words, words));
            let pixel = vget_lane_u32::<0>(vreinterpret_u32_u8(bytes)).to_le_bytes();
            let target = &mut intermediate[targets[row] + 3 * out..];
            // The fourth byte is overwritten by the next pixel.
            if out + 1 < taps.outputs.len() {
                target[..4].copy_from_slice(&pixel);
            } else {
                target[..3].copy_from_slice(&pixel[..3]);
            }
        }
    }
}

/// Returns the values of the pixel that `indices` select, in 32-bit lanes.
#[inline]
#[target_feature(enable = "neon")]
fn widened(pixels: uint8x16_t, indices: uint8x16_t) -> int32x4_t {
    vreinterpretq_s32_u8(vqtbl1q_u8(pixels, indices))
}

/// Removes the fractional bits of sums. Saturates to 16 bits, so that the result can be saturated
/// to a byte.
#[inline]
#[target_feature(enable = "neon")]
fn saturate_to_u16(sums: int32x4_t) -> uint16x4_t {
    vqmovun_s32(vshrq_n_s32::<{ PRECISION as i32 }>(sums))
}

/// The vertical pass, on 16 bytes at a time.
#[target_feature(enable = "neon")]
pub(super) fn vertical_pass(
    intermediate: &[u8],
    length: usize,
    first: usize,
    taps: &Taps,
    resized: &mut [u8],
) {
    const STEP: usize = 16;
    for ((inputs, weights), out) in taps.iter().zip(resized.chunks_exact_mut(length)) {
        if length < STEP {
            vertical_short_row(intermediate, length, &inputs, first, weights, out);
            continue;
        }
        let rows = &intermediate[(inputs.start - first) * length..];
        let mut start = 0;
        while start < length {
            // The last iteration overlaps the previous one.
            start = start.min(length - STEP);
            let mut sums = [vdupq_n_s32(HALF); 4];
            for (row, &weight) in weights.iter().enumerate() {
                let source = rows[row * length + start..][..STEP].as_ptr();
                // SAFETY: the source has 16 bytes.
                let values = unsafe { vld1q_u8(source) };
                let (low, high) = (vmovl_u8(vget_low_u8(values)), vmovl_high_u8(values));
                let parts = [
                    vmovl_u16(vget_low_u16(low)),
                    vmovl_high_u16(low),
                    vmovl_u16(vget_low_u16(high)),
                    vmovl_high_u16(high),
                ];
                for i in 0..4 {
                    sums[i] = vmlaq_n_s32(sums[i], vreinterpretq_s32_u32(parts[i]), weight);
                }
            }
            let low = vcombine_u16(saturate_to_u16(sums[0]), saturate_to_u16(sums[1]));
            let high = vcombine_u16(saturate_to_u16(sums[2]), saturate_to_u16(sums[3]));
            let bytes = vcombine_u8(vqmovn_u16(low), vqmovn_u16(high));
            // SAFETY: the target has 16 bytes.
            unsafe { vst1q_u8(out[start..][..STEP].as_mut_ptr(), bytes) };
            start += STEP;
        }
    }
}
