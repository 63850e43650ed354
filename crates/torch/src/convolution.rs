//! 3x3 convolutions as one operation of autograd, by the Winograd kernels of `residual-kernels`.

use std::ops::Range;
use std::slice::{from_raw_parts, from_raw_parts_mut};

use residual_kernels::winograd::{
    CHANNELS, Pass, Shape, Shortcut, Statistics, Then, convolve as convolve_rows, filter_gradient,
    filter_sums, transform_filters,
};
use residual_kernels::{Bf16, Scalar, SimdLevel, Sums};
use residual_spec::Result;
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use crate::{checked, is_channels_last, made, pointer, pointer_mut};

unsafe extern "C" {
    fn residual_convolution_3x3(
        input: *const C_tensor,
        weight: *const C_tensor,
        shift: *const C_tensor,
        kernels: *const Kernels,
        output: *mut *mut C_tensor,
        again: *mut *mut C_tensor,
        sums: *mut *mut C_tensor,
    ) -> bool;

    fn residual_convolution_3x3_filters(
        weight: *const C_tensor,
        kernels: *const Kernels,
        filters: *mut *mut C_tensor,
    ) -> bool;

    fn residual_convolution_3x3_then(
        input: *const C_tensor,
        filters: *const C_tensor,
        bias: *const C_tensor,
        shortcut: *mut C_tensor,
        relu: bool,
        kernels: *const Kernels,
        output: *mut *mut C_tensor,
    ) -> bool;
}

/// Tiles of the output that each thread must have. With fewer, reading the filters is too much: they
/// are four times the weight.
const TILES: usize = 24;

/// Whether [`conv2d_3x3`] takes `input` `[n, in, h, w]` and `weight` `[out, in, 3, 3]`: on a CPU
/// with AVX2 or better, channels_last, bf16 or fp32 with an fp32 weight, whole registers of
/// channels, and enough of the output for every thread. bf16 is left to ATen where the CPU has
/// AMX, whose tiles multiply it faster than this saves multiplications.
pub fn supports_conv2d_3x3(input: &Tensor, weight: &Tensor) -> bool {
    let kind = match input.kind() {
        Kind::Float => true,
        Kind::BFloat16 => !residual_kernels::has_amx_bf16(),
        _ => false,
    };
    if !kind || SimdLevel::best() == SimdLevel::Scalar || input.device() != Device::Cpu {
        return false;
    }
    let (size, filters) = (input.size(), weight.size());
    if size.len() != 4 || filters[1..] != [size[1], 3, 3] || weight.kind() != Kind::Float {
        return false;
    }
    let shape = shape(&size, filters[0]);
    shape.inputs.is_multiple_of(CHANNELS)
        && shape.outputs.is_multiple_of(CHANNELS)
        && shape.tiles() >= TILES * tch::get_num_threads().max(1) as usize
        && is_channels_last(input)
}

fn shape(input: &[i64], outputs: i64) -> Shape {
    let [images, inputs, height, width] = [0, 1, 2, 3].map(|axis: usize| input[axis] as usize);
    Shape { images, height, width, inputs, outputs: outputs as usize }
}

/// What [`conv2d_3x3`] makes.
pub struct Conv3x3Output {
    pub output: Tensor,
    /// The input once more, for what is added to something that comes of `output`: so the two
    /// gradients of the input are added while the convolution writes its own.
    pub input_alias: Tensor,
    /// For each channel of the output, the sums of its distances from `shift` and of their
    /// squares: `[2, channels]`, fp64.
    pub stats: Option<Tensor>,
}

/// `conv2d(input, weight, stride 1, padding 1)` in fp32, kept in the input's type, and its gradients.
/// With `shift` (`[out]`, fp32, best near the output's mean), the output's statistics, too.
pub fn conv2d_3x3(
    input: &Tensor,
    weight: &Tensor,
    shift: Option<&Tensor>,
) -> Result<Conv3x3Output> {
    let mut made = [std::ptr::null_mut(); 3];
    let [output, again, sums] = &mut made;
    // SAFETY: the tensors are alive, the table is static, and of what is made we become the owner.
    unsafe {
        checked(residual_convolution_3x3(
            input.as_ptr(),
            weight.as_ptr(),
            pointer(shift),
            &KERNELS,
            output,
            again,
            sums,
        ))?;
        let [output, again, sums] = made;
        Ok(Conv3x3Output {
            output: Tensor::from_ptr(output),
            input_alias: Tensor::from_ptr(again),
            stats: (!sums.is_null()).then(|| Tensor::from_ptr(sums)),
        })
    }
}

