//! A block of tiles, transformed. It lies `[register of channels][point][tile][lane]`: from each
//! place to the next it is a constant distance, and kernels need no registers for addresses.

use std::cell::RefCell;
use std::ops::Range;

use super::transform::{Matrix, both_ways};
use super::{POINTS, RIM, Shape, TILE};
use crate::Scalar;
use crate::vector::Vector;

/// Tiles that are worked on together, in whole steps of the multiplication: few enough for their
/// points to stay in a core's own cache, and enough to share the reading of the filters.
pub const TILES: usize = 42;

/// From a point's numbers to the next point's.
pub const fn to_next_point<V: Vector>() -> usize {
    TILES * V::LANES
}

/// From a register of channels to the next.
pub const fn to_next_register<V: Vector>() -> usize {
    POINTS * to_next_point::<V>()
}

/// How many numbers a block is, with `channels` to a tile.
pub const fn numbers<V: Vector>(channels: usize) -> usize {
    channels / V::LANES * to_next_register::<V>()
}

/// The tiles of rows, block by block, by their numbers over all images.
pub fn blocks(shape: &Shape, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let of_row = shape.tiles_of_row();
    let (begin, end) = (rows.start * of_row, rows.end * of_row);
    (begin..end).step_by(TILES).map(move |first| first..(first + TILES).min(end))
}

/// Images that are read: their channels, and how many pixels of a tile lie before it.
#[derive(Clone, Copy)]
pub struct Images<'a, T> {
    pub pixels: &'a [T],
    pub channels: usize,
    pub pad: usize,
    /// At least a line of zeros, for what lies above and below an image.
    pub zeros: &'a [T],
}

/// Transforms the tiles of a block by `M`.
///
/// # Safety
/// `images` must hold the whole shape and `points` a whole block. The CPU must have `V`'s
/// instructions.
#[inline(always)]
pub unsafe fn transform<M: Matrix<SIZE, RIM>, V: Vector, T: Scalar, const SIZE: usize>(
    shape: &Shape,
    images: Images<T>,
    block: Range<usize>,
    points: *mut f32,
) {
    let Images { pixels, channels, pad, zeros } = images;
    let (of_row, rows) = (shape.tiles_of_row(), shape.rows_of_image());
    let length = shape.width * channels;
    let (mut row, mut column) = (block.start / of_row, block.start % of_row);
    let mut lines = [zeros.as_ptr(); SIZE];
    for tile in 0..block.len() {
        if tile == 0 || column == 0 {
            let image = pixels.as_ptr().add(row / rows * shape.height * length);
            for (i, line) in lines.iter_mut().enumerate() {
                // Above the image it wraps around, and is too large as well.
                let y = (row % rows * TILE + i).wrapping_sub(pad);
                *line = if y < shape.height { image.add(y * length) } else { zeros.as_ptr() };
            }
        }
        let left = (column * TILE) as isize - pad as isize;
        let before = (-left).max(0) as usize;
        let behind = (left + SIZE as isize - shape.width as isize).max(0) as usize;
        let place = points.add(tile * V::LANES);
        for channel in (0..channels).step_by(V::LANES) {
            // Pixel `j` of line `i` lies `j * channels` behind it, where it is in the image.
            let at = left * channels as isize + channel as isize;
            let place = place.add(channel / V::LANES * to_next_register::<V>());
            match (before, behind) {
                (0, 0) => inner::<M, V, T, SIZE, 0, 0>(lines, at, channels, place),
                (1, 0) => inner::<M, V, T, SIZE, 1, 0>(lines, at, channels, place),
                (0, 1) => inner::<M, V, T, SIZE, 0, 1>(lines, at, channels, place),
                (1, 1) => inner::<M, V, T, SIZE, 1, 1>(lines, at, channels, place),
                _ => {
                    let columns = before..SIZE - behind;
                    outer::<M, V, T, SIZE>(lines, at, channels, columns, place);
                }
            }
        }
        column += 1;
        if column == of_row {
            (row, column) = (row + 1, 0);
        }
    }
}

/// One tile, where `BEFORE` of its columns on the left and `BEHIND` on the right lie outside of
/// the image.
#[inline(always)]
unsafe fn inner<
    M: Matrix<SIZE, RIM>,
    V: Vector,
    T: Scalar,
    const SIZE: usize,
    const BEFORE: usize,
    const BEHIND: usize,
>(
    lines: [*const T; SIZE],
    at: isize,
    channels: usize,
    place: *mut f32,
) {
    let mut half = [[V::splat(0.0); SIZE]; RIM];
    for j in BEFORE..SIZE - BEHIND {
        let mut column = [V::splat(0.0); SIZE];
        for i in 0..SIZE {
            column[i] = T::load::<V>(lines[i].offset(at + (j * channels) as isize));
        }
        let column = M::times(column);
        for i in 0..RIM {
            half[i][j] = column[i];
        }
    }
    for i in 0..RIM {
        let row = M::times(half[i]);
        for j in 0..RIM {
            row[j].store(place.add((i * RIM + j) * to_next_point::<V>()));
        }
    }
}

/// The same where any columns are in the image: a width that is no whole number of tiles.
#[inline(always)]
unsafe fn outer<M: Matrix<SIZE, RIM>, V: Vector, T: Scalar, const SIZE: usize>(
    lines: [*const T; SIZE],
    at: isize,
    channels: usize,
    columns: Range<usize>,
    place: *mut f32,
) {
    let mut square = [[V::splat(0.0); SIZE]; SIZE];
    for j in columns {
        for i in 0..SIZE {
            square[i][j] = T::load::<V>(lines[i].offset(at + (j * channels) as isize));
        }
    }
    let points = both_ways::<M, V, SIZE, RIM>(square);
    for (i, point) in points.iter().flatten().enumerate() {
        point.store(place.add(i * to_next_point::<V>()));
    }
}

/// Numbers of a cache line.
pub const LINE: usize = 16;

/// Numbers of this thread's own, on a whole cache line, with anything in them. They go back to the
/// thread when this ends. (A guard and not a closure: see [`super::transform`].)
pub struct Scratch {
    numbers: Vec<f32>,
    count: usize,
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Scratch {
    pub fn of(count: usize) -> Scratch {
        let mut numbers = SCRATCH.take();
        if numbers.len() < count + LINE {
            numbers.resize(count + LINE, 0.0);
        }
        Scratch { numbers, count }
    }

    pub fn numbers(&mut self) -> &mut [f32] {
        let first = self.numbers.as_ptr().align_offset(LINE * size_of::<f32>());
        &mut self.numbers[first..first + self.count]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        SCRATCH.set(std::mem::take(&mut self.numbers));
    }
}
