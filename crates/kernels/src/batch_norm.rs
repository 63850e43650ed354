//! Batch normalization (Ioffe & Szegedy 2015) fused with the shortcut addition and the ReLU that
//! follow it in a residual block:
//! `y = relu((x - mean) * gamma / sqrt(var + eps) + beta + shortcut)`.
//!
//! The forward pass reads `x` twice: for the statistics and for the normalization. The backward
//! pass reads `x` and `dy` twice: for the reduction and for the gradient; with a shortcut it also
//! reads `y`. ATen on the CPU makes separate passes for normalization, addition and ReLU.
//!
//! The functions correspond to the kernels of ATen's CUDA implementation: `batch_norm_stats`,
//! `batch_norm_elemt`, `batch_norm_backward_reduce` and `batch_norm_backward_elemt`.

use crate::simd_level::dispatch;
use crate::vector::Vector;
use crate::{Scalar, SimdLevel};

/// Divisor of the number of columns: the lanes of four AVX-512 registers. Rows whose number of
/// channels is not a multiple are joined.
const COLUMNS: usize = 64;

/// Rows per block. The f32 sums of a block are added to f64 sums, so that the rounding error does
/// not grow with the number of rows.
const BLOCK_ROWS: usize = 128;

/// Two sums for each channel: see [`stats`] and [`backward_reduce`].
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSums {
    pub first: Vec<f64>,
    pub second: Vec<f64>,
}

impl ChannelSums {
    pub fn zeros(channels: usize) -> ChannelSums {
        ChannelSums { first: vec![0.0; channels], second: vec![0.0; channels] }
    }
}

/// Layout in which consecutive rows are joined, so that the number of columns is a multiple of
/// [`COLUMNS`].
struct JoinedRows {
    channels: usize,
    /// Rows per joined row.
    rows: usize,
    columns: usize,
}

impl JoinedRows {
    fn new(channels: usize) -> JoinedRows {
        let rows = COLUMNS / gcd(channels, COLUMNS);
        JoinedRows { channels, rows, columns: rows * channels }
    }

    /// Repeats the values of the channels for all columns.
    fn repeat(&self, values: &[f32]) -> Vec<f32> {
        assert_eq!(values.len(), self.channels, "one value per channel");
        values.repeat(self.rows)
    }

    /// Returns how many elements, of `len`, are part of complete joined rows.
    fn joined_len(&self, len: usize) -> usize {
        assert_eq!(len % self.channels, 0, "complete rows");
        len - len % self.columns
    }

    /// Adds the sums of the columns to the sums of their channels.
    fn reduce(&self, columns: &ChannelSums, channels: &mut ChannelSums) {
        let add = |columns: &[f64], channels: &mut [f64]| {
            for row in columns.chunks(self.channels) {
                channels.iter_mut().zip(row).for_each(|(sum, term)| *sum += term);
            }
        };
        add(&columns.first, &mut channels.first);
        add(&columns.second, &mut channels.second);
    }
}

fn gcd(a: usize, b: usize) -> usize {
    match b {
        0 => a,
        b => gcd(b, a % b),
    }
}

/// Adds the sums of `x - shift` and of its square to `sums`, per channel. A shift close to the mean
/// avoids cancellation in the variance.
///
/// # Panics
/// If the length of `x` is not a multiple of the number of channels.
pub fn stats<T: Scalar>(level: SimdLevel, x: &[T], shift: &[f32], sums: &mut ChannelSums) {
    let layout = JoinedRows::new(shift.len());
    let (body, rest) = x.split_at(layout.joined_len(x.len()));
    let shifts = layout.repeat(shift);
    let mut columns = ChannelSums::zeros(layout.columns);
    let (shifts, out) = (shifts.as_slice(), &mut columns);
    dispatch!(level, stats_kernel::<T>(body: &[T], shifts: &[f32], out: &mut ChannelSums));
    layout.reduce(&columns, sums);
    for row in rest.chunks(layout.channels) {
        for (c, value) in row.iter().enumerate() {
            let d = f64::from(value.to_f32() - shift[c]);
            sums.first[c] += d;
            sums.second[c] += d * d;
        }
    }
}

