//! A run from its configuration to its result.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use residual_arch::Network;
use residual_data::{
    Arrays, Batch, Dataset, Loader, LoaderOptions, NextBatch, Pipeline, PixelMean, SampleOrder,
    Splits, Subset,
};
use residual_model::{ComputeOptions, EvaluationMetrics, Model, evaluate};
use residual_runlog::{Environment, RunDir};
use residual_spec::{
    Auto, BestCheckpoint, CheckpointEvent, CheckpointKind, Device, EndEvent, EpochEvent, Error,
    ErrorCode, Evaluation, Metric, Metrics, ResolvedConfig, Result, RunEvaluation, RunEvent, Split,
    StartEvent, StepEvent, StopReason, TrainConfig, TrainResult, WarningEvent, resolve,
};
use residual_weights::{Checkpoint, PIXEL_MEAN};
use serde_json::Value;

use residual_optim::{LrSchedule, Position, lower_is_better};

mod checkpoint;
mod early_stopping;
mod throughput;

use crate::batch_size;
use crate::initial_weights::{Begin, Begun};
use crate::on_device::OnDevice;
use crate::position::{BestSoFar, Progress, Sums};
use crate::step::{Learner, NotFinite, Step};
use crate::thumbnail::small_of;
use crate::{Control, Stop, pixel_mean, resume};
pub use checkpoint::progress_of;
use checkpoint::{State, restore};
pub(crate) use early_stopping::Patience;
use throughput::{Throughput, rate};

/// How long the loop waits for a batch before it looks whether it is to stop.
pub const BATCH_PATIENCE: Duration = Duration::from_millis(200);
/// For a report: images of each kind (samples, and the worst mistakes) that are kept of what is
/// measured last, and the longest side of each, in pixels.
const KEPT_IMAGES: usize = 24;
const KEPT_SIDE: u32 = 96;
/// How long a run that is to stop may still take for those pictures.
const KEEPING: Duration = Duration::from_millis(500);
/// Warnings about single images that are told before they are only counted.
const NAMED_IMAGES: u32 = 10;

/// Trains, on `arrays` where there are some. `meanwhile` is called between steps and during waits, for other work that this thread
/// has.
///
/// # Errors
/// Whatever is wrong with configuration, data or folders, before anything is written;
/// `E_ABORTED` after saving, if the owner aborted; `E_DIVERGED`; `E_WRITE`, `E_MEMORY` and `E_TORCH` from
/// the middle, with everything up to the last checkpoint kept.
pub fn run(
    said: &Value,
    arrays: Option<Arrays>,
    control: &Control,
    meanwhile: &mut dyn FnMut(),
) -> Result<TrainResult> {
    let prepared = Prepared::new(said, arrays, &|| control.stopping().is_some())?;
    let mut trainer = Trainer::new(prepared, control)?;
    let stop_reason = trainer.train(meanwhile)?;
    trainer.finish(stop_reason, meanwhile)
}

/// Everything that can be found wrong before anything is written.
pub struct Prepared {
    pub config: ResolvedConfig,
    pub dataset: Dataset,
    network: Network,
    resumed: Option<Resumed>,
    /// What it begins from.
    begun: Begun,
    /// The run folder's name is ours, so that a number may be added to it.
    numbered: bool,
}

struct Resumed {
    checkpoint: Checkpoint,
    path: PathBuf,
    run_dir: PathBuf,
}

