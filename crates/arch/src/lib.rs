//! Descriptions of networks. A [`Network`] lists layers with torchvision's names, tensor shapes and
//! initial weights; `crates/model` executes the network.

mod build;
mod families;
mod freeze;
mod init;
mod inspect;
mod layer;
mod network;
mod tree;

pub use build::{build, names};
pub use freeze::frozen;
pub use init::{Init, initial_values};
pub use inspect::{Inspection, LayerRow, inspect};
pub use layer::{
    AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ConvUnit, Hidden, Linear, LinearInit, MaxPool2d,
    TensorKind, TensorSpec,
};
pub use network::{Block, Layer, Network, ShortcutPath};
