//! Recognizes the splits of an image folder: `train/`, `val/` and `test/` under their usual names,
//! beside other folders.

use std::path::{Path, PathBuf};

use residual_spec::{Error, ErrorCode, Result, WarningEvent};

use super::super::layout::has_data_files;
use crate::Split;
use crate::sources::ignored_entries::{IgnoredEntries, format_paths};
use crate::sources::image_extension::has_image_extension;
use crate::sources::listing::Listing;
use crate::sources::scan_headers::is_image;

/// Maximum number of nested wrapper folders, which contain only one relevant folder.
const MAX_WRAPPERS: usize = 4;
/// Names of a wrapper folder between a split and its class folders, as in `train/images/cats`.
const WRAPPERS: [&str; 6] = ["images", "image", "imgs", "img", "photos", "data"];

/// Number of files of a folder that are inspected for an image without a usual extension.
const MAX_INSPECTED: usize = 3;

/// The class folders of a split.
pub(crate) struct SplitFolder {
    pub split: Split,
    pub class_folders: Vec<PathBuf>,
}

/// The splits of a root folder, with the folders that were skipped.
pub(crate) struct SplitFolders {
    pub splits: Vec<SplitFolder>,
    pub ignored: IgnoredEntries,
    pub warnings: Vec<WarningEvent>,
}

/// Returns the splits of a root folder. A folder without splits has a training split only.
///
/// The folders are splits if one of them has a name of the training split and contains folders.
/// Folders beside them that have no name of a split are skipped with a warning.
///
/// # Errors
/// `E_DATA_UNUSABLE` for two folders of a split, and for splits without class folders in the
/// training split; `E_IO`; `E_ABORTED`.
pub(crate) fn find_splits(
    root: &Path,
    listing: Listing,
    cancelled: &dyn Fn() -> bool,
) -> Result<SplitFolders> {
    let names = name_splits(&listing.folders);
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for (folder, split) in listing.folders.iter().zip(names) {
        match split {
            Some(split) => {
                let listing = Listing::read(folder, cancelled)?;
                let listing = skip_wrappers(split, listing, cancelled)?;
                named.push((split, folder.clone(), listing));
            }
            None => others.push(folder.clone()),
        }
    }
    let mut found =
        SplitFolders { splits: Vec::new(), ignored: IgnoredEntries::default(), warnings: vec![] };
    if !has_train_classes(root, &named, &others)? {
        found.warnings.extend(warn_of_train_class(&named));
        found.add(Split::Train, root.into(), listing);
        return Ok(found);
    }
    found.warnings.extend(warn_of_broken_links(&listing.broken_links));
    found.ignored.extend(listing.ignored);
    if !others.is_empty() {
        found.warnings.push(warning(
            format!(
                "{} has folders that are not splits: {}",
                root.display(),
                format_paths(root, &others)
            ),
            "They were skipped. Splits are folders named train, val and test.",
        ));
    }
    let mut seen = Vec::new();
    for (split, folder, listing) in named {
        if seen.contains(&split) {
            let message = format!("{} has two {} splits", root.display(), split.as_str());
            return Err(unusable(message, &folder, "Keep one of the two folders."));
        }
        seen.push(split);
        found.add(split, folder, listing);
    }
    Ok(found)
}

impl SplitFolders {
    /// Adds a split. Warns about images outside class folders, and ignores a validation or test
    /// split without class folders.
    fn add(&mut self, split: Split, path: PathBuf, listing: Listing) {
        let images = listing.files.iter().filter(|file| has_image_extension(file)).count();
        let (name, folder) = (split.as_str(), path.display());
        let has_classes = !listing.folders.is_empty();
        let message = match (split, has_classes, images) {
            (Split::Train, false, _) | (_, true, 0) => None,
            (_, true, _) => Some(format!("{folder} has images outside class folders ({images})")),
            (Split::Val | Split::Test, false, 0) => {
                Some(format!("the {name} split {folder} has no images"))
            }
            (Split::Val | Split::Test, false, _) => Some(format!(
                "the {name} split {folder} has no labels: images outside class folders ({images})"
            )),
        };
        if let Some(message) = message {
            let skipped = if has_classes { "They were skipped" } else { "The split was ignored" };
            let hint =
                format!("{skipped}. Put the images of each class into a folder of its name.");
            self.warnings.push(warning(message, &hint));
        }
        self.warnings.extend(warn_of_broken_links(&listing.broken_links));
        self.ignored.extend(listing.ignored);
        if has_classes || split == Split::Train {
            self.splits.push(SplitFolder { split, class_folders: listing.folders });
        }
    }
}

/// Warns of symbolic links in place of class folders or splits whose targets are missing, such as
/// folders of a disk that is not mounted.
fn warn_of_broken_links(links: &[PathBuf]) -> Option<WarningEvent> {
    // A link with an extension stands for a file.
    let links: Vec<_> =
        links.iter().filter(|link| link.extension().is_none()).map(|link| link.display()).collect();
    let message = match links.as_slice() {
        [] => return None,
        [link] => format!("{link} is a symbolic link to a missing folder"),
        [first, others @ ..] => {
            format!("{first} and {} more are symbolic links to missing folders", others.len())
        }
    };
    let hint =
        "The link was skipped: mount or restore the folder that it refers to, or remove the link.";
    Some(warning(message, hint))
}

