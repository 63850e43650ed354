//! Scans the headers of all images of a data set and collects statistics.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use residual_spec::{DataFormat, DatasetInfo, Error, ErrorCode, Result, WarningEvent};
use xxhash_rust::xxh3::Xxh3;

use super::dataset::{fingerprint, flip_preserves_label};
use super::disk::{DiskSource, ImageLocation};
use super::ignored_entries::IgnoredEntries;
use super::image_extension::has_image_extension;
use super::listing::{check_cancelled, list_files};
use crate::decode::header::{Header, HeaderError};
use crate::{Dataset, Source, Split};

/// A parsed header and the size of the encoded image in bytes, or an error.
pub(crate) type HeaderResult = Result<(Header, u64), HeaderError>;

/// Returns whether a file has a valid image header.
pub(crate) fn is_image(file: &Path) -> bool {
    ImageLocation::File(file.into()).read_header().is_ok()
}

/// The images below a folder, and warnings about skipped files and folders.
pub struct ImageListing {
    pub images: Vec<PathBuf>,
    pub warnings: Vec<WarningEvent>,
}

/// Lists the images below a folder, sorted, by the rules for training data: recognizes images by
/// their content, and skips hidden files, backups, temporary files, incomplete downloads, folders of
/// operating systems and run folders. Includes unreadable files that have the extension of an image.
///
/// # Errors
/// `E_IO` if a folder cannot be read; `E_ABORTED`.
pub fn list_images(folder: &Path, cancelled: &dyn Fn() -> bool) -> Result<ImageListing> {
    let mut ignored = IgnoredEntries::default();
    let files = list_files(folder, &mut ignored, cancelled)?;
    let locations: Vec<ImageLocation> =
        files.iter().map(|file| ImageLocation::File(file.as_path().into())).collect();
    let headers = scan_headers(&locations, cancelled)?;
    let is_image = |(file, header): &(PathBuf, HeaderResult)| match header {
        Err(error) if error.is_no_image() => has_image_extension(file),
        Ok(_) | Err(_) => true,
    };
    let images = files.into_iter().zip(headers).filter(is_image).map(|(file, _)| file).collect();
    Ok(ImageListing { images, warnings: ignored.warnings(folder) })
}

