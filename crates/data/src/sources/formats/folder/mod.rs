//! Image folders: `root/<class>/...`, or `root/{train,val,test}/<class>/...`.

mod annotation_folders;
mod linked_folders;
mod split_folders;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use residual_spec::{DataFormat, ErrorCode, Result, WarningEvent};
use xxhash_rust::xxh3::Xxh3;

use super::class_names::{fold_class_name, normalize_class_name, unknown_class};
use super::manifest::{self, ManifestFormat};
use crate::decode::header::Header;
use crate::decode::header_error;
use crate::sources::dataset::check_classes;
use crate::sources::disk::{DiskSource, ImageLocation};
use crate::sources::image_extension::has_image_extension;
use crate::sources::listing::Listing;
use crate::sources::scan_headers::{
    HeaderResult, HeaderStats, build_dataset, is_image, no_readable_images, scan_headers,
};
use crate::sources::skipped_files::{SkippedFiles, UnreadableFiles};
use crate::{Dataset, Split};
use annotation_folders::{check_annotation_folders, is_images_folder};
use linked_folders::LinkedFolders;
use split_folders::{find_splits, suggest_subfolder};

/// The number of files inspected for a hint about a folder without classes.
const MAX_INSPECTED: usize = 10;

/// The folder of a class in one split, and its files.
struct ClassFolder {
    split: Split,
    path: PathBuf,
    /// The class: the normalized name of the folder.
    name: String,
    files: Vec<ImageLocation>,
}

impl ClassFolder {
    fn new(split: Split, path: PathBuf, files: Vec<PathBuf>) -> ClassFolder {
        let name = normalize_class_name(&path.file_name().unwrap_or_default().to_string_lossy());
        let files = files.into_iter().map(|file| ImageLocation::File(file.into())).collect();
        ClassFolder { split, path, name, files }
    }
}

/// Opens an image folder and parses the headers of its images.
///
/// # Errors
/// `E_DATA_UNUSABLE`, also if the validation or test split has a class that the training split does
/// not have, or if the validation split has files but no readable image; `E_IO`; `E_ABORTED`.
pub(crate) fn open(
    source: &str,
    root: &Path,
    listing: Listing,
    cancelled: &dyn Fn() -> bool,
) -> Result<Dataset> {
    let mut found = find_splits(root, listing, cancelled)?;
    let (mut folders, mut links) = (Vec::new(), LinkedFolders::new(root)?);
    for split in &found.splits {
        let first = folders.len();
        for path in &split.class_folders {
            let files = links.list_files(split.split, path, &mut found.ignored, cancelled)?;
            folders.extend(files.map(|files| ClassFolder::new(split.split, path.clone(), files)));
        }
        folders[first..].sort_by(|a, b| a.name.cmp(&b.name));
    }
    let files: Vec<ImageLocation> =
        folders.iter().flat_map(|folder| &folder.files).cloned().collect();
    let headers = scan_headers(&files, cancelled)?;
    let mut warnings = found.ignored.warnings(root);
    warnings.append(&mut found.warnings);
    warnings.extend(links.warnings());
    build(source, root, &folders, headers, warnings).map_err(|error| {
        match (found.ignored.leftovers_message(root), &error.hint) {
            (Some(skipped), Some(hint)) => {
                let hint = format!("{hint} ({skipped})");
                error.hint(hint)
            }
            _ => error,
        }
    })
}

/// A class folder after its files were inspected.
struct ClassImages<'a> {
    folder: &'a ClassFolder,
    /// Location, header and file size in bytes of each readable image.
    images: Vec<(&'a ImageLocation, Header, u64)>,
    unreadable: UnreadableFiles,
}

/// Separates the readable images of each folder from its other files. `headers` has the results for
/// the files of all folders. Adds unreadable files to `skipped` if they look like images.
fn separate_readable<'a>(
    folders: &'a [ClassFolder],
    headers: Vec<HeaderResult>,
    skipped: &mut SkippedFiles,
) -> Vec<ClassImages<'a>> {
    let mut headers = headers.into_iter();
    let mut separate = |folder: &'a ClassFolder| {
        let (mut images, mut unreadable) = (Vec::new(), UnreadableFiles::default());
        for (file, header) in folder.files.iter().zip(&mut headers) {
            let error = match header {
                Ok((header, bytes)) => {
                    images.push((file, header, bytes));
                    continue;
                }
                Err(error) => error,
            };
            unreadable.add(file.file(), &error);
            // Notes, lists and thumbnails are common in image folders and need no warning.
            if !error.is_no_image() || has_image_extension(file.file()) {
                skipped.add(file.with_name(header_error(&error)));
            }
        }
        ClassImages { folder, images, unreadable }
    };
    folders.iter().map(&mut separate).collect()
}

