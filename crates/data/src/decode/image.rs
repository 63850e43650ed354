//! Decoded images.

use residual_spec::{Error, ErrorCode, Result};

use super::request::ImageSize;

/// 8-bit pixels, rows from the top, channels innermost (HWC).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    pub width: u32,
    pub height: u32,
    /// 1 (gray) or 3 (RGB).
    pub channels: u32,
    /// `height * width * channels` bytes.
    pub pixels: Vec<u8>,
}

/// A borrowed [`Image`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageView<'a> {
    pub width: u32,
    pub height: u32,
    /// 1 (gray) or 3 (RGB).
    pub channels: u32,
    /// `height * width * channels` bytes.
    pub pixels: &'a [u8],
}

impl ImageView<'_> {
    /// Returns the size. Decoded pixels cannot be scaled while decoding.
    pub fn size(&self) -> ImageSize {
        ImageSize::unscalable(self.width, self.height)
    }
}

impl From<ImageView<'_>> for Image {
    fn from(view: ImageView) -> Image {
        let mut image = Image::default();
        image.copy_from(view);
        image
    }
}

impl Image {
    pub fn view(&self) -> ImageView<'_> {
        let &Image { width, height, channels, ref pixels } = self;
        ImageView { width, height, channels, pixels }
    }

    /// Copies the pixels of `view` into this image's buffer.
    pub fn copy_from(&mut self, view: ImageView) {
        (self.width, self.height, self.channels) = (view.width, view.height, view.channels);
        self.pixels.clear();
        self.pixels.extend_from_slice(view.pixels);
    }

    /// Creates an image from raw pixels.
    ///
    /// # Errors
    /// `E_IMAGE` if a side is 0, `channels` is neither 1 nor 3, or the number of bytes does not
    /// match.
    pub fn new(width: u32, height: u32, channels: u32, pixels: Vec<u8>) -> Result<Self> {
        let invalid = |message: String| {
            Err(Error::new(ErrorCode::Image, message)
                .hint("Use the layout [height, width, channels] with one byte per value."))
        };
        if width == 0 || height == 0 {
            return invalid(format!("an image of {width}x{height} has no pixels"));
        }
        if channels != 1 && channels != 3 {
            return invalid(format!("an image has 1 or 3 channels, not {channels}"));
        }
        let expected = u128::from(width) * u128::from(height) * u128::from(channels);
        if pixels.len() as u128 != expected {
            let found = pixels.len();
            return invalid(format!(
                "an image of {width}x{height} with {channels} channels takes {expected} bytes, \
                 not {found}"
            ));
        }
        Ok(Image { width, height, channels, pixels })
    }

    /// Creates an image from interleaved pixels: gray, gray and alpha, RGB or RGBA. Drops alpha, as
    /// decoding of a PNG does.
    ///
    /// # Errors
    /// `E_IMAGE` if a side is 0, there are more than 4 channels, or the number of bytes does not
    /// match.
    pub fn from_interleaved(width: u32, height: u32, channels: u32, pixels: &[u8]) -> Result<Self> {
        let expected = u128::from(width) * u128::from(height) * u128::from(channels);
        if expected == 0 || expected != pixels.len() as u128 || channels > 4 {
            let message = format!(
                "{} bytes are not an image of {width} x {height} pixels with {channels} channels",
                pixels.len()
            );
            return Err(Error::new(ErrorCode::Image, message).hint(
                "Pass height * width * channels bytes in row-major order: gray (1 channel), gray \
                 and alpha (2), RGB (3) or RGBA (4).",
            ));
        }
        let (channels, has_alpha) = (channels as usize, matches!(channels, 2 | 4));
        let color = channels - usize::from(has_alpha);
        let pixels = if has_alpha {
            pixels.chunks_exact(channels).flat_map(|pixel| &pixel[..color]).copied().collect()
        } else {
            pixels.to_vec()
        };
        Image::new(width, height, color as u32, pixels)
    }

    /// Converts to gray or RGB in place. Gray is ITU-R 601 luma, rounded like Pillow's
    /// `convert('L')`.
    pub fn set_channels(&mut self, channels: u32) {
        match (self.channels, channels) {
            (3, 1) => {
                let count = self.pixels.len() / 3;
                for i in 0..count {
                    let [r, g, b] = [0, 1, 2].map(|c| u32::from(self.pixels[3 * i + c]));
                    self.pixels[i] = ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8;
                }
                self.pixels.truncate(count);
            }
            (1, 3) => {
                let count = self.pixels.len();
                self.pixels.resize(count * 3, 0);
                for i in (0..count).rev() {
                    let value = self.pixels[i];
                    self.pixels[3 * i..3 * i + 3].fill(value);
                }
            }
            _ => {}
        }
        self.channels = channels;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_the_alpha_channel_of_raw_pixels() {
        let rgba = Image::from_interleaved(2, 1, 4, &[1, 2, 3, 0, 4, 5, 6, 255]).unwrap();
        assert_eq!(rgba, Image::new(2, 1, 3, vec![1, 2, 3, 4, 5, 6]).unwrap());
        let gray = Image::from_interleaved(1, 2, 2, &[7, 0, 8, 9]).unwrap();
        assert_eq!(gray, Image::new(1, 2, 1, vec![7, 8]).unwrap());
        let rgb = Image::from_interleaved(1, 1, 3, &[1, 2, 3]).unwrap();
        assert_eq!(rgb.pixels, [1, 2, 3]);
        for (width, height, channels) in [(2, 1, 2), (0, 1, 3), (1, 1, 5), (u32::MAX, u32::MAX, 3)]
        {
            let error = Image::from_interleaved(width, height, channels, &[0; 5]).unwrap_err();
            assert_eq!(error.code, ErrorCode::Image);
            assert!(error.message.starts_with("5 bytes are not"), "{error}");
        }
    }

    #[test]
    fn gray_matches_pillow() {
        let pixels = vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 12, 200, 77, 255, 255, 255];
        let mut image = Image::new(5, 1, 3, pixels).unwrap();
        image.set_channels(1);
        assert_eq!(image.pixels, [76, 150, 29, 130, 255]);
    }

    #[test]
    fn gray_to_rgb_and_back_is_lossless() {
        let gray = Image::new(2, 2, 1, vec![0, 7, 128, 255]).unwrap();
        let mut image = gray.clone();
        image.set_channels(3);
        assert_eq!(image.pixels, [0, 0, 0, 7, 7, 7, 128, 128, 128, 255, 255, 255]);
        image.set_channels(1);
        assert_eq!(image, gray);
    }

    #[test]
    fn refuses_a_byte_count_that_does_not_match_the_size() {
        for (width, height, channels, bytes) in
            [(2, 2, 1, 3), (2, 2, 2, 8), (0, 2, 1, 0), (u32::MAX, u32::MAX, 3, 1)]
        {
            let error = Image::new(width, height, channels, vec![0; bytes]).unwrap_err();
            assert_eq!(error.code, ErrorCode::Image);
        }
    }
}
