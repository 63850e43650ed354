//! The Python version of CIFAR-10 and CIFAR-100: pickled dictionaries with an array of planes and a
//! list of labels (<https://www.cs.toronto.edu/~kriz/cifar.html>). Pickles are parsed, never
//! executed.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use residual_pickle::{Limits, Pickle, Value, read};
use residual_spec::{CifarLabels, DataFormat, Error, Result};

use super::cifar::{Cifar, CifarFiles, PLANE_LEN, SIDE, push_pixels};
use crate::sources::files::damaged_with_hint;
use crate::sources::listing::check_cancelled;
use crate::sources::memory::MAX_BYTES;
use crate::{Dataset, MemorySource, Split};

/// The pickled batch files in a folder, and the file with the class names.
pub(crate) struct CifarPythonFiles {
    batches: CifarFiles,
    meta: Option<PathBuf>,
}

impl CifarPythonFiles {
    /// Finds the files of the Python version. Returns `None` if there are none. The files of
    /// CIFAR-100 are accepted only beside a `meta` file, because their names (`train`, `test`) are
    /// common.
    pub fn find(files: &[PathBuf]) -> Option<Self> {
        let find = |name: &str| files.iter().find(|file| file.file_name() == Some(name.as_ref()));
        if let Some(batches) =
            CifarFiles::find_with_names(files, Cifar::Ten, "data_batch_", "test_batch", "")
        {
            return Some(CifarPythonFiles { batches, meta: find("batches.meta").cloned() });
        }
        let meta = Some(find("meta")?.clone());
        let batches = CifarFiles::find_with_names(files, Cifar::Hundred, "train", "test", "")?;
        Some(CifarPythonFiles { batches, meta })
    }

    /// Reads all files.
    ///
    /// # Errors
    /// As [`CifarFiles::open`].
    pub fn open(
        self,
        source: &str,
        labels: CifarLabels,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Dataset> {
        let kind = self.batches.kind;
        kind.check_labels(labels)?;
        let (labels_key, names_key) = match (kind, labels) {
            (Cifar::Ten, _) => ("labels", "label_names"),
            (Cifar::Hundred, CifarLabels::Fine) => ("fine_labels", "fine_label_names"),
            (Cifar::Hundred, CifarLabels::Coarse) => ("coarse_labels", "coarse_label_names"),
        };
        let classes = match &self.meta {
            Some(meta) => read_names(meta, names_key)?,
            None => kind.class_names(labels),
        };
        let read = |split, files: &[PathBuf]| {
            let (mut pixels, mut labels) = (Vec::new(), Vec::new());
            for file in files {
                check_cancelled(cancelled)?;
                read_batch(file, labels_key, classes.len(), &mut pixels, &mut labels)?;
            }
            Ok(MemorySource::new(split, [SIDE as u32, SIDE as u32, 3], pixels, labels))
        };
        let sources = [
            read(Split::Train, &self.batches.train)?,
            read(Split::Val, &[])?,
            read(Split::Test, &self.batches.test)?,
        ];
        Dataset::in_memory(source, DataFormat::CifarPython, classes, sources)
    }
}

/// Reads the class names of a `meta` file. Limits their number and length, because a short pickle
/// can repeat one string a million times.
fn read_names(file: &Path, key: &str) -> Result<Vec<String>> {
    let pickle = open(file, 0)?;
    let list = pickle.root().get(key).and_then(Value::as_items);
    let name = |name: Value| name.as_str().filter(|name| name.len() <= 200).map(String::from);
    let names = list.filter(|list| list.len() <= 100).and_then(|list| list.map(name).collect());
    match names {
        Some(names) if !Vec::is_empty(&names) => Ok(names),
        _ => Err(malformed(file, format!("has no list of names '{key}'"))),
    }
}

/// Appends the images and labels of a batch.
fn read_batch(
    file: &Path,
    key: &str,
    classes: usize,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<u32>,
) -> Result<()> {
    let pickle = open(file, pixels.len() as u64)?;
    let root = pickle.root();
    let Some(list) = root.get(key).and_then(Value::as_items) else {
        return Err(malformed(file, format!("has no list '{key}'")));
    };
    let count = list.len();
    let Some(array) = root.get("data").and_then(Value::as_array) else {
        return Err(malformed(file, "has no array 'data'".into()));
    };
    if array.dtype != "u1" || array.fortran_order || array.shape != [count, 3 * PLANE_LEN] {
        let (dtype, shape) = (array.dtype, array.shape);
        let message = format!(
            "has 'data' of type {dtype} and shape {shape:?}, not bytes of shape [{count}, 3072]"
        );
        return Err(malformed(file, message));
    }
    for (number, label) in list.enumerate() {
        let label = label.as_int().filter(|label| (0..classes as i128).contains(label));
        let Some(label) = label else {
            let message = format!("has no label below {classes} for image {number}");
            return Err(malformed(file, message));
        };
        labels.push(label as u32);
    }
    pixels.reserve(array.bytes.len());
    for planes in array.bytes.chunks_exact(3 * PLANE_LEN) {
        push_pixels(pixels, planes);
    }
    Ok(())
}

/// Reads a pickle of at most the memory limit minus `used_bytes`.
fn open(file: &Path, used_bytes: u64) -> Result<Pickle> {
    let read_error = |cause| Error::read(file, &cause);
    let opened = File::open(file).map_err(read_error)?;
    let length = opened.metadata().map_err(read_error)?.len();
    if length + used_bytes > MAX_BYTES {
        return Err(malformed(file, "exceeds the limit of 4 GiB for data sets in memory".into()));
    }
    let limits = Limits { bytes: length as usize, ..Limits::default() };
    read(&mut BufReader::new(opened), limits).map_err(|error| match error {
        residual_pickle::Error::Io(cause) => Error::read(file, &cause),
        error => malformed(file, error.to_string()),
    })
}

fn malformed(file: &Path, problem: String) -> Error {
    damaged_with_hint(file, problem, "Download the Python version of the data set again.")
}

#[cfg(test)]
mod tests {
    use residual_spec::ErrorCode;

