//! Selects the tensors of one network among the tensors of a file. All other tensors are ignored
//! and reported.

use std::collections::{BTreeMap, HashMap};

use residual_pickle::printable;

use super::entry::{TensorEntry, is_batch_counter, list_names};
use super::head::{HeadSearch, HeadTensors};
use super::network_root::{EntryIndex, NetworkRoot};
use crate::key_map::{KeyMap, KeyRenamer};

/// The tensors of a network in a file.
pub(crate) struct Selection {
    pub renamer: KeyRenamer,
    /// Index of each tensor in the file, by torchvision's key.
    pub tensors: BTreeMap<String, usize>,
    /// Number of classes of a head without a bias, whose bias is zero.
    pub zero_bias: Option<usize>,
    /// Warnings about the file, one sentence each.
    pub warnings: Vec<String>,
    /// Reason why the classification head of the file cannot be used.
    pub unusable_head: Option<String>,
}

/// Role of a tensor in the file of a residual network, by its torchvision key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Part of the network, or of a similar network that is not supported.
    Network,
    /// Part of another module, or a tensor that does not take part in the computation.
    Other,
}

impl Selection {
    /// Selects the tensors of the network that [`NetworkRoot::choose`] returns. Without a network,
    /// selects the largest state_dict.
    pub fn new(entries: &[TensorEntry]) -> Selection {
        // If a name is repeated, its last tensor is valid.
        let index: EntryIndex =
            entries.iter().enumerate().map(|(at, entry)| (entry.name.as_str(), at)).collect();
        let roots = NetworkRoot::find_all(entries, &index);
        match NetworkRoot::choose(&roots, &index) {
            Some(chosen) => Selection::from_network(entries, &index, &roots, chosen),
            None => Selection::from_largest_dict(entries, &index),
        }
    }

    /// Selects all tensors of the largest state_dict, for messages about them.
    fn from_largest_dict(entries: &[TensorEntry], index: &EntryIndex) -> Selection {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for entry in entries {
            *counts.entry(entry.dict()).or_default() += 1;
        }
        // Selects the first of equally large dictionaries.
        let largest = entries.iter().rev().map(TensorEntry::dict).max_by_key(|dict| counts[dict]);
        let members = index
            .values()
            .map(|&at| (at, &entries[at]))
            .filter(|(_, entry)| Some(entry.dict()) == largest && !is_batch_counter(&entry.name));
        let members: Vec<(usize, &str)> =
            members.map(|(at, entry)| (at, &entry.name[entry.dict_len..])).collect();
        let renamer = KeyRenamer::detect(members.iter().map(|(_, name)| *name));
        let tensors = members.iter().map(|(at, name)| (renamer.rename(name), *at)).collect();
        let (warnings, unusable_head) = (Vec::new(), None);
        Selection { renamer, tensors, zero_bias: None, warnings, unusable_head }
    }

    /// Selects the tensors of the network `roots[chosen]`.
    fn from_network(
        entries: &[TensorEntry],
        index: &EntryIndex,
        roots: &[NetworkRoot],
        chosen: usize,
    ) -> Selection {
        let root = &roots[chosen];
        // A tensor belongs to the network with the longest prefix.
        let is_of_other_root = |name: &str| {
            let owners = roots.iter().filter(|other| name.starts_with(&other.prefix));
            owners.max_by_key(|owner| owner.prefix.len()).is_some_and(|owner| owner != root)
        };
        let all = || index.values().map(|&at| (at, &entries[at]));
        let members: Vec<(usize, &str)> = all()
            .filter(|(_, entry)| !is_batch_counter(&entry.name))
            .filter_map(|(at, entry)| Some((at, entry.name.strip_prefix(&root.prefix)?)))
            .filter(|(at, _)| !is_of_other_root(&entries[*at].name))
            .collect();
        let renamer = KeyRenamer::detect(members.iter().map(|(_, name)| *name));

        let mut tensors = BTreeMap::new();
        let mut others: Vec<usize> = Vec::new();
        let is_vgg = is_vgg(members.iter().map(|(_, name)| renamer.rename(name)));
        for &(at, name) in &members {
            let key = renamer.rename(name);
            match role(&key, is_vgg) {
                Role::Network => drop(tensors.insert(key, at)),
                Role::Other => others.push(at),
            }
        }
        others.extend(all().filter_map(|(at, entry)| {
            let is_outside = !entry.name.starts_with(&root.prefix);
            (is_outside && !is_batch_counter(&entry.name) && !is_of_other_root(&entry.name))
                .then_some(at)
        }));
        others.sort_unstable();

        let mut warnings = Vec::new();
        warnings.extend(network_warning(roots, chosen));
        let mut selection =
            Selection { renamer, tensors, zero_bias: None, warnings, unusable_head: None };
        if !is_vgg {
            selection.replace_head(entries, root, &mut others);
        }
        // Tensors of other dictionaries, such as the state of the optimizer, are not reported.
        others.retain(|at| entries[*at].dict() == root.dict());
        selection.warnings.extend(ignored_warning(entries, &others));
        selection
    }

