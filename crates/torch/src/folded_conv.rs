//! Convolutions whose weight no longer changes. It is brought into the order of the kernel that
//! takes the images once, not with every image, and what follows the sum happens in the same pass.

use std::cell::RefCell;

use residual_kernels::SimdLevel;
use residual_spec::Result;
use tch::{Device, Kind, TchError, Tensor};
use torch_sys::C_tensor;

use crate::convolution::{convolution_3x3_filters, convolution_3x3_then};
use crate::{is_channels_last, made, pointer, pointer_mut, supports_conv2d_3x3, torch_error};

unsafe extern "C" {
    fn residual_has_onednn() -> bool;
    fn residual_packed_convolution(
        input: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        shortcut: *mut C_tensor,
        relu: bool,
        geometry: *const ConvParams,
        output: *mut *mut C_tensor,
    ) -> bool;
}

/// How a convolution goes over its images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct ConvParams {
    pub stride: [i64; 2],
    pub padding: [i64; 2],
    pub groups: i64,
}

impl ConvParams {
    /// What [`supports_conv2d_3x3`] does not ask, which sees the tensors only.
    pub fn is_same_3x3(&self) -> bool {
        *self == ConvParams { stride: [1, 1], padding: [1, 1], groups: 1 }
    }
}

/// Transformed filters are kept up to this many numbers (128 to 128 channels); larger ones cost
/// more memory than their making costs time.
const KEPT_FILTERS: usize = 1 << 20;

/// A convolution for evaluation.
pub struct FoldedConv {
    /// Of which the convolution's weight is the product with `scale`, one number for each output.
    weight: Tensor,
    scale: Option<Tensor>,
    bias: Option<Tensor>,
    geometry: ConvParams,
    ready: RefCell<Option<Ready>>,
}

/// The weight and the bias in the form that one way needs.
struct Ready {
    way: Way,
    weight: Tensor,
    bias: Option<Tensor>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// [`convolution_3x3_then`] with filters that are kept.
    Filters,
    /// The same with filters made for every call.
    Winograd,
    /// oneDNN, for inputs of a size and kind.
    Packed(Vec<i64>, Kind),
    /// ATen, in a kind.
    Plain(Kind),
}

impl FoldedConv {
    /// `conv2d(input, weight * scale, bias)`. The tensors are fp32 or fp64, and stay as they are.
    pub fn new(
        weight: &Tensor,
        scale: Option<Tensor>,
        bias: Option<Tensor>,
        geometry: ConvParams,
    ) -> FoldedConv {
        let ready = RefCell::default();
        FoldedConv { weight: weight.detach(), scale, bias, geometry, ready }
    }

