//! Cache of decoded images across epochs, within a memory budget.
//!
//! Images are cached in the order in which they are first read and never evicted: every epoch reads
//! every image once in a new order, so evicting images would not raise the hit rate. Batches have
//! the same bytes with and without the cache. Images that do not fit into the budget are decoded in
//! every epoch, and only their crop region.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use residual_spec::Result;

use crate::{Dataset, DecodeRequest, Image, ImageSize, ImageView, OpenedImage, Source, Split};

/// Memory budget that the caches of all splits share.
pub(crate) struct MemoryBudget {
    /// Unreserved bytes.
    available: AtomicU64,
}

impl MemoryBudget {
    pub fn new(bytes: u64) -> Arc<MemoryBudget> {
        Arc::new(MemoryBudget { available: AtomicU64::new(bytes) })
    }

    /// Reserves `bytes`. Returns false and reserves nothing if fewer are available.
    fn try_reserve(&self, bytes: u64) -> bool {
        let subtract = |available: u64| available.checked_sub(bytes);
        self.available.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract).is_ok()
    }

    fn release(&self, bytes: u64) {
        self.available.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Source that caches the decoded images of another source while the budget lasts.
pub(crate) struct DecodedCache {
    source: Arc<dyn Source>,
    budget: Arc<MemoryBudget>,
    images: Vec<OnceLock<Box<Image>>>,
}

impl DecodedCache {
    /// Wraps a source. Returns the source itself if the budget cannot hold a slot for each image.
    pub fn wrap(source: Arc<dyn Source>, budget: &Arc<MemoryBudget>) -> Arc<dyn Source> {
        let slot = size_of::<OnceLock<Box<Image>>>();
        if !budget.try_reserve((source.len() * slot) as u64) {
            return source;
        }
        let images = (0..source.len()).map(|_| OnceLock::new()).collect();
        Arc::new(DecodedCache { source, budget: budget.clone(), images })
    }
}

/// Returns the memory of a decoded image in bytes.
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
        // Two threads that decode the same image concurrently both reserve memory; one stores it.
        if slot.get().is_some() || !self.budget.try_reserve(expected) {
            return self.source.decode(i, opened, request, buffer);
        }
        let image = self.source.decode(i, opened, whole, buffer);
        let Ok(image) = image else {
            self.budget.release(expected);
            return image;
        };
        // An image that could not be decoded at the requested scale is larger than expected.
        let missing = image_bytes(image.size(), channels).saturating_sub(expected);
        if !self.budget.try_reserve(missing) {
            self.budget.release(expected);
        } else if slot.set(Box::new(image.into())).is_err() {
            self.budget.release(expected + missing);
        }
        Ok(image)
    }
}

impl Dataset {
    /// Caches up to `bytes` of decoded images of the training and validation splits, which every
    /// epoch reads again. Has no effect on data sets in memory.
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
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;

    use residual_spec::{Error, ErrorCode};
    use serde_json::json;

    use super::*;
    use crate::decode::jpeg::synthetic::{SyntheticJpeg, encode_synthetic};
    use crate::sources::{DiskSource, ImageLocation};
    use crate::testing::gray_config;
    use crate::{
        BatchShare, Loader, LoaderOptions, Pipeline, ReadBuffers, Region, SampleOrder, SampleRng,
        Subset,
    };

    /// 20 images of 10x10 with a counter of the images opened; image 3 is damaged.
    #[derive(Default)]
    struct CountingSource {
        reads: AtomicUsize,
    }

    impl Source for CountingSource {
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

    const SLOTS: u64 = 20 * size_of::<OnceLock<Box<Image>>>() as u64;
    const IMAGE_BYTES: u64 = size_of::<Image>() as u64 + 100;

    /// Reads all images twice and returns the number of reads from the source.
    fn reads_of_two_epochs(budget: u64) -> usize {
        let source = Arc::new(CountingSource::default());
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
        assert_eq!(reads_of_two_epochs(SLOTS - 1), 40);
        assert_eq!(reads_of_two_epochs(SLOTS + 5 * IMAGE_BYTES), 35);
        assert_eq!(reads_of_two_epochs(SLOTS + 6 * IMAGE_BYTES - 1), 35);
        // A damaged image is never cached.
        assert_eq!(reads_of_two_epochs(u64::MAX), 21);
    }

    /// 20 images of 40x8, decoded by a function.
    struct DecodingSource(fn(usize, DecodeRequest) -> Result<Image>);

    impl Source for DecodingSource {
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

    /// Decodes the requested columns and fills the others with 255; image 3 is damaged.
    fn decode_columns(i: usize, request: DecodeRequest) -> Result<Image> {
        if i == 3 {
            return Err(Error::new(ErrorCode::Image, "the image is damaged"));
        }
        let pixel =
            |position: u32| if position % 40 < request.region.width { i as u8 } else { 255 };
        Ok(Image::new(40, 8, 1, (0..320).map(pixel).collect()).unwrap())
    }

