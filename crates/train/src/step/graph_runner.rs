//! Capture and replay of training steps as CUDA graphs.
//!
//! A captured step (forward, loss, backward and update) is launched as one graph. All values that
//! change between steps are written into tensors before the launch: images, targets, learning rate
//! and step number. A graph accepts batches of one shape. Batches of other shapes, and
//! configurations that are [`unsupported`], are computed without a graph.

use residual_arch::Network;
use residual_data::Batch;
use residual_optim::update_rule;
use residual_spec::{Error, ErrorCode, ResolvedConfig, Result};
use residual_torch::CudaGraph;
use tch::Tensor;

use super::input::{BatchShape, StepInput};

/// Number of steps with batches of one shape before the capture, in which cuDNN selects and loads
/// its kernels.
pub(super) const WARM_UP_STEPS: u32 = 3;

/// Returns the reason why the steps of a run cannot be captured; `None` if they can.
pub(super) fn unsupported(config: &ResolvedConfig, network: &Network) -> Option<String> {
    if network.has_dropout() {
        return Some("dropout takes its seed from the host in every step".into());
    }
    if update_rule(&config.optimizer).reads_on_host() {
        let name = optimizer_name(&config.optimizer);
        return Some(format!("the optimizer `{name}` reads values on the host in every step"));
    }
    if config.ema.decay > 0.0 {
        return Some("`ema` reads the outcome of every step".into());
    }
    if config.gradient.accumulate > 1 {
        return Some("`gradient.accumulate` makes one update from several batches".into());
    }
    None
}

/// Returns the value of `optimizer.type`.
fn optimizer_name(config: &residual_spec::Optimizer) -> String {
    let value = serde_json::to_value(config).unwrap_or_default();
    value["type"].as_str().unwrap_or_default().to_string()
}

/// Captures the step for batches of one shape after the warm-up, and replays it.
pub(super) struct CudaGraphRunner {
    state: State,
    /// Reason for disabling capture, until `take_failure` returns it.
    failure: Option<Error>,
}

enum State {
    WarmingUp {
        shape: Option<BatchShape>,
        /// Completed steps with batches of `shape`.
        steps: u32,
    },
    Captured(CapturedStep),
    /// All further steps run without a graph.
    Disabled,
}

struct CapturedStep {
    shape: BatchShape,
    graph: CudaGraph,
    input: StepInput,
    /// Output of the graph: the statistics of the step.
    stats: Tensor,
}

/// Execution mode of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepMode {
    /// Without a graph.
    Eager,
    /// Without a graph, on the stream where the graph will be captured.
    WarmUp,
    /// Captures the step, then replays it.
    Capture,
    /// Replays the captured step.
    Replay,
}

impl Default for CudaGraphRunner {
    fn default() -> CudaGraphRunner {
        CudaGraphRunner { state: State::WarmingUp { shape: None, steps: 0 }, failure: None }
    }
}

impl CudaGraphRunner {
    /// Returns the execution mode of a batch that is the only one of its step.
    pub fn choose_mode(&mut self, batch: &Batch) -> StepMode {
        let batch_shape = BatchShape::from_batch(batch);
        match &mut self.state {
            State::Disabled => StepMode::Eager,
            State::Captured(CapturedStep { shape, .. }) if *shape == batch_shape => {
                StepMode::Replay
            }
            State::Captured(_) => StepMode::Eager,
            State::WarmingUp { shape, steps } => {
                // The first batch may be the smaller last batch of an epoch; most batches are
                // larger.
                if shape.is_none_or(|shape| shape.images < batch_shape.images) {
                    (*shape, *steps) = (Some(batch_shape), 0);
                }
                match (*shape == Some(batch_shape), *steps >= WARM_UP_STEPS) {
                    (false, _) => StepMode::Eager,
                    (true, false) => StepMode::WarmUp,
                    (true, true) => StepMode::Capture,
                }
            }
        }
    }

    /// Counts a warm-up step.
    pub fn count_warm_up(&mut self) {
        match &mut self.state {
            State::WarmingUp { steps, .. } => *steps += 1,
            State::Captured(_) | State::Disabled => {}
        }
    }

    /// Completes the warm-up.
    #[cfg(test)]
    pub fn complete_warm_up(&mut self, batch: &Batch) {
        let shape = Some(BatchShape::from_batch(batch));
        self.state = State::WarmingUp { shape, steps: WARM_UP_STEPS };
    }