/// Builds the data set from the class folders and the headers of all their files.
fn build(
    source: &str,
    root: &Path,
    folders: &[ClassFolder],
    headers: Vec<HeaderResult>,
    mut warnings: Vec<WarningEvent>,
) -> Result<Dataset> {
    let mut skipped = SkippedFiles::files();
    let found = separate_readable(folders, headers, &mut skipped);
    warnings.extend(skipped.warnings());
    let classes = find_classes(source, root, &found, &mut warnings)?;

    let (mut stats, mut hash) = (HeaderStats::default(), Xxh3::new());
    let mut sources: [DiskSource; 3] = Default::default();
    for split in Split::ALL {
        let in_split: Vec<&ClassImages> =
            found.iter().filter(|found| found.folder.split == split).collect();
        check_has_images(source, split, &in_split, &mut warnings)?;
        if is_unlabeled(split, &in_split, &classes) {
            warnings.push(warn_of_unlabeled_split(split, &in_split));
            continue;
        }
        let images = &mut sources[split as usize];
        for found in in_split.iter().filter(|found| !found.images.is_empty()) {
            let folder = found.folder;
            let Ok(label) = classes.binary_search(&folder.name) else {
                return Err(unknown_class(split, &folder.name, &classes).file(&folder.path));
            };
            for &(location, ref header, bytes) in &found.images {
                if split == Split::Train {
                    let file = location.file();
                    let relative = file.strip_prefix(&folder.path).unwrap_or(file);
                    add_to_fingerprint(&mut hash, label, &folder.name, relative, bytes);
                }
                stats.add(split, header);
                images.locations.push(location.clone());
                images.labels.push(label as u32);
            }
        }
    }
    let format = DataFormat::ImageFolder;
    Ok(build_dataset(source, format, classes, sources, &stats, &hash, warnings))
}

/// Returns the classes: the names of the training split's folders with images, sorted. Warns about
/// folders without images, and about names that differ only in case or spaces.
///
/// # Errors
/// `E_DATA_UNUSABLE` for fewer than two classes, or if a folder such as `images` contains the class
/// folders, or all images beside their annotations.
fn find_classes(
    source: &str,
    root: &Path,
    found: &[ClassImages],
    warnings: &mut Vec<WarningEvent>,
) -> Result<Vec<String>> {
    let train = found.iter().filter(|found| found.folder.split == Split::Train);
    warnings.extend(check_annotation_folders(&train.collect::<Vec<_>>())?);
    let (mut classes, mut counts): (Vec<String>, Vec<usize>) = Default::default();
    let mut unreadable = UnreadableFiles::default();
    let mut by_folded_name: HashMap<String, &str> = HashMap::new();
    for found in found.iter().filter(|found| found.folder.split == Split::Train) {
        unreadable.extend(&found.unreadable);
        let (path, name) = (&found.folder.path, &found.folder.name);
        if found.images.is_empty() {
            warnings.push(warn_of_empty_class(found));
        } else if classes.last() == Some(name) {
            let message = format!("two folders are named '{name}': they are one class");
            warnings.push(warning(message, path, "Merge the folders, or rename one of them."));
        } else {
            if let Some(other) = by_folded_name.insert(fold_class_name(name), name) {
                let message =
                    format!("the classes '{other}' and '{name}' differ only in case or spaces");
                warnings.push(warning(message, path, "Merge the folders if they are one class."));
            }
            classes.push(name.clone());
            counts.push(found.images.len());
        }
    }
    check_classes(source, &classes, &counts).map_err(|error| {
        let error = error.file(root);
        let error = match unreadable.describe().filter(|_| classes.is_empty()) {
            Some(files) => {
                no_readable_images(source, Split::Train, &files, unreadable.hint()).file(root)
            }
            None => error,
        };
        match suggest_fix(root) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })?;
    Ok(classes)
}

