//! Image folders: `root/<class>/...`, or `root/{train,val,test}/<class>/...`.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use residual_spec::{DataFacts, DataFormat, Error, ErrorCode, Result, WarningEvent};
use xxhash_rust::xxh3::Xxh3;

use crate::dataset::{check_classes, fingerprint, mirrored_is_natural};
use crate::decode::unreadable;
use crate::header::{Header, Unreadable};
use crate::open::{go_on, holds_data_files, Listing};
use crate::{decode, Dataset, Image, Part, Source};

/// Files left out are named up to this many, then counted.
const NAMED: usize = 10;

/// Images that are read from their files whenever they are needed.
struct FolderSource {
    files: Vec<PathBuf>,
    labels: Vec<u32>,
}

impl Source for FolderSource {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.labels[i]
    }

    fn name(&self, i: usize) -> String {
        self.files[i].display().to_string()
    }

    fn read(&self, i: usize, channels: u32, into: &mut Image) -> Result<()> {
        let file = &self.files[i];
        let bytes = std::fs::read(file).map_err(|cause| Error::read(file, &cause))?;
        decode(&bytes, channels, into).map_err(|error| about(file, error))
    }
}

/// An image's failure, with its file's name for "the image".
pub(crate) fn about(file: &Path, error: Error) -> Error {
    let message = error.message.replacen("the image", &file.display().to_string(), 1);
    Error { message, ..error }.file(file)
}

/// A class's folder in one part, and the files in it.
struct ClassFolder {
    part: Part,
    path: PathBuf,
    files: Vec<PathBuf>,
}

