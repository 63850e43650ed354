//! Finds the checkpoint file that a path to a run folder, checkpoints folder or file refers to.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use residual_spec::{Error, ErrorCode, Result, did_you_mean};

/// Checkpoint to select in a run folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointChoice {
    /// The best checkpoint, or the last checkpoint if the run has no best checkpoint yet.
    Best,
    /// The last checkpoint, without a fallback: resuming from another checkpoint would change the run.
    Last,
}

/// Returns the path of the checkpoint in a run folder or checkpoints folder; the path of a file is
/// returned unchanged. The file is not opened.
///
/// # Errors
/// `E_CHECKPOINT`, with a list of the existing checkpoints or runs.
pub fn find_checkpoint(model: &Path, choice: CheckpointChoice) -> Result<PathBuf> {
    let shown = model.display();
    let missing = |message: String| Error::new(ErrorCode::Checkpoint, message).file(model);
    match fs::metadata(model) {
        Ok(metadata) if !metadata.is_dir() => return Ok(model.to_path_buf()),
        Ok(_) => {}
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(missing(format!("{shown} does not exist")).hint(suggestion(model)));
        }
        Err(cause) => return Err(Error::read(model, &cause)),
    }

    let file_names: &[&str] = match choice {
        CheckpointChoice::Best => &["best.safetensors", "last.safetensors"],
        CheckpointChoice::Last => &["last.safetensors"],
    };
    let checkpoints = model.join("checkpoints");
    let folder = if checkpoints.is_dir() { checkpoints.as_path() } else { model };
    let mut candidates = file_names.iter().map(|name| folder.join(name));
    candidates.find(|path| path.is_file()).ok_or_else(|| {
        let existing = entry_names(folder, is_checkpoint);
        if existing.is_empty() {
            missing(format!("there is no checkpoint in {shown}"))
                .hint("Pass a run folder (with a subfolder checkpoints/) or a .safetensors file.")
        } else {
            missing(format!("there is no {} in {}", file_names[0], folder.display()))
                .hint(format!("Choose one of: {}.", join_some(&existing)))
        }
    })
}

/// Returns a hint for a path that does not exist.
fn suggestion(model: &Path) -> String {
    let parent = match model.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !parent.is_dir() {
        return format!("The folder {} does not exist either.", parent.display());
    }
    let existing =
        entry_names(parent, |path| is_checkpoint(path) || path.join("checkpoints").is_dir());
    let name = model.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
    match did_you_mean(&name, existing.iter().map(String::as_str)) {
        Some(suggestion) => suggestion,
        None if existing.is_empty() => format!("{} contains no run.", parent.display()),
        None => format!("{} contains: {}.", parent.display(), join_some(&existing)),
    }
}

fn is_checkpoint(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("safetensors")) && path.is_file()
}

/// Returns the names of the entries of `folder` that `filter` accepts, sorted.
fn entry_names(folder: &Path, filter: impl Fn(&Path) -> bool) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut names: Vec<_> = paths
        .filter(|path| filter(path))
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_string()))
        .collect();
    names.sort();
    names
}

/// Joins names with commas, at most `MAX_LISTED` of them.
fn join_some(names: &[String]) -> String {
    const MAX_LISTED: usize = 8;
    match names.len() {
        0..=MAX_LISTED => names.join(", "),
        total => format!("{} and {} more", names[..MAX_LISTED].join(", "), total - MAX_LISTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// Creates `runs/demo` with these checkpoints.
    fn runs(checkpoints: &[&str]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("runs/demo");
        fs::create_dir_all(run.join("checkpoints")).unwrap();
        for name in checkpoints {
            fs::write(run.join("checkpoints").join(name), "").unwrap();
        }
        (folder, run)
    }

    fn hint(model: &Path, choice: CheckpointChoice) -> String {
        let error = find_checkpoint(model, choice).unwrap_err();
        assert_eq!(error.code, ErrorCode::Checkpoint);
        error.hint.unwrap()
    }

    #[test]
    fn accepts_a_run_folder_a_checkpoints_folder_and_a_file() {
        let (_folder, run) = runs(&["best.safetensors", "last.safetensors"]);
        let checkpoints = run.join("checkpoints");
        let (best, last) =
            (checkpoints.join("best.safetensors"), checkpoints.join("last.safetensors"));
        for model in [&run, &checkpoints] {
            assert_eq!(find_checkpoint(model, CheckpointChoice::Best).unwrap(), best);
            assert_eq!(find_checkpoint(model, CheckpointChoice::Last).unwrap(), last);
        }
        assert_eq!(find_checkpoint(&best, CheckpointChoice::Last).unwrap(), best);
    }

    #[test]
    fn falls_back_from_best_to_last_but_not_from_last_to_best() {
        let (_folder, run) = runs(&["last.safetensors"]);
        assert!(
            find_checkpoint(&run, CheckpointChoice::Best).unwrap().ends_with("last.safetensors")
        );
        let (_folder, run) = runs(&["best.safetensors"]);
        assert_eq!(hint(&run, CheckpointChoice::Last), "Choose one of: best.safetensors.");
    }

    #[test]
    fn a_folder_without_checkpoints_has_a_hint() {
        let (folder, run) = runs(&["notes.txt"]);
        for model in [run.as_path(), folder.path()] {
            assert!(hint(model, CheckpointChoice::Best).starts_with("Pass a run folder"));
        }
    }

    #[test]
    fn lists_only_the_first_names() {
        let names: Vec<_> = (1..=30).map(|epoch| format!("epoch-{epoch:04}.safetensors")).collect();
        let (_folder, run) = runs(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let hint = hint(&run, CheckpointChoice::Last);
        assert!(hint.contains("epoch-0008.safetensors and 22 more"), "{hint}");
    }

    #[test]
    fn suggests_the_nearest_name_or_lists_all() {
        let (_folder, run) = runs(&["last.safetensors", "epoch-0010.safetensors"]);
        assert_eq!(
            hint(&run.with_file_name("demp"), CheckpointChoice::Best),
            "Did you mean 'demo'?"
        );
        let shown = run.parent().unwrap().display();
        let other = run.with_file_name("something-else");
        assert_eq!(hint(&other, CheckpointChoice::Best), format!("{shown} contains: demo."));
        let epoch = run.join("checkpoints/epoch-0011.safetensors");
        assert_eq!(hint(&epoch, CheckpointChoice::Best), "Did you mean 'epoch-0010.safetensors'?");
        assert!(hint(&run.join("x/y"), CheckpointChoice::Best).ends_with("does not exist either."));
    }
}
