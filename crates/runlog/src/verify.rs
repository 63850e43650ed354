//! Verifies the files of a run folder other than checkpoints. They have no checksums, except for
//! TensorBoard's; a file is intact if it is complete and has the expected structure.

use std::io::ErrorKind;
use std::path::Path;

use residual_spec::{
    Error, ResolvedConfig, Result, RunEvaluation, RunFileStatus, TrainResult, VerifiedRunFile,
};
use serde::de::DeserializeOwned;

use crate::folder_state::{CONFIG, ENVIRONMENT, EVALUATION, RESULT, has_checkpoint};
use crate::lock::Lock;
use crate::metrics::{COLUMNS, CSV, EventPosition, JSONL, row_position};
use crate::{regular_file, tensorboard};

/// Summary of a file's content, or its problem. Both are phrases such as `3 lines` and `cut off`.
type Checked = std::result::Result<String, String>;

/// Verifies config.json, environment.json, the logs, evaluation.json and result.json of a run folder.
/// Only config.json, metrics.jsonl and metrics.csv must exist, because runs of any age and progress
/// have them. In the folder of a run in progress, the last line of a log may be incomplete.
///
/// # Errors
/// `E_IO`. Damage is part of the result.
pub fn verify_files(path: &Path) -> Result<Vec<VerifiedRunFile>> {
    let is_running = Lock::is_held(path);
    let mut files = Vec::new();
    let mut add = |name: &str, is_required: bool, check: &dyn Fn(&[u8]) -> Checked| {
        files.extend(verify_file(path, name, is_required, check)?);
        Ok::<(), Error>(())
    };
    add(CONFIG, true, &check_json::<ResolvedConfig>)?;
    add(ENVIRONMENT, false, &check_json::<serde_json::Map<String, serde_json::Value>>)?;
    // An epoch is logged before its checkpoint is written, and metrics.csv has its header before
    // the first step: an empty file has lost its content.
    let has_checkpoint = has_checkpoint(path);
    add(JSONL, true, &|text| {
        if text.is_empty() && has_checkpoint {
            return Err("empty".into());
        }
        check_lines(text, is_running, |_, line| {
            serde_json::from_slice::<EventPosition>(line).is_ok()
        })
    })?;
    let columns = COLUMNS.trim_end().as_bytes();
    add(CSV, true, &|text| {
        if text.is_empty() && !is_running {
            return Err("empty".into());
        }
        check_lines(text, is_running, |number, line| match number {
            1 => line == columns,
            _ => row_position(line).is_some() && count_cells(line) == count_cells(columns),
        })
    })?;
    add(EVALUATION, false, &check_json::<RunEvaluation>)?;
    add(RESULT, false, &check_json::<TrainResult>)?;
    files.extend(verify_event_file(path, is_running)?);
    Ok(files)
}

fn verify_file(
    folder: &Path,
    name: &str,
    is_required: bool,
    check: &dyn Fn(&[u8]) -> Checked,
) -> Result<Option<VerifiedRunFile>> {
    let path = folder.join(name);
    let text = match regular_file::read(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            return Ok(is_required.then(|| VerifiedRunFile {
                file: name.into(),
                status: RunFileStatus::Missing,
                bytes: None,
                detail: String::new(),
            }));
        }
        Err(cause) if cause.kind() == ErrorKind::InvalidInput => {
            return Ok(Some(to_verified(name, 0, Err("not a regular file".into()))));
        }
        Err(cause) => return Err(Error::read(&path, &cause)),
    };
    Ok(Some(to_verified(name, text.len() as u64, check(&text))))
}

fn to_verified(name: &str, bytes: u64, checked: Checked) -> VerifiedRunFile {
    let (status, detail) = match checked {
        Ok(detail) => (RunFileStatus::Ok, detail),
        Err(problem) => (RunFileStatus::Damaged, problem),
    };
    VerifiedRunFile { file: name.into(), status, bytes: Some(bytes), detail }
}

fn check_json<T: DeserializeOwned>(text: &[u8]) -> Checked {
    match serde_json::from_slice::<T>(text) {
        Ok(_) => Ok(String::new()),
        Err(cause) if cause.is_eof() => Err("cut off".into()),
        Err(cause) => Err(cause.to_string()),
    }
}