impl Prepared {
    /// # Errors
    /// As [`run`]; `E_ABORTED` once `cancelled` says so.
    pub fn new(
        said: &Value,
        arrays: Option<Arrays>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Prepared> {
        let mut asked = TrainConfig::from_json(said)?;
        let resumed = match &asked.resume {
            None => None,
            Some(from) => {
                let (path, run_dir) = resume::locate(from)?;
                let checkpoint = Checkpoint::read_for_resume(&path)?;
                asked = resume::merge(said, &checkpoint.config, &run_dir)?;
                Some(Resumed { checkpoint, path, run_dir })
            }
        };

        let dataset = residual_data::open_with_arrays(&asked.data(), arrays, cancelled);
        if cancelled() {
            return Err(Error::new(ErrorCode::Aborted, "stopped before the training began"));
        }
        let mut dataset = dataset?;
        // A resumed run has weights of its own.
        let begin = match &resumed {
            None => Begin::read(&mut asked, dataset.facts())?,
            Some(_) => Begin::default(),
        };
        let machine = crate::machine_info();
        let mut config = resolve(&asked, dataset.facts(), &machine)?;
        if let Some(resumed) = &resumed {
            resume::check(&resumed.checkpoint.config, &config)?;
            if resumed.checkpoint.data.fingerprint != dataset.facts().fingerprint {
                let message = format!("{} has changed since the run began", config.data.source);
                return Err(Error::new(ErrorCode::Mismatch, message)
                    .key("data")
                    .hint("Bring back the data as it was, or start a new run."));
            }
        }
        let (channels, size) = (config.data.channels, config.data.image_size);
        let classes = dataset.facts().classes.len() as u32;
        let network = residual_arch::build(&config.model, channels, size, classes)?;
        residual_arch::frozen(&network, &config.model.freeze)?;

        if config.device == Device::Cuda {
            residual_torch::cuda::set_memory_fraction(config.memory_fraction.unwrap_or(1.0))?;
        }
        let decoded = dataset.facts().decoded_bytes;
        if let Some(fits) = batch_size::that_fits(&asked, &config, dataset.facts(), &network)? {
            // The rate, and whatever else follows from it, follows from what it is now.
            asked.batch_size = Some(Auto::Value(fits.images));
            config = resolve(&asked, dataset.facts(), &machine)?;
            config.reasons.insert("batchSize".into(), fits.reason);
        }
        if let Some((cache, why)) = batch_size::cache_beside(&asked, &config, decoded, &network) {
            config.cache = cache;
            config.reasons.insert("cache".into(), why);
        }
        dataset.cache_decoded(u64::from(config.cache) << 20);
        let mut begun = begin.fit(&mut config, &network)?;
        begun.warnings.extend(cuda_is_unusable(&asked, &config));

        let numbered = asked.out.as_ref().and_then(Auto::value).is_none() && !config.overwrite;
        Ok(Prepared { config, dataset, network, resumed, begun, numbered })
    }

    /// The network with the weights that it begins with.
    pub fn model(&self) -> Result<Model> {
        let (network, compute) = (self.network.clone(), ComputeOptions::from_config(&self.config));
        let mut model = match (&self.resumed, &self.begun.weights) {
            (None, None) => Model::new(network, compute, self.config.seed)?,
            (None, Some(fitted)) => Model::from_state_dict(network, compute, &fitted.tensors)?,
            (Some(from), _) => Model::from_state_dict(network, compute, &from.checkpoint.tensors)
                .map_err(|error| error.file(&from.path))?,
        };
        model.freeze(&self.config.model.freeze)?;
        Ok(model)
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Updates that were made before.
    pub fn start_step(&self) -> Result<u64> {
        match &self.resumed {
            None => Ok(0),
            Some(from) => Ok(progress_of(&from.checkpoint.progress, &from.path)?.step),
        }
    }

    /// What is told at the beginning of what it begins from.
    pub fn warnings(&self) -> &[WarningEvent] {
        &self.begun.warnings
    }

    /// Where the run folder would be. Nothing is made.
    ///
    /// # Errors
    /// `E_OUT_EXISTS`, `E_OUT_IN_USE`.
    pub fn place(&self) -> Result<PathBuf> {
        let out = Path::new(&self.config.out);
        match &self.resumed {
            None if self.numbered => RunDir::next_free_path(out),
            None => RunDir::check_path(out, self.config.overwrite),
            Some(from) => Ok(from.run_dir.clone()),
        }
    }
}

/// How long an epoch is, and the whole.
pub struct Lengths {
    pub batches_per_epoch: u64,
    pub steps_per_epoch: u64,
    /// Where the budget is known in steps.
    pub total_steps: Option<u64>,
}

impl Lengths {
    pub fn of(config: &ResolvedConfig, train_images: usize) -> Lengths {
        let batches_per_epoch = batches_per_epoch(train_images, config.batch_size as usize);
        let steps_per_epoch = batches_per_epoch.div_ceil(config.gradient.accumulate.into());
        let epochs = config.budget.epochs.map(|epochs| u64::from(epochs) * steps_per_epoch);
        let total_steps = [epochs, config.budget.steps].into_iter().flatten().min();
        Lengths { batches_per_epoch, steps_per_epoch, total_steps }
    }
}

/// The state of a run in progress.
struct Trainer<'c> {
    control: &'c Control,
    config: ResolvedConfig,
    dataset: Dataset,
    split: Splits,
    dir: RunDir,
    learner: Learner,
    schedule: LrSchedule,
    progress: Progress,
    batches_per_epoch: u64,
    steps_per_epoch: u64,
    /// Where the budget is known in steps.
    total_steps: Option<u64>,
    train_pipeline: Arc<Pipeline>,
    eval_pipeline: Arc<Pipeline>,
    on_device: OnDevice,
    pixel_mean: Option<Arc<PixelMean>>,
    throughput: Throughput,
    /// What `progress` had when this session began.
    before: Before,
    /// Broken images that were told of.
    named: u32,
    /// Updates whose outcome is not known yet; they are not part of `progress`.
    begun: VecDeque<BegunUpdate>,
    /// What the best network of this session made of the validation part.
    best_validation: Option<Evaluation>,
}

struct BegunUpdate {
    batches: u32,
    lr: f64,
}

#[derive(Clone, Copy)]
struct Before {
    at: Instant,
    seconds: f64,
    images: u64,
    busy_seconds: f64,
}

/// How a stretch of work ended.
enum Flow {
    On,
    /// Now, for this reason.
    End(StopReason),
}

impl<'c> Trainer<'c> {
    fn new(prepared: Prepared, control: &'c Control) -> Result<Trainer<'c>> {
        tch::set_num_threads(prepared.config.threads as i32);
        let model = prepared.model()?;
        let Prepared { mut config, dataset, resumed, begun, numbered, .. } = prepared;
        let split = dataset.splits(&config.data);
        let counts = split.train.class_counts(dataset.facts().classes.len());
        let mut learner = Learner::new(&config, model, &counts)?;
        let mut progress = Progress::default();
        if let Some(from) = &resumed {
            progress = progress_of(&from.checkpoint.progress, &from.path)?;
            restore(&mut learner, progress.step, &from.checkpoint, &from.path)?;
        }

        let pixel_mean = match &resumed {
            Some(from) => {
                let mean = from.checkpoint.tensors.get(PIXEL_MEAN);
                pixel_mean::of_checkpoint(&config, mean, &from.path)?
            }
            None => pixel_mean::of_images(&split.train, &config, &|| control.stopping().is_some())?,
        };
        let train_pipeline = Arc::new(Pipeline::train(&config, pixel_mean.as_ref()));
        let eval_pipeline = Arc::new(Pipeline::eval(&config, pixel_mean.as_ref()));
        let stopping = || control.stopping().is_some();
        let on_device = OnDevice::place(&config, &split, &train_pipeline, &stopping)?;
        learner.images = on_device.of(&split.train).cloned();
        let Lengths { batches_per_epoch, steps_per_epoch, total_steps } =
            Lengths::of(&config, split.train.len());
        let schedule =
            LrSchedule::new(&config, steps_per_epoch, total_steps, progress.schedule.clone());

        let dir = match &resumed {
            None if numbered => RunDir::create_numbered(Path::new(&config.out))?,
            None => RunDir::create(Path::new(&config.out), config.overwrite)?,
            Some(from) => {
                let mut dir = RunDir::reopen(&from.run_dir)?;
                resume::rewind(&dir, &from.path, &mut progress)?;
                dir.rewind_to(progress.epoch, progress.step)?;
                dir
            }
        };
        if let (true, Some(name)) = (numbered, dir.path().file_name()) {
            config.out = Path::new(&config.out).with_file_name(name).display().to_string();
        }
        dir.write_config(&config)?;
        dir.link_latest();
        let (version, capability) = (residual_torch::version(), residual_torch::cpu_capability());
        dir.write_environment(&Environment::detect(&version, &capability, &config))?;

        let before = Before {
            at: Instant::now(),
            seconds: progress.seconds,
            images: progress.images,
            busy_seconds: progress.busy_seconds,
        };
        let mut trainer = Trainer {
            control,
            config,
            dataset,
            split,
            dir,
            learner,
            schedule,
            progress,
            batches_per_epoch,
            steps_per_epoch,
            total_steps,
            train_pipeline,
            eval_pipeline,
            on_device,
            pixel_mean,
            throughput: Throughput::start(),
            before,
            named: 0,
            begun: VecDeque::new(),
            best_validation: None,
        };
        trainer.announce()?;
        for warning in begun.warnings.into_iter().chain(trainer.on_device.warning.take()) {
            trainer.tell(RunEvent::Warning(warning))?;
        }
        trainer.tell_of_graphs()?;
        Ok(trainer)
    }

    fn announce(&mut self) -> Result<()> {
        let network = self.learner.model.network();
        let size = |subset: &Option<Subset>| subset.as_ref().map_or(0, Subset::len) as u32;
        let counts = self.split.train.class_counts(self.dataset.facts().classes.len());
        let start = RunEvent::Start(StartEvent {
            dir: self.dir.path().display().to_string(),
            config: Box::new(self.config.clone()),
            data: self.dataset.facts().clone(),
            train_images: self.split.train.len() as u32,
            train_class_counts: counts.into_iter().map(|images| images as u32).collect(),
            val_images: size(&self.split.val),
            test_images: size(&self.split.test),
            parameters: network.parameters(),
            macs: network.macs(),
            steps_per_epoch: self.steps_per_epoch as u32,
            total_steps: self.total_steps,
            start_step: self.progress.step,
        });
        self.tell(start)?;
        for warning in self.dataset.warnings().to_vec() {
            self.tell(RunEvent::Warning(warning))?;
        }
        Ok(())
    }

    /// Writes an event down and hands it to the owner.
    fn tell(&mut self, event: RunEvent) -> Result<u64> {
        self.dir.log(&event)?;
        Ok(self.control.emit(event))
    }

    /// All epochs that the budget has. Ends with everything saved.
    fn train(&mut self, meanwhile: &mut dyn FnMut()) -> Result<StopReason> {
        loop {
            if let Flow::End(reason) = self.budget_left() {
                if self.progress.step == 0 || reason == StopReason::Stopped {
                    self.save(&[CheckpointKind::Last])?;
                }
                return Ok(reason);
            }
            let flow = self.train_epoch(meanwhile)?;
            match flow {
                Flow::End(StopReason::Stopped) => {
                    self.save(&[CheckpointKind::Last])?;
                    return Ok(StopReason::Stopped);
                }
                Flow::End(reason) => {
                    // The budget ended in mid-epoch: the state is saved as it is, to go on from
                    // with a larger budget; what was reached is measured on top, if anything was.
                    self.save(&[CheckpointKind::Last])?;
                    if self.progress.sums.count == 0 {
                        return Ok(reason);
                    }
                    if let Flow::End(StopReason::Stopped) = self.end_epoch(false, meanwhile)? {
                        return Ok(StopReason::Stopped);
                    }
                    return Ok(reason);
                }
                Flow::On => {}
            }
            if let Flow::End(reason) = self.end_epoch(true, meanwhile)? {
                self.save(&[CheckpointKind::Last])?;
                return Ok(reason);
            }
        }
    }

    /// Whether there is anything left to train, or a wish to stop.
    fn budget_left(&self) -> Flow {
        let budget = &self.config.budget;
        if self.control.stopping().is_some() {
            Flow::End(StopReason::Stopped)
        } else if budget.epochs.is_some_and(|epochs| self.progress.epoch >= epochs) {
            Flow::End(StopReason::Completed)
        } else if self.no_longer_improves() {
            Flow::End(StopReason::EarlyStopping)
        } else if budget.steps.is_some_and(|steps| self.steps_begun() >= steps)
            || budget.seconds.is_some_and(|seconds| self.seconds() >= seconds)
        {
            Flow::End(StopReason::Budget)
        } else {
            Flow::On
        }
    }

    /// Updates made, those included whose outcome is not known yet; and batches of the epoch.
    fn steps_begun(&self) -> u64 {
        self.progress.step + self.begun.len() as u64
    }

    fn batches_begun(&self) -> u32 {
        self.progress.batch + self.begun.iter().map(|update| update.batches).sum::<u32>()
    }

    fn no_longer_improves(&self) -> bool {
        let config = self.config.early_stopping.as_ref();
        config.is_some_and(|config| self.progress.early_stopping.is_over(config))
    }

    fn seconds(&self) -> f64 {
        self.before.seconds + self.before.at.elapsed().as_secs_f64()
    }

    /// The batches that the current epoch still has.
    fn train_epoch(&mut self, meanwhile: &mut dyn FnMut()) -> Result<Flow> {
        let options = LoaderOptions {
            skip_batches: self.progress.batch as usize,
            windows: self.learner.images.is_some(),
            ..LoaderOptions::train(&self.config, order(&self.config, self.progress.epoch))
        };
        let mut loader = Loader::new(&self.split.train, Arc::clone(&self.train_pipeline), options);
        self.throughput.restart();
        // Batches that were taken since the last update. An update that has begun is finished
        // before anything else: half of one cannot be saved.
        let mut taken = 0;
        loop {
            meanwhile();
            if !self.learner.has_begun() {
                self.control.wait_while_paused(meanwhile);
                if let Flow::End(reason) = self.budget_left() {
                    // An epoch that is complete is ended as one.
                    let complete = u64::from(self.batches_begun()) >= self.batches_per_epoch;
                    if reason == StopReason::Stopped || !complete {
                        self.end_updates(0)?;
                        return Ok(Flow::End(reason));
                    }
                }
            }
            let loaded = match loader.next_within(BATCH_PATIENCE)? {
                NextBatch::Ready(loaded) => loaded,
                NextBatch::Pending => continue,
                NextBatch::End => {
                    self.end_updates(0)?;
                    return Ok(Flow::On);
                }
            };
            for (file, error) in loaded.failed {
                self.broken_image(file, error)?;
            }
            taken += 1;
            // One image cannot be normalised by its batch.
            if loaded.batch.len() > 1 {
                self.learn(&loaded.batch)?;
            }
            loader.recycle(loaded.batch);

            let complete = u64::from(self.batches_begun() + taken) >= self.batches_per_epoch;
            if !self.learner.is_full() && !complete {
                continue;
            }
            let batches = std::mem::take(&mut taken);
            match self.learner.has_begun() {
                true => self.update(batches)?,
                false => {
                    self.end_updates(0)?;
                    self.progress.batch += batches; // nothing in them could be used
                }
            }
            let every = self.config.checkpoint.every_steps;
            if every > 0 && !complete && self.steps_begun().is_multiple_of(every) {
                self.end_updates(0)?;
                self.save(&[CheckpointKind::Last])?;
                self.throughput.restart();
            }
        }
    }

    /// Forward and backward.
    fn learn(&mut self, batch: &Batch) -> Result<()> {
        let before = self.learner.most_at_once();
        let added = self.learner.add(batch)?;
        match self.learner.most_at_once() {
            now if now == before => {}
            now => self.tell_of_parts(now.unwrap_or_default())?,
        }
        self.tell_of_graphs()?;
        match added {
            Step::Done(()) => Ok(()),
            Step::NotFinite(what) => Err(self.step_back(&what)?),
        }
    }

    fn tell_of_parts(&mut self, most: usize) -> Result<()> {
        let batch = self.config.batch_size;
        self.tell(RunEvent::Warning(WarningEvent {
            code: ErrorCode::Memory,
            message: format!(
                "memory has no room for a batch of {batch}: from here on it is learnt from in parts \
                 of at most {most}, which add up to the same update; each is normalised by itself"
            ),
            file: None,
            hint: Some("A smaller `batchSize` is as fast, and the same from the beginning.".into()),
        }))?;
        Ok(())
    }

    /// That steps are not captured any more, where they were to be.
    fn tell_of_graphs(&mut self) -> Result<()> {
        let Some(why) = self.learner.no_graphs() else { return Ok(()) };
        self.tell(RunEvent::Warning(WarningEvent {
            code: why.code,
            message: format!(
                "training goes on without CUDA graphs, to the same result: {}",
                why.message
            ),
            file: None,
            hint: Some("Nothing but speed depends on `cudaGraphs`; leave it out.".into()),
        }))?;
        Ok(())
    }

    /// One update of the weights, by the batches that were learnt from.
    fn update(&mut self, batches: u32) -> Result<()> {
        let lr = self.schedule.lr(self.position());
        if !lr.is_finite() {
            self.end_updates(0)?;
            let what = NotFinite { what: "the learning rate", value: lr };
            return Err(self.step_back(&what)?);
        }
        self.learner.begin_update(lr)?;
        self.begun.push_back(BegunUpdate { batches, lr });
        self.end_updates(self.learner.ahead())
    }

    /// Waits for the outcomes of all updates but the last few.
    fn end_updates(&mut self, but: usize) -> Result<()> {
        while self.begun.len() > but {
            let Some(update) = self.begun.pop_front() else { break };
            self.end_update(update)?;
        }
        Ok(())
    }

    fn end_update(&mut self, BegunUpdate { batches, lr }: BegunUpdate) -> Result<()> {
        let sums = match self.learner.end_update()? {
            Step::Done(sums) => sums,
            Step::NotFinite(what) => return Err(self.step_back(&what)?),
        };
        self.progress.batch += batches;
        self.progress.step += 1;
        self.progress.sums.join(sums);
        self.throughput.add(sums.count);
        self.progress.lr = lr;
        self.report_step(sums.score().loss, lr)
    }

    fn report_step(&mut self, loss: f64, lr: f64) -> Result<()> {
        let so_far = self.progress.sums.score();
        let lately = self.throughput.lately();
        let event = RunEvent::Step(StepEvent {
            epoch: self.progress.epoch + 1,
            step: self.progress.step,
            step_in_epoch: self.progress.batch.div_ceil(self.config.gradient.accumulate),
            steps_per_epoch: self.steps_per_epoch as u32,
            loss,
            epoch_loss: so_far.loss,
            epoch_accuracy: so_far.accuracy,
            lr,
            loss_scale: self.learner.loss_scale(),
            images_per_second: lately,
            eta_seconds: self.eta(lately),
        });
        if self.progress.step.is_multiple_of(self.config.log.every_steps) {
            self.dir.log(&event)?;
        }
        self.control.emit(event);
        Ok(())
    }

    fn eta(&self, images_per_second: f64) -> Option<f64> {
        let steps = self.total_steps.map(|total| {
            let batches = total.saturating_sub(self.progress.step)
                * u64::from(self.config.gradient.accumulate);
            let images = batches * u64::from(self.config.batch_size);
            images as f64 / images_per_second.max(1e-9)
        });
        let seconds = self.config.budget.seconds.map(|total| (total - self.seconds()).max(0.0));
        match (steps, seconds) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn position(&self) -> Position {
        let share = |done: f64, total: Option<f64>| total.map_or(0.0, |total| done / total);
        let step = self.steps_begun();
        let steps = share(step as f64, self.total_steps.map(|total| total as f64));
        let seconds = share(self.seconds(), self.config.budget.seconds);
        Position { epoch: self.progress.epoch.into(), step, fraction: steps.max(seconds) }
    }

    /// Saves the state that the last good update left, and says what happened after it.
    fn step_back(&mut self, NotFinite { what, value }: &NotFinite) -> Result<Error> {
        let (epoch, step) = (self.progress.epoch + 1, self.progress.step + 1);
        self.begun.clear();
        if self.learner.step_back()? && self.progress.step > 0 {
            // Batches whose update never came are not done.
            self.save(&[CheckpointKind::Last])?;
        }
        Ok(self.diverged(format!("{what} became {value} in epoch {epoch} at step {step}")))
    }

    /// What was saved last is what is left.
    fn diverged(&self, message: String) -> Error {
        let error = Error::new(ErrorCode::Diverged, message)
            .hint("Lower `optimizer.lr`, or let it rise slowly with `warmup: { epochs: 1 }`.");
        let last = self.dir.checkpoint_path(CheckpointKind::Last, self.progress.epoch);
        match last.is_file() {
            true => error.file(last),
            false => error,
        }
    }

    fn broken_image(&mut self, file: String, error: Error) -> Result<()> {
        self.named += 1;
        if self.named > NAMED_IMAGES {
            return Ok(());
        }
        let last = if self.named == NAMED_IMAGES { " (further ones are not named)" } else { "" };
        self.tell(RunEvent::Warning(WarningEvent {
            code: error.code,
            message: format!("{}; left out{last}", error.message),
            file: Some(file),
            hint: error.hint,
        }))?;
        Ok(())
    }

    /// Validates, tells, saves and waits for the owner. `whole` is false for an epoch that the
    /// budget cut short: it counts as a measurement, not as an epoch.
    fn end_epoch(&mut self, whole: bool, meanwhile: &mut dyn FnMut()) -> Result<Flow> {
        if self.progress.sums.count == 0 {
            return Err(Error::new(
                ErrorCode::DataUnusable,
                "not one training image could be read",
            )
            .key("data")
            .hint("Look at the warnings in metrics.jsonl: they name the files."));
        }
        let train = self.progress.sums.score();
        let validation = match self.split.val.clone() {
            None => None,
            Some(val) => match self.validate(&val, meanwhile)? {
                None => return Ok(Flow::End(StopReason::Stopped)),
                validation => validation,
            },
        };
        let val = validation.as_ref().map(Metrics::from);

        let value = metric(self.config.monitor, &train, val.as_ref());
        let is_best =
            self.progress.best.is_none_or(|best| match lower_is_better(self.config.monitor) {
                true => value < best.value,
                false => value > best.value,
            });
        let epoch = self.progress.epoch + 1;
        if is_best {
            let Metrics { accuracy, loss, .. } = val.unwrap_or(train);
            self.progress.best = Some(BestSoFar { epoch, value, accuracy, loss });
            self.best_validation = validation;
        }
        let (images, busy) = (self.throughput.images(), self.throughput.busy());
        let event = RunEvent::Epoch(EpochEvent {
            epoch,
            step: self.progress.step,
            lr: self.progress.lr,
            train,
            val,
            best: is_best,
            images_per_second: rate(images, busy),
            seconds: self.seconds(),
        });
        if whole {
            if let Some(wanted) = self.schedule.metric() {
                self.schedule.observe(metric(wanted, &train, val.as_ref()));
            }
            self.schedule.observe_training(train.accuracy);
            self.progress.schedule = self.schedule.state().clone();
            if let Some(config) = &self.config.early_stopping {
                let value = metric(config.metric, &train, val.as_ref());
                self.progress.early_stopping.observe(config, value);
            }
            self.progress.epoch = epoch;
            self.progress.batch = 0;
            self.progress.sums = Sums::default();
        }

        let seq = self.tell(event)?;
        // The last one last: it names the best epoch, which must be there by then.
        let mut kinds = Vec::new();
        if is_best {
            kinds.push(CheckpointKind::Best);
        }
        let every = self.config.checkpoint.every_epochs;
        if whole && every > 0 && epoch.is_multiple_of(every) {
            kinds.push(CheckpointKind::Epoch);
        }
        kinds.push(CheckpointKind::Last);
        self.save(&kinds)?;
        self.control.wait_acknowledged(seq, meanwhile);
        match self.control.stopping() {
            Some(_) => Ok(Flow::End(StopReason::Stopped)),
            None => Ok(Flow::On),
        }
    }

    /// Measures the epoch; `None` if the run is to stop.
    ///
    /// # Errors
    /// `E_DIVERGED` if the loss is no number, before the epoch replaces one that was better.
    fn validate(
        &mut self,
        val: &Subset,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Option<Evaluation>> {
        self.evaluate_on(None, val, meanwhile).map_err(|error| match error.code {
            ErrorCode::Diverged => {
                let epoch = self.progress.epoch + 1;
                self.diverged(format!("validation of epoch {epoch}: {}", error.message))
            }
            _ => error,
        })
    }

    /// `None` if the run is to stop.
    fn evaluate_on(
        &mut self,
        model: Option<&Model>,
        subset: &Subset,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Option<Evaluation>> {
        let control = self.control;
        let (evaluation, broken) = loop {
            let loader = self.eval_loader(subset);
            let mut broken = Vec::new();
            let model = model.unwrap_or_else(|| self.learner.evaluated());
            let classes = &self.dataset.facts().classes;
            let evaluated = evaluate(
                model,
                classes,
                EvaluationMetrics::new(classes.len())
                    .with_top_losses(KEPT_IMAGES)
                    .with_samples(subset.evenly_spaced(KEPT_IMAGES)),
                loader,
                self.on_device.of(subset).map(Rc::as_ref),
                || {
                    meanwhile();
                    control.wait_while_paused(meanwhile);
                    Ok(control.stopping().is_none())
                },
                |warning| broken.push(warning),
            );
            match evaluated {
                // A graph holds as much as a step does.
                Err(error)
                    if error.code == ErrorCode::Memory && self.learner.forget_graph(&error) =>
                {
                    self.tell_of_graphs()?;
                }
                evaluated => break (evaluated?, broken),
            }
        };
        for warning in broken {
            self.tell(RunEvent::Warning(warning))?;
        }
        Ok(evaluation)
    }

    fn eval_loader(&self, subset: &Subset) -> Loader {
        let windows = self.on_device.of(subset).is_some();
        let options = LoaderOptions { windows, ..LoaderOptions::eval(&self.config) };
        Loader::new(subset, Arc::clone(&self.eval_pipeline), options)
    }

    /// Writes the state as one or more checkpoints.
    ///
    /// # Errors
    /// `E_DIVERGED` where there is nothing left that would be worth it.
    fn save(&mut self, kinds: &[CheckpointKind]) -> Result<()> {
        if !self.learner.is_finite()? {
            let step = self.progress.step;
            return Err(
                self.diverged(format!("the weights are no numbers any more at step {step}"))
            );
        }
        self.progress.seconds = self.seconds();
        self.progress.images = self.before.images + self.throughput.images();
        self.progress.busy_seconds =
            self.before.busy_seconds + self.throughput.busy().as_secs_f64();
        let mean = self.pixel_mean.as_ref().map(|mean| pixel_mean::to_tensor(mean, &self.config));
        let (epoch, step) = (self.progress.epoch, self.progress.step);
        for &kind in kinds {
            let path = self.dir.checkpoint_path(kind, epoch);
            let state = State::of(&self.learner, &self.progress, mean.as_ref())?;
            state.write(&path, &self.config, self.dataset.facts())?;
            let path = path.display().to_string();
            self.tell(RunEvent::Checkpoint(CheckpointEvent { kind, path, epoch, step }))?;
        }
        Ok(())
    }

    /// Writes down what was measured last, with the pixels of the images that it names. An image that
    /// cannot be read any more has none; nothing is written if the run is to stop and that takes long.
    fn keep(
        &self,
        part: Split,
        images: &Subset,
        mut evaluation: Evaluation,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<()> {
        let Some(best) = self.progress.best else { return Ok(()) };
        let channels = self.config.data.channels;
        let begun = Instant::now();
        for example in evaluation.samples.iter_mut().chain(&mut evaluation.top_losses) {
            meanwhile();
            let is_late = match self.control.stopping() {
                None => false,
                Some(Stop::Requested | Stop::Shutdown) => begun.elapsed() > KEEPING,
                // It has no result that this would belong to.
                Some(Stop::Aborted | Stop::HookFailed) => true,
            };
            if is_late {
                return Ok(());
            }
            example.thumbnail = small_of(images, example.index, channels, KEPT_SIDE).ok();
        }
        self.dir.write_evaluation(&RunEvaluation { split: part, epoch: best.epoch, evaluation })
    }

    /// Measures the best checkpoint on the test part, unless the run is to stop, writes
    /// evaluation.json and result.json, and tells the end.
    fn finish(
        mut self,
        mut reason: StopReason,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<TrainResult> {
        let path = |path: PathBuf| path.display().to_string();
        let best_path = self.dir.checkpoint_path(CheckpointKind::Best, 0);
        let mut test = None;
        let validation = self.split.val.clone().zip(self.best_validation.take());
        let mut last_measured = validation.map(|(part, evaluation)| (Split::Val, part, evaluation));
        let is_there = self.progress.best.is_some() && best_path.is_file();
        if let (Some(part), true, false) =
            (self.split.test.clone(), is_there, reason == StopReason::Stopped)
        {
            let model = &self.learner.model;
            let (network, compute) = (model.network().clone(), model.compute());
            let checkpoint = Checkpoint::open(&best_path)?;
            let best = Model::from_reader(network, compute, |name| checkpoint.tensor(name))
                .map_err(|error| error.file(&best_path))?;
            match self.evaluate_on(Some(&best), &part, meanwhile)? {
                None => reason = StopReason::Stopped,
                Some(evaluation) => {
                    test = Some(Metrics::from(&evaluation));
                    last_measured = Some((Split::Test, part, evaluation));
                }
            }
        }
        if let Some((part, images, evaluation)) = last_measured {
            self.keep(part, &images, evaluation, meanwhile)?;
        }
        let last = path(self.dir.checkpoint_path(CheckpointKind::Last, 0));
        match self.control.stopping() {
            Some(Stop::Aborted) => {
                return Err(Error::new(ErrorCode::Aborted, "the run was aborted").file(last));
            }
            Some(Stop::HookFailed) => {
                let message = "the run was ended by a failure in a hook";
                return Err(Error::new(ErrorCode::Aborted, message).file(last));
            }
            Some(Stop::Requested | Stop::Shutdown) | None => {}
        }

        let busy = Duration::from_secs_f64(self.progress.busy_seconds);
        let result = TrainResult {
            stop_reason: reason,
            dir: self.dir.path().display().to_string(),
            epochs: self.progress.epoch,
            steps: self.progress.step,
            best: self.progress.best.map(|best| BestCheckpoint {
                epoch: best.epoch,
                accuracy: best.accuracy,
                loss: best.loss,
                checkpoint: path(best_path),
            }),
            last,
            test,
            images_per_second: rate(self.progress.images, busy),
            seconds: self.seconds(),
            report: None,
        };
        self.dir.write_result(&result)?;
        self.tell(RunEvent::End(EndEvent { result: result.clone() }))?;
        Ok(result)
    }
}

/// Where CUDA would have been taken, had it not failed.
fn cuda_is_unusable(asked: &TrainConfig, config: &ResolvedConfig) -> Option<WarningEvent> {
    let chosen = asked.device.as_ref().and_then(Auto::value).is_none();
    let why = residual_torch::cuda::unavailable_reason()
        .filter(|_| chosen && config.device == Device::Cpu)?;
    Some(WarningEvent {
        code: ErrorCode::Device,
        message: format!("CUDA cannot be used, so this run is on the CPU: {why}"),
        file: None,
        hint: Some("`residual doctor` looks at everything; `device: cpu` asks for this.".into()),
    })
}

/// The images of an epoch, in the order that they are trained on.
pub fn order(config: &ResolvedConfig, epoch: u32) -> SampleOrder {
    match config.data.balanced {
        true => SampleOrder::Balanced { seed: config.seed, epoch },
        false => SampleOrder::Shuffled { seed: config.seed, epoch },
    }
}

/// Batches of an epoch; a last one of a single image is left out.
fn batches_per_epoch(images: usize, batch: usize) -> u64 {
    let lonely = images % batch == 1 && images > 0;
    (images - usize::from(lonely)).div_ceil(batch) as u64
}

fn metric(metric: Metric, train: &Metrics, val: Option<&Metrics>) -> f64 {
    let val = val.unwrap_or(train);
    match metric {
        Metric::TrainLoss => train.loss,
        Metric::TrainAccuracy => train.accuracy,
        Metric::ValLoss => val.loss,
        Metric::ValAccuracy => val.accuracy,
    }
}
