//! CPU kernels on slices, for training (3x3 convolution by Winograd's algorithm, batch
//! normalization fused with shortcut addition and ReLU) and for image loading (inverse DCT,
//! upsampling and color conversion of JPEGs, resizing, normalization).
//!
//! Tensors are NHWC (PyTorch's `channels_last`): the channels of a pixel are contiguous. Most
//! kernels are generic over a SIMD register and compiled for AVX-512, AVX2 and NEON; the scalar
//! instance is the reference for tests. [`SimdLevel::best`] returns the best instruction set of
//! this CPU. Kernels are single-threaded and process a range of rows, so that the caller divides
//! work between threads.

pub mod ablation;
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
pub use simd_level::{SimdLevel, has_bf16_matrix_unit};
pub use upsample::{Upsampler, upsample_h1v2};
