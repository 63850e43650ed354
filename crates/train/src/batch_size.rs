//! Automatic batch sizes (`batchSize: 'auto'`): the default, or a smaller size if the default does
//! not fit into memory.
//!
//! On the CPU, the required memory is estimated, because a process that uses too much main memory
//! is swapped out or killed instead of getting an error. On a GPU, one update on synthetic images
//! is tried, because an allocation that does not fit returns an error.

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

/// Share of the free memory that training may use. The rest is for other programs and for the page
/// cache of the image files.
const MAX_SHARE: f64 = 0.7;
/// Share of the free memory that training and cached images (`cache`) may use together.
const MAX_SHARE_WITH_CACHE: f64 = 0.95;
/// Safety factor of the estimate, a conservative guess; `plan()` measures the real use.
const SAFETY_FACTOR: f64 = 1.5;
/// Bytes that the estimate does not include, a conservative guess.
const OVERHEAD: f64 = 300e6;
/// Batch normalization cannot be trained on a single image.
const MIN_BATCH_SIZE: u32 = 2;

/// A smaller batch size than the default.
pub(crate) struct SmallerBatch {
    pub batch_size: u32,
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
        Device::Cuda => reduce_to_gpu_memory(config, facts, network),
    }
}

fn with_batch_size(config: &ResolvedConfig, images: u32) -> ResolvedConfig {
    ResolvedConfig { batch_size: images, ..config.clone() }
}

/// Returns a smaller batch size if an update with the default batch size does not fit into GPU
/// memory.
fn reduce_to_gpu_memory(
    config: &ResolvedConfig,
    facts: &DatasetInfo,
    network: &Network,
) -> Result<Option<SmallerBatch>> {
    let max = config.batch_size;
    // Occupies the memory of the images that will be in device memory as well.
    let bytes = memory::device_images(config, facts) as i64;
    let device = ComputeOptions::from_config(config).device();
    let _images = Tensor::f_empty([bytes], (Kind::Uint8, device));
    match largest_fitting(max, |images| update_fits(&with_batch_size(config, images), network))? {
        Some(images) if images == max => Ok(None),
        Some(images) => {
            let reason =
                format!("an update with {} images does not fit into GPU memory", 2 * images);
            Ok(Some(SmallerBatch { batch_size: images, reason }))
        }
        None => Err(no_memory("an update with two images does not fit into GPU memory")),
    }
}

/// Returns a smaller image cache in MB, with the reason, if the default cache does not fit into
/// memory together with the training steps and none is configured.
pub(crate) fn reduce_cache(
    input: &TrainConfig,
    config: &ResolvedConfig,
    decoded: Option<u64>,
    network: &Network,
) -> Option<(u32, String)> {
    if input.cache.as_ref().and_then(Auto::value).is_some() {
        return None;
    }
    match config.device {
        Device::Cpu => {
            let cached = cached_bytes(config.cache, decoded);
            smaller_cache(cached, free_memory()?, required_bytes(config, network))
        }
        Device::Cuda => None,
    }
}

fn smaller_cache(cached: u64, free: u64, required: f64) -> Option<(u32, String)> {
    let available = (MAX_SHARE_WITH_CACHE * free as f64 - required).max(0.0);
    (cached as f64 > available).then(|| {
        let reason = format!("the free memory, less about {} for training", gigabytes(required));
        ((available / f64::from(1 << 20)) as u32, reason)
    })
}

/// Returns the bytes of cached images: at most `cache` MB, and at most all `decoded` bytes.
fn cached_bytes(cache: u32, decoded: Option<u64>) -> u64 {
    (u64::from(cache) << 20).min(decoded.unwrap_or(0))
}

fn gigabytes(bytes: f64) -> String {
    format!("{:.1} GB", bytes / 1e9)
}

/// Returns the estimated bytes that training needs, with the safety margin.
fn required_bytes(config: &ResolvedConfig, network: &Network) -> f64 {
    memory::estimate_step(config, network).total as f64 * SAFETY_FACTOR + OVERHEAD
}