/// `weight` `[out, in, 3, 3]` (fp32) as [`convolution_3x3_then`] needs it: four times the numbers.
pub(crate) fn convolution_3x3_filters(weight: &Tensor) -> Result<Tensor> {
    // SAFETY: the tensor is alive and the table is static.
    made(|filters| unsafe { residual_convolution_3x3_filters(weight.as_ptr(), &KERNELS, filters) })
}

/// `conv2d(input, weight, bias, stride 1, padding 1)`, plus `shortcut` (of the output's shape), and
/// rectified, in one pass and without gradients. What [`supports_conv2d_3x3`] takes; `filters` of
/// [`convolution_3x3_filters`], `bias` in fp32. A shortcut that nobody else holds becomes the output.
pub(crate) fn convolution_3x3_then(
    input: &Tensor,
    filters: &Tensor,
    bias: Option<&Tensor>,
    mut shortcut: Option<Tensor>,
    relu: bool,
) -> Result<Tensor> {
    // SAFETY: the tensors are alive and the table is static.
    made(|output| unsafe {
        residual_convolution_3x3_then(
            input.as_ptr(),
            filters.as_ptr(),
            pointer(bias),
            pointer_mut(&mut shortcut),
            relu,
            &KERNELS,
            output,
        )
    })
}

/// What convolution.cpp calls, on whole tensors and shares `begin..end` of the work.
#[repr(C)]
struct Kernels {
    filters: unsafe extern "C" fn(&Shape) -> usize,
    panels: unsafe extern "C" fn(&Shape) -> usize,
    tile_rows: unsafe extern "C" fn(&Shape) -> usize,
    rows_at_once: unsafe extern "C" fn(&Shape) -> usize,
    transform: unsafe extern "C" fn(&Shape, bool, *const f32, usize, usize, *mut f32),
    convolve: unsafe extern "C" fn(
        &Shape,
        bf16: bool,
        x: *const u8,
        filters: *const f32,
        begin: usize,
        end: usize,
        bias: *const f32,
        shortcut: *const u8,
        relu: bool,
        y: *mut u8,
        shift: *const f32,
        first: *mut f64,
        second: *mut f64,
    ),
    sums: unsafe extern "C" fn(&Shape, bool, *const u8, *const u8, usize, usize, *mut f32),
    gradient: unsafe extern "C" fn(&Shape, *const f32, usize, usize, usize, *mut f32),
}

static KERNELS: Kernels =
    Kernels { filters, panels, tile_rows, rows_at_once, transform, convolve, sums, gradient };

unsafe extern "C" fn filters(shape: &Shape) -> usize {
    shape.filters()
}

unsafe extern "C" fn panels(shape: &Shape) -> usize {
    shape.panels()
}

unsafe extern "C" fn tile_rows(shape: &Shape) -> usize {
    shape.tile_rows()
}

unsafe extern "C" fn rows_at_once(shape: &Shape) -> usize {
    shape.rows_at_once()
}

fn pixels(shape: &Shape) -> usize {
    shape.images * shape.height * shape.width
}

unsafe extern "C" fn transform(
    shape: &Shape,
    backward: bool,
    weight: *const f32,
    begin: usize,
    end: usize,
    into: *mut f32,
) {
    let weight = from_raw_parts(weight, 9 * shape.inputs * shape.outputs);
    let part = shape.panel_numbers(&(begin..end));
    let into = from_raw_parts_mut(into.add(part.start), part.len());
    let pass = if backward { Pass::Backward } else { Pass::Forward };
    transform_filters(SimdLevel::best(), shape, pass, weight, begin..end, into);
}

