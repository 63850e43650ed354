//! 3x3 convolutions of stride 1 and padding 1 by Winograd's minimal filtering F(4x4, 3x3) (Lavin &
//! Gray 2015, <https://arxiv.org/abs/1509.09308>): a 4x4 tile of the output costs 36 multiplications
//! for each pair of channels where the direct sum takes 144.
//!
//! A tile of the input, 6x6 with its rim, becomes `B' d B`, a filter `G g G'`; their products,
//! summed over the input's channels, become the output's tile by `A' m A`. The sums are 36 matrix
//! products over all tiles. The gradient of the input is the same convolution with turned filters,
//! that of the filters the transpose of the whole: `G' [sum over tiles of (B' x B) (A dy A')] G`.
//!
//! Everything is computed in f32, whatever the images are kept in. Images are NHWC, filters `[out][3]
//! [3][in]` (a channels_last weight); both numbers of channels are multiples of [`CHANNELS`]. Work is
//! shared by rows of tiles: four rows of pixels of one image, which lie together in memory.

// Matrices are indexed as formulas index them.
#![allow(clippy::needless_range_loop)]

mod block;
mod convolve;
mod filter;
mod gradient;
mod multiply;
mod transform;

pub use convolve::{Shortcut, Statistics, Then, convolve};
pub use filter::{Pass, transform_filters};
pub use gradient::{filter_gradient, filter_sums};

/// What both numbers of channels are multiples of: one register of AVX-512, two of AVX2.
pub const CHANNELS: usize = 16;

/// Pixels of an output tile along each side.
const TILE: usize = 4;

/// Pixels of an input tile along each side.
const RIM: usize = 6;

/// Numbers that a tile or a filter becomes.
pub const POINTS: usize = RIM * RIM;

/// Numbers of an image that stay in a core's own cache beside as many of three others.
const NEAR: usize = 1 << 16;

/// Filters that do, too.
const SMALL: usize = 64 * 64;

/// Images in, images out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Shape {
    pub images: usize,
    pub height: usize,
    pub width: usize,
    /// Channels of what is read.
    pub inputs: usize,
    /// Channels of what is written.
    pub outputs: usize,
}

impl Shape {
    /// Rows of tiles, over all images.
    pub fn tile_rows(&self) -> usize {
        self.images * self.rows_of_image()
    }

    pub fn tiles(&self) -> usize {
        self.tile_rows() * self.tiles_of_row()
    }

    /// Rows of tiles after which a second pass over the same images still finds them in a core's
    /// own cache: whole blocks of tiles. All of them where filters alone fill it.
    pub fn rows_at_once(&self) -> usize {
        if self.inputs * self.outputs > SMALL {
            return self.tile_rows();
        }
        let of_row = self.tiles_of_row();
        let mut whole = 1;
        while !(whole * of_row).is_multiple_of(block::TILES) {
            whole += 1;
        }
        let row = TILE * self.width * self.inputs.max(self.outputs);
        whole * (NEAR / (whole * row)).max(1)
    }

    /// How many numbers transformed filters are.
    pub fn filters(&self) -> usize {
        POINTS * self.inputs * self.outputs
    }

    #[inline]
    fn rows_of_image(&self) -> usize {
        self.height.div_ceil(TILE)
    }

    #[inline]
    fn tiles_of_row(&self) -> usize {
        self.width.div_ceil(TILE)
    }

    /// Pixel rows of all images before a row of tiles: where its pixels begin.
    #[inline]
    pub fn first_line(&self, tile_row: usize) -> usize {
        let (image, row) = (tile_row / self.rows_of_image(), tile_row % self.rows_of_image());
        image * self.height + row * TILE
    }

    /// The numbers of an image's pixels that tile rows cover, with `channels` to a pixel.
    pub fn numbers(
        &self,
        rows: &std::ops::Range<usize>,
        channels: usize,
    ) -> std::ops::Range<usize> {
        let line = self.width * channels;
        self.first_line(rows.start) * line..self.first_line(rows.end) * line
    }

    fn check(&self) {
        assert_eq!(self.inputs % CHANNELS, 0, "whole registers of channels");
        assert_eq!(self.outputs % CHANNELS, 0, "whole registers of channels");
    }
}

#[cfg(test)]
mod tests;
