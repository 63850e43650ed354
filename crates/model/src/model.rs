//! A network with its weights.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use residual_arch::{Linear, Network, TensorKind, TensorSpec, initial_values};
use residual_spec::{Device, Error, ErrorCode, MemoryFormat, Precision, ResolvedConfig, Result};
use residual_torch::{channels_last, tensor_from_shared, tensor_from_slice, torch_error};
use residual_weights::{DType, TensorInfo};
use tch::{Kind, Tensor};

use crate::conv_norm_act::compute_kind;
use crate::forward_context::{ForwardContext, ResponseStats};
use crate::layer::Layer;

/// How a model computes.
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

    /// The kind of weights, statistics and gradients.
    fn weight_kind(self) -> Kind {
        match self.precision {
            Precision::Fp64 => Kind::Double,
            Precision::Fp32 | Precision::Bf16 | Precision::Fp16 => Kind::Float,
        }
    }

    /// Images `[n, height, width, channels]` as a network's input, `[n, channels, height, width]`.
    pub(crate) fn input(self, images: &Tensor) -> Result<Tensor> {
        let input = images
            .f_permute([0, 3, 1, 2])
            .and_then(|images| images.f_to_kind(compute_kind(self.precision)))
            .map_err(torch_error)?;
        match self.memory_format {
            MemoryFormat::ChannelsLast => channels_last(&input),
            MemoryFormat::Contiguous => input.f_contiguous().map_err(torch_error),
        }
    }

    /// As tch calls it.
    pub fn device(self) -> tch::Device {
        match self.device {
            Device::Cpu => tch::Device::Cpu,
            Device::Cuda => tch::Device::Cuda(0),
        }
    }
}

/// A network with its weights, ready to be executed. Belongs to the one thread that calls libtorch.
pub struct Model {
    network: Network,
    compute: ComputeOptions,
    /// Every tensor, in `state_dict` order; what is below holds shallow clones.
    tensors: Vec<(TensorSpec, Tensor)>,
    features: Vec<Layer>,
    hidden: Vec<Dense>,
    head: Dense,
    /// The names of the layers that are not trained.
    frozen: BTreeSet<String>,
    passes: Cell<u64>,
}

/// A linear layer with its tensors.
struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    fn new(linear: &Linear, take: impl Fn(&str) -> Tensor) -> Dense {
        let name = &linear.name;
        Dense { weight: take(&format!("{name}.weight")), bias: take(&format!("{name}.bias")) }
    }

    /// `[..., in]` to `[..., out]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.f_linear(&self.weight, Some(&self.bias)).map_err(torch_error)
    }
}

impl Model {
    /// A model with the weights that `seed` draws.
    pub fn new(network: Network, compute: ComputeOptions, seed: u64) -> Result<Model> {
        let mut number = 0;
        Model::build(network, compute, |tensor| {
            let values = initial_values(tensor, seed, number);
            number += 1;
            Tensor::f_from_slice(&values).map_err(torch_error)
        })
    }

    /// A model with given weights, by name. More tensors than the network has are ignored.
    ///
    /// # Errors
    /// `E_MISMATCH` for a tensor that is missing or of another shape.
    pub fn from_state_dict(
        network: Network,
        compute: ComputeOptions,
        tensors: &BTreeMap<String, residual_weights::Tensor>,
    ) -> Result<Model> {
        Model::build(network, compute, |wanted| given(wanted, tensors.get(&wanted.name)))
    }

    /// The same of weights that are read when their turn comes, and dropped after it.
    ///
    /// # Errors
    /// As [`Model::from_state_dict`]; whatever `read` gives.
    pub fn from_reader(
        network: Network,
        compute: ComputeOptions,
        mut read: impl FnMut(&str) -> Result<Option<residual_weights::Tensor>>,
    ) -> Result<Model> {
        Model::build(network, compute, |wanted| given(wanted, read(&wanted.name)?.as_ref()))
    }

