//! Layers that `model.freeze` excludes from training.

use std::collections::BTreeSet;

use residual_spec::{Error, ErrorCode, Result, did_you_mean};

use crate::Network;

/// Value of `model.freeze` for every layer except the head.
const BACKBONE: &str = "backbone";

/// Returns the names of the layers that are not trained. A prefix matches entire components of a
/// name: `layer1` matches `layer1.0.conv1`, but not `layer10`.
///
/// # Errors
/// `E_CONFIG` for a prefix that matches no layer, or if all layers would be frozen.
pub fn frozen(network: &Network, freeze: &[String]) -> Result<BTreeSet<String>> {
    let tensors = network.tensors();
    let layers: BTreeSet<&str> = tensors.iter().map(|tensor| tensor.layer()).collect();
    let mut frozen = BTreeSet::new();
    for (index, prefix) in freeze.iter().enumerate() {
        let matches = |layer: &str| match layer.strip_prefix(prefix.as_str()) {
            Some(rest) => rest.is_empty() || rest.starts_with('.'),
            None => false,
        };
        let is_backbone = prefix == BACKBONE;
        let found = layers.iter().filter(|layer| {
            if is_backbone { **layer != network.head.name } else { matches(layer) }
        });
        let found: Vec<String> = found.map(ToString::to_string).collect();
        if found.is_empty() {
            return Err(unknown_layer(network, prefix, index));
        }
        frozen.extend(found);
    }
    if layers.iter().all(|layer| frozen.contains(*layer)) {
        return Err(Error::new(ErrorCode::Config, "`model.freeze` freezes every layer")
            .key("model.freeze")
            .hint(format!("Freeze 'backbone' to train only `{}`.", network.head.name)));
    }
    Ok(frozen)
}

fn unknown_layer(network: &Network, prefix: &str, index: usize) -> Error {
    // Top-level modules in order: conv1, bn1, layer1, ...
    let mut modules: Vec<String> = Vec::new();
    for tensor in network.tensors() {
        let module = tensor.name.split('.').next().unwrap_or_default();
        if modules.last().is_none_or(|last| last != module) {
            modules.push(module.to_string());
        }
    }
    modules.push(BACKBONE.into());
    let list = format!(
        "Layers of {}: {}, and layers inside them, such as {}.",
        network.name,
        modules.join(", "),
        network.tensors()[network.tensors().len() / 2].layer(),
    );
    let hint = match did_you_mean(prefix, modules.iter().map(String::as_str)) {
        Some(nearest) => format!("{nearest} {list}"),
        None => list,
    };
    Error::new(ErrorCode::Config, format!("{} has no layer '{prefix}'", network.name))
        .key(format!("model.freeze[{index}]"))
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::tests::build_by_name;

    fn freeze(network: &str, prefixes: &[&str]) -> Result<BTreeSet<String>> {
        let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
        frozen(&build_by_name(network), &prefixes)
    }

    #[test]
    fn prefixes_match_entire_components_of_names() {
        let layers = freeze("resnet110", &["conv1", "layer1.1"]).unwrap();
        assert!(layers.contains("conv1") && layers.contains("layer1.1.bn2"));
        assert!(!layers.contains("layer1.10.bn2") && !layers.contains("bn1"));
        assert_eq!(layers.len(), 5);
        assert!(freeze("resnet20", &[]).unwrap().is_empty());
    }

    #[test]
    fn the_backbone_is_every_layer_except_the_head() {
        for (network, head) in [("resnet20", "fc"), ("vgg11_bn", "classifier.6")] {
            let layers = freeze(network, &["backbone"]).unwrap();
            let all: BTreeSet<String> = build_by_name(network)
                .tensors()
                .iter()
                .map(|tensor| tensor.layer().to_string())
                .collect();
            assert_eq!(all.difference(&layers).collect::<Vec<_>>(), [head]);
        }
    }

    #[test]
    fn rejects_an_unknown_layer_and_lists_the_layers() {
        let error = freeze("resnet20", &["conv1", "layer4"]).unwrap_err();
        assert_eq!(error.at.key.as_deref(), Some("model.freeze[1]"));
        let hint = error.hint.unwrap();
        assert!(hint.contains("Did you mean 'layer"), "{hint}");
        assert!(hint.contains("conv1, bn1, layer1, layer2, layer3, fc, backbone"), "{hint}");
    }

    #[test]
    fn rejects_freezing_every_layer() {
        assert_eq!(freeze("resnet20", &["backbone", "fc"]).unwrap_err().code, ErrorCode::Config);
    }
}
