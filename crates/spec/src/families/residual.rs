//! Residual networks, and the plain networks of He et al. 2015 without shortcuts.

use super::{Arch, Series, parse_number};
use crate::{Shortcut, Stem};

/// Series of residual networks. Each series has one parsing function.
pub(super) const SERIES: &[Series] = &[
    Series {
        names: &[
            "resnet18",
            "resnet34",
            "resnet50",
            "resnet101",
            "resnet152",
            "resnet20",
            "resnet32",
            "resnet44",
            "resnet56",
            "resnet110",
            "resnet1202",
        ],
        parse: |name| parse_resnet(name).map(Arch::Residual),
    },
    Series {
        names: &["plain18", "plain34", "plain20", "plain32", "plain44", "plain56", "plain110"],
        parse: |name| parse_plain(name).map(Arch::Residual),
    },
    Series {
        names: &[
            "preresnet18",
            "preresnet34",
            "preresnet50",
            "preresnet101",
            "preresnet152",
            "preresnet200",
            "preresnet20",
            "preresnet56",
            "preresnet110",
            "preresnet164",
            "preresnet1001",
        ],
        parse: |name| parse_preresnet(name).map(Arch::Residual),
    },
    Series {
        names: &["resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"],
        parse: |name| parse_resnext(name).map(Arch::Residual),
    },
    Series {
        names: &["wide_resnet50_2", "wide_resnet101_2"],
        parse: |name| parse_wide_resnet(name).map(Arch::Residual),
    },
    Series {
        names: &["wrn16_8", "wrn28_10", "wrn40_4"],
        parse: |name| parse_wrn(name).map(Arch::Residual),
    },
];

/// Maximum depth of a CIFAR network, as in He et al. 2015.
const MAX_CIFAR_DEPTH: u32 = 1202;

/// Hyperparameters of a residual or plain network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidualArch {
    /// Class name of the network in the module tree, as in PyTorch.
    pub class: &'static str,
    /// Whether blocks are bottlenecks (1x1, 3x3 and 1x1 convolution), not basic blocks (3x3, 3x3).
    pub bottleneck: bool,
    /// Whether normalization and ReLU precede each convolution (He et al. 2016), instead of
    /// following it.
    pub preactivation: bool,
    /// Number of blocks in each stage.
    pub blocks: Vec<u32>,
    /// Output channels of the stem.
    pub stem_channels: u32,
    /// Channels of the first stage, before the expansion of bottlenecks. Each stage has twice the
    /// channels of the previous one.
    pub channels: u32,
    /// Groups of the 3x3 convolution of a bottleneck (Xie et al. 2017); 1 except for ResNeXt.
    pub groups: u32,
    /// Channels per group of the 3x3 convolution of a bottleneck for 64 `channels`, as
    /// torchvision's `width_per_group`; 64 except for ResNeXt and Wide ResNet.
    pub width_per_group: u32,
    /// Whether the network is designed for 32x32 images: three stages, no pooling before them.
    pub is_cifar: bool,
    /// Default shortcut and the reason.
    pub(super) default_shortcut: (Shortcut, &'static str),
}

impl ResidualArch {
    /// Returns the default stem and the reason.
    pub(super) fn default_stem(&self, small_images: bool) -> (Stem, &'static str) {
        if self.is_cifar {
            (Stem::Cifar, "default of CIFAR networks")
        } else {
            default_stem(small_images)
        }
    }

    /// Returns the ImageNet ResNet of a depth (table 1 of He et al. 2015; depth 200: He et al.
    /// 2016).
    fn imagenet(depth: u32) -> Option<ResidualArch> {
        let (blocks, bottleneck) = match depth {
            18 => ([2, 2, 2, 2], false),
            34 => ([3, 4, 6, 3], false),
            50 => ([3, 4, 6, 3], true),
            101 => ([3, 4, 23, 3], true),
            152 => ([3, 8, 36, 3], true),
            200 => ([3, 24, 36, 3], true),
            _ => return None,
        };
        Some(ResidualArch {
            class: "ResNet",
            bottleneck,
            preactivation: false,
            blocks: blocks.to_vec(),
            stem_channels: 64,
            channels: 64,
            groups: 1,
            width_per_group: 64,
            is_cifar: false,
            default_shortcut: DEFAULT_SHORTCUT,
        })
    }

    /// Returns the CIFAR ResNet of a depth: 6n+2 (section 4.2 of He et al. 2015), or 9n+2 with
    /// bottlenecks (He et al. 2016).
    fn cifar(depth: u32) -> Option<ResidualArch> {
        let (blocks, bottleneck, default_shortcut) = match depth {
            164 | 1001 => ((depth - 2) / 9, true, DEFAULT_SHORTCUT),
            8..=MAX_CIFAR_DEPTH if depth % 6 == 2 => {
                let reason = "He et al. 2015 use option A on CIFAR-10 (section 4.2)";
                ((depth - 2) / 6, false, (Shortcut::A, reason))
            }
            _ => return None,
        };
        Some(ResidualArch {
            class: "ResNet",
            bottleneck,
            preactivation: false,
            blocks: vec![blocks; 3],
            stem_channels: 16,
            channels: 16,
            groups: 1,
            width_per_group: 64,
            is_cifar: true,
            default_shortcut,
        })
    }

    /// Returns the ResNet of a depth: the ImageNet ResNet if it exists, else the CIFAR ResNet.
    fn with_depth(depth: u32) -> Option<ResidualArch> {
        ResidualArch::imagenet(depth).or_else(|| ResidualArch::cifar(depth))
    }

