//! Batch normalization (Ioffe & Szegedy 2015) with the ReLU and the addition that follow it in a
//! residual block: `y = relu((x - mean) * gamma / sqrt(var + eps) + beta + shortcut)`.
//!
//! Forward reads `x` twice: for its statistics, and to normalize it. Backward reads `x` and `dy`
//! twice: for the sums that the gradient needs, and to write it; behind a shortcut `y`, too. ATen
//! takes one pass for each operation.

use crate::simd_level::at_level;
use crate::vector::Vector;
use crate::{Scalar, SimdLevel};

/// Columns that are worked on together, in four registers of AVX-512; rows of fewer channels are
/// taken several at a time.
const COLUMNS: usize = 64;

/// Rows after which sums in f32 are added to those in f64, so that their error does not grow with
/// the number of rows.
const BLOCK: usize = 128;

/// Two sums for each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Sums {
    pub first: Vec<f64>,
    pub second: Vec<f64>,
}

impl Sums {
    pub fn zero(channels: usize) -> Sums {
        Sums { first: vec![0.0; channels], second: vec![0.0; channels] }
    }
}

/// Several rows as one, so that its columns are a multiple of [`COLUMNS`].
struct Wide {
    channels: usize,
    /// Rows in one.
    rows: usize,
    columns: usize,
}

impl Wide {
    fn new(channels: usize) -> Wide {
        let rows = COLUMNS / gcd(channels, COLUMNS);
        Wide { channels, rows, columns: rows * channels }
    }

    /// A number for each channel as one for each column.
    fn repeated(&self, values: &[f32]) -> Vec<f32> {
        assert_eq!(values.len(), self.channels, "one number a channel");
        values.repeat(self.rows)
    }

    /// How many of `numbers` fill whole wide rows.
    fn whole(&self, numbers: usize) -> usize {
        assert_eq!(numbers % self.channels, 0, "whole rows");
        numbers - numbers % self.columns
    }

    /// Adds sums of columns to those of their channels.
    fn fold(&self, columns: &Sums, into: &mut Sums) {
        let add = |columns: &[f64], into: &mut [f64]| {
            for row in columns.chunks(self.channels) {
                into.iter_mut().zip(row).for_each(|(sum, part)| *sum += part);
            }
        };
        add(&columns.first, &mut into.first);
        add(&columns.second, &mut into.second);
    }
}

fn gcd(a: usize, b: usize) -> usize {
    match b {
        0 => a,
        b => gcd(b, a % b),
    }
}

/// Adds, for each channel, the sum of `x - shift` and that of its square. A shift near the mean
/// keeps the variance that follows from them exact.
///
/// # Panics
/// If `x` is not whole rows of as many channels as `shift` has.
pub fn statistics<T: Scalar>(level: SimdLevel, x: &[T], shift: &[f32], sums: &mut Sums) {
    let wide = Wide::new(shift.len());
    let (body, rest) = x.split_at(wide.whole(x.len()));
    let shifts = wide.repeated(shift);
    let mut columns = Sums::zero(wide.columns);
    let (shifts, out) = (shifts.as_slice(), &mut columns);
    at_level!(level, statistics_of::<T>(body: &[T], shifts: &[f32], out: &mut Sums));
    wide.fold(&columns, sums);
    for row in rest.chunks(wide.channels) {
        for (c, value) in row.iter().enumerate() {
            let d = f64::from(value.to_f32() - shift[c]);
            sums.first[c] += d;
            sums.second[c] += d * d;
        }
    }
}

#[inline(always)]
unsafe fn statistics_of<V: Vector, T: Scalar>(x: &[T], shift: &[f32], sums: &mut Sums) {
    let columns = shift.len();
    for block in x.chunks(BLOCK * columns) {
        for at in (0..columns).step_by(4 * V::LANES) {
            let shift = registers::<V>(shift, at);
            let mut first = [V::splat(0.0); 4];
            let mut second = first;
            for row in block.chunks_exact(columns) {
                for r in 0..4 {
                    let d = value::<V, T>(row, at, r).sub(shift[r]);
                    first[r] = first[r].add(d);
                    second[r] = d.mul_add(d, second[r]);
                }
            }
            flush(&first, &mut sums.first, at);
            flush(&second, &mut sums.second, at);
        }
    }
}

