//! Files and folders inside a data set that are never part of it: folders of operating systems and
//! other programs, run folders, and leftovers: backups, temporary files and incomplete downloads.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use residual_spec::{ErrorCode, WarningEvent};

use super::image_extension::has_image_extension;

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
/// Extensions of backups and temporary files of editors, and of incomplete downloads, in lower
/// case.
const LEFTOVER_EXTENSIONS: [&str; 22] = [
    "bak",
    "backup",
    "old",
    "orig",
    "rej",
    "sav",
    "swp",
    "swo",
    "swx",
    "tmp",
    "temp",
    "part",
    "partial",
    "filepart",
    "crdownload",
    "opdownload",
    "download",
    "downloading",
    "aria2",
    "!ut",
    "!qb",
    "incomplete",
];
/// Name of the folder in which runs are created by default.
const RUNS: &str = "runs";
/// Maximum number of files and folders that a warning names.
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

/// Returns whether the name of a file or folder is that of a backup or a temporary file of an
/// editor, or of an incomplete download: `0.png~`, `#0.png#`, `~$0.png`, `0.png.bak`, `0.tmp`.
///
/// Such a file is not part of a data set, even if it is an image by content: it is a copy of an
/// image beside it, or incomplete.
pub(crate) fn is_leftover(name: &str) -> bool {
    let extension = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => extension.to_ascii_lowercase(),
        _ => String::new(),
    };
    (name.len() > 1 && name.ends_with('~'))
        || name.starts_with("~$")
        || name.starts_with(".#")
        || (name.len() > 2 && name.starts_with('#') && name.ends_with('#'))
        || is_numbered_backup(&extension)
        || LEFTOVER_EXTENSIONS.contains(&extension.as_str())
}

/// Returns whether an extension is that of a backup with a number: `bak1`, `~1~`, `part01`.
fn is_numbered_backup(extension: &str) -> bool {
    let word = extension.trim_end_matches(|c: char| c.is_ascii_digit());
    word.len() < extension.len() && matches!(word, "bak" | "part" | "tmp")
}

/// Returns the file name of a path, with replacements for bytes that are not UTF-8.
fn file_name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// Returns whether a leftover may be an image or a shard: whether the name before its ending has
/// the extension of one, or none.
fn may_be_data(name: &str) -> bool {
    let is_data = |name: &Path| {
        has_image_extension(name) || name.extension().is_some_and(|extension| extension == "tar")
    };
    let name = name.trim_start_matches(['~', '$', '#', '.']).trim_end_matches(['~', '#']);
    let name = Path::new(name);
    let stem = match name.extension() {
        // `~1` is the rest of `~1~`.
        Some(extension)
            if is_leftover(&name.to_string_lossy())
                || extension.as_encoded_bytes().starts_with(b"~") =>
        {
            Path::new(name.file_stem().unwrap_or_default())
        }
        _ => name,
    };
    stem.extension().is_none() || is_data(stem)
}

/// The ignored files and folders of a data set.
#[derive(Default)]
pub(crate) struct IgnoredEntries {
    system: Vec<PathBuf>,
    runs: Vec<PathBuf>,
    leftovers: Vec<PathBuf>,
}

impl IgnoredEntries {
    /// Adds a file if it must be ignored, and returns whether it must. Leftovers of other files
    /// (`notes.txt~`) are not reported, as other files without an image are not.
    pub fn add_file_if_ignored(&mut self, file: &Path) -> bool {
        let name = file_name(file);
        let is_ignored = is_leftover(&name);
        if is_ignored && may_be_data(&name) {
            self.leftovers.push(file.into());
        }
        is_ignored
    }

    /// Adds a folder if it must be ignored, and returns whether it must.
    pub fn add_folder_if_ignored(&mut self, folder: &Path) -> bool {
        if is_system_folder(folder) {
            self.system.push(folder.into());
        } else if is_leftover(&file_name(folder)) {
            self.leftovers.push(folder.into());
        } else if contains_runs(folder) {
            self.runs.push(folder.into());
        } else {
            return false;
        }
        true
    }

