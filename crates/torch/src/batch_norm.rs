//! Batch normalization, shortcut addition and ReLU as one autograd operation, with the kernels
//! of `residual-kernels`.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use residual_kernels::ablation::{self, Part};
use residual_kernels::batch_norm::{self as kernels, ReluMask};
use residual_kernels::{Bf16, ChannelSums, Scalar, SimdLevel};
use residual_spec::Result;
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use crate::{is_channels_last, new_tensor, optional_ptr};

unsafe extern "C" {
    fn residual_batch_norm_add_relu(
        input: *const C_tensor,
        gamma: *const C_tensor,
        beta: *const C_tensor,
        shortcut: *const C_tensor,
        running_mean: *const C_tensor,
        running_var: *const C_tensor,
        stats: *const C_tensor,
        relu: bool,
        momentum: f64,
        eps: f64,
        kernels: *const Kernels,
        output: *mut *mut C_tensor,
    ) -> bool;
}

/// Parameters and running statistics of a batch normalization: fp32 tensors `[channels]`.
pub struct BatchNorm<'a> {
    pub gamma: &'a Tensor,
    pub beta: &'a Tensor,
    pub running_mean: &'a Tensor,
    pub running_var: &'a Tensor,
    pub momentum: f64,
    pub eps: f64,
}

impl BatchNorm<'_> {
    /// Returns whether [`forward`](Self::forward) supports the input `[n, channels, h, w]`.
    /// Requires a CPU with AVX2 or better or NEON, a channels_last input in fp32 or bf16, and fp32
    /// parameters.
    pub fn supports(&self, input: &Tensor) -> bool {
        SimdLevel::best() > SimdLevel::Scalar
            && ablation::is_enabled(Part::BatchNorm)
            && input.device() == Device::Cpu
            && matches!(input.kind(), Kind::BFloat16 | Kind::Float)
            && self.gamma.kind() == Kind::Float
            && is_channels_last(input)
    }

    /// Normalizes by the statistics of the batch (training mode), updates the running statistics,
    /// adds `shortcut` (in the shape of the input) and applies ReLU if `relu`. Takes two passes
    /// over memory, or one pass with the `stats` of [`Conv3x3Output`](crate::Conv3x3Output), which
    /// must have been computed with the running mean as shift.
    pub fn forward(
        &self,
        input: &Tensor,
        stats: Option<&Tensor>,
        shortcut: Option<&Tensor>,
        relu: bool,
    ) -> Result<Tensor> {
        // SAFETY: the tensors are alive and the table is static.
        new_tensor(|output| unsafe {
            residual_batch_norm_add_relu(
                input.as_ptr(),
                self.gamma.as_ptr(),
                self.beta.as_ptr(),
                optional_ptr(shortcut),
                self.running_mean.as_ptr(),
                self.running_var.as_ptr(),
                optional_ptr(stats),
                relu,
                self.momentum,
                self.eps,
                &KERNELS,
                output,
            )
        })
    }
}

/// Function table that batch_norm.cpp calls. `x`, `shortcut`, `dy`, `y` and `dx` point to `count`
/// elements: pixels of `channels` channels. The other pointers refer to one value per channel.
#[repr(C)]
struct Kernels {
    stats: unsafe extern "C" fn(
        bf16: bool,
        x: *const u8,
        count: usize,
        shift: *const f32,
        channels: usize,
        first: *mut f64,
        second: *mut f64,
    ),
    normalize: unsafe extern "C" fn(
        bf16: bool,
        x: *const u8,
        shortcut: *const u8,
        count: usize,
        mean: *const f32,
        scale: *const f32,
        bias: *const f32,
        channels: usize,
        relu: bool,
        y: *mut u8,
    ),
    backward_reduce: unsafe extern "C" fn(
        bf16: bool,
        x: *const u8,
        dy: *const u8,
        relu: *const ReluArgs,
        count: usize,
        mean: *const f32,
        channels: usize,
        first: *mut f64,
        second: *mut f64,
    ),
    backward_input: unsafe extern "C" fn(
        bf16: bool,
        x: *const u8,
        dy: *mut u8,
        relu: *const ReluArgs,
        count: usize,
        mean: *const f32,
        scale: *const f32,
        slope: *const f32,
        offset: *const f32,
        channels: usize,
        dx: *mut u8,
    ),
}