#[allow(clippy::too_many_arguments)]
unsafe extern "C" fn convolve(
    shape: &Shape,
    bf16: bool,
    x: *const u8,
    filters: *const f32,
    begin: usize,
    end: usize,
    bias: *const f32,
    shortcut: *const u8,
    relu: bool,
    y: *mut u8,
    shift: *const f32,
    first: *mut f64,
    second: *mut f64,
) {
    unsafe fn work<T: Scalar>(
        shape: &Shape,
        (x, shortcut): (*const u8, *const u8),
        filters: &[f32],
        rows: Range<usize>,
        (bias, relu): (Option<&[f32]>, bool),
        y: *mut u8,
        statistics: Option<Statistics>,
    ) {
        let x = from_raw_parts(x.cast::<T>(), pixels(shape) * shape.inputs);
        let part = shape.numbers(&rows, shape.outputs);
        let shortcut = match shortcut {
            _ if shortcut.is_null() => Shortcut::Nothing,
            _ if shortcut == y => Shortcut::InPlace,
            _ => Shortcut::Of(from_raw_parts(shortcut.cast::<T>().add(part.start), part.len())),
        };
        let y = from_raw_parts_mut(y.cast::<T>().add(part.start), part.len());
        let then = Then { bias, shortcut, relu };
        convolve_rows(SimdLevel::best(), shape, x, filters, rows, then, y, statistics);
    }
    let filters = from_raw_parts(filters, shape.filters());
    let bias = (!bias.is_null()).then(|| from_raw_parts(bias, shape.outputs));
    let shift = (!shift.is_null()).then(|| from_raw_parts(shift, shape.outputs));
    let mut sums = Sums::zero(shape.outputs);
    let statistics = shift.map(|shift| Statistics { shift, sums: &mut sums });
    let (images, then) = ((x, shortcut), (bias, relu));
    match bf16 {
        true => work::<Bf16>(shape, images, filters, begin..end, then, y, statistics),
        false => work::<f32>(shape, images, filters, begin..end, then, y, statistics),
    }
    if shift.is_some() {
        from_raw_parts_mut(first, shape.outputs).copy_from_slice(&sums.first);
        from_raw_parts_mut(second, shape.outputs).copy_from_slice(&sums.second);
    }
}

unsafe extern "C" fn sums(
    shape: &Shape,
    bf16: bool,
    x: *const u8,
    dy: *const u8,
    begin: usize,
    end: usize,
    sums: *mut f32,
) {
    unsafe fn work<T: Scalar>(
        shape: &Shape,
        x: *const u8,
        dy: *const u8,
        rows: Range<usize>,
        sums: &mut [f32],
    ) {
        let x = from_raw_parts(x.cast::<T>(), pixels(shape) * shape.inputs);
        let dy = from_raw_parts(dy.cast::<T>(), pixels(shape) * shape.outputs);
        filter_sums(SimdLevel::best(), shape, x, dy, rows, sums);
    }
    let sums = from_raw_parts_mut(sums, shape.filters());
    match bf16 {
        true => work::<Bf16>(shape, x, dy, begin..end, sums),
        false => work::<f32>(shape, x, dy, begin..end, sums),
    }
}

