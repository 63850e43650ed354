//! A network with its weights, executed by libtorch.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use residual_arch::{Linear, Network, TensorKind, TensorSpec, initial_values};
use residual_spec::{Device, Error, ErrorCode, MemoryFormat, Result};
use residual_torch::{channels_last, tensor_from_shared, tensor_from_slice, torch_error};
use tch::Tensor;

use crate::forward_context::{ForwardContext, NotFiniteOutput, ResponseStats};
use crate::layer::Layer;
use crate::{ComputeOptions, to_tch};

/// A network with its weights. Must be used only on the thread that calls libtorch.
pub struct Model {
    network: Network,
    compute: ComputeOptions,
    /// All tensors in `state_dict` order. The layers have shallow clones of them.
    tensors: Vec<(TensorSpec, Tensor)>,
    features: Vec<Layer>,
    hidden: Vec<LinearLayer>,
    head: LinearLayer,
    /// Names of the frozen layers.
    frozen: BTreeSet<String>,
    num_forward_passes: Cell<u64>,
}

/// A linear layer with its tensors.
struct LinearLayer {
    weight: Tensor,
    bias: Tensor,
}

impl LinearLayer {
    fn new(linear: &Linear, tensor: impl Fn(&str) -> Tensor) -> LinearLayer {
        let name = &linear.name;
        LinearLayer {
            weight: tensor(&format!("{name}.weight")),
            bias: tensor(&format!("{name}.bias")),
        }
    }

    /// Maps `[..., in_features]` to `[..., out_features]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.f_linear(&self.weight, Some(&self.bias)).map_err(torch_error)
    }
}

impl Model {
    /// Creates a model with randomly initialized weights.
    pub fn new(network: Network, compute: ComputeOptions, seed: u64) -> Result<Model> {
        let mut index = 0;
        Model::build(network, compute, |tensor| {
            let values = initial_values(tensor, seed, index);
            index += 1;
            Tensor::f_from_slice(&values).map_err(torch_error)
        })
    }

    /// Creates a model with the weights of a `state_dict`. Unexpected keys are ignored.
    ///
    /// # Errors
    /// `E_MISMATCH` for a missing key or a size mismatch.
    pub fn from_state_dict(
        network: Network,
        compute: ComputeOptions,
        tensors: &BTreeMap<String, residual_weights::Tensor>,
    ) -> Result<Model> {
        Model::build(network, compute, |spec| checked_weights(spec, tensors.get(&spec.name)))
    }

    /// Creates a model with weights that `read` returns by key. Reading one tensor at a time
    /// reduces peak memory.
    ///
    /// # Errors
    /// As [`Model::from_state_dict`], and any error of `read`.
    pub fn from_reader(
        network: Network,
        compute: ComputeOptions,
        mut read: impl FnMut(&str) -> Result<Option<residual_weights::Tensor>>,
    ) -> Result<Model> {
        Model::build(network, compute, |spec| checked_weights(spec, read(&spec.name)?.as_ref()))
    }

    fn build(
        network: Network,
        compute: ComputeOptions,
        mut values: impl FnMut(&TensorSpec) -> Result<Tensor>,
    ) -> Result<Model> {
        match compute.device {
            Device::Cpu => {}
            Device::Cuda => residual_torch::cuda::init()?,
        }
        let mut tensors = Vec::new();
        for spec in network.tensors() {
            let shape: Vec<i64> = spec.shape.iter().map(|&n| n as i64).collect();
            let tensor = values(&spec)?
                .f_to_kind(compute.weight_kind())
                .and_then(|tensor| tensor.f_reshape(&shape))
                .and_then(|tensor| tensor.f_to_device(compute.device()))
                .map_err(torch_error)?;
            let tensor = match (shape.len(), compute.memory_format) {
                (4, MemoryFormat::ChannelsLast) => channels_last(&tensor)?,
                (_, MemoryFormat::ChannelsLast | MemoryFormat::Contiguous) => tensor,
            };
            let requires_grad = spec.kind == TensorKind::Parameter;
            let tensor = tensor.detach().f_set_requires_grad(requires_grad).map_err(torch_error)?;
            tensors.push((spec, tensor));
        }

        let by_name: BTreeMap<&str, &Tensor> =
            tensors.iter().map(|(spec, tensor)| (spec.name.as_str(), tensor)).collect();
        let clone_tensor = |name: &str| by_name[name].shallow_clone();
        let hidden =
            network.hidden.iter().map(|hidden| LinearLayer::new(&hidden.linear, clone_tensor));
        Ok(Model {
            features: network
                .features
                .iter()
                .map(|layer| Layer::new(layer, &clone_tensor))
                .collect(),
            hidden: hidden.collect(),
            head: LinearLayer::new(&network.head, clone_tensor),
            network,
            compute,
            tensors,
            frozen: BTreeSet::new(),
            num_forward_passes: Cell::new(0),
        })
    }

