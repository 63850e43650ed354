//! Transform pipeline of a run: crop, flip, policy, normalization, color, erasing, in the order of
//! torchvision's reference training script.

use std::sync::Arc;

use residual_spec::{Color, Crop, Erase, Mix, Policy, ResolvedConfig, TestTimeAugment};

use super::augment_ops::AugmentImage;
use super::crop::{CropGeometry, CropPlan, CropSampler, clip_window};
use super::mixup::MixedLabels;
use super::normalize::{CropWindow, Normalize};
use super::resize::{crop_then_resize, resize_then_crop, resized_size};
use super::test_time_augment::{flip_windows, multi_scale_region, ten_crop_windows};
use super::{PixelMean, color, mixup, policy, random_erasing};
use crate::{DecodeRequest, ImageSize, ImageView, SampleRng};

/// Pipeline that only crops, flips and normalizes images of the network's input size, and therefore
/// can run on the device.
#[derive(Debug, Clone, PartialEq)]
pub struct CropNormalize {
    /// Width of the black padding around an image, in pixels.
    pub padding: u32,
    /// Normalized values of all bytes: 256 for each channel, one channel after another.
    pub values: Vec<f32>,
    /// Mean image, `[size, size, channels]`, to be subtracted from the normalized pixels, but not
    /// from the padding.
    pub mean: Option<Vec<f32>>,
}

/// Transforms from decoded images to the network's input. Training augments at random; evaluation
/// resizes the short side and takes the center crop.
#[derive(Clone)]
pub struct Pipeline {
    crop: CropSampler,
    /// Minimum short side of a JPEG that is decoded at a smaller scale; 0 always decodes at full
    /// size.
    min_decoded_side: u32,
    policy: Policy,
    normalize: Normalize,
    std: Vec<f64>,
    /// Mean image divided by `std`.
    pixel_mean: Option<PixelMean>,
    color: Color,
    erase: Erase,
    mix: Mix,
    views: TestTimeAugment,
}

impl Pipeline {
    /// Creates the training pipeline that `config.transform` configures. `pixel_mean` is the mean
    /// image to subtract.
    ///
    /// # Panics
    /// If `transform.pixelMean` is set without a `pixel_mean`, or the reverse.
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

