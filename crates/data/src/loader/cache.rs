//! Decoded images in memory from one epoch to the next, within a memory budget.
//!
//! Images enter the cache in the order in which they are read, and none is evicted: every epoch
//! reads every image once in a new order, so all are worth the same. Batches have the same bytes
//! with and without the cache. An image that does not fit is decoded each time, and only the part
//! that is needed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use residual_spec::Result;

use crate::{Dataset, DecodeRequest, Image, ImageSize, ImageView, OpenedImage, Source, Split};

/// Bytes that the images of all splits may occupy together.
pub(crate) struct MemoryBudget {
    left: AtomicU64,
}

impl MemoryBudget {
    pub fn new(bytes: u64) -> Arc<MemoryBudget> {
        Arc::new(MemoryBudget { left: AtomicU64::new(bytes) })
    }

    /// Takes `bytes` from the budget. Returns false, and takes nothing, if fewer are left.
    fn take(&self, bytes: u64) -> bool {
        let subtract = |left: u64| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A source that keeps decoded images while the budget lasts.
pub(crate) struct DecodedCache {
    source: Arc<dyn Source>,
    budget: Arc<MemoryBudget>,
    images: Vec<OnceLock<Box<Image>>>,
}

impl DecodedCache {
    /// Wraps a source; returns the source itself if the budget has no room for the list of images.
    pub fn wrap(source: Arc<dyn Source>, budget: &Arc<MemoryBudget>) -> Arc<dyn Source> {
        let slot = size_of::<OnceLock<Box<Image>>>();
        if !budget.take((source.len() * slot) as u64) {
            return source;
        }
        let images = (0..source.len()).map(|_| OnceLock::new()).collect();
        Arc::new(DecodedCache { source, budget: budget.clone(), images })
    }
}

/// The memory of a decoded image in bytes.
fn image_bytes(size: ImageSize, channels: u32) -> u64 {
    let pixels = u64::from(size.width) * u64::from(size.height);
    size_of::<Image>() as u64 + pixels * u64::from(channels)
}

impl Source for DecodedCache {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.source.label(i)
    }

    fn name(&self, i: usize) -> String {
        self.source.name(i)
    }

    fn open<'a>(
        &'a self,
        i: usize,
        channels: u32,
        buffer: &'a mut Vec<u8>,
    ) -> Result<OpenedImage<'a>> {
        match self.images[i].get() {
            Some(cached) if cached.channels == channels => {
                Ok(OpenedImage::from_pixels(cached.view(), channels))
            }
            _ => self.source.open(i, channels, buffer),
        }
    }

    fn decode<'a>(
        &'a self,
        i: usize,
        opened: OpenedImage<'a>,
        request: DecodeRequest,
        buffer: &'a mut Image,
    ) -> Result<ImageView<'a>> {
        let slot = &self.images[i];
        if slot.get().is_some() && opened.is_decoded() {
            return opened.decode(request, buffer);
        }
        let channels = opened.channels();
        let whole = DecodeRequest::whole_at_scale(request.scale, opened.size());
        let size = ImageSize::unscalable(whole.region.width, whole.region.height);
        let expected = image_bytes(size, channels);
        // Two threads that read the same image at once may both take memory for it; one stores it.
        if slot.get().is_some() || !self.budget.take(expected) {
            return self.source.decode(i, opened, request, buffer);
        }
        let image = self.source.decode(i, opened, whole, buffer);
        let Ok(image) = image else {
            self.budget.give_back(expected);
            return image;
        };
        // An image that could not be scaled is larger than expected.
        let missing = image_bytes(image.size(), channels).saturating_sub(expected);
        if self.budget.take(missing) {
            drop(slot.set(Box::new(image.into())));
        } else {
            self.budget.give_back(expected);
        }
        Ok(image)
    }
}

