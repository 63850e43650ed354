//! The layers that networks are made of: their shapes, parameters and multiply-adds.

use crate::Init;

/// A convolution without bias (a normalisation follows it). Square kernels, zero padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conv2d {
    pub name: String,
    pub in_channels: u32,
    pub out_channels: u32,
    pub kernel: u32,
    pub stride: u32,
    pub padding: u32,
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

/// A convolution, its normalisation, and perhaps a ReLU: the unit that networks are built of and
/// that kernels may fuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvNorm {
    pub conv: Conv2d,
    pub norm: BatchNorm2d,
    pub relu: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool2d {
    pub kernel: u32,
    pub stride: u32,
    pub padding: u32,
}

/// `y = x W^T + b`, after global average pooling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linear {
    pub name: String,
    pub in_features: u32,
    pub out_features: u32,
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

    pub fn parameters(&self) -> u64 {
        self.weight_shape().iter().product()
    }

    /// Multiply-adds for one image of `size` x `size`.
    pub fn macs(&self, size: u32) -> u64 {
        u64::from(self.output_size(size)).pow(2) * self.parameters()
    }

    fn weight_shape(&self) -> [u64; 4] {
        let (o, i, k) = (self.out_channels, self.in_channels, self.kernel);
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
}

impl Conv2d {
    pub(crate) fn tensors(&self, into: &mut Vec<TensorSpec>) {
        // He et al. 2015 (arXiv:1502.01852), fan-out, as torchvision has it.
        let fan_out = f64::from(self.out_channels * self.kernel * self.kernel);
        into.push(TensorSpec {
            name: format!("{}.weight", self.name),
            shape: self.weight_shape().to_vec(),
            kind: TensorKind::Parameter,
            init: Init::Normal { std: (2.0 / fan_out).sqrt() },
        });
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

impl ConvNorm {
    pub(crate) fn tensors(&self, into: &mut Vec<TensorSpec>) {
        self.conv.tensors(into);
        self.norm.tensors(into);
    }
}

impl Linear {
    pub(crate) fn tensors(&self, into: &mut Vec<TensorSpec>) {
        // PyTorch's default for nn.Linear.
        let init = Init::Uniform { bound: 1.0 / f64::from(self.in_features).sqrt() };
        let (rows, columns) = (u64::from(self.out_features), u64::from(self.in_features));
        for (part, shape) in [("weight", vec![rows, columns]), ("bias", vec![rows])] {
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

    #[test]
    fn the_imagenet_stem_has_the_papers_shape_and_cost() {
        let conv = Conv2d {
            name: "conv1".into(),
            in_channels: 3,
            out_channels: 64,
            kernel: 7,
            stride: 2,
            padding: 3,
        };
        assert_eq!(conv.output_size(224), 112);
        assert_eq!(MaxPool2d { kernel: 3, stride: 2, padding: 1 }.output_size(112), 56);
        assert_eq!(conv.parameters(), 9408);
        assert_eq!(conv.macs(224), 118_013_952);
    }
}
