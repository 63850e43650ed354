//! Image sources: data set formats on disk, arrays in memory, and the registry of named
//! data sets.

mod dataset;
mod disk;
mod files;
mod formats;
mod ignored_entries;
mod image_extension;
mod listing;
mod memory;
mod open;
mod registry;
mod scan_headers;
mod skipped_files;
mod source;
mod split;
mod subset;

pub use dataset::Dataset;
#[cfg(test)]
pub(crate) use disk::{DiskSource, ImageLocation};
pub use disk::{decode_file, decode_file_with};
pub use formats::{ArraySplit, Arrays, cifar10_class_names};
pub use listing::has_more_files_than;
pub use memory::MemorySource;
pub use open::{open, open_with_arrays};
pub use registry::{
    DataFile, Download, KnownDataset, find_known_dataset, known_datasets, set_bundled_dir,
    set_download_dir,
};
pub use scan_headers::{ImageListing, list_images};
pub use source::{OpenedImage, ReadBuffers, Source};
pub use split::{Split, Splits};
pub use subset::Subset;
