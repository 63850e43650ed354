//! The splits of a data set. If the data set has no validation split, part of its training images
//! is held out.

use residual_spec::Data;
pub use residual_spec::Split;

use super::dataset::Dataset;
use super::source::Source;
use super::subset::Subset;
use crate::random::{shuffle_class, shuffle_limit};

/// The training, validation and test images of a run.
pub struct Splits {
    pub train: Subset,
    pub val: Option<Subset>,
    pub test: Option<Subset>,
}

impl Dataset {
    /// Returns the splits that a run uses. If the data set has no validation split, holds out
    /// `data.validation` of its training images (a fraction up to 0.5, or a number of images),
    /// stratified by class and selected by `data.split_seed`. Then selects `data.limit` of the
    /// remaining training images, also stratified by class. Every class with training images keeps
    /// at least one.
    pub fn splits(&self, data: &Data) -> Splits {
        let seed = data.split_seed;
        let stored =
            |split| Some(Subset::full(self.source(split))).filter(|subset| !subset.is_empty());
        let train = self.source(Split::Train);
        let mut by_class = group_by_class(train.as_ref(), self.facts().classes.len());
        let val = stored(Split::Val).or_else(|| {
            let held_out = hold_out(&mut by_class, data.validation, seed);
            (!held_out.is_empty())
                .then(|| Subset { source: train.clone(), indices: held_out.into() })
        });
        if let Some(limit) = data.limit {
            limit_images(&mut by_class, limit as usize, seed);
        }
        let indices = sorted_indices(by_class).into();
        Splits { train: Subset { source: train, indices }, val, test: stored(Split::Test) }
    }
}

/// Returns the image indices of each class.
fn group_by_class(source: &dyn Source, classes: usize) -> Vec<Vec<u32>> {
    let mut by_class = vec![Vec::new(); classes];
    for i in 0..source.len() {
        by_class[source.label(i) as usize].push(i as u32);
    }
    by_class
}

fn sorted_indices(by_class: Vec<Vec<u32>>) -> Vec<u32> {
    let mut indices = by_class.concat();
    indices.sort_unstable();
    indices
}

/// Removes a validation split from the images of each class and returns it.
fn hold_out(by_class: &mut [Vec<u32>], validation: f64, seed: u64) -> Vec<u32> {
    let counts: Vec<usize> = by_class.iter().map(Vec::len).collect();
    let mut held_out = Vec::new();
    for (class, (indices, share)) in
        by_class.iter_mut().zip(validation_shares(&counts, validation)).enumerate()
    {
        shuffle_class(indices, seed, class as u32);
        held_out.extend(indices.drain(..share));
    }
    held_out.sort_unstable();
    held_out
}

/// Selects `limit` images. A smaller limit selects a subset of the images of a larger limit, except
/// for rounding.
fn limit_images(by_class: &mut [Vec<u32>], limit: usize, seed: u64) {
    let counts: Vec<usize> = by_class.iter().map(Vec::len).collect();
    let min: Vec<usize> = counts.iter().map(|&count| count.min(1)).collect();
    let shares = apportion(&counts, limit, &min, &counts);
    for (class, (indices, share)) in by_class.iter_mut().zip(shares).enumerate() {
        indices.sort_unstable();
        shuffle_limit(indices, seed, class as u32);
        indices.truncate(share);
    }
}

/// Returns the number of images of each class to hold out. `validation` is a fraction below 1, of
/// which at least one image is held out, or a number of images.
fn validation_shares(counts: &[usize], validation: f64) -> Vec<usize> {
    if validation <= 0.0 {
        return vec![0; counts.len()];
    }
    let total = if validation < 1.0 {
        (counts.iter().sum::<usize>() as f64 * validation).round().max(1.0)
    } else {
        validation
    };
    let max: Vec<usize> = counts.iter().map(|count| count.saturating_sub(1)).collect();
    apportion(counts, total as usize, &vec![0; counts.len()], &max)
}

/// Divides `total` among classes in proportion to their counts, within the bounds `min` and `max`
/// (largest remainder method).
fn apportion(counts: &[usize], total: usize, min: &[usize], max: &[usize]) -> Vec<usize> {
    let count_sum = counts.iter().sum::<usize>().max(1) as u128;
    // The exact share of a class, times `count_sum`.
    let scaled_share = |class: usize| counts[class] as u128 * total as u128;
    let mut shares: Vec<usize> = (0..counts.len())
        .map(|class| ((scaled_share(class) / count_sum) as usize).clamp(min[class], max[class]))
        .collect();
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    by_remainder.sort_by_key(|&class| std::cmp::Reverse(scaled_share(class) % count_sum));
    let mut sum: usize = shares.iter().sum();
    while sum < total {
        let previous_sum = sum;
        for &class in &by_remainder {
            if sum < total && shares[class] < max[class] {
                shares[class] += 1;
                sum += 1;
            }
        }
        if sum == previous_sum {
            break; // every class is at its maximum
        }
    }
    while sum > total {
        // Minimums raised the shares of rare classes: reduce the largest share in return.
        let largest = (0..shares.len()).filter(|&class| shares[class] > min[class]);
        let Some(largest) = largest.max_by_key(|&class| shares[class]) else { break };
        shares[largest] -= 1;
        sum -= 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers the images of classes with these counts consecutively.
    fn number_images(counts: &[usize]) -> Vec<Vec<u32>> {
        let mut next = 0;
        let mut class = |&n: &usize| {
            next += n as u32;
            (next - n as u32..next).collect()
        };
        counts.iter().map(&mut class).collect()
    }

    fn split(counts: &[usize], validation: f64, seed: u64) -> (Vec<u32>, Vec<u32>) {
        let mut by_class = number_images(counts);
        let held_out = hold_out(&mut by_class, validation, seed);
        (sorted_indices(by_class), held_out)
    }

    fn limited(counts: &[usize], limit: usize, seed: u64) -> Vec<Vec<u32>> {
        let mut by_class = number_images(counts);
        limit_images(&mut by_class, limit, seed);
        by_class
    }

    fn shares(counts: &[usize], validation: f64) -> Vec<usize> {
        validation_shares(counts, validation)
    }

    #[test]
    fn holds_out_the_same_fraction_of_every_class() {
        let (train, held_out) = split(&[100, 50, 30], 0.1, 0);
        let count =
            |range: std::ops::Range<u32>| held_out.iter().filter(|i| range.contains(i)).count();
        assert_eq!([count(0..100), count(100..150), count(150..180)], [10, 5, 3]);
        let mut all = [train, held_out].concat();
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
