//! Exponential moving average (EMA) of the weights (Polyak & Juditsky 1992), as in torchvision's
//! reference training and timm.

use residual_model::Model;
use residual_spec::Result;
use residual_torch::{foreach_copy, foreach_lerp};
use tch::Tensor;

/// A copy of the trained network with averaged weights.
///
/// After every update, `average = decay * average + (1 - decay) * weights`; the first update copies
/// the weights (`torch.optim.swa_utils.AveragedModel`). The running statistics of batch
/// normalization are averaged as well (`use_buffers=True`).
pub struct Ema {
    decay: f64,
    model: Model,
    /// Tensors of `model`.
    average: Vec<Tensor>,
    /// Tensors of the trained network, in the order of `average`.
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

    /// Updates the average with the current weights of the trained network.
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

    /// Restores the average after `updates` updates, not counting skipped updates. `load_tensor`
    /// returns a saved tensor by name.
    pub fn load_state(
        &mut self,
        updates: u64,
        mut load_tensor: impl FnMut(&str) -> Result<Tensor>,
    ) -> Result<()> {
        let saved: Vec<Tensor> =
            self.model.tensors().map(|(name, _)| load_tensor(name)).collect::<Result<_>>()?;
        self.has_updates = updates > 0;
        foreach_copy(&self.average, &saved)
    }
}
