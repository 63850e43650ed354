//! The passes for AVX2.
//!
//! The sums of products of pairs of inputs are computed by `vpmaddwd`, which requires 16-bit
//! factors. A weight is therefore split into its upper bits and its lower 14 bits, and the two sums
//! are combined at the end. The arithmetic is exact, so the result is the same. The horizontal pass
//! processes two rows at a time.

use std::arch::x86_64::*;

use super::*;

/// Bits of the lower part of a weight, which is a non-negative 16-bit factor. The upper part is
/// at most 256.
const LOWER_BITS: i32 = 14;

/// Returns the upper and the lower parts of two weights as operands of `vpmaddwd`.
fn split_pair(a: i32, b: i32) -> [i32; 2] {
    let mask = (1 << LOWER_BITS) - 1;
    [(a >> LOWER_BITS) | ((b >> LOWER_BITS) << 16), (a & mask) | ((b & mask) << 16)]
}

/// Combines the sums of the upper and the lower parts to output values in 32-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn combine_sums(upper: __m256i, lower: __m256i) -> __m256i {
    let sum = _mm256_add_epi32(_mm256_slli_epi32::<LOWER_BITS>(upper), lower);
    _mm256_srai_epi32::<{ PRECISION as i32 }>(_mm256_add_epi32(sum, _mm256_set1_epi32(HALF)))
}

#[target_feature(enable = "avx2")]
pub(super) fn horizontal_gray(source: &SourceRows, taps: &Taps, intermediate: &mut [u8]) {
    horizontal_pass::<1>(source, taps, intermediate);
}

/// Bytes that are loaded for four RGB pixels, of which 12 are used.
const LOAD_BYTES: usize = 16;

/// The taps of one axis in groups of four RGB pixels.
struct RgbTaps {
    /// Split weights of the first and of the last two pixels of each group.
    groups: Vec<[[i32; 2]; 2]>,
    /// Byte offset of the first input and number of groups, for each output.
    outputs: Vec<(usize, usize)>,
}

impl RgbTaps {
    fn new(taps: &Taps) -> RgbTaps {
        let mut groups = Vec::with_capacity(taps.weights.len() / 4 + taps.inputs.len());
        let mut outputs = Vec::with_capacity(taps.inputs.len());
        for (inputs, weights) in taps.iter() {
            outputs.push((inputs.start * 3, weights.len().div_ceil(4)));
            groups.extend(weights.chunks(4).map(|weights| {
                let weight = |i: usize| weights.get(i).copied().unwrap_or(0);
                [split_pair(weight(0), weight(1)), split_pair(weight(2), weight(3))]
            }));
        }
        RgbTaps { groups, outputs }
    }
}

/// The horizontal pass on four RGB pixels of two rows at a time, with one row in each half of a
/// register. Shuffles place the values of two pixels in the same channel next to each other.
#[target_feature(enable = "avx2")]
pub(super) fn horizontal_rgb(source: &SourceRows, taps: &Taps, intermediate: &mut [u8]) {
    let rgb_taps = RgbTaps::new(taps);
    let length = rgb_taps.outputs.len() * 3;
    // Every pixel of these rows is followed by enough bytes for a load.
    let end = source.pixels.len().saturating_sub(LOAD_BYTES) / source.length;
    let loadable = source.rows.start..end.clamp(source.rows.start, source.rows.end);
    for row in loadable.clone().step_by(2) {
        // If the number of rows is odd, the last row is computed twice.
        let pair = [row, (row + 1).min(loadable.end - 1)];
        let starts = pair.map(|row| row * source.length);
        let targets = pair.map(|row| (row - source.rows.start) * length);
        // SAFETY: `LOAD_BYTES` are readable from every pixel of both rows.
        unsafe { rgb_rows(source.pixels, starts, &rgb_taps, intermediate, targets) };
    }
    for row in loadable.end..source.rows.end {
        let input = &source.pixels[row * source.length..][..source.length];
        let index = row - source.rows.start;
        horizontal_row::<3>(input, taps, &mut intermediate[index * length..][..length]);
    }
}