    /// Adds the ignored entries of another listing.
    pub fn extend(&mut self, other: IgnoredEntries) {
        self.system.extend(other.system);
        self.runs.extend(other.runs);
        self.leftovers.extend(other.leftovers);
    }

    /// Returns the text of the warning about backups and incomplete downloads, if there are any.
    pub fn leftovers_message(&self, root: &Path) -> Option<String> {
        let leftovers = self.leftovers.clone();
        let only = IgnoredEntries { leftovers, ..IgnoredEntries::default() };
        only.warnings(root).pop().map(|warning| warning.message)
    }

    /// Returns at most one warning for each kind of entry. Paths are relative to `root`.
    pub fn warnings(&self, root: &Path) -> Vec<WarningEvent> {
        let kinds = [
            (
                &self.system,
                [
                    "a folder of the operating system or another program",
                    "folders of the operating system or another program",
                ],
            ),
            (&self.runs, ["a folder with runs of residual", "folders with runs of residual"]),
            (
                &self.leftovers,
                [
                    "a backup, temporary file or incomplete download",
                    "backups, temporary files or incomplete downloads",
                ],
            ),
        ];
        let kinds = kinds.into_iter().filter(|(paths, _)| !paths.is_empty());
        kinds
            .map(|(paths, [one, many])| WarningEvent {
                code: ErrorCode::DataUnusable,
                message: match paths.len() {
                    1 => format!("skipped {one}: {}", format_paths(root, paths)),
                    n => format!("skipped {n} {many}: {}", format_paths(root, paths)),
                },
                file: None,
                hint: None,
            })
            .collect()
    }
}

/// Formats paths relative to `root`, sorted and separated by commas: the first [`MAX_NAMED`], then
/// an ellipsis.
pub(crate) fn format_paths(root: &Path, paths: &[PathBuf]) -> String {
    let mut sorted: Vec<&Path> =
        paths.iter().map(|path| path.strip_prefix(root).unwrap_or(path)).collect();
    sorted.sort_unstable();
    let mut names: Vec<String> =
        sorted.iter().take(MAX_NAMED).map(|path| path.display().to_string()).collect();
    if paths.len() > MAX_NAMED {
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
        let mut ignored = IgnoredEntries::default();
        let mut is_ignored = |name: &str| ignored.add_folder_if_ignored(&root.path().join(name));
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
        assert!(messages[0].ends_with(": @eaDir, FOUND.001, RECYCLER, __MACOSX"));
        assert_eq!(messages[1], "skipped 2 folders with runs of residual: run, runs");
    }

    #[test]
    fn recognizes_leftovers_of_editors_and_downloads_by_name() {
        for name in [
            "0.png~",
            "0~",
            "#0.png#",
            ".#0.png",
            "~$0.png",
            "0.png.bak",
            "0.BAK",
            "0.bak2",
            "0.png.~1~",
            "0.part",
            "0.jpg.part01",
            "0.jpg.crdownload",
            "x.tmp",
            "0.png.orig",
            "0.download",
            "0.swp",
            "0.png.!qB",
            "cats.bak",
        ] {
            assert!(is_leftover(name), "{name}");
        }
        for name in [
            "0.png",
            "part",
            "tmp",
            "old",
            "0.part.png",
            "~0.png",
            "#0.png",
            "a.old.jpg",
            "~",
            "bak",
        ] {
            assert!(!is_leftover(name), "{name}");
        }
        let mut ignored = IgnoredEntries::default();
        let names = [
            "ant/0.png~",
            "ant/0.png.~1~",
            "ant/Unconfirmed 1.crdownload",
            "ant/notes.txt~",
            "x.csv.bak",
        ];
        for name in names {
            assert!(ignored.add_file_if_ignored(&Path::new("root").join(name)), "{name}");
        }
        let [warning] = &ignored.warnings(Path::new("root"))[..] else { panic!("one warning") };
        assert_eq!(
            warning.message,
            "skipped 3 backups, temporary files or incomplete downloads: ant/0.png.~1~, \
             ant/0.png~, ant/Unconfirmed 1.crdownload"
        );
    }
}
