//! Resuming a run: finds its checkpoint, and merges and checks the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use residual_runlog::RunDir;
use residual_spec::{
    CheckpointKind, Error, ErrorCode, ResolvedConfig, Result, TrainConfig, WarningEvent,
};
use residual_weights::{Checkpoint, CheckpointChoice, open_intact, verify_weights};
use serde_json::{Map, Value};

use crate::position::Position;

/// Configuration keys that may change on resume: they affect the length, the output and the speed
/// of the run.
const CHANGEABLE: &[&str] = &[
    "epochs",
    "budget",
    "earlyStopping",
    "threads",
    "workers",
    "cache",
    "augmentOn",
    "memoryFraction",
    "cudaGraphs",
    "checkpoint",
    "log",
    "out",
];

/// A run to resume.
pub(crate) struct ResumedRun {
    /// Absolute path of the run folder.
    pub run_dir: PathBuf,
    /// `None` if the run was killed before its first checkpoint, so that it starts over.
    pub start: Option<StartCheckpoint>,
    /// Configuration of the run.
    pub config: ResolvedConfig,
    /// Warnings about damage of the run folder that does not prevent resuming.
    pub warnings: Vec<WarningEvent>,
}

/// The checkpoint that a run resumes from.
pub(crate) struct StartCheckpoint {
    pub checkpoint: Checkpoint,
    pub path: PathBuf,
}

impl ResumedRun {
    /// Opens the last checkpoint of a run, or the newest intact one if the last one is damaged.
    ///
    /// # Errors
    /// `E_OUT_IN_USE` if another process writes to the run folder; `E_CHECKPOINT` if there is no
    /// intact checkpoint; `E_CONFIG` if the checkpoint is not in a run folder.
    pub fn open(resume: &str) -> Result<ResumedRun> {
        let resume = Path::new(resume);
        // This check is first, because a run that has just started has no checkpoint yet.
        RunDir::check_not_in_use(resume)?;
        if let Some(config) = RunDir::config_without_checkpoint(resume) {
            return ResumedRun::start_over(resume, config);
        }
        let opened = open_intact(resume, CheckpointChoice::Last, Checkpoint::read_for_resume)?;
        let (path, checkpoint) = (opened.path, opened.opened);
        let run_dir = path.parent().and_then(Path::parent).filter(|dir| RunDir::is_run(dir));
        let Some(run_dir) = run_dir.map(Path::to_path_buf) else {
            let message = format!("{} is not in a run folder", path.display());
            return Err(Error::new(ErrorCode::Config, message)
                .key("resume")
                .hint("Pass a run folder, or a checkpoint in its checkpoints/ folder."));
        };
        let mut warnings: Vec<WarningEvent> = opened.warning.into_iter().collect();
        if RunDir::read_config(&run_dir).is_none() {
            let message = "config.json is missing or damaged; it is restored from the checkpoint";
            warnings.push(damage_warning(message.into(), &run_dir.join("config.json")));
        }
        let config = checkpoint.config.clone();
        Ok(ResumedRun {
            run_dir,
            start: Some(StartCheckpoint { checkpoint, path }),
            config,
            warnings,
        })
    }

    /// Returns a run that was killed before its first checkpoint.
    fn start_over(resume: &Path, config: ResolvedConfig) -> Result<ResumedRun> {
        let run_dir = resume.canonicalize().map_err(|cause| Error::read(resume, &cause))?;
        let message = "the run ended before its first checkpoint; it starts over with the \
                       configuration in config.json";
        let warnings = vec![damage_warning(message.into(), &run_dir)];
        Ok(ResumedRun { run_dir, start: None, config, warnings })
    }

