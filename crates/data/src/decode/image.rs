//! One image in memory, as decoding leaves it and augmentation takes it.

use residual_spec::{Error, ErrorCode, Result};

/// Pixels of 8 bits, rows from the top, channels innermost (HWC).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    pub width: u32,
    pub height: u32,
    /// 1 (grey) or 3 (RGB).
    pub channels: u32,
    /// `height * width * channels` bytes.
    pub pixels: Vec<u8>,
}

impl Image {
    /// An image from raw pixels.
    ///
    /// # Errors
    /// `E_IMAGE` if a side is 0, the channels are neither 1 nor 3, or the bytes are not as many as
    /// the sides and channels say.
    pub fn new(width: u32, height: u32, channels: u32, pixels: Vec<u8>) -> Result<Self> {
        let refuse = |message: String| {
            Err(Error::new(ErrorCode::Image, message)
                .hint("Give rows from the top, channels innermost, one byte a value."))
        };
        if width == 0 || height == 0 {
            return refuse(format!("an image of {width}x{height} has no pixels"));
        }
        if channels != 1 && channels != 3 {
            return refuse(format!("an image has 1 or 3 channels, not {channels}"));
        }
        let wanted = u128::from(width) * u128::from(height) * u128::from(channels);
        if pixels.len() as u128 != wanted {
            let found = pixels.len();
            return refuse(format!(
                "an image of {width}x{height} with {channels} channels takes {wanted} bytes, not {found}"
            ));
        }
        Ok(Image { width, height, channels, pixels })
    }

    /// Makes it grey or RGB, in place. Grey is ITU-R 601's luma, rounded as Pillow's `convert('L')`
    /// rounds it; RGB from grey repeats the value.
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
    fn grey_is_pillows_luma() {
        let pixels = vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 12, 200, 77, 255, 255, 255];
        let mut image = Image::new(5, 1, 3, pixels).unwrap();
        image.set_channels(1);
        assert_eq!(image.pixels, [76, 150, 29, 130, 255]);
    }

    #[test]
    fn grey_becomes_rgb_and_comes_back_unchanged() {
        let grey = Image::new(2, 2, 1, vec![0, 7, 128, 255]).unwrap();
        let mut image = grey.clone();
        image.set_channels(3);
        assert_eq!(image.pixels, [0, 0, 0, 7, 7, 7, 128, 128, 128, 255, 255, 255]);
        image.set_channels(1);
        assert_eq!(image, grey);
    }

    #[test]
    fn pixels_that_do_not_fit_the_sides_are_refused() {
        for (width, height, channels, bytes) in
            [(2, 2, 1, 3), (2, 2, 2, 8), (0, 2, 1, 0), (u32::MAX, u32::MAX, 3, 1)]
        {
            let error = Image::new(width, height, channels, vec![0; bytes]).unwrap_err();
            assert_eq!(error.code, ErrorCode::Image);
        }
    }
}
