//! Access to the files of a run folder, which may come from another machine: a link must not lead
//! out of the folder, and a named pipe must not block.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// Reads a regular file, or the regular file that a link points to.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    fs::read(path)
}

/// Opens a regular file for reading and writing. Creates it if it is missing. Refuses symbolic
/// links, whose targets would be changed.
pub(crate) fn open_for_update(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a symbolic link"));
        }
        Ok(found) if !found.is_file() => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(_) => {}
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(cause),
    }
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}
