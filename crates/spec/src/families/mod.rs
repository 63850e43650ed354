//! Network families. The file of a family parses architecture names into hyperparameters and
//! defines the default stem and shortcut. `crates/arch` builds networks from the hyperparameters.

mod residual;
mod vgg;

pub use residual::ResidualArch;
pub(crate) use residual::{DEFAULT_SHORTCUT, default_stem};
pub use vgg::VggArch;

use crate::{Shortcut, Stem};

/// Hyperparameters of an architecture, by family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arch {
    Residual(ResidualArch),
    Vgg(VggArch),
}

/// Series of architecture names with a common prefix, such as `resnet18` and `resnet34`.
struct Series {
    /// Names of the published architectures.
    names: &'static [&'static str],
    /// Parses a name of the series, published or not. Returns `None` for other names.
    parse: fn(&str) -> Option<Arch>,
}

/// Returns the series of all families.
fn all_series() -> impl Iterator<Item = &'static Series> {
    residual::SERIES.iter().chain(vgg::SERIES)
}

impl Arch {
    /// Returns the names of the published architectures. [`Arch::parse`] accepts further names,
    /// such as `resnet26` (`resnet{6n+2}`).
    pub fn names() -> impl Iterator<Item = &'static str> {
        all_series().flat_map(|series| series.names).copied()
    }

    /// Parses an architecture name; returns `None` if no such architecture exists.
    pub fn parse(name: &str) -> Option<Arch> {
        all_series().find_map(|series| (series.parse)(name))
    }

    /// Returns whether the network is designed for 32x32 images: three stages, no pooling before
    /// them.
    pub fn is_cifar(&self) -> bool {
        match self {
            Arch::Residual(arch) => arch.is_cifar,
            Arch::Vgg(_) => false,
        }
    }

    /// Returns whether the blocks have shortcuts.
    pub fn has_shortcuts(&self) -> bool {
        self.default_shortcut().0 != Shortcut::None
    }

    /// Returns the default stem for small or large images, and the reason.
    pub(crate) fn default_stem(&self, small_images: bool) -> (Stem, &'static str) {
        match self {
            Arch::Residual(arch) => arch.default_stem(small_images),
            Arch::Vgg(_) => vgg::DEFAULT_STEM,
        }
    }

    /// Returns the default shortcut and the reason.
    pub(crate) fn default_shortcut(&self) -> (Shortcut, &'static str) {
        match self {
            Arch::Residual(arch) => arch.default_shortcut,
            Arch::Vgg(_) => vgg::DEFAULT_SHORTCUT,
        }
    }
}

/// Parses a number without sign and leading zeros.
fn parse_number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_parses_its_published_names() {
        for series in all_series() {
            assert!(!series.names.is_empty());
            for name in series.names {
                assert!((series.parse)(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn rejects_malformed_names() {
        for name in [
            "",
            "resnet",
            "resnet19",
            "resnet020",
            "resnet+20",
            "resnet-20",
            "resnet1208",
            "plain50",
            "plain164",
            "resnext50",
            "resnext50_32x4",
            "resnext50_0x4d",
            "wrn28",
            "wrn28_0",
            "wrn27_10",
            "wide_resnet18_2",
            "vgg12",
            "vgg16_",
            "vgg_bn",
            "ResNet18",
            "resnet99999999999999999999",
        ] {
            assert_eq!(Arch::parse(name), None, "{name}");
        }
    }
}