    /// Freezes the layers whose names start with one of `prefixes` (`conv1`, `layer1`; `backbone`
    /// is everything except the head): their parameters get no gradients, and their batch norms use
    /// the running statistics. All other layers become trainable.
    ///
    /// # Errors
    /// `E_CONFIG` for a layer that the network does not have.
    pub fn freeze(&mut self, prefixes: &[String]) -> Result<()> {
        self.frozen = residual_arch::frozen(&self.network, prefixes)?;
        for (spec, tensor) in &self.tensors {
            let requires_grad = spec.kind == TensorKind::Parameter && self.is_trainable(spec);
            // The shallow clones of the layers share the flag.
            let _ = tensor.f_set_requires_grad(requires_grad).map_err(torch_error)?;
        }
        for layer in &mut self.features {
            layer.freeze(&|name| self.frozen.contains(name));
        }
        Ok(())
    }

    /// Folds every batch norm that follows a convolution into this convolution. The model can then
    /// be used for inference only; [`Model::tensors`] still returns the unfolded tensors.
    pub fn fold_batch_norm(&mut self) -> Result<()> {
        self.features.iter_mut().try_for_each(Layer::fold_batch_norm)
    }

    fn is_trainable(&self, spec: &TensorSpec) -> bool {
        !self.frozen.contains(spec.layer())
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    pub fn compute(&self) -> ComputeOptions {
        self.compute
    }

    /// Returns the number of forward passes, of any batch size.
    pub fn num_forward_passes(&self) -> u64 {
        self.num_forward_passes.get()
    }

    /// Returns every tensor with its key, in `state_dict` order.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(spec, tensor)| (spec.name.as_str(), tensor))
    }

