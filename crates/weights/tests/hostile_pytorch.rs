//! Malicious and corrupt PyTorch files are rejected or read, in time and memory bounded by the file
//! size. Code in the files is not executed.

#[path = "../../data/tests/mutate/mod.rs"]
mod mutate;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use flate2::read::DeflateEncoder;
use flate2::{Compression, Crc};
use mutate::CpuTimer;
use proptest::prelude::*;
use residual_spec::{Error, ErrorCode};
use residual_weights::StateDict;

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).join(name)).unwrap()
}

fn read(bytes: &[u8]) -> Result<StateDict, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pth");
    fs::write(&path, bytes).unwrap();
    StateDict::read(&path)
}

fn error_message(bytes: &[u8]) -> String {
    let started = CpuTimer::start();
    let error = read(bytes).expect_err("an error");
    assert!(started.elapsed() < Duration::from_secs(10), "{error}");
    assert_eq!(error.code, ErrorCode::Checkpoint, "{error}");
    assert!(error.at.file.is_some() && error.hint.is_some());
    error.message
}

/// Returns a zip archive as PyTorch writes it. The third field of an entry overrides the declared
/// size.
fn zip(entries: &[(&str, &[u8], Option<u32>)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes, declared) in entries {
        let header = file.len() as u32;
        let size = declared.unwrap_or(bytes.len() as u32).to_le_bytes();
        let length = (name.len() as u16).to_le_bytes();
        let start = [&[0; 12][..], &size, &size, &length, &[0; 2]].concat();
        file.extend([b"PK\x03\x04", &[0; 2][..], &start[..], name.as_bytes(), bytes].concat());
        directory.extend([b"PK\x01\x02", &[0; 2][..], &[0; 2], &start[..], &[0; 10]].concat());
        directory.extend(header.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (at, length) = (file.len() as u32, directory.len() as u32);
    let count = (entries.len() as u16).to_le_bytes();
    file.extend(directory);
    file.extend([b"PK\x05\x06", &[0; 4][..], &count, &count].concat());
    file.extend([length.to_le_bytes(), at.to_le_bytes()].concat());
    file.extend([0; 2]);
    file
}

/// Returns a pickled `state_dict` of one tensor `w` with this layout in a storage of `count`
/// floats.
fn tensor_pickle(count: i64, offset: i64, shape: &[i64], stride: &[i64]) -> Vec<u8> {
    let tuple = |sizes: &[i64]| {
        let items: Vec<String> = sizes.iter().map(|size| format!("L{size}L\n")).collect();
        format!("({}t", items.concat())
    };
    format!(
        "(dVw\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\n\
         L{count}L\ntQL{offset}L\n{}{}I00\n(dtRs.",
        tuple(shape),
        tuple(stride),
    )
    .into_bytes()
}

fn archive(pickle: &[u8], data: &[u8]) -> Vec<u8> {
    zip(&[("x/data.pkl", pickle, None), ("x/byteorder", b"little", None), ("x/data/0", data, None)])
}

#[test]
fn test_archives_are_valid() {
    let data: Vec<u8> = (0..6).flat_map(|n| (n as f32).to_le_bytes()).collect();
    let read = read(&archive(&tensor_pickle(6, 0, &[2, 3], &[3, 1]), &data)).unwrap();
    assert_eq!(read.tensors["w"].bytes, data);
}

/// Returns an archive with compressed entries. `edit` changes the length and the CRC-32 that the
/// archive declares for the data of the storage.
fn compressed_archive(pickle: &[u8], data: &[u8], edit: impl Fn(u32, u32) -> [u32; 2]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in [("x/data.pkl", pickle), ("x/byteorder", b"little"), ("x/data/0", data)] {
        let mut compressed = Vec::new();
        DeflateEncoder::new(bytes, Compression::best()).read_to_end(&mut compressed).unwrap();
        let mut crc = Crc::new();
        crc.update(bytes);
        let declared = [bytes.len() as u32, crc.sum()];
        let [len, crc] = if name == "x/data/0" { edit(declared[0], declared[1]) } else { declared };
        let header = file.len() as u32;
        let sizes = [compressed.len() as u32, len].map(u32::to_le_bytes);
        let length = (name.len() as u16).to_le_bytes();
        let start = [
            &[0, 0, 8, 0, 0, 0, 0, 0][..],
            &crc.to_le_bytes(),
            sizes.as_flattened(),
            &length,
            &[0; 2],
        ]
        .concat();
        file.extend(
            [b"PK\x03\x04", &[0; 2][..], &start[..], name.as_bytes(), &compressed].concat(),
        );
        directory.extend([b"PK\x01\x02", &[0; 2][..], &[0; 2], &start[..], &[0; 10]].concat());
        directory.extend(header.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (at, length) = (file.len() as u32, directory.len() as u32);
    file.extend(directory);
    file.extend([b"PK\x05\x06", &[0; 4][..], &[3, 0], &[3, 0]].concat());
    file.extend([length.to_le_bytes(), at.to_le_bytes()].concat());
    file.extend([0; 2]);
    file
}

#[test]
fn compressed_entries_are_verified_and_bounded() {
    let data: Vec<u8> = (0..6).flat_map(|n| (n as f32).to_le_bytes()).collect();
    let pickle = tensor_pickle(6, 0, &[2, 3], &[3, 1]);
    let intact = compressed_archive(&pickle, &data, |len, crc| [len, crc]);
    assert_eq!(read(&intact).unwrap().tensors["w"].bytes, data);
    let wrong_sum = compressed_archive(&pickle, &data, |len, crc| [len, crc ^ 1]);
    assert!(error_message(&wrong_sum).contains("is damaged: the checksum"));
    let too_long = compressed_archive(&pickle, &data, |len, crc| [len + 1, crc]);
    assert!(error_message(&too_long).contains("which has 25 bytes"));
    let longer = [data, vec![0; 4]].concat();
    let too_short = compressed_archive(&pickle, &longer, |len, crc| [len - 4, crc]);
    assert!(error_message(&too_short).contains("is damaged: the checksum"));

    let count = 16_i64 << 20;
    let zeros = vec![0; 4 * count as usize];
    let pickle = tensor_pickle(count, 0, &[count], &[1]);
    let bomb = compressed_archive(&pickle, &zeros, |len, crc| [len, crc]);
    assert!(bomb.len() < 100_000);
    assert!(error_message(&bomb).contains("an entry that expands 1"), "{}", error_message(&bomb));
}

#[test]
fn names_archives_of_numpy() {
    let message = error_message(&zip(&[("conv1.weight.npy", b"\x93NUMPY", None)]));
    assert!(message.ends_with("is an archive of NumPy arrays (.npz), not of PyTorch"), "{message}");
}

#[test]
fn many_views_of_a_compressed_storage_are_read_in_seconds() {
    let count = 1_i64 << 18;
    let data: Vec<u8> = (0..count).flat_map(|n| (n as f32).to_le_bytes()).collect();
    let tensor = |n: i64| {
        format!(
            "Vw{n}\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\n\
             Vcpu\nL{count}L\ntQL{n}L\n(L1L\nt(L1L\ntI00\n(dtRs"
        )
    };
    let pickle = format!("(d{}.", (0..3000).map(tensor).collect::<String>());
    let archive = compressed_archive(pickle.as_bytes(), &data, |len, crc| [len, crc]);
    let started = CpuTimer::start();
    let tensors = read(&archive).unwrap().tensors;
    assert_eq!(tensors.len(), 3000);
    assert_eq!(tensors["w2999"].bytes, 2999_f32.to_le_bytes());
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn names_calls_of_os_system_and_does_not_execute_them() {
    let folder = tempfile::tempdir().unwrap();
    let marker: PathBuf = folder.path().join("executed");
    for name in ["cos\nsystem\n", "cposix\nsystem\n", "c__builtin__\neval\n"] {
        let call = format!("(dVw\n{name}(Vtouch {}\ntRs.", marker.display()).into_bytes();
        let legacy = [&fixture("legacy.pth")[..15 + 6], b"}.", &call, b"]."].concat();
        for file in [zip(&[("x/data.pkl", &call, None)]), legacy, call.clone()] {
            let message = error_message(&file);
            assert!(message.contains("it is a dict with the keys w (a call of "), "{message}");
        }
    }
    assert!(!marker.exists());
}

#[test]
fn rejects_deep_nesting_exponential_growth_and_wrong_lengths() {
    let deep = [b"(".repeat(3_000_000), b".".to_vec()].concat();
    let lists = [b"]".repeat(3_000_000), b"a".repeat(3_000_000), b".".to_vec()].concat();
    // Every list contains the previous list twice, through the memo.
    let mut doubling = b"]q\x00".to_vec();
    doubling.extend(b"c__builtin__\nlist\n((h\x00h\x00ltRq\x00".repeat(100_000));
    let long = b"\x80\x02X\xff\xff\xff\x7fabc.".to_vec();
    for pickle in [deep, lists, doubling, long] {
        error_message(&zip(&[("x/data.pkl", &pickle, None)]));
        error_message(&pickle);
    }
}

/// A pickle can refer to one large value any number of times.
#[test]
fn repeated_references_to_large_values_are_parsed_in_seconds() {
    let repeated =
        |times: usize, text: &dyn Fn(usize) -> String| -> String { (0..times).map(text).collect() };
    let long = "k".repeat(8 << 20);
    let tensor = "ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\n\
                  L1L\ntQL0L\n(L1L\nt(L1L\ntI00\n(dtR";
    // Every dictionary is rejected, or read as one tensor.
    let one_dictionary_as_every_entry = format!(
        "(dVshared\n(d{}p0\ns{}.",
        repeated(30_000, &|n| format!("V{n}\nI0\ns")),
        repeated(30_000, &|n| format!("V{n}\ng0\ns")),
    );
    let one_long_key_for_every_entry =
        format!("(dV{long}\np0\n{tensor}p1\ns{}.", repeated(30_000, &|_| "g0\ng1\ns".into()));
    let one_long_byte_string_for_every_entry =
        format!("(dS'{long}'\np0\n{tensor}p1\ns{}.", repeated(30_000, &|_| "g0\ng1\ns".into()));
    let one_long_list_of_arguments = format!(
        "(dVw\nctorch._utils\n_rebuild_tensor_v2\n({}tp0\nRp1\ns{}.",
        repeated(30_000, &|_| "I0\n".into()),
        repeated(30_000, &|n| format!("V{n}\ng1\ns")),
    );
    for pickle in [
        one_dictionary_as_every_entry,
        one_long_key_for_every_entry,
        one_long_byte_string_for_every_entry,
        one_long_list_of_arguments,
    ] {
        let started = CpuTimer::start();
        error_message(&archive(pickle.as_bytes(), &[0; 4]));
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
    // The legacy format inspects every reference to a storage.
    let key = format!(
        "(dVw\n(Vstorage\nctorch\nFloatStorage\nV{long}\np0\nVcpu\nL1L\ntQs{}.",
        repeated(30_000, &|n| format!("V{n}\n(Vstorage\nctorch\nFloatStorage\ng0\nVcpu\nL1L\ntQs")),
    );
    let legacy = [&fixture("legacy.pth")[..15 + 6], b"}.", key.as_bytes(), b"]."].concat();
    let started = CpuTimer::start();
    let message = error_message(&legacy);
    assert!(message.contains("has a storage key of 8388608 bytes"), "{message}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn rejects_tensors_that_exceed_their_storage() {
    let data = [0; 24];
    for (count, offset, shape, stride) in [
        (6, 0, &[7][..], &[1][..]),
        (6, 1, &[6], &[1]),
        (6, 0, &[2, 2], &[5, 1]),
        (6, i64::MAX, &[2], &[1]),
        (6, 0, &[i64::MAX, i64::MAX], &[1, 1]),
        (6, 0, &[i64::MAX], &[0]),
        (6, 0, &[1 << 40, 1], &[0, 0]),
        (6, 0, &[2], &[i64::MAX]),
        (6, -1, &[2], &[1]),
        (6, 0, &[2], &[-1]),
        (6, 0, &[2], &[1, 1]),
        (6, 0, &[1; 9], &[1; 9]),
        (7, 0, &[2], &[1]),
        (1 << 62, 0, &[1 << 62], &[1]),
        (-6, 0, &[2], &[1]),
    ] {
        error_message(&archive(&tensor_pickle(count, offset, shape, stride), &data));
    }
}

#[test]
fn rejects_inconsistent_archives() {
    let (pickle, data) = (tensor_pickle(6, 0, &[6], &[1]), [0; 24]);
    let entry = ("x/data.pkl", &pickle[..], None);
    for (expected, file) in [
        ("size", zip(&[entry, ("x/data/0", &data, Some(u32::MAX - 1))])),
        ("24 bytes", archive(&tensor_pickle(5, 0, &[5], &[1]), &data)),
        ("no storage '0'", zip(&[entry])),
        ("same name", zip(&[entry, entry])),
        ("several data.pkl", zip(&[entry, ("y/data.pkl", &pickle, None)])),
        ("torch.save did not write", zip(&[("x/readme.txt", b"", None)])),
        ("big-endian", zip(&[entry, ("x/byteorder", b"big", None)])),
        ("TorchScript", zip(&[entry, ("x/code/net.py", b"", None)])),
        ("no state_dict", zip(&[("x/data.pkl", b"(dVepoch\nI3\ns.", None)])),
        ("no state_dict", zip(&[("x/data.pkl", b"]q\x00h\x00a.", None)])),
        ("no state_dict", zip(&[("x/data.pkl", b"}q\x00Vmodel\nh\x00s.", None)])),
    ] {
        let message = error_message(&file);
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn rejects_files_truncated_at_any_length() {
    for name in ["zip.pth", "legacy.pth"] {
        let file = fixture(name);
        for length in (0..file.len()).step_by(file.len() / 97) {
            let error = read(&file[..length]).unwrap_err();
            assert_eq!(error.code, ErrorCode::Checkpoint, "{name} of {length} bytes: {error}");
        }
    }
}

/// Parts of pickles that contain tensors, from which random pickles are made.
const PIECES: [&str; 22] = [
    "(d",
    "(l",
    "(t",
    "}",
    "s",
    "a",
    "u",
    "e",
    "t",
    "p0\n",
    "g0\n",
    "p1\n",
    "g1\n",
    "b",
    "R",
    "Vconv1.weight\n",
    "Vlayer1.0.conv1.weight\n",
    "V_parameters\n",
    "V_modules\n",
    "cmain\nNet\n(tR",
    "Vfc.weight\n",
    "(",
];
const TENSOR: &str = "ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\n\
                      L6L\ntQL0L\n(L1L\nL1L\nL1L\nL6L\nt(L6L\nL6L\nL6L\nL1L\ntI00\n(dtR";

proptest! {
    #![proptest_config(mutate::config(1500))]

    #[test]
    fn rejects_or_reads_random_objects_in_bounded_time(
        pieces in prop::collection::vec(0..PIECES.len() + 8, 0..150),
    ) {
        let mut pickle = format!("(dp0\n(dp1\n(Vlayer1.0.a\n{TENSOR}Vconv1.weight\n{TENSOR}u");
        for piece in pieces {
            pickle += PIECES.get(piece).unwrap_or(&TENSOR);
        }
        pickle.push('.');
        let started = CpuTimer::start();
        let result = read(&archive(pickle.as_bytes(), &[0; 24]));
        prop_assert!(started.elapsed() < Duration::from_secs(5));
        if let Err(error) = result {
            prop_assert_eq!(error.code, ErrorCode::Checkpoint, "{}", error);
            prop_assert!(error.message.len() < 7000);
        }
    }
}

/// A module whose children are the module itself, twice, describes 2^24 tensors.
#[test]
fn rejects_modules_that_contain_themselves() {
    let pickle = format!(
        "cmain\nNet\n(tRp0\n(dV_parameters\n(dVw\n{TENSOR}ssV_modules\n(dVa\ng0\nsVb\ng0\nssb."
    );
    let started = CpuTimer::start();
    let message = error_message(&archive(pickle.as_bytes(), &[0; 24]));
    assert!(message.contains("more than"), "{message}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

/// A modification of a file.
#[derive(Debug, Clone)]
enum Corruption {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Number(prop::sample::Index, u64),
    Truncate(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
}

fn corruption() -> impl Strategy<Value = Corruption> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Corruption::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Corruption::Set(at, byte)),
        (at(), any::<u64>()).prop_map(|(at, number)| Corruption::Number(at, number)),
        at().prop_map(Corruption::Truncate),
        (at(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Corruption::Insert(at, bytes)),
    ]
}

fn corrupt(mut file: Vec<u8>, corruption: &Corruption) -> Vec<u8> {
    if file.len() < 16 {
        return file;
    }
    match corruption {
        Corruption::Flip(at, bit) => {
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
        }
        Corruption::Set(at, byte) => {
            let at = at.index(file.len());
            file[at] = *byte;
        }
        Corruption::Number(at, number) => {
            let at = at.index(file.len() - 8);
            file[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        Corruption::Truncate(at) => file.truncate(at.index(file.len())),
        Corruption::Insert(at, bytes) => {
            let at = at.index(file.len());
            file.splice(at..at, bytes.iter().copied());
        }
    }
    file
}

/// Small files, in which most corruptions affect the structure rather than tensor data.
static VALID: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    ["views-zip.pth", "views-legacy.pth", "dtypes-zip.pth", "dtypes-legacy.pth"].map(fixture).into()
});

proptest! {
    #![proptest_config(mutate::config(1500))]

    #[test]
    fn rejects_or_reads_corrupt_files(
        index in 0..4_usize,
        corruptions in prop::collection::vec(corruption(), 1..4),
    ) {
        let file = corruptions.iter().fold(VALID[index].clone(), corrupt);
        match read(&file) {
            Err(error) => prop_assert_eq!(error.code, ErrorCode::Checkpoint, "{}", error),
            Ok(read) => {
                let mut bytes = 0;
                for tensor in read.tensors.values() {
                    let elements: usize = tensor.shape.iter().product();
                    prop_assert_eq!(tensor.bytes.len(), elements * tensor.dtype.size());
                    bytes += tensor.bytes.len();
                }
                prop_assert!(bytes <= (4 * file.len()).max(1 << 20));
            }
        }
    }
}