impl ClassFolder {
    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Looks through an image folder.
pub(crate) fn open(
    source: &str,
    root: &Path,
    listing: Listing,
    cancelled: &dyn Fn() -> bool,
) -> Result<Dataset> {
    let mut folders = Vec::new();
    for (part, listing) in parts(root, listing)? {
        for path in listing.folders {
            let files = files_below(&path, cancelled)?;
            folders.push(ClassFolder { part, path, files });
        }
    }
    let files: Vec<&Path> = folders.iter().flat_map(|f| &f.files).map(PathBuf::as_path).collect();
    let headers = read_headers(&files, cancelled)?;
    assemble(source, root, &folders, headers)
}

/// The parts that a root folder has, each with its class folders.
fn parts(root: &Path, listing: Listing) -> Result<Vec<(Part, Listing)>> {
    let named = |folder: &Path| {
        let name = folder.file_name()?.to_str()?.to_ascii_lowercase();
        Some(match name.as_str() {
            "train" => Part::Train,
            "val" | "valid" | "validation" => Part::Val,
            "test" => Part::Test,
            _ => return None,
        })
    };
    let parts: Option<Vec<Part>> = listing.folders.iter().map(|folder| named(folder)).collect();
    // A class may be called "train"; parts are only what holds folders, and no class beside them.
    let Some(parts) = parts.filter(|parts| parts.contains(&Part::Train)) else {
        return Ok(vec![(Part::Train, listing)]);
    };
    let mut found: Vec<(Part, Listing)> = Vec::new();
    for (part, folder) in parts.into_iter().zip(&listing.folders) {
        if found.iter().any(|(other, _)| *other == part) {
            let message = format!("{} has two {} parts", root.display(), part.as_str());
            return Err(Error::new(ErrorCode::DataUnusable, message)
                .key("data")
                .file(folder)
                .hint("Keep one of the two folders."));
        }
        found.push((part, Listing::read(folder)?));
    }
    let train_has_folders =
        found.iter().any(|(part, inside)| *part == Part::Train && !inside.folders.is_empty());
    Ok(if train_has_folders { found } else { vec![(Part::Train, listing)] })
}

/// All files below a class's folder, sorted; a folder that links lead to twice is entered once.
fn files_below(class: &Path, cancelled: &dyn Fn() -> bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut entered = HashSet::new();
    let mut waiting = vec![class.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        go_on(cancelled)?;
        let real = folder.canonicalize().map_err(|cause| Error::read(&folder, &cause))?;
        if entered.insert(real) {
            let listing = Listing::read(&folder)?;
            files.extend(listing.files);
            waiting.extend(listing.folders);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// What looking at a file told: its header and its bytes on disk.
type Looked = Result<(Header, u64), Unreadable>;

fn look(file: &Path) -> Looked {
    let opened = File::open(file)?;
    let bytes = opened.metadata()?.len();
    Ok((Header::read(&mut BufReader::with_capacity(4096, opened))?, bytes))
}

/// Reads the headers of all files, many at a time: it is the disk that is waited for.
fn read_headers(files: &[&Path], cancelled: &dyn Fn() -> bool) -> Result<Vec<Looked>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let found: Mutex<Vec<Option<Looked>>> = Mutex::new(files.iter().map(|_| None).collect());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let owner = std::thread::current();
    let work = || {
        const CHUNK: usize = 64;
        while !stop.load(Ordering::Relaxed) {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            let Some(chunk) = files.get(start..files.len().min(start + CHUNK)) else { break };
            if chunk.is_empty() {
                break;
            }
            let looked: Vec<Looked> = chunk.iter().map(|file| look(file)).collect();
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
    Ok(found.into_iter().map(|looked| looked.expect("every file was looked at")).collect())
}

/// A class folder's readable images: file, header, bytes on disk.
type Readable<'a> = Vec<(&'a Path, Header, u64)>;

fn assemble(
    source: &str,
    root: &Path,
    folders: &[ClassFolder],
    headers: Vec<Looked>,
) -> Result<Dataset> {
    let mut left_out = LeftOut::default();
    let mut headers = headers.into_iter();
    let mut readable: Vec<(&ClassFolder, Readable)> = Vec::with_capacity(folders.len());
    for folder in folders {
        let mut images = Vec::new();
        for (file, looked) in folder.files.iter().zip(&mut headers) {
            match looked {
                Ok((header, bytes)) => images.push((file.as_path(), header, bytes)),
                Err(why) => left_out.add(file, &why),
            }
        }
        readable.push((folder, images));
    }
    let mut warnings = left_out.warnings();

    let of_part = |part| readable.iter().filter(move |(folder, _)| folder.part == part);
    let mut classes: Vec<String> = Vec::new();
    let mut counts = Vec::new();
    for (folder, images) in of_part(Part::Train) {
        if images.is_empty() {
            warnings.push(WarningEvent {
                code: ErrorCode::DataUnusable,
                message: format!("the class folder {} has no images", folder.path.display()),
                file: Some(folder.path.display().to_string()),
                hint: Some("It was left out; remove it, or put images into it.".into()),
            });
        } else {
            classes.push(folder.name());
            counts.push(images.len());
        }
    }
    check_classes(source, &classes, &counts).map_err(|error| {
        let error = error.file(root);
        match meant(root, folders) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })?;

    let mut parts = Vec::with_capacity(3);
    let mut hash = Xxh3::new();
    for part in Part::ALL {
        let (mut files, mut labels) = (Vec::new(), Vec::new());
        let mut missing: Vec<&str> = classes.iter().map(String::as_str).collect();
        for (folder, images) in of_part(part).filter(|(_, images)| !images.is_empty()) {
            let name = folder.name();
            let Some(label) = classes.iter().position(|class| *class == name) else {
                return Err(unknown_class(part, folder));
            };
            missing.retain(|class| *class != name);
            for &(file, _, bytes) in images {
                if part == Part::Train {
                    let below = file.strip_prefix(&folder.path).unwrap_or(file);
                    add_to_fingerprint(&mut hash, label, &name, below, bytes);
                }
                files.push(file.to_path_buf());
                labels.push(label as u32);
            }
        }
        if !files.is_empty() && !missing.is_empty() {
            warnings.push(WarningEvent {
                code: ErrorCode::DataUnusable,
                message: format!(
                    "the {} part has no images of {}",
                    part.as_str(),
                    missing.join(", ")
                ),
                file: None,
                hint: None,
            });
        } else if files.is_empty() && folders.iter().any(|folder| folder.part == part) {
            warnings.push(WarningEvent {
                code: ErrorCode::DataUnusable,
                message: format!("the {} part of {source} has no images", part.as_str()),
                file: None,
                hint: None,
            });
        }
        parts.push(FolderSource { files, labels });
    }

    let mut images = readable.iter().flat_map(|(_, images)| images).map(|(_, header, _)| header);
    let all_grey = images.clone().all(|header| header.channels == 1);
    let sizes = |header: &Header| [header.height, header.width];
    let first = images.next().map(sizes);
    let image_size = first.filter(|first| images.all(|header| sizes(header) == *first));
    let facts = DataFacts {
        source: source.into(),
        format: DataFormat::ImageFolder,
        mirrored_is_natural: mirrored_is_natural(&classes),
        classes,
        channels: if all_grey { 1 } else { 3 },
        image_size,
        train: parts[0].len() as u32,
        val: parts[1].len() as u32,
        test: parts[2].len() as u32,
        mean: None,
        std: None,
        fingerprint: fingerprint(&hash),
    };
    let mut parts = parts.into_iter().map(|part| Arc::new(part) as Arc<dyn Source>);
    let parts = std::array::from_fn(|_| parts.next().expect("three parts"));
    Ok(Dataset::new(facts, warnings, parts))
}

fn unknown_class(part: Part, folder: &ClassFolder) -> Error {
    let message = format!(
        "the {} part has the class '{}', which the train part has not",
        part.as_str(),
        folder.name()
    );
    Error::new(ErrorCode::DataUnusable, message)
        .key("data")
        .file(&folder.path)
        .hint("Every part must use the same class names.")
}

/// Names are hashed with `/` between folders, so that every system gives the same hash.
fn add_to_fingerprint(hash: &mut Xxh3, label: usize, class: &str, below: &Path, bytes: u64) {
    hash.update(&(label as u64).to_le_bytes());
    hash.update(&bytes.to_le_bytes());
    hash.update(class.as_bytes());
    for name in below {
        hash.update(b"/");
        hash.update(name.as_encoded_bytes());
    }
    hash.update(b"\0");
}

/// The folder that was likely meant, where this one has too few classes.
fn meant(root: &Path, folders: &[ClassFolder]) -> Option<String> {
    let mut inner = folders.iter().map(|folder| folder.path.as_path());
    if let (Some(only), None) = (inner.next(), inner.next()) {
        let listing = Listing::read(only).ok()?;
        let data = holds_data_files(&listing.files);
        if data || listing.folders.len() > 1 {
            return Some(format!("Did you mean {}?", only.display()));
        }
    }
    let files = Listing::read(root).ok()?.files;
    let is_image = |file: &PathBuf| look(file).is_ok();
    files.iter().take(NAMED).any(is_image).then(|| {
        "Images lie beside each other here; move each class into a folder of its own.".into()
    })
}

/// The files that were left out, as warnings.
#[derive(Default)]
struct LeftOut {
    warnings: Vec<WarningEvent>,
    more: usize,
}

impl LeftOut {
    fn add(&mut self, file: &Path, why: &Unreadable) {
        // Notes, lists and thumbnails lie in many image folders and are nobody's images.
        if matches!(why, Unreadable::Unknown) && !has_image_extension(file) {
            return;
        }
        if self.warnings.len() == NAMED {
            self.more += 1;
            return;
        }
        let error = about(file, unreadable(why));
        self.warnings.push(WarningEvent {
            code: ErrorCode::Image,
            message: error.message,
            file: error.at.file,
            hint: error.hint,
        });
    }

    fn warnings(mut self) -> Vec<WarningEvent> {
        if self.more > 0 {
            self.warnings.push(WarningEvent {
                code: ErrorCode::Image,
                message: format!("{} more files are no readable images", self.more),
                file: None,
                hint: None,
            });
        }
        self.warnings
    }
}

fn has_image_extension(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        matches!(extension.to_ascii_lowercase().as_str(), "jpg" | "jpeg" | "jpe" | "jfif" | "png")
    })
}
