//! Resizing, antialiased bilinear, to the bit as Pillow does it (`Resample.c` up to version 12),
//! and torchvision with it: weights rounded to 22 fractional bits, rows first, 8 bits between the
//! two passes. (Pillow 13 takes columns first where that is less work, which can change a value
//! by 1 where the sides are scaled differently.)

use std::ops::Range;

use crate::Image;

/// Fractional bits of a weight. 255 times 1.0 still fits an i32.
const PRECISION: u32 = 22;
const HALF: i32 = 1 << (PRECISION - 1);

/// A rectangle of whole pixels inside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

/// The size at which the short side is `short`; the long one is cut to whole pixels, as
/// torchvision's `Resize` does.
pub(crate) fn short_side_to(short: u32, width: u32, height: u32) -> (u32, u32) {
    let long = |long: u32, side: u32| {
        (u64::from(short) * u64::from(long) / u64::from(side)).try_into().unwrap_or(u32::MAX)
    };
    match width <= height {
        true => (short, long(height, width)),
        false => (long(width, height), short),
    }
}

/// Resizes the region to `(width, height)`, as if the rest of the image were not there.
pub(crate) fn resize_region(image: &Image, region: Region, size: (u32, u32)) -> Vec<u8> {
    let Region { left, top, width, height } = region;
    let across = Taps::new(width, size.0, 0..size.0).shifted(left);
    let down = Taps::new(height, size.1, 0..size.1).shifted(top);
    resample(image, &across, &down)
}

/// The region of the image resized to `(width, height)`: only what is wanted is computed.
pub(crate) fn region_of_resized(
    image: &Image,
    (width, height): (u32, u32),
    region: Region,
) -> Vec<u8> {
    let across = Taps::new(image.width, width, region.left..region.left + region.width);
    let down = Taps::new(image.height, height, region.top..region.top + region.height);
    resample(image, &across, &down)
}

/// For each output along one side: the inputs that it is made of, and their weights.
struct Taps {
    inputs: Vec<Range<usize>>,
    /// One after another; each output has as many as inputs.
    weights: Vec<i32>,
}

impl Taps {
    /// For the outputs `wanted` of a side of `from` pixels resized to `to`.
    fn new(from: u32, to: u32, wanted: Range<u32>) -> Taps {
        let scale = f64::from(from) / f64::from(to);
        let support = scale.max(1.0);
        let mut taps = Taps { inputs: Vec::with_capacity(wanted.len()), weights: Vec::new() };
        let mut exact = Vec::new();
        for output in wanted {
            let centre = (f64::from(output) + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let last = (centre + support + 0.5).min(f64::from(from)) as usize;
            let triangle = |input: usize| {
                let distance = (input as f64 - centre + 0.5) * (1.0 / support);
                (1.0 - distance.abs()).max(0.0)
            };
            exact.clear();
            exact.extend((first..last).map(triangle));
            let sum: f64 = exact.iter().sum();
            let one = f64::from(1 << PRECISION);
            taps.weights.extend(exact.iter().map(|weight| (0.5 + weight / sum * one) as i32));
            taps.inputs.push(first..last);
        }
        taps
    }

    fn shifted(mut self, by: u32) -> Taps {
        for inputs in &mut self.inputs {
            *inputs = inputs.start + by as usize..inputs.end + by as usize;
        }
        self
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

fn resample(image: &Image, across: &Taps, down: &Taps) -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        /// The same code, compiled for wider registers: integer arithmetic, so the same bytes.
        #[target_feature(enable = "avx2")]
        fn with_avx2(image: &Image, across: &Taps, down: &Taps) -> Vec<u8> {
            resample_channels(image, across, down)
        }
        // SAFETY: the processor has AVX2.
        return unsafe { with_avx2(image, across, down) };
    }
    resample_channels(image, across, down)
}

#[inline(always)]
fn resample_channels(image: &Image, across: &Taps, down: &Taps) -> Vec<u8> {
    let width = image.width as usize;
    match image.channels {
        1 => resample_pixels::<1>(image.pixels.as_chunks().0, width, across, down),
        _ => resample_pixels::<3>(image.pixels.as_chunks().0, width, across, down),
    }
}

#[inline(always)]
fn resample_pixels<const C: usize>(
    pixels: &[[u8; C]],
    width: usize,
    across: &Taps,
    down: &Taps,
) -> Vec<u8> {
    let narrow = across.inputs.len();
    let rows = down.span();
    let mut resized_rows = vec![[0u8; C]; rows.len() * narrow];
    let lines = pixels.chunks_exact(width).skip(rows.start);
    for (line, out) in lines.zip(resized_rows.chunks_exact_mut(narrow.max(1))) {
        for ((inputs, weights), out) in across.iter().zip(out) {
            let mut sum = [HALF; C];
            for (pixel, weight) in line[inputs].iter().zip(weights) {
                for c in 0..C {
                    sum[c] += i32::from(pixel[c]) * weight;
                }
            }
            *out = sum.map(to_byte);
        }
    }

    let row_bytes = narrow * C;
    let resized_rows = resized_rows.as_flattened();
    let mut resized = vec![0; down.inputs.len() * row_bytes];
    let mut sums = vec![0i32; row_bytes];
    for ((inputs, weights), out) in down.iter().zip(resized.chunks_exact_mut(row_bytes.max(1))) {
        sums.fill(HALF);
        for (row, weight) in inputs.zip(weights) {
            let line = &resized_rows[(row - rows.start) * row_bytes..][..row_bytes];
            for (sum, &value) in sums.iter_mut().zip(line) {
                *sum += i32::from(value) * weight;
            }
        }
        for (out, &sum) in out.iter_mut().zip(&sums) {
            *out = to_byte(sum);
        }
    }
    resized
}

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixture;

