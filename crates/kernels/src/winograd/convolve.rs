//! The convolution: forward, or with rotated filters from the output's gradient to the input's.

use std::ops::Range;

use super::block::{Images, Scratch, block_len, blocks, point_stride, register_stride, transform};
use super::filter::PANEL;
use super::multiply::multiply;
use super::transform::{InputTransform, OutputTransform, Transform};
use super::{ConvShape, INPUT_TILE, OUTPUT_TILE, POINTS};
use crate::simd_level::dispatch;
use crate::vector::Vector;
use crate::{ChannelSums, Scalar, SimdLevel};

/// Operations on an output value before it is written.
#[derive(Clone, Copy)]
pub struct Epilogue<'a, T> {
    /// A value per output channel.
    pub bias: Option<&'a [f32]>,
    pub shortcut: Shortcut<'a, T>,
    pub relu: bool,
}

/// The tensor that is added to the output.
#[derive(Clone, Copy)]
pub enum Shortcut<'a, T> {
    None,
    /// A tensor with the layout of `y`.
    Separate(&'a [T]),
    /// The previous content of `y`.
    InPlace,
}

impl<T> Epilogue<'_, T> {
    pub const NONE: Self = Epilogue { bias: None, shortcut: Shortcut::None, relu: false };
}

/// The sums of [`stats`](crate::batch_norm::stats) of an output, computed while it is written.
pub struct OutputStats<'a> {
    /// A value per channel, near the mean.
    pub shift: &'a [f32],
    pub sums: &'a mut ChannelSums,
}

/// Writes the tile rows `rows` of the output, `y`, of images `x` and transformed filters. A tile's
/// result does not depend on which other tiles are computed with it. `stats` are those of the
/// written values.
///
/// # Panics
/// If the slices do not match the shape, or `y` the rows.
#[expect(clippy::too_many_arguments, reason = "a convolution's operands")]
pub fn convolve<T: Scalar>(
    level: SimdLevel,
    shape: &ConvShape,
    x: &[T],
    filters: &[f32],
    rows: Range<usize>,
    epilogue: Epilogue<T>,
    y: &mut [T],
    stats: Option<OutputStats>,
) {
    shape.check();
    assert!(rows.end <= shape.tile_rows());
    assert_eq!(x.len(), shape.images * shape.height * shape.width * shape.in_channels);
    assert_eq!(filters.len(), shape.transformed_filters());
    assert_eq!(y.len(), shape.value_range(&rows, shape.out_channels).len());
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == shape.out_channels));
    if let Shortcut::Separate(pixels) = epilogue.shortcut {
        assert_eq!(pixels.len(), y.len());
    }
    assert!(stats.as_ref().is_none_or(|s| s.shift.len() == shape.out_channels));
    dispatch!(level, convolve_kernel::<T>(
        shape: &ConvShape, x: &[T], filters: &[f32], rows: Range<usize>, epilogue: Epilogue<T>,
        y: &mut [T], stats: Option<OutputStats>,
    ));
}

/// f32 sums of one block, before they are added to the f64 sums.
struct BlockSums<'a> {
    shift: &'a [f32],
    /// First the sums, then the sums of squares, of all channels.
    sums: Vec<f32>,
}

impl BlockSums<'_> {
    /// Adds registers to the sums of the channels from `channel` on.
    ///
    /// # Safety
    /// The channels must exist.
    #[inline(always)]
    unsafe fn add<V: Vector>(&mut self, channel: usize, first: V, second: V) {
        // SAFETY: the caller guarantees the channels, and `first` proves `V`'s instructions.
        unsafe {
            let target = self.sums.as_mut_ptr().add(channel);
            V::load(target).add(first).store(target);
            let target = target.add(self.shift.len());
            V::load(target).add(second).store(target);
        }
    }

    fn flush(&mut self, sums: &mut ChannelSums) {
        let (first, second) = self.sums.split_at(self.shift.len());
        let add = |sums: &mut [f64], parts: &[f32]| {
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += f64::from(*part));
        };
        add(&mut sums.first, first);
        add(&mut sums.second, second);
        self.sums.fill(0.0);
    }
}

