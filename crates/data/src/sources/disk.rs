//! Images that stay on disk and are read whenever they are needed: from files of their own, or out
//! of archives.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use residual_spec::{Error, Result};

use crate::decode::decode_wanted;
use crate::decode::header::{Header, HeaderError};
use crate::sources::files::{open_file, read_into};
use crate::{Image, Look, Source, Wanted};

/// No larger file is read into memory.
const MAX_BYTES: u64 = 1 << 30;
/// Room that a thread keeps for its next file, at most.
const MAX_ROOM: usize = 8 << 20;

/// Where an image's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum ImageLocation {
    File(Arc<Path>),
    /// A part of an uncompressed archive.
    Member {
        archive: Arc<Path>,
        name: Box<str>,
        offset: u64,
        bytes: u64,
    },
}

impl ImageLocation {
    /// The file on disk.
    pub fn file(&self) -> &Path {
        match self {
            ImageLocation::File(file) => file,
            ImageLocation::Member { archive, .. } => archive,
        }
    }

    /// What to call it in a message.
    fn name(&self) -> String {
        match self {
            ImageLocation::File(file) => file.display().to_string(),
            ImageLocation::Member { archive, name, .. } => {
                format!("{} in {}", name, archive.display())
            }
        }
    }

    /// Puts its bytes in place of what is in `bytes`.
    fn read(&self, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        match self {
            ImageLocation::File(file) => read_into(file, MAX_BYTES, bytes),
            &ImageLocation::Member { ref archive, offset, bytes: length, .. } => {
                let mut file = open_file(archive)?;
                file.seek(SeekFrom::Start(offset))?;
                bytes.clear();
                bytes.reserve(length as usize);
                file.take(length).read_to_end(bytes).map(|_| ())
            }
        }
    }

    pub fn read_header(&self) -> std::result::Result<(Header, u64), HeaderError> {
        let file = open_file(self.file())?;
        let (mut file, bytes) = match self {
            ImageLocation::File(_) => {
                let bytes = file.metadata()?.len();
                (FileSlice { file, start: 0, bytes, at: 0 }, bytes)
            }
            &ImageLocation::Member { offset, bytes, .. } => {
                (FileSlice { file, start: offset, bytes, at: 0 }, bytes)
            }
        };
        if bytes > MAX_BYTES {
            let message = format!("a file of {} MB, more than is read", bytes >> 20);
            return Err(HeaderError::Damaged(message));
        }
        file.rewind()?;
        Ok((Header::read(&mut BufReader::with_capacity(4096, file))?, bytes))
    }

    /// An image's failure, with its name for "the image".
    pub fn about(&self, error: Error) -> Error {
        let message = error.message.replacen("the image", &self.name(), 1);
        Error { message, ..error }.file(self.file())
    }

    fn decode(&self, channels: u32, wanted: Wanted, into: &mut Image) -> Result<()> {
        thread_local! {
            // New memory costs a page fault for each 4 kB.
            static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        ROOM.with_borrow_mut(|bytes| {
            self.read(bytes).map_err(|cause| Error::read(self.file(), &cause))?;
            let decoded = decode_wanted(bytes, channels, wanted, into);
            let decoded = decoded.map_err(|error| self.about(error));
            if bytes.capacity() > MAX_ROOM {
                *bytes = Vec::new();
            }
            decoded
        })
    }
}

/// Decodes an image file, as [`decode`] does its bytes.
///
/// # Errors
/// `E_IMAGE`, and `E_IO` for what is no file of 1 GB at most, or cannot be read.
pub fn decode_file(file: &Path, channels: u32, into: &mut Image) -> Result<()> {
    decode_file_wanted(file, channels, &Look::whole, into)
}

/// As [`decode_wanted`], of a file.
///
/// # Errors
/// As [`decode_file`].
pub fn decode_file_wanted(
    file: &Path,
    channels: u32,
    wanted: Wanted,
    into: &mut Image,
) -> Result<()> {
    ImageLocation::File(file.into()).decode(channels, wanted, into)
}

/// A stretch of a file as if it were one.
struct FileSlice {
    file: File,
    start: u64,
    bytes: u64,
    /// Where the reader is, from the window's start.
    at: u64,
}

impl Read for FileSlice {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.bytes.saturating_sub(self.at);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.file.read(&mut buffer[..most])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for FileSlice {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
        };
        let place = at.and_then(|at| self.start.checked_add(at));
        let (Some(at), Some(place)) = (at, place) else {
            return Err(std::io::ErrorKind::InvalidInput.into());
        };
        self.file.seek(SeekFrom::Start(place))?;
        self.at = at;
        Ok(at)
    }
}

/// Images that are read whenever they are needed.
#[derive(Default)]
pub(crate) struct DiskSource {
    pub places: Vec<ImageLocation>,
    pub labels: Vec<u32>,
}

impl Source for DiskSource {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.labels[i]
    }

    fn name(&self, i: usize) -> String {
        self.places[i].name()
    }

    fn read(&self, i: usize, channels: u32, into: &mut Image) -> Result<()> {
        self.places[i].decode(channels, &Look::whole, into)
    }

    fn look<'a>(
        &'a self,
        i: usize,
        channels: u32,
        wanted: Wanted,
        room: &'a mut Image,
    ) -> Result<&'a Image> {
        self.places[i].decode(channels, wanted, room)?;
        Ok(room)
    }
}
