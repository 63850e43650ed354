//! Comparisons of the engines with each other, on the CPU. The `recorder` feature of
//! `residual-torch` records and replays CUDA graphs.

mod cuda_graph;
mod deferred;
mod loss_scale;
mod micro_batches;
mod not_finite;

use std::cell::Cell;
use std::sync::Arc;

use residual_data::{
    ArraySplit, Arrays, Loader, LoaderOptions, Pipeline, SampleOrder, Split, Subset,
};
use residual_model::ComputeOptions;
use residual_spec::{Adam, DataConfig, DatasetInfo, MachineInfo, Precision, TrainConfig, resolve};
use serde_json::json;

use super::*;

/// Injected failures of the forward pass.
#[derive(Default)]
pub(super) struct Faults {
    /// Maximum number of images in a batch; larger batches fail with `E_MEMORY`.
    pub memory_limit: Option<usize>,
    /// Error of the next forward pass.
    pub next_error: Cell<Option<ErrorCode>>,
}

impl Faults {
    pub fn check(&self, images: usize) -> Result<()> {
        if let Some(code) = self.next_error.take() {
            return Err(Error::new(code, "injected"));
        }
        if self.memory_limit.is_some_and(|limit| images > limit) {
            Err(Error::new(ErrorCode::Memory, "CUDA out of memory"))
        } else {
            Ok(())
        }
    }
}

impl TrainStep {
    /// Returns copies of all weights, running statistics and optimizer state.
    fn tensors(&self) -> Vec<Tensor> {
        let weights = self.model().tensors().map(|(_, tensor)| tensor.detach().copy());
        let state: Vec<Tensor> = self.state().optimizer.state().map(|(_, t)| t.copy()).collect();
        weights.chain(state).collect()
    }

    fn steps(&self) -> u64 {
        self.state().optimizer.steps()
    }

    fn num_forward_passes(&self) -> u64 {
        self.model().num_forward_passes()
    }

    fn has_captured(&mut self) -> bool {
        self.engine.graph_runner().unwrap().is_captured()
    }
}

fn config(arch: &str) -> ResolvedConfig {
    let classes = ["a", "b", "c"].map(String::from).to_vec();
    let facts = DatasetInfo { train: 100, ..DatasetInfo::unknown(classes, 3, Some([32; 2])) };
    let config = json!({
        "model": { "arch": arch }, "precision": "fp64",
        "optimizer": { "lr": 0.05, "momentum": 0.9, "weightDecay": 5e-3 },
        "gradient": { "clipNorm": 0.5 },
        "loss": { "classWeights": { "type": "given", "weights": [1.0, 2.0, 0.5] } },
    });
    let config = TrainConfig::from_json(&config).unwrap();
    resolve(&config, &facts, &MachineInfo::with_cores(1)).unwrap()
}

fn network(config: &ResolvedConfig) -> Network {
    residual_arch::build(&config.model, 3, 32, 3).unwrap()
}

fn with_engine(
    config: &ResolvedConfig,
    network: Network,
    engine: impl StepEngine + 'static,
) -> TrainStep {
    let model = Model::new(network, ComputeOptions::from_config(config), 1).unwrap();
    TrainStep::with_engine(config, model, &[], Box::new(engine), None).unwrap()
}

fn eager(config: &ResolvedConfig, network: Network) -> TrainStep {
    with_engine(config, network, EagerEngine::default())
}

fn deferred(config: &ResolvedConfig, network: Network) -> TrainStep {
    with_engine(config, network, DeferredEngine::new(tch::Device::Cpu).unwrap())
}

fn cuda_graph(config: &ResolvedConfig, network: Network) -> TrainStep {
    with_engine(config, network, CudaGraphEngine::new(tch::Device::Cpu).unwrap())
}

/// Returns seven images of 32 x 32.
fn batch(seed: usize) -> Batch {
    let values = 7 * 32 * 32 * 3;
    let pixel = |i: usize| ((i * 7919 + seed) % 255) as f32 / 127.0 - 1.0;
    Batch {
        images: Arc::new((0..values).map(pixel).collect()),
        labels: (0..7).map(|i| (i + seed as i64) % 3).collect(),
        indices: (0..7).collect(),
        ..Batch::default()
    }
}

/// Returns seven images of 8 x 8, for half precision, which is slow on CPUs.
fn small_batch(seed: usize) -> Batch {
    let mut batch = batch(seed);
    batch.images_mut().truncate(7 * 8 * 8 * 3);
    batch
}

/// Returns the maximum absolute difference over all tensors; infinity for NaN.
fn max_difference(a: &TrainStep, b: &TrainStep) -> f64 {
    let pairs = a.tensors().into_iter().zip(b.tensors());
    let difference = |(a, b): (Tensor, Tensor)| (a - b).abs().max().double_value(&[]);
    pairs
        .map(difference)
        .fold(0.0, |max, next| if next.is_nan() { f64::INFINITY } else { next.max(max) })
}

