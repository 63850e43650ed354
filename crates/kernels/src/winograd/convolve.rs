//! Convolution of images by transformed filters: the forward pass, or the gradient of the input.

use std::ops::Range;

use super::block::{Images, Scratch, block_len, blocks, point_stride, register_stride, transform};
use super::filter::PANEL;
use super::gemm::gemm;
use super::transform::{InputTransform, OutputTransform, Transform};
use super::{ConvShape, INPUT_TILE, OUTPUT_TILE, POINTS};
use crate::simd_level::dispatch;
use crate::vector::Vector;
use crate::{ChannelSums, Scalar, SimdLevel};

/// Operations on the output before it is written.
#[derive(Clone, Copy)]
pub struct Epilogue<'a, T> {
    /// A value per output channel.
    pub bias: Option<&'a [f32]>,
    pub shortcut: Shortcut<'a, T>,
    pub relu: bool,
}

/// Tensor that is added to the output.
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

/// Receives the sums of [`batch_norm::stats`](crate::batch_norm::stats) over the output.
pub struct OutputStats<'a> {
    /// A value per channel, preferably close to the mean.
    pub shift: &'a [f32],
    pub sums: &'a mut ChannelSums,
}

/// Convolves the images `x` by transformed filters and writes the tile rows `rows` of the output to
/// `y`. Adds the statistics of the written values to `stats`. The result for a tile does not depend
/// on the other tiles in `rows`.
///
/// # Panics
/// If the slices do not match the shape and the rows.
#[expect(clippy::too_many_arguments, reason = "one argument per operand")]
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
    shape.assert_valid();
    assert!(rows.end <= shape.num_tile_rows());
    assert_eq!(x.len(), shape.images * shape.height * shape.width * shape.in_channels);
    assert_eq!(filters.len(), shape.transformed_filters_len());
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

/// f32 sums of one block, which are added to the f64 sums after the block.
struct BlockSums<'a> {
    shift: &'a [f32],
    /// Sums of all channels, followed by the sums of squares of all channels.
    sums: Vec<f32>,
}

