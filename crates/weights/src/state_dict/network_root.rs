//! Finds the networks among the tensors of a file, by their first tensors, and chooses one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::entry::{TensorEntry, is_batch_counter};
use crate::key_map::FIRST_TENSORS;

/// Maximum number of networks that are considered.
const MAX_ROOTS: usize = 64;
/// Usual parts of the path of a network, most likely first: keys of checkpoint dictionaries and
/// attributes of wrappers.
const USUAL_PARTS: [&str; 16] = [
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "model_state",
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "backbone",
    "encoder",
    "resnet",
    "student",
    "online",
];
/// Words in the path of auxiliary networks, such as the teacher of the trained network, and of
/// optimizer state.
const SECONDARY_WORDS: [&str; 12] = [
    "teacher",
    "target",
    "momentum",
    "optimizer",
    "optim",
    "grad",
    "grads",
    "discriminator",
    "critic",
    "aux",
    "previous",
    "initial",
];

/// A network in a file: all tensors whose names start with `prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NetworkRoot {
    pub prefix: String,
    /// Index of the network's first tensor in the file.
    first: usize,
    /// Length in bytes of the dictionary keys in `prefix`.
    dict_len: usize,
}

/// Tensors of a file by name, with their indices.
pub(super) type EntryIndex<'e> = BTreeMap<&'e str, usize>;

impl NetworkRoot {
    /// Finds all networks of a file, in the order of the file.
    pub fn find_all(entries: &[TensorEntry], index: &EntryIndex) -> Vec<NetworkRoot> {
        let mut roots: Vec<NetworkRoot> = Vec::new();
        for (first, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.shape.len() == 4)
        {
            for (first_tensor, second_key) in FIRST_TENSORS {
                let Some(prefix) = entry.name.strip_suffix(first_tensor) else { continue };
                let is_new = roots.iter().all(|root| root.prefix != prefix);
                if (prefix.is_empty() || prefix.ends_with('.'))
                    && is_new
                    && has_name_with_prefix(index, &format!("{prefix}{second_key}"))
                {
                    let dict_len = entry.dict_len;
                    roots.push(NetworkRoot { prefix: prefix.into(), first, dict_len });
                }
            }
            if roots.len() >= MAX_ROOTS {
                break;
            }
        }
        roots
    }

    /// Returns the position in `roots` of the network to use: the moving average of the weights
    /// (EMA) if it is complete, as timm does, and otherwise the network with the most usual path.
    pub fn choose(roots: &[NetworkRoot], index: &EntryIndex) -> Option<usize> {
        let best = |is_ema: bool| {
            let matching = roots.iter().enumerate().filter(|(_, root)| root.is_ema() == is_ema);
            matching.min_by_key(|(_, root)| root.rank()).map(|(position, _)| position)
        };
        match (best(true), best(false)) {
            (Some(ema), Some(raw)) => {
                let is_complete = collect_keys(index, &roots[ema].prefix)
                    .is_superset(&collect_keys(index, &roots[raw].prefix));
                Some(if is_complete && !roots[ema].is_secondary() { ema } else { raw })
            }
            (ema, raw) => ema.or(raw),
        }
    }

    /// Returns whether the network is an exponential moving average of weights, such as
    /// `state_dict_ema`.
    pub fn is_ema(&self) -> bool {
        self.words().any(|word| word == "ema")
    }

    /// Returns the path of the state_dict that contains the network.
    pub fn dict(&self) -> &str {
        &self.prefix[..self.dict_len]
    }

    /// Returns the path for messages.
    pub fn path(&self) -> &str {
        self.prefix.strip_suffix('.').unwrap_or(&self.prefix)
    }

    fn is_secondary(&self) -> bool {
        self.words().any(|word| SECONDARY_WORDS.iter().any(|secondary| word == *secondary))
    }

    fn words(&self) -> impl Iterator<Item = String> {
        let words = self.prefix.split(|letter: char| !letter.is_alphanumeric());
        words.filter(|word| !word.is_empty()).map(str::to_lowercase)
    }

