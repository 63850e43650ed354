//! Which layers `model.freeze` keeps as they are.

use std::collections::BTreeSet;

use residual_spec::{Error, ErrorCode, Result, did_you_mean};

use crate::Network;

/// All but the head.
const BACKBONE: &str = "backbone";

/// The names of the layers that are not trained. A prefix is a whole name or what stands before a
/// dot of one: `layer1` is not `layer10`.
///
/// # Errors
/// `E_CONFIG` for a prefix that no layer has, or if nothing would be left to train.
pub fn frozen(network: &Network, freeze: &[String]) -> Result<BTreeSet<String>> {
    let tensors = network.tensors();
    let layers: BTreeSet<&str> = tensors.iter().map(|tensor| tensor.layer()).collect();
    let mut frozen = BTreeSet::new();
    for (index, prefix) in freeze.iter().enumerate() {
        let begins = |layer: &str| match layer.strip_prefix(prefix.as_str()) {
            Some(rest) => rest.is_empty() || rest.starts_with('.'),
            None => false,
        };
        let backbone = prefix == BACKBONE;
        let found = layers
            .iter()
            .filter(|layer| if backbone { **layer != network.head.name } else { begins(layer) });
        let found: Vec<String> = found.map(ToString::to_string).collect();
        if found.is_empty() {
            return Err(unknown(network, prefix, index));
        }
        frozen.extend(found);
    }
    if layers.iter().all(|layer| frozen.contains(*layer)) {
        return Err(Error::new(
            ErrorCode::Config,
            "every layer is frozen: nothing is left to train",
        )
        .key("model.freeze")
        .hint(format!("Leave `{}` to be trained: freeze 'backbone'.", network.head.name)));
    }
    Ok(frozen)
}

fn unknown(network: &Network, prefix: &str, index: usize) -> Error {
    // The outermost parts in their order: conv1, bn1, layer1, ...
    let mut known: Vec<String> = Vec::new();
    for tensor in network.tensors() {
        let part = tensor.name.split('.').next().unwrap_or_default();
        if known.last().is_none_or(|last| last != part) {
            known.push(part.to_string());
        }
    }
    known.push(BACKBONE.into());
    let list = format!(
        "Layers of {}: {}, and the parts in them, such as {}.",
        network.name,
        known.join(", "),
        network.tensors()[network.tensors().len() / 2].layer(),
    );
    let hint = match did_you_mean(prefix, known.iter().map(String::as_str)) {
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
    use crate::build::tests::by_name;

    fn of(network: &str, freeze: &[&str]) -> Result<BTreeSet<String>> {
        let freeze: Vec<String> = freeze.iter().map(ToString::to_string).collect();
        frozen(&by_name(network), &freeze)
    }

    #[test]
    fn a_prefix_takes_all_that_is_in_it_and_nothing_beside_it() {
        let layers = of("resnet110", &["conv1", "layer1.1"]).unwrap();
        assert!(layers.contains("conv1") && layers.contains("layer1.1.bn2"));
        assert!(!layers.contains("layer1.10.bn2") && !layers.contains("bn1"));
        assert_eq!(layers.len(), 5);
        assert!(of("resnet20", &[]).unwrap().is_empty());
    }

    #[test]
    fn the_backbone_is_all_but_the_head() {
        for (network, head) in [("resnet20", "fc"), ("vgg11_bn", "classifier.6")] {
            let layers = of(network, &["backbone"]).unwrap();
            let all: BTreeSet<String> = by_name(network)
                .tensors()
                .iter()
                .map(|tensor| tensor.layer().to_string())
                .collect();
            assert_eq!(all.difference(&layers).collect::<Vec<_>>(), [head]);
        }
    }

    #[test]
    fn an_unknown_layer_is_refused_with_the_layers_that_there_are() {
        let error = of("resnet20", &["conv1", "layer4"]).unwrap_err();
        assert_eq!(error.at.key.as_deref(), Some("model.freeze[1]"));
        let hint = error.hint.unwrap();
        assert!(hint.contains("Did you mean 'layer"), "{hint}");
        assert!(hint.contains("conv1, bn1, layer1, layer2, layer3, fc, backbone"), "{hint}");
    }

    #[test]
    fn freezing_everything_is_refused() {
        assert_eq!(of("resnet20", &["backbone", "fc"]).unwrap_err().code, ErrorCode::Config);
    }
}
