//! Blocks of transformed tiles in the layout `[register of channels][point][tile][lane]`. All
//! strides are constants, so that kernels need no registers for addresses.

use std::cell::RefCell;
use std::ops::Range;

use super::transform::{Transform, transform_2d};
use super::{ConvShape, INPUT_TILE, OUTPUT_TILE, POINTS};
use crate::Scalar;
use crate::vector::Vector;

/// Tiles per block, a multiple of the tiles per call of the micro-kernel of a matrix product. Few
/// enough that a block stays in the private cache of a core, and enough to amortize loading the
/// filters.
pub const TILES: usize = 42;

/// Distance from the values of a point to the values of the next point.
pub const fn point_stride<V: Vector>() -> usize {
    TILES * V::LANES
}

/// Distance from a register of channels to the next.
pub const fn register_stride<V: Vector>() -> usize {
    POINTS * point_stride::<V>()
}

/// Returns the number of values of a block with `channels` channels.
pub const fn block_len<V: Vector>(channels: usize) -> usize {
    channels / V::LANES * register_stride::<V>()
}

/// Iterates over the blocks of tile rows, as ranges of tiles that are counted over all images.
pub fn blocks(shape: &ConvShape, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let per_row = shape.tiles_per_row();
    let (begin, end) = (rows.start * per_row, rows.end * per_row);
    (begin..end).step_by(TILES).map(move |first| first..(first + TILES).min(end))
}

/// Images to transform.
#[derive(Clone, Copy)]
pub struct Images<'a, T> {
    pub pixels: &'a [T],
    pub channels: usize,
    /// Padding: rows and columns of an input tile before its output tile.
    pub pad: usize,
    /// A row of zeros (or more), which is read above and below an image.
    pub zeros: &'a [T],
}

/// Transforms the tiles of a block by `M`.
///
/// # Safety
/// `images` must contain all images of the shape, and `points` must have space for a block. The CPU
/// must have `V`'s instructions.
#[inline(always)]
pub unsafe fn transform<M: Transform<SIZE, INPUT_TILE>, V: Vector, T: Scalar, const SIZE: usize>(
    shape: &ConvShape,
    images: Images<T>,
    block: Range<usize>,
    points: *mut f32,
) {
    let Images { pixels, channels, pad, zeros } = images;
    let (per_row, rows) = (shape.tiles_per_row(), shape.tile_rows_per_image());
    let row_len = shape.width * channels;
    let (mut row, mut column) = (block.start / per_row, block.start % per_row);
    let mut lines = [zeros.as_ptr(); SIZE];
    for tile in 0..block.len() {
        if tile == 0 || column == 0 {
            // SAFETY: the tile's image is part of the shape.
            let image = unsafe { pixels.as_ptr().add(row / rows * shape.height * row_len) };
            for (i, line) in lines.iter_mut().enumerate() {
                // Above the image, the subtraction wraps to a value that exceeds the height.
                let y = (row % rows * OUTPUT_TILE + i).wrapping_sub(pad);
                // SAFETY: the row is inside the image.
                let image_row = || unsafe { image.add(y * row_len) };
                *line = if y < shape.height { image_row() } else { zeros.as_ptr() };
            }
        }
        let x = (column * OUTPUT_TILE) as isize - pad as isize;
        let left = (-x).max(0) as usize;
        let right = (x + SIZE as isize - shape.width as isize).max(0) as usize;
        for channel in (0..channels).step_by(V::LANES) {
            // Offset of the first pixel of the tile in a line; may be outside of the image.
            let offset = x * channels as isize + channel as isize;
            // SAFETY: the block has `channels` channels. Only pixels inside of the image are read:
            // `left` and `right` are the numbers of columns outside of the image.
            unsafe {
                let register = channel / V::LANES * register_stride::<V>();
                let target = points.add(tile * V::LANES + register);
                match (left, right) {
                    (0, 0) => {
                        transform_tile::<M, V, T, SIZE, 0, 0>(lines, offset, channels, target);
                    }
                    (1, 0) => {
                        transform_tile::<M, V, T, SIZE, 1, 0>(lines, offset, channels, target);
                    }
                    (0, 1) => {
                        transform_tile::<M, V, T, SIZE, 0, 1>(lines, offset, channels, target);
                    }
                    (1, 1) => {
                        transform_tile::<M, V, T, SIZE, 1, 1>(lines, offset, channels, target);
                    }
                    _ => {
                        let columns = left..SIZE - right;
                        transform_edge_tile::<M, V, T, SIZE>(
                            lines, offset, channels, columns, target,
                        );
                    }
                }
            }
        }
        column += 1;
        if column == per_row {
            (row, column) = (row + 1, 0);
        }
    }
}

