//! The gradient of the filters: the transpose of the convolution.

use std::ops::Range;

use super::block::{Block, Scratch};
use super::multiply::{accumulate, lines};
use super::transform::{both_ways, FilterGradient, Input, OutputGradient};
use super::{Shape, POINTS, RIM, TILE};
use crate::level::at_level;
use crate::vector::Vector;
use crate::{Element, Level};

/// Adds what the rows of tiles `rows` contribute, of images `x` and the output's gradient `dy`, to
/// sums `[point][out][in]`.
///
/// # Panics
/// If the slices do not fit the shape.
pub fn filter_sums<T: Element>(
    level: Level,
    shape: &Shape,
    x: &[T],
    dy: &[T],
    rows: Range<usize>,
    sums: &mut [f32],
) {
    shape.check();
    assert!(rows.end <= shape.tile_rows());
    let pixels = shape.images * shape.height * shape.width;
    assert_eq!(x.len(), pixels * shape.inputs);
    assert_eq!(dy.len(), pixels * shape.outputs);
    assert_eq!(sums.len(), shape.filters());
    at_level!(level, filter_sums_of::<T>(
        shape: &Shape, x: &[T], dy: &[T], rows: Range<usize>, sums: &mut [f32],
    ));
}

#[inline(always)]
unsafe fn filter_sums_of<V: Vector, T: Element>(
    shape: &Shape,
    x: &[T],
    dy: &[T],
    rows: Range<usize>,
    sums: &mut [f32],
) {
    let block = Block::of(shape, 1);
    let Shape { inputs, outputs, .. } = *shape;
    let mut scratch = Scratch::of(block.numbers(inputs) + block.numbers(outputs));
    let scratch = scratch.numbers();
    let (read, changes) = scratch.split_at_mut(block.numbers(inputs));
    for rows in block.split(rows) {
        let tiles = rows.len() * shape.tiles_of_row();
        let images = (x.as_ptr(), inputs, 1);
        block.transform::<Input, V, T, RIM>(shape, images, rows.clone(), read.as_mut_ptr());
        let images = (dy.as_ptr(), outputs, 0);
        let to = changes.as_mut_ptr();
        block.transform::<OutputGradient, V, T, TILE>(shape, images, rows.clone(), to);
        for point in 0..POINTS {
            let a = changes.as_ptr().add(point * block.room * outputs);
            let b = read.as_ptr().add(point * block.room * inputs);
            let c = sums.as_mut_ptr().add(point * outputs * inputs);
            let strides = [outputs, inputs, inputs];
            let mut channel = 0;
            while channel < inputs {
                let wide = inputs - channel >= 2 * V::LANES;
                for out in (0..outputs).step_by(lines::<V>()) {
                    let (a, b) = (a.add(out), b.add(channel));
                    let c = c.add(out * inputs + channel);
                    match wide {
                        true => accumulate::<V, 2>(a, b, c, tiles, strides),
                        false => accumulate::<V, 1>(a, b, c, tiles, strides),
                    }
                }
                channel += if wide { 2 } else { 1 } * V::LANES;
            }
        }
    }
}

/// The gradient of the filters to the channels `outputs`, `[out][3][3][in]`, of several sums of
/// [`filter_sums`], one behind the other.
///
/// # Panics
/// If the slices do not fit the shape, or `into` not the channels.
pub fn filter_gradient<T: Element>(
    level: Level,
    shape: &Shape,
    sums: &[f32],
    outputs: Range<usize>,
    into: &mut [T],
) {
    shape.check();
    assert!(outputs.end <= shape.outputs);
    assert_eq!(sums.len() % shape.filters(), 0);
    assert_eq!(into.len(), 9 * outputs.len() * shape.inputs);
    at_level!(level, filter_gradient_of::<T>(
        shape: &Shape, sums: &[f32], outputs: Range<usize>, into: &mut [T],
    ));
}

#[inline(always)]
unsafe fn filter_gradient_of<V: Vector, T: Element>(
    shape: &Shape,
    sums: &[f32],
    outputs: Range<usize>,
    into: &mut [T],
) {
    let Shape { inputs, .. } = *shape;
    for (row, out) in outputs.enumerate() {
        for channel in (0..inputs).step_by(V::LANES) {
            let mut points = [[V::splat(0.0); RIM]; RIM];
            for part in sums.chunks_exact(shape.filters()) {
                for (point, sum) in points.iter_mut().flatten().enumerate() {
                    let place = (point * shape.outputs + out) * inputs + channel;
                    *sum = sum.add(V::load(part.as_ptr().add(place)));
                }
            }
            let taps = both_ways::<FilterGradient, V, RIM, 3>(points);
            for (tap, value) in taps.iter().flatten().enumerate() {
                let place = (row * 9 + tap) * inputs + channel;
                T::store::<V>(*value, into.as_mut_ptr().add(place));
            }
        }
    }
}