    /// Returns the trainable parameters with their keys, in `state_dict` order.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors
            .iter()
            .filter(|(spec, _)| spec.kind == TensorKind::Parameter && self.is_trainable(spec))
            .map(|(spec, tensor)| (spec.name.as_str(), tensor))
    }

    /// Returns the buffers (running statistics of batch norms) with their keys.
    pub fn buffers(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors
            .iter()
            .filter(|(spec, _)| spec.kind != TensorKind::Parameter)
            .map(|(spec, tensor)| (spec.name.as_str(), tensor))
    }

    /// Returns a copy of the model with its own tensors.
    pub fn deep_copy(&self) -> Result<Model> {
        let mut tensors = self.tensors.iter().map(|(_, tensor)| tensor);
        Model::build(self.network.clone(), self.compute, |_| {
            let tensor = tensors.next().expect("both networks have the same tensors");
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

    /// Converts the normalized images of a loader, `[n, size, size, channels]`, to a network input
    /// `[n, channels, size, size]` on the model's device.
    pub fn input(&self, images: &Arc<Vec<f32>>, count: usize) -> Result<Tensor> {
        self.input_with_size(images, count, [self.network.image_size; 2])
    }

    /// As [`Model::input`], for images of another height and width; see [`Model::forward_dense`].
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
        self.compute.to_input(&images)
    }

    /// Copies labels to the model's device.
    pub fn labels(&self, labels: &[i64]) -> Result<Tensor> {
        tensor_from_slice(self.compute.device(), labels)
    }

    /// Copies values to the model's device, in the kind of weights, logits and losses.
    pub fn floats(&self, values: &[f64]) -> Result<Tensor> {
        tensor_from_slice(self.compute.device(), values)?
            .f_to_kind(self.compute.weight_kind())
            .map_err(torch_error)
    }

    /// Computes the logits `[n, classes]` of an input made by [`Model::input`], in fp32 (fp64 for
    /// precision `fp64`). With `training`, batch norms use the batch statistics and update the
    /// running statistics, and dropout is active.
    pub fn forward(&self, input: &Tensor, training: bool) -> Result<Tensor> {
        self.forward_with(input, &ForwardContext::new(training))
    }

    /// Computes the logits in training mode, as [`Model::forward`] does, and finds the first output
    /// that is not finite. Slow on CUDA, where the host waits for every layer.
    pub fn forward_checked(&self, input: &Tensor) -> Result<(Tensor, Option<NotFiniteOutput>)> {
        let context = ForwardContext::checking();
        context.check(None, input)?;
        let logits = self.forward_with(input, &context)?;
        Ok((logits, context.first_not_finite()))
    }

    /// Computes the response statistics of every 3x3 convolution in evaluation mode. Figure 7 of He
    /// et al. (2015) shows their standard deviations.
    pub fn layer_responses(&self, input: &Tensor) -> Result<Vec<ResponseStats>> {
        let _no_grad = tch::no_grad_guard();
        let context = ForwardContext::recording();
        let _ = self.forward_with(input, &context)?;
        Ok(context.responses())
    }

    fn forward_with(&self, input: &Tensor, context: &ForwardContext) -> Result<Tensor> {
        let features = self.forward_features(input, context)?;
        let size = [i64::from(self.network.pool.size); 2];
        let pooled =
            features.f_adaptive_avg_pool2d(size).and_then(|pooled| pooled.f_flatten(1, -1));
        self.forward_head(&pooled.map_err(torch_error)?, context)
    }

    /// Returns the feature map `[n, channels, h, w]` before pooling.
    fn forward_features(&self, input: &Tensor, context: &ForwardContext) -> Result<Tensor> {
        self.num_forward_passes.set(self.num_forward_passes.get() + 1);
        let mut x = input.shallow_clone();
        for layer in &self.features {
            x = layer.forward(x, context)?;
        }
        Ok(x)
    }

    /// Maps pooled features `[..., features]` to logits `[..., classes]`.
    fn forward_head(&self, features: &Tensor, context: &ForwardContext) -> Result<Tensor> {
        let mut x = features.f_to_kind(self.compute.weight_kind()).map_err(torch_error)?;
        for (layer, spec) in self.hidden.iter().zip(&self.network.hidden) {
            let mut output = layer.forward(&x)?;
            context.check(Some(&spec.linear.name), &output)?;
            x = output
                .f_relu_()
                .and_then(|x| x.f_dropout(spec.dropout, context.training))
                .map_err(torch_error)?;
        }
        let logits = self.head.forward(&x)?;
        context.check(Some(&self.network.head.name), &logits)?;
        Ok(logits)
    }

    /// Computes the logits `[n, classes]` of an input of any size in evaluation mode, in the fully
    /// convolutional form (He et al. 2015, section 3.4): pooling and head are applied to every
    /// window of the feature map that corresponds to one image of the network's own size, and the
    /// logits are averaged over all windows.
    pub fn forward_dense(&self, input: &Tensor) -> Result<Tensor> {
        let context = ForwardContext::new(false);
        let features = self.forward_features(input, &context)?;
        let own_size = i64::from(self.network.feature_size(self.network.image_size));
        // A smaller feature map is a single window.
        let window = [2, 3].map(|axis: usize| own_size.min(features.size()[axis]));
        let pool = i64::from(self.network.pool.size);
        let pooled = match pool {
            1 => features.f_avg_pool2d(window, [1, 1], [0, 0], false, true, None),
            _ => pool_windows(&features, window, pool),
        };
        let pooled =
            pooled.and_then(|pooled| pooled.f_permute([0, 2, 3, 1])).map_err(torch_error)?;
        let logits = self.forward_head(&pooled, &context)?;
        logits.f_mean_dim([1i64, 2].as_slice(), false, logits.kind()).map_err(torch_error)
    }
}

/// Pools every window of `[n, channels, h, w]` to `pool` x `pool`; returns
/// `[n, channels * pool * pool, h', w']`.
fn pool_windows(
    features: &Tensor,
    window: [i64; 2],
    pool: i64,
) -> std::result::Result<Tensor, tch::TchError> {
    let windows = features.f_unfold(2, window[0], 1)?.f_unfold(3, window[1], 1)?;
    let [n, channels, rows, columns, ..] = windows.size()[..] else {
        unreachable!("unfolding two axes gives six dimensions")
    };
    windows
        .f_permute([0, 2, 3, 1, 4, 5])?
        .f_reshape([n * rows * columns, channels, window[0], window[1]])?
        .f_adaptive_avg_pool2d([pool, pool])?
        .f_reshape([n, rows, columns, channels * pool * pool])?
        .f_permute([0, 3, 1, 2])
}

/// Checks the shape of the weights for a tensor of the network, and converts them.
fn checked_weights(
    spec: &TensorSpec,
    weights: Option<&residual_weights::Tensor>,
) -> Result<Tensor> {
    let mismatch = |message: String| Error::new(ErrorCode::Mismatch, message);
    let key = &spec.name;
    let weights =
        weights.ok_or_else(|| mismatch(format!("missing key in the weights: `{key}`")))?;
    let shape: Vec<u64> = weights.shape.iter().map(|&n| n as u64).collect();
    if shape != spec.shape {
        let expected = &spec.shape;
        let message = format!("size mismatch: `{key}` has shape {shape:?}, expected {expected:?}");
        return Err(mismatch(message));
    }
    residual_weights::check_finite_tensor(key, weights)?;
    to_tch(weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_tch;
    use residual_spec::{InspectConfig, NameOr, Precision, resolve_inspect};
    use tch::Kind;

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

    /// Returns two images whose pixels all differ from their neighbors.
    fn pixels(height: u32, width: u32) -> Arc<Vec<f32>> {
        let pixel = |i: u32| ((i * 7919) % 257) as f32 / 128.0 - 1.0;
        Arc::new((0..2 * height * width * 3).map(pixel).collect())
    }

    /// Returns the maximum difference relative to the maximum of `b`.
    fn relative_difference(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.size(), b.size());
        (a - b).abs().max().double_value(&[]) / b.abs().max().double_value(&[])
    }

    #[test]
    fn frozen_layers_get_no_gradients_and_do_not_update_their_statistics() {
        let mut model = Model::new(network("resnet8", 16), FP64, 1).unwrap();
        let num_parameters = model.parameters().count();
        model.freeze(&["conv1".into(), "bn1".into(), "layer1".into()]).unwrap();
        let trained: Vec<String> = model.parameters().map(|(name, _)| name.into()).collect();
        assert_eq!(trained.len(), num_parameters - 9);
        assert!(trained.iter().all(|name| !name.starts_with("layer1") && name != "bn1.weight"));

        let before: BTreeMap<String, Tensor> =
            model.tensors().map(|(name, t)| (name.to_string(), t.detach().copy())).collect();
        let input = model.input(&pixels(16, 16), 2).unwrap();
        let loss = model.forward(&input, true).unwrap().square().sum(Kind::Double);
        loss.backward();
        for (name, tensor) in model.tensors() {
            let is_frozen =
                ["conv1.", "bn1.", "layer1."].iter().any(|prefix| name.starts_with(prefix));
            let is_statistic = name.contains("running");
            assert_eq!(tensor.grad().defined(), !is_frozen && !is_statistic, "{name}");
            // Only the running statistics of trained layers have changed.
            assert_eq!(tensor.equal(&before[name]), is_frozen || !is_statistic, "{name}");
        }
        // Frozen batch norms use their running statistics.
        let stem = |training| {
            let input = input.shallow_clone();
            model.features[0].forward(input, &ForwardContext::new(training)).unwrap()
        };
        assert!(stem(true).equal(&stem(false)));
    }

    #[test]
    fn a_checked_pass_names_the_first_layer_and_the_images_that_are_not_finite() {
        let _no_grad = tch::no_grad_guard();
        for name in ["resnet8", "preresnet20", "vgg11_bn"] {
            let mut network = network(name, 32);
            narrow(&mut network);
            let model = Model::new(network, FP64, 1).unwrap();
            let input = model.input(&pixels(32, 32), 2).unwrap();
            tch::manual_seed(1); // of dropout
            let (logits, not_finite) = model.forward_checked(&input).unwrap();
            assert_eq!(not_finite, None);
            tch::manual_seed(1);
            assert!(logits.equal(&model.forward(&input, true).unwrap()), "{name}");

            let mut values = pixels(32, 32).to_vec();
            values[32 * 32 * 3] = f32::INFINITY; // in the second image
            let input_with_infinity = model.input(&Arc::new(values), 2).unwrap();
            let (_, not_finite) = model.forward_checked(&input_with_infinity).unwrap();
            assert_eq!(not_finite, Some(NotFiniteOutput { layer: None, images: vec![1] }));

            let (layer, weight) = model
                .tensors()
                .filter_map(|(key, tensor)| Some((key.strip_suffix(".weight")?, tensor)))
                .filter(|(_, tensor)| tensor.dim() == 4)
                .nth(4)
                .unwrap();
            let _ = weight.shallow_clone().fill_(f64::NAN);
            let (_, not_finite) = model.forward_checked(&input).unwrap();
            let expected = NotFiniteOutput { layer: Some(layer.into()), images: vec![0, 1] };
            assert_eq!(not_finite, Some(expected), "{name}");
        }
    }

    #[test]
    fn forward_dense_equals_forward_at_the_networks_own_size() {
        let _no_grad = tch::no_grad_guard();
        for (name, size) in [("resnet18", 96), ("preresnet20", 32), ("vgg11", 32)] {
            let mut network = network(name, size);
            narrow(&mut network);
            let model = Model::new(network, FP64, 1).unwrap();
            let input = model.input(&pixels(size, size), 2).unwrap();
            let dense = model.forward_dense(&input).unwrap();
            assert!(
                relative_difference(&dense, &model.forward(&input, false).unwrap()) < 1e-12,
                "{name}"
            );
        }
    }

    #[test]
    fn forward_dense_averages_over_all_windows_of_a_larger_image() {
        let _no_grad = tch::no_grad_guard();
        for name in ["resnet18", "vgg11"] {
            let mut network = network(name, 64);
            narrow(&mut network);
            let model = Model::new(network, FP64, 1).unwrap();
            let input = model.input_with_size(&pixels(96, 128), 2, [96, 128]).unwrap();
            let actual = model.forward_dense(&input).unwrap();
            let own_size = i64::from(model.network.feature_size(64));
            let features = model.forward_features(&input, &ForwardContext::new(false)).unwrap();
            let [rows, columns] = [2, 3].map(|axis: usize| features.size()[axis] - own_size + 1);
            assert!(rows > 1 && columns > rows, "{name}");
            let pool = i64::from(model.network.pool.size);
            let mut sum = Tensor::zeros([2, 5], (Kind::Double, tch::Device::Cpu));
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |x| (row, x))) {
                let window = features.narrow(2, row, own_size).narrow(3, column, own_size);
                let pooled = window.adaptive_avg_pool2d([pool, pool]).flatten(1, -1);
                sum += model.forward_head(&pooled, &ForwardContext::new(false)).unwrap();
            }
            let mean = sum / (rows * columns) as f64;
            assert!(relative_difference(&actual, &mean) < 1e-12, "{name}");
        }
    }

    #[test]
    fn forward_dense_treats_a_smaller_image_as_one_window() {
        let _no_grad = tch::no_grad_guard();
        let model = Model::new(network("resnet20", 32), FP64, 1).unwrap();
        let input = model.input_with_size(&pixels(16, 24), 2, [16, 24]).unwrap();
        let dense = model.forward_dense(&input).unwrap();
        assert!(relative_difference(&dense, &model.forward(&input, false).unwrap()) < 1e-12);
    }

    #[test]
    fn responses_are_measured_after_the_batch_norm_of_every_3x3_convolution() {
        let model = Model::new(network("resnet20", 32), FP64, 1).unwrap();
        let input = model.input(&pixels(32, 32), 2).unwrap();
        let responses = model.layer_responses(&input).unwrap();
        assert_eq!(responses.len(), 19); // all layers but the linear one
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
        // Figure 7 of He et al. (2015) has no responses of 1x1 convolutions.
        let bottleneck_model = Model::new(network("resnet50", 32), FP64, 1).unwrap();
        let input = bottleneck_model.input(&pixels(32, 32), 2).unwrap();
        let responses = bottleneck_model.layer_responses(&input).unwrap();
        assert_eq!(responses.len(), 1 + 16);
        assert!(responses[1..].iter().all(|response| response.name.ends_with("conv2")));
    }

    /// Returns a model whose running statistics differ from their initial values.
    fn model_with_statistics(name: &str, compute: ComputeOptions) -> Model {
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
    fn folding_batch_norm_does_not_change_logits_and_tensors() {
        let _no_grad = tch::no_grad_guard();
        for name in ["resnet20", "resnet50", "preresnet20", "plain20", "vgg11_bn", "vgg11"] {
            let mut model = model_with_statistics(name, FP64);
            let input = model.input(&pixels(32, 32), 2).unwrap();
            let before = model.forward(&input, false).unwrap();
            let responses = model.layer_responses(&input).unwrap();
            let weight = model.tensors[0].1.copy();
            model.fold_batch_norm().unwrap();
            assert!(
                relative_difference(&model.forward(&input, false).unwrap(), &before) < 1e-10,
                "{name}"
            );
            for (actual, expected) in model.layer_responses(&input).unwrap().iter().zip(&responses)
            {
                assert_eq!(actual.name, expected.name);
                assert!(
                    (actual.std() / expected.std() - 1.0).abs() < 1e-9,
                    "{name} {}",
                    actual.name
                );
            }
            assert!(model.tensors[0].1.equal(&weight), "{name}");
        }
    }

    #[test]
    fn folded_fp32_and_bf16_models_approximate_the_unfolded_fp64_model() {
        let _no_grad = tch::no_grad_guard();
        let exact = model_with_statistics("resnet20", FP64);
        let tensors = exact.tensors().map(|(name, t)| (name.to_string(), from_tch(t).unwrap()));
        let tensors = tensors.collect();
        let images = pixels(32, 32).iter().copied().cycle().take(128 * 32 * 32 * 3).collect();
        let images = Arc::new(images);
        let expected = exact.forward(&exact.input(&images, 128).unwrap(), false).unwrap();
        for (precision, bound) in [(Precision::Fp32, 1e-4), (Precision::Bf16, 3e-2)] {
            let compute =
                ComputeOptions { precision, memory_format: MemoryFormat::ChannelsLast, ..FP64 };
            let mut model =
                Model::from_state_dict(exact.network.clone(), compute, &tensors).unwrap();
            model.fold_batch_norm().unwrap();
            let actual = model.forward(&model.input(&images, 128).unwrap(), false).unwrap();
            assert!(
                relative_difference(&actual.to_kind(Kind::Double), &expected) < bound,
                "{precision:?}"
            );
        }
    }

    #[test]
    fn dropout_depends_only_on_the_seed_and_is_inactive_in_evaluation() {
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

    /// Reduces the width of VGG's classifier to make the test fast.
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
