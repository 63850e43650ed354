//! Resizing, antialiased bilinear as Pillow does it (and torchvision with it).

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8x3, U8};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::Image;

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

/// Resizes the region, as if the rest of the image were not there.
pub(crate) fn resize_region(image: &Image, region: Region, size: u32) -> Vec<u8> {
    run(image, region, ResizeOptions::new(), [size, size])
}

/// The region of the image resized to `(width, height)`: only what is wanted is computed.
pub(crate) fn region_of_resized(
    image: &Image,
    (width, height): (u32, u32),
    region: Region,
) -> Vec<u8> {
    let scale = |from: u32, to: u32| f64::from(from) / f64::from(to);
    let (x, y) = (scale(image.width, width), scale(image.height, height));
    let left = f64::from(region.left) * x;
    let top = f64::from(region.top) * y;
    // Rounding must not carry the far edges out of the image.
    let wide = (f64::from(region.width) * x).min(f64::from(image.width) - left);
    let high = (f64::from(region.height) * y).min(f64::from(image.height) - top);
    let all = Region { left: 0, top: 0, width: image.width, height: image.height };
    let options = ResizeOptions::new().crop(left, top, wide, high);
    run(image, all, options, [region.width, region.height])
}

fn run(image: &Image, region: Region, options: ResizeOptions, size: [u32; 2]) -> Vec<u8> {
    match image.channels {
        1 => run_typed::<U8>(image, region, options, size),
        _ => run_typed::<U8x3>(image, region, options, size),
    }
}

fn run_typed<P: PixelTrait>(
    image: &Image,
    region: Region,
    options: ResizeOptions,
    [width, height]: [u32; 2],
) -> Vec<u8> {
    let pixels = TypedImageRef::<P>::from_buffer(image.width, image.height, &image.pixels)
        .expect("an image holds as many bytes as its sides say");
    let source =
        TypedCroppedImage::new(pixels, region.left, region.top, region.width, region.height)
            .expect("the region lies inside the image");
    let mut resized = vec![0; width as usize * height as usize * P::size()];
    let mut target = TypedImage::<P>::from_buffer(width, height, &mut resized)
        .expect("as many bytes as the sides say");
    let options = options.resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize_typed(&source, &mut target, &options)
        .expect("the crop lies inside the image");
    resized
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(resize_region(&image, region, 7), vec![100; 49]);
    }

    #[test]
    fn one_pixel_becomes_a_plane_of_it() {
        let image = Image::new(1, 1, 3, vec![1, 2, 3]).unwrap();
        let region = Region { left: 0, top: 0, width: 1, height: 1 };
        assert_eq!(resize_region(&image, region, 2), [1, 2, 3].repeat(4));
    }
}
