//! Atomic file replacement: write a temporary file, sync it, rename it over the target.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use residual_spec::{Error, Result};
use tempfile::Builder;

const PREFIX: &str = ".residual-";
const SUFFIX: &str = ".tmp";

/// Time since the last modification after which an unlocked temporary file is stale. Covers the
/// moment between the creation of a file and its lock.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// Buffered writer of a temporary file; seekable, so that a header can be completed at the end.
pub type AtomicWriter<'f> = BufWriter<&'f File>;

/// Replaces the file at `path` atomically by the output of `write`.
///
/// The contents go to a temporary file in the same folder, which is synced and then renamed over
/// `path`. After a crash or a power cut, `path` holds either the old or the complete new contents.
/// The temporary file is removed if writing fails. Temporary files that killed processes left in
/// the folder are removed, too.
///
/// # Errors
/// `E_WRITE` if the file cannot be written; `path` is then unchanged.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut AtomicWriter) -> io::Result<()>,
) -> Result<()> {
    try_write(path, write).map_err(|cause| write_error(path, &cause))
}

fn try_write(
    path: &Path,
    write: impl FnOnce(&mut AtomicWriter) -> io::Result<()>,
) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    // Temporary files are private by default; the final file gets the permissions of the umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    remove_stale_files(folder);
    let temporary = builder.tempfile_in(folder)?;
    // The lock ends with the process and marks the file as in use. Without locks (some network file
    // systems), the file is never considered stale.
    let _ = temporary.as_file().try_lock();

    let mut buffered = BufWriter::new(temporary.as_file());
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    sync_folder(folder)
}

/// Syncs a folder, so that a rename in the folder survives a power cut. Does nothing on file
/// systems that cannot sync folders.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(cause) if matches!(cause.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

/// Does nothing: Windows has no call to sync a folder, and NTFS journals renames.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Returns the `E_WRITE` error for a failed write to `path`, with a hint for a full disk or a
/// limit of the file size.
pub fn write_error(path: &Path, cause: &io::Error) -> Error {
    let error = Error::write(path, cause);
    match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            error.hint("Free space on this disk, or write to another disk with `out`.")
        }
        ErrorKind::FileTooLarge => error.hint(
            "Raise the limit of file sizes (`ulimit -f`), or write to another disk with `out`.",
        ),
        _ => error,
    }
}

/// Removes the temporary files that killed processes left in a folder which other processes may
/// write to. Files that cannot be removed do not affect the caller.
fn remove_stale_files(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if is_temporary(&entry.file_name().to_string_lossy()) && is_stale(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Returns whether no process writes to a temporary file any more.
fn is_stale(path: &Path) -> bool {
    let metadata = path.symlink_metadata();
    // Opening a named pipe would block.
    if !metadata.as_ref().is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let modified = metadata.and_then(|metadata| metadata.modified());
    let age = modified.ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    age.is_some_and(|age| age > STALE_AFTER)
        && File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// Removes the temporary files in `folder`, which no other process may write to.
///
/// # Errors
/// Any I/O error of listing the folder or removing a file.
pub fn remove_temporary_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_temporary(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Returns whether `name` is the file name of a temporary file of [`write_atomically`].
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::ErrorCode;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_failed_write_does_not_change_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        write_atomically(&path, |file| file.write_all(b"old")).unwrap();

        let error = write_atomically(&path, |file| {
            file.write_all(&[b'n'; 100_000])?;
            Err(ErrorKind::StorageFull.into())
        })
        .unwrap_err();

        assert_eq!(error.code, ErrorCode::Write);
        assert!(error.hint.unwrap().starts_with("Free space"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["config.json"]);
    }

    #[test]
    fn names_the_path_when_the_folder_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("config.json");
        let error = write_atomically(&path, |file| file.write_all(b"new")).unwrap_err();
        assert_eq!(error.code, ErrorCode::Write);
        assert_eq!(error.at.file, Some(path.display().to_string()));
    }

    #[test]
    fn removes_stale_temporary_files_but_none_that_is_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let create = |name: &str, age| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
            file
        };
        let locked = create(".residual-locked.tmp", 2 * STALE_AFTER);
        locked.try_lock().unwrap();
        create(".residual-stale.tmp", 2 * STALE_AFTER);
        create(".residual-new.tmp", Duration::ZERO);
        create("mine.tmp", 2 * STALE_AFTER);
        write_atomically(&folder.path().join("a"), |file| file.write_all(b"new")).unwrap();
        let mut remaining = names(folder.path());
        remaining.sort();
        let expected = [".residual-locked.tmp", ".residual-new.tmp", "a", "mine.tmp"];
        assert_eq!(remaining, expected);
    }

    #[cfg(unix)]
    #[test]
    fn gives_the_file_the_permissions_of_the_umask() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (plain, atomic) = (folder.path().join("plain"), folder.path().join("atomic"));
        fs::write(&plain, "").unwrap();
        write_atomically(&atomic, |_| Ok(())).unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(atomic), mode(plain));
    }
}
