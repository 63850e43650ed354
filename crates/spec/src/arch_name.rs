//! What a network's name says. Defaults depend on it, and `crates/arch` builds by it.

/// A network's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchName {
    /// He et al. 2015: `resnet18`, or for CIFAR `resnet{6n+2}`.
    ResNet { depth: u32 },
    /// The same without shortcuts: `plain34`, `plain20`.
    Plain { depth: u32 },
    /// Pre-activation, He et al. 2016: `preresnet18`, `preresnet110`.
    PreActResNet { depth: u32 },
    /// Xie et al. 2017: `resnext50_32x4d`, 32 groups of 4 channels in the first stage.
    ResNext { depth: u32, groups: u32, width: u32 },
    /// torchvision's: `wide_resnet50_2`, bottlenecks twice as wide inside.
    WideResNet { depth: u32, factor: u32 },
    /// Zagoruyko and Komodakis 2016: `wrn28_10`, depth 6n+4 and ten times the channels.
    Wrn { depth: u32, factor: u32 },
    /// Simonyan and Zisserman 2015: `vgg16`, or with batch normalisation `vgg16_bn`.
    Vgg { depth: u32, norm: bool },
}

/// The depths of the papers' ImageNet networks (200: He et al. 2016). Every other 6n+2 is a CIFAR
/// network's.
const IMAGENET_DEPTHS: [u32; 6] = [18, 34, 50, 101, 152, 200];
/// CIFAR networks of bottlenecks (He et al. 2016), of depth 9n+2.
const CIFAR_BOTTLENECKS: [u32; 2] = [164, 1001];
/// The deepest network that is built: the paper's.
const MAX_DEPTH: u32 = 1202;

impl ArchName {
    /// The names that papers and libraries give; there are more (`resnet{6n+2}`).
    pub const EXAMPLES: &'static [&'static str] = &[
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
        "plain18",
        "plain34",
        "plain20",
        "plain32",
        "plain44",
        "plain56",
        "plain110",
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
        "resnext50_32x4d",
        "resnext101_32x8d",
        "resnext101_64x4d",
        "wide_resnet50_2",
        "wide_resnet101_2",
        "wrn16_8",
        "wrn28_10",
        "wrn40_4",
        "vgg11",
        "vgg13",
        "vgg16",
        "vgg19",
        "vgg11_bn",
        "vgg13_bn",
        "vgg16_bn",
        "vgg19_bn",
    ];

    /// None for a name that no network has.
    pub fn parse(name: &str) -> Option<ArchName> {
        let parsed = if let Some(rest) = name.strip_prefix("resnext") {
            let (depth, rest) = rest.split_once('_')?;
            let (groups, width) = rest.strip_suffix('d')?.split_once('x')?;
            let (groups, width) = (number(groups)?, number(width)?);
            ArchName::ResNext { depth: number(depth)?, groups, width }
        } else if let Some(rest) = name.strip_prefix("wide_resnet") {
            let (depth, factor) = rest.split_once('_')?;
            ArchName::WideResNet { depth: number(depth)?, factor: number(factor)? }
        } else if let Some(rest) = name.strip_prefix("wrn") {
            let (depth, factor) = rest.split_once('_')?;
            ArchName::Wrn { depth: number(depth)?, factor: number(factor)? }
        } else if let Some(rest) = name.strip_prefix("vgg") {
            let plain = rest.strip_suffix("_bn");
            ArchName::Vgg { depth: number(plain.unwrap_or(rest))?, norm: plain.is_some() }
        } else if let Some(depth) = name.strip_prefix("preresnet") {
            ArchName::PreActResNet { depth: number(depth)? }
        } else if let Some(depth) = name.strip_prefix("plain") {
            ArchName::Plain { depth: number(depth)? }
        } else {
            ArchName::ResNet { depth: number(name.strip_prefix("resnet")?)? }
        };
        parsed.exists().then_some(parsed)
    }

    fn exists(self) -> bool {
        match self {
            ArchName::ResNet { depth } | ArchName::PreActResNet { depth } => {
                IMAGENET_DEPTHS.contains(&depth) || is_cifar_depth(depth)
            }
            // The papers trained no plain bottlenecks.
            ArchName::Plain { depth } => {
                matches!(depth, 18 | 34)
                    || (is_cifar_depth(depth) && !CIFAR_BOTTLENECKS.contains(&depth))
            }
            ArchName::ResNext { depth, groups, width } => {
                matches!(depth, 50 | 101 | 152)
                    && (1..=64).contains(&groups)
                    && (1..=64).contains(&width)
            }
            ArchName::WideResNet { depth, factor } => {
                matches!(depth, 50 | 101 | 152) && (1..=8).contains(&factor)
            }
            ArchName::Wrn { depth, factor } => {
                (10..=1000).contains(&depth) && depth % 6 == 4 && (1..=20).contains(&factor)
            }
            ArchName::Vgg { depth, .. } => matches!(depth, 11 | 13 | 16 | 19),
        }
    }

    /// Whether it was made for 32 x 32 images: three stages from 16 channels, and no pooling
    /// before them.
    pub fn is_cifar(self) -> bool {
        match self {
            ArchName::ResNet { depth }
            | ArchName::Plain { depth }
            | ArchName::PreActResNet { depth } => is_cifar_depth(depth),
            ArchName::Wrn { .. } => true,
            ArchName::ResNext { .. } | ArchName::WideResNet { .. } | ArchName::Vgg { .. } => false,
        }
    }

    /// Whether its blocks are of three layers, 1x1, 3x3, 1x1.
    pub fn has_bottlenecks(self) -> bool {
        match self {
            ArchName::ResNet { depth } | ArchName::PreActResNet { depth } => {
                matches!(depth, 50 | 101 | 152 | 200) || CIFAR_BOTTLENECKS.contains(&depth)
            }
            ArchName::ResNext { .. } | ArchName::WideResNet { .. } => true,
            ArchName::Plain { .. } | ArchName::Wrn { .. } | ArchName::Vgg { .. } => false,
        }
    }

    /// Whether anything skips a layer.
    pub fn has_shortcuts(self) -> bool {
        !matches!(self, ArchName::Plain { .. } | ArchName::Vgg { .. })
    }
}

