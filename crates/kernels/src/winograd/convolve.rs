//! The convolution itself, forwards and, with turned filters, back to the input's gradient.

use std::ops::Range;

use super::block::{Block, Scratch};
use super::filter::PANEL;
use super::multiply::{multiply, step};
use super::transform::{both_ways, Input, Output};
use super::{Shape, POINTS, RIM, TILE};
use crate::level::at_level;
use crate::vector::Vector;
use crate::{Element, Level};

/// What is done to a sum before it is written.
#[derive(Clone, Copy)]
pub struct Then<'a, T> {
    /// A number for each channel of the output.
    pub bias: Option<&'a [f32]>,
    /// Pixels like those of `y`.
    pub shortcut: Option<&'a [T]>,
    pub relu: bool,
}

impl<T> Then<'_, T> {
    pub const NOTHING: Self = Then { bias: None, shortcut: None, relu: false };
}

/// The rows of tiles `rows` of the output, `y`, of images `x` and transformed filters. What a tile
/// becomes does not depend on which others are computed with it.
///
/// # Panics
/// If the slices do not fit the shape, or `y` not the rows.
pub fn convolve<T: Element>(
    level: Level,
    shape: &Shape,
    x: &[T],
    filters: &[f32],
    rows: Range<usize>,
    then: Then<T>,
    y: &mut [T],
) {
    shape.check();
    assert!(rows.end <= shape.tile_rows());
    assert_eq!(x.len(), shape.images * shape.height * shape.width * shape.inputs);
    assert_eq!(filters.len(), shape.filters());
    assert_eq!(y.len(), shape.numbers(&rows, shape.outputs).len());
    assert!(then.bias.is_none_or(|bias| bias.len() == shape.outputs));
    assert!(then.shortcut.is_none_or(|shortcut| shortcut.len() == y.len()));
    at_level!(level, convolve_of::<T>(
        shape: &Shape, x: &[T], filters: &[f32], rows: Range<usize>, then: Then<T>, y: &mut [T],
    ));
}

#[inline(always)]
unsafe fn convolve_of<V: Vector, T: Element>(
    shape: &Shape,
    x: &[T],
    filters: &[f32],
    rows: Range<usize>,
    then: Then<T>,
    y: &mut [T],
) {
    let block = Block::of(shape, step::<V>());
    let Shape { inputs, outputs, .. } = *shape;
    let first = shape.numbers(&(0..rows.start), outputs).end;
    let mut scratch = Scratch::of(block.numbers(inputs) + block.numbers(outputs));
    let scratch = scratch.numbers();
    let (read, products) = scratch.split_at_mut(block.numbers(inputs));
    for rows in block.split(rows) {
        let tiles = rows.len() * shape.tiles_of_row();
        let images = (x.as_ptr(), inputs, 1);
        block.transform::<Input, V, T, RIM>(shape, images, rows.clone(), read.as_mut_ptr());
        for panel in (0..outputs).step_by(PANEL) {
            let width = PANEL.min(outputs - panel);
            for point in 0..POINTS {
                let a = read.as_ptr().add(point * block.room * inputs);
                let b = filters.as_ptr().add((POINTS * panel + point * width) * inputs);
                let c = products.as_mut_ptr().add(point * block.room * outputs + panel);
                let mut column = 0;
                while column < width {
                    let (b, c) = (b.add(column), c.add(column));
                    let (size, strides) = ([tiles, inputs], [width, outputs]);
                    if width - column >= 2 * V::LANES {
                        multiply::<V, 2>(a, b, c, size, strides);
                        column += 2 * V::LANES;
                    } else {
                        multiply::<V, 1>(a, b, c, size, strides);
                        column += V::LANES;
                    }
                }
            }
        }
        let begin = shape.numbers(&(0..rows.start), outputs).end - first;
        let shortcut = then.shortcut.map(|shortcut| &shortcut[begin..]);
        let then = Then { shortcut, ..then };
        write::<V, T>(shape, block, rows, products, then, &mut y[begin..]);
    }
}

/// Products of `rows` back to pixels, `y` beginning with those rows.
#[inline(always)]
unsafe fn write<V: Vector, T: Element>(
    shape: &Shape,
    block: Block,
    rows: Range<usize>,
    products: &[f32],
    then: Then<T>,
    y: &mut [T],
) {
    let channels = shape.outputs;
    let origin = shape.first_line(rows.start);
    for (row, tile_row) in rows.enumerate() {
        let line = shape.first_line(tile_row) - origin;
        let lines = TILE.min(shape.first_line(tile_row + 1) - origin - line);
        for column in 0..shape.tiles_of_row() {
            let columns = TILE.min(shape.width - column * TILE);
            let whole = lines == TILE && columns == TILE;
            let tile = row * shape.tiles_of_row() + column;
            for channel in (0..channels).step_by(V::LANES) {
                let place = products.as_ptr().add(tile * channels + channel);
                let mut square = [[V::splat(0.0); RIM]; RIM];
                for (i, row) in square.iter_mut().enumerate() {
                    for (j, point) in row.iter_mut().enumerate() {
                        *point = V::load(place.add((i * RIM + j) * block.room * channels));
                    }
                }
                let pixels = both_ways::<Output, V, RIM, TILE>(square);
                let bias = match then.bias {
                    Some(bias) => V::load(bias.as_ptr().add(channel)),
                    None => V::splat(0.0),
                };
                for (i, row) in pixels.iter().enumerate() {
                    let place = ((line + i) * shape.width + column * TILE) * channels + channel;
                    for (j, pixel) in row.iter().enumerate() {
                        if whole || (i < lines && j < columns) {
                            let place = place + j * channels;
                            let mut pixel = pixel.add(bias);
                            if let Some(shortcut) = then.shortcut {
                                pixel = pixel.add(T::load::<V>(shortcut.as_ptr().add(place)));
                            }
                            if then.relu {
                                pixel = pixel.relu();
                            }
                            T::store::<V>(pixel, y.as_mut_ptr().add(place));
                        }
                    }
                }
            }
        }
    }
}
