//! The transforms of a run: crop, flip, policy, normalization, color, erasing, with torchvision's
//! names and in the order of its reference training script.

use std::sync::Arc;

use residual_spec::TestTimeAugment;
use residual_spec::{Color, Crop, Erase, Mix, Policy, ResolvedConfig};

use super::augment_ops::AugmentImage;
use super::crop::{CropGeometry, CropPlan, CropSampler, inside};
use super::mixup::MixedLabels;
use super::normalize::{CropWindow, Normalize};
use super::resize::{region_of_resized, resize_region, short_side_to};
use super::test_time_augment::{flip_windows, multi_scale_region, ten_crop_windows};
use super::{PixelMean, color, mixup, policy, random_erasing};
use crate::{DecodeRequest, ImageSize, ImageView, SampleRng};

/// A pipeline that only crops windows out of images of the network's input size, flips and
/// normalizes them. Such a pipeline can run on the device.
#[derive(Debug, Clone, PartialEq)]
pub struct CropNormalize {
    /// Black pixels around an image that a window may include.
    pub padding: u32,
    /// The normalized value of each byte: 256 values for each channel, one channel after another.
    pub values: Vec<f32>,
    /// The mean image, `[size, size, channels]`, to be subtracted from the normalized pixels that
    /// lie inside the image.
    pub mean: Option<Vec<f32>>,
}

/// Turns decoded images into the network's input. Training augments at random; evaluation resizes
/// the short side and takes the center crop.
#[derive(Clone)]
pub struct Pipeline {
    crop: CropSampler,
    /// Lower bound of the short side of a scaled JPEG; 0 to decode at full size always.
    min_decoded_side: u32,
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
    /// The training pipeline, as `config.transform` configures it. `pixel_mean` is the mean image
    /// to subtract.
    ///
    /// # Panics
    /// If `pixel_mean` is present and `transform.pixelMean` is false, or the reverse.
    pub fn train(config: &ResolvedConfig, pixel_mean: Option<&Arc<PixelMean>>) -> Self {
        let transform = config.transform.clone();
        let eval = Pipeline::eval(config, pixel_mean);
        Pipeline {
            crop: CropSampler { crop: transform.crop, flip: transform.flip, ..eval.crop },
            policy: transform.policy,
            color: transform.color,
            erase: transform.erase,
            mix: transform.mix,
            ..eval
        }
    }

