//! Training steps as one graph (CUDA graphs): forward, loss, backward and update are given to the device
//! once, and from then on a step is one launch. Whatever changes from one step to the next lies in
//! tensors that stay where they are, and is written into them before: images and targets, the learning
//! rate, the number of the update.
//!
//! A graph is of one shape. Steps of any other shape are made as without it, and so is what it cannot do
//! ([`cannot`]).

use residual_arch::Network;
use residual_data::Batch;
use residual_model::{DeviceDataset, Model, model_input};
use residual_spec::{Error, ErrorCode, Optimizer as Rule, ResolvedConfig, Result};
use residual_torch::{CudaGraph, OptimizerScalars, torch_error};
use tch::{Device, Kind, Tensor};

use crate::loss::{Partners, Targets};

/// Steps of a shape before it is captured: cuDNN has chosen its kernels by then, and all of them are
/// loaded.
pub const WARM_UP: u32 = 3;

/// Why steps of a run cannot be captured, if they cannot.
pub fn cannot(config: &ResolvedConfig, network: &Network) -> Option<&'static str> {
    match config {
        _ if network.has_dropout() => Some("dropout draws its numbers by the host's seed"),
        ResolvedConfig { optimizer: Rule::Lars(_), .. } => Some("`lars` reads every loss"),
        _ if config.ema.decay > 0.0 => Some("`ema` reads every loss"),
        _ if config.gradient.accumulate > 1 => Some("`gradient.accumulate` divides the steps"),
        _ => None,
    }
}

/// A batch where the model is.
pub struct Input {
    pub images: Tensor,
    pub targets: Targets,
}

impl Input {
    /// `images` are those on the device, if they are there.
    pub fn of(model: &Model, images: Option<&DeviceDataset>, batch: &Batch) -> Result<Input> {
        let images = model_input(model, images, batch)?;
        Ok(Input { images, targets: Targets::of(batch, model)? })
    }

    fn tensors(&self) -> Vec<&Tensor> {
        let Targets { labels, partners } = &self.targets;
        let partners = partners.iter();
        let partners = partners.flat_map(|partners| {
            let Partners { labels, shares, dominant } = partners;
            [labels, shares, dominant]
        });
        [&self.images, labels].into_iter().chain(partners).collect()
    }

    /// The same in memory of its own.
    fn copied(&self) -> Result<Input> {
        let copy = |tensor: &Tensor| {
            let own = tensor.f_zeros_like().map_err(torch_error)?;
            own.shallow_clone().f_copy_(tensor).map_err(torch_error)?;
            Ok(own)
        };
        let partners = |Partners { labels, shares, dominant }: &Partners| -> Result<Partners> {
            let (labels, shares, dominant) = (copy(labels)?, copy(shares)?, copy(dominant)?);
            Ok(Partners { labels, shares, dominant })
        };
        let Targets { labels, partners: others } = &self.targets;
        let partners = others.as_ref().map(partners).transpose()?;
        let targets = Targets { labels: copy(labels)?, partners };
        Ok(Input { images: copy(&self.images)?, targets })
    }

    /// Another one of its shape takes its place.
    fn become_as(&self, other: &Input) -> Result<()> {
        for (own, other) in self.tensors().into_iter().zip(other.tensors()) {
            own.shallow_clone().f_copy_(other).map_err(torch_error)?;
        }
        Ok(())
    }
}

/// What batches of one graph have in common.
#[derive(Clone, Copy, PartialEq)]
struct Shape {
    images: usize,
    numbers: usize,
    mixed: bool,
}

impl Shape {
    fn of(batch: &Batch) -> Shape {
        let mixed = batch.mixed.is_some();
        Shape { images: batch.len(), numbers: batch.images.len(), mixed }
    }
}

/// The rate and the number of an update, where the device finds them.
pub struct Pace {
    lr: Tensor,
    step: Tensor,
}

impl Pace {
    fn new(device: Device) -> Result<Pace> {
        let number = || Tensor::f_zeros([], (Kind::Float, device)).map_err(torch_error);
        Ok(Pace { lr: number()?, step: number()? })
    }

    /// `step` is the update's number, from 1.
    pub fn set(&self, lr: f64, step: u64) -> Result<()> {
        let set = |tensor: &Tensor, number: f64| tensor.shallow_clone().f_fill_(number).map(drop);
        set(&self.lr, lr).and_then(|()| set(&self.step, step as f64)).map_err(torch_error)
    }

    pub fn rate(&self) -> OptimizerScalars<'_> {
        OptimizerScalars::Device { lr: &self.lr, step: &self.step }
    }
}

/// What becomes of a run's steps.
pub struct Steps {
    pub pace: Pace,
    state: State,
    /// Why none are captured any more, until it is told.
    failure: Option<Error>,
}

enum State {
    /// So many steps of the shape were made.
    Warming {
        shape: Option<Shape>,
        steps: u32,
    },
    Captured(Captured),
    /// As without graphs, for good.
    Eager,
}

struct Captured {
    shape: Shape,
    graph: CudaGraph,
    input: Input,
    /// What it tells of a step.
    numbers: Tensor,
}

/// How a batch is to be learnt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// As without graphs.
    Eager,
    /// Likewise, where the graph will be captured.
    WarmingUp,
    Capture,
    Replay,
}

impl Steps {
    pub fn new(device: Device) -> Result<Steps> {
        let state = State::Warming { shape: None, steps: 0 };
        Ok(Steps { pace: Pace::new(device)?, state, failure: None })
    }

