//! What learns: a network with its loss and its update rule, batch by batch.

use std::collections::VecDeque;

use residual_data::Batch;
use residual_model::{count_right, right, Model};
use residual_spec::{Device, Gradient, Optimizer as Rule, ResolvedConfig, Result};
use residual_torch::cuda::Fetched;
use residual_torch::{begin_watching_memory, copy, failure, release_free_memory};
use tch::{Kind, Tensor};

use crate::ema::Ema;
use crate::gradient::{clip, Accumulated};
use crate::late::{Late, AHEAD};
use crate::loss::{BatchLoss, Loss};
use crate::parts::Parts;
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
    parts: Parts,
    /// Where outcomes are read late.
    late: Option<Late>,
    /// The sum of the losses and the right answers over those batches, where they are read late.
    told: Option<Tensor>,
    /// Of the updates that were begun and not ended.
    outcomes: VecDeque<Outcome>,
    seed: u64,
    /// A device with memory for so many images.
    #[cfg(test)]
    room: Option<usize>,
}

enum Outcome {
    Known(Step<Sums>),
    /// The numbers are the sum of losses, right answers, and the norm of the gradients.
    Coming {
        numbers: Fetched,
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
        Ok(Statistics { kept: kept.map_err(failure)?, live, slot: 0 })
    }

