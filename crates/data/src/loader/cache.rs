//! Decoded images kept in memory from one epoch to the next, within a budget.
//!
//! The first ones that are read are kept, and none is ever given up for another: every epoch reads
//! every image once in a new order, so that all are worth the same. What is read is the same bytes
//! in any case. Where there is no room left, only what is wanted of an image is decoded.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use residual_spec::Result;

use crate::{Dataset, Image, Look, Source, Split, Wanted};

/// Bytes that images may take, shared by the parts of a data set.
pub(crate) struct MemoryBudget {
    left: AtomicU64,
}

impl MemoryBudget {
    pub fn new(bytes: u64) -> Arc<MemoryBudget> {
        Arc::new(MemoryBudget { left: AtomicU64::new(bytes) })
    }

    /// False, and nothing taken, if there are not as many left.
    fn take(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A source whose images are kept while the budget lasts.
pub(crate) struct DecodedCache {
    source: Arc<dyn Source>,
    budget: Arc<MemoryBudget>,
    images: Vec<OnceLock<Box<Image>>>,
}

impl DecodedCache {
    /// The source itself, where the budget has not even room for the list.
    pub fn wrap(source: Arc<dyn Source>, budget: &Arc<MemoryBudget>) -> Arc<dyn Source> {
        let place = size_of::<OnceLock<Box<Image>>>();
        if !budget.take((source.len() * place) as u64) {
            return source;
        }
        let images = (0..source.len()).map(|_| OnceLock::new()).collect();
        Arc::new(DecodedCache { source, budget: budget.clone(), images })
    }

    /// Reads an image, and keeps it whole where there is room for it.
    fn read_and_keep<'a>(
        &self,
        i: usize,
        channels: u32,
        wanted: Wanted,
        image: impl FnOnce(Wanted) -> Result<&'a Image>,
    ) -> Result<&'a Image> {
        let place = &self.images[i];
        let room = |pixels: u64| size_of::<Image>() as u64 + pixels * u64::from(channels);
        // What was taken, once it is known whether there is room.
        let taken = Cell::new(None);
        let take = |pixels| {
            // Two that read the same image at once may both take room for it; one of them keeps it.
            let has_room = place.get().is_none() && self.budget.take(room(pixels));
            taken.set(Some(if has_room { room(pixels) } else { 0 }));
            has_room
        };
        let read = image(&|width, height| {
            let look = wanted(width, height);
            let all = Look::all_at(look.scale, width, height);
            match take(u64::from(all.region.width) * u64::from(all.region.height)) {
                true => all,
                false => look,
            }
        });
        match (read, taken.get()) {
            (Ok(image), None) => {
                // Nobody asked what is wanted: it was read whole.
                if take(u64::from(image.width) * u64::from(image.height)) {
                    let _ = place.set(Box::new(image.clone()));
                }
                Ok(image)
            }
            (Ok(image), Some(bytes @ 1..)) => {
                // It is larger where it could not be reduced.
                let more =
                    room(u64::from(image.width) * u64::from(image.height)).saturating_sub(bytes);
                match self.budget.take(more) {
                    true => drop(place.set(Box::new(image.clone()))),
                    false => self.budget.give_back(bytes),
                }
                Ok(image)
            }
            (Err(error), Some(bytes)) => {
                self.budget.give_back(bytes);
                Err(error)
            }
            (other, _) => other,
        }
    }
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

    fn read(&self, i: usize, channels: u32, into: &mut Image) -> Result<()> {
        self.source.read(i, channels, into)
    }

    fn look<'a>(
        &'a self,
        i: usize,
        channels: u32,
        wanted: Wanted,
        room: &'a mut Image,
    ) -> Result<&'a Image> {
        match self.images[i].get() {
            Some(kept) if kept.channels == channels => Ok(kept),
            _ => self.read_and_keep(i, channels, wanted, |wanted| {
                self.source.look(i, channels, wanted, room)
            }),
        }
    }
}

impl Dataset {
    /// From now on, decoded images of the training and validation part are kept in memory while
    /// they take no more bytes than this, for they are read again in every epoch. Where all images
    /// are in memory, nothing changes.
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
    use crate::decode::jpeg::synthetic::{Kind, made_up};
    use crate::sources::{DiskSource, ImageLocation};
    use crate::transforms::tests::grey;
    use crate::{Loader, LoaderOptions, Pipeline, Region, SampleOrder, SampleRng, Subset};

    /// Images of 10 by 10 that count how often they are read; number 3 is broken.
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

