//! A list of images with labels and splits: the common part of manifests and WebDataset shards.

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

/// An entry of the list.
struct ListEntry {
    split: Split,
    /// Index into `labels`.
    label: u32,
    /// Line in the manifest; 0 for shards.
    line: u32,
}

/// A list under construction.
pub(crate) struct ImageList {
    images: Vec<ListEntry>,
    locations: Vec<ImageLocation>,
    /// Hash of the labels and names of training images, independent of the location of the list.
    names: Xxh3,
    labels: Vec<String>,
    known: HashMap<String, u32>,
}

impl ImageList {
    pub fn new() -> Self {
        let (images, locations, labels, known) = Default::default();
        ImageList { images, locations, names: Xxh3::new(), labels, known }
    }

    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Appends an image. `name` identifies it in the fingerprint, independent of the location of
    /// the list.
    pub fn add(
        &mut self,
        split: Split,
        label: &str,
        location: ImageLocation,
        name: &[u8],
        line: u32,
    ) {
        let label = match self.known.get(label) {
            Some(&label) => label,
            None => {
                let number = self.labels.len() as u32;
                self.labels.push(label.into());
                self.known.insert(label.into(), number);
                number
            }
        };
        if split == Split::Train {
            self.names.update(self.labels[label as usize].as_bytes());
            self.names.update(b"\0");
            self.names.update(name);
            self.names.update(b"\0");
        }
        self.images.push(ListEntry { split, label, line });
        self.locations.push(location);
    }

    /// Parses the headers of all images and opens the data set. Classes are the labels with
    /// training images, in byte order; integer labels are in numeric order, and `classes.txt` in
    /// `folder` names them from label 0 on.
    ///
    /// # Errors
    /// `E_DATA_NOT_FOUND` with file and line for a missing image; `E_DATA_FORMAT` for too few names
    /// in `classes.txt`; `E_DATA_UNUSABLE`; `E_IO`; `E_ABORTED`.
    pub fn open(
        self,
        source: &str,
        format: DataFormat,
        list: &Path,
        folder: &Path,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Dataset> {
        let headers = scan_headers(&self.locations, cancelled)?;
        let (mut skipped, mut stats, mut hash) =
            (SkippedFiles::files(), HeaderStats::default(), self.names);
        let mut kept = Vec::with_capacity(headers.len());
        let mut counts = vec![0; self.labels.len()];
        for ((image, location), headers) in self.images.into_iter().zip(self.locations).zip(headers)
        {
            match headers {
                Ok((header, bytes)) => {
                    stats.add(image.split, &header);
                    if image.split == Split::Train {
                        hash.update(&bytes.to_le_bytes());
                        counts[image.label as usize] += 1;
                    }
                    kept.push((image, location));
                }
                Err(HeaderError::Io(cause)) => {
                    return Err(missing(list, &image, &location, &cause));
                }
                Err(why) => skipped.add(location.with_name(header_error(&why))),
            }
        }

        let (classes, class_of) = classes(&self.labels, &counts, folder)?;
        let mut totals = vec![0; classes.len()];
        let mut sources: [DiskSource; 3] = Default::default();
        for (image, location) in kept {
            let Some(class) = class_of[image.label as usize] else {
                return Err(unknown_class(
                    list,
                    &image,
                    &location,
                    &self.labels[image.label as usize],
                ));
            };
            if image.split == Split::Train {
                totals[class as usize] += 1;
            }
            let source = &mut sources[image.split as usize];
            source.locations.push(location);
            source.labels.push(class);
        }
        check_classes(source, &classes, &totals).map_err(|error| {
            let hint = "Label training images with two classes or more.";
            error.file(list).hint(hint)
        })?;
        Ok(dataset(source, format, classes, sources, &stats, &hash, skipped.warnings()))
    }
}

/// Returns the classes in order, and the class of each label; `None` for a label without training
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
                .hint("Write one name per line, in the order of labels from 0."));
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

/// Parses a label that is an integer in canonical form.
fn number(label: &str) -> Option<u32> {
    label.parse().ok().filter(|number: &u32| number.to_string() == label)
}

/// Points an error to the line of the manifest, or to the shard.
fn at_line(error: Error, list: &Path, image: &ListEntry, location: &ImageLocation) -> Error {
    match image.line {
        0 => error.key("data").file(location.file()),
        line => error.key("data").file(list).line(line),
    }
}

fn missing(
    list: &Path,
    image: &ListEntry,
    location: &ImageLocation,
    cause: &std::io::Error,
) -> Error {
    let file = location.file().display();
    let error = match cause.kind() {
        std::io::ErrorKind::NotFound => {
            let message = format!("{} names {file}, which does not exist", list.display());
            Error::new(ErrorCode::DataNotFound, message)
                .hint("Paths are relative to the folder of the list; correct or remove the line.")
        }
        _ => {
            let message = format!("{} names {file}, which cannot be read: {cause}", list.display());
            Error::new(ErrorCode::Io, message).hint("Correct the line, or remove it.")
        }
    };
    at_line(error, list, image, location)
}

fn unknown_class(list: &Path, image: &ListEntry, location: &ImageLocation, label: &str) -> Error {
    let message = format!(
        "the {} split has the class '{label}', which the train split lacks",
        image.split.as_str(),
    );
    at_line(Error::new(ErrorCode::DataUnusable, message), list, image, location)
        .hint("Use the same class names in every split.")
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
    fn names_are_in_byte_order_and_numbers_in_numeric_order() {
        assert_eq!(of(&["bee", "Zebra", "ant"], &[1; 3], None).unwrap(), ["Zebra", "ant", "bee"]);
        assert_eq!(of(&["10", "9", "2"], &[1; 3], None).unwrap(), ["2", "9", "10"]);
        assert_eq!(of(&["10", "9", "02"], &[1; 3], None).unwrap(), ["02", "10", "9"]);
        assert_eq!(of(&["b", "a"], &[1, 0], None).unwrap(), ["b"]);
    }

    #[test]
    fn classes_txt_names_numbered_classes() {
        let names = Some("ant\nbee\ncat\n");
        assert_eq!(of(&["2", "0"], &[1; 2], names).unwrap(), ["ant", "bee", "cat"]);
        assert_eq!(of(&["x", "0"], &[1; 2], names).unwrap(), ["0", "x"]);
        let error = of(&["3", "0"], &[1; 2], names).unwrap_err();
        assert_eq!(error.code, ErrorCode::DataFormat);
        assert!(error.message.contains("a label 3"), "{error}");
    }
}
