//! VGG (Simonyan and Zisserman 2015), which He et al. 2015 compare with their plain networks.

use super::{Arch, Series, parse_number};
use crate::{Shortcut, Stem};

pub(super) const SERIES: &[Series] = &[Series {
    names: &["vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"],
    parse: |name| VggArch::parse(name).map(Arch::Vgg),
}];

pub(super) const DEFAULT_STEM: (Stem, &str) = (Stem::Imagenet, "VGG has no other stem");
pub(super) const DEFAULT_SHORTCUT: (Shortcut, &str) = (Shortcut::None, "VGG has no shortcuts");

/// Hyperparameters of a VGG network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VggArch {
    /// Number of 3x3 convolutions in each of the five stages.
    pub convolutions: [u32; 5],
    /// Whether batch normalization follows each convolution.
    pub batch_norm: bool,
}

impl VggArch {
    /// Parses `vgg16`, or `vgg16_bn` for a network with batch normalization.
    fn parse(name: &str) -> Option<VggArch> {
        let name = name.strip_prefix("vgg")?;
        let (depth, batch_norm) = match name.strip_suffix("_bn") {
            Some(depth) => (depth, true),
            None => (name, false),
        };
        // Table 1 of the paper, columns A, B, D and E.
        let convolutions = match parse_number(depth)? {
            11 => [1, 1, 2, 2, 2],
            13 => [2, 2, 2, 2, 2],
            16 => [2, 2, 3, 3, 3],
            19 => [2, 2, 4, 4, 4],
            _ => return None,
        };
        Some(VggArch { convolutions, batch_norm })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_depth_and_batch_normalization() {
        for (name, convolutions, batch_norm) in
            [("vgg19", [2, 2, 4, 4, 4], false), ("vgg16_bn", [2, 2, 3, 3, 3], true)]
        {
            assert_eq!(VggArch::parse(name), Some(VggArch { convolutions, batch_norm }), "{name}");
        }
    }
}
