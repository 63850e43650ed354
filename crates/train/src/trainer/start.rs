//! The start of a run: data pipelines, training step, run folder, first events.

use std::path::Path;
use std::sync::Arc;

use residual_data::{Dataset, Pipeline, Splits, Subset};
use residual_model::Model;
use residual_optim::LrSchedule;
use residual_runlog::{Environment, RunDir};
use residual_spec::{ResolvedConfig, Result, RunEvent, StartEvent, WarningEvent};
use residual_weights::PIXEL_MEAN;

use super::checkpoint::{parse_position, restore};
use super::{Lengths, Prepared, RunData, SessionClock, Trainer};
use crate::Control;
use crate::device_images::DeviceImages;
use crate::pixel_mean;
use crate::position::Position;
use crate::replicas::Leader;
use crate::resume::{self, ResumedRun, StartCheckpoint};
use crate::step::TrainStep;

/// What a process needs that trains by the commands of another.
pub(super) struct FollowedRun {
    pub config: ResolvedConfig,
    pub train: Subset,
    pub pipeline: Arc<Pipeline>,
    pub step: TrainStep,
}

impl FollowedRun {
    /// Creates the training state, without a run folder.
    pub fn new(prepared: Prepared) -> Result<FollowedRun> {
        tch::set_num_threads(prepared.config.threads as i32);
        let model = prepared.model()?;
        let Prepared { config, dataset, resumed, .. } = prepared;
        let start = resumed.as_ref().and_then(|resumed| resumed.start.as_ref());
        let (step, _, splits) = start_training(&config, model, &dataset, start)?;
        let data = RunData::open(dataset, splits, &config, start, &|| false)?;
        Ok(FollowedRun { config, train: data.splits.train, pipeline: data.train_pipeline, step })
    }
}

/// Creates the training step, from a checkpoint if the run is resumed. Also returns the position of the
/// checkpoint and the splits of the data.
fn start_training(
    config: &ResolvedConfig,
    model: Model,
    dataset: &Dataset,
    start: Option<&StartCheckpoint>,
) -> Result<(TrainStep, Position, Splits)> {
    let splits = dataset.splits(&config.data);
    let class_counts = splits.train.class_counts(dataset.facts().classes.len());
    let mut step = TrainStep::new(config, model, &class_counts)?;
    let mut position = Position::default();
    if let Some(StartCheckpoint { checkpoint, path }) = start {
        position = parse_position(&checkpoint.progress, path)?;
        restore(step.state_mut(), position.step, checkpoint, path)?;
    }
    Ok((step, position, splits))
}

impl<'c> Trainer<'c> {
    pub(super) fn new(
        prepared: Prepared,
        control: &'c Control,
        leader: Option<&'c Leader>,
    ) -> Result<Trainer<'c>> {
        tch::set_num_threads(prepared.config.threads as i32);
        let model = prepared.model()?;
        let Prepared {
            mut config,
            dataset,
            resumed,
            initial_weights,
            has_auto_name,
            overwrite,
            ..
        } = prepared;
        let start = resumed.as_ref().and_then(|resumed| resumed.start.as_ref());
        let (mut step, mut position, splits) = start_training(&config, model, &dataset, start)?;
        if let Some(leader) = leader {
            leader.share_state(&mut step)?;
        }
        let mut data = RunData::open(dataset, splits, &config, start, &|| control.is_stopping())?;
        step.set_images(data.device_images.images(&data.splits.train).cloned());
        let lengths = Lengths::new(&config, data.splits.train.len());
        let (per_epoch, total) = (lengths.steps_per_epoch, lengths.total_steps);
        let schedule = LrSchedule::new(&config, per_epoch, total, position.schedule.clone());
        let mut warnings = initial_weights.warnings;
        let dir = match &resumed {
            None if has_auto_name => RunDir::create_numbered(Path::new(&config.out))?,
            None => RunDir::create(Path::new(&config.out), overwrite)?,
            Some(resumed) => reopen_run_dir(resumed, &mut position, &mut warnings)?,
        };
        if let (true, Some(name)) = (has_auto_name, dir.path().file_name()) {
            config.out = Path::new(&config.out).with_file_name(name).display().to_string();
        }
        write_description(&dir, &config)?;

