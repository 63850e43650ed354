//! Corrupt and malicious pickles are read or rejected, and never execute code.

#[path = "../../data/tests/mutate/mod.rs"]
mod mutate;

use mutate::CpuTimer;
use proptest::prelude::*;
use residual_pickle::{Limits, read};

const VALID: [&[u8]; 4] = [
    include_bytes!("fixtures/protocol0.pkl"),
    include_bytes!("fixtures/protocol2.pkl"),
    include_bytes!("fixtures/protocol4.pkl"),
    include_bytes!("fixtures/cifar10.pkl"),
];

#[derive(Debug, Clone)]
enum Corruption {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Truncate(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    /// Copies a range of the file to another offset.
    Repeat(prop::sample::Index, prop::sample::Index, usize),
}

fn corruption() -> impl Strategy<Value = Corruption> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Corruption::Flip(at, bit)),
        // Replaces an opcode.
        (
            at(),
            prop_oneof![any::<u8>(), Just(b'('), Just(b'2'), Just(b'b'), Just(b'R'), Just(b'h')]
        )
            .prop_map(|(at, byte)| Corruption::Set(at, byte)),
        at().prop_map(Corruption::Truncate),
        (at(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Corruption::Insert(at, bytes)),
        (at(), at(), 1..200_usize)
            .prop_map(|(from, to, length)| Corruption::Repeat(from, to, length)),
    ]
}

fn corrupt(mut file: Vec<u8>, corruption: &Corruption) -> Vec<u8> {
    if file.is_empty() {
        return file;
    }
    // Half of the indices lie near the start: most other bytes are strings, not opcodes.
    let index = |at: &prop::sample::Index, length: usize| match at.index(2 * length) {
        near if near < length => near % 300 % length,
        far => far - length,
    };
    match corruption {
        Corruption::Flip(at, bit) => {
            let at = index(at, file.len());
            file[at] ^= 1 << bit;
        }
        Corruption::Set(at, byte) => {
            let at = index(at, file.len());
            file[at] = *byte;
        }
        Corruption::Truncate(at) => file.truncate(index(at, file.len())),
        Corruption::Insert(at, bytes) => {
            let at = index(at, file.len());
            file.splice(at..at, bytes.iter().copied());
        }
        Corruption::Repeat(from, to, length) => {
            let from = index(from, file.len());
            let range = file[from..(from + length).min(file.len())].to_vec();
            let to = index(to, file.len());
            file.splice(to..to, range);
        }
    }
    file
}

proptest! {
    #![proptest_config(mutate::config(2000))]

    #[test]
    fn reads_or_rejects_corrupted_pickles(
        index in 0..VALID.len(),
        corruptions in prop::collection::vec(corruption(), 1..5),
    ) {
        let file = corruptions.iter().fold(VALID[index].to_vec(), corrupt);
        match read(&mut &file[..], Limits::default()) {
            Err(error) => prop_assert!(!error.to_string().is_empty()),
            Ok(pickle) => {
                let root = pickle.root();
                let _ = (root.describe(), root.as_items().map(|items| items.len()));
                for (key, value) in root.as_dict().into_iter().flatten() {
                    let _ = (key.as_str(), value.as_object(), value.state());
                    if let Some(array) = value.as_array() {
                        let item_size: usize = array.dtype[1..].parse().unwrap();
                        let num_elements: usize = array.shape.iter().product();
                        prop_assert_eq!(array.bytes.len(), num_elements * item_size);
                    }
                }
            }
        }
    }
}

/// Opcodes with their arguments, from which random programs are made.
const PIECES: [&[u8]; 33] = [
    b"(",
    b"]",
    b"}",
    b")",
    b"\x8f",
    b"N",
    b"K\x07",
    b"G@\x04\0\0\0\0\0\0",
    b"Va\n",
    b"S'b'\n",
    b"\x8c\x02os",
    b"\x8a\x02\xff\x7f",
    b"q\0",
    b"q\x01",
    b"h\0",
    b"h\x01",
    b"\x94",
    b"0",
    b"1",
    b"2",
    b"t",
    b"\x85",
    b"l",
    b"a",
    b"e",
    b"s",
    b"u",
    b"\x91",
    b"R",
    b"\x92",
    b"b",
    b"Q",
    b"\x93",
];
const GLOBALS: [&[u8]; 7] = [
    b"cos\nsystem\n",
    b"c__builtin__\nlist\n",
    b"c__builtin__\ndict\n",
    b"c__builtin__\nset\n",
    b"c_codecs\nencode\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"\x82\x01",
];

proptest! {
    #![proptest_config(mutate::config(5000))]

    #[test]
    fn reads_or_rejects_random_programs_in_bounded_time(
        pieces in prop::collection::vec(0..PIECES.len() + GLOBALS.len(), 0..120),
    ) {
        let all_pieces = [&PIECES[..], &GLOBALS[..]].concat();
        // Enough values that most programs do not fail at an empty stack.
        let mut program = b"]q\0}q\x01((NNNN".to_vec();
        program.extend(pieces.iter().flat_map(|index| all_pieces[*index]));
        program.push(b'.');
        let started = CpuTimer::start();
        let result = read(&mut &program[..], Limits::default());
        prop_assert!(started.elapsed() < std::time::Duration::from_secs(2));
        if let Ok(pickle) = result {
            let root = pickle.root();
            let _ = (root.describe(), root.get("a"), root.state(), root.as_array());
            prop_assert!(root.as_dict().is_none_or(|entries| entries.len() < 1 << 20));
        }
    }
}

#[test]
fn does_not_execute_calls() {
    let marker = std::env::temp_dir().join(format!("residual-pickle-{}", std::process::id()));
    let call = format!("cos\nsystem\n(S'touch {}'\ntR.", marker.display());
    let pickle = read(&mut call.as_bytes(), Limits::default()).unwrap();
    assert_eq!(pickle.root().describe(), "a call of os.system");
    assert!(!marker.exists());
}