    use super::*;
    use crate::Image;
    use crate::sources::listing::Listing;

    /// Reads a file that `scripts/fixtures/pickles.py` wrote in the format of the published files.
    fn fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../pickle/tests/fixtures");
        std::fs::read(format!("{folder}/{name}.pkl")).unwrap()
    }

    fn open(files: &[(&str, &[u8])], labels: CifarLabels) -> Result<Dataset> {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let listing = Listing::read(folder.path(), &|| false)?;
        CifarPythonFiles::find(&listing.files).unwrap().open("cifar", labels, &|| false)
    }

    /// Returns a `meta` file in pickle protocol 0 (text).
    fn meta(lists: &[(&str, &[&str])]) -> Vec<u8> {
        let mut text = String::from("(d");
        for (key, names) in lists {
            text += &format!("S'{key}'\n(l");
            names.iter().for_each(|name| text += &format!("S'{name}'\na"));
            text += "s";
        }
        (text + ".").into_bytes()
    }

    const NAMES: &[&str] = &["a", "b", "c", "d", "e"];

    #[test]
    fn reads_cifar_10_batches_in_order() {
        let batch = fixture("cifar10");
        let files = [
            ("data_batch_1", &batch[..]),
            ("data_batch_2", &batch),
            ("test_batch", &batch),
            ("batches.meta", &meta(&[("label_names", NAMES)])),
        ];
        let set = open(&files, CifarLabels::Fine).unwrap();
        assert_eq!((set.facts().train, set.facts().test), (8, 4));
        assert_eq!(set.facts().format, DataFormat::CifarPython);
        assert_eq!(set.facts().classes, NAMES);
        let train = set.source(Split::Train);
        assert_eq!([4, 5, 6, 7].map(|i| train.label(i)), [3, 1, 4, 1]);
        let mut image = Image::default();
        train.read_into(5, 3, &mut image).unwrap();
        // Byte i of the fixture's pixels is i modulo 251; image 5 is image 1 of the second batch.
        let value =
            |channel: usize, pixel: usize| ((3072 + channel * PLANE_LEN + pixel) % 251) as u8;
        assert_eq!(image.pixels[3..6], [value(0, 1), value(1, 1), value(2, 1)]);
        assert_eq!(image.pixels[3069..], [value(0, 1023), value(1, 1023), value(2, 1023)]);
    }

    #[test]
    fn cifar_10_names_are_optional() {
        let set = open(&[("data_batch_1", &fixture("cifar10"))], CifarLabels::Fine).unwrap();
        assert_eq!(set.facts().classes[3], "cat");
    }

    #[test]
    fn cifar_100_has_fine_and_coarse_labels() {
        let batch = fixture("cifar100");
        let coarse: &[&str] = &["A", "B", "C", "D", "E", "F"];
        let names = meta(&[("fine_label_names", NAMES), ("coarse_label_names", coarse)]);
        let files = [("train", &batch[..]), ("test", &batch), ("meta", &names)];
        assert_eq!(open(&files, CifarLabels::Fine).unwrap().facts().classes, NAMES);
        assert_eq!(open(&files, CifarLabels::Coarse).unwrap().facts().classes, coarse);
    }

    #[test]
    fn refuses_malformed_batches() {
        let error_message = |files: &[(&str, &[u8])]| {
            let error = open(files, CifarLabels::Fine).err().expect("an error");
            assert_eq!(error.code, ErrorCode::DataFormat, "{error}");
            assert!(error.at.file.is_some() && error.hint.is_some());
            error.message
        };
        let batch = fixture("cifar10");
        // Calls of functions are not executed: the pickle contains an object and no dictionary.
        let call = b"cos\nsystem\n(S'true'\ntR.";
        assert!(error_message(&[("data_batch_1", call)]).contains("'labels'"));
        assert!(error_message(&[("data_batch_1", &batch[..9000])]).contains("data_batch_1"));
        assert!(error_message(&[("data_batch_1", b"(d.")]).contains("'labels'"));
        assert!(error_message(&[("data_batch_1", b"(dS'labels'\n(lI1\nas.")]).contains("'data'"));
        let few = meta(&[("label_names", &["a", "b"])]);
        let message = error_message(&[("data_batch_1", &batch), ("batches.meta", &few)]);
        assert!(message.contains("image 0"), "{message}");
        error_message(&[("data_batch_1", &batch), ("batches.meta", b"(d.")]);
        // One long name repeated through the memo, and many short ones.
        let long =
            format!("(dS'label_names'\n(lS'{}'\np0\na{}s.", "x".repeat(9999), "g0\na".repeat(9999));
        error_message(&[("data_batch_1", &batch), ("batches.meta", long.as_bytes())]);
        let many = meta(&[("label_names", &["x"; 101])]);
        error_message(&[("data_batch_1", &batch), ("batches.meta", &many)]);
    }
}