        fn read(&self, i: usize, channels: u32, into: &mut Image) -> Result<()> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            if i == 3 {
                return Err(Error::new(ErrorCode::Image, "the image is damaged"));
            }
            let length = 100 * channels as usize;
            *into = Image::new(10, 10, channels, vec![i as u8; length]).unwrap();
            Ok(())
        }
    }

    const LIST: u64 = 20 * size_of::<OnceLock<Box<Image>>>() as u64;
    const IMAGE: u64 = size_of::<Image>() as u64 + 100;

    /// Reads all images twice; how many reads reached the source.
    fn reads_of_two_epochs(budget: u64) -> usize {
        let source = Arc::new(Counting::default());
        let budget = MemoryBudget::new(budget);
        let kept = DecodedCache::wrap(source.clone(), &budget);
        let mut room = Image::default();
        for i in (0..20).chain((0..20).rev()) {
            match kept.look(i, 1, &Look::whole, &mut room) {
                Ok(image) => assert_eq!(image.pixels, [i as u8; 100]),
                Err(_) => assert_eq!(i, 3),
            }
            assert_eq!((kept.label(i), kept.name(i)), (i as u32 % 2, i.to_string()));
        }
        source.reads.load(Ordering::Relaxed)
    }

    #[test]
    fn within_the_budget_an_image_is_decoded_once_and_beyond_it_every_time() {
        assert_eq!(reads_of_two_epochs(0), 40);
        assert_eq!(reads_of_two_epochs(LIST - 1), 40);
        assert_eq!(reads_of_two_epochs(LIST + 5 * IMAGE), 35);
        assert_eq!(reads_of_two_epochs(LIST + 6 * IMAGE - 1), 35);
        // A broken image is never kept.
        assert_eq!(reads_of_two_epochs(u64::MAX), 21);
    }

    /// 20 images that are only ever looked at: what is wanted is answered by a function.
    struct Looked(fn(usize, Wanted) -> Result<Image>);

    impl Source for Looked {
        fn len(&self) -> usize {
            20
        }

        fn label(&self, _: usize) -> u32 {
            0
        }

        fn name(&self, i: usize) -> String {
            i.to_string()
        }

        fn read(&self, _: usize, _: u32, _: &mut Image) -> Result<()> {
            unreachable!("it is looked at")
        }

        fn look<'a>(
            &'a self,
            i: usize,
            _: u32,
            wanted: Wanted,
            room: &'a mut Image,
        ) -> Result<&'a Image> {
            *room = self.0(i, wanted)?;
            Ok(room)
        }
    }

    /// Columns that are not wanted are white; number 3 is broken.
    fn in_parts(i: usize, wanted: Wanted) -> Result<Image> {
        let wanted = wanted(40, 8);
        if i == 3 {
            return Err(Error::new(ErrorCode::Image, "the image is damaged"));
        }
        let pixel = |at: u32| if at % 40 < wanted.region.width { i as u8 } else { 255 };
        Ok(Image::new(40, 8, 1, (0..320).map(pixel).collect()).unwrap())
    }

    /// Cannot be reduced.
    fn stubborn(i: usize, wanted: Wanted) -> Result<Image> {
        assert_eq!(wanted(40, 8).scale, 2);
        Ok(Image::new(40, 8, 1, vec![i as u8; 320]).unwrap())
    }

    #[test]
    fn what_is_kept_is_whole_and_for_what_is_not_only_a_part_is_read() {
        let image = size_of::<Image>() as u64 + 320;
        let kept =
            DecodedCache::wrap(Arc::new(Looked(in_parts)), &MemoryBudget::new(LIST + 5 * image));
        let left = |_, height| {
            let region = Region { left: 0, top: 0, width: 10, height };
            Look { scale: 1, region }
        };
        let mut room = Image::default();
        for epoch in 0..2 {
            for i in 0..20 {
                let Ok(found) = kept.look(i, 1, &left, &mut room) else {
                    assert_eq!(i, 3);
                    continue;
                };
                // The broken one gives back what was taken for it.
                let pixels = if i < 6 { [i as u8; 2] } else { [i as u8, 255] };
                assert_eq!([found.pixels[9], found.pixels[10]], pixels, "{i} {epoch}");
            }
        }
    }

    #[test]
    fn an_image_that_could_not_be_reduced_takes_the_room_that_it_has() {
        let image = size_of::<Image>() as u64 + 320;
        let budget = MemoryBudget::new(LIST + 5 * image + image / 2);
        let kept = DecodedCache::wrap(Arc::new(Looked(stubborn)), &budget);
        let halved = |width, height| Look::all_at(2, width, height);
        for i in 0..20 {
            assert_eq!(kept.look(i, 1, &halved, &mut Image::default()).unwrap().pixels.len(), 320);
        }
        assert_eq!(budget.left.load(Ordering::Relaxed), image / 2);
    }

    #[test]
    fn batches_are_the_same_whether_images_are_kept_or_read_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = SampleRng::new(9, 0, 0);
        let mut bytes = 0;
        let places = (0..30).map(|i| {
            let mut kind = Kind { sampling: vec![[1, 1]], ..Kind::any(&mut rng) };
            if i % 3 == 0 {
                kind.height += 150; // some are reduced
            }
            bytes += u64::from(kind.width * kind.height) + size_of::<Image>() as u64;
            let file = folder.path().join(format!("{i}.jpg"));
            std::fs::write(&file, made_up(&kind, &mut rng).0).unwrap();
            ImageLocation::File(file.into())
        });
        let source = DiskSource { places: places.collect(), labels: vec![0; 30] };
        let source: Arc<dyn Source> = Arc::new(source);
        let crop = json!({ "crop": { "type": "random-resized" }, "flip": true });
        let pipeline = Arc::new(Pipeline::train(&grey(16, crop), None));
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
                    windows: false,
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
    fn an_image_that_is_wanted_in_other_colours_is_read_again() {
        let source = Arc::new(Counting::default());
        let kept = DecodedCache::wrap(source.clone(), &MemoryBudget::new(u64::MAX));
        let mut room = Image::default();
        for (channels, length) in [(1, 100), (3, 300), (1, 100)] {
            assert_eq!(
                kept.look(7, channels, &Look::whole, &mut room).unwrap().pixels.len(),
                length
            );
        }
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn parts_share_one_budget() {
        let budget = MemoryBudget::new(2 * LIST + 3 * IMAGE);
        let parts = [Counting::default(), Counting::default()].map(Arc::new);
        let kept = [0, 1].map(|i| DecodedCache::wrap(parts[i].clone(), &budget));
        let mut room = Image::default();
        for i in [0, 1].repeat(2) {
            for part in &kept {
                part.look(i, 1, &Look::whole, &mut room).unwrap();
            }
        }
        let reads: usize = parts.iter().map(|part| part.reads.load(Ordering::Relaxed)).sum();
        assert_eq!(reads, 8 - 3);
    }
}
