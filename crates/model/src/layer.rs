//! The layers of an `arch` network with their tensors.

use residual_arch::ShortcutPath;
use residual_spec::Result;
use residual_torch::torch_error;
use tch::Tensor;

use crate::conv_norm_act::{ConvNormAct, Norm};
use crate::forward_context::ForwardContext;

/// A [`residual_arch::Layer`] with its tensors.
pub(crate) enum Layer {
    Conv(ConvNormAct),
    NormRelu(Norm),
    MaxPool { kernel: [i64; 2], stride: [i64; 2], padding: [i64; 2] },
    Block(Block),
}

pub(crate) struct Block {
    activation: Option<Norm>,
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
    /// Takes its tensors by name.
    pub fn new(layer: &residual_arch::Layer, take: &dyn Fn(&str) -> Tensor) -> Layer {
        match layer {
            residual_arch::Layer::Conv(unit) => Layer::Conv(ConvNormAct::new(unit, take)),
            residual_arch::Layer::NormRelu(norm) => Layer::NormRelu(Norm::new(norm, take)),
            residual_arch::Layer::MaxPool(pool) => {
                let square = |n: u32| [i64::from(n); 2];
                let (kernel, stride) = (square(pool.kernel), square(pool.stride));
                Layer::MaxPool { kernel, stride, padding: square(pool.padding) }
            }
            residual_arch::Layer::Block(block) => Layer::Block(Block {
                activation: block.activation.as_ref().map(|norm| Norm::new(norm, take)),
                branch: block.branch.iter().map(|unit| ConvNormAct::new(unit, take)).collect(),
                shortcut: match &block.shortcut {
                    ShortcutPath::None => Shortcut::None,
                    ShortcutPath::Identity => Shortcut::Identity,
                    ShortcutPath::Projection(unit) => {
                        Shortcut::Projection(Box::new(ConvNormAct::new(unit, take)))
                    }
                    ShortcutPath::Pad { stride, pad } => {
                        Shortcut::Pad { stride: (*stride).into(), pad: (*pad).into() }
                    }
                },
                relu: block.relu,
            }),
        }
    }

    /// An `x` that nobody else holds is given up as soon as may be.
    pub fn forward(&self, x: Tensor, pass: &ForwardContext) -> Result<Tensor> {
        match self {
            Layer::Conv(unit) => unit.forward(&x, pass),
            Layer::NormRelu(norm) => norm.forward_relu(&x, pass),
            Layer::MaxPool { kernel, stride, padding } => {
                x.f_max_pool2d(kernel, stride, padding, [1, 1], false).map_err(torch_error)
            }
            Layer::Block(block) => block.forward(x, pass),
        }
    }

    /// Makes normalisations a part of the convolutions before them.
    pub fn fold(&mut self) -> Result<()> {
        match self {
            Layer::Conv(unit) => unit.fold(),
            // What comes before these is an addition, or they stand alone.
            Layer::NormRelu(_) | Layer::MaxPool { .. } => Ok(()),
            Layer::Block(block) => {
                block.branch.iter_mut().try_for_each(|unit| unit.fold())?;
                match &mut block.shortcut {
                    Shortcut::Projection(unit) => unit.fold(),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Tells every normalisation whether it is one of the frozen.
    pub fn freeze(&mut self, frozen: &dyn Fn(&str) -> bool) {
        match self {
            Layer::Conv(unit) => unit.freeze(frozen),
            Layer::NormRelu(norm) => norm.freeze(frozen),
            Layer::MaxPool { .. } => {}
            Layer::Block(block) => {
                if let Some(norm) = &mut block.activation {
                    norm.freeze(frozen);
                }
                for unit in &mut block.branch {
                    unit.freeze(frozen);
                }
                if let Shortcut::Projection(unit) = &mut block.shortcut {
                    unit.freeze(frozen);
                }
            }
        }
    }
}

impl Block {
    fn forward(&self, x: Tensor, pass: &ForwardContext) -> Result<Tensor> {
        let [_, between @ .., last] = self.branch.as_slice() else {
            unreachable!("a block has two layers at least")
        };
        let (mut y, shortcut) = self.begin(x, pass)?;
        for unit in between {
            y = unit.forward(&y, pass)?;
        }
        last.forward_add(&y, shortcut, self.relu, pass)
    }

    /// What the first layer makes of `x`, and what is added at the end.
    fn begin(&self, x: Tensor, pass: &ForwardContext) -> Result<(Tensor, Option<Tensor>)> {
        let activated = match &self.activation {
            Some(norm) => norm.forward_relu(&x, pass)?,
            None => x.shallow_clone(),
        };
        let (y, again) = self.branch[0].forward_again(&activated, pass)?;
        let shortcut = match &self.shortcut {
            Shortcut::None => None,
            // Of the block's input, which is not the branch's where that is activated first.
            Shortcut::Identity if self.activation.is_none() => Some(again),
            Shortcut::Identity => Some(x),
            Shortcut::Projection(unit) => Some(unit.forward(&activated, pass)?),
            Shortcut::Pad { stride, pad } => {
                // Windows of one pixel: its gradient is one pass, that of slices is four.
                let padded = activated
                    .f_avg_pool2d([1, 1], [*stride; 2], [0, 0], false, true, None)
                    .and_then(|x| x.f_constant_pad_nd([0, 0, 0, 0, *pad, *pad]));
                Some(padded.map_err(torch_error)?)
            }
        };
        Ok((y, shortcut))
    }
}