/// # Safety
/// The CPU must have `V`'s instructions. `shift` and `sums` must have the same number of columns, a
/// multiple of [`COLUMNS`].
#[inline(always)]
unsafe fn stats_kernel<V: Vector, T: Scalar>(x: &[T], shift: &[f32], sums: &mut ChannelSums) {
    let columns = shift.len();
    for block in x.chunks(BLOCK_ROWS * columns) {
        for column in (0..columns).step_by(4 * V::LANES) {
            // SAFETY: the columns of four registers from `column` are inside of every row.
            unsafe {
                let shift = load_columns::<V>(shift, column);
                let mut first = [V::splat(0.0); 4];
                let mut second = first;
                for row in block.chunks_exact(columns) {
                    for r in 0..4 {
                        let value = T::load::<V>(row.as_ptr().add(column + r * V::LANES));
                        let d = value.sub(shift[r]);
                        first[r] = first[r].add(d);
                        second[r] = d.mul_add(d, second[r]);
                    }
                }
                add_columns(&first, &mut sums.first, column);
                add_columns(&second, &mut sums.second, column);
            }
        }
    }
}

/// Writes `y = relu((x - mean) * scale + bias + shortcut)`. Shortcut and ReLU are optional.
///
/// # Panics
/// If the lengths of the slices do not match.
#[expect(clippy::too_many_arguments, reason = "one argument per term of the formula")]
pub fn normalize<T: Scalar>(
    level: SimdLevel,
    x: &[T],
    shortcut: Option<&[T]>,
    mean: &[f32],
    scale: &[f32],
    bias: &[f32],
    relu: bool,
    y: &mut [T],
) {
    assert_eq!(x.len(), y.len());
    assert!(shortcut.is_none_or(|shortcut| shortcut.len() == x.len()));
    let layout = JoinedRows::new(mean.len());
    let joined = layout.joined_len(x.len());
    let [means, scales, biases] = [mean, scale, bias].map(|values| layout.repeat(values));
    let (body, rest) = x.split_at(joined);
    let (added, added_rest) = shortcut.map(|shortcut| shortcut.split_at(joined)).unzip();
    let (out, out_rest) = y.split_at_mut(joined);
    let (means, scales, biases) = (means.as_slice(), scales.as_slice(), biases.as_slice());
    dispatch!(level, normalize_kernel::<T>(
        body: &[T], added: Option<&[T]>, means: &[f32], scales: &[f32], biases: &[f32],
        relu: bool, out: &mut [T],
    ));
    for (i, (value, out)) in rest.iter().zip(out_rest).enumerate() {
        let c = i % layout.channels;
        let mut y = (value.to_f32() - mean[c]) * scale[c] + bias[c];
        y += added_rest.map_or(0.0, |added| added[i].to_f32());
        *out = T::from_f32(if relu && y < 0.0 { 0.0 } else { y });
    }
}

/// # Safety
/// The CPU must have `V`'s instructions. `mean`, `scale` and `bias` must have the same number of
/// columns, a multiple of [`COLUMNS`]. `x`, `shortcut` and `y` must consist of the same number of
/// joined rows.
#[inline(always)]
unsafe fn normalize_kernel<V: Vector, T: Scalar>(
    x: &[T],
    shortcut: Option<&[T]>,
    mean: &[f32],
    scale: &[f32],
    bias: &[f32],
    relu: bool,
    y: &mut [T],
) {
    let columns = mean.len();
    for start in (0..x.len()).step_by(BLOCK_ROWS * columns) {
        let end = (start + BLOCK_ROWS * columns).min(x.len());
        for column in (0..columns).step_by(4 * V::LANES) {
            // SAFETY: the columns of four registers from `column` are inside of every row.
            unsafe {
                let mean = load_columns::<V>(mean, column);
                let scale = load_columns::<V>(scale, column);
                let bias = load_columns::<V>(bias, column);
                for row in (start..end).step_by(columns) {
                    for r in 0..4 {
                        let index = row + column + r * V::LANES;
                        let centered = T::load::<V>(x.as_ptr().add(index)).sub(mean[r]);
                        let mut out = centered.mul_add(scale[r], bias[r]);
                        if let Some(shortcut) = shortcut {
                            out = out.add(T::load::<V>(shortcut.as_ptr().add(index)));
                        }
                        if relu {
                            out = out.relu();
                        }
                        T::store::<V>(out, y.as_mut_ptr().add(index));
                    }
                }
            }
        }
    }
}