    /// Merges the new configuration into the configuration of the run.
    pub fn merge(&self, config: &Value) -> Result<TrainConfig> {
        let mut merged = to_map(&self.config)?;
        let empty = Map::new();
        let config = config.as_object().unwrap_or(&empty);
        if config.contains_key("epochs") || config.contains_key("budget") {
            merged.shift_remove("epochs");
            merged.shift_remove("budget");
        }
        let is_run_dir = |out: &str| Path::new(out).canonicalize().is_ok_and(|p| p == self.run_dir);
        if let Some(out) = config.get("out").and_then(Value::as_str)
            && !is_run_dir(out)
        {
            let shown = self.run_dir.display();
            let message = format!("a resumed run writes to its own folder, {shown}");
            return Err(Error::new(ErrorCode::Config, message)
                .key("out")
                .hint("Remove `out`. To preserve the old run, copy its folder first."));
        }
        let new_keys = config.iter().filter(|(key, value)| !value.is_null() && *key != "out");
        for (key, value) in new_keys {
            match (key.as_str(), merged.get_mut(key)) {
                ("data", Some(Value::Object(data))) => merge_data(data, value),
                _ => {
                    merged.insert(key.clone(), value.clone());
                }
            }
        }
        // The folder may have been moved since the start of the run.
        if !is_run_dir(&self.config.out) {
            merged.insert("out".into(), Value::String(self.run_dir.display().to_string()));
        }
        TrainConfig::from_json(&Value::Object(merged))
    }

    /// Adds the reasons of the original run to `config`, for the values that are the same.
    pub fn keep_reasons(&self, config: &mut ResolvedConfig) -> Result<()> {
        let (old, new) = (to_map(&self.config)?, to_map(config)?);
        let kept = self
            .config
            .reasons
            .iter()
            .filter(|(key, _)| find_value(&old, key) == find_value(&new, key));
        let mut reasons: BTreeMap<_, _> =
            kept.map(|(key, why)| (key.clone(), why.clone())).collect();
        reasons.append(&mut config.reasons);
        config.reasons = reasons;
        Ok(())
    }
}

fn to_map(config: &ResolvedConfig) -> Result<Map<String, Value>> {
    serde_json::to_value(config)
        .ok()
        .and_then(|value| value.as_object().cloned())
        .ok_or_else(|| Error::new(ErrorCode::Internal, "a configuration is not an object"))
}

/// Returns the value of a key such as `model.arch`.
fn find_value<'m>(config: &'m Map<String, Value>, key: &str) -> Option<&'m Value> {
    let mut parts = key.split('.');
    let first = config.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

fn damage_warning(message: String, file: &Path) -> WarningEvent {
    let file = Some(file.display().to_string());
    WarningEvent { code: ErrorCode::Checkpoint, message, file, hint: None }
}

/// Merges `data` of the new configuration, a path or an object, into `data` of the run. A path
/// replaces only the source, because the data set may have been moved.
fn merge_data(data: &mut Map<String, Value>, value: &Value) {
    match value {
        Value::Object(value) => {
            let value = value.iter().filter(|(_, value)| !value.is_null());
            data.extend(value.map(|(key, value)| (key.clone(), value.clone())));
        }
        source => {
            data.insert("source".into(), source.clone());
        }
    }
}

/// Adapts an error of opening the data set to a resumed run, whose configuration contains values that
/// the user did not set.
pub(crate) fn data_error(error: Error) -> Error {
    if error.code == ErrorCode::DataNotFound {
        error.hint("If the data set was moved, pass its new path as `data`.")
    } else if error.code == ErrorCode::DataFormat && error.at.key.as_deref() == Some("data.format")
    {
        let message = format!("{} of the run's data set", error.message);
        let hint = "Pass the data set of the run as `data`, or start a new run.";
        Error { code: ErrorCode::Mismatch, message, ..error }.key("data").hint(hint)
    } else {
        error
    }
}

