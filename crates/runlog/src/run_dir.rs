//! A run's folder, from the first check to the last file.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use residual_spec::{
    CheckpointKind, Error, ErrorCode, ResolvedConfig, Result, RunEvaluation, RunEvent, TrainResult,
};
use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::latest;
use crate::lock::{self, Lock};
use crate::metrics::{self, MetricsLog};
use crate::tensorboard;
use residual_fs::{is_temporary, remove_temporary_files, write_atomically, write_error};

const CONFIG: &str = "config.json";
const ENVIRONMENT: &str = "environment.json";
const RESULT: &str = "result.json";
const EVALUATION: &str = "evaluation.json";
/// Written by whoever reads the folder; of a run that is gone it would tell tales.
const REPORT: &str = "report.html";
const CHECKPOINTS: &str = "checkpoints";
const LAST: &str = "last.safetensors";
const BEST: &str = "best.safetensors";

/// A run folder that this run alone writes to, until it is dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    metrics: MetricsLog,
    _lock: Lock,
}

/// What is at a place where a run wants to be.
enum Found {
    /// Nothing, or nothing that would be missed.
    Free,
    Run,
    /// Somebody's files.
    Foreign,
}

impl RunDir {
    /// Makes a run's folder and takes hold of it. With `overwrite`, the files of the run that is
    /// there are removed first, and no other file; so call it once nothing but training is left
    /// that could fail.
    ///
    /// # Errors
    /// `E_OUT_IN_USE` if a run is being written there, `E_OUT_EXISTS` if it holds a run (without
    /// `overwrite`) or files that no run wrote, `E_WRITE` if it cannot be written to. The folder
    /// is then as it was.
    pub fn create(path: &Path, overwrite: bool) -> Result<RunDir> {
        let path = absolute(path)?;
        refuse(&path, overwrite)?;
        fs::create_dir_all(&path).map_err(|cause| write_error(&path, &cause))?;
        let lock = Lock::take(&path)?;
        // Somebody else may have been here between the look and the lock.
        refuse(&path, overwrite)?;
        clear(&path).map_err(|cause| write_error(&path, &cause))?;
        RunDir::hold(path, lock)
    }

