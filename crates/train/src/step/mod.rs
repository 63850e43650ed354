//! What learns: a network with its loss and its update rule, batch by batch.

use std::collections::VecDeque;
use std::rc::Rc;

use residual_data::Batch;
use residual_model::{DeviceDataset, Model, num_correct};
use residual_spec::{
    Device, Error, ErrorCode, Gradient, Optimizer as Rule, Precision, ResolvedConfig, Result,
};
use residual_torch::cuda::{AsyncHostCopy, on_side_stream};
use residual_torch::{
    OptimizerScalars, clear_out_of_memory, empty_cache, foreach_copy, torch_error,
};
use tch::{Kind, Tensor};

use residual_optim::{Accumulated, Ema, LEAST, LossScale, Optimizer, Skip, clip};

mod cuda_graph;
mod deferred;
mod micro_batches;

use crate::loss::Loss;
use crate::position::Sums;
use cuda_graph::{How, Input, Steps, cannot};
use deferred::{AHEAD, Late};
use micro_batches::Parts;

/// A network in training. Its tensors are written to and never replaced: where steps are captured, they
/// are part of a graph.
pub struct Learner {
    pub model: Model,
    pub optimizer: Optimizer,
    pub ema: Option<Ema>,
    /// Images that batches only say where to cut.
    pub images: Option<Rc<DeviceDataset>>,
    /// In fp16.
    pub scale: Option<LossScale>,
    /// Its factor after the last update whose outcome is known.
    factor: Option<f64>,
    loss: Loss,
    gradient: Gradient,
    accumulated: Accumulated,
    /// Over the batches that the next update is made of.
    sums: Sums,
    statistics: Statistics,
    parts: Parts,
    /// Where outcomes are read late.
    late: Option<Late>,
    /// Where steps are to be captured.
    steps: Option<Steps>,
    /// How the batch that the next update is made of is learnt from; where it waits for a replay, nothing
    /// is known of it yet.
    how: How,
    /// The sum of the losses and the right answers over those batches, where they are read late.
    told: Option<Tensor>,
    /// Of the updates that were begun and not ended.
    outcomes: VecDeque<Outcome>,
    seed: u64,
    /// A device with memory for so many images.
    #[cfg(test)]
    room: Option<usize>,
    /// One that is full the next time.
    #[cfg(test)]
    full: std::cell::Cell<bool>,
}

enum Outcome {
    Known(Step<Sums>),
    /// The numbers are the sum of losses, right answers, the norm of the gradients and, where the
    /// loss is scaled, its factor and what the scale was before.
    Coming {
        numbers: AsyncHostCopy,
        count: u64,
        /// Of the statistics before it.
        slot: usize,
    },
}

/// What a batch, or the parts of it until now, gave.
#[derive(Default)]
struct Learnt {
    of_batch: Accumulated,
    sums: Sums,
    told: Option<Tensor>,
    not_finite: Option<NotFinite>,
}

/// The running statistics of batch normalisation, and what they were at the last update: a forward
/// pass spoils them before its loss is known to be good.
struct Statistics {
    live: Vec<Tensor>,
    /// In turns for each update whose outcome is not known yet.
    kept: Vec<Vec<Tensor>>,
    /// The one whose turn it is.
    slot: usize,
}

impl Statistics {
    fn new(live: Vec<Tensor>, ahead: usize) -> Result<Statistics> {
        let like = || live.iter().map(Tensor::f_zeros_like).collect::<std::result::Result<_, _>>();
        let kept = (0..=ahead).map(|_| like()).collect::<std::result::Result<_, _>>();
        Ok(Statistics { kept: kept.map_err(torch_error)?, live, slot: 0 })
    }

    fn kept(&self) -> &[Tensor] {
        &self.kept[self.slot]
    }
}

/// How a batch or an update went.
pub enum Step<T> {
    /// Also where the loss is scaled and the update was skipped for its gradients.
    Done(T),
    /// Something came out as NaN or infinite; nothing was updated.
    NotFinite(NotFinite),
}

/// What came out as NaN or infinite, or too small.
pub struct NotFinite {
    /// `the loss`, `the norm of the gradients`, `the factor of the loss`.
    pub what: &'static str,
    pub value: f64,
}

impl Learner {
    /// `counts` are the training images of each class.
    pub fn new(config: &ResolvedConfig, model: Model, counts: &[u64]) -> Result<Learner> {
        let learner = Learner::new_eager(config, model, counts)?;
        // A moving average, and LARS's rates, are not made on the device alone.
        let alone = config.ema.decay == 0.0 && !matches!(config.optimizer, Rule::Lars(_));
        match config.device {
            Device::Cuda if alone => learner.reading_late()?.capturing_if(config),
            Device::Cuda => learner.capturing_if(config),
            Device::Cpu => Ok(learner),
        }
    }

    fn capturing_if(self, config: &ResolvedConfig) -> Result<Learner> {
        if !config.cuda_graphs {
            return Ok(self);
        }
        let why = cannot(config, self.model.network());
        let mut learner = self.capturing()?;
        if let (Some(steps), Some(why)) = (&mut learner.steps, why) {
            steps.give_up(Error::new(ErrorCode::Config, why));
        }
        Ok(learner)
    }

    fn new_eager(config: &ResolvedConfig, model: Model, counts: &[u64]) -> Result<Learner> {
        let live: Vec<Tensor> = model.buffers().map(|(_, tensor)| tensor.shallow_clone()).collect();
        Ok(Learner {
            optimizer: Optimizer::new(&config.optimizer, &model)?,
            ema: match config.ema.decay > 0.0 {
                true => Some(Ema::new(config.ema.decay, &model)?),
                false => None,
            },
            images: None,
            scale: match config.precision {
                Precision::Fp16 => Some(LossScale::new(model.compute().device())?),
                _ => None,
            },
            factor: None,
            loss: Loss::new(&config.loss, counts, &model)?,
            gradient: config.gradient.clone(),
            accumulated: Accumulated::default(),
            sums: Sums::default(),
            statistics: Statistics::new(live, 0)?,
            parts: Parts::default(),
            late: None,
            steps: None,
            how: How::Eager,
            told: None,
            outcomes: VecDeque::new(),
            seed: config.seed,
            #[cfg(test)]
            room: None,
            #[cfg(test)]
            full: Default::default(),
            model,
        })
    }

    /// The same, asking the device for no number before it is [`ahead`](Learner::ahead) updates
    /// further. What comes out is the same.
    pub fn reading_late(mut self) -> Result<Learner> {
        self.late = Some(Late::new(self.model.compute().device())?);
        self.statistics = Statistics::new(self.statistics.live, AHEAD)?;
        Ok(self)
    }

