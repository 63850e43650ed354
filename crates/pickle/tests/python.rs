//! Pickles that Python wrote (`scripts/fixtures/pickles.py`), in every protocol.

use residual_pickle::{Limits, Pickle, Value, read};

fn load(bytes: &[u8]) -> Pickle {
    read(&mut &bytes[..], Limits::default()).unwrap()
}

const PROTOCOLS: [&[u8]; 6] = [
    include_bytes!("fixtures/protocol0.pkl"),
    include_bytes!("fixtures/protocol1.pkl"),
    include_bytes!("fixtures/protocol2.pkl"),
    include_bytes!("fixtures/protocol3.pkl"),
    include_bytes!("fixtures/protocol4.pkl"),
    include_bytes!("fixtures/protocol5.pkl"),
];

fn items(value: Value) -> Vec<Value> {
    value.as_items().unwrap().collect()
}

fn ints(value: Value) -> Vec<i128> {
    value.as_items().unwrap().map(|item| item.as_int().unwrap()).collect()
}

#[test]
fn reads_the_same_values_in_every_protocol() {
    for (protocol, bytes) in PROTOCOLS.iter().enumerate() {
        let pickle = load(bytes);
        let get = |key: &str| {
            pickle.root().get(key).unwrap_or_else(|| panic!("`{key}` in protocol {protocol}"))
        };
        assert!(get("none").is_none());
        let bools: Vec<_> = items(get("bools")).iter().map(|item| item.as_bool()).collect();
        assert_eq!(bools, [Some(true), Some(false)]);
        assert_eq!(
            ints(get("ints")),
            [0, -1, 255, 65536, -(1 << 31), 1 << 62, 100_000_000_000_000_000_000]
        );
        let floats: Vec<_> = items(get("floats")).iter().map(|item| item.as_float()).collect();
        assert_eq!(floats, [Some(0.5), Some(-1e300)]);
        assert_eq!(get("text").as_str(), Some("naïve € \\ \n 🐝"));
        assert_eq!(get("bytes").as_bytes(), Some(&b"\x00'\"\\\n\xff"[..]), "protocol {protocol}");
        let keys: Vec<_> = get("ordered").as_dict().unwrap().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, [Some("b"), Some("a")]);
        assert_eq!(ints(get("default").get("k").unwrap()), [1]);
        let tuples: Vec<_> = items(get("tuples")).iter().map(|tuple| ints(*tuple).len()).collect();
        assert_eq!(tuples, [0, 1, 2, 3, 4]);
        let shared = items(get("twice"));
        assert_eq!(items(shared[1])[0].as_str(), Some("shared"));
        let array = get("array").as_array().unwrap();
        assert_eq!((array.dtype, array.big_endian, array.fortran_order), ("i2", false, false));
        assert_eq!(array.shape, [2, 3]);
        assert_eq!(array.bytes, [0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0]);
        assert_eq!(ints(get("many")).len(), 2500);
    }
}

#[test]
fn reads_cifar_batches_with_python_2_keys() {
    for (bytes, labels) in [
        (&include_bytes!("fixtures/cifar10.pkl")[..], &["labels"][..]),
        (include_bytes!("fixtures/cifar100.pkl"), &["fine_labels", "coarse_labels"]),
    ] {
        let pickle = load(bytes);
        let batch = pickle.root();
        let data = batch.get("data").unwrap().as_array().unwrap();
        assert_eq!((data.dtype, &data.shape[..]), ("u1", &[4, 3072][..]));
        assert_eq!((data.bytes[250], data.bytes[251]), (250, 0));
        for name in labels {
            assert_eq!(ints(batch.get(name).unwrap()), [3, 1, 4, 1]);
        }
        assert_eq!(items(batch.get("filenames").unwrap())[3].as_str(), Some("d.png"));
    }
}
