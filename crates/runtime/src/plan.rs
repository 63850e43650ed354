//! Dry run: resolves the configuration and estimates memory and time, without writing files.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use residual_data::{Arrays, Loader, LoaderOptions, Pipeline, Splits, Subset};
use residual_model::predict_log_probs;
use residual_spec::{FromJson, Plan, PlanConfig, Result, TimeEstimate, median, resolve_plan};
use residual_train::{DeviceImages, Lengths, Prepared, SAFE_LR, TrainStep, memory, pixel_mean};
use serde_json::Value;

use crate::catch_panic::none_if_cancelled;
use crate::step_batches::{StepBatches, StepGradients};
use crate::thread_count::ThreadCount;

/// Maximum time and number of measured training steps.
const MAX_TRAIN_TIME: Duration = Duration::from_secs(3);
const MAX_STEPS: usize = 30;
/// Minimum number of measured steps after `MAX_TRAIN_TIME`, until `MAX_SLOW_TRAIN_TIME`.
const MIN_STEPS: usize = 3;
/// Time after which a single measured step is enough.
const MAX_SLOW_TRAIN_TIME: Duration = Duration::from_secs(12);
/// Maximum time of the measurement of evaluation, which is a smaller part of a run.
const MAX_EVAL_TIME: Duration = Duration::from_millis(500);

