//! Gradient of the filters, by the transposed algorithm.

use std::ops::Range;

use super::block::{Images, Scratch, block_len, blocks, point_stride, register_stride, transform};
use super::gemm::{gemm_tn, gemm_tn_rows};
use super::transform::{
    FilterGradientTransform, InputTransform, OutputGradientTransform, transform_2d,
};
use super::{ConvShape, INPUT_TILE, OUTPUT_TILE, POINTS};
use crate::simd_level::dispatch;
use crate::vector::Vector;
use crate::{Scalar, SimdLevel};

/// Adds the contribution of the tile rows `rows` of the images `x` and of the output gradient `dy`
/// to the transformed filter gradient `sums`, `[point][out][in]`.
///
/// # Panics
/// If the slices do not match the shape.
pub fn accumulate_filter_gradient<T: Scalar>(
    level: SimdLevel,
    shape: &ConvShape,
    x: &[T],
    dy: &[T],
    rows: Range<usize>,
    sums: &mut [f32],
) {
    shape.assert_valid();
    assert!(rows.end <= shape.num_tile_rows());
    let pixels = shape.images * shape.height * shape.width;
    assert_eq!(x.len(), pixels * shape.in_channels);
    assert_eq!(dy.len(), pixels * shape.out_channels);
    assert_eq!(sums.len(), shape.transformed_filters_len());
    dispatch!(level, accumulate_kernel::<T>(
        shape: &ConvShape, x: &[T], dy: &[T], rows: Range<usize>, sums: &mut [f32],
    ));
}

/// # Safety
/// The slices must match the shape, and the CPU must have `V`'s instructions.
#[inline(always)]
unsafe fn accumulate_kernel<V: Vector, T: Scalar>(
    shape: &ConvShape,
    x: &[T],
    dy: &[T],
    rows: Range<usize>,
    sums: &mut [f32],
) {
    let ConvShape { in_channels: inputs, out_channels: outputs, .. } = *shape;
    let zeros = &vec![T::from_f32(0.0); shape.width * inputs.max(outputs)];
    let images = Images { pixels: x, channels: inputs, pad: 1, zeros };
    let gradients = Images { pixels: dy, channels: outputs, pad: 0, zeros };
    let mut scratch = Scratch::with_len(block_len::<V>(inputs) + block_len::<V>(outputs));
    let (input_block, gradient_block) = scratch.as_mut_slice().split_at_mut(block_len::<V>(inputs));
    let (input_block, gradient_block) = (input_block.as_mut_ptr(), gradient_block.as_mut_ptr());
    for block in blocks(shape, rows) {
        // SAFETY: the scratch buffer contains both blocks, and the caller guarantees the rest.
        unsafe {
            transform::<InputTransform, V, T, INPUT_TILE>(
                shape,
                images,
                block.clone(),
                input_block,
            );
            transform::<OutputGradientTransform, V, T, OUTPUT_TILE>(
                shape,
                gradients,
                block.clone(),
                gradient_block,
            );
            for point in 0..POINTS {
                let point_offset = point * point_stride::<V>();
                let mut channel = 0;
                while channel < inputs {
                    let b =
                        input_block.add(point_offset + channel / V::LANES * register_stride::<V>());
                    let registers = if inputs - channel >= 2 * V::LANES { 2 } else { 1 };
                    for out in (0..outputs).step_by(gemm_tn_rows::<V>()) {
                        let register = out / V::LANES * register_stride::<V>();
                        let a = gradient_block.add(point_offset + register + out % V::LANES);
                        let c = sums.as_mut_ptr().add((point * outputs + out) * inputs + channel);
                        if registers == 2 {
                            gemm_tn::<V, 2>(a, b, (c, inputs), block.len());
                        } else {
                            gemm_tn::<V, 1>(a, b, (c, inputs), block.len());
                        }
                    }
                    channel += registers * V::LANES;
                }
            }
        }
    }
}

/// Writes the gradient `[out][3][3][in]` of the filters of the output channels `outputs`. `sums` is
/// a concatenation of one or more results of [`accumulate_filter_gradient`], which are added.
///
/// # Panics
/// If the slices do not match the shape and the channels.
pub fn finish_filter_gradient<T: Scalar>(
    level: SimdLevel,
    shape: &ConvShape,
    sums: &[f32],
    outputs: Range<usize>,
    gradient: &mut [T],
) {
    shape.assert_valid();
    assert!(outputs.end <= shape.out_channels);
    assert_eq!(sums.len() % shape.transformed_filters_len(), 0);
    assert_eq!(gradient.len(), 9 * outputs.len() * shape.in_channels);
    dispatch!(level, finish_kernel::<T>(
        shape: &ConvShape, sums: &[f32], outputs: Range<usize>, gradient: &mut [T],
    ));
}

/// # Safety
/// The slices must match the shape and the channels, and the CPU must have `V`'s instructions.
#[inline(always)]
unsafe fn finish_kernel<V: Vector, T: Scalar>(
    shape: &ConvShape,
    sums: &[f32],
    outputs: Range<usize>,
    gradient: &mut [T],
) {
    let inputs = shape.in_channels;
    for (row, out) in outputs.enumerate() {
        for channel in (0..inputs).step_by(V::LANES) {
            // SAFETY: the channel count is a multiple of the lanes, and the caller guarantees the
            // rest.
            unsafe {
                let mut points = [[V::splat(0.0); INPUT_TILE]; INPUT_TILE];
                for sums in sums.chunks_exact(shape.transformed_filters_len()) {
                    for (point, sum) in points.iter_mut().flatten().enumerate() {
                        let index = (point * shape.out_channels + out) * inputs + channel;
                        *sum = sum.add(V::load(sums.as_ptr().add(index)));
                    }
                }
                let taps = transform_2d::<FilterGradientTransform, V, INPUT_TILE, 3>(points);
                for (tap, value) in taps.iter().flatten().enumerate() {
                    let index = (row * 9 + tap) * inputs + channel;
                    T::store::<V>(*value, gradient.as_mut_ptr().add(index));
                }
            }
        }
    }
}
