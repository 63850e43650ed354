//! Infers the network architecture from the keys and shapes of a state_dict.

use std::collections::{BTreeMap, BTreeSet};

use residual_arch::Network;
use residual_spec::{
    Auto, Error, ErrorCode, InspectConfig, InspectTarget, ModelConfig, NameOr, Result, Shortcut,
    Stem, resolve_inspect,
};

use crate::Tensor;
use crate::load_state_dict::{IncompatibleKeys, mismatch};
use crate::state_dict::list_names;

/// Returns the network that has exactly these tensors, and its model configuration. Values that
/// `options` does not contain are inferred.
///
/// A residual network with option A shortcuts and a plain network have the same tensors. The
/// residual network is returned, unless `options` contains the name of the plain network.
///
/// # Errors
/// `E_MISMATCH` with the differences from the nearest network.
pub fn infer_arch(
    tensors: &BTreeMap<String, Tensor>,
    options: &ModelConfig,
) -> Result<(InspectTarget, Network)> {
    match InputOutput::from_tensors(tensors)? {
        InputOutput { classes: None, .. } => Err(missing_head("is missing")),
        io => search(tensors, options, &io),
    }
}

/// Infers the network of weights whose head may be missing, for training with a new head. Without a
/// head, the number of classes of the returned network is arbitrary.
///
/// # Errors
/// Errors of [`infer_arch`], except for a missing head.
pub fn infer_backbone_arch(
    tensors: &BTreeMap<String, Tensor>,
    options: &ModelConfig,
) -> Result<(InspectTarget, Network)> {
    search(tensors, options, &InputOutput::from_tensors(tensors)?)
}

fn search(
    tensors: &BTreeMap<String, Tensor>,
    options: &ModelConfig,
    io: &InputOutput,
) -> Result<(InspectTarget, Network)> {
    if let Some(name) = tensors.iter().find_map(|(name, tensor)| {
        let is_conv_after_pool = name.ends_with(".downsample.1.weight") && tensor.shape.len() == 4;
        (is_conv_after_pool || name == "conv1.0.weight").then_some(name)
    }) {
        let message =
            format!("the weights are those of a ResNet-D (`{name}`), which is not supported");
        return Err(Error::new(ErrorCode::Mismatch, message).key("model.weights").hint(
            "Use weights of the standard architecture, such as timm's `resnet50` instead of \
                 `resnet50d`.",
        ));
    }

    let blocks = block_names(tensors.keys().map(String::as_str));
    let mut nearest: Option<(Network, IncompatibleKeys)> = None;
    for arch in candidates(tensors, options) {
        for (stem, shortcut) in variants(options) {
            let model = ModelConfig {
                arch: Some(Auto::Value(arch.clone())),
                stem: Some(stem),
                shortcut: Some(shortcut),
                ..options.clone()
            };
            let config = InspectConfig {
                model: Some(NameOr::Config(model)),
                channels: Some(io.channels),
                classes: Some(io.classes.unwrap_or(ARBITRARY_CLASSES)),
                image_size: None,
            };
            let Ok(target) = resolve_inspect(&config) else { continue };
            let Ok(network) = build(&target) else { continue };
            let mut keys = IncompatibleKeys::compare(&network, tensors);
            if io.classes.is_none() {
                keys.ignore_missing(&network.head.name);
            }
            if keys.is_empty() {
                return Ok((target, network));
            }
            let candidate_blocks =
                network.blocks().map(|block| block.name.as_str()).collect::<BTreeSet<_>>();
            let blocks_differ = candidate_blocks != blocks;
            if nearest.as_ref().is_none_or(|(_, best)| keys.len() < best.len()) {
                nearest = Some((network, keys));
            }
            // Other stems and shortcuts have the same blocks.
            if blocks_differ {
                break;
            }
        }
    }
    Err(match nearest {
        Some((network, keys)) => mismatch(&network, &keys)
            .hint("This is the nearest supported network. Check the architecture of the weights."),
        None => unknown("no supported network has similar keys"),
    })
}

fn build(target: &InspectTarget) -> Result<Network> {
    residual_arch::build(&target.model, target.channels, target.image_size, target.classes)
}

