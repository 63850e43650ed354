//! Images that a list names, each with its label and its part: what a manifest and the shards of a
//! WebDataset have in common.

use std::collections::HashMap;
use std::path::Path;

use residual_spec::{DataFormat, Error, ErrorCode, Result};
use xxhash_rust::xxh3::Xxh3;

use super::class_names::read_class_names;
use crate::decode::header::HeaderError;
use crate::decode::header_error;
use crate::sources::dataset::check_classes;
use crate::sources::disk::{DiskSource, ImageLocation};
use crate::sources::scan_headers::{HeaderStats, dataset, scan_headers};
use crate::sources::skipped_files::SkippedFiles;
use crate::{Dataset, Split};

/// An image of the list.
struct ListEntry {
    part: Split,
    /// Into `labels`.
    label: u32,
    /// Of the file that names it; 0 where that has no lines.
    line: u32,
}

/// A list in the making.
pub(crate) struct ImageList {
    images: Vec<ListEntry>,
    places: Vec<ImageLocation>,
    /// What images are told of by to the fingerprint: as the list has it, not where it lies.
    names: Xxh3,
    labels: Vec<String>,
    known: HashMap<String, u32>,
}

impl ImageList {
    pub fn new() -> Self {
        let (images, places, labels, known) = Default::default();
        ImageList { images, places, names: Xxh3::new(), labels, known }
    }

    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Adds an image; `name` tells it from the others wherever the list lies.
    pub fn add(&mut self, part: Split, label: &str, place: ImageLocation, name: &[u8], line: u32) {
        let label = match self.known.get(label) {
            Some(&label) => label,
            None => {
                let number = self.labels.len() as u32;
                self.labels.push(label.into());
                self.known.insert(label.into(), number);
                number
            }
        };
        if part == Split::Train {
            self.names.update(self.labels[label as usize].as_bytes());
            self.names.update(b"\0");
            self.names.update(name);
            self.names.update(b"\0");
        }
        self.images.push(ListEntry { part, label, line });
        self.places.push(place);
    }

