//! What learns: a network with its loss and its update rule, batch by batch.

use residual_data::Batch;
use residual_model::{count_right, Model};
use residual_spec::{Gradient, ResolvedConfig, Result};
use residual_torch::{copy, failure};
use tch::Tensor;

use crate::ema::Ema;
use crate::gradient::{clip, Accumulated};
use crate::loss::{BatchLoss, Loss};
use crate::progress::Sums;
use crate::Optimizer;

/// A network in training.
pub struct Learner {
    pub model: Model,
    pub optimizer: Optimizer,
    pub ema: Option<Ema>,
    loss: Loss,
    gradient: Gradient,
    accumulated: Accumulated,
    /// Over the batches that the next update is made of.
    sums: Sums,
    statistics: Statistics,
    seed: u64,
}

/// The running statistics of batch normalisation, and what they were at the last update: a forward
/// pass spoils them before its loss is known to be good.
struct Statistics {
    live: Vec<Tensor>,
    kept: Vec<Tensor>,
}

/// How a batch or an update went.
pub enum Step<T> {
    Done(T),
    /// Something came out as NaN or infinite; nothing was updated.
    NotFinite(NotFinite),
}

/// What came out as NaN or infinite.
pub struct NotFinite {
    /// `the loss`, `the norm of the gradients`.
    pub what: &'static str,
    pub value: f64,
}

impl Learner {
    /// `counts` are the training images of each class.
    pub fn new(config: &ResolvedConfig, model: Model, counts: &[u64]) -> Result<Learner> {
        let live: Vec<Tensor> = model.buffers().map(|(_, tensor)| tensor.shallow_clone()).collect();
        let kept = live.iter().map(Tensor::f_zeros_like).collect::<std::result::Result<_, _>>();
        Ok(Learner {
            optimizer: Optimizer::new(&config.optimizer, &model)?,
            ema: match config.ema.decay > 0.0 {
                true => Some(Ema::new(config.ema.decay, &model)?),
                false => None,
            },
            loss: Loss::new(&config.loss, counts, &model)?,
            gradient: config.gradient.clone(),
            accumulated: Accumulated::default(),
            sums: Sums::default(),
            statistics: Statistics { live, kept: kept.map_err(failure)? },
            seed: config.seed,
            model,
        })
    }

    /// Forward and backward. The gradients wait for [`Learner::update`].
    pub fn add(&mut self, batch: &Batch) -> Result<Step<()>> {
        if self.accumulated.batches() == 0 {
            copy(&self.statistics.kept, &self.statistics.live)?;
        }
        if self.model.network().has_dropout() {
            self.seed_dropout();
        }
        let input = self.model.input(&batch.images, batch.len())?;
        let labels = self.model.labels(&batch.labels)?;
        let logits = self.model.forward(&input, true)?;
        let BatchLoss { mean, weight } = self.loss.of(&logits, &labels, batch)?;
        if weight == 0.0 {
            return Ok(Step::Done(())); // all of classes that do not count
        }
        let value = mean.f_double_value(&[]).map_err(failure)?;
        if !value.is_finite() {
            return Ok(Step::NotFinite(NotFinite { what: "the loss", value }));
        }
        let gradients = self.optimizer.gradients(&mean)?;
        self.accumulated.add(gradients, weight)?;
        // Of a mixed batch, the labels with the larger share.
        let shown = self.model.labels(batch.dominant_labels())?;
        let right = count_right(&logits.detach(), &shown)? as u64;
        self.sums.add(value, right, batch.len() as u64);
        Ok(Step::Done(()))
    }

    /// What is left out depends on the seed and on which batch of which update it is, so that a
    /// resumed run is the same, and one that others used libtorch's generator in between.
    fn seed_dropout(&self) {
        let (update, batch) = (self.optimizer.updates(), u64::from(self.accumulated.batches()));
        tch::manual_seed((self.seed ^ update.rotate_left(32) ^ batch.rotate_left(16)) as i64);
    }

    /// Whether an update has begun: batches were added since the last one.
    pub fn has_begun(&self) -> bool {
        self.accumulated.batches() > 0
    }

    /// Whether all batches of an update are there.
    pub fn is_full(&self) -> bool {
        self.accumulated.batches() >= self.gradient.accumulate
    }

    /// Updates the weights by the batches that were added; gives the sums over them.
    pub fn update(&mut self, lr: f64) -> Result<Step<Sums>> {
        let gradients = self.accumulated.take()?;
        let sums = std::mem::take(&mut self.sums);
        let value = clip(&gradients, &self.gradient)?;
        if !value.is_finite() {
            let what = "the norm of the gradients";
            return Ok(Step::NotFinite(NotFinite { what, value }));
        }
        self.optimizer.step(&gradients, lr)?;
        if let Some(ema) = &mut self.ema {
            ema.update()?;
        }
        Ok(Step::Done(sums))
    }

    /// Back to where the last update left everything. False if even that is not finite.
    pub fn step_back(&mut self) -> Result<bool> {
        self.accumulated = Accumulated::default();
        self.sums = Sums::default();
        copy(&self.statistics.live, &self.statistics.kept)?;
        self.is_finite()
    }

    /// Whether all weights and statistics are numbers.
    pub fn is_finite(&self) -> Result<bool> {
        let finite = |tensor: &Tensor| tensor.f_isfinite()?.f_all()?.f_int64_value(&[]);
        for (_, tensor) in self.model.tensors() {
            if finite(tensor).map_err(failure)? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is evaluated and kept as the best: the moving average where there is one.
    pub fn evaluated(&self) -> &Model {
        self.ema.as_ref().map_or(&self.model, Ema::model)
    }
}