/// Checks the lines of a log with `is_valid`, whose first argument is the line number, from 1.
fn check_lines(text: &[u8], is_running: bool, is_valid: impl Fn(u64, &[u8]) -> bool) -> Checked {
    let (complete, rest) = match text.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (&[][..], text),
    };
    let mut lines = 0;
    if !complete.is_empty() {
        for line in complete.split(|byte| *byte == b'\n') {
            lines += 1;
            if !is_valid(lines, line) {
                return Err(format!("line {lines} is not valid"));
            }
        }
    }
    if !rest.is_empty() && !is_running {
        return Err(format!("cut off within line {}", lines + 1));
    }
    Ok(format!("{lines} lines"))
}

fn count_cells(line: &[u8]) -> usize {
    line.split(|byte| *byte == b',').count()
}

fn verify_event_file(folder: &Path, is_running: bool) -> Result<Option<VerifiedRunFile>> {
    let Some(path) = tensorboard::find_event_file(folder)? else { return Ok(None) };
    let unreadable = |cause| Error::read(&path, &cause);
    let (records, is_complete) = tensorboard::count_records(&path).map_err(unreadable)?;
    let checked = if is_complete || is_running {
        Ok(format!("{records} records"))
    } else {
        Err(format!("cut off or not valid after {records} records"))
    };
    let bytes = path.metadata().map_err(unreadable)?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Some(to_verified(&name, bytes, checked)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::RunDir;
    use crate::folder_state::{CHECKPOINTS, LAST};
    use residual_spec::{
        DatasetInfo, EpochEvent, MachineInfo, Metrics, RunEvent, TrainConfig, resolve,
    };

    /// Creates a run folder with two epochs.
    fn run() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut run = RunDir::create(folder.path(), false).unwrap();
        let facts = DatasetInfo {
            source: "./photos".into(),
            train: 240,
            ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, Some([32, 32]))
        };
        let machine = MachineInfo::with_cores(2);
        run.write_config(&resolve(&TrainConfig::default(), &facts, &machine).unwrap()).unwrap();
        for epoch in [1, 2] {
            run.log(&RunEvent::Epoch(EpochEvent {
                epoch,
                step: epoch.into(),
                lr: 0.1,
                train: Metrics::default(),
                val: None,
                best: false,
                images_per_second: 1.0,
                seconds: 1.0,
            }))
            .unwrap();
        }
        folder
    }

    /// Returns the problem of the file whose name starts with `name`; `None` if the file is intact.
    fn problem(folder: &Path, name: &str) -> Option<String> {
        let files = verify_files(folder).unwrap();
        let file = files.into_iter().find(|file| file.file.starts_with(name)).unwrap();
        (file.status != RunFileStatus::Ok).then_some(file.detail)
    }

    #[test]
    fn an_intact_run_has_no_problem() {
        let folder = run();
        let files = verify_files(folder.path()).unwrap();
        assert!(files.iter().all(|file| file.status == RunFileStatus::Ok), "{files:?}");
        let details: Vec<_> = files.iter().map(|file| file.detail.as_str()).collect();
        assert_eq!(details, ["", "2 lines", "3 lines", "3 records"]);
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_damaged() {
        for name in [CONFIG, JSONL, CSV, "events.out"] {
            let folder = run();
            let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            let is_file = |path: &std::path::PathBuf| {
                path.file_name().unwrap().to_str().unwrap().starts_with(name)
            };
            let path = entries.into_iter().find(is_file).unwrap();
            let whole = fs::read(&path).unwrap();
            for cut in [whole.len() / 3, whole.len() - 2] {
                fs::write(&path, &whole[..cut]).unwrap();
                assert!(problem(folder.path(), name).is_some(), "{name} cut at {cut}");
            }
        }
    }

    #[test]
    fn an_empty_log_of_a_run_with_a_checkpoint_is_damaged() {
        let folder = run();
        let checkpoint = folder.path().join(CHECKPOINTS).join(LAST);
        fs::write(folder.path().join(JSONL), "").unwrap();
        assert_eq!(problem(folder.path(), JSONL), None);
        fs::write(checkpoint, "weights").unwrap();
        fs::write(folder.path().join(CSV), "").unwrap();
        for name in [JSONL, CSV] {
            assert_eq!(problem(folder.path(), name).as_deref(), Some("empty"));
        }
    }

    #[test]
    fn names_the_damaged_line_and_missing_files() {
        let folder = run();
        let path = folder.path().join(CSV);
        let text = fs::read_to_string(&path).unwrap().replace("\n2,", "\nx,");
        fs::write(&path, text).unwrap();
        assert_eq!(problem(folder.path(), CSV).unwrap(), "line 3 is not valid");
        fs::remove_file(folder.path().join(CONFIG)).unwrap();
        assert_eq!(problem(folder.path(), CONFIG).unwrap(), "");
    }
}
