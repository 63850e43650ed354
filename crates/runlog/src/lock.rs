//! The lock of a run folder: an advisory file lock (`flock`, `LockFileEx`) on `.lock`.
//!
//! The operating system releases the lock when the process ends, even by a crash. The file is never
//! removed: otherwise two processes could lock different files of the same name.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use residual_spec::{Error, ErrorCode, Result};

use residual_fs::write_error;

use crate::regular_file;

pub(crate) const NAME: &str = ".lock";

/// Exclusive lock on a folder, released on drop.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Locks a folder. Creates the lock file if it is missing.
    ///
    /// # Errors
    /// `E_OUT_IN_USE` if this or another process holds the lock; `E_WRITE` if locking fails.
    pub(crate) fn acquire(folder: &Path) -> Result<Lock> {
        let path = folder.join(NAME);
        let opened = regular_file::open_for_update(&path);
        let file = opened.map_err(|cause| match cause.kind() {
            ErrorKind::InvalidInput => write_error(&path, &cause),
            _ => write_error(folder, &cause),
        })?;
        let mut attempt = file.try_lock();
        // A concurrent [`Lock::is_held`] holds a shared lock briefly: retry for 200 ms.
        for _ in 0..20 {
            if !matches!(attempt, Err(TryLockError::WouldBlock)) {
                break;
            }
            sleep(Duration::from_millis(10));
            attempt = file.try_lock();
        }
        match attempt {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(in_use(folder)),
            // Some network file systems have no locks: train without one rather than fail.
            Err(TryLockError::Error(cause)) if cause.kind() == ErrorKind::Unsupported => {
                Ok(Lock { _file: file })
            }
            Err(TryLockError::Error(cause)) => Err(write_error(&path, &cause)),
        }
    }

    /// Returns whether any process holds the lock of a folder. Creates no file.
    pub(crate) fn is_held(folder: &Path) -> bool {
        let path = folder.join(NAME);
        // Opening a named pipe would block.
        let is_file = path.metadata().is_ok_and(|found| found.is_file());
        let file = is_file.then(|| File::open(path));
        file.and_then(io::Result::ok)
            .is_some_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// Returns the `E_OUT_IN_USE` error for a folder.
pub(crate) fn in_use(folder: &Path) -> Error {
    let message = format!("another run is writing to {}", folder.display());
    Error::new(ErrorCode::OutInUse, message)
        .file(folder)
        .hint("Wait until it ends, stop it, or choose another folder with `out`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acquire_waits_for_a_concurrent_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let reader = File::create(folder.path().join(NAME)).unwrap();
        reader.lock_shared().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                sleep(Duration::from_millis(30));
                drop(reader);
            });
            Lock::acquire(folder.path()).unwrap();
        });
    }

    #[test]
    fn locks_a_folder_once_until_drop() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!Lock::is_held(folder.path()));
        let lock = Lock::acquire(folder.path()).unwrap();
        assert!(Lock::is_held(folder.path()));
        assert_eq!(Lock::acquire(folder.path()).unwrap_err().code, ErrorCode::OutInUse);
        drop(lock);
        assert!(!Lock::is_held(folder.path()));
        Lock::acquire(folder.path()).unwrap();
    }
}
