//! From a path or a name to batches of numbers: finding a data set ([`open`]), decoding images
//! ([`decode`]), augmenting and normalising them ([`Pipeline`]), and delivering them in a
//! reproducible order from worker threads ([`Loader`]).
//!
//! Everything random depends on the seed, the epoch and the image's index alone ([`SampleRng`]),
//! so the same run gives the same bytes whatever the number of workers.

mod arrays;
mod cifar;
mod cifar_python;
mod class_names;
mod color;
mod dataset;
mod decode;
mod disk;
mod erase;
mod file;
mod folder;
mod header;
mod idx;
mod image;
mod jpeg;
mod kept;
mod known;
mod left_out;
mod list;
mod loader;
mod manifest;
mod memory;
mod mix;
mod normalize;
mod open;
mod operation;
mod pipeline;
mod pixel_mean;
mod policy;
mod preview;
mod random;
mod resize;
mod source;
mod split;
mod tar;
#[cfg(test)]
mod testing;
mod thumbnail;
mod views;
mod webdataset;

pub use arrays::{ArrayPart, Arrays};
pub use cifar::cifar10_classes;
pub use dataset::Dataset;
pub use decode::{decode, decode_wanted};
pub use disk::{decode_file, decode_file_wanted};
pub use folder::holds_more_files;
pub use image::Image;
pub use known::{
    DataFile, Download, KnownDataset, find_known, known, set_data_root, set_data_store,
};
pub use loader::{Batch, Loaded, Loader, LoaderOptions, Next, Order};
pub use memory::MemorySource;
pub use mix::Mixed;
pub use normalize::Window;
pub use open::{open, open_with};
pub use pipeline::{Cuts, Pipeline};
pub use pixel_mean::PixelMean;
pub use preview::{Preview, PreviewImage, preview};
pub use random::SampleRng;
pub use resize::Region;
pub use source::{Look, Part, Source, Subset, Wanted};
pub use split::Split;
pub use thumbnail::thumbnail;
