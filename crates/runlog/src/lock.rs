//! One run at a time in a folder. The operating system holds the lock for us, so it ends with the
//! process, however that ends; the file itself stays, for removing it would let two in.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use residual_spec::{Error, ErrorCode, Result};

use residual_fs::write_error;

pub(crate) const NAME: &str = ".lock";

/// Held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes a folder's lock, making its file where there is none.
    ///
    /// # Errors
    /// `E_OUT_IN_USE` if it is held, in this process or another; `E_WRITE`.
    pub(crate) fn take(folder: &Path) -> Result<Lock> {
        let path = folder.join(NAME);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|cause| write_error(folder, &cause))?;
        let mut tried = file.try_lock();
        // Somebody else's look ([`Lock::is_held`]) is over in a moment; a run is not.
        for _ in 0..20 {
            if !matches!(tried, Err(TryLockError::WouldBlock)) {
                break;
            }
            sleep(Duration::from_millis(10));
            tried = file.try_lock();
        }
        match tried {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(in_use(folder)),
            // Some network file systems have no locks; better no lock there than no training.
            Err(TryLockError::Error(cause)) if cause.kind() == ErrorKind::Unsupported => {
                Ok(Lock { _file: file })
            }
            Err(TryLockError::Error(cause)) => Err(write_error(&path, &cause)),
        }
    }

    /// Whether somebody holds a folder's lock, without making or changing anything.
    pub(crate) fn is_held(folder: &Path) -> bool {
        let file = File::open(folder.join(NAME));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

pub(crate) fn in_use(folder: &Path) -> Error {
    let message = format!("another run is writing to {}", folder.display());
    Error::new(ErrorCode::OutInUse, message)
        .file(folder)
        .hint("Wait for it, stop it, or choose another folder with `out`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_in_between_costs_nobody_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let look = File::create(folder.path().join(NAME)).unwrap();
        look.lock_shared().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                sleep(Duration::from_millis(30));
                drop(look);
            });
            Lock::take(folder.path()).unwrap();
        });
    }

    #[test]
    fn a_folder_is_locked_once_and_free_again_after() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!Lock::is_held(folder.path()));
        let lock = Lock::take(folder.path()).unwrap();
        assert!(Lock::is_held(folder.path()));
        assert_eq!(Lock::take(folder.path()).unwrap_err().code, ErrorCode::OutInUse);
        drop(lock);
        assert!(!Lock::is_held(folder.path()));
        Lock::take(folder.path()).unwrap();
    }
}
