//! Going on with a run: its own configuration, apart from what may change on the way.

use std::path::{Path, PathBuf};

use residual_runlog::RunDir;
use residual_spec::{CheckpointKind, Error, ErrorCode, ResolvedConfig, Result, TrainConfig};
use residual_weights::{Checkpoint, CheckpointChoice, find_checkpoint};
use serde_json::{Map, Value};

use crate::position::Progress;

/// What may be said anew: how long, where, how much is written, and how fast it goes.
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

/// The checkpoint that a run goes on from.
///
/// # Errors
/// `E_OUT_IN_USE` if its run is being written; `E_CHECKPOINT` if there is none; `E_CONFIG` if it does
/// not lie in a run folder.
pub(crate) fn locate(resume: &str) -> Result<(PathBuf, PathBuf)> {
    let resume = Path::new(resume);
    // First: a run that has only begun has no checkpoint to find yet.
    RunDir::check_not_in_use(resume)?;
    let checkpoint = find_checkpoint(resume, CheckpointChoice::Last)?;
    let checkpoint = checkpoint.canonicalize().map_err(|cause| Error::read(&checkpoint, &cause))?;
    let run_dir = checkpoint.parent().and_then(Path::parent).map(Path::to_path_buf);
    match run_dir {
        Some(run_dir) if run_dir.join("config.json").is_file() => Ok((checkpoint, run_dir)),
        _ => Err(Error::new(
            ErrorCode::Config,
            format!("{} does not lie in a run folder", checkpoint.display()),
        )
        .key("resume")
        .hint("Give a run folder, or a checkpoint in its checkpoints/.")),
    }
}

/// What was said this time, on top of what the checkpoint's run was.
pub(crate) fn merge(said: &Value, before: &ResolvedConfig, run_dir: &Path) -> Result<TrainConfig> {
    let mut merged = serde_json::to_value(before)
        .ok()
        .and_then(|value| value.as_object().cloned())
        .ok_or_else(|| Error::new(ErrorCode::Internal, "a configuration is not an object"))?;
    let empty = Map::new();
    let said = said.as_object().unwrap_or(&empty);
    if said.contains_key("epochs") || said.contains_key("budget") {
        merged.shift_remove("epochs");
        merged.shift_remove("budget");
    }
    if let Some(out) = said.get("out").and_then(Value::as_str) {
        if Path::new(out).canonicalize().ok().as_deref() != Some(run_dir) {
            let message = format!("a resumed run stays in its folder, {}", run_dir.display());
            return Err(Error::new(ErrorCode::Config, message)
                .key("out")
                .hint("Leave `out` out; copy the folder first to keep the old run as it is."));
        }
    }
    for (key, value) in said.iter().filter(|(_, value)| !value.is_null()) {
        merged.insert(key.clone(), value.clone());
    }
    merged.insert("out".into(), Value::String(run_dir.display().to_string()));
    TrainConfig::from_json(&Value::Object(merged))
}

/// Gives up what was trained after the checkpoint at `from`: it becomes the last one, and a best one
/// that came later goes, for the run may take another way from here. Done before the log is cut
/// back, so that a process killed in between leaves nothing that contradicts it.
///
/// # Errors
/// `E_WRITE`.
pub(crate) fn rewind(dir: &RunDir, from: &Path, progress: &mut Progress) -> Result<()> {
    let [last, best] =
        [CheckpointKind::Last, CheckpointKind::Best].map(|kind| dir.checkpoint_path(kind, 0));
    if is_later(&last, progress.step) {
        dir.copy_checkpoint(from, CheckpointKind::Last)?;
    }
    if !is_later(&best, progress.step) {
        return Ok(());
    }
    match progress.best {
        // An epoch's checkpoints are alike: this one was the best when it was written.
        Some(best) if best.epoch == progress.epoch && progress.batch == 0 => {
            dir.copy_checkpoint(from, CheckpointKind::Best)
        }
        _ => {
            progress.best = None;
            dir.remove_best()
        }
    }
}

/// Whether a checkpoint is there that more updates than so many led to, or nobody knows how many.
fn is_later(checkpoint: &Path, step: u64) -> bool {
    let made = |path| Checkpoint::read_header(path).ok()?.progress["step"].as_u64();
    checkpoint.is_file() && made(checkpoint).is_none_or(|made| made > step)
}

/// Refuses a change of anything that would make it another run.
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
            .hint(format!("Leave `{key}` out to resume, or start a new run.")));
        }
    }
    Ok(())
}

/// The first key below another by which two values differ: what somebody said, not all around it.
fn innermost<'v>(key: String, old: &'v Value, new: &'v Value) -> (String, &'v Value, &'v Value) {
    let (Value::Object(before), Value::Object(now)) = (old, new) else { return (key, old, new) };
    let mut differing: Vec<_> =
        before.iter().filter(|(inner, value)| now.get(*inner) != Some(value)).collect();
    // Of another type, all is another: the type says it.
    differing.sort_by_key(|(inner, _)| inner.as_str() != "type");
    match differing.first() {
        Some((inner, value)) if now.contains_key(*inner) => {
            innermost(format!("{key}.{inner}"), value, &now[*inner])
        }
        _ => (key, old, new),
    }
}