    /// Replaces the head in `tensors` by the head that [`HeadSearch`] finds. Tensors of an unusable
    /// head are moved to `others`.
    fn replace_head(
        &mut self,
        entries: &[TensorEntry],
        root: &NetworkRoot,
        others: &mut Vec<usize>,
    ) {
        let found = HeadSearch::new(entries, root, &self.tensors, others).find();
        let fc = self.tensors.get("fc.weight").copied();
        self.tensors.retain(|key, at| {
            let is_head = key.starts_with("fc.");
            others.extend(is_head.then_some(*at));
            !is_head
        });
        match found {
            Ok(None) => {}
            Ok(Some(HeadTensors { weight, bias, name })) => {
                others.retain(|at| *at != weight && Some(*at) != bias);
                self.tensors.insert("fc.weight".into(), weight);
                match bias {
                    Some(bias) => drop(self.tensors.insert("fc.bias".into(), bias)),
                    None => {
                        self.zero_bias = Some(entries[weight].shape[0]);
                        self.warnings.push(format!(
                            "the classification head `{}` has no bias; zeros are used",
                            printable(&name)
                        ));
                    }
                }
                if fc != Some(weight) && self.renamer.key_map != KeyMap::Transformers {
                    self.warnings
                        .push(format!("`{}` is used as the classification head", printable(&name)));
                }
            }
            Err(reason) => self.unusable_head = Some(reason),
        }
        others.sort_unstable();
    }
}

/// Returns whether the keys of a network are those of VGG, whose head is part of `classifier`.
fn is_vgg(keys: impl Iterator<Item = String>) -> bool {
    let mut has_features = false;
    for key in keys {
        if key.starts_with("layer1.") {
            return false;
        }
        has_features |= key.starts_with("features.");
    }
    has_features
}

/// Returns the role of a tensor. Tensors of unknown modules are ignored. Unknown tensors within the
/// network's own modules are not, because the network would compute something else without them.
fn role(key: &str, is_vgg: bool) -> Role {
    let (module, part) = key.split_once('.').unwrap_or(("", key));
    // Counters that thop adds to modules.
    if part.ends_with("total_ops") || part.ends_with("total_params") {
        return Role::Other;
    }
    let kind = module.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let is_network = match kind {
        "conv" | "bn" | "norm" | "layer" | "stage" | "block" | "blocks" | "stem" | "stages"
        | "downsample" | "features" | "encoder" | "embedder" => true,
        "fc" => !is_vgg && module == "fc",
        "classifier" => is_vgg,
        _ => false,
    };
    if is_network { Role::Network } else { Role::Other }
}

/// Returns the warning that a file has several networks, or a moving average instead of weights.
fn network_warning(roots: &[NetworkRoot], chosen: usize) -> Option<String> {
    let root = &roots[chosen];
    let others: Vec<&str> =
        roots.iter().filter(|other| *other != root).map(NetworkRoot::path).collect();
    if others.is_empty() {
        return None;
    }
    let path = |path: &str| match path {
        "" => "the top level".to_string(),
        path => format!("`{}`", printable(path)),
    };
    let (kind, verb) = if root.is_ema() {
        ("moving average (EMA) of the weights", "is")
    } else {
        ("weights", "are")
    };
    let others = match others[..] {
        [""] => path(""),
        _ => list_names(others),
    };
    Some(format!(
        "the file has several networks: the {kind} in {} {verb} used, not {others}",
        path(root.path())
    ))
}

fn ignored_warning(entries: &[TensorEntry], others: &[usize]) -> Option<String> {
    let names = others.iter().map(|at| {
        let entry = &entries[*at];
        &entry.name[entry.dict_len..]
    });
    match others.len() {
        0 => None,
        1 => Some(format!(
            "a tensor that the network does not have is ignored: {}",
            list_names(names)
        )),
        count => Some(format!(
            "{count} tensors that the network does not have are ignored: {}",
            list_names(names)
        )),
    }
}
