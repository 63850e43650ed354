//! Damaged and malicious files: any bytes give a result or an error, soon, and no panic leaves the
//! crate.

use std::io::Write;
use std::path::Path;

use proptest::prelude::*;
use residual_data::{Image, Split, decode, decode_file, open};
use residual_spec::{DataConfig, Error, ErrorCode};

/// A change of a file's bytes, at positions relative to its length.
#[derive(Debug, Clone)]
enum Damage {
    Overwrite(f64, Vec<u8>),
    Insert(f64, Vec<u8>),
    Remove(f64, u8),
    CutAt(f64),
}

fn damage() -> impl Strategy<Value = Damage> {
    // Headers are the most vulnerable: half of the positions are near the beginning.
    let place = || prop_oneof![0.0..0.1, 0.0..1.0];
    // Extreme lengths and sizes, and random bytes.
    let bytes = || {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 1..8),
            Just(vec![0xff; 4]),
            Just(vec![0; 4]),
            Just(vec![0x7f, 0xff, 0xff, 0xff]),
        ]
    };
    prop_oneof![
        4 => (place(), bytes()).prop_map(|(at, bytes)| Damage::Overwrite(at, bytes)),
        1 => (place(), bytes()).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => (place(), any::<u8>()).prop_map(|(at, count)| Damage::Remove(at, count)),
        1 => place().prop_map(Damage::CutAt),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let at = |share: &f64| (bytes.len() as f64 * share) as usize;
        match damage {
            Damage::Overwrite(share, new) => {
                let from = at(share);
                for (old, new) in bytes[from..].iter_mut().zip(new) {
                    *old = *new;
                }
            }
            Damage::Insert(share, new) => {
                let from = at(share);
                bytes.splice(from..from, new.iter().copied());
            }
            Damage::Remove(share, count) => {
                let from = at(share);
                bytes.drain(from..bytes.len().min(from + usize::from(*count)));
            }
            Damage::CutAt(share) => bytes.truncate(at(share)),
        }
    }
    bytes
}

fn image_file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images").join(name)).unwrap()
}

fn images() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        "baseline.jpg",
        "full-color.jpg",
        "gray.jpg",
        "wide.jpg",
        "tall.jpg",
        "progressive.jpg",
        "restarts.jpg",
        "cmyk.jpg",
        "orientation-6.jpg",
        "picture.png",
        "palette-transparent.png",
        "orientation-png.png",
    ])
    .prop_map(image_file)
}

/// Creates a folder with files.
fn folder_of(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    folder
}

/// Creates a folder with files, opens it as a data set and reads every image.
fn open_all(files: &[(&str, &[u8])]) -> Result<(), Error> {
    open_path(folder_of(files).path())
}

/// Opens a data set and reads every image.
fn open_path(path: &Path) -> Result<(), Error> {
    let source = Some(path.display().to_string());
    let set = open(&DataConfig { source, ..DataConfig::default() }, &|| false)?;
    let mut image = Image::default();
    for part in Split::ALL {
        let source = set.source(part);
        for i in 0..source.len() {
            assert!((source.label(i) as usize) < set.facts().classes.len());
            // A damaged image among others is reported by the loader.
            if source.read_into(i, 3, &mut image).is_ok() {
                let bytes = image.width as usize * image.height as usize * 3;
                assert_eq!(image.pixels.len(), bytes);
            }
        }
    }
    Ok(())
}

fn is_about_data(error: &Error) -> bool {
    matches!(error.code, ErrorCode::DataFormat | ErrorCode::DataUnusable) && error.hint.is_some()
}

/// A named pipe: opening it blocks until somebody writes to it.
#[cfg(unix)]
fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    pipe(&at("cat.png"));
    std::fs::write(at("bee.png"), image_file("picture.png")).unwrap();
    // Refused, or skipped with a warning.
    for image in ["cat.png", "/dev/zero"] {
        std::fs::write(at("x.csv"), format!("path,label\nbee.png,bee\n{image},cat\n")).unwrap();
        assert!(open_path(&at("x.csv")).is_err());
        let error = decode_file(&folder.path().join(image), 3, &mut Image::default()).unwrap_err();
        assert!(error.code == ErrorCode::Io && error.message.contains("not a file"), "{error}");
    }
    pipe(&at("a-0.tar"));
    assert!(open_path(&at("a-{0..0}.tar")).is_err());
    pipe(&at("classes.txt"));
    assert!(open_path(folder.path()).is_err());
}

fn idx(lengths: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, lengths.len() as u8];
    bytes.extend(lengths.iter().flat_map(|length| length.to_be_bytes()));
    bytes.extend_from_slice(values);
    bytes
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A plain tar archive.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, bytes) in files {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        all.extend_from_slice(&header);
        all.extend_from_slice(bytes);
        all.resize(all.len().next_multiple_of(512), 0);
    }
    all.resize(all.len() + 1024, 0);
    all
}

