//! Run folders of a killed process and on a full disk. Each test runs itself in a child process.
#![cfg(unix)]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use residual_fs::write_atomically;
use residual_runlog::RunDir;
use residual_spec::{
    CheckpointKind, DatasetInfo, EpochEvent, ErrorCode, MachineInfo, Metrics, RunEvent,
    TrainConfig, resolve,
};

/// Environment variable with the folder that the child process writes to.
const FOLDER: &str = "RESIDUAL_TEST_FOLDER";
const READY: &str = "ready to be killed";
/// Size of the test files in bytes.
const FILE_BYTES: usize = 3_000_000;

fn folder_if_child() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
}

/// Returns the emulator that cargo runs this binary with, if there is one.
fn emulator() -> String {
    if !cfg!(target_arch = "aarch64") {
        return String::new();
    }
    env::var("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").unwrap_or_default()
}

/// Runs one test of this binary in a child process, after the shell commands `setup`.
fn spawn_child(test: &str, folder: &Path, setup: &str) -> Child {
    Command::new("sh")
        .args(["-c", &format!("{setup} exec {} \"$0\" --exact {test}", emulator())])
        .arg(env::current_exe().unwrap())
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_until_ready(child: &mut Child) {
    let output = BufReader::new(child.stdout.as_mut().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == READY), "the child process failed");
}

/// Checks that a file is complete and returns the byte that fills it.
fn fill_byte(path: &Path) -> u8 {
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes.len(), FILE_BYTES);
    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
    bytes[0]
}

fn write_all(path: &Path, byte: u8) -> residual_spec::Result<()> {
    write_atomically(path, |file| {
        (0..FILE_BYTES / 1000).try_for_each(|_| file.write_all(&[byte; 1000]))
    })
}

fn epoch(epoch: u32) -> RunEvent {
    RunEvent::Epoch(EpochEvent {
        epoch,
        step: epoch.into(),
        lr: 0.1,
        train: Metrics::default(),
        val: None,
        best: false,
        images_per_second: 1.0,
        seconds: 1.0,
    })
}

/// Writes the files of a run without training, until the process is killed.
fn run_until_killed(folder: &Path) {
    let mut run = RunDir::create(folder, false).unwrap();
    let facts = DatasetInfo {
        source: "./photos".into(),
        train: 240,
        ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, Some([32, 32]))
    };
    let machine = MachineInfo::with_cores(2);
    run.write_config(&resolve(&TrainConfig::default(), &facts, &machine).unwrap()).unwrap();
    for number in 1..=200 {
        run.log(&epoch(number)).unwrap();
        write_all(&run.checkpoint_path(CheckpointKind::Last, number), number as u8).unwrap();
        if number == 1 {
            // `println!` would be captured by the test harness.
            std::io::stdout().write_all(format!("\n{READY}\n").as_bytes()).unwrap();
        }
    }
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_run_can_be_resumed() {
    if let Some(folder) = folder_if_child() {
        return run_until_killed(&folder);
    }
    for milliseconds in [0, 3, 7, 12, 18] {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("demo");
        let mut child = spawn_child("a_killed_run_can_be_resumed", &folder, "");
        wait_until_ready(&mut child);
        assert_eq!(RunDir::reopen(&folder).unwrap_err().code, ErrorCode::OutInUse);
        sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();

        let mut run = RunDir::reopen(&folder).unwrap();
        let last = run.checkpoint_path(CheckpointKind::Last, 0);
        let saved = fill_byte(&last);
        let names = fs::read_dir(last.parent().unwrap()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["last.safetensors"]);

        run.rewind_to(saved.into(), saved.into()).unwrap();
        let log = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
        let steps: Vec<_> = log
            .lines()
            .map(|line| serde_json::from_str::<RunEvent>(line).unwrap().step().unwrap())
            .collect();
        assert_eq!(steps, (1..=u64::from(saved)).collect::<Vec<_>>());
        let table = fs::read_to_string(folder.join("metrics.csv")).unwrap();
        assert_eq!(table.lines().count(), 1 + usize::from(saved));
    }
}

#[test]
fn a_full_disk_does_not_change_the_file() {
    if let Some(folder) = folder_if_child() {
        let error = write_all(&folder.join("file"), 2).unwrap_err();
        assert_eq!(error.code, ErrorCode::Write);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    write_all(&file, 1).unwrap();
    // The kernel rejects writes beyond the file size limit, as on a full disk.
    let limit = "trap '' XFSZ; ulimit -f 1000;";
    let test = "a_full_disk_does_not_change_the_file";
    let child = spawn_child(test, folder.path(), limit).wait_with_output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert_eq!(fill_byte(&file), 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