    /// Makes a run's folder at `wanted` or, where that is taken, at the first free one of
    /// `wanted-2`, `wanted-3`, ...; [`RunDir::path`] tells which.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn create_numbered(wanted: &Path) -> Result<RunDir> {
        let tried = free_dirs(wanted).map(|path| RunDir::create(&path, false));
        let is_taken =
            |error: &Error| matches!(error.code, ErrorCode::OutExists | ErrorCode::OutInUse);
        let mut settled = tried.filter(|run| !run.as_ref().is_err_and(is_taken));
        settled.next().expect("some number is free")
    }

    /// Where [`RunDir::create`] would make a run's folder. Looks without touching.
    ///
    /// # Errors
    /// As [`RunDir::create`], for what is there.
    pub fn check_path(path: &Path, overwrite: bool) -> Result<PathBuf> {
        let path = absolute(path)?;
        refuse(&path, overwrite)?;
        Ok(path)
    }

    /// Where [`RunDir::create_numbered`] would. Looks without touching.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn next_free_path(wanted: &Path) -> Result<PathBuf> {
        absolute(&free_dirs(wanted).next().expect("some number is free"))
    }

    /// Lets `runs/latest` lead here, where that can be done.
    pub fn link_latest(&self) {
        latest::point_to(&self.path);
    }

    /// Refuses to go on with a run that is being written, by whatever process. [`RunDir::reopen`] does,
    /// too; this is for whoever looks into the folder before.
    ///
    /// # Errors
    /// `E_OUT_IN_USE`.
    pub fn check_not_in_use(path: &Path) -> Result<()> {
        match RunDir::is_in_use(path) {
            true => Err(lock::in_use(path).hint("Wait for it, or stop it, and go on from there.")),
            false => Ok(()),
        }
    }

    /// Takes hold of a run's folder to go on with the run. Nothing in it is changed, apart from
    /// what a killed process left half-written; [`RunDir::rewind_to`] is the next step.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if there is no run, `E_OUT_IN_USE`, `E_WRITE`.
    pub fn reopen(path: &Path) -> Result<RunDir> {
        let path = absolute(path)?;
        if !matches!(look(&path)?, Found::Run) {
            let message = format!("there is no run in {}", path.display());
            return Err(Error::new(ErrorCode::Checkpoint, message)
                .file(&path)
                .hint("Give the folder of a run: the one that has config.json and checkpoints/."));
        }
        RunDir::check_not_in_use(&path)?;
        let lock = Lock::take(&path)?;
        RunDir::hold(path, lock)
    }

    /// Whether a run is being written to a folder, by whatever process. The answer of a moment, for
    /// whoever only looks.
    pub fn is_in_use(path: &Path) -> bool {
        Lock::is_held(path)
    }

    fn hold(path: PathBuf, lock: Lock) -> Result<RunDir> {
        let checkpoints = path.join(CHECKPOINTS);
        fs::create_dir_all(&checkpoints).map_err(|cause| write_error(&checkpoints, &cause))?;
        for folder in [&path, &checkpoints] {
            remove_temporary_files(folder).map_err(|cause| write_error(folder, &cause))?;
        }
        let metrics = MetricsLog::open(&path)?;
        Ok(RunDir { path, metrics, _lock: lock })
    }

    /// Absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a checkpoint goes; `epoch` counts only for those kept by epoch.
    pub fn checkpoint_path(&self, kind: CheckpointKind, epoch: u32) -> PathBuf {
        self.path.join(CHECKPOINTS).join(match kind {
            CheckpointKind::Last => LAST.into(),
            CheckpointKind::Best => BEST.into(),
            CheckpointKind::Epoch => format!("epoch-{epoch:04}.safetensors"),
        })
    }

    /// config.json.
    pub fn write_config(&self, config: &ResolvedConfig) -> Result<()> {
        self.write_json(CONFIG, config)
    }

    /// environment.json.
    pub fn write_environment(&self, environment: &Environment) -> Result<()> {
        self.write_json(ENVIRONMENT, environment)
    }

    /// result.json.
    pub fn write_result(&self, result: &TrainResult) -> Result<()> {
        self.write_json(RESULT, result)
    }

    /// evaluation.json, in one line: a confusion matrix has up to a million numbers.
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

    /// Appends an event to metrics.jsonl and, for an epoch, a row to metrics.csv. The caller
    /// decides which steps are worth a line. Log an epoch before writing its checkpoint: then a
    /// resumed log has no gap, even after a power cut.
    ///
    /// # Errors
    /// `E_WRITE`; the line is then not there, not even in part.
    pub fn log(&mut self, event: &RunEvent) -> Result<()> {
        self.metrics.log(event)
    }

    /// Makes the folder say what it said when `epochs` whole epochs and `step` updates were done:
    /// drops what was logged after, the end, a torn last line, result.json, and an evaluation.json of a
    /// later epoch. An epoch that the budget cut short, and that is now gone on with, is dropped too.
    /// Checkpoints that were kept by epoch and are of later ones are removed.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn rewind_to(&mut self, epochs: u32, step: u64) -> Result<()> {
        let evaluation = self.path.join(EVALUATION);
        let outdated = match evaluated_epoch(&evaluation) {
            Some(epoch) if epoch <= epochs => None,
            _ => Some(evaluation),
        };
        for file in std::iter::once(self.path.join(RESULT)).chain(outdated) {
            remove(&file).map_err(|cause| write_error(&self.path, &cause))?;
        }
        let later = |name: &str| epoch_of(name).is_some_and(|epoch| epoch > u64::from(epochs));
        remove_checkpoints(&self.path, later).map_err(|cause| write_error(&self.path, &cause))?;
        self.metrics.rewind_to(epochs, step)
    }

    /// Makes the checkpoint at `from` the last or the best one.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn copy_checkpoint(&self, from: &Path, kind: CheckpointKind) -> Result<()> {
        let path = self.checkpoint_path(kind, 0);
        write_atomically(&path, |file| std::io::copy(&mut fs::File::open(from)?, file).map(|_| ()))
    }

    /// Removes the best checkpoint.
    ///
    /// # Errors
    /// `E_WRITE`.
    pub fn remove_best(&self) -> Result<()> {
        let path = self.checkpoint_path(CheckpointKind::Best, 0);
        remove(&path).map_err(|cause| write_error(&path, &cause))
    }
}

