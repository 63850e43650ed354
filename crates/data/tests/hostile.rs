//! Damaged and malicious files: any bytes give a result or an error in a short time, without a
//! panic.

mod mutate;

use std::io::Write;
use std::path::Path;

use mutate::{CpuTimer, apply_changes, byte_change, config};
use proptest::prelude::*;
use residual_data::{Image, Split, decode, decode_file, open};
use residual_spec::{DataConfig, Error, ErrorCode};

fn read_fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images").join(name)).unwrap()
}

fn image_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        "baseline.jpg",
        "yuv444.jpg",
        "gray.jpg",
        "yuv422.jpg",
        "yuv440.jpg",
        "progressive.jpg",
        "progressive-restarts.jpg",
        "scans.jpg",
        "scans-restarts.jpg",
        "restarts.jpg",
        "cmyk.jpg",
        "ycck.jpg",
        "rgb.jpg",
        "orientation-6.jpg",
        "picture.png",
        "palette-transparent.png",
        "orientation-png.png",
    ])
    .prop_map(read_fixture)
}

/// Creates a folder with files.
fn create_folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    folder
}

/// Creates a folder with files, opens it as a data set and reads every image.
fn open_and_read(files: &[(&str, &[u8])]) -> Result<(), Error> {
    open_and_read_path(create_folder(files).path())
}

/// Opens a data set and reads every image.
fn open_and_read_path(path: &Path) -> Result<(), Error> {
    let source = Some(path.display().to_string());
    let set = open(&DataConfig { source, ..DataConfig::default() }, &|| false)?;
    let mut image = Image::default();
    for split in Split::ALL {
        let source = set.source(split);
        for i in 0..source.len() {
            assert!((source.label(i) as usize) < set.facts().classes.len());
            // An image may fail: the loader skips and reports it.
            if source.read_into(i, 3, &mut image).is_ok() {
                let bytes = image.width as usize * image.height as usize * 3;
                assert_eq!(image.pixels.len(), bytes);
            }
        }
    }
    Ok(())
}

/// Returns whether an error reports malformed data, with a hint.
fn is_data_error(error: &Error) -> bool {
    matches!(error.code, ErrorCode::DataFormat | ErrorCode::DataUnusable) && error.hint.is_some()
}

/// Creates a named pipe, which blocks when opened until a process writes to it.
#[cfg(unix)]
fn create_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_do_not_block() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    create_pipe(&path("cat.png"));
    std::fs::write(path("bee.png"), read_fixture("picture.png")).unwrap();
    for image in ["cat.png", "/dev/zero"] {
        std::fs::write(path("x.csv"), format!("path,label\nbee.png,bee\n{image},cat\n")).unwrap();
        assert!(open_and_read_path(&path("x.csv")).is_err());
        let error = decode_file(&folder.path().join(image), 3, &mut Image::default()).unwrap_err();
        assert!(
            error.code == ErrorCode::Io && error.message.contains("not a regular file"),
            "{error}"
        );
    }
    create_pipe(&path("a-0.tar"));
    assert!(open_and_read_path(&path("a-{0..0}.tar")).is_err());
    create_pipe(&path("classes.txt"));
    assert!(open_and_read_path(folder.path()).is_err());
}

/// Returns a gray progressive JPEG of 8192x8192 pixels. After the DC coefficients, each scan codes
/// in about 200 bytes that all of a million blocks have no further coefficients.
fn progressive_bomb() -> Vec<u8> {
    let segment = |marker: u8, content: &[u8]| {
        [&[0xff, marker][..], &(content.len() as u16 + 2).to_be_bytes(), content].concat()
    };
    // Two codes: 0 for a DC difference of 0 or a run of one block (EOB0), and 10 for a run of 16384
    // to 32767 blocks (EOB14).
    let table = |class: u8| {
        let counts = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        segment(0xc4, &[&[class << 4][..], &counts, &[0, 0xe0]].concat())
    };
    let mut bomb = [
        vec![0xff, 0xd8],
        segment(0xdb, &[&[0][..], &[1; 64]].concat()),
        segment(0xc2, &[8, 0x20, 0, 0x20, 0, 1, 1, 0x11, 0]),
        table(0),
        table(1),
        segment(0xda, &[1, 1, 0, 0, 0, 0]),
        vec![0; (1 << 20) / 8],
    ]
    .concat();
    for coefficient in 1..64 {
        for bit in (0..14).rev() {
            let high = if bit == 13 { 0 } else { bit + 1 };
            bomb.extend(segment(0xda, &[1, 1, 0, coefficient, coefficient, high << 4 | bit]));
            bomb.extend([0b1000_0000, 0].repeat(80));
        }
    }
    bomb.extend([0xff, 0xd9]);
    bomb
}

