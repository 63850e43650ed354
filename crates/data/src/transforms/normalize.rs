//! Normalization of 8-bit pixels, `(value / 255 - mean) / std`, fused with crop, flip and padding
//! so that every pixel is touched once.

use residual_kernels::{ByteNormalizer, SimdLevel};

/// Position of a crop of the network's input size. It may extend beyond the image.
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
        let mut cut = vec![0; size * size * channels];
        for (y, row) in cut.chunks_exact_mut(size * channels).enumerate() {
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
        cut
    }
}

/// torchvision's `Normalize` after `ToTensor`.
#[derive(Clone)]
pub(crate) struct Normalize(ByteNormalizer);

impl Normalize {
    pub fn new(mean: &[f64], std: &[f64]) -> Self {
        Normalize(ByteNormalizer::new(mean, std))
    }

    pub fn channels(&self) -> usize {
        self.0.channels()
    }

    /// The normalized values of all bytes: 256 for each channel, one channel after another.
    pub fn values(&self) -> Vec<f32> {
        let of_channel =
            |channel| (0..=255).map(move |value| self.0.normalize_byte(channel, value));
        (0..self.channels()).flat_map(of_channel).collect()
    }

    /// Writes `size` (height, width) pixels at `window` as f32, channels innermost. Pixels outside
    /// the image are black before normalization.
    pub fn write(
        &self,
        pixels: &[u8],
        sides: [usize; 2],
        size: [usize; 2],
        window: CropWindow,
        out: &mut [f32],
    ) {
        match self.channels() {
            1 => write::<1>(&self.0, pixels.as_chunks().0, sides, size, window, out),
            _ => write::<3>(&self.0, pixels.as_chunks().0, sides, size, window, out),
        }
    }
}

fn write<const C: usize>(
    standard: &ByteNormalizer,
    pixels: &[[u8; C]],
    [height, width]: [usize; 2],
    [rows, size]: [usize; 2],
    window: CropWindow,
    out: &mut [f32],
) {
    let black: [f32; C] = std::array::from_fn(|channel| standard.normalize_byte(channel, 0));
    let out = &mut out.as_chunks_mut::<C>().0[..rows * size];
    let level = SimdLevel::best();
    let mut mirrored = Vec::new();

    // The columns of the window inside the image.
    let inside = |x: i64| x.clamp(0, size as i64) as usize;
    let (from, to) = (inside(-window.left), inside(width as i64 - window.left));
    for (y, row) in out.chunks_exact_mut(size).enumerate() {
        let source = window.top + y as i64;
        if source < 0 || source >= height as i64 || from >= to {
            row.fill(black);
            continue;
        }
        let start = source as usize * width + (from as i64 + window.left) as usize;
        let mut line = &pixels[start..start + to - from];
        let (mut before, mut after) = (from, size - to);
        if window.flip {
            mirrored.clear();
            mirrored.extend(line.iter().rev());
            line = &mirrored;
            (before, after) = (after, before);
        }
        row[..before].fill(black);
        row[size - after..].fill(black);
        let row = row[before..size - after].as_flattened_mut();
        standard.normalize_bytes(level, line.as_flattened(), row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Normalize {
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
                let mut mirrored = written(&plain(), &pixels, [3, 4], window);
                mirrored.chunks_mut(3).for_each(<[u8]>::reverse);
                let window = CropWindow { flip: true, ..window };
                assert_eq!(written(&plain(), &pixels, [3, 4], window), mirrored, "{left} {top}");
            }
        }
    }

    #[test]
    fn crop_and_write_give_the_same_pixels() {
        let pixels: Vec<u8> = (1..=24).collect();
        let normalize = Normalize::new(&[0.0], &[1.0 / 255.0]);
        for (left, top, flip) in [(0, 0, false), (-2, 1, false), (3, -1, true), (1, 1, true)] {
            let window = CropWindow { left, top, flip };
            let expected = written(&normalize, &pixels[..12], [3, 4], window);
            assert_eq!(window.crop(&pixels[..12], [3, 4], 3, 1), expected);
            let rgb: Vec<u8> = expected.iter().flat_map(|&value| [value; 3]).collect();
            let pixels: Vec<u8> = pixels[..12].iter().flat_map(|&value| [value; 3]).collect();
            assert_eq!(window.crop(&pixels, [3, 4], 3, 3), rgb);
        }
    }

    #[test]
    fn a_window_over_the_edge_is_padded() {
        let pixels: Vec<u8> = (1..=12).collect();
        let at =
            |left, top| written(&plain(), &pixels, [3, 4], CropWindow { left, top, flip: false });
        assert_eq!(at(1, 0), [2, 3, 4, 6, 7, 8, 10, 11, 12]);
        assert_eq!(at(2, 1), [7, 8, 0, 11, 12, 0, 0, 0, 0]);
        assert_eq!(at(-1, -1), [0, 0, 0, 0, 1, 2, 0, 5, 6]);
        assert_eq!(at(9, 0), [0; 9]);
    }
}