/// Parses the headers of all images. Uses more threads than cores, because the disk is the
/// bottleneck.
///
/// # Errors
/// `E_ABORTED` if cancelled.
pub(crate) fn scan_headers(
    locations: &[ImageLocation],
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<HeaderResult>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results: Mutex<Vec<Option<HeaderResult>>> =
        Mutex::new(locations.iter().map(|_| None).collect());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let caller = std::thread::current();
    let work = || {
        const CHUNK: usize = 64;
        while !stop.load(Ordering::Relaxed) {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            let Some(chunk) = locations.get(start..locations.len().min(start + CHUNK)) else {
                break;
            };
            if chunk.is_empty() {
                break;
            }
            let headers: Vec<HeaderResult> = chunk.iter().map(ImageLocation::read_header).collect();
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            for (slot, header) in results[start..].iter_mut().zip(headers) {
                *slot = Some(header);
            }
        }
        caller.unpark();
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
    check_cancelled(cancelled)?;
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(results.into_iter().map(|header| header.expect("every header was scanned")).collect())
}

/// Statistics of the headers of a data set.
#[derive(Default)]
pub(crate) struct HeaderStats {
    has_color: bool,
    /// Height and width of all images: `None` before the first image, `Some(None)` if sizes differ.
    common_size: Option<Option<[u32; 2]>>,
    short_sides: Vec<u32>,
    /// Pixels of the training and validation images.
    pixels: u64,
}

impl HeaderStats {
    pub fn add(&mut self, split: Split, header: &Header) {
        self.has_color |= header.channels != 1;
        if split != Split::Test {
            self.pixels += u64::from(header.width) * u64::from(header.height);
        }
        let size = Some([header.height, header.width]);
        self.common_size = match self.common_size {
            None => Some(size),
            Some(common) => Some(common.filter(|_| common == size)),
        };
        self.short_sides.push(header.height.min(header.width));
    }

    /// Returns the median short side; `None` without images.
    fn median_short_side(&self) -> Option<u32> {
        let mut sides = self.short_sides.clone();
        let middle = sides.len() / 2;
        (!sides.is_empty()).then(|| *sides.select_nth_unstable(middle).1)
    }
}

/// Returns the `E_DATA_UNUSABLE` error for a split with files, none of which is a readable image.
/// `files` and `hint` are from [`UnreadableFiles`](super::skipped_files::UnreadableFiles).
pub(crate) fn no_readable_images(source: &str, split: Split, files: &str, hint: &str) -> Error {
    let split = split.as_str();
    let message = format!("the {split} split of {source} has no readable images; found {files}");
    Error::new(ErrorCode::DataUnusable, message).key("data").hint(hint)
}

/// Creates a data set of images on disk. Warns about classes without images in a split.
pub(crate) fn build_dataset(
    source: &str,
    format: DataFormat,
    classes: Vec<String>,
    sources: [DiskSource; 3],
    stats: &HeaderStats,
    hash: &Xxh3,
    mut warnings: Vec<WarningEvent>,
) -> Dataset {
    for (split, images) in Split::ALL.into_iter().zip(&sources) {
        let mut has_images = vec![false; classes.len()];
        images.labels.iter().for_each(|&label| has_images[label as usize] = true);
        let missing = classes.iter().zip(has_images).filter(|(_, has_images)| !has_images);
        let missing: Vec<&str> = missing.map(|(class, _)| class.as_str()).collect();
        if !images.is_empty() && !missing.is_empty() {
            let (split, missing) = (split.as_str(), missing.join(", "));
            warnings.push(WarningEvent {
                code: ErrorCode::DataUnusable,
                message: format!("the {split} split has no images of {missing}"),
                file: None,
                hint: None,
            });
        }
    }
    let channels = if stats.has_color { 3 } else { 1 };
    let facts = DatasetInfo {
        source: source.into(),
        format,
        flip_preserves_label: flip_preserves_label(&classes),
        classes,
        channels,
        image_size: stats.common_size.flatten(),
        median_short_side: stats.median_short_side(),
        train: sources[0].len() as u32,
        val: sources[1].len() as u32,
        test: sources[2].len() as u32,
        mean: None,
        std: None,
        decoded_bytes: Some(stats.pixels * u64::from(channels)),
        fingerprint: fingerprint(hash),
    };
    Dataset::new(facts, warnings, sources.map(|source| Arc::new(source) as Arc<dyn Source>))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_images_by_the_rules_of_training() {
        let png = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images/picture.png"));
        let (png, root) = (png.unwrap(), tempfile::tempdir().unwrap());
        for (file, bytes) in [
            ("a.png", &png[..]),
            ("b/without-extension", &png),
            ("b/c.dat", &png),
            ("b/c.tmp", &png),
            ("broken.jpg", b"text"),
            ("d.webp", b"RIFF\x24\0\0\0WEBPVP8 "),
            ("notes.txt", b"text"),
            (".hidden.png", &png),
            ("b/._c.png", b"AppleDouble"),
            ("@eaDir/a.png/THUMB.png", &png),
            ("runs/x/samples.png", &png),
            ("runs/x/config.json", b"{}"),
        ] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let ImageListing { images, warnings } = list_images(root.path(), &|| false).unwrap();
        let names: Vec<&Path> =
            images.iter().map(|file| file.strip_prefix(root.path()).unwrap()).collect();
        let expected = ["a.png", "b/c.dat", "b/without-extension", "broken.jpg", "d.webp"];
        assert_eq!(names, expected.map(Path::new));
        let skipped = "skipped a backup, temporary file or incomplete download: b/c.tmp";
        assert_eq!(warnings.last().unwrap().message, skipped);
    }
}
