//! A residual network: stem, stages of blocks, head.

use crate::layer::{ConvNorm, Linear, MaxPool2d, TensorKind, TensorSpec};

/// A residual network as data. Images are `channels` x `image_size` x `image_size`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub name: String,
    pub channels: u32,
    pub image_size: u32,
    pub stem: ConvNorm,
    pub pool: Option<MaxPool2d>,
    pub stages: Vec<Stage>,
    /// Behind global average pooling.
    pub head: Linear,
}

/// Blocks of one resolution (`layer1` ... `layer4`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    pub name: String,
    pub blocks: Vec<Block>,
}

/// `relu(branch(x) + shortcut(x))`: the paper's building block (figures 2 and 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// `layer1.0`.
    pub name: String,
    /// torchvision's class: `BasicBlock` or `Bottleneck`.
    pub kind: &'static str,
    /// The layers of the branch; the last one is added before its ReLU.
    pub branch: Vec<ConvNorm>,
    pub shortcut: ShortcutPath,
}

/// What is added to a block's branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShortcutPath {
    Identity,
    /// Options B and C: 1x1 convolution and normalisation.
    Projection(ConvNorm),
    /// Option A: every `stride`-th pixel, with `pad` zero channels before and behind.
    Pad {
        stride: u32,
        pad: u32,
    },
}

impl Network {
    pub fn classes(&self) -> u32 {
        self.head.out_features
    }

    /// Every tensor, in the order of PyTorch's `state_dict` (which also holds a
    /// `num_batches_tracked` for each normalisation; with a fixed momentum nothing reads it).
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut all = Vec::new();
        self.stem.tensors(&mut all);
        for block in self.blocks() {
            for unit in &block.branch {
                unit.tensors(&mut all);
            }
            if let ShortcutPath::Projection(unit) = &block.shortcut {
                unit.tensors(&mut all);
            }
        }
        self.head.tensors(&mut all);
        all
    }

    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.stages.iter().flat_map(|stage| &stage.blocks)
    }

    /// Trainable numbers.
    pub fn parameters(&self) -> u64 {
        let tensors = self.tensors();
        let trained = tensors.iter().filter(|tensor| tensor.kind == TensorKind::Parameter);
        trained.map(TensorSpec::elements).sum()
    }

    /// Multiply-adds of one image's forward pass: convolutions and the head, as the paper counts.
    pub fn macs(&self) -> u64 {
        crate::inspect(self).macs
    }
}
