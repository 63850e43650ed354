//! An append-only text file that can be truncated at a line.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use residual_spec::{Error, Result};

use residual_fs::{write_atomically, write_error};

use crate::regular_file;

/// Text file open for appending and truncation.
#[derive(Debug)]
pub(crate) struct LineFile {
    path: PathBuf,
    file: File,
    /// Length in bytes.
    end: u64,
}

/// Position of a line relative to the point of truncation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinePosition {
    Before,
    After,
    /// The position cannot be parsed. The line is kept if a [`LinePosition::Before`] line follows.
    Unknown,
}

impl LineFile {
    /// Opens a file, which is created if it is missing. Refuses links.
    pub(crate) fn open(path: &Path) -> Result<LineFile> {
        let opened = regular_file::open_for_update(path);
        let file = opened.map_err(|cause| write_error(path, &cause))?;
        let end = file.metadata().map_err(|cause| write_error(path, &cause))?.len();
        Ok(LineFile { path: path.to_path_buf(), file, end })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Appends a complete line with its newline, or nothing if writing fails.
    pub(crate) fn append(&mut self, line: &[u8]) -> Result<()> {
        let written =
            self.file.seek(SeekFrom::Start(self.end)).and_then(|_| self.file.write_all(line));
        if let Err(cause) = written {
            // If this fails as well, the next truncation removes the incomplete line.
            let _ = self.file.set_len(self.end);
            return Err(write_error(&self.path, &cause));
        }
        self.end += line.len() as u64;
        Ok(())
    }

    /// Removes the first line that is [`LinePosition::After`], all lines that follow it, and an
    /// incomplete last line. Only the file's length changes, so a crash cannot lose a kept line.
    pub(crate) fn truncate(&mut self, position: impl Fn(&[u8]) -> LinePosition) -> Result<()> {
        let truncated = self.kept_len(position).and_then(|kept| {
            self.file.set_len(kept)?;
            self.file.sync_all()?;
            Ok(kept)
        });
        self.end = truncated.map_err(|cause| write_error(&self.path, &cause))?;
        Ok(())
    }

    /// Calls `visit` with each line, without its newline.
    pub(crate) fn for_each_line(&mut self, mut visit: impl FnMut(&[u8])) -> Result<()> {
        let read = self.file.seek(SeekFrom::Start(0)).and_then(|_| {
            let mut reader = BufReader::new(&self.file);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line)? > 0 {
                visit(line.strip_suffix(b"\n").unwrap_or(&line));
                line.clear();
            }
            Ok(())
        });
        read.map_err(|cause| Error::read(&self.path, &cause))
    }

    /// Replaces the contents. If this fails, for example on a full disk, the file is unchanged.
    pub(crate) fn replace(&mut self, contents: &[u8]) -> Result<()> {
        write_atomically(&self.path, |file| file.write_all(contents))?;
        *self = LineFile::open(&self.path)?;
        Ok(())
    }

    /// Returns the number of bytes up to the end of the last kept line.
    fn kept_len(&mut self, position: impl Fn(&[u8]) -> LinePosition) -> std::io::Result<u64> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(&self.file);
        let (mut offset, mut kept) = (0, 0);
        let mut line = Vec::new();
        loop {
            line.clear();
            offset += reader.read_until(b'\n', &mut line)? as u64;
            let is_complete = line.pop() == Some(b'\n');
            match position(&line) {
                _ if !is_complete => return Ok(kept),
                LinePosition::Before => kept = offset,
                LinePosition::After => return Ok(kept),
                LinePosition::Unknown => {}
            }
        }
    }

    /// Syncs the appended lines to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|cause| write_error(&self.path, &cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truncate_after(text: &str, max: u64) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, text).unwrap();
        let mut file = LineFile::open(&path).unwrap();
        file.truncate(|line| match str::from_utf8(line).unwrap().parse::<u64>() {
            Ok(number) if number > max => LinePosition::After,
            Ok(_) => LinePosition::Before,
            Err(_) => LinePosition::Unknown,
        })
        .unwrap();
        file.append(b"new\n").unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn removes_the_first_later_line_and_all_that_follow() {
        assert_eq!(truncate_after("1\n2\n3\n4\n", 2), "1\n2\nnew\n");
        assert_eq!(truncate_after("1\n2\n", 0), "new\n");
        assert_eq!(truncate_after("", 0), "new\n");
    }

    #[test]
    fn removes_an_incomplete_last_line_even_if_it_parses() {
        assert_eq!(truncate_after("1\n2345", 9999), "1\nnew\n");
        assert_eq!(truncate_after("1\n\0\0\0\n", 9), "1\nnew\n");
    }

    #[test]
    fn keeps_an_unknown_line_before_a_kept_one() {
        assert_eq!(truncate_after("1\n# my note\n2\n3\n", 2), "1\n# my note\n2\nnew\n");
    }
}
