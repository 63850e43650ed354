//! Network families. Each family parses its architecture names into hyperparameters, and has its
//! default stem and shortcut, in a file of its own. `crates/arch` builds networks from the
//! hyperparameters.

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

impl Arch {
    /// Returns the names of the published architectures. [`Arch::parse`] accepts further ones, such
    /// as `resnet{6n+2}`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        residual::NAMES.iter().chain(vgg::NAMES).copied()
    }

    /// Parses an architecture name; returns `None` if no such architecture exists.
    pub fn parse(name: &str) -> Option<Arch> {
        ResidualArch::parse(name)
            .map(Arch::Residual)
            .or_else(|| VggArch::parse(name).map(Arch::Vgg))
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

    /// Returns the default stem for images that are `small` or not, and the reason.
    pub(crate) fn default_stem(&self, small: bool) -> (Stem, &'static str) {
        match self {
            Arch::Residual(arch) => arch.default_stem(small),
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

/// Parses a number in its canonical form: no sign, no leading zeros.
fn parse_number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_every_listed_name() {
        for name in Arch::names() {
            assert!(Arch::parse(name).is_some(), "{name}");
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
