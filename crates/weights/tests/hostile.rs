//! Corrupt checkpoints are rejected or read, without a crash and in memory bounded by a small multiple
//! of the file size.

#[path = "../../data/tests/mutate/mod.rs"]
mod mutate;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use residual_spec::{DatasetInfo, ErrorCode, MachineInfo, TrainConfig, resolve};
use residual_weights::{Checkpoint, DType, Tensor, read_safetensors};
use serde_json::json;

/// The system allocator with a count of the memory of each thread.
struct CountingAllocator;

thread_local! {
    static USED: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all calls are forwarded to the system allocator; the counts do not affect them.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.get() + layout.size();
        USED.set(used);
        PEAK.set(PEAK.get().max(used));
        // SAFETY: the caller upholds the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        USED.set(USED.get().saturating_sub(layout.size()));
        // SAFETY: the caller upholds the contract of `dealloc`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Returns the result of `work` and its peak memory in bytes.
fn with_peak_memory<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = USED.get();
    PEAK.set(before);
    let result = work();
    (result, PEAK.get() - before)
}

/// A valid checkpoint of a few kilobytes.
static VALID: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let data = DatasetInfo {
        source: "./photos".into(),
        train: 240,
        ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, Some([32, 32]))
    };
    let machine = MachineInfo::with_cores(2);
    let tensor = |dtype: DType, shape: &[usize]| {
        let bytes = vec![1; shape.iter().product::<usize>() * dtype.size()];
        Tensor { dtype, shape: shape.to_vec(), bytes }
    };
    let checkpoint = Checkpoint {
        tensors: BTreeMap::from([
            ("conv1.weight".into(), tensor(DType::F32, &[4, 3, 3, 3])),
            ("bn1.num_batches_tracked".into(), tensor(DType::I64, &[])),
            ("optimizer.momentum.conv1.weight".into(), tensor(DType::F32, &[4, 3, 3, 3])),
        ]),
        config: resolve(&TrainConfig::default(), &data, &machine).unwrap(),
        data,
        progress: json!({ "epoch": 3, "step": 99, "best": { "epoch": 2, "loss": 0.5 } }),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    checkpoint.write(&path).unwrap();
    fs::read(path).unwrap()
});

/// [`VALID`] without checksums. They do not protect against a hostile file, whose author can compute
/// them.
static UNCHECKED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let length = u64::from_le_bytes(VALID[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&VALID[8..8 + length]).unwrap();
    let metadata = header["__metadata__"].as_object_mut().unwrap();
    metadata.retain(|key, _| !key.contains("checksum"));
    metadata.insert("residual.version".into(), "1".into());
    let header = header.to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes(), &header[..], &VALID[8 + length..]].concat()
});

/// A modification of a file.
#[derive(Debug, Clone)]
enum Corruption {
    Flip {
        at: prop::sample::Index,
        bit: u8,
    },
    Truncate {
        at: prop::sample::Index,
    },
    Append {
        bytes: Vec<u8>,
    },
    Insert {
        at: prop::sample::Index,
        bytes: Vec<u8>,
    },
    Remove {
        at: prop::sample::Index,
        length: usize,
    },
    HeaderLength {
        length: u64,
    },
    /// Replaces a digit in the file by a number.
    Number {
        index: prop::sample::Index,
        number: u64,
    },
}

fn corruption() -> impl Strategy<Value = Corruption> {
    let at = any::<prop::sample::Index>;
    let random_bytes = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Corruption::Flip { at, bit }),
        at().prop_map(|at| Corruption::Truncate { at }),
        random_bytes().prop_map(|bytes| Corruption::Append { bytes }),
        (at(), random_bytes()).prop_map(|(at, bytes)| Corruption::Insert { at, bytes }),
        (at(), 1..400_usize).prop_map(|(at, length)| Corruption::Remove { at, length }),
        prop_oneof![any::<u64>(), 0..4000_u64]
            .prop_map(|length| Corruption::HeaderLength { length }),
        (at(), prop_oneof![any::<u64>(), 0..4000_u64])
            .prop_map(|(index, number)| Corruption::Number { index, number }),
    ]
}

fn corrupt(mut file: Vec<u8>, corruption: &Corruption) -> Vec<u8> {
    match corruption {
        _ if file.is_empty() => {}
        Corruption::Flip { at, bit } => {
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
        }
        Corruption::Truncate { at } => file.truncate(at.index(file.len())),
        Corruption::Append { bytes } => file.extend(bytes),
        Corruption::Insert { at, bytes } => {
            let at = at.index(file.len());
            file.splice(at..at, bytes.iter().copied());
        }
        Corruption::Remove { at, length } => {
            let at = at.index(file.len());
            file.drain(at..(at + length).min(file.len()));
        }
        Corruption::HeaderLength { length } => {
            let end = file.len().min(8);
            file[..end].copy_from_slice(&length.to_le_bytes()[..end]);
        }
        Corruption::Number { index, number } => {
            let digits: Vec<_> = (0..file.len()).filter(|at| file[*at].is_ascii_digit()).collect();
            if !digits.is_empty() {
                let at = *index.get(&digits);
                file.splice(at..=at, number.to_string().into_bytes());
                fit_header_length(&mut file);
            }
        }
    }
    file
}

/// Sets the header length to the start of the tensor data, so that the test covers the contents of
/// the header and not only its length.
fn fit_header_length(file: &mut [u8]) {
    if let Some(brace) = file.iter().rposition(|byte| *byte == b'}')
        && brace >= 8
    {
        let length = (brace as u64 - 7).to_le_bytes();
        file[..8].copy_from_slice(&length);
    }
}

