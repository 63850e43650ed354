//! What happens to a decoded image: crop, flip, policy, normalise, colour, holes (torchvision's
//! transforms, by name and in the order of its reference training).

use std::sync::Arc;

use residual_spec::TestTimeAugment;
use residual_spec::{Color, Crop, Erase, Mix, Policy, RandomResizedCrop, ResolvedConfig};

use super::augment_ops::Canvas;
use super::mixup::MixedLabels;
use super::normalize::{CropWindow, Normalize};
use super::resize::{region_of_resized, resize_region, short_side_to, under_resized};
use super::test_time_augment::{centre, flip_windows, ten_windows, whole};
use super::{PixelMean, color, mixup, policy, random_erasing};
use crate::{Image, Look, Region, SampleRng};

/// What a pipeline does with images of the network's size, where that is no more than to cut windows
/// out of them, mirrored or not, and to normalise those.
#[derive(Debug, Clone, PartialEq)]
pub struct CropNormalize {
    /// Black pixels on each side of an image that a window may reach into.
    pub padding: u32,
    /// What the 256 values become in each channel, one channel after another.
    pub values: Vec<f32>,
    /// `[size, size, channels]`: what is subtracted then, of what of the image lies in the window.
    pub mean: Option<Vec<f32>>,
}

/// Turns decoded images into the network's input. Training augments at random; evaluation resizes
/// the short side and takes the centre.
#[derive(Clone)]
pub struct Pipeline {
    size: u32,
    /// The short side is resized to this before a crop of the network's size.
    short_side: u32,
    /// What the short side of a reduced image has at least; 0 where none is reduced.
    least_decoded: u32,
    crop: Crop,
    flip: bool,
    policy: Policy,
    normalize: Normalize,
    std: Vec<f64>,
    /// In units of `std`.
    pixel_mean: Option<PixelMean>,
    color: Color,
    erase: Erase,
    mix: Mix,
    views: TestTimeAugment,
}

impl Pipeline {
    /// Augmentation as `transform` says. `pixel_mean` is what is subtracted where
    /// `transform.pixelMean` says so.
    ///
    /// # Panics
    /// If there is a mean image where none is wanted, or none where one is.
    pub fn train(config: &ResolvedConfig, pixel_mean: Option<&Arc<PixelMean>>) -> Self {
        let transform = config.transform.clone();
        Pipeline {
            crop: transform.crop,
            flip: transform.flip,
            policy: transform.policy,
            color: transform.color,
            erase: transform.erase,
            mix: transform.mix,
            ..Pipeline::eval(config, pixel_mean)
        }
    }

    /// `Resize(evalResize)` and `CenterCrop(imageSize)`; nothing at random.
    ///
    /// # Panics
    /// As [`train`](Self::train).
    pub fn eval(config: &ResolvedConfig, pixel_mean: Option<&Arc<PixelMean>>) -> Self {
        let transform = &config.transform;
        assert_eq!(transform.pixel_mean, pixel_mean.is_some(), "a mean image is wanted, or is not");
        let zero = vec![0.0; transform.std.len()];
        let mean = if transform.pixel_mean { &zero } else { &transform.mean };
        Pipeline {
            size: config.data.image_size,
            short_side: transform.eval_resize,
            least_decoded: transform.decode_short_side,
            crop: Crop::None,
            flip: false,
            policy: Policy::None,
            normalize: Normalize::new(mean, &transform.std),
            std: transform.std.clone(),
            pixel_mean: pixel_mean.map(|mean| mean.divided_by(&transform.std)),
            color: Color::None,
            erase: Erase::None,
            mix: Mix::None,
            views: TestTimeAugment::Center,
        }
    }

    /// The same, seeing more of an image than its centre. For a pipeline made by
    /// [`eval`](Self::eval).
    pub fn with_views(&self, views: TestTimeAugment) -> Self {
        Pipeline { views, ..self.clone() }
    }

    /// Whether the network is to see an image more than once.
    pub fn has_multiple_views(&self) -> bool {
        self.views != TestTimeAugment::Center
    }

    /// Height and width of what comes out.
    pub fn size(&self) -> usize {
        self.size as usize
    }

    /// Channels of what goes in and comes out.
    pub fn channels(&self) -> usize {
        self.normalize.channels()
    }

