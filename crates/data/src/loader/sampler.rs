//! Sampling: the order of the images in an epoch.

use std::collections::BTreeMap;

use crate::Subset;
use crate::random::{keyed_rng, shuffle};

/// The order of a subset's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleOrder {
    /// A random permutation of the subset, determined by the seed and the epoch.
    Shuffled { seed: u64, epoch: u32 },
    /// A random order with equally frequent classes, determined by the seed and the epoch: images
    /// of rare classes are repeated, some images of frequent classes are skipped.
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

/// Returns the seed and the epoch (0 for [`SampleOrder::Sequential`]), and the samples in order.
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

/// Shuffles the image indices for an epoch.
pub fn shuffle_epoch(indices: &mut [u32], seed: u64, epoch: u32) {
    shuffle(indices, &mut keyed_rng(seed, epoch, 0, b"order\0\0\0"));
}

/// Draws `indices.len()` samples in which class counts differ by at most one. Each class cycles
/// through its images and shuffles them before each cycle.
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
    shuffle(&mut classes, &mut keyed_rng(seed, epoch, 0, b"classes\0"));
    let count = classes.len().max(1);
    let mut samples = Vec::with_capacity(indices.len());
    for (position, (class, mut images)) in classes.into_iter().enumerate() {
        let quota = indices.len() / count + usize::from(position < indices.len() % count);
        let mut rng = keyed_rng(seed, epoch, class, b"balance\0");
        let end = samples.len() + quota;
        for repeat in 0.. {
            if samples.len() == end {
                break;
            }
            shuffle(&mut images, &mut rng);
            let cycle = images.iter().map(|&index| Sample { index, repeat });
            samples.extend(cycle.take(end - samples.len()));
        }
    }
    shuffle(&mut samples, &mut keyed_rng(seed, epoch, 0, b"order\0\0\0"));
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another order would change every published run and break resuming older runs.
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
        let samples = epoch(1, 0);
        assert_eq!(samples.len(), 92);
        let mut counts: Vec<usize> = (0..3)
            .map(|class| samples.iter().filter(|sample| label(sample.index) == class).count())
            .collect();
        counts.sort_unstable();
        assert_eq!(counts, [30, 31, 31]);
        // No image of the frequent class is repeated; each repeat of a rare image has its own
        // number.
        let mut distinct = samples.clone();
        distinct.sort_by_key(|sample| (sample.index, sample.repeat));
        distinct.dedup();
        assert_eq!(distinct.len(), 92);
        assert!(samples.iter().all(|sample| sample.index >= 90 || sample.repeat == 0));
        assert_eq!(epoch(1, 0), samples);
        assert_ne!(epoch(1, 1), samples);
        assert_ne!(epoch(2, 0), samples);
        assert!(balanced_epoch(&[], |_| 0, 0, 0).is_empty());
    }
}
