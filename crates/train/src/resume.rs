//! Resuming a run: which checkpoint, with which configuration.

use std::path::{Path, PathBuf};

use residual_runlog::RunDir;
use residual_spec::{CheckpointKind, Error, ErrorCode, ResolvedConfig, Result, TrainConfig};
use residual_weights::{Checkpoint, CheckpointChoice, find_checkpoint};
use serde_json::{Map, Value};

use crate::position::Position;

/// Configuration keys that may change on resume: length, output and speed of the run.
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
    "overwrite",
    "resume",
];

/// Returns the checkpoint to resume from, and its run folder.
///
/// # Errors
/// `E_OUT_IN_USE` if another process writes to the run folder; `E_CHECKPOINT` if there is no
/// checkpoint; `E_CONFIG` if it is not in a run folder.
pub(crate) fn locate(resume: &str) -> Result<(PathBuf, PathBuf)> {
    let resume = Path::new(resume);
    // Checked first, because a run that has just started has no checkpoint yet.
    RunDir::check_not_in_use(resume)?;
    let checkpoint = find_checkpoint(resume, CheckpointChoice::Last)?;
    let checkpoint = checkpoint.canonicalize().map_err(|cause| Error::read(&checkpoint, &cause))?;
    let run_dir = checkpoint.parent().and_then(Path::parent).map(Path::to_path_buf);
    match run_dir {
        Some(run_dir) if run_dir.join("config.json").is_file() => Ok((checkpoint, run_dir)),
        _ => Err(Error::new(
            ErrorCode::Config,
            format!("{} is not in a run folder", checkpoint.display()),
        )
        .key("resume")
        .hint("Pass a run folder, or a checkpoint in its checkpoints/ folder.")),
    }
}

/// Merges the new configuration into that of the run to resume.
pub(crate) fn merge(
    config: &Value,
    before: &ResolvedConfig,
    run_dir: &Path,
) -> Result<TrainConfig> {
    let mut merged = serde_json::to_value(before)
        .ok()
        .and_then(|value| value.as_object().cloned())
        .ok_or_else(|| Error::new(ErrorCode::Internal, "a configuration is not an object"))?;
    let empty = Map::new();
    let config = config.as_object().unwrap_or(&empty);
    if config.contains_key("epochs") || config.contains_key("budget") {
        merged.shift_remove("epochs");
        merged.shift_remove("budget");
    }
    if let Some(out) = config.get("out").and_then(Value::as_str)
        && Path::new(out).canonicalize().ok().as_deref() != Some(run_dir)
    {
        let message = format!("a resumed run writes to its own folder, {}", run_dir.display());
        return Err(Error::new(ErrorCode::Config, message)
            .key("out")
            .hint("Remove `out`. To keep the old run as it is, copy its folder first."));
    }
    for (key, value) in config.iter().filter(|(_, value)| !value.is_null()) {
        merged.insert(key.clone(), value.clone());
    }
    merged.insert("out".into(), Value::String(run_dir.display().to_string()));
    TrainConfig::from_json(&Value::Object(merged))
}

/// Discards the training after the checkpoint at `from`: that checkpoint becomes the last one, and
/// a best checkpoint that is newer is removed. This happens before the log is truncated, so that a
/// process that is killed in between leaves no contradiction.
///
/// # Errors
/// `E_WRITE`.
pub(crate) fn rewind(dir: &RunDir, from: &Path, position: &mut Position) -> Result<()> {
    let [last, best] =
        [CheckpointKind::Last, CheckpointKind::Best].map(|kind| dir.checkpoint_path(kind, 0));
    if is_newer(&last, position.step) {
        dir.copy_checkpoint(from, CheckpointKind::Last)?;
    }
    if !is_newer(&best, position.step) {
        return Ok(());
    }
    match position.best {
        // All checkpoints of an epoch are equal: this one was the best when it was written.
        Some(best) if best.epoch == position.epoch && position.batch == 0 => {
            dir.copy_checkpoint(from, CheckpointKind::Best)
        }
        _ => {
            position.best = None;
            dir.remove_best()
        }
    }
}

/// Returns whether the checkpoint exists and has more than `step` updates, or an unknown number.
fn is_newer(checkpoint: &Path, step: u64) -> bool {
    let steps = |path| Checkpoint::read_header(path).ok()?.progress["step"].as_u64();
    checkpoint.is_file() && steps(checkpoint).is_none_or(|steps| steps > step)
}

/// Checks that no key has changed that must stay the same on resume.
///
/// # Errors
/// `E_MISMATCH` with the key.
pub(crate) fn check(before: &ResolvedConfig, now: &ResolvedConfig) -> Result<()> {
    let value = |config: &ResolvedConfig| serde_json::to_value(config).unwrap_or_default();
    let (before, now) = (value(before), value(now));
    let Value::Object(before) = before else { return Ok(()) };
    for (key, old) in before.iter().filter(|(key, _)| key.as_str() != "reasons") {
        let new = &now[key];
        if !CHANGEABLE.contains(&key.as_str()) && new != old {
            let (key, old, new) = innermost(key.clone(), old, new);
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

/// Returns the innermost key in which two values differ first, with both values.
fn innermost<'v>(key: String, old: &'v Value, new: &'v Value) -> (String, &'v Value, &'v Value) {
    let (Value::Object(before), Value::Object(now)) = (old, new) else { return (key, old, new) };
    let mut differing: Vec<_> =
        before.iter().filter(|(inner, value)| now.get(*inner) != Some(value)).collect();
    // If the types differ, so does everything else: report the type.
    differing.sort_by_key(|(inner, _)| inner.as_str() != "type");
    match differing.first() {
        Some((inner, value)) if now.contains_key(*inner) => {
            innermost(format!("{key}.{inner}"), value, &now[*inner])
        }
        _ => (key, old, new),
    }
}
