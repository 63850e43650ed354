//! The layers of a network with their tensors.

use residual_arch::ShortcutPath;
use residual_spec::Result;
use residual_torch::torch_error;
use tch::Tensor;

use crate::conv_norm_act::{BatchNormLayer, ConvNormAct};
use crate::forward_context::ForwardContext;

/// A [`residual_arch::Layer`] with its tensors.
pub(crate) enum Layer {
    Conv(ConvNormAct),
    NormRelu(BatchNormLayer),
    MaxPool { kernel: [i64; 2], stride: [i64; 2], padding: [i64; 2] },
    Block(Block),
}

/// A residual or plain block.
pub(crate) struct Block {
    /// Batch norm and ReLU before the first convolution of a pre-activation block (He et al. 2016).
    activation: Option<BatchNormLayer>,
    branch: Vec<ConvNormAct>,
    shortcut: Shortcut,
    relu: bool,
}

enum Shortcut {
    None,
    Identity,
    Projection(Box<ConvNormAct>),
    Pad { stride: i64, pad: i64 },
}

impl Layer {
    /// Creates the layer; `tensor` returns tensors by key.
    pub fn new(layer: &residual_arch::Layer, tensor: &dyn Fn(&str) -> Tensor) -> Layer {
        match layer {
            residual_arch::Layer::Conv(conv) => Layer::Conv(ConvNormAct::new(conv, tensor)),
            residual_arch::Layer::NormRelu(norm) => {
                Layer::NormRelu(BatchNormLayer::new(norm, tensor))
            }
            residual_arch::Layer::MaxPool(pool) => {
                let square = |n: u32| [i64::from(n); 2];
                let (kernel, stride) = (square(pool.kernel), square(pool.stride));
                Layer::MaxPool { kernel, stride, padding: square(pool.padding) }
            }
            residual_arch::Layer::Block(block) => Layer::Block(Block {
                activation: block.activation.as_ref().map(|norm| BatchNormLayer::new(norm, tensor)),
                branch: block.branch.iter().map(|conv| ConvNormAct::new(conv, tensor)).collect(),
                shortcut: match &block.shortcut {
                    ShortcutPath::None => Shortcut::None,
                    ShortcutPath::Identity => Shortcut::Identity,
                    ShortcutPath::Projection(conv) => {
                        Shortcut::Projection(Box::new(ConvNormAct::new(conv, tensor)))
                    }
                    ShortcutPath::Pad { stride, pad } => {
                        Shortcut::Pad { stride: (*stride).into(), pad: (*pad).into() }
                    }
                },
                relu: block.relu,
            }),
        }
    }

    /// Computes the output. Takes `x` by value, so that its memory is freed as early as possible.
    pub fn forward(&self, x: Tensor, context: &ForwardContext) -> Result<Tensor> {
        match self {
            Layer::Conv(conv) => conv.forward(&x, context),
            Layer::NormRelu(norm) => norm.forward_relu(&x, context),
            Layer::MaxPool { kernel, stride, padding } => {
                x.f_max_pool2d(kernel, stride, padding, [1, 1], false).map_err(torch_error)
            }
            Layer::Block(block) => block.forward(x, context),
        }
    }

    /// Folds batch norms into the convolutions before them.
    pub fn fold_batch_norm(&mut self) -> Result<()> {
        match self {
            Layer::Conv(conv) => conv.fold_batch_norm(),
            // No convolution directly precedes these layers.
            Layer::NormRelu(_) | Layer::MaxPool { .. } => Ok(()),
            Layer::Block(block) => {
                block.branch.iter_mut().try_for_each(|conv| conv.fold_batch_norm())?;
                match &mut block.shortcut {
                    Shortcut::Projection(conv) => conv.fold_batch_norm(),
                    Shortcut::None | Shortcut::Identity | Shortcut::Pad { .. } => Ok(()),
                }
            }
        }
    }

    /// Freezes the batch norms whose names satisfy `is_frozen`.
    pub fn freeze(&mut self, is_frozen: &dyn Fn(&str) -> bool) {
        match self {
            Layer::Conv(conv) => conv.freeze(is_frozen),
            Layer::NormRelu(norm) => norm.freeze(is_frozen),
            Layer::MaxPool { .. } => {}
            Layer::Block(block) => {
                if let Some(norm) = &mut block.activation {
                    norm.freeze(is_frozen);
                }
                for conv in &mut block.branch {
                    conv.freeze(is_frozen);
                }
                match &mut block.shortcut {
                    Shortcut::Projection(conv) => conv.freeze(is_frozen),
                    Shortcut::None | Shortcut::Identity | Shortcut::Pad { .. } => {}
                }
            }
        }
    }
}

impl Block {
    fn forward(&self, x: Tensor, context: &ForwardContext) -> Result<Tensor> {
        let [_, middle @ .., last] = self.branch.as_slice() else {
            unreachable!("a block has at least two layers")
        };
        let (mut y, shortcut) = self.forward_first(x, context)?;
        for conv in middle {
            y = conv.forward(&y, context)?;
        }
        last.forward_add(&y, shortcut, self.relu, context)
    }

    /// Returns the output of the first layer of the branch, and the output of the shortcut.
    fn forward_first(
        &self,
        x: Tensor,
        context: &ForwardContext,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let activated = match &self.activation {
            Some(norm) => norm.forward_relu(&x, context)?,
            None => x.shallow_clone(),
        };
        let (y, input_alias) = self.branch[0].forward_with_input_alias(&activated, context)?;
        let shortcut = match &self.shortcut {
            Shortcut::None => None,
            // The identity starts at the input of the block. In a pre-activation block, the input
            // of the branch is another tensor.
            Shortcut::Identity if self.activation.is_none() => Some(input_alias),
            Shortcut::Identity => Some(x),
            Shortcut::Projection(conv) => Some(conv.forward(&activated, context)?),
            Shortcut::Pad { stride, pad } => {
                // Pooling with a 1x1 window subsamples as slicing does, but its backward pass is
                // one operation instead of four.
                let padded = activated
                    .f_avg_pool2d([1, 1], [*stride; 2], [0, 0], false, true, None)
                    .and_then(|x| x.f_constant_pad_nd([0, 0, 0, 0, *pad, *pad]));
                Some(padded.map_err(torch_error)?)
            }
        };
        Ok((y, shortcut))
    }
}