    /// The same with steps that are captured where they can be.
    pub fn capturing(mut self) -> Result<Learner> {
        self.steps = Some(Steps::new(self.model.compute().device())?);
        Ok(self)
    }

    /// Forward and backward. The gradients wait for [`Learner::update`].
    pub fn add(&mut self, batch: &Batch) -> Result<Step<()>> {
        if self.accumulated.batches() == 0 {
            foreach_copy(self.statistics.kept(), &self.statistics.live)?;
        }
        clear_out_of_memory();
        self.how = self.how(batch);
        if self.waits_for_replay(batch)? {
            self.sums.count += batch.len() as u64;
            return Ok(Step::Done(()));
        }
        let learnt = self.aside(|learner| learner.learn_in_parts(batch))?;
        let Learnt { mut of_batch, sums, told, not_finite } = learnt;
        if let Some(what) = not_finite {
            return Ok(Step::NotFinite(what));
        }
        if of_batch.batches() > 0 {
            let weight = of_batch.weight();
            self.accumulated.add(of_batch.take()?, weight)?;
        }
        self.sums.join(sums);
        self.told = both(self.told.take(), told)?;
        Ok(Step::Done(()))
    }

    fn how(&mut self, batch: &Batch) -> How {
        let whole = self.parts.most().is_none_or(|most| batch.len() <= most);
        let alone = self.accumulated.batches() == 0 && self.gradient.accumulate == 1;
        match &mut self.steps {
            // The first update is another one, and one of no weight is none.
            Some(steps) if whole && alone && self.optimizer.updates() > 0 => {
                match self.loss.weight(batch) == 0.0 {
                    true => How::Eager,
                    false => steps.how(batch),
                }
            }
            _ => How::Eager,
        }
    }

    /// Whether the whole step is made when the learning rate is known, by a graph: then it has the batch.
    fn waits_for_replay(&mut self, batch: &Batch) -> Result<bool> {
        if !matches!(self.how, How::Capture | How::Replay) {
            return Ok(false);
        }
        let Some(mut steps) = self.steps.take() else { return Ok(false) };
        let taken = self.input(batch).and_then(|input| match self.how {
            How::Replay => steps.take(&input).map(|()| true),
            _ => Ok(steps.capture(batch, &input, |input, rate| self.whole_step(input, rate))),
        });
        let taken = match taken {
            Err(error) if error.code == ErrorCode::Memory => {
                steps.give_up(error);
                Ok(false)
            }
            taken => taken,
        };
        self.steps = Some(steps);
        if let Ok(false) = taken {
            self.how = How::Eager;
            empty_cache();
            clear_out_of_memory();
        }
        taken
    }

    /// What a graph has of a step: it sees nothing but the device's numbers, and gives what
    /// [`Late::update`] does.
    fn whole_step(&self, input: &Input, rate: OptimizerScalars) -> Result<Tensor> {
        let Some(late) = &self.late else {
            return Err(Error::new(ErrorCode::Internal, "what is captured is read late"));
        };
        let (logits, mean) = self.pass(input)?;
        let gradients = self.gradients(&mean)?;
        let told = told(&logits, &mean, input)?;
        late.update(&gradients, &self.gradient, &told, self.scale.as_ref(), |skip| {
            self.optimizer.step_by(&gradients, rate, Some(skip))
        })
    }

    /// Steps before a graph is captured leave on its stream what libraries keep for each.
    fn aside<T>(&mut self, work: impl FnOnce(&mut Learner) -> Result<T>) -> Result<T> {
        match self.how {
            How::WarmingUp => on_side_stream(self.model.compute().device(), || work(self)),
            _ => work(self),
        }
    }

    fn learn_in_parts(&mut self, batch: &Batch) -> Result<Learnt> {
        let first = self.accumulated.batches() == 0;
        let (mut parts, mut steps) = (std::mem::take(&mut self.parts), self.steps.take());
        let learnt = parts.each(
            batch,
            |anew| {
                if anew {
                    empty_cache();
                    // Of a later batch of an update, the pass that failed has moved them a little.
                    if first {
                        foreach_copy(&self.statistics.live, self.statistics.kept())?;
                    }
                }
                Ok(Learnt::default())
            },
            |learnt, part, number| self.learn(learnt, part, number),
            // A graph holds as much as a step of its own.
            |error| {
                let steps = steps.as_mut().filter(|steps| steps.is_captured());
                steps.is_some_and(|steps| steps.give_up(error.clone()))
            },
        );
        (self.parts, self.steps) = (parts, steps);
        learnt
    }

    fn input(&self, batch: &Batch) -> Result<Input> {
        Input::of(&self.model, self.images.as_deref(), batch)
    }

    /// Logits and mean loss.
    fn pass(&self, input: &Input) -> Result<(Tensor, Tensor)> {
        let logits = self.model.forward(&input.images, true)?;
        #[cfg(test)]
        self.look_for_room(input.targets.labels.size()[0] as usize)?;
        let mean = self.loss.of(&logits, &input.targets)?;
        Ok((logits, mean))
    }

    fn learn(&self, learnt: &mut Learnt, batch: &Batch, part: u64) -> Result<()> {
        if learnt.not_finite.is_some() {
            return Ok(());
        }
        if self.model.network().has_dropout() {
            self.seed_dropout(part);
        }
        let input = self.input(batch)?;
        let (logits, mean) = self.pass(&input)?;
        let weight = self.loss.weight(batch);
        if weight == 0.0 {
            return Ok(()); // all of classes that do not count
        }
        let count = batch.len() as u64;
        match &self.late {
            None => {
                let value = mean.f_double_value(&[]).map_err(torch_error)?;
                if !value.is_finite() {
                    learnt.not_finite = Some(NotFinite { what: "the loss", value });
                    return Ok(());
                }
                learnt.of_batch.add(self.gradients(&mean)?, weight)?;
                let right = num_correct(&logits.detach(), input.targets.dominant())?;
                let right = right.f_int64_value(&[]).map_err(torch_error)? as u64;
                learnt.sums.add(value, right, count);
            }
            Some(_) => {
                learnt.of_batch.add(self.gradients(&mean)?, weight)?;
                let told = told(&logits, &mean, &input)?;
                learnt.told = both(learnt.told.take(), Some(told))?;
                learnt.sums.count += count;
            }
        }
        Ok(())
    }

    /// Of a loss, times what it is scaled by.
    fn gradients(&self, loss: &Tensor) -> Result<Vec<Tensor>> {
        match &self.scale {
            None => self.optimizer.gradients(loss),
            Some(scale) => self.optimizer.gradients(&scale.scaled(loss)?),
        }
    }