/// Returns the warning about a class folder without a readable image.
fn warn_of_empty_class(found: &ClassImages) -> WarningEvent {
    let path = &found.folder.path;
    let displayed = path.display();
    let message = match found.unreadable.describe() {
        Some(files) => {
            format!("the class folder {displayed} has no readable images; found {files}")
        }
        None => format!("the class folder {displayed} has no images"),
    };
    warning(message, path, "The class was skipped: remove the folder, or put images into it.")
}

/// Warns about a split without images.
///
/// # Errors
/// `E_DATA_UNUSABLE` for a validation split with files but without a readable image, because its
/// metrics would describe nothing.
fn check_has_images(
    source: &str,
    split: Split,
    found: &[&ClassImages],
    warnings: &mut Vec<WarningEvent>,
) -> Result<()> {
    let Some(first) = found.first() else { return Ok(()) };
    if found.iter().any(|found| !found.images.is_empty()) {
        return Ok(());
    }
    let folder = first.folder.path.parent().unwrap_or(Path::new(""));
    let mut unreadable = UnreadableFiles::default();
    found.iter().for_each(|found| unreadable.extend(&found.unreadable));
    let name = split.as_str();
    let message = match (split, unreadable.describe()) {
        (Split::Val, Some(files)) => {
            return Err(no_readable_images(source, split, &files, unreadable.hint()).file(folder));
        }
        (Split::Train | Split::Test, Some(files)) => {
            format!("the {name} split of {source} has no readable images; found {files}")
        }
        (_, None) => format!("the {name} split of {source} has no images"),
    };
    let hint = "The split was ignored. Put images into it, or remove the folder.";
    warnings.push(warning(message, folder, hint));
    Ok(())
}

/// Returns whether the images of a split have no labels: for the test split, no image is in a
/// folder named after a class; for the validation split, all are in a folder such as `images`.
fn is_unlabeled(split: Split, found: &[&ClassImages], classes: &[String]) -> bool {
    let mut with_images = found.iter().filter(|found| !found.images.is_empty()).peekable();
    let is_class =
        |name: &str| classes.iter().any(|class| fold_class_name(class) == fold_class_name(name));
    let lacks_label = |name: &str| match split {
        Split::Train => false,
        Split::Val => is_images_folder(name) && !is_class(name),
        Split::Test => !is_class(name),
    };
    with_images.peek().is_some() && with_images.all(|found| lacks_label(&found.folder.name))
}

/// Returns the warning about a validation or test split none of whose folders is a class.
fn warn_of_unlabeled_split(split: Split, found: &[&ClassImages]) -> WarningEvent {
    let names: Vec<&str> = found.iter().take(3).map(|found| found.folder.name.as_str()).collect();
    let more = if found.len() > names.len() { ", ..." } else { "" };
    let message = format!(
        "the {} split has no labels: none of its folders is a class ({}{more})",
        split.as_str(),
        names.join(", ")
    );
    let folder = found[0].folder.path.parent().unwrap_or(Path::new(""));
    let hint = "The split was ignored. Put the images of each class into a folder of its name, or \
                classify them with `residual predict`.";
    warning(message, folder, hint)
}

