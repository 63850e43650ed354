//! The IDX format of MNIST, plain or gzipped: `train-images-idx3-ubyte[.gz]`,
//! `train-labels-idx1-ubyte[.gz]` and so on (<http://yann.lecun.com/exdb/mnist>, "the IDX file
//! format").

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use residual_spec::{DataFormat, Error, ErrorCode, Result};

use super::class_names::read_class_names;
use crate::sources::files::damaged;
use crate::sources::listing::check_cancelled;
use crate::sources::memory::MAX_BYTES;
use crate::{Dataset, MemorySource, Split};

/// The maximum compression ratio of Deflate (RFC 1951: 258 bytes in 2 bits). A gzipped file with a
/// higher ratio is malformed.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// The image and label files of a folder, by split.
#[derive(Debug, Default)]
pub(crate) struct IdxFiles {
    images: [Option<PathBuf>; 3],
    labels: [Option<PathBuf>; 3],
}

impl IdxFiles {
    /// Finds the IDX files of a folder. Returns `None` if there are no image files.
    ///
    /// # Errors
    /// `E_DATA_FORMAT` for two image or label files of the same split.
    pub fn find(files: &[PathBuf]) -> Result<Option<Self>> {
        let mut found = IdxFiles::default();
        for file in files {
            let Some((split, kind)) =
                file.file_name().and_then(|name| name.to_str()).and_then(parse_name)
            else {
                continue;
            };
            let slots = match kind {
                Kind::Images => &mut found.images,
                Kind::Labels => &mut found.labels,
            };
            match &mut slots[split as usize] {
                slot @ None => *slot = Some(file.clone()),
                // The plain and the gzipped file exist: use the plain file.
                Some(other) if other.with_extension("") == *file => *other = file.clone(),
                Some(other) if *other == file.with_extension("") => {}
                Some(other) => {
                    let message = format!(
                        "{} and {} are both named as files of the {} split",
                        other.display(),
                        file.display(),
                        split.as_str()
                    );
                    return Err(Error::new(ErrorCode::DataFormat, message)
                        .key("data")
                        .file(file)
                        .hint("Put each data set into its own folder."));
                }
            }
        }
        Ok(found.images.iter().any(Option::is_some).then_some(found))
    }