/// Mask of the elements for which a ReLU propagates its gradient `dy`. The masked gradient is `g`.
#[derive(Debug, Clone, Copy)]
pub enum ReluMask<'a, T> {
    /// All elements: there is no ReLU.
    None,
    /// Elements for which this output of the ReLU is positive.
    Output(&'a [T]),
    /// Elements for which `(x - mean) * scale + bias` is positive, which is the output of
    /// [`normalize`] without a shortcut. Recomputing the output takes less time than reading it.
    Recompute { scale: &'a [f32], bias: &'a [f32] },
}

impl<'a, T: Scalar> ReluMask<'a, T> {
    fn assert_lengths(&self, elements: usize, channels: usize) {
        match self {
            ReluMask::None => {}
            ReluMask::Output(y) => assert_eq!(y.len(), elements),
            ReluMask::Recompute { scale, bias } => {
                assert!(scale.len() == channels && bias.len() == channels);
            }
        }
    }

    /// Returns the mask of the first `joined` elements, which are complete joined rows.
    fn join_rows(&self, joined: usize, layout: &JoinedRows) -> ColumnMask<'a, T> {
        match self {
            ReluMask::None => ColumnMask::None,
            ReluMask::Output(y) => ColumnMask::Output(&y[..joined]),
            ReluMask::Recompute { scale, bias } => {
                ColumnMask::Recompute([layout.repeat(scale), layout.repeat(bias)])
            }
        }
    }

    /// Returns whether the ReLU propagates the gradient of element `i`, which is in channel `c`.
    fn propagates(&self, i: usize, c: usize, centered: f32) -> bool {
        match self {
            ReluMask::None => true,
            ReluMask::Output(y) => y[i].to_f32() > 0.0,
            ReluMask::Recompute { scale, bias } => centered * scale[c] + bias[c] > 0.0,
        }
    }
}

/// A [`ReluMask`] with scale and bias of the columns.
enum ColumnMask<'a, T> {
    None,
    Output(&'a [T]),
    Recompute([Vec<f32>; 2]),
}

/// A [`ReluMask`] with scale and bias of the columns in four registers.
enum RegisterMask<'a, V, T> {
    None,
    Output(&'a [T]),
    Recompute([V; 4], [V; 4]),
}

impl<T: Scalar> ColumnMask<'_, T> {
    /// # Safety
    /// The CPU must have `V`'s instructions, and four registers from `column` must be inside of the
    /// columns.
    #[inline(always)]
    unsafe fn load<V: Vector>(&self, column: usize) -> RegisterMask<'_, V, T> {
        match self {
            ColumnMask::None => RegisterMask::None,
            ColumnMask::Output(y) => RegisterMask::Output(y),
            // SAFETY: the caller guarantees the columns and `V`'s instructions.
            ColumnMask::Recompute([scale, bias]) => unsafe {
                RegisterMask::Recompute(
                    load_columns::<V>(scale, column),
                    load_columns::<V>(bias, column),
                )
            },
        }
    }
}

