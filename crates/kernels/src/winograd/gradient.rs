//! The gradient of the filters: the transpose of the convolution.

use std::ops::Range;

use super::block::{Images, Scratch, blocks, numbers, to_next_point, to_next_register, transform};
use super::multiply::{accumulate, lines};
use super::transform::{FilterGradient, Input, OutputGradient, both_ways};
use super::{POINTS, RIM, Shape, TILE};
use crate::simd_level::at_level;
use crate::vector::Vector;
use crate::{Scalar, SimdLevel};

/// Adds what the rows of tiles `rows` contribute, of images `x` and the output's gradient `dy`, to
/// sums `[point][out][in]`.
///
/// # Panics
/// If the slices do not fit the shape.
pub fn filter_sums<T: Scalar>(
    level: SimdLevel,
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
unsafe fn filter_sums_of<V: Vector, T: Scalar>(
    shape: &Shape,
    x: &[T],
    dy: &[T],
    rows: Range<usize>,
    sums: &mut [f32],
) {
    let Shape { inputs, outputs, .. } = *shape;
    let zeros = &vec![T::from_f32(0.0); shape.width * inputs.max(outputs)];
    let images = Images { pixels: x, channels: inputs, pad: 1, zeros };
    let gradients = Images { pixels: dy, channels: outputs, pad: 0, zeros };
    let mut scratch = Scratch::of(numbers::<V>(inputs) + numbers::<V>(outputs));
    let read = scratch.numbers().as_mut_ptr();
    let changes = read.add(numbers::<V>(inputs));
    for block in blocks(shape, rows) {
        transform::<Input, V, T, RIM>(shape, images, block.clone(), read);
        transform::<OutputGradient, V, T, TILE>(shape, gradients, block.clone(), changes);
        for point in 0..POINTS {
            let at = point * to_next_point::<V>();
            let mut channel = 0;
            while channel < inputs {
                let b = read.add(at + channel / V::LANES * to_next_register::<V>());
                let wide = inputs - channel >= 2 * V::LANES;
                for out in (0..outputs).step_by(lines::<V>()) {
                    let register = out / V::LANES * to_next_register::<V>();
                    let a = changes.add(at + register + out % V::LANES);
                    let c = sums.as_mut_ptr().add((point * outputs + out) * inputs + channel);
                    match wide {
                        true => accumulate::<V, 2>(a, b, (c, inputs), block.len()),
                        false => accumulate::<V, 1>(a, b, (c, inputs), block.len()),
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
pub fn filter_gradient<T: Scalar>(
    level: SimdLevel,
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
unsafe fn filter_gradient_of<V: Vector, T: Scalar>(
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
