//! Fixtures that `scripts/fixtures` recorded with PyTorch, and the hash function that computes the
//! inputs of the fixtures and of the tests (see `oracle.py`).
#![allow(dead_code)] // no test file uses all functions

use serde_json::Value;

pub fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns the hash of element `i` of tensor `k`, in [-1, 1).
pub fn c(k: u64, i: u64) -> f64 {
    let mut z = (k << 32).wrapping_add(i).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    2.0 * ((z >> 11) as f64 / (1u64 << 53) as f64) - 1.0
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// Returns the initial values of tensor `k` in row-major order.
pub fn initial(k: u64, name: &str, shape: &[u64]) -> Vec<f64> {
    let elements = shape.iter().product::<u64>();
    let scale = |i: u64| match () {
        () if shape.len() > 1 => c(k, i) * (6.0 / (elements / shape[0]) as f64).sqrt(),
        () if name.ends_with("running_mean") || name.ends_with("bias") => 0.1 * c(k, i),
        () => 1.0 + 0.1 * c(k, i),
    };
    (0..elements).map(scale).collect()
}
