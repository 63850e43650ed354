//! `runs/latest`: a link to the run that began last, so that `residual predict runs/latest` needs no
//! name. It is a convenience: where it cannot be made, or something of somebody else's has its
//! name, there is none, and the run goes on.

use std::path::Path;

const NAME: &str = "latest";
/// Only a folder of this name is one of runs; elsewhere a link would turn up among foreign files.
const RUNS: &str = "runs";

/// Lets `latest`, beside a run's folder, lead to it.
#[cfg(unix)]
pub(crate) fn point_to(run: &Path) {
    // Nobody can do anything about a failure, and nothing depends on it.
    let _ = try_point_to(run);
}

/// Elsewhere links need rights that users do not have.
#[cfg(not(unix))]
pub(crate) fn point_to(_run: &Path) {}

#[cfg(unix)]
fn try_point_to(run: &Path) -> std::io::Result<()> {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicU64, Ordering};

    static TRIES: AtomicU64 = AtomicU64::new(0);

    // A run may be named through a link, this one even.
    let run = run.canonicalize()?;
    let (Some(parent), Some(name)) = (run.parent(), run.file_name()) else { return Ok(()) };
    if parent.file_name() != Some(RUNS.as_ref()) || name == NAME {
        return Ok(());
    }
    let link = parent.join(NAME);
    match symlink(name, &link) {
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
        made => return made,
    }
    if !is_ours(&link) {
        return Ok(());
    }
    // Renamed, so that it always leads somewhere, whoever else begins a run at the same time.
    let number = TRIES.fetch_add(1, Ordering::Relaxed);
    let new = parent.join(format!(".{NAME}.{}.{number}.tmp", std::process::id()));
    symlink(name, &new)?;
    fs::rename(&new, &link).inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

/// Whether it is a link such as we make: to a name beside it.
#[cfg(unix)]
fn is_ours(link: &Path) -> bool {
    let target = std::fs::read_link(link);
    target.is_ok_and(|target| target.is_relative() && target.components().count() == 1)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    fn runs(names: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join(RUNS);
        for name in names {
            fs::create_dir_all(runs.join(name)).unwrap();
        }
        (folder, runs)
    }

    #[test]
    fn it_leads_to_the_run_that_began_last_and_moves_with_its_folder() {
        let (folder, runs) = runs(&["one", "two"]);
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
    fn what_is_somebody_elses_stays() {
        let (_folder, runs) = runs(&["one", "latest"]);
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
    fn a_folder_that_is_no_folder_of_runs_gets_none() {
        let (folder, _) = runs(&["one"]);
        let run = folder.path().join("models/one");
        fs::create_dir_all(&run).unwrap();
        point_to(&run);
        assert!(!folder.path().join("models").join(NAME).exists());
    }

    #[test]
    fn a_run_that_is_named_by_the_link_does_not_make_it_lead_to_itself() {
        let (_folder, runs) = runs(&["one"]);
        point_to(&runs.join("one"));
        point_to(&runs.join(NAME));
        assert_eq!(fs::read_link(runs.join(NAME)).unwrap(), Path::new("one"));
    }

    #[test]
    fn runs_that_begin_together_leave_one_link_and_nothing_else() {
        let names: Vec<String> = (0..8).map(|number| format!("run{number}")).collect();
        let (_folder, runs) = runs(&names.iter().map(String::as_str).collect::<Vec<_>>());
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