    /// Looks at every image. Classes are the labels that have training images, in the order of
    /// their bytes; whole numbers in that of their values, and named by `classes.txt` in `folder`
    /// where there is one, line 0 for the label 0.
    ///
    /// # Errors
    /// `E_DATA_NOT_FOUND` with file and line for an image that is not there, `E_DATA_UNUSABLE`,
    /// `E_DATA_FORMAT` for a list of names that is too short, `E_IO`, `E_ABORTED`.
    pub fn open(
        self,
        source: &str,
        format: DataFormat,
        list: &Path,
        folder: &Path,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Dataset> {
        let looked = scan_headers(&self.places, cancelled)?;
        let (mut left_out, mut seen, mut hash) =
            (SkippedFiles::files(), HeaderStats::default(), self.names);
        let mut kept = Vec::with_capacity(looked.len());
        let mut counts = vec![0; self.labels.len()];
        for ((image, place), looked) in self.images.into_iter().zip(self.places).zip(looked) {
            match looked {
                Ok((header, bytes)) => {
                    seen.add(image.part, &header);
                    if image.part == Split::Train {
                        hash.update(&bytes.to_le_bytes());
                        counts[image.label as usize] += 1;
                    }
                    kept.push((image, place));
                }
                Err(HeaderError::Io(cause)) => return Err(missing(list, &image, &place, &cause)),
                Err(why) => left_out.add(place.about(header_error(&why))),
            }
        }

        let (classes, class_of) = classes(&self.labels, &counts, folder)?;
        let mut totals = vec![0; classes.len()];
        let mut parts: [DiskSource; 3] = Default::default();
        for (image, place) in kept {
            let Some(class) = class_of[image.label as usize] else {
                return Err(unknown_class(
                    list,
                    &image,
                    &place,
                    &self.labels[image.label as usize],
                ));
            };
            if image.part == Split::Train {
                totals[class as usize] += 1;
            }
            let part = &mut parts[image.part as usize];
            part.places.push(place);
            part.labels.push(class);
        }
        check_classes(source, &classes, &totals).map_err(|error| {
            let hint = "Label training images with two classes or more.";
            error.file(list).hint(hint)
        })?;
        Ok(dataset(source, format, classes, parts, &seen, &hash, left_out.warnings()))
    }
}

/// The classes in their order, and which class each label is; none for a label without training
/// images.
fn classes(
    labels: &[String],
    counts: &[usize],
    folder: &Path,
) -> Result<(Vec<String>, Vec<Option<u32>>)> {
    let numbers: Option<Vec<u32>> = labels.iter().map(|label| number(label)).collect();
    let list = folder.join("classes.txt");
    if let (Some(numbers), Some(names)) = (&numbers, read_class_names(&list)?) {
        if let Some(most) = numbers.iter().find(|&&number| number as usize >= names.len()) {
            let message = format!(
                "{} names {} classes, but there is a label {most}",
                list.display(),
                names.len()
            );
            return Err(Error::new(ErrorCode::DataFormat, message)
                .key("data")
                .file(list)
                .hint("Write one name a line, in the order of labels from 0."));
        }
        return Ok((names, numbers.iter().map(|&number| Some(number)).collect()));
    }
    let mut order: Vec<usize> = (0..labels.len()).filter(|&label| counts[label] > 0).collect();
    match &numbers {
        Some(numbers) => order.sort_by_key(|&label| numbers[label]),
        None => order.sort_by_key(|&label| labels[label].as_bytes()),
    }
    let mut class_of = vec![None; labels.len()];
    for (class, &label) in order.iter().enumerate() {
        class_of[label] = Some(class as u32);
    }
    Ok((order.into_iter().map(|label| labels[label].clone()).collect(), class_of))
}

/// A label that is a whole number as a program writes it.
fn number(label: &str) -> Option<u32> {
    label.parse().ok().filter(|number: &u32| number.to_string() == label)
}

/// In the list, or, where that has no lines, in the file that holds the image.
fn placed(error: Error, list: &Path, image: &ListEntry, place: &ImageLocation) -> Error {
    match image.line {
        0 => error.key("data").file(place.file()),
        line => error.key("data").file(list).line(line),
    }
}

fn missing(list: &Path, image: &ListEntry, place: &ImageLocation, cause: &std::io::Error) -> Error {
    let file = place.file().display();
    let error = match cause.kind() {
        std::io::ErrorKind::NotFound => {
            let message = format!("{} names {file}, which is not there", list.display());
            Error::new(ErrorCode::DataNotFound, message)
                .hint("Paths are relative to the list's folder; correct the line, or remove it.")
        }
        _ => {
            let message = format!("{} names {file}, which cannot be read: {cause}", list.display());
            Error::new(ErrorCode::Io, message).hint("Correct the line, or remove it.")
        }
    };
    placed(error, list, image, place)
}

fn unknown_class(list: &Path, image: &ListEntry, place: &ImageLocation, label: &str) -> Error {
    let message = format!(
        "the {} part has the class '{label}', which the train part has not",
        image.part.as_str(),
    );
    placed(Error::new(ErrorCode::DataUnusable, message), list, image, place)
        .hint("Every part must use the same class names.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(labels: &[&str], counts: &[usize], names: Option<&str>) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        if let Some(names) = names {
            std::fs::write(folder.path().join("classes.txt"), names).unwrap();
        }
        let labels: Vec<String> = labels.iter().map(|label| label.to_string()).collect();
        Ok(classes(&labels, counts, folder.path())?.0)
    }

    #[test]
    fn names_are_ordered_by_their_bytes_and_numbers_by_their_values() {
        assert_eq!(of(&["bee", "Zebra", "ant"], &[1; 3], None).unwrap(), ["Zebra", "ant", "bee"]);
        assert_eq!(of(&["10", "9", "2"], &[1; 3], None).unwrap(), ["2", "9", "10"]);
        assert_eq!(of(&["10", "9", "02"], &[1; 3], None).unwrap(), ["02", "10", "9"]);
        assert_eq!(of(&["b", "a"], &[1, 0], None).unwrap(), ["b"]);
    }

    #[test]
    fn numbers_are_named_by_the_list_beside_them() {
        let names = Some("ant\nbee\ncat\n");
        assert_eq!(of(&["2", "0"], &[1; 2], names).unwrap(), ["ant", "bee", "cat"]);
        assert_eq!(of(&["x", "0"], &[1; 2], names).unwrap(), ["0", "x"]);
        let error = of(&["3", "0"], &[1; 2], names).unwrap_err();
        assert_eq!(error.code, ErrorCode::DataFormat);
        assert!(error.message.contains("a label 3"), "{error}");
    }
}
