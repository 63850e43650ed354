//! The parts that a run uses: a validation part is taken from the training images where the data
//! set brings none.

use std::sync::Arc;

use crate::random::shuffle_class;
use crate::{Dataset, Part, Source, Subset};

/// A run's images.
pub struct Split {
    pub train: Subset,
    pub val: Option<Subset>,
    pub test: Option<Subset>,
}

impl Dataset {
    /// The data set's own parts; where it has no validation part, `validation` of its training
    /// images (a share, 0 to 0.5) are held back instead: by class, in the same shares, chosen by
    /// `seed`. Every class keeps an image to train on, so a class of one image gets none.
    pub fn split(&self, validation: f64, seed: u64) -> Split {
        let own = |part| Some(Subset::all(self.part(part))).filter(|subset| !subset.is_empty());
        let train = self.part(Part::Train);
        let test = own(Part::Test);
        if let Some(val) = own(Part::Val) {
            return Split { train: Subset::all(train), val: Some(val), test };
        }
        let classes = self.facts().classes.len();
        let (kept, held) = stratified(train.as_ref(), classes, validation, seed);
        let val = match held.is_empty() {
            true => None,
            false => Some(Subset { source: train.clone(), indices: held.into() }),
        };
        Split { train: Subset { source: train, indices: Arc::from(kept) }, val, test }
    }
}

/// Indices to train on and to hold back, each ascending.
fn stratified(
    source: &dyn Source,
    classes: usize,
    validation: f64,
    seed: u64,
) -> (Vec<u32>, Vec<u32>) {
    let mut by_class = vec![Vec::new(); classes];
    for i in 0..source.len() {
        by_class[source.label(i) as usize].push(i as u32);
    }
    let counts: Vec<usize> = by_class.iter().map(Vec::len).collect();
    let (mut kept, mut held) = (Vec::new(), Vec::new());
    let shares = shares(&counts, validation);
    for (class, (mut indices, share)) in by_class.into_iter().zip(shares).enumerate() {
        shuffle_class(&mut indices, seed, class as u32);
        kept.extend_from_slice(&indices[share..]);
        held.extend_from_slice(&indices[..share]);
    }
    kept.sort_unstable();
    held.sort_unstable();
    (kept, held)
}

/// How many of each class to hold back: the whole is the share of all images, rounded, and at
/// least one; what rounding down leaves over goes to the classes with the largest remainders.
fn shares(counts: &[usize], validation: f64) -> Vec<usize> {
    if validation <= 0.0 {
        return vec![0; counts.len()];
    }
    let most: Vec<usize> = counts.iter().map(|count| count.saturating_sub(1)).collect();
    let exact = |class: usize| counts[class] as f64 * validation;
    let mut shares: Vec<usize> =
        most.iter().enumerate().map(|(class, &most)| (exact(class) as usize).min(most)).collect();
    let whole = (counts.iter().sum::<usize>() as f64 * validation).round().max(1.0) as usize;
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by(|&a, &b| exact(b).fract().total_cmp(&exact(a).fract()));
    for class in order {
        if shares.iter().sum::<usize>() >= whole {
            break;
        }
        shares[class] = (shares[class] + 1).min(most[class]);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemorySource;

    fn split(counts: &[usize], validation: f64, seed: u64) -> (Vec<u32>, Vec<u32>) {
        let labels: Vec<u8> =
            counts.iter().enumerate().flat_map(|(class, &n)| vec![class as u8; n]).collect();
        let pixels = vec![0; labels.len()];
        let source = MemorySource::new(Part::Train, [1, 1, 1], pixels, labels);
        stratified(&source, counts.len(), validation, seed)
    }

    #[test]
    fn every_class_gives_its_share() {
        let (kept, held) = split(&[100, 50, 30], 0.1, 0);
        let count = |range: std::ops::Range<u32>| held.iter().filter(|i| range.contains(i)).count();
        assert_eq!([count(0..100), count(100..150), count(150..180)], [10, 5, 3]);
        let mut all = [kept, held].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..180));
    }

    #[test]
    fn the_whole_is_the_share_of_all_images_even_when_classes_are_small() {
        assert_eq!(shares(&[4; 10], 0.1).iter().sum::<usize>(), 4);
        assert_eq!(shares(&[3, 3], 0.1), [1, 0]);
        assert_eq!(shares(&[9, 7, 4], 0.25), [2, 2, 1]);
    }

    #[test]
    fn every_class_keeps_an_image_to_train_on() {
        assert_eq!(shares(&[1, 1, 1], 0.5), [0, 0, 0]);
        assert_eq!(shares(&[2, 1, 40], 0.5), [1, 0, 21]);
        assert_eq!(shares(&[0, 2], 0.5), [0, 1]);
    }

    #[test]
    fn the_seed_decides_which_images_and_nothing_else_does() {
        assert_eq!(split(&[50, 50], 0.2, 7), split(&[50, 50], 0.2, 7));
        assert_ne!(split(&[50, 50], 0.2, 7).1, split(&[50, 50], 0.2, 8).1);
    }

    #[test]
    fn nothing_is_held_back_when_nothing_is_asked() {
        assert_eq!(split(&[5, 5], 0.0, 0), ((0..10).collect(), vec![]));
    }
}
