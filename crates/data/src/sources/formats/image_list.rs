//! A list of images with labels and splits, which manifests and WebDataset shards build.

use std::collections::HashMap;
use std::path::Path;

use residual_spec::{DataFormat, Error, ErrorCode, Result, WarningEvent};
use xxhash_rust::xxh3::Xxh3;

use super::class_names::{normalize_class_name, read_class_names, unknown_class};
use super::duplicate_images::{ListedImage, duplicate_warnings};
use crate::decode::header::HeaderError;
use crate::decode::header_error;
use crate::sources::dataset::check_classes;
use crate::sources::disk::{DiskSource, ImageLocation};
use crate::sources::scan_headers::{HeaderStats, build_dataset, no_readable_images, scan_headers};
use crate::sources::skipped_files::{SkippedFiles, UnreadableFiles};
use crate::{Dataset, Source, Split};

/// An entry of the list.
struct ListEntry {
    split: Split,
    /// Index into `labels`.
    label: u32,
    /// Line in the manifest; 0 for shards.
    line: u32,
}

/// A list of labeled images.
pub(crate) struct ImageList {
    images: Vec<ListEntry>,
    locations: Vec<ImageLocation>,
    /// Hash of the labels and names of training images, independent of the location of the list.
    hash: Xxh3,
    /// The distinct labels in the order of their first image.
    labels: Vec<String>,
    /// Index into `labels` by label.
    label_indices: HashMap<String, u32>,
}

impl ImageList {
    pub fn new() -> Self {
        let (images, locations, labels, label_indices) = Default::default();
        ImageList { images, locations, hash: Xxh3::new(), labels, label_indices }
    }

    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Appends an image. `name` identifies the image in the fingerprint, independent of the
    /// location of the list. `line` is the line in the manifest, 0 for shards.
    pub fn add(
        &mut self,
        split: Split,
        label: &str,
        location: ImageLocation,
        name: &[u8],
        line: u32,
    ) {
        let label = normalize_class_name(label);
        let label = match self.label_indices.get(&label) {
            Some(&index) => index,
            None => {
                let index = self.labels.len() as u32;
                self.labels.push(label.clone());
                self.label_indices.insert(label, index);
                index
            }
        };
        if split == Split::Train {
            self.hash.update(self.labels[label as usize].as_bytes());
            self.hash.update(b"\0");
            self.hash.update(name);
            self.hash.update(b"\0");
        }
        self.images.push(ListEntry { split, label, line });
        self.locations.push(location);
    }

    /// Parses the headers of all images and opens the data set. Classes are the labels with
    /// training images, in byte order. If all labels are integers, they are in numeric order, and
    /// `classes.txt` in `folder`, if present, lists the class names from label 0 on.
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
            (SkippedFiles::files(), HeaderStats::default(), self.hash);
        let mut readable = Vec::with_capacity(headers.len());
        let mut counts = vec![0; self.labels.len()];
        let mut unreadable: [UnreadableFiles; 3] = Default::default();
        for ((image, location), header) in self.images.into_iter().zip(self.locations).zip(headers)
        {
            match header {
                Ok((header, bytes)) => {
                    stats.add(image.split, &header);
                    if image.split == Split::Train {
                        hash.update(&bytes.to_le_bytes());
                        counts[image.label as usize] += 1;
                    }
                    readable.push((image, location));
                }
                Err(HeaderError::Io(cause)) => {
                    return Err(unreadable_image(list, &image, &location, &cause));
                }
                Err(error) => {
                    unreadable[image.split as usize].add(location.member_name(), &error);
                    skipped.add(location.with_name(header_error(&error)));
                }
            }
        }

        let (classes, class_of) = order_classes(&self.labels, &counts, folder)?;
        let duplicates = find_duplicates(list, &readable, &self.labels, &class_of);
        let mut class_counts = vec![0; classes.len()];
        let mut sources: [DiskSource; 3] = Default::default();
        for (image, location) in readable {
            let Some(class) = class_of[image.label as usize] else {
                let label = &self.labels[image.label as usize];
                let error = unknown_class(image.split, label, &classes);
                return Err(add_location(error, list, &image, &location));
            };
            if image.split == Split::Train {
                class_counts[class as usize] += 1;
            }
            let source = &mut sources[image.split as usize];
            source.locations.push(location);
            source.labels.push(class);
        }
        check_classes(source, &classes, &class_counts).map_err(|error| {
            let train = &unreadable[Split::Train as usize];
            match train.describe().filter(|_| sources[Split::Train as usize].is_empty()) {
                Some(files) => no_readable_images(source, Split::Train, &files, train.hint()),
                None => error.hint("Label training images with two classes or more."),
            }
            .file(list)
        })?;
        let mut warnings = skipped.warnings();
        warnings.extend(duplicates);
        for split in [Split::Val, Split::Test] {
            let files = unreadable[split as usize].describe();
            let Some(files) = files.filter(|_| sources[split as usize].is_empty()) else {
                continue;
            };
            let hint = unreadable[split as usize].hint();
            let error = no_readable_images(source, split, &files, hint).file(list);
            if split == Split::Val {
                return Err(error);
            }
            warnings.push(WarningEvent {
                code: ErrorCode::DataUnusable,
                message: error.message,
                file: Some(list.display().to_string()),
                hint: Some(format!("The split was ignored. {hint}")),
            });
        }
        Ok(build_dataset(source, format, classes, sources, &stats, &hash, warnings))
    }
}