/// Returns the split that each folder is named after. If no folder is named after the training
/// split, accepts names with a common prefix, as in `chest_train` and `chest_test`.
fn name_splits(folders: &[PathBuf]) -> Vec<Option<Split>> {
    let name =
        |folder: &PathBuf| folder.file_name().and_then(|name| name.to_str()).map(String::from);
    let names: Vec<String> =
        folders.iter().map(|folder| name(folder).unwrap_or_default()).collect();
    let splits: Vec<Option<Split>> = names.iter().map(|name| Split::from_name(name)).collect();
    if splits.contains(&Some(Split::Train)) {
        return splits;
    }
    let parse_prefixed = |name: &str| {
        let at = name.rfind(['_', '-', ' ', '.'])?;
        Some((name[..at].to_string(), Split::from_name(&name[at + 1..])?))
    };
    let found: Vec<Option<(String, Split)>> =
        names.iter().map(|name| parse_prefixed(name)).collect();
    let train = found.iter().flatten().find(|(_, split)| *split == Split::Train);
    let Some((prefix, _)) = train.cloned() else { return splits };
    let with_prefix: Vec<Option<Split>> = found
        .into_iter()
        .map(|found| found.filter(|(other, _)| *other == prefix).map(|(_, split)| split))
        .collect();
    // A single name may be that of a class: "bullet_train".
    let has_other_split = with_prefix.iter().flatten().any(|split| *split != Split::Train);
    if has_other_split { with_prefix } else { splits }
}

/// Returns the listing of the innermost wrapper folder. A wrapper is the only folder inside another
/// and is named after the split, as in `seg_train/seg_train`, or has a name of [`WRAPPERS`].
fn skip_wrappers(
    split: Split,
    mut listing: Listing,
    cancelled: &dyn Fn() -> bool,
) -> Result<Listing> {
    for _ in 0..MAX_WRAPPERS {
        let [folder] = listing.folders.as_slice() else { break };
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_wrapper = Split::from_name(name) == Some(split)
            || WRAPPERS.contains(&name.to_lowercase().as_str());
        if !is_wrapper {
            break;
        }
        let mut inner = Listing::read(folder, cancelled)?;
        if inner.folders.is_empty() {
            break;
        }
        inner.ignored.extend(listing.ignored);
        listing = inner;
    }
    Ok(listing)
}

/// Returns whether the folders named after splits are splits rather than classes: whether one of
/// them is a training split with class folders.
///
/// # Errors
/// `E_DATA_UNUSABLE` if folders are named after several splits, or all after one split other than
/// the training split, but there are no class folders for training.
fn has_train_classes(
    root: &Path,
    named: &[(Split, PathBuf, Listing)],
    others: &[PathBuf],
) -> Result<bool> {
    let mut train = named.iter().filter(|(split, ..)| *split == Split::Train);
    if train.clone().any(|(_, _, listing)| !listing.folders.is_empty()) {
        return Ok(true);
    }
    let has_other_split = named.iter().any(|(split, ..)| *split != Split::Train);
    let has_class_folders = named.iter().any(|(_, _, listing)| !listing.folders.is_empty());
    match train.next() {
        Some((_, folder, _)) if has_other_split => Err(unusable(
            format!("the training split {} has no class folders", folder.display()),
            folder,
            "Put the images of each class into a folder of its name: train/cats, train/dogs.",
        )),
        None if has_class_folders && others.is_empty() => Err(unusable(
            format!("{} has no training split", root.display()),
            root,
            "Name the folder with the training images `train`.",
        )),
        Some(_) | None => Ok(false),
    }
}

/// Returns the warning about a class that is named after the training split.
fn warn_of_train_class(named: &[(Split, PathBuf, Listing)]) -> Option<WarningEvent> {
    let (_, folder, _) = named.iter().find(|(split, ..)| *split == Split::Train)?;
    let message = format!("{} is a class, because it has no class folders", folder.display());
    let hint = "If it is the training split, put the images of each class into a folder in it.";
    Some(warning(message, hint))
}

/// Returns the folder below `root` that the user probably meant. Descends while a folder has exactly
/// one subfolder with images or data, and stops at data files. Returns `None` for `root` itself.
pub(crate) fn suggest_subfolder(root: &Path) -> Option<PathBuf> {
    let mut folder = root.to_path_buf();
    for _ in 0..MAX_WRAPPERS {
        let listing = Listing::read(&folder, &|| false).ok()?;
        if has_data_files(&listing.files) {
            break;
        }
        let is_filled = |folder: &&PathBuf| contains_images_or_data(folder, 0);
        let filled: Vec<&PathBuf> = listing.folders.iter().filter(is_filled).collect();
        match filled.as_slice() {
            [] => return None,
            [only] => folder.clone_from(only),
            [_, _, ..] => break,
        }
    }
    (folder != root).then_some(folder)
}

/// Returns whether a folder contains images or data files, up to [`MAX_WRAPPERS`] levels below
/// `folder`. Recognizes images by their extension, and in the first [`MAX_INSPECTED`] files of each
/// folder by their content.
fn contains_images_or_data(folder: &Path, depth: usize) -> bool {
    let Ok(listing) = Listing::read(folder, &|| false) else { return false };
    let is_inside = |folder: &PathBuf| contains_images_or_data(folder, depth + 1);
    listing.files.iter().any(|file| has_image_extension(file))
        || listing.files.iter().take(MAX_INSPECTED).any(|file| is_image(file))
        || has_data_files(&listing.files)
        || (depth < MAX_WRAPPERS && listing.folders.iter().any(is_inside))
}

fn unusable(message: String, folder: &Path, hint: &str) -> Error {
    Error::new(ErrorCode::DataUnusable, message).key("data").file(folder).hint(hint)
}

fn warning(message: String, hint: &str) -> WarningEvent {
    WarningEvent { code: ErrorCode::DataUnusable, message, file: None, hint: Some(hint.into()) }
}