/// Prepares a run and estimates its memory and time. `is_cancelled` is called before each batch.
/// Returns `None` if it returned true.
///
/// # Errors
/// Errors of [`residual_train::train`] for an invalid configuration, data or run folder.
pub fn plan(
    config: &Value,
    arrays: Option<Arrays>,
    options: &Value,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Option<Plan>> {
    let options = resolve_plan(&PlanConfig::parse(options)?);
    let prepared = none_if_cancelled(Prepared::new(config, arrays, is_cancelled))?;
    let Some(mut prepared) = prepared else { return Ok(None) };
    let dir = prepared.run_path()?;
    let splits = prepared.dataset.splits(&prepared.config.data);
    let start_step = prepared.start_step()?;
    let lengths = Lengths::new(&prepared.config, splits.train.len());
    let (parameters, macs) = (prepared.network().parameters(), prepared.network().macs());
    let mut memory =
        memory::estimate(&prepared.config, prepared.network(), prepared.dataset.facts());
    let warnings = [prepared.warnings(), prepared.dataset.warnings()].concat();
    let num_images = |subset: &Option<Subset>| subset.as_ref().map_or(0, Subset::len) as u32;
    let (train_images, val_images) = (splits.train.len() as u32, num_images(&splits.val));
    let test_images = num_images(&splits.test);

    let mut time = None;
    if options.measure {
        let _threads = ThreadCount::set(prepared.config.threads);
        let timing = Timing::measure(&prepared, &splits, is_cancelled)?;
        let Some(timing) = timing else { return Ok(None) };
        time = timing.estimate(&prepared, &lengths, start_step, val_images);
        memory.measured = time.as_ref().and_then(|_| peak_memory());
    }
    prepared.config.out = dir.display().to_string();
    Ok(Some(Plan {
        dir: prepared.config.out.clone(),
        data: prepared.dataset.facts().clone(),
        config: prepared.config,
        train_images,
        val_images,
        test_images,
        parameters,
        macs,
        steps_per_epoch: lengths.steps_per_epoch as u32,
        total_steps: lengths.total_steps,
        start_step,
        warnings,
        memory,
        time,
    }))
}

/// Measured times in seconds.
struct Timing {
    /// Durations of the steps, including the wait for images, in ascending order.
    steps: Vec<f64>,
    /// Duration of the evaluation of one image.
    evaluation: f64,
}

impl Timing {
    fn measure(
        prepared: &Prepared,
        splits: &Splits,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Timing>> {
        let config = &prepared.config;
        let class_counts = splits.train.class_counts(prepared.dataset.facts().classes.len());
        let mut step = TrainStep::new(config, prepared.model()?, &class_counts)?;
        let mean = pixel_mean::compute(&splits.train, config, is_cancelled);
        let Some(mean) = none_if_cancelled(mean)? else { return Ok(None) };
        let pipeline = Pipeline::train(config, mean.as_ref());
        let on_device = DeviceImages::load(config, splits, &pipeline, is_cancelled);
        let Some(on_device) = none_if_cancelled(on_device)? else { return Ok(None) };
        step.set_images(on_device.images(&splits.train).cloned());
        let batches = StepBatches::new(config, &splits.train, pipeline, step.has_images());
        let steps = measure_steps(batches, &mut step, is_cancelled)?;
        let Some(mut steps) = steps else { return Ok(None) };
        steps.sort_by(f64::total_cmp);
        let evaluation = match &splits.val {
            Some(val) => {
                let pipeline = Arc::new(Pipeline::eval(config, mean.as_ref()));
                measure_evaluation(prepared, &step, val, pipeline, &on_device, is_cancelled)?
            }
            None => Some(0.0),
        };
        Ok(evaluation.map(|evaluation| Timing { steps, evaluation }))
    }

    fn estimate(
        &self,
        prepared: &Prepared,
        lengths: &Lengths,
        start_step: u64,
        val_images: u32,
    ) -> Option<TimeEstimate> {
        let config = &prepared.config;
        let (fastest, slowest) = (*self.steps.first()?, *self.steps.last()?);
        let step_seconds = median(&self.steps);
        let images = u64::from(config.batch_size) * u64::from(config.gradient.accumulate);
        let evaluation = self.evaluation * f64::from(val_images);
        let epoch_seconds = step_seconds * lengths.steps_per_epoch as f64 + evaluation;
        let remaining = lengths.total_steps.map(|total| {
            let steps = total.saturating_sub(start_step) as f64;
            let epochs = (steps / lengths.steps_per_epoch.max(1) as f64).ceil();
            steps * step_seconds + epochs * evaluation
        });
        let total_seconds = match (remaining, config.budget.seconds) {
            (Some(remaining), Some(budget)) => Some(remaining.min(budget)),
            (remaining, budget) => remaining.or(budget),
        };
        Some(TimeEstimate {
            steps: self.steps.len() as u32,
            step_seconds,
            min_step_seconds: fastest,
            max_step_seconds: slowest,
            images_per_second: images as f64 / step_seconds,
            epoch_seconds,
            total_seconds,
        })
    }
}

/// Returns the durations of the steps in seconds, each from one update to the next; `None` if the
/// measurement was cancelled.
fn measure_steps(
    mut batches: StepBatches,
    step: &mut TrainStep,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Option<Vec<f64>>> {
    let mut steps = Vec::new();
    let started = Instant::now();
    let mut last_update = None;
    loop {
        match batches.forward_backward(step, is_cancelled)? {
            StepGradients::Complete => {}
            StepGradients::NotFinite | StepGradients::NoImages => return Ok(Some(steps)),
            StepGradients::Cancelled => return Ok(None),
        }
        // Steps whose gradients are not finite are measured, too: they take as long as the others.
        step.optimizer_step(SAFE_LR)?;
        let now = Instant::now();
        steps.extend(last_update.replace(now).map(|last| (now - last).as_secs_f64()));
        if has_enough_steps(steps.len(), started.elapsed()) {
            return Ok(Some(steps));
        }
    }
}

/// Returns whether enough steps are measured: 30 steps, at least three steps after three seconds, or
/// at least one step after twelve seconds.
fn has_enough_steps(steps: usize, elapsed: Duration) -> bool {
    let min = if elapsed < MAX_TRAIN_TIME {
        MAX_STEPS
    } else if elapsed < MAX_SLOW_TRAIN_TIME {
        MIN_STEPS
    } else {
        1
    };
    steps >= min
}

/// Returns the duration of the evaluation of one image in seconds; `None` if the measurement was
/// cancelled.
fn measure_evaluation(
    prepared: &Prepared,
    step: &TrainStep,
    val: &Subset,
    pipeline: Arc<Pipeline>,
    on_device: &DeviceImages,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Option<f64>> {
    let _no_grad = tch::no_grad_guard();
    let images = on_device.images(val).map(Rc::as_ref);
    let options =
        LoaderOptions { crops_only: images.is_some(), ..LoaderOptions::eval(&prepared.config) };
    let mut loader = Loader::new(val, pipeline, options);
    let started = Instant::now();
    let mut count = 0;
    while let Some(loaded) = loader.next()? {
        if is_cancelled() {
            return Ok(None);
        }
        if !loaded.batch.is_empty() {
            predict_log_probs(step.eval_model(), images, &loaded.batch)?;
            count += loaded.batch.len();
        }
        loader.recycle(loaded.batch);
        if started.elapsed() >= MAX_EVAL_TIME {
            break;
        }
    }
    Ok(Some(started.elapsed().as_secs_f64() / count.max(1) as f64))
}

/// Returns the peak resident memory of the process in bytes (Linux only).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kilobytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_peak_memory_on_linux() {
        if cfg!(target_os = "linux") {
            assert!(peak_memory().unwrap() > 1 << 20);
        }
    }
}