    fn build(
        network: Network,
        compute: ComputeOptions,
        mut values: impl FnMut(&TensorSpec) -> Result<Tensor>,
    ) -> Result<Model> {
        if compute.device == Device::Cuda {
            residual_torch::cuda::init()?;
        }
        let mut tensors = Vec::new();
        for wanted in network.tensors() {
            let shape: Vec<i64> = wanted.shape.iter().map(|&n| n as i64).collect();
            let tensor = values(&wanted)?
                .f_to_kind(compute.weight_kind())
                .and_then(|tensor| tensor.f_reshape(&shape))
                .and_then(|tensor| tensor.f_to_device(compute.device()))
                .map_err(torch_error)?;
            let tensor = match (shape.len(), compute.memory_format) {
                (4, MemoryFormat::ChannelsLast) => channels_last(&tensor)?,
                _ => tensor,
            };
            let trained = wanted.kind == TensorKind::Parameter;
            let tensor = tensor.detach().f_set_requires_grad(trained).map_err(torch_error)?;
            tensors.push((wanted, tensor));
        }

        let by_name: BTreeMap<&str, &Tensor> =
            tensors.iter().map(|(tensor, value)| (tensor.name.as_str(), value)).collect();
        let take = |name: &str| by_name[name].shallow_clone();
        let hidden = network.hidden.iter().map(|hidden| Dense::new(&hidden.linear, take));
        Ok(Model {
            features: network.features.iter().map(|layer| Layer::new(layer, &take)).collect(),
            hidden: hidden.collect(),
            head: Dense::new(&network.head, take),
            network,
            compute,
            tensors,
            frozen: BTreeSet::new(),
            passes: Cell::new(0),
        })
    }

    /// Trains all but the layers whose names begin so (`conv1`, `layer1`; `backbone` is all but
    /// the head): they get no gradients, and their normalisations use their running statistics.
    ///
    /// # Errors
    /// `E_CONFIG` for a layer that the network has not.
    pub fn freeze(&mut self, freeze: &[String]) -> Result<()> {
        self.frozen = residual_arch::frozen(&self.network, freeze)?;
        for (tensor, value) in &self.tensors {
            let trained = tensor.kind == TensorKind::Parameter && self.is_trained(tensor);
            // The layers' clones are the same tensor.
            let _ = value.f_set_requires_grad(trained).map_err(torch_error)?;
        }
        for layer in &mut self.features {
            layer.freeze(&|name| self.frozen.contains(name));
        }
        Ok(())
    }

    /// Makes every normalisation that follows a convolution a part of it. From here on the model is
    /// for evaluation alone; its tensors, by name, stay what they are.
    pub fn fold_batch_norm(&mut self) -> Result<()> {
        self.features.iter_mut().try_for_each(Layer::fold)
    }

    fn is_trained(&self, tensor: &TensorSpec) -> bool {
        !self.frozen.contains(tensor.layer())
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    pub fn compute(&self) -> ComputeOptions {
        self.compute
    }

    /// How often images have passed it, of whatever number.
    pub fn num_forward_passes(&self) -> u64 {
        self.passes.get()
    }

    /// Every tensor by name, in `state_dict` order.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(tensor, value)| (tensor.name.as_str(), value))
    }