    /// Numbers that an image becomes: `size * size * channels`.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.size() * self.size() * self.channels()
    }

    /// What is done with images of the network's size, if it can be said in a [`CropWindow`] for each:
    /// `None` where they are resized, coloured, mixed, seen more than once, or have holes made in them.
    pub fn as_crop_normalize(&self) -> Option<CropNormalize> {
        let padding = match &self.crop {
            Crop::None => 0,
            Crop::Pad(pad) => pad.padding,
            Crop::RandomResized(_) | Crop::RandomShortSide(_) => return None,
        };
        let no_more = self.short_side == self.size
            && matches!(self.policy, Policy::None)
            && matches!(self.color, Color::None)
            && matches!(self.erase, Erase::None)
            && matches!(self.mix, Mix::None)
            && self.views == TestTimeAugment::Center;
        no_more.then(|| CropNormalize {
            padding,
            values: self.normalize.values(),
            mean: self.pixel_mean.as_ref().map(|mean| mean.values().to_vec()),
        })
    }

    /// The window that [`apply`](Self::apply) would cut out of an image of the network's size, of the
    /// same random numbers. For a pipeline that only [`cuts`](Self::cuts).
    pub fn window(&self, rng: &mut SampleRng) -> CropWindow {
        match self.cut([self.size; 2], rng) {
            Cut::OfResized(_, window) => window,
            Cut::Split(Region { left, top, .. }, flip) => {
                CropWindow { left: left.into(), top: top.into(), flip }
            }
        }
    }

    /// Writes the image as `[size, size, channels]` normalised f32 into the first
    /// [`len`](Self::len) places of `out`. The image must have the pipeline's channels.
    ///
    /// # Panics
    /// If the image has other channels, or `out` is too short.
    pub fn apply(&self, image: &Image, rng: &mut SampleRng, out: &mut [f32]) {
        assert_eq!(image.channels as usize, self.channels(), "the image has other channels");
        let out = &mut out[..self.len()];
        self.place(image, rng, out);
        color::apply(&self.color, &self.std, rng, out);
        random_erasing::apply(&self.erase, self.size, rng, out);
    }

    /// Height and width of each view of the image, or `None` where there is one of
    /// [`size`](Self::size). A view has `height * width * channels` numbers.
    pub fn views(&self, image: &Image) -> Option<Vec<[u32; 2]>> {
        match &self.views {
            TestTimeAugment::Center => None,
            TestTimeAugment::Flip => Some(vec![[self.size; 2]; 2]),
            TestTimeAugment::Ten => Some(vec![[self.size; 2]; 10]),
            TestTimeAugment::MultiScale(scales) => {
                let seen = whole(image.width, image.height);
                let size = |&scale: &u32| {
                    let (width, height) = short_side_to(scale, seen.width, seen.height);
                    [[height, width]; 2]
                };
                Some(scales.iter().flat_map(size).collect())
            }
        }
    }

    /// Writes the [`views`](Self::views) of an image one after another, as [`apply`](Self::apply)
    /// writes its centre: of the crops, or all of it and its mirror image at each scale.
    ///
    /// # Panics
    /// If the image has other channels, or `out` is shorter than the views are.
    pub fn apply_views(&self, image: &Image, views: &[[u32; 2]], out: &mut [f32]) {
        assert_eq!(image.channels as usize, self.channels(), "the image has other channels");
        let mut rest = out;
        let mut next = |[height, width]: [u32; 2]| {
            let length = (height * width) as usize * self.channels();
            let (view, others) = std::mem::take(&mut rest).split_at_mut(length);
            rest = others;
            view
        };
        if !matches!(self.views, TestTimeAugment::MultiScale(_)) {
            let resized = short_side_to(self.short_side, image.width, image.height);
            let windows = match self.views {
                TestTimeAugment::Ten => ten_windows(resized, self.size).to_vec(),
                _ => flip_windows(resized, self.size).to_vec(),
            };
            for (window, &size) in windows.into_iter().zip(views) {
                // Nothing is random at evaluation.
                let mut rng = SampleRng::new(0, 0, 0);
                self.window_of_resized(image, resized, window, &mut rng, next(size));
            }
            return;
        }
        let seen = whole(image.width, image.height);
        for &size in views.iter().step_by(2) {
            let [height, width] = size;
            let sides = size.map(|side| side as usize);
            let mut both = |pixels: &[u8], all: [usize; 2], [left, top]: [u32; 2]| {
                for flip in [false, true] {
                    let window = CropWindow { left: left.into(), top: top.into(), flip };
                    self.normalize.write(pixels, all, sides, window, next(size));
                }
            };
            if (seen.width, seen.height) == (width, height) {
                let all = [image.height as usize, image.width as usize];
                both(&image.pixels, all, [seen.left, seen.top]);
            } else {
                resize_region(image, seen, (width, height), |pixels| both(pixels, sides, [0; 2]));
            }
        }
    }

    /// Mixes a batch of images that [`apply`](Self::apply) made, if `transform.mix` says so.
    pub fn mix(
        &self,
        images: &mut [f32],
        labels: &[i64],
        rng: &mut SampleRng,
    ) -> Option<MixedLabels> {
        mixup::apply(&self.mix, self.size(), self.channels(), images, labels, rng)
    }

    /// At which scale an image of these sides (width and height) is decoded, and which part of it
    /// [`apply`](Self::apply) looks at then, where it is given the same random numbers; and all that
    /// [`apply_views`](Self::apply_views) may.
    pub fn wanted(&self, [width, height]: [u32; 2], rng: &mut SampleRng) -> Look {
        let all = self.wanted_whole(width, height);
        if self.has_multiple_views() {
            return all;
        }
        let sides = [all.region.width, all.region.height];
        let region = match self.cut(sides, rng) {
            Cut::Split(region, _) => region,
            Cut::OfResized(resized, window) => {
                under_resized(sides, resized, inside(window, self.size, resized))
            }
        };
        Look { region, ..all }
    }

    /// The same, but all of the image. HeaderStats more than once, it is never reduced.
    pub fn wanted_whole(&self, width: u32, height: u32) -> Look {
        let stays = |&scale: &u32| width.min(height).div_ceil(scale) >= self.least_decoded;
        let reduced = self.least_decoded > 0 && !self.has_multiple_views();
        let scale = [8, 4, 2].into_iter().filter(|_| reduced).find(stays).unwrap_or(1);
        Look::all_at(scale, width, height)
    }

    /// Crop, flip, policy, normalisation.
    fn place(&self, image: &Image, rng: &mut SampleRng, out: &mut [f32]) {
        let size = self.size;
        match self.cut([image.width, image.height], rng) {
            Cut::OfResized(sides, window) => {
                self.window_of_resized(image, sides, window, rng, out);
            }
            Cut::Split(region, flip) => {
                let window = CropWindow { left: 0, top: 0, flip };
                if (region.width, region.height) == (size, size) {
                    let (left, top) = (region.left.into(), region.top.into());
                    let of_image = CropWindow { left, top, ..window };
                    let sides = (image.width, image.height);
                    return self.write(&image.pixels, sides, of_image, window, rng, out);
                }
                resize_region(image, region, (size, size), |resized| {
                    self.write(resized, (size, size), window, window, rng, out);
                });
            }
        }
    }

    /// Where of an image of these sides the network's input is cut.
    fn cut(&self, sides: [u32; 2], rng: &mut SampleRng) -> Cut {
        match &self.crop {
            Crop::None => self.cut_resized(sides, self.short_side, 0, |free, _| centre(free), rng),
            Crop::Pad(pad) => {
                let padding = i64::from(pad.padding);
                self.cut_resized(sides, self.short_side, padding, anywhere, rng)
            }
            Crop::RandomResized(crop) => {
                let region = random_region(crop, sides[0], sides[1], rng);
                Cut::Split(region, self.coin(rng))
            }
            Crop::RandomShortSide(crop) => {
                let short_side = crop.min + rng.below(crop.max - crop.min + 1);
                self.cut_resized(sides, short_side, 0, anywhere, rng)
            }
        }
    }

    /// Resizes the short side to `short_side`, adds `padding` black pixels on each side, and crops
    /// where `place` says, which is given the pixels to choose from along a side.
    fn cut_resized(
        &self,
        [width, height]: [u32; 2],
        short_side: u32,
        padding: i64,
        place: impl Fn(i64, &mut SampleRng) -> i64,
        rng: &mut SampleRng,
    ) -> Cut {
        let (width, height) = short_side_to(short_side, width, height);
        let free = |side: u32| i64::from(side) + 2 * padding - i64::from(self.size);
        let top = place(free(height), rng) - padding;
        let left = place(free(width), rng) - padding;
        Cut::OfResized((width, height), CropWindow { left, top, flip: self.coin(rng) })
    }

    /// The window of the image resized to `(width, height)`.
    fn window_of_resized(
        &self,
        image: &Image,
        (width, height): (u32, u32),
        window: CropWindow,
        rng: &mut SampleRng,
        out: &mut [f32],
    ) {
        // The mean image has the network's size: it lies under the window where that, too, is cut
        // from an image of this size, and else under the result.
        let mean = match (width, height) == (self.size, self.size) {
            true => window,
            false => CropWindow { left: 0, top: 0, ..window },
        };
        if (width, height) == (image.width, image.height) {
            return self.write(&image.pixels, (width, height), window, mean, rng, out);
        }
        // Of the resized image only the part under the window is computed.
        let region = inside(window, self.size, (width, height));
        let left = window.left - i64::from(region.left);
        let top = window.top - i64::from(region.top);
        region_of_resized(image, (width, height), region, |resized| {
            let sides = (region.width, region.height);
            self.write(resized, sides, CropWindow { left, top, ..window }, mean, rng, out);
        });
    }

    fn coin(&self, rng: &mut SampleRng) -> bool {
        self.flip && rng.coin()
    }

    /// Normalises the window of the pixels, after the policy where there is one. `mean` is where
    /// the window lies on the mean image.
    fn write(
        &self,
        pixels: &[u8],
        (width, height): (u32, u32),
        window: CropWindow,
        mean: CropWindow,
        rng: &mut SampleRng,
        out: &mut [f32],
    ) {
        let (sides, size) = ([height as usize, width as usize], self.size());
        match &self.policy {
            Policy::None => self.normalize.write(pixels, sides, [size; 2], window, out),
            policy => {
                let pixels = window.cut(pixels, sides, size, self.channels());
                let mut canvas = Canvas::new(size, size, self.channels(), pixels);
                policy::apply(policy, &mut canvas, rng);
                let whole = CropWindow { left: 0, top: 0, flip: false };
                self.normalize.write(&canvas.pixels, [size; 2], [size; 2], whole, out);
            }
        }
        if let Some(pixel_mean) = &self.pixel_mean {
            pixel_mean.subtract(mean, out);
        }
    }
}

