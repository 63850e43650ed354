//! Automatic batch sizes (`batchSize: 'auto'`): the default, or less if it does not fit into
//! memory.
//!
//! Main memory is estimated, never tried: a process that takes too much of it gets no error, but is
//! swapped out or killed. Memory of a graphics card is tried with one update on synthetic images,
//! because the card reports when it is full.

use residual_arch::Network;
use residual_model::{ComputeOptions, Model};
use residual_spec::{
    Auto, DatasetInfo, Device, Error, ErrorCode, ResolvedConfig, Result, TrainConfig,
};
use tch::{Kind, Tensor};

use crate::free_memory::free_memory;
use crate::memory;
use crate::step::TrainStep;
use crate::synthetic::{synthetic_batch, train_once};

/// Share of the free memory that training may use. Other programs need memory as well, and the
/// system caches the image files in what is left.
const MAX_SHARE: f64 = 0.7;
/// Share of the free memory that training and cached images (`cache`) may use together.
const MAX_SHARE_WITH_CACHE: f64 = 0.95;
/// Safety factor of the estimate, and memory that it does not include. Both are conservative
/// guesses; `plan()` measures the real use.
const SAFETY_FACTOR: f64 = 1.5;
const OVERHEAD: f64 = 300e6;
/// Batch normalization cannot be trained on a single image.
const MIN_BATCH_SIZE: u32 = 2;

/// A smaller batch size than the default.
pub(crate) struct SmallerBatch {
    pub images: u32,
    pub reason: String,
}

/// Returns a smaller batch size if the default does not fit into memory and none is configured.
///
/// # Errors
/// `E_CONFIG` if not even two images fit.
pub(crate) fn reduce(
    input: &TrainConfig,
    config: &ResolvedConfig,
    facts: &DatasetInfo,
    network: &Network,
) -> Result<Option<SmallerBatch>> {
    if input.batch_size.as_ref().and_then(Auto::value).is_some() {
        return Ok(None);
    }
    match config.device {
        Device::Cpu => match free_memory() {
            None => Ok(None),
            Some(free) => {
                let cached = cached_bytes(config.cache, facts.decoded_bytes);
                reduce_to_memory(config.batch_size, free, cached, |images| {
                    required_bytes(&with_batch_size(config, images), network)
                })
            }
        },
        Device::Cuda => reduce_to_card(config, facts, network),
    }
}

fn with_batch_size(config: &ResolvedConfig, images: u32) -> ResolvedConfig {
    ResolvedConfig { batch_size: images, ..config.clone() }
}

/// Tries batch sizes on the graphics card.
fn reduce_to_card(
    config: &ResolvedConfig,
    facts: &DatasetInfo,
    network: &Network,
) -> Result<Option<SmallerBatch>> {
    let max = config.batch_size;
    // Reserves the memory of the images that will be on the card as well.
    let bytes = memory::device_images(config, facts) as i64;
    let device = ComputeOptions::from_config(config).device();
    let _images = Tensor::f_empty([bytes], (Kind::Uint8, device));
    match largest(max, |images| can_update(&with_batch_size(config, images), network))? {
        Some(images) if images == max => Ok(None),
        Some(images) => {
            let reason =
                format!("an update with {} images does not fit into the card's memory", 2 * images);
            Ok(Some(SmallerBatch { images, reason }))
        }
        None => Err(no_memory("an update with two images does not fit into the card's memory")),
    }
}

/// Returns a smaller image cache in MB, with the reason, if the default cache does not fit into
/// memory beside the training steps and none is configured.
pub(crate) fn reduce_cache(
    input: &TrainConfig,
    config: &ResolvedConfig,
    decoded: Option<u64>,
    network: &Network,
) -> Option<(u32, String)> {
    if input.cache.as_ref().and_then(Auto::value).is_some() || config.device != Device::Cpu {
        return None;
    }
    let cached = cached_bytes(config.cache, decoded);
    smaller_cache(cached, free_memory()?, required_bytes(config, network))
}

fn smaller_cache(cached: u64, free: u64, required: f64) -> Option<(u32, String)> {
    let left = (MAX_SHARE_WITH_CACHE * free as f64 - required).max(0.0);
    (cached as f64 > left).then(|| {
        let reason = format!("the free memory, less about {} for training", gigabytes(required));
        ((left / f64::from(1 << 20)) as u32, reason)
    })
}

/// Returns the bytes of cached images: at most `cache` MB, and at most all `decoded` bytes.
fn cached_bytes(cache: u32, decoded: Option<u64>) -> u64 {
    (u64::from(cache) << 20).min(decoded.unwrap_or(0))
}

fn gigabytes(bytes: f64) -> String {
    format!("{:.1} GB", bytes / 1e9)
}

/// Returns the bytes that training needs.
fn required_bytes(config: &ResolvedConfig, network: &Network) -> f64 {
    memory::estimate_step(config, network).total as f64 * SAFETY_FACTOR + OVERHEAD
}