    /// What the optimizer moves, by name, in `state_dict` order: nothing that is frozen.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors
            .iter()
            .filter(|(tensor, _)| tensor.kind == TensorKind::Parameter && self.is_trained(tensor))
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
    pub fn deep_copy(&self) -> Result<Model> {
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
                .map_err(torch_error)
        })
    }

    /// Images as they leave the loader, `[n, size, size, channels]` normalised, as the network's
    /// input `[n, channels, size, size]`.
    pub fn input(&self, images: &Arc<Vec<f32>>, count: usize) -> Result<Tensor> {
        self.input_with_size(images, count, [self.network.image_size; 2])
    }

    /// The same for images of another height and width, for [`Model::forward_dense`].
    pub fn input_with_size(
        &self,
        images: &Arc<Vec<f32>>,
        count: usize,
        size: [u32; 2],
    ) -> Result<Tensor> {
        let [height, width] = size.map(i64::from);
        let channels = self.network.channels as i64;
        let images = tensor_from_shared(self.compute.device(), images)?
            .f_view([count as i64, height, width, channels])
            .map_err(torch_error)?;
        self.compute.input(&images)
    }

    pub fn labels(&self, labels: &[i64]) -> Result<Tensor> {
        tensor_from_slice(self.compute.device(), labels)
    }

    /// Numbers in the type that weights, logits and losses have.
    pub fn floats(&self, numbers: &[f64]) -> Result<Tensor> {
        tensor_from_slice(self.compute.device(), numbers)?
            .f_to_kind(self.compute.weight_kind())
            .map_err(torch_error)
    }

    /// Logits `[n, classes]`, in fp32 (fp64 in `fp64`), of an input made by [`Model::input`].
    /// In training, batch statistics normalise and move the running ones.
    pub fn forward(&self, input: &Tensor, training: bool) -> Result<Tensor> {
        self.pass(input, &ForwardContext::new(training))
    }

    /// What each 3x3 convolution of the network answers to an input, in evaluation mode (the
    /// paper's figure 7 shows the deviations).
    pub fn layer_responses(&self, input: &Tensor) -> Result<Vec<ResponseStats>> {
        let _no_grad = tch::no_grad_guard();
        let pass = ForwardContext::watching();
        let _ = self.pass(input, &pass)?;
        Ok(pass.responses())
    }

    fn pass(&self, input: &Tensor, pass: &ForwardContext) -> Result<Tensor> {
        let features = self.features(input, pass)?;
        let size = [i64::from(self.network.pool.size); 2];
        let pooled =
            features.f_adaptive_avg_pool2d(size).and_then(|pooled| pooled.f_flatten(1, -1));
        self.classify(&pooled.map_err(torch_error)?, pass.training)
    }

    /// `[n, channels, h, w]` of what the classifier sees.
    fn features(&self, input: &Tensor, pass: &ForwardContext) -> Result<Tensor> {
        self.passes.set(self.passes.get() + 1);
        let mut x = input.shallow_clone();
        for layer in &self.features {
            x = layer.forward(x, pass)?;
        }
        Ok(x)
    }

    /// `[..., features]` to `[..., classes]`.
    fn classify(&self, features: &Tensor, training: bool) -> Result<Tensor> {
        let mut x = features.f_to_kind(self.compute.weight_kind()).map_err(torch_error)?;
        for (layer, described) in self.hidden.iter().zip(&self.network.hidden) {
            x = layer
                .forward(&x)?
                .f_relu_()
                .and_then(|x| x.f_dropout(described.dropout, training))
                .map_err(torch_error)?;
        }
        self.head.forward(&x)
    }

    /// Logits `[n, classes]` of an input of any size (the paper's section 3.4): pooling and
    /// classifier at every place at which an image of the network's own size could lie, the
    /// logits averaged over all places. In evaluation mode.
    pub fn forward_dense(&self, input: &Tensor) -> Result<Tensor> {
        let features = self.features(input, &ForwardContext::new(false))?;
        let own = i64::from(self.network.feature_size(self.network.image_size));
        // A smaller map than the network's own is one place.
        let window = [2, 3].map(|axis: usize| own.min(features.size()[axis]));
        let pool = i64::from(self.network.pool.size);
        let places = match pool {
            1 => features.f_avg_pool2d(window, [1, 1], [0, 0], false, true, None),
            _ => windows(&features, window, pool),
        };
        let places =
            places.and_then(|places| places.f_permute([0, 2, 3, 1])).map_err(torch_error)?;
        let logits = self.classify(&places, false)?;
        logits.f_mean_dim([1i64, 2].as_slice(), false, logits.kind()).map_err(torch_error)
    }
}

/// Every window of `[n, channels, h, w]`, pooled to `pool` x `pool`: `[n, channels * pool * pool,
/// h', w']`.
fn windows(
    features: &Tensor,
    window: [i64; 2],
    pool: i64,
) -> std::result::Result<Tensor, tch::TchError> {
    let windows = features.f_unfold(2, window[0], 1)?.f_unfold(3, window[1], 1)?;
    let [n, channels, rows, columns, ..] = windows.size()[..] else {
        unreachable!("two axes unfolded")
    };
    windows
        .f_permute([0, 2, 3, 1, 4, 5])?
        .f_reshape([n * rows * columns, channels, window[0], window[1]])?
        .f_adaptive_avg_pool2d([pool, pool])?
        .f_reshape([n, rows, columns, channels * pool * pool])?
        .f_permute([0, 3, 1, 2])
}