    /// The evaluation pipeline: `Resize(evalResize)` and `CenterCrop(imageSize)`, without random
    /// numbers.
    ///
    /// # Panics
    /// As [`train`](Self::train).
    pub fn eval(config: &ResolvedConfig, pixel_mean: Option<&Arc<PixelMean>>) -> Self {
        let transform = &config.transform;
        assert_eq!(
            transform.pixel_mean,
            pixel_mean.is_some(),
            "`transform.pixelMean` and the given mean image disagree"
        );
        let zero = vec![0.0; transform.std.len()];
        let mean = if transform.pixel_mean { &zero } else { &transform.mean };
        Pipeline {
            crop: CropSampler {
                size: config.data.image_size,
                short_side: transform.eval_resize,
                crop: Crop::None,
                flip: false,
            },
            min_decoded_side: transform.decode_short_side,
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

    /// This evaluation pipeline with several views of each image (test-time augmentation).
    pub fn with_views(&self, views: TestTimeAugment) -> Self {
        Pipeline { views, ..self.clone() }
    }

    /// Whether the network sees each image more than once.
    pub fn has_multiple_views(&self) -> bool {
        self.views != TestTimeAugment::Center
    }

    /// Height and width of the network's input.
    pub fn size(&self) -> usize {
        self.crop.size as usize
    }

    /// Channels of the images and of the network's input.
    pub fn channels(&self) -> usize {
        self.normalize.channels()
    }

    /// The number of values of one input: `size * size * channels`.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.size() * self.size() * self.channels()
    }

    /// This pipeline as a [`CropNormalize`] for images of the network's input size. `None` if it
    /// resizes, changes colors, mixes, erases, or produces several views.
    pub fn as_crop_normalize(&self) -> Option<CropNormalize> {
        let padding = match &self.crop.crop {
            Crop::None => 0,
            Crop::Pad(pad) => pad.padding,
            Crop::RandomResized(_) | Crop::RandomShortSide(_) => return None,
        };
        let only_crops = self.crop.short_side == self.crop.size
            && matches!(self.policy, Policy::None)
            && matches!(self.color, Color::None)
            && matches!(self.erase, Erase::None)
            && matches!(self.mix, Mix::None)
            && self.views == TestTimeAugment::Center;
        only_crops.then(|| CropNormalize {
            padding,
            values: self.normalize.values(),
            mean: self.pixel_mean.as_ref().map(|mean| mean.values().to_vec()),
        })
    }

    /// The window that [`plan`](Self::plan) draws for an image of the network's input size. For a
    /// pipeline that is a [`CropNormalize`].
    pub fn crop_window(&self, rng: &mut SampleRng) -> CropWindow {
        match self.crop.draw([self.crop.size; 2], rng) {
            CropGeometry::WindowOfResized(_, window) => window,
            CropGeometry::Region(region, flip) => {
                CropWindow { left: region.left.into(), top: region.top.into(), flip }
            }
        }
    }

    /// Draws the crop of an image and decides which part of it to decode, at which scale.
    pub fn plan(&self, size: ImageSize, mut rng: SampleRng) -> CropPlan {
        let whole = self.whole_request(size);
        let decoded = [whole.region.width, whole.region.height];
        let geometry = self.crop.draw(decoded, &mut rng);
        let region = if self.has_multiple_views() {
            whole.region
        } else {
            self.crop.source_region(decoded, &geometry)
        };
        CropPlan { request: DecodeRequest { region, ..whole }, decoded, geometry, rng }
    }

    /// The request for the whole image, at the scale that this pipeline needs. Images with several
    /// views are never scaled.
    pub fn whole_request(&self, size: ImageSize) -> DecodeRequest {
        let short_side = size.width.min(size.height);
        let can_scale = self.min_decoded_side > 0 && !self.has_multiple_views();
        let scale = [8, 4, 2].into_iter().find(|&scale| {
            can_scale
                && scale <= size.max_scale
                && short_side.div_ceil(scale) >= self.min_decoded_side
        });
        DecodeRequest::whole_at_scale(scale.unwrap_or(1), size)
    }

    /// Writes the planned crop of an image as `[size, size, channels]` normalized f32 into the
    /// first [`len`](Self::len) values of `out`.
    ///
    /// # Panics
    /// If the image has other channels than the pipeline or another size than planned, or `out` is
    /// too short.
    pub fn apply(&self, image: ImageView, plan: CropPlan, out: &mut [f32]) {
        assert_eq!(image.channels as usize, self.channels(), "the image has other channels");
        assert!(plan.fits(image), "the image has another size than planned");
        let CropPlan { geometry, mut rng, .. } = plan;
        let out = &mut out[..self.len()];
        self.crop_and_normalize(image, geometry, &mut rng, out);
        color::apply(&self.color, &self.std, &mut rng, out);
        random_erasing::apply(&self.erase, self.crop.size, &mut rng, out);
    }

    /// Height and width of each view of an image, or `None` for the single center view of
    /// [`size`](Self::size). A view has `height * width * channels` values.
    pub fn view_sizes(&self, image: ImageView) -> Option<Vec<[u32; 2]>> {
        let size = self.crop.size;
        match &self.views {
            TestTimeAugment::Center => None,
            TestTimeAugment::Flip => Some(vec![[size; 2]; 2]),
            TestTimeAugment::Ten => Some(vec![[size; 2]; 10]),
            TestTimeAugment::MultiScale(scales) => {
                let region = multi_scale_region(image.width, image.height);
                let size = |&scale: &u32| {
                    let (width, height) = short_side_to(scale, region.width, region.height);
                    [[height, width]; 2]
                };
                Some(scales.iter().flat_map(size).collect())
            }
        }
    }

    /// Writes the views of an image one after another, normalized: the crops, or the whole image
    /// and its mirror image at each scale. `sizes` are the image's
    /// [`view_sizes`](Self::view_sizes).
    ///
    /// # Panics
    /// If the image has other channels than the pipeline, or `out` is shorter than the views.
    pub fn apply_views(&self, image: ImageView, sizes: &[[u32; 2]], out: &mut [f32]) {
        assert_eq!(image.channels as usize, self.channels(), "the image has other channels");
        let mut rest = out;
        let mut next_view = |[height, width]: [u32; 2]| {
            let length = (height * width) as usize * self.channels();
            let (view, others) = std::mem::take(&mut rest).split_at_mut(length);
            rest = others;
            view
        };
        let resized = short_side_to(self.crop.short_side, image.width, image.height);
        let windows = match self.views {
            TestTimeAugment::MultiScale(_) => return self.apply_scales(image, sizes, next_view),
            TestTimeAugment::Ten => ten_crop_windows(resized, self.crop.size).to_vec(),
            TestTimeAugment::Flip | TestTimeAugment::Center => {
                flip_windows(resized, self.crop.size).to_vec()
            }
        };
        for (window, &size) in windows.into_iter().zip(sizes) {
            // Evaluation draws no random numbers.
            let mut rng = SampleRng::new(0, 0, 0);
            self.window_of_resized(image, resized, window, &mut rng, next_view(size));
        }
    }

    /// Writes the whole image and its mirror image at each scale.
    fn apply_scales<'o>(
        &self,
        image: ImageView,
        sizes: &[[u32; 2]],
        mut next_view: impl FnMut([u32; 2]) -> &'o mut [f32],
    ) {
        let region = multi_scale_region(image.width, image.height);
        for &size in sizes.iter().step_by(2) {
            let [height, width] = size;
            let sides = size.map(|side| side as usize);
            let mut write_with_mirror =
                |pixels: &[u8], stored: [usize; 2], [left, top]: [u32; 2]| {
                    for flip in [false, true] {
                        let window = CropWindow { left: left.into(), top: top.into(), flip };
                        self.normalize.write(pixels, stored, sides, window, next_view(size));
                    }
                };
            if (region.width, region.height) == (width, height) {
                let stored = [image.height as usize, image.width as usize];
                write_with_mirror(image.pixels, stored, [region.left, region.top]);
            } else {
                resize_region(image, region, (width, height), |pixels| {
                    write_with_mirror(pixels, sides, [0; 2]);
                });
            }
        }
    }