    /// Reads all files.
    ///
    /// # Errors
    /// `E_DATA_FORMAT` for a file that does not match its name or header; `E_DATA_UNUSABLE`;
    /// `E_IO`; `E_ABORTED`.
    pub fn open(
        self,
        source: &str,
        folder: &Path,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Dataset> {
        let mut sources = Vec::with_capacity(3);
        let mut size = None;
        for (split, (images, labels)) in
            Split::ALL.into_iter().zip(self.images.into_iter().zip(self.labels))
        {
            sources.push(match (images, labels) {
                (None, None) => None,
                (Some(images), Some(labels)) => {
                    Some(read_split(split, &images, &labels, &mut size, cancelled)?)
                }
                (Some(images), None) => return Err(missing_file("labels", &images)),
                (None, Some(labels)) => return Err(missing_file("images", &labels)),
            });
        }
        let max_label = sources.iter().flatten().flat_map(|source| source.labels()).max().copied();
        let num_classes = max_label.unwrap_or(0) as usize + 1;
        let list = folder.join("classes.txt");
        let classes = match read_class_names(&list)? {
            Some(names) if names.len() < num_classes => {
                let (count, max_label) = (names.len(), num_classes - 1);
                let message = format!(
                    "{} has {count} class names, but there are labels up to {max_label}",
                    list.display()
                );
                return Err(Error::new(ErrorCode::DataFormat, message)
                    .file(list)
                    .hint("Write one name per line, in the order of labels from 0."));
            }
            Some(names) => names,
            None => (0..num_classes).map(|class| class.to_string()).collect(),
        };
        let [height, width] = size.unwrap_or([1, 1]);
        let mut sources = Split::ALL.into_iter().zip(sources).map(|(split, source)| {
            source.unwrap_or_else(|| MemorySource::new(split, [height, width, 1], vec![], vec![]))
        });
        let sources = std::array::from_fn(|_| sources.next().expect("three splits"));
        Dataset::in_memory(source, DataFormat::Idx, classes, sources)
    }
}

enum Kind {
    Images,
    Labels,
}

/// Parses split and content from a file name. Data sets differ in the dot or dash before `idx` and
/// in the text around `train`, `t10k` or `test`.
fn parse_name(name: &str) -> Option<(Split, Kind)> {
    let name = name.strip_suffix(".gz").unwrap_or(name).replace(".idx", "-idx");
    let (stem, kind) = match name.strip_suffix("-images-idx3-ubyte") {
        Some(stem) => (stem, Kind::Images),
        None => (name.strip_suffix("-labels-idx1-ubyte")?, Kind::Labels),
    };
    let split = if stem.contains("train") {
        Split::Train
    } else if stem.contains("t10k") || stem.contains("test") {
        Split::Test
    } else if stem.contains("val") {
        Split::Val
    } else {
        return None;
    };
    Some((split, kind))
}

fn missing_file(content: &str, existing: &Path) -> Error {
    let message = format!("there is no file with the {content} of {}", existing.display());
    Error::new(ErrorCode::DataFormat, message).key("data").file(existing).hint(
        "Put both files into the folder: train-images-idx3-ubyte and train-labels-idx1-ubyte.",
    )
}

/// Reads the images and labels of a split. `size` is the height and width of the splits read
/// before.
fn read_split(
    split: Split,
    images: &Path,
    labels: &Path,
    size: &mut Option<[u32; 2]>,
    cancelled: &dyn Fn() -> bool,
) -> Result<MemorySource> {
    let ([count], label_bytes) = read::<1>(labels, cancelled)?;
    let ([image_count, height, width], pixels) = read::<3>(images, cancelled)?;
    if image_count != count {
        return Err(damaged(images, format!("has {image_count} images but {count} labels")));
    }
    if height == 0 || width == 0 {
        return Err(damaged(images, format!("has images of {height}x{width} pixels")));
    }
    match *size {
        Some(other) if other != [height, width] => {
            let [h, w] = other;
            let problem =
                format!("has images of {height}x{width} pixels, but another split has {h}x{w}");
            return Err(damaged(images, problem));
        }
        _ => *size = Some([height, width]),
    }
    let labels = label_bytes.into_iter().map(u32::from).collect();
    Ok(MemorySource::new(split, [height, width, 1], pixels, labels))
}

/// Reads the dimensions of an IDX file with `D` dimensions, and its values.
fn read<const D: usize>(file: &Path, cancelled: &dyn Fn() -> bool) -> Result<([u32; D], Vec<u8>)> {
    let read_error = |cause: std::io::Error| match cause.kind() {
        ErrorKind::UnexpectedEof => damaged(file, "is truncated"),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            damaged(file, format!("is damaged: {cause}"))
        }
        _ => Error::read(file, &cause),
    };
    let opened = File::open(file).map_err(read_error)?;
    let file_bytes = opened.metadata().map_err(read_error)?.len();
    let mut plain = BufReader::with_capacity(1 << 16, opened);
    let is_gzip =
        std::io::BufRead::fill_buf(&mut plain).map_err(read_error)?.starts_with(&[0x1f, 0x8b]);
    let mut reader: Box<dyn Read> =
        if is_gzip { Box::new(MultiGzDecoder::new(plain)) } else { Box::new(plain) };