    /// The convolution of `input`, plus `shortcut` (of the output's shape), and rectified. In the
    /// input's kind; without gradients. A shortcut that nobody else holds may become the output.
    pub fn forward(&self, input: &Tensor, shortcut: Option<Tensor>, relu: bool) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let way = self.way(input);
        let mut ready = self.ready.borrow_mut();
        let Ready { way, weight, bias } = match ready.take() {
            Some(found) if found.way == way => ready.insert(found),
            _ => ready.insert(self.prepare(way)?),
        };
        let bias = bias.as_ref();
        match way {
            Way::Filters => convolution_3x3_then(input, weight, bias, shortcut, relu),
            Way::Winograd => {
                let filters = convolution_3x3_filters(weight)?;
                convolution_3x3_then(input, &filters, bias, shortcut, relu)
            }
            Way::Packed(..) => self.packed(input, weight, bias, shortcut, relu),
            Way::Plain(_) => {
                let ConvParams { stride, padding, groups } = self.geometry;
                let output = input.f_conv2d(weight, bias, stride, padding, [1, 1], groups);
                add_relu(output.map_err(torch_error)?, shortcut.as_ref(), relu)
            }
        }
    }

    fn way(&self, input: &Tensor) -> Way {
        let same = self.geometry.is_same_3x3();
        if same && supports_conv2d_3x3(input, &self.weight) {
            return match self.filters() <= KEPT_FILTERS {
                true => Way::Filters,
                false => Way::Winograd,
            };
        }
        let kind = input.kind();
        let vectors = match kind {
            Kind::Float => SimdLevel::best() != SimdLevel::Scalar,
            // As ATen asks of the CPU.
            Kind::BFloat16 => SimdLevel::best() == SimdLevel::Avx512,
            _ => false,
        };
        // SAFETY: asks for constants.
        let onednn = vectors && unsafe { residual_has_onednn() };
        let layout = is_channels_last(input) && self.has_many_pixels(input);
        match onednn && layout && self.geometry.groups == 1 && input.device() == Device::Cpu {
            true => Way::Packed(input.size(), kind),
            false => Way::Plain(kind),
        }
    }

    /// Whether input and output are more than one pixel each: a single one lies channels first and
    /// last at the same time, and libtorch's packed convolution takes it for the wrong one.
    fn has_many_pixels(&self, input: &Tensor) -> bool {
        let ConvParams { stride, padding, .. } = self.geometry;
        let (size, kernel) = (input.size(), self.weight.size());
        let output = |axis: usize| {
            (size[2 + axis] + 2 * padding[axis] - kernel[2 + axis]) / stride[axis] + 1
        };
        size[2] * size[3] > 1 && output(0) * output(1) > 1
    }

    /// Numbers of the transformed filters.
    fn filters(&self) -> usize {
        self.weight.numel() * 4
    }

    fn prepare(&self, way: Way) -> Result<Ready> {
        let kind = match way {
            Way::Packed(_, kind) | Way::Plain(kind) => kind,
            Way::Filters | Way::Winograd => Kind::Float,
        };
        let (weight, bias) = self.scaled(kind).map_err(torch_error)?;
        let weight = match &way {
            Way::Filters => convolution_3x3_filters(&weight)?,
            Way::Packed(size, kind) => {
                let ConvParams { stride, padding, groups } = self.geometry;
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
            Way::Winograd | Way::Plain(_) => weight,
        };
        Ok(Ready { way, weight, bias })
    }

    fn scaled(&self, kind: Kind) -> std::result::Result<(Tensor, Option<Tensor>), TchError> {
        let weight = match &self.scale {
            Some(scale) => self.weight.f_mul(&scale.f_view([-1, 1, 1, 1])?)?,
            None => self.weight.shallow_clone(),
        };
        let bias = self.bias.as_ref().map(|bias| bias.f_to_kind(kind)).transpose()?;
        Ok((weight.f_to_kind(kind)?, bias))
    }

    fn packed(
        &self,
        input: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        mut shortcut: Option<Tensor>,
        relu: bool,
    ) -> Result<Tensor> {
        // SAFETY: the tensors are alive.
        made(|output| unsafe {
            residual_packed_convolution(
                input.as_ptr(),
                weight.as_ptr(),
                pointer(bias),
                pointer_mut(&mut shortcut),
                relu,
                &self.geometry,
                output,
            )
        })
    }
}

