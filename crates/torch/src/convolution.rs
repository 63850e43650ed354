//! 3x3 convolutions as one autograd operation, by the Winograd kernels of `residual-kernels`.

use std::ops::Range;
use std::slice::{from_raw_parts, from_raw_parts_mut};

use residual_kernels::winograd::{
    self, CHANNEL_MULTIPLE, ConvShape, Epilogue, OutputStats, Pass, Shortcut,
};
use residual_kernels::{Bf16, ChannelSums, Scalar, SimdLevel};
use residual_spec::Result;
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use crate::{check, is_channels_last, new_tensor, optional_ptr, optional_ptr_mut};

unsafe extern "C" {
    fn residual_conv2d_3x3(
        input: *const C_tensor,
        weight: *const C_tensor,
        shift: *const C_tensor,
        kernels: *const Kernels,
        output: *mut *mut C_tensor,
        input_alias: *mut *mut C_tensor,
        stats: *mut *mut C_tensor,
    ) -> bool;

    fn residual_transform_filters(
        weight: *const C_tensor,
        kernels: *const Kernels,
        filters: *mut *mut C_tensor,
    ) -> bool;

    fn residual_conv2d_3x3_inference(
        input: *const C_tensor,
        filters: *const C_tensor,
        bias: *const C_tensor,
        shortcut: *mut C_tensor,
        relu: bool,
        kernels: *const Kernels,
        output: *mut *mut C_tensor,
    ) -> bool;
}

/// Minimal output tiles per thread. With fewer, reading the transformed filters, four times the
/// weight, dominates.
const MIN_TILES_PER_THREAD: usize = 24;

/// Returns whether [`conv2d_3x3`] supports `input` `[n, in, h, w]` and `weight` `[out, in, 3, 3]`:
/// on a CPU with AVX2 or better, channels_last, bf16 or fp32 with an fp32 weight, whole registers
/// of channels, and enough output for every thread. On CPUs with AMX, bf16 is left to ATen: AMX
/// tiles gain more than Winograd's fewer multiplications.
pub fn supports_conv2d_3x3(input: &Tensor, weight: &Tensor) -> bool {
    let kind = input.kind();
    let has_kernel =
        kind == Kind::Float || (kind == Kind::BFloat16 && !residual_kernels::has_amx_bf16());
    if !has_kernel || SimdLevel::best() == SimdLevel::Scalar || input.device() != Device::Cpu {
        return false;
    }
    let (size, filters) = (input.size(), weight.size());
    if size.len() != 4 || filters[1..] != [size[1], 3, 3] || weight.kind() != Kind::Float {
        return false;
    }
    let shape = conv_shape(&size, filters[0]);
    shape.in_channels.is_multiple_of(CHANNEL_MULTIPLE)
        && shape.out_channels.is_multiple_of(CHANNEL_MULTIPLE)
        && shape.tiles() >= MIN_TILES_PER_THREAD * tch::get_num_threads().max(1) as usize
        && is_channels_last(input)
}

fn conv_shape(input: &[i64], out_channels: i64) -> ConvShape {
    let [images, in_channels, height, width] = [0, 1, 2, 3].map(|axis: usize| input[axis] as usize);
    ConvShape { images, height, width, in_channels, out_channels: out_channels as usize }
}

/// The results of [`conv2d_3x3`].
pub struct Conv3x3Output {
    pub output: Tensor,
    /// The input, for a shortcut that is added to something computed from `output`: the convolution
    /// then adds both gradients of the input while it writes its own.
    pub input_alias: Tensor,
    /// The sums of the output's distances from `shift` and of their squares, per channel:
    /// `[2, channels]`, fp64.
    pub stats: Option<Tensor>,
}

/// Computes `conv2d(input, weight, stride 1, padding 1)` in fp32, stored in the input's type, with
/// its gradients. With `shift` (`[out]`, fp32, best near the output's mean), also the output's
/// statistics.
pub fn conv2d_3x3(
    input: &Tensor,
    weight: &Tensor,
    shift: Option<&Tensor>,
) -> Result<Conv3x3Output> {
    let mut results = [std::ptr::null_mut(); 3];
    let [output, input_alias, stats] = &mut results;
    // SAFETY: the tensors are alive, the table is static, and the results are owned here.
    unsafe {
        check(residual_conv2d_3x3(
            input.as_ptr(),
            weight.as_ptr(),
            optional_ptr(shift),
            &KERNELS,
            output,
            input_alias,
            stats,
        ))?;
        let [output, input_alias, stats] = results;
        Ok(Conv3x3Output {
            output: Tensor::from_ptr(output),
            input_alias: Tensor::from_ptr(input_alias),
            stats: (!stats.is_null()).then(|| Tensor::from_ptr(stats)),
        })
    }
}

