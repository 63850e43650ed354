//! The division of batches among the processes that train together.

use std::ops::Range;

/// The part of each batch that one of several processes trains on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchShare {
    /// Number of the process, from 0.
    pub rank: u32,
    /// Number of processes.
    pub world_size: u32,
}

impl Default for BatchShare {
    /// The whole batch.
    fn default() -> BatchShare {
        BatchShare { rank: 0, world_size: 1 }
    }
}

impl BatchShare {
    /// Returns the positions of this process's images in a batch of `len` images. The parts of all
    /// processes make up the batch. They differ by at most one image, but a part of a single image, on
    /// which batch normalization cannot be trained, is avoided: a short batch leaves processes without
    /// images.
    pub fn range(self, len: usize) -> Range<usize> {
        let (rank, parts) = (self.rank as usize, (self.world_size as usize).min(len / 2).max(1));
        let start = |rank: usize| len * rank.min(parts) / parts;
        start(rank)..start(rank + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_all_processes_make_up_the_batch() {
        for world_size in 1..7 {
            for len in 0..40 {
                let parts: Vec<_> = (0..world_size)
                    .map(|rank| BatchShare { rank, world_size }.range(len))
                    .collect();
                let images: Vec<usize> = parts.iter().cloned().flatten().collect();
                assert_eq!(images, (0..len).collect::<Vec<_>>());
                let sizes: Vec<usize> =
                    parts.iter().map(Range::len).filter(|&size| size > 0).collect();
                let (min, max) = (sizes.iter().min(), sizes.iter().max());
                assert!(max.zip(min).is_none_or(|(max, min)| max - min <= 1), "{sizes:?}");
                assert!(len == 1 || !sizes.contains(&1), "{len} images: {sizes:?}");
            }
        }
    }
}
