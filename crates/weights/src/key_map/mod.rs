//! Maps the state_dict keys of other implementations to torchvision's, which residual uses.
//!
//! To add a key map: a variant of [`KeyMap`] with its `Display` name, its first tensor in
//! [`FIRST_TENSORS`], a condition in [`KeyRenamer::detect`], a file with `rename`, and its call in
//! [`KeyRenamer::rename`].

mod kuangliu;
mod notebook;
mod sequential;
mod timm;
mod transformers;

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
    /// `embedder.embedder.convolution`, `encoder.stages.0.layers.0.layer.0.convolution`.
    Transformers,
    /// Children of torchvision's network by number: `0`, `1`, `4.0.conv1`.
    Sequential,
}

impl fmt::Display for KeyMap {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            KeyMap::Torchvision => "torchvision",
            KeyMap::Notebook => "the notebook",
            KeyMap::Akamaster => "akamaster",
            KeyMap::Kuangliu => "kuangliu",
            KeyMap::Timm => "timm",
            KeyMap::Transformers => "Transformers",
            KeyMap::Sequential => "nn.Sequential",
        })
    }
}

/// First tensor of a network in each naming scheme, and the start of another key that a network has
/// after the same prefix. The second key distinguishes a network from a block.
pub(crate) const FIRST_TENSORS: [(&str, &str); 8] = [
    ("conv1.weight", "layer1."),
    // ResNet-D, whose stem has three convolutions.
    ("conv1.0.weight", "layer1."),
    ("features.0.weight", "layer1."),
    // VGG, of any depth.
    ("features.0.weight", "features.10."),
    ("features.0.weight", "features.11."),
    ("embedder.embedder.convolution.weight", "encoder.stages."),
    // With and without a pooling layer before the stages.
    ("0.weight", "4.0.conv1."),
    ("0.weight", "3.0.conv1."),
];

/// Renames the keys of one state_dict to torchvision's.
pub(crate) struct KeyRenamer {
    pub key_map: KeyMap,
    /// Numbers of the stages in [`KeyMap::Sequential`].
    stages: Vec<u32>,
}

impl KeyRenamer {
    /// Detects the naming scheme of the keys of a network, without the prefix of the network.
    pub fn detect<'a>(names: impl Iterator<Item = &'a str> + Clone) -> KeyRenamer {
        let any = |test: &dyn Fn(&str) -> bool| names.clone().any(test);
        let stages = sequential::stage_numbers(names.clone());
        let key_map = if any(&|name| name.starts_with("layer1.0.features.")) {
            KeyMap::Notebook
        } else if any(&|name| name.starts_with("embedder.embedder.")) {
            KeyMap::Transformers
        } else if any(&|name| name == "linear.weight" || name.contains(".shortcut.0.")) {
            if any(&|name| name.contains(".shortcut.")) {
                KeyMap::Kuangliu
            } else {
                KeyMap::Akamaster
            }
        } else if any(&|name| name.starts_with("pre_logits.")) {
            KeyMap::Timm
        } else if !stages.is_empty() && any(&|name| name == "0.weight") {
            KeyMap::Sequential
        } else {
            KeyMap::Torchvision
        };
        KeyRenamer { key_map, stages }
    }

    /// Returns torchvision's key.
    pub fn rename(&self, name: &str) -> String {
        match self.key_map {
            KeyMap::Torchvision => name.into(),
            KeyMap::Notebook => notebook::rename(name),
            KeyMap::Akamaster | KeyMap::Kuangliu => kuangliu::rename(name),
            KeyMap::Timm => timm::rename(name),
            KeyMap::Transformers => transformers::rename(name),
            KeyMap::Sequential => sequential::rename(name, &self.stages),
        }
    }

    /// Converts a tensor to the shape that it has under torchvision's key `name`.
    pub fn reshape(&self, name: &str, tensor: &mut Tensor) {
        match self.key_map {
            KeyMap::Timm if name.starts_with("classifier.") => timm::flatten(tensor),
            KeyMap::Torchvision
            | KeyMap::Notebook
            | KeyMap::Akamaster
            | KeyMap::Kuangliu
            | KeyMap::Timm
            | KeyMap::Transformers
            | KeyMap::Sequential => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

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
                    "fc.bias",
                    "conv1.weight",
                    "bn1.running_var",
                    "layer1.0.conv1.weight",
                    "layer1.0.bn3.bias",
                    "layer2.0.bn2.bias",
                    "layer2.0.downsample.1.weight",
                ][..],
            ),
            (
                KeyMap::Akamaster,
                &["bn1.bias", "layer1.0.conv2.weight", "linear.weight"],
                &["bn1.bias", "layer1.0.conv2.weight", "fc.weight"],
            ),
            (
                KeyMap::Kuangliu,
                &["layer2.0.shortcut.0.weight", "linear.weight"],
                &["layer2.0.downsample.0.weight", "fc.weight"],
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
                    "features.0.weight",
                    "classifier.6.bias",
                    "classifier.0.bias",
                    "classifier.3.bias",
                ],
            ),
            (
                KeyMap::Transformers,
                &[
                    "embedder.embedder.convolution.weight",
                    "embedder.embedder.normalization.running_mean",
                    "encoder.stages.0.layers.1.layer.2.convolution.weight",
                    "encoder.stages.3.layers.0.layer.0.normalization.bias",
                    "encoder.stages.1.layers.0.shortcut.convolution.weight",
                    "encoder.stages.1.layers.0.shortcut.normalization.bias",
                    "encoder.stages.x.layers.0.layer.0.convolution.weight",
                ],
                &[
                    "conv1.weight",
                    "bn1.running_mean",
                    "layer1.1.conv3.weight",
                    "layer4.0.bn1.bias",
                    "layer2.0.downsample.0.weight",
                    "layer2.0.downsample.1.bias",
                    "encoder.stages.x.layers.0.layer.0.convolution.weight",
                ],
            ),
            (
                KeyMap::Sequential,
                &["0.weight", "1.bias", "4.0.conv1.weight", "7.0.conv1.weight", "9.weight"],
                &[
                    "conv1.weight",
                    "bn1.bias",
                    "layer1.0.conv1.weight",
                    "layer2.0.conv1.weight",
                    "9.weight",
                ],
            ),
            (KeyMap::Torchvision, &["conv1.weight", "fc.bias"], &["conv1.weight", "fc.bias"]),
        ] {
            let renamer = KeyRenamer::detect(keys.iter().copied());
            let renamed: Vec<_> = keys.iter().map(|key| renamer.rename(key)).collect();
            assert_eq!(renamer.key_map, key_map);
            assert_eq!(renamed, expected);
        }
    }

    #[test]
    fn flattens_the_convolutions_of_timms_vgg() {
        let renamer = KeyRenamer::detect(["pre_logits.fc1.weight"].into_iter());
        let mut tensor = Tensor { dtype: DType::F32, shape: vec![8, 2, 7, 7], bytes: vec![] };
        renamer.reshape("features.0.weight", &mut tensor);
        assert_eq!(tensor.shape, [8, 2, 7, 7]);
        renamer.reshape("classifier.0.weight", &mut tensor);
        assert_eq!(tensor.shape, [8, 98]);
    }
}