/// Returns the combinations of stem and shortcut to try: the values in `options`, or the defaults of
/// the network followed by all values.
fn variants(options: &ModelConfig) -> Vec<(Auto<Stem>, Auto<Shortcut>)> {
    fn choices<T: Clone>(option: &Option<Auto<T>>, all: &[T]) -> Vec<Auto<T>> {
        match option.as_ref().and_then(Auto::value) {
            Some(value) => vec![Auto::Value(value.clone())],
            None => [Auto::Auto].into_iter().chain(all.iter().cloned().map(Auto::Value)).collect(),
        }
    }
    let stems = choices(&options.stem, &[Stem::Cifar, Stem::Imagenet]);
    let shortcuts = choices(&options.shortcut, &[Shortcut::B, Shortcut::A, Shortcut::C]);
    let pairs =
        |stem: Auto<Stem>| shortcuts.iter().map(move |shortcut| (stem.clone(), shortcut.clone()));
    stems.into_iter().flat_map(pairs).collect()
}

/// Returns the distinct block names in tensor keys, such as `layer1.0` in `layer1.0.conv1.weight`.
fn block_names<'a>(keys: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let block_name = |key: &'a str| {
        let stage_end = key.strip_prefix("layer")?.find('.')? + "layer".len();
        Some(&key[..stage_end + 1 + key[stage_end + 1..].find('.')?])
    };
    keys.filter_map(block_name).collect()
}

/// Returns the architectures to try, most likely first.
fn candidates(tensors: &BTreeMap<String, Tensor>, options: &ModelConfig) -> Vec<String> {
    if let Some(arch) = options.arch.as_ref().and_then(Auto::value) {
        return vec![arch.clone()];
    }
    let blocks = (0..).take_while(|block| {
        let prefix = format!("layer1.{block}.");
        tensors.range(prefix.clone()..).next().is_some_and(|(name, _)| name.starts_with(&prefix))
    });
    let num_blocks = blocks.count();
    let width = tensors.get("layer1.0.conv1.weight").and_then(|tensor| tensor.shape.first());
    let width_factor = width.map_or(0, |width| width / 16);
    let series_names = [
        format!("resnet{}", 6 * num_blocks + 2),
        format!("preresnet{}", 6 * num_blocks + 2),
        format!("wrn{}_{width_factor}", 6 * num_blocks + 4),
    ];
    let mut names: Vec<String> = residual_arch::names().map(String::from).collect();
    names.extend(series_names.into_iter().filter(|_| num_blocks > 0));
    // Every layer except a missing head has at least two tensors, so deeper networks cannot match.
    names.retain(|name| depth(name) <= tensors.len() / 2 + 1);
    names
}

