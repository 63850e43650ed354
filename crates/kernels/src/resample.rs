//! Antialiased bilinear resizing of 8-bit images, bit-exact with Pillow up to version 12
//! (`Resample.c`): weights with 22 fractional bits, the horizontal pass first, 8-bit values between
//! the passes. (Pillow 13 may run the vertical pass first, which can change a value by 1.)
//!
//! The AVX2 path sums the products of pairs of inputs with `vpmaddwd`, which requires 16-bit
//! factors. A weight is therefore split into its upper bits and its lower 14 bits, and the two sums
//! are combined at the end. The arithmetic is exact, so the result is the same. The horizontal pass
//! processes two rows at a time.

use std::ops::Range;

use crate::SimdLevel;

/// Fractional bits of a weight. 255 times 1.0 fits into an i32.
const PRECISION: u32 = 22;
const HALF: i32 = 1 << (PRECISION - 1);

/// Resizing along one axis: the input pixels `source` are resized to `size` output pixels, of which
/// the range `crop` is computed. Pixels outside of `source` have no effect.
#[derive(Debug, Clone)]
pub struct ResizeAxis {
    pub source: Range<u32>,
    pub size: u32,
    pub crop: Range<u32>,
}

impl ResizeAxis {
    /// Returns the input pixels per output pixel, and the radius of the filter in input pixels.
    fn scale(&self) -> (f64, f64) {
        let scale = f64::from(self.source.end - self.source.start) / f64::from(self.size);
        (scale, scale.max(1.0))
    }

    /// Returns the center of an output pixel and the input pixels under its filter, relative to the
    /// start of `source`.
    fn filter_support(&self, output: u32) -> (f64, Range<u32>) {
        let (scale, radius) = self.scale();
        let center = (f64::from(output) + 0.5) * scale;
        let length = f64::from(self.source.end - self.source.start);
        let first = (center - radius + 0.5).max(0.0) as u32;
        (center, first..(center + radius + 0.5).min(length) as u32)
    }

    /// Returns the range of input pixels that the output pixels in `crop` depend on.
    pub fn source_range(&self) -> Range<u32> {
        let (Some(first), Some(last)) = (self.crop.clone().next(), self.crop.clone().last()) else {
            return self.source.start..self.source.start;
        };
        let start = self.source.start;
        let (first, last) = (self.filter_support(first).1, self.filter_support(last).1);
        start + first.start..start + last.end
    }
}

/// Resizes images. Reuses its buffers.
#[derive(Default)]
pub struct Resampler {
    horizontal: Taps,
    vertical: Taps,
    /// Result of the horizontal pass: the rows that the vertical pass reads.
    intermediate: Vec<u8>,
    sums: Vec<i32>,
}

impl Resampler {
    /// Resizes an image with `width` pixels per row and 1 or 3 interleaved `channels`, and replaces
    /// the content of `resized` by the pixels inside both crops.
    ///
    /// # Panics
    /// If a `source` range exceeds the image, or a crop its axis.
    pub fn resample(
        &mut self,
        level: SimdLevel,
        (pixels, width, channels): (&[u8], usize, usize),
        horizontal: &ResizeAxis,
        vertical: &ResizeAxis,
        resized: &mut Vec<u8>,
    ) {
        assert!(channels == 1 || channels == 3, "images are gray or RGB");
        self.horizontal.set(horizontal);
        self.vertical.set(vertical);
        let (rows, columns) = (self.vertical.input_range(), self.horizontal.input_range());
        assert!(columns.end <= width && rows.end * width * channels <= pixels.len());
        let row_length = self.horizontal.inputs.len() * channels;
        resized.resize(self.vertical.inputs.len() * row_length, 0);
        if resized.is_empty() {
            return;
        }
        self.intermediate.resize(rows.len() * row_length, 0);
        let Resampler { horizontal, vertical, intermediate, sums } = self;
        let source = SourceRows { pixels, length: width * channels, rows: rows.clone() };
        #[cfg(target_arch = "x86_64")]
        if level >= SimdLevel::Avx2 {
            level.assert_available();
            // SAFETY: the CPU has AVX2.
            unsafe {
                match channels {
                    1 => x86::horizontal_gray(&source, horizontal, intermediate),
                    _ => x86::horizontal_rgb(&source, horizontal, intermediate),
                }
                x86::vertical_pass(intermediate, row_length, rows.start, vertical, resized);
            }
            return;
        }
        let _ = level;
        match channels {
            1 => horizontal_pass::<1>(&source, horizontal, intermediate),
            _ => horizontal_pass::<3>(&source, horizontal, intermediate),
        }
        vertical_pass(intermediate, row_length, rows.start, vertical, sums, resized);
    }
}