/// Resizes two rows of `pixels`, from the offsets `starts`, to two rows of `intermediate`, at
/// the offsets `targets`.
///
/// # Safety
/// [`LOAD_BYTES`] of `pixels` must be readable from the start of every pixel of both rows.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn rgb_rows(
    pixels: &[u8],
    starts: [usize; 2],
    taps: &RgbTaps,
    intermediate: &mut [u8],
    targets: [usize; 2],
) {
    let zero = -1;
    let first_two = _mm256_setr_epi8(
        0, zero, 3, zero, 1, zero, 4, zero, 2, zero, 5, zero, zero, zero, zero, zero, //
        0, zero, 3, zero, 1, zero, 4, zero, 2, zero, 5, zero, zero, zero, zero, zero,
    );
    // The values of the last two pixels are six bytes further.
    let six = _mm256_setr_epi8(
        6, 0, 6, 0, 6, 0, 6, 0, 6, 0, 6, 0, 0, 0, 0, 0, //
        6, 0, 6, 0, 6, 0, 6, 0, 6, 0, 6, 0, 0, 0, 0, 0,
    );
    let last_two = _mm256_add_epi8(first_two, six);
    let mut group = taps.groups.as_ptr();
    for (out, &(offset, count)) in taps.outputs.iter().enumerate() {
        let (mut upper, mut lower) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for i in 0..count {
            // SAFETY: the caller guarantees readable pixels, and the counts of the outputs add
            // up to the number of groups.
            unsafe {
                let source = pixels.as_ptr().add(offset + 12 * i);
                let a = _mm_loadu_si128(source.add(starts[0]).cast());
                let b = _mm_loadu_si128(source.add(starts[1]).cast());
                let four = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(a), b);
                let [[a, b], [c, d]] = *group;
                let values = _mm256_shuffle_epi8(four, first_two);
                let high = _mm256_madd_epi16(values, _mm256_set1_epi32(a));
                let low = _mm256_madd_epi16(values, _mm256_set1_epi32(b));
                upper = _mm256_add_epi32(upper, high);
                lower = _mm256_add_epi32(lower, low);
                let values = _mm256_shuffle_epi8(four, last_two);
                let high = _mm256_madd_epi16(values, _mm256_set1_epi32(c));
                let low = _mm256_madd_epi16(values, _mm256_set1_epi32(d));
                upper = _mm256_add_epi32(upper, high);
                lower = _mm256_add_epi32(lower, low);
                group = group.add(1);
            }
        }
        let sums = combine_sums(upper, lower);
        let words = _mm256_packs_epi32(sums, sums);
        let bytes = _mm256_packus_epi16(words, words);
        let results = [
            _mm_cvtsi128_si32(_mm256_castsi256_si128(bytes)),
            _mm_cvtsi128_si32(_mm256_extracti128_si256::<1>(bytes)),
        ];
        for (target, pixel) in targets.into_iter().zip(results) {
            let target = &mut intermediate[target + 3 * out..];
            // The fourth byte is overwritten by the next pixel.
            if out + 1 < taps.outputs.len() {
                target[..4].copy_from_slice(&pixel.to_le_bytes());
            } else {
                target[..3].copy_from_slice(&pixel.to_le_bytes()[..3]);
            }
        }
    }
}

/// The vertical pass, on 16 bytes of two rows at a time.
#[target_feature(enable = "avx2")]
pub(super) fn vertical_pass(
    intermediate: &[u8],
    length: usize,
    first: usize,
    taps: &Taps,
    resized: &mut [u8],
) {
    const STEP: usize = 16;
    let mut pairs: Vec<[usize; 2]> = Vec::new();
    let mut weights: Vec<[i32; 2]> = Vec::new();
    for ((inputs, row_weights), out) in taps.iter().zip(resized.chunks_exact_mut(length)) {
        pairs.clear();
        weights.clear();
        for (i, pair) in row_weights.chunks(2).enumerate() {
            let row = (inputs.start - first + 2 * i) * length;
            // If the number of rows is odd, the last row is paired with itself with weight 0.
            let next = if pair.len() == 2 { row + length } else { row };
            pairs.push([row, next]);
            weights.push(split_pair(pair[0], pair.get(1).copied().unwrap_or(0)));
        }
        let mut start = 0;
        while start < length {
            if length < STEP {
                vertical_short_row(intermediate, length, &inputs, first, row_weights, out);
                break;
            }
            // The last iteration overlaps the previous one.
            start = start.min(length - STEP);
            let mut sums = [_mm256_setzero_si256(); 4];
            for (rows, &[high, low]) in pairs.iter().zip(&weights) {
                let a = &intermediate[rows[0] + start..][..STEP];
                let b = &intermediate[rows[1] + start..][..STEP];
                // SAFETY: both slices have 16 bytes.
                let [a, b] = unsafe {
                    [_mm_loadu_si128(a.as_ptr().cast()), _mm_loadu_si128(b.as_ptr().cast())]
                };
                let (a, b) = (_mm256_cvtepu8_epi16(a), _mm256_cvtepu8_epi16(b));
                let (high, low) = (_mm256_set1_epi32(high), _mm256_set1_epi32(low));
                let (left, right) = (_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b));
                sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(left, high));
                sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(left, low));
                sums[2] = _mm256_add_epi32(sums[2], _mm256_madd_epi16(right, high));
                sums[3] = _mm256_add_epi32(sums[3], _mm256_madd_epi16(right, low));
            }
            let (left, right) = (combine_sums(sums[0], sums[1]), combine_sums(sums[2], sums[3]));
            let words = _mm256_packs_epi32(left, right);
            let bytes = _mm256_packus_epi16(words, words);
            let bytes = _mm256_permute4x64_epi64::<0b1000>(bytes);
            let target = out[start..][..STEP].as_mut_ptr();
            // SAFETY: the target has 16 bytes.
            unsafe { _mm_storeu_si128(target.cast(), _mm256_castsi256_si128(bytes)) };
            start += STEP;
        }
    }
}