    /// Applies mixup or CutMix to a batch of normalized images, as `transform.mix` configures it.
    pub fn mix(
        &self,
        images: &mut [f32],
        labels: &[i64],
        rng: &mut SampleRng,
    ) -> Option<MixedLabels> {
        mixup::apply(&self.mix, self.size(), self.channels(), images, labels, rng)
    }

    /// Crop, flip, policy, normalization.
    fn crop_and_normalize(
        &self,
        image: ImageView,
        geometry: CropGeometry,
        rng: &mut SampleRng,
        out: &mut [f32],
    ) {
        let size = self.crop.size;
        match geometry {
            CropGeometry::WindowOfResized(sides, window) => {
                self.window_of_resized(image, sides, window, rng, out);
            }
            CropGeometry::Region(region, flip) => {
                let window = CropWindow { left: 0, top: 0, flip };
                if (region.width, region.height) == (size, size) {
                    let (left, top) = (region.left.into(), region.top.into());
                    let source_window = CropWindow { left, top, ..window };
                    let sides = (image.width, image.height);
                    return self.write(image.pixels, sides, source_window, window, rng, out);
                }
                resize_region(image, region, (size, size), |resized| {
                    self.write(resized, (size, size), window, window, rng, out);
                });
            }
        }
    }

    /// Writes a window of the image resized to `(width, height)`.
    fn window_of_resized(
        &self,
        image: ImageView,
        (width, height): (u32, u32),
        window: CropWindow,
        rng: &mut SampleRng,
        out: &mut [f32],
    ) {
        // The mean image has the network's input size. It is aligned with the image if that has the
        // same size, and with the output otherwise.
        let mean = if (width, height) == (self.crop.size, self.crop.size) {
            window
        } else {
            CropWindow { left: 0, top: 0, ..window }
        };
        if (width, height) == (image.width, image.height) {
            return self.write(image.pixels, (width, height), window, mean, rng, out);
        }
        // Compute only the part of the resized image inside the window.
        let region = inside(window, self.crop.size, (width, height));
        let left = window.left - i64::from(region.left);
        let top = window.top - i64::from(region.top);
        region_of_resized(image, (width, height), region, |resized| {
            let sides = (region.width, region.height);
            self.write(resized, sides, CropWindow { left, top, ..window }, mean, rng, out);
        });
    }

