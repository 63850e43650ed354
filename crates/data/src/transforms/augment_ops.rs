//! Image operations of the augmentation policies, bit-exact with torchvision on Pillow images:
//! nearest-neighbor sampling, black outside the image, truncation where Pillow truncates.

use std::mem::swap;

/// Operation on an image. The fields are torchvision's magnitudes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum AugmentOp {
    Identity,
    /// Horizontal shift in pixels per row.
    ShearX(f64),
    /// Vertical shift in pixels per column.
    ShearY(f64),
    /// Pixels to the right, truncated.
    TranslateX(f64),
    /// Pixels down, truncated.
    TranslateY(f64),
    /// Degrees, counterclockwise about the center.
    Rotate(f64),
    /// Enhancement factor minus 1, so that 0 leaves the image unchanged, as for `Color`, `Contrast`
    /// and `Sharpness`.
    Brightness(f64),
    Color(f64),
    Contrast(f64),
    Sharpness(f64),
    /// Number of bits to keep.
    Posterize(u32),
    /// Threshold; inverts values that are not below it.
    Solarize(f64),
    AutoContrast,
    Equalize,
}

/// Image that operations modify in place, with a scratch buffer.
pub(crate) struct AugmentImage {
    pub width: usize,
    pub height: usize,
    /// 1 or 3.
    pub channels: usize,
    /// `height * width * channels` bytes.
    pub pixels: Vec<u8>,
    scratch: Vec<u8>,
}

impl AugmentImage {
    pub fn new(width: usize, height: usize, channels: usize, pixels: Vec<u8>) -> AugmentImage {
        AugmentImage { width, height, channels, pixels, scratch: Vec::new() }
    }

    /// Applies an operation as torchvision's `_apply_op`.
    pub fn apply(&mut self, operation: AugmentOp) {
        let (w, h) = (self.width as f64, self.height as f64);
        match operation {
            AugmentOp::Identity => {}
            AugmentOp::ShearX(amount) => self.affine([1.0, amount, 0.0, 0.0, 1.0, 0.0]),
            AugmentOp::ShearY(amount) => self.affine([1.0, 0.0, 0.0, amount, 1.0, 0.0]),
            AugmentOp::TranslateX(amount) => {
                self.affine([1.0, 0.0, -amount.trunc(), 0.0, 1.0, 0.0]);
            }
            AugmentOp::TranslateY(amount) => {
                self.affine([1.0, 0.0, 0.0, 0.0, 1.0, -amount.trunc()]);
            }
            AugmentOp::Rotate(degrees) => {
                let (sin, cos) = (-degrees.rem_euclid(360.0).to_radians()).sin_cos();
                let (x, y) = (w / 2.0, h / 2.0);
                let (left, top) = (cos * -x + sin * -y + x, -sin * -x + cos * -y + y);
                self.affine([cos, sin, left, -sin, cos, top]);
            }
            AugmentOp::Brightness(amount) => self.apply_lut(|value| blend(0, value, 1.0 + amount)),
            // A gray image has no saturation.
            AugmentOp::Color(_) if self.channels == 1 => {}
            AugmentOp::Color(amount) => {
                for pixel in self.pixels.as_chunks_mut::<3>().0 {
                    let gray = luma(pixel);
                    *pixel = pixel.map(|value| blend(gray, value, 1.0 + amount));
                }
            }
            AugmentOp::Contrast(amount) => {
                let gray = self.mean_luma();
                self.apply_lut(|value| blend(gray, value, 1.0 + amount));
            }
            AugmentOp::Sharpness(amount) => self.sharpen(1.0 + amount),
            AugmentOp::Posterize(bits) => {
                let mask = 0xff_u8.checked_shl(8 - bits.min(8)).unwrap_or(0);
                self.apply_lut(|value| value & mask);
            }
            AugmentOp::Solarize(threshold) => {
                let is_below = |value: u8| f64::from(value) < threshold;
                self.apply_lut(|value| if is_below(value) { value } else { 255 - value });
            }
            AugmentOp::AutoContrast => self.map_by_histogram(autocontrast_lut),
            AugmentOp::Equalize => self.map_by_histogram(equalize_lut),
        }
    }

