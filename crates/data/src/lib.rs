//! Data loading: from a path or a data set name to normalized batches.
//!
//! - [`open`] finds a data set and its [`Source`]s (`sources`);
//! - [`decode`](decode()) turns JPEG and PNG bytes into an [`Image`] (`decode`);
//! - [`Pipeline`] crops, augments and normalizes images (`transforms`);
//! - [`Loader`] delivers batches in a reproducible order from worker threads (`loader`).
//!
//! Every random number depends only on the seed, the epoch and the image index ([`SampleRng`]), so
//! a run produces the same bytes with any number of workers.

mod decode;
mod loader;
mod preview;
mod random;
mod sources;
#[cfg(test)]
mod testing;
mod transforms;

pub use decode::{DecodeRequest, EncodedImage, Image, ImageSize, ImageView, Region, decode};
pub use loader::{Batch, BatchShare, LoadedBatch, Loader, LoaderOptions, NextBatch, SampleOrder};
pub use preview::{Preview, PreviewImage, preview};
pub use random::SampleRng;
pub use sources::{
    ArraySplit, Arrays, DataFile, Dataset, Download, ImageListing, KnownDataset, MemorySource,
    OpenedImage, ReadBuffers, Source, Split, Splits, Subset, cifar10_class_names, decode_file,
    decode_file_with, find_known_dataset, has_more_files_than, known_datasets, list_images, open,
    open_with_arrays, set_bundled_dir, set_download_dir,
};
pub use transforms::{
    CropNormalize, CropPlan, CropWindow, MixedLabels, Pipeline, PixelMean, thumbnail,
};
