//! A network: features, pooling, classifier.

use crate::layer::{
    AdaptiveAvgPool2d, BatchNorm2d, ConvUnit, Hidden, Linear, MaxPool2d, TensorKind, TensorSpec,
};

/// A network as data. Images are `channels` x `image_size` x `image_size`; they pass `features`,
/// `pool` (and are flattened), `hidden` and `head`, whose output are the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub name: String,
    /// PyTorch's class of the whole: `ResNet`, `VGG`.
    pub class: &'static str,
    pub channels: u32,
    pub image_size: u32,
    pub features: Vec<Layer>,
    pub pool: AdaptiveAvgPool2d,
    /// What a classifier has before its last layer: nothing in residual networks.
    pub hidden: Vec<Hidden>,
    pub head: Linear,
}

/// One layer or block of the part that works on `[n, channels, height, width]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    Conv(ConvUnit),
    /// A normalisation and its ReLU by themselves: how the features of a pre-activation network
    /// end.
    NormRelu(BatchNorm2d),
    MaxPool(MaxPool2d),
    Block(Block),
}

/// `branch(x) + shortcut(x)`, and a ReLU behind the sum: the paper's building block (figures 2
/// and 5). With pre-activation (He et al. 2016, figure 4e), normalisation and ReLU come before each
/// convolution, and nothing behind the sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// `layer1.0`.
    pub name: String,
    /// The class that torchvision or the field calls it by: `BasicBlock`, `Bottleneck`,
    /// `PreActBlock`, `PreActBottleneck`, `PlainBlock`.
    pub kind: &'static str,
    /// The first normalisation and ReLU of a pre-activation block.
    pub activation: Option<BatchNorm2d>,
    /// The layers of the branch; the last one has no ReLU of its own.
    pub branch: Vec<ConvUnit>,
    pub shortcut: ShortcutPath,
    /// Whether a ReLU follows the sum.
    pub relu: bool,
}

/// What is added to a block's branch. Behind an `activation`, all but the identity start from the
/// activated input (as He et al. 2016 do where the shape changes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShortcutPath {
    /// Nothing: a plain network.
    None,
    Identity,
    /// Options B and C: 1x1 convolution, and normalisation unless it is pre-activated.
    Projection(ConvUnit),
    /// Option A: every `stride`-th pixel, with `pad` zero channels before and behind.
    Pad {
        stride: u32,
        pad: u32,
    },
}

impl Layer {
    /// Height and width of the output, for a square input.
    pub fn output_size(&self, size: u32) -> u32 {
        match self {
            Layer::Conv(unit) => unit.conv.output_size(size),
            Layer::NormRelu(_) => size,
            Layer::MaxPool(pool) => pool.output_size(size),
            Layer::Block(block) => block.output_size(size),
        }
    }

    fn tensors(&self, into: &mut Vec<TensorSpec>) {
        match self {
            Layer::Conv(unit) => unit.tensors(into),
            Layer::NormRelu(norm) => norm.tensors(into),
            Layer::MaxPool(_) => {}
            Layer::Block(block) => {
                if let Some(norm) = &block.activation {
                    norm.tensors(into);
                }
                for unit in &block.branch {
                    unit.tensors(into);
                }
                if let ShortcutPath::Projection(unit) = &block.shortcut {
                    unit.tensors(into);
                }
            }
        }
    }
}

impl Block {
    pub fn output_size(&self, size: u32) -> u32 {
        self.branch.iter().fold(size, |size, unit| unit.conv.output_size(size))
    }

    pub fn out_channels(&self) -> u32 {
        self.branch.last().map_or(0, |unit| unit.conv.out_channels)
    }
}

impl Network {
    pub fn classes(&self) -> u32 {
        self.head.out_features
    }

    /// Every tensor, in the order of PyTorch's `state_dict` (which also holds a
    /// `num_batches_tracked` for each normalisation; with a fixed momentum nothing reads it).
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut all = Vec::new();
        for layer in &self.features {
            layer.tensors(&mut all);
        }
        for hidden in &self.hidden {
            hidden.linear.tensors(&mut all);
        }
        self.head.tensors(&mut all);
        all
    }

    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.features.iter().filter_map(|layer| match layer {
            Layer::Block(block) => Some(block),
            _ => None,
        })
    }

    /// Whether a training step leaves a random part out.
    pub fn has_dropout(&self) -> bool {
        self.hidden.iter().any(|hidden| hidden.dropout > 0.0)
    }

    /// Height and width of what `features` makes of an image of `size` x `size`.
    pub fn feature_size(&self, size: u32) -> u32 {
        self.features.iter().fold(size, |size, layer| layer.output_size(size))
    }

    /// Trainable numbers.
    pub fn parameters(&self) -> u64 {
        let tensors = self.tensors();
        let trained = tensors.iter().filter(|tensor| tensor.kind == TensorKind::Parameter);
        trained.map(TensorSpec::elements).sum()
    }

    /// Multiply-adds of one image's forward pass: convolutions and linear layers, as the paper
    /// counts.
    pub fn macs(&self) -> u64 {
        crate::inspect(self).macs
    }
}
