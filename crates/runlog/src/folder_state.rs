//! Classification of folders, and removal of the files of a run.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use residual_fs::{is_temporary, write_error};
use residual_spec::{Error, ErrorCode, Result};
use serde::Deserialize;

use crate::lock::{self, Lock};
use crate::{metrics, regular_file, tensorboard};

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const ENVIRONMENT: &str = "environment.json";
pub(crate) const RESULT: &str = "result.json";
pub(crate) const EVALUATION: &str = "evaluation.json";
/// Written by the TypeScript package, but removed with the run that it describes.
pub(crate) const REPORT: &str = "report.html";
/// Folder with the figures of the report, which the TypeScript package writes.
pub(crate) const PLOTS: &str = "plots";
/// Names of the figures, without `training-` or `validation-` and the extension.
const FIGURES: [&str; 11] = [
    "loss",
    "step-loss",
    "accuracy",
    "learning-rate",
    "throughput",
    "confusion-matrix",
    "calibration",
    "class-balance",
    "samples",
    "top-losses",
    "augmented",
];
pub(crate) const CHECKPOINTS: &str = "checkpoints";
pub(crate) const LAST: &str = "last.safetensors";
pub(crate) const BEST: &str = "best.safetensors";

/// Contents of a folder that a run would write to.
pub(crate) enum FolderState {
    /// The folder is missing, empty, or contains only leftovers of a run that was killed at its
    /// start.
    Free,
    /// The folder contains a run.
    Run,
    /// The folder contains files that no run wrote.
    OtherFiles,
}

impl FolderState {
    /// Classifies a folder without changing it.
    ///
    /// # Errors
    /// `E_WRITE` if the folder cannot be listed.
    pub fn read(path: &Path) -> Result<FolderState> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(FolderState::Free),
            Err(cause) => return Err(write_error(path, &cause)),
        };
        if is_run_config(&path.join(CONFIG)) || is_damaged_run(path) {
            return Ok(FolderState::Run);
        }
        for entry in entries {
            let name = entry.map_err(|cause| write_error(path, &cause))?.file_name();
            if !is_leftover(path, &name.to_string_lossy()) {
                return Ok(FolderState::OtherFiles);
            }
        }
        Ok(FolderState::Free)
    }
}

/// Checks that a run may be created at `path`.
///
/// # Errors
/// `E_OUT_IN_USE`, `E_OUT_EXISTS`, or `E_WRITE` if the folder cannot be listed.
pub(crate) fn check_available(path: &Path, overwrite: bool) -> Result<()> {
    let exists = |message: String| Error::new(ErrorCode::OutExists, message).file(path);
    let shown = path.display();
    match FolderState::read(path)? {
        FolderState::Free => Ok(()),
        FolderState::Run if overwrite => Ok(()),
        FolderState::Run | FolderState::OtherFiles if Lock::is_held(path) => {
            Err(lock::in_use(path))
        }
        FolderState::Run => {
            let run = if path.join(RESULT).exists() { "a run" } else { "an unfinished run" };
            Err(exists(format!("{shown} contains {run}")).hint(format!(
                "Resume it with `resume: '{shown}'`, replace it with `overwrite: true`, or choose \
                 another folder with `out`."
            )))
        }
        FolderState::OtherFiles => {
            Err(exists(format!("{shown} contains files that are not part of a run"))
                .hint("Choose a new or an empty folder with `out`."))
        }
    }
}

/// Returns whether `path` is a config.json that any version of residual wrote, not another program.
fn is_run_config(path: &Path) -> bool {
    let Ok(text) = regular_file::read(path) else { return false };
    let Ok(config) = serde_json::from_slice::<serde_json::Value>(&text) else { return false };
    ["data", "model", "optimizer", "reasons"].iter().all(|key| config[key].is_object())
}

/// Returns whether a folder is that of a run whose config.json is missing or damaged. Such a folder
/// contains a checkpoint, and a lock file or metrics; or all of config.json, a lock file and metrics.
fn is_damaged_run(path: &Path) -> bool {
    let has_lock = path.join(lock::NAME).is_file();
    let has_metrics = || {
        regular_file::read(&path.join(metrics::CSV))
            .is_ok_and(|text| text.starts_with(metrics::COLUMNS.as_bytes()))
    };
    match (has_checkpoint(path), path.join(CONFIG).is_file()) {
        (true, _) => has_lock || has_metrics(),
        (false, true) => has_lock && has_metrics(),
        (false, false) => false,
    }
}

