//! 3x3 convolutions of stride 1 and padding 1 by Winograd's minimal filtering F(4x4, 3x3) (Lavin &
//! Gray 2015, <https://arxiv.org/abs/1509.09308>): a 4x4 output tile takes 36 multiplications per
//! pair of channels instead of the 144 of a direct convolution.
//!
//! A 6x6 input tile `d` is transformed to `B' d B`, and a filter `g` to `G g G'`. Their
//! element-wise products are summed over the input channels to `m`. The output tile is `A' m A`.
//! The sums are 36 matrix products over all tiles. The gradient of the input is a convolution with
//! rotated filters. The gradient of the filters is the transposed algorithm:
//! `G' [sum over tiles of (B' x B) (A dy A')] G`.
//!
//! All arithmetic is in f32 for every element type. Images are NHWC, filters `[out][3][3][in]` (a
//! channels_last weight), and both channel counts are multiples of [`CHANNEL_MULTIPLE`]. Work is
//! divided by tile rows: four pixel rows of one image, which are contiguous in memory.

// Matrices are indexed as in the formulas.
#![allow(clippy::needless_range_loop)]

mod block;
mod convolve;
mod filter;
mod gemm;
mod gradient;
mod transform;

pub use convolve::{Epilogue, OutputStats, Shortcut, convolve};
pub use filter::{Pass, transform_filters};
pub use gradient::{accumulate_filter_gradient, finish_filter_gradient};

/// Divisor of both channel counts: the lanes of one AVX-512 register or of two AVX2 registers.
pub const CHANNEL_MULTIPLE: usize = 16;

/// Height and width of an output tile in pixels.
const OUTPUT_TILE: usize = 4;

/// Height and width of an input tile in pixels.
const INPUT_TILE: usize = 6;

/// Values of a transformed tile or filter.
pub const POINTS: usize = INPUT_TILE * INPUT_TILE;

/// Values of one tensor such that four tensors of this size fit into the private cache of a core.
const CACHED_VALUES: usize = 1 << 16;

/// Maximum product of the channel counts for which the transformed filters fit into that cache too.
const CACHED_FILTERS: usize = 64 * 64;

/// Shape of a convolution. The output has the size of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct ConvShape {
    pub images: usize,
    pub height: usize,
    pub width: usize,
    pub in_channels: usize,
    pub out_channels: usize,
}

impl ConvShape {
    /// Returns the number of tile rows of all images.
    pub fn num_tile_rows(&self) -> usize {
        self.images * self.tile_rows_per_image()
    }

    /// Returns the number of tiles of all images.
    pub fn num_tiles(&self) -> usize {
        self.num_tile_rows() * self.tiles_per_row()
    }

    /// Returns how many tile rows can be processed before their images are evicted from the private
    /// cache of a core, as a number that fills complete blocks of tiles. Returns the number of all
    /// tile rows if the filters alone fill the cache.
    pub fn cached_tile_rows(&self) -> usize {
        if self.in_channels * self.out_channels > CACHED_FILTERS {
            return self.num_tile_rows();
        }
        let per_row = self.tiles_per_row();
        let mut rows = 1;
        while !(rows * per_row).is_multiple_of(block::TILES) {
            rows += 1;
        }
        let row_len = OUTPUT_TILE * self.width * self.in_channels.max(self.out_channels);
        rows * (CACHED_VALUES / (rows * row_len)).max(1)
    }

    /// Returns the number of values of all transformed filters.
    pub fn transformed_filters_len(&self) -> usize {
        POINTS * self.in_channels * self.out_channels
    }

    #[inline]
    fn tile_rows_per_image(&self) -> usize {
        self.height.div_ceil(OUTPUT_TILE)
    }

    #[inline]
    fn tiles_per_row(&self) -> usize {
        self.width.div_ceil(OUTPUT_TILE)
    }

    /// Returns the index of the first pixel row of a tile row. Pixel rows are counted over all
    /// images.
    #[inline]
    pub fn first_pixel_row(&self, tile_row: usize) -> usize {
        let per_image = self.tile_rows_per_image();
        let (image, row) = (tile_row / per_image, tile_row % per_image);
        image * self.height + row * OUTPUT_TILE
    }

    /// Returns the index range of the values of tile rows in images with `channels` channels.
    pub fn value_range(
        &self,
        tile_rows: &std::ops::Range<usize>,
        channels: usize,
    ) -> std::ops::Range<usize> {
        let row_len = self.width * channels;
        let start = |tile_row: usize| self.first_pixel_row(tile_row) * row_len;
        start(tile_rows.start)..start(tile_rows.end)
    }

    fn assert_valid(&self) {
        assert_eq!(self.in_channels % CHANNEL_MULTIPLE, 0, "a multiple of CHANNEL_MULTIPLE");
        assert_eq!(self.out_channels % CHANNEL_MULTIPLE, 0, "a multiple of CHANNEL_MULTIPLE");
    }
}

#[cfg(test)]
mod tests;
