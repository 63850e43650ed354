//! Inference convolutions with batch normalization folded into the weight, as
//! `torch.nn.utils.fusion.fuse_conv_bn_weights`. The weight is converted to the layout of the
//! backend once, and the shortcut addition and the ReLU are fused into the convolution.

use std::cell::RefCell;

#[cfg(target_arch = "x86_64")]
use residual_kernels::SimdLevel;
use residual_spec::Result;
use tch::{Device, Kind, TchError, Tensor};
use torch_sys::C_tensor;

use crate::convolution::{conv2d_3x3_inference, transform_filters};
use crate::{
    is_channels_last, new_tensor, optional_ptr, optional_ptr_mut, supports_conv2d_3x3, torch_error,
};

unsafe extern "C" {
    fn residual_has_onednn() -> bool;
    fn residual_onednn_conv2d(
        input: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        shortcut: *mut C_tensor,
        relu: bool,
        params: *const ConvParams,
        output: *mut *mut C_tensor,
    ) -> bool;
}

/// Stride, padding and groups of a 2D convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct ConvParams {
    pub stride: [i64; 2],
    pub padding: [i64; 2],
    pub groups: i64,
}

impl ConvParams {
    /// Returns whether these are the parameters of [`conv2d_3x3`](crate::conv2d_3x3).
    /// [`supports_conv2d_3x3`] checks the tensors.
    pub fn is_same_3x3(&self) -> bool {
        *self == ConvParams { stride: [1, 1], padding: [1, 1], groups: 1 }
    }
}

/// Maximum number of values of transformed filters that are cached: enough for 128 to 128 channels.
/// Caching larger filters saves too little time for the memory.
const MAX_CACHED_FILTERS_LEN: usize = 1 << 20;

/// A convolution with fixed weights.
pub struct FoldedConv {
    /// Weight before the multiplication by `scale`.
    weight: Tensor,
    /// A factor per output channel.
    scale: Option<Tensor>,
    bias: Option<Tensor>,
    params: ConvParams,
    prepared: RefCell<Option<Prepared>>,
}

/// Weight and bias in the layout of a backend.
struct Prepared {
    backend: Backend,
    weight: Tensor,
    bias: Option<Tensor>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Backend {
    /// [`conv2d_3x3_inference`] with cached filters.
    WinogradCached,
    /// [`conv2d_3x3_inference`] with filters transformed in every call.
    Winograd,
    /// oneDNN, with the weight reordered for inputs of this size and kind.
    OneDnn(Vec<i64>, Kind),
    /// ATen, with weight and bias of this kind.
    ATen(Kind),
}

impl FoldedConv {
    /// Creates the convolution `conv2d(input, weight * scale, bias)`. The tensors are fp32 or fp64,
    /// and are not modified.
    pub fn new(
        weight: &Tensor,
        scale: Option<Tensor>,
        bias: Option<Tensor>,
        params: ConvParams,
    ) -> FoldedConv {
        let prepared = RefCell::default();
        FoldedConv { weight: weight.detach(), scale, bias, params, prepared }
    }

    /// Computes `relu(conv2d(input) + shortcut)` in the kind of the input, without gradients.
    /// Shortcut (in the shape of the output) and ReLU are optional. The output may reuse the memory
    /// of a shortcut without other owners.
    pub fn forward(&self, input: &Tensor, shortcut: Option<Tensor>, relu: bool) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let backend = self.select_backend(input);
        let mut prepared = self.prepared.borrow_mut();
        let Prepared { backend, weight, bias } = match prepared.take() {
            Some(previous) if previous.backend == backend => prepared.insert(previous),
            _ => prepared.insert(self.prepare(backend)?),
        };
        let bias = bias.as_ref();
        match backend {
            Backend::WinogradCached => conv2d_3x3_inference(input, weight, bias, shortcut, relu),
            Backend::Winograd => {
                let filters = transform_filters(weight)?;
                conv2d_3x3_inference(input, &filters, bias, shortcut, relu)
            }
            Backend::OneDnn(..) => self.forward_onednn(input, weight, bias, shortcut, relu),
            Backend::ATen(_) => {
                let ConvParams { stride, padding, groups } = self.params;
                let output = input.f_conv2d(weight, bias, stride, padding, [1, 1], groups);
                add_relu(output.map_err(torch_error)?, shortcut.as_ref(), relu)
            }
        }
    }

