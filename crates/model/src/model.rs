//! A network with its weights.

use std::collections::BTreeMap;

use residual_arch::{initial_values, Network, ShortcutPath, TensorKind, TensorSpec};
use residual_spec::{Device, Error, ErrorCode, MemoryFormat, Precision, ResolvedConfig, Result};
use residual_torch::{channels_last, failure};
use residual_weights::DType;
use tch::{Kind, Tensor};

use crate::unit::{compute_kind, Unit};

/// How a model computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compute {
    pub precision: Precision,
    pub memory_format: MemoryFormat,
    pub device: Device,
}

impl Compute {
    pub fn of(config: &ResolvedConfig) -> Compute {
        Compute {
            precision: config.precision,
            memory_format: config.memory_format,
            device: config.device,
        }
    }

    /// The kind of weights, statistics and gradients.
    fn weight_kind(self) -> Kind {
        match self.precision {
            Precision::Fp64 => Kind::Double,
            Precision::Fp32 | Precision::Bf16 => Kind::Float,
        }
    }

    fn device(self) -> tch::Device {
        match self.device {
            Device::Cpu => tch::Device::Cpu,
            Device::Cuda => tch::Device::Cuda(0),
        }
    }
}

/// A network with its weights, ready to be executed. Belongs to the one thread that calls libtorch.
pub struct Model {
    network: Network,
    compute: Compute,
    /// Every tensor, in `state_dict` order; the units below hold shallow clones.
    tensors: Vec<(TensorSpec, Tensor)>,
    stem: Unit,
    blocks: Vec<Block>,
    head_weight: Tensor,
    head_bias: Tensor,
}

struct Block {
    branch: Vec<Unit>,
    shortcut: Shortcut,
}

enum Shortcut {
    Identity,
    Projection(Unit),
    Pad { stride: i64, pad: i64 },
}

impl Model {
    /// A model with the weights that `seed` draws.
    pub fn new(network: Network, compute: Compute, seed: u64) -> Result<Model> {
        let mut number = 0;
        Model::build(network, compute, |tensor| {
            let values = initial_values(tensor, seed, number);
            number += 1;
            Tensor::f_from_slice(&values).map_err(failure)
        })
    }

    /// A model with given weights, by name. More tensors than the network has are ignored.
    ///
    /// # Errors
    /// `E_MISMATCH` for a tensor that is missing or of another shape.
    pub fn from_tensors(
        network: Network,
        compute: Compute,
        tensors: &BTreeMap<String, residual_weights::Tensor>,
    ) -> Result<Model> {
        Model::build(network, compute, |wanted| {
            let found = tensors.get(&wanted.name).ok_or_else(|| {
                Error::new(ErrorCode::Mismatch, format!("the weights have no `{}`", wanted.name))
            })?;
            let shape: Vec<u64> = found.shape.iter().map(|&n| n as u64).collect();
            if shape != wanted.shape {
                return Err(Error::new(
                    ErrorCode::Mismatch,
                    format!(
                        "`{}` is {shape:?}, but the network needs {:?}",
                        wanted.name, wanted.shape
                    ),
                ));
            }
            from_weights(found)
        })
    }

    fn build(
        network: Network,
        compute: Compute,
        mut values: impl FnMut(&TensorSpec) -> Result<Tensor>,
    ) -> Result<Model> {
        let mut tensors = Vec::new();
        for wanted in network.tensors() {
            let shape: Vec<i64> = wanted.shape.iter().map(|&n| n as i64).collect();
            let tensor = values(&wanted)?
                .f_to_kind(compute.weight_kind())
                .and_then(|tensor| tensor.f_reshape(&shape))
                .and_then(|tensor| tensor.f_to_device(compute.device()))
                .map_err(failure)?;
            let tensor = match (shape.len(), compute.memory_format) {
                (4, MemoryFormat::ChannelsLast) => channels_last(&tensor)?,
                _ => tensor,
            };
            let trained = wanted.kind == TensorKind::Parameter;
            let tensor = tensor.detach().f_set_requires_grad(trained).map_err(failure)?;
            tensors.push((wanted, tensor));
        }

        let by_name: BTreeMap<&str, &Tensor> =
            tensors.iter().map(|(tensor, value)| (tensor.name.as_str(), value)).collect();
        let take = |name: &str| by_name[name].shallow_clone();
        let blocks = network
            .blocks()
            .map(|block| Block {
                branch: block.branch.iter().map(|layer| Unit::new(layer, take)).collect(),
                shortcut: match &block.shortcut {
                    ShortcutPath::Identity => Shortcut::Identity,
                    ShortcutPath::Projection(layer) => Shortcut::Projection(Unit::new(layer, take)),
                    ShortcutPath::Pad { stride, pad } => {
                        Shortcut::Pad { stride: (*stride).into(), pad: (*pad).into() }
                    }
                },
            })
            .collect();
        Ok(Model {
            stem: Unit::new(&network.stem, take),
            blocks,
            head_weight: take(&format!("{}.weight", network.head.name)),
            head_bias: take(&format!("{}.bias", network.head.name)),
            network,
            compute,
            tensors,
        })
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    pub fn compute(&self) -> Compute {
        self.compute
    }

    /// Every tensor by name, in `state_dict` order.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(tensor, value)| (tensor.name.as_str(), value))
    }