    let mut read_word = || -> Result<[u8; 4]> {
        let mut word = [0; 4];
        reader.read_exact(&mut word).map_err(read_error)?;
        Ok(word)
    };
    let magic = read_word()?;
    if magic != [0, 0, 8, D as u8] {
        let message = format!(
            "starts with the bytes {magic:02x?}, but an IDX file of bytes in {D} dimensions starts \
             with [00, 00, 08, {D:02x}]"
        );
        return Err(damaged(file, message));
    }
    let mut lengths = [0; D];
    for length in &mut lengths {
        *length = u32::from_be_bytes(read_word()?);
    }
    let expected = lengths.iter().try_fold(1u64, |product, &n| product.checked_mul(n.into()));
    let max = if is_gzip { file_bytes.saturating_mul(MAX_DEFLATE_RATIO) } else { file_bytes };
    let expected = expected.filter(|&bytes| bytes <= max).ok_or_else(|| {
        damaged(
            file,
            format!(
                "is truncated: its header claims {lengths:?} values, but it has {file_bytes} bytes"
            ),
        )
    })?;
    if expected > MAX_BYTES {
        return Err(damaged(
            file,
            format!(
                "has {} GiB, more than the limit of 4 GiB for data sets in memory",
                expected >> 30
            ),
        )
        .hint("Convert the data set to an image folder, whose images are read on demand."));
    }