/// Returns a smaller batch size if `max` images do not fit into `free` bytes beside `cached` bytes
/// of images.
fn reduce_to_memory(
    max: u32,
    free: u64,
    cached: u64,
    required: impl Fn(u32) -> f64,
) -> Result<Option<SmallerBatch>> {
    let beside_cache = MAX_SHARE_WITH_CACHE * free as f64 - cached as f64;
    let available = beside_cache.min(MAX_SHARE * free as f64);
    let cache_note = if beside_cache < MAX_SHARE * free as f64 {
        format!(", beside {} of cached images (`cache`)", gigabytes(cached as f64))
    } else {
        String::new()
    };
    match largest(max, |images| Ok(required(images) <= available))? {
        Some(images) if images == max => Ok(None),
        Some(images) => {
            let (needed, free) = (gigabytes(required(2 * images)), gigabytes(free as f64));
            let reason =
                format!("{} would need about {needed} of {free} free{cache_note}", 2 * images);
            Ok(Some(SmallerBatch { images, reason }))
        }
        None => {
            let (needed, free) = (gigabytes(required(MIN_BATCH_SIZE)), gigabytes(free as f64));
            let message =
                format!("a batch of two images needs about {needed}, but only {free} are free");
            Err(no_memory(&(message + &cache_note)))
        }
    }
}

fn no_memory(message: &str) -> Error {
    Error::new(ErrorCode::Config, message).key("batchSize").hint(
        "Close other programs, or choose a smaller network, `data.imageSize` or `cache`. To try \
         anyway, set `batchSize`.",
    )
}

/// Returns the largest batch size that fits, starting with `max` and halving it each time.
fn largest(max: u32, mut fits: impl FnMut(u32) -> Result<bool>) -> Result<Option<u32>> {
    let mut images = max;
    while images >= MIN_BATCH_SIZE {
        if fits(images)? {
            return Ok(Some(images));
        }
        images /= 2;
    }
    Ok(None)
}

/// Returns whether an update fits into the card's memory. The network is discarded afterwards.
fn can_update(config: &ResolvedConfig, network: &Network) -> Result<bool> {
    let update = || -> Result<()> {
        let compute = ComputeOptions::from_config(config);
        let model = Model::new(network.clone(), compute, config.seed)?;
        let mut step = TrainStep::new(config, model, &vec![1; network.classes() as usize])?;
        train_once(&mut step, &synthetic_batch(config, network))
    };
    match update() {
        Ok(()) => Ok(true),
        Err(error) if error.code == ErrorCode::Memory => {
            residual_torch::cuda::empty_cache();
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 MB for each image, and 500 MB for everything else.
    fn required(images: u32) -> f64 {
        5e8 + 1e8 * f64::from(images)
    }

    #[test]
    fn keeps_a_batch_size_that_fits() {
        assert!(reduce_to_memory(32, 6_000_000_000, 0, required).unwrap().is_none());
    }

    #[test]
    fn halves_the_batch_size_until_it_leaves_memory_free() {
        let smaller = reduce_to_memory(32, 5_000_000_000, 0, required).unwrap().unwrap();
        assert_eq!(smaller.images, 16);
        assert_eq!(smaller.reason, "32 would need about 3.7 GB of 5.0 GB free");
        assert_eq!(reduce_to_memory(32, 1_100_000_000, 0, required).unwrap().unwrap().images, 2);
    }

    #[test]
    fn many_cached_images_reduce_the_batch_size() {
        // A quarter of the memory is for the cache in any case.
        assert!(reduce_to_memory(32, 6_000_000_000, 1_500_000_000, required).unwrap().is_none());
        let smaller =
            reduce_to_memory(32, 6_000_000_000, 3_000_000_000, required).unwrap().unwrap();
        assert_eq!(smaller.images, 16);
        let reason = "32 would need about 3.7 GB of 6.0 GB free, beside 3.0 GB of cached images \
                      (`cache`)";
        assert_eq!(smaller.reason, reason);
        let error = reduce_to_memory(32, 6_000_000_000, 6_000_000_000, required).err().unwrap();
        assert!(error.message.ends_with("beside 6.0 GB of cached images (`cache`)"), "{error}");
    }

    #[test]
    fn a_configured_batch_size_reduces_the_cache() {
        assert!(smaller_cache(1_000_000_000, 4_000_000_000, 2_800_000_000.0).is_none());
        let (megabytes, reason) = smaller_cache(1 << 30, 4_000_000_000, 3_000_000_000.0).unwrap();
        assert_eq!((megabytes, reason.contains("about 3.0 GB")), (762, true));
        assert_eq!(smaller_cache(1 << 30, 4_000_000_000, 9e9).unwrap().0, 0);
        assert_eq!(cached_bytes(10, Some(5 << 20)), 5 << 20);
        assert_eq!(cached_bytes(10, Some(50 << 20)), 10 << 20);
        assert_eq!(cached_bytes(10, None), 0);
    }

    #[test]
    fn suggests_a_fix_if_nothing_fits() {
        let error = reduce_to_memory(32, 900_000_000, 0, required).err().unwrap();
        assert_eq!((error.code, error.at.key.as_deref()), (ErrorCode::Config, Some("batchSize")));
        assert!(error.message.contains("needs about 0.7 GB, but only 0.9 GB are free"), "{error}");
        assert!(error.hint.is_some());
    }

    #[test]
    fn tries_smaller_sizes_until_one_fits() {
        let mut tried = Vec::new();
        let found = largest(48, |images| {
            tried.push(images);
            Ok(images <= 12)
        });
        assert_eq!((found.unwrap(), tried), (Some(12), vec![48, 24, 12]));
        assert_eq!(largest(48, |_| Ok(false)).unwrap(), None);
        assert_eq!(largest(1, |_| Ok(true)).unwrap(), None);
    }
}
