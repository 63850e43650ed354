//! Recognizes folders that are not classes, beside class folders: a folder that contains all images
//! (`images`), and folders with annotations (`masks`), as in the data sets Oxford Flowers,
//! Oxford-IIIT Pet, Caltech-UCSD Birds and PASCAL VOC.

use std::collections::BTreeSet;
use std::path::Path;

use residual_spec::{Error, ErrorCode, Result, WarningEvent};

use super::super::columns::normalize;
use super::manifest::ManifestFormat;
use super::{ClassImages, ImageLocation};
use crate::Split;
use crate::sources::listing::Listing;

/// Names, in lower case and without separators, of a folder that contains class folders or all images.
const IMAGES_FOLDERS: [&str; 19] = [
    "images",
    "image",
    "imgs",
    "img",
    "jpg",
    "jpgs",
    "jpeg",
    "jpegs",
    "jpegimages",
    "png",
    "pngs",
    "pngimages",
    "photos",
    "pictures",
    "pics",
    "rgb",
    "rawimages",
    "inputs",
    "leftimg8bit",
];
/// Names, in lower case and without separators, of a folder with annotations.
const ANNOTATION_FOLDERS: [&str; 38] = [
    "segmentation",
    "segmentations",
    "segmented",
    "segmentationclass",
    "segmentationobject",
    "segmim",
    "segs",
    "mask",
    "masks",
    "label",
    "labels",
    "labelimages",
    "annotation",
    "annotations",
    "annots",
    "ann",
    "anns",
    "trimaps",
    "xml",
    "xmls",
    "json",
    "jsons",
    "bbox",
    "bboxes",
    "boundingboxes",
    "boxes",
    "parts",
    "keypoints",
    "landmarks",
    "attributes",
    "imagesets",
    "groundtruth",
    "gt",
    "gtfine",
    "gtcoarse",
    "depth",
    "depths",
    "depthmaps",
];
/// Number of class folders whose subfolders are compared.
const MAX_COMPARED: usize = 100;

/// Checks the class folders of a split. Returns warnings about classes that may be annotations, and
/// about classes that contain the same folders.
///
/// # Errors
/// `E_DATA_UNUSABLE` if one of the folders contains the class folders, or all images beside their
/// annotations.
pub(super) fn check_annotation_folders(found: &[&ClassImages]) -> Result<Vec<WarningEvent>> {
    let Some(parent) = found.first().and_then(|found| found.folder.path.parent()) else {
        return Ok(Vec::new());
    };
    let has_name = |found: &&&ClassImages, names: &[&str]| {
        names.contains(&normalize(&found.folder.name).as_str())
    };
    let with_images = || found.iter().filter(|found| !found.images.is_empty());
    let annotations = found.iter().find(|found| has_name(found, &ANNOTATION_FOLDERS));
    for images in with_images().filter(|found| has_name(found, &IMAGES_FOLDERS)) {
        let (name, path) = (&images.folder.name, &images.folder.path);
        if found.len() > 1 && has_class_folders(path)? {
            let message = format!("{} has a folder '{name}' beside classes", parent.display());
            return Err(unusable(parent, message, format!("Did you mean {}?", path.display())));
        }
        if let Some(annotations) = annotations {
            let message = format!(
                "{} has no class folders: '{name}' contains images, and '{}' their annotations",
                parent.display(),
                annotations.folder.name
            );
            return Err(unusable(parent, message, suggest_list(parent, path)));
        }
    }
    let equal = warn_of_equal_subfolders(parent, &with_images().copied().collect::<Vec<_>>());
    if equal.is_some() {
        return Ok(equal.into_iter().collect());
    }
    let class = with_images().find(|found| has_name(found, &ANNOTATION_FOLDERS));
    let class = class.filter(|_| with_images().count() > 2);
    let class = class.map(|class| {
        warning(
            &class.folder.path,
            format!("the folder '{}' is read as a class", class.folder.name),
            "If it contains annotations, move it out of the folder of the classes.".into(),
        )
    });
    Ok(class.into_iter().collect())
}

/// Returns whether the name of a folder is that of a folder with all images.
pub(super) fn is_images_folder(name: &str) -> bool {
    IMAGES_FOLDERS.contains(&normalize(name).as_str())
}

/// Returns whether a folder contains class folders, or splits with class folders.
fn has_class_folders(folder: &Path) -> Result<bool> {
    let folders = Listing::read(folder, &|| false)?.folders;
    let split = |folder: &Path| folder.file_name()?.to_str().and_then(Split::from_name);
    for folder in folders.iter().filter(|folder| split(folder).is_some()) {
        if !Listing::read(folder, &|| false)?.folders.is_empty() {
            return Ok(true);
        }
    }
    Ok(folders.iter().filter(|folder| split(folder).is_none()).count() > 1)
}

/// Warns about classes that contain the same folders and no other images, as the variants `color`
/// and `grayscale` of PlantVillage.
fn warn_of_equal_subfolders(parent: &Path, found: &[&ClassImages]) -> Option<WarningEvent> {
    let [first, rest @ ..] = found else { return None };
    let subfolders = image_subfolders(first).filter(|names| names.len() > 1)?;
    let is_equal = |other: &&ClassImages| image_subfolders(other).as_ref() == Some(&subfolders);
    if rest.is_empty() || rest.len() > MAX_COMPARED || !rest.iter().all(is_equal) {
        return None;
    }
    let classes: Vec<&str> = found.iter().take(3).map(|found| &*found.folder.name).collect();
    let more = if found.len() > classes.len() { ", ..." } else { "" };
    let names: Vec<&str> = subfolders.iter().take(3).copied().collect();
    let message = format!(
        "the classes {}{more} of {} contain the same folders ({}, ...)",
        classes.join(", "),
        parent.display(),
        names.join(", ")
    );
    let path = first.folder.path.display();
    let hint = format!(
        "If these folders are the classes, set `data` to a folder that contains them: {path}."
    );
    Some(warning(parent, message, hint))
}