static KERNELS: Kernels = Kernels { stats, normalize, backward_reduce, backward_input };

/// Arguments of a [`ReluMask`]: the output `y` of the ReLU or, if `y` is null, scale and bias of
/// [`ReluMask::Recompute`].
#[repr(C)]
struct ReluArgs {
    y: *const u8,
    scale: *const f32,
    bias: *const f32,
}

/// Converts the arguments of a mask. Null means that there is no ReLU.
///
/// # Safety
/// If `relu` is not null, its `y` must have `count` elements, or its scale and bias `channels`.
unsafe fn relu_mask<'a, T>(
    relu: *const ReluArgs,
    count: usize,
    channels: usize,
) -> ReluMask<'a, T> {
    // SAFETY: the caller guarantees the lengths.
    unsafe {
        match relu.as_ref() {
            None => ReluMask::None,
            Some(ReluArgs { y, scale, bias }) if y.is_null() => ReluMask::Recompute {
                scale: from_raw_parts(*scale, channels),
                bias: from_raw_parts(*bias, channels),
            },
            Some(ReluArgs { y, .. }) => ReluMask::Output(from_raw_parts(y.cast(), count)),
        }
    }
}

/// Calls `$typed::<T>`, where `T` is `Bf16` or `f32`.
macro_rules! with_element_type {
    ($bf16:expr, $typed:ident($($argument:expr),* $(,)?)) => {
        if $bf16 { $typed::<Bf16>($($argument),*) } else { $typed::<f32>($($argument),*) }
    };
}

/// Computes [`kernels::stats`].
///
/// # Safety
/// The pointers must refer to as many values as [`Kernels`] requires.
unsafe extern "C" fn stats(
    bf16: bool,
    x: *const u8,
    count: usize,
    shift: *const f32,
    channels: usize,
    first: *mut f64,
    second: *mut f64,
) {
    /// # Safety
    /// `x` must point to `count` elements.
    unsafe fn typed<T: Scalar>(x: *const u8, count: usize, shift: &[f32], sums: &mut ChannelSums) {
        // SAFETY: the caller guarantees the length.
        let x = unsafe { from_raw_parts(x.cast::<T>(), count) };
        kernels::stats(SimdLevel::best(), x, shift, sums);
    }
    let mut sums = ChannelSums::zeros(channels);
    // SAFETY: the caller guarantees the number of values.
    unsafe {
        with_element_type!(bf16, typed(x, count, from_raw_parts(shift, channels), &mut sums));
        from_raw_parts_mut(first, channels).copy_from_slice(&sums.first);
        from_raw_parts_mut(second, channels).copy_from_slice(&sums.second);
    }
}

/// Computes [`kernels::normalize`].
///
/// # Safety
/// The pointers must refer to as many values as [`Kernels`] requires; `shortcut` may be null.
unsafe extern "C" fn normalize(
    bf16: bool,
    x: *const u8,
    shortcut: *const u8,
    count: usize,
    mean: *const f32,
    scale: *const f32,
    bias: *const f32,
    channels: usize,
    relu: bool,
    y: *mut u8,
) {
    /// # Safety
    /// The pointers that are not null must refer to `count` elements.
    unsafe fn typed<T: Scalar>(
        x: *const u8,
        shortcut: *const u8,
        count: usize,
        [mean, scale, bias]: [&[f32]; 3],
        relu: bool,
        y: *mut u8,
    ) {
        // SAFETY: the caller guarantees the lengths.
        let (x, shortcut, y) = unsafe {
            (
                from_raw_parts(x.cast::<T>(), count),
                (!shortcut.is_null()).then(|| from_raw_parts(shortcut.cast(), count)),
                from_raw_parts_mut(y.cast(), count),
            )
        };
        kernels::normalize(SimdLevel::best(), x, shortcut, mean, scale, bias, relu, y);
    }
    // SAFETY: the caller guarantees the number of values.
    unsafe {
        let terms = [mean, scale, bias].map(|values| from_raw_parts(values, channels));
        with_element_type!(bf16, typed(x, shortcut, count, terms, relu, y));
    }
}

