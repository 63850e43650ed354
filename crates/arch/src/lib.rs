//! Networks as data. A [`Network`] says which layers there are, what they are called (torchvision's
//! names), what shapes they have and how their weights begin; `crates/model` executes it.

mod init;
mod inspect;
mod layer;
mod network;
mod resnet;

pub use init::{initial_values, Init};
pub use inspect::{inspect, Inspection, LayerRow};
pub use layer::{BatchNorm2d, Conv2d, ConvNorm, Linear, MaxPool2d, TensorKind, TensorSpec};
pub use network::{Block, Network, ShortcutPath, Stage};
pub use resnet::{names, resnet};
