//! Layers with their tensor shapes, parameters and multiply-adds.

use crate::Init;

/// Convolution with a square kernel and zero padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conv2d {
    pub name: String,
    pub in_channels: u32,
    pub out_channels: u32,
    pub kernel: u32,
    pub stride: u32,
    pub padding: u32,
    /// Number of groups; each group of output channels is connected to one group of input channels.
    pub groups: u32,
    pub bias: bool,
    /// Whether the weights are initialized with 0.
    pub zero_init: bool,
}

/// Batch normalization with PyTorch's default eps and momentum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchNorm2d {
    pub name: String,
    pub channels: u32,
    /// Whether the weight is initialized with 0 instead of 1.
    pub zero_init: bool,
}

impl BatchNorm2d {
    pub const EPS: f64 = 1e-5;
    pub const MOMENTUM: f64 = 0.1;

    /// Returns the number of parameters.
    pub fn parameters(&self) -> u64 {
        2 * u64::from(self.channels)
    }
}

/// Convolution with optional batch normalization and optional ReLU, which kernels may fuse.
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

/// Adaptive average pooling to `size` x `size`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdaptiveAvgPool2d {
    pub name: String,
    pub size: u32,
}

/// Linear layer with bias: `y = x W^T + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    pub name: String,
    pub in_features: u32,
    pub out_features: u32,
    pub init: LinearInit,
}

/// Initialization of a linear layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LinearInit {
    /// Weights and bias uniformly distributed in ±`1 / sqrt(in_features)`, PyTorch's default.
    Uniform,
    /// Weights normally distributed with mean 0, bias 0.
    Normal { std: f64 },
}

/// Hidden layer of a classifier: linear layer, ReLU, dropout.
#[derive(Debug, Clone, PartialEq)]
pub struct Hidden {
    pub linear: Linear,
    /// Dropout probability.
    pub dropout: f64,
}

/// Returns the output size of a convolution or pooling.
fn output_size(size: u32, kernel: u32, stride: u32, padding: u32) -> u32 {
    (size + 2 * padding - kernel) / stride + 1
}

impl Conv2d {
    /// Returns height and width of the output for a square input.
    pub fn output_size(&self, size: u32) -> u32 {
        output_size(size, self.kernel, self.stride, self.padding)
    }

    /// Returns the number of parameters.
    pub fn parameters(&self) -> u64 {
        self.num_weights() + if self.bias { u64::from(self.out_channels) } else { 0 }
    }

    /// Returns the multiply-adds for one image of `size` x `size`.
    pub fn macs(&self, size: u32) -> u64 {
        u64::from(self.output_size(size)).pow(2) * self.num_weights()
    }

    fn num_weights(&self) -> u64 {
        self.weight_shape().iter().product()
    }

    /// Returns `[out_channels, in_channels / groups, kernel, kernel]`.
    fn weight_shape(&self) -> [u64; 4] {
        let in_channels = self.in_channels / self.groups;
        [self.out_channels, in_channels, self.kernel, self.kernel].map(u64::from)
    }
}

impl MaxPool2d {
    /// Returns height and width of the output for a square input.
    pub fn output_size(&self, size: u32) -> u32 {
        output_size(size, self.kernel, self.stride, self.padding)
    }
}

impl Linear {
    /// Returns the number of parameters.
    pub fn parameters(&self) -> u64 {
        u64::from(self.in_features + 1) * u64::from(self.out_features)
    }

    /// Returns the multiply-adds for one image.
    pub fn macs(&self) -> u64 {
        u64::from(self.in_features) * u64::from(self.out_features)
    }
}

/// Kind of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorKind {
    /// Updated by the optimizer.
    Parameter,
    /// Running mean or variance of a batch normalization (a buffer in PyTorch).
    Statistic,
}

/// Name, shape and initialization of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorSpec {
    pub name: String,
    pub shape: Vec<u64>,
    pub kind: TensorKind,
    pub init: Init,
}

impl TensorSpec {
    /// Returns the number of elements.
    pub fn numel(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Returns the name of the tensor's layer.
    pub fn layer(&self) -> &str {
        self.name.rsplit_once('.').map_or(&self.name, |(layer, _)| layer)
    }
}

impl Conv2d {
    pub(crate) fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        // Kaiming initialization with fan-out (arXiv:1502.01852), as in torchvision.
        let fan_out = f64::from(self.out_channels * self.kernel * self.kernel);
        tensors.push(TensorSpec {
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
            tensors.push(TensorSpec {
                name: format!("{}.bias", self.name),
                shape: vec![self.out_channels.into()],
                kind: TensorKind::Parameter,
                init: Init::Zeros,
            });
        }
    }
}

impl BatchNorm2d {
    pub(crate) fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        let weight = if self.zero_init { Init::Zeros } else { Init::Ones };
        for (name, kind, init) in [
            ("weight", TensorKind::Parameter, weight),
            ("bias", TensorKind::Parameter, Init::Zeros),
            ("running_mean", TensorKind::Statistic, Init::Zeros),
            ("running_var", TensorKind::Statistic, Init::Ones),
        ] {
            tensors.push(TensorSpec {
                name: format!("{}.{name}", self.name),
                shape: vec![self.channels.into()],
                kind,
                init,
            });
        }
    }
}

impl ConvUnit {
    pub(crate) fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        self.conv.push_tensors(tensors);
        if let Some(norm) = &self.norm {
            norm.push_tensors(tensors);
        }
    }
}

impl Linear {
    pub(crate) fn push_tensors(&self, tensors: &mut Vec<TensorSpec>) {
        let uniform = Init::Uniform { bound: 1.0 / f64::from(self.in_features).sqrt() };
        let (weight, bias) = match self.init {
            LinearInit::Uniform => (uniform, uniform),
            LinearInit::Normal { std } => (Init::Normal { std }, Init::Zeros),
        };
        let (out_features, in_features) = (self.out_features.into(), self.in_features.into());
        for (name, shape, init) in [
            ("weight", vec![out_features, in_features], weight),
            ("bias", vec![out_features], bias),
        ] {
            tensors.push(TensorSpec {
                name: format!("{}.{name}", self.name),
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
    fn the_imagenet_stem_has_the_shape_and_cost_of_the_paper() {
        let conv = stem();
        assert_eq!(conv.output_size(224), 112);
        let pool = MaxPool2d { name: "maxpool".into(), kernel: 3, stride: 2, padding: 1 };
        assert_eq!(pool.output_size(112), 56);
        assert_eq!(conv.parameters(), 9408);
        assert_eq!(conv.macs(224), 118_013_952);
    }

    #[test]
    fn groups_divide_weights_and_macs_and_a_bias_adds_parameters() {
        let dense = Conv2d { in_channels: 128, out_channels: 128, kernel: 3, ..stem() };
        let grouped = Conv2d { groups: 32, bias: true, ..dense.clone() };
        assert_eq!(grouped.macs(56) * 32, dense.macs(56));
        assert_eq!(grouped.parameters(), dense.parameters() / 32 + 128);
    }
}
