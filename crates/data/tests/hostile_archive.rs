//! Decodes every file of an archive of hostile images: the size matches Pillow's or the file is
//! refused, within a time limit. The archive is outside the repository, in `RESIDUAL_TEST_DATA` or
//! `../shared/data`; the test is skipped with a message if the archive is missing.

mod mutate;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mutate::CpuTimer;
use residual_data::{Image, decode};
use residual_spec::{Error, ErrorCode};

/// Unpacks the archive into a temporary folder.
fn unpack_archive() -> Option<tempfile::TempDir> {
    let root = std::env::var_os("RESIDUAL_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let archive = root.join("hostile-images.tar.gz");
    if !archive.exists() {
        eprintln!("skipped: {} does not exist (set RESIDUAL_TEST_DATA)", archive.display());
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut tar = std::process::Command::new("tar");
    let status = tar.arg("-xzf").arg(&archive).arg("-C").arg(folder.path()).status();
    assert!(status.is_ok_and(|status| status.success()), "tar could not unpack {archive:?}");
    Some(folder)
}

/// An entry of the manifest.
struct ManifestEntry {
    file: String,
    /// `JPEG`, `PNG`, ...; empty if Pillow cannot read the file.
    format: String,
    /// Stored width and height, before applying the orientation.
    size: Option<(u32, u32)>,
    orientation: u32,
}

fn read_manifest(folder: &Path) -> Vec<ManifestEntry> {
    let mut reader = csv::Reader::from_path(folder.join("MANIFEST.csv")).unwrap();
    let headers = reader.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let [file, format, size, orientation, result] =
        ["file", "pillow_format", "pillow_size", "exif_orientation", "pillow_12.3_result"]
            .map(column);
    let entry = |record: csv::StringRecord| {
        let size = record[size].split_once('x');
        ManifestEntry {
            file: record[file].into(),
            format: if &record[result] == "ok" { record[format].into() } else { String::new() },
            size: size.map(|(width, height)| (width.parse().unwrap(), height.parse().unwrap())),
            orientation: record[orientation].parse().unwrap_or(1),
        }
    };
    reader.records().map(|record| entry(record.unwrap())).collect()
}

/// Damaged files that Pillow reads and this crate refuses: two wrong checksums.
const ACCEPTED_BY_PILLOW_ONLY: [&str; 2] =
    ["truncated-corrupt/x_interlaced_chck.png", "pngsuite/xcsn0g01.png"];

/// Decodes a file and asserts a time limit. Returns `None` if the file is missing.
fn decode_timed(folder: &Path, file: &str) -> Option<Result<Image, Error>> {
    let bytes = std::fs::read(folder.join(file)).ok()?;
    let mut image = Image::default();
    let started = CpuTimer::start();
    let result = decode(&bytes, 3, &mut image);
    assert!(started.elapsed() < Duration::from_secs(20), "{file}: {:?}", started.elapsed());
    Some(result.map(|()| image))
}

#[test]
fn every_hostile_image_matches_pillow_or_is_refused() {
    let Some(folder) = unpack_archive() else { return };
    let mut count = 0;
    let mut failures = Vec::new();
    for entry in read_manifest(folder.path()) {
        let Some(result) = decode_timed(folder.path(), &entry.file) else { continue };
        count += 1;
        let file = &entry.file;
        match (entry.format.as_str(), result) {
            ("JPEG" | "PNG", Ok(image)) => {
                let (width, height) = entry.size.unwrap();
                let is_rotated = matches!(entry.orientation, 5..=8);
                let expected = if is_rotated { (height, width) } else { (width, height) };
                if (image.width, image.height) != expected {
                    failures.push(format!(
                        "{file}: {}x{}, not {expected:?}",
                        image.width, image.height
                    ));
                }
            }
            ("JPEG" | "PNG", Err(error)) => {
                if !ACCEPTED_BY_PILLOW_ONLY.contains(&file.as_str()) {
                    failures.push(format!("{file}: refused: {error}"));
                }
            }
            (_, Ok(_)) => failures.push(format!("{file}: decoded, unlike in Pillow")),
            (_, Err(error)) => {
                assert_eq!(error.code, ErrorCode::Image, "{file}: {error}");
                assert!(error.hint.is_some(), "{file}: {error}");
            }
        }
    }
    assert!(count > 200, "only {count} files of the manifest exist");
    assert!(failures.is_empty(), "of {count} files:\n{}", failures.join("\n"));
}
