//! Finds the checkpoint files that a path to a run folder, checkpoints folder or file refers to.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use residual_spec::{Error, ErrorCode, Result, did_you_mean};

use super::Checkpoint;

/// Checkpoint to select in a run folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointChoice {
    /// The best checkpoint. Fallbacks: the last one, then those of epochs, newest first.
    Best,
    /// The last checkpoint. Fallbacks: the other checkpoints, those with the most steps first. A
    /// resumed run computes the same weights from each of them.
    Last,
}

impl CheckpointChoice {
    /// Returns the file name of the checkpoint.
    pub(super) fn file_name(self) -> &'static str {
        match self {
            CheckpointChoice::Best => BEST,
            CheckpointChoice::Last => LAST,
        }
    }
}

const BEST: &str = "best.safetensors";
const LAST: &str = "last.safetensors";

/// Returns the paths of the checkpoints in a run folder or checkpoints folder, in the order of
/// preference; the path of a file is returned unchanged. The list is not empty.
///
/// # Errors
/// `E_CHECKPOINT` if there is no checkpoint, with a list of the existing files or runs.
pub fn find_checkpoints(model: &Path, choice: CheckpointChoice) -> Result<Vec<PathBuf>> {
    let shown = model.display();
    let missing = |message: String| Error::new(ErrorCode::Checkpoint, message).file(model);
    match fs::metadata(model) {
        Ok(metadata) if !metadata.is_dir() => return Ok(vec![model.to_path_buf()]),
        Ok(_) => {}
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(missing(format!("{shown} does not exist")).hint(suggestion(model)));
        }
        Err(cause) => return Err(Error::read(model, &cause)),
    }

    let checkpoints = model.join("checkpoints");
    let folder = if checkpoints.is_dir() { checkpoints.as_path() } else { model };
    let existing = entry_names(folder, is_checkpoint);
    let found = match choice {
        CheckpointChoice::Best => select_by_preference(&existing),
        CheckpointChoice::Last => sort_by_step(folder, select_by_preference(&existing)),
    };
    if found.is_empty() {
        return Err(if existing.is_empty() {
            missing(format!("there is no checkpoint in {shown}"))
                .hint("Pass a run folder (with a subfolder checkpoints/) or a .safetensors file.")
        } else {
            missing(format!("there is no {} in {}", choice.file_name(), folder.display()))
                .hint(format!("Choose one of: {}.", join_some(&existing)))
        });
    }
    Ok(found.into_iter().map(|name| folder.join(name)).collect())
}

/// Returns the checkpoints of a run among `names`, which are sorted: the best one, the last one, then
/// those of epochs, newest first.
fn select_by_preference(names: &[String]) -> Vec<&str> {
    let has = |name: &&str| names.iter().any(|existing| existing == name);
    let epochs = names.iter().rev().map(String::as_str).filter(|name| name.starts_with("epoch-"));
    [BEST, LAST].into_iter().filter(has).chain(epochs).collect()
}

/// Sorts checkpoints: the last checkpoint, then the others by their number of steps, most steps first,
/// then those whose header is damaged.
fn sort_by_step<'n>(folder: &Path, mut names: Vec<&'n str>) -> Vec<&'n str> {
    let steps =
        |name: &str| Checkpoint::read_header(&folder.join(name)).ok()?.progress["step"].as_u64();
    names.sort_by_cached_key(|name| Reverse((*name == LAST, steps(name))));
    names
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
    use crate::testing::checkpoint;
    use serde_json::json;
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
        let error = find_checkpoints(model, choice).unwrap_err();
        assert_eq!(error.code, ErrorCode::Checkpoint);
        error.hint.unwrap()
    }

    fn found(model: &Path, choice: CheckpointChoice) -> Vec<String> {
        let paths = find_checkpoints(model, choice).unwrap();
        paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap().into()).collect()
    }

    #[test]
    fn accepts_a_run_folder_a_checkpoints_folder_and_a_file() {
        let (_folder, run) = runs(&["best.safetensors", "last.safetensors"]);
        let checkpoints = run.join("checkpoints");
        let (best, last) =
            (checkpoints.join("best.safetensors"), checkpoints.join("last.safetensors"));
        for model in [&run, &checkpoints] {
            let first = |choice| find_checkpoints(model, choice).unwrap()[0].clone();
            assert_eq!(first(CheckpointChoice::Best), best);
            assert_eq!(first(CheckpointChoice::Last), last);
        }
        assert_eq!(find_checkpoints(&best, CheckpointChoice::Last).unwrap(), [best]);
    }

    #[test]
    fn fallbacks_of_the_best_checkpoint_are_the_last_one_and_the_newest_epochs() {
        let (_folder, run) = runs(&[
            "epoch-0002.safetensors",
            "epoch-0010.safetensors",
            "last.safetensors",
            "mine.safetensors",
        ]);
        let expected = ["last.safetensors", "epoch-0010.safetensors", "epoch-0002.safetensors"];
        assert_eq!(found(&run, CheckpointChoice::Best), expected);
    }

    #[test]
    fn fallbacks_of_the_last_checkpoint_are_those_with_the_most_steps() {
        let (_folder, run) = runs(&["last.safetensors"]);
        for (name, step) in [("best", 30), ("epoch-0001", 10), ("epoch-0004", 40)] {
            let path = run.join(format!("checkpoints/{name}.safetensors"));
            let progress = json!({ "epoch": 1, "step": step });
            Checkpoint { progress, ..checkpoint() }.write(&path).unwrap();
        }
        let expected = ["last", "epoch-0004", "best", "epoch-0001"];
        assert_eq!(
            found(&run, CheckpointChoice::Last),
            expected.map(|name| format!("{name}.safetensors"))
        );
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
        let names: Vec<_> =
            (1..=30).map(|number| format!("mine-{number:04}.safetensors")).collect();
        let (_folder, run) = runs(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let hint = hint(&run, CheckpointChoice::Last);
        assert!(hint.contains("mine-0008.safetensors and 22 more"), "{hint}");
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
