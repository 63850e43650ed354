//! An exponential moving average of the weights (Polyak & Juditsky 1992), as in torchvision's
//! reference training and timm.

use residual_model::Model;
use residual_spec::Result;
use residual_torch::{foreach_copy, foreach_lerp};
use tch::Tensor;

/// A second network whose weights average those of the trained network.
///
/// After every update, `average = decay * average + (1 - decay) * weights`; the first update copies
/// the weights (`torch.optim.swa_utils.AveragedModel`). The running statistics of batch
/// normalization are averaged as well (`use_buffers=True`).
pub struct Ema {
    decay: f64,
    model: Model,
    /// Tensors of the average and of the trained network, in the same order.
    average: Vec<Tensor>,
    weights: Vec<Tensor>,
    has_updates: bool,
}

impl Ema {
    pub fn new(decay: f64, trained: &Model) -> Result<Ema> {
        let model = trained.deep_copy()?;
        let tensors = |model: &Model| model.tensors().map(|(_, t)| t.detach()).collect();
        let (average, weights) = (tensors(&model), tensors(trained));
        Ok(Ema { decay, model, average, weights, has_updates: false })
    }

    /// Adds the current weights of the trained network to the average.
    pub fn update(&mut self) -> Result<()> {
        if self.has_updates {
            foreach_lerp(&self.average, &self.weights, 1.0 - self.decay)
        } else {
            self.has_updates = true;
            foreach_copy(&self.average, &self.weights)
        }
    }

    /// Returns the network with the averaged weights.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Restores the average after `updates` updates (skipped ones excluded); `saved` returns a
    /// tensor by name.
    pub fn load_state(
        &mut self,
        updates: u64,
        mut saved: impl FnMut(&str) -> Result<Tensor>,
    ) -> Result<()> {
        let saved: Vec<Tensor> =
            self.model.tensors().map(|(name, _)| saved(name)).collect::<Result<_>>()?;
        self.has_updates = updates > 0;
        foreach_copy(&self.average, &saved)
    }
}