fn warning(message: String, file: &Path, hint: &str) -> WarningEvent {
    WarningEvent {
        code: ErrorCode::DataUnusable,
        message,
        file: Some(file.display().to_string()),
        hint: Some(hint.into()),
    }
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

/// Returns a hint for a folder with too few classes, for example to use one of its subfolders.
fn suggest_fix(root: &Path) -> Option<String> {
    if let Some(folder) = suggest_subfolder(root) {
        return Some(format!("Did you mean {}?", folder.display()));
    }
    let files = Listing::read(root, &|| false).ok()?.files;
    let has_images = files.iter().take(MAX_INSPECTED).any(|file| is_image(file));
    let list = files.iter().find(|file| ManifestFormat::from_path(file).is_some());
    match (list, has_images) {
        (Some(list), _) => Some(format!(
            "If {} lists the classes of the images, set `data` to it.",
            list.display()
        )),
        (None, true) => {
            Some("The folder contains images directly; move each class into its own folder.".into())
        }
        (None, false) => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use residual_spec::{DataConfig, Error};
    use tempfile::TempDir;

    use super::*;
    use crate::Image;

    pub fn read_fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        std::fs::read(format!("{folder}/{name}")).unwrap()
    }

    /// Creates a folder with files. A name that ends with `/` is an empty folder.
    pub fn create_folder(files: &[(&str, &[u8])]) -> TempDir {
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

    pub fn open(root: &Path) -> Result<Dataset> {
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

    pub fn counts(set: &Dataset) -> [u32; 3] {
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

    #[cfg(unix)]
    #[test]
    fn links_to_missing_files_are_reported() {
        let png = read_fixture("picture.png");
        let root = create_folder(&[("ant/1.png", &png), ("bee/1.png", &png), ("cow/", &[])]);
        let link = |name: &str| {
            std::os::unix::fs::symlink("/missing/key", root.path().join(name)).unwrap();
        };
        link("ant/2.png");
        link("cow/without-extension");
        let set = open(root.path()).unwrap();
        assert_eq!(counts(&set), [2, 0, 0]);
        let messages: Vec<&str> = set.warnings().iter().map(|w| w.message.as_str()).collect();
        assert!(messages[0].contains("ant/2.png could not be read"), "{messages:?}");
        assert!(messages[1].contains("cow/without-extension could not be read"), "{messages:?}");
        assert!(messages[2].ends_with("found symbolic links to missing files (1)"));
        for image in ["ant/1.png", "bee/1.png"] {
            std::fs::remove_file(root.path().join(image)).unwrap();
        }
        let error = open(root.path()).err().unwrap();
        assert!(error.message.ends_with("found symbolic links to missing files (2)"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_to_missing_class_folders_and_splits_are_reported() {
        let png = read_fixture("picture.png");
        for (images, link) in [
            (["ant/1.png", "bee/1.png"], "cat"),
            (["train/ant/1.png", "train/bee/1.png"], "train/cat"),
            (["train/ant/1.png", "train/bee/1.png"], "val"),
        ] {
            let root = create_folder(&images.map(|image| (image, &*png)));
            std::os::unix::fs::symlink("/missing/folder", root.path().join(link)).unwrap();
            let set = open(root.path()).unwrap();
            let messages: Vec<&str> = set.warnings().iter().map(|w| w.message.as_str()).collect();
            let expected = format!("{link} is a symbolic link to a missing folder");
            assert!(messages.iter().any(|message| message.ends_with(&expected)), "{messages:?}");
        }
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
        assert!(set.warnings()[0].message.contains("train is a class"), "{:?}", set.warnings());
        let error = open_error(&[("train/1.png", &png), ("test/1.png", &png)]);
        assert!(error.message.contains("has no class folders"), "{error}");
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
            [("train/ant/1.png", &png[..]), ("train/bee/1.png", &png), ("val/cat/1.png", &png)];
        assert!(open_error(&unknown).message.contains("'cat'"));
    }

    /// Creates the class folders `ant` and `bee`, with an image each, in each of `folders`.
    pub fn create_two_classes(folders: &[&str], png: &[u8]) -> TempDir {
        let files: Vec<String> = folders
            .iter()
            .flat_map(|folder| ["ant", "bee"].map(|class| format!("{folder}/{class}/1.png")))
            .collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|file| (file.as_str(), png)).collect();
        create_folder(&files)
    }

    pub fn messages(set: &Dataset) -> Vec<&str> {
        set.warnings().iter().map(|warning| warning.message.as_str()).collect()
    }

    #[test]
    fn recognizes_splits_by_their_usual_names() {
        let png = read_fixture("picture.png");
        for (folders, expected) in [
            (&["Training", "Testing"][..], [2, 0, 2]),
            (&["train", "dev"], [2, 2, 0]),
            (&["train", "eval"], [2, 2, 0]),
            (&["Train", "Valid", "Test"], [2, 2, 2]),
            (&["training_set", "test_set"], [2, 0, 2]),
            (&["seg_train/seg_train", "seg_test/seg_test"], [2, 0, 2]),
            (&["train/images", "val/images"], [2, 2, 0]),
            (&["chest_train", "chest_val"], [2, 2, 0]),
        ] {
            let root = create_two_classes(folders, &png);
            let set = open(root.path()).unwrap();
            assert_eq!(set.facts().classes, ["ant", "bee"], "{folders:?}");
            assert_eq!((counts(&set), messages(&set)), (expected, vec![]), "{folders:?}");
        }
    }

    #[test]
    fn folders_beside_splits_are_skipped_with_a_warning() {
        let png = read_fixture("picture.png");
        for (other, is_system) in [
            ("annotations/boxes.json", false),
            ("holdout/ant/1.png", false),
            ("test-multiple/ant/1.png", false),
            ("seg_pred/1.png", false),
            ("__MACOSX/train/ant/._1.png", true),
            ("lost+found/x", true),
            ("$RECYCLE.BIN/S-1/x.png", true),
            ("runs/photos-resnet18/config.json", true),
        ] {
            let root = create_two_classes(&["train", "val"], &png);
            let path = root.path().join(other);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &png).unwrap();
            let set = open(root.path()).unwrap();
            assert_eq!((set.facts().classes.len(), counts(&set)), (2, [2, 2, 0]), "{other}");
            let folder = other.split('/').next().unwrap();
            assert_eq!(set.warnings().len(), 1, "{:?}", set.warnings());
            let message = &set.warnings()[0].message;
            assert!(message.ends_with(&format!(": {folder}")), "{message}");
            assert_eq!(message.starts_with("skipped"), is_system, "{message}");
        }
        let error = open(create_two_classes(&["val", "test"], &png).path()).err().unwrap();
        assert!(error.message.ends_with("has no training split"), "{error}");
    }

    #[test]
    fn skips_thumbnails_and_run_folders_with_a_warning() {
        let png = read_fixture("picture.png");
        let root = create_two_classes(&["."], &png);
        for file in
            ["ant/@eaDir/1.png/THUMB_M.png", "bee/@eaDir/1.png/THUMB_M.png", "runs/x/samples.png"]
        {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &png).unwrap();
        }
        std::fs::write(root.path().join("runs/x/config.json"), "{}").unwrap();
        let set = open(root.path()).unwrap();
        assert_eq!((set.facts().classes.join(" "), counts(&set)), ("ant bee".into(), [2, 0, 0]));
        let texts = messages(&set);
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].ends_with("ant/@eaDir, bee/@eaDir"), "{texts:?}");
        assert!(texts[1].ends_with(": runs"), "{texts:?}");
    }

    #[test]
    fn skips_backups_and_incomplete_downloads_with_a_warning() {
        let png = read_fixture("picture.png");
        let root = create_two_classes(&["."], &png);
        for file in ["ant/1.png~", "ant/2.jpg.crdownload", "bee/1.bak", "bee/notes.txt~"] {
            std::fs::write(root.path().join(file), &png).unwrap();
        }
        std::fs::create_dir(root.path().join("bee.bak")).unwrap();
        std::fs::write(root.path().join("bee.bak/1.png"), &png).unwrap();
        let set = open(root.path()).unwrap();
        assert_eq!((set.facts().classes.join(" "), counts(&set)), ("ant bee".into(), [2, 0, 0]));
        let texts = messages(&set);
        assert_eq!(texts.len(), 1, "{texts:?}");
        let skipped = "ant/1.png~, ant/2.jpg.crdownload, bee/1.bak, bee.bak";
        assert!(texts[0].ends_with(skipped), "{texts:?}");
        std::fs::remove_file(root.path().join("bee/1.png")).unwrap();
        let error = open(root.path()).err().unwrap();
        assert!(error.message.contains("one class only"), "{error}");
        assert!(error.hint.unwrap().ends_with(&format!("{skipped})")));
    }

    #[test]
    fn images_outside_class_folders_are_skipped_with_a_warning() {
        let png = read_fixture("picture.png");
        let root = create_two_classes(&["."], &png);
        std::fs::write(root.path().join("3.png"), &png).unwrap();
        let set = open(root.path()).unwrap();
        assert!(messages(&set)[0].ends_with("has images outside class folders (1)"));
    }

    #[test]
    fn a_test_split_without_labels_is_ignored_with_a_warning() {
        let png = read_fixture("picture.png");
        for file in [
            "test/1.png",
            "test/unknown/1.png",
            "test/images/1.png",
            "val/1.png",
            "val/images/1.png",
        ] {
            let root = create_two_classes(&["train"], &png);
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &png).unwrap();
            let set = open(root.path()).unwrap();
            assert_eq!(counts(&set), [2, 0, 0], "{file}");
            let texts = messages(&set);
            assert!(texts.len() == 1 && texts[0].contains("has no labels"), "{texts:?}");
        }
    }

    #[test]
    fn refuses_a_validation_split_without_readable_images() {
        let png = read_fixture("picture.png");
        let error = open_error(&[
            ("train/ant/1.png", &png),
            ("train/bee/1.png", &png),
            ("val/ant/1.png", b""),
            ("val/bee/1.png", &png[..20]),
        ]);
        assert!(error.message.contains("the val split of "), "{error}");
        assert!(error.message.contains("damaged images (1)"), "{error}");
    }

    #[test]
    fn the_warning_about_a_test_split_without_readable_images_names_its_files() {
        let png = read_fixture("picture.png");
        let root = create_folder(&[
            ("train/ant/1.png", &png),
            ("train/bee/1.png", &png),
            ("test/ant/1.png", &png[..20]),
        ]);
        let set = open(root.path()).unwrap();
        assert_eq!(counts(&set), [2, 0, 0]);
        let texts = messages(&set);
        let expected = "has no readable images; found damaged images (1)";
        assert!(texts.iter().any(|text| text.ends_with(expected)), "{texts:?}");
    }

    #[test]
    fn names_the_formats_of_a_folder_without_readable_images() {
        let webp = b"RIFF\x24\0\0\0WEBPVP8 ";
        let bmp = b"BM\x3a\0\0\0\0\0\0\0";
        let error = open_error(&[("ant/1.jpg", webp), ("bee/1.jpg", webp), ("bee/2.bmp", bmp)]);
        assert!(error.message.ends_with("found WebP images (2), BMP images (1)"), "{error}");
        assert!(error.hint.unwrap().starts_with("Convert the images to JPEG or PNG"));
    }

    #[test]
    fn suggests_the_subfolder_with_the_class_folders() {
        let png = read_fixture("picture.png");
        for (folders, meant) in [
            (&["photos"][..], "photos"),
            (&["a/b/train", "a/b/val"], "a/b"),
            (&["images"], "images"),
        ] {
            let root = create_two_classes(folders, &png);
            std::fs::create_dir(root.path().join("meta")).unwrap();
            std::fs::write(root.path().join("meta/classes.txt"), "ant").unwrap();
            let hint = open(root.path()).err().unwrap().hint.unwrap();
            let expected = format!("Did you mean {}?", root.path().join(meant).display());
            assert_eq!(hint, expected);
        }
        let root = create_two_classes(&["images"], &png);
        std::fs::create_dir(root.path().join("samples")).unwrap();
        std::fs::write(root.path().join("samples/1.png"), &png).unwrap();
        let hint = open(root.path()).err().unwrap().hint.unwrap();
        assert_eq!(hint, format!("Did you mean {}?", root.path().join("images").display()));
    }

    #[test]
    fn composed_and_decomposed_folder_names_are_one_class() {
        let png = read_fixture("picture.png");
        let root = create_folder(&[
            ("train/caf\u{e9}/1.png", &png),
            ("train/the/1.png", &png),
            ("val/cafe\u{301}/1.png", &png),
            ("val/the/1.png", &png),
        ]);
        let set = open(root.path()).unwrap();
        assert_eq!(set.facts().classes, ["caf\u{e9}", "the"]);
        assert_eq!((counts(&set), messages(&set)), ([2, 2, 0], vec![]));
        let error = open_error(&[
            ("train/cat/1.png", &png),
            ("train/dog/1.png", &png),
            ("val/Cat/1.png", &png),
        ]);
        assert!(error.hint.unwrap().starts_with("The train split has 'cat'"));
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
        // Takes about 0.1 s on an idle machine.
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());

        let source = Some(root.path().display().to_string());
        let calls = AtomicUsize::new(0);
        // Start scanning, then cancel.
        let cancelled = || calls.fetch_add(1, Ordering::Relaxed) > 3;
        let error = crate::open(&DataConfig { source, ..DataConfig::default() }, &cancelled);
        assert_eq!(error.err().unwrap().code, ErrorCode::Aborted);
        let calls = calls.load(Ordering::Relaxed);
        assert!(calls < 100, "{calls} of 10,000 files were scanned");
    }
}
