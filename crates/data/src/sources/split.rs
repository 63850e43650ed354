//! The splits of a data set. A validation split is held out of the training images if the data set
//! has none.

use residual_spec::Data;
pub use residual_spec::Split;

use super::dataset::Dataset;
use super::source::Source;
use super::subset::Subset;
use crate::random::{shuffle_class, shuffle_limit};

/// The images of a run.
pub struct Splits {
    pub train: Subset,
    pub val: Option<Subset>,
    pub test: Option<Subset>,
}

impl Dataset {
    /// Returns the splits that a run uses. If the data set has no validation split, holds out
    /// `data.validation` of its training images (a fraction up to 0.5, or a number of images),
    /// stratified by class and selected by `data.split_seed`. Then keeps `data.limit` of the
    /// remaining training images in the same way. Every class keeps at least one training image.
    pub fn splits(&self, data: &Data) -> Splits {
        let seed = data.split_seed;
        let own =
            |split| Some(Subset::full(self.source(split))).filter(|subset| !subset.is_empty());
        let train = self.source(Split::Train);
        let mut kept = by_class(train.as_ref(), 0..train.len() as u32, self.facts().classes.len());
        let val = own(Split::Val).or_else(|| {
            let held = hold_back(&mut kept, data.validation, seed);
            (!held.is_empty()).then(|| Subset { source: train.clone(), indices: held.into() })
        });
        if let Some(limit) = data.limit {
            keep(&mut kept, limit as usize, seed);
        }
        let kept = ascending(kept).into();
        Splits { train: Subset { source: train, indices: kept }, val, test: own(Split::Test) }
    }
}

fn by_class(
    source: &dyn Source,
    indices: impl Iterator<Item = u32>,
    classes: usize,
) -> Vec<Vec<u32>> {
    let mut by_class = vec![Vec::new(); classes];
    for i in indices {
        by_class[source.label(i as usize) as usize].push(i);
    }
    by_class
}

fn ascending(by_class: Vec<Vec<u32>>) -> Vec<u32> {
    let mut indices = by_class.concat();
    indices.sort_unstable();
    indices
}

/// Removes a validation split from the images of each class.
fn hold_back(by_class: &mut [Vec<u32>], validation: f64, seed: u64) -> Vec<u32> {
    let counts: Vec<usize> = by_class.iter().map(Vec::len).collect();
    let mut held = Vec::new();
    for (class, (indices, share)) in
        by_class.iter_mut().zip(validation_shares(&counts, validation)).enumerate()
    {
        shuffle_class(indices, seed, class as u32);
        held.extend(indices.drain(..share));
    }
    held.sort_unstable();
    held
}

/// Keeps `limit` images. A smaller limit selects a subset of a larger one, except for rounding.
fn keep(by_class: &mut [Vec<u32>], limit: usize, seed: u64) {
    let counts: Vec<usize> = by_class.iter().map(Vec::len).collect();
    let least: Vec<usize> = counts.iter().map(|&count| count.min(1)).collect();
    let shares = apportion(&counts, limit, &least, &counts);
    for (class, (indices, share)) in by_class.iter_mut().zip(shares).enumerate() {
        indices.sort_unstable();
        shuffle_limit(indices, seed, class as u32);
        indices.truncate(share);
    }
}

/// The number of images of each class to hold out. `validation` below 1 is a fraction; at least one
/// image is held out.
fn validation_shares(counts: &[usize], validation: f64) -> Vec<usize> {
    if validation <= 0.0 {
        return vec![0; counts.len()];
    }
    let whole = if validation < 1.0 {
        (counts.iter().sum::<usize>() as f64 * validation).round().max(1.0)
    } else {
        validation
    };
    let most: Vec<usize> = counts.iter().map(|count| count.saturating_sub(1)).collect();
    apportion(counts, whole as usize, &vec![0; counts.len()], &most)
}

