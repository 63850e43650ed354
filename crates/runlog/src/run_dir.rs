//! Operations on a run folder: create, reopen, log, rewind.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use residual_fs::{remove_temporary_files, write_atomically, write_error};
use residual_spec::{
    CheckpointKind, Error, ErrorCode, ResolvedConfig, Result, RunEvaluation, RunEvent, TrainResult,
    WarningEvent,
};
use serde::Serialize;

use crate::environment::Environment;
use crate::folder_state::{
    BEST, CHECKPOINTS, CONFIG, ENVIRONMENT, EVALUATION, FolderState, LAST, PLOTS, RESULT,
    check_available, epoch_of_checkpoint, epoch_of_evaluation, has_checkpoint, remove_checkpoints,
    remove_if_present, remove_run,
};
use crate::latest;
use crate::lock::{self, Lock};
use crate::metrics::MetricsLog;
use crate::regular_file;

/// Run folder with an exclusive lock that is released on drop.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    metrics: MetricsLog,
    _lock: Lock,
}

impl RunDir {
    /// Creates and locks a run folder.
    ///
    /// With `overwrite`, removes the files of an existing run first, but no other files. Call this
    /// after all other operations that can fail before training.
    ///
    /// # Errors
    /// `E_OUT_IN_USE` if another run writes to the folder, `E_OUT_EXISTS` if it contains a run
    /// (without `overwrite`) or other files, `E_WRITE` if it cannot be written. The folder is then
    /// unchanged.
    pub fn create(path: &Path, overwrite: bool) -> Result<RunDir> {
        let path = absolute(path)?;
        check_available(&path, overwrite)?;
        fs::create_dir_all(&path).map_err(|cause| write_error(&path, &cause))?;
        let lock = Lock::acquire(&path)?;
        // Another process may have written here between the check and the lock.
        check_available(&path, overwrite)?;
        remove_run(&path).map_err(|cause| write_error(&path, &cause))?;
        RunDir::open_locked(path, lock)
    }

    /// Creates a run folder at the first free path of `path`, `path-2`, `path-3`, ...; see
    /// [`RunDir::path`].
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn create_numbered(path: &Path) -> Result<RunDir> {
        let attempts = numbered_paths(path).map(|path| RunDir::create(&path, false));
        let is_taken_error =
            |error: &Error| matches!(error.code, ErrorCode::OutExists | ErrorCode::OutInUse);
        let mut created = attempts.filter(|run| !run.as_ref().is_err_and(is_taken_error));
        created.next().expect("the numbered paths are infinite")
    }

    /// Returns the absolute path at which [`RunDir::create`] would create the folder, without
    /// changing anything.
    ///
    /// # Errors
    /// As [`RunDir::create`].
    pub fn check_path(path: &Path, overwrite: bool) -> Result<PathBuf> {
        let path = absolute(path)?;
        check_available(&path, overwrite)?;
        Ok(path)
    }