/// Corrects the header checksums, so that damage is not detected by them.
fn with_right_sums(mut archive: Vec<u8>) -> Vec<u8> {
    for block in archive.chunks_exact_mut(512) {
        if block[148..156].ends_with(b"\0 ") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
    }
    archive
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_image_is_decoded_or_refused(
        bytes in images(),
        damages in prop::collection::vec(damage(), 1..4),
        channels in prop::sample::select(vec![1, 3]),
    ) {
        let mut image = Image::default();
        match decode(&damaged(bytes, &damages), channels, &mut image) {
            Ok(()) => {
                let Image { width, height, .. } = image;
                prop_assert_eq!(image.pixels.len(), (width * height * channels) as usize);
            }
            Err(error) => prop_assert_eq!(error.code, ErrorCode::Image),
        }
    }

    #[test]
    fn bytes_that_only_begin_as_an_image_are_refused(
        magic in prop::sample::select(vec![&b"\xff\xd8\xff"[..], b"\x89PNG\r\n\x1a\n"]),
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let bytes = [magic, &rest].concat();
        prop_assert!(decode(&bytes, 3, &mut Image::default()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_idx_files_are_read_or_refused(
        images in prop::collection::vec(damage(), 0..3),
        labels in prop::collection::vec(damage(), 0..3),
        zip in any::<bool>(),
    ) {
        let pack = |bytes: Vec<u8>| if zip { zipped(&bytes) } else { bytes };
        let pixels = damaged(pack(idx(&[6, 4, 4], &[7; 96])), &images);
        let classes = damaged(pack(idx(&[6], &[0, 1, 2, 0, 1, 2])), &labels);
        let files =
            [("train-images-idx3-ubyte", &pixels[..]), ("train-labels-idx1-ubyte", &classes[..])];
        if let Err(error) = open_all(&files) {
            prop_assert!(is_about_data(&error), "{:?}", error);
        }
    }

    #[test]
    fn damaged_cifar_files_are_read_or_refused(
        batch in prop::collection::vec(damage(), 0..3),
        names in prop::collection::vec(damage(), 0..3),
    ) {
        let mut records = vec![100; 3 * 3073];
        for i in 0..3 {
            records[i * 3073] = i as u8;
        }
        let records = damaged(records, &batch);
        let names = damaged(b"ant\nbee\ncat\n".to_vec(), &names);
        let files = [("data_batch_1.bin", &records[..]), ("batches.meta.txt", &names[..])];
        if let Err(error) = open_all(&files) {
            prop_assert!(is_about_data(&error), "{:?}", error);
        }
    }

    #[test]
    fn damaged_cifar_100_files_are_read_or_refused(
        train in prop::collection::vec(damage(), 0..3),
        fine in prop::collection::vec(damage(), 0..3),
    ) {
        let mut records = vec![100; 3 * 3074];
        for i in 0..3 {
            records[i * 3074..][..2].fill(i as u8);
        }
        let train = damaged(records, &train);
        let fine = damaged(b"ant\nbee\ncat\n".to_vec(), &fine);
        let files = [("train.bin", &train[..]), ("fine_label_names.txt", &fine[..])];
        if let Err(error) = open_all(&files) {
            prop_assert!(is_about_data(&error), "{:?}", error);
        }
    }

    #[test]
    fn damaged_python_files_of_cifar_are_read_or_refused(
        batch in prop::collection::vec(damage(), 0..3),
        meta in prop::collection::vec(damage(), 0..3),
    ) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../pickle/tests/fixtures");
        let batch = damaged(std::fs::read(format!("{folder}/cifar10.pkl")).unwrap(), &batch);
        let names = b"(dS'label_names'\n(lS'a'\naS'b'\naS'c'\naS'd'\naS'e'\nas.".to_vec();
        let names = damaged(names, &meta);
        let files = [("data_batch_1", &batch[..]), ("batches.meta", &names[..])];
        if let Err(error) = open_all(&files) {
            prop_assert!(is_about_data(&error), "{:?}", error);
        }
    }

    #[test]
    fn damaged_manifests_are_read_or_refused(
        damages in prop::collection::vec(damage(), 0..4),
        json in any::<bool>(),
    ) {
        let (name, text) = if json {
            (
                "labels.jsonl",
                "{\"path\": \"a.png\", \"label\": 7, \"split\": \"train\"}\n\
                 {\"path\": \"a.png\", \"label\": 1}\n",
            )
        } else {
            (
                "labels.csv",
                "\u{feff}path,label,split\r\na.png,cat,train\r\n\"a.png\",\"d,og\",\r\n\
                 a.png,cat,val\r\n",
            )
        };
        let text = damaged(text.into(), &damages);
        let folder = folder_of(&[("a.png", &image_file("picture.png")), (name, &text)]);
        if let Err(error) = open_path(&folder.path().join(name)) {
            let other = matches!(error.code, ErrorCode::DataNotFound | ErrorCode::Io);
            prop_assert!(is_about_data(&error) || other && error.at.line.is_some(), "{:?}", error);
        }
    }

    #[test]
    fn damaged_shards_are_read_or_refused(
        damages in prop::collection::vec(damage(), 0..4),
        summed in any::<bool>(),
    ) {
        let (png, jpeg) = (image_file("picture.png"), image_file("baseline.jpg"));
        let whole = archive(&[
            ("a.png", &png), ("a.cls", b"0"), ("b.jpg", &jpeg), ("b.json", br#"{"label": "1"}"#),
        ]);
        let mut shard = damaged(whole, &damages);
        if summed {
            shard = with_right_sums(shard);
        }
        if let Err(error) = open_all(&[("train-0.tar", &shard)]) {
            prop_assert!(is_about_data(&error), "{:?}", error);
        }
    }

    #[test]
    fn a_folder_with_damaged_images_is_opened_or_refused(
        a in images(), b in images(), damages in prop::collection::vec(damage(), 1..4),
    ) {
        let (whole, broken) = (image_file("picture.png"), damaged(a, &damages));
        let files = [
            ("ant/1", &whole[..]), ("ant/2.jpg", &broken[..]), ("bee/1.jpg", &b), ("bee/2", &broken),
        ];
        prop_assert_eq!(open_all(&files), Ok(()));
    }
}