/// `y = (x - mean) * scale + bias`, plus the shortcut where there is one, and ReLU where wanted.
///
/// # Panics
/// If the slices do not fit one another.
#[allow(clippy::too_many_arguments)]
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
    let wide = Wide::new(mean.len());
    let whole = wide.whole(x.len());
    let (means, scales, biases) = (wide.repeated(mean), wide.repeated(scale), wide.repeated(bias));
    let (body, rest) = x.split_at(whole);
    let (added, added_rest) = split(shortcut, whole);
    let (out, out_rest) = y.split_at_mut(whole);
    let (means, scales, biases) = (means.as_slice(), scales.as_slice(), biases.as_slice());
    at_level!(level, normalize_of::<T>(
        body: &[T], added: Option<&[T]>, means: &[f32], scales: &[f32], biases: &[f32],
        relu: bool, out: &mut [T],
    ));
    for (i, (value, out)) in rest.iter().zip(out_rest).enumerate() {
        let c = i % wide.channels;
        let mut y = (value.to_f32() - mean[c]) * scale[c] + bias[c];
        y += added_rest.map_or(0.0, |added| added[i].to_f32());
        *out = T::from_f32(if relu && y < 0.0 { 0.0 } else { y });
    }
}

#[inline(always)]
unsafe fn normalize_of<V: Vector, T: Scalar>(
    x: &[T],
    shortcut: Option<&[T]>,
    mean: &[f32],
    scale: &[f32],
    bias: &[f32],
    relu: bool,
    y: &mut [T],
) {
    let columns = mean.len();
    for start in (0..x.len()).step_by(BLOCK * columns) {
        let end = (start + BLOCK * columns).min(x.len());
        for at in (0..columns).step_by(4 * V::LANES) {
            let mean = registers::<V>(mean, at);
            let scale = registers::<V>(scale, at);
            let bias = registers::<V>(bias, at);
            for row in (start..end).step_by(columns) {
                for r in 0..4 {
                    let place = row + at + r * V::LANES;
                    let centered = T::load::<V>(x.as_ptr().add(place)).sub(mean[r]);
                    let mut out = centered.mul_add(scale[r], bias[r]);
                    if let Some(shortcut) = shortcut {
                        out = out.add(T::load::<V>(shortcut.as_ptr().add(place)));
                    }
                    if relu {
                        out = out.relu();
                    }
                    T::store::<V>(out, y.as_mut_ptr().add(place));
                }
            }
        }
    }
}

/// Where `dy` passes back to `g`: everywhere, or behind a ReLU only where its output was positive.
#[derive(Debug, Clone, Copy)]
pub enum Gate<'a, T> {
    /// There was no ReLU.
    Open,
    /// The ReLU's output.
    Output(&'a [T]),
    /// What [`normalize`] was given without a shortcut: its output is computed again, which takes
    /// less time than reading it.
    Again { scale: &'a [f32], bias: &'a [f32] },
}

impl<'a, T: Scalar> Gate<'a, T> {
    fn check(&self, numbers: usize, channels: usize) {
        match self {
            Gate::Open => {}
            Gate::Output(y) => assert_eq!(y.len(), numbers),
            Gate::Again { scale, bias } => {
                assert!(scale.len() == channels && bias.len() == channels);
            }
        }
    }