impl Dataset {
    /// Keeps decoded images of the training and validation splits in memory from now on, up to
    /// `bytes`, because every epoch reads them again. Has no effect on data sets that are in memory
    /// already.
    pub fn cache_decoded(&mut self, bytes: u64) {
        if bytes == 0 || self.facts().decoded_bytes.is_none() {
            return;
        }
        let budget = MemoryBudget::new(bytes);
        for split in [Split::Train, Split::Val] {
            self.set_source(split, DecodedCache::wrap(self.source(split), &budget));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use residual_spec::{Error, ErrorCode};
    use serde_json::json;

    use super::*;
    use crate::decode::jpeg::synthetic::{SyntheticJpeg, encode_synthetic};
    use crate::sources::{DiskSource, ImageLocation};
    use crate::transforms::tests::gray_config;
    use crate::{
        Loader, LoaderOptions, Pipeline, ReadBuffers, Region, SampleOrder, SampleRng, Subset,
    };

    /// Images of 10x10 that count how often they are opened; number 3 is damaged.
    #[derive(Default)]
    struct Counting {
        reads: AtomicUsize,
    }

    impl Source for Counting {
        fn len(&self) -> usize {
            20
        }

        fn label(&self, i: usize) -> u32 {
            i as u32 % 2
        }

        fn name(&self, i: usize) -> String {
            i.to_string()
        }

        fn open<'a>(
            &'a self,
            i: usize,
            channels: u32,
            buffer: &'a mut Vec<u8>,
        ) -> Result<OpenedImage<'a>> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            if i == 3 {
                return Err(Error::new(ErrorCode::Image, "the image is damaged"));
            }
            *buffer = vec![i as u8; 100 * channels as usize];
            let image = ImageView { width: 10, height: 10, channels, pixels: buffer };
            Ok(OpenedImage::from_pixels(image, channels))
        }
    }

    const LIST: u64 = 20 * size_of::<OnceLock<Box<Image>>>() as u64;
    const IMAGE: u64 = size_of::<Image>() as u64 + 100;

    /// Reads all images twice and returns how many reads reached the source.
    fn reads_of_two_epochs(budget: u64) -> usize {
        let source = Arc::new(Counting::default());
        let budget = MemoryBudget::new(budget);
        let cache = DecodedCache::wrap(source.clone(), &budget);
        let mut buffers = ReadBuffers::default();
        for i in (0..20).chain((0..20).rev()) {
            match cache.read(i, 1, &mut buffers) {
                Ok(image) => assert_eq!(image.pixels, [i as u8; 100]),
                Err(_) => assert_eq!(i, 3),
            }
            assert_eq!((cache.label(i), cache.name(i)), (i as u32 % 2, i.to_string()));
        }
        source.reads.load(Ordering::Relaxed)
    }

    #[test]
    fn images_within_the_budget_are_decoded_once() {
        assert_eq!(reads_of_two_epochs(0), 40);
        assert_eq!(reads_of_two_epochs(LIST - 1), 40);
        assert_eq!(reads_of_two_epochs(LIST + 5 * IMAGE), 35);
        assert_eq!(reads_of_two_epochs(LIST + 6 * IMAGE - 1), 35);
        // A damaged image is never cached.
        assert_eq!(reads_of_two_epochs(u64::MAX), 21);
    }

    /// 20 images of 40x8 that a function decodes.
    struct Decoding(fn(usize, DecodeRequest) -> Result<Image>);

    impl Source for Decoding {
        fn len(&self) -> usize {
            20
        }

        fn label(&self, _: usize) -> u32 {
            0
        }

        fn name(&self, i: usize) -> String {
            i.to_string()
        }

        fn open<'a>(
            &'a self,
            _: usize,
            channels: u32,
            _: &'a mut Vec<u8>,
        ) -> Result<OpenedImage<'a>> {
            let image = ImageView { width: 40, height: 8, channels, pixels: &[] };
            Ok(OpenedImage::from_pixels(image, channels).with_max_scale(8))
        }

        fn decode<'a>(
            &'a self,
            i: usize,
            _: OpenedImage<'a>,
            request: DecodeRequest,
            buffer: &'a mut Image,
        ) -> Result<ImageView<'a>> {
            *buffer = self.0(i, request)?;
            Ok(buffer.view())
        }
    }

    /// Opens image `i` and decodes it with `request`.
    fn read<'a>(
        source: &'a dyn Source,
        i: usize,
        request: DecodeRequest,
        buffers: &'a mut ReadBuffers,
    ) -> Result<ImageView<'a>> {
        let opened = source.open(i, 1, &mut buffers.bytes)?;
        source.decode(i, opened, request, &mut buffers.image)
    }

    /// Decodes the requested columns and fills the others with 255; number 3 is damaged.
    fn decode_columns(i: usize, request: DecodeRequest) -> Result<Image> {
        if i == 3 {
            return Err(Error::new(ErrorCode::Image, "the image is damaged"));
        }
        let pixel = |at: u32| if at % 40 < request.region.width { i as u8 } else { 255 };
        Ok(Image::new(40, 8, 1, (0..320).map(pixel).collect()).unwrap())
    }

    /// Ignores the scale.
    fn decode_unscaled(i: usize, request: DecodeRequest) -> Result<Image> {
        assert_eq!(request.scale, 2);
        Ok(Image::new(40, 8, 1, vec![i as u8; 320]).unwrap())
    }

    #[test]
    fn cached_images_are_whole_and_others_decoded_in_part() {
        let image = size_of::<Image>() as u64 + 320;
        let source = Arc::new(Decoding(decode_columns));
        let cache = DecodedCache::wrap(source, &MemoryBudget::new(LIST + 5 * image));
        let region = Region { left: 0, top: 0, width: 10, height: 8 };
        let left = DecodeRequest { scale: 1, region };
        let mut buffers = ReadBuffers::default();
        for epoch in 0..2 {
            for i in 0..20 {
                let Ok(found) = read(cache.as_ref(), i, left, &mut buffers) else {
                    assert_eq!(i, 3);
                    continue;
                };
                // The damaged image gives its memory back.
                let pixels = if i < 6 { [i as u8; 2] } else { [i as u8, 255] };
                assert_eq!([found.pixels[9], found.pixels[10]], pixels, "{i} {epoch}");
            }
        }
    }

    #[test]
    fn an_image_that_could_not_be_scaled_takes_its_actual_memory() {
        let image = size_of::<Image>() as u64 + 320;
        let budget = MemoryBudget::new(LIST + 5 * image + image / 2);
        let cache = DecodedCache::wrap(Arc::new(Decoding(decode_unscaled)), &budget);
        let halved = DecodeRequest::whole_at_scale(2, ImageSize::unscalable(40, 8));
        for i in 0..20 {
            let mut buffers = ReadBuffers::default();
            let found = read(cache.as_ref(), i, halved, &mut buffers).unwrap();
            assert_eq!(found.pixels.len(), 320);
        }
        assert_eq!(budget.left.load(Ordering::Relaxed), image / 2);
    }

    #[test]
    fn batches_do_not_depend_on_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = SampleRng::new(9, 0, 0);
        let mut bytes = 0;
        let locations = (0..30).map(|i| {
            let mut kind =
                SyntheticJpeg { sampling: vec![[1, 1]], ..SyntheticJpeg::random(&mut rng) };
            if i % 3 == 0 {
                kind.height += 150; // some are scaled
            }
            bytes += u64::from(kind.width * kind.height) + size_of::<Image>() as u64;
            let file = folder.path().join(format!("{i}.jpg"));
            std::fs::write(&file, encode_synthetic(&kind, &mut rng).0).unwrap();
            ImageLocation::File(file.into())
        });
        let source = DiskSource { locations: locations.collect(), labels: vec![0; 30] };
        let source: Arc<dyn Source> = Arc::new(source);
        let crop = json!({ "crop": { "type": "random-resized" }, "flip": true });
        let pipeline = Arc::new(Pipeline::train(&gray_config(16, crop), None));
        let mut epochs = Vec::new();
        for budget in [0, bytes / 2, 2 * bytes] {
            let subset =
                Subset::full(DecodedCache::wrap(source.clone(), &MemoryBudget::new(budget)));
            for epoch in 0..2 {
                let options = LoaderOptions {
                    batch_size: 8,
                    workers: 2,
                    order: SampleOrder::Shuffled { seed: 1, epoch },
                    skip_batches: 0,
                    drop_single: false,
                    crops_only: false,
                };
                let mut loader = Loader::new(&subset, pipeline.clone(), options);
                let mut batches = Vec::new();
                while let Some(loaded) = loader.next().unwrap() {
                    assert!(loaded.failed.is_empty(), "{:?}", loaded.failed);
                    batches.push(loaded.batch);
                }
                epochs.push(batches);
            }
        }
        let (first, others) = epochs.split_at(2);
        assert!(others.chunks(2).all(|epochs| epochs == first));
        assert!(first[0] != first[1]);
    }

    #[test]
    fn other_channels_bypass_the_cache() {
        let source = Arc::new(Counting::default());
        let cache = DecodedCache::wrap(source.clone(), &MemoryBudget::new(u64::MAX));
        let mut buffers = ReadBuffers::default();
        for (channels, length) in [(1, 100), (3, 300), (1, 100)] {
            assert_eq!(cache.read(7, channels, &mut buffers).unwrap().pixels.len(), length);
        }
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn splits_share_one_budget() {
        let budget = MemoryBudget::new(2 * LIST + 3 * IMAGE);
        let parts = [Counting::default(), Counting::default()].map(Arc::new);
        let cache = [0, 1].map(|i| DecodedCache::wrap(parts[i].clone(), &budget));
        let mut buffers = ReadBuffers::default();
        for i in [0, 1].repeat(2) {
            for part in &cache {
                part.read(i, 1, &mut buffers).unwrap();
            }
        }
        let reads: usize = parts.iter().map(|part| part.reads.load(Ordering::Relaxed)).sum();
        assert_eq!(reads, 8 - 3);
    }
}