impl<V: Vector, T: Scalar> RegisterMask<'_, V, T> {
    /// Masks `dy`, which is register `r` (of four) and starts at element `index`.
    ///
    /// # Safety
    /// The elements from `index` to `index + V::LANES` must be inside of the tensor.
    #[inline(always)]
    unsafe fn apply(&self, dy: V, centered: V, index: usize, r: usize) -> V {
        match self {
            RegisterMask::None => dy,
            RegisterMask::Output(y) => {
                // SAFETY: the caller guarantees the elements, and `dy` proves the instructions.
                let y = unsafe { T::load::<V>(y.as_ptr().add(index)) };
                dy.where_positive(y)
            }
            RegisterMask::Recompute(scale, bias) => {
                dy.where_positive(centered.mul_add(scale[r], bias[r]))
            }
        }
    }
}

/// Adds the sums of `g` and of `g * (x - mean)` to `sums`, per channel.
///
/// # Panics
/// If the lengths of the slices do not match.
pub fn backward_reduce<T: Scalar>(
    level: SimdLevel,
    x: &[T],
    dy: &[T],
    mask: ReluMask<T>,
    mean: &[f32],
    sums: &mut ChannelSums,
) {
    assert_eq!(x.len(), dy.len());
    mask.assert_lengths(x.len(), mean.len());
    let layout = JoinedRows::new(mean.len());
    let joined = layout.joined_len(x.len());
    let means = layout.repeat(mean);
    let mut columns = ChannelSums::zeros(layout.columns);
    let ((body, rest), (grad, grad_rest)) = (x.split_at(joined), dy.split_at(joined));
    let (masks, means, out) = (&mask.join_rows(joined, &layout), means.as_slice(), &mut columns);
    dispatch!(level, backward_reduce_kernel::<T>(
        body: &[T], grad: &[T], masks: &ColumnMask<T>, means: &[f32], out: &mut ChannelSums,
    ));
    layout.reduce(&columns, sums);
    for (i, (value, grad)) in rest.iter().zip(grad_rest).enumerate() {
        let c = i % layout.channels;
        let centered = value.to_f32() - mean[c];
        if mask.propagates(joined + i, c, centered) {
            let g = f64::from(grad.to_f32());
            sums.first[c] += g;
            sums.second[c] += g * f64::from(centered);
        }
    }
}

/// # Safety
/// The CPU must have `V`'s instructions. `mean` and `sums` must have the same number of columns, a
/// multiple of [`COLUMNS`]. `x`, `dy` and the mask must consist of the same number of joined rows.
#[inline(always)]
unsafe fn backward_reduce_kernel<V: Vector, T: Scalar>(
    x: &[T],
    dy: &[T],
    mask: &ColumnMask<T>,
    mean: &[f32],
    sums: &mut ChannelSums,
) {
    let columns = mean.len();
    for start in (0..x.len()).step_by(BLOCK_ROWS * columns) {
        let end = (start + BLOCK_ROWS * columns).min(x.len());
        for column in (0..columns).step_by(4 * V::LANES) {
            // SAFETY: the columns of four registers from `column` are inside of every row.
            unsafe {
                let mean = load_columns::<V>(mean, column);
                let mask = mask.load::<V>(column);
                let mut first = [V::splat(0.0); 4];
                let mut second = first;
                for row in (start..end).step_by(columns) {
                    for r in 0..4 {
                        let index = row + column + r * V::LANES;
                        let centered = T::load::<V>(x.as_ptr().add(index)).sub(mean[r]);
                        let dy = T::load::<V>(dy.as_ptr().add(index));
                        let g = mask.apply(dy, centered, index, r);
                        first[r] = first[r].add(g);
                        second[r] = g.mul_add(centered, second[r]);
                    }
                }
                add_columns(&first, &mut sums.first, column);
                add_columns(&second, &mut sums.second, column);
            }
        }
    }
}

