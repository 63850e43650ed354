//! Random numbers that depend only on the seed, the epoch, an index and their purpose, so that any
//! number of workers, in any order, and a resumed run draw the same numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_distr::{Beta, Distribution, StandardNormal};

/// Random number generator of one image in one epoch: ChaCha8, keyed with the seed, the epoch and
/// the image index.
#[derive(Clone)]
pub struct SampleRng(ChaCha8Rng);

impl SampleRng {
    pub fn new(seed: u64, epoch: u32, index: u32) -> Self {
        SampleRng::for_sample(seed, epoch, index, 0)
    }

    /// Returns the generator for one occurrence of an image in an epoch; `repeat` is the number of
    /// its earlier occurrences.
    pub(crate) fn for_sample(seed: u64, epoch: u32, index: u32, repeat: u32) -> Self {
        SampleRng(ChaCha8Rng::from_seed(key(seed, epoch, [index, repeat], b"sample\0\0")))
    }

    /// Returns a uniform integer in `0..n`; `n` must be above 0.
    pub fn below(&mut self, n: u32) -> u32 {
        below(&mut self.0, n)
    }

    /// Returns a uniform number in `low..high`, from 53 random bits.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        let unit = (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        low + (high - low) * unit
    }

    /// Returns true with probability 1/2.
    pub fn coin(&mut self) -> bool {
        self.0.next_u32() & 1 == 1
    }

    /// Returns a standard normal number.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Returns a Beta(alpha, alpha) number in 0..=1; `alpha` must be above 0.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        // Outside these bounds the distribution is numerically Bernoulli(1/2) or the constant 1/2.
        let alpha = alpha.clamp(1e-6, 1e6);
        Beta::new(alpha, alpha).map_or(0.5, |beta| beta.sample(&mut self.0))
    }
}

/// Returns the generator of a batch, keyed with the seed, the epoch and the batch number.
pub(crate) fn batch_rng(seed: u64, epoch: u32, batch: u32) -> SampleRng {
    SampleRng(keyed_rng(seed, epoch, batch, b"batch\0\0\0"))
}

/// Shuffles the images of one class, so that the first ones can be held out for validation.
pub fn shuffle_class(indices: &mut [u32], seed: u64, class: u32) {
    shuffle(indices, &mut keyed_rng(seed, 0, class, b"split\0\0\0"));
}

/// Shuffles the images of one class, so that [`limit`](residual_spec::Data::limit) can select the
/// first ones.
pub(crate) fn shuffle_limit(indices: &mut [u32], seed: u64, class: u32) {
    shuffle(indices, &mut keyed_rng(seed, 0, class, b"limit\0\0\0"));
}

/// Returns the generator for a purpose; different purposes draw independent numbers.
pub(crate) fn keyed_rng(seed: u64, epoch: u32, index: u32, purpose: &[u8; 8]) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(key(seed, epoch, [index, 0], purpose))
}

fn key(seed: u64, epoch: u32, [index, repeat]: [u32; 2], purpose: &[u8; 8]) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&epoch.to_le_bytes());
    key[16..20].copy_from_slice(&index.to_le_bytes());
    key[20..24].copy_from_slice(&repeat.to_le_bytes());
    key[24..].copy_from_slice(purpose);
    key
}

/// Returns a uniform integer in `0..n` by Lemire's multiply-and-shift without rejection; the bias
/// is below `n` / 2^64.
fn below(rng: &mut ChaCha8Rng, n: u32) -> u32 {
    ((u128::from(rng.next_u64()) * u128::from(n)) >> 64) as u32
}

/// Shuffles with the Fisher-Yates algorithm.
pub(crate) fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(rng, i as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_depend_on_seed_epoch_and_index() {
        let draw = |seed, epoch, index| SampleRng::new(seed, epoch, index).uniform(0.0, 1.0);
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        for other in [draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4), draw(1, 3, 2)] {
            assert_ne!(draw(1, 2, 3), other);
        }
    }

    /// Other numbers would change every published run and break resuming older runs.
    #[test]
    fn the_numbers_never_change_between_versions() {
        let mut rng = SampleRng::new(1, 2, 3);
        let drawn: Vec<u32> = (0..8).map(|_| rng.below(100)).collect();
        assert_eq!(drawn, [99, 42, 85, 73, 52, 38, 28, 77]);
    }

    #[test]
    fn repeats_of_an_image_draw_different_numbers() {
        let draw = |repeat| SampleRng::for_sample(1, 2, 3, repeat).uniform(0.0, 1.0);
        assert_eq!(draw(0), SampleRng::new(1, 2, 3).uniform(0.0, 1.0));
        assert_ne!(draw(0), draw(1));
    }

    #[test]
    fn batches_and_images_draw_different_numbers() {
        let batch_number = batch_rng(1, 2, 3).uniform(0.0, 1.0);
        assert_eq!(batch_rng(1, 2, 3).uniform(0.0, 1.0), batch_number);
        assert_ne!(SampleRng::new(1, 2, 3).uniform(0.0, 1.0), batch_number);
    }

    #[test]
    fn normal_and_beta_draws_have_the_expected_mean_and_variance() {
        let mut rng = SampleRng::new(3, 0, 0);
        let mut moments = |mut draw: Box<dyn FnMut(&mut SampleRng) -> f64>| {
            let drawn: Vec<f64> = (0..20_000).map(|_| draw(&mut rng)).collect();
            let mean = drawn.iter().sum::<f64>() / 20_000.0;
            (mean, drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0)
        };
        let (mean, variance) = moments(Box::new(SampleRng::normal));
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        for alpha in [0.2, 1.0, 3.0] {
            let (mean, variance) = moments(Box::new(move |rng| rng.beta(alpha)));
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!(
                (mean - 0.5).abs() < 0.02 && (variance / expected - 1.0).abs() < 0.05,
                "{alpha}"
            );
        }
        for alpha in [f64::MIN_POSITIVE, 1e-300, 1e-9, 1e9, 1e300, f64::MAX] {
            let drawn = rng.beta(alpha);
            assert!((0.0..=1.0).contains(&drawn), "{alpha}: {drawn}");
        }
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
