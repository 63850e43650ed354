//! Data sets of small images in memory as 8-bit values, such as MNIST and CIFAR-10.

use std::sync::Arc;

use residual_spec::Result;

use super::source::{OpenedImage, Source};
use super::split::Split;
use crate::ImageView;

/// Maximum size of a data set in memory, in bytes. Larger data sets are read from an image folder.
pub(crate) const MAX_BYTES: u64 = 4 << 30;

/// Images of one size in memory.
pub struct MemorySource {
    split: Split,
    width: u32,
    height: u32,
    channels: u32,
    /// `len * height * width * channels` bytes, channels innermost.
    pixels: Arc<Vec<u8>>,
    labels: Arc<Vec<u32>>,
}

impl MemorySource {
    /// Creates a source. `shape` is height, width, channels.
    ///
    /// # Panics
    /// If the number of bytes does not match `shape` and the number of labels.
    pub(crate) fn new(split: Split, shape: [u32; 3], pixels: Vec<u8>, labels: Vec<u32>) -> Self {
        MemorySource::shared(split, shape, pixels.into(), labels.into())
    }

    /// Creates a source of shared arrays; see [`new`](Self::new).
    pub(crate) fn shared(
        split: Split,
        shape: [u32; 3],
        pixels: Arc<Vec<u8>>,
        labels: Arc<Vec<u32>>,
    ) -> Self {
        let [height, width, channels] = shape;
        let source = MemorySource { split, width, height, channels, pixels, labels };
        assert_eq!(source.pixels.len(), source.labels.len() * source.image_bytes());
        source
    }

    fn image_bytes(&self) -> usize {
        self.height as usize * self.width as usize * self.channels as usize
    }

    /// Returns height, width and channels of an image.
    pub(crate) fn shape(&self) -> [u32; 3] {
        [self.height, self.width, self.channels]
    }

    pub(crate) fn labels(&self) -> &[u32] {
        &self.labels
    }

    pub(crate) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Returns mean and standard deviation of each channel, for values in 0..1. They are exact,
    /// because they are computed from histograms.
    pub(crate) fn mean_and_std(&self) -> (Vec<f64>, Vec<f64>) {
        let channels = self.channels as usize;
        let mut counts = vec![[0u64; 256]; channels];
        for pixel in self.pixels.chunks_exact(channels) {
            for (count, &value) in counts.iter_mut().zip(pixel) {
                count[value as usize] += 1;
            }
        }
        let moments = |count: &[u64; 256]| {
            let moment = |power: u32| -> u128 {
                (0u128..).zip(count).map(|(value, &n)| value.pow(power) * u128::from(n)).sum()
            };
            let n = moment(0) as f64;
            let mean = moment(1) as f64 / n;
            // n^2 times the variance, in integers: no cancellation.
            let scaled_variance = moment(0) * moment(2) - moment(1) * moment(1);
            (mean / 255.0, (scaled_variance as f64).sqrt() / n / 255.0)
        };
        counts.iter().map(moments).unzip()
    }
}

impl Source for MemorySource {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.labels[i]
    }

    fn name(&self, i: usize) -> String {
        format!("{}/{i}", self.split.as_str())
    }

    fn open<'a>(&'a self, i: usize, channels: u32, _: &'a mut Vec<u8>) -> Result<OpenedImage<'a>> {
        let bytes = self.image_bytes();
        let pixels = &self.pixels[i * bytes..][..bytes];
        let &MemorySource { width, height, channels: source_channels, .. } = self;
        let image = ImageView { width, height, channels: source_channels, pixels };
        Ok(OpenedImage::from_pixels(image, channels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Image;

    #[test]
    fn mean_and_deviation_are_computed_for_each_channel() {
        let pixels = vec![0, 10, 255, 255, 10, 255, 0, 10, 255, 255, 10, 255];
        let source = MemorySource::new(Split::Train, [1, 2, 3], pixels, vec![0, 1]);
        let (mean, std) = source.mean_and_std();
        assert_eq!(mean, [0.5, 10.0 / 255.0, 1.0]);
        assert_eq!(std, [0.5, 0.0, 0.0]);
    }

    #[test]
    fn reads_images_with_the_requested_channels() {
        let source = MemorySource::new(Split::Test, [1, 2, 1], vec![1, 2, 3, 4], vec![5, 6]);
        let mut image = Image::default();
        source.read_into(1, 3, &mut image).unwrap();
        assert_eq!(image.pixels, [3, 3, 3, 4, 4, 4]);
        source.read_into(0, 1, &mut image).unwrap();
        assert_eq!(image, Image::new(2, 1, 1, vec![1, 2]).unwrap());
        assert_eq!((source.label(1), source.name(1)), (6, "test/1".to_string()));
    }
}
