//! Atomic file replacement: write a temporary file, sync it, rename it over the target.

use std::fs;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use residual_spec::{Error, Result};
use tempfile::Builder;

const PREFIX: &str = ".residual-";
const SUFFIX: &str = ".tmp";

/// Replaces the file at `path` atomically by the output of `write`.
///
/// The contents go to a temporary file in the same folder, which is synced and then renamed over
/// `path`. After a crash or a power cut, `path` holds either the old or the complete new contents.
/// The temporary file is removed if writing fails.
///
/// # Errors
/// `E_WRITE` if the file cannot be written; `path` is then unchanged.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    try_write(path, write).map_err(|cause| write_error(path, &cause))
}

fn try_write(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    // Temporary files are private by default; the final file gets the permissions of the umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.tempfile_in(folder)?;

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
    match fs::File::open(folder)?.sync_all() {
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

/// Returns the `E_WRITE` error for a failed write to `path`, with a hint for a full disk.
pub fn write_error(path: &Path, cause: &io::Error) -> Error {
    let error = Error::write(path, cause);
    match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            error.hint("Free space on this disk, or write to another disk with `out`.")
        }
        _ => error,
    }
}

/// Removes the temporary files that a killed process left in `folder`.
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
