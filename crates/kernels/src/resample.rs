//! Resizing pictures of 8-bit values, antialiased bilinear, to the bit as Pillow does it
//! (`Resample.c` up to version 12): weights rounded to 22 fractional bits, rows first, 8 bits
//! between the two passes. (Pillow 13 takes columns first where that is less work, which can change
//! a value by 1 where the sides are scaled differently.)
//!
//! With AVX2, two inputs are multiplied and added at once (`vpmaddwd`), which takes 16-bit factors:
//! a weight is split into its upper bits and its lower 14, and the two sums are put together at the
//! end. Whole numbers, so the same bytes. The first pass takes two rows at once, whose pixels are
//! weighted alike.

use std::ops::Range;

use crate::SimdLevel;

/// Fractional bits of a weight. 255 times 1.0 still fits an i32.
const PRECISION: u32 = 22;
const HALF: i32 = 1 << (PRECISION - 1);

/// One side of a picture that is resized: its pixels `from` become `to` pixels, of which those
/// `wanted` are computed. What lies outside of `from` is not looked at.
#[derive(Debug, Clone)]
pub struct ResizeAxis {
    pub source: Range<u32>,
    pub size: u32,
    pub crop: Range<u32>,
}

impl ResizeAxis {
    /// How many pixels become one, and how far to each side those reach of which one is made.
    fn scale(&self) -> (f64, f64) {
        let scale = f64::from(self.source.end - self.source.start) / f64::from(self.size);
        (scale, scale.max(1.0))
    }

    /// Where the middle of a pixel of the result lies, and the pixels that it is made of, from the
    /// beginning of those `from`.
    fn under(&self, output: u32) -> (f64, Range<u32>) {
        let (scale, support) = self.scale();
        let center = (f64::from(output) + 0.5) * scale;
        let most = f64::from(self.source.end - self.source.start);
        let first = (center - support + 0.5).max(0.0) as u32;
        (center, first..(center + support + 0.5).min(most) as u32)
    }

    /// The pixels that those are made of that are wanted.
    pub fn source_range(&self) -> Range<u32> {
        let (Some(first), Some(last)) = (self.crop.clone().next(), self.crop.clone().last()) else {
            return self.source.start..self.source.start;
        };
        let from = self.source.start;
        from + self.under(first).1.start..from + self.under(last).1.end
    }
}

/// Resizes pictures, and keeps the room that it takes for the next one.
#[derive(Default)]
pub struct Resampler {
    across: Taps,
    down: Taps,
    /// The rows that are needed, as wide as the result.
    narrow: Vec<u8>,
    sums: Vec<i32>,
}

impl Resampler {
    /// Resizes a picture of `width` pixels a row and 1 or 3 `channels` (innermost), and replaces
    /// what is in `resized` by the pixels that are wanted.
    ///
    /// # Panics
    /// If a stretch reaches outside of the picture or wants more than there is.
    pub fn resample(
        &mut self,
        level: SimdLevel,
        (pixels, width, channels): (&[u8], usize, usize),
        across: &ResizeAxis,
        down: &ResizeAxis,
        resized: &mut Vec<u8>,
    ) {
        assert!(channels == 1 || channels == 3, "pictures are gray or RGB");
        self.across.fill(across);
        self.down.fill(down);
        let (rows, span) = (self.down.span(), self.across.span());
        assert!(span.end <= width && rows.end * width * channels <= pixels.len());
        let narrow = self.across.inputs.len() * channels;
        resized.resize(self.down.inputs.len() * narrow, 0);
        if resized.is_empty() {
            return;
        }
        self.narrow.resize(rows.len() * narrow, 0);
        let Resampler { across, down, narrow: room, sums } = self;
        let lines = Lines { pixels, length: width * channels, rows: rows.clone() };
        #[cfg(target_arch = "x86_64")]
        if level >= SimdLevel::Avx2 {
            assert!(level <= SimdLevel::best() || cfg!(test));
            // SAFETY: the processor has AVX2.
            unsafe {
                match channels {
                    1 => x86::gray(&lines, across, room),
                    _ => x86::colored(&lines, across, room),
                }
                x86::columns(room, narrow, rows.start, down, resized);
            }
            return;
        }
        let _ = level;
        match channels {
            1 => plain::<1>(&lines, across, room),
            _ => plain::<3>(&lines, across, room),
        }
        columns(room, narrow, rows.start, down, sums, resized);
    }
}

/// Rows of a picture.
struct Lines<'a> {
    pixels: &'a [u8],
    /// Bytes of a row.
    length: usize,
    rows: Range<usize>,
}

impl Lines<'_> {
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.clone().map(|row| &self.pixels[row * self.length..][..self.length])
    }
}

