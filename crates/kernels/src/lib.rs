//! Own CPU kernels on raw slices, for what most of a network is made of: 3x3 convolutions by
//! Winograd's algorithm, and batch normalization, ReLU and the addition of a shortcut in as few
//! passes over memory as they need; and for pictures before: what decoding a JPEG computes,
//! resizing, and normalizing.
//!
//! Images are rows of channels (NHWC: one row a pixel), as channels_last tensors have them. Each
//! kernel is written once, over [`Vector`](vector::Vector), and compiled for AVX-512 and AVX2; its
//! plain reference is the same text over single numbers. [`SimdLevel::best`] says which one this CPU
//! runs. A kernel works on the rows that it is given, so the caller decides how threads share them.

mod batch_norm;
mod color;
mod dct;
mod normalize;
#[cfg(test)]
mod random_values;
mod resample;
mod scalar;
mod simd_level;
mod upsample;
mod vector;
pub mod winograd;

pub use batch_norm::{Gate, Sums, backward, backward_sums, normalize, statistics};
pub use color::ycc_to_rgb;
pub use dct::{FourBlocks, Idct, NonzeroRegion, coefficient_index};
pub use normalize::ByteNormalizer;
pub use resample::{Resampler, ResizeAxis};
pub use scalar::{Bf16, Scalar};
pub use simd_level::{SimdLevel, has_amx_bf16};
pub use upsample::{Upsampler, upsample_h1v2};
