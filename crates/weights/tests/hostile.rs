//! A checkpoint that somebody tampered with, or a disk did: it is refused or read, never a crash,
//! and never more memory than a small multiple of the file.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use proptest::prelude::*;
use residual_spec::{DatasetInfo, ErrorCode, MachineInfo, TrainConfig, resolve};
use residual_weights::{Checkpoint, DType, Tensor, read_safetensors};
use serde_json::json;

/// The system's memory, with this thread's use of it counted.
struct Counting;

thread_local! {
    static USED: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does all the work; the counts are not used for it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.get() + layout.size();
        USED.set(used);
        PEAK.set(PEAK.get().max(used));
        System.alloc(layout)
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        USED.set(USED.get().saturating_sub(layout.size()));
        System.dealloc(place, layout)
    }
}

#[global_allocator]
static MEMORY: Counting = Counting;

/// What `work` used at most, beyond what was in use before.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = USED.get();
    PEAK.set(before);
    let done = work();
    (done, PEAK.get() - before)
}

/// A whole checkpoint of a few kilobytes.
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

/// What may happen to a file.
#[derive(Debug, Clone)]
enum Harm {
    Flip {
        at: prop::sample::Index,
        bit: u8,
    },
    Cut {
        at: prop::sample::Index,
    },
    Grow {
        by: Vec<u8>,
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
    /// A digit of the header becomes another number.
    Number {
        which: prop::sample::Index,
        number: u64,
    },
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<prop::sample::Index>;
    let scraps = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Harm::Flip { at, bit }),
        at().prop_map(|at| Harm::Cut { at }),
        scraps().prop_map(|by| Harm::Grow { by }),
        (at(), scraps()).prop_map(|(at, bytes)| Harm::Insert { at, bytes }),
        (at(), 1..400_usize).prop_map(|(at, length)| Harm::Remove { at, length }),
        prop_oneof![any::<u64>(), 0..4000_u64].prop_map(|length| Harm::HeaderLength { length }),
        (at(), prop_oneof![any::<u64>(), 0..4000_u64])
            .prop_map(|(which, number)| Harm::Number { which, number }),
    ]
}

fn harmed(mut file: Vec<u8>, harm: &Harm) -> Vec<u8> {
    match harm {
        _ if file.is_empty() => {}
        Harm::Flip { at, bit } => {
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
        }
        Harm::Cut { at } => file.truncate(at.index(file.len())),
        Harm::Grow { by } => file.extend(by),
        Harm::Insert { at, bytes } => {
            let at = at.index(file.len());
            file.splice(at..at, bytes.iter().copied());
        }
        Harm::Remove { at, length } => {
            let at = at.index(file.len());
            file.drain(at..(at + length).min(file.len()));
        }
        Harm::HeaderLength { length } => {
            let end = file.len().min(8);
            file[..end].copy_from_slice(&length.to_le_bytes()[..end]);
        }
        Harm::Number { which, number } => {
            let digits: Vec<_> = (0..file.len()).filter(|at| file[*at].is_ascii_digit()).collect();
            if !digits.is_empty() {
                let at = *which.get(&digits);
                file.splice(at..=at, number.to_string().into_bytes());
                fit_header_length(&mut file);
            }
        }
    }
    file
}

/// Sets the header's length to where the first tensor begins, so that the header's contents are
/// put to the test and not its length alone.
fn fit_header_length(file: &mut [u8]) {
    if let Some(brace) = file.iter().rposition(|byte| *byte == b'}') {
        if brace >= 8 {
            let length = (brace as u64 - 7).to_le_bytes();
            file[..8].copy_from_slice(&length);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_harmed_checkpoint_is_refused_or_read_in_bounded_memory(
        harms in prop::collection::vec(harm(), 1..4),
    ) {
        let file = harms.iter().fold(VALID.clone(), harmed);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        fs::write(&path, &file).unwrap();

        let ((read, tensors), used) = peak(|| (Checkpoint::read(&path), read_safetensors(&path)));
        prop_assert!(used < 8 * file.len() + 65_536, "{used} bytes for a file of {}", file.len());
        match (read, tensors) {
            (Ok(checkpoint), Ok(tensors)) => {
                prop_assert_eq!(&checkpoint.tensors, &tensors);
                for tensor in tensors.values() {
                    let numbers: usize = tensor.shape.iter().product();
                    prop_assert_eq!(tensor.bytes.len(), numbers * tensor.dtype.size());
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
fn a_whole_checkpoint_is_held_once_and_of_one_read_bit_by_bit_a_single_tensor() {
    let size = 8 << 20;
    let tensor = Tensor { dtype: DType::U8, shape: vec![size / 2], bytes: vec![0; size / 2] };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    fs::write(&path, &*VALID).unwrap();
    let mut checkpoint = Checkpoint::read(&path).unwrap();
    checkpoint.tensors.insert("big".into(), tensor.clone());
    checkpoint.tensors.insert("large".into(), tensor);

    let (_, used) = peak(|| checkpoint.write(&path).unwrap());
    assert!(used < size / 8, "writing {size} bytes used {used}");
    let (_, used) = peak(|| Checkpoint::read_header(&path).unwrap());
    assert!(used < size / 8, "reading a header used {used}");
    let (read, used) = peak(|| Checkpoint::read(&path).unwrap());
    assert!(used < size + size / 8, "reading {size} bytes used {used}");
    assert_eq!(read, checkpoint);
    let (_, used) = peak(|| {
        let opened = Checkpoint::open(&path).unwrap();
        read.tensors.keys().for_each(|name| assert!(opened.tensor(name).unwrap().is_some()));
    });
    assert!(used < size / 2 + size / 8, "reading tensors of {} bytes used {used}", size / 2);
}
