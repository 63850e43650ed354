//! A text file that grows by whole lines and can be cut back to an earlier one.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use residual_spec::Result;

use residual_fs::write_error;

#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: File,
    end: u64,
}

/// What a line is to a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Before,
    After,
    /// Not a line that we wrote: kept where one that we wrote follows, cut at the end.
    Unknown,
}

impl Lines {
    /// Opens a file to go on at its end, making it where there is none.
    pub(crate) fn open(path: &Path) -> Result<Lines> {
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(|cause| write_error(path, &cause))?;
        let end = file.metadata().map_err(|cause| write_error(path, &cause))?.len();
        Ok(Lines { path: path.to_path_buf(), file, end })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Appends a line, its newline included, all of it or nothing.
    pub(crate) fn append(&mut self, line: &[u8]) -> Result<()> {
        let written =
            self.file.seek(SeekFrom::Start(self.end)).and_then(|_| self.file.write_all(line));
        if let Err(cause) = written {
            // If even this fails, the next cut finds the torn line.
            let _ = self.file.set_len(self.end);
            return Err(write_error(&self.path, &cause));
        }
        self.end += line.len() as u64;
        Ok(())
    }

    /// Drops the first line whose place is `After`, all that follows it, and a last line that is
    /// not whole. Nothing is rewritten, so there is no moment at which a crash could lose a line
    /// that stays.
    pub(crate) fn cut(&mut self, place: impl Fn(&[u8]) -> Place) -> Result<()> {
        let cut = self.kept(place).and_then(|kept| {
            self.file.set_len(kept)?;
            self.file.sync_all()?;
            Ok(kept)
        });
        self.end = cut.map_err(|cause| write_error(&self.path, &cause))?;
        Ok(())
    }

    /// Bytes up to the end of the last line that stays.
    fn kept(&mut self, place: impl Fn(&[u8]) -> Place) -> std::io::Result<u64> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(&self.file);
        let (mut at, mut kept) = (0, 0);
        let mut line = Vec::new();
        loop {
            line.clear();
            at += reader.read_until(b'\n', &mut line)? as u64;
            let whole = line.pop() == Some(b'\n');
            match place(&line) {
                _ if !whole => return Ok(kept),
                Place::Before => kept = at,
                Place::After => return Ok(kept),
                Place::Unknown => {}
            }
        }
    }

    /// Makes what was appended last through a power cut.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|cause| write_error(&self.path, &cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_at(text: &str, most: u64) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, text).unwrap();
        let mut lines = Lines::open(&path).unwrap();
        lines
            .cut(|line| match str::from_utf8(line).unwrap().parse::<u64>() {
                Ok(number) if number > most => Place::After,
                Ok(_) => Place::Before,
                Err(_) => Place::Unknown,
            })
            .unwrap();
        lines.append(b"new\n").unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn everything_from_the_first_later_line_on_is_cut() {
        assert_eq!(cut_at("1\n2\n3\n4\n", 2), "1\n2\nnew\n");
        assert_eq!(cut_at("1\n2\n", 0), "new\n");
        assert_eq!(cut_at("", 0), "new\n");
    }

    #[test]
    fn a_torn_last_line_is_cut_even_if_it_could_be_read() {
        assert_eq!(cut_at("1\n2345", 9999), "1\nnew\n");
        assert_eq!(cut_at("1\n\0\0\0\n", 9), "1\nnew\n");
    }

    #[test]
    fn a_strange_line_in_the_middle_stays() {
        assert_eq!(cut_at("1\n# my note\n2\n3\n", 2), "1\n# my note\n2\nnew\n");
    }
}