    /// Decodes at full size regardless of the scale, which must be 2.
    fn decode_unscaled(i: usize, request: DecodeRequest) -> Result<Image> {
        assert_eq!(request.scale, 2);
        Ok(Image::new(40, 8, 1, vec![i as u8; 320]).unwrap())
    }

    #[test]
    fn decodes_cached_images_whole_and_other_images_by_region() {
        let image = size_of::<Image>() as u64 + 320;
        let source = Arc::new(DecodingSource(decode_columns));
        let cache = DecodedCache::wrap(source, &MemoryBudget::new(SLOTS + 5 * image));
        let region = Region { left: 0, top: 0, width: 10, height: 8 };
        let left_columns = DecodeRequest { scale: 1, region };
        let mut buffers = ReadBuffers::default();
        for epoch in 0..2 {
            for i in 0..20 {
                let Ok(found) = read(cache.as_ref(), i, left_columns, &mut buffers) else {
                    assert_eq!(i, 3);
                    continue;
                };
                // The damaged image 3 releases its memory, so 0, 1, 2, 4 and 5 are cached.
                let pixels = if i < 6 { [i as u8; 2] } else { [i as u8, 255] };
                assert_eq!([found.pixels[9], found.pixels[10]], pixels, "{i} {epoch}");
            }
        }
    }

    #[test]
    fn an_unscaled_image_reserves_its_actual_memory() {
        let image = size_of::<Image>() as u64 + 320;
        let budget = MemoryBudget::new(SLOTS + 5 * image + image / 2);
        let cache = DecodedCache::wrap(Arc::new(DecodingSource(decode_unscaled)), &budget);
        let halved = DecodeRequest::whole_at_scale(2, ImageSize::unscalable(40, 8));
        for i in 0..20 {
            let mut buffers = ReadBuffers::default();
            let found = read(cache.as_ref(), i, halved, &mut buffers).unwrap();
            assert_eq!(found.pixels.len(), 320);
        }
        assert_eq!(budget.available.load(Ordering::Relaxed), image / 2);
    }

    #[test]
    fn concurrent_reads_of_an_image_reserve_its_memory_once() {
        static BOTH_RESERVED: Barrier = Barrier::new(2);
        fn decode(i: usize, _: DecodeRequest) -> Result<Image> {
            BOTH_RESERVED.wait();
            Ok(Image::new(40, 8, 1, vec![i as u8; 320]).unwrap())
        }
        let image = size_of::<Image>() as u64 + 320;
        let budget = MemoryBudget::new(SLOTS + 5 * image);
        let cache = DecodedCache::wrap(Arc::new(DecodingSource(decode)), &budget);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| cache.read(7, 1, &mut ReadBuffers::default()).map(drop).unwrap());
            }
        });
        assert_eq!(budget.available.load(Ordering::Relaxed), 4 * image);
    }

    #[test]
    fn batches_do_not_depend_on_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = SampleRng::new(9, 0, 0);
        let mut bytes = 0;
        let locations = (0..30).map(|i| {
            let mut jpeg =
                SyntheticJpeg { sampling: vec![[1, 1]], ..SyntheticJpeg::random(&mut rng) };
            if i % 3 == 0 {
                jpeg.height += 150; // tall enough for scaled decoding
            }
            bytes += u64::from(jpeg.width * jpeg.height) + size_of::<Image>() as u64;
            let file = folder.path().join(format!("{i}.jpg"));
            std::fs::write(&file, encode_synthetic(&jpeg, &mut rng).0).unwrap();
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
                    share: BatchShare::default(),
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
        let (uncached, cached) = epochs.split_at(2);
        assert!(cached.chunks(2).all(|epochs| epochs == uncached));
        assert!(uncached[0] != uncached[1]);
    }

    #[test]
    fn requests_for_other_channels_bypass_the_cache() {
        let source = Arc::new(CountingSource::default());
        let cache = DecodedCache::wrap(source.clone(), &MemoryBudget::new(u64::MAX));
        let mut buffers = ReadBuffers::default();
        for (channels, length) in [(1, 100), (3, 300), (1, 100)] {
            assert_eq!(cache.read(7, channels, &mut buffers).unwrap().pixels.len(), length);
        }
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn splits_share_one_budget() {
        let budget = MemoryBudget::new(2 * SLOTS + 3 * IMAGE_BYTES);
        let sources = [CountingSource::default(), CountingSource::default()].map(Arc::new);
        let caches = [0, 1].map(|i| DecodedCache::wrap(sources[i].clone(), &budget));
        let mut buffers = ReadBuffers::default();
        for i in [0, 1].repeat(2) {
            for cache in &caches {
                cache.read(i, 1, &mut buffers).unwrap();
            }
        }
        let reads: usize = sources.iter().map(|source| source.reads.load(Ordering::Relaxed)).sum();
        assert_eq!(reads, 8 - 3);
    }
}
