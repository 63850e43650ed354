//! Damaged run folders: verification, resuming and logging give a result or an error, without a
//! panic, and change no file outside of the folder.

#[path = "../../data/tests/mutate/mod.rs"]
mod mutate;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mutate::{ByteChange, CpuTimer, apply_changes, byte_change, config, copy_folder, list_files};
use proptest::prelude::*;
use residual_runlog::{RunDir, verify_files};
use residual_spec::{EpochEvent, ErrorCode, Metrics, RunEvent, RunFileStatus};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/run")
}

fn epoch(epoch: u32) -> RunEvent {
    RunEvent::Epoch(EpochEvent {
        epoch,
        step: u64::from(epoch) * 6,
        lr: 0.1,
        train: Metrics::default(),
        val: None,
        best: false,
        images_per_second: 1.0,
        seconds: 1.0,
    })
}

/// Resumes a run after its first epoch and logs the second.
fn resume(folder: &Path) -> residual_spec::Result<()> {
    let mut run = RunDir::reopen(folder)?;
    run.rewind_to(1, 6)?;
    run.log(&epoch(2))
}

#[test]
fn the_intact_run_is_verified_and_resumed() {
    let folder = copy_folder(&corpus());
    let files = verify_files(folder.path()).unwrap();
    assert!(files.iter().all(|file| file.status == RunFileStatus::Ok), "{files:?}");
    resume(folder.path()).unwrap();
    let table = fs::read_to_string(folder.path().join("metrics.csv")).unwrap();
    assert_eq!(table.lines().count(), 3);
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn damaged_runs_are_verified_and_resumed_or_refused(
        damages in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::collection::vec(byte_change(), 1..4)),
            1..4,
        ),
    ) {
        let folder = copy_folder(&corpus());
        let path = |file: &Path| folder.path().join(file);
        let files = list_files(folder.path());
        for (file, changes) in &damages {
            let file = path(file.get::<PathBuf>(&files));
            fs::write(&file, apply_changes(fs::read(&file).unwrap(), changes as &[ByteChange])).unwrap();
        }
        let started = CpuTimer::start();
        let verified = verify_files(folder.path()).unwrap();
        prop_assert!(verified.iter().all(|file| file.detail.len() < 1000));
        let _ = RunDir::read_config(folder.path());
        match resume(folder.path()) {
            Ok(()) => {
                // The next session finds no damage in what this session wrote.
                let log = fs::read(path(Path::new("metrics.jsonl"))).unwrap();
                let last = log.strip_suffix(b"\n").unwrap().rsplit(|byte| *byte == b'\n').next();
                let event: RunEvent = serde_json::from_slice(last.unwrap()).unwrap();
                prop_assert_eq!(event.step(), Some(12));
            }
            Err(error) => prop_assert_eq!(error.code, ErrorCode::Checkpoint, "{:?}", error),
        }
        prop_assert!(started.elapsed() < Duration::from_secs(5));
        let added: Vec<_> =
            list_files(folder.path()).into_iter().filter(|file| !files.contains(file)).collect();
        let is_own = |file: &PathBuf| {
            let name = file.to_string_lossy();
            name == ".lock" || name.starts_with("events.out.tfevents")
        };
        prop_assert!(added.iter().all(is_own), "{added:?}");
    }
}

/// Files that a run opens for writing.
#[cfg(unix)]
const WRITTEN: [&str; 4] =
    [".lock", "metrics.jsonl", "metrics.csv", "events.out.tfevents.1700000000.residual"];

#[cfg(unix)]
#[test]
fn a_run_does_not_write_through_links() {
    for name in WRITTEN {
        let (folder, outside) = (copy_folder(&corpus()), tempfile::tempdir().unwrap());
        let target = outside.path().join("canary");
        fs::write(&target, "do not change").unwrap();
        let _ = fs::remove_file(folder.path().join(name));
        std::os::unix::fs::symlink(&target, folder.path().join(name)).unwrap();
        let error = resume(folder.path()).unwrap_err();
        assert_eq!(error.code, ErrorCode::Write, "{name}: {error}");
        assert!(error.message.contains("symbolic link"), "{name}: {error}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "do not change", "{name}");

        fs::remove_file(&target).unwrap();
        resume(folder.path()).unwrap_err();
        assert!(!target.exists(), "{name} creates a file outside of the folder");
    }
}

#[cfg(unix)]
#[test]
fn pipes_do_not_block() {
    for name in [".lock", "metrics.jsonl", "metrics.csv", "config.json", "result.json"] {
        let folder = copy_folder(&corpus());
        let path = folder.path().join(name);
        let _ = fs::remove_file(&path);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (sender, receiver) = std::sync::mpsc::channel();
        let run = folder.path().to_path_buf();
        std::thread::spawn(move || {
            let _ = (RunDir::is_in_use(&run), RunDir::is_run(&run), RunDir::read_config(&run));
            let _ = (verify_files(&run), resume(&run));
            sender.send(())
        });
        assert!(receiver.recv_timeout(Duration::from_secs(60)).is_ok(), "{name} blocks");
    }
}
