//! Random numbers that depend on what they are for and on nothing else, so that any number of
//! workers, in any order, and a resumed run draw the same ones.

use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The random numbers of one image in one epoch: ChaCha8 keyed with the seed, the epoch and the
/// image's index in its data set.
pub struct SampleRng(ChaCha8Rng);

impl SampleRng {
    pub fn new(seed: u64, epoch: u32, index: u32) -> Self {
        SampleRng(keyed(seed, epoch, index, b"sample\0\0"))
    }

    /// Uniform in `0..n`. `n` must be above 0.
    pub fn below(&mut self, n: u32) -> u32 {
        below(&mut self.0, n)
    }

    /// Uniform in `low..high`, with 53 random bits.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        let unit = (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        low + (high - low) * unit
    }

    /// True half of the time.
    pub fn coin(&mut self) -> bool {
        self.0.next_u32() & 1 == 1
    }
}

/// Puts the training images in an epoch's order.
pub fn shuffle_epoch(indices: &mut [u32], seed: u64, epoch: u32) {
    shuffle(indices, &mut keyed(seed, epoch, 0, b"order\0\0\0"));
}

/// Puts the images of one class in the order in which a validation part is taken from them.
pub fn shuffle_class(indices: &mut [u32], seed: u64, class: u32) {
    shuffle(indices, &mut keyed(seed, 0, class, b"split\0\0\0"));
}

fn keyed(seed: u64, epoch: u32, index: u32, purpose: &[u8; 8]) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&epoch.to_le_bytes());
    key[16..20].copy_from_slice(&index.to_le_bytes());
    key[24..].copy_from_slice(purpose);
    ChaCha8Rng::from_seed(key)
}

/// Multiply and shift; the bias is below `n` / 2^64.
fn below(rng: &mut ChaCha8Rng, n: u32) -> u32 {
    ((u128::from(rng.next_u64()) * u128::from(n)) >> 64) as u32
}

/// Fisher-Yates.
fn shuffle(indices: &mut [u32], rng: &mut ChaCha8Rng) {
    for i in (1..indices.len()).rev() {
        indices.swap(i, below(rng, i as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_draws_the_same_numbers_every_time_and_others_in_another_epoch() {
        let draw = |seed, epoch, index| SampleRng::new(seed, epoch, index).uniform(0.0, 1.0);
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        for other in [draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4), draw(1, 3, 2)] {
            assert_ne!(draw(1, 2, 3), other);
        }
    }

    /// Frozen: a change here changes every published run and breaks resuming older ones.
    #[test]
    fn the_numbers_never_change_between_versions() {
        let mut rng = SampleRng::new(1, 2, 3);
        let drawn: Vec<u32> = (0..8).map(|_| rng.below(100)).collect();
        assert_eq!(drawn, [99, 42, 85, 73, 52, 38, 28, 77]);
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
    fn draws_are_uniform() {
        let mut counts = [0u32; 10];
        let mut heads = 0;
        for index in 0..10_000 {
            let mut rng = SampleRng::new(0, 0, index);
            counts[rng.below(10) as usize] += 1;
            heads += u32::from(rng.coin());
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert!((4_800..5_200).contains(&heads), "{heads}");
    }
}