fn is_cifar_depth(depth: u32) -> bool {
    let basic = (8..=MAX_DEPTH).contains(&depth) && depth % 6 == 2;
    (basic || CIFAR_BOTTLENECKS.contains(&depth)) && !IMAGENET_DEPTHS.contains(&depth)
}

/// A number as it is usually written: no sign, no zeros before it.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_imagenet_depths_are_not_taken_for_cifar_networks() {
        let cifar: Vec<u32> = [8, 18, 20, 34, 50, 56, 101, 110, 152, 164, 200, 1001, 1202]
            .into_iter()
            .filter(|depth| ArchName::parse(&format!("resnet{depth}")).unwrap().is_cifar())
            .collect();
        assert_eq!(cifar, [8, 20, 56, 110, 164, 1001, 1202]);
    }

    #[test]
    fn a_name_says_which_network_is_meant() {
        for (name, wanted) in [
            ("resnet18", ArchName::ResNet { depth: 18 }),
            ("plain56", ArchName::Plain { depth: 56 }),
            ("preresnet1001", ArchName::PreActResNet { depth: 1001 }),
            ("resnext101_32x8d", ArchName::ResNext { depth: 101, groups: 32, width: 8 }),
            ("wide_resnet50_2", ArchName::WideResNet { depth: 50, factor: 2 }),
            ("wrn28_10", ArchName::Wrn { depth: 28, factor: 10 }),
            ("vgg19", ArchName::Vgg { depth: 19, norm: false }),
            ("vgg16_bn", ArchName::Vgg { depth: 16, norm: true }),
        ] {
            assert_eq!(ArchName::parse(name), Some(wanted), "{name}");
        }
    }

    #[test]
    fn every_example_is_a_network() {
        for name in ArchName::EXAMPLES {
            assert!(ArchName::parse(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_not_quite_a_name_is_none() {
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
            assert_eq!(ArchName::parse(name), None, "{name}");
        }
    }
}