/// The free ones of `wanted`, `wanted-2`, `wanted-3`, ...
fn free_dirs(wanted: &Path) -> impl Iterator<Item = PathBuf> + use<'_> {
    let numbered = (2..).map(|number| {
        let mut name = wanted.as_os_str().to_owned();
        name.push(format!("-{number}"));
        PathBuf::from(name)
    });
    // What is not there is free, even where it cannot be made: another number would not help.
    let is_free = |path: &PathBuf| {
        let is_there = path.symlink_metadata().is_ok();
        !is_there || matches!(look(path), Ok(Found::Free)) && !Lock::is_held(path)
    };
    std::iter::once(wanted.to_path_buf()).chain(numbered).filter(is_free)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|cause| write_error(path, &cause))
}

/// Refuses a place where a run must not be made.
fn refuse(path: &Path, overwrite: bool) -> Result<()> {
    let exists = |message: String| Error::new(ErrorCode::OutExists, message).file(path);
    let shown = path.display();
    match look(path)? {
        Found::Free => Ok(()),
        Found::Run if overwrite => Ok(()),
        Found::Run | Found::Foreign if Lock::is_held(path) => Err(lock::in_use(path)),
        Found::Run => {
            let finished = if path.join(RESULT).exists() { "a" } else { "an unfinished" };
            let resumable = path.join(CHECKPOINTS).join(LAST).is_file();
            let resume = format!("Go on with it (resume: '{shown}'), replace it");
            Err(exists(format!("{shown} holds {finished} run")).hint(format!(
                "{} (overwrite: true), or choose another folder with `out`.",
                if resumable { &resume } else { "Replace it" }
            )))
        }
        Found::Foreign => Err(exists(format!("{shown} holds files that no run wrote"))
            .hint("Choose a new or an empty folder with `out`.")),
    }
}

/// Looks without touching.
fn look(path: &Path) -> Result<Found> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Found::Free),
        Err(cause) => return Err(write_error(path, &cause)),
    };
    if is_run_config(&path.join(CONFIG)) {
        return Ok(Found::Run);
    }
    for entry in entries {
        let name = entry.map_err(|cause| write_error(path, &cause))?.file_name();
        if !is_beginning(path, &name.to_string_lossy()) {
            return Ok(Found::Foreign);
        }
    }
    Ok(Found::Free)
}

/// Whether a config.json is a run's, of whatever version, and not that of some other program.
fn is_run_config(path: &Path) -> bool {
    let Ok(text) = fs::read(path) else { return false };
    let Ok(config) = serde_json::from_slice::<serde_json::Value>(&text) else { return false };
    ["data", "model", "optimizer", "reasons"].iter().all(|key| config[key].is_object())
}

/// Whether a file may be there before config.json is: what is left of a run that was killed while
/// it began.
fn is_beginning(folder: &Path, name: &str) -> bool {
    let path = folder.join(name);
    match name {
        lock::NAME => true,
        CHECKPOINTS => fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()),
        metrics::JSONL => fs::metadata(path).is_ok_and(|file| file.len() == 0),
        metrics::CSV => fs::read(path).is_ok_and(|text| metrics::COLUMNS.as_bytes() == text),
        _ => is_temporary(name),
    }
}