        let device_images_warning = data.device_images.warning.take();
        let mut trainer = Trainer {
            control,
            leader,
            config,
            data,
            dir,
            step,
            schedule,
            clock: SessionClock::start(position.time),
            position,
            lengths,
            in_flight: Default::default(),
            num_unreadable: 0,
            best_validation: None,
        };
        trainer.emit_start()?;
        for warning in warnings.into_iter().chain(device_images_warning) {
            trainer.emit(RunEvent::Warning(warning))?;
        }
        trainer.warn_graphs_disabled()?;
        Ok(trainer)
    }

    fn emit_start(&mut self) -> Result<()> {
        let (network, data) = (self.step.model().network(), &self.data);
        let len = |subset: &Option<Subset>| subset.as_ref().map_or(0, Subset::len) as u32;
        let class_counts = data.splits.train.class_counts(data.dataset.facts().classes.len());
        let start = RunEvent::Start(StartEvent {
            dir: self.dir.path().display().to_string(),
            config: Box::new(self.config.clone()),
            data: data.dataset.facts().clone(),
            train_images: data.splits.train.len() as u32,
            train_class_counts: class_counts.into_iter().map(|images| images as u32).collect(),
            val_images: len(&data.splits.val),
            test_images: len(&data.splits.test),
            parameters: network.parameters(),
            macs: network.macs(),
            steps_per_epoch: self.lengths.steps_per_epoch as u32,
            total_steps: self.lengths.total_steps,
            start_step: self.position.step,
        });
        self.emit(start)?;
        for warning in self.data.dataset.warnings().to_vec() {
            self.emit(RunEvent::Warning(warning))?;
        }
        Ok(())
    }
}

impl RunData {
    /// Creates the pipelines, and copies images to the device if configured (`augmentOn`).
    fn open(
        dataset: Dataset,
        splits: Splits,
        config: &ResolvedConfig,
        start: Option<&StartCheckpoint>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<RunData> {
        let pixel_mean = match start {
            Some(StartCheckpoint { checkpoint, path }) => {
                let mean = checkpoint.tensors.get(PIXEL_MEAN);
                pixel_mean::from_checkpoint(config, mean, path)?
            }
            None => pixel_mean::compute(&splits.train, config, is_cancelled)?,
        };
        let train_pipeline = Arc::new(Pipeline::train(config, pixel_mean.as_ref()));
        let eval_pipeline = Arc::new(Pipeline::eval(config, pixel_mean.as_ref()));
        let device_images = DeviceImages::load(config, &splits, &train_pipeline, is_cancelled)?;
        Ok(RunData { dataset, splits, train_pipeline, eval_pipeline, device_images, pixel_mean })
    }
}

/// Reopens the folder of a resumed run and discards everything after the checkpoint.
fn reopen_run_dir(
    resumed: &ResumedRun,
    position: &mut Position,
    warnings: &mut Vec<WarningEvent>,
) -> Result<RunDir> {
    let mut dir = RunDir::reopen(&resumed.run_dir)?;
    if let Some(start) = &resumed.start {
        warnings.extend(resume::rewind(&dir, &start.path, position)?);
    }
    warnings.extend(dir.rewind_to(position.epoch, position.step)?);
    Ok(dir)
}

/// Writes the configuration and the environment, and links the run as the latest one.
fn write_description(dir: &RunDir, config: &ResolvedConfig) -> Result<()> {
    dir.write_config(config)?;
    dir.link_latest();
    let (version, capability) = (residual_torch::version(), residual_torch::cpu_capability());
    dir.write_environment(&Environment::detect(&version, &capability, config))
}
