//! Builds networks by name.

use residual_spec::{Arch, Error, ErrorCode, Model, Result, Shortcut, did_you_mean};

use crate::families::{self, Shape};
use crate::network::Network;

/// Returns the names of the published architectures. [`build`] supports further names, see
/// `docs/networks.md`.
pub fn names() -> impl Iterator<Item = &'static str> {
    Arch::names()
}

/// Builds the network for images of `channels` x `image_size` x `image_size` and `classes` classes.
///
/// # Errors
/// `E_CONFIG` for an unknown name, or for options that the network does not support.
pub fn build(model: &Model, channels: u32, image_size: u32, classes: u32) -> Result<Network> {
    let arch = Arch::parse(&model.arch).ok_or_else(|| unknown_network(&model.arch))?;
    if !arch.has_shortcuts() && model.shortcut != Shortcut::None {
        let message = format!("{} does not support shortcuts", model.arch);
        return Err(Error::new(ErrorCode::Config, message)
            .key("model.shortcut")
            .hint("Omit `model.shortcut`, or choose a residual network, such as resnet18."));
    }
    if model.zero_init_residual && model.shortcut == Shortcut::None {
        let message = "`model.zeroInitResidual` needs shortcuts: blocks would output zeros";
        return Err(Error::new(ErrorCode::Config, message)
            .key("model.zeroInitResidual")
            .hint("Omit `model.zeroInitResidual`, or set `model.shortcut` to A, B or C."));
    }
    families::build(&arch, model, Shape { channels, image_size, classes })
}

fn unknown_network(name: &str) -> Error {
    // A known name that starts with `name` comes first: resnext50_32x4d for resnext50.
    let completed = names().find(|known| name.len() > 3 && known.starts_with(name));
    let hint = match completed {
        Some(known) => format!("Did you mean '{known}'?"),
        None => did_you_mean(name, names()).unwrap_or_else(|| {
            "Known networks: resnet18, resnet50, resnet20, preresnet20, plain20, resnext50_32x4d, \
             wide_resnet50_2, wrn28_10, vgg16 and others: see docs/networks.md."
                .into()
        }),
    };
    Error::new(ErrorCode::Config, format!("unknown network '{name}'")).key("model").hint(hint)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use residual_spec::{InspectConfig, ModelConfig, NameOr, Stem, resolve_inspect};

    /// Builds a network with the default options of `inspect`.
    pub(crate) fn build_by_name(name: &str) -> Network {
        build_from_config(ModelConfig {
            arch: Some(residual_spec::Auto::Value(name.into())),
            ..ModelConfig::default()
        })
        .unwrap()
    }

    /// Builds the network of a configuration, as `inspect` does.
    pub(crate) fn build_from_config(model: ModelConfig) -> Result<Network> {
        let config =
            InspectConfig { model: Some(NameOr::Config(model)), ..InspectConfig::default() };
        let target = resolve_inspect(&config)?;
        build(&target.model, target.channels, target.image_size, target.classes)
    }

    #[test]
    fn builds_every_listed_name_with_its_default_shape() {
        for name in names() {
            let network = build_by_name(name);
            assert_eq!(network.name, name);
            let cifar = Arch::parse(name).unwrap().is_cifar();
            assert_eq!(network.classes(), if cifar { 10 } else { 1000 }, "{name}");
            assert_eq!(network.image_size, if cifar { 32 } else { 224 }, "{name}");
        }
    }

    #[test]
    fn parameter_counts_match_torchvision() {
        for (name, parameters) in [
            ("resnet18", 11_689_512),
            ("resnet34", 21_797_672),
            ("resnet50", 25_557_032),
            ("resnet101", 44_549_160),
            ("resnet152", 60_192_808),
            ("resnext50_32x4d", 25_028_904),
            ("resnext101_32x8d", 88_791_336),
            ("resnext101_64x4d", 83_455_272),
            ("wide_resnet50_2", 68_883_240),
            ("wide_resnet101_2", 126_886_696),
            ("vgg11", 132_863_336),
            ("vgg11_bn", 132_868_840),
            ("vgg13", 133_047_848),
            ("vgg13_bn", 133_053_736),
            ("vgg16", 138_357_544),
            ("vgg16_bn", 138_365_992),
            ("vgg19", 143_667_240),
            ("vgg19_bn", 143_678_248),
        ] {
            assert_eq!(build_by_name(name).parameters(), parameters, "{name}");
        }
    }

    #[test]
    fn rejects_an_unknown_network_with_the_nearest_name() {
        for (name, hint) in [
            ("resnet19", "Did you mean 'resnet"),
            ("resnext50", "Did you mean 'resnext50_32x4d'"),
            ("wrn-28-10", "Did you mean 'wrn28_10'"),
            ("vgg16bn", "Did you mean 'vgg16_bn'"),
            ("transformer", "Known networks: resnet18"),
        ] {
            let error = build_from_config(ModelConfig {
                arch: Some(residual_spec::Auto::Value(name.into())),
                ..ModelConfig::default()
            })
            .unwrap_err();
            let found = error.hint.unwrap();
            assert!(found.starts_with(hint), "{name}: {found}");
        }
    }

    #[test]
    fn rejects_unsupported_options_by_key() {
        use residual_spec::Auto;
        let error_key = |model: ModelConfig| build_from_config(model).unwrap_err().at.key.unwrap();
        let arch = |name: &str| Some(Auto::Value(name.to_string()));
        let none = ModelConfig::default();
        assert_eq!(
            error_key(ModelConfig {
                arch: arch("plain20"),
                shortcut: Some(Auto::Value(Shortcut::A)),
                ..none.clone()
            }),
            "model.shortcut"
        );
        assert_eq!(
            error_key(ModelConfig {
                arch: arch("plain20"),
                zero_init_residual: Some(true),
                ..none.clone()
            }),
            "model.zeroInitResidual"
        );
        assert_eq!(
            error_key(ModelConfig {
                arch: arch("vgg16"),
                stem: Some(Auto::Value(Stem::Cifar)),
                ..none
            }),
            "model.stem"
        );
    }

    #[test]
    fn vgg_rejects_images_that_are_too_small() {
        let config = |size| InspectConfig {
            model: Some(NameOr::Name("vgg11".into())),
            image_size: Some(size),
            ..InspectConfig::default()
        };
        for (size, builds) in [(8, false), (31, false), (32, true), (33, true)] {
            let target = resolve_inspect(&config(size)).unwrap();
            assert_eq!(build(&target.model, 3, size, 10).is_ok(), builds, "{size}");
        }
    }
}