fn done(outcome: Result<StepOutcome<RunningMetrics>>) -> RunningMetrics {
    match outcome.unwrap() {
        StepOutcome::Done(metrics) => metrics,
        StepOutcome::Diverged(Divergence { quantity, value }) => {
            panic!("{quantity} became {value}")
        }
    }
}

fn divergence(outcome: Result<StepOutcome<RunningMetrics>>) -> Divergence {
    match outcome.unwrap() {
        StepOutcome::Done(_) => panic!("the step was made"),
        StepOutcome::Diverged(divergence) => divergence,
    }
}

/// Returns a configuration with fp16 and Adam, and a function that builds its network for images of
/// 8 x 8.
fn half_precision_config() -> (ResolvedConfig, impl Fn() -> Network) {
    let mut config = config("resnet8");
    config.precision = Precision::Fp16;
    let betas = [0.9, 0.999];
    let adam = Adam { lr: 0.01, betas, eps: 1e-8, weight_decay: 0.0, decay_norms: true };
    config.optimizer = residual_spec::Optimizer::Adam(adam);
    let model = config.model.clone();
    (config, move || residual_arch::build(&model, 3, 8, 3).unwrap())
}

fn set_loss_scale(step: &mut TrainStep, scale: f64) {
    let value = |name: &str| if name.ends_with(".scale") { scale } else { 0.0 };
    let scaler = step.state_mut().scaler.as_mut().unwrap();
    scaler.load_state(|name| Ok(Tensor::from(value(name)))).unwrap();
}

/// Multiplies the head's weights so that the loss is finite, but its gradients overflow in fp16.
/// Returns the weights.
fn enlarge_head(step: &TrainStep) -> Tensor {
    let name = format!("{}.weight", step.model().network().head.name);
    let (_, weight) = step.model().tensors().find(|(tensor, _)| *tensor == name).unwrap();
    let weight = weight.detach();
    let _ = weight.shallow_clone().f_mul_scalar_(1e9).unwrap();
    weight
}

/// Returns a different learning rate for each step, exact in fp32 as the device stores it.
fn lr(step: usize) -> f64 {
    f64::from(0.05 / (1.0 + step as f32))
}

/// Trains on all batches, finishes each step as late as possible, and returns the metrics. `first`
/// is the index of the first step.
fn train(step: &mut TrainStep, batches: &[Batch], first: usize) -> Vec<RunningMetrics> {
    let mut metrics = Vec::new();
    for (index, batch) in batches.iter().enumerate() {
        assert!(matches!(step.forward_backward(batch).unwrap(), StepOutcome::Done(())));
        assert!(step.is_full());
        step.start_optimizer_step(lr(first + index)).unwrap();
        if step.in_flight.len() > step.max_in_flight() {
            metrics.push(done(step.finish_optimizer_step()));
        }
    }
    while !step.in_flight.is_empty() {
        metrics.push(done(step.finish_optimizer_step()));
    }
    metrics
}

/// Returns one batch of seven images for each of `epochs` epochs: as pixels, as crop windows of
/// images in device memory, and these images.
fn device_batches(
    config: &ResolvedConfig,
    epochs: u32,
) -> (Vec<Batch>, Vec<Batch>, Rc<DeviceDataset>) {
    let train = ArraySplit {
        images: (0..7 * 32 * 32 * 3).map(|i| (i * 7919 % 251) as u8).collect::<Vec<u8>>().into(),
        labels: (0..7).map(|i| i % 3).collect::<Vec<u32>>().into(),
        height: 32,
        width: 32,
        channels: 3,
    };
    let arrays = Arrays { train, val: None, test: None, classes: None };
    let set = residual_data::open_with_arrays(&DataConfig::default(), Some(arrays), &|| false);
    let images = Subset::full(set.unwrap().source(Split::Train));
    let pipeline = Arc::new(Pipeline::train(config, None));
    let batches = |crops_only| {
        let batch = |epoch| {
            let order = SampleOrder::Shuffled { seed: 1, epoch };
            let options = LoaderOptions { crops_only, ..LoaderOptions::train(config, order) };
            Loader::new(&images, Arc::clone(&pipeline), options).next().unwrap().unwrap().batch
        };
        (0..epochs).map(batch).collect()
    };
    let (compute, transform) =
        (ComputeOptions::from_config(config), pipeline.as_crop_normalize().unwrap());
    let on_device = DeviceDataset::new(&images.source, compute, [32, 3], &transform, &|| false);
    (batches(false), batches(true), Rc::new(on_device.unwrap().unwrap()))
}
