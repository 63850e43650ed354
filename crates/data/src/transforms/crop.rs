//! Crop of the network's input from an image: torchvision's `CenterCrop`, `RandomCrop` and
//! `RandomResizedCrop`, and the random short side of He et al. 2015, section 3.4.

use residual_spec::{Crop, RandomResizedCrop};

use super::normalize::CropWindow;
use super::resize::{resized_size, source_region};
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
    /// Returns whether the decoded image has the planned size; false for an image that could not be
    /// decoded at the planned scale.
    pub fn fits(&self, image: ImageView) -> bool {
        self.decoded == [image.width, image.height]
    }
}

/// Geometry of a crop.
pub(super) enum CropGeometry {
    /// A region of the image, to be resized to the network's input size, and whether to flip it.
    Region(Region, bool),
    /// Width and height to resize the image to, and the window of the resized image.
    WindowOfResized((u32, u32), CropWindow),
}

/// Draws crops as `transform.crop` and `transform.flip` configure them.
#[derive(Clone)]
pub(super) struct CropSampler {
    /// The network's input size.
    pub size: u32,
    /// Length to which the short side is resized before the crop.
    pub short_side: u32,
    pub crop: Crop,
    pub flip: bool,
}

impl CropSampler {
    /// Draws the crop of an image of `sides` (width and height).
    pub fn draw(&self, sides: [u32; 2], rng: &mut SampleRng) -> CropGeometry {
        match &self.crop {
            Crop::None => {
                self.crop_resized(sides, self.short_side, 0, |excess, _| center_offset(excess), rng)
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

    /// Returns the crop of an image whose short side is resized to `short_side`, with `padding`
    /// black pixels on each side. `offset` maps the number of excess pixels of a side to the crop's
    /// position.
    fn crop_resized(
        &self,
        [width, height]: [u32; 2],
        short_side: u32,
        padding: i64,
        offset: impl Fn(i64, &mut SampleRng) -> i64,
        rng: &mut SampleRng,
    ) -> CropGeometry {
        let (width, height) = resized_size(short_side, width, height);
        let excess = |side: u32| i64::from(side) + 2 * padding - i64::from(self.size);
        let top = offset(excess(height), rng) - padding;
        let left = offset(excess(width), rng) - padding;
        let window = CropWindow { left, top, flip: self.draw_flip(rng) };
        CropGeometry::WindowOfResized((width, height), window)
    }

    fn draw_flip(&self, rng: &mut SampleRng) -> bool {
        self.flip && rng.coin()
    }

    /// Returns the region that a crop reads of an image of `sides`.
    pub fn source_region(&self, sides: [u32; 2], geometry: &CropGeometry) -> Region {
        match *geometry {
            CropGeometry::Region(region, _) => region,
            CropGeometry::WindowOfResized(resized, window) => {
                source_region(sides, resized, clip_window(window, self.size, resized))
            }
        }
    }
}

/// Returns the part of a `size` by `size` window inside an image of `(width, height)`.
pub(super) fn clip_window(window: CropWindow, size: u32, (width, height): (u32, u32)) -> Region {
    let (left, width) = overlap(window.left, size, width);
    let (top, height) = overlap(window.top, size, height);
    Region { left, top, width, height }
}

/// Returns start and length of the part of an interval inside `0..side`.
fn overlap(start: i64, length: u32, side: u32) -> (u32, u32) {
    let from = start.clamp(0, side.into());
    let to = (start + i64::from(length)).clamp(0, side.into());
    (from as u32, (to - from) as u32)
}

fn random_offset(excess: i64, rng: &mut SampleRng) -> i64 {
    i64::from(rng.below(excess as u32 + 1))
}

/// Draws the region of torchvision's `RandomResizedCrop.get_params`: ten attempts at a random area
/// and aspect ratio, then the largest center crop within the aspect ratios.
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
    use serde_json::json;

    use super::*;
    use crate::testing::{apply, gray_config, numbered_image};
    use crate::{Image, Pipeline};

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

    #[test]
    fn padded_crops_cover_all_windows_of_the_padded_image() {
        let image = numbered_image(8, 8);
        let crop = json!({ "crop": { "type": "pad", "padding": 1 } });
        let pipeline = Pipeline::train(&gray_config(8, crop), None);
        let mut padded = [0u8; 100];
        for y in 0..8 {
            padded[(y + 1) * 10 + 1..][..8].copy_from_slice(&image.pixels[y * 8..][..8]);
        }
        let windows: Vec<Vec<u8>> = (0..9)
            .map(|i| {
                (0..8).flat_map(|y| &padded[(i / 3 + y) * 10 + i % 3..][..8]).copied().collect()
            })
            .collect();
        let mut counts = [0; 9];
        for index in 0..900 {
            let image = apply(&pipeline, &image, index);
            counts[windows.iter().position(|window| *window == image).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (60..150).contains(count)), "{counts:?}");
    }

    #[test]
    fn pads_after_resizing() {
        let flat = Image::new(40, 30, 1, vec![200; 1200]).unwrap();
        let crop = json!({ "crop": { "type": "pad", "padding": 8 } });
        let pipeline = Pipeline::train(&gray_config(8, crop), None);
        for index in 0..200 {
            let out = apply(&pipeline, &flat, index);
            // Every pixel is of the image or of the padding: resizing does not blur the border.
            assert!(out.iter().all(|&value| value == 0 || value == 200), "{out:?}");
        }
    }

    #[test]
    fn flips_half_of_the_training_images_and_no_evaluation_image() {
        let image = numbered_image(8, 8);
        let config = gray_config(8, json!({ "crop": "none", "flip": true }));
        let mut mirrored = image.pixels.clone();
        mirrored.chunks_mut(8).for_each(<[u8]>::reverse);
        let train = Pipeline::train(&config, None);
        let count = (0..1000).filter(|&i| apply(&train, &image, i) == mirrored).count();
        assert!((440..560).contains(&count), "{count}");
        let eval = Pipeline::eval(&config, None);
        assert!((0..20).all(|i| apply(&eval, &image, i) == image.pixels));
    }

    #[test]
    fn random_short_side_covers_its_range_and_all_positions() {
        // The value of a pixel is 8 times its column from 1 to 30, which shows the position of a
        // crop.
        let pixels = (0..30 * 20).map(|i| (i % 30 + 1) as u8 * 8).collect();
        let image = Image::new(30, 20, 1, pixels).unwrap();
        let crop = json!({ "type": "random-short-side", "min": 8, "max": 20 });
        let pipeline =
            Pipeline::train(&gray_config(8, json!({ "crop": crop, "flip": false })), None);
        let (mut widths, mut lefts) = (Vec::new(), Vec::new());
        for index in 0..400 {
            let out = apply(&pipeline, &image, index);
            // The smaller the resized image, the larger the share of its width in the crop.
            widths.push(out[7] - out[0]);
            lefts.push(out[0]);
        }
        // 8 of 12 columns of the smallest image, 8 of 30 of the largest.
        let range = |values: &[u8]| (*values.iter().min().unwrap(), *values.iter().max().unwrap());
        let (min, max) = range(&widths);
        assert!((54..=60).contains(&min) && (135..=145).contains(&max), "{min} {max}");
        let (min, max) = range(&lefts);
        assert!(min <= 12 && max >= 180, "{min} {max}");
    }

    #[test]
    fn random_resized_crop_fills_the_output() {
        let flat = Image::new(50, 20, 1, vec![77; 1000]).unwrap();
        let pipeline = Pipeline::train(&gray_config(8, json!({ "crop": "random-resized" })), None);
        for index in 0..50 {
            assert_eq!(apply(&pipeline, &flat, index), [77; 64]);
        }
    }
}
