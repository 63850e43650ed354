//! Convolution, batch normalisation, ReLU: the operation that networks are made of, and the one
//! place where faster kernels can replace ATen's.

use residual_arch::{BatchNorm2d, ConvUnit};
use residual_spec::Result;
use residual_torch::{
    convolution_3x3, convolution_3x3_then, failure, takes_convolution_3x3, BatchNorm,
};
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
    /// After [`Unit::fold`]: the weight in the type that ATen computes in.
    cast: Option<Tensor>,
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
            cast: None,
        }
    }

    pub fn freeze(&mut self, frozen: &dyn Fn(&str) -> bool) {
        if let Some(norm) = &mut self.norm {
            norm.freeze(frozen);
        }
    }

    /// Makes the normalisation by running statistics a part of the convolution, whose output it
    /// only scales and shifts. For evaluation alone; `kind` is what images are computed in.
    pub fn fold(&mut self, kind: Kind) -> Result<()> {
        let Some(norm) = self.norm.take() else { return Ok(()) };
        let _no_grad = tch::no_grad_guard();
        let folded = norm.scale_and_shift().and_then(|(scale, shift)| {
            let weight = self.weight.f_mul(&scale.f_view([-1, 1, 1, 1])?)?;
            let bias = match &self.bias {
                Some(bias) => bias.f_mul(&scale)?.f_add(&shift)?,
                None => shift,
            };
            Ok((weight, bias))
        });
        let (weight, bias) = folded.map_err(failure)?;
        self.cast = match weight.kind() == kind {
            true => None,
            false => Some(weight.f_to_kind(kind).map_err(failure)?),
        };
        (self.weight, self.bias) = (weight, Some(bias));
        Ok(())
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

    fn run(&self, input: &Tensor, after: After, pass: &Pass) -> Result<Tensor> {
        let ours = self.stride == [1, 1]
            && self.padding == [1, 1]
            && self.groups == 1
            && takes_convolution_3x3(input, &self.weight);
        // In one pass, where nobody looks at what lies between.
        if let (true, None, Some(bias), false) = (ours, &self.norm, &self.bias, pass.training) {
            if !pass.is_watching() && bias.kind() == Kind::Float {
                return convolution_3x3_then(input, &self.weight, bias, after.shortcut, after.relu);
            }
        }
        let output = match ours && self.bias.is_none() {
            true => convolution_3x3(input, &self.weight)?,
            false => self.convolve(input)?,
        };
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

    /// By ATen. As PyTorch's autocast: in the input's precision, the fp32 weight cast once a step;
    /// the normalisation keeps fp32 parameters and statistics.
    fn convolve(&self, input: &Tensor) -> Result<Tensor> {
        let kind = input.kind();
        let weight = match &self.cast {
            Some(cast) if cast.kind() == kind => cast.shallow_clone(),
            _ => cast(&self.weight, kind)?,
        };
        let bias = self.bias.as_ref().map(|bias| cast(bias, kind)).transpose()?;
        input
            .f_conv2d(&weight, bias.as_ref(), self.stride, self.padding, [1, 1], self.groups)
            .map_err(failure)
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
