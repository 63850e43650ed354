//! Changes of a file's bytes, shared by the property tests of several crates.

#![allow(dead_code, unused_imports)] // no test uses everything

mod cpu_timer;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

pub use cpu_timer::CpuTimer;

/// Returns the configuration of a property test with `PROPTEST_CASES` inputs, by default `cases`, that
/// depend only on `PROPTEST_RNG_SEED`, by default 0. Prints the number, from which `npm run prove`
/// counts its attempts.
pub fn config(cases: u32) -> ProptestConfig {
    let requested = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let cases = requested.unwrap_or(cases);
    eprintln!("cases: {cases}");
    let default = ProptestConfig::default();
    let rng_seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(0),
        RngSeed::Fixed(seed) => RngSeed::Fixed(seed),
    };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..default }
}

/// A change of a file's bytes. Positions are fractions of the file's length.
#[derive(Debug, Clone)]
pub enum ByteChange {
    Overwrite(f64, Vec<u8>),
    Insert(f64, Vec<u8>),
    Remove(f64, u8),
    Truncate(f64),
    /// Copies a range of the file to another position.
    Repeat(f64, f64, u8),
    /// Replaces a digit by a number.
    Number(f64, String),
}

/// Generates a change.
pub fn byte_change() -> impl Strategy<Value = ByteChange> {
    // Headers are the most vulnerable: half of the positions are near the beginning.
    let position = || prop_oneof![0.0..0.1, 0.0..1.0];
    // Extreme lengths and sizes, and random bytes.
    let bytes = || {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 1..8),
            Just(vec![0xff; 4]),
            Just(vec![0; 4]),
            Just(vec![0x7f, 0xff, 0xff, 0xff]),
        ]
    };
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        prop::sample::select(vec![
            "-1",
            "0",
            "1e999",
            "4294967296",
            "18446744073709551615",
            "1e-400"
        ])
        .prop_map(String::from),
    ];
    prop_oneof![
        4 => (position(), bytes()).prop_map(|(position, bytes)| ByteChange::Overwrite(position, bytes)),
        1 => (position(), bytes()).prop_map(|(position, bytes)| ByteChange::Insert(position, bytes)),
        1 => (position(), any::<u8>())
            .prop_map(|(position, count)| ByteChange::Remove(position, count)),
        1 => position().prop_map(ByteChange::Truncate),
        1 => (position(), position(), any::<u8>())
            .prop_map(|(from, to, count)| ByteChange::Repeat(from, to, count)),
        1 => (0.0..1.0, number).prop_map(|(position, number)| ByteChange::Number(position, number)),
    ]
}

/// Applies changes to the bytes of a file.
pub fn apply_changes(mut bytes: Vec<u8>, changes: &[ByteChange]) -> Vec<u8> {
    for change in changes {
        let index = |position: &f64| (bytes.len() as f64 * position) as usize;
        match change {
            ByteChange::Overwrite(position, new) => {
                let start = index(position);
                for (old, new) in bytes[start..].iter_mut().zip(new) {
                    *old = *new;
                }
            }
            ByteChange::Insert(position, new) => {
                let start = index(position);
                bytes.splice(start..start, new.iter().copied());
            }
            ByteChange::Remove(position, count) => {
                let start = index(position);
                bytes.drain(start..bytes.len().min(start + usize::from(*count)));
            }
            ByteChange::Truncate(position) => bytes.truncate(index(position)),
            ByteChange::Repeat(from, to, count) => {
                let (from, to) = (index(from), index(to));
                let end = bytes.len().min(from + usize::from(*count));
                let range = bytes[from..end].to_vec();
                bytes.splice(to..to, range);
            }
            ByteChange::Number(position, number) => {
                let start = index(position);
                let digit = bytes[start..].iter().position(u8::is_ascii_digit);
                if let Some(offset) = digit {
                    bytes.splice(start + offset..=start + offset, number.bytes());
                }
            }
        }
    }
    bytes
}

/// Lists the files below a folder, sorted, with their paths relative to the folder.
pub fn list_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = PathBuf::from(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files.extend(list_files(&entry.path()).into_iter().map(|file| name.join(file)));
        } else {
            files.push(name);
        }
    }
    files.sort();
    files
}

/// Copies the files of a folder to a new temporary folder.
pub fn copy_folder(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in list_files(folder) {
        let target = copy.path().join(&file);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(folder.join(&file), target).unwrap();
    }
    copy
}