    /// Replaces each pixel (x, y) by the pixel at (`a` x + `b` y + `c`, `d` x + `e` y + `f`). The
    /// coordinates are those of pixel centers, in fixed point with 16 fractional bits, as in Pillow
    /// for 8-bit images.
    fn affine(&mut self, [a, b, c, d, e, f]: [f64; 6]) {
        let to_fixed = |value: f64| (value * 65536.0 + 0.5).floor() as i64;
        let (column_step, row_step) = ([to_fixed(a), to_fixed(d)], [to_fixed(b), to_fixed(e)]);
        let mut row_start = [to_fixed(c + a * 0.5 + b * 0.5), to_fixed(f + d * 0.5 + e * 0.5)];
        let (width, height, channels) = (self.width, self.height, self.channels);
        self.scratch.clear();
        self.scratch.resize(self.pixels.len(), 0);
        for row in self.scratch.chunks_exact_mut(width * channels) {
            let [mut x, mut y] = row_start;
            for out in row.chunks_exact_mut(channels) {
                let (left, top) = (x >> 16, y >> 16);
                if (0..width as i64).contains(&left) && (0..height as i64).contains(&top) {
                    let start = (top as usize * width + left as usize) * channels;
                    out.copy_from_slice(&self.pixels[start..start + channels]);
                }
                (x, y) = (x + column_step[0], y + column_step[1]);
            }
            row_start = [row_start[0] + row_step[0], row_start[1] + row_step[1]];
        }
        swap(&mut self.pixels, &mut self.scratch);
    }

    /// Returns the mean of the image converted to grayscale, rounded.
    fn mean_luma(&self) -> u8 {
        let (sum, count): (u64, u64) = match self.channels {
            1 => {
                (self.pixels.iter().map(|&value| u64::from(value)).sum(), self.pixels.len() as u64)
            }
            _ => {
                let pixels = self.pixels.as_chunks::<3>().0;
                (pixels.iter().map(|pixel| u64::from(luma(pixel))).sum(), pixels.len() as u64)
            }
        };
        ((2 * sum + count) / (2 * count.max(1))) as u8
    }

    /// Blends with the image smoothed by Pillow's 3x3 kernel (ones with 5 in the center, divided by
    /// 13). Pillow does not smooth border pixels, so they are unchanged.
    fn sharpen(&mut self, factor: f64) {
        let (width, height, channels) = (self.width, self.height, self.channels);
        if width < 3 || height < 3 {
            return;
        }
        self.scratch.clone_from(&self.pixels);
        let stride = width * channels;
        for y in 1..height - 1 {
            let line = y * stride;
            for at in line + channels..line + stride - channels {
                let column = |at: usize| -> u32 {
                    [at - stride, at, at + stride]
                        .map(|at| u32::from(self.scratch[at]))
                        .iter()
                        .sum()
                };
                let middle = self.scratch[at];
                let sum = column(at - channels) + column(at) + column(at + channels);
                let smooth = (2 * (sum + 4 * u32::from(middle)) + 13) / 26;
                self.pixels[at] = blend(smooth as u8, middle, factor);
            }
        }
    }

    /// Replaces each value by the function's result, through a lookup table.
    fn apply_lut(&mut self, function: impl Fn(u8) -> u8) {
        let table: [u8; 256] = std::array::from_fn(|i| function(i as u8));
        for value in &mut self.pixels {
            *value = table[usize::from(*value)];
        }
    }

    /// Maps each channel through a lookup table that `make_table` computes from its histogram.
    fn map_by_histogram(&mut self, make_table: impl Fn(&[u32; 256]) -> [u8; 256]) {
        for channel in 0..self.channels {
            let mut counts = [0; 256];
            for &value in self.pixels[channel..].iter().step_by(self.channels) {
                counts[usize::from(value)] += 1;
            }
            let table = make_table(&counts);
            for value in self.pixels[channel..].iter_mut().step_by(self.channels) {
                *value = table[usize::from(*value)];
            }
        }
    }
}

/// Returns the gray value of a pixel, as Pillow's `convert('L')`.
fn luma(&[r, g, b]: &[u8; 3]) -> u8 {
    let [r, g, b] = [r, g, b].map(u32::from);
    ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
}

/// Blends as Pillow's `Image.blend` in f32: `base` at factor 0, `value` at factor 1, extrapolated
/// outside, truncated.
fn blend(base: u8, value: u8, factor: f64) -> u8 {
    let (base, value) = (f32::from(base), f32::from(value));
    (base + factor as f32 * (value - base)) as u8 // saturates
}