    /// Returns the order of preference, smallest first: trained networks before auxiliary ones, few
    /// unusual parts of the path, a likely first part, and the order of the file.
    fn rank(&self) -> (bool, usize, Reverse<usize>, usize) {
        let parts = || self.path().split('.').filter(|part| !part.is_empty());
        let position = |part: &str| USUAL_PARTS.iter().position(|usual| *usual == part);
        let num_unusual = parts().filter(|part| position(part).is_none()).count();
        let first = parts().next().and_then(position);
        let likelihood = first.map_or(0, |position| USUAL_PARTS.len() - position);
        (self.is_secondary(), num_unusual, Reverse(likelihood), self.first)
    }
}

/// Returns whether a name in `index` starts with `prefix`.
fn has_name_with_prefix(index: &EntryIndex, prefix: &str) -> bool {
    index.range(prefix..).next().is_some_and(|(name, _)| name.starts_with(prefix))
}

/// Returns the keys of a network, without its prefix. Counters of batches are left out.
fn collect_keys<'e>(index: &EntryIndex<'e>, prefix: &str) -> BTreeSet<&'e str> {
    index
        .keys()
        .filter_map(|name| name.strip_prefix(prefix))
        .filter(|key| !is_batch_counter(key))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the path of the chosen network and the number of networks. Each path has the tensors
    /// of a small network, or only the listed tensors.
    fn choose(paths: &[(&str, &[&str])]) -> (String, usize) {
        let entries: Vec<TensorEntry> = paths
            .iter()
            .flat_map(|(path, keys)| keys.iter().map(move |key| format!("{path}{key}")))
            .map(|name| TensorEntry { name, dict_len: 0, shape: vec![1; 4] })
            .collect();
        let index: EntryIndex =
            entries.iter().enumerate().map(|(at, entry)| (entry.name.as_str(), at)).collect();
        let roots = NetworkRoot::find_all(&entries, &index);
        let chosen = NetworkRoot::choose(&roots, &index);
        (chosen.map(|root| roots[root].prefix.clone()).unwrap_or_default(), roots.len())
    }

    const ALL: &[&str] = &["conv1.weight", "bn1.running_var", "layer1.0.conv1.weight"];
    const PARAMETERS: &[&str] = &["conv1.weight", "layer1.0.conv1.weight"];

    #[test]
    fn finds_a_network_behind_any_prefix() {
        for prefix in ["", "module.", "classifier.resnet.", "0.", "any.thing.at_all."] {
            assert_eq!(choose(&[(prefix, ALL)]), (prefix.to_string(), 1));
        }
        // A block is not a network.
        assert_eq!(choose(&[("layer1.0.", &["conv1.weight", "bn1.weight"])]).1, 0);
        assert_eq!(choose(&[("x", ALL)]).1, 0);
    }

    #[test]
    fn prefers_a_complete_moving_average() {
        for ema in ["state_dict_ema.", "model_ema.module.", "ema."] {
            assert_eq!(choose(&[("state_dict.", ALL), (ema, ALL)]), (ema.into(), 2));
            assert_eq!(choose(&[("model.", ALL), (ema, PARAMETERS)]), ("model.".into(), 2));
        }
        assert_eq!(choose(&[("schema.", ALL), ("model.", ALL)]).0, "model.");
        assert_eq!(choose(&[("model.", ALL), ("optimizer.ema.", ALL)]).0, "model.");
    }

    #[test]
    fn prefers_the_trained_network_and_usual_paths() {
        for (paths, expected) in [
            (["discriminator.", "generator."], "generator."),
            (["teacher.", "student."], "student."),
            (["module.encoder_q.", "module.encoder_k."], "module.encoder_q."),
            (["best.", "model."], "model."),
            (["model.", "state_dict."], "state_dict."),
            (["optimizer.exp_avg.", ""], ""),
        ] {
            assert_eq!(choose(&paths.map(|path| (path, ALL))), (expected.into(), 2));
        }
    }

    #[test]
    fn considers_a_limited_number_of_networks() {
        let names: Vec<String> = (0..1000).map(|number| format!("n{number}.")).collect();
        let paths: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), ALL)).collect();
        assert_eq!(choose(&paths), ("n0.".into(), MAX_ROOTS));
    }
}
