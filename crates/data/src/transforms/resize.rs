//! Antialiased bilinear resizing, bit-exact with Pillow and thus with torchvision on Pillow images.
//! The kernels are in `residual_kernels`.

use std::cell::RefCell;

use residual_kernels::{Resampler, ResizeAxis, SimdLevel};

use crate::{ImageView, Region};

/// Returns the width and height of an image resized so that its short side is `short`. The long
/// side is rounded down, as in torchvision's `Resize`.
pub(crate) fn resized_size(short: u32, width: u32, height: u32) -> (u32, u32) {
    let long = |long: u32, side: u32| {
        (u64::from(short) * u64::from(long) / u64::from(side)).try_into().unwrap_or(u32::MAX)
    };
    if width <= height { (short, long(height, width)) } else { (long(width, height), short) }
}

/// Resizes a region to `(width, height)` and passes the pixels to `then`, without influence of
/// pixels outside the region.
pub(crate) fn crop_then_resize<T>(
    image: ImageView,
    region: Region,
    (width, height): (u32, u32),
    then: impl FnOnce(&[u8]) -> T,
) -> T {
    let axis =
        |start, length, size| ResizeAxis { source: start..start + length, size, crop: 0..size };
    let horizontal = axis(region.left, region.width, width);
    resample(image, horizontal, axis(region.top, region.height, height), then)
}

/// Resizes the image to `(width, height)` and passes the pixels of a region of the result to
/// `then`. Computes only this region.
pub(crate) fn resize_then_crop<T>(
    image: ImageView,
    (width, height): (u32, u32),
    region: Region,
    then: impl FnOnce(&[u8]) -> T,
) -> T {
    let [horizontal, vertical] = resized_axes([image.width, image.height], [width, height], region);
    resample(image, horizontal, vertical, then)
}

/// Returns the part that [`resize_then_crop`] reads of an image of `sides` (width and height).
pub(crate) fn source_region(
    sides: [u32; 2],
    (width, height): (u32, u32),
    region: Region,
) -> Region {
    let [x, y] = resized_axes(sides, [width, height], region).map(|axis| axis.source_range());
    Region { left: x.start, top: y.start, width: x.end - x.start, height: y.end - y.start }
}

fn resized_axes(source: [u32; 2], resized: [u32; 2], region: Region) -> [ResizeAxis; 2] {
    let crops = [(region.left, region.width), (region.top, region.height)];
    std::array::from_fn(|axis| {
        let (start, length) = crops[axis];
        ResizeAxis { source: 0..source[axis], size: resized[axis], crop: start..start + length }
    })
}

fn resample<T>(
    image: ImageView,
    horizontal: ResizeAxis,
    vertical: ResizeAxis,
    then: impl FnOnce(&[u8]) -> T,
) -> T {
    thread_local! {
        // Reused for the thread's next image: allocating the pixels takes as long as resizing.
        static BUFFERS: RefCell<(Resampler, Vec<u8>)> = RefCell::default();
    }
    BUFFERS.with_borrow_mut(|(resampler, resized)| {
        let source = (image.pixels, image.width as usize, image.channels as usize);
        resampler.resample(SimdLevel::best(), source, &horizontal, &vertical, resized);
        then(resized)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Image;
    use crate::testing::fixture;

    fn gradient(width: u32, height: u32, channels: u32) -> Image {
        let count = (width * height * channels) as usize;
        let pixels = (0..count).map(|i| (i * i / 7 + i * 31) as u8).collect();
        Image::new(width, height, channels, pixels).unwrap()
    }

    #[test]
    fn the_long_side_is_rounded_down() {
        assert_eq!(resized_size(256, 500, 375), (341, 256));
        assert_eq!(resized_size(256, 375, 500), (256, 341));
        assert_eq!(resized_size(32, 32, 32), (32, 32));
        assert_eq!(resized_size(1024, 1, u32::MAX), (1024, u32::MAX));
    }

    #[test]
    fn resize_then_crop_equals_cropping_the_resized_image() {
        for (width, height, channels) in [(97, 61, 3), (61, 97, 1), (20, 20, 3)] {
            let image = gradient(width, height, channels);
            let size = resized_size(40, width, height);
            let whole = Region { left: 0, top: 0, width: size.0, height: size.1 };
            let full = resize_then_crop(image.view(), size, whole, <[u8]>::to_vec);
            let part =
                Region { left: (size.0 - 32) / 2, top: (size.1 - 32) / 2, width: 32, height: 32 };
            let computed = resize_then_crop(image.view(), size, part, <[u8]>::to_vec);
            for y in 0..32 {
                let start = ((part.top + y) * size.0 + part.left) * channels;
                let cropped = &full[start as usize..][..(32 * channels) as usize];
                assert_eq!(
                    &computed[(y * 32 * channels) as usize..][..(32 * channels) as usize],
                    cropped
                );
            }
        }
    }

    #[test]
    fn crop_then_resize_ignores_pixels_outside() {
        let mut image = Image::new(8, 8, 1, vec![255; 64]).unwrap();
        for y in 2..6 {
            image.pixels[y * 8 + 2..y * 8 + 6].fill(100);
        }
        let region = Region { left: 2, top: 2, width: 4, height: 4 };
        crop_then_resize(image.view(), region, (7, 7), |pixels| assert_eq!(pixels, [100; 49]));
    }

    #[test]
    fn one_pixel_becomes_a_constant_image() {
        let image = Image::new(1, 1, 3, vec![1, 2, 3]).unwrap();
        let region = Region { left: 0, top: 0, width: 1, height: 1 };
        crop_then_resize(image.view(), region, (2, 2), |pixels| {
            assert_eq!(pixels, [1, 2, 3].repeat(4));
        });
    }

    #[test]
    fn resizing_matches_pillow() {
        let picture = fixture("picture");
        for name in ["resized-down", "resized-up", "resized-mixed"] {
            let expected = fixture(name);
            let Image { width, height, .. } = expected;
            let whole = Region { left: 0, top: 0, width, height };
            let is_expected = |found: &[u8]| found == expected.pixels;
            assert!(
                resize_then_crop(picture.view(), (width, height), whole, is_expected),
                "{name}"
            );
        }
        let part = Region { left: 5, top: 3, width: 23, height: 19 };
        let expected = fixture("resized-part").pixels;
        assert!(crop_then_resize(picture.view(), part, (16, 16), |found| found == expected));
    }

    #[test]
    fn cost_of_a_very_long_image_depends_on_the_region() {
        let image = gradient(65_000, 1, 1);
        let size = resized_size(256, 65_000, 1);
        let region = Region { left: (size.0 - 224) / 2, top: 16, width: 224, height: 224 };
        let length = resize_then_crop(image.view(), size, region, <[u8]>::len);
        assert_eq!(length, 224 * 224);
    }
}
