//! Images that stay on disk and are read whenever they are needed: from files of their own, or out
//! of archives.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use residual_spec::{DataFacts, DataFormat, Error, ErrorCode, Result, WarningEvent};
use xxhash_rust::xxh3::Xxh3;

use crate::dataset::{fingerprint, mirrored_is_natural};
use crate::decode::decode_wanted;
use crate::file::{open_file, read_into};
use crate::header::{Header, Unreadable};
use crate::open::go_on;
use crate::{Dataset, Image, Look, Part, Source, Wanted};

/// No larger file is read into memory.
const MOST_BYTES: u64 = 1 << 30;
/// Room that a thread keeps for its next file, at most.
const MOST_ROOM: usize = 8 << 20;

/// Where an image's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    File(Arc<Path>),
    /// A part of an uncompressed archive.
    Member {
        archive: Arc<Path>,
        name: Box<str>,
        offset: u64,
        bytes: u64,
    },
}

impl Place {
    /// The file on disk.
    pub fn file(&self) -> &Path {
        match self {
            Place::File(file) => file,
            Place::Member { archive, .. } => archive,
        }
    }

    /// What to call it in a message.
    fn name(&self) -> String {
        match self {
            Place::File(file) => file.display().to_string(),
            Place::Member { archive, name, .. } => format!("{} in {}", name, archive.display()),
        }
    }

    /// Puts its bytes in place of what is in `bytes`.
    fn read(&self, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        match self {
            Place::File(file) => read_into(file, MOST_BYTES, bytes),
            &Place::Member { ref archive, offset, bytes: length, .. } => {
                let mut file = open_file(archive)?;
                file.seek(SeekFrom::Start(offset))?;
                bytes.clear();
                bytes.reserve(length as usize);
                file.take(length).read_to_end(bytes).map(|_| ())
            }
        }
    }

    fn look(&self) -> Looked {
        let file = open_file(self.file())?;
        let (mut file, bytes) = match self {
            Place::File(_) => {
                let bytes = file.metadata()?.len();
                (Window { file, start: 0, bytes, at: 0 }, bytes)
            }
            &Place::Member { offset, bytes, .. } => {
                (Window { file, start: offset, bytes, at: 0 }, bytes)
            }
        };
        if bytes > MOST_BYTES {
            let message = format!("a file of {} MB, more than is read", bytes >> 20);
            return Err(Unreadable::Damaged(message));
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
            if bytes.capacity() > MOST_ROOM {
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
    Place::File(file.into()).decode(channels, wanted, into)
}

/// A stretch of a file as if it were one.
struct Window {
    file: File,
    start: u64,
    bytes: u64,
    /// Where the reader is, from the window's start.
    at: u64,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.bytes.saturating_sub(self.at);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.file.read(&mut buffer[..most])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Window {
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
    pub places: Vec<Place>,
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

/// What looking at an image told: its header and its bytes on disk.
pub(crate) type Looked = Result<(Header, u64), Unreadable>;

/// Whether a file begins as an image does.
pub(crate) fn is_image(file: &Path) -> bool {
    Place::File(file.into()).look().is_ok()
}

/// Reads the headers of all images, many at a time: it is the disk that is waited for.
pub(crate) fn look_at_all(places: &[Place], cancelled: &dyn Fn() -> bool) -> Result<Vec<Looked>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let found: Mutex<Vec<Option<Looked>>> = Mutex::new(places.iter().map(|_| None).collect());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let owner = std::thread::current();
    let work = || {
        const CHUNK: usize = 64;
        while !stop.load(Ordering::Relaxed) {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            let Some(chunk) = places.get(start..places.len().min(start + CHUNK)) else { break };
            if chunk.is_empty() {
                break;
            }
            let looked: Vec<Looked> = chunk.iter().map(Place::look).collect();
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            for (slot, looked) in found[start..].iter_mut().zip(looked) {
                *slot = Some(looked);
            }
        }
        owner.unpark();
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..(2 * cores).clamp(4, 16)).map(|_| scope.spawn(work)).collect();
        while !workers.iter().all(|worker| worker.is_finished()) {
            if cancelled() {
                stop.store(true, Ordering::Relaxed);
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
    go_on(cancelled)?;
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(found.into_iter().map(|looked| looked.expect("every image was looked at")).collect())
}

/// What the headers of a data set's images have in common.
#[derive(Default)]
pub(crate) struct Seen {
    colour: bool,
    /// None before the first, `Some(None)` once two differ.
    size: Option<Option<[u32; 2]>>,
    short_sides: Vec<u32>,
    /// Of the images to train on and to validate on.
    pixels: u64,
}

impl Seen {
    pub fn add(&mut self, part: Part, header: &Header) {
        self.colour |= header.channels != 1;
        if part != Part::Test {
            self.pixels += u64::from(header.width) * u64::from(header.height);
        }
        let size = Some([header.height, header.width]);
        self.size = match self.size {
            None => Some(size),
            Some(others) => Some(others.filter(|_| others == size)),
        };
        self.short_sides.push(header.height.min(header.width));
    }

    /// The one in the middle.
    fn short_side(&self) -> Option<u32> {
        let mut sides = self.short_sides.clone();
        let middle = sides.len() / 2;
        (!sides.is_empty()).then(|| *sides.select_nth_unstable(middle).1)
    }
}

/// A data set of images on disk; of each part, the classes that it lacks are warned of.
pub(crate) fn dataset(
    source: &str,
    format: DataFormat,
    classes: Vec<String>,
    parts: [DiskSource; 3],
    seen: &Seen,
    hash: &Xxh3,
    mut warnings: Vec<WarningEvent>,
) -> Dataset {
    for (part, images) in Part::ALL.into_iter().zip(&parts) {
        let mut found = vec![false; classes.len()];
        images.labels.iter().for_each(|&label| found[label as usize] = true);
        let missing = classes.iter().zip(found).filter(|(_, found)| !found);
        let missing: Vec<&str> = missing.map(|(class, _)| class.as_str()).collect();
        if !images.is_empty() && !missing.is_empty() {
            let (part, missing) = (part.as_str(), missing.join(", "));
            warnings.push(WarningEvent {
                code: ErrorCode::DataUnusable,
                message: format!("the {part} part has no images of {missing}"),
                file: None,
                hint: None,
            });
        }
    }
    let channels = if seen.colour { 3 } else { 1 };
    let facts = DataFacts {
        source: source.into(),
        format,
        mirrored_is_natural: mirrored_is_natural(&classes),
        classes,
        channels,
        image_size: seen.size.flatten(),
        short_side: seen.short_side(),
        train: parts[0].len() as u32,
        val: parts[1].len() as u32,
        test: parts[2].len() as u32,
        mean: None,
        std: None,
        decoded_bytes: Some(seen.pixels * u64::from(channels)),
        fingerprint: fingerprint(hash),
    };
    Dataset::new(facts, warnings, parts.map(|part| Arc::new(part) as Arc<dyn Source>))
}