/// Computes the gradient of the input, `dx = g * scale + (x - mean) * slope + offset`.
///
/// If `dx` is `None` (no shortcut), the gradient overwrites `dy`. With a shortcut, the gradient is
/// written to `dx`, and `g`, the gradient of the shortcut, overwrites `dy`. Overwriting reduces
/// memory traffic, which limits the speed.
///
/// # Panics
/// If the lengths of the slices do not match.
#[expect(clippy::too_many_arguments, reason = "one argument per term of the formula")]
pub fn backward_input<T: Scalar>(
    level: SimdLevel,
    x: &[T],
    dy: &mut [T],
    mask: ReluMask<T>,
    mean: &[f32],
    scale: &[f32],
    slope: &[f32],
    offset: &[f32],
    dx: Option<&mut [T]>,
) {
    assert_eq!(x.len(), dy.len());
    mask.assert_lengths(x.len(), mean.len());
    assert!(dx.as_ref().is_none_or(|dx| dx.len() == x.len()));
    let layout = JoinedRows::new(mean.len());
    let joined = layout.joined_len(x.len());
    let terms = [mean, scale, slope, offset].map(|values| layout.repeat(values));
    let ((body, rest), (grad, grad_rest)) = (x.split_at(joined), dy.split_at_mut(joined));
    let (out, mut out_rest) = dx.map(|dx| dx.split_at_mut(joined)).unzip();
    let (masks, terms) = (&mask.join_rows(joined, &layout), &terms);
    dispatch!(level, backward_input_kernel::<T>(
        body: &[T], grad: &mut [T], masks: &ColumnMask<T>, terms: &[Vec<f32>; 4],
        out: Option<&mut [T]>,
    ));
    for (i, (value, grad)) in rest.iter().zip(grad_rest).enumerate() {
        let c = i % layout.channels;
        let centered = value.to_f32() - mean[c];
        let g = if mask.propagates(joined + i, c, centered) { grad.to_f32() } else { 0.0 };
        let gradient = T::from_f32(g * scale[c] + (centered * slope[c] + offset[c]));
        match &mut out_rest {
            None => *grad = gradient,
            Some(out) => {
                out[i] = gradient;
                *grad = T::from_f32(g);
            }
        }
    }
}

