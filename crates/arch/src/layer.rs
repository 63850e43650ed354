//! The layers that networks are made of: their shapes, parameters and multiply-adds.

use crate::Init;

/// A convolution. Square kernels, zero padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conv2d {
    pub name: String,
    pub in_channels: u32,
    pub out_channels: u32,
    pub kernel: u32,
    pub stride: u32,
    pub padding: u32,
    /// Each group of output channels sees its own share of the input's.
    pub groups: u32,
    pub bias: bool,
    /// Begin with weights of zero.
    pub zero_init: bool,
}

/// Batch normalisation over N, H and W; PyTorch's eps 1e-5 and momentum 0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchNorm2d {
    pub name: String,
    pub channels: u32,
    /// Begin with a weight of zero instead of one.
    pub zero_init: bool,
}

impl BatchNorm2d {
    pub const EPS: f64 = 1e-5;
    pub const MOMENTUM: f64 = 0.1;

    /// Weight and bias.
    pub fn parameters(&self) -> u64 {
        2 * u64::from(self.channels)
    }
}

/// A convolution, perhaps its normalisation, and perhaps a ReLU: the unit that networks are built
/// of and that kernels may fuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvUnit {
    pub conv: Conv2d,
    pub norm: Option<BatchNorm2d>,
    pub relu: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxPool2d {
    pub name: String,
    pub kernel: u32,
    pub stride: u32,
    pub padding: u32,
}

/// Averages down to `size` x `size`, whatever the input's height and width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdaptiveAvgPool2d {
    pub name: String,
    pub size: u32,
}

/// `y = x W^T + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    pub name: String,
    pub in_features: u32,
    pub out_features: u32,
    pub init: LinearInit,
}

/// How a linear layer's weights begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LinearInit {
    /// PyTorch's: weights and bias uniform, up to `1 / sqrt(in_features)`.
    Uniform,
    /// Weights normal, bias zero.
    Normal { std: f64 },
}

/// A hidden layer of a classifier: linear, ReLU, dropout.
#[derive(Debug, Clone, PartialEq)]
pub struct Hidden {
    pub linear: Linear,
    /// The share of features that a training step leaves out.
    pub dropout: f64,
}

/// Height or width after a window of `kernel` moved by `stride` over `size` padded pixels.
fn windows(size: u32, kernel: u32, stride: u32, padding: u32) -> u32 {
    (size + 2 * padding - kernel) / stride + 1
}

impl Conv2d {
    /// Height and width of the output, for a square input.
    pub fn output_size(&self, size: u32) -> u32 {
        windows(size, self.kernel, self.stride, self.padding)
    }

    /// Weights and biases.
    pub fn parameters(&self) -> u64 {
        self.weights() + if self.bias { u64::from(self.out_channels) } else { 0 }
    }

    /// Multiply-adds for one image of `size` x `size`.
    pub fn macs(&self, size: u32) -> u64 {
        u64::from(self.output_size(size)).pow(2) * self.weights()
    }

    fn weights(&self) -> u64 {
        self.weight_shape().iter().product()
    }

    /// `[out, in / groups, kernel, kernel]`
    fn weight_shape(&self) -> [u64; 4] {
        let (o, i, k) = (self.out_channels, self.in_channels / self.groups, self.kernel);
        [o.into(), i.into(), k.into(), k.into()]
    }
}

impl MaxPool2d {
    pub fn output_size(&self, size: u32) -> u32 {
        windows(size, self.kernel, self.stride, self.padding)
    }
}

impl Linear {
    pub fn parameters(&self) -> u64 {
        u64::from(self.in_features + 1) * u64::from(self.out_features)
    }

    pub fn macs(&self) -> u64 {
        u64::from(self.in_features) * u64::from(self.out_features)
    }
}

/// Whether a tensor is trained or only kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorKind {
    /// Moved by the optimizer.
    Parameter,
    /// Running mean or variance of a batch normalisation.
    Statistic,
}

/// One named tensor of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorSpec {
    pub name: String,
    pub shape: Vec<u64>,
    pub kind: TensorKind,
    pub init: Init,
}

