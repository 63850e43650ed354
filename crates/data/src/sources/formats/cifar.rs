//! The binary version of CIFAR-10 and CIFAR-100: records of one label byte (CIFAR-100: a coarse and
//! a fine one) and 3,072 pixel bytes, red plane first
//! (<https://www.cs.toronto.edu/~kriz/cifar.html>).

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use residual_spec::{CifarLabels, DataFormat, Error, ErrorCode, Result};

use super::class_names::read_class_names;
use crate::sources::files::damaged_with_hint;
use crate::sources::listing::check_cancelled;
use crate::sources::memory::MAX_BYTES;
use crate::{Dataset, MemorySource, Split};

/// Height and width of an image.
pub(crate) const SIDE: usize = 32;
/// Bytes of one channel of an image.
pub(crate) const PLANE_LEN: usize = SIDE * SIDE;

/// The data set: CIFAR-10 or CIFAR-100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cifar {
    Ten,
    Hundred,
}

impl Cifar {
    fn label_bytes(self) -> usize {
        match self {
            Cifar::Ten => 1,
            Cifar::Hundred => 2,
        }
    }

    /// Returns the bytes of a record: labels and image.
    fn record_len(self) -> usize {
        self.label_bytes() + 3 * PLANE_LEN
    }

    /// Returns the published class names in the order of labels, for a folder without a names file.
    pub fn class_names(self, labels: CifarLabels) -> Vec<String> {
        let names = match (self, labels) {
            (Cifar::Ten, _) => CIFAR10_CLASSES,
            (Cifar::Hundred, CifarLabels::Fine) => CIFAR100_FINE_CLASSES,
            (Cifar::Hundred, CifarLabels::Coarse) => CIFAR100_COARSE_CLASSES,
        };
        names.split_whitespace().map(String::from).collect()
    }

    /// Returns the file of the binary version that contains the class names.
    fn names_file(self, labels: CifarLabels) -> &'static str {
        match (self, labels) {
            (Cifar::Ten, _) => "batches.meta.txt",
            (Cifar::Hundred, CifarLabels::Fine) => "fine_label_names.txt",
            (Cifar::Hundred, CifarLabels::Coarse) => "coarse_label_names.txt",
        }
    }

    /// Checks the requested label set.
    ///
    /// # Errors
    /// `E_CONFIG` for coarse labels of CIFAR-10.
    pub fn check_labels(self, labels: CifarLabels) -> Result<()> {
        match (self, labels) {
            (Cifar::Ten, CifarLabels::Coarse) => Err(no_coarse_labels("CIFAR-10")),
            _ => Ok(()),
        }
    }
}

/// Returns the class names of CIFAR-10 in the order of labels.
pub fn cifar10_class_names() -> Vec<String> {
    Cifar::Ten.class_names(CifarLabels::Fine)
}

/// Returns the error for coarse labels of a data set other than CIFAR-100.
pub(crate) fn no_coarse_labels(dataset: &str) -> Error {
    Error::new(
        ErrorCode::Config,
        format!("{dataset} has no coarse labels; only CIFAR-100 has them"),
    )
    .key("data.labels")
    .hint("Remove `data.labels`.")
}

const CIFAR10_CLASSES: &str = "airplane automobile bird cat deer dog frog horse ship truck";
const CIFAR100_FINE_CLASSES: &str = "\
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus \
    butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud \
    cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster \
    house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle \
    mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree \
    plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew \
    skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank \
    telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf \
    woman worm";
const CIFAR100_COARSE_CLASSES: &str = "\
    aquatic_mammals fish flowers food_containers fruit_and_vegetables \
    household_electrical_devices household_furniture insects large_carnivores \
    large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores \
    medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 \
    vehicles_2";

/// The batch files in a folder.
#[derive(Debug)]
pub(crate) struct CifarFiles {
    pub kind: Cifar,
    pub train: Vec<PathBuf>,
    pub test: Vec<PathBuf>,
}

impl CifarFiles {
    /// Finds the batch files of the binary version. Returns `None` if there are none.
    pub fn find(files: &[PathBuf]) -> Option<Self> {
        CifarFiles::find_with_names(files, Cifar::Ten, "data_batch_", "test_batch.bin", ".bin")
            .or_else(|| {
                CifarFiles::find_with_names(files, Cifar::Hundred, "train", "test.bin", ".bin")
            })
    }

