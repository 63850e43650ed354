//! Convolution, batch normalisation, ReLU: the operation that networks are made of, and the one
//! place where faster kernels can replace ATen's.

use residual_arch::{BatchNorm2d, ConvUnit};
use residual_spec::Result;
use residual_torch::{
    BatchNorm, Conv3x3Output, ConvParams, FoldedConv, add_relu, conv2d_3x3, supports_conv2d_3x3,
    torch_error,
};
use tch::{Kind, Tensor};

use crate::forward_context::ForwardContext;

/// A [`ConvUnit`] with its tensors.
pub(crate) struct ConvNormAct {
    name: String,
    weight: Tensor,
    bias: Option<Tensor>,
    norm: Option<Norm>,
    geometry: ConvParams,
    relu: bool,
    /// After [`ConvNormAct::fold`], what stands for all of the above.
    folded: Option<FoldedConv>,
}

/// A [`BatchNorm2d`] with its tensors.
pub(crate) struct Norm {
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    var: Tensor,
    name: String,
    /// Normalises by its running statistics in training, too, and leaves them as they are.
    frozen: bool,
}

impl Norm {
    /// Takes its tensors by name.
    pub fn new(norm: &BatchNorm2d, take: impl Fn(&str) -> Tensor) -> Norm {
        let name = &norm.name;
        Norm {
            gamma: take(&format!("{name}.weight")),
            beta: take(&format!("{name}.bias")),
            mean: take(&format!("{name}.running_mean")),
            var: take(&format!("{name}.running_var")),
            name: name.clone(),
            frozen: false,
        }
    }

    pub fn freeze(&mut self, frozen: &dyn Fn(&str) -> bool) {
        self.frozen = frozen(&self.name);
    }

    /// What normalising by the running statistics multiplies a channel by, and then adds.
    fn scale_and_shift(&self) -> std::result::Result<(Tensor, Tensor), tch::TchError> {
        let scale = self.gamma.f_mul(&self.var.f_add_scalar(BatchNorm2d::EPS)?.f_rsqrt()?)?;
        let shift = self.beta.f_sub(&self.mean.f_mul(&scale)?)?;
        Ok((scale, shift))
    }

    /// `relu(norm(input))`
    pub fn forward_relu(&self, input: &Tensor, pass: &ForwardContext) -> Result<Tensor> {
        self.forward(input, None, After { shortcut: None, relu: true }, pass, |_| Ok(()))
    }

    /// Own kernels where they take the tensor, else ATen's operations, which are their reference.
    /// `sums` are what the convolution before knows of `input`, about the running mean; `look` sees
    /// what leaves the normalisation, in evaluation.
    fn forward(
        &self,
        input: &Tensor,
        sums: Option<&Tensor>,
        after: After,
        pass: &ForwardContext,
        look: impl FnOnce(&Tensor) -> Result<()>,
    ) -> Result<Tensor> {
        let norm = self.with_tensors();
        if self.uses_kernels(input, pass) {
            return norm.forward(input, sums, after.shortcut.as_ref(), after.relu);
        }
        let output = input
            .f_batch_norm(
                Some(norm.gamma),
                Some(norm.beta),
                Some(norm.running_mean),
                Some(norm.running_var),
                pass.training && !self.frozen,
                norm.momentum,
                norm.eps,
                true,
            )
            .map_err(torch_error)?;
        look(&output)?;
        after.apply(output)
    }

    /// Whether own kernels take a tensor of this kind and layout.
    fn uses_kernels(&self, like: &Tensor, pass: &ForwardContext) -> bool {
        pass.training && !self.frozen && self.with_tensors().supports(like)
    }

    fn with_tensors(&self) -> BatchNorm<'_> {
        BatchNorm {
            gamma: &self.gamma,
            beta: &self.beta,
            running_mean: &self.mean,
            running_var: &self.var,
            momentum: BatchNorm2d::MOMENTUM,
            eps: BatchNorm2d::EPS,
        }
    }
}

/// What follows a normalisation, or a convolution without one.
struct After {
    shortcut: Option<Tensor>,
    relu: bool,
}

impl After {
    fn apply(self, output: Tensor) -> Result<Tensor> {
        add_relu(output, self.shortcut.as_ref(), self.relu)
    }
}

impl ConvNormAct {
    /// Takes its tensors by name.
    pub fn new(layer: &ConvUnit, take: impl Fn(&str) -> Tensor) -> ConvNormAct {
        let conv = &layer.conv;
        ConvNormAct {
            name: conv.name.clone(),
            weight: take(&format!("{}.weight", conv.name)),
            bias: conv.bias.then(|| take(&format!("{}.bias", conv.name))),
            norm: layer.norm.as_ref().map(|norm| Norm::new(norm, take)),
            geometry: ConvParams {
                stride: [conv.stride.into(); 2],
                padding: [conv.padding.into(); 2],
                groups: conv.groups.into(),
            },
            relu: layer.relu,
            folded: None,
        }
    }