/// Returns whether a folder contains a checkpoint of a run, intact or not.
pub(crate) fn has_checkpoint(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path.join(CHECKPOINTS)) else { return false };
    entries.flatten().any(|entry| is_checkpoint_name(&entry.file_name().to_string_lossy()))
}

/// Returns whether `name` is the file name of a checkpoint of a run.
pub fn is_checkpoint_name(name: &str) -> bool {
    matches!(name, LAST | BEST) || epoch_of_checkpoint(name).is_some()
}

/// Returns whether the file `name` may be that of a run that was killed, or failed because the disk
/// was full, before it wrote config.json.
fn is_leftover(folder: &Path, name: &str) -> bool {
    let path = folder.join(name);
    match name {
        lock::NAME => true,
        CHECKPOINTS => fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()),
        metrics::JSONL => fs::metadata(path).is_ok_and(|file| file.len() == 0),
        metrics::CSV => regular_file::read(&path)
            .is_ok_and(|text| metrics::COLUMNS.as_bytes().starts_with(&text)),
        _ => is_temporary(name),
    }
}

/// Removes the files that a run writes, but no other files.
///
/// Removes config.json last: it identifies the run, so an interrupted removal can be repeated.
pub(crate) fn remove_run(path: &Path) -> std::io::Result<()> {
    remove_checkpoints(path, is_checkpoint_name)?;
    remove_figures(&path.join(PLOTS))?;
    if let Ok(Some(events)) = tensorboard::find_event_file(path) {
        remove_if_present(&events)?;
    }
    for name in [REPORT, EVALUATION, RESULT, metrics::JSONL, metrics::CSV, ENVIRONMENT, CONFIG] {
        remove_if_present(&path.join(name))?;
    }
    Ok(())
}

/// Removes the figures of the report from a folder, and the folder if it is then empty.
fn remove_figures(plots: &Path) -> std::io::Result<()> {
    if !plots.is_dir() || plots.is_symlink() {
        return Ok(());
    }
    let mut is_empty = true;
    for entry in fs::read_dir(plots)? {
        let entry = entry?;
        if is_figure_name(&entry.file_name().to_string_lossy()) {
            remove_if_present(&entry.path())?;
        } else {
            is_empty = false;
        }
    }
    if is_empty { fs::remove_dir(plots) } else { Ok(()) }
}

/// Returns whether `name` is the file name of a figure of the report, which `src/report` writes.
fn is_figure_name(name: &str) -> bool {
    let stem = name.strip_suffix(".svg").or_else(|| name.strip_suffix(".png")).unwrap_or_default();
    let parts = ["training-", "validation-"];
    let figure = parts.iter().find_map(|part| stem.strip_prefix(part)).unwrap_or(stem);
    FIGURES.contains(&figure)
}

/// Removes the checkpoints of a run whose file names `predicate` accepts.
pub(crate) fn remove_checkpoints(
    path: &Path,
    predicate: impl Fn(&str) -> bool,
) -> std::io::Result<()> {
    let checkpoints = path.join(CHECKPOINTS);
    if checkpoints.is_dir() {
        for entry in fs::read_dir(&checkpoints)? {
            let entry = entry?;
            if predicate(&entry.file_name().to_string_lossy()) {
                remove_if_present(&entry.path())?;
            }
        }
    }
    Ok(())
}

/// Returns the epoch in the file name of a checkpoint: 10 for `epoch-0010.safetensors`.
pub(crate) fn epoch_of_checkpoint(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("epoch-")?.strip_suffix(".safetensors")?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Returns the `epoch` field of an evaluation.json.
pub(crate) fn epoch_of_evaluation(path: &Path) -> Option<u32> {
    #[derive(Deserialize)]
    struct EvaluatedEpoch {
        epoch: u32,
    }
    let text = regular_file::read(path).ok()?;
    serde_json::from_slice(&text).ok().map(|EvaluatedEpoch { epoch }| epoch)
}

/// Removes a file if it exists.
pub(crate) fn remove_if_present(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}
