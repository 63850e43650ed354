//! Files that are either the old or the new one, whatever happens in between.

use std::fs;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use residual_spec::{Error, Result};
use tempfile::Builder;

const PREFIX: &str = ".residual-";
const SUFFIX: &str = ".tmp";

/// Writes a file so that at every moment, a crash or a power cut included, `path` is either what
/// it was before or what `write` wrote in full: a temporary file in the same folder is written,
/// synced and renamed over it. Where writing fails, the temporary file is removed again.
///
/// # Errors
/// `E_WRITE`.
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
    // Temporary files are private by default; this one becomes a file like any other.
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

/// Makes a rename in this folder last through a power cut, where its file system can.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match fs::File::open(folder)?.sync_all() {
        Err(cause) if matches!(cause.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

/// Windows offers no such call; NTFS journals its renames.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// `E_WRITE`, with the hint that fits its cause.
pub fn write_error(path: &Path, cause: &io::Error) -> Error {
    let error = Error::write(path, cause);
    match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            error.hint("Make room on this disk, or choose a folder on another one with `out`.")
        }
        _ => error,
    }
}

/// Removes what a killed process was in the middle of writing in this folder.
pub fn remove_temporary_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_temporary(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

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
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        write_atomically(&path, |file| file.write_all(b"old")).unwrap();

        let error = write_atomically(&path, |file| {
            file.write_all(&[b'n'; 100_000])?;
            Err(ErrorKind::StorageFull.into())
        })
        .unwrap_err();

        assert_eq!(error.code, ErrorCode::Write);
        assert!(error.hint.unwrap().starts_with("Make room"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["config.json"]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("config.json");
        let error = write_atomically(&path, |file| file.write_all(b"new")).unwrap_err();
        assert_eq!(error.code, ErrorCode::Write);
        assert_eq!(error.at.file, Some(path.display().to_string()));
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_the_umask_lets_them() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (plain, ours) = (folder.path().join("plain"), folder.path().join("ours"));
        fs::write(&plain, "").unwrap();
        write_atomically(&ours, |_| Ok(())).unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(ours), mode(plain));
    }
}
