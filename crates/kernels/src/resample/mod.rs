//! Antialiased bilinear resizing of 8-bit images, bit-exact with Pillow up to version 12
//! (`Resample.c`): weights with 22 fractional bits, the horizontal pass first, 8-bit values between
//! the passes. (Pillow 13 may run the vertical pass first, which can change a value by 1.)

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

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
        #[cfg(target_arch = "aarch64")]
        if level == SimdLevel::Neon {
            // SAFETY: the CPU has NEON.
            unsafe {
                match channels {
                    1 => horizontal_pass::<1>(&source, horizontal, intermediate),
                    _ => neon::horizontal_rgb(&source, horizontal, intermediate),
                }
                neon::vertical_pass(intermediate, row_length, rows.start, vertical, resized);
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

/// Computes one output row of the vertical pass that is too short for a register.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
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
        let sum: i32 = inputs.clone().zip(weights).map(|(row, weight)| value(row) * weight).sum();
        *out = to_byte(sum + HALF);
    }
}

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
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