    fn select_backend(&self, input: &Tensor) -> Backend {
        if self.params.is_same_3x3() && supports_conv2d_3x3(input, &self.weight) {
            let is_small = self.transformed_filters_len() <= MAX_CACHED_FILTERS_LEN;
            return if is_small { Backend::WinogradCached } else { Backend::Winograd };
        }
        let kind = input.kind();
        // SAFETY: the function has no arguments.
        let has_onednn = has_onednn_kernel(kind) && unsafe { residual_has_onednn() };
        let has_layout = is_channels_last(input) && self.has_multiple_pixels(input);
        if has_onednn && has_layout && self.params.groups == 1 && input.device() == Device::Cpu {
            Backend::OneDnn(input.size(), kind)
        } else {
            Backend::ATen(kind)
        }
    }

    /// Returns whether input and output have more than one pixel each. A single pixel is contiguous
    /// in both memory formats, and libtorch's convolution with a reordered weight assumes the wrong
    /// format.
    fn has_multiple_pixels(&self, input: &Tensor) -> bool {
        let ConvParams { stride, padding, .. } = self.params;
        let (size, kernel) = (input.size(), self.weight.size());
        let output_size = |axis: usize| {
            (size[2 + axis] + 2 * padding[axis] - kernel[2 + axis]) / stride[axis] + 1
        };
        size[2] * size[3] > 1 && output_size(0) * output_size(1) > 1
    }

    /// Returns the number of values of the transformed filters.
    fn transformed_filters_len(&self) -> usize {
        self.weight.numel() * 4
    }

    /// Converts weight and bias to the layout of a backend.
    fn prepare(&self, backend: Backend) -> Result<Prepared> {
        let kind = match backend {
            Backend::OneDnn(_, kind) | Backend::ATen(kind) => kind,
            Backend::WinogradCached | Backend::Winograd => Kind::Float,
        };
        let (weight, bias) = self.scaled_weight_and_bias(kind).map_err(torch_error)?;
        let weight = match &backend {
            Backend::WinogradCached => transform_filters(&weight)?,
            Backend::OneDnn(size, kind) => {
                let ConvParams { stride, padding, groups } = self.params;
                let size = size.as_slice();
                weight
                    .f_to_mkldnn(*kind)
                    .and_then(|weight| {
                        let (stride, dilation) = (stride.as_slice(), [1, 1]);
                        weight
                            .f_mkldnn_reorder_conv2d_weight(padding, stride, dilation, groups, size)
                    })
                    .map_err(torch_error)?
            }
            Backend::Winograd | Backend::ATen(_) => weight,
        };
        Ok(Prepared { backend, weight, bias })
    }

    /// Returns the weight, multiplied by `scale`, and the bias.
    fn scaled_weight_and_bias(
        &self,
        kind: Kind,
    ) -> std::result::Result<(Tensor, Option<Tensor>), TchError> {
        let weight = match &self.scale {
            Some(scale) => self.weight.f_mul(&scale.f_view([-1, 1, 1, 1])?)?,
            None => self.weight.shallow_clone(),
        };
        let bias = self.bias.as_ref().map(|bias| bias.f_to_kind(kind)).transpose()?;
        Ok((weight.f_to_kind(kind)?, bias))
    }

    fn forward_onednn(
        &self,
        input: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        mut shortcut: Option<Tensor>,
        relu: bool,
    ) -> Result<Tensor> {
        // SAFETY: the tensors are alive.
        new_tensor(|output| unsafe {
            residual_onednn_conv2d(
                input.as_ptr(),
                weight.as_ptr(),
                optional_ptr(bias),
                optional_ptr_mut(&mut shortcut),
                relu,
                &self.params,
                output,
            )
        })
    }
}