    /// The numbers of whole wide rows.
    fn body(&self, whole: usize, wide: &Wide) -> WideGate<'a, T> {
        match self {
            Gate::Open => WideGate::Open,
            Gate::Output(y) => WideGate::Output(&y[..whole]),
            Gate::Again { scale, bias } => {
                WideGate::Again([wide.repeated(scale), wide.repeated(bias)])
            }
        }
    }

    /// Whether number `i` of the tensor, of channel `c`, passes.
    fn passes(&self, i: usize, c: usize, centered: f32) -> bool {
        match self {
            Gate::Open => true,
            Gate::Output(y) => y[i].to_f32() > 0.0,
            Gate::Again { scale, bias } => centered * scale[c] + bias[c] > 0.0,
        }
    }
}

/// A [`Gate`] with a number for each column.
enum WideGate<'a, T> {
    Open,
    Output(&'a [T]),
    Again([Vec<f32>; 2]),
}

/// The same for four registers from one column on.
enum GateRegisters<'a, V, T> {
    Open,
    Output(&'a [T]),
    Again([V; 4], [V; 4]),
}

impl<T: Scalar> WideGate<'_, T> {
    #[inline(always)]
    unsafe fn at<V: Vector>(&self, column: usize) -> GateRegisters<'_, V, T> {
        match self {
            WideGate::Open => GateRegisters::Open,
            WideGate::Output(y) => GateRegisters::Output(y),
            WideGate::Again([scale, bias]) => {
                GateRegisters::Again(registers::<V>(scale, column), registers::<V>(bias, column))
            }
        }
    }
}

impl<V: Vector, T: Scalar> GateRegisters<'_, V, T> {
    /// What of `dy` passes, in register `r` of a row, whose first number is number `place`.
    #[inline(always)]
    unsafe fn pass(&self, dy: V, centered: V, place: usize, r: usize) -> V {
        match self {
            GateRegisters::Open => dy,
            GateRegisters::Output(y) => dy.where_positive(T::load::<V>(y.as_ptr().add(place))),
            GateRegisters::Again(scale, bias) => {
                dy.where_positive(centered.mul_add(scale[r], bias[r]))
            }
        }
    }
}

/// Adds, for each channel, the sum of `g` and that of `g * (x - mean)`, where `g` is what of `dy`
/// passes the gate.
///
/// # Panics
/// If the slices do not fit one another.
pub fn backward_sums<T: Scalar>(
    level: SimdLevel,
    x: &[T],
    dy: &[T],
    gate: Gate<T>,
    mean: &[f32],
    sums: &mut Sums,
) {
    assert_eq!(x.len(), dy.len());
    gate.check(x.len(), mean.len());
    let wide = Wide::new(mean.len());
    let whole = wide.whole(x.len());
    let means = wide.repeated(mean);
    let mut columns = Sums::zero(wide.columns);
    let ((body, rest), (grad, grad_rest)) = (x.split_at(whole), dy.split_at(whole));
    let (gates, means, out) = (&gate.body(whole, &wide), means.as_slice(), &mut columns);
    at_level!(level, backward_sums_of::<T>(
        body: &[T], grad: &[T], gates: &WideGate<T>, means: &[f32], out: &mut Sums,
    ));
    wide.fold(&columns, sums);
    for (i, (value, grad)) in rest.iter().zip(grad_rest).enumerate() {
        let c = i % wide.channels;
        let centered = value.to_f32() - mean[c];
        if gate.passes(whole + i, c, centered) {
            let g = f64::from(grad.to_f32());
            sums.first[c] += g;
            sums.second[c] += g * f64::from(centered);
        }
    }
}

#[inline(always)]
unsafe fn backward_sums_of<V: Vector, T: Scalar>(
    x: &[T],
    dy: &[T],
    gate: &WideGate<T>,
    mean: &[f32],
    sums: &mut Sums,
) {
    let columns = mean.len();
    for start in (0..x.len()).step_by(BLOCK * columns) {
        let end = (start + BLOCK * columns).min(x.len());
        for at in (0..columns).step_by(4 * V::LANES) {
            let mean = registers::<V>(mean, at);
            let gate = gate.at::<V>(at);
            let mut first = [V::splat(0.0); 4];
            let mut second = first;
            for row in (start..end).step_by(columns) {
                for r in 0..4 {
                    let place = row + at + r * V::LANES;
                    let centered = T::load::<V>(x.as_ptr().add(place)).sub(mean[r]);
                    let dy = T::load::<V>(dy.as_ptr().add(place));
                    let g = gate.pass(dy, centered, place, r);
                    first[r] = first[r].add(g);
                    second[r] = g.mul_add(centered, second[r]);
                }
            }
            flush(&first, &mut sums.first, at);
            flush(&second, &mut sums.second, at);
        }
    }
}

