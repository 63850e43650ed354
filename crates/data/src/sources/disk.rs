//! Images that are read from disk each time they are used: files, or members of archives.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use residual_spec::{Error, Result};

use super::source::{OpenedImage, Source};
use crate::decode::EncodedImage;
use crate::decode::header::{Header, HeaderError};
use crate::sources::files::{open_file, read_into};
use crate::{DecodeRequest, Image, ImageSize, ImageView};

/// Maximum size of an image file in bytes.
const MAX_BYTES: u64 = 1 << 30;
/// Maximum buffer size in bytes that a thread keeps for its next file.
const MAX_BUFFER_BYTES: usize = 8 << 20;

/// Location of an image's bytes.
#[derive(Debug, Clone)]
pub(crate) enum ImageLocation {
    File(Arc<Path>),
    /// A member of an uncompressed archive.
    Member {
        archive: Arc<Path>,
        name: Box<str>,
        offset: u64,
        bytes: u64,
    },
}

impl ImageLocation {
    /// Returns the file on disk: the image, or the archive that contains it.
    pub fn file(&self) -> &Path {
        match self {
            ImageLocation::File(file) => file,
            ImageLocation::Member { archive, .. } => archive,
        }
    }

    /// Returns the path of the image: of the file on disk, or of the member in its archive.
    pub fn member_name(&self) -> &Path {
        match self {
            ImageLocation::File(file) => file,
            ImageLocation::Member { name, .. } => Path::new(&**name),
        }
    }

    /// Returns the name for messages.
    fn name(&self) -> String {
        match self {
            ImageLocation::File(file) => file.display().to_string(),
            ImageLocation::Member { archive, name, .. } => {
                format!("{} in {}", name, archive.display())
            }
        }
    }

    /// Reads the encoded image into `bytes`, replacing its content.
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

    /// Parses the header and returns it with the size of the encoded image in bytes.
    pub fn read_header(&self) -> std::result::Result<(Header, u64), HeaderError> {
        let file = open_file(self.file())?;
        let (mut file, bytes) = match self {
            ImageLocation::File(_) => {
                let bytes = file.metadata()?.len();
                (FileSlice { file, start: 0, bytes, position: 0 }, bytes)
            }
            &ImageLocation::Member { offset, bytes, .. } => {
                (FileSlice { file, start: offset, bytes, position: 0 }, bytes)
            }
        };
        if bytes > MAX_BYTES {
            let message = format!(
                "a file of {} MiB, more than the limit of {} MiB",
                bytes >> 20,
                MAX_BYTES >> 20
            );
            return Err(HeaderError::Damaged(message));
        }
        file.rewind()?;
        Ok((Header::read(&mut BufReader::with_capacity(4096, file))?, bytes))
    }

    /// Replaces "the image" in an error by the image's name.
    pub fn with_name(&self, error: Error) -> Error {
        let message = error.message.replacen("the image", &self.name(), 1);
        Error { message, ..error }.file(self.file())
    }

    /// Reads the bytes into `buffer` and parses the header.
    fn open<'a>(&self, buffer: &'a mut Vec<u8>) -> Result<EncodedImage<'a>> {
        if buffer.capacity() > MAX_BUFFER_BYTES {
            *buffer = Vec::new();
        }
        self.read(buffer).map_err(|cause| Error::read(self.file(), &cause))?;
        EncodedImage::parse(buffer).map_err(|error| self.with_name(error))
    }
}

/// Decodes a whole JPEG or PNG file; see [`decode`](crate::decode()).
///
/// # Errors
/// `E_IMAGE`; `E_IO` if `file` cannot be read, is not a regular file or is larger than 1 GiB.
pub fn decode_file(file: &Path, channels: u32, image: &mut Image) -> Result<()> {
    decode_file_with(file, channels, DecodeRequest::whole, &mut Vec::new(), image)
}

/// Decodes the region of a JPEG or PNG file that `request` returns for the size of the image.
/// `buffer` receives the encoded file, so that repeated calls reuse its memory.
///
/// # Errors
/// As [`decode_file`].
pub fn decode_file_with(
    file: &Path,
    channels: u32,
    request: impl FnOnce(ImageSize) -> DecodeRequest,
    buffer: &mut Vec<u8>,
    image: &mut Image,
) -> Result<()> {
    let location = ImageLocation::File(file.into());
    let encoded = location.open(buffer)?;
    let decoded = encoded.decode(request(encoded.size()), channels, image);
    decoded.map_err(|error| location.with_name(error))
}

/// A range of a file that is read like a file.
struct FileSlice {
    file: File,
    start: u64,
    bytes: u64,
    /// Position relative to `start`.
    position: u64,
}

impl Read for FileSlice {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let remaining = self.bytes.saturating_sub(self.position);
        let max = buffer.len().min(usize::try_from(remaining).unwrap_or(usize::MAX));
        let count = self.file.read(&mut buffer[..max])?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for FileSlice {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.bytes.checked_add_signed(offset),
        };
        let file_position = position.and_then(|position| self.start.checked_add(position));
        let (Some(position), Some(file_position)) = (position, file_position) else {
            return Err(std::io::ErrorKind::InvalidInput.into());
        };
        self.file.seek(SeekFrom::Start(file_position))?;
        self.position = position;
        Ok(position)
    }
}

/// A source of images on disk.
#[derive(Default)]
pub(crate) struct DiskSource {
    pub locations: Vec<ImageLocation>,
    pub labels: Vec<u32>,
}

impl Source for DiskSource {
    fn len(&self) -> usize {
        self.locations.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.labels[i]
    }

    fn name(&self, i: usize) -> String {
        self.locations[i].name()
    }

    fn open<'a>(
        &'a self,
        i: usize,
        channels: u32,
        buffer: &'a mut Vec<u8>,
    ) -> Result<OpenedImage<'a>> {
        Ok(OpenedImage::from_encoded(self.locations[i].open(buffer)?, channels))
    }

    fn decode<'a>(
        &'a self,
        i: usize,
        opened: OpenedImage<'a>,
        request: DecodeRequest,
        buffer: &'a mut Image,
    ) -> Result<ImageView<'a>> {
        opened.decode(request, buffer).map_err(|error| self.locations[i].with_name(error))
    }
}