/// Returns warnings about images that a manifest lists more than once.
fn find_duplicates(
    list: &Path,
    images: &[(ListEntry, ImageLocation)],
    labels: &[String],
    class_of: &[Option<u32>],
) -> Vec<WarningEvent> {
    let listed = images.iter().filter(|(image, _)| image.line > 0);
    let listed = listed.filter_map(|(image, location)| {
        let ListEntry { split, label, line } = *image;
        let (class, label) = (class_of[label as usize]?, labels[label as usize].as_str());
        Some(ListedImage { file: location.file(), split, class, label, line })
    });
    duplicate_warnings(list, listed)
}

/// Returns the class names in order, and the class of each label. The class of a label without
/// training images is `None`.
fn order_classes(
    labels: &[String],
    counts: &[usize],
    folder: &Path,
) -> Result<(Vec<String>, Vec<Option<u32>>)> {
    let numbers: Option<Vec<u32>> = labels.iter().map(|label| parse_integer(label)).collect();
    let list = folder.join("classes.txt");
    if let (Some(numbers), Some(names)) = (&numbers, read_class_names(&list)?) {
        if let Some(label) = numbers.iter().find(|&&number| number as usize >= names.len()) {
            let message = format!(
                "{} has {} class names, but there is a label {label}",
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
    let mut class_of = vec![None; labels.len()];
    if let Some(numbers) = numbers {
        let mut classes: Vec<u32> = order.into_iter().map(|label| numbers[label]).collect();
        classes.sort_unstable();
        classes.dedup();
        for (class, number) in class_of.iter_mut().zip(numbers) {
            *class = classes.binary_search(&number).ok().map(|class| class as u32);
        }
        return Ok((classes.iter().map(u32::to_string).collect(), class_of));
    }
    order.sort_by_key(|&label| labels[label].as_bytes());
    for (class, &label) in order.iter().enumerate() {
        class_of[label] = Some(class as u32);
    }
    Ok((order.into_iter().map(|label| labels[label].clone()).collect(), class_of))
}

/// Parses a label that is an integer without leading zeros or a sign. Accepts `1.0` as 1, because
/// pandas writes the integers of a column with missing values as floats.
fn parse_integer(label: &str) -> Option<u32> {
    let label = label.split_once('.').map_or(label, |(integer, fraction)| {
        let is_zero = !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0');
        if is_zero { integer } else { label }
    });
    label.parse().ok().filter(|number: &u32| number.to_string() == label)
}

/// Adds the location to an error: the line of the manifest, or the shard.
fn add_location(error: Error, list: &Path, image: &ListEntry, location: &ImageLocation) -> Error {
    match image.line {
        0 => error.key("data").file(location.file()),
        line => error.key("data").file(list).line(line),
    }
}

fn unreadable_image(
    list: &Path,
    image: &ListEntry,
    location: &ImageLocation,
    cause: &std::io::Error,
) -> Error {
    let file = location.file().display();
    let error = match cause.kind() {
        std::io::ErrorKind::NotFound => {
            let message = format!("{} lists {file}, which does not exist", list.display());
            Error::new(ErrorCode::DataNotFound, message).hint(match image.line {
                1 => "If the first line is a header, name its columns path, label and split.",
                _ => {
                    "Correct or remove the line; paths are relative to the folder of the manifest."
                }
            })
        }
        _ => {
            let message = format!("{} lists {file}, which cannot be read: {cause}", list.display());
            Error::new(ErrorCode::Io, message).hint("Correct the line, or remove it.")
        }
    };
    add_location(error, list, image, location)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_names(labels: &[&str], counts: &[usize], names: Option<&str>) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        if let Some(names) = names {
            std::fs::write(folder.path().join("classes.txt"), names).unwrap();
        }
        let labels: Vec<String> = labels.iter().map(|label| label.to_string()).collect();
        Ok(order_classes(&labels, counts, folder.path())?.0)
    }

    #[test]
    fn names_are_in_byte_order_and_numbers_in_numeric_order() {
        assert_eq!(
            class_names(&["bee", "Zebra", "ant"], &[1; 3], None).unwrap(),
            ["Zebra", "ant", "bee"]
        );
        assert_eq!(class_names(&["10", "9", "2"], &[1; 3], None).unwrap(), ["2", "9", "10"]);
        assert_eq!(class_names(&["10", "9", "02"], &[1; 3], None).unwrap(), ["02", "10", "9"]);
        assert_eq!(class_names(&["b", "a"], &[1, 0], None).unwrap(), ["b"]);
    }

    #[test]
    fn classes_txt_names_numbered_classes() {
        let names = Some("ant\nbee\ncat\n");
        assert_eq!(class_names(&["2", "0"], &[1; 2], names).unwrap(), ["ant", "bee", "cat"]);
        assert_eq!(class_names(&["x", "0"], &[1; 2], names).unwrap(), ["0", "x"]);
        let error = class_names(&["3", "0"], &[1; 2], names).unwrap_err();
        assert_eq!(error.code, ErrorCode::DataFormat);
        assert!(error.message.contains("a label 3"), "{error}");
    }
}
