//! Decoded images kept in memory from one epoch to the next, within a budget.
//!
//! The first ones that are read are kept, and none is ever given up for another: every epoch reads
//! every image once in a new order, so that all are worth the same. What is read is the same bytes
//! in any case.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use residual_spec::Result;

use crate::{Image, Source};

/// Bytes that images may take, shared by the parts of a data set.
pub(crate) struct Budget {
    left: AtomicU64,
}

impl Budget {
    pub fn new(bytes: u64) -> Arc<Budget> {
        Arc::new(Budget { left: AtomicU64::new(bytes) })
    }

    /// False, and nothing taken, if there are not as many left.
    fn take(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// A source whose images are kept while the budget lasts.
pub(crate) struct Kept {
    source: Arc<dyn Source>,
    budget: Arc<Budget>,
    images: Vec<OnceLock<Box<Image>>>,
}

impl Kept {
    /// The source itself, where the budget has not even room for the list.
    pub fn over(source: Arc<dyn Source>, budget: &Arc<Budget>) -> Arc<dyn Source> {
        let place = size_of::<OnceLock<Box<Image>>>();
        if !budget.take((source.len() * place) as u64) {
            return source;
        }
        let images = (0..source.len()).map(|_| OnceLock::new()).collect();
        Arc::new(Kept { source, budget: budget.clone(), images })
    }

    fn keep(&self, i: usize, image: &Image) {
        let kept = &self.images[i];
        let bytes = (size_of::<Image>() + image.pixels.len()) as u64;
        // Two that read the same image at once may both take room for it; one of them keeps it.
        if kept.get().is_none() && self.budget.take(bytes) {
            let _ = kept.set(Box::new(image.clone()));
        }
    }
}

impl Source for Kept {
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

    fn look<'a>(&'a self, i: usize, channels: u32, room: &'a mut Image) -> Result<&'a Image> {
        match self.images[i].get() {
            Some(kept) if kept.channels == channels => Ok(kept),
            _ => {
                let image = self.source.look(i, channels, room)?;
                self.keep(i, image);
                Ok(image)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use residual_spec::{Error, ErrorCode};

    use super::*;

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
        let budget = Budget::new(budget);
        let kept = Kept::over(source.clone(), &budget);
        let mut room = Image::default();
        for i in (0..20).chain((0..20).rev()) {
            match kept.look(i, 1, &mut room) {
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

    #[test]
    fn an_image_that_is_wanted_in_other_colours_is_read_again() {
        let source = Arc::new(Counting::default());
        let kept = Kept::over(source.clone(), &Budget::new(u64::MAX));
        let mut room = Image::default();
        for (channels, length) in [(1, 100), (3, 300), (1, 100)] {
            assert_eq!(kept.look(7, channels, &mut room).unwrap().pixels.len(), length);
        }
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn parts_share_one_budget() {
        let budget = Budget::new(2 * LIST + 3 * IMAGE);
        let parts = [Counting::default(), Counting::default()].map(Arc::new);
        let kept = [0, 1].map(|i| Kept::over(parts[i].clone(), &budget));
        let mut room = Image::default();
        for i in [0, 1].repeat(2) {
            for part in &kept {
                part.look(i, 1, &mut room).unwrap();
            }
        }
        let reads: usize = parts.iter().map(|part| part.reads.load(Ordering::Relaxed)).sum();
        assert_eq!(reads, 8 - 3);
    }
}
