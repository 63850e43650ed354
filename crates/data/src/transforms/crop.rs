//! Where the network's input is cropped from an image: torchvision's `CenterCrop`, `RandomCrop`,
//! `RandomResizedCrop` and the short-side jitter of He et al. 2015, section 3.4.

use residual_spec::{Crop, RandomResizedCrop};

use super::normalize::CropWindow;
use super::resize::{short_side_to, source_region};
use super::test_time_augment::center_offset;
use crate::{DecodeRequest, ImageView, Region, SampleRng};

/// The crop of one image, drawn before the image is decoded.
pub struct CropPlan {
    /// The scale and the region to decode.
    pub request: DecodeRequest,
    /// Width and height of the image after decoding at the requested scale.
    pub(super) decoded: [u32; 2],
    pub(super) geometry: CropGeometry,
    /// Random numbers for the transforms after the crop.
    pub(super) rng: SampleRng,
}

impl CropPlan {
    /// Whether the decoded image has the planned size. An image that could not be scaled has not.
    pub fn fits(&self, image: ImageView) -> bool {
        self.decoded == [image.width, image.height]
    }
}

/// Geometry of a crop.
pub(super) enum CropGeometry {
    /// A region of the image, resized to the network's input size, and whether it is flipped.
    Region(Region, bool),
    /// A window of the image resized to a width and a height.
    WindowOfResized((u32, u32), CropWindow),
}

/// Draws crops as `transform.crop` and `transform.flip` configure them.
#[derive(Clone)]
pub(super) struct CropSampler {
    /// The network's input size.
    pub size: u32,
    /// The short side is resized to this length before a crop of `size`.
    pub short_side: u32,
    pub crop: Crop,
    pub flip: bool,
}

impl CropSampler {
    /// Draws the crop of an image of `sides` (width and height).
    pub fn draw(&self, sides: [u32; 2], rng: &mut SampleRng) -> CropGeometry {
        match &self.crop {
            Crop::None => {
                self.crop_resized(sides, self.short_side, 0, |free, _| center_offset(free), rng)
            }
            Crop::Pad(pad) => {
                let padding = i64::from(pad.padding);
                self.crop_resized(sides, self.short_side, padding, random_offset, rng)
            }
            Crop::RandomResized(crop) => {
                let region = random_region(crop, sides[0], sides[1], rng);
                CropGeometry::Region(region, self.draw_flip(rng))
            }
            Crop::RandomShortSide(crop) => {
                let short_side = crop.min + rng.below(crop.max - crop.min + 1);
                self.crop_resized(sides, short_side, 0, random_offset, rng)
            }
        }
    }

    /// Resizes the short side to `short_side`, adds `padding` black pixels on each side, and crops.
    /// `offset` returns the position along a side, given the number of excess pixels.
    fn crop_resized(
        &self,
        [width, height]: [u32; 2],
        short_side: u32,
        padding: i64,
        offset: impl Fn(i64, &mut SampleRng) -> i64,
        rng: &mut SampleRng,
    ) -> CropGeometry {
        let (width, height) = short_side_to(short_side, width, height);
        let free = |side: u32| i64::from(side) + 2 * padding - i64::from(self.size);
        let top = offset(free(height), rng) - padding;
        let left = offset(free(width), rng) - padding;
        let window = CropWindow { left, top, flip: self.draw_flip(rng) };
        CropGeometry::WindowOfResized((width, height), window)
    }

    fn draw_flip(&self, rng: &mut SampleRng) -> bool {
        self.flip && rng.coin()
    }

    /// The region of an image of `sides` that a crop reads.
    pub fn source_region(&self, sides: [u32; 2], geometry: &CropGeometry) -> Region {
        match *geometry {
            CropGeometry::Region(region, _) => region,
            CropGeometry::WindowOfResized(resized, window) => {
                source_region(sides, resized, inside(window, self.size, resized))
            }
        }
    }
}

/// The part of a window of `size` that lies inside an image of a width and a height.
pub(super) fn inside(window: CropWindow, size: u32, (width, height): (u32, u32)) -> Region {
    let (left, width) = overlap(window.left, size, width);
    let (top, height) = overlap(window.top, size, height);
    Region { left, top, width, height }
}

/// Start and length of the part of an interval that lies inside `0..side`.
fn overlap(start: i64, length: u32, side: u32) -> (u32, u32) {
    let from = start.clamp(0, side.into());
    let to = (start + i64::from(length)).clamp(0, side.into());
    (from as u32, (to - from) as u32)
}

fn random_offset(free: i64, rng: &mut SampleRng) -> i64 {
    i64::from(rng.below(free as u32 + 1))
}

/// torchvision's `RandomResizedCrop.get_params`: ten attempts at a random area and aspect ratio,
/// then the largest center crop within the aspect ratios.
fn random_region(crop: &RandomResizedCrop, width: u32, height: u32, rng: &mut SampleRng) -> Region {
    let (w, h) = (f64::from(width), f64::from(height));
    let [min_ratio, max_ratio] = crop.ratio;
    for _ in 0..10 {
        let area = w * h * rng.uniform(crop.scale[0], crop.scale[1]);
        let ratio = rng.uniform(min_ratio.ln(), max_ratio.ln()).exp();
        let crop_w = (area * ratio).sqrt().round_ties_even();
        let crop_h = (area / ratio).sqrt().round_ties_even();
        if 0.0 < crop_w && crop_w <= w && 0.0 < crop_h && crop_h <= h {
            let (crop_w, crop_h) = (crop_w as u32, crop_h as u32);
            let top = rng.below(height - crop_h + 1);
            let left = rng.below(width - crop_w + 1);
            return Region { left, top, width: crop_w, height: crop_h };
        }
    }
    let (crop_w, crop_h) = if w / h < min_ratio {
        (width, (w / min_ratio).round_ties_even() as u32)
    } else if w / h > max_ratio {
        ((h * max_ratio).round_ties_even() as u32, height)
    } else {
        (width, height)
    };
    let (crop_w, crop_h) = (crop_w.clamp(1, width), crop_h.clamp(1, height));
    let (left, top) = ((width - crop_w) / 2, (height - crop_h) / 2);
    Region { left, top, width: crop_w, height: crop_h }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_resized_crop_respects_area_and_aspect_ratio() {
        let crop = RandomResizedCrop { scale: [0.2, 0.5], ratio: [0.5, 2.0] };
        for index in 0..500 {
            let mut rng = SampleRng::new(3, 0, index);
            let Region { left, top, width, height } = random_region(&crop, 300, 200, &mut rng);
            assert!(left + width <= 300 && top + height <= 200);
            let area = f64::from(width * height) / 60_000.0;
            let ratio = f64::from(width) / f64::from(height);
            assert!((0.19..0.51).contains(&area) && (0.49..2.05).contains(&ratio));
        }
    }

    #[test]
    fn random_resized_crop_falls_back_to_the_center() {
        let crop = RandomResizedCrop { scale: [1.0, 1.0], ratio: [0.75, 4.0 / 3.0] };
        let mut rng = SampleRng::new(0, 0, 0);
        let region = random_region(&crop, 1000, 30, &mut rng);
        assert_eq!(region, Region { left: 480, top: 0, width: 40, height: 30 });
        let region = random_region(&crop, 1, 500, &mut rng);
        assert_eq!(region, Region { left: 0, top: 249, width: 1, height: 1 });
    }
}