/// Transforms one tile, of which `LEFT` columns on the left and `RIGHT` columns on the right are
/// outside of the image.
///
/// # Safety
/// The pixels inside of the image must be readable and the points of the tile writable. The CPU
/// must have `V`'s instructions.
#[inline(always)]
unsafe fn transform_tile<
    M: Transform<SIZE, INPUT_TILE>,
    V: Vector,
    T: Scalar,
    const SIZE: usize,
    const LEFT: usize,
    const RIGHT: usize,
>(
    lines: [*const T; SIZE],
    offset: isize,
    channels: usize,
    target: *mut f32,
) {
    // SAFETY: the caller guarantees pixels, points and instructions.
    unsafe {
        let mut intermediate = [[V::splat(0.0); SIZE]; INPUT_TILE];
        for j in LEFT..SIZE - RIGHT {
            let mut column = [V::splat(0.0); SIZE];
            for i in 0..SIZE {
                column[i] = T::load::<V>(lines[i].offset(offset + (j * channels) as isize));
            }
            let column = M::apply(column);
            for i in 0..INPUT_TILE {
                intermediate[i][j] = column[i];
            }
        }
        for i in 0..INPUT_TILE {
            let row = M::apply(intermediate[i]);
            for j in 0..INPUT_TILE {
                row[j].store(target.add((i * INPUT_TILE + j) * point_stride::<V>()));
            }
        }
    }
}

/// Transforms one tile, of which only `columns` are inside of the image. Required at the right edge
/// of images whose width is not a multiple of the tile size.
///
/// # Safety
/// The conditions of [`transform_tile`] apply.
#[inline(always)]
unsafe fn transform_edge_tile<
    M: Transform<SIZE, INPUT_TILE>,
    V: Vector,
    T: Scalar,
    const SIZE: usize,
>(
    lines: [*const T; SIZE],
    offset: isize,
    channels: usize,
    columns: Range<usize>,
    target: *mut f32,
) {
    // SAFETY: the caller guarantees pixels, points and instructions.
    unsafe {
        let mut pixels = [[V::splat(0.0); SIZE]; SIZE];
        for j in columns {
            for i in 0..SIZE {
                pixels[i][j] = T::load::<V>(lines[i].offset(offset + (j * channels) as isize));
            }
        }
        let points = transform_2d::<M, V, SIZE, INPUT_TILE>(pixels);
        for (i, point) in points.iter().flatten().enumerate() {
            point.store(target.add(i * point_stride::<V>()));
        }
    }
}

/// f32 values per cache line.
pub const CACHE_LINE: usize = 16;

/// A thread-local buffer with unspecified content, aligned to a cache line. The next buffer of the
/// thread reuses its memory. (A guard instead of a closure, for the reason in
/// [`super::transform`].)
pub struct Scratch {
    values: Vec<f32>,
    length: usize,
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Scratch {
    pub fn with_len(length: usize) -> Scratch {
        let mut values = SCRATCH.take();
        if values.len() < length + CACHE_LINE {
            values.resize(length + CACHE_LINE, 0.0);
        }
        Scratch { values, length }
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        let first = self.values.as_ptr().align_offset(CACHE_LINE * size_of::<f32>());
        &mut self.values[first..first + self.length]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        SCRATCH.set(std::mem::take(&mut self.values));
    }
}
