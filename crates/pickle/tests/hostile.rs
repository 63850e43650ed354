//! Pickles that somebody harmed: read or refused, within time and memory that the limits bound.

use proptest::prelude::*;
use residual_pickle::{Limits, read};

const VALID: [&[u8]; 4] = [
    include_bytes!("fixtures/protocol0.pkl"),
    include_bytes!("fixtures/protocol2.pkl"),
    include_bytes!("fixtures/protocol4.pkl"),
    include_bytes!("fixtures/cifar10.pkl"),
];

#[derive(Debug, Clone)]
enum Harm {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    /// A stretch of the file again at another place.
    Repeat(prop::sample::Index, prop::sample::Index, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        // Any operation in the place of another.
        (
            at(),
            prop_oneof![any::<u8>(), Just(b'('), Just(b'2'), Just(b'b'), Just(b'R'), Just(b'h')]
        )
            .prop_map(|(at, byte)| Harm::Set(at, byte)),
        at().prop_map(Harm::Cut),
        (at(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
        (at(), at(), 1..200_usize).prop_map(|(from, to, length)| Harm::Repeat(from, to, length)),
    ]
}

fn harmed(mut file: Vec<u8>, harm: &Harm) -> Vec<u8> {
    if file.is_empty() {
        return file;
    }
    // Most of a file is strings; what says how it is read stands at both ends.
    let index = |at: &prop::sample::Index, length: usize| match at.index(2 * length) {
        near if near < length => near % 300 % length,
        far => far - length,
    };
    match harm {
        Harm::Flip(at, bit) => {
            let at = index(at, file.len());
            file[at] ^= 1 << bit;
        }
        Harm::Set(at, byte) => {
            let at = index(at, file.len());
            file[at] = *byte;
        }
        Harm::Cut(at) => file.truncate(index(at, file.len())),
        Harm::Insert(at, bytes) => {
            let at = index(at, file.len());
            file.splice(at..at, bytes.iter().copied());
        }
        Harm::Repeat(from, to, length) => {
            let from = index(from, file.len());
            let stretch = file[from..(from + length).min(file.len())].to_vec();
            let to = index(to, file.len());
            file.splice(to..to, stretch);
        }
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_harmed_pickle_is_read_or_refused(
        which in 0..VALID.len(),
        harms in prop::collection::vec(harm(), 1..5),
    ) {
        let file = harms.iter().fold(VALID[which].to_vec(), harmed);
        match read(&mut &file[..], Limits::default()) {
            Err(error) => prop_assert!(!error.to_string().is_empty()),
            Ok(pickle) => {
                let root = pickle.root();
                let _ = (root.what(), root.as_items().map(|items| items.len()));
                for (key, value) in root.as_dict().into_iter().flatten() {
                    let _ = (key.as_text(), value.as_object(), value.state());
                    if let Some(array) = value.as_array() {
                        let size: usize = array.dtype[1..].parse().unwrap();
                        let numbers: usize = array.shape.iter().product();
                        prop_assert_eq!(array.bytes.len(), numbers * size);
                    }
                }
            }
        }
    }
}

#[test]
fn nothing_is_run() {
    let marker = std::env::temp_dir().join(format!("residual-pickle-{}", std::process::id()));
    let call = format!("cos\nsystem\n(S'touch {}'\ntR.", marker.display());
    let error = read(&mut call.as_bytes(), Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "asks Python to call os.system: refused");
    assert!(!marker.exists());
}
