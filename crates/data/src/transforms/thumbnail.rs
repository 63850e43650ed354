//! Thumbnails for previews and reports.

use super::resize::resize_then_crop;
use crate::{Image, Region};

/// Returns the image scaled down so that no side is longer than `side` pixels. Smaller images are
/// unchanged.
pub fn thumbnail(image: &Image, side: u32) -> Image {
    let long_side = image.width.max(image.height);
    if long_side <= side {
        return image.clone();
    }
    let scaled = |length: u32| {
        let length = u64::from(length) * u64::from(side) / u64::from(long_side);
        (length as u32).max(1)
    };
    let (width, height) = (scaled(image.width), scaled(image.height));
    let whole = Region { left: 0, top: 0, width, height };
    let pixels = resize_then_crop(image.view(), (width, height), whole, <[u8]>::to_vec);
    Image { width, height, channels: image.channels, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(width: u32, height: u32) -> Image {
        Image::new(width, height, 3, vec![9; (3 * width * height) as usize]).unwrap()
    }

    #[test]
    fn limits_the_longer_side_and_keeps_the_aspect_ratio() {
        assert_eq!(thumbnail(&flat(200, 100), 50), flat(50, 25));
        assert_eq!(thumbnail(&flat(3, 900), 30), flat(1, 30));
        assert_eq!(thumbnail(&flat(8, 5), 8), flat(8, 5));
    }
}
