//! Color spaces of JPEG files, and their conversion to gray or RGB.

use residual_kernels::{SimdLevel, ycc_to_rgb};

/// The color space of the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColorSpace {
    Gray,
    YCbCr,
    Rgb,
    /// Stored inverted, as Adobe's programs write it and Pillow assumes.
    Cmyk,
    /// YCbCr and K: the YCbCr values are those of the inverted cyan, magenta and yellow.
    Ycck,
}

impl ColorSpace {
    /// Determines the color space by libjpeg's rules, from the component ids, the presence of a
    /// JFIF segment, and the color transform in the Adobe segment, if there is one. Returns `None`
    /// unless there are 1, 3 or 4 components.
    pub fn detect(ids: &[u8], has_jfif: bool, adobe_transform: Option<u8>) -> Option<ColorSpace> {
        Some(match (ids.len(), adobe_transform) {
            (1, _) => ColorSpace::Gray,
            (3, _) if has_jfif => ColorSpace::YCbCr,
            (3, Some(0)) => ColorSpace::Rgb,
            (3, None) if ids == b"RGB" => ColorSpace::Rgb,
            (3, _) => ColorSpace::YCbCr,
            (4, None | Some(0)) => ColorSpace::Cmyk,
            (4, Some(_)) => ColorSpace::Ycck,
            _ => return None,
        })
    }

    /// Returns the number of channels after conversion: 1 (gray) or 3 (RGB).
    pub fn output_channels(self) -> usize {
        match self {
            ColorSpace::Gray => 1,
            ColorSpace::YCbCr | ColorSpace::Rgb | ColorSpace::Cmyk | ColorSpace::Ycck => 3,
        }
    }

    /// Converts one row of pixels: `rows` has the samples of each component (empty for missing
    /// components), `out` receives interleaved gray or RGB. Matches libjpeg, and for CMYK and YCCK
    /// Pillow's `convert('RGB')`.
    pub fn convert(self, level: SimdLevel, rows: [&[u8]; 4], out: &mut [u8]) {
        let [first, second, third, black] = rows;
        match self {
            ColorSpace::Gray => out.copy_from_slice(first),
            ColorSpace::YCbCr => ycc_to_rgb(level, [first, second, third], out),
            ColorSpace::Rgb => interleave([first, second, third], out),
            // Inverted cyan, magenta and yellow are red, green and blue before black is applied.
            ColorSpace::Cmyk => {
                interleave([first, second, third], out);
                apply_black(black, out);
            }
            ColorSpace::Ycck => {
                ycc_to_rgb(level, [first, second, third], out);
                // libjpeg converts YCC to cyan, magenta and yellow: the inverse of RGB.
                out.iter_mut().for_each(|value| *value = 255 - *value);
                apply_black(black, out);
            }
        }
    }
}

/// Writes the samples of three components as pixels.
fn interleave(rows: [&[u8]; 3], out: &mut [u8]) {
    for (i, pixel) in out.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        *pixel = rows.map(|row| row[i]);
    }
}

/// Darkens each pixel of `out` (inverted cyan, magenta and yellow) by its inverted black, which
/// gives RGB, with Pillow's rounding.
fn apply_black(black: &[u8], out: &mut [u8]) {
    for (pixel, &black) in out.as_chunks_mut::<3>().0.iter_mut().zip(black) {
        *pixel = pixel.map(|value| {
            let product = u32::from(255 - value) * u32::from(black) + 128;
            black.saturating_sub((((product >> 8) + product) >> 8) as u8)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detects_the_color_space_as_libjpeg_does() {
        use ColorSpace::*;
        for (ids, has_jfif, adobe_transform, expected) in [
            (&[1][..], false, Some(0), Some(Gray)),
            (&[1, 2], true, None, None),
            (&[1, 2, 3], false, None, Some(YCbCr)),
            (b"RGB", false, None, Some(Rgb)),
            (b"RGB", true, None, Some(YCbCr)),
            (b"RGB", false, Some(1), Some(YCbCr)),
            (&[1, 2, 3], false, Some(0), Some(Rgb)),
            (&[1, 2, 3], true, Some(0), Some(YCbCr)),
            (&[1, 2, 3], false, Some(2), Some(YCbCr)),
            (&[1, 2, 3, 4], true, None, Some(Cmyk)),
            (&[1, 2, 3, 4], false, Some(0), Some(Cmyk)),
            (&[1, 2, 3, 4], false, Some(2), Some(Ycck)),
            (&[1, 2, 3, 4], false, Some(1), Some(Ycck)),
        ] {
            assert_eq!(ColorSpace::detect(ids, has_jfif, adobe_transform), expected, "{ids:?}");
        }
    }

    #[test]
    fn converts_inverted_cmyk_as_pillow_does() {
        let convert = |color_space: ColorSpace, pixel: [u8; 4]| {
            let rows = pixel.each_ref().map(std::slice::from_ref);
            let mut out = [0; 3];
            color_space.convert(SimdLevel::Scalar, rows, &mut out);
            out
        };
        // Image.frombytes('CMYK', (1, 1), bytes(255 - value for value in pixel)).convert('RGB')
        assert_eq!(convert(ColorSpace::Cmyk, [255, 255, 255, 255]), [255, 255, 255]);
        assert_eq!(convert(ColorSpace::Cmyk, [0, 128, 255, 255]), [0, 128, 255]);
        assert_eq!(convert(ColorSpace::Cmyk, [10, 128, 255, 100]), [4, 50, 100]);
        assert_eq!(convert(ColorSpace::Cmyk, [200, 100, 50, 0]), [0, 0, 0]);
        assert_eq!(convert(ColorSpace::Ycck, [255, 128, 128, 255]), [0, 0, 0]);
        assert_eq!(convert(ColorSpace::Ycck, [0, 128, 128, 100]), [100, 100, 100]);
    }
}
