//! Splits batches that do not fit into memory into micro-batches, whose gradients are summed.

use std::ops::Range;

use residual_data::{Batch, MixedLabels};
use residual_spec::{Error, ErrorCode, Result};

/// Batch normalization cannot be trained on a single image.
const MIN_SIZE: usize = 2;

/// Splits batches after an out-of-memory error. The size limit never increases, because a
/// micro-batch that did not fit would fail again.
#[derive(Default)]
pub(super) struct MicroBatches {
    max_size: Option<usize>,
}

impl MicroBatches {
    #[cfg(test)]
    pub fn with_max_size(images: usize) -> MicroBatches {
        MicroBatches { max_size: Some(images) }
    }

    /// Returns the first micro-batch of a batch.
    #[cfg(test)]
    pub fn first(&self, batch: &Batch) -> Batch {
        slice(batch, 0..self.max_size.unwrap_or(batch.len()))
    }

    /// Returns the maximum number of images in a micro-batch; `None` until a batch had to be split.
    pub fn max_size(&self) -> Option<usize> {
        self.max_size
    }

    /// Calls `pass` with the whole batch if it fits, otherwise with each micro-batch and its index,
    /// and returns the result that `pass` accumulates.
    ///
    /// `start` creates an empty result. After an out-of-memory error, the result is dropped,
    /// `start` is called again with true, and the micro-batches are half as large, or as large as
    /// before if `free_memory` returns true because it freed other memory.
    ///
    /// # Errors
    /// Errors of `pass`. `E_MEMORY` is returned only if smaller micro-batches would have a single
    /// image.
    pub fn run<T>(
        &mut self,
        batch: &Batch,
        mut start: impl FnMut(bool) -> Result<T>,
        mut pass: impl FnMut(&mut T, &Batch, u64) -> Result<()>,
        mut free_memory: impl FnMut(&Error) -> bool,
    ) -> Result<T> {
        let mut is_retry = false;
        loop {
            let mut result = start(is_retry)?;
            let count = self.max_size.map_or(1, |max| batch.len().div_ceil(max));
            let count = count.min(batch.len() / MIN_SIZE).max(1);
            let passed = match count {
                1 => pass(&mut result, batch, 0), // without a copy
                count => split(batch, count)
                    .zip(0..)
                    .try_for_each(|(micro_batch, index)| pass(&mut result, &micro_batch, index)),
            };
            let size = batch.len().div_ceil(count);
            match passed {
                Err(error) if error.code == ErrorCode::Memory && free_memory(&error) => {
                    is_retry = true;
                }
                Err(error) if error.code == ErrorCode::Memory && size >= 2 * MIN_SIZE => {
                    self.max_size = Some(size.div_ceil(2));
                    is_retry = true;
                }
                passed => return passed.map(|()| result),
            }
        }
    }
}

/// Splits a batch into `count` micro-batches of nearly the same size, in order.
fn split(batch: &Batch, count: usize) -> impl Iterator<Item = Batch> + '_ {
    let bound = move |index: usize| batch.len() * index / count;
    (0..count).map(move |index| slice(batch, bound(index)..bound(index + 1)))
}

