//! Networks by their names.

use residual_spec::{ArchName, Error, ErrorCode, Model, Result, Shortcut, Stem, did_you_mean};

use crate::families::{residual, vgg};
use crate::network::Network;

/// Every name worth listing. More can be built: see `docs/networks.md`.
pub fn names() -> impl Iterator<Item = &'static str> {
    ArchName::EXAMPLES.iter().copied()
}

/// Builds the network for images of `channels` x `image_size` x `image_size` and `classes` classes.
///
/// # Errors
/// `E_CONFIG` for a name that no network has, or for options that the network cannot have.
pub fn build(model: &Model, channels: u32, image_size: u32, classes: u32) -> Result<Network> {
    let name = ArchName::parse(&model.arch).ok_or_else(|| unknown(&model.arch))?;
    if !name.has_shortcuts() && model.shortcut != Shortcut::None {
        let message = format!("{} has no shortcuts", model.arch);
        return Err(Error::new(ErrorCode::Config, message).key("model.shortcut").hint(
            "Leave `model.shortcut` out, or choose a network that has shortcuts: resnet...",
        ));
    }
    if model.zero_init_residual && model.shortcut == Shortcut::None {
        let message = "without shortcuts, a block that begins at zero lets nothing through";
        return Err(Error::new(ErrorCode::Config, message)
            .key("model.zeroInitResidual")
            .hint("Set it to false, or choose a network that has shortcuts: resnet..."));
    }
    let ArchName::Vgg { depth, norm } = name else {
        return Ok(residual::build(name, model, channels, image_size, classes));
    };
    if model.stem == Stem::Cifar {
        return Err(Error::new(ErrorCode::Config, "VGG has no CIFAR stem")
            .key("model.stem")
            .hint("Leave `model.stem` out."));
    }
    if image_size < vgg::SMALLEST {
        let message =
            format!("VGG halves an image five times; {image_size} x {image_size} is too small");
        return Err(Error::new(ErrorCode::Config, message)
            .key("model")
            .hint(format!("Use images of {0} x {0} or more.", vgg::SMALLEST)));
    }
    Ok(vgg::build(&model.arch, depth, norm, channels, image_size, classes))
}

fn unknown(name: &str) -> Error {
    // What only lacks its end comes first: resnext50 means resnext50_32x4d.
    let begun = names().find(|known| name.len() > 3 && known.starts_with(name));
    let hint = match begun {
        Some(known) => format!("Did you mean '{known}'?"),
        None => did_you_mean(name, names()).unwrap_or_else(|| {
            "Known: resnet18, resnet50, resnet20, and others like preresnet20, plain20, \
             resnext50_32x4d, wide_resnet50_2, wrn28_10, vgg16; docs/networks.md lists them."
                .into()
        }),
    };
    Error::new(ErrorCode::Config, format!("there is no network '{name}'")).key("model").hint(hint)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use residual_spec::{InspectConfig, ModelConfig, NameOr, resolve_inspect};

    /// The network that `inspect` builds by default.
    pub(crate) fn by_name(name: &str) -> Network {
        built(ModelConfig {
            arch: Some(residual_spec::Auto::Value(name.into())),
            ..ModelConfig::default()
        })
        .unwrap()
    }

    pub(crate) fn built(model: ModelConfig) -> Result<Network> {
        let config =
            InspectConfig { model: Some(NameOr::Config(model)), ..InspectConfig::default() };
        let target = resolve_inspect(&config)?;
        build(&target.model, target.channels, target.image_size, target.classes)
    }

    #[test]
    fn every_listed_name_can_be_built_and_ends_in_its_classes() {
        for name in names() {
            let network = by_name(name);
            assert_eq!(network.name, name);
            let cifar = ArchName::parse(name).unwrap().is_cifar();
            assert_eq!(network.classes(), if cifar { 10 } else { 1000 }, "{name}");
            assert_eq!(network.image_size, if cifar { 32 } else { 224 }, "{name}");
        }
    }

    #[test]
    fn parameters_are_exactly_torchvisions() {
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
            assert_eq!(by_name(name).parameters(), parameters, "{name}");
        }
    }

    #[test]
    fn an_unknown_network_is_refused_with_the_nearest_name() {
        for (name, hint) in [
            ("resnet19", "Did you mean 'resnet"),
            ("resnext50", "Did you mean 'resnext50_32x4d'"),
            ("wrn-28-10", "Did you mean 'wrn28_10'"),
            ("vgg16bn", "Did you mean 'vgg16_bn'"),
            ("transformer", "Known: resnet18"),
        ] {
            let error = built(ModelConfig {
                arch: Some(residual_spec::Auto::Value(name.into())),
                ..ModelConfig::default()
            })
            .unwrap_err();
            let found = error.hint.unwrap();
            assert!(found.starts_with(hint), "{name}: {found}");
        }
    }

    #[test]
    fn options_that_a_network_cannot_have_are_refused_by_key() {
        use residual_spec::Auto;
        let refused = |model: ModelConfig| built(model).unwrap_err().at.key.unwrap();
        let arch = |name: &str| Some(Auto::Value(name.to_string()));
        let none = ModelConfig::default();
        assert_eq!(
            refused(ModelConfig {
                arch: arch("plain20"),
                shortcut: Some(Auto::Value(Shortcut::A)),
                ..none.clone()
            }),
            "model.shortcut"
        );
        assert_eq!(
            refused(ModelConfig {
                arch: arch("plain20"),
                zero_init_residual: Some(true),
                ..none.clone()
            }),
            "model.zeroInitResidual"
        );
        assert_eq!(
            refused(ModelConfig {
                arch: arch("vgg16"),
                stem: Some(Auto::Value(Stem::Cifar)),
                ..none
            }),
            "model.stem"
        );
    }

    #[test]
    fn vgg_refuses_images_that_its_pools_would_reduce_to_nothing() {
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