/// Returns the depth in a network name: 50 for `resnext50_32x4d`.
fn depth(name: &str) -> usize {
    let digits = name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let digits = digits.split(|letter: char| !letter.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Number of classes of candidate networks for weights without a head. The value has no effect.
const ARBITRARY_CLASSES: u32 = 1000;

/// Input channels of the first layer and number of classes of the head.
struct InputOutput {
    channels: u32,
    /// `None` without a head.
    classes: Option<u32>,
}

impl InputOutput {
    fn from_tensors(tensors: &BTreeMap<String, Tensor>) -> Result<InputOutput> {
        let firsts = ["conv1.weight", "features.0.weight"];
        let first = firsts.iter().find_map(|name| tensors.get(*name));
        let channels = first.filter(|tensor| tensor.shape.len() == 4).map(|tensor| tensor.shape[1]);
        let heads = ["fc.bias", "classifier.6.bias", "classifier.bias"];
        let head = heads.iter().find_map(|name| tensors.get(*name));
        let checked = |found: Option<usize>, max: usize| {
            found.filter(|n| (1..=max).contains(n)).map(|n| n as u32)
        };
        let channels = checked(channels, 1024).ok_or_else(|| {
            let keys = list_names(tensors.keys().map(String::as_str));
            unknown(&format!("the first convolution (`conv1.weight`) is missing; keys: {keys}"))
        })?;
        let count = |bias: &Tensor| {
            checked(bias.shape.first().copied(), 1_000_000)
                .ok_or_else(|| unknown("the number of classes of the head is out of range"))
        };
        Ok(InputOutput { channels, classes: head.map(count).transpose()? })
    }
}

/// Returns the error for weights without a usable classification head. `problem` is a phrase such as
/// "is missing".
pub(crate) fn missing_head(problem: &str) -> Error {
    unknown(&format!("the classification head (`fc.weight`, `fc.bias`) {problem}"))
        .hint("Weights without a head can only be used for training, as `model.weights`.")
}

fn unknown(why: &str) -> Error {
    Error::new(ErrorCode::Mismatch, format!("cannot infer the architecture of the weights: {why}"))
        .key("model.weights")
        .hint(
            "Supported key names: torchvision, timm, Transformers, kuangliu, akamaster and the \
             notebook, after any prefix (docs/weights.md).",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    fn config(arch: &str, stem: Stem, shortcut: Shortcut) -> InspectConfig {
        let model = ModelConfig {
            arch: Some(Auto::Value(arch.into())),
            stem: Some(Auto::Value(stem)),
            shortcut: Some(Auto::Value(shortcut)),
            ..ModelConfig::default()
        };
        InspectConfig { model: Some(NameOr::Config(model)), ..InspectConfig::default() }
    }

    /// Returns the tensors of a network without data.
    fn tensors(network: &Network) -> BTreeMap<String, Tensor> {
        let tensor = |shape: Vec<u64>| {
            let shape = shape.into_iter().map(|n| n as usize).collect();
            Tensor { dtype: DType::F32, shape, bytes: Vec::new() }
        };
        network.tensors().into_iter().map(|spec| (spec.name, tensor(spec.shape))).collect()
    }

    fn assert_inferred(config: &InspectConfig) {
        let Ok(target) = resolve_inspect(config) else { return };
        let Ok(network) = build(&target) else { return };
        let (found, _) = infer_arch(&tensors(&network), &ModelConfig::default())
            .unwrap_or_else(|error| panic!("{:?}: {error}", target.model));
        let specs = |target: &InspectTarget| build(target).unwrap().tensors();
        assert_eq!(specs(&found), specs(&target), "inferred as {:?}", found.model);
    }

    #[test]
    fn infers_every_network_from_its_tensors() {
        for arch in residual_arch::names().chain(["resnet8", "resnet62", "preresnet8", "wrn10_2"]) {
            let model = Some(NameOr::Name(arch.into()));
            assert_inferred(&InspectConfig { model, ..InspectConfig::default() });
        }
        for arch in ["resnet18", "resnet50", "resnet20", "preresnet18"] {
            for stem in [Stem::Cifar, Stem::Imagenet] {
                for shortcut in [Shortcut::A, Shortcut::B, Shortcut::C] {
                    assert_inferred(&config(arch, stem, shortcut));
                }
            }
        }
    }

    #[test]
    fn infers_the_backbone_of_weights_without_a_head() {
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
            let specs = |target: &InspectTarget| {
                let tensors = build(target).unwrap().tensors();
                tensors.into_iter().filter(|spec| !spec.name.starts_with(&head)).collect::<Vec<_>>()
            };
            assert_eq!(specs(&found), specs(&target), "inferred as {:?}", found.model);
            let error = infer_arch(&backbone, &ModelConfig::default()).unwrap_err();
            assert!(error.message.ends_with("(`fc.weight`, `fc.bias`) is missing"), "{error}");
            assert!(error.hint.unwrap().contains("model.weights"));

            let first = backbone.keys().next().unwrap().clone();
            backbone.remove(&first);
            let error = infer_backbone_arch(&backbone, &ModelConfig::default()).unwrap_err();
            assert_eq!(error.code, ErrorCode::Mismatch, "{arch} without {first}");
        }
    }

    #[test]
    fn uses_the_options_and_names_the_differences() {
        let target = resolve_inspect(&config("resnet20", Stem::Cifar, Shortcut::A)).unwrap();
        let mut weights = tensors(&build(&target).unwrap());
        let options =
            ModelConfig { arch: Some(Auto::Value("resnet32".into())), ..ModelConfig::default() };
        let error = infer_arch(&weights, &options).unwrap_err();
        assert_eq!(error.code, ErrorCode::Mismatch);
        assert!(error.message.contains("missing keys: layer1.3.conv1.weight"), "{error}");

        weights.remove("layer2.1.bn1.bias");
        weights.insert("layer9.bias".into(), weights["fc.bias"].clone());
        let error = infer_arch(&weights, &ModelConfig::default()).unwrap_err();
        assert!(error.message.contains("resnet20: missing keys: layer2.1.bn1.bias"), "{error}");
        assert!(error.message.contains("unexpected keys: layer9.bias"), "{error}");
    }
}
