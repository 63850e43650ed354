//! From what a user names (a run's folder, a checkpoint) to a file.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use residual_spec::{Error, ErrorCode, Result, did_you_mean};

/// Which checkpoint of a run is meant where only its folder is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointChoice {
    /// The best; the last where no epoch was finished yet.
    Best,
    /// The last and no other: going on from elsewhere would be another run.
    Last,
}

/// Finds the checkpoint that is meant by a run's folder, its checkpoints folder, or a file. The
/// file is not opened.
///
/// # Errors
/// `E_CHECKPOINT`, key_map what is there instead.
pub fn find_checkpoint(model: &Path, prefer: CheckpointChoice) -> Result<PathBuf> {
    let shown = model.display();
    let missing = |message: String| Error::new(ErrorCode::Checkpoint, message).file(model);
    match fs::metadata(model) {
        Ok(found) if !found.is_dir() => return Ok(model.to_path_buf()),
        Ok(_) => {}
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(missing(format!("{shown} is not there")).hint(suggestion(model)));
        }
        Err(cause) => return Err(Error::read(model, &cause)),
    }

    let wanted: &[&str] = match prefer {
        CheckpointChoice::Best => &["best.safetensors", "last.safetensors"],
        CheckpointChoice::Last => &["last.safetensors"],
    };
    let inside = model.join("checkpoints");
    let folder = if inside.is_dir() { inside.as_path() } else { model };
    let mut candidates = wanted.iter().map(|name| folder.join(name));
    candidates.find(|path| path.is_file()).ok_or_else(|| {
        let there = names(folder, is_checkpoint);
        match there.is_empty() {
            true => missing(format!("there is no checkpoint in {shown}"))
                .hint("Give a run's folder (the one with checkpoints/) or a .safetensors file."),
            false => missing(format!("there is no {} in {}", wanted[0], folder.display()))
                .hint(format!("There is {}: name one of them.", listed(&there))),
        }
    })
}

/// What might have been meant by a path that leads nowhere.
fn suggestion(model: &Path) -> String {
    let parent = match model.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !parent.is_dir() {
        return format!("The folder {} is not there either.", parent.display());
    }
    let there = names(parent, |path| is_checkpoint(path) || path.join("checkpoints").is_dir());
    let word = model.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
    match did_you_mean(&word, there.iter().map(String::as_str)) {
        Some(suggestion) => suggestion,
        None if there.is_empty() => format!("There is no run in {}.", parent.display()),
        None => format!("There is {} in {}.", listed(&there), parent.display()),
    }
}

fn is_checkpoint(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("safetensors")) && path.is_file()
}

/// A folder's entries of a kind, by name.
fn names(folder: &Path, kind: impl Fn(&Path) -> bool) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut names: Vec<_> = paths
        .filter(|path| kind(path))
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_string()))
        .collect();
    names.sort();
    names
}

/// Names as a sentence has them, the first few of many.
fn listed(names: &[String]) -> String {
    const MAX_LISTED: usize = 8;
    match names.len() {
        0..=MAX_LISTED => names.join(", "),
        many => format!("{} and {} more", names[..MAX_LISTED].join(", "), many - MAX_LISTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// `runs/demo` with some checkpoints.
    fn runs(checkpoints: &[&str]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("runs/demo");
        fs::create_dir_all(run.join("checkpoints")).unwrap();
        for name in checkpoints {
            fs::write(run.join("checkpoints").join(name), "").unwrap();
        }
        (folder, run)
    }

    fn hint(model: &Path, prefer: CheckpointChoice) -> String {
        let error = find_checkpoint(model, prefer).unwrap_err();
        assert_eq!(error.code, ErrorCode::Checkpoint);
        error.hint.unwrap()
    }

    #[test]
    fn a_run_its_checkpoints_folder_and_a_file_are_all_found() {
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
    fn the_last_stands_in_for_the_best_and_never_the_other_way() {
        let (_folder, run) = runs(&["last.safetensors"]);
        assert!(
            find_checkpoint(&run, CheckpointChoice::Best).unwrap().ends_with("last.safetensors")
        );
        let (_folder, run) = runs(&["best.safetensors"]);
        assert_eq!(
            hint(&run, CheckpointChoice::Last),
            "There is best.safetensors: name one of them."
        );
    }

    #[test]
    fn a_folder_without_checkpoints_says_what_is_wanted() {
        let (folder, run) = runs(&["notes.txt"]);
        for model in [run.as_path(), folder.path()] {
            assert!(hint(model, CheckpointChoice::Best).starts_with("Give a run's folder"));
        }
    }

    #[test]
    fn of_many_names_a_few_are_listed() {
        let names: Vec<_> = (1..=30).map(|epoch| format!("epoch-{epoch:04}.safetensors")).collect();
        let (_folder, run) = runs(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let hint = hint(&run, CheckpointChoice::Last);
        assert!(hint.contains("epoch-0008.safetensors and 22 more"), "{hint}");
    }

    #[test]
    fn a_wrong_name_is_met_with_the_nearest_or_with_all() {
        let (_folder, run) = runs(&["last.safetensors", "epoch-0010.safetensors"]);
        assert_eq!(
            hint(&run.with_file_name("demp"), CheckpointChoice::Best),
            "Did you mean 'demo'?"
        );
        let shown = run.parent().unwrap().display();
        let other = run.with_file_name("something-else");
        assert_eq!(hint(&other, CheckpointChoice::Best), format!("There is demo in {shown}."));
        let epoch = run.join("checkpoints/epoch-0011.safetensors");
        assert_eq!(hint(&epoch, CheckpointChoice::Best), "Did you mean 'epoch-0010.safetensors'?");
        assert!(hint(&run.join("x/y"), CheckpointChoice::Best).ends_with("is not there either."));
    }
}