/// Returns the lookup table of Pillow's `ImageOps.autocontrast`, which stretches values to 0..=255.
fn autocontrast_lut(counts: &[u32; 256]) -> [u8; 256] {
    let low = counts.iter().position(|&count| count > 0).unwrap_or(0);
    let high = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
    if high <= low {
        return std::array::from_fn(|i| i as u8);
    }
    let scale = 255.0 / (high - low) as f64;
    let offset = -(low as f64) * scale;
    std::array::from_fn(|i| (i as f64 * scale + offset) as u8)
}

/// Returns the lookup table of Pillow's `ImageOps.equalize`, which flattens the histogram.
fn equalize_lut(counts: &[u32; 256]) -> [u8; 256] {
    let last = counts.iter().rev().find(|&&count| count > 0).copied().unwrap_or(0);
    let step = (counts.iter().sum::<u32>() - last) / 255;
    if step == 0 {
        return std::array::from_fn(|i| i as u8);
    }
    let mut sum = step / 2;
    counts.map(|count| {
        let value = sum / step;
        sum += count;
        value.min(255) as u8
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testing::{fixture, fixture_json};

    fn operation(name: &str, magnitude: f64) -> AugmentOp {
        match name {
            "Identity" => AugmentOp::Identity,
            "ShearX" => AugmentOp::ShearX(magnitude),
            "ShearY" => AugmentOp::ShearY(magnitude),
            "TranslateX" => AugmentOp::TranslateX(magnitude),
            "TranslateY" => AugmentOp::TranslateY(magnitude),
            "Rotate" => AugmentOp::Rotate(magnitude),
            "Brightness" => AugmentOp::Brightness(magnitude),
            "Color" => AugmentOp::Color(magnitude),
            "Contrast" => AugmentOp::Contrast(magnitude),
            "Sharpness" => AugmentOp::Sharpness(magnitude),
            "Posterize" => AugmentOp::Posterize(magnitude as u32),
            "Solarize" => AugmentOp::Solarize(magnitude),
            "AutoContrast" => AugmentOp::AutoContrast,
            "Equalize" => AugmentOp::Equalize,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn every_operation_matches_torchvision_on_pillow_images() {
        let fixtures = fixture_json("operations");
        let cases = fixtures.as_array().unwrap();
        // All 14 operations, most with several magnitudes, on RGB and gray.
        assert!(cases.len() > 60, "{}", cases.len());
        for case in cases {
            let name = case["operation"].as_str().unwrap();
            let magnitude = case["magnitude"].as_f64().unwrap();
            let channels = case["channels"].as_u64().unwrap() as u32;
            let mut image = fixture("picture");
            image.set_channels(channels);
            let [w, h, c] = [image.width, image.height, channels].map(|n| n as usize);
            let mut augmented = AugmentImage::new(w, h, c, image.pixels);
            augmented.apply(operation(name, magnitude));
            let expected = parse_checksums(&case["crc32"], &case["sums"]);
            let found = (crc32(&augmented.pixels), weighted_sums(&augmented.pixels));
            assert_eq!(found, expected, "{name} {magnitude} of {channels} channels");
        }
    }

    fn parse_checksums(crc: &Value, sums: &Value) -> (u32, Vec<u64>) {
        let sums = sums.as_array().unwrap().iter().map(|sum| sum.as_u64().unwrap());
        (crc.as_u64().unwrap() as u32, sums.collect())
    }

    /// Returns the CRC-32 as zlib's.
    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }

    /// Returns the sum of the bytes and their sum weighted by position, which show the size of a
    /// difference when the CRC differs.
    fn weighted_sums(bytes: &[u8]) -> Vec<u64> {
        let value = |(i, &value): (usize, &u8)| [u64::from(value), i as u64 * u64::from(value)];
        bytes
            .iter()
            .enumerate()
            .map(value)
            .fold(vec![0, 0], |sum, [a, b]| vec![sum[0] + a, sum[1] + b])
    }

    #[test]
    fn every_operation_accepts_an_image_of_one_pixel() {
        for name in
            ["ShearX", "TranslateY", "Rotate", "Contrast", "Sharpness", "Equalize", "AutoContrast"]
        {
            for channels in [1, 3] {
                let mut augmented = AugmentImage::new(1, 1, channels, vec![9; channels]);
                augmented.apply(operation(name, 0.5));
                assert_eq!(augmented.pixels.len(), channels);
            }
        }
    }
}
