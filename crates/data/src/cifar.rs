//! CIFAR-10's binary files: records of one label byte and 3,072 pixel bytes, red plane first
//! (<https://www.cs.toronto.edu/~kriz/cifar.html>, "binary version").

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use residual_spec::{DataFormat, Error, ErrorCode, Result};

use crate::class_names::read_class_names;
use crate::open::go_on;
use crate::{Dataset, MemorySource, Part};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const RECORD: usize = 1 + 3 * PLANE;
/// In the order of labels, for a folder without `batches.meta.txt`.
const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The files of a folder that hold records.
#[derive(Debug, Default)]
pub(crate) struct CifarFiles {
    train: Vec<PathBuf>,
    test: Vec<PathBuf>,
}

impl CifarFiles {
    /// The CIFAR-10 files among a folder's files; `None` if there are none.
    pub fn among(files: &[PathBuf]) -> Option<Self> {
        let mut found = CifarFiles::default();
        for file in files {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name == "test_batch.bin" {
                found.test.push(file.clone());
            } else if name.starts_with("data_batch_") && name.ends_with(".bin") {
                found.train.push(file.clone());
            }
        }
        // data_batch_10 comes after data_batch_9.
        found.train.sort_by_key(|file| (file.as_os_str().len(), file.clone()));
        let any = !found.train.is_empty() || !found.test.is_empty();
        any.then_some(found)
    }

    /// Reads them all; a file may hold fewer records than the published ones.
    ///
    /// # Errors
    /// `E_DATA_FORMAT` for a file that does not hold whole records or has a label without a
    /// class, `E_DATA_UNUSABLE`, `E_IO`, `E_ABORTED`.
    pub fn open(
        self,
        source: &str,
        folder: &Path,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Dataset> {
        let classes = read_class_names(&folder.join("batches.meta.txt"))?
            .unwrap_or_else(|| CLASSES.map(String::from).to_vec());
        let read = |part, files: &[PathBuf]| read(part, files, classes.len(), cancelled);
        let parts =
            [read(Part::Train, &self.train)?, read(Part::Val, &[])?, read(Part::Test, &self.test)?];
        Dataset::in_memory(source, DataFormat::CifarBinary, classes, parts)
    }
}

fn read(
    part: Part,
    files: &[PathBuf],
    classes: usize,
    cancelled: &dyn Fn() -> bool,
) -> Result<MemorySource> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for file in files {
        let failed = |cause| Error::read(file, &cause);
        let mut opened = File::open(file).map_err(failed)?;
        let length = opened.metadata().map_err(failed)?.len() as usize;
        if length == 0 || !length.is_multiple_of(RECORD) {
            let message = format!("is {length} bytes long, which are no whole records of {RECORD}");
            return Err(bad(file, message));
        }
        labels.reserve(length / RECORD);
        pixels.reserve(length / RECORD * 3 * PLANE);
        let mut record = [0; RECORD];
        let mut reader = std::io::BufReader::with_capacity(64 * RECORD, &mut opened);
        for number in 0..length / RECORD {
            if number % 256 == 0 {
                go_on(cancelled)?;
            }
            reader.read_exact(&mut record).map_err(failed)?;
            let (label, planes) = (record[0], &record[1..]);
            if usize::from(label) >= classes {
                let message =
                    format!("has the label {label} in record {number}, of {classes} classes");
                return Err(bad(file, message));
            }
            labels.push(label);
            let (red, rest) = planes.split_at(PLANE);
            let (green, blue) = rest.split_at(PLANE);
            for ((&r, &g), &b) in red.iter().zip(green).zip(blue) {
                pixels.extend_from_slice(&[r, g, b]);
            }
        }
    }
    Ok(MemorySource::new(part, [SIDE as u32, SIDE as u32, 3], pixels, labels))
}

fn bad(file: &Path, what: String) -> Error {
    Error::new(ErrorCode::DataFormat, format!("{} {what}", file.display()))
        .key("data")
        .file(file)
        .hint("Give CIFAR-10's binary version: records of a label byte and 3,072 pixel bytes.")
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::Image;

    fn record(label: u8, red: u8) -> Vec<u8> {
        let mut record = vec![label];
        record.extend([red, 20, 30].into_iter().flat_map(|value| [value; PLANE]));
        record[2] = 99;
        record
    }

    fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn open(files: &[(&str, Vec<u8>)]) -> Result<Dataset> {
        let folder = folder(files);
        let listing = crate::open::Listing::read(folder.path(), &|| false)?;
        CifarFiles::among(&listing.files).unwrap().open("cifar", folder.path(), &|| false)
    }

    #[test]
    fn batches_are_read_in_the_order_of_their_numbers_and_planes_become_pixels() {
        let set = open(&[
            ("data_batch_10.bin", record(3, 13)),
            ("data_batch_2.bin", [record(1, 11), record(2, 12)].concat()),
            ("test_batch.bin", record(9, 14)),
        ])
        .unwrap();
        let facts = set.facts();
        assert_eq!((facts.train, facts.val, facts.test), (3, 0, 1));
        assert_eq!((facts.channels, facts.image_size), (3, Some([32, 32])));
        assert_eq!(facts.classes[3], "cat");
        assert!(facts.mirrored_is_natural);
        let train = set.part(Part::Train);
        assert_eq!([0, 1, 2].map(|i| train.label(i)), [1, 2, 3]);
        let mut image = Image::default();
        train.read(2, 3, &mut image).unwrap();
        assert_eq!(image.pixels[..9], [13, 20, 30, 99, 20, 30, 13, 20, 30]);
    }

    #[test]
    fn classes_are_named_by_the_list_beside_them() {
        let set = open(&[
            ("data_batch_1.bin", [record(0, 1), record(1, 2)].concat()),
            ("batches.meta.txt", b"cats\ndogs\n\n".to_vec()),
        ]);
        assert_eq!(set.unwrap().facts().classes, ["cats", "dogs"]);
    }

    #[test]
    fn files_without_whole_records_and_labels_without_a_class_are_refused_by_file() {
        for bad in [vec![], vec![0; 100], vec![0; RECORD + 1], record(10, 0)] {
            let good = [record(0, 1), record(1, 2)].concat();
            let error = open(&[("data_batch_1.bin", good), ("data_batch_2.bin", bad)]);
            let error = error.err().expect("refused");
            assert_eq!(error.code, ErrorCode::DataFormat);
            assert!(error.at.file.unwrap().ends_with("data_batch_2.bin"));
        }
    }

    #[test]
    fn test_images_alone_cannot_be_trained_on() {
        let error = open(&[("test_batch.bin", record(0, 1))]).err().unwrap();
        assert_eq!(error.code, ErrorCode::DataUnusable);
    }
}
