//! Verifies all files of a run folder, or a single weight file.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use residual_runlog::{RunDir, is_checkpoint_name, verify_files};
use residual_spec::{Error, ErrorCode, Result, RunFileStatus, RunVerification, VerifiedRunFile};

use super::{Checkpoint, CheckpointChoice, verify_weights};

const CHECKPOINTS: &str = "checkpoints";

/// Verifies the checkpoints and the other files of a run folder, or a single file of weights. Changes
/// nothing.
///
/// # Errors
/// `E_CHECKPOINT` if the path does not exist or is neither a run folder nor a file; `E_IO`. Damage is
/// part of the result.
pub fn verify_run(path: &Path) -> Result<RunVerification> {
    let missing = |message: String| Error::new(ErrorCode::Checkpoint, message).file(path);
    let shown = path.display();
    let absolute = path.canonicalize().map_err(|cause| match cause.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            missing(format!("{shown} does not exist"))
                .hint("Pass a run folder or a file of weights.")
        }
        _ => Error::read(path, &cause),
    })?;
    let files = if absolute.is_dir() {
        if !RunDir::is_run(&absolute) {
            return Err(missing(format!("{shown} is not a run folder"))
                .hint("Pass the folder that contains config.json and checkpoints/."));
        }
        let mut files = verify_checkpoints(&absolute)?;
        files.extend(verify_files(&absolute)?);
        files
    } else {
        let name = absolute.file_name().unwrap_or_default().to_string_lossy();
        vec![verify_weights(&absolute, &name)?]
    };
    let ok = files.iter().all(|file| file.status.is_intact());
    Ok(RunVerification { path: absolute.display().to_string(), ok, files })
}

/// Verifies the checkpoints of a run. A run with any checkpoint must have a last checkpoint, and a run
/// whose checkpoints name a best epoch must have a best checkpoint.
fn verify_checkpoints(run: &Path) -> Result<Vec<VerifiedRunFile>> {
    let folder = run.join(CHECKPOINTS);
    let mut names: Vec<String> = match fs::read_dir(&folder) {
        Ok(entries) => entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_checkpoint_name(name))
            .collect(),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Vec::new(),
        Err(cause) => return Err(Error::read(&folder, &cause)),
    };
    names.sort();
    let mut expected = Vec::new();
    if !names.is_empty() {
        expected.push(CheckpointChoice::Last.file_name());
    }
    let has_best = |name: &String| {
        Checkpoint::read_header(&folder.join(name))
            .is_ok_and(|header| header.progress["best"].is_object())
    };
    if names.iter().any(has_best) {
        expected.push(CheckpointChoice::Best.file_name());
    }
    let mut files = Vec::new();
    for name in &names {
        files.push(verify_weights(&folder.join(name), &format!("{CHECKPOINTS}/{name}"))?);
    }
    let missing = expected.into_iter().filter(|name| !names.iter().any(|found| found == name));
    files.extend(missing.map(|name| VerifiedRunFile {
        file: format!("{CHECKPOINTS}/{name}"),
        status: RunFileStatus::Missing,
        bytes: None,
        detail: "is missing".into(),
    }));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::checkpoint;
    use residual_spec::CheckpointKind;
    use serde_json::json;

    /// Creates a run folder with the checkpoints of the first epoch.
    fn run() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::create(folder.path(), false).unwrap();
        let progress = json!({ "epoch": 1, "step": 9, "best": { "epoch": 1 } });
        let checkpoint = Checkpoint { progress, ..checkpoint() };
        run.write_config(&checkpoint.config).unwrap();
        fs::write(folder.path().join("metrics.jsonl"), "{\"time\":1,\"type\":\"end\"}\n").unwrap();
        for kind in [CheckpointKind::Last, CheckpointKind::Best, CheckpointKind::Epoch] {
            checkpoint.write(&run.checkpoint_path(kind, 1)).unwrap();
        }
        folder
    }

    fn problems(folder: &Path) -> Vec<(String, RunFileStatus)> {
        let verified = verify_run(folder).unwrap();
        let bad = verified.files.iter().filter(|file| file.status != RunFileStatus::Ok);
        let bad: Vec<_> = bad.map(|file| (file.file.clone(), file.status)).collect();
        assert_eq!(verified.ok, bad.is_empty());
        bad
    }

    #[test]
    fn verifies_every_file_of_a_run() {
        let folder = run();
        assert_eq!(problems(folder.path()), []);
        assert_eq!(verify_run(folder.path()).unwrap().files.len(), 6);

        let path = |name: &str| folder.path().join("checkpoints").join(name);
        let mut bytes = fs::read(path("epoch-0001.safetensors")).unwrap();
        bytes[1000] ^= 1;
        fs::write(path("epoch-0001.safetensors"), bytes).unwrap();
        fs::remove_file(path("best.safetensors")).unwrap();
        fs::write(folder.path().join("config.json"), "{\"data\":").unwrap();
        assert_eq!(
            problems(folder.path()),
            [
                ("checkpoints/epoch-0001.safetensors".into(), RunFileStatus::Damaged),
                ("checkpoints/best.safetensors".into(), RunFileStatus::Missing),
                ("config.json".into(), RunFileStatus::Damaged),
            ]
        );
    }

    #[test]
    fn rejects_folders_that_are_not_runs() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path(), &folder.path().join("nowhere")] {
            assert_eq!(verify_run(path).unwrap_err().code, ErrorCode::Checkpoint);
        }
    }
}
