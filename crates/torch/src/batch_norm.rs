//! Batch normalization, the addition of a shortcut and ReLU as one operation of autograd, by the
//! kernels of `residual-kernels`.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use residual_kernels::{self as kernels, Bf16, Gate, Scalar, SimdLevel, Sums};
use residual_spec::Result;
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use crate::{is_channels_last, made, pointer};

unsafe extern "C" {
    fn residual_batch_norm_add_relu(
        input: *const C_tensor,
        gamma: *const C_tensor,
        beta: *const C_tensor,
        shortcut: *const C_tensor,
        running_mean: *const C_tensor,
        running_var: *const C_tensor,
        sums: *const C_tensor,
        relu: bool,
        momentum: f64,
        eps: f64,
        kernels: *const Kernels,
        output: *mut *mut C_tensor,
    ) -> bool;
}

/// A normalization's parameters `[channels]`, fp32, and how it moves its running statistics.
pub struct BatchNorm<'a> {
    pub gamma: &'a Tensor,
    pub beta: &'a Tensor,
    pub running_mean: &'a Tensor,
    pub running_var: &'a Tensor,
    pub momentum: f64,
    pub eps: f64,
}

impl BatchNorm<'_> {
    /// Whether [`forward`](Self::forward) takes this input `[n, channels, h, w]`: on a CPU with
    /// AVX2 or better, channels_last, bf16 or fp32 with fp32 parameters.
    pub fn supports(&self, input: &Tensor) -> bool {
        SimdLevel::best() > SimdLevel::Scalar
            && input.device() == Device::Cpu
            && matches!(input.kind(), Kind::BFloat16 | Kind::Float)
            && self.gamma.kind() == Kind::Float
            && is_channels_last(input)
    }

    /// In training mode: normalizes by the batch's own statistics and moves the running ones, adds
    /// `shortcut` (of the input's shape) and rectifies. Two passes over memory, or one where the
    /// `sums` of the input are known: those of [`Conv3x3Output`](crate::Conv3x3Output), with the running mean
    /// as the shift.
    pub fn forward(
        &self,
        input: &Tensor,
        sums: Option<&Tensor>,
        shortcut: Option<&Tensor>,
        relu: bool,
    ) -> Result<Tensor> {
        // SAFETY: the tensors are alive and the table is static.
        made(|output| unsafe {
            residual_batch_norm_add_relu(
                input.as_ptr(),
                self.gamma.as_ptr(),
                self.beta.as_ptr(),
                pointer(shortcut),
                self.running_mean.as_ptr(),
                self.running_var.as_ptr(),
                pointer(sums),
                relu,
                self.momentum,
                self.eps,
                &KERNELS,
                output,
            )
        })
    }
}

