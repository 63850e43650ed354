//! 3x3 convolutions as one autograd operation, with the Winograd kernels of `residual-kernels`.

use std::ops::Range;
use std::slice::{from_raw_parts, from_raw_parts_mut};

use residual_kernels::ablation::{self, Part};
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

/// Minimum number of output tiles per thread. With fewer tiles, the time is dominated by reading
/// the transformed filters, which have four times as many values as the weight.
const MIN_TILES_PER_THREAD: usize = 24;

/// Whether ATen's convolutions are expected to take longer than Winograd's. On macOS for Arm they
/// are matrix products of Accelerate, which uses Apple's matrix unit; the kernels have not been
/// measured there.
const HAS_SLOWER_CONVOLUTION: bool = !(cfg!(target_os = "macos") && cfg!(target_arch = "aarch64"));

/// Returns whether [`conv2d_3x3`] supports `input` `[n, in, h, w]` and `weight` `[out, in, 3, 3]`.
///
/// Requires a CPU with AVX2 or better or NEON, a channels_last input in fp32 or bf16, an fp32
/// weight, channel counts that are multiples of [`CHANNEL_MULTIPLE`], and enough output tiles for
/// every thread. bf16 is not supported on CPUs that multiply bfloat16 matrices (AMX, BFMMLA), where
/// ATen's direct convolution is faster, and no kind on macOS ([`HAS_SLOWER_CONVOLUTION`]).
pub fn supports_conv2d_3x3(input: &Tensor, weight: &Tensor) -> bool {
    let kind = input.kind();
    let has_kernel = kind == Kind::Float
        || (kind == Kind::BFloat16 && !residual_kernels::has_bf16_matrix_unit());
    let can_run = has_kernel && HAS_SLOWER_CONVOLUTION && ablation::is_enabled(Part::Winograd);
    if !can_run || SimdLevel::best() == SimdLevel::Scalar || input.device() != Device::Cpu {
        return false;
    }
    let (size, filters) = (input.size(), weight.size());
    if size.len() != 4 || filters[1..] != [size[1], 3, 3] || weight.kind() != Kind::Float {
        return false;
    }
    let shape = conv_shape(&size, filters[0]);
    shape.in_channels.is_multiple_of(CHANNEL_MULTIPLE)
        && shape.out_channels.is_multiple_of(CHANNEL_MULTIPLE)
        && shape.num_tiles() >= MIN_TILES_PER_THREAD * tch::get_num_threads().max(1) as usize
        && is_channels_last(input)
}

fn conv_shape(input: &[i64], out_channels: i64) -> ConvShape {
    let [images, in_channels, height, width] = [0, 1, 2, 3].map(|axis: usize| input[axis] as usize);
    ConvShape { images, height, width, in_channels, out_channels: out_channels as usize }
}

/// Results of [`conv2d_3x3`].
pub struct Conv3x3Output {
    pub output: Tensor,
    /// Alias of the input for the shortcut of a residual block. The backward pass adds the gradient
    /// of the alias while it writes the gradient of the convolution, which saves a pass over
    /// memory.
    pub input_alias: Tensor,
    /// Sums of `output - shift` and of its square for each channel: `[2, channels]`, fp64. Present
    /// if `shift` is given.
    pub stats: Option<Tensor>,
}

