//! `batchSize: 'auto'`: what is good for learning, or less where memory has no room for it.
//!
//! In main memory it is computed, never tried: a process that takes too much of it is not told, but
//! swapped or killed. A graphics card's memory is tried, by one update on made-up images, for it
//! says when it is full.

use residual_arch::Network;
use residual_model::{ComputeOptions, Model};
use residual_spec::{
    Auto, DatasetInfo, Device, Error, ErrorCode, ResolvedConfig, Result, TrainConfig,
};
use tch::{Kind, Tensor};

use crate::free_memory::free_memory;
use crate::memory;
use crate::step::Learner;
use crate::synthetic::{synthetic_batch, train_once};

/// The share of the free memory that a run may fill: it is not alone, and its images are files that
/// the system remembers better where it has room.
const SHARE: f64 = 0.7;
/// The same of a run together with the decoded images that it keeps (`cache`).
const SHARE_WITH_CACHE: f64 = 0.95;
/// What training takes of what is computed, and what it takes besides: guesses on the safe side, to
/// be held against `plan()`'s measured memory.
const OF_COMPUTED: f64 = 1.5;
const BESIDES: f64 = 300e6;

/// A smaller batch than the one that was chosen.
pub(crate) struct Smaller {
    pub images: u32,
    pub reason: String,
}

/// A batch that fits, where the one that was chosen does not, and nobody said it.
///
/// # Errors
/// `E_CONFIG` if not even two images fit.
pub(crate) fn that_fits(
    asked: &TrainConfig,
    config: &ResolvedConfig,
    facts: &DatasetInfo,
    network: &Network,
) -> Result<Option<Smaller>> {
    if asked.batch_size.as_ref().and_then(Auto::value).is_some() {
        return Ok(None);
    }
    let with = |images| ResolvedConfig { batch_size: images, ..config.clone() };
    match config.device {
        Device::Cpu => match free_memory() {
            None => Ok(None),
            Some(free) => {
                let kept = kept(config.cache, facts.decoded_bytes);
                in_memory(config.batch_size, free, kept, |images| needs(&with(images), network))
            }
        },
        Device::Cuda => {
            let most = config.batch_size;
            // In the place of the images that are to lie beside it, if there is one.
            let bytes = memory::on_device(config, facts) as i64;
            let _images = Tensor::f_empty(
                [bytes],
                (Kind::Uint8, ComputeOptions::from_config(config).device()),
            );
            match largest(most, |images| can_update(&with(images), network))? {
                Some(images) if images == most => Ok(None),
                Some(images) => {
                    let reason = format!("an update of {} does not fit the card", 2 * images);
                    Ok(Some(Smaller { images, reason }))
                }
                None => Err(no_room("the graphics card has no room for an update of two images")),
            }
        }
    }
}

/// Fewer decoded images than were to be kept, in MB, and why: where nobody said how many, and a batch
/// that somebody said leaves no room for them.
pub(crate) fn cache_beside(
    asked: &TrainConfig,
    config: &ResolvedConfig,
    decoded: Option<u64>,
    network: &Network,
) -> Option<(u32, String)> {
    if asked.cache.as_ref().and_then(Auto::value).is_some() || config.device != Device::Cpu {
        return None;
    }
    smaller_cache(kept(config.cache, decoded), free_memory()?, needs(config, network))
}

fn smaller_cache(kept: u64, free: u64, needs: f64) -> Option<(u32, String)> {
    let left = (SHARE_WITH_CACHE * free as f64 - needs).max(0.0);
    (kept as f64 > left).then(|| {
        let reason = format!("what steps, which need about {}, leave free", gigabytes(needs));
        ((left / f64::from(1 << 20)) as u32, reason)
    })
}

/// Bytes of decoded images that are kept: as many MB as may be, of `decoded` bytes in all.
fn kept(cache: u32, decoded: Option<u64>) -> u64 {
    (u64::from(cache) << 20).min(decoded.unwrap_or(0))
}

fn gigabytes(bytes: f64) -> String {
    format!("{:.1} GB", bytes / 1e9)
}

/// Bytes.
fn needs(config: &ResolvedConfig, network: &Network) -> f64 {
    memory::of_step(config, network).total as f64 * OF_COMPUTED + BESIDES
}

