//! Convolution, batch norm and activation (timm's `ConvNormAct`), the building block of all
//! networks, and the only place where custom kernels replace those of ATen.

use residual_arch::{BatchNorm2d, ConvUnit};
use residual_spec::Result;
use residual_torch::{
    BatchNorm, Conv3x3Output, ConvParams, FoldedConv, add_relu, conv2d_3x3, supports_conv2d_3x3,
    torch_error,
};
use tch::{Kind, TchError, Tensor};

use crate::forward_context::ForwardContext;

/// A [`ConvUnit`] with its tensors.
pub(crate) struct ConvNormAct {
    name: String,
    weight: Tensor,
    bias: Option<Tensor>,
    norm: Option<BatchNormLayer>,
    params: ConvParams,
    relu: bool,
    /// Convolution with folded batch norm, after [`ConvNormAct::fold_batch_norm`].
    folded: Option<FoldedConv>,
}

/// A [`BatchNorm2d`] with its tensors.
pub(crate) struct BatchNormLayer {
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    name: String,
    /// Whether training uses the running statistics and leaves them unchanged.
    is_frozen: bool,
}

impl BatchNormLayer {
    /// Creates the layer; `tensor` returns tensors by key.
    pub fn new(norm: &BatchNorm2d, tensor: impl Fn(&str) -> Tensor) -> BatchNormLayer {
        let name = &norm.name;
        BatchNormLayer {
            gamma: tensor(&format!("{name}.weight")),
            beta: tensor(&format!("{name}.bias")),
            running_mean: tensor(&format!("{name}.running_mean")),
            running_var: tensor(&format!("{name}.running_var")),
            name: name.clone(),
            is_frozen: false,
        }
    }

    /// Freezes the layer if `is_frozen` returns true for its name.
    pub fn freeze(&mut self, is_frozen: &dyn Fn(&str) -> bool) {
        self.is_frozen = is_frozen(&self.name);
    }

    /// Returns the scale and the shift per channel that batch norm applies in evaluation mode.
    fn scale_and_shift(&self) -> std::result::Result<(Tensor, Tensor), TchError> {
        let scale =
            self.gamma.f_mul(&self.running_var.f_add_scalar(BatchNorm2d::EPS)?.f_rsqrt()?)?;
        let shift = self.beta.f_sub(&self.running_mean.f_mul(&scale)?)?;
        Ok((scale, shift))
    }

    /// Computes `relu(batch_norm(input))`.
    pub fn forward_relu(&self, input: &Tensor, context: &ForwardContext) -> Result<Tensor> {
        let epilogue = Epilogue { shortcut: None, relu: true };
        self.forward(input, None, epilogue, context, |_| Ok(()))
    }

    /// Computes batch norm and the epilogue with custom kernels if they support the tensor, and
    /// otherwise with ATen, the reference of these kernels.
    ///
    /// `stats` are the sums over `input` relative to the running mean, if the convolution computed
    /// them (see [`Conv3x3Output`]). `record` is called with the output of the batch norm if ATen
    /// computes it.
    fn forward(
        &self,
        input: &Tensor,
        stats: Option<&Tensor>,
        epilogue: Epilogue,
        context: &ForwardContext,
        record: impl FnOnce(&Tensor) -> Result<()>,
    ) -> Result<Tensor> {
        let norm = self.kernel();
        if self.uses_custom_kernel(input, context) {
            let output = norm.forward(input, stats, epilogue.shortcut.as_ref(), epilogue.relu)?;
            context.check(Some(&self.name), &output)?;
            return Ok(output);
        }
        let output = input
            .f_batch_norm(
                Some(norm.gamma),
                Some(norm.beta),
                Some(norm.running_mean),
                Some(norm.running_var),
                context.training && !self.is_frozen,
                norm.momentum,
                norm.eps,
                true,
            )
            .map_err(torch_error)?;
        record(&output)?;
        context.check(Some(&self.name), &output)?;
        epilogue.apply(output)
    }

    /// Returns whether a custom kernel computes the batch norm of tensors with the kind and layout
    /// of `input`.
    fn uses_custom_kernel(&self, input: &Tensor, context: &ForwardContext) -> bool {
        context.training && !self.is_frozen && self.kernel().supports(input)
    }

    fn kernel(&self) -> BatchNorm<'_> {
        BatchNorm {
            gamma: &self.gamma,
            beta: &self.beta,
            running_mean: &self.running_mean,
            running_var: &self.running_var,
            momentum: BatchNorm2d::MOMENTUM,
            eps: BatchNorm2d::EPS,
        }
    }
}

/// Operations after a batch norm, or after a convolution without one: add the shortcut, then ReLU.
struct Epilogue {
    shortcut: Option<Tensor>,
    relu: bool,
}

impl Epilogue {
    fn apply(self, output: Tensor) -> Result<Tensor> {
        add_relu(output, self.shortcut.as_ref(), self.relu)
    }
}

