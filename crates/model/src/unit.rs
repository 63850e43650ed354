//! Convolution, batch normalisation, ReLU: the operation that networks are made of, and the one
//! place where faster kernels can replace ATen's.

use residual_arch::{BatchNorm2d, ConvNorm};
use residual_spec::Result;
use residual_torch::failure;
use tch::{Kind, Tensor};

/// A [`ConvNorm`] with its tensors.
pub(crate) struct Unit {
    pub weight: Tensor,
    pub gamma: Tensor,
    pub beta: Tensor,
    pub mean: Tensor,
    pub var: Tensor,
    stride: [i64; 2],
    padding: [i64; 2],
    relu: bool,
}

impl Unit {
    /// Takes its tensors by name.
    pub fn new(layer: &ConvNorm, mut take: impl FnMut(&str) -> Tensor) -> Unit {
        let (conv, norm) = (&layer.conv, &layer.norm.name);
        Unit {
            weight: take(&format!("{}.weight", conv.name)),
            gamma: take(&format!("{norm}.weight")),
            beta: take(&format!("{norm}.bias")),
            mean: take(&format!("{norm}.running_mean")),
            var: take(&format!("{norm}.running_var")),
            stride: [conv.stride.into(); 2],
            padding: [conv.padding.into(); 2],
            relu: layer.relu,
        }
    }

    /// `[n, in, h, w]` to `[n, out, h', w']`. In training, normalises by the batch's own
    /// statistics and moves the running ones towards them.
    pub fn forward(&self, input: &Tensor, training: bool) -> Result<Tensor> {
        let output = self.normalised(input, training)?;
        match self.relu {
            // In place: batch-norm's gradient needs its input, not its output.
            true => { output }.f_relu_().map_err(failure),
            false => Ok(output),
        }
    }

    /// `relu(unit(input) + shortcut)`: how a block ends.
    pub fn forward_add_relu(
        &self,
        input: &Tensor,
        shortcut: &Tensor,
        training: bool,
    ) -> Result<Tensor> {
        let output = self.normalised(input, training)?;
        { output }.f_add_(shortcut).and_then(|mut sum| sum.f_relu_()).map_err(failure)
    }

    fn normalised(&self, input: &Tensor, training: bool) -> Result<Tensor> {
        // As PyTorch's autocast: the convolution runs in the input's precision, its fp32 weight
        // cast once a step; the normalisation keeps fp32 parameters and statistics.
        let kind = input.kind();
        let cast = match self.weight.kind() == kind {
            true => self.weight.shallow_clone(),
            false => self.weight.f_to_kind(kind).map_err(failure)?,
        };
        input
            .f_conv2d::<Tensor>(&cast, None, self.stride, self.padding, [1, 1], 1)
            .and_then(|output| {
                output.f_batch_norm(
                    Some(&self.gamma),
                    Some(&self.beta),
                    Some(&self.mean),
                    Some(&self.var),
                    training,
                    BatchNorm2d::MOMENTUM,
                    BatchNorm2d::EPS,
                    true,
                )
            })
            .map_err(failure)
    }
}

/// The kind that a convolution computes in.
pub(crate) fn compute_kind(precision: residual_spec::Precision) -> Kind {
    match precision {
        residual_spec::Precision::Fp32 => Kind::Float,
        residual_spec::Precision::Bf16 => Kind::BFloat16,
        residual_spec::Precision::Fp64 => Kind::Double,
    }
}