/// Computes [`kernels::backward_reduce`].
///
/// # Safety
/// The pointers must refer to as many values as [`Kernels`] requires; `relu` may be null.
unsafe extern "C" fn backward_reduce(
    bf16: bool,
    x: *const u8,
    dy: *const u8,
    relu: *const ReluArgs,
    count: usize,
    mean: *const f32,
    channels: usize,
    first: *mut f64,
    second: *mut f64,
) {
    /// # Safety
    /// The pointers that are not null must refer to `count` elements.
    unsafe fn typed<T: Scalar>(
        [x, dy]: [*const u8; 2],
        relu: *const ReluArgs,
        count: usize,
        mean: &[f32],
        sums: &mut ChannelSums,
    ) {
        // SAFETY: the caller guarantees the lengths.
        let (x, dy, mask) = unsafe {
            (
                from_raw_parts(x.cast::<T>(), count),
                from_raw_parts(dy.cast(), count),
                relu_mask(relu, count, mean.len()),
            )
        };
        kernels::backward_reduce(SimdLevel::best(), x, dy, mask, mean, sums);
    }
    let mut sums = ChannelSums::zeros(channels);
    // SAFETY: the caller guarantees the number of values.
    unsafe {
        let mean = from_raw_parts(mean, channels);
        with_element_type!(bf16, typed([x, dy], relu, count, mean, &mut sums));
        from_raw_parts_mut(first, channels).copy_from_slice(&sums.first);
        from_raw_parts_mut(second, channels).copy_from_slice(&sums.second);
    }
}