/// Copies a range of images into a new batch.
fn slice(batch: &Batch, images: Range<usize>) -> Batch {
    let values = batch.images.len() / batch.len();
    let mixed = batch.mixed.as_ref().map(|mixed| MixedLabels {
        labels: mixed.labels[images.clone()].to_vec(),
        lambda: mixed.lambda,
    });
    Batch {
        images: batch.images[images.start * values..images.end * values].to_vec().into(),
        labels: batch.labels[images.clone()].to_vec(),
        crop_windows: batch.crop_windows.as_ref().map(|windows| windows[images.clone()].to_vec()),
        indices: batch.indices.get(images).map(<[u32]>::to_vec).unwrap_or_default(),
        views: None,
        mixed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_data::CropWindow;
    use std::sync::Arc;

    fn batch(count: usize) -> Batch {
        let labels: Vec<i64> = (0..count as i64).collect();
        Batch {
            images: Arc::new(labels.iter().map(|&n| n as f32).collect()),
            labels,
            ..Batch::default()
        }
    }

    /// Runs a batch of `count` images with memory for `capacity` images. Returns the labels of each
    /// micro-batch and the number of retries.
    fn run(
        micro_batches: &mut MicroBatches,
        count: usize,
        capacity: usize,
    ) -> (Result<Vec<Vec<i64>>>, u32) {
        let mut retries = 0;
        let start = |is_retry: bool| {
            retries += u32::from(is_retry);
            Ok(Vec::new())
        };
        let pass = |passed: &mut Vec<Vec<i64>>, micro_batch: &Batch, index: u64| {
            assert_eq!(index, passed.len() as u64);
            if micro_batch.len() > capacity {
                return Err(Error::new(ErrorCode::Memory, "out of memory"));
            }
            passed.push(micro_batch.labels.clone());
            Ok(())
        };
        let result = micro_batches.run(&batch(count), start, pass, |_| false);
        (result, retries)
    }

    #[test]
    fn does_not_split_a_batch_that_fits() {
        let mut micro_batches = MicroBatches::default();
        let (result, retries) = run(&mut micro_batches, 6, 6);
        assert_eq!((result.unwrap(), retries), (vec![vec![0, 1, 2, 3, 4, 5]], 0));
        assert_eq!(micro_batches.max_size(), None);
    }

    #[test]
    fn halves_micro_batches_until_they_fit_and_reuses_the_limit() {
        let mut micro_batches = MicroBatches::default();
        let (result, retries) = run(&mut micro_batches, 10, 3);
        assert_eq!(result.unwrap(), [vec![0, 1], vec![2, 3, 4], vec![5, 6], vec![7, 8, 9]]);
        assert_eq!((micro_batches.max_size(), retries), (Some(3), 2));
        // The next batch is split without a retry; the last batch of an epoch is smaller and fits.
        let (result, retries) = run(&mut micro_batches, 10, 3);
        assert_eq!((result.unwrap().len(), retries), (4, 0));
        assert_eq!(run(&mut micro_batches, 3, 3).0.unwrap().len(), 1);
    }

    #[test]
    fn frees_other_memory_before_it_splits_a_batch() {
        let (mut micro_batches, capacity) = (MicroBatches::default(), std::cell::Cell::new(4));
        let mut attempts = 0;
        let start = |_| {
            attempts += 1;
            Ok(0)
        };
        let pass = |passed: &mut usize, micro_batch: &Batch, _: u64| {
            if micro_batch.len() > capacity.get() {
                Err(Error::new(ErrorCode::Memory, "out of memory"))
            } else {
                *passed += micro_batch.len();
                Ok(())
            }
        };
        let result = micro_batches.run(&batch(6), start, pass, |_| capacity.replace(6) == 4);
        assert_eq!((result.unwrap(), attempts, micro_batches.max_size()), (6, 2, None));
    }

    #[test]
    fn splits_crop_windows_with_their_images() {
        let window = |left| CropWindow { left, top: 0, flip: false };
        let whole = Batch {
            labels: vec![0; 5],
            indices: (0..5).collect(),
            crop_windows: Some((0..5).map(window).collect()),
            ..Batch::default()
        };
        let split_batches: Vec<Batch> = split(&whole, 2).collect();
        assert_eq!(split_batches.iter().map(Batch::len).collect::<Vec<_>>(), [2, 3]);
        let windows =
            split_batches.iter().flat_map(|micro_batch| micro_batch.crop_windows.clone().unwrap());
        assert!(windows.eq(whole.crop_windows.unwrap()));
        assert_eq!(split_batches[1].indices, [2, 3, 4]);
    }

    #[test]
    fn never_makes_micro_batches_of_one_image() {
        let (result, _) = run(&mut MicroBatches::default(), 8, 1);
        assert_eq!(result.unwrap_err().code, ErrorCode::Memory);
        let mut micro_batches = MicroBatches { max_size: Some(2) };
        assert_eq!(run(&mut micro_batches, 3, 3).0.unwrap(), [[0, 1, 2]]);
    }

    #[test]
    fn does_not_retry_after_other_errors() {
        let start = |is_retry: bool| {
            assert!(!is_retry);
            Ok(())
        };
        let fail = |_: &mut (), _: &Batch, _: u64| Err(Error::new(ErrorCode::Torch, "broken"));
        let result = MicroBatches::default().run(&batch(8), start, fail, |_| true);
        assert_eq!(result.unwrap_err().code, ErrorCode::Torch);
    }
}
