//! Transformed tiles of a block, laid out as `[register of channels][point][tile][lane]`. All
//! strides are constants, so kernels need no registers for addresses.

use std::cell::RefCell;
use std::ops::Range;

use super::transform::{Transform, transform_2d};
use super::{ConvShape, INPUT_TILE, OUTPUT_TILE, POINTS};
use crate::Scalar;
use crate::vector::Vector;

/// Tiles of a block, a multiple of the multiplication's step: few enough to stay in a core's own
/// cache, and enough to amortize the loading of the filters.
pub const TILES: usize = 42;

/// Distance from the values of a point to those of the next.
pub const fn point_stride<V: Vector>() -> usize {
    TILES * V::LANES
}

/// Distance from a register of channels to the next.
pub const fn register_stride<V: Vector>() -> usize {
    POINTS * point_stride::<V>()
}

/// Number of values of a block with `channels` channels.
pub const fn block_len<V: Vector>(channels: usize) -> usize {
    channels / V::LANES * register_stride::<V>()
}

/// Iterates over the blocks of tile rows as ranges of tiles, counted over all images.
pub fn blocks(shape: &ConvShape, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let per_row = shape.tiles_per_row();
    let (begin, end) = (rows.start * per_row, rows.end * per_row);
    (begin..end).step_by(TILES).map(move |first| first..(first + TILES).min(end))
}

/// Images that are read.
#[derive(Clone, Copy)]
pub struct Images<'a, T> {
    pub pixels: &'a [T],
    pub channels: usize,
    /// Padding: pixels of an input tile before its output tile.
    pub pad: usize,
    /// At least one row of zeros, read above and below an image.
    pub zeros: &'a [T],
}

/// Transforms the tiles of a block by `M`.
///
/// # Safety
/// `images` must hold the whole shape and `points` a whole block. The CPU must have `V`'s
/// instructions.
#[inline(always)]
pub unsafe fn transform<M: Transform<SIZE, INPUT_TILE>, V: Vector, T: Scalar, const SIZE: usize>(
    shape: &ConvShape,
    images: Images<T>,
    block: Range<usize>,
    points: *mut f32,
) {
    let Images { pixels, channels, pad, zeros } = images;
    let (per_row, rows) = (shape.tiles_per_row(), shape.tile_rows_per_image());
    let length = shape.width * channels;
    let (mut row, mut column) = (block.start / per_row, block.start % per_row);
    let mut lines = [zeros.as_ptr(); SIZE];
    for tile in 0..block.len() {
        if tile == 0 || column == 0 {
            // SAFETY: the tile's image is part of the shape.
            let image = unsafe { pixels.as_ptr().add(row / rows * shape.height * length) };
            for (i, line) in lines.iter_mut().enumerate() {
                // Above the image the subtraction wraps to a value beyond the height.
                let y = (row % rows * OUTPUT_TILE + i).wrapping_sub(pad);
                // SAFETY: the row is inside the image.
                let inside = || unsafe { image.add(y * length) };
                *line = if y < shape.height { inside() } else { zeros.as_ptr() };
            }
        }
        let left = (column * OUTPUT_TILE) as isize - pad as isize;
        let before = (-left).max(0) as usize;
        let after = (left + SIZE as isize - shape.width as isize).max(0) as usize;
        for channel in (0..channels).step_by(V::LANES) {
            // Pixel `j` of line `i` is `j * channels` values further, if it is inside the image.
            let at = left * channels as isize + channel as isize;
            // SAFETY: the block has `channels` channels. Only pixels inside of the image are read:
            // `before` and `after` are the numbers of columns outside of it.
            unsafe {
                let register = channel / V::LANES * register_stride::<V>();
                let target = points.add(tile * V::LANES + register);
                match (before, after) {
                    (0, 0) => transform_tile::<M, V, T, SIZE, 0, 0>(lines, at, channels, target),
                    (1, 0) => transform_tile::<M, V, T, SIZE, 1, 0>(lines, at, channels, target),
                    (0, 1) => transform_tile::<M, V, T, SIZE, 0, 1>(lines, at, channels, target),
                    (1, 1) => transform_tile::<M, V, T, SIZE, 1, 1>(lines, at, channels, target),
                    _ => {
                        let columns = before..SIZE - after;
                        transform_edge_tile::<M, V, T, SIZE>(lines, at, channels, columns, target);
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

/// Transforms one tile of which `BEFORE` columns on the left and `AFTER` on the right are outside
/// of the image.
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
    const BEFORE: usize,
    const AFTER: usize,
>(
    lines: [*const T; SIZE],
    at: isize,
    channels: usize,
    target: *mut f32,
) {
    // SAFETY: the caller guarantees pixels, points and instructions.
    unsafe {
        let mut half = [[V::splat(0.0); SIZE]; INPUT_TILE];
        for j in BEFORE..SIZE - AFTER {
            let mut column = [V::splat(0.0); SIZE];
            for i in 0..SIZE {
                column[i] = T::load::<V>(lines[i].offset(at + (j * channels) as isize));
            }
            let column = M::apply(column);
            for i in 0..INPUT_TILE {
                half[i][j] = column[i];
            }
        }
        for i in 0..INPUT_TILE {
            let row = M::apply(half[i]);
            for j in 0..INPUT_TILE {
                row[j].store(target.add((i * INPUT_TILE + j) * point_stride::<V>()));
            }
        }
    }
}

/// Transforms one tile of which only `columns` are inside of the image, in images whose width is
/// not a whole number of tiles.
///
/// # Safety
/// As [`transform_tile`].
#[inline(always)]
unsafe fn transform_edge_tile<
    M: Transform<SIZE, INPUT_TILE>,
    V: Vector,
    T: Scalar,
    const SIZE: usize,
>(
    lines: [*const T; SIZE],
    at: isize,
    channels: usize,
    columns: Range<usize>,
    target: *mut f32,
) {
    // SAFETY: the caller guarantees pixels, points and instructions.
    unsafe {
        let mut square = [[V::splat(0.0); SIZE]; SIZE];
        for j in columns {
            for i in 0..SIZE {
                square[i][j] = T::load::<V>(lines[i].offset(at + (j * channels) as isize));
            }
        }
        let points = transform_2d::<M, V, SIZE, INPUT_TILE>(square);
        for (i, point) in points.iter().flatten().enumerate() {
            point.store(target.add(i * point_stride::<V>()));
        }
    }
}

/// Values of a cache line.
pub const CACHE_LINE: usize = 16;

/// A cache-aligned buffer of this thread with unspecified content. It returns to the thread when it
/// is dropped. (A guard instead of a closure: see [`super::transform`].)
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
