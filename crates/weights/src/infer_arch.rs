//! Which network weights belong to, told by the names and shapes of their tensors.

use std::collections::{BTreeMap, BTreeSet};

use residual_arch::Network;
use residual_spec::{
    Auto, Error, ErrorCode, InspectConfig, InspectTarget, ModelConfig, NameOr, Result, Shortcut,
    Stem, resolve_inspect,
};

use crate::Tensor;
use crate::load_state_dict::{IncompatibleKeys, mismatch};

/// The network that has exactly these tensors, and how it is asked for. What `asked` says is kept;
/// the rest is found.
///
/// A residual network with option A and a plain one have the same tensors: the residual one is
/// meant, unless `asked` names the other.
///
/// # Errors
/// `E_MISMATCH`, with what differs from the network that comes nearest.
pub fn infer_arch(
    tensors: &BTreeMap<String, Tensor>,
    asked: &ModelConfig,
) -> Result<(InspectTarget, Network)> {
    match Ends::of(tensors)? {
        Ends { classes: None, .. } => Err(unknown("they have no head (`fc.bias`)").hint(
            "To train with a head of your own, give them as `model.weights`: they need none there.",
        )),
        ends => search(tensors, asked, &ends),
    }
}

/// The same of weights that a new head is put on: they may have none. The number of classes is
/// then any.
///
/// # Errors
/// As [`infer`].
pub fn infer_backbone_arch(
    tensors: &BTreeMap<String, Tensor>,
    asked: &ModelConfig,
) -> Result<(InspectTarget, Network)> {
    search(tensors, asked, &Ends::of(tensors)?)
}

fn search(
    tensors: &BTreeMap<String, Tensor>,
    asked: &ModelConfig,
    ends: &Ends,
) -> Result<(InspectTarget, Network)> {
    if let Some(name) = tensors.iter().find_map(|(name, tensor)| {
        let pooled = name.ends_with(".downsample.1.weight") && tensor.shape.len() == 4;
        (pooled || name == "conv1.0.weight").then_some(name)
    }) {
        let message = format!("the weights are a ResNet-D's (`{name}`), which is not built here");
        return Err(Error::new(ErrorCode::Mismatch, message)
            .key("model.weights")
            .hint("Take weights of the plain architecture: timm's `resnet50`, not `resnet50d`."));
    }

    let blocks = block_names(tensors.keys().map(String::as_str));
    let mut nearest: Option<(Network, IncompatibleKeys)> = None;
    for arch in candidates(tensors, asked) {
        for (stem, shortcut) in variants(asked) {
            let model = ModelConfig {
                arch: Some(Auto::Value(arch.clone())),
                stem: Some(stem),
                shortcut: Some(shortcut),
                ..asked.clone()
            };
            let config = InspectConfig {
                model: Some(NameOr::Config(model)),
                channels: Some(ends.channels),
                classes: Some(ends.classes.unwrap_or(ANY_CLASSES)),
                image_size: None,
            };
            let Ok(target) = resolve_inspect(&config) else { continue };
            let Ok(network) = build(&target) else { continue };
            let mut differences = IncompatibleKeys::of(&network, tensors);
            if ends.classes.is_none() {
                differences.forgive_missing(&network.head.name);
            }
            if differences.is_none() {
                return Ok((target, network));
            }
            let others = network.blocks().map(|block| block.name.as_str()).collect::<BTreeSet<_>>();
            let count = |(_, differences): &(Network, IncompatibleKeys)| differences.count();
            let other_blocks = others != blocks;
            if nearest.as_ref().is_none_or(|best| differences.count() < count(best)) {
                nearest = Some((network, differences));
            }
            // No stem and no shortcut gives a network other blocks.
            if other_blocks {
                break;
            }
        }
    }
    Err(match nearest {
        Some((network, differences)) => mismatch(&network, &differences).hint(
            "This is what differs from the nearest network. Check which one the weights are.",
        ),
        None => unknown("no network of this kind is known"),
    })
}

fn build(target: &InspectTarget) -> Result<Network> {
    residual_arch::build(&target.model, target.channels, target.image_size, target.classes)
}

