//! A run as it would be: everything resolved, nothing written, nothing kept. What it would take is
//! computed (memory) and measured (time), and each says which.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use residual_data::{Arrays, Loader, LoaderOptions, Pipeline, Splits, Subset};
use residual_model::predict_log_probs;
use residual_spec::{FromJson, KeyPath, Plan, PlanConfig, Result, TimeEstimate, median};
use serde_json::Value;

use residual_train::{Learner, Lengths, OnDevice, Prepared, memory, pixel_mean};

use crate::catch_panic::unless_broken_off;
use crate::step_batches::{Gathered, Gatherer};
use crate::thread_count::Threads;

/// How long updates are measured, and how many at most; two are made whatever they take.
const MEASURED: Duration = Duration::from_secs(3);
const MOST_STEPS: usize = 30;
/// The same for evaluation, which is a smaller part of a run.
const EVALUATED: Duration = Duration::from_millis(500);
/// A rate at which nothing bursts; what an update takes does not depend on it.
const RATE: f64 = 1e-6;

/// Prepares a run and looks at it. `go_on` is asked before each batch; `false` ends with `None`.
///
/// # Errors
/// As a run, for whatever is wrong with configuration, data or run folder.
pub fn plan(
    said: &Value,
    arrays: Option<Arrays>,
    options: &Value,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<Plan>> {
    let options = PlanConfig::from_json_at(options, &KeyPath::Root)?;
    let prepared = unless_broken_off(Prepared::new(said, arrays, &|| !go_on()))?;
    let Some(mut prepared) = prepared else { return Ok(None) };
    let dir = prepared.place()?;
    let split = prepared.dataset.splits(&prepared.config.data);
    let start_step = prepared.start_step()?;
    let lengths = Lengths::of(&prepared.config, split.train.len());
    let (parameters, macs) = (prepared.network().parameters(), prepared.network().macs());
    let mut memory =
        memory::estimate(&prepared.config, prepared.network(), prepared.dataset.facts());
    let warnings = [prepared.warnings(), prepared.dataset.warnings()].concat();
    let size = |subset: &Option<Subset>| subset.as_ref().map_or(0, Subset::len) as u32;
    let (train_images, val_images) = (split.train.len() as u32, size(&split.val));
    let test_images = size(&split.test);

    let mut time = None;
    if options.measure.unwrap_or(true) {
        let _threads = Threads::set(prepared.config.threads);
        let Some(pace) = Pace::measure(&prepared, &split, go_on)? else { return Ok(None) };
        time = pace.estimate(&prepared, &lengths, start_step, val_images);
        memory.measured = time.as_ref().and_then(|_| greatest_resident());
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

/// What updates and evaluation take, in seconds.
struct Pace {
    /// From an update to the next, in ascending order; waiting for images is part of it.
    steps: Vec<f64>,
    /// For one image.
    evaluation: f64,
}

impl Pace {
    /// `None` if `go_on` said so.
    fn measure(
        prepared: &Prepared,
        split: &Splits,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Pace>> {
        let config = &prepared.config;
        let counts = split.train.class_counts(prepared.dataset.facts().classes.len());
        let mut learner = Learner::new(config, prepared.model()?, &counts)?;
        let mean = pixel_mean::of_images(&split.train, config, &|| !go_on());
        let Some(mean) = unless_broken_off(mean)? else { return Ok(None) };
        let pipeline = Pipeline::train(config, mean.as_ref());
        let placed = OnDevice::place(config, split, &pipeline, &|| !go_on());
        let Some(placed) = unless_broken_off(placed)? else { return Ok(None) };
        learner.images = placed.of(&split.train).cloned();
        let windows = learner.images.is_some();
        let mut batches = Gatherer::new(config, &split.train, pipeline, windows);
        let mut steps = Vec::new();
        let begun = Instant::now();
        let mut last = None;
        loop {
            match batches.gather(&mut learner, go_on)? {
                Gathered::Update => {}
                Gathered::NotFinite | Gathered::Nothing => break,
                Gathered::BrokenOff => return Ok(None),
            }
            // One that is not finite takes as long.
            learner.update(RATE)?;
            let now = Instant::now();
            steps.extend(last.replace(now).map(|last| (now - last).as_secs_f64()));
            let enough = steps.len() >= MOST_STEPS || begun.elapsed() >= MEASURED;
            if enough && !steps.is_empty() {
                break;
            }
        }
        steps.sort_by(f64::total_cmp);
        let evaluation = match &split.val {
            Some(val) => {
                let pipeline = Arc::new(Pipeline::eval(config, mean.as_ref()));
                evaluation_pace(prepared, &learner, val, pipeline, &placed, go_on)?
            }
            None => Some(0.0),
        };
        Ok(evaluation.map(|evaluation| Pace { steps, evaluation }))
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
        let left = lengths.total_steps.map(|total| {
            let steps = total.saturating_sub(start_step) as f64;
            let epochs = (steps / lengths.steps_per_epoch.max(1) as f64).ceil();
            steps * step_seconds + epochs * evaluation
        });
        let total_seconds = match (left, config.budget.seconds) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
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

/// Seconds for an image; `None` if `go_on` said so.
fn evaluation_pace(
    prepared: &Prepared,
    learner: &Learner,
    val: &Subset,
    pipeline: Arc<Pipeline>,
    placed: &OnDevice,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<f64>> {
    let _no_grad = tch::no_grad_guard();
    let images = placed.of(val).map(Rc::as_ref);
    let options =
        LoaderOptions { windows: images.is_some(), ..LoaderOptions::eval(&prepared.config) };
    let mut loader = Loader::new(val, pipeline, options);
    let begun = Instant::now();
    let mut seen = 0;
    while let Some(loaded) = loader.next()? {
        if !go_on() {
            return Ok(None);
        }
        if !loaded.batch.is_empty() {
            predict_log_probs(learner.evaluated(), images, &loaded.batch)?;
            seen += loaded.batch.len();
        }
        loader.recycle(loaded.batch);
        if begun.elapsed() >= EVALUATED {
            break;
        }
    }
    Ok(Some(begun.elapsed().as_secs_f64() / seen.max(1) as f64))
}

/// Bytes, where the system tells (Linux).
fn greatest_resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kilobytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_how_much_memory_there_was() {
        if cfg!(target_os = "linux") {
            assert!(greatest_resident().unwrap() > 1 << 20);
        }
    }
}
