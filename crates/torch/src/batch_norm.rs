//! Batch normalization, shortcut addition and ReLU as one autograd operation, by the kernels of
//! `residual-kernels`.

use std::slice::{from_raw_parts, from_raw_parts_mut};

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

/// Parameters `[channels]` of a batch normalization, in fp32, and its running statistics.
pub struct BatchNorm<'a> {
    pub gamma: &'a Tensor,
    pub beta: &'a Tensor,
    pub running_mean: &'a Tensor,
    pub running_var: &'a Tensor,
    pub momentum: f64,
    pub eps: f64,
}

impl BatchNorm<'_> {
    /// Returns whether [`forward`](Self::forward) supports the input `[n, channels, h, w]`: a CPU
    /// with AVX2 or better, channels_last, bf16 or fp32 with fp32 parameters.
    pub fn supports(&self, input: &Tensor) -> bool {
        SimdLevel::best() > SimdLevel::Scalar
            && input.device() == Device::Cpu
            && matches!(input.kind(), Kind::BFloat16 | Kind::Float)
            && self.gamma.kind() == Kind::Float
            && is_channels_last(input)
    }

    /// Normalizes by the statistics of the batch (training mode), updates the running statistics,
    /// adds `shortcut` (of the input's shape) and applies ReLU if `relu`. Takes two passes over
    /// memory, or one if `stats` are known: those of [`Conv3x3Output`](crate::Conv3x3Output) with
    /// the running mean as the shift.
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

/// The kernels that batch_norm.cpp calls, on rows of channels: `x`, `dy` and `y` have `count`
/// elements.
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
        relu: *const Relu,
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
        relu: *const Relu,
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

/// The ReLU of a backward pass: its output, or if that is null, the terms of
/// [`ReluMask::Recompute`].
#[repr(C)]
struct Relu {
    y: *const u8,
    scale: *const f32,
    bias: *const f32,
}

/// Converts a ReLU; null stands for none.
///
/// # Safety
/// A `relu` that is not null must have `count` outputs, or `channels` terms.
unsafe fn relu_mask<'a, T>(relu: *const Relu, count: usize, channels: usize) -> ReluMask<'a, T> {
    // SAFETY: the caller guarantees the lengths.
    unsafe {
        match relu.as_ref() {
            None => ReluMask::None,
            Some(Relu { y, scale, bias }) if y.is_null() => ReluMask::Recompute {
                scale: from_raw_parts(*scale, channels),
                bias: from_raw_parts(*bias, channels),
            },
            Some(Relu { y, .. }) => ReluMask::Output(from_raw_parts(y.cast(), count)),
        }
    }
}

/// Calls `$typed::<T>` with the element type.
macro_rules! with_element_type {
    ($bf16:expr, $typed:ident($($argument:expr),* $(,)?)) => {
        if $bf16 { $typed::<Bf16>($($argument),*) } else { $typed::<f32>($($argument),*) }
    };
}

/// Computes [`kernels::stats`].
///
/// # Safety
/// As [`Kernels`] describes its arguments.
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
    /// `x` must have `count` elements.
    unsafe fn typed<T: Scalar>(x: *const u8, count: usize, shift: &[f32], sums: &mut ChannelSums) {
        // SAFETY: the caller guarantees the length.
        let x = unsafe { from_raw_parts(x.cast::<T>(), count) };
        kernels::stats(SimdLevel::best(), x, shift, sums);
    }
    let mut sums = ChannelSums::zeros(channels);
    // SAFETY: batch_norm.cpp passes pointers to as many elements as it says.
    unsafe {
        with_element_type!(bf16, typed(x, count, from_raw_parts(shift, channels), &mut sums));
        from_raw_parts_mut(first, channels).copy_from_slice(&sums.first);
        from_raw_parts_mut(second, channels).copy_from_slice(&sums.second);
    }
}

/// Computes [`kernels::normalize`].
///
/// # Safety
/// As [`Kernels`] describes its arguments; `shortcut` may be null.
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
    /// The pointers must have `count` elements.
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
    // SAFETY: batch_norm.cpp passes pointers to as many elements as it says.
    unsafe {
        let terms = [mean, scale, bias].map(|values| from_raw_parts(values, channels));
        with_element_type!(bf16, typed(x, shortcut, count, terms, relu, y));
    }
}

