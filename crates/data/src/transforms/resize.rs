//! Resizing, antialiased bilinear, to the bit as Pillow does it, and torchvision with it; the
//! arithmetic is `residual_kernels`'.

use std::cell::RefCell;

use residual_kernels::{Resampler, ResizeAxis, SimdLevel};

use crate::{Image, Region};

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

/// Hands over the region resized to `(width, height)`, as if the rest of the image were not there.
pub(crate) fn resize_region<T>(
    image: &Image,
    region: Region,
    (width, height): (u32, u32),
    then: impl FnOnce(&[u8]) -> T,
) -> T {
    let side =
        |start, length, to| ResizeAxis { source: start..start + length, size: to, crop: 0..to };
    let across = side(region.left, region.width, width);
    resample(image, across, side(region.top, region.height, height), then)
}

/// Hands over the region of the image resized to `(width, height)`: only what is wanted is computed.
pub(crate) fn region_of_resized<T>(
    image: &Image,
    (width, height): (u32, u32),
    region: Region,
    then: impl FnOnce(&[u8]) -> T,
) -> T {
    let [across, down] = of_resized([image.width, image.height], [width, height], region);
    resample(image, across, down, then)
}

/// The part of an image of `sides` (width and height) that [`region_of_resized`] looks at.
pub(crate) fn under_resized(sides: [u32; 2], to: (u32, u32), region: Region) -> Region {
    let [across, down] = of_resized(sides, [to.0, to.1], region).map(|side| side.source_range());
    Region {
        left: across.start,
        top: down.start,
        width: across.end - across.start,
        height: down.end - down.start,
    }
}

fn of_resized(from: [u32; 2], to: [u32; 2], region: Region) -> [ResizeAxis; 2] {
    let wanted = [(region.left, region.width), (region.top, region.height)];
    std::array::from_fn(|side| {
        let (start, length) = wanted[side];
        ResizeAxis { source: 0..from[side], size: to[side], crop: start..start + length }
    })
}

/// The pixels lie in memory that the thread's next image uses again: taking new memory for each
/// costs as much as resizing does.
fn resample<T>(
    image: &Image,
    across: ResizeAxis,
    down: ResizeAxis,
    then: impl FnOnce(&[u8]) -> T,
) -> T {
    thread_local! {
        static ROOM: RefCell<(Resampler, Vec<u8>)> = RefCell::default();
    }
    ROOM.with_borrow_mut(|(resampler, resized)| {
        let picture = (image.pixels.as_slice(), image.width as usize, image.channels as usize);
        resampler.resample(SimdLevel::best(), picture, &across, &down, resized);
        then(resized)
    })
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
            let all = region_of_resized(&image, size, whole, <[u8]>::to_vec);
            let part =
                Region { left: (size.0 - 32) / 2, top: (size.1 - 32) / 2, width: 32, height: 32 };
            let some = region_of_resized(&image, size, part, <[u8]>::to_vec);
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
        resize_region(&image, region, (7, 7), |pixels| assert_eq!(pixels, [100; 49]));
    }

    #[test]
    fn one_pixel_becomes_a_plane_of_it() {
        let image = Image::new(1, 1, 3, vec![1, 2, 3]).unwrap();
        let region = Region { left: 0, top: 0, width: 1, height: 1 };
        resize_region(&image, region, (2, 2), |pixels| assert_eq!(pixels, [1, 2, 3].repeat(4)));
    }

    #[test]
    fn resizing_gives_pillows_bytes() {
        let picture = fixture("picture");
        for name in ["resized-down", "resized-up", "resized-mixed"] {
            let wanted = fixture(name);
            let Image { width, height, .. } = wanted;
            let whole = Region { left: 0, top: 0, width, height };
            let same = |found: &[u8]| found == wanted.pixels;
            assert!(region_of_resized(&picture, (width, height), whole, same), "{name}");
        }
        let part = Region { left: 5, top: 3, width: 23, height: 19 };
        let wanted = fixture("resized-part").pixels;
        assert!(resize_region(&picture, part, (16, 16), |found| found == wanted));
    }

    #[test]
    fn an_absurdly_long_image_costs_no_more_than_what_is_wanted() {
        let image = gradient(65_000, 1, 1);
        let size = short_side_to(256, 65_000, 1);
        let region = Region { left: (size.0 - 224) / 2, top: 16, width: 224, height: 224 };
        let length = region_of_resized(&image, size, region, <[u8]>::len);
        assert_eq!(length, 224 * 224);
    }
}