/// A tensor out of a file, in the type that it has there.
pub fn to_tch(tensor: &residual_weights::Tensor) -> Result<Tensor> {
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
    Tensor::f_from_data_size(&tensor.bytes, &shape, kind).map_err(torch_error)
}

/// Weights that were found for a tensor of the network.
fn given(wanted: &TensorSpec, found: Option<&residual_weights::Tensor>) -> Result<Tensor> {
    let mismatch = |what: String| Error::new(ErrorCode::Mismatch, what);
    let name = &wanted.name;
    let found = found.ok_or_else(|| mismatch(format!("the weights have no `{name}`")))?;
    let shape: Vec<u64> = found.shape.iter().map(|&n| n as u64).collect();
    if shape != wanted.shape {
        let needed = &wanted.shape;
        return Err(mismatch(format!("`{name}` is {shape:?}, but the network needs {needed:?}")));
    }
    to_tch(found)
}

/// What [`from_tch`] gives but the bytes.
pub fn tensor_info(tensor: &Tensor) -> TensorInfo {
    let dtype = match tensor.kind() {
        Kind::Double => DType::F64,
        _ => DType::F32,
    };
    TensorInfo { dtype, shape: tensor.size().iter().map(|&n| n as usize).collect() }
}

/// A tensor for a file: row by row, whatever its order in memory.
pub fn from_tch(tensor: &Tensor) -> Result<residual_weights::Tensor> {
    let TensorInfo { dtype, shape } = tensor_info(tensor);
    let kind = if dtype == DType::F64 { Kind::Double } else { Kind::Float };
    let plain = tensor
        .detach()
        .f_to_device(tch::Device::Cpu)
        .and_then(|tensor| tensor.f_to_kind(kind))
        .and_then(|tensor| tensor.f_contiguous())
        .map_err(torch_error)?;
    let numbers = plain.numel();
    let mut bytes = vec![0; numbers * dtype.size()];
    plain.f_copy_data_u8(&mut bytes, numbers).map_err(torch_error)?;
    Ok(residual_weights::Tensor { dtype, shape, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::{InspectConfig, NameOr, resolve_inspect};

    const FP64: ComputeOptions = ComputeOptions {
        precision: Precision::Fp64,
        memory_format: MemoryFormat::Contiguous,
        device: Device::Cpu,
    };

    fn network(name: &str, image_size: u32) -> Network {
        let config = InspectConfig {
            model: Some(NameOr::Name(name.into())),
            image_size: Some(image_size),
            ..InspectConfig::default()
        };
        let target = resolve_inspect(&config).unwrap();
        residual_arch::build(&target.model, 3, image_size, 5).unwrap()
    }

    /// Images that differ from place to place.
    fn pixels(height: u32, width: u32) -> Arc<Vec<f32>> {
        let pixel = |i: u32| ((i * 7919) % 257) as f32 / 128.0 - 1.0;
        Arc::new((0..2 * height * width * 3).map(pixel).collect())
    }

    fn far_apart(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.size(), b.size());
        (a - b).abs().max().double_value(&[]) / b.abs().max().double_value(&[])
    }

    #[test]
    fn frozen_layers_stay_as_they_are_and_the_others_learn() {
        let mut model = Model::new(network("resnet8", 16), FP64, 1).unwrap();
        let all = model.parameters().count();
        model.freeze(&["conv1".into(), "bn1".into(), "layer1".into()]).unwrap();
        let trained: Vec<String> = model.parameters().map(|(name, _)| name.into()).collect();
        assert_eq!(trained.len(), all - 9);
        assert!(trained.iter().all(|name| !name.starts_with("layer1") && name != "bn1.weight"));

        let before: BTreeMap<String, Tensor> =
            model.tensors().map(|(name, t)| (name.to_string(), t.detach().copy())).collect();
        let input = model.input(&pixels(16, 16), 2).unwrap();
        let loss = model.forward(&input, true).unwrap().square().sum(Kind::Double);
        loss.backward();
        for (name, tensor) in model.tensors() {
            let frozen = ["conv1.", "bn1.", "layer1."].iter().any(|part| name.starts_with(part));
            let statistic = name.contains("running");
            assert_eq!(tensor.grad().defined(), !frozen && !statistic, "{name}");
            // The statistics of what learns have moved; nothing else has.
            assert_eq!(tensor.equal(&before[name]), frozen || !statistic, "{name}");
        }
        // Frozen normalisations use their running statistics.
        let stem = |training| {
            let input = input.shallow_clone();
            model.features[0].forward(input, &ForwardContext::new(training)).unwrap()
        };
        assert!(stem(true).equal(&stem(false)));
    }

    #[test]
    fn an_image_of_the_networks_own_size_has_one_place() {
        let _no_grad = tch::no_grad_guard();
        for (name, size) in [("resnet18", 96), ("preresnet20", 32), ("vgg11", 32)] {
            let mut network = network(name, size);
            narrow(&mut network);
            let model = Model::new(network, FP64, 1).unwrap();
            let input = model.input(&pixels(size, size), 2).unwrap();
            let map = model.forward_dense(&input).unwrap();
            assert!(far_apart(&map, &model.forward(&input, false).unwrap()) < 1e-12, "{name}");
        }
    }

    #[test]
    fn a_larger_image_is_classified_at_every_place() {
        let _no_grad = tch::no_grad_guard();
        for name in ["resnet18", "vgg11"] {
            let mut network = network(name, 64);
            narrow(&mut network);
            let model = Model::new(network, FP64, 1).unwrap();
            let input = model.input_with_size(&pixels(96, 128), 2, [96, 128]).unwrap();
            let found = model.forward_dense(&input).unwrap();
            let own = i64::from(model.network.feature_size(64));
            let features = model.features(&input, &ForwardContext::new(false)).unwrap();
            let [rows, columns] = [2, 3].map(|axis: usize| features.size()[axis] - own + 1);
            assert!(rows > 1 && columns > rows, "{name}");
            let pool = i64::from(model.network.pool.size);
            let mut sum = Tensor::zeros([2, 5], (Kind::Double, tch::Device::Cpu));
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |x| (row, x))) {
                let window = features.narrow(2, row, own).narrow(3, column, own);
                let pooled = window.adaptive_avg_pool2d([pool, pool]).flatten(1, -1);
                sum += model.classify(&pooled, false).unwrap();
            }
            let mean = sum / (rows * columns) as f64;
            assert!(far_apart(&found, &mean) < 1e-12, "{name}");
        }
    }

    #[test]
    fn a_smaller_image_is_one_place() {
        let _no_grad = tch::no_grad_guard();
        let model = Model::new(network("resnet20", 32), FP64, 1).unwrap();
        let input = model.input_with_size(&pixels(16, 24), 2, [16, 24]).unwrap();
        let map = model.forward_dense(&input).unwrap();
        assert!(far_apart(&map, &model.forward(&input, false).unwrap()) < 1e-12);
    }

    #[test]
    fn responses_are_those_of_every_3x3_layer_behind_its_normalisation() {
        let model = Model::new(network("resnet20", 32), FP64, 1).unwrap();
        let input = model.input(&pixels(32, 32), 2).unwrap();
        let responses = model.layer_responses(&input).unwrap();
        assert_eq!(responses.len(), 19); // all but the linear layer
        assert_eq!(responses[1].name, "layer1.0.conv1");
        let by_name: BTreeMap<&str, &Tensor> = model.tensors().collect();
        let stem = input
            .conv2d::<Tensor>(by_name["conv1.weight"], None, [1, 1], [1, 1], [1, 1], 1)
            .batch_norm(
                Some(by_name["bn1.weight"]),
                Some(by_name["bn1.bias"]),
                Some(by_name["bn1.running_mean"]),
                Some(by_name["bn1.running_var"]),
                false,
                0.1,
                1e-5,
                false,
            );
        let expected = stem.std(false).double_value(&[]);
        assert!((responses[0].std() / expected - 1.0).abs() < 1e-10);
        // The paper has no responses of 1x1 layers.
        let bottlenecks = Model::new(network("resnet50", 32), FP64, 1).unwrap();
        let input = bottlenecks.input(&pixels(32, 32), 2).unwrap();
        let responses = bottlenecks.layer_responses(&input).unwrap();
        assert_eq!(responses.len(), 1 + 16);
        assert!(responses[1..].iter().all(|response| response.name.ends_with("conv2")));
    }

    /// A model whose running statistics say something.
    fn seasoned(name: &str, compute: ComputeOptions) -> Model {
        let mut network = network(name, 32);
        narrow(&mut network);
        let model = Model::new(network, compute, 1).unwrap();
        let _no_grad = tch::no_grad_guard();
        for image in 0..4 {
            let brighter = pixels(32, 32).iter().map(|p| p * image as f32 / 2.0).collect();
            let _ = model.forward(&model.input(&Arc::new(brighter), 2).unwrap(), true).unwrap();
        }
        model
    }

    #[test]
    fn folded_normalisations_change_no_logit_and_no_tensor() {
        let _no_grad = tch::no_grad_guard();
        for name in ["resnet20", "resnet50", "preresnet20", "plain20", "vgg11_bn", "vgg11"] {
            let mut model = seasoned(name, FP64);
            let input = model.input(&pixels(32, 32), 2).unwrap();
            let before = model.forward(&input, false).unwrap();
            let responses = model.layer_responses(&input).unwrap();
            let weight = model.tensors[0].1.copy();
            model.fold_batch_norm().unwrap();
            assert!(far_apart(&model.forward(&input, false).unwrap(), &before) < 1e-10, "{name}");
            for (found, wanted) in model.layer_responses(&input).unwrap().iter().zip(&responses) {
                assert_eq!(found.name, wanted.name);
                assert!((found.std() / wanted.std() - 1.0).abs() < 1e-9, "{name} {}", found.name);
            }
            assert!(model.tensors[0].1.equal(&weight), "{name}");
        }
    }

    #[test]
    fn folded_networks_in_fp32_and_bf16_are_near_the_unfolded_one_in_fp64() {
        let _no_grad = tch::no_grad_guard();
        let exact = seasoned("resnet20", FP64);
        let tensors = exact.tensors().map(|(name, t)| (name.to_string(), from_tch(t).unwrap()));
        let tensors = tensors.collect();
        let many = pixels(32, 32).iter().copied().cycle().take(128 * 32 * 32 * 3).collect();
        let many = Arc::new(many);
        let wanted = exact.forward(&exact.input(&many, 128).unwrap(), false).unwrap();
        for (precision, bound) in [(Precision::Fp32, 1e-4), (Precision::Bf16, 3e-2)] {
            let compute =
                ComputeOptions { precision, memory_format: MemoryFormat::ChannelsLast, ..FP64 };
            let mut model =
                Model::from_state_dict(exact.network.clone(), compute, &tensors).unwrap();
            model.fold_batch_norm().unwrap();
            let found = model.forward(&model.input(&many, 128).unwrap(), false).unwrap();
            assert!(far_apart(&found.to_kind(Kind::Double), &wanted) < bound, "{precision:?}");
        }
    }

    #[test]
    fn dropout_depends_on_the_seed_alone_and_is_for_training_only() {
        let _no_grad = tch::no_grad_guard();
        let mut network = network("vgg11", 32);
        narrow(&mut network);
        let model = Model::new(network, FP64, 1).unwrap();
        let input = model.input(&pixels(32, 32), 2).unwrap();
        let logits = |seed, training| {
            tch::manual_seed(seed);
            model.forward(&input, training).unwrap()
        };
        assert!(logits(1, true).equal(&logits(1, true)));
        assert!((2..9).any(|seed| !logits(1, true).equal(&logits(seed, true))));
        assert!(logits(1, false).equal(&logits(2, false)));
    }

    /// VGG's classifier with few features, so that it is made in no time.
    fn narrow(network: &mut Network) {
        let mut features = None;
        for hidden in &mut network.hidden {
            hidden.linear.in_features = features.unwrap_or(hidden.linear.in_features);
            hidden.linear.out_features = 8;
            features = Some(8);
        }
        network.head.in_features = features.unwrap_or(network.head.in_features);
    }
}