    /// Returns the ImageNet ResNet of 50, 101 or 152 layers.
    fn torchvision_bottleneck(depth: u32) -> Option<ResidualArch> {
        ResidualArch::imagenet(depth).filter(|arch| arch.bottleneck && depth < 200)
    }
}

/// Default shortcut of most networks, and the reason.
pub(crate) const DEFAULT_SHORTCUT: (Shortcut, &str) =
    (Shortcut::B, "default of torchvision, and of He et al. 2015 on ImageNet");

/// Returns the default stem of a network that is not designed for CIFAR, and the reason.
pub(crate) fn default_stem(small_images: bool) -> (Stem, &'static str) {
    if small_images {
        (Stem::Cifar, "keeps the resolution of small images")
    } else {
        (Stem::Imagenet, "reduces large images to a quarter of their size")
    }
}

/// Parses `resnet18` for ImageNet, or `resnet{6n+2}` for CIFAR (He et al. 2015).
fn parse_resnet(name: &str) -> Option<ResidualArch> {
    ResidualArch::with_depth(parse_number(name.strip_prefix("resnet")?)?)
}

/// Parses `plain34` or `plain20`: a ResNet of basic blocks without shortcuts (He et al. 2015).
fn parse_plain(name: &str) -> Option<ResidualArch> {
    let arch = ResidualArch::with_depth(parse_number(name.strip_prefix("plain")?)?)?;
    let default_shortcut = (Shortcut::None, "plain networks have no shortcuts");
    (!arch.bottleneck).then_some(ResidualArch { class: "PlainNet", default_shortcut, ..arch })
}

/// Parses `preresnet18` or `preresnet110`: a pre-activation ResNet (He et al. 2016).
fn parse_preresnet(name: &str) -> Option<ResidualArch> {
    let arch = ResidualArch::with_depth(parse_number(name.strip_prefix("preresnet")?)?)?;
    Some(ResidualArch { class: "PreActResNet", preactivation: true, ..arch })
}

/// Parses `resnext50_32x4d`: 32 groups of 4 channels in the first stage (Xie et al. 2017).
fn parse_resnext(name: &str) -> Option<ResidualArch> {
    let (depth, groups) = name.strip_prefix("resnext")?.split_once('_')?;
    let (groups, width) = groups.strip_suffix('d')?.split_once('x')?;
    let (groups, width_per_group) = (parse_number(groups)?, parse_number(width)?);
    let in_range = (1..=64).contains(&groups) && (1..=64).contains(&width_per_group);
    let arch = ResidualArch::torchvision_bottleneck(parse_number(depth)?)?;
    in_range.then_some(ResidualArch { groups, width_per_group, ..arch })
}

/// Parses torchvision's `wide_resnet50_2`: bottlenecks with twice the inner channels.
fn parse_wide_resnet(name: &str) -> Option<ResidualArch> {
    let (depth, factor) = name.strip_prefix("wide_resnet")?.split_once('_')?;
    let factor = parse_number(factor).filter(|factor| (1..=8).contains(factor))?;
    let arch = ResidualArch::torchvision_bottleneck(parse_number(depth)?)?;
    Some(ResidualArch { width_per_group: 64 * factor, ..arch })
}

/// Parses `wrn28_10`: depth 6n+4 and ten times the channels (Zagoruyko and Komodakis 2016).
fn parse_wrn(name: &str) -> Option<ResidualArch> {
    let (depth, factor) = name.strip_prefix("wrn")?.split_once('_')?;
    let (depth, factor) = (parse_number(depth)?, parse_number(factor)?);
    let in_range = (10..=1000).contains(&depth) && depth % 6 == 4 && (1..=20).contains(&factor);
    in_range.then(|| ResidualArch {
        class: "WideResNet",
        bottleneck: false,
        preactivation: true,
        blocks: vec![(depth - 4) / 6; 3],
        stem_channels: 16,
        channels: 16 * factor,
        groups: 1,
        width_per_group: 64,
        is_cifar: true,
        default_shortcut: (Shortcut::B, "default of Zagoruyko and Komodakis 2016"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> ResidualArch {
        match Arch::parse(name) {
            Some(Arch::Residual(arch)) => arch,
            other => panic!("{name} is parsed as {other:?}"),
        }
    }

    #[test]
    fn depths_of_imagenet_networks_are_not_cifar_networks() {
        let cifar: Vec<u32> = [8, 18, 20, 34, 50, 56, 101, 110, 152, 164, 200, 1001, 1202]
            .into_iter()
            .filter(|depth| parse(&format!("resnet{depth}")).is_cifar)
            .collect();
        assert_eq!(cifar, [8, 20, 56, 110, 164, 1001, 1202]);
    }

    #[test]
    fn names_determine_the_hyperparameters() {
        let resnet = parse("resnet101");
        assert_eq!((resnet.class, &resnet.blocks[..]), ("ResNet", &[3, 4, 23, 3][..]));
        assert_eq!(parse("resnet18").blocks, [2, 2, 2, 2]);
        let plain = parse("plain56");
        assert_eq!((plain.class, &plain.blocks[..]), ("PlainNet", &[9, 9, 9][..]));
        let preact = parse("preresnet1001");
        assert_eq!((preact.bottleneck, preact.preactivation), (true, true));
        assert_eq!(preact.blocks, [111, 111, 111]);
        let resnext = ResidualArch { groups: 32, width_per_group: 8, ..resnet };
        assert_eq!(parse("resnext101_32x8d"), resnext);
        let wide = ResidualArch { width_per_group: 128, ..parse("resnet50") };
        assert_eq!(parse("wide_resnet50_2"), wide);
        let wrn = parse("wrn28_10");
        assert_eq!((wrn.class, wrn.channels, &wrn.blocks[..]), ("WideResNet", 160, &[4; 3][..]));
    }
}