    /// Finds the test file, named `test`, and the training files, named `train` plus a number
    /// (CIFAR-10 only) plus `extension`. Returns `None` if there are none.
    pub fn find_with_names(
        files: &[PathBuf],
        kind: Cifar,
        train: &str,
        test: &str,
        extension: &str,
    ) -> Option<Self> {
        let mut found = CifarFiles { kind, train: Vec::new(), test: Vec::new() };
        let is_batch = |name: &str| {
            let number = name.strip_prefix(train).and_then(|rest| rest.strip_suffix(extension));
            number.is_some_and(|number| {
                number.bytes().all(|digit| digit.is_ascii_digit())
                    && number.is_empty() == (kind == Cifar::Hundred)
            })
        };
        for file in files {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name == test {
                found.test.push(file.clone());
            } else if is_batch(name) {
                found.train.push(file.clone());
            }
        }
        // Sort data_batch_10 after data_batch_9.
        found.train.sort_by_key(|file| (file.as_os_str().len(), file.clone()));
        let is_any = !found.train.is_empty() || !found.test.is_empty();
        is_any.then_some(found)
    }

    /// Reads all files. A file may have fewer records than the published file.
    ///
    /// # Errors
    /// `E_DATA_FORMAT` for a file with a partial record or a label without a class; `E_CONFIG` for
    /// coarse labels of CIFAR-10; `E_DATA_UNUSABLE`; `E_IO`; `E_ABORTED`.
    pub fn open(
        self,
        source: &str,
        folder: &Path,
        labels: CifarLabels,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Dataset> {
        self.kind.check_labels(labels)?;
        let classes = read_class_names(&folder.join(self.kind.names_file(labels)))?
            .unwrap_or_else(|| self.kind.class_names(labels));
        let label_offset = match (self.kind, labels) {
            (Cifar::Ten, _) | (Cifar::Hundred, CifarLabels::Coarse) => 0,
            (Cifar::Hundred, CifarLabels::Fine) => 1,
        };
        let read = |split, files: &[PathBuf]| {
            read_split(split, files, self.kind, label_offset, classes.len(), cancelled)
        };
        let sources = [
            read(Split::Train, &self.train)?,
            read(Split::Val, &[])?,
            read(Split::Test, &self.test)?,
        ];
        Dataset::in_memory(source, DataFormat::CifarBinary, classes, sources)
    }
}

/// Reads the records of all files of a split.
fn read_split(
    split: Split,
    files: &[PathBuf],
    kind: Cifar,
    label_offset: usize,
    classes: usize,
    cancelled: &dyn Fn() -> bool,
) -> Result<MemorySource> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let malformed = |file: &Path, problem: String| malformed(file, kind, problem);
    for file in files {
        let read_error = |cause| Error::read(file, &cause);
        let mut opened = File::open(file).map_err(read_error)?;
        let length = opened.metadata().map_err(read_error)?.len();
        if length + pixels.len() as u64 > MAX_BYTES {
            return Err(malformed(
                file,
                "exceeds the limit of 4 GiB for data sets in memory".into(),
            ));
        }
        let (length, record_len) = (length as usize, kind.record_len());
        if length == 0 || !length.is_multiple_of(record_len) {
            let message = format!(
                "has {length} bytes, which is not a multiple of the record size {record_len}"
            );
            return Err(malformed(file, message));
        }
        labels.reserve(length / record_len);
        pixels.reserve(length / record_len * 3 * PLANE_LEN);
        let mut bytes = vec![0; record_len];
        let mut reader = std::io::BufReader::with_capacity(64 * record_len, &mut opened);
        for number in 0..length / record_len {
            if number % 256 == 0 {
                check_cancelled(cancelled)?;
            }
            reader.read_exact(&mut bytes).map_err(read_error)?;
            let label = u32::from(bytes[label_offset]);
            if label as usize >= classes {
                let message =
                    format!("has label {label} in record {number}, but only {classes} classes");
                return Err(malformed(file, message));
            }
            labels.push(label);
            push_pixels(&mut pixels, &bytes[kind.label_bytes()..]);
        }
    }
    Ok(MemorySource::new(split, [SIDE as u32, SIDE as u32, 3], pixels, labels))
}

/// Appends an image of separate red, green and blue planes with interleaved channels.
pub(crate) fn push_pixels(pixels: &mut Vec<u8>, planes: &[u8]) {
    let (red, rest) = planes.split_at(PLANE_LEN);
    let (green, blue) = rest.split_at(PLANE_LEN);
    for ((&r, &g), &b) in red.iter().zip(green).zip(blue) {
        pixels.extend_from_slice(&[r, g, b]);
    }
}

