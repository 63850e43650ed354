//! The convolution itself, forwards and, with turned filters, back to the input's gradient.

use std::ops::Range;

use super::block::{Images, Scratch, blocks, numbers, to_next_point, to_next_register, transform};
use super::filter::PANEL;
use super::multiply::multiply;
use super::transform::{Input, Matrix, Output};
use super::{POINTS, RIM, Shape, TILE};
use crate::simd_level::at_level;
use crate::vector::Vector;
use crate::{Scalar, SimdLevel, Sums};

/// What is done to a sum before it is written.
#[derive(Clone, Copy)]
pub struct Then<'a, T> {
    /// A number for each channel of the output.
    pub bias: Option<&'a [f32]>,
    pub shortcut: Shortcut<'a, T>,
    pub relu: bool,
}

/// What is added to a sum.
#[derive(Clone, Copy)]
pub enum Shortcut<'a, T> {
    Nothing,
    /// Pixels like those of `y`.
    Of(&'a [T]),
    /// What `y` holds before.
    InPlace,
}

impl<T> Then<'_, T> {
    pub const NOTHING: Self = Then { bias: None, shortcut: Shortcut::Nothing, relu: false };
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
pub fn convolve<T: Scalar>(
    level: SimdLevel,
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
    if let Shortcut::Of(pixels) = then.shortcut {
        assert_eq!(pixels.len(), y.len());
    }
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
unsafe fn convolve_of<V: Vector, T: Scalar>(
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
    let Shape { inputs, outputs, .. } = *shape;
    let zeros = &vec![T::from_f32(0.0); shape.width * inputs];
    let images = Images { pixels: x, channels: inputs, pad: 1, zeros };
    // Where one step of the product takes all channels, it has read them before it writes.
    let in_place = inputs == outputs && outputs <= 2 * V::LANES;
    let room = if in_place { 0 } else { numbers::<V>(outputs) };
    let mut scratch = Scratch::of(numbers::<V>(inputs) + room);
    let read = scratch.numbers().as_mut_ptr();
    let products = if in_place { read } else { read.add(numbers::<V>(inputs)) };
    let first = shape.first_line(rows.start) * shape.width * outputs;
    for block in blocks(shape, rows) {
        transform::<Input, V, T, RIM>(shape, images, block.clone(), read);
        let part = |point: usize, panel: usize| {
            let width = PANEL.min(outputs - panel);
            filters.as_ptr().wrapping_add((POINTS * panel + point * width) * inputs)
        };
        for point in 0..POINTS {
            let at = point * to_next_point::<V>();
            for panel in (0..outputs).step_by(PANEL) {
                let width = PANEL.min(outputs - panel);
                let b = part(point, panel);
                let next = match panel + PANEL < outputs {
                    true => part(point, panel + PANEL),
                    false => part(point + 1, 0),
                };
                let mut column = 0;
                while column < width {
                    let (a, b) = (read.add(at), (b.add(column), width));
                    let next = next.wrapping_add(column);
                    let register = (panel + column) / V::LANES;
                    let c = products.add(at + register * to_next_register::<V>());
                    if width - column >= 2 * V::LANES {
                        multiply::<V, 2>(a, b, c, block.len(), inputs, next);
                        column += 2 * V::LANES;
                    } else {
                        multiply::<V, 1>(a, b, c, block.len(), inputs, next);
                        column += V::LANES;
                    }
                }
            }
        }
        write::<V, T>(shape, block, products, then, (&mut *y, first), &mut tally);
        if let (Some(tally), Some(sums)) = (&mut tally, &mut sums) {
            tally.flush(sums);
        }
    }
}

/// The products of a block back to pixels. `y`, and the shortcut, begin with number `first` of the
/// output.
#[inline(always)]
unsafe fn write<V: Vector, T: Scalar>(
    shape: &Shape,
    block: Range<usize>,
    products: *const f32,
    then: Then<T>,
    (y, first): (&mut [T], usize),
    tally: &mut Option<Tally>,
) {
    let (of_row, channels) = (shape.tiles_of_row(), shape.outputs);
    for (tile, number) in block.enumerate() {
        let (row, column) = (number / of_row, number % of_row * TILE);
        let line = shape.first_line(row);
        let (lines, columns) = (shape.first_line(row + 1) - line, shape.width - column);
        let place = (line * shape.width + column) * channels - first;
        for channel in (0..channels).step_by(V::LANES) {
            let register = channel / V::LANES * to_next_register::<V>();
            let mut pixels = pixels_of::<V>(products.add(register + tile * V::LANES));
            if let Some(bias) = then.bias {
                let bias = V::load(bias.as_ptr().add(channel));
                for pixel in pixels.iter_mut().flatten() {
                    *pixel = pixel.add(bias);
                }
            }
            let place = place + channel;
            let strides = [shape.width * channels, channels];
            if lines >= TILE && columns >= TILE {
                finish::<V, T>(pixels, [TILE; 2], place, strides, channel, then, y, tally);
            } else {
                finish::<V, T>(pixels, [lines, columns], place, strides, channel, then, y, tally);
            }
        }
    }
}

/// `A' m A` of a tile's products.
#[inline(always)]
unsafe fn pixels_of<V: Vector>(products: *const f32) -> [[V; TILE]; TILE] {
    let mut half = [[V::splat(0.0); RIM]; TILE];
    for j in 0..RIM {
        let mut column = [V::splat(0.0); RIM];
        for i in 0..RIM {
            column[i] = V::load(products.add((i * RIM + j) * to_next_point::<V>()));
        }
        let column = Output::times(column);
        for i in 0..TILE {
            half[i][j] = column[i];
        }
    }
    let mut pixels = [[V::splat(0.0); TILE]; TILE];
    for i in 0..TILE {
        pixels[i] = Output::times(half[i]);
    }
    pixels
}

/// Adds the shortcut, rectifies, writes and counts those of a tile's pixels that are in the image.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn finish<V: Vector, T: Scalar>(
    mut pixels: [[V; TILE]; TILE],
    [lines, columns]: [usize; 2],
    place: usize,
    [to_next_line, to_next_pixel]: [usize; 2],
    channel: usize,
    then: Then<T>,
    y: &mut [T],
    tally: &mut Option<Tally>,
) {
    let within = |i: usize, j: usize| i < lines && j < columns;
    let at = |i: usize, j: usize| place + i * to_next_line + j * to_next_pixel;
    let y = y.as_mut_ptr();
    let shortcut = match then.shortcut {
        Shortcut::Nothing => None,
        Shortcut::Of(pixels) => Some(pixels.as_ptr()),
        Shortcut::InPlace => Some(y.cast_const()),
    };
    if let Some(shortcut) = shortcut {
        for i in 0..TILE {
            for j in 0..TILE {
                if within(i, j) {
                    pixels[i][j] = pixels[i][j].add(T::load::<V>(shortcut.add(at(i, j))));
                }
            }
        }
    }
    if then.relu {
        for pixel in pixels.iter_mut().flatten() {
            *pixel = pixel.relu();
        }
    }
    for i in 0..TILE {
        for j in 0..TILE {
            if within(i, j) {
                T::store::<V>(pixels[i][j], y.add(at(i, j)));
            }
        }
    }
    if let Some(tally) = tally {
        let shift = V::load(tally.shift.as_ptr().add(channel));
        let (mut first, mut second) = (V::splat(0.0), V::splat(0.0));
        for i in 0..TILE {
            for j in 0..TILE {
                if within(i, j) {
                    let distance = T::rounded(pixels[i][j]).sub(shift);
                    first = first.add(distance);
                    second = distance.mul_add(distance, second);
                }
            }
        }
        tally.add(channel, first, second);
    }
}
