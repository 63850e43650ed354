//! Whether weights are a network's, and which of them differ.

use std::collections::{BTreeMap, BTreeSet};

use residual_arch::{Network, initial_values};
use residual_spec::{Error, ErrorCode, Result};

use crate::{DType, Tensor};

/// Names that a message lists.
const MAX_LISTED: usize = 6;

/// Weights that a network can begin with.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptedStateDict {
    /// One for each of the network's.
    pub tensors: BTreeMap<String, Tensor>,
    pub new_head: Option<NewHead>,
}

/// The head that was taken off, for the data have other classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewHead {
    /// None where the weights had no head.
    pub from: Option<usize>,
    pub to: usize,
}

/// How weights differ from what a network needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IncompatibleKeys {
    missing: Vec<String>,
    unexpected: Vec<String>,
    /// `layer1.0.conv1.weight is [64, 64, 3, 3] instead of [64, 64, 1, 1]`.
    shapes: Vec<String>,
}

impl IncompatibleKeys {
    pub fn of(network: &Network, tensors: &BTreeMap<String, Tensor>) -> IncompatibleKeys {
        let mut found = IncompatibleKeys::default();
        let mut wanted_names = BTreeSet::new();
        for wanted in network.tensors() {
            match tensors.get(&wanted.name) {
                None => found.missing.push(wanted.name.clone()),
                Some(tensor) if !same(&tensor.shape, &wanted.shape) => {
                    let (name, is, need) = (&wanted.name, &tensor.shape, &wanted.shape);
                    found.shapes.push(format!("`{name}` is {is:?}, not {need:?}"));
                }
                Some(_) => {}
            }
            wanted_names.insert(wanted.name);
        }
        let others = tensors.keys().filter(|name| !wanted_names.contains(*name));
        found.unexpected = others.cloned().collect();
        found
    }

    /// Takes no notice of missing tensors of a layer.
    pub fn forgive_missing(&mut self, layer: &str) {
        let inside = |name: &str| name.strip_prefix(layer).is_some_and(|end| end.starts_with('.'));
        self.missing.retain(|name| !inside(name));
    }

    pub fn is_none(&self) -> bool {
        self.count() == 0
    }

    pub fn count(&self) -> usize {
        self.missing.len() + self.unexpected.len() + self.shapes.len()
    }

    /// What is wrong, as the end of a sentence.
    pub fn in_words(&self) -> String {
        let list = |what: &str, names: &[String]| match names.len() {
            0 => None,
            n if n > MAX_LISTED => Some(format!(
                "{what}{} and {} more",
                names[..MAX_LISTED].join(", "),
                n - MAX_LISTED
            )),
            _ => Some(format!("{what}{}", names.join(", "))),
        };
        let parts = [
            list("missing: ", &self.missing),
            list("unexpected: ", &self.unexpected),
            list("", &self.shapes),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// Refuses weights that are not exactly a network's.
///
/// # Errors
/// `E_MISMATCH`, key_map tensors.
pub fn check_state_dict(network: &Network, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let differences = IncompatibleKeys::of(network, tensors);
    match differences.is_none() {
        true => Ok(()),
        false => Err(mismatch(network, &differences)),
    }
}

/// Makes weights a network's. A head for other classes begins anew, with the values that `seed`
/// draws for it in a new network.
///
/// # Errors
/// `E_MISMATCH`, key_map the tensors that are missing, unexpected or of another shape.
pub fn adapt_state_dict(
    network: &Network,
    mut tensors: BTreeMap<String, Tensor>,
    seed: u64,
) -> Result<AdaptedStateDict> {
    let head = format!("{}.", network.head.name);
    let mut new_head = None;
    let wanted = network.tensors();
    let of_head = |name: &str| name.starts_with(&head);
    let fits = wanted.iter().filter(|wanted| of_head(&wanted.name)).all(|wanted| {
        tensors.get(&wanted.name).is_some_and(|tensor| same(&tensor.shape, &wanted.shape))
    });
    if !fits {
        let (from, to) = (tensors.get(&format!("{head}bias")), network.classes() as usize);
        new_head = Some(NewHead { from: from.and_then(|bias| bias.shape.first().copied()), to });
        tensors.retain(|name, _| !of_head(name));
        for (number, wanted) in wanted.iter().enumerate() {
            if of_head(&wanted.name) {
                let values = initial_values(wanted, seed, number as u64);
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                let shape = wanted.shape.iter().map(|&n| n as usize).collect();
                tensors.insert(wanted.name.clone(), Tensor { dtype: DType::F32, shape, bytes });
            }
        }
    }
    check_state_dict(network, &tensors)?;
    Ok(AdaptedStateDict { tensors, new_head })
}

fn same(found: &[usize], wanted: &[u64]) -> bool {
    found.len() == wanted.len() && found.iter().zip(wanted).all(|(&a, &b)| a as u64 == b)
}

pub(crate) fn mismatch(network: &Network, differences: &IncompatibleKeys) -> Error {
    let message =
        format!("the weights are not those of {}: {}", network.name, differences.in_words());
    Error::new(ErrorCode::Mismatch, message).key("model.weights").hint(
        "Leave `model.arch`, `model.stem` and `model.shortcut` out, to take them from the weights.",
    )
}