impl BlockSums<'_> {
    /// Adds registers to the sums of the channels from `channel`.
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

    /// Moves the sums to `sums`.
    fn flush(&mut self, sums: &mut ChannelSums) {
        let (first, second) = self.sums.split_at(self.shift.len());
        let add = |sums: &mut [f64], terms: &[f32]| {
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += f64::from(*term));
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
    // If one step of the product covers all channels, it reads its tiles before it writes them.
    let in_place = inputs == outputs && outputs <= 2 * V::LANES;
    let product_len = if in_place { 0 } else { block_len::<V>(outputs) };
    let mut scratch = Scratch::with_len(block_len::<V>(inputs) + product_len);
    let input_block = scratch.as_mut_slice().as_mut_ptr();
    let products =
        if in_place { input_block } else { input_block.wrapping_add(block_len::<V>(inputs)) };
    let first_value = shape.first_pixel_row(rows.start) * shape.width * outputs;
    for block in blocks(shape, rows) {
        // SAFETY: the scratch buffer contains both blocks, and the caller guarantees the rest.
        unsafe {
            transform::<InputTransform, V, T, INPUT_TILE>(
                shape,
                images,
                block.clone(),
                input_block,
            );
            multiply_block::<V>(shape, filters, block.len(), input_block, products);
            let y = (&mut *y, first_value);
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
/// Both blocks must be valid and the filters must match the shape. The CPU must have `V`'s
/// instructions.
#[inline(always)]
unsafe fn multiply_block<V: Vector>(
    shape: &ConvShape,
    filters: &[f32],
    tiles: usize,
    input_block: *const f32,
    products: *mut f32,
) {
    let ConvShape { in_channels: inputs, out_channels: outputs, .. } = *shape;
    let filters_of = |point: usize, panel: usize| {
        let width = PANEL.min(outputs - panel);
        filters.as_ptr().wrapping_add((POINTS * panel + point * width) * inputs)
    };
    for point in 0..POINTS {
        let point_offset = point * point_stride::<V>();
        for panel in (0..outputs).step_by(PANEL) {
            let width = PANEL.min(outputs - panel);
            let b = filters_of(point, panel);
            let next = if panel + PANEL < outputs {
                filters_of(point, panel + PANEL)
            } else {
                filters_of(point + 1, 0)
            };
            let mut column = 0;
            while column < width {
                let next = next.wrapping_add(column);
                let register = (panel + column) / V::LANES;
                // SAFETY: the columns are inside the panel, and the caller guarantees the rest.
                unsafe {
                    let (a, b) = (input_block.add(point_offset), (b.add(column), width));
                    let c = products.add(point_offset + register * register_stride::<V>());
                    if width - column >= 2 * V::LANES {
                        gemm::<V, 2>(a, b, c, tiles, inputs, next);
                        column += 2 * V::LANES;
                    } else {
                        gemm::<V, 1>(a, b, c, tiles, inputs, next);
                        column += V::LANES;
                    }
                }
            }
        }
    }
}

/// Transforms the products of a block to output pixels and writes them. `y` and a separate shortcut
/// start with the value `first_value` of the complete output.
///
/// # Safety
/// The products must be a block, and `y` must contain its pixels. The CPU must have `V`'s
/// instructions.
#[inline(always)]
unsafe fn write_block<V: Vector, T: Scalar>(
    shape: &ConvShape,
    block: Range<usize>,
    products: *const f32,
    epilogue: Epilogue<T>,
    (y, first_value): (&mut [T], usize),
    sums: &mut Option<BlockSums>,
) {
    let (per_row, channels) = (shape.tiles_per_row(), shape.out_channels);
    let y = y.as_mut_ptr();
    for (index, tile) in block.enumerate() {
        let (row, column) = (tile / per_row, tile % per_row * OUTPUT_TILE);
        let line = shape.first_pixel_row(row);
        let (lines, columns) = (shape.first_pixel_row(row + 1) - line, shape.width - column);
        let start = (line * shape.width + column) * channels - first_value;
        for channel in (0..channels).step_by(V::LANES) {
            let register = channel / V::LANES * register_stride::<V>();
            // SAFETY: the caller guarantees the block, the pixels and `V`'s instructions.
            unsafe {
                let mut pixels = output_tile::<V>(products.add(register + index * V::LANES));
                if let Some(bias) = epilogue.bias {
                    let bias = V::load(bias.as_ptr().add(channel));
                    for pixel in pixels.iter_mut().flatten() {
                        *pixel = pixel.add(bias);
                    }
                }
                let strides = [shape.width * channels, channels];
                let target = TileTarget { y, start: start + channel, strides, channel };
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
/// The products must be part of a block, and the CPU must have `V`'s instructions.
#[inline(always)]
unsafe fn output_tile<V: Vector>(products: *const f32) -> [[V; OUTPUT_TILE]; OUTPUT_TILE] {
    // SAFETY: the caller guarantees the products and `V`'s instructions.
    unsafe {
        let mut intermediate = [[V::splat(0.0); INPUT_TILE]; OUTPUT_TILE];
        for j in 0..INPUT_TILE {
            let mut column = [V::splat(0.0); INPUT_TILE];
            for i in 0..INPUT_TILE {
                column[i] = V::load(products.add((i * INPUT_TILE + j) * point_stride::<V>()));
            }
            let column = OutputTransform::apply(column);
            for i in 0..OUTPUT_TILE {
                intermediate[i][j] = column[i];
            }
        }
        let mut pixels = [[V::splat(0.0); OUTPUT_TILE]; OUTPUT_TILE];
        for i in 0..OUTPUT_TILE {
            pixels[i] = OutputTransform::apply(intermediate[i]);
        }
        pixels
    }
}

/// Position of one tile and one register of channels in the output.
#[derive(Clone, Copy)]
struct TileTarget<T> {
    y: *mut T,
    /// Index of the first value.
    start: usize,
    /// Distances to the next line and to the next pixel, in values.
    strides: [usize; 2],
    channel: usize,
}

/// Adds the shortcut, applies ReLU, writes the first `lines` and `columns` of a tile, which are
/// inside of the image, and adds them to the statistics.
///
/// # Safety
/// The pixels of `target` must be inside of the output.
#[inline(always)]
unsafe fn finish_tile<V: Vector, T: Scalar>(
    mut pixels: [[V; OUTPUT_TILE]; OUTPUT_TILE],
    [lines, columns]: [usize; 2],
    TileTarget { y, start, strides, channel }: TileTarget<T>,
    epilogue: Epilogue<T>,
    sums: &mut Option<BlockSums>,
) {
    let is_inside = |i: usize, j: usize| i < lines && j < columns;
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
                    if is_inside(i, j) {
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
                if is_inside(i, j) {
                    T::store::<V>(pixels[i][j], y.add(index(i, j)));
                }
            }
        }
        if let Some(sums) = sums {
            let shift = V::load(sums.shift.as_ptr().add(channel));
            let (mut first, mut second) = (V::splat(0.0), V::splat(0.0));
            for i in 0..OUTPUT_TILE {
                for j in 0..OUTPUT_TILE {
                    if is_inside(i, j) {
                        let difference = T::round(pixels[i][j]).sub(shift);
                        first = first.add(difference);
                        second = difference.mul_add(difference, second);
                    }
                }
            }
            sums.add(channel, first, second);
        }
    }
}
