//! The views of test-time augmentation: flip, ten crops, or the whole image at several scales.

use super::normalize::CropWindow;
use crate::Region;

/// Maximum aspect ratio of a multi-scale view. Longer images are center-cropped to it, which bounds
/// the cost of an image.
const MAX_ASPECT: u32 = 4;

/// torchvision's `TenCrop` of an image of `(width, height)`: top left, top right, bottom left,
/// bottom right and center, then the same crops of the mirror image, as windows of the original
/// image.
pub(crate) fn ten_crop_windows((width, height): (u32, u32), size: u32) -> [CropWindow; 10] {
    let (right, bottom) = (i64::from(width) - i64::from(size), i64::from(height) - i64::from(size));
    let (across, down) = (center_offset(right), center_offset(bottom));
    let five = [(0, 0), (right, 0), (0, bottom), (right, bottom), (across, down)];
    std::array::from_fn(|i| match five[i % 5] {
        (left, top) if i < 5 => CropWindow { left, top, flip: false },
        // The left of the mirror image is the right of the image.
        (left, top) => CropWindow { left: right - left, top, flip: true },
    })
}

/// The center crop and its mirror image, of an image of `(width, height)`.
pub(crate) fn flip_windows((width, height): (u32, u32), size: u32) -> [CropWindow; 2] {
    let left = center_offset(i64::from(width) - i64::from(size));
    let top = center_offset(i64::from(height) - i64::from(size));
    [false, true].map(|flip| CropWindow { left, top, flip })
}

/// Half of the excess, rounded half to even like Python's `round` in torchvision's `CenterCrop`.
pub(crate) fn center_offset(free: i64) -> i64 {
    (free as f64 / 2.0).round_ties_even() as i64
}

/// The region of an image that multi-scale views show.
pub(crate) fn multi_scale_region(width: u32, height: u32) -> Region {
    let most = width.min(height).saturating_mul(MAX_ASPECT);
    let (across, down) = (width.min(most), height.min(most));
    Region { left: (width - across) / 2, top: (height - down) / 2, width: across, height: down }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_crop_windows_match_torchvision() {
        let windows = ten_crop_windows((7, 5), 4);
        let at = |i: usize| (windows[i].left, windows[i].top, windows[i].flip);
        assert_eq!([at(0), at(1), at(2)], [(0, 0, false), (3, 0, false), (0, 1, false)]);
        // 1.5 rounds to 2, 0.5 rounds to 0.
        assert_eq!([at(3), at(4)], [(3, 1, false), (2, 0, false)]);
        // The mirrored center crop is shifted by one pixel, because of the rounding.
        assert_eq!([at(5), at(6), at(9)], [(3, 0, true), (0, 0, true), (1, 0, true)]);
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
}