/// Computes `conv2d(input, weight, stride=1, padding=1)` with autograd support, in fp32 arithmetic;
/// the output has the type of the input. With `shift` (`[out]`, fp32, preferably close to the mean
/// of the output), also computes the statistics of the output.
pub fn conv2d_3x3(
    input: &Tensor,
    weight: &Tensor,
    shift: Option<&Tensor>,
) -> Result<Conv3x3Output> {
    let mut results = [std::ptr::null_mut(); 3];
    let [output, input_alias, stats] = &mut results;
    // SAFETY: the tensors are alive, the table is static, and the results have no other owner.
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

/// Transforms an fp32 `weight` `[out, in, 3, 3]` for [`conv2d_3x3_inference`]. The result has four
/// times as many values.
pub(crate) fn transform_filters(weight: &Tensor) -> Result<Tensor> {
    // SAFETY: the tensor is alive and the table is static.
    new_tensor(|filters| unsafe { residual_transform_filters(weight.as_ptr(), &KERNELS, filters) })
}

/// Computes `relu(conv2d(input, weight, bias, stride=1, padding=1) + shortcut)` in one pass and
/// without gradients. Bias, shortcut and ReLU are optional.
///
/// The input must satisfy [`supports_conv2d_3x3`]. `filters` is the weight transformed by
/// [`transform_filters`], `bias` is fp32, and `shortcut` has the shape of the output. The output
/// reuses the memory of a shortcut without other owners.
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

/// Function table that convolution.cpp calls. Pointers refer to complete tensors; `begin..end` are
/// the panels, tile rows or channels to compute.
#[repr(C)]
struct Kernels {
    transformed_filters_len: unsafe extern "C" fn(&ConvShape) -> usize,
    num_panels: unsafe extern "C" fn(&ConvShape) -> usize,
    num_tile_rows: unsafe extern "C" fn(&ConvShape) -> usize,
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
    transformed_filters_len,
    num_panels,
    num_tile_rows,
    cached_tile_rows,
    transform_panels,
    convolve,
    accumulate_filter_gradient,
    finish_filter_gradient,
};

extern "C" fn transformed_filters_len(shape: &ConvShape) -> usize {
    shape.transformed_filters_len()
}

extern "C" fn num_panels(shape: &ConvShape) -> usize {
    shape.num_panels()
}

extern "C" fn num_tile_rows(shape: &ConvShape) -> usize {
    shape.num_tile_rows()
}

extern "C" fn cached_tile_rows(shape: &ConvShape) -> usize {
    shape.cached_tile_rows()
}

fn num_pixels(shape: &ConvShape) -> usize {
    shape.images * shape.height * shape.width
}

/// Computes [`winograd::transform_filters`] of the panels `begin..end`.
///
/// # Safety
/// `weight` and `filters` must point to complete tensors of the shape.
unsafe extern "C" fn transform_panels(
    shape: &ConvShape,
    backward: bool,
    weight: *const f32,
    begin: usize,
    end: usize,
    filters: *mut f32,
) {
    let range = shape.panel_range(&(begin..end));
    // SAFETY: the caller guarantees complete tensors. No other thread writes these panels.
    let (weight, filters) = unsafe {
        (
            from_raw_parts(weight, 9 * shape.in_channels * shape.out_channels),
            from_raw_parts_mut(filters.add(range.start), range.len()),
        )
    };
    let pass = if backward { Pass::Backward } else { Pass::Forward };
    winograd::transform_filters(SimdLevel::best(), shape, pass, weight, begin..end, filters);
}

/// Pointers to complete tensors of one element type.
#[derive(Clone, Copy)]
struct ConvTensors {
    x: *const u8,
    /// Null without a shortcut; equal to `y` if the shortcut is overwritten by the output.
    shortcut: *const u8,
    y: *mut u8,
}

/// Computes [`winograd::convolve`] of the tile rows `begin..end`.
///
/// # Safety
/// The pointers must refer to complete tensors of the shape. `bias`, `shortcut` and `shift` (with
/// `first` and `second`) may be null.
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
    /// The conditions of the outer function apply, with elements of type `T`.
    unsafe fn typed<T: Scalar>(
        shape: &ConvShape,
        ConvTensors { x, shortcut, y }: ConvTensors,
        filters: &[f32],
        rows: Range<usize>,
        (bias, relu): (Option<&[f32]>, bool),
        stats: Option<OutputStats>,
    ) {
        let range = shape.value_range(&rows, shape.out_channels);
        // SAFETY: the caller guarantees complete tensors. No other thread writes these rows.
        let (x, shortcut, y) = unsafe {
            let shortcut = match shortcut {
                _ if shortcut.is_null() => Shortcut::None,
                _ if shortcut == y => Shortcut::InPlace,
                _ => Shortcut::Separate(from_raw_parts(
                    shortcut.cast::<T>().add(range.start),
                    range.len(),
                )),
            };
            (
                from_raw_parts(x.cast::<T>(), num_pixels(shape) * shape.in_channels),
                shortcut,
                from_raw_parts_mut(y.cast::<T>().add(range.start), range.len()),
            )
        };
        let epilogue = Epilogue { bias, shortcut, relu };
        winograd::convolve(SimdLevel::best(), shape, x, filters, rows, epilogue, y, stats);
    }
    let mut sums = ChannelSums::zeros(shape.out_channels);
    // SAFETY: the caller guarantees complete tensors.
    unsafe {
        let filters = from_raw_parts(filters, shape.transformed_filters_len());
        let bias = (!bias.is_null()).then(|| from_raw_parts(bias, shape.out_channels));
        let shift = (!shift.is_null()).then(|| from_raw_parts(shift, shape.out_channels));
        let stats = shift.map(|shift| OutputStats { shift, sums: &mut sums });
        let (tensors, epilogue) = (ConvTensors { x, shortcut, y }, (bias, relu));
        if bf16 {
            typed::<Bf16>(shape, tensors, filters, begin..end, epilogue, stats);
        } else {
            typed::<f32>(shape, tensors, filters, begin..end, epilogue, stats);
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
/// `x` and `dy` must point to complete tensors of the shape, `sums` to the sums of this thread.
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
    /// The conditions of the outer function apply, with elements of type `T`.
    unsafe fn typed<T: Scalar>(
        shape: &ConvShape,
        [x, dy]: [*const u8; 2],
        rows: Range<usize>,
        sums: &mut [f32],
    ) {
        // SAFETY: the caller guarantees complete tensors.
        let (x, dy) = unsafe {
            (
                from_raw_parts(x.cast::<T>(), num_pixels(shape) * shape.in_channels),
                from_raw_parts(dy.cast::<T>(), num_pixels(shape) * shape.out_channels),
            )
        };
        winograd::accumulate_filter_gradient(SimdLevel::best(), shape, x, dy, rows, sums);
    }
    // SAFETY: the caller guarantees complete tensors.
    unsafe {
        let sums = from_raw_parts_mut(sums, shape.transformed_filters_len());
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
/// `sums` must point to `num_sums` transformed filter gradients, `gradient` to a complete tensor of
/// the shape.
unsafe extern "C" fn finish_filter_gradient(
    shape: &ConvShape,
    sums: *const f32,
    num_sums: usize,
    begin: usize,
    end: usize,
    gradient: *mut f32,
) {
    let filter_len = 9 * shape.in_channels;
    // SAFETY: the caller guarantees complete tensors. No other thread writes these channels.
    let (sums, gradient) = unsafe {
        (
            from_raw_parts(sums, num_sums * shape.transformed_filters_len()),
            from_raw_parts_mut(gradient.add(begin * filter_len), (end - begin) * filter_len),
        )
    };
    winograd::finish_filter_gradient(SimdLevel::best(), shape, sums, begin..end, gradient);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels_last;

    /// Returns the output and the gradients of input and weight.
    fn results(
        input: &Tensor,
        weight: &Tensor,
        forward: impl Fn(&Tensor, &Tensor) -> Tensor,
    ) -> Vec<Tensor> {
        let leaf = |t: &Tensor| t.detach().set_requires_grad(true);
        let (input, weight) = (leaf(input), leaf(weight));
        let output = forward(&input, &weight);
        let count = output.numel() as i64;
        let factors = Tensor::arange(count, (Kind::Double, Device::Cpu)).sin();
        let factors = channels_last(&factors.reshape(output.size())).unwrap();
        let loss = (&output * factors.to_kind(output.kind())).sum(Kind::Double);
        let gradients = Tensor::run_backward(&[&loss], &[&input, &weight], false, false);
        [output.detach()].into_iter().chain(gradients).collect()
    }

    fn aten(input: &Tensor, weight: &Tensor) -> Tensor {
        let weight = weight.to_kind(input.kind());
        input.conv2d::<Tensor>(&weight, None, [1, 1], [1, 1], [1, 1], 1)
    }

    /// Returns the relative error in the L2 norm.
    fn relative_error(actual: &Tensor, reference: &Tensor) -> f64 {
        let norm = |t: &Tensor| t.norm().double_value(&[]);
        norm(&(actual.to_kind(Kind::Double) - reference)) / norm(reference)
    }

    /// Returns a random input `[n, c, h, w]` and weight `[k, c, 3, 3]`.
    fn case(kind: Kind, [n, c, k, h, w]: [i64; 5]) -> [Tensor; 2] {
        tch::manual_seed(1);
        let random = |shape: &[i64], kind| {
            let values = Tensor::randn(shape, (Kind::Double, Device::Cpu));
            // Rounded to values that every kind can represent.
            channels_last(&values.to_kind(Kind::BFloat16).to_kind(kind)).unwrap()
        };
        let weight_kind = if kind == Kind::Double { kind } else { Kind::Float };
        [random(&[n, c, h, w], kind), random(&[k, c, 3, 3], weight_kind)]
    }

    const SIZES: [[i64; 5]; 3] = [[8, 16, 32, 32, 32], [16, 64, 64, 14, 13], [128, 32, 16, 4, 4]];

    #[test]
    fn output_and_gradients_are_near_fp64() {
        if SimdLevel::best() == SimdLevel::Scalar {
            return println!("skipped: no SIMD kernels for this CPU");
        }
        for size in SIZES {
            let [x, w] = case(Kind::Double, size);
            let reference = results(&x, &w, aten);
            // A bound of 0 requires the accuracy of ATen.
            for (kind, bound) in [(Kind::Float, 3e-6), (Kind::BFloat16, 0.0)] {
                let [x, w] = case(kind, size);
                if kind == Kind::Float && HAS_SLOWER_CONVOLUTION {
                    assert!(supports_conv2d_3x3(&x, &w), "{size:?}");
                }
                let winograd = results(&x, &w, |x, w| conv2d_3x3(x, w, None).unwrap().output);
                let aten = results(&x, &w, aten);
                for (i, reference) in reference.iter().enumerate() {
                    let error = relative_error(&winograd[i], reference);
                    let aten_error = relative_error(&aten[i], reference);
                    let message = format!("{size:?} {kind:?} {i}: {error:e}, ATen {aten_error:e}");
                    println!("{message}");
                    assert!(error <= (1.05 * aten_error).max(bound), "{message}");
                }
            }
        }
    }

    #[test]
    fn gradients_of_the_input_and_its_alias_are_added() {
        if SimdLevel::best() == SimdLevel::Scalar {
            return println!("skipped: no SIMD kernels for this CPU");
        }
        let [x, w] = case(Kind::Double, [8, 32, 32, 16, 16]);
        let reference = results(&x, &w, |x, w| aten(x, w).relu() + x * 2);
        let [x, w] = case(Kind::Float, [8, 32, 32, 16, 16]);
        let actual = results(&x, &w, |x, w| {
            let Conv3x3Output { output, input_alias, .. } = conv2d_3x3(x, w, None).unwrap();
            output.relu() + input_alias * 2
        });
        for (actual, reference) in actual.iter().zip(&reference) {
            assert!(relative_error(actual, reference) < 3e-6);
        }
        // A loss that depends only on the alias.
        let x = x.set_requires_grad(true);
        let alias = conv2d_3x3(&x, &w, None).unwrap().input_alias;
        let gradient = Tensor::run_backward(&[(alias * 3).sum(Kind::Float)], &[&x], false, false);
        assert!(gradient[0].equal(&(x.ones_like() * 3)));
    }

    #[test]
    fn stats_match_the_written_output() {
        if SimdLevel::best() == SimdLevel::Scalar {
            return println!("skipped: no SIMD kernels for this CPU");
        }
        for kind in [Kind::Float, Kind::BFloat16] {
            let [x, w] = case(kind, SIZES[1]);
            let shift = Tensor::randn([64], (Kind::Float, Device::Cpu));
            let w = w.set_requires_grad(true);
            let Conv3x3Output { output, stats, .. } = conv2d_3x3(&x, &w, Some(&shift)).unwrap();
            let stats = stats.unwrap();
            assert!(output.requires_grad() && !stats.requires_grad());
            let differences = output.detach().to_kind(Kind::Double) - shift.view([1, -1, 1, 1]);
            let channel_sums =
                |t: Tensor| t.sum_dim_intlist([0i64, 2, 3].as_slice(), false, Kind::Double);
            let expected = Tensor::stack(
                &[channel_sums(differences.shallow_clone()), channel_sums(differences.square())],
                0,
            );
            assert!(relative_error(&stats, &expected) < 1e-6, "{kind:?}");
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
        assert!(!supports_conv2d_3x3(&x.contiguous(), &w), "contiguous (NCHW)");
        assert!(!supports_conv2d_3x3(&x.to_kind(Kind::Double), &w), "fp64");
        let [x, w] = case(Kind::Float, [8, 3, 16, 32, 32]);
        assert!(!supports_conv2d_3x3(&x, &w), "three channels");
        let [x, w] = case(Kind::Float, [1, 16, 16, 8, 8]);
        assert!(!supports_conv2d_3x3(&x, &w), "too few tiles");
    }
}
