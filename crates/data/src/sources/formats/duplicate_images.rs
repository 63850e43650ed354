//! Finds images that a list names more than once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Component, Path, PathBuf};

use residual_spec::{ErrorCode, WarningEvent};

use crate::Split;

/// An image of a list.
#[derive(Clone, Copy)]
pub(crate) struct ListedImage<'a> {
    pub file: &'a Path,
    pub split: Split,
    pub class: u32,
    /// The label as written in the list.
    pub label: &'a str,
    pub line: u32,
}

/// Returns warnings about images that `list` names more than once: in different splits, with
/// different labels, or repeatedly with one label.
pub(crate) fn duplicate_warnings<'a>(
    list: &Path,
    images: impl Iterator<Item = ListedImage<'a>>,
) -> Vec<WarningEvent> {
    let mut first: HashMap<Cow<Path>, ListedImage> = HashMap::new();
    let [mut splits, mut labels, mut repeated] = [const { Duplicates::new() }; 3];
    for image in images {
        match first.entry(normalize_lexically(image.file)) {
            Entry::Vacant(entry) => {
                entry.insert(image);
            }
            Entry::Occupied(entry) => {
                let first = *entry.get();
                let has_same_class = first.class == image.class;
                if first.split != image.split {
                    splits.add(first, image);
                }
                if !has_same_class {
                    labels.add(first, image);
                }
                if first.split == image.split && has_same_class {
                    repeated.add(first, image);
                }
            }
        }
    }
    let list_name = list.display();
    let labels = labels.example.map(|[first, second]| {
        let message = format!(
            "{list_name} lists images with different labels ({}), for example {}: '{}' (line {}) \
             and '{}' (line {})",
            labels.count,
            first.file.display(),
            first.label,
            first.line,
            second.label,
            second.line
        );
        let hint = "Correct the list: an image has one class, and a network cannot learn several classes \
                    for one image.";
        (message, hint)
    });
    let splits = splits.example.map(|[first, second]| {
        let message = format!(
            "{list_name} lists images in more than one split ({}), for example {}: {} (line {}) \
             and {} (line {})",
            splits.count,
            first.file.display(),
            first.split.as_str(),
            first.line,
            second.split.as_str(),
            second.line
        );
        let hint =
            "Correct the list: the accuracy on images that are used in training is too high.";
        (message, hint)
    });
    let repeated = repeated.example.map(|[first, second]| {
        let message = format!(
            "{list_name} lists images more than once ({}), for example {} (lines {} and {})",
            repeated.count,
            first.file.display(),
            first.line,
            second.line
        );
        (message, "Remove the repeated lines, unless these images are meant to count more.")
    });
    let warning = |(message, hint): (String, &str)| WarningEvent {
        code: ErrorCode::DataUnusable,
        message,
        file: Some(list.display().to_string()),
        hint: Some(hint.into()),
    };
    [labels, splits, repeated].into_iter().flatten().map(warning).collect()
}

/// Returns a path without `.` and `..` components, by its text: symbolic links are not followed.
fn normalize_lexically(file: &Path) -> Cow<'_, Path> {
    let is_relative = |component| matches!(component, Component::CurDir | Component::ParentDir);
    if !file.components().any(is_relative) {
        return file.into();
    }
    let mut path = PathBuf::new();
    for component in file.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => _ = path.pop(),
            component => path.push(component),
        }
    }
    path.into()
}

/// Images that are listed again: their number, and the first pair of entries.
struct Duplicates<'a> {
    count: usize,
    example: Option<[ListedImage<'a>; 2]>,
}

impl<'a> Duplicates<'a> {
    const fn new() -> Self {
        Duplicates { count: 0, example: None }
    }

    fn add(&mut self, first: ListedImage<'a>, second: ListedImage<'a>) {
        self.count += 1;
        self.example.get_or_insert([first, second]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_repeated_images_contradictory_labels_and_shared_splits() {
        let image = |line, file, split, label: &'static str| ListedImage {
            file: Path::new(file),
            split,
            class: label.len() as u32,
            label,
            line,
        };
        let warnings = duplicate_warnings(
            Path::new("a.csv"),
            [
                image(2, "a.jpg", Split::Train, "cat"),
                image(3, "b.jpg", Split::Train, "horse"),
                image(4, "x/../a.jpg", Split::Train, "cat"),
                image(5, "b.jpg", Split::Train, "cat"),
                image(6, "a.jpg", Split::Val, "cat"),
                image(7, "c.jpg", Split::Val, "cat"),
                image(8, "./a.jpg", Split::Train, "cat"),
            ]
            .into_iter(),
        );
        let messages: Vec<&str> = warnings.iter().map(|warning| &*warning.message).collect();
        assert_eq!(
            messages,
            [
                "a.csv lists images with different labels (1), for example b.jpg: 'horse' (line 3) \
                 and 'cat' (line 5)",
                "a.csv lists images in more than one split (1), for example a.jpg: train (line 2) \
                 and val (line 6)",
                "a.csv lists images more than once (2), for example a.jpg (lines 2 and 4)",
            ]
        );
        assert!(duplicate_warnings(Path::new("a.csv"), std::iter::empty()).is_empty());
    }
}
