//! What of an image the network sees at evaluation, where that is more than its centre: ten crops,
//! or all of it at several scales.

use super::normalize::CropWindow;
use crate::Region;

/// A longer image is cut to so many times its short side about its centre before it is seen whole:
/// what it costs must not depend on who made it.
const MAX_ASPECT: u32 = 4;

/// torchvision's `TenCrop` of an image of `(width, height)`: top left, top right, bottom left,
/// bottom right and centre, and the same of the mirror image, as windows on the image itself.
pub(crate) fn ten_windows((width, height): (u32, u32), size: u32) -> [CropWindow; 10] {
    let (right, bottom) = (i64::from(width) - i64::from(size), i64::from(height) - i64::from(size));
    let (across, down) = (centre(right), centre(bottom));
    let five = [(0, 0), (right, 0), (0, bottom), (right, bottom), (across, down)];
    std::array::from_fn(|i| match five[i % 5] {
        (left, top) if i < 5 => CropWindow { left, top, flip: false },
        // What is to the left in the mirror image is to the right in the image.
        (left, top) => CropWindow { left: right - left, top, flip: true },
    })
}

/// The centre and its mirror image, of an image of `(width, height)`.
pub(crate) fn flip_windows((width, height): (u32, u32), size: u32) -> [CropWindow; 2] {
    let left = centre(i64::from(width) - i64::from(size));
    let top = centre(i64::from(height) - i64::from(size));
    [false, true].map(|flip| CropWindow { left, top, flip })
}

/// Half of what is left over, a half pixel rounded to even as Python's `round` does in
/// torchvision's `CenterCrop`.
pub(crate) fn centre(free: i64) -> i64 {
    (free as f64 / 2.0).round_ties_even() as i64
}

/// What is seen of a whole image.
pub(crate) fn whole(width: u32, height: u32) -> Region {
    let most = width.min(height).saturating_mul(MAX_ASPECT);
    let (across, down) = (width.min(most), height.min(most));
    Region { left: (width - across) / 2, top: (height - down) / 2, width: across, height: down }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_windows_and_their_mirrors_cover_the_corners() {
        let windows = ten_windows((7, 5), 4);
        let at = |i: usize| (windows[i].left, windows[i].top, windows[i].flip);
        assert_eq!([at(0), at(1), at(2)], [(0, 0, false), (3, 0, false), (0, 1, false)]);
        // One and a half to even, two; half of one to even, none.
        assert_eq!([at(3), at(4)], [(3, 1, false), (2, 0, false)]);
        // The mirror image's left is the image's right; its centre is another by a pixel.
        assert_eq!([at(5), at(6), at(9)], [(3, 0, true), (0, 0, true), (1, 0, true)]);
    }

    #[test]
    fn the_centre_is_mirrored_in_its_place() {
        let [plain, mirrored] = flip_windows((7, 5), 4);
        assert_eq!((plain.left, plain.top, plain.flip), (2, 0, false));
        assert_eq!((mirrored.left, mirrored.top, mirrored.flip), (2, 0, true));
    }

    #[test]
    fn a_panorama_is_seen_about_its_centre() {
        assert_eq!(whole(300, 200), Region { left: 0, top: 0, width: 300, height: 200 });
        assert_eq!(whole(1000, 10), Region { left: 480, top: 0, width: 40, height: 10 });
        assert_eq!(whole(1, u32::MAX).height, 4);
    }
}