    pub fn freeze(&mut self, frozen: &dyn Fn(&str) -> bool) {
        if let Some(norm) = &mut self.norm {
            norm.freeze(frozen);
        }
    }

    /// Makes the normalisation by running statistics a part of the convolution, whose output it
    /// only scales and shifts. For evaluation alone.
    pub fn fold(&mut self) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        let bias = self.bias.as_ref().map(Tensor::shallow_clone);
        let (scale, bias) = match self.norm.take() {
            None => (None, bias),
            Some(norm) => {
                let (scale, shift) = norm.scale_and_shift().map_err(torch_error)?;
                let bias = match bias {
                    Some(bias) => bias
                        .f_mul(&scale)
                        .and_then(|bias| bias.f_add(&shift))
                        .map_err(torch_error)?,
                    None => shift,
                };
                (Some(scale), Some(bias))
            }
        };
        self.folded = Some(FoldedConv::new(&self.weight, scale, bias, self.geometry));
        Ok(())
    }

    /// `[n, in, h, w]` to `[n, out, h', w']`. In training, normalises by the batch's own
    /// statistics and moves the running ones towards them.
    pub fn forward(&self, input: &Tensor, pass: &ForwardContext) -> Result<Tensor> {
        Ok(self.run(input, After { shortcut: None, relu: self.relu }, pass)?.0)
    }

    /// The same, and the input once more for the shortcut past it: see [`Conv3x3Output`].
    pub fn forward_again(&self, input: &Tensor, pass: &ForwardContext) -> Result<(Tensor, Tensor)> {
        self.run(input, After { shortcut: None, relu: self.relu }, pass)
    }

    /// `unit(input) + shortcut`, with or without a ReLU: how a block ends.
    pub fn forward_add(
        &self,
        input: &Tensor,
        shortcut: Option<Tensor>,
        relu: bool,
        pass: &ForwardContext,
    ) -> Result<Tensor> {
        Ok(self.run(input, After { shortcut, relu }, pass)?.0)
    }

    fn run(&self, input: &Tensor, after: After, pass: &ForwardContext) -> Result<(Tensor, Tensor)> {
        let look = |response: &Tensor| match self.weight.size()[2..] == [3, 3] {
            true => pass.record(&self.name, response),
            false => Ok(()),
        };
        if let Some(folded) = &self.folded {
            let again = input.shallow_clone();
            // In one pass, where nobody looks at what lies between.
            if !pass.is_watching() {
                return Ok((folded.forward(input, after.shortcut, after.relu)?, again));
            }
            let output = folded.forward(input, None, false)?;
            look(&output)?;
            return Ok((after.apply(output)?, again));
        }
        let Conv3x3Output { output, input_alias: again, stats: sums } =
            self.convolve(input, pass)?;
        let output = match &self.norm {
            Some(norm) => norm.forward(&output, sums.as_ref(), after, pass, look)?,
            None => {
                look(&output)?;
                after.apply(output)?
            }
        };
        Ok((output, again))
    }

    /// By own kernels where they take the tensors, else by ATen. As PyTorch's autocast: in the
    /// input's precision, the fp32 weight cast once a step; the normalisation keeps fp32 parameters
    /// and statistics.
    fn convolve(&self, input: &Tensor, pass: &ForwardContext) -> Result<Conv3x3Output> {
        let ours = self.geometry.is_same_3x3()
            && self.bias.is_none()
            && supports_conv2d_3x3(input, &self.weight);
        if ours {
            let norm = self.norm.as_ref().filter(|norm| norm.uses_kernels(input, pass));
            return conv2d_3x3(input, &self.weight, norm.map(|norm| &norm.mean));
        }
        let kind = input.kind();
        let weight = cast(&self.weight, kind)?;
        let bias = self.bias.as_ref().map(|bias| cast(bias, kind)).transpose()?;
        let ConvParams { stride, padding, groups } = self.geometry;
        let output = input
            .f_conv2d(&weight, bias.as_ref(), stride, padding, [1, 1], groups)
            .map_err(torch_error)?;
        Ok(Conv3x3Output { output, input_alias: input.shallow_clone(), stats: None })
    }
}

fn cast(tensor: &Tensor, kind: Kind) -> Result<Tensor> {
    match tensor.kind() == kind {
        true => Ok(tensor.shallow_clone()),
        false => tensor.f_to_kind(kind).map_err(torch_error),
    }
}

/// The kind that a convolution computes in.
pub(crate) fn compute_kind(precision: residual_spec::Precision) -> Kind {
    match precision {
        residual_spec::Precision::Fp32 => Kind::Float,
        residual_spec::Precision::Bf16 => Kind::BFloat16,
        residual_spec::Precision::Fp16 => Kind::Half,
        residual_spec::Precision::Fp64 => Kind::Double,
    }
}