/// Returns whether oneDNN has a fast kernel for this kind on this CPU.
#[cfg(target_arch = "x86_64")]
fn has_onednn_kernel(kind: Kind) -> bool {
    match kind {
        Kind::Float => SimdLevel::best() != SimdLevel::Scalar,
        // ATen requires AVX-512 for bf16.
        Kind::BFloat16 => SimdLevel::best() == SimdLevel::Avx512,
        _ => false,
    }
}

/// Returns false: on other architectures oneDNN is used only through ATen's convolution. Weights in
/// oneDNN's blocks have not been measured there.
#[cfg(not(target_arch = "x86_64"))]
fn has_onednn_kernel(_: Kind) -> bool {
    false
}

/// Adds `shortcut` to `output` and applies ReLU if `relu`. Works in place, because neither
/// convolution nor batch normalization needs its output in the backward pass.
pub fn add_relu(mut output: Tensor, shortcut: Option<&Tensor>, relu: bool) -> Result<Tensor> {
    if let Some(shortcut) = shortcut {
        output = output.f_add_(shortcut).map_err(torch_error)?;
    }
    if relu { output.f_relu_().map_err(torch_error) } else { Ok(output) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels_last;

    struct Case {
        convolution: FoldedConv,
        weight: Tensor,
        bias: Option<Tensor>,
    }

    fn random(size: &[i64]) -> Tensor {
        channels_last_if_images(Tensor::randn(size, (Kind::Float, Device::Cpu)))
    }

    fn channels_last_if_images(tensor: Tensor) -> Tensor {
        match tensor.dim() {
            4 => channels_last(&tensor).unwrap(),
            _ => tensor,
        }
    }

    fn case([in_channels, out_channels, kernel]: [i64; 3], params: ConvParams, bias: bool) -> Case {
        let weight = random(&[out_channels, in_channels / params.groups, kernel, kernel]);
        let scale = random(&[out_channels]);
        let bias = bias.then(|| random(&[out_channels]));
        let copy = bias.as_ref().map(Tensor::copy);
        let folded = FoldedConv::new(&weight, Some(scale.copy()), copy, params);
        Case { convolution: folded, weight: weight * scale.view([-1, 1, 1, 1]), bias }
    }

    impl Case {
        /// Returns the relative error in the L2 norm, compared with fp64.
        fn error(&self, input: &Tensor, with_shortcut: bool, relu: bool) -> f64 {
            let double = |t: &Tensor| t.to_kind(Kind::Double);
            let ConvParams { stride, padding, groups } = self.convolution.params;
            let bias = self.bias.as_ref().map(double);
            let weight = double(&self.weight);
            let mut reference =
                double(input).conv2d(&weight, bias, stride, padding, [1, 1], groups);
            let shortcut = with_shortcut.then(|| {
                channels_last(&Tensor::randn_like(&reference).to_kind(input.kind())).unwrap()
            });
            if let Some(shortcut) = &shortcut {
                reference += double(shortcut);
            }
            if relu {
                reference = reference.relu();
            }
            let output = self.convolution.forward(input, shortcut, relu).unwrap();
            assert_eq!((output.kind(), output.size()), (input.kind(), reference.size()));
            let error = (double(&output) - &reference).norm() / reference.norm();
            error.double_value(&[])
        }
    }

    fn params(stride: i64, padding: i64, groups: i64) -> ConvParams {
        ConvParams { stride: [stride; 2], padding: [padding; 2], groups }
    }

    #[test]
    fn every_backend_is_near_fp64() {
        tch::manual_seed(1);
        let cases = [
            (case([3, 64, 7], params(2, 3, 1), true), 20),
            (case([64, 64, 3], params(1, 1, 1), true), 28),
            (case([256, 512, 3], params(1, 1, 1), true), 28),
            (case([64, 128, 3], params(2, 1, 1), true), 14),
            (case([64, 128, 1], params(2, 0, 1), false), 14),
            (case([64, 64, 3], params(1, 1, 32), true), 14),
            (case([16, 32, 3], params(1, 1, 1), false), 32),
            (case([16, 32, 3], params(2, 1, 1), true), 2),
            (case([32, 16, 3], params(1, 1, 1), true), 1),
            (case([5, 7, 3], params(1, 1, 1), true), 9),
        ];
        for (index, (case, side)) in cases.iter().enumerate() {
            let in_channels = case.weight.size()[1] * case.convolution.params.groups;
            // Sizes and kinds alternate, so that the weight is converted again.
            for (images, kind) in [
                (2, Kind::Float),
                (1, Kind::Float),
                (4, Kind::BFloat16),
                (2, Kind::Float),
                (1, Kind::Double),
            ] {
                let input =
                    channels_last(&random(&[images, in_channels, *side, *side]).to_kind(kind));
                let input = input.unwrap();
                // The error of the Winograd kernels is up to 3.3e-6 with 256 channels.
                let bound = if kind == Kind::BFloat16 { 1e-2 } else { 4e-6 };
                for (shortcut, relu) in [(false, false), (false, true), (true, true), (true, false)]
                {
                    let error = case.error(&input, shortcut, relu);
                    assert!(error < bound, "{index} {images} {kind:?} {shortcut} {relu} {error}");
                }
                // Contiguous (NCHW) input.
                let error = case.error(&input.contiguous(), true, true);
                assert!(error < bound, "{index} {kind:?} contiguous {error}");
            }
        }
    }

    #[test]
    fn shortcut_without_other_owners_becomes_the_output() {
        tch::manual_seed(1);
        for (case, side) in [
            // Supported by the Winograd kernels and by oneDNN, respectively.
            (case([16, 32, 3], params(1, 1, 1), true), 32),
            (case([64, 32, 1], params(1, 0, 1), true), 8),
        ] {
            let input = random(&[2, case.weight.size()[1], side, side]);
            if matches!(case.convolution.select_backend(&input), Backend::ATen(_)) {
                assert!(!has_onednn_kernel(Kind::Float));
                println!("skipped: ATen's convolution writes to a new tensor");
                continue;
            }
            let shortcut = random(&[2, 32, side, side]);
            let (copy, address) = (shortcut.copy(), shortcut.data_ptr());
            let alias = shortcut.shallow_clone();
            let output = case.convolution.forward(&input, Some(shortcut), true).unwrap();
            assert_ne!(output.data_ptr(), address);
            assert!(alias.equal(&copy));
            let view = alias.narrow(0, 0, 1);
            let output = case.convolution.forward(&input, Some(alias), true).unwrap();
            assert_ne!(output.data_ptr(), address);
            assert!(view.equal(&copy.narrow(0, 0, 1)));

            let address = copy.data_ptr();
            let in_place = case.convolution.forward(&input, Some(copy), true).unwrap();
            assert_eq!(in_place.data_ptr(), address);
            assert!((in_place - output).abs().max().double_value(&[]) < 1e-5);
        }
    }

    #[test]
    fn weight_is_prepared_once_per_input_size() {
        if !has_onednn_kernel(Kind::Float) {
            return println!("skipped: only oneDNN's layout depends on the size");
        }
        let case = case([64, 128, 3], params(2, 1, 1), true);
        let prepare = |size: [i64; 4]| {
            let _ = case.convolution.forward(&random(&size), None, true).unwrap();
            case.convolution.prepared.borrow().as_ref().unwrap().weight.as_ptr() as usize
        };
        let first = prepare([1, 64, 14, 14]);
        assert_eq!(prepare([1, 64, 14, 14]), first);
        assert_ne!(prepare([2, 64, 14, 14]), first);
    }
}