    fn kept(&self) -> &[Tensor] {
        &self.kept[self.slot]
    }
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
        let learner = Learner::new_eager(config, model, counts)?;
        // A moving average, and LARS's rates, are not made on the device alone.
        let alone = config.ema.decay == 0.0 && !matches!(config.optimizer, Rule::Lars(_));
        match config.device {
            Device::Cuda if alone => learner.reading_late(),
            _ => Ok(learner),
        }
    }

    fn new_eager(config: &ResolvedConfig, model: Model, counts: &[u64]) -> Result<Learner> {
        let live: Vec<Tensor> = model.buffers().map(|(_, tensor)| tensor.shallow_clone()).collect();
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
            statistics: Statistics::new(live, 0)?,
            parts: Parts::default(),
            late: None,
            told: None,
            outcomes: VecDeque::new(),
            seed: config.seed,
            #[cfg(test)]
            room: None,
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

    /// Forward and backward. The gradients wait for [`Learner::update`].
    pub fn add(&mut self, batch: &Batch) -> Result<Step<()>> {
        let first = self.accumulated.batches() == 0;
        if first {
            copy(self.statistics.kept(), &self.statistics.live)?;
        }
        begin_watching_memory();
        let mut parts = std::mem::take(&mut self.parts);
        let learnt = parts.each(
            batch,
            |anew| {
                if anew {
                    release_free_memory();
                    // Of a later batch of an update, the pass that failed has moved them a little.
                    if first {
                        copy(&self.statistics.live, self.statistics.kept())?;
                    }
                }
                Ok(Learnt::default())
            },
            |learnt, part, number| self.learn(learnt, part, number),
        );
        self.parts = parts;
        let Learnt { mut of_batch, sums, told, not_finite } = learnt?;
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

    fn learn(&self, learnt: &mut Learnt, batch: &Batch, part: u64) -> Result<()> {
        if learnt.not_finite.is_some() {
            return Ok(());
        }
        if self.model.network().has_dropout() {
            self.seed_dropout(part);
        }
        let input = self.model.input(&batch.images, batch.len())?;
        let labels = self.model.labels(&batch.labels)?;
        let logits = self.model.forward(&input, true)?;
        #[cfg(test)]
        self.look_for_room(batch.len())?;
        let BatchLoss { mean, weight } = self.loss.of(&logits, &labels, batch)?;
        if weight == 0.0 {
            return Ok(()); // all of classes that do not count
        }
        // Of a mixed batch, the labels with the larger share.
        let shown = batch.dominant_labels();
        let count = batch.len() as u64;
        match &self.late {
            None => {
                let value = mean.f_double_value(&[]).map_err(failure)?;
                if !value.is_finite() {
                    learnt.not_finite = Some(NotFinite { what: "the loss", value });
                    return Ok(());
                }
                learnt.of_batch.add(self.optimizer.gradients(&mean)?, weight)?;
                let right = count_right(&logits.detach(), &self.model.labels(shown)?)? as u64;
                learnt.sums.add(value, right, count);
            }
            Some(_) => {
                let gradients = self.optimizer.gradients(&mean)?;
                learnt.of_batch.add(gradients, weight)?;
                let right = right(&logits.detach(), &self.model.labels(shown)?)?;
                let told = mean
                    .detach()
                    .f_to_kind(Kind::Double)
                    .and_then(|mean| mean.f_mul_scalar(count as f64))
                    .and_then(|sum| Tensor::f_stack(&[sum, right.f_to_kind(Kind::Double)?], 0))
                    .map_err(failure)?;
                learnt.told = both(learnt.told.take(), Some(told))?;
                learnt.sums.count += count;
            }
        }
        Ok(())
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
        self.accumulated.batches() > 0
    }

    /// Whether all batches of an update are there.
    pub fn is_full(&self) -> bool {
        self.accumulated.batches() >= self.gradient.accumulate
    }

    /// Updates the weights by the batches that were added; gives the sums over them.
    pub fn update(&mut self, lr: f64) -> Result<Step<Sums>> {
        self.begin_update(lr)?;
        self.end_update()
    }

    /// The same without its outcome, which [`Learner::end_update`] gives: at most [`Learner::ahead`]
    /// later.
    pub fn begin_update(&mut self, lr: f64) -> Result<()> {
        let gradients = self.accumulated.take()?;
        let sums = std::mem::take(&mut self.sums);
        let slot = self.statistics.slot;
        let outcome = match self.told.take() {
            Some(told) => {
                let late = self.late.as_mut().expect("only what is read late is told");
                let optimizer = &mut self.optimizer;
                let numbers = late.update(optimizer, &gradients, &self.gradient, &told, lr)?;
                Outcome::Coming { numbers, count: sums.count, slot }
            }
            None => Outcome::Known(self.update_now(&gradients, sums, lr)?),
        };
        self.outcomes.push_back(outcome);
        self.statistics.slot = (slot + 1) % self.statistics.kept.len();
        Ok(())
    }

    fn update_now(&mut self, gradients: &[Tensor], sums: Sums, lr: f64) -> Result<Step<Sums>> {
        let value = clip(gradients, &self.gradient)?;
        if !value.is_finite() {
            let what = "the norm of the gradients";
            return Ok(Step::NotFinite(NotFinite { what, value }));
        }
        self.optimizer.step(gradients, lr, None)?;
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
            Outcome::Coming { numbers, count, slot } => (numbers.read()?, count, slot),
        };
        let [loss, right, norm] = numbers[..] else { unreachable!("three are told") };
        let wrong = [("the loss", loss / count as f64), ("the norm of the gradients", norm)];
        let wrong = wrong.into_iter().find(|(_, value)| !value.is_finite());
        let Some((what, value)) = wrong else {
            return Ok(Step::Done(Sums { loss, right: right as u64, count }));
        };
        self.statistics.slot = slot;
        self.optimizer.take_back(1 + self.outcomes.len() as u64);
        Ok(Step::NotFinite(NotFinite { what, value }))
    }

    /// How many updates may be begun before the first of them has to be ended.
    pub fn ahead(&self) -> usize {
        self.statistics.kept.len() - 1
    }

    /// Images in the parts that batches are divided into since memory ran out, if it did.
    pub fn most_at_once(&self) -> Option<usize> {
        self.parts.most()
    }

    /// Back to where the last update left everything; those after it are forgotten. False if even
    /// that is not finite.
    pub fn step_back(&mut self) -> Result<bool> {
        self.accumulated = Accumulated::default();
        self.sums = Sums::default();
        self.told = None;
        self.outcomes.clear();
        if let Some(late) = &mut self.late {
            late.begin_anew()?;
        }
        copy(&self.statistics.live, self.statistics.kept())?;
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

/// The sum, where both are there.
fn both(a: Option<Tensor>, b: Option<Tensor>) -> Result<Option<Tensor>> {
    match (a, b) {
        (Some(a), Some(b)) => a.f_add(&b).map(Some).map_err(failure),
        (a, b) => Ok(a.or(b)),
    }
}

#[cfg(test)]
mod tests {
    use residual_arch::Network;
    use residual_model::Compute;
    use residual_spec::{resolve, DataFacts, Error, ErrorCode, MachineFacts, TrainConfig};
    use serde_json::json;

    use super::*;

    impl Learner {
        /// Fails as a device does that is full, in the middle of a pass.
        pub(super) fn look_for_room(&self, images: usize) -> Result<()> {
            match self.room {
                Some(room) if images > room => {
                    Err(Error::new(ErrorCode::Memory, "CUDA out of memory"))
                }
                _ => Ok(()),
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
        let facts = DataFacts { train: 100, ..DataFacts::unseen(classes, 3, Some([32; 2])) };
        let config = json!({
            "model": { "arch": arch }, "precision": "fp64",
            "optimizer": { "lr": 0.05, "momentum": 0.9, "weightDecay": 5e-3 },
            "gradient": { "clipNorm": 0.5 },
            "loss": { "classWeights": { "type": "given", "weights": [1.0, 2.0, 0.5] } },
        });
        let config = TrainConfig::from_json(&config).unwrap();
        resolve(&config, &facts, &MachineFacts::with_cores(1)).unwrap()
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
        let model = Model::new(network, Compute::of(config), 1).unwrap();
        Learner::new(config, model, &[]).unwrap()
    }

    fn batch(seed: usize) -> Batch {
        let numbers = 7 * 32 * 32 * 3;
        Batch {
            images: (0..numbers).map(|i| ((i * 7919 + seed) % 255) as f32 / 127.0 - 1.0).collect(),
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
        broken.images[5] = f32::NAN;
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
}