/// Computes [`kernels::backward_reduce`].
///
/// # Safety
/// As [`Kernels`] describes its arguments; `relu` may be null.
unsafe extern "C" fn backward_reduce(
    bf16: bool,
    x: *const u8,
    dy: *const u8,
    relu: *const Relu,
    count: usize,
    mean: *const f32,
    channels: usize,
    first: *mut f64,
    second: *mut f64,
) {
    /// # Safety
    /// The pointers must have `count` elements.
    unsafe fn typed<T: Scalar>(
        [x, dy]: [*const u8; 2],
        relu: *const Relu,
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
    // SAFETY: batch_norm.cpp passes pointers to as many elements as it says.
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
/// As [`Kernels`] describes its arguments; `relu` and `dx` may be null.
unsafe extern "C" fn backward_input(
    bf16: bool,
    x: *const u8,
    dy: *mut u8,
    relu: *const Relu,
    count: usize,
    mean: *const f32,
    scale: *const f32,
    slope: *const f32,
    offset: *const f32,
    channels: usize,
    dx: *mut u8,
) {
    /// # Safety
    /// The pointers must have `count` elements.
    unsafe fn typed<T: Scalar>(
        x: *const u8,
        dy: *mut u8,
        relu: *const Relu,
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
    // SAFETY: batch_norm.cpp passes pointers to as many elements as it says.
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

    /// Everything in `kind`, so that a fp64 one is the truth for the others.
    fn case(kind: Kind, channels: i64) -> Case {
        tch::manual_seed(1);
        let shape = [6, channels, 9, 7];
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Double, Device::Cpu));
        let parameter = if kind == Kind::Double { Kind::Double } else { Kind::Float };
        let leaf = |t: Tensor, kind| {
            let t = t.to_kind(Kind::BFloat16).to_kind(kind); // numbers that all kinds can hold
            let t = if t.dim() == 4 { channels_last(&t).unwrap() } else { t };
            t.set_requires_grad(true)
        };
        let input = leaf(random(&shape) * 2 + 0.5, kind);
        let shortcut = leaf(random(&shape), kind);
        let weight = channels_last(&random(&shape).to_kind(Kind::BFloat16).to_kind(kind)).unwrap();
        let gamma = leaf(random(&[channels]) * 0.2 + 1, parameter);
        let beta = leaf(random(&[channels]) * 0.2, parameter);
        let mean = Tensor::zeros([channels], (parameter, Device::Cpu));
        let var = Tensor::ones([channels], (parameter, Device::Cpu));
        Case { norm: [gamma, beta, mean, var], input, shortcut, weight }
    }

    /// Output, gradients of input, shortcut, gamma and beta, and the running statistics.
    fn results(case: &Case, output: Tensor, added: bool) -> Vec<Tensor> {
        let loss = (&output * &case.weight).sum(Kind::Double);
        let [gamma, beta, mean, var] = &case.norm;
        let mut of = vec![&case.input, gamma, beta];
        if added {
            of.push(&case.shortcut);
        }
        let gradients = Tensor::run_backward(&[&loss], &of, false, false);
        [output.detach()]
            .into_iter()
            .chain(gradients)
            .chain([mean.shallow_clone(), var.shallow_clone()])
            .collect()
    }

    fn ours(kind: Kind, channels: i64, added: bool, relu: bool) -> Vec<Tensor> {
        let case = case(kind, channels);
        let [gamma, beta, running_mean, running_var] = &case.norm;
        let norm = BatchNorm { gamma, beta, running_mean, running_var, momentum: 0.1, eps: 1e-5 };
        assert!(norm.supports(&case.input));
        let shortcut = added.then_some(&case.shortcut);
        let output = norm.forward(&case.input, None, shortcut, relu).unwrap();
        results(&case, output, added)
    }

    fn aten(kind: Kind, channels: i64, added: bool, relu: bool) -> Vec<Tensor> {
        let case = case(kind, channels);
        let [gamma, beta, mean, var] = &case.norm;
        let (gamma, beta, mean, var) = (Some(gamma), Some(beta), Some(mean), Some(var));
        let mut y = case.input.batch_norm(gamma, beta, mean, var, true, 0.1, 1e-5, false);
        if added {
            y += &case.shortcut;
        }
        results(&case, if relu { y.relu() } else { y }, added)
    }

    /// Returns the maximal difference, relative to the maximal value.
    fn error(found: &Tensor, truth: &Tensor) -> f64 {
        let truth = truth.to_kind(Kind::Double);
        let distance = (found.to_kind(Kind::Double) - &truth).abs().max();
        (distance / truth.abs().max()).double_value(&[])
    }

    #[test]
    fn values_gradients_and_statistics_are_as_accurate_as_atens() {
        if SimdLevel::best() == SimdLevel::Scalar {
            return println!("skipped: this CPU has no AVX2");
        }
        for (channels, added, relu) in [
            (16, false, false),
            (64, false, true),
            (32, true, true),
            (10, true, true),
            (16, true, false),
        ] {
            let truth = aten(Kind::Double, channels, added, relu);
            for (kind, floor) in [(Kind::Float, 1e-6), (Kind::BFloat16, 4e-3)] {
                let (ours, theirs) =
                    (ours(kind, channels, added, relu), aten(kind, channels, added, relu));
                for (i, truth) in truth.iter().enumerate() {
                    let (mine, aten) = (error(&ours[i], truth), error(&theirs[i], truth));
                    let what = format!("{channels} {added} {relu} {kind:?} {i}: {mine} {aten}");
                    assert!(mine <= (1.5 * aten).max(floor), "{what}");
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
        let floats = [gamma, beta, running_mean, running_var].map(|t| t.to_kind(Kind::Float));
        let [gamma, beta, running_mean, running_var] = &floats;
        let norm = BatchNorm { gamma, beta, running_mean, running_var, momentum: 0.1, eps: 1e-5 };
        let input = case.input.to_kind(Kind::Float);
        assert!(!norm.supports(&input.contiguous()), "channels outermost");
        assert!(!norm.supports(&input.narrow(2, 0, 5)), "a part of a tensor");
    }
}