/// Rows of an image that the vertical pass depends on.
struct SourceRows<'a> {
    pixels: &'a [u8],
    /// Bytes per row.
    length: usize,
    rows: Range<usize>,
}

impl SourceRows<'_> {
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.clone().map(|row| &self.pixels[row * self.length..][..self.length])
    }
}

/// Input range and weights of each output pixel along one axis.
#[derive(Default)]
struct Taps {
    inputs: Vec<Range<usize>>,
    /// Weights of all outputs, concatenated; one per input of an output.
    weights: Vec<i32>,
    /// Weights of one output before they are normalized and rounded.
    unrounded: Vec<f64>,
}

impl Taps {
    fn set(&mut self, axis: &ResizeAxis) {
        let (_, radius) = axis.scale();
        let offset = axis.source.start as usize;
        self.inputs.clear();
        self.weights.clear();
        assert!(axis.crop.end <= axis.size);
        for output in axis.crop.clone() {
            let (center, inputs) = axis.filter_support(output);
            let (first, last) = (inputs.start as usize, inputs.end as usize);
            let triangle = |input: usize| {
                let distance = (input as f64 - center + 0.5) * (1.0 / radius);
                (1.0 - distance.abs()).max(0.0)
            };
            self.unrounded.clear();
            self.unrounded.extend((first..last).map(triangle));
            let sum: f64 = self.unrounded.iter().sum();
            let scale = f64::from(1 << PRECISION);
            self.weights
                .extend(self.unrounded.iter().map(|weight| (0.5 + weight / sum * scale) as i32));
            self.inputs.push(first + offset..last + offset);
        }
    }

    /// Iterates over the input range and the weights of each output.
    fn iter(&self) -> impl Iterator<Item = (Range<usize>, &[i32])> {
        let mut weights = self.weights.as_slice();
        self.inputs.iter().map(move |inputs| {
            let output_weights;
            (output_weights, weights) = weights.split_at(inputs.len());
            (inputs.clone(), output_weights)
        })
    }

    /// Returns the range of the inputs of all outputs.
    fn input_range(&self) -> Range<usize> {
        match (self.inputs.first(), self.inputs.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }
}

/// Scalar reference of the horizontal pass.
#[inline(always)]
fn horizontal_pass<const C: usize>(source: &SourceRows, taps: &Taps, intermediate: &mut [u8]) {
    let rows = intermediate.chunks_exact_mut(taps.inputs.len() * C);
    for (input, output) in source.iter().zip(rows) {
        horizontal_row::<C>(input, taps, output);
    }
}

#[inline(always)]
fn horizontal_row<const C: usize>(input: &[u8], taps: &Taps, output: &mut [u8]) {
    let pixels = input.as_chunks::<C>().0;
    for ((inputs, weights), out) in taps.iter().zip(output.as_chunks_mut::<C>().0) {
        let mut sum = [HALF; C];
        for (pixel, weight) in pixels[inputs].iter().zip(weights) {
            for c in 0..C {
                sum[c] += i32::from(pixel[c]) * weight;
            }
        }
        *out = sum.map(to_byte);
    }
}

/// Scalar reference of the vertical pass. The rows of `intermediate` have `length` bytes, and the
/// first one is input row `first`.
fn vertical_pass(
    intermediate: &[u8],
    length: usize,
    first: usize,
    taps: &Taps,
    sums: &mut Vec<i32>,
    resized: &mut [u8],
) {
    for ((inputs, weights), out) in taps.iter().zip(resized.chunks_exact_mut(length)) {
        sums.clear();
        sums.resize(length, HALF);
        for (row, weight) in inputs.zip(weights) {
            let values = &intermediate[(row - first) * length..][..length];
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += i32::from(value) * weight;
            }
        }
        for (out, &sum) in out.iter_mut().zip(sums.iter()) {
            *out = to_byte(sum);
        }
    }
}

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