/// Discards the training after the checkpoint `start`, which replaces a newer, damaged or missing last
/// checkpoint. A newer, damaged or missing best checkpoint is replaced by an equal one or, if there is
/// none, removed. Must be called before the log is truncated, so that the folder is consistent if the
/// process is killed in between. Returns a warning if the best epoch is lost.
///
/// # Errors
/// `E_WRITE` if a checkpoint cannot be copied or removed.
pub(crate) fn rewind(
    dir: &RunDir,
    start: &Path,
    position: &mut Position,
) -> Result<Option<WarningEvent>> {
    let [last, best] =
        [CheckpointKind::Last, CheckpointKind::Best].map(|kind| dir.checkpoint_path(kind, 0));
    if last != start && !(is_current(&last, position.step) && is_intact(&last)) {
        dir.copy_checkpoint(start, CheckpointKind::Last)?;
    }
    let Some(best_epoch) = position.best.map(|best| best.epoch) else {
        dir.remove_best()?;
        return Ok(None);
    };
    if is_current(&best, position.step) && is_intact(&best) {
        return Ok(None);
    }
    // All checkpoints at the end of an epoch are equal.
    let epoch = dir.checkpoint_path(CheckpointKind::Epoch, best_epoch);
    if best_epoch == position.epoch && position.batch == 0 {
        dir.copy_checkpoint(start, CheckpointKind::Best)?;
    } else if is_current(&epoch, position.step) && is_intact(&epoch) {
        dir.copy_checkpoint(&epoch, CheckpointKind::Best)?;
    } else {
        // A run that was killed between writing the best and the last checkpoint computes the same
        // best checkpoint again.
        let is_next =
            read_progress(&best).is_some_and(|progress| progress["epoch"] == position.epoch + 1);
        position.best = None;
        dir.remove_best()?;
        let message = format!(
            "the best checkpoint so far, of epoch {best_epoch}, is not available; the best epoch is \
             selected among the following epochs"
        );
        return Ok((!is_next).then(|| damage_warning(message, &best)));
    }
    Ok(None)
}

/// Returns whether the checkpoint exists and has at most `step` updates.
fn is_current(checkpoint: &Path, step: u64) -> bool {
    let steps = read_progress(checkpoint).and_then(|progress| progress["step"].as_u64());
    steps.is_some_and(|steps| steps <= step)
}

/// Reads the position of a checkpoint; `None` if the checkpoint is missing or its header is damaged.
fn read_progress(checkpoint: &Path) -> Option<Value> {
    Checkpoint::read_header(checkpoint).ok().map(|header| header.progress)
}

fn is_intact(checkpoint: &Path) -> bool {
    verify_weights(checkpoint, "").is_ok_and(|verified| verified.status.is_intact())
}

/// Checks that only [`CHANGEABLE`] keys differ between the configurations. The path of the data set
/// may also differ, because the fingerprint of the images is checked.
///
/// # Errors
/// `E_MISMATCH` with the first other key that differs.
pub(crate) fn check(original: &ResolvedConfig, resumed: &ResolvedConfig) -> Result<()> {
    let value = |config: &ResolvedConfig| serde_json::to_value(config).unwrap_or_default();
    let (mut original, resumed) = (value(original), value(resumed));
    original["data"]["source"] = resumed["data"]["source"].clone();
    let Value::Object(original) = original else { return Ok(()) };
    for (key, old) in original.iter().filter(|(key, _)| key.as_str() != "reasons") {
        let new = &resumed[key];
        if !CHANGEABLE.contains(&key.as_str()) && new != old {
            let (key, old, new) = innermost_difference(key.clone(), old, new);
            return Err(Error::new(
                ErrorCode::Mismatch,
                format!("the run to resume has `{key}` = {old}, not {new}"),
            )
            .key(&key)
            .hint(format!("Remove `{key}` to resume, or start a new run.")));
        }
    }
    Ok(())
}

/// Returns the path of the first key in which two values differ, at the deepest level, with the two
/// values of this key.
fn innermost_difference<'v>(
    key: String,
    old: &'v Value,
    new: &'v Value,
) -> (String, &'v Value, &'v Value) {
    let (Value::Object(old_map), Value::Object(new_map)) = (old, new) else {
        return (key, old, new);
    };
    let mut differing: Vec<_> =
        old_map.iter().filter(|(inner, value)| new_map.get(*inner) != Some(value)).collect();
    // If `type` differs, the other keys differ as a consequence: report `type`.
    differing.sort_by_key(|(inner, _)| inner.as_str() != "type");
    match differing.first() {
        Some((inner, value)) if new_map.contains_key(*inner) => {
            innermost_difference(format!("{key}.{inner}"), value, &new_map[*inner])
        }
        Some(_) | None => (key, old, new),
    }
}
