//! Loading of batches: sampling order, worker threads and the cache of decoded images.

mod batch;
mod batch_share;
mod cache;
mod compute_pixel_mean;
#[allow(clippy::module_inception)] // the concept is the loader
mod loader;
mod sampler;

pub use batch::{Batch, LoadedBatch};
pub use batch_share::BatchShare;
pub use loader::{Loader, LoaderOptions, NextBatch};
pub use sampler::SampleOrder;
pub(crate) use sampler::shuffle_epoch;
