//! What happens to a decoded image: crop, flip, normalise (torchvision's transforms, by name).

use residual_spec::{Crop, RandomResizedCrop, ResolvedConfig};

use crate::normalize::{Normalize, Window};
use crate::resize::{region_of_resized, resize_region, short_side_to, Region};
use crate::{Image, SampleRng};

/// Turns decoded images into the network's input. Training draws crop and flip at random;
/// evaluation resizes the short side and takes the centre.
pub struct Pipeline {
    size: u32,
    /// The short side is resized to this before a crop of the network's size.
    short_side: u32,
    crop: Crop,
    flip: bool,
    normalize: Normalize,
}

impl Pipeline {
    /// Augmentation as `transform` says.
    pub fn train(config: &ResolvedConfig) -> Self {
        let (crop, flip) = (config.transform.crop.clone(), config.transform.flip);
        Pipeline { crop, flip, ..Pipeline::eval(config) }
    }

    /// `Resize(evalResize)` and `CenterCrop(imageSize)`; nothing at random.
    pub fn eval(config: &ResolvedConfig) -> Self {
        let normalize = Normalize::new(&config.transform.mean, &config.transform.std);
        Pipeline {
            size: config.data.image_size,
            short_side: config.transform.eval_resize,
            crop: Crop::None(residual_spec::NoCrop {}),
            flip: false,
            normalize,
        }
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

    /// Writes the image as `[size, size, channels]` normalised f32 into the first
    /// [`len`](Self::len) places of `out`. The image must have the pipeline's channels.
    ///
    /// # Panics
    /// If the image has other channels, or `out` is too short.
    pub fn apply(&self, image: &Image, rng: &mut SampleRng, out: &mut [f32]) {
        assert_eq!(image.channels as usize, self.channels(), "the image has other channels");
        let size = self.size;
        match &self.crop {
            Crop::None(_) => {
                self.crop_resized(image, self.short_side, 0, |free, _| centre(free), rng, out);
            }
            Crop::Pad(pad) => {
                let padding = i64::from(pad.padding);
                self.crop_resized(image, self.short_side, padding, anywhere, rng, out);
            }
            Crop::RandomResized(crop) => {
                let region = random_region(crop, image.width, image.height, rng);
                let window = Window { left: 0, top: 0, flip: self.coin(rng) };
                if (region.width, region.height) == (size, size) {
                    let window =
                        Window { left: region.left.into(), top: region.top.into(), ..window };
                    return self.write(&image.pixels, image.width, image.height, window, out);
                }
                let resized = resize_region(image, region, size);
                self.write(&resized, size, size, window, out);
            }
            Crop::RandomShortSide(crop) => {
                let short_side = crop.min + rng.below(crop.max - crop.min + 1);
                self.crop_resized(image, short_side, 0, anywhere, rng, out);
            }
        }
    }

    /// Resizes the short side to `short_side`, adds `padding` black pixels on each side, and crops where `place`
    /// says, which is given the pixels to choose from along a side.
    fn crop_resized(
        &self,
        image: &Image,
        short_side: u32,
        padding: i64,
        place: impl Fn(i64, &mut SampleRng) -> i64,
        rng: &mut SampleRng,
        out: &mut [f32],
    ) {
        let (width, height) = short_side_to(short_side, image.width, image.height);
        let free = |side: u32| i64::from(side) + 2 * padding - i64::from(self.size);
        let top = place(free(height), rng) - padding;
        let left = place(free(width), rng) - padding;
        let window = Window { left, top, flip: self.coin(rng) };
        if (width, height) == (image.width, image.height) {
            return self.write(&image.pixels, width, height, window, out);
        }
        // Of the resized image only the part under the window is computed.
        let (x, wide) = overlap(left, self.size, width);
        let (y, high) = overlap(top, self.size, height);
        let region = Region { left: x, top: y, width: wide, height: high };
        let resized = match wide > 0 && high > 0 {
            true => region_of_resized(image, (width, height), region),
            false => Vec::new(),
        };
        let window = Window { left: left - i64::from(x), top: top - i64::from(y), ..window };
        self.write(&resized, wide, high, window, out);
    }

    fn coin(&self, rng: &mut SampleRng) -> bool {
        self.flip && rng.coin()
    }

    fn write(&self, pixels: &[u8], width: u32, height: u32, window: Window, out: &mut [f32]) {
        let size = [height as usize, width as usize];
        self.normalize.write(pixels, size, self.size(), window, &mut out[..self.len()]);
    }
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

/// Half of what is left over, a half pixel rounded to even as Python's `round` does in
/// torchvision's `CenterCrop`.
fn centre(free: i64) -> i64 {
    (free as f64 / 2.0).round_ties_even() as i64
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
    use residual_spec::{resolve, DataFacts, DataFormat, MachineFacts, TrainConfig};
    use serde_json::{json, Value};

    use super::*;

    /// Grey images of `size`, neither scaled nor shifted, with this `transform`.
    pub(crate) fn grey(size: u32, transform: Value) -> ResolvedConfig {
        let facts = DataFacts {
            source: "test".into(),
            format: DataFormat::Idx,
            classes: vec!["ant".into(), "bee".into()],
            channels: 1,
            image_size: Some([size, size]),
            train: 100,
            val: 0,
            test: 0,
            mean: Some(vec![0.0]),
            std: Some(vec![1.0 / 255.0]),
            mirrored_is_natural: false,
            fingerprint: String::new(),
        };
        let machine = MachineFacts { cores: 1, bf16: false, cuda: false };
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
        let pipeline = Pipeline::eval(&grey(8, json!({})));
        assert_eq!(applied(&pipeline, &image, 0), image.pixels);
    }

    #[test]
    fn evaluation_resizes_the_short_side_and_takes_the_centre() {
        let image = numbered(13, 8);
        let pipeline = Pipeline::eval(&grey(8, json!({})));
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
        let pipeline = Pipeline::train(&grey(8, crop));
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
        let train = Pipeline::train(&config);
        let count = (0..1000).filter(|&i| applied(&train, &image, i) == mirrored).count();
        assert!((440..560).contains(&count), "{count}");
        let eval = Pipeline::eval(&config);
        assert!((0..20).all(|i| applied(&eval, &image, i) == image.pixels));
    }

    #[test]
    fn a_padded_crop_of_a_larger_image_is_taken_after_resizing() {
        let flat = Image::new(40, 30, 1, vec![200; 1200]).unwrap();
        let crop = json!({ "crop": { "type": "pad", "padding": 8 } });
        let pipeline = Pipeline::train(&grey(8, crop));
        for index in 0..200 {
            let out = applied(&pipeline, &flat, index);
            // Image and padding, nothing between and nothing of an edge blurred in.
            assert!(out.iter().all(|&value| value == 0 || value == 200), "{out:?}");
        }
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
    fn a_random_resized_crop_fills_the_output() {
        let flat = Image::new(50, 20, 1, vec![77; 1000]).unwrap();
        let pipeline = Pipeline::train(&grey(8, json!({ "crop": "random-resized" })));
        for index in 0..50 {
            assert_eq!(applied(&pipeline, &flat, index), [77; 64]);
        }
    }
}