#[cfg(target_arch = "x86_64")]
mod x86 {
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
                let (left, right) =
                    (combine_sums(sums[0], sums[1]), combine_sums(sums[2], sums[3]));
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

    /// Computes one output row of fewer than 16 bytes.
    fn vertical_short_row(
        intermediate: &[u8],
        length: usize,
        inputs: &Range<usize>,
        first: usize,
        weights: &[i32],
        out: &mut [u8],
    ) {
        for (column, out) in out.iter_mut().enumerate() {
            let value = |row: usize| i32::from(intermediate[(row - first) * length + column]);
            let sum: i32 =
                inputs.clone().zip(weights).map(|(row, weight)| value(row) * weight).sum();
            *out = to_byte(sum + HALF);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_image(width: usize, height: usize, channels: usize) -> Vec<u8> {
        (0..width * height * channels).map(|i| (i * i / 7 + i * 31) as u8).collect()
    }

    fn uncropped(source: u32, size: u32) -> ResizeAxis {
        ResizeAxis { source: 0..source, size, crop: 0..size }
    }

    fn resample(
        level: SimdLevel,
        image: (&[u8], usize, usize),
        horizontal: &ResizeAxis,
        vertical: &ResizeAxis,
    ) -> Vec<u8> {
        let mut resized = vec![7; 3];
        Resampler::default().resample(level, image, horizontal, vertical, &mut resized);
        resized
    }

    #[test]
    fn every_level_matches_the_scalar_reference() {
        let sides = [1u32, 2, 5, 6, 16, 17, 61, 97];
        for channels in [1, 3] {
            for width in sides {
                for height in [1u32, 3, 29, 64] {
                    let pixels = test_image(width as usize, height as usize, channels);
                    let image = (pixels.as_slice(), width as usize, channels);
                    for to in sides {
                        let (horizontal, vertical) =
                            (uncropped(width, to), uncropped(height, 100 - to));
                        let scalar = resample(SimdLevel::Scalar, image, &horizontal, &vertical);
                        for level in SimdLevel::available() {
                            let actual = resample(level, image, &horizontal, &vertical);
                            assert!(actual == scalar, "{width}x{height} to {to}, {level:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn white_pixels_do_not_overflow() {
        let pixels = vec![255; 40 * 30 * 3];
        for level in SimdLevel::available() {
            for to in [1, 10, 40, 77] {
                let actual =
                    resample(level, (&pixels, 40, 3), &uncropped(40, to), &uncropped(30, to));
                assert!(actual.iter().all(|&value| value == 255), "{to} {level:?}");
            }
        }
    }

    #[test]
    fn cropping_equals_cropping_before_and_after_resizing() {
        let pixels = test_image(50, 40, 3);
        let part: Vec<u8> = pixels
            .chunks(150)
            .skip(4)
            .take(30)
            .flat_map(|row| &row[21..21 + 99])
            .copied()
            .collect();
        for level in SimdLevel::available() {
            let full = resample(level, (&part, 33, 3), &uncropped(33, 20), &uncropped(30, 21));
            let horizontal = ResizeAxis { source: 7..40, size: 20, crop: 3..19 };
            let vertical = ResizeAxis { source: 4..34, size: 21, crop: 5..21 };
            let cropped = resample(level, (&pixels, 50, 3), &horizontal, &vertical);
            let expected: Vec<u8> =
                full.chunks(60).skip(5).flat_map(|row| &row[9..57]).copied().collect();
            assert_eq!(cropped, expected, "{level:?}");
        }
    }

    #[test]
    fn empty_crop_returns_no_pixels() {
        let empty = ResizeAxis { source: 0..4, size: 9, crop: 3..3 };
        for level in SimdLevel::available() {
            assert!(resample(level, (&[0; 16], 4, 1), &empty, &uncropped(4, 9)).is_empty());
        }
    }
}
