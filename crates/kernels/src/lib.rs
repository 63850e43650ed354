//! Own CPU kernels on raw slices, for what most of a network is made of: 3x3 convolutions by
//! Winograd's algorithm, and batch normalisation, ReLU and the addition of a shortcut in as few
//! passes over memory as they need; and for pictures before: what decoding a JPEG computes,
//! resizing, and normalising.
//!
//! Images are rows of channels (NHWC: one row a pixel), as channels_last tensors have them. Each
//! kernel is written once, over [`Vector`](vector::Vector), and compiled for AVX-512 and AVX2; its
//! plain reference is the same text over single numbers. [`Level::best`] says which one this CPU
//! runs. A kernel works on the rows that it is given, so the caller decides how threads share them.

mod batch_norm;
mod colour;
mod dct;
mod element;
mod level;
#[cfg(test)]
mod numbers;
mod resample;
mod standard;
mod upsample;
mod vector;
pub mod winograd;

pub use batch_norm::{Gate, Sums, backward, backward_sums, normalize, statistics};
pub use colour::ycc_to_rgb;
pub use dct::{Extent, FourBlocks, Idct, place};
pub use element::{Bf16, Element};
pub use level::{Level, has_amx_bf16};
pub use resample::{Resampler, Stretch};
pub use standard::Standard;
pub use upsample::{Upsampler, between};
