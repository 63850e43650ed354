//! `runs/latest`: a symbolic link to the run that started last, for `residual predict runs/latest`.
//!
//! Training continues without the link if it cannot be created or another file has its name.

use std::fs;
use std::io::ErrorKind;
#[cfg(unix)]
use std::os::unix::fs::symlink as symlink_folder;
// Needs a privilege or Windows' developer mode.
#[cfg(windows)]
use std::os::windows::fs::symlink_dir as symlink_folder;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const NAME: &str = "latest";
/// Name of the folders in which the link is created, so that it never appears among other files.
const RUNS: &str = "runs";

/// Points the link `latest` to a run folder in the same parent folder.
pub(crate) fn point_to(run: &Path) {
    // Training does not depend on the link.
    let _ = try_point_to(run);
}

fn try_point_to(run: &Path) -> std::io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);

    // The path may contain symbolic links, such as `latest` itself.
    let run = run.canonicalize()?;
    let (Some(parent), Some(name)) = (run.parent(), run.file_name()) else { return Ok(()) };
    if parent.file_name() != Some(RUNS.as_ref()) || name == NAME {
        return Ok(());
    }
    let link = parent.join(NAME);
    match symlink_folder(name, &link) {
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
        result => return result,
    }
    if !is_run_link(&link) {
        return Ok(());
    }
    // Renaming replaces the link atomically, even if several runs start concurrently.
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let new = parent.join(format!(".{NAME}.{}.{number}.tmp", std::process::id()));
    symlink_folder(name, &new)?;
    // On Windows, renaming does not replace a link to a folder.
    #[cfg(windows)]
    fs::remove_dir(&link).inspect_err(|_| remove_link(&new))?;
    fs::rename(&new, &link).inspect_err(|_| remove_link(&new))
}

/// Removes a symbolic link to a folder, if possible.
fn remove_link(link: &Path) {
    // On Windows, `remove_file` does not remove a link to a folder.
    let _ = if cfg!(windows) { fs::remove_dir(link) } else { fs::remove_file(link) };
}

/// Returns whether `link` is a link to a name in the same folder, as this module creates.
fn is_run_link(link: &Path) -> bool {
    let target = fs::read_link(link);
    target.is_ok_and(|target| target.is_relative() && target.components().count() == 1)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    fn runs_folder(names: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join(RUNS);
        for name in names {
            fs::create_dir_all(runs.join(name)).unwrap();
        }
        (folder, runs)
    }

    #[test]
    fn points_to_the_run_that_started_last_and_survives_a_move() {
        let (folder, runs) = runs_folder(&["one", "two"]);
        for name in ["one", "two", "one"] {
            point_to(&runs.join(name));
            assert_eq!(fs::read_link(runs.join(NAME)).unwrap(), Path::new(name));
        }
        let moved = folder.path().join("elsewhere");
        fs::rename(&runs, &moved).unwrap();
        assert!(moved.join(NAME).is_dir());
        assert_eq!(fs::read_dir(&moved).unwrap().count(), 3);
    }

    #[test]
    fn does_not_replace_other_files_and_links() {
        let (_folder, runs) = runs_folder(&["one", "latest"]);
        let link = runs.join(NAME);
        fs::write(link.join("mine"), "x").unwrap();
        point_to(&runs.join("one"));
        assert_eq!(fs::read_to_string(link.join("mine")).unwrap(), "x");
        fs::remove_dir_all(&link).unwrap();

        fs::write(&link, "mine").unwrap();
        point_to(&runs.join("one"));
        assert_eq!(fs::read_to_string(&link).unwrap(), "mine");
        fs::remove_file(&link).unwrap();

        symlink("/somewhere/else", &link).unwrap();
        point_to(&runs.join("one"));
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("/somewhere/else"));
    }

    #[test]
    fn creates_no_link_outside_a_runs_folder() {
        let (folder, _) = runs_folder(&["one"]);
        let run = folder.path().join("models/one");
        fs::create_dir_all(&run).unwrap();
        point_to(&run);
        assert!(!folder.path().join("models").join(NAME).exists());
    }

    #[test]
    fn a_run_opened_through_the_link_does_not_make_it_circular() {
        let (_folder, runs) = runs_folder(&["one"]);
        point_to(&runs.join("one"));
        point_to(&runs.join(NAME));
        assert_eq!(fs::read_link(runs.join(NAME)).unwrap(), Path::new("one"));
    }

    #[test]
    fn concurrent_runs_leave_one_link_and_no_other_file() {
        let names: Vec<String> = (0..8).map(|number| format!("run{number}")).collect();
        let (_folder, runs) = runs_folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
        std::thread::scope(|scope| {
            for name in &names {
                let run = runs.join(name);
                scope.spawn(move || (0..50).for_each(|_| point_to(&run)));
            }
        });
        assert!(runs.join(NAME).is_dir());
        assert_eq!(fs::read_dir(&runs).unwrap().count(), names.len() + 1);
    }
}