/// `g * scale + (x - mean) * slope + offset`, with `g` as in [`backward_sums`], takes the place of `dy`.
/// With a shortcut it is written to `dx`, and what takes the place of `dy` is `g`, the shortcut's
/// gradient. (Memory is what takes time here: a place of its own would have to be fetched, too.)
///
/// # Panics
/// If the slices do not fit one another.
#[allow(clippy::too_many_arguments)]
pub fn backward<T: Scalar>(
    level: SimdLevel,
    x: &[T],
    dy: &mut [T],
    gate: Gate<T>,
    mean: &[f32],
    scale: &[f32],
    slope: &[f32],
    offset: &[f32],
    dx: Option<&mut [T]>,
) {
    assert_eq!(x.len(), dy.len());
    gate.check(x.len(), mean.len());
    assert!(dx.as_ref().is_none_or(|dx| dx.len() == x.len()));
    let wide = Wide::new(mean.len());
    let whole = wide.whole(x.len());
    let [means, scales, slopes, offsets] =
        [mean, scale, slope, offset].map(|values| wide.repeated(values));
    let ((body, rest), (grad, grad_rest)) = (x.split_at(whole), dy.split_at_mut(whole));
    let (out, mut out_rest) = match dx {
        None => (None, None),
        Some(all) => {
            let (body, rest) = all.split_at_mut(whole);
            (Some(body), Some(rest))
        }
    };
    let (gates, terms) = (&gate.body(whole, &wide), &[means, scales, slopes, offsets]);
    at_level!(level, backward_of::<T>(
        body: &[T], grad: &mut [T], gates: &WideGate<T>, terms: &[Vec<f32>; 4],
        out: Option<&mut [T]>,
    ));
    for (i, (value, grad)) in rest.iter().zip(grad_rest).enumerate() {
        let c = i % wide.channels;
        let centered = value.to_f32() - mean[c];
        let g = if gate.passes(whole + i, c, centered) { grad.to_f32() } else { 0.0 };
        let change = T::from_f32(g * scale[c] + (centered * slope[c] + offset[c]));
        match &mut out_rest {
            None => *grad = change,
            Some(out) => {
                out[i] = change;
                *grad = T::from_f32(g);
            }
        }
    }
}

#[inline(always)]
unsafe fn backward_of<V: Vector, T: Scalar>(
    x: &[T],
    dy: &mut [T],
    gate: &WideGate<T>,
    terms: &[Vec<f32>; 4],
    mut dx: Option<&mut [T]>,
) {
    let columns = terms[0].len();
    for start in (0..x.len()).step_by(BLOCK * columns) {
        let end = (start + BLOCK * columns).min(x.len());
        for at in (0..columns).step_by(4 * V::LANES) {
            let mean = registers::<V>(&terms[0], at);
            let scale = registers::<V>(&terms[1], at);
            let slope = registers::<V>(&terms[2], at);
            let offset = registers::<V>(&terms[3], at);
            let gate = gate.at::<V>(at);
            for row in (start..end).step_by(columns) {
                for r in 0..4 {
                    let place = row + at + r * V::LANES;
                    let centered = T::load::<V>(x.as_ptr().add(place)).sub(mean[r]);
                    let dy = dy.as_mut_ptr().add(place);
                    let g = gate.pass(T::load::<V>(dy), centered, place, r);
                    let change = g.mul_add(scale[r], centered.mul_add(slope[r], offset[r]));
                    match &mut dx {
                        None => T::store::<V>(change, dy),
                        Some(dx) => {
                            T::store::<V>(change, dx.as_mut_ptr().add(place));
                            T::store::<V>(g, dy);
                        }
                    }
                }
            }
        }
    }
}