/// Returns the names of the folders of a class that contain its images; `None` if it has images
/// outside of them.
fn image_subfolders<'a>(found: &ClassImages<'a>) -> Option<BTreeSet<&'a str>> {
    let name = |(location, ..): &(&'a ImageLocation, _, _)| {
        let relative = location.file().strip_prefix(&found.folder.path).ok()?;
        relative.parent()?.iter().next()?.to_str()
    };
    found.images.iter().map(name).collect()
}

/// Returns a hint for images without class folders: the list beside them, or how to label them.
fn suggest_list(parent: &Path, images: &Path) -> String {
    let is_list = |file: &std::path::PathBuf| ManifestFormat::from_path(file).is_some();
    let list = [parent, images]
        .iter()
        .filter_map(|folder| Listing::read(folder, &|| false).ok())
        .find_map(|listing| listing.files.into_iter().find(is_list));
    match list {
        Some(list) => {
            format!("If {} lists the classes of the images, set `data` to it.", list.display())
        }
        None => format!(
            "Put the images of each class in {} into a folder of its name and set `data` to it, or \
             list them in a CSV file with the columns path and label.",
            images.display()
        ),
    }
}

fn unusable(folder: &Path, message: String, hint: String) -> Error {
    Error::new(ErrorCode::DataUnusable, message).key("data").file(folder).hint(hint)
}

fn warning(folder: &Path, message: String, hint: String) -> WarningEvent {
    let file = Some(folder.display().to_string());
    WarningEvent { code: ErrorCode::DataUnusable, message, file, hint: Some(hint) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{create_folder, messages, open, read_fixture};

    #[test]
    fn refuses_images_beside_their_annotations() {
        let png = read_fixture("picture.png");
        for (images, annotations) in [
            ("jpg", "segmim"),
            ("images", "annotations/trimaps"),
            ("JPEGImages", "SegmentationClass"),
            ("Images", "Bounding Boxes"),
            ("img", "labels"),
            ("images/train", "labels/train"),
            ("train/images", "train/masks"),
        ] {
            let root = create_folder(&[
                (&format!("{images}/1.png"), &png),
                (&format!("{images}/2.png"), &png),
                (&format!("{annotations}/1.png"), &png),
            ]);
            let error = open(root.path()).err().unwrap();
            let name = if images.starts_with("train/") { "images" } else { images };
            let name = name.split('/').next().unwrap();
            let expected = format!("has no class folders: '{name}' contains images, and '");
            assert!(error.message.contains(&expected), "{error}");
            let folder = match images.strip_suffix("/train") {
                Some(folder) => root.path().join(folder),
                None => root.path().join(images),
            };
            let hint = error.hint.unwrap();
            assert!(hint.contains(&folder.display().to_string()), "{hint}");
            std::fs::write(folder.join("labels.csv"), "1.png,cat").unwrap();
            let hint = open(root.path()).err().unwrap().hint.unwrap();
            assert!(hint.contains("labels.csv lists the classes"), "{hint}");
        }
    }

    #[test]
    fn refuses_annotations_without_images_beside_images() {
        let png = read_fixture("picture.png");
        let root = create_folder(&[("images/1.png", &png), ("labels/1.txt", b"0 0.5 0.5 1 1")]);
        let error = open(root.path()).err().unwrap();
        assert!(error.message.contains("and 'labels' their annotations"), "{error}");
    }

    #[test]
    fn suggests_the_folder_with_the_class_folders_beside_annotations() {
        let png = read_fixture("picture.png");
        for images in ["images", "jpg", "JPEGImages"] {
            let root = create_folder(&[
                (&format!("{images}/ant/1.png"), &png),
                (&format!("{images}/bee/1.png"), &png),
                ("segmentations/ant/1.png", &png),
                ("segmentations/bee/1.png", &png),
            ]);
            let hint = open(root.path()).err().unwrap().hint.unwrap();
            assert_eq!(hint, format!("Did you mean {}?", root.path().join(images).display()));
        }
    }

    #[test]
    fn classes_may_be_named_as_annotations() {
        let png = read_fixture("picture.png");
        let root = create_folder(&[("mask/1.png", &png), ("no mask/1.png", &png)]);
        assert_eq!(messages(&open(root.path()).unwrap()), Vec::<&str>::new());
        let root = create_folder(&[("photo/1.png", &png), ("sketch/1.png", &png)]);
        assert_eq!(messages(&open(root.path()).unwrap()), Vec::<&str>::new());
        let root =
            create_folder(&[("ant/1.png", &png), ("bee/1.png", &png), ("masks/1.png", &png)]);
        let set = open(root.path()).unwrap();
        assert_eq!(set.facts().classes, ["ant", "bee", "masks"]);
        assert_eq!(messages(&set), ["the folder 'masks' is read as a class"]);
    }

    #[test]
    fn warns_of_classes_that_contain_the_same_folders() {
        let png = read_fixture("picture.png");
        let files = ["color/ant/1.png", "color/bee/1.png", "gray/ant/1.png", "gray/bee/1.png"];
        let root = create_folder(&files.map(|file| (file, &png[..])));
        let set = open(root.path()).unwrap();
        let [warning] = set.warnings() else { panic!("{:?}", set.warnings()) };
        assert!(warning.message.starts_with("the classes color, gray of"), "{warning:?}");
        assert!(warning.hint.as_ref().unwrap().ends_with("color."), "{warning:?}");
    }
}
