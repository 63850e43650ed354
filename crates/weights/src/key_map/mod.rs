//! Maps the state_dict keys of other implementations to torchvision's, which residual uses.
//!
//! To add a key map: a variant of [`KeyMap`] with its `Display` name, a condition in [`detect`], a
//! file with `rename`, and its call in [`to_torchvision`].

mod kuangliu;
mod notebook;
mod timm;

use std::collections::BTreeMap;
use std::fmt;

use crate::Tensor;

/// Naming scheme of the keys of a state_dict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMap {
    /// `conv1`, `layer1.0.bn1`, `layer2.0.downsample.0`, `fc`.
    Torchvision,
    /// `features`, `layer1.0.features.0`, `layer2.0.shortcut.0`, `classifer`.
    Notebook,
    /// kuangliu's keys, with shortcuts that have no tensors (option A).
    Akamaster,
    /// `layer2.0.shortcut.0`, `linear`.
    Kuangliu,
    /// torchvision's keys for residual networks; VGG's head is `pre_logits` and `head.fc`.
    Timm,
}

impl fmt::Display for KeyMap {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            KeyMap::Torchvision => "torchvision",
            KeyMap::Notebook => "the notebook",
            KeyMap::Akamaster => "akamaster",
            KeyMap::Kuangliu => "kuangliu",
            KeyMap::Timm => "timm",
        })
    }
}

/// Maximum number of nested wrapper prefixes that are removed.
const MAX_WRAPPERS: usize = 8;
/// Key prefixes that wrappers add: DataParallel, torch.compile, a module around the network.
const PREFIXES: [&str; 6] = ["module.", "_orig_mod.", "model.", "net.", "network.", "backbone."];

/// Renames tensors to torchvision's keys and returns the detected key map.
///
/// Removes wrapper prefixes that all keys share, and `num_batches_tracked`.
pub(crate) fn to_torchvision(
    tensors: BTreeMap<String, Tensor>,
) -> (KeyMap, BTreeMap<String, Tensor>) {
    let mut tensors: Vec<_> = tensors
        .into_iter()
        // Only batch norm with `momentum=None` uses the counter; no supported network has one.
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .collect();
    let prefix_len = shared_prefix_len(&tensors);
    tensors.iter_mut().for_each(|(name, _)| drop(name.drain(..prefix_len)));
    let key_map = detect(&tensors);
    let renamed = tensors.into_iter().map(|(name, tensor)| match key_map {
        KeyMap::Torchvision => (name, tensor),
        KeyMap::Notebook => (notebook::rename(&name), tensor),
        KeyMap::Akamaster | KeyMap::Kuangliu => (kuangliu::rename(&name), tensor),
        KeyMap::Timm => timm::rename(&name, tensor),
    });
    (key_map, renamed.collect())
}

/// Returns the length in bytes of the wrapper prefixes that all keys share.
fn shared_prefix_len(tensors: &[(String, Tensor)]) -> usize {
    let mut len = 0;
    for _ in 0..MAX_WRAPPERS {
        let is_shared =
            |prefix: &&&str| tensors.iter().all(|(name, _)| name[len..].starts_with(**prefix));
        match PREFIXES.iter().find(is_shared) {
            Some(prefix) if !tensors.is_empty() => len += prefix.len(),
            _ => break,
        }
    }
    len
}

fn detect(tensors: &[(String, Tensor)]) -> KeyMap {
    let any = |test: &dyn Fn(&str) -> bool| tensors.iter().any(|(name, _)| test(name));
    if any(&|name| name.starts_with("layer1.0.features.")) {
        KeyMap::Notebook
    } else if any(&|name| name == "linear.weight" || name.contains(".shortcut.0.")) {
        if any(&|name| name.contains(".shortcut.")) { KeyMap::Kuangliu } else { KeyMap::Akamaster }
    } else if any(&|name| name.starts_with("pre_logits.")) {
        KeyMap::Timm
    } else {
        KeyMap::Torchvision
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    fn rename_keys(names: &[&str]) -> (KeyMap, Vec<String>) {
        let tensor = Tensor { dtype: DType::F32, shape: vec![0], bytes: vec![] };
        let tensors = names.iter().map(|name| (name.to_string(), tensor.clone())).collect();
        let (key_map, tensors) = to_torchvision(tensors);
        (key_map, tensors.into_keys().collect())
    }

    #[test]
    fn detects_every_key_map_and_renames_to_torchvision() {
        for (key_map, keys, expected) in [
            (
                KeyMap::Notebook,
                &[
                    "classifer.bias",
                    "features.0.weight",
                    "features.1.running_var",
                    "layer1.0.features.0.weight",
                    "layer1.0.features.7.bias",
                    "layer2.0.features.4.bias",
                    "layer2.0.shortcut.1.weight",
                ][..],
                &[
                    "bn1.running_var",
                    "conv1.weight",
                    "fc.bias",
                    "layer1.0.bn3.bias",
                    "layer1.0.conv1.weight",
                    "layer2.0.bn2.bias",
                    "layer2.0.downsample.1.weight",
                ][..],
            ),
            (
                KeyMap::Akamaster,
                &["bn1.bias", "layer1.0.conv2.weight", "linear.weight"],
                &["bn1.bias", "fc.weight", "layer1.0.conv2.weight"],
            ),
            (
                KeyMap::Kuangliu,
                &["layer2.0.shortcut.0.weight", "linear.weight"],
                &["fc.weight", "layer2.0.downsample.0.weight"],
            ),
            (
                KeyMap::Timm,
                &[
                    "features.0.weight",
                    "head.fc.bias",
                    "pre_logits.fc1.bias",
                    "pre_logits.fc2.bias",
                ],
                &[
                    "classifier.0.bias",
                    "classifier.3.bias",
                    "classifier.6.bias",
                    "features.0.weight",
                ],
            ),
            (KeyMap::Torchvision, &["conv1.weight", "fc.bias"], &["conv1.weight", "fc.bias"]),
        ] {
            let expected = expected.iter().map(|key| key.to_string()).collect();
            assert_eq!(rename_keys(keys), (key_map, expected));
        }
    }

    #[test]
    fn removes_wrapper_prefixes_that_all_keys_share() {
        let (_, names) = rename_keys(&["module.model.conv1.weight", "module.model.fc.bias"]);
        assert_eq!(names, ["conv1.weight", "fc.bias"]);
        let (_, names) = rename_keys(&["module.conv1.weight", "fc.bias"]);
        assert_eq!(names, ["fc.bias", "module.conv1.weight"]);
        // A hostile key with a million prefixes.
        let (_, names) = rename_keys(&["module.".repeat(1 << 20).as_str()]);
        assert_eq!(names[0].len(), 7 * ((1 << 20) - MAX_WRAPPERS));
    }

    #[test]
    fn removes_num_batches_tracked() {
        let (_, names) = rename_keys(&["bn1.num_batches_tracked", "bn1.bias"]);
        assert_eq!(names, ["bn1.bias"]);
        assert_eq!(rename_keys(&["bn1.num_batches_tracked"]).1.len(), 0);
    }
}
