//! Convolution, batch normalisation, ReLU: the operation that networks are made of, and the one
//! place where faster kernels can replace ATen's.

use residual_arch::{BatchNorm2d, ConvUnit};
use residual_spec::Result;
use residual_torch::{convolution_3x3, failure, takes_convolution_3x3, BatchNorm};
use tch::{Kind, Tensor};

use crate::pass::Pass;

/// A [`ConvUnit`] with its tensors.
pub(crate) struct Unit {
    name: String,
    weight: Tensor,
    bias: Option<Tensor>,
    norm: Option<Norm>,
    stride: [i64; 2],
    padding: [i64; 2],
    groups: i64,
    relu: bool,
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

    /// `relu(norm(input))`
    pub fn forward_relu(&self, input: &Tensor, pass: &Pass) -> Result<Tensor> {
        self.forward(input, After { shortcut: None, relu: true }, pass, |_| Ok(()))
    }

    /// Own kernels where they take the tensor, else ATen's operations, which are their reference.
    /// `look` sees what leaves the normalisation, in evaluation.
    fn forward(
        &self,
        input: &Tensor,
        after: After,
        pass: &Pass,
        look: impl FnOnce(&Tensor) -> Result<()>,
    ) -> Result<Tensor> {
        let norm = BatchNorm {
            gamma: &self.gamma,
            beta: &self.beta,
            running_mean: &self.mean,
            running_var: &self.var,
            momentum: BatchNorm2d::MOMENTUM,
            eps: BatchNorm2d::EPS,
        };
        let training = pass.training && !self.frozen;
        if training && norm.takes(input) {
            return norm.forward(input, after.shortcut, after.relu);
        }
        let output = input
            .f_batch_norm(
                Some(norm.gamma),
                Some(norm.beta),
                Some(norm.running_mean),
                Some(norm.running_var),
                training,
                norm.momentum,
                norm.eps,
                true,
            )
            .map_err(failure)?;
        look(&output)?;
        after.apply(output)
    }
}

/// What follows a normalisation, or a convolution without one.
struct After<'a> {
    shortcut: Option<&'a Tensor>,
    relu: bool,
}

impl After<'_> {
    /// In place: neither convolution nor normalisation needs its output for its gradient.
    fn apply(self, mut output: Tensor) -> Result<Tensor> {
        if let Some(shortcut) = self.shortcut {
            output = output.f_add_(shortcut).map_err(failure)?;
        }
        match self.relu {
            true => output.f_relu_().map_err(failure),
            false => Ok(output),
        }
    }
}

impl Unit {
    /// Takes its tensors by name.
    pub fn new(layer: &ConvUnit, take: impl Fn(&str) -> Tensor) -> Unit {
        let conv = &layer.conv;
        Unit {
            name: conv.name.clone(),
            weight: take(&format!("{}.weight", conv.name)),
            bias: conv.bias.then(|| take(&format!("{}.bias", conv.name))),
            norm: layer.norm.as_ref().map(|norm| Norm::new(norm, take)),
            stride: [conv.stride.into(); 2],
            padding: [conv.padding.into(); 2],
            groups: conv.groups.into(),
            relu: layer.relu,
        }
    }

    pub fn freeze(&mut self, frozen: &dyn Fn(&str) -> bool) {
        if let Some(norm) = &mut self.norm {
            norm.freeze(frozen);
        }
    }

    /// `[n, in, h, w]` to `[n, out, h', w']`. In training, normalises by the batch's own
    /// statistics and moves the running ones towards them.
    pub fn forward(&self, input: &Tensor, pass: &Pass) -> Result<Tensor> {
        self.run(input, After { shortcut: None, relu: self.relu }, pass)
    }

    /// `unit(input) + shortcut`, with or without a ReLU: how a block ends.
    pub fn forward_add(
        &self,
        input: &Tensor,
        shortcut: Option<&Tensor>,
        relu: bool,
        pass: &Pass,
    ) -> Result<Tensor> {
        self.run(input, After { shortcut, relu }, pass)
    }

    /// Own kernels where they take it, else ATen's, which are their reference. As PyTorch's
    /// autocast, ATen's run in the input's precision, the fp32 weight cast once a step.
    fn convolve(&self, input: &Tensor) -> Result<Tensor> {
        let plain = self.stride == [1, 1] && self.padding == [1, 1] && self.groups == 1;
        if plain && self.bias.is_none() && takes_convolution_3x3(input, &self.weight) {
            return convolution_3x3(input, &self.weight);
        }
        let kind = input.kind();
        let weight = cast(&self.weight, kind)?;
        let bias = self.bias.as_ref().map(|bias| cast(bias, kind)).transpose()?;
        input
            .f_conv2d(&weight, bias.as_ref(), self.stride, self.padding, [1, 1], self.groups)
            .map_err(failure)
    }

    /// The normalisation keeps fp32 parameters and statistics.
    fn run(&self, input: &Tensor, after: After, pass: &Pass) -> Result<Tensor> {
        let output = self.convolve(input)?;
        let look = |response: &Tensor| match self.weight.size()[2..] == [3, 3] {
            true => pass.record(&self.name, response),
            false => Ok(()),
        };
        match &self.norm {
            Some(norm) => norm.forward(&output, after, pass, look),
            None => {
                look(&output)?;
                after.apply(output)
            }
        }
    }
}

fn cast(tensor: &Tensor, kind: Kind) -> Result<Tensor> {
    match tensor.kind() == kind {
        true => Ok(tensor.shallow_clone()),
        false => tensor.f_to_kind(kind).map_err(failure),
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