/// Transforms `weight` `[out, in, 3, 3]` (fp32) for [`conv2d_3x3_inference`]: four times the
/// values.
pub(crate) fn transform_filters(weight: &Tensor) -> Result<Tensor> {
    // SAFETY: the tensor is alive and the table is static.
    new_tensor(|filters| unsafe { residual_transform_filters(weight.as_ptr(), &KERNELS, filters) })
}

/// Computes `conv2d(input, weight, bias, stride 1, padding 1)`, plus `shortcut` (of the output's
/// shape), through a ReLU if `relu`, in one pass and without gradients. Requires
/// [`supports_conv2d_3x3`], the `filters` of [`transform_filters`] and an fp32 `bias`. A shortcut
/// with no other owner becomes the output.
pub(crate) fn conv2d_3x3_inference(
    input: &Tensor,
    filters: &Tensor,
    bias: Option<&Tensor>,
    mut shortcut: Option<Tensor>,
    relu: bool,
) -> Result<Tensor> {
    // SAFETY: the tensors are alive and the table is static.
    new_tensor(|output| unsafe {
        residual_conv2d_3x3_inference(
            input.as_ptr(),
            filters.as_ptr(),
            optional_ptr(bias),
            optional_ptr_mut(&mut shortcut),
            relu,
            &KERNELS,
            output,
        )
    })
}