/// # Safety
/// The CPU must have `V`'s instructions. The terms must have the same number of columns, a multiple
/// of [`COLUMNS`]. `x`, `dy`, the mask and `dx` must consist of the same number of joined rows.
#[inline(always)]
unsafe fn backward_input_kernel<V: Vector, T: Scalar>(
    x: &[T],
    dy: &mut [T],
    mask: &ColumnMask<T>,
    terms: &[Vec<f32>; 4],
    mut dx: Option<&mut [T]>,
) {
    let columns = terms[0].len();
    for start in (0..x.len()).step_by(BLOCK_ROWS * columns) {
        let end = (start + BLOCK_ROWS * columns).min(x.len());
        for column in (0..columns).step_by(4 * V::LANES) {
            // SAFETY: the columns of four registers from `column` are inside of every row.
            unsafe {
                let mean = load_columns::<V>(&terms[0], column);
                let scale = load_columns::<V>(&terms[1], column);
                let slope = load_columns::<V>(&terms[2], column);
                let offset = load_columns::<V>(&terms[3], column);
                let mask = mask.load::<V>(column);
                for row in (start..end).step_by(columns) {
                    for r in 0..4 {
                        let index = row + column + r * V::LANES;
                        let centered = T::load::<V>(x.as_ptr().add(index)).sub(mean[r]);
                        let dy = dy.as_mut_ptr().add(index);
                        let g = mask.apply(T::load::<V>(dy), centered, index, r);
                        let gradient = g.mul_add(scale[r], centered.mul_add(slope[r], offset[r]));
                        match &mut dx {
                            None => T::store::<V>(gradient, dy),
                            Some(dx) => {
                                T::store::<V>(gradient, dx.as_mut_ptr().add(index));
                                T::store::<V>(g, dy);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Loads four registers of values from `column`.
///
/// # Safety
/// `values` must contain the columns, and the CPU must have `V`'s instructions.
#[inline(always)]
unsafe fn load_columns<V: Vector>(values: &[f32], column: usize) -> [V; 4] {
    debug_assert!(column + 4 * V::LANES <= values.len());
    // SAFETY: the caller guarantees the columns and `V`'s instructions.
    unsafe {
        let mut registers = [V::splat(0.0); 4];
        for (r, register) in registers.iter_mut().enumerate() {
            *register = V::load(values.as_ptr().add(column + r * V::LANES));
        }
        registers
    }
}

/// Adds four registers to the sums of the columns from `column`.
#[inline(always)]
fn add_columns<V: Vector>(registers: &[V; 4], sums: &mut [f64], column: usize) {
    let mut values = [0.0f32; COLUMNS];
    for (r, register) in registers.iter().enumerate() {
        // SAFETY: a register has at most 16 lanes, so four registers fit into `COLUMNS` values.
        unsafe { register.store(values.as_mut_ptr().add(r * V::LANES)) };
    }
    for (sum, value) in sums[column..column + 4 * V::LANES].iter_mut().zip(values) {
        *sum += f64::from(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bf16;
    use crate::random_values::random_values;

    fn f32s(count: usize, seed: u64) -> Vec<f32> {
        random_values(count, seed)
    }

    fn assert_close(actual: f64, expected: f64, tolerance: f64, name: &str) {
        assert!(
            (actual - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{name}: {actual} {expected}"
        );
    }

    /// Channels and rows: channel counts of common networks and counts that do not fill a register,
    /// and row counts that leave a remainder.
    const SHAPES: [(usize, usize); 6] =
        [(16, 1031), (64, 300), (3, 77), (48, 129), (256, 140), (1, 5)];

    fn for_all_cases(mut check: impl FnMut(SimdLevel, usize, usize)) {
        for level in SimdLevel::available() {
            for (channels, rows) in SHAPES {
                check(level, channels, rows);
            }
        }
    }

    fn check_stats<T: Scalar>() {
        for_all_cases(|level, channels, rows| {
            let x: Vec<T> = random_values(channels * rows, 1);
            let shift = f32s(channels, 2);
            let mut sums = ChannelSums::zeros(channels);
            stats(level, &x, &shift, &mut sums);
            for c in 0..channels {
                let d = x[c..].iter().step_by(channels).map(|v| f64::from(v.to_f32() - shift[c]));
                let tolerance = 1e-6 * rows as f64;
                assert_close(sums.first[c], d.clone().sum(), tolerance, "sum");
                assert_close(sums.second[c], d.map(|d| d * d).sum(), tolerance, "squares");
            }
        });
    }

    #[test]
    fn stats_are_the_sums_of_each_channel() {
        check_stats::<f32>();
        check_stats::<Bf16>();
    }

    #[test]
    fn variance_is_accurate_with_a_large_mean() {
        for level in SimdLevel::available() {
            let (channels, rows) = (64, 100_000);
            let x: Vec<f32> = f32s(channels * rows, 3).iter().map(|v| 1000.0 + v).collect();
            let mut sums = ChannelSums::zeros(channels);
            stats(level, &x, &x[..channels], &mut sums);
            let n = rows as f64;
            let var = sums.second[0] / n - (sums.first[0] / n).powi(2);
            assert_close(var, 1.0 / 3.0, 0.01, "variance of a uniform distribution");
        }
    }

    fn check_forward<T: Scalar>(tolerance: f64) {
        for_all_cases(|level, channels, rows| {
            let x: Vec<T> = random_values(channels * rows, 1);
            let shortcut: Vec<T> = random_values(channels * rows, 2);
            let (mean, scale, bias) = (f32s(channels, 3), f32s(channels, 4), f32s(channels, 5));
            for (shortcut, relu) in [(None, false), (None, true), (Some(&shortcut), true)] {
                let mut y = vec![T::from_f32(f32::NAN); x.len()];
                let added = shortcut.map(Vec::as_slice);
                normalize(level, &x, added, &mean, &scale, &bias, relu, &mut y);
                for (i, y) in y.iter().enumerate() {
                    let c = i % channels;
                    let mut expected = (x[i].to_f32() - mean[c]) * scale[c] + bias[c];
                    expected += shortcut.map_or(0.0, |shortcut| shortcut[i].to_f32());
                    let expected = if relu { expected.max(0.0) } else { expected };
                    assert_close(y.to_f32().into(), expected.into(), tolerance, "y");
                }
            }
        });
    }

    #[test]
    fn forward_normalizes_adds_the_shortcut_and_applies_relu() {
        check_forward::<f32>(1e-6);
        check_forward::<Bf16>(1.0 / 128.0);
    }

    fn check_backward<T: Scalar>(tolerance: f64) {
        for_all_cases(|level, channels, rows| {
            let [x, dy, y]: [Vec<T>; 3] =
                [1, 2, 3].map(|seed| random_values(channels * rows, seed));
            let [mean, scale, slope, offset] = [4, 5, 6, 7].map(|seed| f32s(channels, seed));
            let (forward_scale, bias) = (f32s(channels, 8), f32s(channels, 9));
            let mut rectified = vec![T::from_f32(0.0); x.len()];
            normalize(level, &x, None, &mean, &forward_scale, &bias, true, &mut rectified);
            let recompute = ReluMask::Recompute { scale: &forward_scale, bias: &bias };
            for (mask, output) in [
                (ReluMask::None, None),
                (ReluMask::Output(&y), Some(&y)),
                (recompute, Some(&rectified)),
            ] {
                let g = |i: usize| match output {
                    Some(y) if y[i].to_f32() <= 0.0 => 0.0,
                    _ => dy[i].to_f32(),
                };
                let mut sums = ChannelSums::zeros(channels);
                backward_reduce(level, &x, &dy, mask, &mean, &mut sums);
                let (mut dx, mut masked_dy, mut in_place) = (x.clone(), dy.clone(), dy.clone());
                let terms = [&mean, &scale, &slope, &offset].map(Vec::as_slice);
                let [mean, scale, slope, offset] = terms;
                let dx_out = Some(dx.as_mut_slice());
                backward_input(level, &x, &mut masked_dy, mask, mean, scale, slope, offset, dx_out);
                backward_input(level, &x, &mut in_place, mask, mean, scale, slope, offset, None);
                let mut expected = ChannelSums::zeros(channels);
                for i in 0..x.len() {
                    let c = i % channels;
                    let centered = x[i].to_f32() - mean[c];
                    expected.first[c] += f64::from(g(i));
                    expected.second[c] += f64::from(g(i)) * f64::from(centered);
                    let gradient = g(i) * scale[c] + centered * slope[c] + offset[c];
                    assert_close(dx[i].to_f32().into(), gradient.into(), tolerance, "dx");
                    assert_eq!(masked_dy[i].to_f32(), g(i));
                    assert_eq!(in_place[i].to_f32(), dx[i].to_f32());
                }
                for c in 0..channels {
                    let tolerance = 1e-6 * rows as f64;
                    assert_close(sums.first[c], expected.first[c], tolerance, "sum of g");
                    assert_close(
                        sums.second[c],
                        expected.second[c],
                        tolerance,
                        "sum of g (x - mean)",
                    );
                }
            }
        });
    }

    #[test]
    fn backward_functions_compute_their_formulas() {
        check_backward::<f32>(1e-6);
        check_backward::<Bf16>(1.0 / 128.0);
    }

    #[test]
    fn relu_propagates_nan() {
        for level in SimdLevel::available() {
            let x = vec![f32::NAN; 64];
            let (zeros, ones) = (vec![0.0; 64], vec![1.0; 64]);
            let mut y = vec![0.0; 64];
            normalize(level, &x, None, &zeros, &ones, &zeros, true, &mut y);
            assert!(y.iter().all(|y| y.is_nan()), "{level:?}");
            let x = vec![Bf16::from_f32(f32::NAN); 64];
            let mut y = vec![Bf16(0); 64];
            normalize(level, &x, None, &zeros, &ones, &zeros, true, &mut y);
            assert!(y.iter().all(|y| y.to_f32().is_nan()), "{level:?}");
        }
    }
}