/// For each output along one side: the inputs that it is made of, and their weights.
#[derive(Default)]
struct Taps {
    inputs: Vec<Range<usize>>,
    /// One after another; each output has as many as inputs.
    weights: Vec<i32>,
    exact: Vec<f64>,
}

impl Taps {
    fn fill(&mut self, side: &ResizeAxis) {
        let (_, support) = side.scale();
        let offset = side.source.start as usize;
        self.inputs.clear();
        self.weights.clear();
        assert!(side.crop.end <= side.size);
        for output in side.crop.clone() {
            let (center, inputs) = side.under(output);
            let (first, last) = (inputs.start as usize, inputs.end as usize);
            let triangle = |input: usize| {
                let distance = (input as f64 - center + 0.5) * (1.0 / support);
                (1.0 - distance.abs()).max(0.0)
            };
            self.exact.clear();
            self.exact.extend((first..last).map(triangle));
            let sum: f64 = self.exact.iter().sum();
            let one = f64::from(1 << PRECISION);
            self.weights.extend(self.exact.iter().map(|weight| (0.5 + weight / sum * one) as i32));
            self.inputs.push(first + offset..last + offset);
        }
    }

    /// Each output's inputs with their weights.
    fn iter(&self) -> impl Iterator<Item = (Range<usize>, &[i32])> {
        let mut weights = self.weights.as_slice();
        self.inputs.iter().map(move |inputs| {
            let (these, rest) = weights.split_at(inputs.len());
            weights = rest;
            (inputs.clone(), these)
        })
    }

