//! The seeds in `tests/corpus`, intact and damaged: any bytes give a result or an error,
//! without a panic.

mod mutate;

use std::path::{Path, PathBuf};

use mutate::{ByteChange, apply_changes, byte_change, config, copy_folder, list_files};
use proptest::prelude::*;
use residual_data::{Image, Split, decode, open};
use residual_spec::{DataConfig, Error, ErrorCode};

const DATASETS: [&str; 8] =
    ["cifar-10", "cifar-100", "csv", "folder", "idx", "jsonl", "shards", "tsv"];

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)
}

/// Returns the path that opens a data set: its list of images, or its folder.
fn entry_point(folder: &Path) -> PathBuf {
    let is_list = |file: &PathBuf| {
        file.file_stem().is_some_and(|stem| stem == "labels") && file.components().count() == 1
    };
    match list_files(folder).into_iter().find(is_list) {
        Some(list) => folder.join(list),
        None => folder.to_path_buf(),
    }
}

/// Opens a data set and decodes every image. Returns the number of decoded images.
fn read_all(path: &Path) -> Result<usize, Error> {
    let source = Some(path.display().to_string());
    let set = open(&DataConfig { source, ..DataConfig::default() }, &|| false)?;
    let (mut image, mut decoded) = (Image::default(), 0);
    for split in Split::ALL {
        let source = set.source(split);
        for index in 0..source.len() {
            assert!((source.label(index) as usize) < set.facts().classes.len());
            // An image may fail: the loader skips and reports it.
            if source.read_into(index, 3, &mut image).is_ok() {
                assert_eq!(image.pixels.len(), image.width as usize * image.height as usize * 3);
                decoded += 1;
            }
        }
    }
    Ok(decoded)
}

#[test]
fn every_intact_data_set_is_read() {
    for name in DATASETS {
        let decoded = read_all(&entry_point(&corpus(name)));
        assert!(decoded.as_ref().is_ok_and(|count| *count >= 2), "{name}: {decoded:?}");
    }
}

#[test]
fn every_intact_image_of_a_supported_coding_is_decoded() {
    for file in list_files(&corpus("images")) {
        let bytes = std::fs::read(corpus("images").join(&file)).unwrap();
        let decoded = decode(&bytes, 3, &mut Image::default());
        let is_supported = file != Path::new("arithmetic.jpg");
        assert_eq!(decoded.is_ok(), is_supported, "{}: {decoded:?}", file.display());
    }
}

/// A change of a data set's files. Files are indices into the sorted list.
#[derive(Debug, Clone)]
enum FileChange {
    Damage(prop::sample::Index, Vec<ByteChange>),
    Remove(prop::sample::Index),
    /// Replaces the content of a file by that of another.
    Copy(prop::sample::Index, prop::sample::Index),
}

fn file_change() -> impl Strategy<Value = FileChange> {
    let file = any::<prop::sample::Index>;
    prop_oneof![
        6 => (file(), prop::collection::vec(byte_change(), 1..4))
            .prop_map(|(file, changes)| FileChange::Damage(file, changes)),
        1 => file().prop_map(FileChange::Remove),
        1 => (file(), file()).prop_map(|(from, to)| FileChange::Copy(from, to)),
    ]
}

fn apply_file_changes(folder: &Path, changes: &[FileChange]) {
    for change in changes {
        let files = list_files(folder);
        if files.is_empty() {
            return;
        }
        let path = |file: &prop::sample::Index| folder.join(file.get(&files));
        match change {
            FileChange::Damage(file, changes) => {
                let bytes = std::fs::read(path(file)).unwrap();
                std::fs::write(path(file), apply_changes(bytes, changes)).unwrap();
            }
            FileChange::Remove(file) => std::fs::remove_file(path(file)).unwrap(),
            FileChange::Copy(from, to) => {
                let bytes = std::fs::read(path(from)).unwrap();
                std::fs::write(path(to), bytes).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn reads_or_refuses_damaged_data_sets(
        name in prop::sample::select(DATASETS.to_vec()),
        changes in prop::collection::vec(file_change(), 1..4),
    ) {
        let folder = copy_folder(&corpus(name));
        apply_file_changes(folder.path(), &changes);
        if let Err(error) = read_all(&entry_point(folder.path())) {
            let is_data_error = matches!(
                error.code,
                ErrorCode::DataFormat | ErrorCode::DataUnusable | ErrorCode::DataNotFound
                    | ErrorCode::Io
            );
            prop_assert!(is_data_error, "{error:?}");
            prop_assert!(error.message.len() < 10_000, "{} bytes", error.message.len());
        }
    }

    #[test]
    fn decodes_or_refuses_damaged_seeds(
        file in prop::sample::select(list_files(&corpus("images"))),
        changes in prop::collection::vec(byte_change(), 1..4),
        channels in prop::sample::select(vec![1, 3]),
    ) {
        let bytes = std::fs::read(corpus("images").join(file)).unwrap();
        let mut image = Image::default();
        match decode(&apply_changes(bytes, &changes), channels, &mut image) {
            Ok(()) => {
                let Image { width, height, .. } = image;
                let pixels = width as usize * height as usize * channels as usize;
                prop_assert_eq!(image.pixels.len(), pixels);
            }
            Err(error) => prop_assert_eq!(error.code, ErrorCode::Image),
        }
    }
}

/// Reads the length of a JPEG's first segment without a check.
fn faulty_parser(bytes: &[u8]) -> &[u8] {
    let length = u16::from_be_bytes([bytes[4], bytes[5]]) as usize;
    &bytes[4..4 + length]
}

proptest! {
    #![proptest_config(config(256))]

    /// Fails, which proves that the damage reaches a fault. Only runs on request.
    #[test]
    #[ignore = "negative control"]
    fn control_faulty_parser(changes in prop::collection::vec(byte_change(), 1..4)) {
        let bytes = std::fs::read(corpus("images/tiny-420.jpg")).unwrap();
        faulty_parser(&apply_changes(bytes, &changes));
    }
}