unsafe extern "C" fn gradient(
    shape: &Shape,
    sums: *const f32,
    parts: usize,
    begin: usize,
    end: usize,
    into: *mut f32,
) {
    let sums = from_raw_parts(sums, parts * shape.filters());
    let filter = 9 * shape.inputs;
    let into = from_raw_parts_mut(into.add(begin * filter), (end - begin) * filter);
    filter_gradient(SimdLevel::best(), shape, sums, begin..end, into);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels_last;

    /// Output and both gradients.
    fn results(
        input: &Tensor,
        weight: &Tensor,
        by: impl Fn(&Tensor, &Tensor) -> Tensor,
    ) -> Vec<Tensor> {
        let leaf = |t: &Tensor| t.detach().set_requires_grad(true);
        let (input, weight) = (leaf(input), leaf(weight));
        let output = by(&input, &weight);
        let numbers = output.numel() as i64;
        let pattern = Tensor::arange(numbers, (Kind::Double, Device::Cpu)).sin();
        let pattern = channels_last(&pattern.reshape(output.size())).unwrap();
        let loss = (&output * pattern.to_kind(output.kind())).sum(Kind::Double);
        let gradients = Tensor::run_backward(&[&loss], &[&input, &weight], false, false);
        [output.detach()].into_iter().chain(gradients).collect()
    }

    fn aten(input: &Tensor, weight: &Tensor) -> Tensor {
        let weight = weight.to_kind(input.kind());
        input.conv2d::<Tensor>(&weight, None, [1, 1], [1, 1], [1, 1], 1)
    }

    /// The root of the mean square of the difference, as a share of the truth's.
    fn error(found: &Tensor, truth: &Tensor) -> f64 {
        let norm = |t: &Tensor| t.norm().double_value(&[]);
        norm(&(found.to_kind(Kind::Double) - truth)) / norm(truth)
    }

    fn case(kind: Kind, [n, c, k, h, w]: [i64; 5]) -> [Tensor; 2] {
        tch::manual_seed(1);
        let random = |shape: &[i64], kind| {
            let numbers = Tensor::randn(shape, (Kind::Double, Device::Cpu));
            // Numbers that all kinds can hold.
            channels_last(&numbers.to_kind(Kind::BFloat16).to_kind(kind)).unwrap()
        };
        let weight_kind = if kind == Kind::Double { kind } else { Kind::Float };
        [random(&[n, c, h, w], kind), random(&[k, c, 3, 3], weight_kind)]
    }

    const SIZES: [[i64; 5]; 3] = [[8, 16, 32, 32, 32], [16, 64, 64, 14, 13], [128, 32, 16, 4, 4]];

    #[test]
    fn output_and_gradients_are_near_float64s() {
        if SimdLevel::best() == SimdLevel::Scalar {
            return println!("skipped: this CPU has no AVX2");
        }
        for size in SIZES {
            let [x, w] = case(Kind::Double, size);
            let truth = results(&x, &w, aten);
            // Of bf16, no further than ATen's own.
            for (kind, bound) in [(Kind::Float, 3e-6), (Kind::BFloat16, 0.0)] {
                let [x, w] = case(kind, size);
                if kind == Kind::Float {
                    assert!(supports_conv2d_3x3(&x, &w), "{size:?}");
                }
                let ours = results(&x, &w, |x, w| conv2d_3x3(x, w, None).unwrap().output);
                let theirs = results(&x, &w, aten);
                for (i, truth) in truth.iter().enumerate() {
                    let (mine, aten) = (error(&ours[i], truth), error(&theirs[i], truth));
                    let what = format!("{size:?} {kind:?} {i}: {mine:e} {aten:e}");
                    println!("{what}");
                    assert!(mine <= (1.05 * aten).max(bound), "{what}");
                }
            }
        }
    }

    #[test]
    fn a_gradient_of_the_input_used_again_is_added_to_that_of_the_convolution() {
        if SimdLevel::best() == SimdLevel::Scalar {
            return println!("skipped: this CPU has no AVX2");
        }
        let [x, w] = case(Kind::Double, [8, 32, 32, 16, 16]);
        let truth = results(&x, &w, |x, w| aten(x, w).relu() + x * 2);
        let [x, w] = case(Kind::Float, [8, 32, 32, 16, 16]);
        let ours = results(&x, &w, |x, w| {
            let Conv3x3Output { output, input_alias: again, .. } = conv2d_3x3(x, w, None).unwrap();
            output.relu() + again * 2
        });
        for (found, truth) in ours.iter().zip(&truth) {
            assert!(error(found, truth) < 3e-6);
        }
        // Or one of the two alone.
        let x = x.set_requires_grad(true);
        let again = conv2d_3x3(&x, &w, None).unwrap().input_alias;
        let gradient = Tensor::run_backward(&[(again * 3).sum(Kind::Float)], &[&x], false, false);
        assert!(gradient[0].equal(&(x.ones_like() * 3)));
    }

    #[test]
    fn statistics_are_those_of_what_was_written() {
        if SimdLevel::best() == SimdLevel::Scalar {
            return println!("skipped: this CPU has no AVX2");
        }
        for kind in [Kind::Float, Kind::BFloat16] {
            let [x, w] = case(kind, SIZES[1]);
            let shift = Tensor::randn([64], (Kind::Float, Device::Cpu));
            let w = w.set_requires_grad(true);
            let Conv3x3Output { output, stats: sums, .. } =
                conv2d_3x3(&x, &w, Some(&shift)).unwrap();
            let sums = sums.unwrap();
            assert!(output.requires_grad() && !sums.requires_grad());
            let distances = output.detach().to_kind(Kind::Double) - shift.view([1, -1, 1, 1]);
            let of = |t: Tensor| t.sum_dim_intlist([0i64, 2, 3].as_slice(), false, Kind::Double);
            let wanted = Tensor::stack(&[of(distances.shallow_clone()), of(distances.square())], 0);
            assert!(error(&sums, &wanted) < 1e-6, "{kind:?}");
        }
    }

    #[test]
    fn what_needs_no_gradient_gets_none() {
        let [x, w] = case(Kind::Float, SIZES[0]);
        let w = w.set_requires_grad(true);
        let y = conv2d_3x3(&x, &w, None).unwrap().output;
        y.sum(Kind::Float).backward();
        assert!(w.grad().defined() && !x.grad().defined());
        let _no_grad = tch::no_grad_guard();
        assert!(!conv2d_3x3(&x, &w, None).unwrap().output.requires_grad());
    }

    #[test]
    fn only_what_the_kernels_are_made_for_is_taken() {
        let [x, w] = case(Kind::Float, SIZES[0]);
        assert!(!supports_conv2d_3x3(&x.contiguous(), &w), "channels outermost");
        assert!(!supports_conv2d_3x3(&x.to_kind(Kind::Double), &w), "fp64");
        let [x, w] = case(Kind::Float, [8, 3, 16, 32, 32]);
        assert!(!supports_conv2d_3x3(&x, &w), "three channels");
        let [x, w] = case(Kind::Float, [1, 16, 16, 8, 8]);
        assert!(!supports_conv2d_3x3(&x, &w), "too few tiles");
    }
}
