//! Folders inside a data set that are never part of it: those of operating systems and other
//! programs, and run folders.

use std::path::{Path, PathBuf};

use residual_spec::{ErrorCode, WarningEvent};

/// Names of system folders in lower case: archives of macOS, thumbnails and recycle bins of
/// Synology and QNAP, recycle bins of Windows, file system recovery, caches and logs of Python and
/// Node programs.
const SYSTEM_FOLDERS: [&str; 24] = [
    "__macosx",
    "@eadir",
    "@tmp",
    "@sharebin",
    "@transcode",
    "@recycle",
    "@recently-snapshot",
    "@__thumb",
    "#recycle",
    "#snapshot",
    "~snapshot",
    "$recycle.bin",
    "recycler",
    "recycled",
    "system volume information",
    "lost+found",
    "network trash folder",
    "temporary items",
    "__pycache__",
    "node_modules",
    "wandb",
    "mlruns",
    "lightning_logs",
    "tb_logs",
];
/// Name of the folder in which runs are created by default.
const RUNS: &str = "runs";
/// Maximum number of folders that a warning names.
const MAX_NAMED: usize = 5;

/// Returns whether a folder belongs to an operating system or another program.
fn is_system_folder(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.to_ascii_lowercase();
    // Windows numbers the folders of recovered files: found.000, found.001, ...
    let is_recovered = name.strip_prefix("found.").is_some_and(|number| {
        number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    is_recovered || SYSTEM_FOLDERS.contains(&name.as_str())
}

/// Returns whether a folder is a run folder, or a folder `runs` with run folders. They are ignored
/// because the files of a running training appear and disappear while a data set is read.
fn contains_runs(folder: &Path) -> bool {
    let is_run = |folder: &Path| {
        folder.join("config.json").is_file()
            && (folder.join("checkpoints").is_dir() || folder.join("metrics.jsonl").is_file())
    };
    if folder.file_name() != Some(RUNS.as_ref()) {
        return is_run(folder);
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut children = entries.map(|entry| entry.path());
    children.any(|child| child.join("config.json").is_file() || child.join("checkpoints").is_dir())
}

/// The ignored folders of a data set.
#[derive(Default)]
pub(crate) struct IgnoredFolders {
    system: Vec<PathBuf>,
    runs: Vec<PathBuf>,
}

impl IgnoredFolders {
    /// Adds a folder if it must be ignored, and returns whether it must.
    pub fn add_if_ignored(&mut self, folder: &Path) -> bool {
        if is_system_folder(folder) {
            self.system.push(folder.into());
        } else if contains_runs(folder) {
            self.runs.push(folder.into());
        } else {
            return false;
        }
        true
    }

    /// Adds the ignored folders of another listing.
    pub fn extend(&mut self, other: IgnoredFolders) {
        self.system.extend(other.system);
        self.runs.extend(other.runs);
    }

    /// Returns at most one warning for each kind of folder. Paths are relative to `root`.
    pub fn warnings(&self, root: &Path) -> Vec<WarningEvent> {
        let kinds = [
            ("of the operating system or another program", &self.system),
            ("with runs of residual", &self.runs),
        ];
        let kinds = kinds.into_iter().filter(|(_, folders)| !folders.is_empty());
        kinds
            .map(|(kind, folders)| WarningEvent {
                code: ErrorCode::DataUnusable,
                message: format!(
                    "skipped {} {kind}: {}",
                    format_count(folders),
                    format_paths(root, folders)
                ),
                file: None,
                hint: None,
            })
            .collect()
    }
}

fn format_count(folders: &[PathBuf]) -> String {
    match folders.len() {
        1 => "a folder".into(),
        count => format!("{count} folders"),
    }
}

/// Formats the paths of folders relative to `root`, separated by commas: the first
/// [`MAX_NAMED`], then an ellipsis.
pub(crate) fn format_paths(root: &Path, folders: &[PathBuf]) -> String {
    let relative =
        |folder: &PathBuf| folder.strip_prefix(root).unwrap_or(folder).display().to_string();
    let mut names: Vec<String> = folders.iter().take(MAX_NAMED).map(relative).collect();
    if folders.len() > MAX_NAMED {
        names.push("...".into());
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_system_folders_in_any_case_and_run_folders_by_their_files() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["run/checkpoints", "runs/photos-resnet18", "config/sub", "other/runs/x"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in ["run/config.json", "runs/photos-resnet18/config.json", "config/config.json"] {
            std::fs::write(root.path().join(file), "{}").unwrap();
        }
        let mut ignored = IgnoredFolders::default();
        let mut is_ignored = |name: &str| ignored.add_if_ignored(&root.path().join(name));
        for name in ["__MACOSX", "@eaDir", "RECYCLER", "FOUND.001", "run", "runs"] {
            assert!(is_ignored(name), "{name}");
        }
        // A class may be named runs, and may contain a file config.json.
        for name in ["ant", "eaDir", "found.cat", "config", "other", "other/runs"] {
            assert!(!is_ignored(name), "{name}");
        }
        let messages: Vec<String> =
            ignored.warnings(root.path()).into_iter().map(|warning| warning.message).collect();
        assert_eq!(messages.len(), 2);
        assert!(messages[0].starts_with("skipped 4 folders of the operating system"));
        assert!(messages[0].ends_with(": __MACOSX, @eaDir, RECYCLER, FOUND.001"));
        assert_eq!(messages[1], "skipped 2 folders with runs of residual: run, runs");
    }
}
