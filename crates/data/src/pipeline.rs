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
            Crop::None(_) => self.crop_resized(image, 0, |free, _| centre(free), rng, out),
            Crop::Pad(pad) => {
                let padding = i64::from(pad.padding);
                let any = |free: i64, rng: &mut SampleRng| i64::from(rng.below(free as u32 + 1));
                self.crop_resized(image, padding, any, rng, out);
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
        }
    }

    /// Resizes the short side, adds `padding` black pixels on each side, and crops where `place`
    /// says, which is given the pixels to choose from along a side.
    fn crop_resized(
        &self,
        image: &Image,
        padding: i64,
        place: impl Fn(i64, &mut SampleRng) -> i64,
        rng: &mut SampleRng,
        out: &mut [f32],
    ) {
        let (width, height) = short_side_to(self.short_side, image.width, image.height);
        let free = |side: u32| i64::from(side) + 2 * padding - i64::from(self.size);
        let top = place(free(height), rng) - padding;
        let left = place(free(width), rng) - padding;
        let window = Window { left, top, flip: self.coin(rng) };
        if (width, height) == (image.width, image.height) {
            return self.write(&image.pixels, width, height, window, out);
        }
        // Of the resized image only the part under the window is wanted; it is never empty, for
        // the padding is at most the window's side... and a window that sees only padding needs
        // no pixels at all.
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
