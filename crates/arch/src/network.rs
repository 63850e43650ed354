//! Description of a network: features, pooling, classifier.

use crate::layer::{
    AdaptiveAvgPool2d, BatchNorm2d, ConvUnit, Hidden, Linear, MaxPool2d, TensorKind, TensorSpec,
};

/// Description of a network. Images of `channels` x `image_size` x `image_size` pass through
/// `features` and `pool`, are flattened, and pass through `hidden` and `head`, which outputs the
/// logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub name: String,
    /// Class name in PyTorch: `ResNet`, `VGG`.
    pub class: &'static str,
    pub channels: u32,
    pub image_size: u32,
    pub features: Vec<Layer>,
    pub pool: AdaptiveAvgPool2d,
    /// Hidden layers of the classifier; empty in residual networks.
    pub hidden: Vec<Hidden>,
    pub head: Linear,
}

/// Layer or block with input and output of shape `[n, channels, height, width]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    Conv(ConvUnit),
    /// Normalization and ReLU after the last block of a pre-activation network.
    NormRelu(BatchNorm2d),
    MaxPool(MaxPool2d),
    Block(Block),
}

/// Residual block: `branch(x) + shortcut(x)`, followed by ReLU (He et al. 2015, figures 2 and 5).
/// With pre-activation (He et al. 2016, figure 4e), normalization and ReLU precede each convolution
/// and nothing follows the sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Name, such as `layer1.0`.
    pub name: String,
    /// Class name: `BasicBlock` or `Bottleneck` as in torchvision, `PreActBlock`,
    /// `PreActBottleneck` or `PlainBlock`.
    pub kind: &'static str,
    /// Normalization before the first convolution of a pre-activation block, with ReLU.
    pub activation: Option<BatchNorm2d>,
    /// Layers of the residual branch. The last layer has no ReLU.
    pub branch: Vec<ConvUnit>,
    pub shortcut: ShortcutPath,
    /// Whether ReLU follows the sum.
    pub relu: bool,
}

/// Shortcut of a block. In a block with `activation`, all shortcuts except the identity use the
/// activated input, as in He et al. 2016.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShortcutPath {
    /// No shortcut, as in plain networks.
    None,
    Identity,
    /// 1x1 convolution (options B and C), with normalization except for pre-activation.
    Projection(ConvUnit),
    /// Subsampling by `stride` (option A), with `pad` zero channels before and after the channels
    /// of the input.
    Pad {
        stride: u32,
        pad: u32,
    },
}

impl Layer {
    /// Returns height and width of the output for a square input.
    pub fn output_size(&self, size: u32) -> u32 {
        match self {
            Layer::Conv(unit) => unit.conv.output_size(size),
            Layer::NormRelu(_) => size,
            Layer::MaxPool(pool) => pool.output_size(size),
            Layer::Block(block) => block.output_size(size),
        }
    }

    fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        match self {
            Layer::Conv(unit) => unit.push_tensors(tensors),
            Layer::NormRelu(norm) => norm.push_tensors(tensors),
            Layer::MaxPool(_) => {}
            Layer::Block(block) => {
                if let Some(norm) = &block.activation {
                    norm.push_tensors(tensors);
                }
                for unit in &block.branch {
                    unit.push_tensors(tensors);
                }
                if let ShortcutPath::Projection(unit) = &block.shortcut {
                    unit.push_tensors(tensors);
                }
            }
        }
    }
}

impl Block {
    /// Returns height and width of the output for a square input.
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

    /// Returns all tensors in the order of PyTorch's `state_dict`, without `num_batches_tracked`,
    /// which PyTorch does not use with a fixed momentum.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut tensors = Vec::new();
        for layer in &self.features {
            layer.push_tensors(&mut tensors);
        }
        for hidden in &self.hidden {
            hidden.linear.push_tensors(&mut tensors);
        }
        self.head.push_tensors(&mut tensors);
        tensors
    }

    /// Returns the residual blocks in forward order.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.features.iter().filter_map(|layer| match layer {
            Layer::Block(block) => Some(block),
            Layer::Conv(_) | Layer::NormRelu(_) | Layer::MaxPool(_) => None,
        })
    }

    /// Returns whether training uses dropout.
    pub fn has_dropout(&self) -> bool {
        self.hidden.iter().any(|hidden| hidden.dropout > 0.0)
    }

    /// Returns height and width of the output of `features` for an image of `size` x `size`.
    pub fn feature_size(&self, size: u32) -> u32 {
        self.features.iter().fold(size, |size, layer| layer.output_size(size))
    }

    /// Returns the number of parameters.
    pub fn parameters(&self) -> u64 {
        let tensors = self.tensors();
        let parameters = tensors.iter().filter(|tensor| tensor.kind == TensorKind::Parameter);
        parameters.map(TensorSpec::numel).sum()
    }

    /// Returns the multiply-accumulate operations of the convolutions and linear layers in the
    /// forward pass of one image (FLOPs in He et al. 2015).
    pub fn macs(&self) -> u64 {
        crate::inspect(self).macs
    }
}