impl TensorSpec {
    pub fn elements(&self) -> u64 {
        self.shape.iter().product()
    }

    /// The name of the layer that it belongs to.
    pub fn layer(&self) -> &str {
        self.name.rsplit_once('.').map_or(&self.name, |(layer, _)| layer)
    }
}

impl Conv2d {
    pub(crate) fn tensors(&self, into: &mut Vec<TensorSpec>) {
        // He et al. 2015 (arXiv:1502.01852), fan-out, as torchvision has it.
        let fan_out = f64::from(self.out_channels * self.kernel * self.kernel);
        into.push(TensorSpec {
            name: format!("{}.weight", self.name),
            shape: self.weight_shape().to_vec(),
            kind: TensorKind::Parameter,
            init: if self.zero_init {
                Init::Zeros
            } else {
                Init::Normal { std: (2.0 / fan_out).sqrt() }
            },
        });
        if self.bias {
            into.push(TensorSpec {
                name: format!("{}.bias", self.name),
                shape: vec![self.out_channels.into()],
                kind: TensorKind::Parameter,
                init: Init::Zeros,
            });
        }
    }
}

impl BatchNorm2d {
    pub(crate) fn tensors(&self, into: &mut Vec<TensorSpec>) {
        let weight = if self.zero_init { Init::Zeros } else { Init::Ones };
        for (part, kind, init) in [
            ("weight", TensorKind::Parameter, weight),
            ("bias", TensorKind::Parameter, Init::Zeros),
            ("running_mean", TensorKind::Statistic, Init::Zeros),
            ("running_var", TensorKind::Statistic, Init::Ones),
        ] {
            into.push(TensorSpec {
                name: format!("{}.{part}", self.name),
                shape: vec![self.channels.into()],
                kind,
                init,
            });
        }
    }
}

impl ConvUnit {
    pub(crate) fn tensors(&self, into: &mut Vec<TensorSpec>) {
        self.conv.tensors(into);
        if let Some(norm) = &self.norm {
            norm.tensors(into);
        }
    }
}

impl Linear {
    pub(crate) fn tensors(&self, into: &mut Vec<TensorSpec>) {
        let uniform = Init::Uniform { bound: 1.0 / f64::from(self.in_features).sqrt() };
        let (weight, bias) = match self.init {
            LinearInit::Uniform => (uniform, uniform),
            LinearInit::Normal { std } => (Init::Normal { std }, Init::Zeros),
        };
        let (rows, columns) = (u64::from(self.out_features), u64::from(self.in_features));
        for (part, shape, init) in
            [("weight", vec![rows, columns], weight), ("bias", vec![rows], bias)]
        {
            into.push(TensorSpec {
                name: format!("{}.{part}", self.name),
                shape,
                kind: TensorKind::Parameter,
                init,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stem() -> Conv2d {
        Conv2d {
            name: "conv1".into(),
            in_channels: 3,
            out_channels: 64,
            kernel: 7,
            stride: 2,
            padding: 3,
            groups: 1,
            bias: false,
            zero_init: false,
        }
    }

    #[test]
    fn the_imagenet_stem_has_the_papers_shape_and_cost() {
        let conv = stem();
        assert_eq!(conv.output_size(224), 112);
        let pool = MaxPool2d { name: "maxpool".into(), kernel: 3, stride: 2, padding: 1 };
        assert_eq!(pool.output_size(112), 56);
        assert_eq!(conv.parameters(), 9408);
        assert_eq!(conv.macs(224), 118_013_952);
    }

    #[test]
    fn groups_divide_the_weights_and_the_work_and_a_bias_adds_only_parameters() {
        let whole = Conv2d { in_channels: 128, out_channels: 128, kernel: 3, ..stem() };
        let grouped = Conv2d { groups: 32, bias: true, ..whole.clone() };
        assert_eq!(grouped.macs(56) * 32, whole.macs(56));
        assert_eq!(grouped.parameters(), whole.parameters() / 32 + 128);
    }
}
