//! Readers of the data set formats, one file each, and their shared parts.

pub(crate) mod arrays;
pub(crate) mod cifar;
mod cifar_python;
mod class_names;
mod columns;
mod duplicate_images;
pub(crate) mod folder;
mod idx;
mod image_list;
pub(crate) mod layout;
pub(crate) mod manifest;
mod tar;
pub(crate) mod webdataset;

pub use arrays::{ArraySplit, Arrays};
pub use cifar::cifar10_class_names;
