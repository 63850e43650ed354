//! 3x3 convolutions of stride 1 and padding 1 by Winograd's minimal filtering F(4x4, 3x3) (Lavin &
//! Gray 2015, <https://arxiv.org/abs/1509.09308>): a 4x4 output tile costs 36 multiplications per
//! pair of channels instead of the direct sum's 144.
//!
//! A 6x6 input tile `d` becomes `B' d B`, a filter `g` becomes `G g G'`; their products `m`, summed
//! over the input channels, become the output tile `A' m A`. The sums are 36 matrix products over
//! all tiles. The gradient of the input is the same convolution with rotated filters. The gradient
//! of the filters is the transposed algorithm: `G' [sum over tiles of (B' x B) (A dy A')] G`.
//!
//! All arithmetic is in f32, whatever the image type. Images are NHWC, filters `[out][3][3][in]` (a
//! channels_last weight); both channel counts are multiples of [`CHANNEL_MULTIPLE`]. Work is
//! divided by rows of tiles: four rows of pixels of one image, which are contiguous in memory.

// Matrices are indexed as in the formulas.
#![allow(clippy::needless_range_loop)]

mod block;
mod convolve;
mod filter;
mod gradient;
mod multiply;
mod transform;

pub use convolve::{Epilogue, OutputStats, Shortcut, convolve};
pub use filter::{Pass, transform_filters};
pub use gradient::{accumulate_filter_gradient, finish_filter_gradient};

/// Both channel counts are multiples of this: one AVX-512 register, two of AVX2.
pub const CHANNEL_MULTIPLE: usize = 16;

/// Side of an output tile in pixels.
const OUTPUT_TILE: usize = 4;

/// Side of an input tile in pixels.
const INPUT_TILE: usize = 6;

/// Values of a transformed tile or filter.
pub const POINTS: usize = INPUT_TILE * INPUT_TILE;

/// Image values that fit a core's own cache beside as many of three other tensors.
const CACHED_VALUES: usize = 1 << 16;

/// Largest product of channel counts whose transformed filters fit a core's own cache too.
const CACHED_FILTERS: usize = 64 * 64;

/// Shape of a convolution.
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
    pub fn tile_rows(&self) -> usize {
        self.images * self.tile_rows_per_image()
    }

    /// Returns the number of tiles of all images.
    pub fn tiles(&self) -> usize {
        self.tile_rows() * self.tiles_per_row()
    }

    /// Returns the number of tile rows after which a second pass over the same images still finds
    /// them in a core's own cache, as whole blocks of tiles. If the filters alone fill the cache,
    /// returns all tile rows.
    pub fn cached_tile_rows(&self) -> usize {
        if self.in_channels * self.out_channels > CACHED_FILTERS {
            return self.tile_rows();
        }
        let per_row = self.tiles_per_row();
        let mut whole = 1;
        while !(whole * per_row).is_multiple_of(block::TILES) {
            whole += 1;
        }
        let row = OUTPUT_TILE * self.width * self.in_channels.max(self.out_channels);
        whole * (CACHED_VALUES / (whole * row)).max(1)
    }

    /// Returns the number of values of all transformed filters.
    pub fn transformed_filters(&self) -> usize {
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

    /// Returns the first pixel row of a tile row, counted over all images.
    #[inline]
    pub fn first_pixel_row(&self, tile_row: usize) -> usize {
        let per_image = self.tile_rows_per_image();
        let (image, row) = (tile_row / per_image, tile_row % per_image);
        image * self.height + row * OUTPUT_TILE
    }

    /// Returns the range of the values of tile rows, in images with `channels` channels.
    pub fn value_range(
        &self,
        tile_rows: &std::ops::Range<usize>,
        channels: usize,
    ) -> std::ops::Range<usize> {
        let row = self.width * channels;
        self.first_pixel_row(tile_rows.start) * row..self.first_pixel_row(tile_rows.end) * row
    }

    fn check(&self) {
        assert_eq!(self.in_channels % CHANNEL_MULTIPLE, 0, "whole registers of channels");
        assert_eq!(self.out_channels % CHANNEL_MULTIPLE, 0, "whole registers of channels");
    }
}

#[cfg(test)]
mod tests;
