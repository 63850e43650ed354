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
use crate::sources::scan_headers::{HeaderResult, HeaderStats, dataset, is_image, scan_headers};
use crate::sources::skipped_files::SkippedFiles;
use crate::{Dataset, Split};

/// The number of files inspected for a hint about a folder without classes.
const SOME: usize = 10;

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

/// Opens an image folder.
pub(crate) fn open(
    source: &str,
    root: &Path,
    listing: Listing,
    cancelled: &dyn Fn() -> bool,
) -> Result<Dataset> {
    let mut folders = Vec::new();
    for (split, listing) in find_splits(root, listing, cancelled)? {
        for path in listing.folders {
            let files = files_below(&path, cancelled)?.into_iter();
            let files = files.map(|file| ImageLocation::File(file.into())).collect();
            folders.push(ClassFolder { split, path, files });
        }
    }
    let files: Vec<ImageLocation> =
        folders.iter().flat_map(|folder| &folder.files).cloned().collect();
    let headers = scan_headers(&files, cancelled)?;
    assemble(source, root, &folders, headers)
}

/// Finds the splits of a root folder, each with its class folders.
fn find_splits(
    root: &Path,
    listing: Listing,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<(Split, Listing)>> {
    let named = |folder: &Path| Split::from_name(folder.file_name()?.to_str()?);
    let splits: Option<Vec<Split>> = listing.folders.iter().map(|folder| named(folder)).collect();
    // A class may be named "train": the folders are splits only if all of them have split names and
    // the training folder contains folders.
    let Some(splits) = splits.filter(|splits| splits.contains(&Split::Train)) else {
        return Ok(vec![(Split::Train, listing)]);
    };
    let mut found: Vec<(Split, Listing)> = Vec::new();
    for (split, folder) in splits.into_iter().zip(&listing.folders) {
        if found.iter().any(|(other, _)| *other == split) {
            let message = format!("{} has two {} splits", root.display(), split.as_str());
            return Err(Error::new(ErrorCode::DataUnusable, message)
                .key("data")
                .file(folder)
                .hint("Keep one of the two folders."));
        }
        found.push((split, Listing::read(folder, cancelled)?));
    }
    let train_has_folders =
        found.iter().any(|(split, inside)| *split == Split::Train && !inside.folders.is_empty());
    Ok(if train_has_folders { found } else { vec![(Split::Train, listing)] })
}

/// All files below a class folder, sorted. A folder that several links lead to is visited once.
fn files_below(class: &Path, cancelled: &dyn Fn() -> bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut entered = HashSet::new();
    let mut waiting = vec![class.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        let real = folder.canonicalize().map_err(|cause| Error::read(&folder, &cause))?;
        if entered.insert(real) {
            let listing = Listing::read(&folder, cancelled)?;
            files.extend(listing.files);
            waiting.extend(listing.folders);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The readable images of a class folder: location, header, file size.
type Readable<'a> = Vec<(&'a ImageLocation, Header, u64)>;

fn assemble(
    source: &str,
    root: &Path,
    folders: &[ClassFolder],
    headers: Vec<HeaderResult>,
) -> Result<Dataset> {
    let mut skipped = SkippedFiles::files();
    let mut headers = headers.into_iter();
    let mut readable: Vec<(&ClassFolder, Readable)> = Vec::with_capacity(folders.len());
    for folder in folders {
        let mut images = Vec::new();
        for (file, header) in folder.files.iter().zip(&mut headers) {
            match header {
                Ok((header, bytes)) => images.push((file, header, bytes)),
                // Notes, lists and thumbnails are common in image folders and need no warning.
                Err(HeaderError::Unknown) if !has_image_extension(file.file()) => {}
                Err(why) => skipped.add(file.with_name(header_error(&why))),
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
                    "The class was skipped; remove the folder, or put images into it.".into(),
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
        for (folder, readable) in folders_of(split).filter(|(_, images)| !images.is_empty()) {
            let name = folder.name();
            let Some(label) = classes.iter().position(|class| *class == name) else {
                return Err(unknown_class(split, folder));
            };
            for &(location, ref header, bytes) in readable {
                if split == Split::Train {
                    let file = location.file();
                    let below = file.strip_prefix(&folder.path).unwrap_or(file);
                    add_to_fingerprint(&mut hash, label, &name, below, bytes);
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
    Ok(dataset(source, format, classes, sources, &stats, &hash, warnings))
}

fn unknown_class(split: Split, folder: &ClassFolder) -> Error {
    let message = format!(
        "the {} split has the class '{}', which the train split lacks",
        split.as_str(),
        folder.name()
    );
    Error::new(ErrorCode::DataUnusable, message)
        .key("data")
        .file(&folder.path)
        .hint("Use the same class names in every split.")
}

/// Hashes the components of a path with `/` between them, so that every platform gives the same
/// hash.
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

/// A hint for a folder with too few classes, for example the folder that was probably meant.
fn suggest_fix(root: &Path, folders: &[ClassFolder]) -> Option<String> {
    let mut inner = folders.iter().map(|folder| folder.path.as_path());
    if let (Some(only), None) = (inner.next(), inner.next()) {
        let listing = Listing::read(only, &|| false).ok()?;
        let data = has_data_files(&listing.files);
        if data || listing.folders.len() > 1 {
            return Some(format!("Did you mean {}?", only.display()));
        }
    }
    let files = Listing::read(root, &|| false).ok()?.files;
    files
        .iter()
        .take(SOME)
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

    fn image(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        std::fs::read(format!("{folder}/{name}")).unwrap()
    }

    /// Creates a folder with files; a name that ends with `/` is an empty folder.
    fn folder(files: &[(&str, &[u8])]) -> TempDir {
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

    fn refused(files: &[(&str, &[u8])]) -> Error {
        let root = folder(files);
        let error = open(root.path()).err().expect("refused");
        assert_eq!(error.code, ErrorCode::DataUnusable, "{error}");
        assert_eq!(error.at.key.as_deref(), Some("data"));
        error
    }

    fn counts(set: &Dataset) -> [u32; 3] {
        [set.facts().train, set.facts().val, set.facts().test]
    }

    #[test]
    fn classes_are_folders_in_byte_order() {
        let (jpeg, png) = (image("baseline.jpg"), image("picture.png"));
        let root = folder(&[
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
        let png = image("picture.png");
        for val in ["val", "valid", "Validation"] {
            let root = folder(&[
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
    fn a_class_may_be_called_train() {
        let png = image("picture.png");
        let set = open(folder(&[("train/1.png", &png), ("plane/1.png", &png)]).path()).unwrap();
        assert_eq!(set.facts().classes, ["plane", "train"]);
        let set = open(folder(&[("train/1.png", &png), ("test/1.png", &png)]).path()).unwrap();
        assert_eq!(set.facts().classes, ["test", "train"]);
    }

    #[test]
    fn gray_images_of_several_sizes_have_no_common_size() {
        let root = folder(&[("a/1.jpg", &image("gray.jpg")), ("b/1.png", &image("gray16.png"))]);
        assert_eq!(open(root.path()).unwrap().facts().channels, 1);
        let (down, up) = (image("resized-down.png"), image("resized-up.png"));
        let root = folder(&[("a/1.png", &down), ("b/1.png", &up)]);
        assert_eq!(open(root.path()).unwrap().facts().image_size, None);
    }

    #[test]
    fn files_that_are_no_images_are_reported() {
        let png = image("picture.png");
        let mut files: Vec<(String, &[u8])> = vec![
            ("ant/good.png".into(), &png),
            ("bee/good.png".into(), &png),
            ("bee/notes.txt".into(), b"not counted"),
            ("bee/.hidden.jpg".into(), b"not counted"),
            ("bee/page.jpg".into(), b"<!DOCTYPE html>"),
            ("bee/short.png".into(), &png[..20]),
        ];
        files.extend((0..12).map(|i| (format!("ant/{i:02}.gif"), &b"GIF89a"[..])));
        let files: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (n.as_str(), *b)).collect();
        let root = folder(&files);
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
        // 29x37 twice, and one of another size.
        let (up, jpeg) = (image("resized-up.png"), image("baseline.jpg"));
        let root = folder(&[("a/1.png", &up), ("b/1.jpg", &jpeg), ("b/2.jpg", &jpeg)]);
        let set = open(root.path()).unwrap();
        assert_eq!((set.facts().image_size, set.facts().median_short_side), (None, Some(29)));
    }

    #[test]
    fn an_empty_class_folder_is_skipped_with_a_warning() {
        let png = image("picture.png");
        let root = folder(&[("ant/1.png", &png), ("bee/1.png", &png), ("cat/", b"")]);
        let set = open(root.path()).unwrap();
        assert_eq!(set.facts().classes, ["ant", "bee"]);
        assert!(set.warnings()[0].message.contains("cat"), "{:?}", set.warnings());
    }

    #[test]
    fn refuses_unusable_folders_with_a_hint() {
        let png = image("picture.png");
        assert!(refused(&[]).hint.unwrap().contains("separate folder"));
        assert!(refused(&[("1.png", &png)]).hint.unwrap().contains("contains images directly"));
        assert!(refused(&[("only/1.png", &png)]).message.contains("one class only"));
        let nested = refused(&[("photos/ant/1.png", &png), ("photos/bee/1.png", &png)]);
        assert!(nested.hint.unwrap().ends_with("photos?"));
        let data = refused(&[("inside/data_batch_1.bin", b"")]);
        assert!(data.hint.unwrap().ends_with("inside?"));
        let two = [
            ("train/ant/1.png", &png[..]),
            ("train/bee/1.png", &png),
            ("val/", b""),
            ("valid/", b""),
        ];
        assert!(refused(&two).message.contains("two val splits"));
        let unknown =
            [("train/ant/1.png", &png[..]), ("train/bee/1.png", &png), ("test/cat/1.png", &png)];
        assert!(refused(&unknown).message.contains("'cat'"));
    }

    #[test]
    fn the_fingerprint_depends_on_files_not_on_location() {
        let (png, jpeg) = (image("picture.png"), image("baseline.jpg"));
        let print = |files: &[(&str, &[u8])]| {
            let root = folder(files);
            open(root.path()).unwrap().facts().fingerprint.clone()
        };
        let first = print(&[("a/1", &png), ("b/1", &png)]);
        assert_eq!(first, print(&[("a/1", &png), ("b/1", &png)]));
        assert_ne!(first, print(&[("a/1", &png), ("b/2", &png)]));
        assert_ne!(first, print(&[("a/1", &png), ("b/1", &jpeg)]));
        assert_ne!(first, print(&[("a/1", &png), ("c/1", &png)]));
    }

    #[cfg(unix)]
    #[test]
    fn follows_links_without_cycles() {
        use std::os::unix::fs::symlink;

        let png = image("picture.png");
        let root = folder(&[("ant/1.png", &png), ("bee/1.png", &png)]);
        let at = |name: &str| root.path().join(name);
        symlink(root.path(), at("ant/circle")).unwrap();
        symlink("itself", at("ant/itself")).unwrap();
        symlink(at("bee"), at("cat")).unwrap();
        symlink("nowhere", at("bee/gone.png")).unwrap();
        let set = open(root.path()).unwrap();
        assert_eq!(set.facts().classes, ["ant", "bee", "cat"]);
    }

    #[cfg(unix)]
    #[test]
    fn accepts_names_that_are_not_utf8() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let png = image("picture.png");
        let root = folder(&[("ant/1.png", &png)]);
        let odd = root.path().join(OsStr::from_bytes(b"b\xffe"));
        std::fs::create_dir(&odd).unwrap();
        std::fs::write(odd.join(OsStr::from_bytes(b"\xfe.png")), &png).unwrap();
        let set = open(root.path()).unwrap();
        assert_eq!(set.facts().classes, ["ant", "b\u{fffd}e"]);
        let train = set.source(Split::Train);
        assert!(train.name(1).ends_with("\u{fffd}.png"));
        train.read_into(1, 3, &mut Image::default()).unwrap();
    }

    #[test]
    fn names_an_image_that_breaks_later() {
        let png = image("picture.png");
        let root = folder(&[("ant/1.png", &png), ("bee/1.png", &png)]);
        let set = open(root.path()).unwrap();
        let train = set.source(Split::Train);
        std::fs::remove_file(root.path().join("ant/1.png")).unwrap();
        std::fs::write(root.path().join("bee/1.png"), &png[..200]).unwrap();
        let gone = train.read_into(0, 3, &mut Image::default()).unwrap_err();
        assert_eq!(gone.code, ErrorCode::Io);
        let broken = train.read_into(1, 3, &mut Image::default()).unwrap_err();
        assert_eq!(broken.code, ErrorCode::Image);
        assert!(broken.message.contains("1.png is damaged"), "{broken}");
        assert!(broken.at.file.unwrap().ends_with("1.png"));
    }

    #[test]
    fn scans_ten_thousand_files_quickly_and_cancels_at_once() {
        let png = image("picture.png");
        let root = folder(&[("ant/", b""), ("bee/", b"")]);
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