/// Stems and shortcuts to try: what was asked for; else what is usual for the network, and then
/// every other.
fn variants(asked: &ModelConfig) -> Vec<(Auto<Stem>, Auto<Shortcut>)> {
    fn options<T: Clone>(asked: &Option<Auto<T>>, all: &[T]) -> Vec<Auto<T>> {
        match asked.as_ref().and_then(Auto::value) {
            Some(given) => vec![Auto::Value(given.clone())],
            None => [Auto::Auto].into_iter().chain(all.iter().cloned().map(Auto::Value)).collect(),
        }
    }
    let stems = options(&asked.stem, &[Stem::Cifar, Stem::Imagenet]);
    let shortcuts = options(&asked.shortcut, &[Shortcut::B, Shortcut::A, Shortcut::C]);
    let pairs =
        |stem: Auto<Stem>| shortcuts.iter().map(move |shortcut| (stem.clone(), shortcut.clone()));
    stems.into_iter().flat_map(pairs).collect()
}

/// `layer1.0` of `layer1.0.conv1.weight`, each once.
fn block_names<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let block = |name: &'a str| {
        let stage = name.strip_prefix("layer")?.find('.')? + "layer".len();
        Some(&name[..stage + 1 + name[stage + 1..].find('.')?])
    };
    names.filter_map(block).collect()
}

/// Networks that might be meant, likely ones first.
fn candidates(tensors: &BTreeMap<String, Tensor>, asked: &ModelConfig) -> Vec<String> {
    if let Some(arch) = asked.arch.as_ref().and_then(Auto::value) {
        return vec![arch.clone()];
    }
    let blocks = (0..).take_while(|block| {
        let first = format!("layer1.{block}.");
        tensors.range(first.clone()..).next().is_some_and(|(name, _)| name.starts_with(&first))
    });
    let blocks = blocks.count();
    let width = tensors.get("layer1.0.conv1.weight").and_then(|tensor| tensor.shape.first());
    let factor = width.map_or(0, |width| width / 16);
    let others = [
        format!("resnet{}", 6 * blocks + 2),
        format!("preresnet{}", 6 * blocks + 2),
        format!("wrn{}_{factor}", 6 * blocks + 4),
    ];
    let mut names: Vec<String> = residual_arch::names().map(String::from).collect();
    names.extend(others.into_iter().filter(|_| blocks > 0));
    // Every layer but a head that is missing has two tensors at least: far deeper networks need not
    // be built to be compared.
    names.retain(|name| depth(name) <= tensors.len() / 2 + 1);
    names
}

