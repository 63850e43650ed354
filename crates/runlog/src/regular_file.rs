//! Access to the files of a run folder, which may come from another machine: a link must not
//! redirect writes out of the folder, and a named pipe must not block.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Reads a regular file, or the regular file that a link points to.
///
/// # Errors
/// `InvalidInput` for a folder, named pipe or device.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(refuse("it is not a regular file"));
    }
    fs::read(path)
}

/// Opens a regular file for reading and writing. Creates it if it is missing. Refuses symbolic
/// links, whose targets would be changed.
///
/// # Errors
/// `InvalidInput` for a symbolic link, folder, named pipe or device.
pub(crate) fn open_for_update(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return Err(refuse("it is a symbolic link")),
        Ok(found) if !found.is_file() => return Err(refuse("it is not a regular file")),
        Ok(_) => {}
        Err(cause) if cause.kind() == ErrorKind::NotFound => {}
        Err(cause) => return Err(cause),
    }
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn refuse(reason: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, reason)
}
