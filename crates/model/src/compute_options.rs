//! Numerical precision, memory format and device.

use residual_spec::{Device, MemoryFormat, Precision, ResolvedConfig, Result};
use residual_torch::{channels_last, torch_error};
use tch::{Kind, Tensor};

/// Precision, memory format and device that a model computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComputeOptions {
    pub precision: Precision,
    pub memory_format: MemoryFormat,
    pub device: Device,
}

impl ComputeOptions {
    pub fn from_config(config: &ResolvedConfig) -> ComputeOptions {
        ComputeOptions {
            precision: config.precision,
            memory_format: config.memory_format,
            device: config.device,
        }
    }

    /// Returns the kind of parameters, running statistics and gradients.
    pub(crate) fn weight_kind(self) -> Kind {
        match self.precision {
            Precision::Fp64 => Kind::Double,
            Precision::Fp32 | Precision::Bf16 | Precision::Fp16 => Kind::Float,
        }
    }

    /// Returns the kind of activations, which are the inputs and outputs of convolutions.
    pub(crate) fn activation_kind(self) -> Kind {
        match self.precision {
            Precision::Fp32 => Kind::Float,
            Precision::Bf16 => Kind::BFloat16,
            Precision::Fp16 => Kind::Half,
            Precision::Fp64 => Kind::Double,
        }
    }

    /// Converts images `[n, height, width, channels]` to a network input
    /// `[n, channels, height, width]` of the activation kind and memory format.
    pub(crate) fn to_input(self, images: &Tensor) -> Result<Tensor> {
        let input = images
            .f_permute([0, 3, 1, 2])
            .and_then(|images| images.f_to_kind(self.activation_kind()))
            .map_err(torch_error)?;
        match self.memory_format {
            MemoryFormat::ChannelsLast => channels_last(&input),
            MemoryFormat::Contiguous => input.f_contiguous().map_err(torch_error),
        }
    }

    /// Returns the libtorch device.
    pub fn device(self) -> tch::Device {
        match self.device {
            Device::Cpu => tch::Device::Cpu,
            Device::Cuda => tch::Device::Cuda(0),
        }
    }
}