/// # Safety
/// The slices must match the shape and the rows, and the CPU must have `V`'s instructions.
#[inline(always)]
unsafe fn convolve_kernel<V: Vector, T: Scalar>(
    shape: &ConvShape,
    x: &[T],
    filters: &[f32],
    rows: Range<usize>,
    epilogue: Epilogue<T>,
    y: &mut [T],
    stats: Option<OutputStats>,
) {
    let (mut block_sums, mut sums) = match stats {
        Some(OutputStats { shift, sums }) => {
            (Some(BlockSums { shift, sums: vec![0.0; 2 * shift.len()] }), Some(sums))
        }
        None => (None, None),
    };
    let ConvShape { in_channels: inputs, out_channels: outputs, .. } = *shape;
    let zeros = &vec![T::from_f32(0.0); shape.width * inputs];
    let images = Images { pixels: x, channels: inputs, pad: 1, zeros };
    // If one step of the product covers all channels, it has read the block before it writes.
    let in_place = inputs == outputs && outputs <= 2 * V::LANES;
    let product_len = if in_place { 0 } else { block_len::<V>(outputs) };
    let mut scratch = Scratch::with_len(block_len::<V>(inputs) + product_len);
    let input_block = scratch.as_mut_slice().as_mut_ptr();
    let products =
        if in_place { input_block } else { input_block.wrapping_add(block_len::<V>(inputs)) };
    let first = shape.first_pixel_row(rows.start) * shape.width * outputs;
    for block in blocks(shape, rows) {
        // SAFETY: the scratch holds both blocks, and the caller guarantees everything else.
        unsafe {
            transform::<InputTransform, V, T, INPUT_TILE>(
                shape,
                images,
                block.clone(),
                input_block,
            );
            multiply_block::<V>(shape, filters, block.len(), input_block, products);
            let y = (&mut *y, first);
            write_block::<V, T>(shape, block, products, epilogue, y, &mut block_sums);
        }
        if let (Some(block_sums), Some(sums)) = (&mut block_sums, &mut sums) {
            block_sums.flush(sums);
        }
    }
}

/// Multiplies the transformed tiles of a block by the transformed filters, at every point.
///
/// # Safety
/// Both blocks must exist and the filters match the shape. The CPU must have `V`'s instructions.
#[inline(always)]
unsafe fn multiply_block<V: Vector>(
    shape: &ConvShape,
    filters: &[f32],
    tiles: usize,
    input_block: *const f32,
    products: *mut f32,
) {
    let ConvShape { in_channels: inputs, out_channels: outputs, .. } = *shape;
    let part = |point: usize, panel: usize| {
        let width = PANEL.min(outputs - panel);
        filters.as_ptr().wrapping_add((POINTS * panel + point * width) * inputs)
    };
    for point in 0..POINTS {
        let at = point * point_stride::<V>();
        for panel in (0..outputs).step_by(PANEL) {
            let width = PANEL.min(outputs - panel);
            let b = part(point, panel);
            let next = if panel + PANEL < outputs {
                part(point, panel + PANEL)
            } else {
                part(point + 1, 0)
            };
            let mut column = 0;
            while column < width {
                let next = next.wrapping_add(column);
                let register = (panel + column) / V::LANES;
                // SAFETY: the columns are inside the panel, and the caller guarantees the rest.
                unsafe {
                    let (a, b) = (input_block.add(at), (b.add(column), width));
                    let c = products.add(at + register * register_stride::<V>());
                    if width - column >= 2 * V::LANES {
                        multiply::<V, 2>(a, b, c, tiles, inputs, next);
                        column += 2 * V::LANES;
                    } else {
                        multiply::<V, 1>(a, b, c, tiles, inputs, next);
                        column += V::LANES;
                    }
                }
            }
        }
    }
}

/// Transforms the products of a block back to pixels and writes them. `y` and a separate shortcut
/// begin with value `first` of the output.
///
/// # Safety
/// The block must exist and `y` contain its pixels. The CPU must have `V`'s instructions.
#[inline(always)]
unsafe fn write_block<V: Vector, T: Scalar>(
    shape: &ConvShape,
    block: Range<usize>,
    products: *const f32,
    epilogue: Epilogue<T>,
    (y, first): (&mut [T], usize),
    sums: &mut Option<BlockSums>,
) {
    let (per_row, channels) = (shape.tiles_per_row(), shape.out_channels);
    let y = y.as_mut_ptr();
    for (tile, number) in block.enumerate() {
        let (row, column) = (number / per_row, number % per_row * OUTPUT_TILE);
        let line = shape.first_pixel_row(row);
        let (lines, columns) = (shape.first_pixel_row(row + 1) - line, shape.width - column);
        let start = (line * shape.width + column) * channels - first;
        for channel in (0..channels).step_by(V::LANES) {
            let register = channel / V::LANES * register_stride::<V>();
            // SAFETY: the caller guarantees the block, the pixels and `V`'s instructions.
            unsafe {
                let mut pixels = output_tile::<V>(products.add(register + tile * V::LANES));
                if let Some(bias) = epilogue.bias {
                    let bias = V::load(bias.as_ptr().add(channel));
                    for pixel in pixels.iter_mut().flatten() {
                        *pixel = pixel.add(bias);
                    }
                }
                let strides = [shape.width * channels, channels];
                let target = Target { y, start: start + channel, strides, channel };
                if lines >= OUTPUT_TILE && columns >= OUTPUT_TILE {
                    finish_tile::<V, T>(pixels, [OUTPUT_TILE; 2], target, epilogue, sums);
                } else {
                    finish_tile::<V, T>(pixels, [lines, columns], target, epilogue, sums);
                }
            }
        }
    }
}