/// Returns a smaller batch size if `max` images do not fit into `free` bytes in addition to
/// `cached` bytes of images.
fn reduce_to_memory(
    max: u32,
    free: u64,
    cached: u64,
    required: impl Fn(u32) -> f64,
) -> Result<Option<SmallerBatch>> {
    let left_after_cache = MAX_SHARE_WITH_CACHE * free as f64 - cached as f64;
    let available = left_after_cache.min(MAX_SHARE * free as f64);
    let cache_note = if left_after_cache < MAX_SHARE * free as f64 {
        format!(" with {} of cached images (`cache`)", gigabytes(cached as f64))
    } else {
        String::new()
    };
    match largest_fitting(max, |images| Ok(required(images) <= available))? {
        Some(images) if images == max => Ok(None),
        Some(images) => {
            let (needed, free) = (gigabytes(required(2 * images)), gigabytes(free as f64));
            let reason = format!(
                "{} images would need about {needed} of {free} free memory{cache_note}",
                2 * images
            );
            Ok(Some(SmallerBatch { batch_size: images, reason }))
        }
        None => {
            let (needed, free) = (gigabytes(required(MIN_BATCH_SIZE)), gigabytes(free as f64));
            Err(no_memory(&format!(
                "a batch of two images needs about {needed}, which leaves too little of {free} \
                 free memory{cache_note}"
            )))
        }
    }
}

fn no_memory(message: &str) -> Error {
    Error::new(ErrorCode::Config, message).key("batchSize").hint(
        "Close other programs, or choose a smaller network, `data.imageSize` or `cache`. To train \
         without this check, set `batchSize`.",
    )
}

/// Returns the largest of the batch sizes `max`, `max / 2`, `max / 4`, ... that fits.
fn largest_fitting(max: u32, mut fits: impl FnMut(u32) -> Result<bool>) -> Result<Option<u32>> {
    let mut images = max;
    while images >= MIN_BATCH_SIZE {
        if fits(images)? {
            return Ok(Some(images));
        }
        images /= 2;
    }
    Ok(None)
}

/// Returns whether an update fits into GPU memory. The network is discarded afterwards.
fn update_fits(config: &ResolvedConfig, network: &Network) -> Result<bool> {
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

    /// Returns 100 MB for each image, plus 500 MB.
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
        assert_eq!(smaller.batch_size, 16);
        assert_eq!(smaller.reason, "32 images would need about 3.7 GB of 5.0 GB free memory");
        assert_eq!(
            reduce_to_memory(32, 1_100_000_000, 0, required).unwrap().unwrap().batch_size,
            2
        );
    }

    #[test]
    fn many_cached_images_reduce_the_batch_size() {
        // The cache fits into the memory that only the cache may use: (0.95 - 0.7) * 6 GB.
        assert!(reduce_to_memory(32, 6_000_000_000, 1_500_000_000, required).unwrap().is_none());
        let smaller =
            reduce_to_memory(32, 6_000_000_000, 3_000_000_000, required).unwrap().unwrap();
        assert_eq!(smaller.batch_size, 16);
        let reason = "32 images would need about 3.7 GB of 6.0 GB free memory with 3.0 GB of \
                      cached images (`cache`)";
        assert_eq!(smaller.reason, reason);
        let error = reduce_to_memory(32, 6_000_000_000, 6_000_000_000, required).err().unwrap();
        assert!(error.message.ends_with("with 6.0 GB of cached images (`cache`)"), "{error}");
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
    fn returns_a_hint_if_no_batch_size_fits() {
        let error = reduce_to_memory(32, 900_000_000, 0, required).err().unwrap();
        assert_eq!((error.code, error.at.key.as_deref()), (ErrorCode::Config, Some("batchSize")));
        let expected = "needs about 0.7 GB, which leaves too little of 0.9 GB free memory";
        assert!(error.message.ends_with(expected), "{error}");
        assert!(error.hint.is_some());
    }

    #[test]
    fn tries_smaller_sizes_until_one_fits() {
        let mut tried = Vec::new();
        let found = largest_fitting(48, |images| {
            tried.push(images);
            Ok(images <= 12)
        });
        assert_eq!((found.unwrap(), tried), (Some(12), vec![48, 24, 12]));
        assert_eq!(largest_fitting(48, |_| Ok(false)).unwrap(), None);
        assert_eq!(largest_fitting(1, |_| Ok(true)).unwrap(), None);
    }
}