#[test]
fn bounds_the_time_of_many_progressive_scans() {
    let started = CpuTimer::start();
    let error = decode(&progressive_bomb(), 3, &mut Image::default()).unwrap_err();
    assert!(error.message.contains("invalid or incomplete"), "{error}");
    // Takes about 0.5 s on an idle machine.
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

fn idx(lengths: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, lengths.len() as u8];
    bytes.extend(lengths.iter().flat_map(|length| length.to_be_bytes()));
    bytes.extend_from_slice(values);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Returns an uncompressed tar archive.
fn tar_archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in files {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// Corrects the checksums of the tar headers, so that they do not reveal the damage.
fn fix_checksums(mut archive: Vec<u8>) -> Vec<u8> {
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
    #![proptest_config(config(512))]

    #[test]
    fn decodes_or_refuses_damaged_images(
        bytes in image_bytes(),
        changes in prop::collection::vec(byte_change(), 1..4),
        channels in prop::sample::select(vec![1, 3]),
    ) {
        let mut image = Image::default();
        match decode(&apply_changes(bytes, &changes), channels, &mut image) {
            Ok(()) => {
                let Image { width, height, .. } = image;
                prop_assert_eq!(image.pixels.len(), (width * height * channels) as usize);
            }
            Err(error) => prop_assert_eq!(error.code, ErrorCode::Image),
        }
    }

    #[test]
    fn refuses_random_bytes_after_an_image_signature(
        magic in prop::sample::select(vec![&b"\xff\xd8\xff"[..], b"\x89PNG\r\n\x1a\n"]),
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let bytes = [magic, &rest].concat();
        prop_assert!(decode(&bytes, 3, &mut Image::default()).is_err());
    }
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn reads_or_refuses_damaged_idx_files(
        images in prop::collection::vec(byte_change(), 0..3),
        labels in prop::collection::vec(byte_change(), 0..3),
        is_gzip in any::<bool>(),
    ) {
        let pack = |bytes: Vec<u8>| if is_gzip { gzip(&bytes) } else { bytes };
        let pixels = apply_changes(pack(idx(&[6, 4, 4], &[7; 96])), &images);
        let classes = apply_changes(pack(idx(&[6], &[0, 1, 2, 0, 1, 2])), &labels);
        let files =
            [("train-images-idx3-ubyte", &pixels[..]), ("train-labels-idx1-ubyte", &classes[..])];
        if let Err(error) = open_and_read(&files) {
            prop_assert!(is_data_error(&error), "{:?}", error);
        }
    }

    #[test]
    fn reads_or_refuses_damaged_cifar_10_files(
        batch in prop::collection::vec(byte_change(), 0..3),
        names in prop::collection::vec(byte_change(), 0..3),
    ) {
        let mut records = vec![100; 3 * 3073];
        for i in 0..3 {
            records[i * 3073] = i as u8;
        }
        let records = apply_changes(records, &batch);
        let names = apply_changes(b"ant\nbee\ncat\n".to_vec(), &names);
        let files = [("data_batch_1.bin", &records[..]), ("batches.meta.txt", &names[..])];
        if let Err(error) = open_and_read(&files) {
            prop_assert!(is_data_error(&error), "{:?}", error);
        }
    }

    #[test]
    fn reads_or_refuses_damaged_cifar_100_files(
        train in prop::collection::vec(byte_change(), 0..3),
        fine in prop::collection::vec(byte_change(), 0..3),
    ) {
        let mut records = vec![100; 3 * 3074];
        for i in 0..3 {
            records[i * 3074..][..2].fill(i as u8);
        }
        let train = apply_changes(records, &train);
        let fine = apply_changes(b"ant\nbee\ncat\n".to_vec(), &fine);
        let files = [("train.bin", &train[..]), ("fine_label_names.txt", &fine[..])];
        if let Err(error) = open_and_read(&files) {
            prop_assert!(is_data_error(&error), "{:?}", error);
        }
    }

    #[test]
    fn reads_or_refuses_damaged_cifar_python_files(
        batch in prop::collection::vec(byte_change(), 0..3),
        meta in prop::collection::vec(byte_change(), 0..3),
    ) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../pickle/tests/fixtures");
        let batch = apply_changes(std::fs::read(format!("{folder}/cifar10.pkl")).unwrap(), &batch);
        let names = b"(dS'label_names'\n(lS'a'\naS'b'\naS'c'\naS'd'\naS'e'\nas.".to_vec();
        let names = apply_changes(names, &meta);
        let files = [("data_batch_1", &batch[..]), ("batches.meta", &names[..])];
        if let Err(error) = open_and_read(&files) {
            prop_assert!(is_data_error(&error), "{:?}", error);
        }
    }

    #[test]
    fn reads_or_refuses_damaged_manifests(
        changes in prop::collection::vec(byte_change(), 0..4),
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
        let text = apply_changes(text.into(), &changes);
        let folder = create_folder(&[("a.png", &read_fixture("picture.png")), (name, &text)]);
        if let Err(error) = open_and_read_path(&folder.path().join(name)) {
            let is_file_error = matches!(error.code, ErrorCode::DataNotFound | ErrorCode::Io);
            let names_a_line = error.at.line.is_some();
            prop_assert!(is_data_error(&error) || is_file_error && names_a_line, "{:?}", error);
        }
    }

    #[test]
    fn reads_or_refuses_damaged_shards(
        changes in prop::collection::vec(byte_change(), 0..4),
        valid_checksums in any::<bool>(),
    ) {
        let (png, jpeg) = (read_fixture("picture.png"), read_fixture("baseline.jpg"));
        let archive = tar_archive(&[
            ("a.png", &png), ("a.cls", b"0"), ("b.jpg", &jpeg), ("b.json", br#"{"label": "1"}"#),
        ]);
        let mut shard = apply_changes(archive, &changes);
        if valid_checksums {
            shard = fix_checksums(shard);
        }
        if let Err(error) = open_and_read(&[("train-0.tar", &shard)]) {
            prop_assert!(is_data_error(&error), "{:?}", error);
        }
    }

    #[test]
    fn opens_folders_with_damaged_images(
        a in image_bytes(), b in image_bytes(), changes in prop::collection::vec(byte_change(), 1..4),
    ) {
        let (intact, damaged) = (read_fixture("picture.png"), apply_changes(a, &changes));
        let files = [
            ("ant/1", &intact[..]), ("ant/2.jpg", &damaged[..]), ("bee/1.jpg", &b),
            ("bee/2", &damaged),
        ];
        prop_assert_eq!(open_and_read(&files), Ok(()));
    }
}
