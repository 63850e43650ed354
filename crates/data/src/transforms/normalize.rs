//! Normalization of 8-bit pixels, `(value / 255 - mean) / std`, fused with crop, flip and padding
//! into one pass over the pixels.

use residual_kernels::{ByteNormalizer, SimdLevel};

/// Position of a crop of the network's input size, in pixels. The crop may extend beyond the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CropWindow {
    pub left: i64,
    pub top: i64,
    /// Horizontal flip.
    pub flip: bool,
}

impl CropWindow {
    /// Copies the `size` by `size` pixels of the window; pixels outside the image are black.
    pub(crate) fn crop(
        self,
        pixels: &[u8],
        [height, width]: [usize; 2],
        size: usize,
        channels: usize,
    ) -> Vec<u8> {
        let mut cropped = vec![0; size * size * channels];
        for (y, row) in cropped.chunks_exact_mut(size * channels).enumerate() {
            let top = self.top + y as i64;
            if !(0..height as i64).contains(&top) {
                continue;
            }
            let line = &pixels[top as usize * width * channels..][..width * channels];
            for (x, out) in row.chunks_exact_mut(channels).enumerate() {
                let left = self.left + if self.flip { size - 1 - x } else { x } as i64;
                if (0..width as i64).contains(&left) {
                    out.copy_from_slice(&line[left as usize * channels..][..channels]);
                }
            }
        }
        cropped
    }
}

/// Normalization as torchvision's `Normalize` after `ToTensor`.
#[derive(Clone)]
pub(crate) struct Normalize(ByteNormalizer);

impl Normalize {
    pub fn new(mean: &[f64], std: &[f64]) -> Self {
        Normalize(ByteNormalizer::new(mean, std))
    }

    pub fn channels(&self) -> usize {
        self.0.channels()
    }

    /// Returns the lookup table of the normalization: the results of all bytes, 256 for each
    /// channel, one channel after another.
    pub fn lookup_table(&self) -> Vec<f32> {
        let channel_table =
            |channel| (0..=255).map(move |value| self.0.normalize_byte(channel, value));
        (0..self.channels()).flat_map(channel_table).collect()
    }

    /// Writes the `out_size` pixels at `window` of an image of `image_size`, normalized, channels
    /// innermost. Sizes are height and width. Pixels outside the image are black before
    /// normalization.
    pub fn write(
        &self,
        pixels: &[u8],
        image_size: [usize; 2],
        out_size: [usize; 2],
        window: CropWindow,
        out: &mut [f32],
    ) {
        match self.channels() {
            1 => write::<1>(&self.0, pixels.as_chunks().0, image_size, out_size, window, out),
            _ => write::<3>(&self.0, pixels.as_chunks().0, image_size, out_size, window, out),
        }
    }
}

fn write<const C: usize>(
    normalizer: &ByteNormalizer,
    pixels: &[[u8; C]],
    [height, width]: [usize; 2],
    [rows, columns]: [usize; 2],
    window: CropWindow,
    out: &mut [f32],
) {
    let black: [f32; C] = std::array::from_fn(|channel| normalizer.normalize_byte(channel, 0));
    let out = &mut out.as_chunks_mut::<C>().0[..rows * columns];
    let level = SimdLevel::best();
    let mut mirrored = Vec::new();

    // The columns `start..end` of the window are inside the image.
    let clamp = |x: i64| x.clamp(0, columns as i64) as usize;
    let (start, end) = (clamp(-window.left), clamp(width as i64 - window.left));
    for (y, row) in out.chunks_exact_mut(columns).enumerate() {
        let source_row = window.top + y as i64;
        if source_row < 0 || source_row >= height as i64 || start >= end {
            row.fill(black);
            continue;
        }
        let first = source_row as usize * width + (start as i64 + window.left) as usize;
        let mut line = &pixels[first..first + end - start];
        let (mut before, mut after) = (start, columns - end);
        if window.flip {
            mirrored.clear();
            mirrored.extend(line.iter().rev());
            line = &mirrored;
            (before, after) = (after, before);
        }
        row[..before].fill(black);
        row[columns - after..].fill(black);
        let row = row[before..columns - after].as_flattened_mut();
        normalizer.normalize_bytes(level, line.as_flattened(), row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Normalize {
        Normalize::new(&[0.0], &[1.0 / 255.0])
    }

    fn written(
        normalize: &Normalize,
        pixels: &[u8],
        size: [usize; 2],
        window: CropWindow,
    ) -> Vec<u8> {
        let mut out = vec![f32::NAN; 9 * normalize.channels()];
        normalize.write(pixels, size, [3, 3], window, &mut out);
        out.into_iter().map(|value| value.round() as u8).collect()
    }

    #[test]
    fn normalizes_each_channel() {
        let normalize = Normalize::new(&[0.5, 0.0, 1.0], &[0.5, 1.0, 2.0]);
        let mut out = [0.0; 3];
        let window = CropWindow { left: 0, top: 0, flip: false };
        normalize.write(&[255, 51, 0], [1, 1], [1, 1], window, &mut out);
        assert_eq!(out, [1.0, 0.2, -0.5]);
    }

    #[test]
    fn padding_is_black_before_normalization() {
        let normalize = Normalize::new(&[0.5], &[0.25]);
        let mut out = [0.0; 9];
        let window = CropWindow { left: -2, top: -2, flip: false };
        normalize.write(&[255; 4], [2, 2], [3, 3], window, &mut out);
        assert_eq!(out, [-2.0, -2.0, -2.0, -2.0, -2.0, -2.0, -2.0, -2.0, 2.0]);
    }

    #[test]
    fn flip_mirrors_the_window() {
        let pixels: Vec<u8> = (1..=12).collect();
        for left in -4..=5 {
            for top in -4..=4 {
                let window = CropWindow { left, top, flip: false };
                let mut mirrored = written(&identity(), &pixels, [3, 4], window);
                mirrored.chunks_mut(3).for_each(<[u8]>::reverse);
                let window = CropWindow { flip: true, ..window };
                assert_eq!(written(&identity(), &pixels, [3, 4], window), mirrored, "{left} {top}");
            }
        }
    }

    #[test]
    fn crop_and_write_give_the_same_pixels() {
        let pixels: Vec<u8> = (1..=24).collect();
        for (left, top, flip) in [(0, 0, false), (-2, 1, false), (3, -1, true), (1, 1, true)] {
            let window = CropWindow { left, top, flip };
            let expected = written(&identity(), &pixels[..12], [3, 4], window);
            assert_eq!(window.crop(&pixels[..12], [3, 4], 3, 1), expected);
            let rgb: Vec<u8> = expected.iter().flat_map(|&value| [value; 3]).collect();
            let pixels: Vec<u8> = pixels[..12].iter().flat_map(|&value| [value; 3]).collect();
            assert_eq!(window.crop(&pixels, [3, 4], 3, 3), rgb);
        }
    }

    #[test]
    fn pixels_of_a_window_outside_the_image_are_black() {
        let pixels: Vec<u8> = (1..=12).collect();
        let at = |left, top| {
            written(&identity(), &pixels, [3, 4], CropWindow { left, top, flip: false })
        };
        assert_eq!(at(1, 0), [2, 3, 4, 6, 7, 8, 10, 11, 12]);
        assert_eq!(at(2, 1), [7, 8, 0, 11, 12, 0, 0, 0, 0]);
        assert_eq!(at(-1, -1), [0, 0, 0, 0, 1, 2, 0, 5, 6]);
        assert_eq!(at(9, 0), [0; 9]);
    }
}
