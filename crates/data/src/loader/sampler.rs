//! The order of images in an epoch.

use std::collections::BTreeMap;

use crate::Subset;
use crate::random::{keyed, shuffle};

/// The order of a subset's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleOrder {
    /// A new order in every epoch, decided by the seed.
    Shuffled { seed: u64, epoch: u32 },
    /// Likewise, every class equally often: of a rare one, images come repeatedly, of a frequent
    /// one, some not at all.
    Balanced { seed: u64, epoch: u32 },
    /// As the subset has them.
    Sequential,
}

/// One image's turn in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The image's index in its source.
    pub index: u32,
    /// How often the epoch had it before; above 0 only where classes are balanced.
    pub repeat: u32,
}

/// Seed, epoch, and the images in their order.
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

/// Puts the training images in an epoch's order.
pub fn shuffle_epoch(indices: &mut [u32], seed: u64, epoch: u32) {
    shuffle(indices, &mut keyed(seed, epoch, 0, b"order\0\0\0"));
}

/// An epoch in which every class is equally frequent, give or take one image: as long as
/// `indices`, each class's images in turns of a random order, and all of it shuffled.
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
    // What does not divide goes to other classes in every epoch.
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

    /// Frozen: a change here changes every published run and breaks resuming older ones.
    #[test]
    fn the_order_never_changes_between_versions() {
        let mut order: Vec<u32> = (0..10).collect();
        shuffle_epoch(&mut order, 1, 0);
        assert_eq!(order, [6, 9, 2, 8, 7, 5, 1, 3, 0, 4]);
    }

    #[test]
    fn an_order_is_a_permutation_that_differs_by_epoch_and_seed() {
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
    fn a_balanced_epoch_has_every_class_equally_often_and_rare_images_repeatedly() {
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
        // Of the frequent class no image comes twice; of the rare ones each time is another.
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