    /// Returns the absolute path at which [`RunDir::create_numbered`] would create the folder,
    /// without changing anything.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn next_free_path(path: &Path) -> Result<PathBuf> {
        absolute(&numbered_paths(path).next().expect("the numbered paths are infinite"))
    }

    /// Points the symbolic link `runs/latest` to this folder, if possible.
    pub fn link_latest(&self) {
        latest::point_to(&self.path);
    }

    /// Checks that no process writes to the run at `path`, before files of the folder are read.
    /// [`RunDir::reopen`] repeats this check.
    ///
    /// # Errors
    /// `E_OUT_IN_USE`.
    pub fn check_not_in_use(path: &Path) -> Result<()> {
        if RunDir::is_in_use(path) {
            Err(lock::in_use(path).hint("Wait until the other run ends, or stop it, then resume."))
        } else {
            Ok(())
        }
    }

    /// Locks the folder of an existing run to resume it.
    ///
    /// Removes only the temporary files of a killed process; call [`RunDir::rewind_to`] next.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if the folder does not contain a run, `E_OUT_IN_USE`, `E_WRITE`.
    pub fn reopen(path: &Path) -> Result<RunDir> {
        let path = absolute(path)?;
        if !matches!(FolderState::read(&path)?, FolderState::Run) {
            let message = format!("{} is not a run folder", path.display());
            return Err(Error::new(ErrorCode::Checkpoint, message)
                .file(&path)
                .hint("Pass the folder that contains config.json and checkpoints/."));
        }
        RunDir::check_not_in_use(&path)?;
        let lock = Lock::acquire(&path)?;
        RunDir::open_locked(path, lock)
    }

    /// Returns whether a folder contains a run, even if its config.json is missing or damaged.
    pub fn is_run(path: &Path) -> bool {
        matches!(FolderState::read(path), Ok(FolderState::Run))
    }

    /// Reads the config.json of a run; `None` if the file is missing, damaged, or written by another
    /// program.
    pub fn read_config(path: &Path) -> Option<ResolvedConfig> {
        serde_json::from_slice(&regular_file::read(&path.join(CONFIG)).ok()?).ok()
    }

    /// Returns the configuration of a run that ended before it wrote a checkpoint; `None` if there is
    /// a checkpoint or no configuration.
    pub fn config_without_checkpoint(path: &Path) -> Option<ResolvedConfig> {
        if has_checkpoint(path) { None } else { RunDir::read_config(path) }
    }

    /// Reads evaluation.json; `None` if it is missing or damaged.
    pub fn read_evaluation(&self) -> Option<RunEvaluation> {
        serde_json::from_slice(&fs::read(self.path.join(EVALUATION)).ok()?).ok()
    }

    /// Returns whether a process currently writes to the folder.
    pub fn is_in_use(path: &Path) -> bool {
        Lock::is_held(path)
    }

    fn open_locked(path: PathBuf, lock: Lock) -> Result<RunDir> {
        let (checkpoints, plots) = (path.join(CHECKPOINTS), path.join(PLOTS));
        fs::create_dir_all(&checkpoints).map_err(|cause| write_error(&checkpoints, &cause))?;
        for folder in [&path, &checkpoints, &plots].into_iter().filter(|folder| folder.is_dir()) {
            remove_temporary_files(folder).map_err(|cause| write_error(folder, &cause))?;
        }
        let metrics = MetricsLog::open(&path)?;
        Ok(RunDir { path, metrics, _lock: lock })
    }

    /// Returns the absolute path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a checkpoint. `epoch` is used only by [`CheckpointKind::Epoch`].
    pub fn checkpoint_path(&self, kind: CheckpointKind, epoch: u32) -> PathBuf {
        self.path.join(CHECKPOINTS).join(match kind {
            CheckpointKind::Last => LAST.into(),
            CheckpointKind::Best => BEST.into(),
            CheckpointKind::Epoch => format!("epoch-{epoch:04}.safetensors"),
        })
    }

    /// Writes config.json.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn write_config(&self, config: &ResolvedConfig) -> Result<()> {
        self.write_json(CONFIG, config)
    }

    /// Writes environment.json.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn write_environment(&self, environment: &Environment) -> Result<()> {
        self.write_json(ENVIRONMENT, environment)
    }

    /// Writes result.json.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn write_result(&self, result: &TrainResult) -> Result<()> {
        self.write_json(RESULT, result)
    }

    /// Writes evaluation.json without line breaks, because a confusion matrix has up to a million
    /// numbers.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn write_evaluation(&self, evaluation: &RunEvaluation) -> Result<()> {
        write_atomically(&self.path.join(EVALUATION), |file| {
            serde_json::to_writer(&mut *file, evaluation)?;
            file.write_all(b"\n")
        })
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        write_atomically(&self.path.join(name), |file| {
            serde_json::to_writer_pretty(&mut *file, value)?;
            file.write_all(b"\n")
        })
    }

    /// Appends an event to metrics.jsonl and to TensorBoard's file, and an epoch to metrics.csv.
    ///
    /// Log an epoch before writing its checkpoint, so that the log of a resumed run has no gap,
    /// even after a power cut.
    ///
    /// # Errors
    /// `E_WRITE`. The lines of metrics.jsonl and metrics.csv are written completely or not at all.
    pub fn log(&mut self, event: &RunEvent) -> Result<()> {
        self.metrics.log(event)
    }

    /// Restores the folder to its state after `epochs` complete epochs and `step` steps.
    ///
    /// Removes all later log entries, the end event, an incomplete last line, result.json, an
    /// evaluation.json of a later epoch, and epoch checkpoints of later epochs. The entry of an
    /// epoch that the budget ended early is removed too, since the resumed run completes the epoch.
    /// Restores rows of metrics.csv from metrics.jsonl. Returns warnings about entries that are lost
    /// because a log is damaged.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn rewind_to(&mut self, epochs: u32, step: u64) -> Result<Vec<WarningEvent>> {
        let evaluation = self.path.join(EVALUATION);
        let outdated_evaluation = match epoch_of_evaluation(&evaluation) {
            Some(epoch) if epoch <= epochs => None,
            _ => Some(evaluation),
        };
        for file in std::iter::once(self.path.join(RESULT)).chain(outdated_evaluation) {
            remove_if_present(&file).map_err(|cause| write_error(&self.path, &cause))?;
        }
        let is_later =
            |name: &str| epoch_of_checkpoint(name).is_some_and(|epoch| epoch > u64::from(epochs));
        remove_checkpoints(&self.path, is_later)
            .map_err(|cause| write_error(&self.path, &cause))?;
        let problems = self.metrics.rewind_to(epochs, step)?;
        Ok(problems.into_iter().map(|problem| self.damage_warning(problem)).collect())
    }

    fn damage_warning(&self, problem: String) -> WarningEvent {
        let file = Some(self.path.display().to_string());
        let message = format!("{}: {problem}", self.path.display());
        WarningEvent { code: ErrorCode::Checkpoint, message, file, hint: None }
    }

    /// Copies the checkpoint at `source` to the last or best checkpoint of this run.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn copy_checkpoint(&self, source: &Path, kind: CheckpointKind) -> Result<()> {
        let path = self.checkpoint_path(kind, 0);
        write_atomically(&path, |file| {
            std::io::copy(&mut fs::File::open(source)?, file).map(|_| ())
        })
    }

    /// Removes the best checkpoint.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn remove_best(&self) -> Result<()> {
        let path = self.checkpoint_path(CheckpointKind::Best, 0);
        remove_if_present(&path).map_err(|cause| write_error(&path, &cause))
    }
}