    /// Applies the policy to the window of the pixels, normalizes it, and subtracts the mean image.
    /// `mean` is the position of the window in the mean image.
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
                let pixels = window.crop(pixels, sides, size, self.channels());
                let mut augmented = AugmentImage::new(size, size, self.channels(), pixels);
                policy::apply(policy, &mut augmented, rng);
                let whole = CropWindow { left: 0, top: 0, flip: false };
                self.normalize.write(&augmented.pixels, [size; 2], [size; 2], whole, out);
            }
        }
        if let Some(pixel_mean) = &self.pixel_mean {
            pixel_mean.subtract(mean, out);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use residual_spec::{DataFormat, DatasetInfo, MachineInfo, TrainConfig, resolve};
    use serde_json::{Value, json};

    use super::*;
    use crate::{Image, Region};

    /// Single-channel images of `size`, without scaling or shift, with this `transform`.
    pub(crate) fn gray_config(size: u32, transform: Value) -> ResolvedConfig {
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

    fn apply_center(pipeline: &Pipeline, image: &Image, out: &mut [f32]) {
        let plan = pipeline.plan(image.view().size(), SampleRng::new(0, 0, 0));
        pipeline.apply(image.view(), plan, out);
    }

    fn numbered(width: u32, height: u32) -> Image {
        let pixels = (1..=width * height).map(|i| i as u8).collect();
        Image::new(width, height, 1, pixels).unwrap()
    }

    fn applied(pipeline: &Pipeline, image: &Image, index: u32) -> Vec<u8> {
        let mut out = vec![f32::NAN; pipeline.len()];
        let plan = pipeline.plan(image.view().size(), SampleRng::new(0, 0, index));
        pipeline.apply(image.view(), plan, &mut out);
        out.into_iter().map(|value| value.round() as u8).collect()
    }

    #[test]
    fn evaluation_keeps_an_image_of_the_input_size() {
        let image = numbered(8, 8);
        let pipeline = Pipeline::eval(&gray_config(8, json!({})), None);
        assert_eq!(applied(&pipeline, &image, 0), image.pixels);
    }

    #[test]
    fn evaluation_resizes_the_short_side_and_center_crops() {
        let image = numbered(13, 8);
        let pipeline = Pipeline::eval(&gray_config(8, json!({})), None);
        // Five excess columns: 2.5 rounds to 2.
        let expected: Vec<u8> =
            image.pixels.chunks(13).flat_map(|row| &row[2..10]).copied().collect();
        assert_eq!(applied(&pipeline, &image, 0), expected);

        let flat = Image::new(31, 17, 1, vec![9; 31 * 17]).unwrap();
        assert_eq!(applied(&pipeline, &flat, 0), [9; 64]);
    }

    #[test]
    fn padded_crops_cover_all_windows_of_the_padded_image() {
        let image = numbered(8, 8);
        let crop = json!({ "crop": { "type": "pad", "padding": 1 } });
        let pipeline = Pipeline::train(&gray_config(8, crop), None);
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
    fn flips_half_of_the_training_images_and_no_evaluation_image() {
        let image = numbered(8, 8);
        let config = gray_config(8, json!({ "crop": "none", "flip": true }));
        let mut mirrored = image.pixels.clone();
        mirrored.chunks_mut(8).for_each(<[u8]>::reverse);
        let train = Pipeline::train(&config, None);
        let count = (0..1000).filter(|&i| applied(&train, &image, i) == mirrored).count();
        assert!((440..560).contains(&count), "{count}");
        let eval = Pipeline::eval(&config, None);
        assert!((0..20).all(|i| applied(&eval, &image, i) == image.pixels));
    }

    #[test]
    fn pads_after_resizing() {
        let flat = Image::new(40, 30, 1, vec![200; 1200]).unwrap();
        let crop = json!({ "crop": { "type": "pad", "padding": 8 } });
        let pipeline = Pipeline::train(&gray_config(8, crop), None);
        for index in 0..200 {
            let out = applied(&pipeline, &flat, index);
            // Image or padding; the border is not blurred.
            assert!(out.iter().all(|&value| value == 0 || value == 200), "{out:?}");
        }
    }

    #[test]
    fn scales_jpegs_while_the_short_side_is_long_enough() {
        let sides = [[62, 200], [200, 64], [124, 500], [300, 255], [256, 256], [9000, 8000]];
        let requests = |transform: Value| {
            let pipeline = Pipeline::eval(&gray_config(16, transform), None);
            sides.map(|[width, height]| {
                pipeline.whole_request(ImageSize { width, height, max_scale: 8 })
            })
        };
        let scales = |transform| requests(transform).map(|request| request.scale);
        assert_eq!(scales(json!({})), [1, 2, 2, 8, 8, 8]);
        assert_eq!(scales(json!({ "decodeShortSide": 0 })), [1; 6]);
        assert_eq!(scales(json!({ "decodeShortSide": 128 })), [1, 1, 1, 2, 2, 8]);
        let region = Region { left: 0, top: 0, width: 150, height: 128 };
        assert_eq!(
            requests(json!({ "decodeShortSide": 128 }))[3],
            DecodeRequest { scale: 2, region }
        );
        // Multi-view images are decoded at full size.
        let eval = Pipeline::eval(&gray_config(16, json!({})), None);
        let large = ImageSize { width: 4000, height: 3000, max_scale: 8 };
        assert_eq!(eval.with_views(TestTimeAugment::Ten).whole_request(large).scale, 1);
    }

    #[test]
    fn pixels_outside_the_requested_region_have_no_influence() {
        let transforms = [
            json!({ "crop": { "type": "random-resized" }, "flip": true }),
            json!({ "crop": { "type": "random-resized", "scale": [0.01, 0.1] } }),
            json!({ "crop": { "type": "random-short-side", "min": 16, "max": 40 } }),
            json!({ "crop": { "type": "pad", "padding": 4 }, "flip": true }),
            json!({ "crop": "none", "policy": "trivialaugment" }),
        ];
        let mut smaller = 0;
        for transform in transforms {
            let config = gray_config(16, transform);
            for pipeline in [Pipeline::train(&config, None), Pipeline::eval(&config, None)] {
                for (index, (width, height)) in
                    [(61, 37), (20, 90), (16, 16), (300, 17), (7, 5), (1, 1)]
                        .repeat(6)
                        .into_iter()
                        .enumerate()
                {
                    let index = index as u32;
                    let image = numbered(width, height);
                    let rng = SampleRng::new(0, 0, index);
                    let expected = pipeline.plan(image.view().size(), rng).request.region;
                    let mut poisoned = image.clone();
                    for (i, pixel) in (0..).zip(&mut poisoned.pixels) {
                        let [x, y] = [i % width, i / width];
                        let across = expected.left..expected.left + expected.width;
                        let down = expected.top..expected.top + expected.height;
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
    fn random_short_side_covers_its_range_and_all_positions() {
        // Columns of 1 to 30: the first column of a crop tells its distance from the left.
        let pixels = (0..30 * 20).map(|i| (i % 30 + 1) as u8 * 8).collect();
        let image = Image::new(30, 20, 1, pixels).unwrap();
        let crop = json!({ "type": "random-short-side", "min": 8, "max": 20 });
        let pipeline =
            Pipeline::train(&gray_config(8, json!({ "crop": crop, "flip": false })), None);
        let (mut widths, mut lefts) = (Vec::new(), Vec::new());
        for index in 0..400 {
            let out = applied(&pipeline, &image, index);
            // The smaller the resized image, the more of its width is in the crop.
            widths.push(out[7] - out[0]);
            lefts.push(out[0]);
        }
        // 8 of 12 columns of the smallest image, 8 of 30 of the largest.
        let range = |values: &[u8]| (*values.iter().min().unwrap(), *values.iter().max().unwrap());
        let (least, most) = range(&widths);
        assert!((54..=60).contains(&least) && (135..=145).contains(&most), "{least} {most}");
        let (least, most) = range(&lefts);
        assert!(least <= 12 && most >= 180, "{least} {most}");
    }

    #[test]
    fn mean_image_is_cropped_and_flipped_with_the_image() {
        let image = numbered(8, 8);
        let mean: Vec<f32> = image.pixels.iter().map(|&value| f32::from(value) / 255.0).collect();
        let mean = Arc::new(PixelMean::from_chw(&mean, 1, 8).unwrap());
        for crop in [json!({ "type": "pad", "padding": 3 }), json!("none")] {
            let config = gray_config(8, json!({ "crop": crop, "flip": true, "pixelMean": true }));
            for pipeline in
                [Pipeline::train(&config, Some(&mean)), Pipeline::eval(&config, Some(&mean))]
            {
                for index in 0..50 {
                    let mut out = vec![f32::NAN; pipeline.len()];
                    let plan = pipeline.plan(image.view().size(), SampleRng::new(0, 0, index));
                    pipeline.apply(image.view(), plan, &mut out);
                    assert!(out.iter().all(|value| value.abs() < 1e-4), "{out:?}");
                }
            }
        }
    }

    #[test]
    fn crop_window_matches_plan_and_apply() {
        let image = numbered(8, 8);
        for crop in [json!({ "type": "pad", "padding": 3 }), json!("none")] {
            let config = gray_config(8, json!({ "crop": crop, "flip": true }));
            for pipeline in [Pipeline::train(&config, None), Pipeline::eval(&config, None)] {
                assert!(pipeline.as_crop_normalize().is_some());
                for index in 0..100 {
                    let window = pipeline.crop_window(&mut SampleRng::new(0, 0, index));
                    let cut = window.crop(&image.pixels, [8, 8], 8, 1);
                    assert_eq!(applied(&pipeline, &image, index), cut, "{window:?}");
                }
            }
        }
    }

    #[test]
    fn other_pipelines_are_no_crop_normalize() {
        for transform in [
            json!({ "crop": "random-resized" }),
            json!({ "crop": { "type": "random-short-side", "min": 8, "max": 9 } }),
            json!({ "evalResize": 9 }),
            json!({ "policy": "trivialaugment" }),
            json!({ "erase": "cutout" }),
            json!({ "mix": "mixup" }),
        ] {
            let pipeline = Pipeline::train(&gray_config(8, transform.clone()), None);
            assert_eq!(pipeline.as_crop_normalize(), None, "{transform}");
        }
        let eval = Pipeline::eval(&gray_config(8, json!({})), None);
        assert_eq!(eval.as_crop_normalize().unwrap().padding, 0);
        assert_eq!(eval.with_views(TestTimeAugment::Flip).as_crop_normalize(), None);
    }

    #[test]
    fn policies_run_on_the_crop() {
        // On a constant image only posterize, solarize and the black areas of geometric operations
        // are visible.
        let image = Image::new(8, 8, 1, vec![201; 64]).unwrap();
        for policy in ["randaugment", "trivialaugment"] {
            let transform = json!({ "crop": "none", "flip": false, "policy": policy });
            let pipeline = Pipeline::train(&gray_config(8, transform), None);
            let variants: std::collections::BTreeSet<Vec<u8>> =
                (0..200).map(|index| applied(&pipeline, &image, index)).collect();
            assert!(variants.len() > 30, "{}", variants.len());
        }
    }

    #[test]
    fn center_and_ten_crops_match_torchvision_bit_for_bit() {
        let picture = crate::testing::fixture("picture");
        for case in crate::testing::fixture_json("views").as_array().unwrap() {
            let [short, size] = ["short", "size"].map(|key| case[key].as_u64().unwrap() as u32);
            let mut config = gray_config(size, json!({}));
            config.data.channels = 3;
            config.transform.eval_resize = short;
            (config.transform.mean, config.transform.std) = (vec![0.0; 3], vec![1.0 / 255.0; 3]);
            let same = |pixels: &[f32], expected: &Value| {
                let bytes: Vec<u8> = pixels.iter().map(|value| value.round() as u8).collect();
                let mut crc = flate2::Crc::new();
                crc.update(&bytes);
                assert_eq!(crc.sum(), expected["crc32"].as_u64().unwrap() as u32, "{short} {size}");
            };
            let pipeline = Pipeline::eval(&config, None);
            let mut out = vec![0.0; pipeline.len()];
            apply_center(&pipeline, &picture, &mut out);
            same(&out, &case["center"]);

            let pipeline = pipeline.with_views(TestTimeAugment::Ten);
            let views = pipeline.view_sizes(picture.view()).unwrap();
            let mut out = vec![0.0; 10 * pipeline.len()];
            pipeline.apply_views(picture.view(), &views, &mut out);
            for (view, expected) in out.chunks(pipeline.len()).zip(case["ten"].as_array().unwrap())
            {
                same(view, expected);
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
        let image = numbered(12, 8);
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
        let expected = region_of_resized(image.view(), (24, 16), whole, <[u8]>::to_vec);
        assert_eq!(bytes[192..576], expected);
    }

    #[test]
    fn random_resized_crop_fills_the_output() {
        let flat = Image::new(50, 20, 1, vec![77; 1000]).unwrap();
        let pipeline = Pipeline::train(&gray_config(8, json!({ "crop": "random-resized" })), None);
        for index in 0..50 {
            assert_eq!(applied(&pipeline, &flat, index), [77; 64]);
        }
    }
}
