//! Opens the chosen checkpoint of a run, or the next one that is intact.

use std::path::{Path, PathBuf};

use residual_spec::{Error, ErrorCode, Result, WarningEvent};

use super::find_checkpoint::find_checkpoints;
use super::{Checkpoint, CheckpointChoice, is_checkpoint, is_damage};

/// A checkpoint that was opened.
#[derive(Debug)]
pub struct IntactCheckpoint<T> {
    /// Result of opening the checkpoint.
    pub opened: T,
    /// Absolute path of the file.
    pub path: PathBuf,
    /// Warning about a missing or damaged checkpoint that `path` replaces.
    pub warning: Option<WarningEvent>,
}

/// Opens the chosen checkpoint of a run folder or checkpoints folder. If it is missing or damaged,
/// opens the next checkpoint that is intact instead. A file is never replaced by another one.
///
/// # Errors
/// `E_CHECKPOINT` if there is no intact checkpoint, with the problem of the chosen one; any other
/// error of `open`.
pub fn open_intact<T>(
    model: &Path,
    choice: CheckpointChoice,
    mut open: impl FnMut(&Path) -> Result<T>,
) -> Result<IntactCheckpoint<T>> {
    let mut damage: Option<Error> = None;
    let candidates = find_checkpoints(model, choice)?;
    let is_only = candidates.len() == 1;
    for path in candidates {
        let path = path.canonicalize().map_err(|cause| Error::read(&path, &cause))?;
        match open(&path) {
            Ok(opened) => {
                let problem = match &damage {
                    Some(error) => Some(error.message.clone()),
                    None => missing_problem(model, &path, choice),
                };
                let warning = problem.map(|problem| fallback_warning(&problem, &path));
                return Ok(IntactCheckpoint { opened, path, warning });
            }
            Err(error) if is_damage(&error) => {
                damage.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    let error = damage.expect("there is a candidate, which is damaged");
    Err(if is_only {
        error
    } else {
        error.hint(
            "No other checkpoint of the run is intact. Restore a copy, or start over with \
             `overwrite: true`.",
        )
    })
}

/// Describes the missing checkpoint that `path` replaces. A run has no best checkpoint before the end
/// of its first epoch.
fn missing_problem(model: &Path, path: &Path, choice: CheckpointChoice) -> Option<String> {
    let name = choice.file_name();
    if !model.is_dir() || path.file_name().is_some_and(|found| found == name) {
        return None;
    }
    let is_expected = match choice {
        CheckpointChoice::Last => true,
        CheckpointChoice::Best => {
            Checkpoint::read_header(path).is_ok_and(|header| header.progress["best"].is_object())
        }
    };
    let folder = path.parent().unwrap_or(model);
    is_expected.then(|| format!("there is no {name} in {}", folder.display()))
}

fn fallback_warning(problem: &str, path: &Path) -> WarningEvent {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let step = match is_checkpoint(path) {
        Ok(true) => Checkpoint::read_header(path).ok().and_then(|h| h.progress["step"].as_u64()),
        Ok(false) | Err(_) => None,
    };
    let step = step.map(|step| format!(" (step {step})")).unwrap_or_default();
    WarningEvent {
        code: ErrorCode::Checkpoint,
        message: format!("{problem}; {name}{step} is used instead"),
        file: Some(path.display().to_string()),
        hint: Some("`residual verify` lists the damaged and missing files of the run.".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::checkpoint;
    use serde_json::json;

    /// Writes checkpoints with these numbers of steps into a run folder.
    fn run(checkpoints: &[(&str, u64)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
        for (name, step) in checkpoints {
            let progress = json!({ "epoch": 1, "step": step, "best": { "epoch": 1 } });
            Checkpoint { progress, ..checkpoint() }.write(&path(&folder, name)).unwrap();
        }
        folder
    }

    fn path(folder: &tempfile::TempDir, name: &str) -> PathBuf {
        folder.path().join("checkpoints").join(name).with_extension("safetensors")
    }

    /// Inverts a bit in the last tensor of a checkpoint.
    fn damage(path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 16;
        std::fs::write(path, bytes).unwrap();
    }

    /// Returns the step of the opened checkpoint and the message of the warning.
    fn open(model: &Path, choice: CheckpointChoice) -> Result<(u64, Option<String>)> {
        let opened = open_intact(model, choice, Checkpoint::read_for_resume)?;
        let step = opened.opened.progress["step"].as_u64().unwrap();
        Ok((step, opened.warning.map(|warning| warning.message)))
    }

    #[test]
    fn an_intact_run_opens_without_a_warning() {
        let folder = run(&[("best", 10), ("last", 20)]);
        assert_eq!(open(folder.path(), CheckpointChoice::Best).unwrap(), (10, None));
        assert_eq!(open(folder.path(), CheckpointChoice::Last).unwrap(), (20, None));
    }

    #[test]
    fn a_damaged_last_checkpoint_is_replaced_by_the_newest_intact_one() {
        let folder = run(&[("best", 10), ("epoch-0001", 15), ("epoch-0002", 25), ("last", 30)]);
        damage(&path(&folder, "last"));
        damage(&path(&folder, "epoch-0002"));
        let (step, warning) = open(folder.path(), CheckpointChoice::Last).unwrap();
        let warning = warning.unwrap();
        assert_eq!(step, 15);
        assert!(warning.contains("last.safetensors is damaged: `optimizer."), "{warning}");
        assert!(warning.ends_with("epoch-0001.safetensors (step 15) is used instead"), "{warning}");
    }

    #[test]
    fn a_missing_checkpoint_is_replaced_with_a_warning() {
        let folder = run(&[("last", 30)]);
        let (step, warning) = open(folder.path(), CheckpointChoice::Best).unwrap();
        assert!(step == 30 && warning.unwrap().starts_with("there is no best.safetensors in "));
        let folder = run(&[("best", 10)]);
        let (step, warning) = open(folder.path(), CheckpointChoice::Last).unwrap();
        assert!(step == 10 && warning.unwrap().starts_with("there is no last.safetensors in "));
    }

    #[test]
    fn a_run_without_a_best_epoch_has_no_best_checkpoint() {
        let folder = run(&[]);
        checkpoint().write(&path(&folder, "last")).unwrap();
        assert_eq!(open(folder.path(), CheckpointChoice::Best).unwrap(), (99, None));
    }

    #[test]
    fn a_damaged_file_that_was_named_is_an_error() {
        let folder = run(&[("best", 10), ("last", 30)]);
        damage(&path(&folder, "last"));
        let error = open(&path(&folder, "last"), CheckpointChoice::Last).unwrap_err();
        assert_eq!(error.code, ErrorCode::Checkpoint);
        assert!(error.at.file.unwrap().ends_with("last.safetensors"));
    }

    #[test]
    fn a_run_without_an_intact_checkpoint_names_the_chosen_one() {
        let folder = run(&[("best", 10), ("last", 30)]);
        damage(&path(&folder, "best"));
        damage(&path(&folder, "last"));
        let error = open(folder.path(), CheckpointChoice::Last).unwrap_err();
        assert!(error.at.file.unwrap().ends_with("last.safetensors"));
        assert!(error.hint.unwrap().contains("overwrite"));
    }

    #[test]
    fn a_checkpoint_of_a_newer_version_has_no_replacement() {
        let folder = run(&[("best", 10), ("last", 30)]);
        let newer = |_: &Path| {
            let error = Error::new(ErrorCode::Checkpoint, "newer");
            Err::<(), _>(error.hint(super::super::UPDATE_HINT))
        };
        let error = open_intact(folder.path(), CheckpointChoice::Last, newer).unwrap_err();
        assert_eq!(error.message, "newer");
    }
}