/// Returns the free paths among `path`, `path-2`, `path-3`, ...
fn numbered_paths(path: &Path) -> impl Iterator<Item = PathBuf> + use<'_> {
    let numbered = (2..).map(|number| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("-{number}"));
        PathBuf::from(name)
    });
    // A missing path is free even if it cannot be created: higher numbers would fail too.
    let is_free = |path: &PathBuf| {
        let exists = path.symlink_metadata().is_ok();
        !exists || matches!(FolderState::read(path), Ok(FolderState::Free)) && !Lock::is_held(path)
    };
    std::iter::once(path.to_path_buf()).chain(numbered).filter(is_free)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|cause| write_error(path, &cause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder_state::REPORT;
    use residual_spec::{DatasetInfo, MachineInfo, TrainConfig, WarningEvent, resolve};
    use tempfile::TempDir;

    fn config() -> ResolvedConfig {
        let facts = DatasetInfo {
            source: "./photos".into(),
            train: 240,
            ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, Some([32, 32]))
        };
        let machine = MachineInfo::with_cores(2);
        resolve(&TrainConfig::default(), &facts, &machine).unwrap()
    }

    /// Creates a folder with a finished run.
    fn finished_run() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::create(folder.path(), false).unwrap();
        run.write_config(&config()).unwrap();
        run.write_environment(&Environment::detect("2.11.0", "AVX512", &config())).unwrap();
        for (kind, epoch) in
            [(CheckpointKind::Last, 0), (CheckpointKind::Best, 0), (CheckpointKind::Epoch, 10)]
        {
            fs::write(run.checkpoint_path(kind, epoch), "weights").unwrap();
        }
        fs::write(folder.path().join(RESULT), "{}").unwrap();
        fs::write(folder.path().join(EVALUATION), r#"{"split":"val","epoch":3}"#).unwrap();
        fs::write(folder.path().join(REPORT), "<!doctype html>").unwrap();
        folder
    }

    /// Returns the path and contents of every file below a folder.
    fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files.extend(contents(&path));
            } else {
                files.push((path.clone(), fs::read(&path).unwrap()));
            }
        }
        files.sort();
        files
    }

    #[test]
    fn creates_the_folder_and_the_checkpoint_paths() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::create(&folder.path().join("runs/demo"), false).unwrap();
        assert!(run.path().is_absolute());
        let path = run.checkpoint_path(CheckpointKind::Epoch, 10);
        assert_eq!(path.file_name().unwrap(), "epoch-0010.safetensors");
        assert!(path.parent().unwrap().is_dir());
    }

    #[test]
    fn written_json_files_parse_to_the_same_values() {
        let folder = finished_run();
        let text = fs::read(folder.path().join(CONFIG)).unwrap();
        let written: ResolvedConfig = serde_json::from_slice(&text).unwrap();
        assert_eq!(written, config());
        let text = fs::read(folder.path().join(ENVIRONMENT)).unwrap();
        let environment: Environment = serde_json::from_slice(&text).unwrap();
        assert_eq!(environment.libtorch, "2.11.0");
    }

    #[test]
    fn does_not_overwrite_a_run_by_default() {
        let folder = finished_run();
        let before = contents(folder.path());
        let error = RunDir::create(folder.path(), false).unwrap_err();
        assert_eq!(error.code, ErrorCode::OutExists);
        let hint = error.hint.unwrap();
        assert!(hint.contains("resume: '") && hint.contains("overwrite: true"), "{hint}");
        assert_eq!(contents(folder.path()), before);
    }

    #[test]
    fn one_of_several_concurrent_creators_gets_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo");
        let create = || -> Result<()> { RunDir::create(&path, false)?.write_config(&config()) };
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(create)).collect();
            threads.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let errors = results.iter().filter_map(|run| run.as_ref().err());
        assert!(errors.clone().all(|error| error.hint.is_some()));
        assert_eq!(errors.count(), 3);
    }

    #[test]
    fn a_run_without_a_checkpoint_can_be_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::create(folder.path(), false).unwrap();
        assert!(RunDir::config_without_checkpoint(folder.path()).is_none());
        run.write_config(&config()).unwrap();
        let last = run.checkpoint_path(CheckpointKind::Last, 0);
        drop(run);
        let error = RunDir::create(folder.path(), false).unwrap_err();
        assert!(error.message.ends_with("contains an unfinished run"), "{error}");
        assert!(error.hint.unwrap().starts_with("Resume it with `resume: '"));
        assert_eq!(RunDir::config_without_checkpoint(folder.path()), Some(config()));
        fs::write(last, "weights").unwrap();
        assert!(RunDir::config_without_checkpoint(folder.path()).is_none());
    }

    #[test]
    fn a_run_is_recognized_without_a_valid_config_json() {
        for damage in ["", "{\"data\": {", "{}"] {
            let folder = finished_run();
            fs::write(folder.path().join(CONFIG), damage).unwrap();
            assert!(RunDir::is_run(folder.path()) && RunDir::read_config(folder.path()).is_none());
            assert_eq!(
                RunDir::create(folder.path(), false).unwrap_err().code,
                ErrorCode::OutExists
            );
            drop(RunDir::reopen(folder.path()).unwrap());
            fs::remove_file(folder.path().join(CONFIG)).unwrap();
            drop(RunDir::reopen(folder.path()).unwrap());
            drop(RunDir::create(folder.path(), true).unwrap());
            assert!(!folder.path().join("checkpoints/last.safetensors").exists());
        }
    }

    #[test]
    fn reopening_removes_temporary_files() {
        let folder = finished_run();
        fs::create_dir(folder.path().join(PLOTS)).unwrap();
        let stale =
            ["", "checkpoints", PLOTS].map(|name| folder.path().join(name).join(".residual-x.tmp"));
        for path in &stale {
            fs::write(path, "half").unwrap();
        }
        drop(RunDir::reopen(folder.path()).unwrap());
        assert!(stale.iter().all(|path| !path.exists()));
    }

    #[test]
    fn overwrite_removes_only_the_files_of_the_run() {
        let folder = finished_run();
        let plots = folder.path().join(PLOTS);
        fs::create_dir(&plots).unwrap();
        for figure in ["validation-loss.svg", "samples.png", "training-step-loss.svg"] {
            fs::write(plots.join(figure), "figure").unwrap();
        }
        let mine = ["notes.txt", "checkpoints/mine.txt", "plots/sketch.svg"];
        let notes = mine.map(|name| folder.path().join(name));
        for note in &notes {
            fs::write(note, "mine").unwrap();
        }
        drop(RunDir::create(folder.path(), true).unwrap());
        let remaining: Vec<_> = contents(folder.path()).into_iter().map(|(path, _)| path).collect();
        let path = |name| folder.path().join(name);
        assert_eq!(remaining[0], path(".lock"));
        assert_eq!(
            remaining[1..],
            [
                notes[1].clone(),
                path("metrics.csv"),
                path("metrics.jsonl"),
                notes[0].clone(),
                notes[2].clone()
            ]
        );
        fs::remove_file(&notes[2]).unwrap();
        fs::write(plots.join("calibration.png"), "figure").unwrap();
        let config = folder.path().join(CONFIG);
        fs::write(config, r#"{"data": {}, "model": {}, "optimizer": {}, "reasons": {}}"#).unwrap();
        drop(RunDir::create(folder.path(), true).unwrap());
        assert!(!plots.exists());
    }

    #[test]
    fn does_not_change_files_that_no_run_wrote() {
        for (name, text) in [
            ("thesis.tex", "x"),
            ("config.json", r#"{ "data": 1 }"#),
            ("metrics.jsonl", "{}\n"),
            ("result.json", "{}"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), text).unwrap();
            let before = contents(folder.path());
            for overwrite in [false, true] {
                let error = RunDir::create(folder.path(), overwrite).unwrap_err();
                assert_eq!(error.code, ErrorCode::OutExists, "{name}");
                assert_eq!(contents(folder.path()), before);
            }
            assert_eq!(RunDir::reopen(folder.path()).unwrap_err().code, ErrorCode::Checkpoint);
            assert_eq!(contents(folder.path()), before);
        }
    }

    #[test]
    fn rejects_a_folder_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::create(folder.path(), false).unwrap();
        for overwrite in [false, true] {
            let error = RunDir::create(folder.path(), overwrite).unwrap_err();
            assert_eq!(error.code, ErrorCode::OutInUse);
        }
        run.write_config(&config()).unwrap();
        for overwrite in [false, true] {
            let error = RunDir::create(folder.path(), overwrite).unwrap_err();
            assert_eq!(error.code, ErrorCode::OutInUse);
        }
        let error = RunDir::reopen(folder.path()).unwrap_err();
        assert_eq!(error.code, ErrorCode::OutInUse);
        assert!(
            !error.hint.unwrap().contains("`out`"),
            "a resumed run cannot choose another folder"
        );
        drop(run);
        RunDir::reopen(folder.path()).unwrap();
    }

    #[test]
    fn a_run_killed_at_its_start_leaves_a_free_folder() {
        let folder = tempfile::tempdir().unwrap();
        drop(RunDir::create(folder.path(), false).unwrap());
        fs::write(folder.path().join(".residual-x.tmp"), "half").unwrap();
        let run = RunDir::create(folder.path(), false).unwrap();
        assert!(!run.path().join(".residual-x.tmp").exists());
    }

    #[test]
    fn a_run_that_could_not_write_its_metrics_leaves_a_free_folder() {
        let columns = crate::metrics::COLUMNS;
        for text in ["", &columns[..7], columns] {
            let folder = tempfile::tempdir().unwrap();
            drop(RunDir::create(folder.path(), false).unwrap());
            fs::write(folder.path().join("metrics.csv"), text).unwrap();
            RunDir::create(folder.path(), false).unwrap();
        }
    }

    #[test]
    fn reports_a_file_in_place_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "mine").unwrap();
        for path in [file.clone(), file.join("runs/demo")] {
            let error = RunDir::create(&path, true).unwrap_err();
            assert_eq!(error.code, ErrorCode::Write);
            assert!(error.hint.is_some());
        }
        assert_eq!(fs::read_to_string(file).unwrap(), "mine");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn reports_a_read_only_file_system() {
        for path in ["/proc/runs/demo", "/sys/demo"] {
            let error = RunDir::create(Path::new(path), false).unwrap_err();
            assert_eq!(error.code, ErrorCode::Write, "{error}");
        }
    }

    #[test]
    fn is_in_use_while_the_run_dir_exists() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!RunDir::is_in_use(&folder.path().join("none")));
        let run = RunDir::create(folder.path(), false).unwrap();
        assert!(RunDir::is_in_use(folder.path()));
        drop(run);
        assert!(!RunDir::is_in_use(folder.path()));
    }

    #[test]
    fn numbers_a_taken_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo");
        assert_eq!(numbered_paths(&path).next().unwrap(), path);
        let _run = RunDir::create(&path, false).unwrap();
        fs::write(folder.path().join("demo-2"), "a file").unwrap();
        assert_eq!(numbered_paths(&path).next().unwrap(), folder.path().join("demo-3"));
        let run = RunDir::create_numbered(&path).unwrap();
        assert_eq!(run.path(), folder.path().join("demo-3"));
    }

    #[test]
    fn does_not_number_a_path_that_cannot_be_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file/runs/demo");
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(numbered_paths(&path).next().unwrap(), path);
        assert_eq!(RunDir::create_numbered(&path).unwrap_err().code, ErrorCode::Write);
    }

    #[test]
    fn concurrent_numbered_runs_all_get_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo");
        let runs: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| RunDir::create_numbered(&path).unwrap())).collect();
            threads.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let mut paths: Vec<_> = runs.iter().map(RunDir::path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 8);
    }

    #[test]
    fn rewind_removes_the_result_and_later_checkpoints() {
        let folder = finished_run();
        let mut run = RunDir::reopen(folder.path()).unwrap();
        let warnings = run.rewind_to(10, 100).unwrap();
        assert!(warnings[0].message.ends_with("10 of 10 epochs are missing"), "{warnings:?}");
        assert!(folder.path().join(EVALUATION).exists(), "its epoch is not later");
        assert!(run.checkpoint_path(CheckpointKind::Epoch, 10).exists());
        run.rewind_to(1, 10).unwrap();
        assert!(!run.checkpoint_path(CheckpointKind::Epoch, 10).exists());
        run.log(&RunEvent::Warning(WarningEvent {
            code: ErrorCode::Image,
            message: "broken".into(),
            file: None,
            hint: None,
        }))
        .unwrap();
        assert!(!folder.path().join(RESULT).exists());
        assert!(!folder.path().join(EVALUATION).exists());
        assert!(run.checkpoint_path(CheckpointKind::Last, 0).exists());
    }
}
