//! CPU kernels on raw slices: 3x3 convolutions by Winograd's algorithm; batch normalization fused
//! with ReLU and the shortcut addition; and for images before training: JPEG's inverse DCT,
//! upsampling and color conversion, resizing and normalization.
//!
//! Tensors are NHWC (PyTorch's `channels_last`): the channels of a pixel are contiguous. A kernel
//! is generic over a [`Vector`](vector::Vector) register and compiled for AVX-512 and AVX2; the
//! scalar instance is the reference. [`SimdLevel::best`] tells which one this CPU runs. Kernels
//! process the rows they are given, so the caller decides how threads share the work.

pub mod batch_norm;
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

pub use batch_norm::ChannelSums;
pub use color::ycc_to_rgb;
pub use dct::{FourBlocks, Idct, NonzeroRegion, coefficient_index};
pub use normalize::ByteNormalizer;
pub use resample::{Resampler, ResizeAxis};
pub use scalar::{Bf16, Scalar};
pub use simd_level::{SimdLevel, has_amx_bf16};
pub use upsample::{Upsampler, upsample_h1v2};