    /// How this batch, the only one of an update, is learnt from.
    pub fn how(&mut self, batch: &Batch) -> How {
        let found = Shape::of(batch);
        match &mut self.state {
            State::Eager => How::Eager,
            State::Captured(Captured { shape, .. }) if *shape == found => How::Replay,
            State::Captured(_) => How::Eager,
            State::Warming { shape, steps } => {
                // The last one of an epoch may come first; most are larger.
                if shape.is_none_or(|shape| shape.images < found.images) {
                    (*shape, *steps) = (Some(found), 0);
                }
                match (*shape == Some(found), *steps >= WARM_UP) {
                    (false, _) => How::Eager,
                    (true, false) => How::WarmingUp,
                    (true, true) => How::Capture,
                }
            }
        }
    }

    /// A step of the graph's shape was made as one without it.
    pub fn warmed_up(&mut self) {
        if let State::Warming { steps, .. } = &mut self.state {
            *steps += 1;
        }
    }

    /// As if the warm-up were done.
    #[cfg(test)]
    pub fn warm_up(&mut self, batch: &Batch) {
        self.state = State::Warming { shape: Some(Shape::of(batch)), steps: WARM_UP };
    }

    /// Captures `step`, of this input and those that take its place. Nothing of it is done. False if that
    /// failed; it is not tried again then.
    pub fn capture(
        &mut self,
        batch: &Batch,
        input: &Input,
        step: impl FnOnce(&Input, OptimizerScalars) -> Result<Tensor>,
    ) -> bool {
        let device = input.images.device();
        let captured = input.copied().and_then(|input| {
            let (graph, numbers) = CudaGraph::capture(device, || step(&input, self.pace.rate()))?;
            Ok((graph, numbers, input))
        });
        match captured {
            Ok((graph, numbers, input)) => {
                let shape = Shape::of(batch);
                self.state = State::Captured(Captured { shape, graph, input, numbers });
                true
            }
            Err(error) => {
                self.give_up(error);
                false
            }
        }
    }

    /// From here on, steps are made as without graphs. False if they were already.
    pub fn give_up(&mut self, why: Error) -> bool {
        let had = !matches!(self.state, State::Eager);
        self.state = State::Eager;
        if had {
            self.failure = Some(why);
        }
        had
    }

    pub fn is_captured(&self) -> bool {
        matches!(self.state, State::Captured(_))
    }

    /// Another input for the next replay.
    pub fn take(&self, input: &Input) -> Result<()> {
        self.captured()?.input.become_as(input)
    }

    /// The numbers that come of a step with what was taken; nobody waits for them.
    pub fn replay(&self) -> Result<&Tensor> {
        let Captured { graph, numbers, .. } = self.captured()?;
        graph.replay()?;
        Ok(numbers)
    }

    fn captured(&self) -> Result<&Captured> {
        match &self.state {
            State::Captured(captured) => Ok(captured),
            _ => Err(Error::new(ErrorCode::Internal, "no step was captured")),
        }
    }

    /// Why no steps are captured any more: once, when it has come to that.
    pub fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }
}

#[cfg(test)]
mod tests {
    use residual_spec::{DatasetInfo, MachineInfo, TrainConfig, resolve};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_a_graph_cannot_do_is_told_by_its_key() {
        let said = |more: Value| {
            let classes = ["a", "b"].map(String::from).to_vec();
            let facts =
                DatasetInfo { train: 100, ..DatasetInfo::unknown(classes, 3, Some([32; 2])) };
            let config = TrainConfig::from_json(&more).unwrap();
            let config = resolve(&config, &facts, &MachineInfo::with_cores(1)).unwrap();
            let network = residual_arch::build(&config.model, 3, 32, 2).unwrap();
            cannot(&config, &network)
        };
        assert_eq!(said(json!({ "model": "resnet20", "optimizer": "adam" })), None);
        for (config, word) in [
            (json!({ "model": "vgg11" }), "dropout"),
            (json!({ "model": "resnet20", "optimizer": "lars" }), "lars"),
            (json!({ "model": "resnet20", "ema": { "decay": 0.9 } }), "ema"),
            (json!({ "model": "resnet20", "gradient": { "accumulate": 2 } }), "accumulate"),
        ] {
            assert!(said(config).unwrap().contains(word), "{word}");
        }
    }

    #[test]
    fn the_shape_that_is_captured_is_the_larger_one_after_its_warm_up() {
        let mut steps = Steps::new(Device::Cpu).unwrap();
        let batch = |images: usize| Batch { labels: vec![0; images], ..Batch::default() };
        let (small, large) = (batch(3), batch(7));
        assert_eq!(steps.how(&small), How::WarmingUp);
        steps.warmed_up();
        for _ in 0..WARM_UP {
            assert_eq!([steps.how(&large), steps.how(&small)], [How::WarmingUp, How::Eager]);
            steps.warmed_up();
        }
        assert_eq!([steps.how(&large), steps.how(&small)], [How::Capture, How::Eager]);
        assert!(steps.give_up(Error::new(ErrorCode::Memory, "full")));
        assert!(!steps.give_up(Error::new(ErrorCode::Torch, "broken")));
        assert_eq!(steps.how(&large), How::Eager);
        assert_eq!(steps.failure().unwrap().code, ErrorCode::Memory);
        assert!(steps.failure().is_none());
    }
}