    /// Creates the evaluation pipeline: `Resize(evalResize)` and `CenterCrop(imageSize)`, without
    /// random numbers.
    ///
    /// # Panics
    /// As [`train`](Self::train).
    pub fn eval(config: &ResolvedConfig, pixel_mean: Option<&Arc<PixelMean>>) -> Self {
        let transform = &config.transform;
        assert_eq!(
            transform.pixel_mean,
            pixel_mean.is_some(),
            "a mean image is required if and only if `transform.pixelMean` is set"
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

    /// Returns this evaluation pipeline with several views of each image (test-time augmentation).
    pub fn with_views(&self, views: TestTimeAugment) -> Self {
        Pipeline { views, ..self.clone() }
    }

    /// Returns whether each image has several views.
    pub fn has_multiple_views(&self) -> bool {
        self.views != TestTimeAugment::Center
    }

    /// Returns the height and width of the network's input.
    pub fn size(&self) -> usize {
        self.crop.size as usize
    }

    /// Returns the number of channels of the images and of the network's input.
    pub fn channels(&self) -> usize {
        self.normalize.channels()
    }

    /// Returns the number of values of one input: `size * size * channels`.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.size() * self.size() * self.channels()
    }

    /// Returns this pipeline as a [`CropNormalize`] for images of the network's input size; `None`
    /// if the pipeline resizes, changes colors, erases, mixes, or produces several views.
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
            values: self.normalize.lookup_table(),
            mean: self.pixel_mean.as_ref().map(|mean| mean.values().to_vec()),
        })
    }

    /// Draws the window of [`plan`](Self::plan) for an image of the network's input size. Requires
    /// a pipeline that is a [`CropNormalize`].
    pub fn crop_window(&self, rng: &mut SampleRng) -> CropWindow {
        match self.crop.draw([self.crop.size; 2], rng) {
            CropGeometry::WindowOfResized(_, window) => window,
            CropGeometry::Region(region, flip) => {
                CropWindow { left: region.left.into(), top: region.top.into(), flip }
            }
        }
    }

    /// Draws the crop of an image and determines the region and scale to decode.
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

    /// Returns the request for the whole image at the smallest scale that this pipeline can use.
    /// Images with several views are decoded at full size.
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
    /// If the image does not have the pipeline's channels or the planned size, or `out` is too
    /// short.
    pub fn apply(&self, image: ImageView, plan: CropPlan, out: &mut [f32]) {
        assert_eq!(image.channels as usize, self.channels(), "the number of channels differs");
        assert!(plan.fits(image), "the image does not have the planned size");
        let CropPlan { geometry, mut rng, .. } = plan;
        let out = &mut out[..self.len()];
        self.crop_and_normalize(image, geometry, &mut rng, out);
        color::apply(&self.color, &self.std, &mut rng, out);
        random_erasing::apply(&self.erase, self.crop.size, &mut rng, out);
    }

    /// Returns height and width of each view of an image, or `None` for the single center view of
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
                    let (width, height) = resized_size(scale, region.width, region.height);
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
    /// If the image does not have the pipeline's channels, or `out` is shorter than the views.
    pub fn apply_views(&self, image: ImageView, sizes: &[[u32; 2]], out: &mut [f32]) {
        assert_eq!(image.channels as usize, self.channels(), "the number of channels differs");
        let mut rest = out;
        let mut next_view = |[height, width]: [u32; 2]| {
            let length = (height * width) as usize * self.channels();
            let (view, remaining) = std::mem::take(&mut rest).split_at_mut(length);
            rest = remaining;
            view
        };
        let resized = resized_size(self.crop.short_side, image.width, image.height);
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
            self.write_resized_window(image, resized, window, &mut rng, next_view(size));
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
                |pixels: &[u8], source_sides: [usize; 2], [left, top]: [u32; 2]| {
                    for flip in [false, true] {
                        let window = CropWindow { left: left.into(), top: top.into(), flip };
                        self.normalize.write(pixels, source_sides, sides, window, next_view(size));
                    }
                };
            if (region.width, region.height) == (width, height) {
                let source_sides = [image.height as usize, image.width as usize];
                write_with_mirror(image.pixels, source_sides, [region.left, region.top]);
            } else {
                crop_then_resize(image, region, (width, height), |pixels| {
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

    /// Applies crop, flip, policy and normalization.
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
                self.write_resized_window(image, sides, window, rng, out);
            }
            CropGeometry::Region(region, flip) => {
                let window = CropWindow { left: 0, top: 0, flip };
                if (region.width, region.height) == (size, size) {
                    let (left, top) = (region.left.into(), region.top.into());
                    let source_window = CropWindow { left, top, ..window };
                    let sides = (image.width, image.height);
                    return self.write(image.pixels, sides, source_window, window, rng, out);
                }
                crop_then_resize(image, region, (size, size), |resized| {
                    self.write(resized, (size, size), window, window, rng, out);
                });
            }
        }
    }

    /// Writes a window of the image resized to `(width, height)`, with policy and normalization.
    fn write_resized_window(
        &self,
        image: ImageView,
        (width, height): (u32, u32),
        window: CropWindow,
        rng: &mut SampleRng,
        out: &mut [f32],
    ) {
        // The mean image has the network's input size. It is aligned with the resized image if that
        // has the same size, and with the output otherwise.
        let mean_window = if (width, height) == (self.crop.size, self.crop.size) {
            window
        } else {
            CropWindow { left: 0, top: 0, ..window }
        };
        if (width, height) == (image.width, image.height) {
            return self.write(image.pixels, (width, height), window, mean_window, rng, out);
        }
        // Compute only the part of the resized image inside the window.
        let region = clip_window(window, self.crop.size, (width, height));
        let left = window.left - i64::from(region.left);
        let top = window.top - i64::from(region.top);
        resize_then_crop(image, (width, height), region, |resized| {
            let sides = (region.width, region.height);
            self.write(resized, sides, CropWindow { left, top, ..window }, mean_window, rng, out);
        });
    }

    /// Crops the window of an image of `(width, height)`, applies the policy, normalizes, and
    /// subtracts the mean image at `mean_window`.
    fn write(
        &self,
        pixels: &[u8],
        (width, height): (u32, u32),
        window: CropWindow,
        mean_window: CropWindow,
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
            pixel_mean.subtract(mean_window, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{apply, gray_config, numbered_image};
    use crate::{Image, Region};

    #[test]
    fn evaluation_does_not_change_an_image_of_the_input_size() {
        let image = numbered_image(8, 8);
        let pipeline = Pipeline::eval(&gray_config(8, json!({})), None);
        assert_eq!(apply(&pipeline, &image, 0), image.pixels);
    }

    #[test]
    fn evaluation_resizes_the_short_side_and_center_crops() {
        let image = numbered_image(13, 8);
        let pipeline = Pipeline::eval(&gray_config(8, json!({})), None);
        // Five excess columns: 2.5 rounds to 2.
        let expected: Vec<u8> =
            image.pixels.chunks(13).flat_map(|row| &row[2..10]).copied().collect();
        assert_eq!(apply(&pipeline, &image, 0), expected);

        let flat = Image::new(31, 17, 1, vec![9; 31 * 17]).unwrap();
        assert_eq!(apply(&pipeline, &flat, 0), [9; 64]);
    }

    #[test]
    fn decodes_jpegs_at_the_smallest_scale_with_a_sufficient_short_side() {
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
        let mut partial = 0;
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
                    let image = numbered_image(width, height);
                    let rng = SampleRng::new(0, 0, index);
                    let requested = pipeline.plan(image.view().size(), rng).request.region;
                    let mut modified = image.clone();
                    for (i, pixel) in (0..).zip(&mut modified.pixels) {
                        let [x, y] = [i % width, i / width];
                        let columns = requested.left..requested.left + requested.width;
                        let rows = requested.top..requested.top + requested.height;
                        if !columns.contains(&x) || !rows.contains(&y) {
                            *pixel = !*pixel;
                        }
                    }
                    partial += u32::from(modified != image);
                    let found = apply(&pipeline, &modified, index);
                    assert_eq!(found, apply(&pipeline, &image, index), "{width}x{height}");
                }
            }
        }
        assert!(partial > 150, "{partial}");
    }

    #[test]
    fn crop_window_matches_plan_and_apply() {
        let image = numbered_image(8, 8);
        for crop in [json!({ "type": "pad", "padding": 3 }), json!("none")] {
            let config = gray_config(8, json!({ "crop": crop, "flip": true }));
            for pipeline in [Pipeline::train(&config, None), Pipeline::eval(&config, None)] {
                assert!(pipeline.as_crop_normalize().is_some());
                for index in 0..100 {
                    let window = pipeline.crop_window(&mut SampleRng::new(0, 0, index));
                    let cropped = window.crop(&image.pixels, [8, 8], 8, 1);
                    assert_eq!(apply(&pipeline, &image, index), cropped, "{window:?}");
                }
            }
        }
    }

    #[test]
    fn pipelines_with_other_transforms_are_not_crop_normalize() {
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
}