    // Allocate memory while reading, because the size in the header may be wrong.
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < expected {
        check_cancelled(cancelled)?;
        let chunk = (expected - bytes.len() as u64).min(1 << 20);
        let length = bytes.len();
        (&mut reader).take(chunk).read_to_end(&mut bytes).map_err(read_error)?;
        if bytes.len() == length {
            let message =
                format!("is truncated: its header claims {expected} values, but it has {length}");
            return Err(damaged(file, message));
        }
    }
    // Reading to the end also verifies the gzip checksum.
    if reader.read(&mut [0]).map_err(read_error)? != 0 {
        return Err(damaged(
            file,
            format!("has more than the {expected} values that its header claims"),
        ));
    }
    bytes.shrink_to_fit();
    Ok((lengths, bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use tempfile::TempDir;

    use super::*;
    use crate::Image;

    fn idx(lengths: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, lengths.len() as u8];
        bytes.extend(lengths.iter().flat_map(|length| length.to_be_bytes()));
        bytes.extend_from_slice(values);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    const IMAGES: &str = "train-images-idx3-ubyte";
    const LABELS: &str = "train-labels-idx1-ubyte";

    /// Creates a folder with three images of 2x1, and adds or replaces `files`.
    fn create_folder(files: &[(&str, Vec<u8>)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes);
        write(IMAGES, &idx(&[3, 2, 1], &[1, 2, 3, 4, 5, 6])).unwrap();
        write(LABELS, &idx(&[3], &[0, 1, 1])).unwrap();
        for (name, bytes) in files {
            write(name, bytes).unwrap();
        }
        folder
    }

    fn open(folder: &TempDir) -> Result<Dataset> {
        let listing = crate::sources::listing::Listing::read(folder.path(), &|| false)?;
        IdxFiles::find(&listing.files)?.unwrap().open("digits", folder.path(), &|| false)
    }

    fn open_error(files: &[(&str, Vec<u8>)]) -> Error {
        let error = open(&create_folder(files)).err().expect("an error");
        assert_eq!(error.code, ErrorCode::DataFormat, "{error}");
        assert!(error.at.file.is_some() && error.hint.is_some(), "{error:?}");
        error
    }

    #[test]
    fn plain_and_gzipped_files_are_equal() {
        let plain = open(&create_folder(&[])).unwrap();
        let packed = tempfile::tempdir().unwrap();
        for (name, bytes) in
            [(IMAGES, idx(&[3, 2, 1], &[1, 2, 3, 4, 5, 6])), (LABELS, idx(&[3], &[0, 1, 1]))]
        {
            std::fs::write(packed.path().join(format!("{name}.gz")), gzip(&bytes)).unwrap();
        }
        let packed = open(&packed).unwrap();
        assert_eq!(plain.facts(), packed.facts());
        let mut image = Image::default();
        packed.source(Split::Train).read_into(1, 1, &mut image).unwrap();
        assert_eq!(image, Image::new(1, 2, 1, vec![3, 4]).unwrap());
        assert_eq!((plain.facts().image_size, plain.facts().channels), (Some([2, 1]), 1));
        assert_eq!(plain.facts().classes, ["0", "1"]);
        assert!(!plain.facts().flip_preserves_label);
    }

    #[test]
    fn parses_the_file_names_of_all_data_sets() {
        for (name, split) in [
            ("train-images-idx3-ubyte.gz", Split::Train),
            ("t10k-images.idx3-ubyte", Split::Test),
            ("emnist-letters-test-images-idx3-ubyte", Split::Test),
            ("val-images-idx3-ubyte", Split::Val),
        ] {
            assert!(
                matches!(parse_name(name), Some((parsed, Kind::Images)) if parsed == split),
                "{name}"
            );
        }
        assert!(parse_name("train-images-idx3-ubyte.png").is_none());
    }

    #[test]
    fn class_names_come_from_classes_txt() {
        let set = open(&create_folder(&[("classes.txt", b"shirt\nbag\nshoe\n".to_vec())])).unwrap();
        assert_eq!(set.facts().classes, ["shirt", "bag", "shoe"]);
        assert!(set.facts().flip_preserves_label);
        assert_eq!(set.warnings().len(), 1, "shoe has no training images");
        open_error(&[("classes.txt", b"shirt\n".to_vec())]);
    }

    #[test]
    fn refuses_a_wrong_size_before_allocating() {
        for lengths in [[u32::MAX; 3], [3, 2, 2], [60_000, 28, 28]] {
            open_error(&[(IMAGES, idx(&lengths, &[0; 6]))]);
            open_error(&[(IMAGES, gzip(&idx(&lengths, &[0; 6])))]);
        }
        open_error(&[(IMAGES, idx(&[3, 1, 1], &[0; 6]))]);
    }

    #[test]
    fn refuses_gzip_content_beyond_the_header_size() {
        let error = open_error(&[(IMAGES, gzip(&idx(&[3, 2, 1], &vec![0; 50 << 20])))]);
        assert!(error.message.contains("has more"), "{error}");
    }

    #[test]
    fn refuses_truncated_and_damaged_files() {
        let gzipped = gzip(&idx(&[3, 2, 1], &[1, 2, 3, 4, 5, 6]));
        for length in 0..gzipped.len() {
            open_error(&[(IMAGES, gzipped[..length].to_vec())]);
        }
        let plain = idx(&[3], &[0, 1, 1]);
        for length in 0..plain.len() {
            open_error(&[(LABELS, plain[..length].to_vec())]);
        }
        let mut damaged = gzipped;
        let checksum = damaged.len() - 8;
        damaged[checksum] ^= 0xff;
        open_error(&[(IMAGES, damaged)]);
    }

    #[test]
    fn refuses_inconsistent_files() {
        open_error(&[(LABELS, idx(&[2], &[0, 1]))]);
        open_error(&[(IMAGES, idx(&[3], &[1, 2, 3]))]);
        open_error(&[("t10k-images-idx3-ubyte", idx(&[1, 2, 1], &[1, 2]))]);
        open_error(&[
            ("t10k-images-idx3-ubyte", idx(&[1, 1, 1], &[1])),
            ("t10k-labels-idx1-ubyte", idx(&[1], &[0])),
        ]);
        open_error(&[("my-train-images-idx3-ubyte", idx(&[1, 1, 1], &[1]))]);
        open_error(&[
            ("t10k-images-idx3-ubyte", idx(&[0, 0, 0], &[])),
            ("t10k-labels-idx1-ubyte", idx(&[0], &[])),
        ]);
    }

    #[test]
    fn stops_when_cancelled() {
        let folder = create_folder(&[]);
        let listing = crate::sources::listing::Listing::read(folder.path(), &|| false).unwrap();
        let files = IdxFiles::find(&listing.files).unwrap().unwrap();
        let error = files.open("digits", folder.path(), &|| true).err().unwrap();
        assert_eq!(error.code, ErrorCode::Aborted);
    }
}