/// Where the network's input is cut.
enum Cut {
    /// A part of the image, resized to the network's size, and maybe mirrored.
    Split(Region, bool),
    /// A window of the image resized to a width and a height.
    OfResized((u32, u32), CropWindow),
}

/// The part of a window of `size` that lies inside an image of a width and a height.
fn inside(window: CropWindow, size: u32, (width, height): (u32, u32)) -> Region {
    let (left, wide) = overlap(window.left, size, width);
    let (top, high) = overlap(window.top, size, height);
    Region { left, top, width: wide, height: high }
}

/// Where the part of a window that lies inside a side begins, and how long it is.
fn overlap(start: i64, length: u32, side: u32) -> (u32, u32) {
    let from = start.clamp(0, side.into());
    let to = (start + i64::from(length)).clamp(0, side.into());
    (from as u32, (to - from) as u32)
}

fn anywhere(free: i64, rng: &mut SampleRng) -> i64 {
    i64::from(rng.below(free as u32 + 1))
}

/// torchvision's `RandomResizedCrop.get_params`: ten tries at a random area and aspect ratio,
/// then the largest central crop within the ratios.
fn random_region(crop: &RandomResizedCrop, width: u32, height: u32, rng: &mut SampleRng) -> Region {
    let (w, h) = (f64::from(width), f64::from(height));
    let [narrow, wide] = crop.ratio;
    for _ in 0..10 {
        let area = w * h * rng.uniform(crop.scale[0], crop.scale[1]);
        let ratio = rng.uniform(narrow.ln(), wide.ln()).exp();
        let across = (area * ratio).sqrt().round_ties_even();
        let down = (area / ratio).sqrt().round_ties_even();
        if 0.0 < across && across <= w && 0.0 < down && down <= h {
            let (across, down) = (across as u32, down as u32);
            let top = rng.below(height - down + 1);
            let left = rng.below(width - across + 1);
            return Region { left, top, width: across, height: down };
        }
    }
    let (across, down) = if w / h < narrow {
        (width, (w / narrow).round_ties_even() as u32)
    } else if w / h > wide {
        ((h * wide).round_ties_even() as u32, height)
    } else {
        (width, height)
    };
    let (across, down) = (across.clamp(1, width), down.clamp(1, height));
    Region { left: (width - across) / 2, top: (height - down) / 2, width: across, height: down }
}