/// `output + shortcut`, rectified. In place: neither convolution nor normalization needs its output
/// for its gradient.
pub fn add_relu(mut output: Tensor, shortcut: Option<&Tensor>, relu: bool) -> Result<Tensor> {
    if let Some(shortcut) = shortcut {
        output = output.f_add_(shortcut).map_err(torch_error)?;
    }
    match relu {
        true => output.f_relu_().map_err(torch_error),
        false => Ok(output),
    }
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

    fn case([inputs, outputs, side]: [i64; 3], geometry: ConvParams, bias: bool) -> Case {
        let weight = random(&[outputs, inputs / geometry.groups, side, side]);
        let scale = random(&[outputs]);
        let bias = bias.then(|| random(&[outputs]));
        let copy = bias.as_ref().map(Tensor::copy);
        let folded = FoldedConv::new(&weight, Some(scale.copy()), copy, geometry);
        Case { convolution: folded, weight: weight * scale.view([-1, 1, 1, 1]), bias }
    }

    impl Case {
        /// The root of the mean square of the difference from float64, as a share of its own.
        fn error(&self, input: &Tensor, with_shortcut: bool, relu: bool) -> f64 {
            let double = |t: &Tensor| t.to_kind(Kind::Double);
            let ConvParams { stride, padding, groups } = self.convolution.geometry;
            let bias = self.bias.as_ref().map(double);
            let weight = double(&self.weight);
            let mut truth = double(input).conv2d(&weight, bias, stride, padding, [1, 1], groups);
            let shortcut = with_shortcut
                .then(|| channels_last(&Tensor::randn_like(&truth).to_kind(input.kind())).unwrap());
            if let Some(shortcut) = &shortcut {
                truth += double(shortcut);
            }
            if relu {
                truth = truth.relu();
            }
            let found = self.convolution.forward(input, shortcut, relu).unwrap();
            assert_eq!((found.kind(), found.size()), (input.kind(), truth.size()));
            (double(&found) - &truth).norm().double_value(&[]) / truth.norm().double_value(&[])
        }
    }

    fn geometry(stride: i64, padding: i64, groups: i64) -> ConvParams {
        ConvParams { stride: [stride; 2], padding: [padding; 2], groups }
    }

    #[test]
    fn every_way_is_near_float64s() {
        tch::manual_seed(1);
        let cases = [
            (case([3, 64, 7], geometry(2, 3, 1), true), 20),
            (case([64, 64, 3], geometry(1, 1, 1), true), 28),
            (case([256, 512, 3], geometry(1, 1, 1), true), 28),
            (case([64, 128, 3], geometry(2, 1, 1), true), 14),
            (case([64, 128, 1], geometry(2, 0, 1), false), 14),
            (case([64, 64, 3], geometry(1, 1, 32), true), 14),
            (case([16, 32, 3], geometry(1, 1, 1), false), 32),
            (case([16, 32, 3], geometry(2, 1, 1), true), 2),
            (case([32, 16, 3], geometry(1, 1, 1), true), 1),
            (case([5, 7, 3], geometry(1, 1, 1), true), 9),
        ];
        for (number, (case, side)) in cases.iter().enumerate() {
            let inputs = case.weight.size()[1] * case.convolution.geometry.groups;
            // Sizes and kinds that come and go.
            for (images, kind) in [
                (2, Kind::Float),
                (1, Kind::Float),
                (4, Kind::BFloat16),
                (2, Kind::Float),
                (1, Kind::Double),
            ] {
                let input = channels_last(&random(&[images, inputs, *side, *side]).to_kind(kind));
                let input = input.unwrap();
                // The own kernels come to 3.3e-6 with 256 channels.
                let bound = if kind == Kind::BFloat16 { 1e-2 } else { 4e-6 };
                for (shortcut, relu) in [(false, false), (false, true), (true, true), (true, false)]
                {
                    let error = case.error(&input, shortcut, relu);
                    assert!(error < bound, "{number} {images} {kind:?} {shortcut} {relu} {error}");
                }
                // Channels outermost, too.
                let error = case.error(&input.contiguous(), true, true);
                assert!(error < bound, "{number} {kind:?} contiguous {error}");
            }
        }
    }

    #[test]
    fn a_shortcut_becomes_the_output_where_nobody_else_holds_it() {
        tch::manual_seed(1);
        for (case, side) in [
            // By own kernels, and by oneDNN.
            (case([16, 32, 3], geometry(1, 1, 1), true), 32),
            (case([64, 32, 1], geometry(1, 0, 1), true), 8),
        ] {
            let input = random(&[2, case.weight.size()[1], side, side]);
            let shortcut = random(&[2, 32, side, side]);
            let (kept, place) = (shortcut.copy(), shortcut.data_ptr());
            let held = shortcut.shallow_clone();
            let beside = case.convolution.forward(&input, Some(shortcut), true).unwrap();
            assert_ne!(beside.data_ptr(), place);
            assert!(held.equal(&kept));
            let view = held.narrow(0, 0, 1);
            let beside = case.convolution.forward(&input, Some(held), true).unwrap();
            assert_ne!(beside.data_ptr(), place);
            assert!(view.equal(&kept.narrow(0, 0, 1)));

            let place = kept.data_ptr();
            let in_place = case.convolution.forward(&input, Some(kept), true).unwrap();
            assert_eq!(in_place.data_ptr(), place);
            assert!((in_place - beside).abs().max().double_value(&[]) < 1e-5);
        }
    }

    #[test]
    fn a_weight_is_made_ready_once_for_images_of_one_size() {
        let case = case([64, 128, 3], geometry(2, 1, 1), true);
        let ready = |size: [i64; 4]| {
            let _ = case.convolution.forward(&random(&size), None, true).unwrap();
            case.convolution.ready.borrow().as_ref().unwrap().weight.as_ptr() as usize
        };
        let first = ready([1, 64, 14, 14]);
        assert_eq!(ready([1, 64, 14, 14]), first);
        assert_ne!(ready([2, 64, 14, 14]), first);
    }
}