/// `kept` bytes of images are to lie beside the batch.
fn in_memory(
    most: u32,
    free: u64,
    kept: u64,
    needs: impl Fn(u32) -> f64,
) -> Result<Option<Smaller>> {
    let beside = SHARE_WITH_CACHE * free as f64 - kept as f64;
    let room = beside.min(SHARE * free as f64);
    let besides = match beside < SHARE * free as f64 {
        true => format!(", beside {} of decoded images (`cache`)", gigabytes(kept as f64)),
        false => String::new(),
    };
    match largest(most, |images| Ok(needs(images) <= room))? {
        Some(images) if images == most => Ok(None),
        Some(images) => {
            let (much, free) = (gigabytes(needs(2 * images)), gigabytes(free as f64));
            let reason = format!("{} would need about {much}, of {free} free{besides}", 2 * images);
            Ok(Some(Smaller { images, reason }))
        }
        None => {
            let (much, free) = (gigabytes(needs(LEAST)), gigabytes(free as f64));
            let message = format!("two images in a step need about {much}, and {free} are free");
            Err(no_room(&(message + &besides)))
        }
    }
}

fn no_room(message: &str) -> Error {
    Error::new(ErrorCode::Config, message).key("batchSize").hint(
        "End other programs, choose a smaller network, `data.imageSize` or `cache`; or say \
         `batchSize`, to try it all the same.",
    )
}

/// One image cannot be normalised by its batch.
const LEAST: u32 = 2;

/// The largest batch that fits, each half of the one before.
fn largest(most: u32, mut fits: impl FnMut(u32) -> Result<bool>) -> Result<Option<u32>> {
    let mut images = most;
    while images >= LEAST {
        if fits(images)? {
            return Ok(Some(images));
        }
        images /= 2;
    }
    Ok(None)
}

/// Whether an update can be made; the network that it was made on is thrown away.
fn can_update(config: &ResolvedConfig, network: &Network) -> Result<bool> {
    let update = || -> Result<()> {
        let model = Model::new(network.clone(), ComputeOptions::from_config(config), config.seed)?;
        let mut learner = Learner::new(config, model, &vec![1; network.classes() as usize])?;
        train_once(&mut learner, &synthetic_batch(config, network))
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

    /// 100 MB an image, and 500 MB besides.
    fn needs(images: u32) -> f64 {
        5e8 + 1e8 * f64::from(images)
    }

    #[test]
    fn what_fits_stays_as_it_was_chosen() {
        assert!(in_memory(32, 6_000_000_000, 0, needs).unwrap().is_none());
    }

    #[test]
    fn it_is_halved_until_it_leaves_room_for_others() {
        let smaller = in_memory(32, 5_000_000_000, 0, needs).unwrap().unwrap();
        assert_eq!(smaller.images, 16);
        assert_eq!(smaller.reason, "32 would need about 3.7 GB, of 5.0 GB free");
        assert_eq!(in_memory(32, 1_100_000_000, 0, needs).unwrap().unwrap().images, 2);
    }

    #[test]
    fn images_that_are_kept_take_room_from_the_batch_once_they_are_many() {
        // A quarter of the memory is left to them in any case.
        assert!(in_memory(32, 6_000_000_000, 1_500_000_000, needs).unwrap().is_none());
        let smaller = in_memory(32, 6_000_000_000, 3_000_000_000, needs).unwrap().unwrap();
        assert_eq!(smaller.images, 16);
        let reason = "32 would need about 3.7 GB, of 6.0 GB free, beside 3.0 GB of decoded images \
                      (`cache`)";
        assert_eq!(smaller.reason, reason);
        let error = in_memory(32, 6_000_000_000, 6_000_000_000, needs).err().unwrap();
        assert!(error.message.ends_with("beside 6.0 GB of decoded images (`cache`)"), "{error}");
    }

    #[test]
    fn a_batch_that_was_said_takes_room_from_images_that_are_kept() {
        assert!(smaller_cache(1_000_000_000, 4_000_000_000, 2_800_000_000.0).is_none());
        let (megabytes, reason) = smaller_cache(1 << 30, 4_000_000_000, 3_000_000_000.0).unwrap();
        assert_eq!((megabytes, reason.contains("about 3.0 GB")), (762, true));
        assert_eq!(smaller_cache(1 << 30, 4_000_000_000, 9e9).unwrap().0, 0);
        assert_eq!(kept(10, Some(5 << 20)), 5 << 20);
        assert_eq!(kept(10, Some(50 << 20)), 10 << 20);
        assert_eq!(kept(10, None), 0);
    }

    #[test]
    fn where_nothing_fits_it_says_what_to_do() {
        let error = in_memory(32, 900_000_000, 0, needs).err().unwrap();
        assert_eq!((error.code, error.at.key.as_deref()), (ErrorCode::Config, Some("batchSize")));
        assert!(error.message.contains("need about 0.7 GB, and 0.9 GB are free"), "{error}");
        assert!(error.hint.is_some());
    }

    #[test]
    fn trying_goes_from_the_most_to_the_least_and_stops_at_the_first_that_fits() {
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