/// What batch_norm.cpp calls, on rows of channels: `x`, `dy`, `y` and so on have `count` numbers.
#[repr(C)]
struct Kernels {
    statistics: unsafe extern "C" fn(
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
    backward_sums: unsafe extern "C" fn(
        bf16: bool,
        x: *const u8,
        dy: *const u8,
        gate: *const Relu,
        count: usize,
        mean: *const f32,
        channels: usize,
        first: *mut f64,
        second: *mut f64,
    ),
    backward: unsafe extern "C" fn(
        bf16: bool,
        x: *const u8,
        dy: *mut u8,
        gate: *const Relu,
        count: usize,
        mean: *const f32,
        scale: *const f32,
        slope: *const f32,
        offset: *const f32,
        channels: usize,
        dx: *mut u8,
    ),
}

/// A ReLU on the way back: its output, or if that is null what came before it, as [`Gate`] says.
#[repr(C)]
struct Relu {
    y: *const u8,
    scale: *const f32,
    bias: *const f32,
}

/// Null for no ReLU.
unsafe fn gate<'a, T>(relu: *const Relu, count: usize, channels: usize) -> Gate<'a, T> {
    match relu.as_ref() {
        None => Gate::Open,
        Some(Relu { y, scale, bias }) if y.is_null() => Gate::Again {
            scale: from_raw_parts(*scale, channels),
            bias: from_raw_parts(*bias, channels),
        },
        Some(Relu { y, .. }) => Gate::Output(from_raw_parts(y.cast(), count)),
    }
}

static KERNELS: Kernels = Kernels { statistics, normalize, backward_sums, backward };

/// Calls `$work::<T>` with the element type that is meant.
macro_rules! of_kind {
    ($bf16:expr, $work:ident($($argument:expr),* $(,)?)) => {
        match $bf16 {
            true => $work::<Bf16>($($argument),*),
            false => $work::<f32>($($argument),*),
        }
    };
}

unsafe fn some<'a, T>(pointer: *const u8, count: usize) -> Option<&'a [T]> {
    (!pointer.is_null()).then(|| from_raw_parts(pointer.cast(), count))
}

unsafe extern "C" fn statistics(
    bf16: bool,
    x: *const u8,
    count: usize,
    shift: *const f32,
    channels: usize,
    first: *mut f64,
    second: *mut f64,
) {
    unsafe fn work<T: Scalar>(x: *const u8, count: usize, shift: &[f32], sums: &mut Sums) {
        kernels::statistics(SimdLevel::best(), from_raw_parts(x.cast::<T>(), count), shift, sums);
    }
    let mut sums = Sums::zero(channels);
    of_kind!(bf16, work(x, count, from_raw_parts(shift, channels), &mut sums));
    from_raw_parts_mut(first, channels).copy_from_slice(&sums.first);
    from_raw_parts_mut(second, channels).copy_from_slice(&sums.second);
}

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
    unsafe fn work<T: Scalar>(
        x: *const u8,
        shortcut: *const u8,
        count: usize,
        [mean, scale, bias]: [&[f32]; 3],
        relu: bool,
        y: *mut u8,
    ) {
        kernels::normalize::<T>(
            SimdLevel::best(),
            from_raw_parts(x.cast(), count),
            some(shortcut, count),
            mean,
            scale,
            bias,
            relu,
            from_raw_parts_mut(y.cast(), count),
        );
    }
    let terms = [mean, scale, bias].map(|values| from_raw_parts(values, channels));
    of_kind!(bf16, work(x, shortcut, count, terms, relu, y));
}

unsafe extern "C" fn backward_sums(
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
    unsafe fn work<T: Scalar>(
        [x, dy]: [*const u8; 2],
        relu: *const Relu,
        count: usize,
        mean: &[f32],
        sums: &mut Sums,
    ) {
        let (x, dy) = (from_raw_parts(x.cast::<T>(), count), from_raw_parts(dy.cast(), count));
        let gate = gate(relu, count, mean.len());
        kernels::backward_sums(SimdLevel::best(), x, dy, gate, mean, sums);
    }
    let mut sums = Sums::zero(channels);
    of_kind!(bf16, work([x, dy], relu, count, from_raw_parts(mean, channels), &mut sums));
    from_raw_parts_mut(first, channels).copy_from_slice(&sums.first);
    from_raw_parts_mut(second, channels).copy_from_slice(&sums.second);
}

unsafe extern "C" fn backward(
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
    unsafe fn work<T: Scalar>(
        x: *const u8,
        dy: *mut u8,
        relu: *const Relu,
        count: usize,
        [mean, scale, slope, offset]: [&[f32]; 4],
        dx: *mut u8,
    ) {
        let (x, dy) = (from_raw_parts(x.cast::<T>(), count), from_raw_parts_mut(dy.cast(), count));
        let gate = gate(relu, count, mean.len());
        let dx = (!dx.is_null()).then(|| from_raw_parts_mut(dx.cast(), count));
        kernels::backward(SimdLevel::best(), x, dy, gate, mean, scale, slope, offset, dx);
    }
    let terms = [mean, scale, slope, offset].map(|values| from_raw_parts(values, channels));
    of_kind!(bf16, work(x, dy, relu, count, terms, dx));
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

    /// The greatest difference, as a share of the truth's greatest number.
    fn error(found: &Tensor, truth: &Tensor) -> f64 {
        let truth = truth.to_kind(Kind::Double);
        let distance = (found.to_kind(Kind::Double) - &truth).abs().max();
        (distance / truth.abs().max()).double_value(&[])
    }

    #[test]
    fn values_gradients_and_statistics_are_no_further_from_float64_than_atens() {
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
    fn only_what_the_kernels_are_made_for_is_taken() {
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
