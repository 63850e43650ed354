//! An exponential moving average of the weights (Polyak & Juditsky 1992; as torchvision's
//! reference training and timm keep it).

use residual_model::Model;
use residual_spec::Result;
use residual_torch::{foreach_copy, foreach_lerp};
use tch::Tensor;

/// A second network that follows the one that is trained. After every update
/// `average = decay * average + (1 - decay) * weights`; the first update is taken as it is
/// (`torch.optim.swa_utils.AveragedModel`). The running statistics of batch normalisation are
/// averaged like the weights that they belong to (`use_buffers=True`).
pub struct Ema {
    decay: f64,
    average: Model,
    /// The tensors of both, side by side.
    own: Vec<Tensor>,
    followed: Vec<Tensor>,
    begun: bool,
}

impl Ema {
    pub fn new(decay: f64, model: &Model) -> Result<Ema> {
        let average = model.deep_copy()?;
        let all = |model: &Model| model.tensors().map(|(_, t)| t.detach()).collect();
        let (own, followed) = (all(&average), all(model));
        Ok(Ema { decay, average, own, followed, begun: false })
    }

    /// The network was updated.
    pub fn update(&mut self) -> Result<()> {
        match self.begun {
            true => foreach_lerp(&self.own, &self.followed, 1.0 - self.decay),
            false => {
                self.begun = true;
                foreach_copy(&self.own, &self.followed)
            }
        }
    }

    /// What is evaluated and kept.
    pub fn model(&self) -> &Model {
        &self.average
    }

    /// Goes on from tensors saved after so many updates that were not skipped, by name.
    pub fn restore(
        &mut self,
        updates: u64,
        mut saved: impl FnMut(&str) -> Result<Tensor>,
    ) -> Result<()> {
        let saved: Vec<Tensor> =
            self.average.tensors().map(|(name, _)| saved(name)).collect::<Result<_>>()?;
        self.begun = updates > 0;
        foreach_copy(&self.own, &saved)
    }
}