    /// Captures `step` with a copy of `input`, without executing it. Returns false if the capture
    /// fails, which disables all further captures.
    pub fn capture(
        &mut self,
        batch: &Batch,
        input: &StepInput,
        step: impl FnOnce(&StepInput) -> Result<Tensor>,
    ) -> bool {
        let device = input.images.device();
        let captured = input.deep_copy().and_then(|input| {
            let (graph, stats) = CudaGraph::capture(device, || step(&input))?;
            Ok(CapturedStep { shape: BatchShape::from_batch(batch), graph, input, stats })
        });
        match captured {
            Ok(captured) => {
                self.state = State::Captured(captured);
                true
            }
            Err(error) => {
                self.disable(error);
                false
            }
        }
    }

    /// Frees the graph and disables capture, so that all further steps run without a graph. Returns
    /// false if capture was already disabled.
    pub fn disable(&mut self, reason: Error) -> bool {
        let was_enabled = !matches!(self.state, State::Disabled);
        self.state = State::Disabled;
        if was_enabled {
            self.failure = Some(reason);
        }
        was_enabled
    }

    pub fn is_captured(&self) -> bool {
        matches!(self.state, State::Captured(_))
    }

    /// Copies `input` to the input tensors of the graph, for the next replay.
    pub fn set_input(&self, input: &StepInput) -> Result<()> {
        self.captured()?.input.copy_from(input)
    }

    /// Launches the captured step and returns its statistics, without waiting for them.
    pub fn replay(&self) -> Result<&Tensor> {
        let CapturedStep { graph, stats, .. } = self.captured()?;
        graph.replay()?;
        Ok(stats)
    }

    fn captured(&self) -> Result<&CapturedStep> {
        match &self.state {
            State::Captured(captured) => Ok(captured),
            State::WarmingUp { .. } | State::Disabled => {
                Err(Error::new(ErrorCode::Internal, "no step was captured"))
            }
        }
    }

    /// Returns the reason for disabling capture. Each reason is returned once.
    pub fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }
}

#[cfg(test)]
mod tests {
    use residual_spec::{DatasetInfo, MachineInfo, TrainConfig, resolve};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn names_the_configuration_key_that_rules_out_graphs() {
        let reason = |config: Value| {
            let classes = ["a", "b"].map(String::from).to_vec();
            let facts =
                DatasetInfo { train: 100, ..DatasetInfo::unknown(classes, 3, Some([32; 2])) };
            let config = TrainConfig::from_json(&config).unwrap();
            let config = resolve(&config, &facts, &MachineInfo::with_cores(1)).unwrap();
            let network = residual_arch::build(&config.model, 3, 32, 2).unwrap();
            unsupported(&config, &network)
        };
        assert_eq!(reason(json!({ "model": "resnet20", "optimizer": "adam" })), None);
        for (config, word) in [
            (json!({ "model": "vgg11" }), "dropout"),
            (json!({ "model": "resnet20", "optimizer": "lars" }), "lars"),
            (json!({ "model": "resnet20", "ema": { "decay": 0.9 } }), "ema"),
            (json!({ "model": "resnet20", "gradient": { "accumulate": 2 } }), "accumulate"),
        ] {
            assert!(reason(config).unwrap().contains(word), "{word}");
        }
    }

    #[test]
    fn captures_the_larger_shape_after_its_warm_up() {
        let mut runner = CudaGraphRunner::default();
        let batch = |images: usize| Batch { labels: vec![0; images], ..Batch::default() };
        let (small, large) = (batch(3), batch(7));
        assert_eq!(runner.choose_mode(&small), StepMode::WarmUp);
        runner.count_warm_up();
        for _ in 0..WARM_UP_STEPS {
            let modes = [runner.choose_mode(&large), runner.choose_mode(&small)];
            assert_eq!(modes, [StepMode::WarmUp, StepMode::Eager]);
            runner.count_warm_up();
        }
        let modes = [runner.choose_mode(&large), runner.choose_mode(&small)];
        assert_eq!(modes, [StepMode::Capture, StepMode::Eager]);
        assert!(runner.disable(Error::new(ErrorCode::Memory, "full")));
        assert!(!runner.disable(Error::new(ErrorCode::Torch, "broken")));
        assert_eq!(runner.choose_mode(&large), StepMode::Eager);
        assert_eq!(runner.take_failure().unwrap().code, ErrorCode::Memory);
        assert!(runner.take_failure().is_none());
    }
}