/// Returns `A' m A` of the products `m` of a tile.
///
/// # Safety
/// The products must exist, and the CPU must have `V`'s instructions.
#[inline(always)]
unsafe fn output_tile<V: Vector>(products: *const f32) -> [[V; OUTPUT_TILE]; OUTPUT_TILE] {
    // SAFETY: the caller guarantees the products and `V`'s instructions.
    unsafe {
        let mut half = [[V::splat(0.0); INPUT_TILE]; OUTPUT_TILE];
        for j in 0..INPUT_TILE {
            let mut column = [V::splat(0.0); INPUT_TILE];
            for i in 0..INPUT_TILE {
                column[i] = V::load(products.add((i * INPUT_TILE + j) * point_stride::<V>()));
            }
            let column = OutputTransform::apply(column);
            for i in 0..OUTPUT_TILE {
                half[i][j] = column[i];
            }
        }
        let mut pixels = [[V::splat(0.0); OUTPUT_TILE]; OUTPUT_TILE];
        for i in 0..OUTPUT_TILE {
            pixels[i] = OutputTransform::apply(half[i]);
        }
        pixels
    }
}

/// The place of a tile's register of channels in the output.
#[derive(Clone, Copy)]
struct Target<T> {
    y: *mut T,
    /// Index of the first pixel.
    start: usize,
    /// Distances to the next line and to the next pixel.
    strides: [usize; 2],
    channel: usize,
}

/// Applies the rest of the epilogue to the pixels of a tile that are inside of the image, writes
/// them and adds them to the statistics.
///
/// # Safety
/// The pixels of `target` must exist.
#[inline(always)]
unsafe fn finish_tile<V: Vector, T: Scalar>(
    mut pixels: [[V; OUTPUT_TILE]; OUTPUT_TILE],
    [lines, columns]: [usize; 2],
    Target { y, start, strides, channel }: Target<T>,
    epilogue: Epilogue<T>,
    sums: &mut Option<BlockSums>,
) {
    let inside = |i: usize, j: usize| i < lines && j < columns;
    let index = |i: usize, j: usize| start + i * strides[0] + j * strides[1];
    let shortcut = match epilogue.shortcut {
        Shortcut::None => None,
        Shortcut::Separate(pixels) => Some(pixels.as_ptr()),
        Shortcut::InPlace => Some(y.cast_const()),
    };
    // SAFETY: the caller guarantees the pixels, and `pixels` proves `V`'s instructions.
    unsafe {
        if let Some(shortcut) = shortcut {
            for i in 0..OUTPUT_TILE {
                for j in 0..OUTPUT_TILE {
                    if inside(i, j) {
                        pixels[i][j] = pixels[i][j].add(T::load::<V>(shortcut.add(index(i, j))));
                    }
                }
            }
        }
        if epilogue.relu {
            for pixel in pixels.iter_mut().flatten() {
                *pixel = pixel.relu();
            }
        }
        for i in 0..OUTPUT_TILE {
            for j in 0..OUTPUT_TILE {
                if inside(i, j) {
                    T::store::<V>(pixels[i][j], y.add(index(i, j)));
                }
            }
        }
        if let Some(sums) = sums {
            let shift = V::load(sums.shift.as_ptr().add(channel));
            let (mut first, mut second) = (V::splat(0.0), V::splat(0.0));
            for i in 0..OUTPUT_TILE {
                for j in 0..OUTPUT_TILE {
                    if inside(i, j) {
                        let distance = T::round(pixels[i][j]).sub(shift);
                        first = first.add(distance);
                        second = distance.mul_add(distance, second);
                    }
                }
            }
            sums.add(channel, first, second);
        }
    }
}
