//! A block of tiles, transformed: each of the 36 points is a matrix, a row for each tile.

use std::cell::RefCell;
use std::ops::Range;

use super::transform::{both_ways, Matrix};
use super::{Shape, POINTS, RIM, TILE};
use crate::vector::Vector;
use crate::Element;

/// Tiles that are worked on together: their points stay in a core's own cache, and 56 is a whole
/// number of the steps in which AVX-512 multiplies.
const TILES: usize = 56;

/// Numbers of a cache line.
const LINE: usize = 16;

/// How a block's points lie: `[point][tile, filled up to whole steps][channel]`.
#[derive(Clone, Copy)]
pub struct Block {
    /// Rows of tiles in it.
    pub rows: usize,
    /// Tiles that there is room for.
    pub room: usize,
}

impl Block {
    /// For steps of `step` tiles.
    pub fn of(shape: &Shape, step: usize) -> Block {
        let rows = (TILES / shape.tiles_of_row()).clamp(1, shape.tile_rows().max(1));
        Block { rows, room: (rows * shape.tiles_of_row()).next_multiple_of(step) }
    }

    /// How many numbers its points are, with `channels` to a tile.
    pub fn numbers(&self, channels: usize) -> usize {
        POINTS * self.room * channels
    }

    /// The blocks of `rows`.
    pub fn split(self, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let end = rows.end;
        rows.step_by(self.rows).map(move |first| first..(first + self.rows).min(end))
    }

    /// Transforms the tiles of `rows` by `M`; `pad` pixels of each lie before it.
    ///
    /// # Safety
    /// `images` must hold the whole shape with `channels` to a pixel, `points` the whole block.
    #[inline(always)]
    pub unsafe fn transform<M: Matrix<SIZE, RIM>, V: Vector, T: Element, const SIZE: usize>(
        self,
        shape: &Shape,
        (images, channels, pad): (*const T, usize, usize),
        rows: Range<usize>,
        points: *mut f32,
    ) {
        for (row, tile_row) in rows.enumerate() {
            let image = tile_row / shape.rows_of_image();
            let top = (tile_row % shape.rows_of_image() * TILE) as isize - pad as isize;
            let lines = within(top, SIZE, shape.height);
            let pixels = images.add(image * shape.height * shape.width * channels);
            for column in 0..shape.tiles_of_row() {
                let left = (column * TILE) as isize - pad as isize;
                let columns = within(left, SIZE, shape.width);
                let tile = row * shape.tiles_of_row() + column;
                let whole = lines.len() == SIZE && columns.len() == SIZE;
                let at = (top * shape.width as isize + left) * channels as isize;
                for channel in (0..channels).step_by(V::LANES) {
                    let mut square = [[V::splat(0.0); SIZE]; SIZE];
                    for i in 0..SIZE {
                        for j in 0..SIZE {
                            if whole || (lines.contains(&i) && columns.contains(&j)) {
                                let pixel = ((i * shape.width + j) * channels + channel) as isize;
                                square[i][j] = T::load::<V>(pixels.offset(at + pixel));
                            }
                        }
                    }
                    let transformed = both_ways::<M, V, SIZE, RIM>(square);
                    let place = points.add(tile * channels + channel);
                    for (i, row) in transformed.iter().enumerate() {
                        for (j, point) in row.iter().enumerate() {
                            point.store(place.add((i * RIM + j) * self.room * channels));
                        }
                    }
                }
            }
        }
    }
}

/// Which of `size` pixels from `first` on lie in an image of `length`.
fn within(first: isize, size: usize, length: usize) -> Range<usize> {
    let begin = (-first).max(0) as usize;
    let end = (length as isize - first).clamp(0, size as isize) as usize;
    begin.min(end)..end
}

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