#[cfg(test)]
pub(crate) mod tests {
    use residual_spec::{DataFormat, DatasetInfo, MachineInfo, TrainConfig, resolve};
    use serde_json::{Value, json};

    use super::*;

    /// Grey images of `size`, neither scaled nor shifted, with this `transform`.
    pub(crate) fn grey(size: u32, transform: Value) -> ResolvedConfig {
        let facts = DatasetInfo {
            source: "test".into(),
            format: DataFormat::Idx,
            train: 100,
            mean: Some(vec![0.0]),
            std: Some(vec![1.0 / 255.0]),
            flip_preserves_label: false,
            ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 1, Some([size, size]))
        };
        let machine = MachineInfo::with_cores(1);
        let config =
            json!({ "data": { "source": "test", "imageSize": size }, "transform": transform });
        resolve(&TrainConfig::from_json(&config).unwrap(), &facts, &machine).unwrap()
    }

    fn numbered(width: u32, height: u32) -> Image {
        let pixels = (1..=width * height).map(|i| i as u8).collect();
        Image::new(width, height, 1, pixels).unwrap()
    }

    fn applied(pipeline: &Pipeline, image: &Image, index: u32) -> Vec<u8> {
        let mut out = vec![f32::NAN; pipeline.len()];
        pipeline.apply(image, &mut SampleRng::new(0, 0, index), &mut out);
        out.into_iter().map(|value| value.round() as u8).collect()
    }

    #[test]
    fn evaluation_leaves_an_image_of_the_right_size_as_it_is() {
        let image = numbered(8, 8);
        let pipeline = Pipeline::eval(&grey(8, json!({})), None);
        assert_eq!(applied(&pipeline, &image, 0), image.pixels);
    }

    #[test]
    fn evaluation_resizes_the_short_side_and_takes_the_centre() {
        let image = numbered(13, 8);
        let pipeline = Pipeline::eval(&grey(8, json!({})), None);
        // Five columns over: two and a half go to even, two.
        let wanted: Vec<u8> =
            image.pixels.chunks(13).flat_map(|row| &row[2..10]).copied().collect();
        assert_eq!(applied(&pipeline, &image, 0), wanted);

        let flat = Image::new(31, 17, 1, vec![9; 31 * 17]).unwrap();
        assert_eq!(applied(&pipeline, &flat, 0), [9; 64]);
    }

    #[test]
    fn a_padded_crop_is_a_window_on_the_padded_image_and_all_are_found() {
        let image = numbered(8, 8);
        let crop = json!({ "crop": { "type": "pad", "padding": 1 } });
        let pipeline = Pipeline::train(&grey(8, crop), None);
        let mut padded = [0u8; 100];
        for y in 0..8 {
            padded[(y + 1) * 10 + 1..][..8].copy_from_slice(&image.pixels[y * 8..][..8]);
        }
        let windows: Vec<Vec<u8>> = (0..9)
            .map(|at| {
                (0..8).flat_map(|y| &padded[(at / 3 + y) * 10 + at % 3..][..8]).copied().collect()
            })
            .collect();
        let mut found = [0; 9];
        for index in 0..900 {
            let image = applied(&pipeline, &image, index);
            found[windows.iter().position(|window| *window == image).unwrap()] += 1;
        }
        assert!(found.iter().all(|count| (60..150).contains(count)), "{found:?}");
    }

    #[test]
    fn half_of_the_training_images_are_mirrored_and_no_evaluation_image() {
        let image = numbered(8, 8);
        let config = grey(8, json!({ "crop": "none", "flip": true }));
        let mut mirrored = image.pixels.clone();
        mirrored.chunks_mut(8).for_each(<[u8]>::reverse);
        let train = Pipeline::train(&config, None);
        let count = (0..1000).filter(|&i| applied(&train, &image, i) == mirrored).count();
        assert!((440..560).contains(&count), "{count}");
        let eval = Pipeline::eval(&config, None);
        assert!((0..20).all(|i| applied(&eval, &image, i) == image.pixels));
    }

    #[test]
    fn a_padded_crop_of_a_larger_image_is_taken_after_resizing() {
        let flat = Image::new(40, 30, 1, vec![200; 1200]).unwrap();
        let crop = json!({ "crop": { "type": "pad", "padding": 8 } });
        let pipeline = Pipeline::train(&grey(8, crop), None);
        for index in 0..200 {
            let out = applied(&pipeline, &flat, index);
            // Image and padding, nothing between and nothing of an edge blurred in.
            assert!(out.iter().all(|&value| value == 0 || value == 200), "{out:?}");
        }
    }

    #[test]
    fn an_image_is_reduced_while_its_short_side_stays_long_enough() {
        let sides = [[62, 200], [200, 64], [124, 500], [300, 255], [256, 256], [9000, 8000]];
        let looks = |transform: Value| {
            let pipeline = Pipeline::eval(&grey(16, transform), None);
            sides.map(|[width, height]| pipeline.wanted_whole(width, height))
        };
        let scales = |transform| looks(transform).map(|look| look.scale);
        assert_eq!(scales(json!({})), [1, 2, 2, 8, 8, 8]);
        assert_eq!(scales(json!({ "decodeShortSide": 0 })), [1; 6]);
        assert_eq!(scales(json!({ "decodeShortSide": 128 })), [1, 1, 1, 2, 2, 8]);
        let region = Region { left: 0, top: 0, width: 150, height: 128 };
        assert_eq!(looks(json!({ "decodeShortSide": 128 }))[3], Look { scale: 2, region });
        // All of an image that is seen more than once.
        let eval = Pipeline::eval(&grey(16, json!({})), None);
        assert_eq!(eval.with_views(TestTimeAugment::Ten).wanted_whole(4000, 3000).scale, 1);
    }

    #[test]
    fn what_is_not_wanted_of_an_image_is_not_looked_at() {
        let transforms = [
            json!({ "crop": { "type": "random-resized" }, "flip": true }),
            json!({ "crop": { "type": "random-resized", "scale": [0.01, 0.1] } }),
            json!({ "crop": { "type": "random-short-side", "min": 16, "max": 40 } }),
            json!({ "crop": { "type": "pad", "padding": 4 }, "flip": true }),
            json!({ "crop": "none", "policy": "trivialaugment" }),
        ];
        let mut smaller = 0;
        for transform in transforms {
            let config = grey(16, transform);
            for pipeline in [Pipeline::train(&config, None), Pipeline::eval(&config, None)] {
                for (index, (width, height)) in
                    [(61, 37), (20, 90), (16, 16), (300, 17), (7, 5), (1, 1)]
                        .repeat(6)
                        .into_iter()
                        .enumerate()
                {
                    let index = index as u32;
                    let image = numbered(width, height);
                    let mut rng = SampleRng::new(0, 0, index);
                    let wanted = pipeline.wanted([width, height], &mut rng).region;
                    let mut poisoned = image.clone();
                    for (i, pixel) in (0..).zip(&mut poisoned.pixels) {
                        let [x, y] = [i % width, i / width];
                        let across = wanted.left..wanted.left + wanted.width;
                        let down = wanted.top..wanted.top + wanted.height;
                        if !across.contains(&x) || !down.contains(&y) {
                            *pixel = !*pixel;
                        }
                    }
                    smaller += u32::from(poisoned != image);
                    let same = applied(&pipeline, &poisoned, index);
                    assert_eq!(same, applied(&pipeline, &image, index), "{width}x{height}");
                }
            }
        }
        assert!(smaller > 150, "{smaller}");
    }

    #[test]
    fn a_random_region_keeps_to_area_and_ratio() {
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
    fn a_region_that_cannot_be_found_is_the_centre() {
        let crop = RandomResizedCrop { scale: [1.0, 1.0], ratio: [0.75, 4.0 / 3.0] };
        let mut rng = SampleRng::new(0, 0, 0);
        let region = random_region(&crop, 1000, 30, &mut rng);
        assert_eq!(region, Region { left: 480, top: 0, width: 40, height: 30 });
        let region = random_region(&crop, 1, 500, &mut rng);
        assert_eq!(region, Region { left: 0, top: 249, width: 1, height: 1 });
    }

    #[test]
    fn a_random_short_side_is_any_of_the_range_and_the_crop_anywhere() {
        // Columns of 1 to 30: a crop's first column tells how far it is from the left.
        let pixels = (0..30 * 20).map(|i| (i % 30 + 1) as u8 * 8).collect();
        let image = Image::new(30, 20, 1, pixels).unwrap();
        let crop = json!({ "type": "random-short-side", "min": 8, "max": 20 });
        let pipeline = Pipeline::train(&grey(8, json!({ "crop": crop, "flip": false })), None);
        let (mut widths, mut lefts) = (Vec::new(), Vec::new());
        for index in 0..400 {
            let out = applied(&pipeline, &image, index);
            // The more the image was reduced, the more of its width lies in the crop.
            widths.push(out[7] - out[0]);
            lefts.push(out[0]);
        }
        // 8 of 12 columns of the smallest, 8 of 30 of the largest.
        let range = |values: &[u8]| (*values.iter().min().unwrap(), *values.iter().max().unwrap());
        let (least, most) = range(&widths);
        assert!((54..=60).contains(&least) && (135..=145).contains(&most), "{least} {most}");
        let (least, most) = range(&lefts);
        assert!(least <= 12 && most >= 180, "{least} {most}");
    }

    #[test]
    fn the_mean_image_is_cut_and_mirrored_with_the_image_and_padding_stays_zero() {
        let image = numbered(8, 8);
        let mean: Vec<f32> = image.pixels.iter().map(|&value| f32::from(value) / 255.0).collect();
        let mean = Arc::new(PixelMean::from_chw(&mean, 1, 8).unwrap());
        for crop in [json!({ "type": "pad", "padding": 3 }), json!("none")] {
            let config = grey(8, json!({ "crop": crop, "flip": true, "pixelMean": true }));
            for pipeline in
                [Pipeline::train(&config, Some(&mean)), Pipeline::eval(&config, Some(&mean))]
            {
                for index in 0..50 {
                    let mut out = vec![f32::NAN; pipeline.len()];
                    pipeline.apply(&image, &mut SampleRng::new(0, 0, index), &mut out);
                    assert!(out.iter().all(|value| value.abs() < 1e-4), "{out:?}");
                }
            }
        }
    }

    #[test]
    fn a_window_is_where_the_same_random_numbers_would_have_cut() {
        let image = numbered(8, 8);
        for crop in [json!({ "type": "pad", "padding": 3 }), json!("none")] {
            let config = grey(8, json!({ "crop": crop, "flip": true }));
            for pipeline in [Pipeline::train(&config, None), Pipeline::eval(&config, None)] {
                assert!(pipeline.as_crop_normalize().is_some());
                for index in 0..100 {
                    let window = pipeline.window(&mut SampleRng::new(0, 0, index));
                    let cut = window.cut(&image.pixels, [8, 8], 8, 1);
                    assert_eq!(applied(&pipeline, &image, index), cut, "{window:?}");
                }
            }
        }
    }

    #[test]
    fn a_pipeline_that_does_more_than_cut_says_so() {
        for transform in [
            json!({ "crop": "random-resized" }),
            json!({ "crop": { "type": "random-short-side", "min": 8, "max": 9 } }),
            json!({ "evalResize": 9 }),
            json!({ "policy": "trivialaugment" }),
            json!({ "erase": "cutout" }),
            json!({ "mix": "mixup" }),
        ] {
            let pipeline = Pipeline::train(&grey(8, transform.clone()), None);
            assert_eq!(pipeline.as_crop_normalize(), None, "{transform}");
        }
        let eval = Pipeline::eval(&grey(8, json!({})), None);
        assert_eq!(eval.as_crop_normalize().unwrap().padding, 0);
        assert_eq!(eval.with_views(TestTimeAugment::Flip).as_crop_normalize(), None);
    }

    #[test]
    fn a_policy_works_on_the_crop() {
        // Of a flat picture, posterizing and solarizing alone would be seen; shears show black.
        let image = Image::new(8, 8, 1, vec![201; 64]).unwrap();
        for policy in ["randaugment", "trivialaugment"] {
            let transform = json!({ "crop": "none", "flip": false, "policy": policy });
            let pipeline = Pipeline::train(&grey(8, transform), None);
            let looks: std::collections::BTreeSet<Vec<u8>> =
                (0..200).map(|index| applied(&pipeline, &image, index)).collect();
            assert!(looks.len() > 30, "{}", looks.len());
        }
    }

    #[test]
    fn centre_and_ten_crops_are_torchvisions_to_the_bit() {
        let picture = crate::testing::fixture("picture");
        for case in crate::testing::fixture_json("views").as_array().unwrap() {
            let [short, size] = ["short", "size"].map(|key| case[key].as_u64().unwrap() as u32);
            let mut config = grey(size, json!({}));
            config.data.channels = 3;
            config.transform.eval_resize = short;
            (config.transform.mean, config.transform.std) = (vec![0.0; 3], vec![1.0 / 255.0; 3]);
            let same = |pixels: &[f32], wanted: &serde_json::Value| {
                let bytes: Vec<u8> = pixels.iter().map(|value| value.round() as u8).collect();
                let mut crc = flate2::Crc::new();
                crc.update(&bytes);
                assert_eq!(crc.sum(), wanted["crc32"].as_u64().unwrap() as u32, "{short} {size}");
            };
            let pipeline = Pipeline::eval(&config, None);
            let mut out = vec![0.0; pipeline.len()];
            pipeline.apply(&picture, &mut SampleRng::new(0, 0, 0), &mut out);
            same(&out, &case["center"]);

            let pipeline = pipeline.with_views(TestTimeAugment::Ten);
            let views = pipeline.views(&picture).unwrap();
            let mut out = vec![0.0; 10 * pipeline.len()];
            pipeline.apply_views(&picture, &views, &mut out);
            for (view, wanted) in out.chunks(pipeline.len()).zip(case["ten"].as_array().unwrap()) {
                same(view, wanted);
            }

            config.transform.mean = vec![0.485, 0.456, 0.406];
            config.transform.std = vec![0.229, 0.224, 0.225];
            let pipeline = Pipeline::eval(&config, None);
            let mut out = vec![0.0; pipeline.len()];
            pipeline.apply(&picture, &mut SampleRng::new(0, 0, 0), &mut out);
            // The corners of each channel.
            let last = size as usize - 1;
            let corners = (0..3).flat_map(|c| {
                [[0, 0], [0, last], [last, 0], [last, last]]
                    .map(|[y, x]| out[(y * (last + 1) + x) * 3 + c])
            });
            for (found, wanted) in corners.zip(case["normalized"].as_array().unwrap()) {
                assert!((f64::from(found) - wanted.as_f64().unwrap()).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn at_several_scales_all_of_the_image_is_seen_and_its_mirror() {
        let image = numbered(12, 8);
        let pipeline = Pipeline::eval(&grey(8, json!({})), None);
        let pipeline = pipeline.with_views(TestTimeAugment::MultiScale(vec![8, 16]));
        let views = pipeline.views(&image).unwrap();
        assert_eq!(views, [[8, 12], [8, 12], [16, 24], [16, 24]]);
        let mut out = vec![f32::NAN; 2 * (96 + 384)];
        pipeline.apply_views(&image, &views, &mut out);
        let bytes: Vec<u8> = out.iter().map(|value| value.round() as u8).collect();
        assert_eq!(bytes[..96], image.pixels);
        let mirrored = |pixels: &[u8], width: usize| -> Vec<u8> {
            pixels.chunks(width).flat_map(|row| row.iter().rev().copied()).collect()
        };
        assert_eq!(bytes[96..192], mirrored(&image.pixels, 12));
        assert_eq!(bytes[576..], mirrored(&bytes[192..576], 24));
        let whole = Region { left: 0, top: 0, width: 24, height: 16 };
        let wanted = region_of_resized(&image, (24, 16), whole, <[u8]>::to_vec);
        assert_eq!(bytes[192..576], wanted);
    }

    #[test]
    fn a_random_resized_crop_fills_the_output() {
        let flat = Image::new(50, 20, 1, vec![77; 1000]).unwrap();
        let pipeline = Pipeline::train(&grey(8, json!({ "crop": "random-resized" })), None);
        for index in 0..50 {
            assert_eq!(applied(&pipeline, &flat, index), [77; 64]);
        }
    }
}