impl ConvNormAct {
    /// Creates the layer; `tensor` returns tensors by key.
    pub fn new(layer: &ConvUnit, tensor: impl Fn(&str) -> Tensor) -> ConvNormAct {
        let conv = &layer.conv;
        ConvNormAct {
            name: conv.name.clone(),
            weight: tensor(&format!("{}.weight", conv.name)),
            bias: conv.bias.then(|| tensor(&format!("{}.bias", conv.name))),
            norm: layer.norm.as_ref().map(|norm| BatchNormLayer::new(norm, tensor)),
            params: ConvParams {
                stride: [conv.stride.into(); 2],
                padding: [conv.padding.into(); 2],
                groups: conv.groups.into(),
            },
            relu: layer.relu,
            folded: None,
        }
    }

    /// Freezes the batch norm if `is_frozen` returns true for its name.
    pub fn freeze(&mut self, is_frozen: &dyn Fn(&str) -> bool) {
        if let Some(norm) = &mut self.norm {
            norm.freeze(is_frozen);
        }
    }

    /// Folds the batch norm in evaluation mode into the convolution. The layer can then be used for
    /// inference only.
    pub fn fold_batch_norm(&mut self) -> Result<()> {
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
        self.folded = Some(FoldedConv::new(&self.weight, scale, bias, self.params));
        Ok(())
    }

    /// Maps `[n, in, h, w]` to `[n, out, h', w']`. In training, batch norm uses the batch
    /// statistics and updates the running statistics.
    pub fn forward(&self, input: &Tensor, context: &ForwardContext) -> Result<Tensor> {
        Ok(self
            .forward_with_epilogue(input, Epilogue { shortcut: None, relu: self.relu }, context)?
            .0)
    }

    /// As [`forward`](Self::forward), but also returns an alias of the input for an identity
    /// shortcut (see [`Conv3x3Output`]).
    pub fn forward_with_input_alias(
        &self,
        input: &Tensor,
        context: &ForwardContext,
    ) -> Result<(Tensor, Tensor)> {
        self.forward_with_epilogue(input, Epilogue { shortcut: None, relu: self.relu }, context)
    }

    /// Computes the end of a block: `conv_norm(input) + shortcut`, with ReLU if `relu`.
    pub fn forward_add(
        &self,
        input: &Tensor,
        shortcut: Option<Tensor>,
        relu: bool,
        context: &ForwardContext,
    ) -> Result<Tensor> {
        Ok(self.forward_with_epilogue(input, Epilogue { shortcut, relu }, context)?.0)
    }

    /// Returns the output after the epilogue, and an alias of the input.
    fn forward_with_epilogue(
        &self,
        input: &Tensor,
        epilogue: Epilogue,
        context: &ForwardContext,
    ) -> Result<(Tensor, Tensor)> {
        let record = |response: &Tensor| {
            if self.weight.size()[2..] == [3, 3] {
                context.record(&self.name, response)
            } else {
                Ok(())
            }
        };
        if let Some(folded) = &self.folded {
            let input_alias = input.shallow_clone();
            // The fused operation has no intermediate output to record.
            if !context.is_recording() {
                let output = folded.forward(input, epilogue.shortcut, epilogue.relu)?;
                return Ok((output, input_alias));
            }
            let output = folded.forward(input, None, false)?;
            record(&output)?;
            return Ok((epilogue.apply(output)?, input_alias));
        }
        let Conv3x3Output { output, input_alias, stats } = self.convolve(input, context)?;
        context.check(Some(&self.name), &output)?;
        let output = match &self.norm {
            Some(norm) => norm.forward(&output, stats.as_ref(), epilogue, context, record)?,
            None => {
                record(&output)?;
                epilogue.apply(output)?
            }
        };
        Ok((output, input_alias))
    }

    /// Computes the convolution with custom kernels if they support the tensors, and otherwise with
    /// ATen. As in PyTorch's autocast, the weight is cast to the input's kind, while batch norm
    /// keeps float32 parameters and statistics.
    fn convolve(&self, input: &Tensor, context: &ForwardContext) -> Result<Conv3x3Output> {
        let uses_custom_kernel = self.params.is_same_3x3()
            && self.bias.is_none()
            && supports_conv2d_3x3(input, &self.weight);
        if uses_custom_kernel {
            let norm = self.norm.as_ref().filter(|norm| norm.uses_custom_kernel(input, context));
            return conv2d_3x3(input, &self.weight, norm.map(|norm| &norm.running_mean));
        }
        let kind = input.kind();
        let weight = cast(&self.weight, kind)?;
        let bias = self.bias.as_ref().map(|bias| cast(bias, kind)).transpose()?;
        let ConvParams { stride, padding, groups } = self.params;
        let output = input
            .f_conv2d(&weight, bias.as_ref(), stride, padding, [1, 1], groups)
            .map_err(torch_error)?;
        Ok(Conv3x3Output { output, input_alias: input.shallow_clone(), stats: None })
    }
}

/// Casts a tensor to `kind`, without a copy if it already has this kind.
fn cast(tensor: &Tensor, kind: Kind) -> Result<Tensor> {
    if tensor.kind() == kind {
        Ok(tensor.shallow_clone())
    } else {
        tensor.f_to_kind(kind).map_err(torch_error)
    }
}