/// The kernels that convolution.cpp calls, on whole tensors and the part `begin..end` of the work.
#[repr(C)]
struct Kernels {
    transformed_filters: unsafe extern "C" fn(&ConvShape) -> usize,
    panels: unsafe extern "C" fn(&ConvShape) -> usize,
    tile_rows: unsafe extern "C" fn(&ConvShape) -> usize,
    cached_tile_rows: unsafe extern "C" fn(&ConvShape) -> usize,
    transform_panels: unsafe extern "C" fn(&ConvShape, bool, *const f32, usize, usize, *mut f32),
    convolve: unsafe extern "C" fn(
        &ConvShape,
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
    accumulate_filter_gradient:
        unsafe extern "C" fn(&ConvShape, bool, *const u8, *const u8, usize, usize, *mut f32),
    finish_filter_gradient:
        unsafe extern "C" fn(&ConvShape, *const f32, usize, usize, usize, *mut f32),
}

static KERNELS: Kernels = Kernels {
    transformed_filters,
    panels,
    tile_rows,
    cached_tile_rows,
    transform_panels,
    convolve,
    accumulate_filter_gradient,
    finish_filter_gradient,
};

extern "C" fn transformed_filters(shape: &ConvShape) -> usize {
    shape.transformed_filters()
}

extern "C" fn panels(shape: &ConvShape) -> usize {
    shape.panels()
}

extern "C" fn tile_rows(shape: &ConvShape) -> usize {
    shape.tile_rows()
}

extern "C" fn cached_tile_rows(shape: &ConvShape) -> usize {
    shape.cached_tile_rows()
}

fn pixels(shape: &ConvShape) -> usize {
    shape.images * shape.height * shape.width
}

/// Computes [`winograd::transform_filters`] of the panels `begin..end`.
///
/// # Safety
/// `weight` and `filters` must be whole tensors of the shape.
unsafe extern "C" fn transform_panels(
    shape: &ConvShape,
    backward: bool,
    weight: *const f32,
    begin: usize,
    end: usize,
    filters: *mut f32,
) {
    let part = shape.panel_range(&(begin..end));
    // SAFETY: the caller guarantees whole tensors. No other thread writes these panels.
    let (weight, filters) = unsafe {
        (
            from_raw_parts(weight, 9 * shape.in_channels * shape.out_channels),
            from_raw_parts_mut(filters.add(part.start), part.len()),
        )
    };
    let pass = if backward { Pass::Backward } else { Pass::Forward };
    winograd::transform_filters(SimdLevel::best(), shape, pass, weight, begin..end, filters);
}

/// Pointers to whole tensors of one element type.
#[derive(Clone, Copy)]
struct ConvTensors {
    x: *const u8,
    /// Null for none; `y` for in place.
    shortcut: *const u8,
    y: *mut u8,
}

/// Computes [`winograd::convolve`] of the tile rows `begin..end`.
///
/// # Safety
/// The pointers must be whole tensors of the shape. `bias`, `shortcut` and `shift` (with `first`
/// and `second`) may be null.
unsafe extern "C" fn convolve(
    shape: &ConvShape,
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
    /// # Safety
    /// As of the outer function, with tensors of `T`.
    unsafe fn typed<T: Scalar>(
        shape: &ConvShape,
        ConvTensors { x, shortcut, y }: ConvTensors,
        filters: &[f32],
        rows: Range<usize>,
        (bias, relu): (Option<&[f32]>, bool),
        stats: Option<OutputStats>,
    ) {
        let part = shape.value_range(&rows, shape.out_channels);
        // SAFETY: the caller guarantees whole tensors. No other thread writes these rows.
        let (x, shortcut, y) = unsafe {
            let shortcut = match shortcut {
                _ if shortcut.is_null() => Shortcut::None,
                _ if shortcut == y => Shortcut::InPlace,
                _ => Shortcut::Separate(from_raw_parts(
                    shortcut.cast::<T>().add(part.start),
                    part.len(),
                )),
            };
            (
                from_raw_parts(x.cast::<T>(), pixels(shape) * shape.in_channels),
                shortcut,
                from_raw_parts_mut(y.cast::<T>().add(part.start), part.len()),
            )
        };
        let epilogue = Epilogue { bias, shortcut, relu };
        winograd::convolve(SimdLevel::best(), shape, x, filters, rows, epilogue, y, stats);
    }
    let mut sums = ChannelSums::zeros(shape.out_channels);
    // SAFETY: the caller guarantees whole tensors.
    unsafe {
        let filters = from_raw_parts(filters, shape.transformed_filters());
        let bias = (!bias.is_null()).then(|| from_raw_parts(bias, shape.out_channels));
        let shift = (!shift.is_null()).then(|| from_raw_parts(shift, shape.out_channels));
        let stats = shift.map(|shift| OutputStats { shift, sums: &mut sums });
        let (tensors, terms) = (ConvTensors { x, shortcut, y }, (bias, relu));
        if bf16 {
            typed::<Bf16>(shape, tensors, filters, begin..end, terms, stats);
        } else {
            typed::<f32>(shape, tensors, filters, begin..end, terms, stats);
        }
        if shift.is_some() {
            from_raw_parts_mut(first, shape.out_channels).copy_from_slice(&sums.first);
            from_raw_parts_mut(second, shape.out_channels).copy_from_slice(&sums.second);
        }
    }
}

/// Computes [`winograd::accumulate_filter_gradient`] of the tile rows `begin..end`.
///
/// # Safety
/// `x` and `dy` must be whole tensors of the shape, `sums` this thread's own sums.
unsafe extern "C" fn accumulate_filter_gradient(
    shape: &ConvShape,
    bf16: bool,
    x: *const u8,
    dy: *const u8,
    begin: usize,
    end: usize,
    sums: *mut f32,
) {
    /// # Safety
    /// As of the outer function, with tensors of `T`.
    unsafe fn typed<T: Scalar>(
        shape: &ConvShape,
        [x, dy]: [*const u8; 2],
        rows: Range<usize>,
        sums: &mut [f32],
    ) {
        // SAFETY: the caller guarantees whole tensors.
        let (x, dy) = unsafe {
            (
                from_raw_parts(x.cast::<T>(), pixels(shape) * shape.in_channels),
                from_raw_parts(dy.cast::<T>(), pixels(shape) * shape.out_channels),
            )
        };
        winograd::accumulate_filter_gradient(SimdLevel::best(), shape, x, dy, rows, sums);
    }
    // SAFETY: the caller guarantees whole tensors.
    unsafe {
        let sums = from_raw_parts_mut(sums, shape.transformed_filters());
        if bf16 {
            typed::<Bf16>(shape, [x, dy], begin..end, sums);
        } else {
            typed::<f32>(shape, [x, dy], begin..end, sums);
        }
    }
}

/// Computes [`winograd::finish_filter_gradient`] of the channels `begin..end`.
///
/// # Safety
/// `sums` must be `parts` sums, `gradient` a whole tensor of the shape.
unsafe extern "C" fn finish_filter_gradient(
    shape: &ConvShape,
    sums: *const f32,
    parts: usize,
    begin: usize,
    end: usize,
    gradient: *mut f32,
) {
    let filter = 9 * shape.in_channels;
    // SAFETY: the caller guarantees whole tensors. No other thread writes these channels.
    let (sums, gradient) = unsafe {
        (
            from_raw_parts(sums, parts * shape.transformed_filters()),
            from_raw_parts_mut(gradient.add(begin * filter), (end - begin) * filter),
        )
    };
    winograd::finish_filter_gradient(SimdLevel::best(), shape, sums, begin..end, gradient);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels_last;

    /// Returns the output and both gradients.
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

    /// Returns the relative error in the L2 norm.
    fn error(found: &Tensor, truth: &Tensor) -> f64 {
        let norm = |t: &Tensor| t.norm().double_value(&[]);
        norm(&(found.to_kind(Kind::Double) - truth)) / norm(truth)
    }

    fn case(kind: Kind, [n, c, k, h, w]: [i64; 5]) -> [Tensor; 2] {
        tch::manual_seed(1);
        let random = |shape: &[i64], kind| {
            let numbers = Tensor::randn(shape, (Kind::Double, Device::Cpu));
            // Values that every kind can represent.
            channels_last(&numbers.to_kind(Kind::BFloat16).to_kind(kind)).unwrap()
        };
        let weight_kind = if kind == Kind::Double { kind } else { Kind::Float };
        [random(&[n, c, h, w], kind), random(&[k, c, 3, 3], weight_kind)]
    }

    const SIZES: [[i64; 5]; 3] = [[8, 16, 32, 32, 32], [16, 64, 64, 14, 13], [128, 32, 16, 4, 4]];

    #[test]
    fn output_and_gradients_are_near_fp64() {
        if SimdLevel::best() == SimdLevel::Scalar {
            return println!("skipped: this CPU has no AVX2");
        }
        for size in SIZES {
            let [x, w] = case(Kind::Double, size);
            let truth = results(&x, &w, aten);
            // bf16 must be as accurate as ATen.
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
    fn gradients_of_the_input_and_its_alias_are_added() {
        if SimdLevel::best() == SimdLevel::Scalar {
            return println!("skipped: this CPU has no AVX2");
        }
        let [x, w] = case(Kind::Double, [8, 32, 32, 16, 16]);
        let truth = results(&x, &w, |x, w| aten(x, w).relu() + x * 2);
        let [x, w] = case(Kind::Float, [8, 32, 32, 16, 16]);
        let ours = results(&x, &w, |x, w| {
            let Conv3x3Output { output, input_alias, .. } = conv2d_3x3(x, w, None).unwrap();
            output.relu() + input_alias * 2
        });
        for (found, truth) in ours.iter().zip(&truth) {
            assert!(error(found, truth) < 3e-6);
        }
        // The alias alone.
        let x = x.set_requires_grad(true);
        let alias = conv2d_3x3(&x, &w, None).unwrap().input_alias;
        let gradient = Tensor::run_backward(&[(alias * 3).sum(Kind::Float)], &[&x], false, false);
        assert!(gradient[0].equal(&(x.ones_like() * 3)));
    }

    #[test]
    fn stats_match_the_written_output() {
        if SimdLevel::best() == SimdLevel::Scalar {
            return println!("skipped: this CPU has no AVX2");
        }
        for kind in [Kind::Float, Kind::BFloat16] {
            let [x, w] = case(kind, SIZES[1]);
            let shift = Tensor::randn([64], (Kind::Float, Device::Cpu));
            let w = w.set_requires_grad(true);
            let Conv3x3Output { output, stats, .. } = conv2d_3x3(&x, &w, Some(&shift)).unwrap();
            let stats = stats.unwrap();
            assert!(output.requires_grad() && !stats.requires_grad());
            let distances = output.detach().to_kind(Kind::Double) - shift.view([1, -1, 1, 1]);
            let of = |t: Tensor| t.sum_dim_intlist([0i64, 2, 3].as_slice(), false, Kind::Double);
            let expected =
                Tensor::stack(&[of(distances.shallow_clone()), of(distances.square())], 0);
            assert!(error(&stats, &expected) < 1e-6, "{kind:?}");
        }
    }

    #[test]
    fn computes_only_the_gradients_that_are_required() {
        let [x, w] = case(Kind::Float, SIZES[0]);
        let w = w.set_requires_grad(true);
        let y = conv2d_3x3(&x, &w, None).unwrap().output;
        y.sum(Kind::Float).backward();
        assert!(w.grad().defined() && !x.grad().defined());
        let _no_grad = tch::no_grad_guard();
        assert!(!conv2d_3x3(&x, &w, None).unwrap().output.requires_grad());
    }

    #[test]
    fn supports_only_shapes_and_types_with_kernels() {
        let [x, w] = case(Kind::Float, SIZES[0]);
        assert!(!supports_conv2d_3x3(&x.contiguous(), &w), "channels outermost");
        assert!(!supports_conv2d_3x3(&x.to_kind(Kind::Double), &w), "fp64");
        let [x, w] = case(Kind::Float, [8, 3, 16, 32, 32]);
        assert!(!supports_conv2d_3x3(&x, &w), "three channels");
        let [x, w] = case(Kind::Float, [1, 16, 16, 8, 8]);
        assert!(!supports_conv2d_3x3(&x, &w), "too few tiles");
    }
}