    /// All inputs that any output needs.
    fn span(&self) -> Range<usize> {
        match (self.inputs.first(), self.inputs.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }
}

/// The first pass, a row at a time: the reference.
#[inline(always)]
fn plain<const C: usize>(lines: &Lines, across: &Taps, narrow: &mut [u8]) {
    let rows = narrow.chunks_exact_mut(across.inputs.len() * C);
    for (line, row) in lines.iter().zip(rows) {
        plain_row::<C>(line, across, row);
    }
}

#[inline(always)]
fn plain_row<const C: usize>(line: &[u8], across: &Taps, row: &mut [u8]) {
    let pixels = line.as_chunks::<C>().0;
    for ((inputs, weights), out) in across.iter().zip(row.as_chunks_mut::<C>().0) {
        let mut sum = [HALF; C];
        for (pixel, weight) in pixels[inputs].iter().zip(weights) {
            for c in 0..C {
                sum[c] += i32::from(pixel[c]) * weight;
            }
        }
        *out = sum.map(to_byte);
    }
}

/// The second pass, over rows of `length` bytes of which the first is number `first`.
fn columns(
    narrow: &[u8],
    length: usize,
    first: usize,
    down: &Taps,
    sums: &mut Vec<i32>,
    resized: &mut [u8],
) {
    for ((inputs, weights), out) in down.iter().zip(resized.chunks_exact_mut(length)) {
        sums.clear();
        sums.resize(length, HALF);
        for (row, weight) in inputs.zip(weights) {
            let line = &narrow[(row - first) * length..][..length];
            for (sum, &value) in sums.iter_mut().zip(line) {
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

    /// Bits of a weight's lower part: a 16-bit factor that is not negative. The upper part is 256
    /// at most.
    const LOWER: i32 = 14;

    /// Two weights' upper or lower parts, as `vpmaddwd` takes them.
    fn pair(a: i32, b: i32) -> [i32; 2] {
        let mask = (1 << LOWER) - 1;
        [(a >> LOWER) | ((b >> LOWER) << 16), (a & mask) | ((b & mask) << 16)]
    }

    /// Sums of the upper and of the lower parts to bytes, still 32 bits wide.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn join(upper: __m256i, lower: __m256i) -> __m256i {
        let sum = _mm256_add_epi32(_mm256_slli_epi32::<LOWER>(upper), lower);
        _mm256_srai_epi32::<{ PRECISION as i32 }>(_mm256_add_epi32(sum, _mm256_set1_epi32(HALF)))
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn gray(lines: &Lines, across: &Taps, narrow: &mut [u8]) {
        plain::<1>(lines, across, narrow);
    }

    /// Four RGB pixels of two rows at a time, each row in its half of a register: of the first and
    /// of the last two pixels' bytes the reds, greens and blues side by side.
    #[target_feature(enable = "avx2")]
    pub(super) fn colored(lines: &Lines, across: &Taps, narrow: &mut [u8]) {
        /// Bytes that are fetched for four pixels.
        const FETCHED: usize = 16;
        let mut groups = Vec::with_capacity(across.weights.len() / 4 + across.inputs.len());
        // Where each output's pixels begin in a row, in bytes, and its groups of four.
        let mut places = Vec::with_capacity(across.inputs.len());
        for (inputs, weights) in across.iter() {
            places.push((inputs.start * 3, weights.len().div_ceil(4)));
            groups.extend(weights.chunks(4).map(|weights| {
                let weight = |i: usize| weights.get(i).copied().unwrap_or(0);
                [pair(weight(0), weight(1)), pair(weight(2), weight(3))]
            }));
        }
        let none = -1;
        let first = _mm256_setr_epi8(
            0, none, 3, none, 1, none, 4, none, 2, none, 5, none, none, none, none, none, //
            0, none, 3, none, 1, none, 4, none, 2, none, 5, none, none, none, none, none,
        );
        // The last two begin six bytes further.
        let six = _mm256_setr_epi8(
            6, 0, 6, 0, 6, 0, 6, 0, 6, 0, 6, 0, 0, 0, 0, 0, //
            6, 0, 6, 0, 6, 0, 6, 0, 6, 0, 6, 0, 0, 0, 0, 0,
        );
        let last = _mm256_add_epi8(first, six);
        let length = places.len() * 3;
        // Rows whose last four pixels can be fetched by 16 bytes.
        let end = lines.pixels.len().saturating_sub(FETCHED) / lines.length;
        let fetched = lines.rows.start..end.clamp(lines.rows.start, lines.rows.end);
        for row in fetched.clone().step_by(2) {
            // The last one is done twice, where they are odd.
            let both = [row, (row + 1).min(fetched.end - 1)];
            let starts = both.map(|row| row * lines.length);
            let into = both.map(|row| (row - lines.rows.start) * length);
            let mut group = groups.as_ptr();
            for (out, &(at, count)) in places.iter().enumerate() {
                let (mut upper, mut lower) = (_mm256_setzero_si256(), _mm256_setzero_si256());
                for i in 0..count {
                    // SAFETY: the group begins at one of a row's pixels, behind whose end there
                    // are 16 bytes more; `groups` has as many as all outputs count.
                    unsafe {
                        let from = lines.pixels.as_ptr().add(at + 12 * i);
                        let a = _mm_loadu_si128(from.add(starts[0]).cast());
                        let b = _mm_loadu_si128(from.add(starts[1]).cast());
                        let four = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(a), b);
                        let [[a, b], [c, d]] = *group;
                        let values = _mm256_shuffle_epi8(four, first);
                        let high = _mm256_madd_epi16(values, _mm256_set1_epi32(a));
                        let low = _mm256_madd_epi16(values, _mm256_set1_epi32(b));
                        upper = _mm256_add_epi32(upper, high);
                        lower = _mm256_add_epi32(lower, low);
                        let values = _mm256_shuffle_epi8(four, last);
                        let high = _mm256_madd_epi16(values, _mm256_set1_epi32(c));
                        let low = _mm256_madd_epi16(values, _mm256_set1_epi32(d));
                        upper = _mm256_add_epi32(upper, high);
                        lower = _mm256_add_epi32(lower, low);
                        group = group.add(1);
                    }
                }
                let sums = join(upper, lower);
                let words = _mm256_packs_epi32(sums, sums);
                let bytes = _mm256_packus_epi16(words, words);
                let pixels = [
                    _mm_cvtsi128_si32(_mm256_castsi256_si128(bytes)),
                    _mm_cvtsi128_si32(_mm256_extracti128_si256::<1>(bytes)),
                ];
                for (into, pixel) in into.into_iter().zip(pixels) {
                    let place = &mut narrow[into + 3 * out..];
                    // The fourth byte is the next pixel's, which is written after this one.
                    if out + 1 < places.len() {
                        place[..4].copy_from_slice(&pixel.to_le_bytes());
                    } else {
                        place[..3].copy_from_slice(&pixel.to_le_bytes()[..3]);
                    }
                }
            }
        }
        for row in fetched.end..lines.rows.end {
            let line = &lines.pixels[row * lines.length..][..lines.length];
            let number = row - lines.rows.start;
            plain_row::<3>(line, across, &mut narrow[number * length..][..length]);
        }
    }

    /// The second pass, 16 bytes of two rows at a time.
    #[target_feature(enable = "avx2")]
    pub(super) fn columns(
        narrow: &[u8],
        length: usize,
        first: usize,
        down: &Taps,
        resized: &mut [u8],
    ) {
        const STEP: usize = 16;
        let mut pairs: Vec<[usize; 2]> = Vec::new();
        let mut weights: Vec<[i32; 2]> = Vec::new();
        for ((inputs, own), out) in down.iter().zip(resized.chunks_exact_mut(length)) {
            pairs.clear();
            weights.clear();
            for (i, two) in own.chunks(2).enumerate() {
                let row = (inputs.start - first + 2 * i) * length;
                // Of the last one, where they are odd, nothing is added.
                let next = if two.len() == 2 { row + length } else { row };
                pairs.push([row, next]);
                weights.push(pair(two[0], two.get(1).copied().unwrap_or(0)));
            }
            let mut at = 0;
            while at < length {
                if length < STEP {
                    narrow_columns(narrow, length, &inputs, first, own, out);
                    break;
                }
                // The last step takes again some of what the one before took.
                at = at.min(length - STEP);
                let mut sums = [_mm256_setzero_si256(); 4];
                for (rows, &[high, low]) in pairs.iter().zip(&weights) {
                    let [a, b] = [&narrow[rows[0] + at..][..STEP], &narrow[rows[1] + at..][..STEP]];
                    // SAFETY: there are 16 bytes each.
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
                let words = _mm256_packs_epi32(join(sums[0], sums[1]), join(sums[2], sums[3]));
                let bytes = _mm256_packus_epi16(words, words);
                let bytes = _mm256_permute4x64_epi64::<0b1000>(bytes);
                let place = out[at..][..STEP].as_mut_ptr();
                // SAFETY: there is room for 16 bytes.
                unsafe { _mm_storeu_si128(place.cast(), _mm256_castsi256_si128(bytes)) };
                at += STEP;
            }
        }
    }

    /// One output row of fewer than 16 bytes.
    fn narrow_columns(
        narrow: &[u8],
        length: usize,
        inputs: &Range<usize>,
        first: usize,
        weights: &[i32],
        out: &mut [u8],
    ) {
        for (column, out) in out.iter_mut().enumerate() {
            let value = |row: usize| i32::from(narrow[(row - first) * length + column]);
            let sum: i32 =
                inputs.clone().zip(weights).map(|(row, weight)| value(row) * weight).sum();
            *out = to_byte(sum + HALF);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize, channels: usize) -> Vec<u8> {
        (0..width * height * channels).map(|i| (i * i / 7 + i * 31) as u8).collect()
    }

    fn whole(from: u32, to: u32) -> ResizeAxis {
        ResizeAxis { source: 0..from, size: to, crop: 0..to }
    }

    fn resampled(
        level: SimdLevel,
        picture: (&[u8], usize, usize),
        across: &ResizeAxis,
        down: &ResizeAxis,
    ) -> Vec<u8> {
        let mut resized = vec![7; 3];
        Resampler::default().resample(level, picture, across, down, &mut resized);
        resized
    }

    #[test]
    fn every_level_gives_the_plain_bytes() {
        let sides = [1u32, 2, 5, 6, 16, 17, 61, 97];
        for channels in [1, 3] {
            for width in sides {
                for height in [1u32, 3, 29, 64] {
                    let pixels = picture(width as usize, height as usize, channels);
                    let picture = (pixels.as_slice(), width as usize, channels);
                    for to in sides {
                        let (across, down) = (whole(width, to), whole(height, 100 - to));
                        let plain = resampled(SimdLevel::Scalar, picture, &across, &down);
                        for level in SimdLevel::all() {
                            let found = resampled(level, picture, &across, &down);
                            assert!(found == plain, "{width}x{height} to {to}, {level:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_brightest_value_and_weight_do_not_overflow() {
        let pixels = vec![255; 40 * 30 * 3];
        for level in SimdLevel::all() {
            for to in [1, 10, 40, 77] {
                let found = resampled(level, (&pixels, 40, 3), &whole(40, to), &whole(30, to));
                assert!(found.iter().all(|&value| value == 255), "{to} {level:?}");
            }
        }
    }

    #[test]
    fn what_is_wanted_of_a_part_is_what_cropping_before_and_after_gives() {
        let pixels = picture(50, 40, 3);
        let part: Vec<u8> = pixels
            .chunks(150)
            .skip(4)
            .take(30)
            .flat_map(|row| &row[21..21 + 99])
            .copied()
            .collect();
        for level in SimdLevel::all() {
            let all = resampled(level, (&part, 33, 3), &whole(33, 20), &whole(30, 21));
            let across = ResizeAxis { source: 7..40, size: 20, crop: 3..19 };
            let down = ResizeAxis { source: 4..34, size: 21, crop: 5..21 };
            let some = resampled(level, (&pixels, 50, 3), &across, &down);
            let cropped: Vec<u8> =
                all.chunks(60).skip(5).flat_map(|row| &row[9..57]).copied().collect();
            assert_eq!(some, cropped, "{level:?}");
        }
    }

    #[test]
    fn nothing_is_wanted_where_nothing_is_asked_for() {
        let none = ResizeAxis { source: 0..4, size: 9, crop: 3..3 };
        for level in SimdLevel::all() {
            assert!(resampled(level, (&[0; 16], 4, 1), &none, &whole(4, 9)).is_empty());
        }
    }
}