    /// What is left out depends on the seed and on which batch of which update it is, so that a
    /// resumed run is the same, and one that others used libtorch's generator in between.
    fn seed_dropout(&self, part: u64) {
        let (update, batch) = (self.optimizer.updates(), u64::from(self.accumulated.batches()));
        let place = update.rotate_left(32) ^ batch.rotate_left(16) ^ part.rotate_left(8);
        tch::manual_seed((self.seed ^ place) as i64);
    }

    /// Whether an update has begun: batches were added since the last one.
    pub fn has_begun(&self) -> bool {
        self.accumulated.batches() > 0 || self.is_to_be_replayed()
    }

    /// Whether all batches of an update are there.
    pub fn is_full(&self) -> bool {
        self.accumulated.batches() >= self.gradient.accumulate || self.is_to_be_replayed()
    }

    fn is_to_be_replayed(&self) -> bool {
        matches!(self.how, How::Capture | How::Replay)
    }

    /// Updates the weights by the batches that were added; gives the sums over them.
    pub fn update(&mut self, lr: f64) -> Result<Step<Sums>> {
        self.begin_update(lr)?;
        self.end_update()
    }

    /// The same without its outcome, which [`Learner::end_update`] gives: at most [`Learner::ahead`]
    /// later.
    pub fn begin_update(&mut self, lr: f64) -> Result<()> {
        let slot = self.statistics.slot;
        let outcome = match self.is_to_be_replayed() {
            true => self.replay(lr)?,
            false => self.aside(|learner| learner.update_by_what_was_added(lr))?,
        };
        self.how = How::Eager;
        self.outcomes.push_back(outcome);
        self.statistics.slot = (slot + 1) % self.statistics.kept.len();
        Ok(())
    }

    fn replay(&mut self, lr: f64) -> Result<Outcome> {
        let count = std::mem::take(&mut self.sums).count;
        let Some(steps) = &self.steps else {
            return Err(Error::new(ErrorCode::Internal, "nothing was captured"));
        };
        steps.pace.set(lr, self.optimizer.updates() + 1)?;
        let numbers = AsyncHostCopy::new(steps.replay()?)?;
        self.optimizer.count();
        Ok(Outcome::Coming { numbers, count, slot: self.statistics.slot })
    }

    fn update_by_what_was_added(&mut self, lr: f64) -> Result<Outcome> {
        let gradients = self.accumulated.take()?;
        let sums = std::mem::take(&mut self.sums);
        let (Some(told), Some(late)) = (self.told.take(), &self.late) else {
            return Ok(Outcome::Known(self.update_now(&gradients, sums, lr)?));
        };
        // Where steps are captured, all of them have their rate there: it is the same to the last bit.
        let next = self.optimizer.updates() + 1;
        let rate = match &self.steps {
            None => OptimizerScalars::Host { lr, step: next },
            Some(steps) => {
                steps.pace.set(lr, next)?;
                steps.pace.rate()
            }
        };
        let scale = self.scale.as_ref();
        let numbers = late.update(&gradients, &self.gradient, &told, scale, |skip| {
            self.optimizer.step_by(&gradients, rate, Some(skip))
        })?;
        let numbers = AsyncHostCopy::new(&numbers)?;
        self.optimizer.count();
        if let (How::WarmingUp, Some(steps)) = (self.how, &mut self.steps) {
            steps.warmed_up();
        }
        Ok(Outcome::Coming { numbers, count: sums.count, slot: self.statistics.slot })
    }

    fn update_now(&mut self, gradients: &[Tensor], sums: Sums, lr: f64) -> Result<Step<Sums>> {
        if let Some(scale) = &self.scale {
            let _ = scale.unscale(gradients)?; // what it finds makes the norm infinite, too
        }
        let value = clip(gradients, &self.gradient)?;
        let skipped = !value.is_finite();
        match &self.scale {
            None if skipped => return Ok(not_finite("the norm of the gradients", value)),
            None => self.optimizer.step(gradients, lr, None)?,
            Some(scale) => {
                let before = Vec::<f64>::try_from(scale.now()?).map_err(torch_error)?;
                let skips = scale.skipped().copy();
                let found = scale.factor().f_full_like(f64::from(u8::from(skipped)));
                let found = found.map_err(torch_error)?;
                scale.update(&found)?;
                let factor = scale.factor().f_double_value(&[]).map_err(torch_error)?;
                if factor < LEAST {
                    scale.go_back(&before)?;
                    return Ok(not_finite(FACTOR, factor));
                }
                self.factor = Some(factor);
                if skipped {
                    self.optimizer.count();
                    return Ok(Step::Done(sums));
                }
                let skip = Skip { now: &found, before: Some(&skips) };
                self.optimizer.step(gradients, lr, Some(skip))?;
            }
        }
        if let Some(ema) = &mut self.ema {
            ema.update()?;
        }
        Ok(Step::Done(sums))
    }

    /// What the oldest update came to whose outcome is not known.
    ///
    /// # Panics
    /// If there is none.
    pub fn end_update(&mut self) -> Result<Step<Sums>> {
        let outcome = self.outcomes.pop_front().expect("an update that was begun");
        let (numbers, count, slot) = match outcome {
            Outcome::Known(step) => return Ok(step),
            Outcome::Coming { numbers, count, slot } => (numbers.wait()?, count, slot),
        };
        let [loss, right, norm, ref scale @ ..] = numbers[..] else {
            unreachable!("three are told")
        };
        let (mean, factor) = (loss / count as f64, scale.first().copied());
        let wrong = match factor {
            _ if !mean.is_finite() => Some(("the loss", mean)),
            None => (!norm.is_finite()).then_some(("the norm of the gradients", norm)),
            Some(factor) => (factor < LEAST).then_some((FACTOR, factor)),
        };
        let Some((what, value)) = wrong else {
            self.factor = factor;
            return Ok(Step::Done(Sums { loss, right: right as u64, count }));
        };
        if let (Some(own), [_, before @ ..]) = (&self.scale, scale) {
            own.go_back(before)?;
        }
        self.statistics.slot = slot;
        self.optimizer.take_back(1 + self.outcomes.len() as u64);
        Ok(not_finite(what, value))
    }

    /// What losses are multiplied by from the last update on that ended; none if they are not.
    pub fn loss_scale(&self) -> Option<f64> {
        self.factor
    }

    /// How many updates may be begun before the first of them has to be ended.
    pub fn ahead(&self) -> usize {
        self.statistics.kept.len() - 1
    }

    /// Images in the parts that batches are divided into since memory ran out, if it did.
    pub fn most_at_once(&self) -> Option<usize> {
        self.parts.most()
    }

