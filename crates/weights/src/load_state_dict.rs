//! Compares a state_dict with a network, as `load_state_dict(strict=True)` does, and replaces the
//! classification head when the number of classes differs.

use std::collections::{BTreeMap, BTreeSet};

use residual_arch::{Network, initial_values};
use residual_spec::{Error, ErrorCode, Result};

use crate::{DType, Tensor};

/// Maximum number of keys that a message lists.
const MAX_LISTED: usize = 6;

/// A state_dict that matches a network.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptedStateDict {
    /// Tensors by key; the keys are those of the network.
    pub tensors: BTreeMap<String, Tensor>,
    pub new_head: Option<NewHead>,
}

/// A classification head that was replaced by a randomly initialized one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewHead {
    /// Number of classes of the old head; `None` if the state_dict had no head.
    pub from: Option<usize>,
    /// Number of classes of the new head.
    pub to: usize,
}

/// Differences between a state_dict and the tensors of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IncompatibleKeys {
    missing_keys: Vec<String>,
    unexpected_keys: Vec<String>,
    /// `layer1.0.conv1.weight has shape [64, 64, 3, 3], expected [64, 64, 1, 1]`.
    size_mismatches: Vec<String>,
}

impl IncompatibleKeys {
    /// Compares the keys and shapes of `tensors` with those of `network`.
    pub fn compare(network: &Network, tensors: &BTreeMap<String, Tensor>) -> IncompatibleKeys {
        let mut keys = IncompatibleKeys::default();
        let mut expected_keys = BTreeSet::new();
        for expected in network.tensors() {
            match tensors.get(&expected.name) {
                None => keys.missing_keys.push(expected.name.clone()),
                Some(tensor) if !same_shape(&tensor.shape, &expected.shape) => {
                    let (key, found, shape) = (&expected.name, &tensor.shape, &expected.shape);
                    let mismatch = format!("`{key}` has shape {found:?}, expected {shape:?}");
                    keys.size_mismatches.push(mismatch);
                }
                Some(_) => {}
            }
            expected_keys.insert(expected.name);
        }
        let others = tensors.keys().filter(|key| !expected_keys.contains(*key));
        keys.unexpected_keys = others.cloned().collect();
        keys
    }

    /// Removes the missing keys of `layer` from the differences.
    pub fn ignore_missing(&mut self, layer: &str) {
        let is_inside = |key: &str| key.strip_prefix(layer).is_some_and(|end| end.starts_with('.'));
        self.missing_keys.retain(|key| !is_inside(key));
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of differences.
    pub fn len(&self) -> usize {
        self.missing_keys.len() + self.unexpected_keys.len() + self.size_mismatches.len()
    }

    /// Describes the differences in the terms of `load_state_dict`.
    pub fn describe(&self) -> String {
        let list = |title: &str, keys: &[String]| match keys.len() {
            0 => None,
            n if n > MAX_LISTED => Some(format!(
                "{title}: {} and {} more",
                keys[..MAX_LISTED].join(", "),
                n - MAX_LISTED
            )),
            _ => Some(format!("{title}: {}", keys.join(", "))),
        };
        let parts = [
            list("missing keys", &self.missing_keys),
            list("unexpected keys", &self.unexpected_keys),
            list("size mismatch", &self.size_mismatches),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// Checks that a state_dict has exactly the keys and shapes of a network.
///
/// # Errors
/// `E_MISMATCH` with the missing keys, unexpected keys and size mismatches.
pub fn check_state_dict(network: &Network, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let keys = IncompatibleKeys::compare(network, tensors);
    if keys.is_empty() { Ok(()) } else { Err(mismatch(network, &keys)) }
}

/// Adapts a state_dict to a network. If the head is missing or has another number of classes, it
/// is replaced by the head that a new network gets from `seed`.
///
/// # Errors
/// `E_MISMATCH` with the missing keys, unexpected keys and size mismatches of the other layers.
pub fn adapt_state_dict(
    network: &Network,
    mut tensors: BTreeMap<String, Tensor>,
    seed: u64,
) -> Result<AdaptedStateDict> {
    let head = format!("{}.", network.head.name);
    let mut new_head = None;
    let expected = network.tensors();
    let is_head = |key: &str| key.starts_with(&head);
    let head_matches = expected.iter().filter(|expected| is_head(&expected.name)).all(|expected| {
        tensors.get(&expected.name).is_some_and(|tensor| same_shape(&tensor.shape, &expected.shape))
    });
    if !head_matches {
        let (from, to) = (tensors.get(&format!("{head}bias")), network.classes() as usize);
        new_head = Some(NewHead { from: from.and_then(|bias| bias.shape.first().copied()), to });
        tensors.retain(|key, _| !is_head(key));
        for (index, expected) in expected.iter().enumerate() {
            if is_head(&expected.name) {
                let values = initial_values(expected, seed, index as u64);
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                let shape = expected.shape.iter().map(|&n| n as usize).collect();
                tensors.insert(expected.name.clone(), Tensor { dtype: DType::F32, shape, bytes });
            }
        }
    }
    check_state_dict(network, &tensors)?;
    Ok(AdaptedStateDict { tensors, new_head })
}

fn same_shape(found: &[usize], expected: &[u64]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(&a, &b)| a as u64 == b)
}

/// Returns the `E_MISMATCH` error for a state_dict that does not match a network.
pub(crate) fn mismatch(network: &Network, keys: &IncompatibleKeys) -> Error {
    let message = format!("the weights do not match {}: {}", network.name, keys.describe());
    Error::new(ErrorCode::Mismatch, message).key("model.weights").hint(
        "Remove `model.arch`, `model.stem` and `model.shortcut` to infer them from the weights.",
    )
}
