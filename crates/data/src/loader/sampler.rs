//! Samplers: the order of images in an epoch.

use std::collections::BTreeMap;

use crate::Subset;
use crate::random::{keyed, shuffle};

/// The order of a subset's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleOrder {
    /// A new permutation in every epoch, from the seed.
    Shuffled { seed: u64, epoch: u32 },
    /// A new order in every epoch in which all classes are equally frequent: images of rare classes
    /// are repeated, images of frequent classes are skipped.
    Balanced { seed: u64, epoch: u32 },
    /// The order of the subset.
    Sequential,
}

/// One occurrence of an image in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The image's index in its source.
    pub index: u32,
    /// How often the image occurred before in this epoch; above 0 only with balanced classes.
    pub repeat: u32,
}

/// Returns the seed, the epoch and the samples in order.
pub(super) fn sample_order(subset: &Subset, order: SampleOrder) -> (u64, u32, Vec<Sample>) {
    let once = |indices: &[u32]| indices.iter().map(|&index| Sample { index, repeat: 0 }).collect();
    match order {
        SampleOrder::Shuffled { seed, epoch } => {
            let mut indices = subset.indices.to_vec();
            shuffle_epoch(&mut indices, seed, epoch);
            (seed, epoch, once(&indices))
        }
        SampleOrder::Balanced { seed, epoch } => {
            let label = |index| subset.source.label(index as usize);
            (seed, epoch, balanced_epoch(&subset.indices, label, seed, epoch))
        }
        SampleOrder::Sequential => (0, 0, once(&subset.indices)),
    }
}

/// Shuffles the training images for an epoch.
pub fn shuffle_epoch(indices: &mut [u32], seed: u64, epoch: u32) {
    shuffle(indices, &mut keyed(seed, epoch, 0, b"order\0\0\0"));
}

/// Draws an epoch as long as `indices` in which class frequencies differ by at most one. Each class
/// cycles through its images in a new random order each time.
pub(crate) fn balanced_epoch(
    indices: &[u32],
    label: impl Fn(u32) -> u32,
    seed: u64,
    epoch: u32,
) -> Vec<Sample> {
    let mut classes: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for &index in indices {
        classes.entry(label(index)).or_default().push(index);
    }
    let mut classes: Vec<(u32, Vec<u32>)> = classes.into_iter().collect();
    // The classes that get the remainder differ between epochs.
    let mut order = keyed(seed, epoch, 0, b"classes\0");
    shuffle(&mut classes, &mut order);
    let count = classes.len().max(1);
    let mut draws = Vec::with_capacity(indices.len());
    for (place, (class, mut images)) in classes.into_iter().enumerate() {
        let quota = indices.len() / count + usize::from(place < indices.len() % count);
        let mut order = keyed(seed, epoch, class, b"balance\0");
        let end = draws.len() + quota;
        for repeat in 0.. {
            if draws.len() == end {
                break;
            }
            shuffle(&mut images, &mut order);
            let turn = images.iter().map(|&index| Sample { index, repeat });
            draws.extend(turn.take(end - draws.len()));
        }
    }
    shuffle(&mut draws, &mut keyed(seed, epoch, 0, b"order\0\0\0"));
    draws
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen: a change here changes every published run and breaks resuming older runs.
    #[test]
    fn the_order_never_changes_between_versions() {
        let mut order: Vec<u32> = (0..10).collect();
        shuffle_epoch(&mut order, 1, 0);
        assert_eq!(order, [6, 9, 2, 8, 7, 5, 1, 3, 0, 4]);
    }

    #[test]
    fn shuffling_permutes_and_depends_on_epoch_and_seed() {
        let order = |seed, epoch| {
            let mut indices: Vec<u32> = (0..1000).collect();
            shuffle_epoch(&mut indices, seed, epoch);
            indices
        };
        assert_ne!(order(0, 0), order(0, 1));
        assert_ne!(order(0, 0), order(1, 0));
        let mut sorted = order(0, 0);
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
    }

    #[test]
    fn balanced_epoch_repeats_images_of_rare_classes() {
        let label = |index| if index < 90 { 0 } else { index - 89 };
        let indices: Vec<u32> = (0..92).collect();
        let epoch = |seed, epoch| balanced_epoch(&indices, label, seed, epoch);
        let draws = epoch(1, 0);
        assert_eq!(draws.len(), 92);
        let mut counts: Vec<usize> = (0..3)
            .map(|class| draws.iter().filter(|draw| label(draw.index) == class).count())
            .collect();
        counts.sort_unstable();
        assert_eq!(counts, [30, 31, 31]);
        // No image of the frequent class is repeated; each repeat of a rare image has its own
        // number.
        let mut seen = draws.clone();
        seen.sort_by_key(|draw| (draw.index, draw.repeat));
        seen.dedup();
        assert_eq!(seen.len(), 92);
        assert!(draws.iter().all(|draw| draw.index >= 90 || draw.repeat == 0));
        assert_eq!(epoch(1, 0), draws);
        assert_ne!(epoch(1, 1), draws);
        assert_ne!(epoch(2, 0), draws);
        assert!(balanced_epoch(&[], |_| 0, 0, 0).is_empty());
    }
}