/// Removes what a run writes, and nothing else. config.json, by which a run is known, goes last,
/// so that a removal that was cut short can be taken up again.
fn clear(path: &Path) -> std::io::Result<()> {
    remove_checkpoints(path, |name| matches!(name, LAST | BEST) || epoch_of(name).is_some())?;
    if let Ok(Some(events)) = tensorboard::found(path) {
        remove(&events)?;
    }
    for name in [REPORT, EVALUATION, RESULT, metrics::JSONL, metrics::CSV, ENVIRONMENT, CONFIG] {
        remove(&path.join(name))?;
    }
    Ok(())
}

/// Removes those checkpoints of a run whose names are `unwanted`.
fn remove_checkpoints(path: &Path, unwanted: impl Fn(&str) -> bool) -> std::io::Result<()> {
    let checkpoints = path.join(CHECKPOINTS);
    if checkpoints.is_dir() {
        for entry in fs::read_dir(&checkpoints)? {
            let entry = entry?;
            if unwanted(&entry.file_name().to_string_lossy()) {
                remove(&entry.path())?;
            }
        }
    }
    Ok(())
}

/// The epoch in the name of a checkpoint that was kept by epoch.
fn epoch_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("epoch-")?.strip_suffix(".safetensors")?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The epoch of the network that an evaluation.json is of.
fn evaluated_epoch(path: &Path) -> Option<u32> {
    #[derive(Deserialize)]
    struct Of {
        epoch: u32,
    }
    let text = fs::read(path).ok()?;
    serde_json::from_slice(&text).ok().map(|Of { epoch }| epoch)
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    /// A folder with a finished run in it.
    fn finished() -> TempDir {
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

    /// Every path below a folder, and every file's bytes.
    fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => all.extend(contents(&path)),
                false => all.push((path.clone(), fs::read(&path).unwrap())),
            }
        }
        all.sort();
        all
    }

    #[test]
    fn a_new_run_has_its_folder_and_a_way_to_every_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::create(&folder.path().join("runs/demo"), false).unwrap();
        assert!(run.path().is_absolute());
        let path = run.checkpoint_path(CheckpointKind::Epoch, 10);
        assert_eq!(path.file_name().unwrap(), "epoch-0010.safetensors");
        assert!(path.parent().unwrap().is_dir());
    }

    #[test]
    fn what_was_written_reads_back() {
        let folder = finished();
        let text = fs::read(folder.path().join(CONFIG)).unwrap();
        let written: ResolvedConfig = serde_json::from_slice(&text).unwrap();
        assert_eq!(written, config());
        let text = fs::read(folder.path().join(ENVIRONMENT)).unwrap();
        let environment: Environment = serde_json::from_slice(&text).unwrap();
        assert_eq!(environment.libtorch, "2.11.0");
    }

    #[test]
    fn a_run_is_not_written_over_unless_asked() {
        let folder = finished();
        let before = contents(folder.path());
        let error = RunDir::create(folder.path(), false).unwrap_err();
        assert_eq!(error.code, ErrorCode::OutExists);
        let hint = error.hint.unwrap();
        assert!(hint.contains("resume: '") && hint.contains("overwrite: true"), "{hint}");
        assert_eq!(contents(folder.path()), before);
    }

    #[test]
    fn of_many_who_want_a_folder_at_once_one_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo");
        let begin = || -> Result<()> { RunDir::create(&path, false)?.write_config(&config()) };
        let begun: Vec<_> = std::thread::scope(|scope| {
            let begun: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
            begun.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let refused = begun.iter().filter_map(|run| run.as_ref().err());
        assert!(refused.clone().all(|error| error.hint.is_some()));
        assert_eq!(refused.count(), 3);
    }

    #[test]
    fn a_run_that_never_saved_is_not_offered_for_resuming() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::create(folder.path(), false).unwrap();
        run.write_config(&config()).unwrap();
        drop(run);
        let error = RunDir::create(folder.path(), false).unwrap_err();
        assert!(error.message.ends_with("holds an unfinished run"), "{error}");
        assert!(error.hint.unwrap().starts_with("Replace it (overwrite: true)"));
    }

    #[test]
    fn overwriting_removes_the_run_and_nothing_else() {
        let folder = finished();
        let notes = [folder.path().join("notes.txt"), folder.path().join("checkpoints/mine.txt")];
        for note in &notes {
            fs::write(note, "mine").unwrap();
        }
        drop(RunDir::create(folder.path(), true).unwrap());
        let left: Vec<_> = contents(folder.path()).into_iter().map(|(path, _)| path).collect();
        let path = |name| folder.path().join(name);
        assert_eq!(left[0], path(".lock"));
        assert_eq!(
            left[1..],
            [notes[1].clone(), path("metrics.csv"), path("metrics.jsonl"), notes[0].clone()]
        );
    }

    #[test]
    fn somebodys_files_are_never_touched() {
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
    fn a_folder_in_use_is_refused_to_everybody_else() {
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
        assert!(!error.hint.unwrap().contains("`out`"), "a run stays in its folder");
        drop(run);
        RunDir::reopen(folder.path()).unwrap();
    }

    #[test]
    fn a_run_that_was_killed_while_it_began_leaves_a_free_folder() {
        let folder = tempfile::tempdir().unwrap();
        drop(RunDir::create(folder.path(), false).unwrap());
        fs::write(folder.path().join(".residual-x.tmp"), "half").unwrap();
        let run = RunDir::create(folder.path(), false).unwrap();
        assert!(!run.path().join(".residual-x.tmp").exists());
    }

    #[test]
    fn a_file_in_the_way_cannot_be_written_to() {
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
    fn a_read_only_place_cannot_be_written_to() {
        for path in ["/proc/runs/demo", "/sys/demo"] {
            let error = RunDir::create(Path::new(path), false).unwrap_err();
            assert_eq!(error.code, ErrorCode::Write, "{error}");
        }
    }

    #[test]
    fn whether_a_run_is_being_written_can_be_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!RunDir::is_in_use(&folder.path().join("none")));
        let run = RunDir::create(folder.path(), false).unwrap();
        assert!(RunDir::is_in_use(folder.path()));
        drop(run);
        assert!(!RunDir::is_in_use(folder.path()));
    }

    #[test]
    fn a_taken_name_is_numbered() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("demo");
        assert_eq!(free_dirs(&wanted).next().unwrap(), wanted);
        let _run = RunDir::create(&wanted, false).unwrap();
        fs::write(folder.path().join("demo-2"), "a file").unwrap();
        assert_eq!(free_dirs(&wanted).next().unwrap(), folder.path().join("demo-3"));
        let run = RunDir::create_numbered(&wanted).unwrap();
        assert_eq!(run.path(), folder.path().join("demo-3"));
    }

    #[test]
    fn no_number_is_sought_where_none_could_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("file/runs/demo");
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(free_dirs(&wanted).next().unwrap(), wanted);
        assert_eq!(RunDir::create_numbered(&wanted).unwrap_err().code, ErrorCode::Write);
    }

    #[test]
    fn runs_that_begin_at_once_all_get_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("demo");
        let runs: Vec<_> = std::thread::scope(|scope| {
            let begun: Vec<_> =
                (0..8).map(|_| scope.spawn(|| RunDir::create_numbered(&wanted).unwrap())).collect();
            begun.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let mut paths: Vec<_> = runs.iter().map(RunDir::path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 8);
    }

    #[test]
    fn a_run_gone_on_with_has_no_result_and_no_checkpoint_of_later_epochs() {
        let folder = finished();
        let mut run = RunDir::reopen(folder.path()).unwrap();
        run.rewind_to(10, 100).unwrap();
        assert!(folder.path().join(EVALUATION).exists(), "of an epoch that stays");
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