    /// Why steps are made as without graphs from here on, where they were to be captured: once.
    pub fn no_graphs(&mut self) -> Option<Error> {
        self.steps.as_mut()?.failure()
    }

    /// Gives back what a graph holds, for what did not fit beside it. False if there is none.
    pub fn forget_graph(&mut self, why: &Error) -> bool {
        let steps = self.steps.as_mut().filter(|steps| steps.is_captured());
        let had = steps.is_some_and(|steps| steps.give_up(why.clone()));
        if had {
            empty_cache();
        }
        had
    }

    /// Back to where the last update left everything; those after it are forgotten. False if even
    /// that is not finite.
    pub fn step_back(&mut self) -> Result<bool> {
        self.accumulated = Accumulated::default();
        self.sums = Sums::default();
        self.told = None;
        self.how = How::Eager;
        self.outcomes.clear();
        if let Some(late) = &self.late {
            late.begin_anew()?;
        }
        foreach_copy(&self.statistics.live, self.statistics.kept())?;
        self.is_finite()
    }

    /// Whether all weights and statistics are numbers.
    pub fn is_finite(&self) -> Result<bool> {
        let finite = |tensor: &Tensor| tensor.f_isfinite()?.f_all()?.f_int64_value(&[]);
        for (_, tensor) in self.model.tensors() {
            if finite(tensor).map_err(torch_error)? == 0 {
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

/// What a scaled loss is multiplied by.
const FACTOR: &str = "the factor of the loss";

fn not_finite<T>(what: &'static str, value: f64) -> Step<T> {
    Step::NotFinite(NotFinite { what, value })
}

/// The sum of the losses and the right answers, where they are.
fn told(logits: &Tensor, mean: &Tensor, input: &Input) -> Result<Tensor> {
    let right = num_correct(&logits.detach(), input.targets.dominant())?;
    let count = logits.size()[0] as f64;
    mean.detach()
        .f_to_kind(Kind::Double)
        .and_then(|mean| mean.f_mul_scalar(count))
        .and_then(|sum| Tensor::f_stack(&[sum, right.f_to_kind(Kind::Double)?], 0))
        .map_err(torch_error)
}

/// The sum, where both are there.
fn both(a: Option<Tensor>, b: Option<Tensor>) -> Result<Option<Tensor>> {
    match (a, b) {
        (Some(a), Some(b)) => a.f_add(&b).map(Some).map_err(torch_error),
        (a, b) => Ok(a.or(b)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use residual_arch::Network;
    use residual_data::{
        ArraySplit, Arrays, Loader, LoaderOptions, Pipeline, SampleOrder, Split, Subset,
    };
    use residual_model::ComputeOptions;
    use residual_spec::{Adam, DataConfig, DatasetInfo, MachineInfo, TrainConfig, resolve};
    use serde_json::json;

    use super::*;

    impl Learner {
        /// Fails as a device does that is full, in the middle of a pass.
        pub(super) fn look_for_room(&self, images: usize) -> Result<()> {
            let full = self.full.take() || self.room.is_some_and(|room| images > room);
            match full {
                true => Err(Error::new(ErrorCode::Memory, "CUDA out of memory")),
                false => Ok(()),
            }
        }

        fn tensors(&self) -> Vec<Tensor> {
            let weights = self.model.tensors().map(|(_, tensor)| tensor.detach().copy());
            let state: Vec<Tensor> = self.optimizer.state().map(|(_, t)| t.copy()).collect();
            weights.chain(state).collect()
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

    /// One that normalises nothing by its batch, and leaves nothing out at random.
    fn without_norms(config: &ResolvedConfig) -> Network {
        let mut network = residual_arch::build(&config.model, 3, 32, 3).unwrap();
        let mut features = None;
        for hidden in &mut network.hidden {
            hidden.dropout = 0.0;
            hidden.linear.in_features = features.unwrap_or(hidden.linear.in_features);
            hidden.linear.out_features = 8;
            features = Some(8);
        }
        network.head.in_features = features.unwrap_or(network.head.in_features);
        network
    }

    fn learner(config: &ResolvedConfig, network: Network) -> Learner {
        let model = Model::new(network, ComputeOptions::from_config(config), 1).unwrap();
        Learner::new(config, model, &[]).unwrap()
    }

    fn batch(seed: usize) -> Batch {
        let numbers = 7 * 32 * 32 * 3;
        let pixel = |i: usize| ((i * 7919 + seed) % 255) as f32 / 127.0 - 1.0;
        Batch {
            images: Arc::new((0..numbers).map(pixel).collect()),
            labels: (0..7).map(|i| (i + seed as i64) % 3).collect(),
            indices: (0..7).collect(),
            ..Batch::default()
        }
    }

    fn apart(a: &Learner, b: &Learner) -> f64 {
        let pairs = a.tensors().into_iter().zip(b.tensors());
        let apart = |(a, b): (Tensor, Tensor)| (a - b).abs().max().double_value(&[]);
        pairs
            .map(apart)
            .fold(0.0, |most, next| if next.is_nan() { f64::INFINITY } else { next.max(most) })
    }

    fn done(step: Result<Step<Sums>>) -> Sums {
        match step.unwrap() {
            Step::Done(sums) => sums,
            Step::NotFinite(what) => panic!("{} became {}", what.what, what.value),
        }
    }

    #[test]
    fn a_batch_that_was_divided_makes_the_update_of_the_whole() {
        let config = config("vgg11");
        let network = || without_norms(&config);
        let (mut whole, mut divided) = (learner(&config, network()), learner(&config, network()));
        divided.room = Some(3);
        for seed in 0..2 {
            let [whole, divided] = [&mut whole, &mut divided].map(|learner| {
                assert!(matches!(learner.add(&batch(seed)).unwrap(), Step::Done(())));
                done(learner.update(0.05))
            });
            assert_eq!((divided.right, divided.count), (whole.right, whole.count));
        }
        assert_eq!((whole.most_at_once(), divided.most_at_once()), (None, Some(2)));
        assert!(apart(&whole, &divided) < 1e-12, "{}", apart(&whole, &divided));
    }

    /// Seven images, in the orders of so many epochs: as pixels, as windows on those that the device has,
    /// and these.
    fn seven(config: &ResolvedConfig, epochs: u32) -> (Vec<Batch>, Vec<Batch>, Rc<DeviceDataset>) {
        let part = ArraySplit {
            images: (0..7 * 32 * 32 * 3)
                .map(|i| (i * 7919 % 251) as u8)
                .collect::<Vec<u8>>()
                .into(),
            labels: (0..7).map(|i| i % 3).collect::<Vec<u32>>().into(),
            height: 32,
            width: 32,
            channels: 3,
        };
        let arrays = Arrays { train: part, val: None, test: None, classes: None };
        let set = residual_data::open_with_arrays(&DataConfig::default(), Some(arrays), &|| false);
        let images = Subset::full(set.unwrap().source(Split::Train));
        let pipeline = Arc::new(Pipeline::train(config, None));
        let batches = |windows| {
            let batch = |epoch| {
                let order = SampleOrder::Shuffled { seed: 1, epoch };
                let options = LoaderOptions { windows, ..LoaderOptions::train(config, order) };
                Loader::new(&images, Arc::clone(&pipeline), options).next().unwrap().unwrap().batch
            };
            (0..epochs).map(batch).collect()
        };
        let (compute, cuts) =
            (ComputeOptions::from_config(config), pipeline.as_crop_normalize().unwrap());
        let resident = DeviceDataset::new(&images.source, compute, [32, 3], &cuts, &|| false);
        (batches(false), batches(true), Rc::new(resident.unwrap().unwrap()))
    }

    #[test]
    fn windows_on_images_of_the_device_are_learnt_from_as_their_pixels_are_also_in_parts() {
        let config = config("resnet8");
        let network = || residual_arch::build(&config.model, 3, 32, 3).unwrap();
        let (pixels, windows, images) = seven(&config, 1);
        assert!(windows[0].images.is_empty() && windows[0].len() == 7);
        for room in [None, Some(3)] {
            let (mut wanted, mut found) =
                (learner(&config, network()), learner(&config, network()));
            found.images = Some(Rc::clone(&images));
            for (learner, batch) in [(&mut wanted, &pixels[0]), (&mut found, &windows[0])] {
                learner.room = room;
                assert!(matches!(learner.add(batch).unwrap(), Step::Done(())));
                done(learner.update(0.05));
            }
            assert_eq!(found.most_at_once(), wanted.most_at_once());
            assert_eq!(apart(&found, &wanted), 0.0);
        }
    }

    #[test]
    fn captured_steps_take_windows_on_images_of_the_device_too() {
        let config = config("resnet8");
        let network = || residual_arch::build(&config.model, 3, 32, 3).unwrap();
        let (pixels, windows, images) = seven(&config, 7);
        let mut eager = learner(&config, network()).reading_late().unwrap();
        let mut captured = capturing(&config, network());
        captured.images = Some(images);
        learn_late(&mut eager, &pixels, 0);
        learn_late(&mut captured, &windows, 0);
        assert!(has_captured(&captured));
        assert_eq!(apart(&captured, &eager), 0.0);
    }

    #[test]
    fn the_pass_that_ran_out_of_memory_leaves_no_trace_in_the_running_statistics() {
        let config = config("resnet8");
        let network = || residual_arch::build(&config.model, 3, 32, 3).unwrap();
        let (mut failed, mut knew) = (learner(&config, network()), learner(&config, network()));
        failed.room = Some(3);
        knew.parts = Parts::of_at_most(2);
        for learner in [&mut failed, &mut knew] {
            assert!(matches!(learner.add(&batch(0)).unwrap(), Step::Done(())));
            done(learner.update(0.05));
        }
        failed.room = None;
        assert_eq!(failed.most_at_once(), Some(2));
        assert_eq!(apart(&failed, &knew), 0.0);
    }

    /// What two updates and an accumulated third leave, and say.
    fn three_updates(mut learner: Learner) -> (Learner, Vec<Sums>) {
        learner.gradient.accumulate = 2;
        for seed in 0..3 {
            learner.add(&batch(seed)).unwrap();
            learner.add(&batch(seed + 10)).unwrap();
            learner.begin_update(0.05).unwrap();
        }
        let sums = (0..3).map(|_| done(learner.end_update())).collect();
        (learner, sums)
    }

    #[test]
    fn what_is_read_late_is_the_same_and_so_are_the_weights() {
        let mut config = config("resnet8");
        config.gradient.clip_value = Some(0.05);
        let network = || residual_arch::build(&config.model, 3, 32, 3).unwrap();
        let (at_once, wanted) = three_updates(learner(&config, network()));
        let late = learner(&config, network()).reading_late().unwrap();
        assert_eq!(late.ahead(), AHEAD);
        let (late, sums) = three_updates(late);
        assert_eq!(apart(&late, &at_once), 0.0);
        for (found, wanted) in sums.iter().zip(&wanted) {
            assert!((found.loss - wanted.loss).abs() < 1e-12 * wanted.loss);
            assert_eq!((found.right, found.count), (wanted.right, wanted.count));
        }
    }

    #[test]
    fn after_what_is_not_finite_no_update_is_made_however_late_it_is_read() {
        let config = config("resnet8");
        let network = || residual_arch::build(&config.model, 3, 32, 3).unwrap();
        let mut late = learner(&config, network()).reading_late().unwrap();
        let mut wanted = learner(&config, network());
        wanted.add(&batch(0)).unwrap();
        done(wanted.update(0.05));
        let mut broken = batch(1);
        broken.images_mut()[5] = f32::NAN;
        for batch in [&batch(0), &broken, &batch(2)] {
            late.add(batch).unwrap();
            late.begin_update(0.05).unwrap();
        }
        assert_eq!(done(late.end_update()).count, 7);
        let Step::NotFinite(what) = late.end_update().unwrap() else { panic!("it is finite") };
        assert_eq!((what.what, what.value.is_nan()), ("the loss", true));
        assert!(late.step_back().unwrap());
        assert_eq!(apart(&late, &wanted), 0.0);
        assert_eq!(late.optimizer.updates(), 1);
        for learner in [&mut late, &mut wanted] {
            learner.add(&batch(3)).unwrap();
            learner.update(0.05).unwrap();
        }
        assert_eq!(apart(&late, &wanted), 0.0);
    }

    /// In fp16 by Adam, for images of 8 x 8: half precision is slow on CPUs.
    fn half_config() -> (ResolvedConfig, impl Fn() -> Network) {
        let mut config = config("resnet8");
        config.precision = Precision::Fp16;
        let betas = [0.9, 0.999];
        config.optimizer =
            Rule::Adam(Adam { lr: 0.01, betas, eps: 1e-8, weight_decay: 0.0, decay_norms: true });
        let model = config.model.clone();
        (config, move || residual_arch::build(&model, 3, 8, 3).unwrap())
    }

    fn half() -> (Learner, Learner) {
        let (config, network) = half_config();
        let late = learner(&config, network()).reading_late().unwrap();
        (learner(&config, network()), late)
    }

    fn small(seed: usize) -> Batch {
        let mut batch = batch(seed);
        batch.images_mut().truncate(7 * 8 * 8 * 3);
        batch
    }

    fn set_factor(learner: &mut Learner, factor: f64) {
        let number = |name: &str| if name.ends_with("factor") { factor } else { 0.0 };
        learner.scale.as_mut().unwrap().restore(|name| Ok(Tensor::from(number(name)))).unwrap();
    }

    #[test]
    fn in_half_precision_an_update_whose_gradients_overflow_is_skipped_and_no_divergence() {
        let (mut at_once, mut late) = half();
        for learner in [&mut at_once, &mut late] {
            let start = learner.tensors();
            let weights = learner.model.parameters().count();
            set_factor(learner, 2f64.powi(40));
            learner.add(&small(0)).unwrap();
            done(learner.update(0.01));
            assert_eq!(learner.loss_scale(), Some(2f64.powi(39)));
            let unmoved = |learner: &Learner| {
                let moved = learner.model.parameters().map(|(_, weight)| weight.detach().copy());
                let before = learner.model.tensors().zip(&start);
                let names: Vec<&str> = learner.model.parameters().map(|(name, _)| name).collect();
                let before = before.filter(|((name, _), _)| names.contains(name));
                moved.zip(before).filter(|(now, (_, then))| now.f_equal(then).unwrap()).count()
            };
            assert_eq!(unmoved(learner), weights);
            set_factor(learner, 1024.0);
            for seed in 1..3 {
                learner.add(&small(seed)).unwrap();
                done(learner.update(0.01));
            }
            assert_eq!(learner.loss_scale(), Some(1024.0));
            assert!(unmoved(learner) < weights);
            assert_eq!(learner.optimizer.updates(), 3);
        }
        assert_eq!(apart(&late, &at_once), 0.0);
    }

    #[test]
    fn in_half_precision_an_average_begins_with_the_first_update_that_is_made() {
        let (mut config, network) = half_config();
        config.ema.decay = 0.75;
        let mut learner = learner(&config, network());
        let name = format!("{}.weight", learner.model.network().head.name);
        let head = |model: &Model| {
            let mut tensors = model.tensors();
            tensors.find(|(tensor, _)| *tensor == name).unwrap().1.detach().copy()
        };
        let both =
            |learner: &Learner| [head(&learner.model), head(learner.ema.as_ref().unwrap().model())];
        let [start, _] = both(&learner);
        set_factor(&mut learner, 2f64.powi(40));
        learner.add(&small(0)).unwrap();
        done(learner.update(0.01));
        assert!(both(&learner).iter().all(|head| head.equal(&start)));
        set_factor(&mut learner, 1024.0);
        learner.add(&small(1)).unwrap();
        done(learner.update(0.01));
        let [first, average] = both(&learner);
        assert!(average.equal(&first) && !first.equal(&start));
        learner.add(&small(2)).unwrap();
        done(learner.update(0.01));
        let [second, average] = both(&learner);
        let wanted = first * 0.75 + second * 0.25;
        assert!(average.allclose(&wanted, 1e-6, 1e-7, false));
    }

    #[test]
    fn in_half_precision_lars_sees_gradients_without_the_losss_factor() {
        let (mut config, network) = half_config();
        let lars = json!({ "optimizer": { "type": "lars", "lr": 0.5 } });
        let lars = TrainConfig::from_json(&lars).unwrap();
        let facts =
            DatasetInfo::unknown(["a", "b", "c"].map(String::from).to_vec(), 3, Some([32; 2]));
        let facts = DatasetInfo { train: 100, ..facts };
        config.optimizer = resolve(&lars, &facts, &MachineInfo::with_cores(1)).unwrap().optimizer;
        assert!(matches!(config.optimizer, Rule::Lars(_)));
        let moved = |factor: f64| {
            let mut learner = learner(&config, network());
            let start = learner.tensors();
            set_factor(&mut learner, factor);
            for seed in 0..3 {
                learner.add(&small(seed)).unwrap();
                done(learner.update(0.5));
            }
            assert_eq!(learner.loss_scale(), Some(factor));
            let moved = learner.tensors().into_iter().zip(start).map(|(now, then)| now - then);
            moved.collect::<Vec<Tensor>>()
        };
        let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
        let (few, many) = (moved(256.0), moved(4096.0));
        assert!(few.iter().map(largest).fold(0.0, f64::max) > 1e-3);
        for (few, many) in few.iter().zip(&many) {
            // What half precision rounds away below the factor of 256.
            let bound = 0.05 * largest(few) + 1e-5;
            assert!(largest(&(few - many)) < bound, "{} {bound}", largest(&(few - many)));
        }
    }

    #[test]
    fn a_factor_that_falls_too_low_is_a_divergence() {
        let (at_once, late) = half();
        for mut learner in [at_once, late] {
            set_factor(&mut learner, 1.0);
            // The loss is finite, but not what comes back through the head, in half precision.
            let head = format!("{}.weight", learner.model.network().head.name);
            let (_, weight) = learner.model.tensors().find(|(name, _)| *name == head).unwrap();
            let _ = weight.detach().f_mul_scalar_(1e9).unwrap();
            let before = learner.tensors();
            learner.add(&small(1)).unwrap();
            let Step::NotFinite(what) = learner.update(0.01).unwrap() else {
                panic!("it is skipped")
            };
            assert_eq!((what.what, what.value), (FACTOR, 0.5));
            assert!(learner.step_back().unwrap());
            let factor = learner.scale.as_ref().unwrap().factor().double_value(&[]);
            assert_eq!((factor, learner.optimizer.updates()), (1.0, 0));
            assert!(before.iter().zip(learner.tensors()).all(|(a, b)| a.f_equal(&b).unwrap()));
        }
    }

    /// Rates as the device has them, all different.
    fn rate(step: usize) -> f64 {
        f64::from(0.05 / (1.0 + step as f32))
    }

    /// Batches of one shape, and behind them a smaller one, twice.
    fn epochs(mut batch: impl FnMut(usize) -> Batch) -> Vec<Batch> {
        let smaller = |batch: Batch| Parts::of_at_most(4).first(&batch);
        let mut all: Vec<Batch> = (0..6).map(&mut batch).collect();
        all.push(smaller(batch(6)));
        all.extend((7..10).map(&mut batch));
        all
    }

    /// Learns from all of them, with the outcomes read as late as they may be; gives those.
    fn learn_late(learner: &mut Learner, batches: &[Batch], begin: usize) -> Vec<Sums> {
        let mut sums = Vec::new();
        for (step, batch) in batches.iter().enumerate() {
            assert!(matches!(learner.add(batch).unwrap(), Step::Done(())));
            assert!(learner.is_full());
            learner.begin_update(rate(begin + step)).unwrap();
            if learner.outcomes.len() > learner.ahead() {
                sums.push(done(learner.end_update()));
            }
        }
        while !learner.outcomes.is_empty() {
            sums.push(done(learner.end_update()));
        }
        sums
    }

    fn capturing(config: &ResolvedConfig, network: Network) -> Learner {
        learner(config, network).reading_late().unwrap().capturing().unwrap()
    }

    fn has_captured(learner: &Learner) -> bool {
        learner.steps.as_ref().unwrap().is_captured()
    }

    /// Weights, state and what is told, with steps that are captured and without.
    fn assert_the_same(config: &ResolvedConfig, image_size: u32, batches: &[Batch]) -> Learner {
        let network = || residual_arch::build(&config.model, 3, image_size, 3).unwrap();
        let mut eager = learner(config, network()).reading_late().unwrap();
        let mut captured = capturing(config, network());
        let wanted = learn_late(&mut eager, batches, 0);
        let found = learn_late(&mut captured, batches, 0);
        let numbers = |sums: &[Sums]| -> Vec<_> {
            sums.iter().map(|sums| (sums.loss.to_bits(), sums.right, sums.count)).collect()
        };
        assert_eq!(numbers(&found), numbers(&wanted));
        assert_eq!(apart(&captured, &eager), 0.0);
        assert_eq!(captured.loss_scale(), eager.loss_scale());
        assert!(has_captured(&captured));
        assert!(captured.no_graphs().is_none());
        captured
    }

    #[test]
    fn captured_steps_are_the_same_to_the_bit_whatever_the_rate_and_beside_a_smaller_batch() {
        let mut config = config("resnet8");
        config.gradient.clip_value = Some(0.05);
        let batches = epochs(batch);
        let captured = assert_the_same(&config, 32, &batches);
        // The first, the three of the warm-up, the one that was captured, the smaller one.
        assert_eq!(captured.model.num_forward_passes(), 1 + 3 + 1 + 1);
        assert_eq!(captured.optimizer.updates(), 10);
    }

    #[test]
    fn captured_steps_of_mixed_batches_have_their_own_shares_and_partners() {
        let mixed = |seed: usize| {
            let labels = (0..7).map(|i| (2 * i + seed as i64) % 3).collect();
            let lambda = 0.2 + 0.07 * seed as f64;
            Batch { mixed: Some(residual_data::MixedLabels { labels, lambda }), ..batch(seed) }
        };
        // One that is not mixed is of another shape.
        let mut batches = epochs(mixed);
        batches.push(batch(11));
        batches.push(mixed(12));
        assert_the_same(&config("resnet8"), 32, &batches);
    }

    #[test]
    fn captured_steps_of_adam_in_half_precision_move_its_step_and_the_losss_factor() {
        let (config, _) = half_config();
        let captured = assert_the_same(&config, 8, &epochs(small));
        assert_eq!(captured.model.num_forward_passes(), 6);
        assert_eq!(captured.loss_scale(), Some(65536.0));
    }

    #[test]
    fn a_captured_update_whose_gradients_overflow_is_skipped_and_a_factor_too_low_is_a_divergence()
    {
        let (config, network) = half_config();
        let mut eager = learner(&config, network()).reading_late().unwrap();
        let mut captured = capturing(&config, network());
        let batches: Vec<Batch> = (0..5).map(small).collect();
        for learner in [&mut eager, &mut captured] {
            learn_late(learner, &batches, 0);
            set_factor(learner, 2f64.powi(40));
            learn_late(learner, &[small(5), small(6)], 5);
            assert_eq!(learner.loss_scale(), Some(2f64.powi(38)));
            set_factor(learner, 1024.0);
            learn_late(learner, &[small(7)], 7);
        }
        assert_eq!(apart(&captured, &eager), 0.0);
        assert_eq!(captured.model.num_forward_passes(), 5);

        let before = captured.tensors();
        set_factor(&mut captured, 2.0);
        let head = format!("{}.weight", captured.model.network().head.name);
        let (_, weight) = captured.model.tensors().find(|(name, _)| *name == head).unwrap();
        let weight = weight.detach();
        let kept = weight.copy();
        let _ = weight.shallow_clone().f_mul_scalar_(1e9).unwrap();
        for seed in 8..10 {
            captured.add(&small(seed)).unwrap();
            captured.begin_update(0.01).unwrap();
        }
        assert_eq!(done(captured.end_update()).count, 7);
        let Step::NotFinite(what) = captured.end_update().unwrap() else { panic!("it is skipped") };
        assert_eq!((what.what, what.value), (FACTOR, 0.5));
        assert!(captured.step_back().unwrap());
        assert_eq!(captured.scale.as_ref().unwrap().factor().double_value(&[]), 1.0);
        weight.shallow_clone().copy_(&kept);
        let parameters = captured.model.tensors().zip(&before);
        let parameters = parameters.filter(|((name, _), _)| !name.contains("running"));
        assert!(parameters.into_iter().all(|((_, now), then)| now.f_equal(then).unwrap()));
    }

    #[test]
    fn a_divergence_in_captured_steps_leaves_what_the_last_good_one_did_and_they_go_on() {
        let config = config("resnet8");
        let network = || residual_arch::build(&config.model, 3, 32, 3).unwrap();
        let (mut eager, mut captured) =
            (learner(&config, network()).reading_late().unwrap(), capturing(&config, network()));
        let batches: Vec<Batch> = (0..6).map(batch).collect();
        let mut broken = batch(6);
        broken.images_mut()[5] = f32::NAN;
        for learner in [&mut eager, &mut captured] {
            learn_late(learner, &batches, 0);
            learner.add(&batch(10)).unwrap();
            learner.begin_update(rate(6)).unwrap();
            let before = learner.tensors();
            for batch in [&broken, &batch(7)] {
                learner.add(batch).unwrap();
                learner.begin_update(rate(7)).unwrap();
            }
            assert_eq!(done(learner.end_update()).count, 7);
            assert!(matches!(learner.end_update().unwrap(), Step::NotFinite(_)));
            assert!(learner.step_back().unwrap());
            assert!(before.iter().zip(learner.tensors()).all(|(a, b)| a.f_equal(&b).unwrap()));
            assert_eq!(learner.optimizer.updates(), 7);
            assert!(!learner.has_begun());
            learn_late(learner, &[batch(8), batch(9)], 8);
        }
        assert_eq!(apart(&captured, &eager), 0.0);
        assert!(has_captured(&captured));
        assert_eq!(captured.model.num_forward_passes(), 5);
    }

    #[test]
    fn a_batch_that_is_thrown_away_before_its_update_leaves_nothing_to_be_replayed() {
        let config = config("resnet8");
        let network = || residual_arch::build(&config.model, 3, 32, 3).unwrap();
        let mut captured = capturing(&config, network());
        let batches: Vec<Batch> = (0..6).map(batch).collect();
        learn_late(&mut captured, &batches, 0);
        let before = captured.tensors();
        captured.add(&batch(7)).unwrap();
        assert!(captured.has_begun());
        assert!(captured.step_back().unwrap());
        assert!(!captured.has_begun() && !captured.is_full());
        assert!(before.iter().zip(captured.tensors()).all(|(a, b)| a.f_equal(&b).unwrap()));
    }

    #[test]
    fn a_run_that_is_resumed_captures_its_steps_anew_and_is_the_same() {
        let (config, network) = half_config();
        let batches: Vec<Batch> = (0..12).map(small).collect();
        let mut wanted = learner(&config, network()).reading_late().unwrap();
        learn_late(&mut wanted, &batches, 0);

        let mut first = capturing(&config, network());
        learn_late(&mut first, &batches[..6], 0);
        assert!(has_captured(&first));
        let mut second = capturing(&config, network());
        let weights = second.model.tensors().zip(first.model.tensors());
        tch::no_grad(|| weights.for_each(|((_, to), (_, from))| to.shallow_clone().copy_(from)));
        let saved: Vec<(String, Tensor)> = first
            .optimizer
            .state()
            .chain(first.scale.as_ref().unwrap().state())
            .map(|(name, tensor)| (name, tensor.copy()))
            .collect();
        let of = |name: &str| Ok(saved.iter().find(|(own, _)| own == name).unwrap().1.copy());
        second.optimizer.restore(first.optimizer.updates(), of).unwrap();
        second.scale.as_mut().unwrap().restore(of).unwrap();
        learn_late(&mut second, &batches[6..], 6);
        assert!(has_captured(&second));
        assert_eq!(second.model.num_forward_passes(), 3 + 1);
        assert_eq!(apart(&second, &wanted), 0.0);
    }

    #[test]
    fn a_capture_that_fails_is_told_once_and_nothing_is_lost() {
        let config = config("resnet8");
        let network = || residual_arch::build(&config.model, 3, 32, 3).unwrap();
        let mut wanted = learner(&config, network());
        // One that asks for its loss at once cannot be captured.
        let mut failing = learner(&config, network()).capturing().unwrap();
        failing.steps.as_mut().unwrap().warm_up(&batch(0));
        for step in 0..7 {
            for learner in [&mut wanted, &mut failing] {
                learner.add(&batch(step)).unwrap();
                done(learner.update(rate(step)));
            }
            assert_eq!(
                failing.no_graphs().map(|error| error.code),
                match step {
                    1 => Some(ErrorCode::Internal),
                    _ => None,
                }
            );
        }
        assert_eq!(apart(&failing, &wanted), 0.0);
    }

    #[test]
    fn without_room_for_a_graph_there_is_none_and_parts_are_made_where_there_is_none_for_a_step() {
        let config = config("resnet8");
        let network = || residual_arch::build(&config.model, 3, 32, 3).unwrap();
        let mut wanted = learner(&config, network()).reading_late().unwrap();
        let mut full = capturing(&config, network());
        let batches: Vec<Batch> = (0..6).map(batch).collect();
        for learner in [&mut wanted, &mut full] {
            learn_late(learner, &batches[..4], 0);
            learner.room = Some(4);
            learn_late(learner, &batches[4..], 4);
            assert_eq!(learner.most_at_once(), Some(4));
        }
        assert_eq!(full.no_graphs().unwrap().code, ErrorCode::Memory);
        assert_eq!(apart(&full, &wanted), 0.0);
    }

    #[test]
    fn a_batch_that_finds_no_room_beside_the_graph_is_learnt_from_whole_without_it() {
        let config = config("resnet8");
        let network = || residual_arch::build(&config.model, 3, 32, 3).unwrap();
        let mut wanted = learner(&config, network()).reading_late().unwrap();
        let mut captured = capturing(&config, network());
        let batches = epochs(batch);
        learn_late(&mut wanted, &batches, 0);
        learn_late(&mut captured, &batches[..6], 0);
        captured.full.set(true);
        learn_late(&mut captured, &batches[6..], 6);
        assert_eq!(captured.no_graphs().unwrap().code, ErrorCode::Memory);
        assert_eq!((has_captured(&captured), captured.most_at_once()), (false, None));
        assert_eq!(apart(&captured, &wanted), 0.0);
    }

    #[test]
    fn a_graph_that_is_let_go_for_memory_is_not_captured_again() {
        let config = config("resnet8");
        let network = || residual_arch::build(&config.model, 3, 32, 3).unwrap();
        let mut wanted = learner(&config, network()).reading_late().unwrap();
        let mut captured = capturing(&config, network());
        let batches: Vec<Batch> = (0..12).map(batch).collect();
        learn_late(&mut wanted, &batches, 0);
        learn_late(&mut captured, &batches[..6], 0);
        let full = Error::new(ErrorCode::Memory, "full");
        assert!(captured.forget_graph(&full));
        assert!(!captured.forget_graph(&full));
        assert_eq!(captured.no_graphs().unwrap().code, ErrorCode::Memory);
        learn_late(&mut captured, &batches[6..], 6);
        assert!(!has_captured(&captured));
        assert_eq!(apart(&captured, &wanted), 0.0);
    }

    #[test]
    fn what_cannot_be_captured_is_said_at_the_beginning_and_trained_all_the_same() {
        let mut config = config("resnet8");
        (config.cuda_graphs, config.gradient.accumulate) = (true, 2);
        let late = |config: &ResolvedConfig| {
            let network = residual_arch::build(&config.model, 3, 32, 3).unwrap();
            learner(config, network).reading_late().unwrap()
        };
        let (mut wanted, mut found) = (late(&config), late(&config).capturing_if(&config).unwrap());
        let why = found.no_graphs().unwrap();
        assert_eq!(why.code, ErrorCode::Config);
        assert!(why.message.contains("gradient.accumulate"), "{why}");
        for step in 0..12 {
            for learner in [&mut wanted, &mut found] {
                learner.add(&batch(step)).unwrap();
                if learner.is_full() {
                    done(learner.update(rate(step)));
                }
            }
        }
        assert_eq!(apart(&found, &wanted), 0.0);
        assert!(found.no_graphs().is_none());

        config.gradient.accumulate = 1;
        assert!(late(&config).capturing_if(&config).unwrap().no_graphs().is_none());
        config.cuda_graphs = false;
        assert!(late(&config).capturing_if(&config).unwrap().steps.is_none());
    }
}