    /// What the optimizer moves, by name, in `state_dict` order.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors
            .iter()
            .filter(|(tensor, _)| tensor.kind == TensorKind::Parameter)
            .map(|(tensor, value)| (tensor.name.as_str(), value))
    }

    /// What training moves without gradients, the running statistics, by name.
    pub fn buffers(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors
            .iter()
            .filter(|(tensor, _)| tensor.kind != TensorKind::Parameter)
            .map(|(tensor, value)| (tensor.name.as_str(), value))
    }

    /// The same network with tensors of its own.
    pub fn duplicate(&self) -> Result<Model> {
        let mut tensors = self.tensors.iter().map(|(_, tensor)| tensor);
        Model::build(self.network.clone(), self.compute, |_| {
            let tensor = tensors.next().expect("the same network");
            let tensor = tensor.detach();
            tensor
                .f_zeros_like()
                .and_then(|mut copy| {
                    copy.f_copy_(&tensor)?;
                    Ok(copy)
                })
                .map_err(failure)
        })
    }

    /// Images as they leave the loader, `[n, size, size, channels]` normalised, as the network's
    /// input `[n, channels, size, size]`.
    pub fn input(&self, images: &[f32], count: usize) -> Result<Tensor> {
        let (size, channels) = (self.network.image_size as i64, self.network.channels as i64);
        let input = Tensor::f_from_slice(images)
            .and_then(|flat| flat.f_view([count as i64, size, size, channels]))
            .and_then(|images| images.f_permute([0, 3, 1, 2]))
            .and_then(|images| images.f_to_device(self.compute.device()))
            .and_then(|images| images.f_to_kind(compute_kind(self.compute.precision)))
            .map_err(failure)?;
        match self.compute.memory_format {
            MemoryFormat::ChannelsLast => channels_last(&input),
            MemoryFormat::Contiguous => input.f_contiguous().map_err(failure),
        }
    }

    pub fn labels(&self, labels: &[i64]) -> Result<Tensor> {
        Tensor::f_from_slice(labels)
            .and_then(|labels| labels.f_to_device(self.compute.device()))
            .map_err(failure)
    }

    /// Numbers in the type that weights, logits and losses have.
    pub fn floats(&self, numbers: &[f64]) -> Result<Tensor> {
        Tensor::f_from_slice(numbers)
            .and_then(|numbers| numbers.f_to_kind(self.compute.weight_kind()))
            .and_then(|numbers| numbers.f_to_device(self.compute.device()))
            .map_err(failure)
    }

    /// Logits `[n, classes]`, in fp32 (fp64 in `fp64`), of an input made by [`Model::input`].
    /// In training, batch statistics normalise and move the running ones.
    pub fn forward(&self, input: &Tensor, training: bool) -> Result<Tensor> {
        let mut x = self.stem.forward(input, training)?;
        if let Some(pool) = &self.network.pool {
            let square = |n: u32| [i64::from(n); 2];
            x = x
                .f_max_pool2d(
                    square(pool.kernel),
                    square(pool.stride),
                    square(pool.padding),
                    [1, 1],
                    false,
                )
                .map_err(failure)?;
        }
        for block in &self.blocks {
            x = block.forward(&x, training)?;
        }
        x.f_adaptive_avg_pool2d([1, 1])
            .and_then(|pooled| pooled.f_flatten(1, -1))
            .and_then(|features| features.f_to_kind(self.compute.weight_kind()))
            .and_then(|features| features.f_linear(&self.head_weight, Some(&self.head_bias)))
            .map_err(failure)
    }
}

impl Block {
    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        let shortcut = match &self.shortcut {
            Shortcut::Identity => x.shallow_clone(),
            Shortcut::Projection(unit) => unit.forward(x, training)?,
            Shortcut::Pad { stride, pad } => x
                .f_slice(2, None, None, *stride)
                .and_then(|x| x.f_slice(3, None, None, *stride))
                .and_then(|x| x.f_constant_pad_nd([0, 0, 0, 0, *pad, *pad]))
                .map_err(failure)?,
        };
        let (last, first) = self.branch.split_last().expect("a block has layers");
        let mut y = x.shallow_clone();
        for unit in first {
            y = unit.forward(&y, training)?;
        }
        last.forward_add_relu(&y, &shortcut, training)
    }
}

/// A tensor out of a file, in the type that it has there.
pub fn from_weights(tensor: &residual_weights::Tensor) -> Result<Tensor> {
    let kind = match tensor.dtype {
        DType::F32 => Kind::Float,
        DType::F64 => Kind::Double,
        DType::F16 => Kind::Half,
        DType::Bf16 => Kind::BFloat16,
        other => {
            let message = format!("weights of type {other:?} cannot be used");
            return Err(Error::new(ErrorCode::Mismatch, message));
        }
    };
    let shape: Vec<i64> = tensor.shape.iter().map(|&n| n as i64).collect();
    Tensor::f_from_data_size(&tensor.bytes, &shape, kind).map_err(failure)
}

/// A tensor for a file: row by row, whatever its order in memory.
pub fn bytes_of(tensor: &Tensor) -> Result<residual_weights::Tensor> {
    let dtype = match tensor.kind() {
        Kind::Double => DType::F64,
        _ => DType::F32,
    };
    let kind = if dtype == DType::F64 { Kind::Double } else { Kind::Float };
    let plain = tensor
        .detach()
        .f_to_device(tch::Device::Cpu)
        .and_then(|tensor| tensor.f_to_kind(kind))
        .and_then(|tensor| tensor.f_contiguous())
        .map_err(failure)?;
    let shape: Vec<usize> = plain.size().iter().map(|&n| n as usize).collect();
    let numbers = plain.numel();
    let mut bytes = vec![0; numbers * dtype.size()];
    plain.f_copy_data_u8(&mut bytes, numbers).map_err(failure)?;
    Ok(residual_weights::Tensor { dtype, shape, bytes })
}
