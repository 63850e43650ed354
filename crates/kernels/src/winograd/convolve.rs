//! The convolution itself, forwards and, with turned filters, back to the input's gradient.

use std::ops::Range;

use super::block::{Block, Scratch};
use super::filter::PANEL;
use super::multiply::{multiply, step};
use super::transform::{both_ways, Input, Output};
use super::{Shape, POINTS, RIM, TILE};
use crate::level::at_level;
use crate::vector::Vector;
use crate::{Element, Level, Sums};

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

/// The sums that [`statistics`](crate::statistics) makes of an output, made while it is written.
pub struct Statistics<'a> {
    /// A number for each channel, near the mean.
    pub shift: &'a [f32],
    pub sums: &'a mut Sums,
}

/// The rows of tiles `rows` of the output, `y`, of images `x` and transformed filters. What a tile
/// becomes does not depend on which others are computed with it. `statistics` are of what is written.
///
/// # Panics
/// If the slices do not fit the shape, or `y` not the rows.
#[allow(clippy::too_many_arguments)]
pub fn convolve<T: Element>(
    level: Level,
    shape: &Shape,
    x: &[T],
    filters: &[f32],
    rows: Range<usize>,
    then: Then<T>,
    y: &mut [T],
    statistics: Option<Statistics>,
) {
    shape.check();
    assert!(rows.end <= shape.tile_rows());
    assert_eq!(x.len(), shape.images * shape.height * shape.width * shape.inputs);
    assert_eq!(filters.len(), shape.filters());
    assert_eq!(y.len(), shape.numbers(&rows, shape.outputs).len());
    assert!(then.bias.is_none_or(|bias| bias.len() == shape.outputs));
    assert!(then.shortcut.is_none_or(|shortcut| shortcut.len() == y.len()));
    assert!(statistics.as_ref().is_none_or(|s| s.shift.len() == shape.outputs));
    at_level!(level, convolve_of::<T>(
        shape: &Shape, x: &[T], filters: &[f32], rows: Range<usize>, then: Then<T>, y: &mut [T],
        statistics: Option<Statistics>,
    ));
}

/// Sums over one block in f32, before they are added to those in f64.
struct Tally<'a> {
    shift: &'a [f32],
    /// Two for each channel.
    sums: Vec<f32>,
}

impl Tally<'_> {
    /// Adds what lies in registers of the channels from `channel` on.
    #[inline(always)]
    unsafe fn add<V: Vector>(&mut self, channel: usize, first: V, second: V) {
        let place = self.sums.as_mut_ptr().add(channel);
        V::load(place).add(first).store(place);
        let place = place.add(self.shift.len());
        V::load(place).add(second).store(place);
    }

    fn flush(&mut self, sums: &mut Sums) {
        let (first, second) = self.sums.split_at(self.shift.len());
        let add = |into: &mut [f64], from: &[f32]| {
            into.iter_mut().zip(from).for_each(|(sum, part)| *sum += f64::from(*part));
        };
        add(&mut sums.first, first);
        add(&mut sums.second, second);
        self.sums.fill(0.0);
    }
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn convolve_of<V: Vector, T: Element>(
    shape: &Shape,
    x: &[T],
    filters: &[f32],
    rows: Range<usize>,
    then: Then<T>,
    y: &mut [T],
    statistics: Option<Statistics>,
) {
    let (mut tally, mut sums) = match statistics {
        Some(Statistics { shift, sums }) => {
            (Some(Tally { shift, sums: vec![0.0; 2 * shift.len()] }), Some(sums))
        }
        None => (None, None),
    };
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
        write::<V, T>(shape, block, rows, products, then, &mut y[begin..], &mut tally);
        if let (Some(tally), Some(sums)) = (&mut tally, &mut sums) {
            tally.flush(sums);
        }
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
    tally: &mut Option<Tally>,
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
                let shift = match tally {
                    Some(tally) => V::load(tally.shift.as_ptr().add(channel)),
                    None => V::splat(0.0),
                };
                let (mut first, mut second) = (V::splat(0.0), V::splat(0.0));
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
                            if tally.is_some() {
                                let distance = T::rounded(pixel).sub(shift);
                                first = first.add(distance);
                                second = distance.mul_add(distance, second);
                            }
                        }
                    }
                }
                if let Some(tally) = tally {
                    tally.add(channel, first, second);
                }
            }
        }
    }
}
