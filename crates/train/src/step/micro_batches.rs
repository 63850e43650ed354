//! Batches that are too large for the memory: learnt from in parts, whose gradients are summed.

use std::ops::Range;

use residual_data::{Batch, MixedLabels};
use residual_spec::{Error, ErrorCode, Result};

/// One image cannot be normalised by its batch.
const LEAST: usize = 2;

/// The largest part of a batch that there is room for. It only ever shrinks: what did not fit once
/// would not fit the next time.
#[derive(Default)]
pub struct Parts {
    most: Option<usize>,
}

impl Parts {
    #[cfg(test)]
    pub fn of_at_most(images: usize) -> Parts {
        Parts { most: Some(images) }
    }

    /// The first part of a batch.
    #[cfg(test)]
    pub fn first(&self, batch: &Batch) -> Batch {
        part_of(batch, 0..self.most.unwrap_or(batch.len()))
    }

    /// Images in the largest part, once a batch had to be divided.
    pub fn most(&self) -> Option<usize> {
        self.most
    }

    /// Lets `learn` have the batch, at once if it can be, else part by part with their numbers; what
    /// it makes of them begins with what `begin` gives. When memory runs out, that is dropped: `begin`
    /// is called again, with true, and the parts are halves of what they were, or as they were where
    /// `make_room` has given something else back.
    ///
    /// # Errors
    /// `learn`'s; its `E_MEMORY` once parts would be of a single image.
    pub fn each<T>(
        &mut self,
        batch: &Batch,
        mut begin: impl FnMut(bool) -> Result<T>,
        mut learn: impl FnMut(&mut T, &Batch, u64) -> Result<()>,
        mut make_room: impl FnMut(&Error) -> bool,
    ) -> Result<T> {
        let mut anew = false;
        loop {
            let mut made = begin(anew)?;
            let count = self.most.map_or(1, |most| batch.len().div_ceil(most));
            let count = count.min(batch.len() / LEAST).max(1);
            let done = match count {
                // As it is: nothing is copied where nothing has to be divided.
                1 => learn(&mut made, batch, 0),
                count => divided(batch, count)
                    .zip(0..)
                    .try_for_each(|(part, number)| learn(&mut made, &part, number)),
            };
            let tried = batch.len().div_ceil(count);
            match done {
                Err(error) if error.code == ErrorCode::Memory && make_room(&error) => anew = true,
                Err(error) if error.code == ErrorCode::Memory && tried >= 2 * LEAST => {
                    self.most = Some(tried.div_ceil(2));
                    anew = true;
                }
                done => return done.map(|()| made),
            }
        }
    }
}

/// Parts of nearly the same size, in their order.
fn divided(batch: &Batch, count: usize) -> impl Iterator<Item = Batch> + '_ {
    let bound = move |part: usize| batch.len() * part / count;
    (0..count).map(move |part| part_of(batch, bound(part)..bound(part + 1)))
}

/// Some of the images, as a batch of their own.
fn part_of(batch: &Batch, images: Range<usize>) -> Batch {
    let numbers = batch.images.len() / batch.len();
    let mixed = batch.mixed.as_ref().map(|mixed| MixedLabels {
        labels: mixed.labels[images.clone()].to_vec(),
        lambda: mixed.lambda,
    });
    Batch {
        images: batch.images[images.start * numbers..images.end * numbers].to_vec().into(),
        labels: batch.labels[images.clone()].to_vec(),
        windows: batch.windows.as_ref().map(|windows| windows[images.clone()].to_vec()),
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

    /// Learns from batches in memory for `room` images; gives the labels of each part.
    fn learnt(parts: &mut Parts, count: usize, room: usize) -> (Result<Vec<Vec<i64>>>, u32) {
        let mut times = 0;
        let begin = |anew: bool| {
            times += u32::from(anew);
            Ok(Vec::new())
        };
        let learn = |made: &mut Vec<Vec<i64>>, part: &Batch, number: u64| {
            assert_eq!(number, made.len() as u64);
            if part.len() > room {
                return Err(Error::new(ErrorCode::Memory, "out of memory"));
            }
            made.push(part.labels.clone());
            Ok(())
        };
        let done = parts.each(&batch(count), begin, learn, |_| false);
        (done, times)
    }

    #[test]
    fn a_batch_that_fits_is_not_divided() {
        let mut parts = Parts::default();
        let (done, anew) = learnt(&mut parts, 6, 6);
        assert_eq!((done.unwrap(), anew), (vec![vec![0, 1, 2, 3, 4, 5]], 0));
        assert_eq!(parts.most(), None);
    }

    #[test]
    fn one_that_does_not_fit_is_halved_until_it_does_and_so_are_those_after_it() {
        let mut parts = Parts::default();
        let (done, anew) = learnt(&mut parts, 10, 3);
        assert_eq!(done.unwrap(), [vec![0, 1], vec![2, 3, 4], vec![5, 6], vec![7, 8, 9]]);
        assert_eq!((parts.most(), anew), (Some(3), 2));
        // The next is divided at once; the last of an epoch is smaller, and fits.
        let (done, anew) = learnt(&mut parts, 10, 3);
        assert_eq!((done.unwrap().len(), anew), (4, 0));
        assert_eq!(learnt(&mut parts, 3, 3).0.unwrap().len(), 1);
    }

    #[test]
    fn what_else_holds_memory_gives_it_back_before_a_batch_is_divided() {
        let (mut parts, room, mut tries) = (Parts::default(), std::cell::Cell::new(4), 0);
        let begin = |_| {
            tries += 1;
            Ok(0)
        };
        let learn = |made: &mut usize, part: &Batch, _: u64| match part.len() > room.get() {
            true => Err(Error::new(ErrorCode::Memory, "out of memory")),
            false => {
                *made += part.len();
                Ok(())
            }
        };
        let done = parts.each(&batch(6), begin, learn, |_| room.replace(6) == 4);
        assert_eq!((done.unwrap(), tries, parts.most()), (6, 2, None));
    }

    #[test]
    fn windows_go_with_their_images() {
        let window = |left| CropWindow { left, top: 0, flip: false };
        let whole = Batch {
            labels: vec![0; 5],
            indices: (0..5).collect(),
            windows: Some((0..5).map(window).collect()),
            ..Batch::default()
        };
        let parts: Vec<Batch> = divided(&whole, 2).collect();
        assert_eq!(parts.iter().map(Batch::len).collect::<Vec<_>>(), [2, 3]);
        let windows = parts.iter().flat_map(|part| part.windows.clone().unwrap());
        assert!(windows.eq(whole.windows.unwrap()));
        assert_eq!(parts[1].indices, [2, 3, 4]);
    }

    #[test]
    fn parts_of_one_image_are_not_made() {
        let (done, _) = learnt(&mut Parts::default(), 8, 1);
        assert_eq!(done.unwrap_err().code, ErrorCode::Memory);
        let mut parts = Parts { most: Some(2) };
        assert_eq!(learnt(&mut parts, 3, 3).0.unwrap(), [[0, 1, 2]]);
    }

    #[test]
    fn other_failures_are_not_tried_again() {
        let begin = |anew: bool| {
            assert!(!anew);
            Ok(())
        };
        let refuse = |_: &mut (), _: &Batch, _: u64| Err(Error::new(ErrorCode::Torch, "broken"));
        let done = Parts::default().each(&batch(8), begin, refuse, |_| true);
        assert_eq!(done.unwrap_err().code, ErrorCode::Torch);
    }
}