    fn gradient(width: u32, height: u32, channels: u32) -> Image {
        let count = (width * height * channels) as usize;
        let pixels = (0..count).map(|i| (i * i / 7 + i * 31) as u8).collect();
        Image::new(width, height, channels, pixels).unwrap()
    }

    #[test]
    fn the_long_side_is_cut_to_whole_pixels() {
        assert_eq!(short_side_to(256, 500, 375), (341, 256));
        assert_eq!(short_side_to(256, 375, 500), (256, 341));
        assert_eq!(short_side_to(32, 32, 32), (32, 32));
        assert_eq!(short_side_to(1024, 1, u32::MAX), (1024, u32::MAX));
    }

    #[test]
    fn a_region_of_the_resized_image_is_what_cropping_afterwards_gives() {
        for (width, height, channels) in [(97, 61, 3), (61, 97, 1), (20, 20, 3)] {
            let image = gradient(width, height, channels);
            let size = short_side_to(40, width, height);
            let whole = Region { left: 0, top: 0, width: size.0, height: size.1 };
            let all = region_of_resized(&image, size, whole);
            let part =
                Region { left: (size.0 - 32) / 2, top: (size.1 - 32) / 2, width: 32, height: 32 };
            let some = region_of_resized(&image, size, part);
            for y in 0..32 {
                let start = ((part.top + y) * size.0 + part.left) * channels;
                let cropped = &all[start as usize..][..(32 * channels) as usize];
                assert_eq!(
                    &some[(y * 32 * channels) as usize..][..(32 * channels) as usize],
                    cropped
                );
            }
        }
    }

    #[test]
    fn resizing_a_region_looks_at_nothing_outside_it() {
        let mut image = Image::new(8, 8, 1, vec![255; 64]).unwrap();
        for y in 2..6 {
            image.pixels[y * 8 + 2..y * 8 + 6].fill(100);
        }
        let region = Region { left: 2, top: 2, width: 4, height: 4 };
        assert_eq!(resize_region(&image, region, (7, 7)), vec![100; 49]);
    }

    #[test]
    fn one_pixel_becomes_a_plane_of_it() {
        let image = Image::new(1, 1, 3, vec![1, 2, 3]).unwrap();
        let region = Region { left: 0, top: 0, width: 1, height: 1 };
        assert_eq!(resize_region(&image, region, (2, 2)), [1, 2, 3].repeat(4));
    }

    #[test]
    fn resizing_gives_pillows_bytes() {
        let picture = fixture("picture");
        for name in ["resized-down", "resized-up", "resized-mixed"] {
            let wanted = fixture(name);
            let Image { width, height, .. } = wanted;
            let whole = Region { left: 0, top: 0, width, height };
            let found = region_of_resized(&picture, (width, height), whole);
            assert!(found == wanted.pixels, "{name}");
        }
        let part = Region { left: 5, top: 3, width: 23, height: 19 };
        assert!(resize_region(&picture, part, (16, 16)) == fixture("resized-part").pixels);
    }

    #[test]
    fn wider_registers_change_no_byte() {
        let picture = fixture("picture");
        let (across, down) = (Taps::new(37, 50, 0..50), Taps::new(29, 11, 0..11));
        let plain = resample_channels(&picture, &across, &down);
        assert_eq!(resample(&picture, &across, &down), plain);
    }

    #[test]
    fn an_absurdly_long_image_costs_no_more_than_what_is_wanted() {
        let image = gradient(65_000, 1, 1);
        let size = short_side_to(256, 65_000, 1);
        let region = Region { left: (size.0 - 224) / 2, top: 16, width: 224, height: 224 };
        assert_eq!(region_of_resized(&image, size, region).len(), 224 * 224);
    }
}