/// Divides `whole` among classes in proportion to their counts, within bounds (largest remainder
/// method).
fn apportion(counts: &[usize], whole: usize, least: &[usize], most: &[usize]) -> Vec<usize> {
    let all = counts.iter().sum::<usize>().max(1);
    let exact = |class: usize| counts[class] as u128 * whole as u128;
    let mut shares: Vec<usize> = (0..counts.len())
        .map(|class| ((exact(class) / all as u128) as usize).clamp(least[class], most[class]))
        .collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&class| std::cmp::Reverse(exact(class) % all as u128));
    let mut sum: usize = shares.iter().sum();
    while sum < whole {
        let before = sum;
        for &class in &order {
            if sum < whole && shares[class] < most[class] {
                shares[class] += 1;
                sum += 1;
            }
        }
        if sum == before {
            break; // every class is at its bound
        }
    }
    while sum > whole {
        // Rare classes got their minimum; the largest class gives the difference.
        let largest = (0..shares.len()).filter(|&class| shares[class] > least[class]);
        let Some(largest) = largest.max_by_key(|&class| shares[class]) else { break };
        shares[largest] -= 1;
        sum -= 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(counts: &[usize]) -> Vec<Vec<u32>> {
        let mut next = 0;
        let mut class = |&n: &usize| {
            next += n as u32;
            (next - n as u32..next).collect()
        };
        counts.iter().map(&mut class).collect()
    }

    fn split(counts: &[usize], validation: f64, seed: u64) -> (Vec<u32>, Vec<u32>) {
        let mut kept = classes(counts);
        let held = hold_back(&mut kept, validation, seed);
        (ascending(kept), held)
    }

    fn limited(counts: &[usize], limit: usize, seed: u64) -> Vec<Vec<u32>> {
        let mut kept = classes(counts);
        keep(&mut kept, limit, seed);
        kept
    }

    fn shares(counts: &[usize], validation: f64) -> Vec<usize> {
        validation_shares(counts, validation)
    }

    #[test]
    fn holds_out_the_same_fraction_of_every_class() {
        let (kept, held) = split(&[100, 50, 30], 0.1, 0);
        let count = |range: std::ops::Range<u32>| held.iter().filter(|i| range.contains(i)).count();
        assert_eq!([count(0..100), count(100..150), count(150..180)], [10, 5, 3]);
        let mut all = [kept, held].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..180));
    }

    #[test]
    fn the_total_is_exact_for_small_classes() {
        assert_eq!(shares(&[4; 10], 0.1).iter().sum::<usize>(), 4);
        assert_eq!(shares(&[3, 3], 0.1), [1, 0]);
        assert_eq!(shares(&[9, 7, 4], 0.25), [2, 2, 1]);
    }

    #[test]
    fn every_class_keeps_a_training_image() {
        assert_eq!(shares(&[1, 1, 1], 0.5), [0, 0, 0]);
        assert_eq!(shares(&[2, 1, 40], 0.5), [1, 0, 21]);
        assert_eq!(shares(&[0, 2], 0.5), [0, 1]);
    }

    #[test]
    fn the_seed_selects_the_images() {
        assert_eq!(split(&[50, 50], 0.2, 7), split(&[50, 50], 0.2, 7));
        assert_ne!(split(&[50, 50], 0.2, 7).1, split(&[50, 50], 0.2, 8).1);
    }

    #[test]
    fn holds_out_nothing_for_zero() {
        assert_eq!(split(&[5, 5], 0.0, 0), ((0..10).collect(), vec![]));
    }

    #[test]
    fn accepts_a_number_of_images() {
        assert_eq!(shares(&[5_000; 10], 5_000.0), [500; 10]);
        assert_eq!(split(&[5_000; 10], 5_000.0, 3), split(&[5_000; 10], 0.1, 3));
        assert_eq!(shares(&[3, 3], 1.0), [1, 0]);
    }

    #[test]
    fn limit_keeps_class_proportions() {
        let counts = |counts: &[usize], limit| -> Vec<usize> {
            limited(counts, limit, 0).iter().map(Vec::len).collect()
        };
        assert_eq!(counts(&[100, 50, 30], 18), [10, 5, 3]);
        assert_eq!(counts(&[1000, 2, 1], 5), [3, 1, 1]);
        assert_eq!(counts(&[1000, 0, 1], 3), [2, 0, 1]);
        assert_eq!(counts(&[4, 5], 100), [4, 5]);
    }

    #[test]
    fn smaller_limits_select_subsets() {
        let [few, many] = [20, 80].map(|limit| limited(&[90, 90], limit, 1).concat());
        assert!(few.iter().all(|index| many.contains(index)));
        assert_ne!(limited(&[90, 90], 20, 2).concat(), few);
    }
}