/// Four registers' worth of a number for each column, from column `at`.
#[inline(always)]
unsafe fn registers<V: Vector>(values: &[f32], at: usize) -> [V; 4] {
    debug_assert!(at + 4 * V::LANES <= values.len());
    let mut registers = [V::splat(0.0); 4];
    for (r, register) in registers.iter_mut().enumerate() {
        *register = V::load(values.as_ptr().add(at + r * V::LANES));
    }
    registers
}

#[inline(always)]
unsafe fn value<V: Vector, T: Scalar>(row: &[T], at: usize, r: usize) -> V {
    T::load::<V>(row.as_ptr().add(at + r * V::LANES))
}

/// Adds registers to the sums of their columns.
#[inline(always)]
unsafe fn flush<V: Vector>(registers: &[V; 4], sums: &mut [f64], at: usize) {
    let mut numbers = [0.0f32; COLUMNS];
    for (r, register) in registers.iter().enumerate() {
        register.store(numbers.as_mut_ptr().add(r * V::LANES));
    }
    for (sum, number) in sums[at..at + 4 * V::LANES].iter_mut().zip(numbers) {
        *sum += f64::from(number);
    }
}

/// The part in whole wide rows and what is left, of a slice that may not be there.
fn split<T>(slice: Option<&[T]>, whole: usize) -> (Option<&[T]>, Option<&[T]>) {
    slice.map(|slice| slice.split_at(whole)).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bf16;
    use crate::random_values::numbers;

    fn f32s(count: usize, seed: u64) -> Vec<f32> {
        numbers(count, seed)
    }

    fn close(found: f64, wanted: f64, tolerance: f64, what: &str) {
        assert!(
            (found - wanted).abs() <= tolerance * wanted.abs().max(1.0),
            "{what}: {found} {wanted}"
        );
    }

    /// Channels as networks have them, and such as fill no register; rows that leave a rest.
    const SHAPES: [(usize, usize); 6] =
        [(16, 1031), (64, 300), (3, 77), (48, 129), (256, 140), (1, 5)];

    fn for_all(mut check: impl FnMut(SimdLevel, usize, usize)) {
        for level in SimdLevel::all() {
            for (channels, rows) in SHAPES {
                check(level, channels, rows);
            }
        }
    }

    fn statistics_are_right<T: Scalar>() {
        for_all(|level, channels, rows| {
            let x: Vec<T> = numbers(channels * rows, 1);
            let shift = f32s(channels, 2);
            let mut sums = Sums::zero(channels);
            statistics(level, &x, &shift, &mut sums);
            for c in 0..channels {
                let d = x[c..].iter().step_by(channels).map(|v| f64::from(v.to_f32() - shift[c]));
                let tolerance = 1e-6 * rows as f64;
                close(sums.first[c], d.clone().sum(), tolerance, "sum");
                close(sums.second[c], d.map(|d| d * d).sum(), tolerance, "squares");
            }
        });
    }

    #[test]
    fn statistics_are_those_of_each_channel() {
        statistics_are_right::<f32>();
        statistics_are_right::<Bf16>();
    }

    #[test]
    fn a_large_mean_does_not_spoil_the_variance() {
        for level in SimdLevel::all() {
            let (channels, rows) = (64, 100_000);
            let x: Vec<f32> = f32s(channels * rows, 3).iter().map(|v| 1000.0 + v).collect();
            let mut sums = Sums::zero(channels);
            statistics(level, &x, &x[..channels], &mut sums);
            let n = rows as f64;
            let var = sums.second[0] / n - (sums.first[0] / n).powi(2);
            close(var, 1.0 / 3.0, 0.01, "variance of a uniform distribution");
        }
    }

    fn forward_is_right<T: Scalar>(tolerance: f64) {
        for_all(|level, channels, rows| {
            let x: Vec<T> = numbers(channels * rows, 1);
            let shortcut: Vec<T> = numbers(channels * rows, 2);
            let (mean, scale, bias) = (f32s(channels, 3), f32s(channels, 4), f32s(channels, 5));
            for (shortcut, relu) in [(None, false), (None, true), (Some(&shortcut), true)] {
                let mut y = vec![T::from_f32(f32::NAN); x.len()];
                let added = shortcut.map(Vec::as_slice);
                normalize(level, &x, added, &mean, &scale, &bias, relu, &mut y);
                for (i, y) in y.iter().enumerate() {
                    let c = i % channels;
                    let mut wanted = (x[i].to_f32() - mean[c]) * scale[c] + bias[c];
                    wanted += shortcut.map_or(0.0, |shortcut| shortcut[i].to_f32());
                    let wanted = if relu { wanted.max(0.0) } else { wanted };
                    close(y.to_f32().into(), wanted.into(), tolerance, "y");
                }
            }
        });
    }

    #[test]
    fn forward_normalizes_adds_and_rectifies() {
        forward_is_right::<f32>(1e-6);
        forward_is_right::<Bf16>(1.0 / 128.0);
    }

    fn backward_is_right<T: Scalar>(tolerance: f64) {
        for_all(|level, channels, rows| {
            let [x, dy, y]: [Vec<T>; 3] = [1, 2, 3].map(|seed| numbers(channels * rows, seed));
            let [mean, scale, slope, offset] = [4, 5, 6, 7].map(|seed| f32s(channels, seed));
            let (before, bias) = (f32s(channels, 8), f32s(channels, 9));
            let mut rectified = vec![T::from_f32(0.0); x.len()];
            normalize(level, &x, None, &mean, &before, &bias, true, &mut rectified);
            let again = Gate::Again { scale: &before, bias: &bias };
            for (gate, output) in
                [(Gate::Open, None), (Gate::Output(&y), Some(&y)), (again, Some(&rectified))]
            {
                let g = |i: usize| match output {
                    Some(y) if y[i].to_f32() <= 0.0 => 0.0,
                    _ => dy[i].to_f32(),
                };
                let mut sums = Sums::zero(channels);
                backward_sums(level, &x, &dy, gate, &mean, &mut sums);
                let (mut dx, mut passed, mut alone) = (x.clone(), dy.clone(), dy.clone());
                let terms = [&mean, &scale, &slope, &offset].map(Vec::as_slice);
                let [mean, scale, slope, offset] = terms;
                let apart = Some(dx.as_mut_slice());
                backward(level, &x, &mut passed, gate, mean, scale, slope, offset, apart);
                backward(level, &x, &mut alone, gate, mean, scale, slope, offset, None);
                let mut wanted = Sums::zero(channels);
                for i in 0..x.len() {
                    let c = i % channels;
                    let centered = x[i].to_f32() - mean[c];
                    wanted.first[c] += f64::from(g(i));
                    wanted.second[c] += f64::from(g(i)) * f64::from(centered);
                    let expected = g(i) * scale[c] + centered * slope[c] + offset[c];
                    close(dx[i].to_f32().into(), expected.into(), tolerance, "dx");
                    assert_eq!(passed[i].to_f32(), g(i));
                    assert_eq!(alone[i].to_f32(), dx[i].to_f32());
                }
                for c in 0..channels {
                    let tolerance = 1e-6 * rows as f64;
                    close(sums.first[c], wanted.first[c], tolerance, "sum of g");
                    close(sums.second[c], wanted.second[c], tolerance, "sum of g (x - mean)");
                }
            }
        });
    }

    #[test]
    fn backward_is_the_gradient_of_the_forward_pass() {
        backward_is_right::<f32>(1e-6);
        backward_is_right::<Bf16>(1.0 / 128.0);
    }

    #[test]
    fn a_nan_is_passed_on_and_not_rectified_away() {
        for level in SimdLevel::all() {
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