proptest! {
    #![proptest_config(mutate::config(1500))]

    #[test]
    fn rejects_or_reads_corrupt_checkpoints_in_bounded_memory(
        corruptions in prop::collection::vec(corruption(), 1..4),
    ) {
        let file = corruptions.iter().fold(UNCHECKED.clone(), corrupt);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        fs::write(&path, &file).unwrap();

        let ((read, tensors), peak) =
            with_peak_memory(|| (Checkpoint::read(&path), read_safetensors(&path)));
        prop_assert!(peak < 8 * file.len() + 65_536, "{peak} bytes for a file of {}", file.len());
        match (read, tensors) {
            (Ok(checkpoint), Ok(tensors)) => {
                prop_assert_eq!(&checkpoint.tensors, &tensors);
                for tensor in tensors.values() {
                    let elements: usize = tensor.shape.iter().product();
                    prop_assert_eq!(tensor.bytes.len(), elements * tensor.dtype.size());
                }
                let bytes: usize = tensors.values().map(|tensor| tensor.bytes.len()).sum();
                prop_assert!(bytes < file.len());
            }
            (Ok(_), Err(error)) => prop_assert!(false, "read as a checkpoint only: {error}"),
            (Err(error), _) => {
                prop_assert_eq!(error.code, ErrorCode::Checkpoint);
                prop_assert!(error.at.file.is_some() && error.hint.is_some());
            }
        }
    }
}

#[test]
fn reads_checkpoints_without_checksums_of_version_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    fs::write(&path, &*UNCHECKED).unwrap();
    let unchecked = Checkpoint::read(&path).unwrap();
    fs::write(&path, &*VALID).unwrap();
    assert_eq!(Checkpoint::read(&path).unwrap(), unchecked);
}

/// Checks that every way to read a checkpoint rejects the file, and returns the messages.
fn rejected_by_every_reader(path: &Path) -> [String; 3] {
    let open = || {
        let opened = Checkpoint::open(path)?;
        ["conv1.weight", "bn1.num_batches_tracked"]
            .map(|name| opened.tensor(name))
            .into_iter()
            .collect()
    };
    let opened: residual_spec::Result<Vec<_>> = open();
    let errors =
        [Checkpoint::read_for_resume(path).err(), opened.err(), read_safetensors(path).err()];
    errors.map(|error| {
        let error = error.expect("the file is damaged");
        assert_eq!(error.code, ErrorCode::Checkpoint);
        assert!(error.at.file.is_some() && error.hint.is_some());
        error.message
    })
}

#[test]
fn every_reader_detects_every_bit_flip_and_names_the_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    fs::write(&path, &*VALID).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let data = 8 + u64::from_le_bytes(VALID[..8].try_into().unwrap()) as usize;
    for (at, byte) in VALID.iter().enumerate() {
        for bit in [at % 8, (at + 3) % 8] {
            file.write_all_at(&[byte ^ 1 << bit], at as u64).unwrap();
            let messages = rejected_by_every_reader(&path);
            let names_tensor = |message: &String| message.contains("does not match its checksum");
            assert!(at < data || messages.iter().all(names_tensor), "{at}: {messages:?}");
        }
        file.write_all_at(&[*byte], at as u64).unwrap();
    }
    assert!(Checkpoint::read(&path).is_ok());
}

#[test]
fn every_reader_detects_truncations_and_overwritten_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    for at in 0..VALID.len() {
        if at % 7 == 0 {
            fs::write(&path, &VALID[..at]).unwrap();
            rejected_by_every_reader(&path);
        }
        let end = (at + 64).min(VALID.len());
        let mut overwritten = VALID.clone();
        overwritten[at..end].fill(0);
        fs::write(&path, &overwritten).unwrap();
        rejected_by_every_reader(&path);
    }
}

#[test]
fn a_file_that_another_program_modified_is_read_without_checksums() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let length = u64::from_le_bytes(VALID[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&VALID[8..8 + length]).unwrap();
    header["__metadata__"]["residual.checksum.header"] = "none".into();
    let header = header.to_string().into_bytes();
    let mut data = VALID[8 + length..].to_vec();
    data[20] ^= 1;
    let file = [&(header.len() as u64).to_le_bytes(), &header[..], &data].concat();
    fs::write(&path, file).unwrap();
    assert!(Checkpoint::read(&path).is_ok());
}

#[test]
fn peak_memory_is_one_checkpoint_or_one_tensor() {
    let size = 8 << 20;
    let tensor = Tensor { dtype: DType::U8, shape: vec![size / 2], bytes: vec![0; size / 2] };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    fs::write(&path, &*VALID).unwrap();
    let mut checkpoint = Checkpoint::read(&path).unwrap();
    checkpoint.tensors.insert("big".into(), tensor.clone());
    checkpoint.tensors.insert("large".into(), tensor);

    let (_, peak) = with_peak_memory(|| checkpoint.write(&path).unwrap());
    assert!(peak < size / 8, "writing {size} bytes used {peak}");
    let (_, peak) = with_peak_memory(|| Checkpoint::read_header(&path).unwrap());
    assert!(peak < size / 8, "reading a header used {peak}");
    let (read, peak) = with_peak_memory(|| Checkpoint::read(&path).unwrap());
    assert!(peak < size + size / 8, "reading {size} bytes used {peak}");
    assert_eq!(read, checkpoint);
    let (_, peak) = with_peak_memory(|| {
        let opened = Checkpoint::open(&path).unwrap();
        read.tensors.keys().for_each(|name| assert!(opened.tensor(name).unwrap().is_some()));
    });
    assert!(peak < size / 2 + size / 8, "reading tensors of {} bytes used {peak}", size / 2);
}
