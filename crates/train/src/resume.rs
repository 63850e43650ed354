//! Resuming a run: finds its checkpoint, and merges and checks the configuration.

use std::path::{Path, PathBuf};

use residual_runlog::RunDir;
use residual_spec::{CheckpointKind, Error, ErrorCode, ResolvedConfig, Result, TrainConfig};
use residual_weights::{Checkpoint, CheckpointChoice, find_checkpoint};
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
    "overwrite",
    "resume",
];

/// Returns the paths of the checkpoint to resume from and of its run folder.
///
/// # Errors
/// `E_OUT_IN_USE` if another process writes to the run folder; `E_CHECKPOINT` if there is no
/// checkpoint; `E_CONFIG` if the checkpoint is not in a run folder.
pub(crate) fn locate(resume: &str) -> Result<(PathBuf, PathBuf)> {
    let resume = Path::new(resume);
    // This check is first, because a run that has just started has no checkpoint yet.
    RunDir::check_not_in_use(resume)?;
    let checkpoint = find_checkpoint(resume, CheckpointChoice::Last)?;
    let checkpoint = checkpoint.canonicalize().map_err(|cause| Error::read(&checkpoint, &cause))?;
    let run_dir = checkpoint.parent().and_then(Path::parent).map(Path::to_path_buf);
    match run_dir {
        Some(run_dir) if run_dir.join("config.json").is_file() => Ok((checkpoint, run_dir)),
        Some(_) | None => Err(Error::new(
            ErrorCode::Config,
            format!("{} is not in a run folder", checkpoint.display()),
        )
        .key("resume")
        .hint("Pass a run folder, or a checkpoint in its checkpoints/ folder.")),
    }
}

/// Merges the new configuration into the configuration of the run to resume.
pub(crate) fn merge(
    config: &Value,
    original: &ResolvedConfig,
    run_dir: &Path,
) -> Result<TrainConfig> {
    let mut merged = serde_json::to_value(original)
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
            .hint("Remove `out`. To preserve the old run, copy its folder first."));
    }
    for (key, value) in config.iter().filter(|(_, value)| !value.is_null()) {
        merged.insert(key.clone(), value.clone());
    }
    merged.insert("out".into(), Value::String(run_dir.display().to_string()));
    TrainConfig::from_json(&Value::Object(merged))
}

/// Discards the training after `checkpoint`: `checkpoint` becomes the last checkpoint, and a newer
/// best checkpoint is replaced or removed. Must be called before the log is truncated, so that the
/// folder is consistent if the process is killed in between.
///
/// # Errors
/// `E_WRITE` if a checkpoint cannot be copied or removed.
pub(crate) fn rewind(dir: &RunDir, checkpoint: &Path, position: &mut Position) -> Result<()> {
    let [last, best] =
        [CheckpointKind::Last, CheckpointKind::Best].map(|kind| dir.checkpoint_path(kind, 0));
    if is_newer(&last, position.step) {
        dir.copy_checkpoint(checkpoint, CheckpointKind::Last)?;
    }
    if !is_newer(&best, position.step) {
        return Ok(());
    }
    match position.best {
        // All checkpoints at the end of an epoch are equal, so `checkpoint` was also the best one.
        Some(best) if best.epoch == position.epoch && position.batch == 0 => {
            dir.copy_checkpoint(checkpoint, CheckpointKind::Best)
        }
        Some(_) | None => {
            position.best = None;
            dir.remove_best()
        }
    }
}

/// Returns whether the checkpoint exists and has more than `step` updates. An unreadable checkpoint
/// counts as newer.
fn is_newer(checkpoint: &Path, step: u64) -> bool {
    let steps = |path| Checkpoint::read_header(path).ok()?.progress["step"].as_u64();
    checkpoint.is_file() && steps(checkpoint).is_none_or(|steps| steps > step)
}

/// Checks that only [`CHANGEABLE`] keys differ between the configurations.
///
/// # Errors
/// `E_MISMATCH` with the first other key that differs.
pub(crate) fn check(original: &ResolvedConfig, resumed: &ResolvedConfig) -> Result<()> {
    let value = |config: &ResolvedConfig| serde_json::to_value(config).unwrap_or_default();
    let (original, resumed) = (value(original), value(resumed));
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
