//! Image folders: `root/<class>/...`, or `root/{train,val,test}/<class>/...`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use residual_spec::{DataFormat, Error, ErrorCode, Result, WarningEvent};
use xxhash_rust::xxh3::Xxh3;

use super::layout::has_data_files;
use crate::decode::header::{Header, HeaderError};
use crate::decode::header_error;
use crate::sources::dataset::check_classes;
use crate::sources::disk::{DiskSource, ImageLocation};
use crate::sources::listing::Listing;
use crate::sources::scan_headers::{
    HeaderResult, HeaderStats, build_dataset, is_image, scan_headers,
};
use crate::sources::skipped_files::SkippedFiles;
use crate::{Dataset, Split};

/// The number of files inspected for a hint about a folder without classes.
const MAX_INSPECTED: usize = 10;

/// The folder of a class in one split, and its files.
struct ClassFolder {
    split: Split,
    path: PathBuf,
    files: Vec<ImageLocation>,
}

impl ClassFolder {
    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Opens an image folder and parses the headers of its images.
///
/// # Errors
/// `E_DATA_UNUSABLE`, also if another split has a class that the training split does not have;
/// `E_IO`; `E_ABORTED`.
pub(crate) fn open(
    source: &str,
    root: &Path,
    listing: Listing,
    cancelled: &dyn Fn() -> bool,
) -> Result<Dataset> {
    let mut folders = Vec::new();
    for (split, listing) in find_splits(root, listing, cancelled)? {
        for path in listing.folders {
            let files = list_files(&path, cancelled)?.into_iter();
            let files = files.map(|file| ImageLocation::File(file.into())).collect();
            folders.push(ClassFolder { split, path, files });
        }
    }
    let files: Vec<ImageLocation> =
        folders.iter().flat_map(|folder| &folder.files).cloned().collect();
    let headers = scan_headers(&files, cancelled)?;
    build(source, root, &folders, headers)
}

/// Returns the splits of a root folder, each with the listing of its class folders.
fn find_splits(
    root: &Path,
    listing: Listing,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<(Split, Listing)>> {
    let split_of = |folder: &PathBuf| Split::from_name(folder.file_name()?.to_str()?);
    let splits: Option<Vec<Split>> = listing.folders.iter().map(split_of).collect();
    // A class may be named "train": the folders are splits only if all of them have split names and
    // the training folder contains folders.
    let Some(splits) = splits.filter(|splits| splits.contains(&Split::Train)) else {
        return Ok(vec![(Split::Train, listing)]);
    };
    let mut listings: Vec<(Split, Listing)> = Vec::new();
    for (split, folder) in splits.into_iter().zip(&listing.folders) {
        if listings.iter().any(|(other, _)| *other == split) {
            let message = format!("{} has two {} splits", root.display(), split.as_str());
            return Err(Error::new(ErrorCode::DataUnusable, message)
                .key("data")
                .file(folder)
                .hint("Keep one of the two folders."));
        }
        listings.push((split, Listing::read(folder, cancelled)?));
    }
    let train_has_folders = listings
        .iter()
        .any(|(split, listing)| *split == Split::Train && !listing.folders.is_empty());
    Ok(if train_has_folders { listings } else { vec![(Split::Train, listing)] })
}

/// Lists all files below a class folder, sorted. Visits a folder once, even if several symbolic
/// links point to it.
fn list_files(class: &Path, cancelled: &dyn Fn() -> bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut visited = HashSet::new();
    let mut pending = vec![class.to_path_buf()];
    while let Some(folder) = pending.pop() {
        let canonical = folder.canonicalize().map_err(|cause| Error::read(&folder, &cause))?;
        if visited.insert(canonical) {
            let listing = Listing::read(&folder, cancelled)?;
            files.extend(listing.files);
            pending.extend(listing.folders);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The readable images of a class folder: location, header, file size in bytes.
type ReadableImages<'a> = Vec<(&'a ImageLocation, Header, u64)>;

/// Builds the data set from the class folders and the headers of all their files.
fn build(
    source: &str,
    root: &Path,
    folders: &[ClassFolder],
    headers: Vec<HeaderResult>,
) -> Result<Dataset> {
    let mut skipped = SkippedFiles::files();
    let mut headers = headers.into_iter();
    let mut readable: Vec<(&ClassFolder, ReadableImages)> = Vec::with_capacity(folders.len());
    for folder in folders {
        let mut images = Vec::new();
        for (file, header) in folder.files.iter().zip(&mut headers) {
            match header {
                Ok((header, bytes)) => images.push((file, header, bytes)),
                // Notes, lists and thumbnails are common in image folders and need no warning.
                Err(HeaderError::Unknown) if !has_image_extension(file.file()) => {}
                Err(error) => skipped.add(file.with_name(header_error(&error))),
            }
        }
        readable.push((folder, images));
    }
    let mut warnings = skipped.warnings();

    let folders_of = |split| readable.iter().filter(move |(folder, _)| folder.split == split);
    let mut classes: Vec<String> = Vec::new();
    let mut counts = Vec::new();
    for (folder, images) in folders_of(Split::Train) {
        if images.is_empty() {
            warnings.push(WarningEvent {
                code: ErrorCode::DataUnusable,
                message: format!("the class folder {} has no images", folder.path.display()),
                file: Some(folder.path.display().to_string()),
                hint: Some(
                    "The class was skipped: remove the folder, or put images into it.".into(),
                ),
            });
        } else {
            classes.push(folder.name());
            counts.push(images.len());
        }
    }
    check_classes(source, &classes, &counts).map_err(|error| {
        let error = error.file(root);
        match suggest_fix(root, folders) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })?;

    let (mut stats, mut hash) = (HeaderStats::default(), Xxh3::new());
    let mut sources: [DiskSource; 3] = Default::default();
    for split in Split::ALL {
        let images = &mut sources[split as usize];
        for (folder, readable) in folders_of(split).filter(|(_, readable)| !readable.is_empty()) {
            let name = folder.name();
            let Some(label) = classes.iter().position(|class| *class == name) else {
                return Err(unknown_class(split, folder));
            };
            for &(location, ref header, bytes) in readable {
                if split == Split::Train {
                    let file = location.file();
                    let relative = file.strip_prefix(&folder.path).unwrap_or(file);
                    add_to_fingerprint(&mut hash, label, &name, relative, bytes);
                }
                stats.add(split, header);
                images.locations.push(location.clone());
                images.labels.push(label as u32);
            }
        }
        if images.locations.is_empty() && folders.iter().any(|folder| folder.split == split) {
            warnings.push(WarningEvent {
                code: ErrorCode::DataUnusable,
                message: format!("the {} split of {source} has no images", split.as_str()),
                file: None,
                hint: None,
            });
        }
    }
    let format = DataFormat::ImageFolder;
    Ok(build_dataset(source, format, classes, sources, &stats, &hash, warnings))
}

fn unknown_class(split: Split, folder: &ClassFolder) -> Error {
    let message = format!(
        "the {} split has the class '{}', which the train split does not have",
        split.as_str(),
        folder.name()
    );
    Error::new(ErrorCode::DataUnusable, message)
        .key("data")
        .file(&folder.path)
        .hint("Use the same class names in every split.")
}

/// Hashes an image: its label, size, class name and path relative to the class folder. Path
/// components are separated by `/`, so that the hash is the same on every platform.
fn add_to_fingerprint(hash: &mut Xxh3, label: usize, class: &str, relative: &Path, bytes: u64) {
    hash.update(&(label as u64).to_le_bytes());
    hash.update(&bytes.to_le_bytes());
    hash.update(class.as_bytes());
    for name in relative {
        hash.update(b"/");
        hash.update(name.as_encoded_bytes());
    }
    hash.update(b"\0");
}

/// Returns a hint for a folder with too few classes, for example to use its only subfolder instead.
fn suggest_fix(root: &Path, folders: &[ClassFolder]) -> Option<String> {
    let mut inner = folders.iter().map(|folder| folder.path.as_path());
    if let (Some(subfolder), None) = (inner.next(), inner.next()) {
        let listing = Listing::read(subfolder, &|| false).ok()?;
        let has_data_files = has_data_files(&listing.files);
        if has_data_files || listing.folders.len() > 1 {
            return Some(format!("Did you mean {}?", subfolder.display()));
        }
    }
    let files = Listing::read(root, &|| false).ok()?.files;
    files
        .iter()
        .take(MAX_INSPECTED)
        .any(|file| is_image(file))
        .then(|| "The folder contains images directly; move each class into its own folder.".into())
}

fn has_image_extension(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        matches!(extension.to_ascii_lowercase().as_str(), "jpg" | "jpeg" | "jpe" | "jfif" | "png")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use residual_spec::DataConfig;
    use tempfile::TempDir;

    use super::*;
    use crate::Image;

    fn read_fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        std::fs::read(format!("{folder}/{name}")).unwrap()
    }

    /// Creates a folder with files. A name that ends with `/` is an empty folder.
    fn create_folder(files: &[(&str, &[u8])]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = root.path().join(name);
            if name.ends_with('/') {
                std::fs::create_dir_all(path).unwrap();
            } else {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
        }
        root
    }

    fn open(root: &Path) -> Result<Dataset> {
        let source = Some(root.display().to_string());
        crate::open(&DataConfig { source, ..DataConfig::default() }, &|| false)
    }

    fn open_error(files: &[(&str, &[u8])]) -> Error {
        let root = create_folder(files);
        let error = open(root.path()).err().expect("an error");
        assert_eq!(error.code, ErrorCode::DataUnusable, "{error}");
        assert_eq!(error.at.key.as_deref(), Some("data"));
        error
    }

    fn counts(set: &Dataset) -> [u32; 3] {
        [set.facts().train, set.facts().val, set.facts().test]
    }

    #[test]
    fn classes_are_folders_in_byte_order() {
        let (jpeg, png) = (read_fixture("baseline.jpg"), read_fixture("picture.png"));
        let root = create_folder(&[
            ("bee/1.jpg", &jpeg),
            ("Zebra/1.JPEG", &jpeg),
            ("ant/2 of 2.png", &png),
            ("ant/deeper/1.png", &png),
            ("été/no-extension", &jpeg),
        ]);
        let set = open(root.path()).unwrap();
        assert_eq!(set.facts().classes, ["Zebra", "ant", "bee", "été"]);
        assert_eq!(counts(&set), [5, 0, 0]);
        assert_eq!((set.facts().channels, set.facts().image_size), (3, Some([29, 37])));
        assert!(set.warnings().is_empty());
        let train = set.source(Split::Train);
        assert_eq!((0..5).map(|i| train.label(i)).collect::<Vec<_>>(), [0, 1, 1, 2, 3]);
        assert!(train.name(1).ends_with("2 of 2.png"), "{}", train.name(1));
        let mut decoded = Image::default();
        train.read_into(1, 1, &mut decoded).unwrap();
        assert_eq!((decoded.width, decoded.height, decoded.channels), (37, 29, 1));
    }

    #[test]
    fn splits_are_folders_of_class_folders() {
        let png = read_fixture("picture.png");
        for val in ["val", "valid", "Validation"] {
            let root = create_folder(&[
                ("train/ant/1.png", &png),
                ("train/bee/1.png", &png),
                (&format!("{val}/bee/2.png"), &png),
                ("test/ant/3.png", &png),
                ("test/bee/3.png", &png),
            ]);
            let set = open(root.path()).unwrap();
            assert_eq!(counts(&set), [2, 1, 2]);
            assert_eq!(set.source(Split::Val).label(0), 1);
            assert_eq!(set.warnings().len(), 1, "ants are missing in {val}");
        }
    }

    #[test]
    fn a_class_may_be_named_train() {
        let png = read_fixture("picture.png");
        let set =
            open(create_folder(&[("train/1.png", &png), ("plane/1.png", &png)]).path()).unwrap();
        assert_eq!(set.facts().classes, ["plane", "train"]);
        let set =
            open(create_folder(&[("train/1.png", &png), ("test/1.png", &png)]).path()).unwrap();
        assert_eq!(set.facts().classes, ["test", "train"]);
    }

    #[test]
    fn gray_images_of_several_sizes_have_no_common_size() {
        let root = create_folder(&[
            ("a/1.jpg", &read_fixture("gray.jpg")),
            ("b/1.png", &read_fixture("gray16.png")),
        ]);
        assert_eq!(open(root.path()).unwrap().facts().channels, 1);
        let (down, up) = (read_fixture("resized-down.png"), read_fixture("resized-up.png"));
        let root = create_folder(&[("a/1.png", &down), ("b/1.png", &up)]);
        assert_eq!(open(root.path()).unwrap().facts().image_size, None);
    }

    #[test]
    fn files_that_are_not_images_are_reported() {
        let png = read_fixture("picture.png");
        let mut files: Vec<(String, &[u8])> = vec![
            ("ant/good.png".into(), &png),
            ("bee/good.png".into(), &png),
            ("bee/notes.txt".into(), b"not counted"),
            ("bee/.hidden.jpg".into(), b"not counted"),
            ("bee/page.jpg".into(), b"<!DOCTYPE html>"),
            ("bee/short.png".into(), &png[..20]),
        ];
        files.extend((0..12).map(|i| (format!("ant/{i:02}.gif"), &b"GIF89a"[..])));
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        let root = create_folder(&files);
        let set = open(root.path()).unwrap();
        assert_eq!(counts(&set), [2, 0, 0]);
        assert_eq!(set.warnings().len(), 11);
        let first = &set.warnings()[0];
        assert_eq!(first.code, ErrorCode::Image);
        assert!(first.file.as_deref().unwrap().ends_with("00.gif"), "{first:?}");
        assert!(first.message.contains("00.gif is a GIF image"), "{first:?}");
        assert!(set.warnings()[10].message.starts_with("4 more files"), "{:?}", set.warnings()[10]);
    }

    #[test]
    fn the_short_side_is_the_median() {
        // Two images of 37x29, and one of another size.
        let (up, jpeg) = (read_fixture("resized-up.png"), read_fixture("baseline.jpg"));
        let root = create_folder(&[("a/1.png", &up), ("b/1.jpg", &jpeg), ("b/2.jpg", &jpeg)]);
        let set = open(root.path()).unwrap();
        assert_eq!((set.facts().image_size, set.facts().median_short_side), (None, Some(29)));
    }

    #[test]
    fn an_empty_class_folder_is_skipped_with_a_warning() {
        let png = read_fixture("picture.png");
        let root = create_folder(&[("ant/1.png", &png), ("bee/1.png", &png), ("cat/", b"")]);
        let set = open(root.path()).unwrap();
        assert_eq!(set.facts().classes, ["ant", "bee"]);
        assert!(set.warnings()[0].message.contains("cat"), "{:?}", set.warnings());
    }

    #[test]
    fn refuses_unusable_folders_with_a_hint() {
        let png = read_fixture("picture.png");
        assert!(open_error(&[]).hint.unwrap().contains("separate folder"));
        assert!(open_error(&[("1.png", &png)]).hint.unwrap().contains("contains images directly"));
        assert!(open_error(&[("only/1.png", &png)]).message.contains("one class only"));
        let nested = open_error(&[("photos/ant/1.png", &png), ("photos/bee/1.png", &png)]);
        assert!(nested.hint.unwrap().ends_with("photos?"));
        let data = open_error(&[("inside/data_batch_1.bin", b"")]);
        assert!(data.hint.unwrap().ends_with("inside?"));
        let two = [
            ("train/ant/1.png", &png[..]),
            ("train/bee/1.png", &png),
            ("val/", b""),
            ("valid/", b""),
        ];
        assert!(open_error(&two).message.contains("two val splits"));
        let unknown =
            [("train/ant/1.png", &png[..]), ("train/bee/1.png", &png), ("test/cat/1.png", &png)];
        assert!(open_error(&unknown).message.contains("'cat'"));
    }

    #[test]
    fn the_fingerprint_depends_on_files_not_on_location() {
        let (png, jpeg) = (read_fixture("picture.png"), read_fixture("baseline.jpg"));
        let fingerprint = |files: &[(&str, &[u8])]| {
            let root = create_folder(files);
            open(root.path()).unwrap().facts().fingerprint.clone()
        };
        let expected = fingerprint(&[("a/1", &png), ("b/1", &png)]);
        assert_eq!(expected, fingerprint(&[("a/1", &png), ("b/1", &png)]));
        assert_ne!(expected, fingerprint(&[("a/1", &png), ("b/2", &png)]));
        assert_ne!(expected, fingerprint(&[("a/1", &png), ("b/1", &jpeg)]));
        assert_ne!(expected, fingerprint(&[("a/1", &png), ("c/1", &png)]));
    }

    #[cfg(unix)]
    #[test]
    fn follows_links_without_cycles() {
        use std::os::unix::fs::symlink;

        let png = read_fixture("picture.png");
        let root = create_folder(&[("ant/1.png", &png), ("bee/1.png", &png)]);
        let path = |name: &str| root.path().join(name);
        symlink(root.path(), path("ant/circle")).unwrap();
        symlink("itself", path("ant/itself")).unwrap();
        symlink(path("bee"), path("cat")).unwrap();
        symlink("nowhere", path("bee/gone.png")).unwrap();
        let set = open(root.path()).unwrap();
        assert_eq!(set.facts().classes, ["ant", "bee", "cat"]);
    }

    #[cfg(unix)]
    #[test]
    fn accepts_names_that_are_not_utf8() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let png = read_fixture("picture.png");
        let root = create_folder(&[("ant/1.png", &png)]);
        let class = root.path().join(OsStr::from_bytes(b"b\xffe"));
        std::fs::create_dir(&class).unwrap();
        std::fs::write(class.join(OsStr::from_bytes(b"\xfe.png")), &png).unwrap();
        let set = open(root.path()).unwrap();
        assert_eq!(set.facts().classes, ["ant", "b\u{fffd}e"]);
        let train = set.source(Split::Train);
        assert!(train.name(1).ends_with("\u{fffd}.png"));
        train.read_into(1, 3, &mut Image::default()).unwrap();
    }

    #[test]
    fn reports_an_image_that_is_damaged_after_opening() {
        let png = read_fixture("picture.png");
        let root = create_folder(&[("ant/1.png", &png), ("bee/1.png", &png)]);
        let set = open(root.path()).unwrap();
        let train = set.source(Split::Train);
        std::fs::remove_file(root.path().join("ant/1.png")).unwrap();
        std::fs::write(root.path().join("bee/1.png"), &png[..200]).unwrap();
        let missing = train.read_into(0, 3, &mut Image::default()).unwrap_err();
        assert_eq!(missing.code, ErrorCode::Io);
        let damaged = train.read_into(1, 3, &mut Image::default()).unwrap_err();
        assert_eq!(damaged.code, ErrorCode::Image);
        assert!(damaged.message.contains("1.png is damaged"), "{damaged}");
        assert!(damaged.at.file.unwrap().ends_with("1.png"));
    }

    #[test]
    fn scans_ten_thousand_files_and_cancels_quickly() {
        let png = read_fixture("picture.png");
        let root = create_folder(&[("ant/", b""), ("bee/", b"")]);
        for i in 0..10_000 {
            let class = if i % 2 == 0 { "ant" } else { "bee" };
            std::fs::write(root.path().join(format!("{class}/{i}.png")), &png).unwrap();
        }
        let started = Instant::now();
        assert_eq!(counts(&open(root.path()).unwrap()), [10_000, 0, 0]);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());

        let source = Some(root.path().display().to_string());
        let calls = AtomicUsize::new(0);
        // Start scanning, then cancel.
        let cancelled = || calls.fetch_add(1, Ordering::Relaxed) > 3;
        let started = Instant::now();
        let error = crate::open(&DataConfig { source, ..DataConfig::default() }, &cancelled);
        assert_eq!(error.err().unwrap().code, ErrorCode::Aborted);
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
}