/// The number in a name: 50 of `resnext50_32x4d`.
fn depth(name: &str) -> usize {
    let digits = name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let digits = digits.split(|letter: char| !letter.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// What a network without a head is built for, to be compared: nothing depends on it.
const ANY_CLASSES: u32 = 1000;

/// Channels of the images and number of classes: from the first layer and the head.
struct Ends {
    channels: u32,
    /// None without a head.
    classes: Option<u32>,
}

impl Ends {
    fn of(tensors: &BTreeMap<String, Tensor>) -> Result<Ends> {
        let firsts = ["conv1.weight", "features.0.weight"];
        let first = firsts.iter().find_map(|name| tensors.get(*name));
        let channels = first.filter(|tensor| tensor.shape.len() == 4).map(|tensor| tensor.shape[1]);
        let heads = ["fc.bias", "classifier.6.bias", "classifier.bias"];
        let head = heads.iter().find_map(|name| tensors.get(*name));
        let number = |found: Option<usize>, most: usize| {
            found.filter(|n| (1..=most).contains(n)).map(|n| n as u32)
        };
        let channels = number(channels, 1024)
            .ok_or_else(|| unknown("they have no first convolution (`conv1.weight`)"))?;
        let count = |bias: &Tensor| {
            number(bias.shape.first().copied(), 1_000_000)
                .ok_or_else(|| unknown("their head has an impossible number of classes"))
        };
        Ok(Ends { channels, classes: head.map(count).transpose()? })
    }
}

fn unknown(why: &str) -> Error {
    Error::new(
        ErrorCode::Mismatch,
        format!("the weights are of a network that is not known: {why}"),
    )
    .key("model.weights")
    .hint(
        "Names that are understood: torchvision's, timm's, kuangliu's, akamaster's, the \
             notebook's (docs/weights.md).",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    fn asked(arch: &str, stem: Stem, shortcut: Shortcut) -> InspectConfig {
        let model = ModelConfig {
            arch: Some(Auto::Value(arch.into())),
            stem: Some(Auto::Value(stem)),
            shortcut: Some(Auto::Value(shortcut)),
            ..ModelConfig::default()
        };
        InspectConfig { model: Some(NameOr::Config(model)), ..InspectConfig::default() }
    }

    /// A network's tensors without their numbers.
    fn tensors(network: &Network) -> BTreeMap<String, Tensor> {
        let tensor = |shape: Vec<u64>| {
            let shape = shape.into_iter().map(|n| n as usize).collect();
            Tensor { dtype: DType::F32, shape, bytes: Vec::new() }
        };
        network.tensors().into_iter().map(|spec| (spec.name, tensor(spec.shape))).collect()
    }

    fn is_known(config: &InspectConfig) {
        let Ok(target) = resolve_inspect(config) else { return };
        let Ok(network) = build(&target) else { return };
        let (found, _) = infer_arch(&tensors(&network), &ModelConfig::default())
            .unwrap_or_else(|error| panic!("{:?}: {error}", target.model));
        let of = |target: &InspectTarget| build(target).unwrap().tensors();
        assert_eq!(of(&found), of(&target), "taken for {:?}", found.model);
    }

    #[test]
    fn every_network_is_known_by_its_tensors() {
        for arch in residual_arch::names().chain(["resnet8", "resnet62", "preresnet8", "wrn10_2"]) {
            let model = Some(NameOr::Name(arch.into()));
            is_known(&InspectConfig { model, ..InspectConfig::default() });
        }
        for arch in ["resnet18", "resnet50", "resnet20", "preresnet18"] {
            for stem in [Stem::Cifar, Stem::Imagenet] {
                for shortcut in [Shortcut::A, Shortcut::B, Shortcut::C] {
                    is_known(&asked(arch, stem, shortcut));
                }
            }
        }
    }

    #[test]
    fn weights_without_a_head_are_known_where_a_new_one_is_put_on() {
        for arch in residual_arch::names().chain(["resnet8", "wrn10_2"]) {
            let model = Some(NameOr::Name(arch.into()));
            let config = InspectConfig { model, ..InspectConfig::default() };
            let target = resolve_inspect(&config).unwrap();
            let network = build(&target).unwrap();
            let head = format!("{}.", network.head.name);
            let mut backbone = tensors(&network);
            backbone.retain(|name, _| !name.starts_with(&head));

            let (found, _) = infer_backbone_arch(&backbone, &ModelConfig::default())
                .unwrap_or_else(|error| panic!("{arch}: {error}"));
            let of = |target: &InspectTarget| {
                let tensors = build(target).unwrap().tensors();
                tensors.into_iter().filter(|spec| !spec.name.starts_with(&head)).collect::<Vec<_>>()
            };
            assert_eq!(of(&found), of(&target), "taken for {:?}", found.model);
            let error = infer_arch(&backbone, &ModelConfig::default()).unwrap_err();
            assert!(error.message.contains("no head"), "{error}");
            assert!(error.hint.unwrap().contains("model.weights"));

            let first = backbone.keys().next().unwrap().clone();
            backbone.remove(&first);
            let error = infer_backbone_arch(&backbone, &ModelConfig::default()).unwrap_err();
            assert_eq!(error.code, ErrorCode::Mismatch, "{arch} without {first}");
        }
    }

    #[test]
    fn what_was_asked_for_is_kept_and_differences_are_named() {
        let target = resolve_inspect(&asked("resnet20", Stem::Cifar, Shortcut::A)).unwrap();
        let mut weights = tensors(&build(&target).unwrap());
        let wanted =
            ModelConfig { arch: Some(Auto::Value("resnet32".into())), ..ModelConfig::default() };
        let error = infer_arch(&weights, &wanted).unwrap_err();
        assert_eq!(error.code, ErrorCode::Mismatch);
        assert!(error.message.contains("missing: layer1.3.conv1.weight"), "{error}");

        weights.remove("layer2.1.bn1.bias");
        weights.insert("layer9.bias".into(), weights["fc.bias"].clone());
        let error = infer_arch(&weights, &ModelConfig::default()).unwrap_err();
        assert!(error.message.contains("resnet20: missing: layer2.1.bn1.bias"), "{error}");
        assert!(error.message.contains("unexpected: layer9.bias"), "{error}");
    }
}