/// Computes [`kernels::backward_input`].
///
/// # Safety
/// The pointers must refer to as many values as [`Kernels`] requires; `relu` and `dx` may be null.
unsafe extern "C" fn backward_input(
    bf16: bool,
    x: *const u8,
    dy: *mut u8,
    relu: *const ReluArgs,
    count: usize,
    mean: *const f32,
    scale: *const f32,
    slope: *const f32,
    offset: *const f32,
    channels: usize,
    dx: *mut u8,
) {
    /// # Safety
    /// The pointers that are not null must refer to `count` elements.
    unsafe fn typed<T: Scalar>(
        x: *const u8,
        dy: *mut u8,
        relu: *const ReluArgs,
        count: usize,
        [mean, scale, slope, offset]: [&[f32]; 4],
        dx: *mut u8,
    ) {
        // SAFETY: the caller guarantees the lengths.
        let (x, dy, mask, dx) = unsafe {
            (
                from_raw_parts(x.cast::<T>(), count),
                from_raw_parts_mut(dy.cast(), count),
                relu_mask(relu, count, mean.len()),
                (!dx.is_null()).then(|| from_raw_parts_mut(dx.cast(), count)),
            )
        };
        let level = SimdLevel::best();
        kernels::backward_input(level, x, dy, mask, mean, scale, slope, offset, dx);
    }
    // SAFETY: the caller guarantees the number of values.
    unsafe {
        let terms = [mean, scale, slope, offset].map(|values| from_raw_parts(values, channels));
        with_element_type!(bf16, typed(x, dy, relu, count, terms, dx));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels_last;

    struct Case {
        norm: [Tensor; 4],
        input: Tensor,
        shortcut: Tensor,
        weight: Tensor,
    }

    /// Returns random tensors with the same values for every `kind`; fp64 is the reference.
    fn case(kind: Kind, channels: i64) -> Case {
        tch::manual_seed(1);
        let shape = [6, channels, 9, 7];
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Double, Device::Cpu));
        let parameter_kind = if kind == Kind::Double { Kind::Double } else { Kind::Float };
        let leaf = |t: Tensor, kind| {
            let t = t.to_kind(Kind::BFloat16).to_kind(kind); // values that every kind can represent
            let t = if t.dim() == 4 { channels_last(&t).unwrap() } else { t };
            t.set_requires_grad(true)
        };
        let input = leaf(random(&shape) * 2 + 0.5, kind);
        let shortcut = leaf(random(&shape), kind);
        let weight = channels_last(&random(&shape).to_kind(Kind::BFloat16).to_kind(kind)).unwrap();
        let gamma = leaf(random(&[channels]) * 0.2 + 1, parameter_kind);
        let beta = leaf(random(&[channels]) * 0.2, parameter_kind);
        let mean = Tensor::zeros([channels], (parameter_kind, Device::Cpu));
        let var = Tensor::ones([channels], (parameter_kind, Device::Cpu));
        Case { norm: [gamma, beta, mean, var], input, shortcut, weight }
    }

    /// Returns the output, the gradients of input, gamma, beta and shortcut, and the running
    /// statistics.
    fn results(case: &Case, output: Tensor, with_shortcut: bool) -> Vec<Tensor> {
        let loss = (&output * &case.weight).sum(Kind::Double);
        let [gamma, beta, mean, var] = &case.norm;
        let mut inputs = vec![&case.input, gamma, beta];
        if with_shortcut {
            inputs.push(&case.shortcut);
        }
        let gradients = Tensor::run_backward(&[&loss], &inputs, false, false);
        [output.detach()]
            .into_iter()
            .chain(gradients)
            .chain([mean.shallow_clone(), var.shallow_clone()])
            .collect()
    }

    fn fused(kind: Kind, channels: i64, with_shortcut: bool, relu: bool) -> Vec<Tensor> {
        let case = case(kind, channels);
        let [gamma, beta, running_mean, running_var] = &case.norm;
        let norm = BatchNorm { gamma, beta, running_mean, running_var, momentum: 0.1, eps: 1e-5 };
        assert!(norm.supports(&case.input));
        let shortcut = with_shortcut.then_some(&case.shortcut);
        let output = norm.forward(&case.input, None, shortcut, relu).unwrap();
        results(&case, output, with_shortcut)
    }

    fn aten(kind: Kind, channels: i64, with_shortcut: bool, relu: bool) -> Vec<Tensor> {
        let case = case(kind, channels);
        let [gamma, beta, mean, var] = &case.norm;
        let (gamma, beta, mean, var) = (Some(gamma), Some(beta), Some(mean), Some(var));
        let mut y = case.input.batch_norm(gamma, beta, mean, var, true, 0.1, 1e-5, false);
        if with_shortcut {
            y += &case.shortcut;
        }
        results(&case, if relu { y.relu() } else { y }, with_shortcut)
    }

    /// Returns the maximum difference relative to the maximum absolute value.
    fn relative_error(actual: &Tensor, reference: &Tensor) -> f64 {
        let reference = reference.to_kind(Kind::Double);
        let difference = (actual.to_kind(Kind::Double) - &reference).abs().max();
        (difference / reference.abs().max()).double_value(&[])
    }

    #[test]
    fn output_gradients_and_statistics_are_as_accurate_as_in_aten() {
        if SimdLevel::best() == SimdLevel::Scalar {
            return println!("skipped: no SIMD kernels for this CPU");
        }
        for (channels, with_shortcut, relu) in [
            (16, false, false),
            (64, false, true),
            (32, true, true),
            (10, true, true),
            (16, true, false),
        ] {
            let reference = aten(Kind::Double, channels, with_shortcut, relu);
            for (kind, tolerance) in [(Kind::Float, 1e-6), (Kind::BFloat16, 4e-3)] {
                let fused = fused(kind, channels, with_shortcut, relu);
                let aten = aten(kind, channels, with_shortcut, relu);
                for (i, reference) in reference.iter().enumerate() {
                    let error = relative_error(&fused[i], reference);
                    let aten_error = relative_error(&aten[i], reference);
                    assert!(
                        error <= (1.5 * aten_error).max(tolerance),
                        "{channels} {with_shortcut} {relu} {kind:?} {i}: {error}, ATen {aten_error}"
                    );
                }
            }
        }
    }

    #[test]
    fn supports_only_channels_last_fp32_and_bf16() {
        let case = case(Kind::Double, 16);
        let [gamma, beta, running_mean, running_var] = &case.norm;
        let norm = BatchNorm { gamma, beta, running_mean, running_var, momentum: 0.1, eps: 1e-5 };
        assert!(!norm.supports(&case.input), "fp64");
        let parameters = [gamma, beta, running_mean, running_var].map(|t| t.to_kind(Kind::Float));
        let [gamma, beta, running_mean, running_var] = &parameters;
        let norm = BatchNorm { gamma, beta, running_mean, running_var, momentum: 0.1, eps: 1e-5 };
        let input = case.input.to_kind(Kind::Float);
        assert!(!norm.supports(&input.contiguous()), "contiguous (NCHW)");
        assert!(!norm.supports(&input.narrow(2, 0, 5)), "view of a larger tensor");
    }
}
