//! The start of a run: data pipelines, training step, run folder, first events.

use std::path::Path;
use std::sync::Arc;

use residual_data::{Dataset, Pipeline, Splits, Subset};
use residual_optim::LrSchedule;
use residual_runlog::{Environment, RunDir};
use residual_spec::{ResolvedConfig, Result, RunEvent, StartEvent};
use residual_weights::PIXEL_MEAN;

use super::checkpoint::{parse_position, restore};
use super::{Lengths, Prepared, ResumedRun, RunData, SessionClock, Trainer};
use crate::Control;
use crate::device_images::DeviceImages;
use crate::position::Position;
use crate::step::TrainStep;
use crate::{pixel_mean, resume};

impl<'c> Trainer<'c> {
    pub(super) fn new(prepared: Prepared, control: &'c Control) -> Result<Trainer<'c>> {
        tch::set_num_threads(prepared.config.threads as i32);
        let model = prepared.model()?;
        let Prepared { mut config, dataset, resumed, initial_weights, has_auto_name, .. } =
            prepared;
        let splits = dataset.splits(&config.data);
        let class_counts = splits.train.class_counts(dataset.facts().classes.len());
        let mut step = TrainStep::new(&config, model, &class_counts)?;
        let mut position = Position::default();
        if let Some(ResumedRun { checkpoint, path, .. }) = &resumed {
            position = parse_position(&checkpoint.progress, path)?;
            restore(step.state_mut(), position.step, checkpoint, path)?;
        }
        let mut data =
            RunData::open(dataset, splits, &config, resumed.as_ref(), &|| control.is_stopping())?;
        step.set_images(data.device_images.images(&data.splits.train).cloned());
        let lengths = Lengths::new(&config, data.splits.train.len());
        let (per_epoch, total) = (lengths.steps_per_epoch, lengths.total_steps);
        let schedule = LrSchedule::new(&config, per_epoch, total, position.schedule.clone());
        let dir = open_run_dir(&mut config, resumed.as_ref(), has_auto_name, &mut position)?;

        let device_images_warning = data.device_images.warning.take();
        let mut trainer = Trainer {
            control,
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
        for warning in initial_weights.warnings.into_iter().chain(device_images_warning) {
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
        resumed: Option<&ResumedRun>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<RunData> {
        let pixel_mean = match resumed {
            Some(ResumedRun { checkpoint, path, .. }) => {
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

/// Creates the run folder, or reopens the folder of a resumed run and discards everything after the
/// checkpoint. Writes the configuration and the environment.
fn open_run_dir(
    config: &mut ResolvedConfig,
    resumed: Option<&ResumedRun>,
    has_auto_name: bool,
    position: &mut Position,
) -> Result<RunDir> {
    let dir = match resumed {
        None if has_auto_name => RunDir::create_numbered(Path::new(&config.out))?,
        None => RunDir::create(Path::new(&config.out), config.overwrite)?,
        Some(ResumedRun { run_dir, path, .. }) => {
            let mut dir = RunDir::reopen(run_dir)?;
            resume::rewind(&dir, path, position)?;
            dir.rewind_to(position.epoch, position.step)?;
            dir
        }
    };
    if let (true, Some(name)) = (has_auto_name, dir.path().file_name()) {
        config.out = Path::new(&config.out).with_file_name(name).display().to_string();
    }
    dir.write_config(config)?;
    dir.link_latest();
    let (version, capability) = (residual_torch::version(), residual_torch::cpu_capability());
    dir.write_environment(&Environment::detect(&version, &capability, config))?;
    Ok(dir)
}
