//! The views of test-time augmentation: flip, ten crops, or the whole image at several scales.

use super::normalize::CropWindow;
use crate::Region;

/// Maximum aspect ratio of a multi-scale view. Longer images are center-cropped to it, which bounds
/// the cost of an image.
const MAX_ASPECT: u32 = 4;

/// Returns the windows of torchvision's `TenCrop` of an image of `(width, height)`: top left, top
/// right, bottom left, bottom right and center, then the same crops of the mirror image, all as
/// windows of the original image.
pub(crate) fn ten_crop_windows((width, height): (u32, u32), size: u32) -> [CropWindow; 10] {
    let (right, bottom) = (i64::from(width) - i64::from(size), i64::from(height) - i64::from(size));
    let center = (center_offset(right), center_offset(bottom));
    let five_crops = [(0, 0), (right, 0), (0, bottom), (right, bottom), center];
    std::array::from_fn(|i| match five_crops[i % 5] {
        (left, top) if i < 5 => CropWindow { left, top, flip: false },
        // The left edge of the mirror image is the right edge of the image.
        (left, top) => CropWindow { left: right - left, top, flip: true },
    })
}

/// Returns the windows of the center crop and its mirror image for an image of `(width, height)`.
pub(crate) fn flip_windows((width, height): (u32, u32), size: u32) -> [CropWindow; 2] {
    let left = center_offset(i64::from(width) - i64::from(size));
    let top = center_offset(i64::from(height) - i64::from(size));
    [false, true].map(|flip| CropWindow { left, top, flip })
}

/// Returns half of the excess, rounded half to even as Python's `round` in torchvision's
/// `CenterCrop`.
pub(crate) fn center_offset(excess: i64) -> i64 {
    (excess as f64 / 2.0).round_ties_even() as i64
}

/// Returns the region that multi-scale views show.
pub(crate) fn multi_scale_region(width: u32, height: u32) -> Region {
    let max_side = width.min(height).saturating_mul(MAX_ASPECT);
    let (view_width, view_height) = (width.min(max_side), height.min(max_side));
    Region {
        left: (width - view_width) / 2,
        top: (height - view_height) / 2,
        width: view_width,
        height: view_height,
    }
}

#[cfg(test)]
mod tests {
    use residual_spec::TestTimeAugment;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{fixture, fixture_json, gray_config, numbered_image};
    use crate::transforms::resize::resize_then_crop;
    use crate::{Image, Pipeline, SampleRng};

    #[test]
    fn ten_crop_windows_match_torchvision() {
        let windows = ten_crop_windows((7, 5), 4);
        let window = |i: usize| (windows[i].left, windows[i].top, windows[i].flip);
        assert_eq!(
            [window(0), window(1), window(2)],
            [(0, 0, false), (3, 0, false), (0, 1, false)]
        );
        // 1.5 rounds to 2, 0.5 rounds to 0.
        assert_eq!([window(3), window(4)], [(3, 1, false), (2, 0, false)]);
        // The mirrored center crop is shifted by one pixel, because of the rounding.
        assert_eq!([window(5), window(6), window(9)], [(3, 0, true), (0, 0, true), (1, 0, true)]);
    }

    #[test]
    fn flip_views_use_the_same_window() {
        let [plain, mirrored] = flip_windows((7, 5), 4);
        assert_eq!((plain.left, plain.top, plain.flip), (2, 0, false));
        assert_eq!((mirrored.left, mirrored.top, mirrored.flip), (2, 0, true));
    }

    #[test]
    fn long_images_are_center_cropped() {
        assert_eq!(
            multi_scale_region(300, 200),
            Region { left: 0, top: 0, width: 300, height: 200 }
        );
        assert_eq!(
            multi_scale_region(1000, 10),
            Region { left: 480, top: 0, width: 40, height: 10 }
        );
        assert_eq!(multi_scale_region(1, u32::MAX).height, 4);
    }

    fn apply_center(pipeline: &Pipeline, image: &Image, out: &mut [f32]) {
        let plan = pipeline.plan(image.view().size(), SampleRng::new(0, 0, 0));
        pipeline.apply(image.view(), plan, out);
    }

    #[test]
    fn center_and_ten_crops_match_torchvision_bit_for_bit() {
        let picture = fixture("picture");
        for case in fixture_json("views").as_array().unwrap() {
            let [short, size] = ["short", "size"].map(|key| case[key].as_u64().unwrap() as u32);
            let mut config = gray_config(size, json!({}));
            config.data.channels = 3;
            config.transform.eval_resize = short;
            (config.transform.mean, config.transform.std) = (vec![0.0; 3], vec![1.0 / 255.0; 3]);
            let check = |pixels: &[f32], expected: &Value| {
                let bytes: Vec<u8> = pixels.iter().map(|value| value.round() as u8).collect();
                let mut crc = flate2::Crc::new();
                crc.update(&bytes);
                assert_eq!(crc.sum(), expected["crc32"].as_u64().unwrap() as u32, "{short} {size}");
            };
            let pipeline = Pipeline::eval(&config, None);
            let mut out = vec![0.0; pipeline.len()];
            apply_center(&pipeline, &picture, &mut out);
            check(&out, &case["center"]);

            let pipeline = pipeline.with_views(TestTimeAugment::Ten);
            let views = pipeline.view_sizes(picture.view()).unwrap();
            let mut out = vec![0.0; 10 * pipeline.len()];
            pipeline.apply_views(picture.view(), &views, &mut out);
            for (view, expected) in out.chunks(pipeline.len()).zip(case["ten"].as_array().unwrap())
            {
                check(view, expected);
            }

            config.transform.mean = vec![0.485, 0.456, 0.406];
            config.transform.std = vec![0.229, 0.224, 0.225];
            let pipeline = Pipeline::eval(&config, None);
            let mut out = vec![0.0; pipeline.len()];
            apply_center(&pipeline, &picture, &mut out);
            // The corners of each channel.
            let last = size as usize - 1;
            let corners = (0..3).flat_map(|c| {
                [[0, 0], [0, last], [last, 0], [last, last]]
                    .map(|[y, x]| out[(y * (last + 1) + x) * 3 + c])
            });
            for (found, expected) in corners.zip(case["normalized"].as_array().unwrap()) {
                assert!((f64::from(found) - expected.as_f64().unwrap()).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn multi_scale_views_are_the_whole_image_and_its_mirror() {
        let image = numbered_image(12, 8);
        let pipeline = Pipeline::eval(&gray_config(8, json!({})), None);
        let pipeline = pipeline.with_views(TestTimeAugment::MultiScale(vec![8, 16]));
        let views = pipeline.view_sizes(image.view()).unwrap();
        assert_eq!(views, [[8, 12], [8, 12], [16, 24], [16, 24]]);
        let mut out = vec![f32::NAN; 2 * (96 + 384)];
        pipeline.apply_views(image.view(), &views, &mut out);
        let bytes: Vec<u8> = out.iter().map(|value| value.round() as u8).collect();
        assert_eq!(bytes[..96], image.pixels);
        let mirrored = |pixels: &[u8], width: usize| -> Vec<u8> {
            pixels.chunks(width).flat_map(|row| row.iter().rev().copied()).collect()
        };
        assert_eq!(bytes[96..192], mirrored(&image.pixels, 12));
        assert_eq!(bytes[576..], mirrored(&bytes[192..576], 24));
        let whole = Region { left: 0, top: 0, width: 24, height: 16 };
        let expected = resize_then_crop(image.view(), (24, 16), whole, <[u8]>::to_vec);
        assert_eq!(bytes[192..576], expected);
    }
}