fn malformed(file: &Path, kind: Cifar, problem: String) -> Error {
    let (name, labels) = match kind {
        Cifar::Ten => ("CIFAR-10", "a label byte"),
        Cifar::Hundred => ("CIFAR-100", "a coarse and a fine label byte"),
    };
    damaged_with_hint(
        file,
        problem,
        format!("Use the binary version of {name}: records of {labels} and 3,072 pixel bytes."),
    )
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::Image;

    const RECORD_LEN: usize = 1 + 3 * PLANE_LEN;

    fn record(label: u8, red: u8) -> Vec<u8> {
        let mut record = vec![label];
        record.extend([red, 20, 30].into_iter().flat_map(|value| [value; PLANE_LEN]));
        record[2] = 99;
        record
    }

    fn create_folder(files: &[(&str, Vec<u8>)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn open(files: &[(&str, Vec<u8>)]) -> Result<Dataset> {
        open_with_labels(files, CifarLabels::Fine)
    }

    fn open_with_labels(files: &[(&str, Vec<u8>)], labels: CifarLabels) -> Result<Dataset> {
        let folder = create_folder(files);
        let listing = crate::sources::listing::Listing::read(folder.path(), &|| false)?;
        let files = CifarFiles::find(&listing.files).unwrap();
        files.open("cifar", folder.path(), labels, &|| false)
    }

    /// Returns a record of CIFAR-100.
    fn record_100(coarse: u8, fine: u8) -> Vec<u8> {
        [&[coarse], record(fine, 50).as_slice()].concat()
    }

    #[test]
    fn reads_batches_in_order_and_interleaves_planes() {
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
        assert!(facts.flip_preserves_label);
        let train = set.source(Split::Train);
        assert_eq!([0, 1, 2].map(|i| train.label(i)), [1, 2, 3]);
        let mut image = Image::default();
        train.read_into(2, 3, &mut image).unwrap();
        assert_eq!(image.pixels[..9], [13, 20, 30, 99, 20, 30, 13, 20, 30]);
    }

    #[test]
    fn class_names_come_from_the_names_file() {
        let set = open(&[
            ("data_batch_1.bin", [record(0, 1), record(1, 2)].concat()),
            ("batches.meta.txt", b"cats\ndogs\n\n".to_vec()),
        ]);
        assert_eq!(set.unwrap().facts().classes, ["cats", "dogs"]);
    }

    #[test]
    fn refuses_partial_records_and_invalid_labels() {
        for bad in [vec![], vec![0; 100], vec![0; RECORD_LEN + 1], record(10, 0)] {
            let good = [record(0, 1), record(1, 2)].concat();
            let error = open(&[("data_batch_1.bin", good), ("data_batch_2.bin", bad)]);
            let error = error.err().expect("an error");
            assert_eq!(error.code, ErrorCode::DataFormat);
            assert!(error.at.file.unwrap().ends_with("data_batch_2.bin"));
        }
    }

    #[test]
    fn cifar_100_has_fine_and_coarse_labels() {
        let files = [
            ("train.bin", [record_100(19, 98), record_100(0, 4), record_100(0, 30)].concat()),
            ("test.bin", record_100(4, 0)),
        ];
        let fine = open(&files).unwrap();
        assert_eq!((fine.facts().train, fine.facts().test), (3, 1));
        assert_eq!(fine.facts().classes.len(), 100);
        let name = |set: &Dataset, i| {
            set.facts().classes[set.source(Split::Train).label(i) as usize].clone()
        };
        assert_eq!([0, 1, 2].map(|i| name(&fine, i)), ["woman", "beaver", "dolphin"]);
        let coarse = open_with_labels(&files, CifarLabels::Coarse).unwrap();
        assert_eq!(coarse.facts().classes.len(), 20);
        assert_eq!(
            [0, 1, 2].map(|i| name(&coarse, i)),
            ["vehicles_2", "aquatic_mammals", "aquatic_mammals"]
        );
        assert_ne!(fine.facts().fingerprint, coarse.facts().fingerprint);
        let mut image = Image::default();
        fine.source(Split::Train).read_into(0, 3, &mut image).unwrap();
        assert_eq!(image.pixels[..3], [50, 20, 30]);
    }

    #[test]
    fn cifar_100_class_names_come_from_the_names_files() {
        let files = [
            ("train.bin", [record_100(0, 0), record_100(1, 1)].concat()),
            ("fine_label_names.txt", b"a1\nb1\n".to_vec()),
            ("coarse_label_names.txt", b"A1\nB1\n".to_vec()),
        ];
        assert_eq!(open(&files).unwrap().facts().classes, ["a1", "b1"]);
        let coarse = open_with_labels(&files, CifarLabels::Coarse).unwrap();
        assert_eq!(coarse.facts().classes, ["A1", "B1"]);
    }

    #[test]
    fn cifar_10_has_no_coarse_labels() {
        let files = [("data_batch_1.bin", [record(0, 1), record(1, 2)].concat())];
        let error = open_with_labels(&files, CifarLabels::Coarse).err().unwrap();
        assert_eq!(error.code, ErrorCode::Config);
        assert_eq!(error.at.key.as_deref(), Some("data.labels"));
    }

    #[test]
    fn refuses_test_images_alone() {
        let error = open(&[("test_batch.bin", record(0, 1))]).err().unwrap();
        assert_eq!(error.code, ErrorCode::DataUnusable);
    }
}
